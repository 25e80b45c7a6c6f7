//! The machine that turns committable offsets into OffsetCommit requests, one at a time.

mod outcome;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::time::Instant;

use crate::assignments::{Assignment, Assignments, FenceReason, Stamp};
use crate::backoff::{Backoff, later};
use crate::offsets::gate::{self, Refusal};
use crate::offsets::{
    CommitCounters, CommitError, CommitEvent, CommitSettings, Committable, WireEpochPolicy,
};
use crate::types::{CallFailed, Generation, MemberSnapshot, RequestId, TopicId, TopicName, TopicPartition};
use crate::wire::{OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopic};

/// Sends offsets through the gate and says what became of each.
///
/// An offset is *dirty* from when it comes in until the coordinator has answered that it is stored, or an outcome says
/// that it will not be. Each request is built anew from what is dirty, through the gate, and from one look at
/// {member, assignments}; a failed request is dropped, never sent again and never given another generation. One request
/// is under way at a time, and it is never given up before its answer or the end of its connection.
///
/// A request whose answer got lost may still be stored later. What is sent after it is of the same epoch and not lower,
/// or of a later epoch; but should the broker read the old connection's last bytes after the new connection's first, the
/// older offset wins until the next commit. The pause before a retry makes this unlikely, nothing makes it impossible.
#[derive(Debug)]
pub struct Committer {
    settings: CommitSettings,
    dirty: BTreeMap<TopicPartition, Dirty>,
    /// The last [`CommitEvent::Failed`] of each partition, so that offering the offset again is no hot loop.
    failed: BTreeMap<TopicPartition, Failed>,
    state: State,
    held: bool,
    /// A request was due, but nobody could sign it.
    without_member: bool,
    /// Not after the earliest time at which a dirty offset wants to be sent.
    wake: Option<Instant>,
    /// What the last request carried, so that one wire epoch that fails does not starve the others.
    last_generation: Option<Generation>,
    backoff: Backoff,
    last_id: u64,
    events: VecDeque<CommitEvent>,
    counters: CommitCounters,
    #[cfg(feature = "__open-gate")]
    gate_is_open: bool,
}

#[derive(Debug)]
enum State {
    /// The next request may be built.
    Ready,
    /// The last request failed. The next one waits; only if that member was refused, another one need not.
    BackingOff { until: Instant, refused: Option<MemberSnapshot> },
    /// A request is under way.
    InFlight(InFlight),
}

/// An offset that wants to be stored. Stays until it is.
#[derive(Debug)]
struct Dirty {
    stamp: Stamp,
    committable: Committable,
    /// When it is to be sent.
    due: Instant,
    /// The coordinator does not know the topic, or left the partition out: not again before this.
    not_before: Option<Instant>,
    /// [`CommitEvent::TopicGone`] was said.
    gone_told: bool,
}

/// An offset that cannot be stored.
#[derive(Debug)]
struct Failed {
    stamp: Stamp,
    offset: i64,
    not_before: Instant,
}

#[derive(Debug)]
struct InFlight {
    id: RequestId,
    member: Option<MemberSnapshot>,
    /// What the request carries.
    generation: Generation,
    offsets: BTreeMap<TopicPartition, Sent>,
    /// Answers from version 10 on name topics by id only.
    names: BTreeMap<TopicId, TopicName>,
}

#[derive(Debug)]
struct Sent {
    stamp: Stamp,
    offset: i64,
    /// The epoch ended, and a higher offset of it was fenced: a refusal of this one is no news.
    told: bool,
}

impl Committer {
    /// Nothing to commit. `seed` spreads the retries of many clients.
    pub fn new(settings: CommitSettings, seed: u64) -> Self {
        let backoff = Backoff::new(settings.retry_backoff, settings.retry_backoff_max, seed);
        Self {
            settings,
            dirty: BTreeMap::new(),
            failed: BTreeMap::new(),
            state: State::Ready,
            held: false,
            without_member: false,
            wake: None,
            last_generation: None,
            backoff,
            last_id: 0,
            events: VecDeque::new(),
            counters: CommitCounters::default(),
            #[cfg(feature = "__open-gate")]
            gate_is_open: false,
        }
    }

    /// Which epoch goes on the wire from the next request on: the coordinator is another one, or was upgraded.
    pub fn set_wire_epoch_policy(&mut self, policy: WireEpochPolicy) {
        self.settings.wire_epoch_policy = policy;
    }

