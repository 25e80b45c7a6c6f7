//! OffsetForLeaderEpoch (23): where a leader's epoch ended, to find truncation (KIP-320).

use crate::types::{LeaderEpoch, TopicName};
use crate::wire::{EpochEndOffset, ErrorCode};

/// Asks leaders where epochs ended. Only versions from 3 on are for consumers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetForLeaderEpochRequest {
    /// (topic, its partitions).
    pub topics: Vec<(TopicName, Vec<OffsetForLeaderPartition>)>,
}

/// What to look up of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OffsetForLeaderPartition {
    /// Its number.
    pub partition: i32,
    /// The leader epoch this client knows.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch of the last record read.
    pub leader_epoch: LeaderEpoch,
}

/// Where epochs ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OffsetForLeaderEpochResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// (topic, its partitions).
    pub topics: Vec<(String, Vec<OffsetForLeaderResult>)>,
}

/// The answer for one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OffsetForLeaderResult {
    /// Its number.
    pub partition: i32,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// The epoch and its end; -1 and -1 where the leader knows no such epoch.
    pub end: EpochEndOffset,
}
