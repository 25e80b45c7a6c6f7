//! Produce (0): append record batches. By topic name up to version 12, by topic id in version 13.

use bytes::Bytes;

use crate::types::{TopicId, TopicName};
use crate::wire::{ErrorCode, LeaderIdAndEpoch, NodeEndpoint};

/// Appends batches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProduceRequest {
    /// For a transaction.
    pub transactional_id: Option<String>,
    /// -1 all in-sync replicas, 1 the leader, 0 nobody answers.
    pub acks: i16,
    /// How long the leader may wait for its followers, in milliseconds.
    pub timeout_ms: i32,
    /// What to append.
    pub topics: Vec<ProduceTopic>,
}

/// What to append to one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProduceTopic {
    /// The name, sent up to version 12.
    pub name: TopicName,
    /// The id, sent from version 13.
    pub id: TopicId,
    /// (partition, one record batch).
    pub partitions: Vec<(i32, Bytes)>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProduceResponse {
    /// By topic.
    pub topics: Vec<ProducedTopic>,
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// Where leaders named in the partitions can be reached (KIP-951, version 10 on).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// What became of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducedTopic {
    /// The name, up to version 12.
    pub name: Option<String>,
    /// The id, from version 13; zero before.
    pub id: TopicId,
    /// By partition.
    pub partitions: Vec<ProducedPartition>,
}

/// What became of one batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducedPartition {
    /// Its partition's number.
    pub partition: i32,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// The offset of its first record; -1 beside an error.
    pub base_offset: i64,
    /// The time the broker stamped, -1 where the producer's holds.
    pub log_append_time_ms: i64,
    /// First offset still in the log.
    pub log_start_offset: i64,
    /// Which records were refused and why (version 8 on, KIP-467): (index in the batch, message).
    pub record_errors: Vec<(i32, Option<String>)>,
    /// What the broker says of the error.
    pub error_message: Option<String>,
    /// Who leads now (KIP-951).
    pub current_leader: Option<LeaderIdAndEpoch>,
}
