//! How records are written.

use std::time::Duration;

use super::client::{ClientConfig, REQUEST_TIMEOUT};
use super::defaults;
use super::error::{ConfigError, Setting};
use super::knob::{INT32_MAX, MEMORY_MAX, Millis, Number, boolean};

/// Everything a producer needs: the cluster, batching, retries and what counts as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerConfig {
    client: ClientConfig,
    acks: Acks,
    idempotence: bool,
    compression: Compression,
    linger: Duration,
    batch_size: usize,
    max_request_size: usize,
    delivery_timeout: Duration,
    retries: u32,
    max_in_flight: usize,
    buffer_memory: usize,
    max_block: Duration,
    partitioner: Partitioner,
}

impl ProducerConfig {
    /// Starts from the cluster to write to.
    pub fn builder(client: ClientConfig) -> ProducerConfigBuilder {
        ProducerConfigBuilder { client, knobs: ProducerKnobs::default() }
    }

    /// The cluster to write to.
    pub fn client(&self) -> &ClientConfig {
        &self.client
    }

    /// See [`ProducerConfigBuilder::acks`].
    pub fn acks(&self) -> Acks {
        self.acks
    }

    /// See [`ProducerConfigBuilder::idempotence`].
    pub fn idempotence(&self) -> bool {
        self.idempotence
    }

    /// See [`ProducerConfigBuilder::compression`].
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// See [`ProducerConfigBuilder::linger`].
    pub fn linger(&self) -> Duration {
        self.linger
    }

    /// See [`ProducerConfigBuilder::batch_size`].
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// See [`ProducerConfigBuilder::max_request_size`].
    pub fn max_request_size(&self) -> usize {
        self.max_request_size
    }

    /// See [`ProducerConfigBuilder::delivery_timeout`].
    pub fn delivery_timeout(&self) -> Duration {
        self.delivery_timeout
    }

    /// See [`ProducerConfigBuilder::retries`].
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// See [`ProducerConfigBuilder::max_in_flight`].
    pub fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    /// See [`ProducerConfigBuilder::buffer_memory`].
    pub fn buffer_memory(&self) -> usize {
        self.buffer_memory
    }

    /// See [`ProducerConfigBuilder::max_block`].
    pub fn max_block(&self) -> Duration {
        self.max_block
    }

    /// See [`Partitioner`].
    pub fn partitioner(&self) -> Partitioner {
        self.partitioner
    }
}

/// Who must have a record before it counts as written: `acks`.
///
/// `acks=0` is refused: the broker answers nothing then, and no outcome could be told for any record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acks {
    /// The leader and all replicas in sync (`all` or `-1`).
    #[default]
    All,
    /// The leader (`1`). A record that counts as written is lost if the leader is lost before a follower has it.
    Leader,
}

impl Acks {
    fn parse(raw: &str) -> Result<Self, ConfigError> {
        match raw.trim() {
            "all" | "-1" => Ok(Self::All),
            "1" => Ok(Self::Leader),
            "0" => Err(ConfigError::NotSupported {
                key: ACKS,
                value: Some("0".to_owned()),
                why: "the broker would not answer, and no outcome could be told for any record",
            }),
            _ => Err(ConfigError::invalid(ACKS, raw, "`all`, `-1` or `1`")),
        }
    }

    fn setting(self) -> Setting {
        Setting::new(ACKS, if self == Self::All { "all" } else { "1" })
    }
}

/// How batches are compressed: `compression.type` and the level of the codec that it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Cargo feature `gzip`.
    Gzip {
        /// From 1, fast, to 9, small; `None` is zlib's own choice, 6 (`compression.gzip.level`, -1 for `None`).
        level: Option<u32>,
    },
    /// Cargo feature `snappy`. It has no levels.
    Snappy,
    /// Cargo feature `lz4`. Always the fast level.
    Lz4,
    /// Cargo feature `zstd` or `zstd-pure`.
    Zstd {
        /// From -131072, fast, to 22, small (`compression.zstd.level`). Java's default is 3. `zstd-pure` has one level and
        /// takes the nearest it has.
        level: i32,
    },
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip { .. } => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd { .. } => "zstd",
        }
    }

    fn check(self) -> Result<Self, ConfigError> {
        match self {
            Self::Gzip { level: Some(level) } => _ = GZIP_LEVEL.check(level)?,
            Self::Zstd { level } => _ = ZSTD_LEVEL.check(level)?,
            Self::None | Self::Gzip { level: None } | Self::Snappy | Self::Lz4 => {}
        }
        let compiled = match self {
            Self::None => true,
            Self::Gzip { .. } => cfg!(feature = "gzip"),
            Self::Snappy => cfg!(feature = "snappy"),
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Zstd { .. } => cfg!(any(feature = "zstd", feature = "zstd-pure")),
        };
        if !compiled {
            let setting = Setting::new("compression.type", self.name());
            return Err(ConfigError::NotCompiled { setting, feature: self.name() });
        }
        Ok(self)
    }
}

