//! What all brokers know: each other, topics, partitions, who leads them.
//!
//! There is one truth for the whole cluster: a broker learns of a change at once. Where a client is to meet a broker that is
//! behind, a test says so (`fault.rs`).

mod broker;
mod change;
mod partition;
mod settings;
mod topic;

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::BrokerId;
use uuid::Uuid;

pub use broker::{Broker, BrokerState};
pub use change::{ChangeError, NewTopic};
pub use partition::{Isolation, Partition};
pub use settings::Settings;
pub use topic::{TOPIC_SETTINGS, Topic, TopicSetting};

/// Brokers, topics, partitions.
#[derive(Debug)]
pub struct ClusterState {
    /// The settings it was started with.
    pub settings: Settings,
    brokers: BTreeMap<BrokerId, Broker>,
    topics: BTreeMap<String, Topic>,
    names: BTreeMap<Uuid, String>,
    controller: BrokerId,
    ids_made: u64,
    news: Vec<News>,
    data_version: u64,
}

/// What the coordinators and waiting requests have to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    TopicsChanged,
    TopicDeleted { name: String, id: Uuid },
    LeaderMoved { topic: String, partition: i32, leader: Option<BrokerId> },
}

/// The topic that group coordinators keep their state in.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The topic that transaction coordinators keep their state in.
pub const TXN_TOPIC: &str = "__transaction_state";

impl ClusterState {
    /// Brokers 1 to `settings.brokers`, no topics. Addresses come with [`set_address`](Self::set_address).
    pub fn new(settings: Settings) -> Self {
        let brokers = (1..=settings.brokers.max(1)).map(|id| {
            let rack = settings.racks.get(&id).cloned();
            let broker =
                Broker { host: format!("broker-{id}"), port: 9092, rack, state: BrokerState::Running };
            (BrokerId(id), broker)
        });
        Self {
            brokers: brokers.collect(),
            topics: BTreeMap::new(),
            names: BTreeMap::new(),
            controller: BrokerId(1),
            ids_made: 0,
            news: Vec::new(),
            data_version: 0,
            settings,
        }
    }

    /// Where clients find a broker.
    pub fn set_address(&mut self, broker: BrokerId, host: &str, port: u16) {
        if let Some(broker) = self.brokers.get_mut(&broker) {
            broker.host = host.to_owned();
            broker.port = port;
        }
    }

    /// All brokers, stopped ones too.
    pub fn brokers(&self) -> impl Iterator<Item = (BrokerId, &Broker)> {
        self.brokers.iter().map(|(id, broker)| (*id, broker))
    }

    /// One broker.
    pub fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.brokers.get(&id)
    }

    /// Whether a broker is there and not stopped.
    pub fn is_alive(&self, id: BrokerId) -> bool {
        self.brokers.get(&id).is_some_and(Broker::is_alive)
    }

    /// The controller's id, as Metadata tells it.
    pub fn controller(&self) -> BrokerId {
        self.controller
    }

    /// All topics by name, internal ones too.
    pub fn topics(&self) -> impl Iterator<Item = (&str, &Topic)> {
        self.topics.iter().map(|(name, topic)| (name.as_str(), topic))
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// As [`topic`](Self::topic).
    pub fn topic_mut(&mut self, name: &str) -> Option<&mut Topic> {
        self.topics.get_mut(name)
    }

    /// The name of the topic with that id.
    pub fn name_of(&self, id: Uuid) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    /// The id of the topic with that name; nil if there is none.
    pub fn id_of(&self, name: &str) -> Uuid {
        self.topics.get(name).map_or(Uuid::nil(), |topic| topic.id)
    }

    /// A partition.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.topics.get(topic)?.partition(partition)
    }

    /// A partition. Whoever changes its log calls [`touch`](Self::touch) afterwards.
    pub fn partition_mut(&mut self, topic: &str, partition: i32) -> Option<&mut Partition> {
        self.topics.get_mut(topic)?.partition_mut(partition)
    }

    /// Raises the partition's high watermark as far as its replicas are, and wakes fetches that wait for data.
    pub fn touch(&mut self, topic: &str, partition: i32) {
        if let Some(partition) = self.partition_mut(topic, partition) {
            partition.replicate();
        }
        self.data_version += 1;
    }

    /// Rises with every change that a waiting request might wait for.
    pub(crate) fn data_version(&self) -> u64 {
        self.data_version
    }

    /// A topic's setting: its own, the cluster's default, Kafka's default. Empty if Kafka knows no such setting.
    pub fn topic_config(&self, topic: &str, name: &str) -> &str {
        let own = self.topics.get(topic).and_then(|topic| topic.config.get(name));
        own.or_else(|| self.settings.topic_defaults.get(name)).map_or_else(
            || {
                TOPIC_SETTINGS
                    .iter()
                    .find(|setting| setting.name == name)
                    .map_or("", |setting| setting.default)
            },
            String::as_str,
        )
    }

    /// As [`topic_config`](Self::topic_config), as a number.
    pub fn topic_number(&self, topic: &str, name: &str) -> i64 {
        self.topic_config(topic, name).parse().unwrap_or(-1)
    }

    /// The partition of `__consumer_offsets` that a group's state is in.
    pub fn offsets_partition(&self, group: &str) -> i32 {
        java_hash(group, self.settings.offsets_partitions)
    }

    /// The partition of `__transaction_state` that a transactional id's state is in.
    pub fn txn_partition(&self, transactional_id: &str) -> i32 {
        java_hash(transactional_id, self.settings.txn_partitions)
    }

    /// The broker that coordinates a group: the leader of its partition of `__consumer_offsets`.
    pub fn group_coordinator(&self, group: &str) -> Option<BrokerId> {
        self.partition(OFFSETS_TOPIC, self.offsets_partition(group))?.leader
    }

    /// The broker that coordinates a transactional id.
    pub fn txn_coordinator(&self, transactional_id: &str) -> Option<BrokerId> {
        self.partition(TXN_TOPIC, self.txn_partition(transactional_id))?.leader
    }

    /// An id that nothing has yet, made from the seed and a counter.
    pub fn new_id(&mut self) -> Uuid {
        self.ids_made += 1;
        let high = mix(self.settings.seed ^ self.ids_made.rotate_left(32));
        let low = mix(high ^ self.ids_made);
        // The bits of a random (version 4) UUID, as Kafka's.
        let id = (u128::from(high) << 64 | u128::from(low)) & !(0xf << 76) & !(0x3 << 62)
            | (0x4 << 76)
            | (0x2 << 62);
        Uuid::from_u128(id)
    }

    /// The wall clock in milliseconds since 1970.
    pub fn wall_ms(&self, now: Duration) -> i64 {
        self.settings.wall_ms_at_start.saturating_add(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
    }

    pub(crate) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    fn tell(&mut self, news: News) {
        self.news.push(news);
        self.data_version += 1;
    }
}

/// `Utils.abs(key.hashCode()) % count`, over UTF-16 as in Java.
fn java_hash(key: &str, count: i32) -> i32 {
    let hash =
        key.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive % count.max(1)
}

/// SplitMix64's finish: spreads the bits of a counter.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests;
