//! The classic group protocol: JoinGroup, SyncGroup, Heartbeat (`AbstractCoordinator` and `ConsumerCoordinator` in Java).

mod answers;
mod leader;
mod requests;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use self::state::{Identity, Joining, Revoking, State, Syncing, Then};
use super::coordinator::{Search, is_another_coordinator};
use super::departure::{Departure, Leaving};
use super::heartbeat::Heartbeat;
use super::{
    AssignorKind, GroupError, GroupEvent, GroupSettings, JoinReason, LostReason, MembershipOperation,
    PartitionRacks,
};
use crate::backoff::{Backoff, later};
use crate::types::{Generation, MemberSnapshot, RequestId, TopicName, TopicPartition};
use crate::wire::{Coordinator, ErrorCode};

/// Tries to join that follow a refusal at once, before pauses begin. A new member needs one (KIP-394), one that was
/// forgotten two.
const IMMEDIATE_TRIES: u32 = 3;

/// A member of a classic group. [`Membership`](super::Membership) says what each verb means.
#[derive(Debug)]
pub(super) struct Classic {
    settings: GroupSettings,
    last_id: u64,
    events: VecDeque<GroupEvent>,
    subscription: BTreeSet<TopicName>,
    /// What [`GroupEvent::NeedMetadata`] last asked for, ...
    wanted: BTreeSet<TopicName>,
    /// ... and as much of it as was answered. 0: there is no such topic.
    counts: BTreeMap<TopicName, i32>,
    /// The racks of their partitions, as far as known.
    racks: PartitionRacks,
    /// What of that the last assignment was made from.
    assigned_racks: PartitionRacks,
    search: Search,
    heartbeat: Heartbeat,
    identity: Identity,
    /// Our partitions, draining ones too. Empty unless the identity has a generation.
    owned: BTreeSet<TopicPartition>,
    /// What each assignor last gave us, which sticky ones tell the leader (`onAssignment` in Java).
    last_assigned: BTreeMap<AssignorKind, (Generation, Vec<TopicPartition>)>,
    backoff: Backoff,
    immediate_tries: u32,
    /// A JoinGroup that was sent without a member id and given up since: the id in its answer is still ours.
    abandoned_join: Option<RequestId>,
    /// The application stands still, and the member stays away as long.
    stalled: bool,
    state: State,
}

impl Classic {
    pub(super) fn new(settings: GroupSettings, seed: u64) -> Self {
        let backoff = |seed| Backoff::new(settings.retry_backoff, settings.retry_backoff_max, seed);
        Self {
            search: Search::new(backoff(seed)),
            backoff: backoff(!seed),
            settings,
            last_id: 0,
            events: VecDeque::new(),
            subscription: BTreeSet::new(),
            wanted: BTreeSet::new(),
            counts: BTreeMap::new(),
            racks: PartitionRacks::new(),
            assigned_racks: PartitionRacks::new(),
            heartbeat: Heartbeat::default(),
            identity: Identity::default(),
            owned: BTreeSet::new(),
            last_assigned: BTreeMap::new(),
            immediate_tries: IMMEDIATE_TRIES,
            abandoned_join: None,
            stalled: false,
            state: State::Idle,
        }
    }

    /// Goes on in the place of a member that cannot speak the protocol it wanted to: with the coordinator that it found, its
    /// events that were not taken yet, and new numbers for calls.
    pub(super) fn in_place_of(
        settings: GroupSettings,
        last_id: u64,
        backoff: Backoff,
        search: Search,
        events: VecDeque<GroupEvent>,
    ) -> Self {
        Self { last_id, backoff, search, events, ..Self::new(settings, 0) }
    }

