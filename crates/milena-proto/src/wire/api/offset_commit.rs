//! OffsetCommit (8): remember offsets for a group. By topic name up to version 9, by topic id in version 10.

use crate::types::{Generation, LeaderEpoch, TopicId, TopicName};
use crate::wire::ErrorCode;

/// Stores offsets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetCommitRequest {
    /// The group.
    pub group_id: String,
    /// The generation or member epoch; -1 for a commit outside any membership.
    pub generation: Generation,
    /// The member; empty for a commit outside any membership.
    pub member_id: String,
    /// `group.instance.id` of a static member (version 7 on).
    pub group_instance_id: Option<String>,
    /// What to store.
    pub topics: Vec<OffsetCommitTopic>,
}

/// What to store of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetCommitTopic {
    /// The name, sent up to version 9.
    pub name: TopicName,
    /// The id, sent in version 10.
    pub id: TopicId,
    /// What to store.
    pub partitions: Vec<OffsetCommitPartition>,
}

/// What to store of one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetCommitPartition {
    /// Its number.
    pub partition: i32,
    /// The next offset to read.
    pub offset: i64,
    /// The epoch of the leader that wrote the last record read (version 6 on).
    pub leader_epoch: Option<LeaderEpoch>,
    /// The user's own note; at most 4096 bytes on a broker as it comes.
    pub metadata: Option<String>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OffsetCommitResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<OffsetCommitted>,
}

/// What became of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetCommitted {
    /// The name, up to version 9.
    pub name: Option<String>,
    /// The id, in version 10; zero before.
    pub id: TopicId,
    /// (partition, error or NONE).
    pub partitions: Vec<(i32, ErrorCode)>,
}
