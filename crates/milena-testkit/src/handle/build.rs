//! Starting a cluster.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kafka_protocol::messages::{ApiKey, BrokerId};

use super::{Cluster, Running};
use crate::cluster::{ChangeError, NewTopic, Settings};
use crate::core::Core;
use crate::face::{self, Shared};

/// What a cluster should be.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    settings: Settings,
    topics: Vec<NewTopic>,
    wall_ms: Option<i64>,
}

/// Why a cluster did not start.
#[derive(Debug)]
pub enum StartError {
    /// No port to listen on.
    Listen(io::Error),
    /// A topic of the builder is not possible.
    Topic(ChangeError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => write!(f, "cannot listen on 127.0.0.1: {error}"),
            Self::Topic(error) => write!(f, "cannot create a topic: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(error) => Some(error),
            Self::Topic(error) => Some(error),
        }
    }
}

impl Builder {
    /// Number of brokers; their ids are 1 and up. Default 1.
    pub fn brokers(mut self, count: i32) -> Self {
        self.settings.brokers = count;
        self
    }

    /// A topic to begin with.
    pub fn topic(self, name: &str, partitions: i32) -> Self {
        self.topic_with(NewTopic::new(name, partitions))
    }

    /// A topic to begin with, in every detail.
    pub fn topic_with(mut self, topic: NewTopic) -> Self {
        self.topics.push(topic);
        self
    }

    /// A setting of all brokers, by Kafka's name: `group.initial.rebalance.delay.ms`, say. Those that are settings of topics apply
    /// to topics that do not say otherwise, with or without `log.` in front.
    pub fn property(mut self, name: &str, value: impl ToString) -> Self {
        let value = value.to_string();
        let number = value.parse::<i64>().ok();
        let settings = &mut self.settings;
        match (name, number) {
            ("auto.create.topics.enable", _) => settings.auto_create_topics = value == "true",
            ("num.partitions", Some(count)) => settings.partitions_default = count as i32,
            ("default.replication.factor", Some(factor)) => settings.replication_default = factor as i16,
            ("offsets.topic.num.partitions", Some(count)) => settings.offsets_partitions = count as i32,
            ("transaction.state.log.num.partitions", Some(count)) => settings.txn_partitions = count as i32,
            ("fetch.max.bytes", Some(bytes)) => settings.fetch_bytes_max = bytes as i32,
            ("max.incremental.fetch.session.cache.slots", Some(slots)) => {
                settings.fetch_sessions_max = usize::try_from(slots).unwrap_or(0);
            }
            _ => {
                let topic_name = name.strip_prefix("log.").unwrap_or(name);
                let topic_name = if name == "message.max.bytes" { "max.message.bytes" } else { topic_name };
                if crate::cluster::TOPIC_SETTINGS.iter().any(|setting| setting.name == topic_name) {
                    settings.topic_defaults.insert(topic_name.to_owned(), value.clone());
                }
                settings.properties.insert(name.to_owned(), value);
            }
        }
        self
    }

    /// The rack of a broker. The first one makes the brokers send consumers to a replica in their rack (KIP-392).
    pub fn rack(mut self, broker: i32, rack: &str) -> Self {
        self.settings.racks.insert(broker, rack.to_owned());
        self.settings.rack_aware_fetch = true;
        self
    }

    /// Announces other versions of an API, as an older broker would. Versions that the testkit does not serve stay out.
    pub fn versions(mut self, api: ApiKey, min: i16, max: i16) -> Self {
        self.settings.limit_versions(api, min, max);
        self
    }

    /// Brokers without that API.
    pub fn without(mut self, api: ApiKey) -> Self {
        self.settings.missing_apis.push(api as i16);
        self
    }

    /// A user of SASL PLAIN and SCRAM. The first one makes the brokers ask everybody who they are.
    pub fn sasl_user(mut self, name: &str, password: &str) -> Self {
        self.settings.sasl_users.insert(name.to_owned(), password.to_owned());
        self
    }

    /// What ids are made from: the same seed and the same requests give the same answers.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The brokers' wall clock at the start, in milliseconds since 1970. By default the real one over TCP, and the first of
    /// January 2026 in memory.
    pub fn wall_clock_ms(mut self, ms: i64) -> Self {
        self.wall_ms = Some(ms);
        self
    }

    /// Every setting there is.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Starts it, with a port of 127.0.0.1 for each broker.
    ///
    /// # Errors
    /// If there is no port, or a topic is refused.
    pub async fn start(mut self) -> Result<Cluster, StartError> {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        self.settings.wall_ms_at_start = self.wall_ms.unwrap_or(real);
        let (shared, brokers) = self.core()?;
        let tcp = face::tcp::Tcp::default();
        for broker in brokers {
            let port = tcp.listen(&shared, broker).await.map_err(StartError::Listen)?;
            shared.with(|core, now| {
                core.change(now, |world| world.cluster.set_address(broker, "127.0.0.1", port));
            });
        }
        Ok(run(shared, Some(tcp)))
    }

    /// Starts it without sockets: clients get their streams from [`Cluster::connect`], and time is Tokio's, paused or not.
    /// Must be called inside of a Tokio runtime.
    ///
    /// # Errors
    /// If a topic is refused.
    pub fn start_in_memory(mut self) -> Result<Cluster, StartError> {
        if let Some(ms) = self.wall_ms {
            self.settings.wall_ms_at_start = ms;
        } else {
            // Clients stamp records with the real clock, which a virtual one must not call the future.
            let name = "message.timestamp.after.max.ms".to_owned();
            self.settings.topic_defaults.entry(name).or_insert_with(|| i64::MAX.to_string());
        }
        let (shared, _) = self.core()?;
        Ok(run(shared, None))
    }

    fn core(self) -> Result<(Arc<Shared>, Vec<BrokerId>), StartError> {
        let mut core = Core::new(self.settings);
        for topic in &self.topics {
            core.change(std::time::Duration::ZERO, |world| world.cluster.create_topic(topic))
                .map_err(StartError::Topic)?;
        }
        let brokers = core.world().cluster.brokers().map(|(id, _)| id).collect();
        Ok((Arc::new(Shared::new(core)), brokers))
    }
}

fn run(shared: Arc<Shared>, tcp: Option<face::tcp::Tcp>) -> Cluster {
    let driver = tokio::spawn(face::drive(Arc::downgrade(&shared))).abort_handle();
    Cluster { running: Arc::new(Running { shared, tcp, driver }) }
}
