//! What and how much a reader asks for.

use std::time::Duration;

use super::defaults;
use super::error::ConfigError;
use super::knob::{INT32_MAX, MEMORY_MAX, Millis, Number, boolean, short_text};
use super::offset_reset::OffsetReset;

/// How records are fetched, and how many bytes of them may be held.
///
/// Checksums are always verified: `check.crcs` has no counterpart here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchConfig {
    max_wait: Duration,
    min_bytes: usize,
    max_bytes: usize,
    max_partition_bytes: usize,
    isolation: IsolationLevel,
    budget_bytes: usize,
    max_batch_decompressed_bytes: usize,
    decode_threads: usize,
    rack: Option<String>,
    offset_reset: OffsetReset,
    allow_auto_create_topics: bool,
    exclude_internal_topics: bool,
    new_partitions: NewPartitions,
}

impl FetchConfig {
    /// Starts from the defaults.
    pub fn builder() -> FetchConfigBuilder {
        FetchConfigBuilder::default()
    }

    /// See [`FetchConfigBuilder::max_wait`].
    pub fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// See [`FetchConfigBuilder::min_bytes`].
    pub fn min_bytes(&self) -> usize {
        self.min_bytes
    }

    /// See [`FetchConfigBuilder::max_bytes`].
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// See [`FetchConfigBuilder::max_partition_bytes`]. Never above [`max_bytes`](Self::max_bytes).
    pub fn max_partition_bytes(&self) -> usize {
        self.max_partition_bytes
    }

    /// See [`FetchConfigBuilder::isolation`].
    pub fn isolation(&self) -> IsolationLevel {
        self.isolation
    }

    /// See [`FetchConfigBuilder::budget_bytes`].
    pub fn budget_bytes(&self) -> usize {
        self.budget_bytes
    }

    /// See [`FetchConfigBuilder::max_batch_decompressed_bytes`].
    pub fn max_batch_decompressed_bytes(&self) -> usize {
        self.max_batch_decompressed_bytes
    }

    /// See [`FetchConfigBuilder::decode_threads`].
    pub fn decode_threads(&self) -> usize {
        self.decode_threads
    }

    /// Largest Fetch answer that is read: what was asked for, and one batch more, because a broker returns the first batch
    /// whole however large it is (KIP-74). A batch above the decompression bound could not be used anyway.
    pub fn max_frame_bytes(&self) -> usize {
        self.max_bytes.saturating_add(self.max_batch_decompressed_bytes)
    }

    /// See [`FetchConfigBuilder::rack`].
    pub fn rack(&self) -> Option<&str> {
        self.rack.as_deref()
    }

    /// See [`FetchConfigBuilder::offset_reset`].
    pub fn offset_reset(&self) -> OffsetReset {
        self.offset_reset
    }

    /// See [`FetchConfigBuilder::allow_auto_create_topics`].
    pub fn allow_auto_create_topics(&self) -> bool {
        self.allow_auto_create_topics
    }

    /// See [`FetchConfigBuilder::exclude_internal_topics`].
    pub fn exclude_internal_topics(&self) -> bool {
        self.exclude_internal_topics
    }

    /// See [`FetchConfigBuilder::new_partitions`].
    pub fn new_partitions(&self) -> NewPartitions {
        self.new_partitions
    }
}

impl Default for FetchConfig {
    fn default() -> Self {
        // One set of defaults: the builder's. They are within their bounds (there is a test).
        let fetch = FetchConfigBuilder::default();
        Self {
            max_wait: fetch.max_wait,
            min_bytes: fetch.min_bytes,
            max_bytes: fetch.max_bytes,
            max_partition_bytes: fetch.max_partition_bytes,
            isolation: fetch.isolation,
            budget_bytes: fetch.budget_bytes,
            max_batch_decompressed_bytes: fetch.max_batch_decompressed_bytes,
            decode_threads: fetch.decode_threads,
            rack: fetch.rack,
            offset_reset: fetch.offset_reset,
            allow_auto_create_topics: fetch.allow_auto_create_topics,
            exclude_internal_topics: fetch.exclude_internal_topics,
            new_partitions: fetch.new_partitions,
        }
    }
}

