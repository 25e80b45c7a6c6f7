//! What the machine has to say.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Instant;

use super::{AssignorKind, GroupApi};
use crate::types::{CallFailed, Generation, TopicId, TopicName, TopicPartition};
use crate::wire::{Coordinator, ErrorCode};

/// News from the group.
///
/// For every partition: one [`Assigned`](Self::Assigned) that lists it as added, then at most one
/// [`Revoke`](Self::Revoke), then the end: [`handle_revoked`](super::Membership::handle_revoked) by the shell, or
/// [`Lost`](Self::Lost) in its place, also in the middle of the drain. Nothing after Lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupEvent {
    /// The coordinator was found. Until [`CoordinatorLost`](Self::CoordinatorLost) commits go there as well.
    CoordinatorFound(Coordinator),
    /// The coordinator is looked for again: it is another broker, or cannot be reached. The membership stays as it is.
    CoordinatorLost,
    /// The member joins (again).
    Joining {
        /// Why.
        reason: JoinReason,
    },
    /// A rebalance is complete. [`Assigned`](Self::Assigned) follows.
    Stable {
        /// The generation.
        generation: Generation,
        /// Whether this member is the leader.
        leader: bool,
        /// The assignor that the group chose.
        protocol: AssignorKind,
    },
    /// What this member has from here on. Comes after every rebalance, and may be empty, the first one too.
    Assigned {
        /// The generation that first listed the added partitions.
        generation: Generation,
        /// What was not this member's before: to be read from the committed offset.
        added: BTreeSet<TopicPartition>,
        /// All that is this member's, without what is being revoked.
        assignment: BTreeSet<TopicPartition>,
    },
    /// These partitions go. Let their work in flight finish, commit it, and call
    /// [`handle_revoked`](super::Membership::handle_revoked): until then the coordinator does not hear of it. The other
    /// partitions go on.
    Revoke {
        /// What goes.
        partitions: BTreeSet<TopicPartition>,
        /// When the drain must end and the last commit be sent. One commit round trip after it the machine goes on by
        /// itself and says [`Lost`](Self::Lost).
        deadline: Instant,
    },
    /// These partitions are gone, maybe to another member: fence them at once, commit nothing.
    Lost {
        /// What is gone.
        partitions: BTreeSet<TopicPartition>,
        /// Why.
        reason: LostReason,
    },
    /// The topics whose partition counts the machine needs from here on, in place of those it named before: the
    /// subscription, and for the leader what any member subscribes to. Answer with
    /// [`handle_partition_counts`](super::Membership::handle_partition_counts).
    NeedMetadata(BTreeSet<TopicName>),
    /// The names of these topics, please, with [`handle_topic_names`](super::Membership::handle_topic_names): the
    /// coordinator assigned partitions of them, and goes by id. Asked again until they are known; metadata may be older
    /// than a topic.
    NeedTopicNames(BTreeSet<TopicId>),
    /// The member epoch is another one (KIP-848).
    Epoch {
        /// Which.
        epoch: Generation,
        /// Whether the member has just joined with it.
        joined: bool,
    },
    /// What was assigned is likely not all yet: a newcomer that has nothing, or topics without a name.
    Unsettled,
    /// What was assigned last is all, as far as anybody can tell.
    Settled,
    /// The coordinator refuses something, and the member tries on.
    Refused {
        /// Of which API.
        api: GroupApi,
        /// The error.
        error: ErrorCode,
        /// What the broker says of it.
        message: Option<String>,
    },
    /// The coordinator does not take the consumer protocol from this group: the member speaks the classic one from here on.
    FellBack {
        /// Why, for people.
        reason: &'static str,
    },
    /// This member, as the leader, could not read another one's subscription and gives it nothing.
    MemberUnreadable {
        /// The other one.
        member_id: String,
    },
    /// The member has left, or never was in. The machine is at its end.
    Left,
    /// The member cannot go on. The machine is at its end.
    Fatal {
        /// Why.
        error: GroupError,
    },
}

/// Why partitions are gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LostReason {
    /// The coordinator no longer knows the member (UNKNOWN_MEMBER_ID): its session ended, or it did not rejoin in time.
    UnknownMember,
    /// The group went on without the member (ILLEGAL_GENERATION).
    IllegalGeneration,
    /// The coordinator knows the member by another epoch (FENCED_MEMBER_EPOCH): answers to it were lost.
    FencedMemberEpoch,
    /// The topic was deleted and created again. The coordinator assigns the new one's partitions, and the machine does not say
    /// this: the shell does.
    TopicRecreated,
    /// Another one took the place (FENCED_INSTANCE_ID). [`GroupEvent::Fatal`] follows.
    FencedInstance,
    /// The drain was not done in time.
    RevokeTimedOut,
    /// The member cannot go on. [`GroupEvent::Fatal`] follows.
    Fatal,
    /// The topic does not exist any more. For readers that are no members: members are told by their group.
    TopicGone,
}

