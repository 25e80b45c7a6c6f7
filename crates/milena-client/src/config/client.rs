//! What every connection to a cluster needs to know.

use std::time::Duration;

use super::defaults;
use super::error::ConfigError;
use super::host_port::{HostPort, NO_SERVERS};
use super::knob::{INT32_MAX, Millis, Number, short_text};

/// How to reach a cluster: addresses, timeouts, back-off and the bounds of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    bootstrap_servers: Vec<HostPort>,
    client_id: String,
    request_timeout: Duration,
    api_timeout: Duration,
    connect_timeout: Duration,
    connect_timeout_max: Duration,
    retry_backoff: Duration,
    retry_backoff_max: Duration,
    reconnect_backoff: Duration,
    reconnect_backoff_max: Duration,
    metadata_max_age: Duration,
    metadata_recovery: MetadataRecovery,
    connections_max_idle: Option<Duration>,
    receive_buffer_bytes: Option<usize>,
    send_buffer_bytes: Option<usize>,
    max_frame_bytes: usize,
    security_protocol: SecurityProtocol,
    seed: Option<u64>,
}

impl ClientConfig {
    /// Starts from the brokers to ask for the others. [`HostPort::parse_list`] reads them from a text.
    pub fn builder(bootstrap_servers: impl IntoIterator<Item = HostPort>) -> ClientConfigBuilder {
        ClientConfigBuilder {
            bootstrap_servers: bootstrap_servers.into_iter().collect(),
            ..ClientConfigBuilder::default()
        }
    }

    /// Starts from the brokers to ask for the others, as `host:port,host:port`.
    ///
    /// # Errors
    /// As [`HostPort::parse_list`].
    pub fn bootstrap(servers: &str) -> Result<ClientConfigBuilder, ConfigError> {
        Ok(Self::builder(HostPort::parse_list(servers)?))
    }

    /// The brokers to ask for the others; at least one.
    pub fn bootstrap_servers(&self) -> &[HostPort] {
        &self.bootstrap_servers
    }

    /// See [`ClientConfigBuilder::client_id`].
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// See [`ClientConfigBuilder::request_timeout`].
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// See [`ClientConfigBuilder::api_timeout`].
    pub fn api_timeout(&self) -> Duration {
        self.api_timeout
    }

    /// See [`ClientConfigBuilder::connect_timeout`].
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// See [`ClientConfigBuilder::connect_timeout_max`]. Never below [`connect_timeout`](Self::connect_timeout).
    pub fn connect_timeout_max(&self) -> Duration {
        self.connect_timeout_max
    }

    /// See [`ClientConfigBuilder::retry_backoff`].
    pub fn retry_backoff(&self) -> Duration {
        self.retry_backoff
    }

    /// See [`ClientConfigBuilder::retry_backoff_max`]. Never below [`retry_backoff`](Self::retry_backoff).
    pub fn retry_backoff_max(&self) -> Duration {
        self.retry_backoff_max
    }

    /// See [`ClientConfigBuilder::reconnect_backoff`].
    pub fn reconnect_backoff(&self) -> Duration {
        self.reconnect_backoff
    }

    /// See [`ClientConfigBuilder::reconnect_backoff_max`]. Never below [`reconnect_backoff`](Self::reconnect_backoff).
    pub fn reconnect_backoff_max(&self) -> Duration {
        self.reconnect_backoff_max
    }

    /// See [`ClientConfigBuilder::metadata_max_age`].
    pub fn metadata_max_age(&self) -> Duration {
        self.metadata_max_age
    }

    /// See [`ClientConfigBuilder::metadata_recovery`].
    pub fn metadata_recovery(&self) -> MetadataRecovery {
        self.metadata_recovery
    }

    /// See [`ClientConfigBuilder::connections_max_idle`]; `None`: connections stay open.
    pub fn connections_max_idle(&self) -> Option<Duration> {
        self.connections_max_idle
    }

    /// See [`ClientConfigBuilder::receive_buffer_bytes`]; `None`: the operating system's.
    pub fn receive_buffer_bytes(&self) -> Option<usize> {
        self.receive_buffer_bytes
    }

    /// See [`ClientConfigBuilder::send_buffer_bytes`]; `None`: the operating system's.
    pub fn send_buffer_bytes(&self) -> Option<usize> {
        self.send_buffer_bytes
    }