/// Which records of transactions are read: `isolation.level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    /// All of them, up to the high watermark; also those of transactions that are open or were aborted.
    #[default]
    ReadUncommitted,
    /// Only those of committed transactions, up to the last stable offset.
    ReadCommitted,
}

impl IsolationLevel {
    fn parse(raw: &str) -> Result<Self, ConfigError> {
        match raw.trim() {
            "read_uncommitted" => Ok(Self::ReadUncommitted),
            "read_committed" => Ok(Self::ReadCommitted),
            _ => Err(ConfigError::invalid("isolation.level", raw, "`read_uncommitted` or `read_committed`")),
        }
    }
}

/// Where partitions begin that are new since reading began: `milena.new.partitions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewPartitions {
    /// At their first record.
    #[default]
    Earliest,
    /// Where all others begin: as `auto.offset.reset` says. Java does this.
    AsOthers,
}

impl NewPartitions {
    fn parse(raw: &str) -> Result<Self, ConfigError> {
        match raw.trim() {
            "earliest" => Ok(Self::Earliest),
            "as_others" => Ok(Self::AsOthers),
            _ => Err(ConfigError::invalid("milena.new.partitions", raw, "`earliest` or `as_others`")),
        }
    }
}

/// Collects settings for a [`FetchConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct FetchConfigBuilder {
    max_wait: Duration,
    min_bytes: usize,
    max_bytes: usize,
    max_partition_bytes: usize,
    isolation: IsolationLevel,
    budget_bytes: usize,
    max_batch_decompressed_bytes: usize,
    decode_threads: usize,
    rack: Option<String>,
    offset_reset: OffsetReset,
    allow_auto_create_topics: bool,
    exclude_internal_topics: bool,
    new_partitions: NewPartitions,
}

impl FetchConfigBuilder {
    /// Longest time a broker may hold a Fetch while fewer than `min_bytes` are there (`fetch.max.wait.ms`).
    ///
    /// Default 500 ms. Zero answers at once. Must be below the client's `request_timeout`. Longer waits mean fewer
    /// requests, not slower records.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Bytes a broker waits for before it answers a Fetch (`fetch.min.bytes`).
    ///
    /// Default 1, zero answers at once. Must not be above `max_bytes` or `budget_bytes`. More means larger answers and
    /// later records, up to `max_wait`.
    pub fn min_bytes(mut self, bytes: usize) -> Self {
        self.min_bytes = bytes;
        self
    }

    /// Bytes to ask of one broker at a time (`fetch.max.bytes`).
    ///
    /// Default 50 MiB, from 1 to 2^31 - 1. A broker exceeds it by at most one batch (KIP-74); the budget may lower it.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Bytes to ask of one partition at a time (`max.partition.fetch.bytes`).
    ///
    /// Default 1 MiB, from 1 to 2^31 - 1. Above `max_bytes` it means `max_bytes`, as it does to a broker. Must fit
    /// `budget_bytes`, or no fetch could ever be paid for.
    pub fn max_partition_bytes(mut self, bytes: usize) -> Self {
        self.max_partition_bytes = bytes;
        self
    }

    /// Which records of transactions are read (`isolation.level`).
    ///
    /// Default: all of them, as Java does.
    pub fn isolation(mut self, isolation: IsolationLevel) -> Self {
        self.isolation = isolation;
        self
    }

    /// Bytes that may be fetched, decompressed or held by the program at any time (`milena.budget.bytes`).
    ///
    /// Default 64 MiB, from 64 KiB to 1 TiB. When it is used up, Milena stops asking; it drops nothing and keeps its place
    /// in the group. Must hold `max_partition_bytes` and `min_bytes`.
    pub fn budget_bytes(mut self, bytes: usize) -> Self {
        self.budget_bytes = bytes;
        self
    }

    /// Largest size of one batch after decompression (`milena.max.decompressed.batch.bytes`).
    ///
    /// Default 64 MiB, from 64 KiB to 2^31 - 1. A larger batch is an error of its partition, found while decompressing,
    /// not after.
    pub fn max_batch_decompressed_bytes(mut self, bytes: usize) -> Self {
        self.max_batch_decompressed_bytes = bytes;
        self
    }

