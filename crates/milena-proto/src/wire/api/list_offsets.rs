//! ListOffsets (2): offsets by time, earliest and latest included.

use crate::types::{IsolationLevel, LeaderEpoch, TopicName};
use crate::wire::ErrorCode;

/// Asks leaders for offsets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListOffsetsRequest {
    /// Under read_committed, "latest" is the last stable offset.
    pub isolation: IsolationLevel,
    /// What to look up.
    pub topics: Vec<ListOffsetsTopic>,
    /// How long the broker may look, in milliseconds (version 10 on; remote storage).
    pub timeout_ms: i32,
}

/// Timestamp that asks for the end of the log.
pub const LATEST_TIMESTAMP: i64 = -1;
/// Timestamp that asks for the start of the log.
pub const EARLIEST_TIMESTAMP: i64 = -2;

/// What to look up of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListOffsetsTopic {
    /// The name.
    pub name: TopicName,
    /// What to look up.
    pub partitions: Vec<ListOffsetsPartition>,
}

/// What to look up of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListOffsetsPartition {
    /// Its number.
    pub partition: i32,
    /// The leader epoch this client knows.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// Milliseconds since 1970, or one of the special timestamps.
    pub timestamp: i64,
}

/// Offsets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListOffsetsResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<ListedTopic>,
}

/// Offsets of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedTopic {
    /// The name.
    pub name: String,
    /// By partition.
    pub partitions: Vec<ListedOffset>,
}

/// The offset of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListedOffset {
    /// Its number.
    pub partition: i32,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// Timestamp of the record found; -1 where none.
    pub timestamp: i64,
    /// The offset; -1 where no record is that late.
    pub offset: i64,
    /// The epoch of the leader that wrote it.
    pub leader_epoch: Option<LeaderEpoch>,
}