    /// An offset may be committed. Offered again it changes nothing, so a caller may ask its trackers as often as it
    /// likes. Inside an epoch the highest offset wins; an offset of an epoch that ended is fenced at once, every time. After
    /// [`CommitEvent::Failed`] the same offset is taken again after a pause, and no more if the partition is being given
    /// up.
    pub fn handle_committable(
        &mut self,
        now: Instant,
        stamp: &Stamp,
        committable: Committable,
        assignments: &Assignments,
    ) {
        if let Err(refusal) = self.judge(assignments, stamp, committable.offset) {
            self.refuse(stamp, committable.offset, refusal);
            return;
        }
        // A partition that is being given up waits for its last commit.
        let due = if stamp.is_draining() { now } else { later(now, self.settings.interval) };
        let mut not_before = None;
        if let Some(failed) = self.failed.get(stamp.partition()).filter(|failed| failed.stamp.is_same(stamp))
        {
            let waits = stamp.is_draining() || now < failed.not_before;
            if committable.offset <= failed.offset && waits {
                return;
            }
            not_before = (!stamp.is_draining()).then_some(failed.not_before);
        }
        match self.dirty.get_mut(stamp.partition()) {
            Some(dirty) if dirty.stamp.is_same(stamp) => {
                let by = dirty.committable.offset;
                if committable.offset < by {
                    self.refuse(stamp, committable.offset, Refusal::Superseded { by });
                    return;
                }
                dirty.committable = committable;
                dirty.due = dirty.due.min(due);
            }
            _ => {
                self.fence_dirty(stamp.partition());
                let dirty = Dirty { stamp: stamp.clone(), committable, due, not_before, gone_told: false };
                self.dirty.insert(stamp.partition().clone(), dirty);
            }
        }
        self.wake_by(due);
    }

    /// An assignment epoch has ended ([`Assignments`] said so): what is dirty of it will not be sent. A request under way
    /// goes on, and its answer counts.
    pub fn handle_epoch_ended(&mut self, stamp: &Stamp) {
        debug_assert!(stamp.fenced().is_some(), "{stamp:?} has not ended");
        if self.dirty.get(stamp.partition()).is_some_and(|dirty| dirty.stamp.is_same(stamp)) {
            self.fence_dirty(stamp.partition());
        }
        if self.failed.get(stamp.partition()).is_some_and(|failed| failed.stamp.is_same(stamp)) {
            self.failed.remove(stamp.partition());
        }
    }