    /// See [`ClientConfigBuilder::max_frame_bytes`].
    pub fn max_frame_bytes(&self) -> usize {
        self.max_frame_bytes
    }

    /// See [`ClientConfigBuilder::seed`]; `None`: different ones in each run.
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// How connections are protected: not at all, in this version.
    pub fn security_protocol(&self) -> SecurityProtocol {
        self.security_protocol
    }
}

/// What to do when no known broker can be reached any more (KIP-899, KIP-1102): `metadata.recovery.strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataRecovery {
    /// Keep trying the brokers that were known last.
    None,
    /// Ask the bootstrap list again.
    Rebootstrap {
        /// ... at the latest when no broker has answered for this long (`metadata.recovery.rebootstrap.trigger.ms`).
        trigger: Duration,
    },
}

/// How connections are protected: `security.protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated. The only one in this version.
    #[default]
    Plaintext,
}

impl SecurityProtocol {
    fn parse(raw: &str) -> Result<Self, ConfigError> {
        let raw = raw.trim();
        let refused = |why| ConfigError::NotSupportedYet {
            key: "security.protocol",
            value: Some(raw.to_ascii_uppercase()),
            why,
        };
        match raw.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Ok(Self::Plaintext),
            "SSL" => Err(refused("TLS is missing")),
            "SASL_PLAINTEXT" => Err(refused("authentication by SASL is missing")),
            "SASL_SSL" => Err(refused("TLS and authentication by SASL are missing")),
            _ => Err(ConfigError::invalid(
                "security.protocol",
                raw,
                "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
            )),
        }
    }
}

/// Collects settings for a [`ClientConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ClientConfigBuilder {
    bootstrap_servers: Vec<HostPort>,
    client_id: String,
    request_timeout: Duration,
    api_timeout: Duration,
    connect_timeout: Duration,
    connect_timeout_max: Option<Duration>,
    retry_backoff: Duration,
    retry_backoff_max: Option<Duration>,
    reconnect_backoff: Duration,
    reconnect_backoff_max: Option<Duration>,
    metadata_max_age: Duration,
    rebootstrap: bool,
    rebootstrap_trigger: Duration,
    connections_max_idle: Option<Duration>,
    receive_buffer_bytes: Option<usize>,
    send_buffer_bytes: Option<usize>,
    max_frame_bytes: usize,
    security_protocol: SecurityProtocol,
    seed: Option<u64>,
}