    /// Threads that decompress ahead of the reader (`milena.decode.threads`).
    ///
    /// Default one less than there are cores, from 1 to 4; at most 64. They are Tokio's blocking threads, and busy only while
    /// compressed batches wait to be read. With 0 the reading task decompresses everything, in its own time.
    pub fn decode_threads(mut self, threads: usize) -> Self {
        self.decode_threads = threads;
        self
    }

    /// Where this reader stands, to be served by a replica that stands there too (`client.rack`, KIP-392).
    ///
    /// Default none, which an empty name stands for as well: partitions are read from their leaders. At most 32767 bytes.
    pub fn rack(mut self, rack: impl Into<String>) -> Self {
        self.rack = Some(rack.into());
        self
    }

    /// Where to start a partition that has no usable position (`auto.offset.reset`).
    ///
    /// Default [`OffsetReset::Latest`], as Java does. Every use of it is an event with the old and the new offset.
    pub fn offset_reset(mut self, reset: OffsetReset) -> Self {
        self.offset_reset = reset;
        self
    }

    /// Whether a broker may create a topic because this reader asks for it (`allow.auto.create.topics`).
    ///
    /// Default `false`; Java's is `true`. The broker's `auto.create.topics.enable` must agree.
    pub fn allow_auto_create_topics(mut self, allow: bool) -> Self {
        self.allow_auto_create_topics = allow;
        self
    }

    /// Whether a pattern leaves out the brokers' own topics (`exclude.internal.topics`).
    ///
    /// Default `true`. A topic that is named is read in any case.
    pub fn exclude_internal_topics(mut self, exclude: bool) -> Self {
        self.exclude_internal_topics = exclude;
        self
    }

    /// Where a partition begins that appears while its topic is being read, or whose topic does, if it has no committed offset
    /// (`milena.new.partitions`).
    ///
    /// Default [`NewPartitions::Earliest`]: with `latest`, what is written between the creation of the partition and the first
    /// fetch from it would be lost without a word (KAFKA-12478). Concerns `latest` and `by_duration` only; every other policy
    /// says itself where to begin. What counts is what this reader has seen itself: to one that starts after the partition
    /// was added, it is as old as all others.
    pub fn new_partitions(mut self, begin: NewPartitions) -> Self {
        self.new_partitions = begin;
        self
    }

    /// Checks bounds and contradictions.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for the first value outside its bounds; [`ConfigError::Contradiction`] if `min_bytes` is
    /// above `max_bytes`, or if it or `max_partition_bytes` is above `budget_bytes`.
    pub fn build(self) -> Result<FetchConfig, ConfigError> {
        let min_bytes = MIN_BYTES.check(self.min_bytes)?;
        let max_bytes = MAX_BYTES.check(self.max_bytes)?;
        let max_partition_bytes = MAX_PARTITION_BYTES.check(self.max_partition_bytes)?.min(max_bytes);
        let budget_bytes = BUDGET.check(self.budget_bytes)?;
        if min_bytes > max_bytes {
            let why =
                "an answer would have to be larger than it may be, so every Fetch would wait its longest";
            return Err(ConfigError::contradiction(
                MIN_BYTES.setting(min_bytes),
                MAX_BYTES.setting(max_bytes),
                why,
            ));
        }
        for (knob, bytes) in [(&MAX_PARTITION_BYTES, max_partition_bytes), (&MIN_BYTES, min_bytes)] {
            if bytes > budget_bytes {
                let why = "the budget has to pay for a Fetch before it is sent";
                return Err(ConfigError::contradiction(
                    knob.setting(bytes),
                    BUDGET.setting(budget_bytes),
                    why,
                ));
            }
        }
        let rack = self.rack.filter(|rack| !rack.is_empty());
        Ok(FetchConfig {
            max_wait: MAX_WAIT.check(self.max_wait)?,
            min_bytes,
            max_bytes,
            max_partition_bytes,
            isolation: self.isolation,
            budget_bytes,
            max_batch_decompressed_bytes: MAX_DECOMPRESSED.check(self.max_batch_decompressed_bytes)?,
            decode_threads: DECODE_THREADS.check(self.decode_threads)?,
            rack: rack.map(|rack| short_text("client.rack", &rack)).transpose()?,
            offset_reset: self.offset_reset.check()?,
            allow_auto_create_topics: self.allow_auto_create_topics,
            exclude_internal_topics: self.exclude_internal_topics,
            new_partitions: self.new_partitions,
        })
    }

