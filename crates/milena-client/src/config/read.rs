//! From properties to typed configuration.

use super::client::{ClientConfig, ClientConfigBuilder};
use super::consumer::ConsumerConfig;
use super::error::{ConfigError, Setting};
use super::fetch::FetchConfig;
use super::group::{AUTO_COMMIT, GROUP_ID, GroupConfig};
use super::known::{self, Role};
use super::producer::{ProducerConfig, ProducerKnobs};
use super::properties::Properties;

impl Properties {
    /// The settings of a client that neither reads nor writes records.
    ///
    /// # Errors
    /// The first of: an unknown key; a setting that Milena does not support; a value that is malformed or out of range; a
    /// missing setting; a contradiction. Settings of other roles are known, and not judged.
    pub fn into_client(self) -> Result<ClientConfig, ConfigError> {
        let mut client = ClientConfigBuilder::default();
        self.feed(Role::Client, |key, raw| client.set(key, raw))?;
        client.build()
    }

    /// The settings of a reader, which is a member of a group if there is a `group.id`.
    ///
    /// # Errors
    /// As [`into_client`](Self::into_client). `enable.auto.commit=true` without a `group.id` is a contradiction, as it is to
    /// Java.
    pub fn into_consumer(self) -> Result<ConsumerConfig, ConfigError> {
        let mut client = ClientConfigBuilder::default();
        let mut fetch = FetchConfig::builder();
        let mut group = GroupConfig::builder("");
        self.feed(Role::Consumer, |key, raw| {
            Ok(client.set(key, raw)? || fetch.set(key, raw)? || group.set(key, raw)?)
        })?;
        let group = match self.get(GROUP_ID) {
            Some(_) => Some(group.build()?),
            None if self.get(AUTO_COMMIT).is_some_and(|raw| raw.trim().eq_ignore_ascii_case("true")) => {
                let (left, right) = (Setting::new(AUTO_COMMIT, true), Setting::new(GROUP_ID, "(not set)"));
                return Err(ConfigError::contradiction(left, right, "offsets are committed for a group"));
            }
            None => None,
        };
        ConsumerConfig::new(client.build()?, fetch.build()?, group)
    }

    /// The settings of a writer.
    ///
    /// # Errors
    /// As [`into_client`](Self::into_client).
    pub fn into_producer(self) -> Result<ProducerConfig, ConfigError> {
        let mut client = ClientConfigBuilder::default();
        let mut knobs = ProducerKnobs::default();
        self.feed(Role::Producer, |key, raw| Ok(client.set(key, raw)? || knobs.set(key, raw)?))?;
        knobs.with_level().build(client.build()?)
    }

    /// Shows `set` every setting that has an effect in this role.
    fn feed(
        &self,
        role: Role,
        mut set: impl FnMut(&str, &str) -> Result<bool, ConfigError>,
    ) -> Result<(), ConfigError> {
        // First, because it explains the settings that come with it: `SASL_SSL is not supported yet` says more than the
        // same about `ssl.truststore.location`.
        if let Some(raw) = self.get(SECURITY_PROTOCOL) {
            set(SECURITY_PROTOCOL, raw)?;
        }
        for entry in self.entries() {
            if let Some(key) = known::admit(entry, role)? {
                let taken = set(key, entry.value())?;
                debug_assert!(taken, "{key} is said to be used, and no builder takes it");
            }
        }
        Ok(())
    }
}

const SECURITY_PROTOCOL: &str = "security.protocol";

#[cfg(test)]
mod tests;
