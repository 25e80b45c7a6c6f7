//! What a member is told before it joins.

use std::time::Duration;

use super::AssignorKind;

/// The protocol that a member speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GroupProtocol {
    /// JoinGroup, SyncGroup and Heartbeat: the group's leader assigns.
    #[default]
    Classic,
    /// ConsumerGroupHeartbeat (KIP-848): the coordinator assigns.
    Consumer,
    /// The consumer protocol, or the classic one where the coordinator does not take the other from this group.
    /// [`GroupEvent::FellBack`](super::GroupEvent::FellBack) says so.
    ConsumerElseClassic,
}

/// What a member of a group is told before it joins. The defaults of [`new`](Self::new) are the Java consumer's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupSettings {
    /// The group.
    pub group_id: String,
    /// `group.instance.id`: makes the member static (KIP-345): whoever joins with the same id takes its place and its
    /// partitions, and to close is not to leave unless that is wanted
    /// ([`MembershipOperation`](super::MembershipOperation)).
    pub group_instance_id: Option<String>,
    /// The protocol that the member speaks. Default classic.
    pub protocol: GroupProtocol,
    /// `group.remote.assignor`: the coordinator's assignor that the member would like to have used, in the consumer
    /// protocol. Default none: the coordinator chooses.
    pub remote_assignor: Option<String>,
    /// Time without a heartbeat after which the coordinator gives the member up. Default 45 s (KIP-735). In the consumer
    /// protocol the broker decides that; this is how long a static member waits for its predecessor to go.
    pub session_timeout: Duration,
    /// Time that the coordinator gives members to rejoin, and so the bound on every drain. Default 5 min.
    pub rebalance_timeout: Duration,
    /// Time between heartbeats. Default 3 s; a third of the session timeout at most.
    pub heartbeat_interval: Duration,
    /// The assignors that this member can run, most wanted first; never empty. The group's choice is one that all its
    /// members have. Default range, cooperative-sticky (KIP-726).
    ///
    /// Rebalances are cooperative (KIP-429) only if all of them can be: with range in the list they are eager.
    pub assignors: Vec<AssignorKind>,
    /// `client.rack`, told to the leader in the subscription (KIP-881).
    pub rack: Option<String>,
    /// Time that any request may take. Default 30 s. JoinGroup gets the rebalance timeout and 5 s more instead, as it is
    /// answered only when the others have rejoined; a heartbeat no more than a third of the session timeout.
    pub request_timeout: Duration,
    /// Time kept back from a drain, once for the answer to the last commit and once for JoinGroup to arrive. Default 1 s.
    pub commit_round_trip: Duration,
    /// First pause after a failure. Default 100 ms.
    pub retry_backoff: Duration,
    /// Longest pause after failures. Default 1 s.
    pub retry_backoff_max: Duration,
}

impl GroupSettings {
    /// Java's defaults for this group.
    pub fn new(group_id: impl Into<String>) -> Self {
        Self {
            group_id: group_id.into(),
            group_instance_id: None,
            protocol: GroupProtocol::Classic,
            remote_assignor: None,
            session_timeout: Duration::from_secs(45),
            rebalance_timeout: Duration::from_secs(300),
            heartbeat_interval: Duration::from_secs(3),
            assignors: vec![AssignorKind::Range, AssignorKind::CooperativeSticky],
            rack: None,
            request_timeout: Duration::from_secs(30),
            commit_round_trip: Duration::from_secs(1),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
        }
    }

    /// Whether rebalances are cooperative: only if every assignor can be (`ConsumerCoordinator`'s choice of the highest
    /// protocol that all its assignors support).
    pub fn is_cooperative(&self) -> bool {
        self.assignors.iter().all(|assignor| assignor.is_cooperative())
    }

    /// How long a drain may take, counted from the last time that the group was surely at rest: the coordinator's clock,
    /// which starts with the rebalance, is younger. The last commit must be answered and JoinGroup arrive within it.
    pub(super) fn drain_time(&self) -> Duration {
        self.rebalance_timeout.saturating_sub(self.commit_round_trip.saturating_mul(2))
    }

    /// JoinGroup is held by the coordinator up to the rebalance timeout. 5 s more: `JOIN_GROUP_TIMEOUT_LAPSE`.
    pub(super) fn join_timeout(&self) -> Duration {
        self.rebalance_timeout.saturating_add(Duration::from_secs(5)).max(self.request_timeout)
    }

    /// A heartbeat that hangs must fail early enough for two more tries within the session.
    pub(super) fn heartbeat_timeout(&self) -> Duration {
        (self.session_timeout / 3).max(self.heartbeat_interval).min(self.request_timeout)
    }
}
