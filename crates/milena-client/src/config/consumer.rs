//! A reader's configuration as a whole.

use super::client::{ClientConfig, REQUEST_TIMEOUT};
use super::error::ConfigError;
use super::fetch::{FetchConfig, MAX_WAIT};
use super::group::GroupConfig;

/// Everything a reader needs: the cluster, what to fetch, and the group it belongs to, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerConfig {
    client: ClientConfig,
    fetch: FetchConfig,
    group: Option<GroupConfig>,
}

impl ConsumerConfig {
    /// Puts the parts together. Without a group, the program names its partitions, and nothing is committed.
    ///
    /// # Errors
    /// [`ConfigError::Contradiction`] if a Fetch may be held as long as its answer is waited for: on a quiet topic, every
    /// request would time out.
    pub fn new(
        client: ClientConfig,
        fetch: FetchConfig,
        group: Option<GroupConfig>,
    ) -> Result<Self, ConfigError> {
        let (wait, timeout) = (fetch.max_wait(), client.request_timeout());
        if wait >= timeout {
            let why = "every Fetch from a quiet topic would time out";
            return Err(ConfigError::contradiction(
                MAX_WAIT.setting(wait),
                REQUEST_TIMEOUT.setting(timeout),
                why,
            ));
        }
        Ok(Self { client, fetch, group })
    }

    /// The cluster to read from.
    pub fn client(&self) -> &ClientConfig {
        &self.client
    }

    /// What to fetch, and how much of it may be held.
    pub fn fetch(&self) -> &FetchConfig {
        &self.fetch
    }

    /// The group to be a member of.
    pub fn group(&self) -> Option<&GroupConfig> {
        self.group.as_ref()
    }

    /// Takes the parts out.
    pub fn into_parts(self) -> (ClientConfig, FetchConfig, Option<GroupConfig>) {
        (self.client, self.fetch, self.group)
    }
}