    /// Takes a setting from a properties file; `false` if it is not one of these.
    pub(super) fn set(&mut self, key: &str, raw: &str) -> Result<bool, ConfigError> {
        match key {
            "allow.auto.create.topics" => {
                self.allow_auto_create_topics = boolean("allow.auto.create.topics", raw)?;
            }
            "auto.offset.reset" => self.offset_reset = OffsetReset::parse(raw)?,
            "client.rack" => self.rack = Some(raw.trim().to_owned()),
            "exclude.internal.topics" => {
                self.exclude_internal_topics = boolean("exclude.internal.topics", raw)?
            }
            "fetch.max.bytes" => self.max_bytes = MAX_BYTES.parse(raw)?,
            "fetch.max.wait.ms" => self.max_wait = MAX_WAIT.parse(raw)?,
            "fetch.min.bytes" => self.min_bytes = MIN_BYTES.parse(raw)?,
            "isolation.level" => self.isolation = IsolationLevel::parse(raw)?,
            "max.partition.fetch.bytes" => self.max_partition_bytes = MAX_PARTITION_BYTES.parse(raw)?,
            "milena.budget.bytes" => self.budget_bytes = BUDGET.parse(raw)?,
            "milena.decode.threads" => self.decode_threads = DECODE_THREADS.parse(raw)?,
            "milena.max.decompressed.batch.bytes" => {
                self.max_batch_decompressed_bytes = MAX_DECOMPRESSED.parse(raw)?
            }
            "milena.new.partitions" => self.new_partitions = NewPartitions::parse(raw)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Default for FetchConfigBuilder {
    fn default() -> Self {
        Self {
            max_wait: defaults::FETCH_MAX_WAIT,
            min_bytes: defaults::FETCH_MIN_BYTES,
            max_bytes: defaults::FETCH_MAX_BYTES,
            max_partition_bytes: defaults::MAX_PARTITION_FETCH_BYTES,
            isolation: IsolationLevel::default(),
            budget_bytes: defaults::BUDGET_BYTES,
            max_batch_decompressed_bytes: defaults::MAX_BATCH_DECOMPRESSED_BYTES,
            decode_threads: decode_threads(),
            rack: None,
            offset_reset: OffsetReset::default(),
            allow_auto_create_topics: defaults::ALLOW_AUTO_CREATE_TOPICS,
            exclude_internal_topics: defaults::EXCLUDE_INTERNAL_TOPICS,
            new_partitions: NewPartitions::default(),
        }
    }
}

/// As many as there are cores beside the reader's.
fn decode_threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, |cores| (cores.get() - 1).clamp(1, DECODE_THREADS_USUAL_MAX))
}

/// More would rarely have work: one core decompresses a gigabyte a second.
const DECODE_THREADS_USUAL_MAX: usize = 4;
const DECODE_THREADS: Number = Number::new("milena.decode.threads", 0, 64);
pub(super) const MAX_WAIT: Millis = Millis::at_least("fetch.max.wait.ms", 0);
const MIN_BYTES: Number = Number::new("fetch.min.bytes", 0, INT32_MAX);
const MAX_BYTES: Number = Number::new("fetch.max.bytes", 1, INT32_MAX);
const MAX_PARTITION_BYTES: Number = Number::new("max.partition.fetch.bytes", 1, INT32_MAX);
const BUDGET: Number = Number::new("milena.budget.bytes", 1 << 16, MEMORY_MAX);
const MAX_DECOMPRESSED: Number = Number::new("milena.max.decompressed.batch.bytes", 1 << 16, INT32_MAX);

#[cfg(test)]
mod tests;
