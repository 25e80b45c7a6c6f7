//! Metadata (3): brokers, topics, and who leads which partition.

use crate::types::{BrokerId, LeaderEpoch, TopicId};
use crate::wire::ErrorCode;

/// Asks for the cluster's shape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataRequest {
    /// Which topics; `None` asks for all, an empty list for none (only brokers).
    pub topics: Option<Vec<String>>,
    /// Whether asking for a missing topic may create it. Never true unless a user says so.
    pub allow_auto_topic_creation: bool,
}

/// The cluster's shape as one broker sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MetadataResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// Live brokers.
    pub brokers: Vec<MetadataBroker>,
    /// Which cluster answered.
    pub cluster_id: Option<String>,
    /// The controller, where known.
    pub controller: Option<BrokerId>,
    /// The topics asked for, each with its own error.
    pub topics: Vec<MetadataTopic>,
    /// Top-level error (version 13: REBOOTSTRAP_REQUIRED, KIP-1102).
    pub error: ErrorCode,
}

/// A live broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataBroker {
    /// Its number.
    pub id: BrokerId,
    /// The advertised host.
    pub host: String,
    /// The advertised port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}

/// A topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataTopic {
    /// Why the topic cannot be shown, or NONE.
    pub error: ErrorCode,
    /// Its name; `None` where a request by unknown topic id is answered.
    pub name: Option<String>,
    /// Its id; zero below version 10.
    pub id: TopicId,
    /// Whether it is internal, as `__consumer_offsets`.
    pub is_internal: bool,
    /// Its partitions.
    pub partitions: Vec<MetadataPartition>,
}

/// A partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataPartition {
    /// LEADER_NOT_AVAILABLE and the like, or NONE.
    pub error: ErrorCode,
    /// Its number.
    pub partition: i32,
    /// Who leads it; `None` where nobody does.
    pub leader: Option<BrokerId>,
    /// The leader's epoch; `None` below version 7.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Brokers that hold a copy.
    pub replicas: Vec<BrokerId>,
    /// Copies in sync.
    pub isr: Vec<BrokerId>,
    /// Copies that are off line.
    pub offline: Vec<BrokerId>,
}