/// Why a member joins. [`wire_text`](Self::wire_text) is what the coordinator is told (KIP-800).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JoinReason {
    /// The first time.
    First,
    /// The coordinator gave a member id to join with (KIP-394).
    MemberIdRequired,
    /// The coordinator said that the group rebalances.
    Rebalancing,
    /// Partitions were given up, so that others can have them.
    Revoked,
    /// The subscription is another one.
    SubscriptionChanged,
    /// Partitions or topics came or went: only the leader's concern.
    MetadataChanged,
    /// The membership or a try to join failed with this error.
    Refused {
        /// Of which API.
        api: GroupApi,
        /// The error.
        error: ErrorCode,
    },
    /// A try to join had no answer.
    Unanswered {
        /// Of which API.
        api: GroupApi,
        /// What happened to it.
        failed: CallFailed,
    },
    /// The coordinator was lost while joining.
    CoordinatorLost,
    /// A commit was refused with this error.
    CommitRefused(ErrorCode),
    /// The program wants it, in its own words (KIP-568). Without any they are Java's.
    Enforced(String),
}

impl JoinReason {
    /// What the coordinator is told; Java's words where Java has some, as people search logs for them.
    pub fn wire_text(&self) -> Cow<'static, str> {
        match self {
            Self::First => "".into(),
            Self::MemberIdRequired => "need to re-join with the given member-id".into(),
            Self::Rebalancing => "group is already rebalancing".into(),
            Self::Revoked => "need to revoke partitions and re-join".into(),
            Self::SubscriptionChanged => "subscription has changed".into(),
            Self::MetadataChanged => "cached metadata has changed".into(),
            Self::Refused { api, error } => format!("encountered {error} from {api} response").into(),
            Self::Unanswered { api, failed } => format!("rebalance failed due to {failed:?} of {api}").into(),
            Self::CoordinatorLost => "rebalance failed due to lost coordinator".into(),
            Self::Enforced(reason) if reason.is_empty() => "rebalance enforced by user".into(),
            Self::Enforced(reason) => reason.clone().into(),
            Self::CommitRefused(error) => format!("encountered {error} from OffsetCommit response").into(),
        }
    }
}

/// Why a member cannot go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GroupError {
    /// GROUP_AUTHORIZATION_FAILED.
    #[error("not allowed to read as group {group_id:?}: it needs READ on the group")]
    Unauthorized {
        /// The group.
        group_id: String,
    },
    /// INVALID_GROUP_ID.
    #[error("the coordinator refuses the group id {group_id:?}")]
    InvalidGroupId {
        /// The group.
        group_id: String,
    },
    /// FENCED_INSTANCE_ID.
    #[error(
        "another consumer joined with the group instance id {group_instance_id:?} and took this one's place"
    )]
    FencedInstanceId {
        /// The id used twice.
        group_instance_id: String,
    },
    /// INVALID_SESSION_TIMEOUT.
    #[error(
        "the broker refuses a session timeout of {session_timeout_ms} ms: it must be between \
         group.min.session.timeout.ms and group.max.session.timeout.ms"
    )]
    InvalidSessionTimeout {
        /// What was asked for.
        session_timeout_ms: i32,
    },
    /// INCONSISTENT_GROUP_PROTOCOL.
    #[error(
        "no assignor of ours ({}) is known to all members of the group, or it is not a group of consumers",
        names(assignors)
    )]
    InconsistentGroupProtocol {
        /// What we can run.
        assignors: Vec<AssignorKind>,
    },
    /// GROUP_MAX_SIZE_REACHED.
    #[error("group {group_id:?} already has group.max.size members")]
    GroupMaxSizeReached {
        /// The group.
        group_id: String,
    },
    /// UNRELEASED_INSTANCE_ID, for longer than a session.
    #[error("another living consumer has the group instance id {group_instance_id:?}")]
    UnreleasedInstanceId {
        /// The id used twice.
        group_instance_id: String,
    },
    /// UNSUPPORTED_ASSIGNOR.
    #[error("the coordinator has no assignor {assignor:?}: {message}")]
    UnsupportedAssignor {
        /// What was asked for.
        assignor: String,
        /// What the broker says of it.
        message: String,
    },
    /// INVALID_REGULAR_EXPRESSION.
    #[error("the coordinator cannot read the pattern {pattern:?} (RE2 syntax): {message}")]
    InvalidPattern {
        /// What was subscribed to.
        pattern: String,
        /// What the broker says of it.
        message: String,
    },
    /// INVALID_REQUEST.
    #[error("the coordinator refuses {api}: {message}")]
    InvalidRequest {
        /// The API.
        api: GroupApi,
        /// What the broker says of it.
        message: String,
    },
    /// GROUP_ID_NOT_FOUND, which says that the group is of another kind.
    #[error(
        "group {group_id:?} is a classic group that the broker does not convert; \
         group.protocol=classic joins it"
    )]
    NotAConsumerGroup {
        /// The group.
        group_id: String,
    },
    /// The coordinator chose an assignor that was not in our list.
    #[error("the group chose the assignor {name:?}, which this member did not offer")]
    UnknownAssignor {
        /// Its name.
        name: String,
    },
    /// What the leader assigned cannot be read.
    #[error("the leader's assignment cannot be read")]
    MalformedAssignment,
    /// The broker lacks an API, or a version that can carry the request.
    #[error("the broker does not support {api} as it is needed here")]
    Unsupported {
        /// The API.
        api: GroupApi,
    },
    /// An error that this API does not have.
    #[error("unexpected {error} from {api}")]
    Unexpected {
        /// The API.
        api: GroupApi,
        /// The error.
        error: ErrorCode,
    },
}

fn names(assignors: &[AssignorKind]) -> String {
    assignors.iter().map(|assignor| assignor.name()).collect::<Vec<_>>().join(", ")
}
