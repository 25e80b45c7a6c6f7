//! The consumer group protocol (KIP-848): one heartbeat for everything, assignments made by the coordinator, and
//! partitions that move one by one (`AbstractMembershipManager` and `ConsumerHeartbeatRequestManager` in Java).

mod answers;
mod member_id;
mod reconcile;
mod requests;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use self::answers::FallBack;
use self::state::{Joining, Owned, Revoking, State, Target, Then, Told};
use super::classic::Classic;
use super::coordinator::{Search, is_another_coordinator};
use super::departure::{Departure, Leaving};
use super::heartbeat::Heartbeat;
use super::{
    GroupError, GroupEvent, GroupSettings, JoinReason, LostReason, MembershipOperation, PartitionRacks,
};
use crate::backoff::{Backoff, later};
use crate::types::{Generation, MemberSnapshot, RequestId, TopicId, TopicName, TopicPartition};
use crate::wire::{Coordinator, ErrorCode};

/// Tries to join that follow a fence at once, before pauses begin.
const IMMEDIATE_TRIES: u32 = 2;
/// The interval until the coordinator has named one: `group.consumer.heartbeat.interval.ms` of a broker as it comes.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// A session is taken to last this many heartbeat intervals: see [`Consumer::session_deadline`].
const INTERVALS_PER_SESSION: u32 = 3;

/// A member of a group that speaks the consumer protocol. [`Membership`](super::Membership) says what each verb means.
#[derive(Debug)]
pub(super) struct Consumer {
    settings: GroupSettings,
    last_id: u64,
    events: VecDeque<GroupEvent>,
    subscription: BTreeSet<TopicName>,
    /// What is subscribed to by pattern, which the coordinator resolves.
    pattern: Option<String>,
    /// Once a pattern was told, its absence is to be told as well.
    had_pattern: bool,
    /// What [`GroupEvent::NeedMetadata`] last asked for.
    wanted: BTreeSet<TopicName>,
    search: Search,
    heartbeat: Heartbeat,
    /// As the coordinator last said.
    interval: Duration,
    /// Made by the member itself (KIP-1082), and kept for as long as it lives: a join whose answer was lost is not another
    /// member.
    member_id: String,
    /// The member epoch, `None` outside of the group.
    epoch: Option<Generation>,
    /// Whether the coordinator may count us in: a member that goes says so.
    known: bool,
    /// The one that the member joined at: refusals of commits of older ones say nothing.
    joined_at: Generation,
    /// What the coordinator wants us to have, as it last said.
    target: Option<Target>,
    /// What we have, draining partitions too.
    owned: Owned,
    /// Names of topics of `target` and `owned`.
    names: BTreeMap<TopicId, TopicName>,
    /// What [`GroupEvent::NeedTopicNames`] last asked for.
    unnamed: BTreeSet<TopicId>,
    /// What the coordinator was told; `None`: the next heartbeat tells everything.
    told: Option<Told>,
    /// [`GroupEvent::Assigned`] is owed.
    unannounced: bool,
    /// Heartbeats that may still bring what a newcomer waits for, though nothing is its own yet.
    expectant: u32,
    /// [`GroupEvent::Unsettled`] was said.
    unsettled: bool,
    backoff: Backoff,
    immediate_tries: u32,
    /// Since when another member is in the way (UNRELEASED_INSTANCE_ID).
    unreleased_since: Option<Instant>,
    fall_back: Option<FallBack>,
    /// The application stands still, and the member stays away as long.
    stalled: bool,
    /// What a classic member would need to know.
    counts: BTreeMap<TopicName, i32>,
    racks: PartitionRacks,
    state: State,
}