    pub(super) fn handle_subscription(&mut self, now: Instant, topics: BTreeSet<TopicName>) {
        if self.subscription == topics || matches!(self.state, State::Left | State::Failed) {
            return;
        }
        self.subscription = topics;
        self.want_metadata();
        if self.subscription.is_empty() {
            return self.depart(now, Departure::Unsubscribed);
        }
        match &self.state {
            State::Idle if self.stalled => {}
            State::Idle => self.rejoin(now, None, JoinReason::First),
            State::Stable(_) => self.rejoin(now, None, JoinReason::SubscriptionChanged),
            // Not sent yet: partitions of topics that were dropped must go first.
            State::Joining(Joining::Waiting { reason, not_before }) => {
                let (reason, not_before) = (reason.clone(), *not_before);
                self.rejoin(now, not_before, reason);
            }
            // Under way with the old subscription. What it brings is held against the new one at its end.
            State::Joining(Joining::Asked { .. }) | State::Syncing(_) | State::Revoking(_) => {}
            State::Leaving(_) | State::Left | State::Failed => {}
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match &self.state {
            State::Revoking(revoking) if revoking.give_up_at <= now => self.give_up_drain(now),
            State::Syncing(Syncing::Gathering { give_up_at, .. }) if *give_up_at <= now => {
                self.lead_as_known()
            }
            State::Leaving(leaving) if leaving.give_up_at <= now => self.departed(now),
            _ => {}
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<GroupEvent> {
        self.events.pop_front()
    }

    pub(super) fn handle_revoked(&mut self, now: Instant) {
        let Some(Revoking { partitions, then, .. }) = self.take_revoking() else { return };
        self.owned.retain(|partition| !partitions.contains(partition));
        self.go_on(now, then);
    }

    pub(super) fn handle_commit_refused(&mut self, now: Instant, generation: Generation, error: ErrorCode) {
        if is_another_coordinator(error) {
            return self.lose_coordinator(now);
        }
        let ours = self.identity.generation == Some(generation);
        let rebalancing = matches!(self.state, State::Joining(_) | State::Syncing(_));
        match error {
            ErrorCode::GROUP_AUTHORIZATION_FAILED => {
                self.fail(LostReason::Fatal, self.unauthorized());
            }
            _ if !ours => {}
            ErrorCode::FENCED_INSTANCE_ID => self.fenced(),
            ErrorCode::UNKNOWN_MEMBER_ID => {
                self.lose_membership(now, LostReason::UnknownMember, JoinReason::CommitRefused(error));
            }
            // A commit that overtook our JoinGroup, or that the next generation overtook. The rebalance under way tells.
            ErrorCode::ILLEGAL_GENERATION if !rebalancing => {
                self.lose_membership(now, LostReason::IllegalGeneration, JoinReason::CommitRefused(error));
            }
            ErrorCode::REBALANCE_IN_PROGRESS if matches!(self.state, State::Stable(_)) => {
                self.rejoin(now, None, JoinReason::Rebalancing);
            }
            _ => {}
        }
    }

    pub(super) fn handle_coordinator_lost(&mut self, now: Instant) {
        self.lose_coordinator(now);
    }

    pub(super) fn leave(&mut self, now: Instant, operation: MembershipOperation) {
        self.depart(now, Departure::Closed(operation));
    }

    pub(super) fn enforce_rebalance(&mut self, now: Instant, reason: String) {
        if let State::Stable(_) = self.state {
            self.rejoin(now, None, JoinReason::Enforced(reason));
        }
    }

    pub(super) fn handle_stalled(&mut self, now: Instant) {
        let is_leaving = match &self.state {
            State::Revoking(Revoking { then: Then::Leave(_), .. }) => true,
            State::Idle | State::Leaving(_) | State::Left | State::Failed => true,
            State::Joining(_) | State::Syncing(_) | State::Stable(_) | State::Revoking(_) => false,
        };
        self.stalled = true;
        if !is_leaving {
            self.depart(now, Departure::Stalled);
        }
    }

    pub(super) fn handle_unstalled(&mut self, now: Instant) {
        let stalled = std::mem::take(&mut self.stalled);
        if stalled && matches!(self.state, State::Idle) && !self.subscription.is_empty() {
            self.rejoin(now, None, JoinReason::First);
        }
    }

    pub(super) fn snapshot(&self) -> Option<MemberSnapshot> {
        let generation = match &self.state {
            State::Stable(_) | State::Revoking(_) => self.identity.generation?,
            State::Idle | State::Joining(_) | State::Syncing(_) => return None,
            State::Leaving(_) | State::Left | State::Failed => return None,
        };
        Some(MemberSnapshot {
            member_id: self.identity.member_id.clone(),
            generation,
            group_instance_id: self.settings.group_instance_id.clone(),
        })
    }

    pub(super) fn coordinator(&self) -> Option<&Coordinator> {
        self.search.found()
    }

    pub(super) fn session_deadline(&self) -> Option<Instant> {
        if self.owned.is_empty() {
            return None;
        }
        // Whoever is silent is removed after its session, and whoever does not rejoin after the rebalance timeout.
        let session = later(self.heartbeat.proven_at()?, self.settings.session_timeout);
        let rebalance = later(self.heartbeat.calm_at()?, self.settings.rebalance_timeout);
        Some(session.min(rebalance))
    }

    pub(super) fn assignment(&self) -> &BTreeSet<TopicPartition> {
        &self.owned
    }

    /// Joins (again), as soon as what must go before is revoked: everything if eager, what is no longer subscribed to if
    /// cooperative (`onJoinPrepare`).
    fn rejoin(&mut self, now: Instant, not_before: Option<Instant>, reason: JoinReason) {
        debug_assert!(
            self.owned.is_empty() || !matches!(self.state, State::Revoking(_)),
            "one revoke at a time"
        );
        let going: BTreeSet<_> = if self.settings.is_cooperative() {
            self.owned
                .iter()
                .filter(|partition| !self.subscription.contains(&partition.topic))
                .cloned()
                .collect()
        } else {
            self.owned.clone()
        };
        if going.is_empty() {
            self.state = State::Joining(Joining::Waiting { reason, not_before });
        } else {
            self.revoke(now, going, Then::Rejoin(reason));
        }
    }

    fn revoke(&mut self, now: Instant, partitions: BTreeSet<TopicPartition>, then: Then) {
        let at_rest = self.heartbeat.calm_at().unwrap_or(now);
        let deadline = later(at_rest, self.settings.drain_time()).max(now);
        let give_up_at = later(deadline, self.settings.commit_round_trip);
        self.events.push_back(GroupEvent::Revoke { partitions: partitions.clone(), deadline });
        self.state = State::Revoking(Revoking { partitions, give_up_at, then });
    }

    fn take_revoking(&mut self) -> Option<Revoking> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Revoking(revoking) => Some(revoking),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The drain is over.
    fn go_on(&mut self, now: Instant, then: Then) {
        match then {
            Then::Rejoin(reason) => self.rejoin(now, None, reason),
            Then::Leave(departure) => self.depart(now, departure),
        }
    }

    /// The shell did not finish in time. The coordinator is about to remove us, so the rest must not wait for this.
    fn give_up_drain(&mut self, now: Instant) {
        let Some(Revoking { partitions, then, .. }) = self.take_revoking() else { return };
        self.owned.retain(|partition| !partitions.contains(partition));
        self.events.push_back(GroupEvent::Lost { partitions, reason: LostReason::RevokeTimedOut });
        self.go_on(now, then);
    }

    /// The coordinator does not count us in (any more): all is lost at once, and we join as whoever we still are.
    fn lose_membership(&mut self, now: Instant, reason: LostReason, join: JoinReason) {
        self.lose_partitions(reason);
        self.identity.generation = None;
        if reason == LostReason::UnknownMember {
            self.identity.member_id.clear();
        }
        self.heartbeat.reset();
        match &self.state {
            State::Idle | State::Leaving(_) | State::Left | State::Failed => {}
            // The answer under way tells who we are.
            State::Joining(Joining::Asked { .. }) => {}
            State::Revoking(Revoking { then: Then::Leave(departure), .. }) => {
                let departure = *departure;
                self.start_leaving(now, departure);
            }
            State::Joining(_) | State::Syncing(_) | State::Stable(_) | State::Revoking(_) => {
                let not_before = self.pause_if_repeated(now);
                self.rejoin(now, not_before, join);
            }
        }
    }

    fn lose_partitions(&mut self, reason: LostReason) {
        let partitions = std::mem::take(&mut self.owned);
        if !partitions.is_empty() {
            self.events.push_back(GroupEvent::Lost { partitions, reason });
        }
    }

    fn fail(&mut self, reason: LostReason, error: GroupError) {
        if matches!(self.state, State::Left | State::Failed) {
            return;
        }
        self.lose_partitions(reason);
        self.identity = Identity::default();
        self.heartbeat.reset();
        self.state = State::Failed;
        self.events.push_back(GroupEvent::Fatal { error });
    }

    fn fenced(&mut self) {
        let group_instance_id = self.settings.group_instance_id.clone().unwrap_or_default();
        self.fail(LostReason::FencedInstance, GroupError::FencedInstanceId { group_instance_id });
    }

    fn unauthorized(&self) -> GroupError {
        GroupError::Unauthorized { group_id: self.settings.group_id.clone() }
    }

    /// Looks for the coordinator again, as the member that we are. What the old one owes us is void.
    fn lose_coordinator(&mut self, now: Instant) {
        if !self.search_again(now) {
            return;
        }
        match &self.state {
            State::Joining(Joining::Asked { id, .. }) => {
                self.abandoned_join = Some(*id).filter(|_| self.identity.member_id.is_empty());
                self.rejoin(now, None, JoinReason::CoordinatorLost);
            }
            // SyncGroup could be sent again, but a coordinator that took over need not know this generation, and its
            // ILLEGAL_GENERATION would cost all partitions. JoinGroup is always understood.
            State::Syncing(_) => self.rejoin(now, None, JoinReason::CoordinatorLost),
            // One try is all that a leaving member makes.
            State::Leaving(Leaving { asked: Some(_), .. }) => self.departed(now),
            _ => {}
        }
    }

    /// Says whether the coordinator was known until here.
    fn search_again(&mut self, now: Instant) -> bool {
        if self.search.found().is_none() || matches!(self.state, State::Left | State::Failed) {
            return false;
        }
        self.search.lose(now);
        self.heartbeat.abandon(now);
        self.events.push_back(GroupEvent::CoordinatorLost);
        true
    }

    /// Leaves, as soon as what we have is revoked.
    fn depart(&mut self, now: Instant, departure: Departure) {
        match &mut self.state {
            State::Left => {}
            State::Failed => {
                self.state = State::Left;
                self.events.push_back(GroupEvent::Left);
            }
            // What is draining goes first: one revoke at a time.
            State::Revoking(revoking) => revoking.then = Then::Leave(departure),
            State::Leaving(leaving) => leaving.departure = departure,
            State::Idle | State::Joining(_) | State::Syncing(_) | State::Stable(_) => {
                if self.owned.is_empty() {
                    self.start_leaving(now, departure);
                } else {
                    self.revoke(now, self.owned.clone(), Then::Leave(departure));
                }
            }
        }
    }

    fn start_leaving(&mut self, now: Instant, departure: Departure) {
        // KIP-345: a static member only stops, if nothing else is wanted. Its place is kept until its session ends, or it
        // comes back.
        let told = departure.operation().is_told(self.settings.group_instance_id.is_some());
        let says_so = told && !self.identity.member_id.is_empty();
        let give_up_at = later(now, self.settings.request_timeout);
        self.state = State::Leaving(Leaving { asked: None, give_up_at, departure });
        if !says_so {
            self.departed(now);
        }
    }

    /// Whether or not the coordinator heard it.
    fn departed(&mut self, now: Instant) {
        let State::Leaving(Leaving { departure, .. }) = self.state else { return };
        self.identity = Identity::default();
        self.heartbeat.reset();
        match departure {
            Departure::Closed(_) => {
                self.state = State::Left;
                self.events.push_back(GroupEvent::Left);
            }
            Departure::Unsubscribed | Departure::Stalled => {
                self.state = State::Idle;
                if !self.subscription.is_empty() && !self.stalled {
                    self.rejoin(now, None, JoinReason::First);
                }
            }
        }
    }

    /// The first tries follow at once: forgotten ids and new ones are part of joining. Whoever is still refused waits.
    fn pause_if_repeated(&mut self, now: Instant) -> Option<Instant> {
        match self.immediate_tries.checked_sub(1) {
            Some(left) => {
                self.immediate_tries = left;
                None
            }
            None => self.pause(now),
        }
    }

    fn pause(&mut self, now: Instant) -> Option<Instant> {
        Some(later(now, self.backoff.next_delay()))
    }
}
