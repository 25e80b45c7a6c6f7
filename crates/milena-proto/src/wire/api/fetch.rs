//! Fetch (1): record batches by partition (sessions KIP-227, epochs KIP-320, topic ids KIP-516, leader hints KIP-951).

use bytes::Bytes;

use crate::types::{BrokerId, IsolationLevel, LeaderEpoch, TopicId, TopicName};
use crate::wire::ErrorCode;

/// Asks a broker for record batches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchRequest {
    /// Longest time the broker may hold the request, in milliseconds.
    pub max_wait_ms: i32,
    /// Bytes that must be ready before it answers early.
    pub min_bytes: i32,
    /// Bytes at most over all partitions; the first batch is whole even where it is larger (KIP-74).
    pub max_bytes: i32,
    /// What to see of transactions.
    pub isolation: IsolationLevel,
    /// Session id; 0 opens one (KIP-227).
    pub session_id: i32,
    /// Session epoch; 0 is a full request that opens a session, -1 one that closes it.
    pub session_epoch: i32,
    /// Partitions to fetch; in an incremental request those that are new or changed.
    pub topics: Vec<FetchTopic>,
    /// Partitions to drop from the session.
    pub forgotten: Vec<ForgottenTopic>,
    /// The reader's rack (KIP-392), empty where none.
    pub rack_id: String,
}

/// The partitions to fetch of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchTopic {
    /// The name, sent up to version 12.
    pub name: TopicName,
    /// The id, sent from version 13.
    pub id: TopicId,
    /// What to fetch.
    pub partitions: Vec<FetchPartition>,
}

/// What to fetch of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchPartition {
    /// Its number.
    pub partition: i32,
    /// The leader epoch the reader knows: the broker refuses if it is another (KIP-320).
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The first offset wanted.
    pub fetch_offset: i64,
    /// The epoch of the last record read, so that the broker can tell of truncation (version 12 on).
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Bytes at most for this partition.
    pub max_bytes: i32,
}

/// Partitions of one topic that leave the session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForgottenTopic {
    /// The name, sent up to version 12.
    pub name: TopicName,
    /// The id, sent from version 13.
    pub id: TopicId,
    /// Which.
    pub partitions: Vec<i32>,
}

/// Record batches from a broker.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FetchResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// Error of the whole request, as FETCH_SESSION_ID_NOT_FOUND.
    pub error: ErrorCode,
    /// The session; 0 where the broker opened none.
    pub session_id: i32,
    /// Partitions with news; in an incremental session those without any are left out.
    pub topics: Vec<FetchedTopic>,
    /// Where leaders named in the partitions can be reached (KIP-951, version 16 on).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// The answered partitions of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchedTopic {
    /// The name, up to version 12.
    pub name: Option<String>,
    /// The id, from version 13; zero before.
    pub id: TopicId,
    /// The partitions.
    pub partitions: Vec<FetchedPartition>,
}

/// One answered partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchedPartition {
    /// Its number.
    pub partition: i32,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// End of what is replicated; -1 beside an error.
    pub high_watermark: i64,
    /// End of what no open transaction holds back; -1 where the broker does not say.
    pub last_stable_offset: i64,
    /// First offset still in the log; -1 where the broker does not say.
    pub log_start_offset: i64,
    /// The log of the leader diverged from what this reader has read (KIP-320 by fetch, KIP-595): truncate to there.
    pub diverging_epoch: Option<EpochEndOffset>,
    /// Who leads now (KIP-951); only beside NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH.
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// Aborted transactions among the records; empty under read_uncommitted. Not sorted by every broker.
    pub aborted_transactions: Vec<AbortedTransaction>,
    /// A replica nearer to this reader's rack (KIP-392).
    pub preferred_read_replica: Option<BrokerId>,
    /// The batches: a slice of the frame. The last one may be cut short. Null reads as empty.
    pub records: Bytes,
}

/// Where an epoch of a leader ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochEndOffset {
    /// The largest epoch not above the one asked for.
    pub epoch: i32,
    /// Its end.
    pub end_offset: i64,
}

/// A leader hint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaderIdAndEpoch {
    /// The leader.
    pub leader: BrokerId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
}

/// An aborted transaction of one producer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: i64,
    /// Its first offset in this partition.
    pub first_offset: i64,
}

/// Where a broker can be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeEndpoint {
    /// Its number.
    pub id: BrokerId,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}