impl Consumer {
    pub(super) fn new(settings: GroupSettings, seed: u64) -> Self {
        let backoff = |seed| Backoff::new(settings.retry_backoff, settings.retry_backoff_max, seed);
        Self {
            search: Search::new(backoff(seed)),
            backoff: backoff(!seed),
            settings,
            last_id: 0,
            events: VecDeque::new(),
            subscription: BTreeSet::new(),
            pattern: None,
            had_pattern: false,
            wanted: BTreeSet::new(),
            heartbeat: Heartbeat::default(),
            interval: DEFAULT_INTERVAL,
            member_id: member_id::draw(seed),
            epoch: None,
            known: false,
            joined_at: Generation(0),
            target: None,
            owned: Owned::default(),
            names: BTreeMap::new(),
            unnamed: BTreeSet::new(),
            told: None,
            unannounced: false,
            expectant: 0,
            unsettled: false,
            immediate_tries: IMMEDIATE_TRIES,
            unreleased_since: None,
            fall_back: None,
            stalled: false,
            counts: BTreeMap::new(),
            racks: PartitionRacks::new(),
            state: State::Idle,
        }
    }

    /// The member that goes on in this one's place, if the consumer protocol is not to be had.
    pub(super) fn take_fall_back(&mut self, now: Instant) -> Option<Classic> {
        let reason = self.fall_back.take()?.reason();
        self.events.push_back(GroupEvent::FellBack { reason });
        let search = std::mem::replace(&mut self.search, Search::new(self.backoff.clone()));
        let events = std::mem::take(&mut self.events);
        let mut classic =
            Classic::in_place_of(self.settings.clone(), self.last_id, self.backoff.clone(), search, events);
        classic.handle_subscription(now, std::mem::take(&mut self.subscription));
        classic.handle_partition_racks(&self.racks);
        classic.handle_partition_counts(now, &self.counts);
        Some(classic)
    }

    pub(super) fn handle_subscription(&mut self, now: Instant, topics: BTreeSet<TopicName>) {
        if self.subscription == topics || matches!(self.state, State::Left | State::Failed) {
            return;
        }
        self.subscription = topics;
        self.want_metadata();
        self.resubscribe(now);
    }

    pub(super) fn handle_pattern(&mut self, now: Instant, pattern: Option<String>) {
        let pattern = pattern.filter(|pattern| !pattern.is_empty());
        if self.pattern == pattern || matches!(self.state, State::Left | State::Failed) {
            return;
        }
        self.had_pattern |= pattern.is_some();
        self.pattern = pattern;
        self.resubscribe(now);
    }

    fn resubscribe(&mut self, now: Instant) {
        if self.subscription.is_empty() && self.pattern.is_none() {
            return self.depart(now, Departure::Unsubscribed);
        }
        match &self.state {
            State::Idle if self.stalled => {}
            State::Idle => self.rejoin(None, JoinReason::First),
            // The coordinator takes away what is no longer subscribed to.
            State::Joined | State::Revoking(_) => self.tell_news(now),
            // The join reads the subscription when it is sent; under way, the next heartbeat tells.
            State::Joining(_) | State::Leaving(_) | State::Left | State::Failed => {}
        }
    }

    /// Kept for the classic protocol, should that be spoken instead.
    pub(super) fn handle_partition_counts(&mut self, counts: &BTreeMap<TopicName, i32>) {
        self.counts.extend(counts.iter().map(|(topic, count)| (topic.clone(), *count)));
    }

    /// The same.
    pub(super) fn handle_partition_racks(&mut self, racks: &PartitionRacks) {
        self.racks.extend(racks.iter().map(|(topic, racks)| (topic.clone(), racks.clone())));
    }