/// Which partition a record with a key goes to: `partitioner.class`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Partitioner {
    /// By murmur2 of the key, as Java's producer, so that both put equal keys into the same partition.
    #[default]
    Murmur2,
}

impl Partitioner {
    fn parse(raw: &str) -> Result<Self, ConfigError> {
        let key = "partitioner.class";
        let name = raw.trim();
        let value = Some(name.to_owned());
        match name.strip_prefix("org.apache.kafka.clients.producer.").unwrap_or(name) {
            // Java's built-in partitioner has no name since 3.3; this was its class before.
            "" | "murmur2" | "internals.DefaultPartitioner" => Ok(Self::Murmur2),
            "RoundRobinPartitioner" | "UniformStickyPartitioner" => {
                let why = "records with equal keys always go to one partition";
                Err(ConfigError::NotSupportedYet { key, value, why })
            }
            _ => {
                let why = "it names Java code, which a Rust client cannot load; a record may name its partition itself";
                Err(ConfigError::NotSupported { key, value, why })
            }
        }
    }
}

/// Collects settings for a [`ProducerConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ProducerConfigBuilder {
    client: ClientConfig,
    knobs: ProducerKnobs,
}

impl ProducerConfigBuilder {
    /// Who must have a record before it counts as written (`acks`).
    ///
    /// Default [`Acks::All`].
    pub fn acks(mut self, acks: Acks) -> Self {
        self.knobs.acks = acks;
        self
    }

    /// Whether brokers number the batches, so that a retry is neither written twice nor out of order
    /// (`enable.idempotence`).
    ///
    /// Default: yes, where `acks` is [`Acks::All`] and `retries` is not 0; otherwise no, as Java does. Set to `true`, it
    /// contradicts other `acks` and no `retries`; with it, `max_in_flight` is at most 5.
    pub fn idempotence(mut self, idempotence: bool) -> Self {
        self.knobs.idempotence = Some(idempotence);
        self
    }

    /// How batches are compressed (`compression.type`, `compression.gzip.level`, `compression.zstd.level`).
    ///
    /// Default [`Compression::None`], as Java.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.knobs.compression = compression;
        self
    }

    /// How long a batch that is not full waits for more records (`linger.ms`).
    ///
    /// Default 5 ms; zero sends at once.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.knobs.linger = linger;
        self
    }

    /// Bytes at which a batch is full, before compression (`batch.size`).
    ///
    /// Default 16 KiB, at most 2^31 - 1; zero gives each record its own batch. A larger record travels alone. Must fit
    /// `buffer_memory`.
    pub fn batch_size(mut self, bytes: usize) -> Self {
        self.knobs.batch_size = bytes;
        self
    }

    /// Largest request, and so the largest record (`max.request.size`).
    ///
    /// Default 1 MiB, from 1 to 2^31 - 1. The broker's `message.max.bytes` bounds each batch as well.
    pub fn max_request_size(mut self, bytes: usize) -> Self {
        self.knobs.max_request_size = bytes;
        self
    }

    /// Longest time from taking a record over to telling its outcome (`delivery.timeout.ms`).
    ///
    /// Default 2 min, or `linger` and the client's `request_timeout` together if that is longer. Contradicts a longer sum
    /// if set: a record could fail before the first answer was due.
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.knobs.delivery_timeout = Some(timeout);
        self
    }

    /// How often a batch is sent again after an error that may pass (`retries`).
    ///
    /// Default 2^31 - 1: `delivery_timeout` ends it. Zero turns idempotence off.
    pub fn retries(mut self, retries: u32) -> Self {
        self.knobs.retries = retries;
        self
    }

    /// Requests that may be unanswered on one connection (`max.in.flight.requests.per.connection`).
    ///
    /// Default 5, at least 1, at most 1000; at most 5 with idempotence, because a broker remembers that many batches. Without
    /// idempotence, more than 1 lets a retry overtake.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.knobs.max_in_flight = requests;
        self
    }

    /// Bytes of records that may wait or be under way (`buffer.memory`).
    ///
    /// Default 32 MiB, from 1 B to 1 TiB. When it is used up, sending waits up to `max_block`.
    pub fn buffer_memory(mut self, bytes: usize) -> Self {
        self.knobs.buffer_memory = bytes;
        self
    }

    /// Longest time that sending waits for memory or metadata (`max.block.ms`).
    ///
    /// Default 60 s; zero fails at once.
    pub fn max_block(mut self, wait: Duration) -> Self {
        self.knobs.max_block = wait;
        self
    }

    /// Checks bounds and contradictions.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for the first value outside its bounds; [`ConfigError::Contradiction`] for idempotence with
    /// other `acks` than all, without retries or with more than 5 requests in flight, for a `delivery_timeout` below
    /// `linger` and `request_timeout` together, and for a `batch_size` above `buffer_memory`;
    /// [`ConfigError::NotCompiled`] for a codec that this build lacks.
    pub fn build(self) -> Result<ProducerConfig, ConfigError> {
        self.knobs.build(self.client)
    }
}

