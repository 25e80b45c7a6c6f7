//! What is under way between a member and the coordinator.

use std::fmt;

use milena_proto::group::{GroupRequest, GroupResponse};
use milena_proto::types::{AssignmentEpoch, RequestId};
use milena_proto::wire::{OffsetCommitRequest, OffsetCommitResponse};

/// Counted in the order in which calls are made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct CallId(pub(crate) u32);

/// A call that is not over yet.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) member: usize,
    pub(crate) question: Question,
    pub(crate) stage: Stage,
    /// Its answer comes when the walk wants it to, not at once.
    pub(crate) is_late: bool,
}

#[derive(Debug)]
pub(crate) enum Question {
    Group(RequestId, GroupRequest),
    Commit(RequestId, OffsetCommitRequest),
    /// OffsetFetch: where does this epoch of this partition begin?
    Start {
        partition: usize,
        epoch: AssignmentEpoch,
    },
}

#[derive(Debug)]
pub(crate) enum Stage {
    /// On its way to the coordinator.
    Asked,
    /// The coordinator has it, and holds its answer back.
    Held,
    /// The answer is on its way back, and takes its time.
    Answered(Answer),
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Group(GroupResponse),
    Commit(OffsetCommitResponse),
    Start(Option<i64>),
}

impl Call {
    pub(crate) fn is_heartbeat(&self) -> bool {
        matches!(self.question, Question::Group(_, GroupRequest::Heartbeat(_)))
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(_, request) => f.write_str(match request {
                GroupRequest::FindCoordinator(_) => "FindCoordinator",
                GroupRequest::JoinGroup(_) => "JoinGroup",
                GroupRequest::SyncGroup(_) => "SyncGroup",
                GroupRequest::Heartbeat(_) => "Heartbeat",
                GroupRequest::LeaveGroup(_) => "LeaveGroup",
                GroupRequest::ConsumerGroupHeartbeat(_) => "ConsumerGroupHeartbeat",
            }),
            Self::Commit(_, request) => {
                write!(f, "OffsetCommit of generation {}:", request.generation.0)?;
                for entry in request.topics.iter().flat_map(|topic| &topic.partitions) {
                    write!(f, " p{} at {}", entry.partition, entry.offset)?;
                }
                Ok(())
            }
            Self::Start { partition, .. } => write!(f, "OffsetFetch of p{partition}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(response) => {
                let error = match response {
                    GroupResponse::FindCoordinator(answer) => answer.error,
                    GroupResponse::JoinGroup(answer) => answer.error,
                    GroupResponse::SyncGroup(answer) => answer.error,
                    GroupResponse::Heartbeat(answer) => answer.error,
                    GroupResponse::LeaveGroup(answer) => answer.error,
                    GroupResponse::ConsumerGroupHeartbeat(answer) => answer.error,
                };
                write!(f, "{error}")
            }
            Self::Commit(response) => {
                let mut errors = response.topics.iter().flat_map(|topic| &topic.partitions);
                match errors.next() {
                    Some((_, error)) => write!(f, "{error}"),
                    None => f.write_str("nothing"),
                }
            }
            Self::Start(Some(offset)) => write!(f, "{offset}"),
            Self::Start(None) => f.write_str("no commit"),
        }
    }
}
