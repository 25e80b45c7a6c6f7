//! By which protocol a group shares out partitions.

use super::error::ConfigError;

pub(super) const PROTOCOL: &str = "group.protocol";

/// How a group shares out partitions: `group.protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupProtocol {
    /// `classic`: JoinGroup and SyncGroup. A member assigns.
    #[default]
    Classic,
    /// `consumer`: KIP-848. The coordinator assigns, and partitions move one by one. Brokers have it as from Kafka 4.0 (3.7 to
    /// 3.9 if it is switched on).
    Consumer,
}

impl GroupProtocol {
    pub(super) fn parse(raw: &str) -> Result<Self, ConfigError> {
        match raw.trim().to_ascii_lowercase().as_str() {
            "classic" => Ok(Self::Classic),
            "consumer" => Ok(Self::Consumer),
            _ => Err(ConfigError::invalid(PROTOCOL, raw, "`classic` or `consumer`")),
        }
    }
}
