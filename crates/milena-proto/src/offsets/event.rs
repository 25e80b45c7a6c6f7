//! What the committer has to say.

use thiserror::Error;

use crate::assignments::FenceReason;
use crate::types::{AssignmentEpoch, Generation, TopicPartition};
use crate::wire::ErrorCode;

/// News of commits. The first five are outcomes: for every offset handed in, an outcome of that partition and epoch
/// follows that names it or a higher one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommitEvent {
    /// The coordinator stored the offset. The epoch may have ended meanwhile: it held when the request was built.
    Committed {
        /// The partition.
        partition: TopicPartition,
        /// The epoch that the offset belongs to.
        epoch: AssignmentEpoch,
        /// The next offset to read.
        offset: i64,
    },
    /// The assignment epoch of the offset ended first: it was not stored, and will not be.
    Fenced {
        /// The partition.
        partition: TopicPartition,
        /// The epoch that the offset belongs to.
        epoch: AssignmentEpoch,
        /// The next offset to read.
        offset: i64,
        /// Why the epoch ended.
        reason: FenceReason,
    },
    /// A higher offset of the same epoch is stored already, or about to be: this one will not be sent.
    Superseded {
        /// The partition.
        partition: TopicPartition,
        /// The epoch that the offset belongs to.
        epoch: AssignmentEpoch,
        /// The next offset to read.
        offset: i64,
        /// The higher one.
        by: i64,
    },
    /// The request was sent, its answer got lost, and the epoch has ended, so it cannot be sent again: it may be stored
    /// or not.
    Unknown {
        /// The partition.
        partition: TopicPartition,
        /// The epoch that the offset belongs to.
        epoch: AssignmentEpoch,
        /// The next offset to read.
        offset: i64,
    },
    /// It cannot be stored, and is not tried again by itself. A higher offset is.
    Failed {
        /// The partition.
        partition: TopicPartition,
        /// The epoch that the offset belongs to.
        epoch: AssignmentEpoch,
        /// The next offset to read.
        offset: i64,
        /// Why.
        error: CommitError,
    },
    /// The coordinator refused the member: for the membership to judge, by the generation that the request carried, which
    /// may be an older one. The offsets wait for another generation, or for their epochs to end.
    MemberRefused {
        /// What the request carried.
        generation: Generation,
        /// ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, STALE_MEMBER_EPOCH or FENCED_MEMBER_EPOCH.
        error: ErrorCode,
    },
    /// The coordinator moved or cannot be reached: look it up. The offsets wait.
    CoordinatorLost,
    /// The coordinator does not know the topic or partition: look it up, it may be gone or another one. The offset waits
    /// and is tried now and then, unless the partition is being given up; said once for each epoch and time of doubt.
    TopicGone {
        /// The partition.
        partition: TopicPartition,
        /// The epoch.
        epoch: AssignmentEpoch,
        /// UNKNOWN_TOPIC_OR_PARTITION or UNKNOWN_TOPIC_ID.
        error: ErrorCode,
    },
}

/// Why an offset cannot be stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum CommitError {
    /// The coordinator refuses it.
    #[error("the coordinator refuses the offset: {}", .0.message())]
    Refused(ErrorCode),
    /// The coordinator has no version of OffsetCommit that could carry the request.
    #[error("the coordinator has no version of OffsetCommit for this request")]
    Unsupported,
    /// Offsets begin at 0; a broker would store anything (-1 would read back as "never committed").
    #[error("an offset below 0 is no offset")]
    Negative,
}

/// How many of each there were.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CommitCounters {
    /// Requests built.
    pub requests: u64,
    /// Offsets stored.
    pub committed: u64,
    /// Of these, answered after their epoch had ended.
    pub committed_late: u64,
    /// Offsets fenced.
    pub fenced: u64,
    /// Offsets superseded.
    pub superseded: u64,
    /// Offsets whose fate is not known.
    pub unknown: u64,
    /// Offsets that cannot be stored.
    pub failed: u64,
    /// Offsets that were sent, not stored, and wait for another request.
    pub retried: u64,
    /// Answers to no request of ours.
    pub stray_answers: u64,
}