    pub(super) fn handle_topic_names(&mut self, now: Instant, names: &BTreeMap<TopicId, TopicName>) {
        self.names.extend(names.iter().map(|(id, name)| (*id, name.clone())));
        if matches!(self.state, State::Joined) && !self.unnamed.is_empty() {
            self.reconcile(now);
        }
        self.tidy_names();
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match &self.state {
            State::Revoking(revoking) if revoking.give_up_at <= now => self.give_up_drain(now),
            State::Leaving(leaving) if leaving.give_up_at <= now => self.departed(),
            _ => {}
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<GroupEvent> {
        self.events.pop_front()
    }

    pub(super) fn handle_commit_refused(&mut self, now: Instant, generation: Generation, error: ErrorCode) {
        if is_another_coordinator(error) {
            return self.lose_coordinator(now);
        }
        let ours = self.epoch.is_some_and(|epoch| (self.joined_at..=epoch).contains(&generation));
        match error {
            ErrorCode::GROUP_AUTHORIZATION_FAILED => self.fail(LostReason::Fatal, self.unauthorized()),
            _ if !ours => {}
            ErrorCode::FENCED_INSTANCE_ID => self.fenced_instance(),
            ErrorCode::UNKNOWN_MEMBER_ID => {
                self.lose_membership(now, LostReason::UnknownMember, JoinReason::CommitRefused(error));
            }
            // The epoch went on between an answer to a heartbeat and the commit, or it was of an earlier assignment: the
            // next heartbeat tells, and nothing is lost by asking at once.
            ErrorCode::STALE_MEMBER_EPOCH
            | ErrorCode::FENCED_MEMBER_EPOCH
            | ErrorCode::ILLEGAL_GENERATION
                if self.epoch == Some(generation) =>
            {
                self.heartbeat.schedule(now);
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

    pub(super) fn handle_stalled(&mut self, now: Instant) {
        let is_leaving = match &self.state {
            State::Revoking(revoking) => matches!(revoking.then, Then::Leave(_)),
            State::Idle | State::Leaving(_) | State::Left | State::Failed => true,
            State::Joining(_) | State::Joined => false,
        };
        self.stalled = true;
        if !is_leaving {
            self.depart(now, Departure::Stalled);
        }
    }

    pub(super) fn handle_unstalled(&mut self, now: Instant) {
        let stalled = std::mem::take(&mut self.stalled);
        if stalled && matches!(self.state, State::Idle) {
            self.resubscribe(now);
        }
    }

    /// Commits may be sent in all of a membership: this protocol has no time between two generations.
    pub(super) fn snapshot(&self) -> Option<MemberSnapshot> {
        match &self.state {
            State::Joined | State::Revoking(_) => Some(MemberSnapshot {
                member_id: self.member_id.clone(),
                generation: self.epoch?,
                group_instance_id: self.settings.group_instance_id.clone(),
            }),
            State::Idle | State::Joining(_) | State::Leaving(_) | State::Left | State::Failed => None,
        }
    }

    pub(super) fn coordinator(&self) -> Option<&Coordinator> {
        self.search.found()
    }

    /// The session timeout is the broker's, and no answer tells it. What is known: the broker wants it to be longer than one
    /// heartbeat interval, and as it comes it is nine of them (5 s, 45 s). Three are taken, which is the least that is ever
    /// advised: too short a guess makes a member pause that has not heard of its coordinator for as long, too long a one
    /// makes a stopped process hand out what others read. Where even three are too long, FENCED and UNKNOWN_MEMBER_ID end
    /// it with the next answer.
    pub(super) fn session_deadline(&self) -> Option<Instant> {
        if self.owned.is_empty() {
            return None;
        }
        let session = later(self.heartbeat.proven_at()?, self.interval.saturating_mul(INTERVALS_PER_SESSION));
        // Whoever does not acknowledge a revocation is removed as well.
        let rebalance = later(self.heartbeat.calm_at()?, self.settings.rebalance_timeout);
        Some(session.min(rebalance))
    }

    pub(super) fn assignment(&self) -> &BTreeSet<TopicPartition> {
        self.owned.by_name()
    }

    /// The subscription, and what else is ours or to be: the coordinator finds topics by the pattern, and topics that are no
    /// longer subscribed to are read until they are given up.
    fn want_metadata(&mut self) {
        let mut wanted = self.subscription.clone();
        wanted.extend(self.names.values().cloned());
        if self.wanted != wanted {
            self.wanted = wanted.clone();
            self.events.push_back(GroupEvent::NeedMetadata(wanted));
        }
    }

    /// Joins (again), with nothing: a member that joins has given up everything.
    fn rejoin(&mut self, not_before: Option<Instant>, reason: JoinReason) {
        debug_assert!(self.owned.is_empty() && self.epoch.is_none());
        self.state = State::Joining(Joining::Waiting { reason, not_before });
    }

    /// The coordinator does not count us in (any more): all is lost at once, and we join with nothing.
    ///
    /// No heartbeat can overtake this (KAFKA-16251): the one under way is void, and the next one joins.
    fn lose_membership(&mut self, now: Instant, reason: LostReason, join: JoinReason) {
        self.drop_membership(reason);
        match &self.state {
            State::Idle | State::Left | State::Failed => {}
            State::Leaving(Leaving { asked: Some(_), .. }) => {}
            // There is nobody left to say it for.
            State::Leaving(_) => self.departed(),
            State::Revoking(Revoking { then: Then::Leave(departure), .. }) => {
                let departure = *departure;
                self.start_leaving(now, departure);
            }
            State::Joining(_) | State::Joined | State::Revoking(_) => {
                let not_before = self.pause_if_repeated(now);
                self.rejoin(not_before, join);
            }
        }
    }

    fn drop_membership(&mut self, reason: LostReason) {
        let partitions = self.owned.take();
        if !partitions.is_empty() {
            self.events.push_back(GroupEvent::Lost { partitions, reason });
        }
        self.epoch = None;
        self.target = None;
        self.told = None;
        self.unnamed.clear();
        self.unannounced = false;
        self.expectant = 0;
        self.unsettled = false;
        self.heartbeat.reset();
        self.tidy_names();
    }

    fn fail(&mut self, reason: LostReason, error: GroupError) {
        if matches!(self.state, State::Left | State::Failed) {
            return;
        }
        self.drop_membership(reason);
        self.state = State::Failed;
        self.events.push_back(GroupEvent::Fatal { error });
    }

    fn fenced_instance(&mut self) {
        let group_instance_id = self.settings.group_instance_id.clone().unwrap_or_default();
        self.fail(LostReason::FencedInstance, GroupError::FencedInstanceId { group_instance_id });
    }

    fn unauthorized(&self) -> GroupError {
        GroupError::Unauthorized { group_id: self.settings.group_id.clone() }
    }

    /// Looks for the coordinator again, as the member that we are. What the old one owes us is void, and the next one is
    /// told everything.
    fn lose_coordinator(&mut self, now: Instant) {
        if self.search.found().is_none() || matches!(self.state, State::Left | State::Failed) {
            return;
        }
        self.search.lose(now);
        self.heartbeat.abandon(now);
        self.told = None;
        self.events.push_back(GroupEvent::CoordinatorLost);
        match &self.state {
            State::Joining(Joining::Asked) => self.rejoin(None, JoinReason::CoordinatorLost),
            // One try is all that a leaving member makes.
            State::Leaving(Leaving { asked: Some(_), .. }) => self.departed(),
            _ => {}
        }
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
            // A join under way may have made us a member; the id is our own, so we can say that we go.
            State::Idle | State::Joining(_) => self.start_leaving(now, departure),
            State::Joined => match self.owned.is_empty() {
                true => self.start_leaving(now, departure),
                false => self.revoke(now, self.owned.all(), Then::Leave(departure)),
            },
        }
    }

    fn start_leaving(&mut self, now: Instant, departure: Departure) {
        let give_up_at = later(now, self.settings.request_timeout);
        self.state = State::Leaving(Leaving { asked: None, give_up_at, departure });
        // KIP-1092: a dynamic member that is to remain says nothing; a static one says that it will be back.
        let remains = departure == Departure::Closed(MembershipOperation::RemainInGroup)
            && self.settings.group_instance_id.is_none();
        if remains || !self.known {
            self.departed();
        }
    }

    /// Whether or not the coordinator heard it.
    fn departed(&mut self) {
        let State::Leaving(Leaving { departure, .. }) = self.state else { return };
        debug_assert!(self.owned.is_empty(), "revoked before");
        self.known = false;
        self.drop_membership(LostReason::UnknownMember);
        match departure {
            Departure::Closed(_) => {
                self.state = State::Left;
                self.events.push_back(GroupEvent::Left);
            }
            Departure::Unsubscribed | Departure::Stalled => {
                self.state = State::Idle;
                if !self.stalled && (!self.subscription.is_empty() || self.pattern.is_some()) {
                    self.rejoin(None, JoinReason::First);
                }
            }
        }
    }

    /// The first tries follow at once: to be fenced now and then is part of the protocol. Whoever is fenced again waits.
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

    fn next_id(&mut self) -> RequestId {
        self.last_id += 1;
        RequestId(self.last_id)
    }
}