/// The builder without its client, which a properties file completes last.
#[derive(Clone, Debug)]
pub(super) struct ProducerKnobs {
    acks: Acks,
    idempotence: Option<bool>,
    compression: Compression,
    gzip_level: Option<u32>,
    zstd_level: i32,
    linger: Duration,
    batch_size: usize,
    max_request_size: usize,
    delivery_timeout: Option<Duration>,
    retries: u32,
    max_in_flight: usize,
    buffer_memory: usize,
    max_block: Duration,
    partitioner: Partitioner,
}

impl ProducerKnobs {
    pub(super) fn build(self, client: ClientConfig) -> Result<ProducerConfig, ConfigError> {
        let idempotence = self.resolved_idempotence()?;
        let linger = LINGER.check(self.linger)?;
        let batch_size = BATCH_SIZE.check(self.batch_size)?;
        let buffer_memory = BUFFER_MEMORY.check(self.buffer_memory)?;
        if batch_size > buffer_memory {
            let why = "no batch could ever be allocated";
            let (left, right) = (BATCH_SIZE.setting(batch_size), BUFFER_MEMORY.setting(buffer_memory));
            return Err(ConfigError::contradiction(left, right, why));
        }
        Ok(ProducerConfig {
            acks: self.acks,
            idempotence,
            compression: self.compression.check()?,
            linger,
            batch_size,
            max_request_size: MAX_REQUEST_SIZE.check(self.max_request_size)?,
            delivery_timeout: self.resolved_delivery_timeout(linger, client.request_timeout())?,
            retries: RETRIES.check(self.retries)?,
            max_in_flight: MAX_IN_FLIGHT.check(self.max_in_flight)?,
            buffer_memory,
            max_block: MAX_BLOCK.check(self.max_block)?,
            partitioner: self.partitioner,
            client,
        })
    }

    /// Java's `ProducerConfig.postProcessAndValidateIdempotenceConfigs`: what was not asked for yields to `acks` and
    /// `retries`, but not to requests in flight.
    fn resolved_idempotence(&self) -> Result<bool, ConfigError> {
        let asked = self.idempotence == Some(true);
        let possible = self.acks == Acks::All && self.retries > 0;
        if self.idempotence == Some(false) || (!asked && !possible) {
            return Ok(false);
        }
        let idempotence = Setting::new(IDEMPOTENCE, true);
        if self.acks != Acks::All {
            let why = "a new leader that never had a batch would not know its number";
            return Err(ConfigError::contradiction(idempotence, self.acks.setting(), why));
        }
        if self.retries == 0 {
            let why = "numbers serve only to tell a retry from a new batch";
            return Err(ConfigError::contradiction(idempotence, Setting::new(RETRIES.key, 0), why));
        }
        if self.max_in_flight > IDEMPOTENT_IN_FLIGHT_MAX {
            let why = "a broker remembers the last 5 batches of a producer";
            return Err(ConfigError::contradiction(
                idempotence,
                MAX_IN_FLIGHT.setting(self.max_in_flight),
                why,
            ));
        }
        Ok(true)
    }

    /// Java's `KafkaProducer.configureDeliveryTimeout`.
    fn resolved_delivery_timeout(
        &self,
        linger: Duration,
        request: Duration,
    ) -> Result<Duration, ConfigError> {
        let least = linger.saturating_add(request);
        let Some(timeout) = self.delivery_timeout else { return Ok(defaults::DELIVERY_TIMEOUT.max(least)) };
        let timeout = DELIVERY_TIMEOUT.check(timeout)?;
        if timeout >= least {
            return Ok(timeout);
        }
        // It is the sum that is too long; its larger part is the one to name.
        let larger = if linger > request { LINGER.setting(linger) } else { REQUEST_TIMEOUT.setting(request) };
        let why = "it must be at least linger.ms and request.timeout.ms together";
        Err(ConfigError::contradiction(DELIVERY_TIMEOUT.setting(timeout), larger, why))
    }

