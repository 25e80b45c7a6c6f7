//! What the error code of an OffsetCommit answer asks for.

use crate::wire::ErrorCode;

/// What is to be done about one partition's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// It is stored.
    Stored,
    /// Not stored; the coordinator is there, but not ready. Try again.
    NotYet,
    /// Not stored; the group is between two generations. Try again with the new one.
    Rebalancing,
    /// Not stored; the coordinator is somewhere else.
    CoordinatorMoved,
    /// Nobody knows; the coordinator gave up waiting for its replicas.
    Unsure,
    /// Not stored; the member or its generation is not the coordinator's. A fence.
    MemberRefused,
    /// Not stored; the coordinator does not know the topic.
    TopicGone,
    /// Not stored, and trying again would not help.
    Failed,
}

impl Answer {
    /// As `ConsumerCoordinator.OffsetCommitResponseHandler` and `CommitRequestManager` sort them.
    pub(super) fn of(error: ErrorCode) -> Self {
        match error {
            ErrorCode::NONE => Self::Stored,
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => Self::CoordinatorMoved,
            ErrorCode::REQUEST_TIMED_OUT => Self::Unsure,
            ErrorCode::REBALANCE_IN_PROGRESS => Self::Rebalancing,
            ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::FENCED_INSTANCE_ID
            | ErrorCode::FENCED_MEMBER_EPOCH
            | ErrorCode::STALE_MEMBER_EPOCH => Self::MemberRefused,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID => Self::TopicGone,
            // COORDINATOR_LOAD_IN_PROGRESS, and what brokers may add.
            error if error.is_retriable() => Self::NotYet,
            // OFFSET_METADATA_TOO_LARGE, INVALID_COMMIT_OFFSET_SIZE, GROUP_ and TOPIC_AUTHORIZATION_FAILED, the unknown.
            _ => Self::Failed,
        }
    }
}
