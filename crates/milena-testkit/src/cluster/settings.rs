//! What can be set for a whole cluster.

use std::collections::BTreeMap;

use kafka_protocol::messages::ApiKey;

/// Settings of the brokers. The defaults are those of Kafka 4.3 unless it says why not.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Number of brokers; their ids are 1 and up.
    pub brokers: i32,
    /// The cluster's id.
    pub cluster_id: String,
    /// Rack of each broker, by its id.
    pub racks: BTreeMap<i32, String>,
    /// `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// `num.partitions`, for topics that are created without saying.
    pub partitions_default: i32,
    /// `default.replication.factor`. Here 3, or the number of brokers if there are fewer: what people run.
    pub replication_default: i16,
    /// `offsets.topic.num.partitions`. Here 4 instead of 50: nothing depends on it but the length of Metadata.
    pub offsets_partitions: i32,
    /// `transaction.state.log.num.partitions`. Here 4 instead of 50.
    pub txn_partitions: i32,
    /// Settings of topics that do not say otherwise, by Kafka's names without `log.`.
    pub topic_defaults: BTreeMap<String, String>,
    /// Other broker settings by Kafka's names: what the coordinators read (`group.*`, `offsets.*`, `transaction.*`).
    pub properties: BTreeMap<String, String>,
    /// `fetch.max.bytes` of the broker.
    pub fetch_bytes_max: i32,
    /// `max.incremental.fetch.session.cache.slots`, per broker.
    pub fetch_sessions_max: usize,
    /// `replica.selector.class` is `RackAwareReplicaSelector`: a consumer that names its rack is sent to a replica there (KIP-392).
    pub rack_aware_fetch: bool,
    /// Highest (and lowest) versions to announce, below what the testkit serves: an older broker.
    pub versions: BTreeMap<i16, (i16, i16)>,
    /// APIs that the brokers do not have.
    pub missing_apis: Vec<i16>,
    /// Highest supported `metadata.version`: 30 is Kafka 4.3, 29 is 4.2, 21 is 3.9.
    pub metadata_version: i16,
    /// Whether the finalized `transaction.version` is 2 (KIP-890).
    pub transaction_version: i16,
    /// SASL users with their passwords; none means that the listeners ask for nothing.
    pub sasl_users: BTreeMap<String, String>,
    /// The wall clock at the cluster's start, in milliseconds since 1970.
    pub wall_ms_at_start: i64,
    /// What ids are made from.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            brokers: 1,
            cluster_id: "milena-testkit-cluster".to_owned(),
            racks: BTreeMap::new(),
            auto_create_topics: true,
            partitions_default: 1,
            replication_default: 3,
            offsets_partitions: 4,
            txn_partitions: 4,
            topic_defaults: BTreeMap::new(),
            properties: BTreeMap::new(),
            fetch_bytes_max: 57_671_680,
            fetch_sessions_max: 1000,
            rack_aware_fetch: false,
            versions: BTreeMap::new(),
            missing_apis: Vec::new(),
            metadata_version: 30,
            transaction_version: 2,
            sasl_users: BTreeMap::new(),
            // 2026-01-01: a virtual clock needs some origin, and it should be the same in every run.
            wall_ms_at_start: 1_767_225_600_000,
            seed: 0,
        }
    }
}

impl Settings {
    /// A broker property, or `default` if it is not set or no number.
    pub fn number(&self, name: &str, default: i64) -> i64 {
        self.properties.get(name).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    /// Takes the versions of an older broker for one API.
    pub fn limit_versions(&mut self, api: ApiKey, min: i16, max: i16) {
        self.versions.insert(api as i16, (min, max));
    }
}