    /// Takes a setting from a properties file; `false` if it is not one of these.
    pub(super) fn set(&mut self, key: &str, raw: &str) -> Result<bool, ConfigError> {
        match key {
            "acks" => self.acks = Acks::parse(raw)?,
            "batch.size" => self.batch_size = BATCH_SIZE.parse(raw)?,
            "buffer.memory" => self.buffer_memory = BUFFER_MEMORY.parse(raw)?,
            "compression.gzip.level" => self.gzip_level = gzip_level(raw)?,
            "compression.type" => self.compression = codec(raw)?,
            "compression.zstd.level" => self.zstd_level = ZSTD_LEVEL.parse(raw)?,
            "delivery.timeout.ms" => self.delivery_timeout = Some(DELIVERY_TIMEOUT.parse(raw)?),
            "enable.idempotence" => self.idempotence = Some(boolean(IDEMPOTENCE, raw)?),
            "linger.ms" => self.linger = LINGER.parse(raw)?,
            "max.block.ms" => self.max_block = MAX_BLOCK.parse(raw)?,
            "max.in.flight.requests.per.connection" => self.max_in_flight = MAX_IN_FLIGHT.parse(raw)?,
            "max.request.size" => self.max_request_size = MAX_REQUEST_SIZE.parse(raw)?,
            "partitioner.class" => self.partitioner = Partitioner::parse(raw)?,
            "retries" => self.retries = RETRIES.parse(raw)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Gives the codec the level that a properties file holds under another key, in whatever order they came.
    pub(super) fn with_level(mut self) -> Self {
        self.compression = match self.compression {
            Compression::Gzip { .. } => Compression::Gzip { level: self.gzip_level },
            Compression::Zstd { .. } => Compression::Zstd { level: self.zstd_level },
            other => other,
        };
        self
    }
}

impl Default for ProducerKnobs {
    fn default() -> Self {
        Self {
            acks: Acks::default(),
            idempotence: None,
            compression: Compression::default(),
            gzip_level: None,
            zstd_level: defaults::ZSTD_LEVEL,
            linger: defaults::LINGER,
            batch_size: defaults::BATCH_SIZE,
            max_request_size: defaults::MAX_REQUEST_SIZE,
            delivery_timeout: None,
            retries: defaults::RETRIES,
            max_in_flight: defaults::MAX_IN_FLIGHT,
            buffer_memory: defaults::BUFFER_MEMORY,
            max_block: defaults::MAX_BLOCK,
            partitioner: Partitioner::default(),
        }
    }
}

fn codec(raw: &str) -> Result<Compression, ConfigError> {
    match raw.trim() {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip { level: None }),
        "snappy" => Ok(Compression::Snappy),
        "lz4" => Ok(Compression::Lz4),
        "zstd" => Ok(Compression::Zstd { level: defaults::ZSTD_LEVEL }),
        _ => Err(ConfigError::invalid("compression.type", raw, "`none`, `gzip`, `snappy`, `lz4` or `zstd`")),
    }
}

/// -1 is the codec's own choice (`java.util.zip.Deflater.DEFAULT_COMPRESSION`).
fn gzip_level(raw: &str) -> Result<Option<u32>, ConfigError> {
    if raw.trim() == "-1" { Ok(None) } else { GZIP_LEVEL.parse(raw).map(Some) }
}

const ACKS: &str = "acks";
const IDEMPOTENCE: &str = "enable.idempotence";
const LINGER: Millis = Millis::at_least("linger.ms", 0);
const BATCH_SIZE: Number = Number::new("batch.size", 0, INT32_MAX);
const MAX_REQUEST_SIZE: Number = Number::new("max.request.size", 1, INT32_MAX);
const DELIVERY_TIMEOUT: Millis = Millis::at_least("delivery.timeout.ms", 1);
const RETRIES: Number = Number::new("retries", 0, INT32_MAX);
const MAX_IN_FLIGHT: Number = Number::new("max.in.flight.requests.per.connection", 1, 1_000);
const BUFFER_MEMORY: Number = Number::new("buffer.memory", 1, MEMORY_MAX);
const MAX_BLOCK: Millis = Millis::at_least("max.block.ms", 0);
const GZIP_LEVEL: Number = Number::new("compression.gzip.level", 1, 9);
const ZSTD_LEVEL: Number = Number::new("compression.zstd.level", -131_072, 22);
/// Java's `ProducerConfig.MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION_FOR_IDEMPOTENCE`; the broker's
/// `ProducerStateEntry.NUM_BATCHES_TO_RETAIN`.
const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;

#[cfg(test)]
mod tests;