    /// These partitions are to be committed now, without waiting for the interval; others that are dirty go along. A pause
    /// after a failure is not cut short.
    pub fn flush<'a>(&mut self, now: Instant, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        for partition in partitions {
            if let Some(dirty) = self.dirty.get_mut(partition) {
                dirty.due = dirty.due.min(now);
                self.wake_by(now);
            }
        }
    }

    /// Everything is to be committed now.
    pub fn flush_all(&mut self, now: Instant) {
        for dirty in self.dirty.values_mut() {
            dirty.due = dirty.due.min(now);
        }
        if !self.dirty.is_empty() {
            self.wake_by(now);
        }
    }

    /// Whether nothing of these partitions is dirty or under way: a revoke may be acknowledged.
    pub fn settled<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) -> bool {
        partitions.into_iter().all(|partition| {
            let in_flight = match &self.state {
                State::InFlight(sent) => sent.offsets.contains_key(partition),
                _ => false,
            };
            !in_flight && !self.dirty.contains_key(partition)
        })
    }

    /// Whether the last offset of a partition that was sent was refused for good, and nothing was stored since.
    pub fn has_failed(&self, partition: &TopicPartition) -> bool {
        self.failed.contains_key(partition)
    }

    /// Whether nothing at all is dirty or under way.
    pub fn is_settled(&self) -> bool {
        self.dirty.is_empty() && !matches!(self.state, State::InFlight(_))
    }

    /// Builds no request until [`release`](Self::release): between JoinGroup and the answer to SyncGroup brokers refuse
    /// every commit, and after the process was stopped for longer than its session nobody knows whether the member still
    /// is one.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// Requests may be built again.
    pub fn release(&mut self) {
        self.held = false;
    }

    /// The next request, if one is due and none is under way. `member` is who signs it: all that goes into it comes from
    /// this one look at member and assignments.
    pub fn poll_request(
        &mut self,
        now: Instant,
        assignments: &Assignments,
        member: Option<&MemberSnapshot>,
    ) -> Option<(RequestId, OffsetCommitRequest)> {
        self.without_member = false;
        if self.held || self.wake.is_none_or(|wake| now < wake) {
            return None;
        }
        match &self.state {
            State::InFlight(_) => return None,
            State::BackingOff { until, refused } => {
                let refused_is_gone = refused.as_ref().is_some_and(|refused| member != Some(refused));
                if now < *until && !refused_is_gone {
                    return None;
                }
            }
            State::Ready => {}
        }
        if member.is_none() && !self.settings.standalone {
            self.without_member = true;
            return None;
        }
        self.pass_gate(assignments);
        let Some(generation) = self.next_generation(now, assignments, member) else {
            self.wake = self.earliest();
            return None;
        };
        Some(self.build(now, assignments, member, generation))
    }

    /// The epochs of what is under way. A request that waits for a connection is to be asked about again before it is sent: once
    /// one of them has ended, it must not be.
    pub fn in_flight(&self) -> impl Iterator<Item = &Stamp> {
        let offsets = match &self.state {
            State::InFlight(in_flight) => Some(&in_flight.offsets),
            _ => None,
        };
        #[cfg(feature = "__open-gate")]
        let offsets = offsets.filter(|_| !self.gate_is_open);
        offsets.into_iter().flat_map(BTreeMap::values).map(|sent| &sent.stamp)
    }

    /// The outcome of a request. An answer to anything but the request under way is dropped.
    pub fn handle_response(
        &mut self,
        now: Instant,
        id: RequestId,
        outcome: Result<&OffsetCommitResponse, CallFailed>,
        assignments: &mut Assignments,
    ) {
        let State::InFlight(in_flight) = &self.state else {
            self.counters.stray_answers += 1;
            return;
        };
        if in_flight.id != id {
            self.counters.stray_answers += 1;
            return;
        }
        // Epochs that ended while the request was under way: what is dirty of them is fenced while it is still known what
        // of it was sent.
        let ended: Vec<Stamp> = in_flight.offsets.values().map(|sent| sent.stamp.clone()).collect();
        for stamp in ended.iter().filter(|stamp| stamp.fenced().is_some()) {
            self.handle_epoch_ended(stamp);
        }
        let State::InFlight(in_flight) = mem::replace(&mut self.state, State::Ready) else { return };
        match outcome {
            Ok(response) => self.answered(now, in_flight, response, assignments),
            Err(CallFailed::Unsupported) => {
                for sent in in_flight.offsets.into_values() {
                    self.fail(now, &sent, CommitError::Unsupported);
                }
            }
            Err(CallFailed::Disconnected | CallFailed::TimedOut | CallFailed::Malformed) => {
                for sent in in_flight.offsets.values() {
                    self.keep_unsure(now, sent, assignments);
                }
                self.events.push_back(CommitEvent::CoordinatorLost);
                self.back_off(now, None);
            }
        }
        self.wake = self.earliest();
    }

    /// News. To be asked until there is none after every call of another verb.
    pub fn poll_event(&mut self) -> Option<CommitEvent> {
        self.events.pop_front()
    }

    /// When to ask [`poll_request`](Self::poll_request) again, should nothing else happen before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.held || self.without_member {
            return None;
        }
        match &self.state {
            State::InFlight(_) => None,
            State::Ready => self.wake,
            State::BackingOff { until, .. } => self.wake.map(|wake| wake.max(*until)),
        }
    }

    /// How many of each outcome there were.
    pub fn counters(&self) -> CommitCounters {
        self.counters
    }

    /// Removes from the dirty offsets what may no longer be sent.
    fn pass_gate(&mut self, assignments: &Assignments) {
        let refused: Vec<(TopicPartition, Refusal)> = self
            .dirty
            .iter()
            .filter_map(|(partition, dirty)| {
                let refusal = self.judge(assignments, &dirty.stamp, dirty.committable.offset).err()?;
                Some((partition.clone(), refusal))
            })
            .collect();
        for (partition, refusal) in refused {
            if let Some(dirty) = self.dirty.remove(&partition) {
                self.refuse(&dirty.stamp, dirty.committable.offset, refusal);
            }
        }
    }

    /// What the next request carries: the next higher of the generations that something due wants, then from the lowest.
    fn next_generation(
        &self,
        now: Instant,
        assignments: &Assignments,
        member: Option<&MemberSnapshot>,
    ) -> Option<Generation> {
        let ripe: BTreeSet<Generation> = self
            .dirty
            .iter()
            .filter(|(_, dirty)| dirty.at() <= now)
            .filter_map(|(partition, dirty)| {
                Some(self.generation(dirty, assignments.get(partition)?, member))
            })
            .collect();
        let next = ripe.iter().find(|generation| Some(**generation) > self.last_generation);
        next.or(ripe.first()).copied()
    }

    /// What a commit of this offset carries. By KIP-1251 that is the epoch in which it was read: should an offset of an
    /// ownership that is over ever come through the gate, the coordinator refuses it.
    fn generation(
        &self,
        dirty: &Dirty,
        assignment: &Assignment,
        member: Option<&MemberSnapshot>,
    ) -> Generation {
        let Some(member) = member else { return STANDALONE };
        match self.settings.wire_epoch_policy {
            WireEpochPolicy::Current => member.generation,
            WireEpochPolicy::PerAssignment if assignment.stamp().is_same(&dirty.stamp) => {
                assignment.wire_epoch().unwrap_or(member.generation)
            }
            WireEpochPolicy::PerAssignment => dirty.stamp.wire_epoch(),
        }
    }

    fn judge<'a>(
        &self,
        assignments: &'a Assignments,
        stamp: &Stamp,
        offset: i64,
    ) -> Result<Option<&'a Assignment>, Refusal> {
        #[cfg(feature = "__open-gate")]
        if self.gate_is_open {
            return Ok(assignments.get(stamp.partition()));
        }
        gate::judge(assignments, stamp, offset).map(Some)
    }

    /// Lets everything pass from here on, for a test that looks at what the coordinator says to it.
    #[cfg(feature = "__open-gate")]
    pub fn open_gate(&mut self) {
        self.gate_is_open = true;
    }

    /// Everything dirty that carries `generation`, due or not.
    fn build(
        &mut self,
        now: Instant,
        assignments: &Assignments,
        member: Option<&MemberSnapshot>,
        generation: Generation,
    ) -> (RequestId, OffsetCommitRequest) {
        let mut topics: BTreeMap<(TopicName, TopicId), Vec<OffsetCommitPartition>> = BTreeMap::new();
        let mut offsets = BTreeMap::new();
        let mut names = BTreeMap::new();
        let again = later(now, self.settings.interval);
        let mut dirty = mem::take(&mut self.dirty);
        for (partition, dirty) in &mut dirty {
            let Some(assignment) = assignments.get(partition) else { continue };
            let waits = dirty.not_before.is_some_and(|not_before| now < not_before);
            if waits || self.generation(dirty, assignment, member) != generation {
                continue;
            }
            dirty.due = again;
            let Committable { offset, leader_epoch, metadata } = dirty.committable.clone();
            let topic_id = assignment.topic_id();
            topics.entry((partition.topic.clone(), topic_id)).or_default().push(OffsetCommitPartition {
                partition: partition.partition,
                offset,
                leader_epoch,
                metadata,
            });
            if !topic_id.is_zero() {
                names.insert(topic_id, partition.topic.clone());
            }
            offsets.insert(partition.clone(), Sent { stamp: dirty.stamp.clone(), offset, told: false });
        }
        self.dirty = dirty;
        self.last_id += 1;
        let id = RequestId(self.last_id);
        self.last_generation = Some(generation);
        self.counters.requests += 1;
        self.state = State::InFlight(InFlight { id, member: member.cloned(), generation, offsets, names });
        let request = OffsetCommitRequest {
            group_id: self.settings.group_id.clone(),
            generation,
            member_id: member.map(|member| member.member_id.clone()).unwrap_or_default(),
            group_instance_id: member.and_then(|member| member.group_instance_id.clone()),
            topics: topics
                .into_iter()
                .map(|((name, id), partitions)| OffsetCommitTopic { name, id, partitions })
                .collect(),
        };
        (id, request)
    }

    /// Drops what is dirty of a partition whose epoch has ended. If that very offset is under way, its answer will tell.
    fn fence_dirty(&mut self, partition: &TopicPartition) {
        let Some(dirty) = self.dirty.remove(partition) else { return };
        if let State::InFlight(in_flight) = &mut self.state
            && let Some(sent) = in_flight.offsets.get_mut(partition)
            && sent.stamp.is_same(&dirty.stamp)
        {
            if sent.offset == dirty.committable.offset {
                return;
            }
            sent.told = true;
        }
        let reason = dirty.stamp.fenced().unwrap_or(FenceReason::Closed);
        self.refuse(&dirty.stamp, dirty.committable.offset, Refusal::Fenced(reason));
    }

    /// Says that an offset will not be sent.
    fn refuse(&mut self, stamp: &Stamp, offset: i64, refusal: Refusal) {
        let (partition, epoch) = (stamp.partition().clone(), stamp.epoch());
        let event = match refusal {
            Refusal::Stored => return,
            Refusal::Fenced(reason) => {
                self.counters.fenced += 1;
                CommitEvent::Fenced { partition, epoch, offset, reason }
            }
            Refusal::Superseded { by } => {
                self.counters.superseded += 1;
                CommitEvent::Superseded { partition, epoch, offset, by }
            }
            Refusal::Negative => {
                self.counters.failed += 1;
                CommitEvent::Failed { partition, epoch, offset, error: CommitError::Negative }
            }
        };
        self.events.push_back(event);
    }

    fn back_off(&mut self, now: Instant, refused: Option<MemberSnapshot>) {
        let until = later(now, self.backoff.next_delay());
        self.state = State::BackingOff { until, refused };
    }

    fn wake_by(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    fn earliest(&self) -> Option<Instant> {
        self.dirty.values().map(Dirty::at).min()
    }
}

impl Dirty {
    /// When it wants to be sent.
    fn at(&self) -> Instant {
        self.not_before.map_or(self.due, |not_before| self.due.max(not_before))
    }
}

/// What a commit outside of any membership carries.
const STANDALONE: Generation = Generation(-1);
