//! Where a member is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::Bytes;

use crate::group::departure::{Departure, Leaving};
use crate::group::{AssignorKind, JoinReason, Member};
use crate::types::{Generation, RequestId, TopicName, TopicPartition};

/// Who the coordinator takes us for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Identity {
    /// Empty: nobody yet.
    pub(super) member_id: String,
    /// The generation last joined, `None` outside of the group.
    pub(super) generation: Option<Generation>,
}

/// Where a member is. [`Classic`](super::Classic) owns what outlives a state.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing to join for.
    Idle,
    /// Before or behind a JoinGroup. No heartbeats: the coordinator counts the pending join instead.
    Joining(Joining),
    /// Before or behind a SyncGroup.
    Syncing(Syncing),
    /// A member at rest.
    Stable(Joined),
    /// The shell drains partitions and commits for the last time. Heartbeats go on.
    Revoking(Revoking),
    /// Before or behind a LeaveGroup.
    Leaving(Leaving),
    /// The end, wanted.
    Left,
    /// The end, not wanted.
    Failed,
}

#[derive(Debug)]
pub(super) enum Joining {
    Waiting { reason: JoinReason, not_before: Option<Instant> },
    Asked { id: RequestId, sent: Instant, subscription: BTreeSet<TopicName> },
}

/// What a JoinGroup brought.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) generation: Generation,
    pub(super) protocol: AssignorKind,
    /// What the JoinGroup said that we subscribe to.
    pub(super) subscription: BTreeSet<TopicName>,
    pub(super) role: Role,
}

#[derive(Debug)]
pub(super) enum Role {
    Follower,
    /// The leader watches the topics of the whole group: the counts that the assignment was made from, `None` where it was
    /// made by an earlier leader (KIP-814) and the count was not known yet.
    Leader(BTreeMap<TopicName, Option<i32>>),
}

#[derive(Debug)]
pub(super) enum Syncing {
    /// The leader does not know yet how many partitions all the group's topics have.
    Gathering {
        joined: Joined,
        members: Vec<Member>,
        give_up_at: Instant,
    },
    /// SyncGroup is to be sent.
    Waiting {
        joined: Joined,
        assignments: Vec<(String, Bytes)>,
    },
    Asked {
        joined: Joined,
        id: RequestId,
        sent: Instant,
    },
}

#[derive(Debug)]
pub(super) struct Revoking {
    pub(super) partitions: BTreeSet<TopicPartition>,
    /// One commit round trip past the deadline that the shell was given.
    pub(super) give_up_at: Instant,
    pub(super) then: Then,
}

/// What the coordinator hears after a drain.
#[derive(Debug)]
pub(super) enum Then {
    Rejoin(JoinReason),
    Leave(Departure),
}