impl ClientConfigBuilder {
    /// The name by which brokers log and throttle this client (`client.id`).
    ///
    /// Default `milena`, which an empty name stands for as well. At most 32767 bytes.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = id.into();
        self
    }

    /// Longest time to wait for the answer to one request (`request.timeout.ms`).
    ///
    /// Default 30 s, at least 1 ms, at most 2^31 - 1 ms (24 days) like every duration here. When it is over, the
    /// connection is closed and the request is retried where that is safe. Must be above a reader's `fetch.max.wait.ms`.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Longest time for one call of the program, all retries included (`default.api.timeout.ms`).
    ///
    /// Default 60 s, at least 1 ms.
    pub fn api_timeout(mut self, timeout: Duration) -> Self {
        self.api_timeout = timeout;
        self
    }

    /// Longest time for a TCP connection to come about, at the first try (`socket.connection.setup.timeout.ms`).
    ///
    /// Default 10 s, at least 1 ms. Doubles with each failure in a row, up to
    /// [`connect_timeout_max`](Self::connect_timeout_max).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Where the doubling of [`connect_timeout`](Self::connect_timeout) ends (`socket.connection.setup.timeout.max.ms`).
    ///
    /// Default 30 s, or `connect_timeout` if that is longer. Contradicts a longer `connect_timeout` if set.
    pub fn connect_timeout_max(mut self, timeout: Duration) -> Self {
        self.connect_timeout_max = Some(timeout);
        self
    }

    /// Wait before the first retry of a failed request (`retry.backoff.ms`).
    ///
    /// Default 100 ms, zero allowed. Doubles with each failure in a row, up to
    /// [`retry_backoff_max`](Self::retry_backoff_max) (KIP-580).
    pub fn retry_backoff(mut self, wait: Duration) -> Self {
        self.retry_backoff = wait;
        self
    }

    /// Where the doubling of [`retry_backoff`](Self::retry_backoff) ends (`retry.backoff.max.ms`).
    ///
    /// Default 1 s, or `retry_backoff` if that is longer. Contradicts a longer `retry_backoff` if set.
    pub fn retry_backoff_max(mut self, wait: Duration) -> Self {
        self.retry_backoff_max = Some(wait);
        self
    }

    /// Wait before the first new connection to a broker whose connection failed (`reconnect.backoff.ms`).
    ///
    /// Default 50 ms, zero allowed. Doubles with each failure in a row, up to
    /// [`reconnect_backoff_max`](Self::reconnect_backoff_max). (Java stops the doubling if only this one is set; here it
    /// takes the other one as well.)
    pub fn reconnect_backoff(mut self, wait: Duration) -> Self {
        self.reconnect_backoff = wait;
        self
    }

    /// Where the doubling of [`reconnect_backoff`](Self::reconnect_backoff) ends (`reconnect.backoff.max.ms`).
    ///
    /// Default 1 s, or `reconnect_backoff` if that is longer. Contradicts a longer `reconnect_backoff` if set.
    pub fn reconnect_backoff_max(mut self, wait: Duration) -> Self {
        self.reconnect_backoff_max = Some(wait);
        self
    }

    /// Age at which metadata is asked for again although nothing failed (`metadata.max.age.ms`).
    ///
    /// Default 5 min, at least 1 ms. New partitions and new topics of a pattern are seen at most this much later.
    pub fn metadata_max_age(mut self, age: Duration) -> Self {
        self.metadata_max_age = age;
        self
    }

    /// What to do when no known broker can be reached (`metadata.recovery.strategy` and
    /// `metadata.recovery.rebootstrap.trigger.ms`).
    ///
    /// Default: ask the bootstrap list again after 5 min at the latest. The trigger may be zero.
    pub fn metadata_recovery(mut self, recovery: MetadataRecovery) -> Self {
        self.rebootstrap = match recovery {
            MetadataRecovery::None => false,
            MetadataRecovery::Rebootstrap { trigger } => {
                self.rebootstrap_trigger = trigger;
                true
            }
        };
        self
    }

    /// How long a connection may be idle before it is closed (`connections.max.idle.ms`; below 0 there is `None` here).
    ///
    /// Default 9 min, zero allowed; `None` keeps connections until the broker closes them.
    pub fn connections_max_idle(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.connections_max_idle = idle.into();
        self
    }

    /// Size of the socket's receive buffer (`receive.buffer.bytes`; -1 there is `None` here).
    ///
    /// Default `None`: the operating system sizes it as needed, which a fixed size turns off. Java's is fixed at 64 KiB.
    pub fn receive_buffer_bytes(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.receive_buffer_bytes = bytes.into();
        self
    }

    /// Size of the socket's send buffer (`send.buffer.bytes`; -1 there is `None` here).
    ///
    /// Default `None`: the operating system sizes it as needed, which a fixed size turns off. Java's is fixed at 128 KiB.
    pub fn send_buffer_bytes(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.send_buffer_bytes = bytes.into();
        self
    }

    /// Largest answer that is read, apart from Fetch, whose bound is `FetchConfig::max_frame_bytes`
    /// (`milena.max.frame.bytes`).
    ///
    /// Default 100 MiB, at least 64 KiB. A broker that announces more is disconnected, and the request has failed.
    pub fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.max_frame_bytes = bytes;
        self
    }

    /// What is left to chance comes from this: jitter of retries, above all (`milena.seed`).
    ///
    /// Default `None`: different in each run, so that many clients do not retry in step. A seed is for tests that must
    /// repeat. The members of one group need different ones: with `group.protocol=consumer` their ids come from it.
    pub fn seed(mut self, seed: impl Into<Option<u64>>) -> Self {
        self.seed = seed.into();
        self
    }

    /// Checks bounds and contradictions.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] without a bootstrap server, [`ConfigError::OutOfRange`] for the first value outside its
    /// bounds, [`ConfigError::Contradiction`] for a maximum below what it limits.
    pub fn build(self) -> Result<ClientConfig, ConfigError> {
        if self.bootstrap_servers.is_empty() {
            return Err(ConfigError::Missing { key: "bootstrap.servers", why: NO_SERVERS });
        }
        let (connect_timeout, connect_timeout_max) = rising(
            (&CONNECT_TIMEOUT, self.connect_timeout),
            (&CONNECT_TIMEOUT_MAX, self.connect_timeout_max, defaults::CONNECT_TIMEOUT_MAX),
        )?;
        let (retry_backoff, retry_backoff_max) = rising(
            (&RETRY_BACKOFF, self.retry_backoff),
            (&RETRY_BACKOFF_MAX, self.retry_backoff_max, defaults::RETRY_BACKOFF_MAX),
        )?;
        let (reconnect_backoff, reconnect_backoff_max) = rising(
            (&RECONNECT_BACKOFF, self.reconnect_backoff),
            (&RECONNECT_BACKOFF_MAX, self.reconnect_backoff_max, defaults::RECONNECT_BACKOFF_MAX),
        )?;
        let trigger = REBOOTSTRAP_TRIGGER.check(self.rebootstrap_trigger)?;
        let client_id = if self.client_id.is_empty() { defaults::CLIENT_ID } else { &self.client_id };
        Ok(ClientConfig {
            client_id: short_text("client.id", client_id)?,
            request_timeout: REQUEST_TIMEOUT.check(self.request_timeout)?,
            api_timeout: API_TIMEOUT.check(self.api_timeout)?,
            connect_timeout,
            connect_timeout_max,
            retry_backoff,
            retry_backoff_max,
            reconnect_backoff,
            reconnect_backoff_max,
            metadata_max_age: METADATA_MAX_AGE.check(self.metadata_max_age)?,
            metadata_recovery: if self.rebootstrap {
                MetadataRecovery::Rebootstrap { trigger }
            } else {
                MetadataRecovery::None
            },
            connections_max_idle: self.connections_max_idle.map(|idle| MAX_IDLE.check(idle)).transpose()?,
            receive_buffer_bytes: self
                .receive_buffer_bytes
                .map(|bytes| RECEIVE_BUFFER.check(bytes))
                .transpose()?,
            send_buffer_bytes: self.send_buffer_bytes.map(|bytes| SEND_BUFFER.check(bytes)).transpose()?,
            max_frame_bytes: MAX_FRAME.check(self.max_frame_bytes)?,
            security_protocol: self.security_protocol,
            seed: self.seed,
            bootstrap_servers: self.bootstrap_servers,
        })
    }

    /// Takes a setting from a properties file; `false` if it is not one of these.
    pub(super) fn set(&mut self, key: &str, raw: &str) -> Result<bool, ConfigError> {
        match key {
            "bootstrap.servers" => self.bootstrap_servers = HostPort::parse_list(raw)?,
            "client.id" => self.client_id = raw.trim().to_owned(),
            "connections.max.idle.ms" => self.connections_max_idle = idle(raw)?,
            "default.api.timeout.ms" => self.api_timeout = API_TIMEOUT.parse(raw)?,
            "metadata.max.age.ms" => self.metadata_max_age = METADATA_MAX_AGE.parse(raw)?,
            "metadata.recovery.rebootstrap.trigger.ms" => {
                self.rebootstrap_trigger = REBOOTSTRAP_TRIGGER.parse(raw)?
            }
            "metadata.recovery.strategy" => self.rebootstrap = rebootstrap(raw)?,
            "milena.max.frame.bytes" => self.max_frame_bytes = MAX_FRAME.parse(raw)?,
            "milena.seed" => self.seed = Some(SEED.parse(raw)?),
            "receive.buffer.bytes" => self.receive_buffer_bytes = buffer(&RECEIVE_BUFFER, raw)?,
            "reconnect.backoff.max.ms" => {
                self.reconnect_backoff_max = Some(RECONNECT_BACKOFF_MAX.parse(raw)?)
            }
            "reconnect.backoff.ms" => self.reconnect_backoff = RECONNECT_BACKOFF.parse(raw)?,
            "request.timeout.ms" => self.request_timeout = REQUEST_TIMEOUT.parse(raw)?,
            "retry.backoff.max.ms" => self.retry_backoff_max = Some(RETRY_BACKOFF_MAX.parse(raw)?),
            "retry.backoff.ms" => self.retry_backoff = RETRY_BACKOFF.parse(raw)?,
            "security.protocol" => self.security_protocol = SecurityProtocol::parse(raw)?,
            "send.buffer.bytes" => self.send_buffer_bytes = buffer(&SEND_BUFFER, raw)?,
            "socket.connection.setup.timeout.max.ms" => {
                self.connect_timeout_max = Some(CONNECT_TIMEOUT_MAX.parse(raw)?)
            }
            "socket.connection.setup.timeout.ms" => self.connect_timeout = CONNECT_TIMEOUT.parse(raw)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Default for ClientConfigBuilder {
    /// Defaults throughout, and no bootstrap server yet.
    fn default() -> Self {
        Self {
            bootstrap_servers: Vec::new(),
            client_id: defaults::CLIENT_ID.to_owned(),
            request_timeout: defaults::REQUEST_TIMEOUT,
            api_timeout: defaults::API_TIMEOUT,
            connect_timeout: defaults::CONNECT_TIMEOUT,
            connect_timeout_max: None,
            retry_backoff: defaults::RETRY_BACKOFF,
            retry_backoff_max: None,
            reconnect_backoff: defaults::RECONNECT_BACKOFF,
            reconnect_backoff_max: None,
            metadata_max_age: defaults::METADATA_MAX_AGE,
            rebootstrap: true,
            rebootstrap_trigger: defaults::REBOOTSTRAP_TRIGGER,
            connections_max_idle: Some(defaults::CONNECTIONS_MAX_IDLE),
            receive_buffer_bytes: None,
            send_buffer_bytes: None,
            max_frame_bytes: defaults::MAX_FRAME_BYTES,
            security_protocol: SecurityProtocol::default(),
            seed: None,
        }
    }
}

/// A wait that doubles up to a maximum. The maximum follows a longer wait unless it was set.
fn rising(
    (knob, first): (&Millis, Duration),
    (max_knob, max, default): (&Millis, Option<Duration>, Duration),
) -> Result<(Duration, Duration), ConfigError> {
    let first = knob.check(first)?;
    let Some(max) = max else { return Ok((first, default.max(first))) };
    let max = max_knob.check(max)?;
    if first > max {
        let why = "the first wait is longer than the longest";
        return Err(ConfigError::contradiction(knob.setting(first), max_knob.setting(max), why));
    }
    Ok((first, max))
}

/// Java takes every negative number for "never".
fn idle(raw: &str) -> Result<Option<Duration>, ConfigError> {
    match raw.trim().parse::<i64>() {
        Ok(..=-1) => Ok(None),
        _ => MAX_IDLE.parse(raw).map(Some),
    }
}

fn rebootstrap(raw: &str) -> Result<bool, ConfigError> {
    match raw.trim().to_ascii_lowercase().as_str() {
        "rebootstrap" => Ok(true),
        "none" => Ok(false),
        _ => Err(ConfigError::invalid("metadata.recovery.strategy", raw, "`rebootstrap` or `none`")),
    }
}

fn buffer(knob: &Number, raw: &str) -> Result<Option<usize>, ConfigError> {
    Ok(usize::try_from(knob.parse::<i64>(raw)?).ok())
}

pub(super) const REQUEST_TIMEOUT: Millis = Millis::at_least("request.timeout.ms", 1);
const API_TIMEOUT: Millis = Millis::at_least("default.api.timeout.ms", 1);
const CONNECT_TIMEOUT: Millis = Millis::at_least("socket.connection.setup.timeout.ms", 1);
const CONNECT_TIMEOUT_MAX: Millis = Millis::at_least("socket.connection.setup.timeout.max.ms", 1);
const RETRY_BACKOFF: Millis = Millis::at_least("retry.backoff.ms", 0);
const RETRY_BACKOFF_MAX: Millis = Millis::at_least("retry.backoff.max.ms", 0);
const RECONNECT_BACKOFF: Millis = Millis::at_least("reconnect.backoff.ms", 0);
const RECONNECT_BACKOFF_MAX: Millis = Millis::at_least("reconnect.backoff.max.ms", 0);
const METADATA_MAX_AGE: Millis = Millis::at_least("metadata.max.age.ms", 1);
const REBOOTSTRAP_TRIGGER: Millis = Millis::at_least("metadata.recovery.rebootstrap.trigger.ms", 0);
const MAX_IDLE: Millis = Millis::at_least("connections.max.idle.ms", 0);
const RECEIVE_BUFFER: Number = Number::new("receive.buffer.bytes", -1, INT32_MAX);
const SEND_BUFFER: Number = Number::new("send.buffer.bytes", -1, INT32_MAX);
const SEED: Number = Number::new("milena.seed", 0, u64::MAX as i128);
const MAX_FRAME: Number = Number::new("milena.max.frame.bytes", 1 << 16, INT32_MAX);

#[cfg(test)]
mod tests;
