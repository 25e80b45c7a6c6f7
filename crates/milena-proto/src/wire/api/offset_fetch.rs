//! OffsetFetch (9): read a group's offsets. One group a request; from version 8 on the wire could hold several.

use crate::types::{LeaderEpoch, TopicId, TopicName};
use crate::wire::ErrorCode;

/// Asks for offsets of one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetFetchRequest {
    /// The group.
    pub group_id: String,
    /// The member and its epoch (version 9 on, KIP-848); `None` asks from outside.
    pub member: Option<(String, i32)>,
    /// Which partitions; `None` asks for all that the group has (version 2 on).
    pub topics: Option<Vec<OffsetFetchTopic>>,
    /// Wait for open transactions: UNSTABLE_OFFSET_COMMIT instead of an offset that may change (version 7 on, KIP-447).
    pub require_stable: bool,
}

/// Which partitions of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetFetchTopic {
    /// The name, sent up to version 9.
    pub name: TopicName,
    /// The id, sent in version 10.
    pub id: TopicId,
    /// Which.
    pub partitions: Vec<i32>,
}

/// Offsets of one group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OffsetFetchResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// The group's error, or NONE.
    pub error: ErrorCode,
    /// By topic.
    pub topics: Vec<FetchedOffsets>,
}

/// Offsets of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchedOffsets {
    /// The name, up to version 9.
    pub name: Option<String>,
    /// The id, in version 10; zero before.
    pub id: TopicId,
    /// By partition.
    pub partitions: Vec<FetchedOffset>,
}

/// The offset of one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchedOffset {
    /// Its number.
    pub partition: i32,
    /// Its error, or NONE. Beside an error the offset means nothing, -1 included.
    pub error: ErrorCode,
    /// The next offset to read; -1 where the group never committed.
    pub offset: i64,
    /// The epoch of the leader that wrote the last record read.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The committer's note.
    pub metadata: Option<String>,
}
