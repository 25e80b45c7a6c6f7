//! Random lives of a member, beside a naive idea of what may be committed.
//!
//! The coordinator of this model stores whatever it is sent, answers what it likes, and loses answers before or after it
//! has stored. So all that holds here is held by the gate.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;

use super::script::{answer, offset, some_instant};
use crate::assignments::{Assignments, FenceReason, Stamp};
use crate::offsets::{
    AckRange, CommitError, CommitEvent, CommitSettings, Committer, Tracker, WireEpochPolicy,
};
use crate::types::{
    AssignmentEpoch, CallFailed, Generation, LeaderEpoch, MemberSnapshot, RequestId, TopicId, TopicPartition,
};
use crate::wire::{ErrorCode, OffsetCommitRequest};

const PARTITIONS: i32 = 2;

#[derive(Clone, Debug)]
enum Op {
    Assign(i32),
    BeginRevoke(i32),
    End(i32, FenceReason),
    Seek(i32, i64),
    Metadata(i32),
    Recreate(i32),
    Deliver(i32, i64),
    Advance(i32, i64),
    /// Acks go to any epoch that ever was, mostly to one that is current.
    Ack(Index, Index, Index),
    AckAll(Index, Index),
    /// So do offers of what its tracker says, and of something lower.
    Offer(Index),
    OfferLower(Index, i64),
    Pass(u64),
    Poll,
    Flush,
    Answer(Reply),
    Stray,
    Generation,
    Hold(bool),
    Member(bool),
}

#[derive(Clone, Copy, Debug)]
enum Reply {
    Store,
    StoreAndLose(CallFailed),
    Lose(CallFailed),
    Refuse(ErrorCode),
    /// Stores the first partition, refuses the rest.
    Mix(ErrorCode),
    LeaveOut,
}

fn error() -> impl Strategy<Value = ErrorCode> {
    prop::sample::select(vec![
        ErrorCode::NOT_COORDINATOR,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::REBALANCE_IN_PROGRESS,
        ErrorCode::ILLEGAL_GENERATION,
        ErrorCode::UNKNOWN_MEMBER_ID,
        ErrorCode::STALE_MEMBER_EPOCH,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ErrorCode::REQUEST_TIMED_OUT,
    ])
}

fn op() -> impl Strategy<Value = Op> {
    let partition = || 0..PARTITIONS;
    let index = any::<Index>;
    let failed =
        || prop::sample::select(vec![CallFailed::Disconnected, CallFailed::TimedOut, CallFailed::Malformed]);
    let reason = prop::sample::select(vec![FenceReason::Revoked, FenceReason::Lost]);
    let reply = prop_oneof![
        10 => Just(Reply::Store),
        1 => failed().prop_map(Reply::StoreAndLose),
        1 => failed().prop_map(Reply::Lose),
        1 => Just(Reply::Lose(CallFailed::Unsupported)),
        3 => error().prop_map(Reply::Refuse),
        1 => error().prop_map(Reply::Mix),
        1 => Just(Reply::LeaveOut),
    ];
    prop_oneof![
        6 => partition().prop_map(Op::Assign),
        1 => partition().prop_map(Op::BeginRevoke),
        2 => (partition(), reason).prop_map(|(partition, reason)| Op::End(partition, reason)),
        1 => (partition(), 0i64..30).prop_map(|(partition, to)| Op::Seek(partition, to)),
        1 => partition().prop_map(Op::Metadata),
        1 => partition().prop_map(Op::Recreate),
        12 => (partition(), 1i64..6).prop_map(|(partition, len)| Op::Deliver(partition, len)),
        1 => (partition(), 1i64..3).prop_map(|(partition, by)| Op::Advance(partition, by)),
        12 => (index(), index(), index()).prop_map(|(epoch, range, at)| Op::Ack(epoch, range, at)),
        10 => (index(), index()).prop_map(|(epoch, range)| Op::AckAll(epoch, range)),
        14 => index().prop_map(Op::Offer),
        4 => (index(), -2i64..20).prop_map(|(epoch, to)| Op::OfferLower(epoch, to)),
        6 => prop::sample::select(vec![1, 100, 1000, 10_000]).prop_map(Op::Pass),
        16 => Just(Op::Poll),
        4 => Just(Op::Flush),
        16 => reply.prop_map(Op::Answer),
        1 => Just(Op::Stray),
        1 => Just(Op::Generation),
        1 => any::<bool>().prop_map(Op::Hold),
        1 => any::<bool>().prop_map(Op::Member),
    ]
}

/// One assignment epoch, as a naive observer sees it.
struct Epoch {
    stamp: Stamp,
    tracker: Tracker,
    topic_id: TopicId,
    /// The coordinator answered STALE_MEMBER_EPOCH to it while the member's own epoch was another.
    wire_epoch: Option<Generation>,
    current: bool,
    /// What was delivered and which of it is finished.
    delivered: Vec<(AckRange, BTreeSet<i64>)>,
    /// Highest offset of any request, and of any whose answer got lost.
    sent: Option<i64>,
    doubtful: Option<i64>,
    /// Highest offset that was answered as stored.
    accepted: Option<i64>,
    /// All that the coordinator stored, in its order.
    stored: Vec<i64>,
    /// Highest offset handed in, and highest offset that had an outcome.
    offered: Option<i64>,
    settled: Option<i64>,
    failed: Option<i64>,
}

impl Epoch {
    fn lowest_unfinished(&self) -> i64 {
        let open = self
            .delivered
            .iter()
            .find_map(|(range, finished)| range.offsets().find(|offset| !finished.contains(offset)));
        open.unwrap_or(self.tracker.position())
    }
}

struct World {
    now: Instant,
    policy: WireEpochPolicy,
    assignments: Assignments,
    committer: Committer,
    generation: i32,
    is_member: bool,
    held: bool,
    /// Every epoch that ever was, and the current one of each partition that is ours.
    epochs: Vec<Epoch>,
    owned: BTreeMap<i32, usize>,
    /// What metadata says.
    topics: BTreeMap<i32, TopicId>,
    stored: BTreeMap<i32, i64>,
    in_flight: Option<InFlight>,
}

struct InFlight {
    id: RequestId,
    request: OffsetCommitRequest,
    /// The member's own generation when the request was built, and the epochs that were current.
    own: Generation,
    epochs: BTreeMap<i32, usize>,
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new(format!("topic{number}"), number)
}

impl World {
    fn new(policy: WireEpochPolicy, interval: Duration) -> Self {
        let mut settings = CommitSettings::new("billing");
        settings.interval = interval;
        settings.wire_epoch_policy = policy;
        Self {
            now: some_instant(),
            policy,
            assignments: Assignments::new(),
            committer: Committer::new(settings, 3),
            generation: 1,
            is_member: true,
            held: false,
            epochs: Vec::new(),
            owned: BTreeMap::new(),
            topics: (0..PARTITIONS).map(|number| (number, TopicId([1; 16]))).collect(),
            stored: BTreeMap::new(),
            in_flight: None,
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Assign(number) => {
                if !self.owned.contains_key(&number) {
                    let generation = Generation(self.generation);
                    let stamp = self.assignments.assign(partition(number), self.topics[&number], generation);
                    let position = self.stored.get(&number).copied().unwrap_or(0);
                    self.begin(number, stamp, position, generation);
                }
            }
            Op::BeginRevoke(number) => {
                let ours = self.assignments.begin_revoke(&partition(number));
                assert_eq!(ours, self.owned.contains_key(&number));
            }
            Op::End(number, reason) => {
                let ended = match reason {
                    FenceReason::Revoked => self.assignments.revoke(&partition(number)),
                    _ => self.assignments.lose(&partition(number)),
                };
                self.end(number, ended);
            }
            Op::Seek(number, to) => {
                let Some(old) = self.assignments.stamp(&partition(number)) else { return };
                let new = self.assignments.seek(&partition(number)).expect("it is ours");
                self.renew(number, old, new, to);
            }
            Op::Metadata(number) => {
                let id = TopicId([self.topics[&number].0[0].wrapping_add(1); 16]);
                self.topics.insert(number, id);
                self.assignments.handle_topic_id(&partition(number).topic, id);
            }
            Op::Recreate(number) => {
                let Some(old) = self.assignments.stamp(&partition(number)) else { return };
                let id = self.topics[&number];
                let new = self.assignments.topic_recreated(&partition(number), id).expect("it is ours");
                self.renew(number, old, new, 0);
            }
            Op::Deliver(number, len) => {
                let Some(epoch) = self.owned.get(&number).map(|&index| &mut self.epochs[index]) else {
                    return;
                };
                let first = epoch.tracker.position();
                match epoch.tracker.deliver(first..=first + len - 1, 1, Some(LeaderEpoch(1))) {
                    Ok(range) => epoch.delivered.push((range, BTreeSet::new())),
                    Err(_) => assert!(epoch.stamp.is_draining()),
                }
            }
            Op::Advance(number, by) => {
                if let Some(&index) = self.owned.get(&number) {
                    let tracker = &self.epochs[index].tracker;
                    tracker.advance_to(tracker.position() + by, Some(LeaderEpoch(1)));
                }
            }
            Op::Ack(epoch, range, at) => self.ack(epoch, range, |range, finished| {
                let offset = range.offsets().start + at.index(range.offsets().count()) as i64;
                let _ = range.ack(offset);
                finished.insert(offset);
            }),
            Op::AckAll(epoch, range) => self.ack(epoch, range, |range, finished| {
                let _ = range.ack_all();
                finished.extend(range.offsets());
            }),
            Op::Offer(epoch) => {
                if let Some(index) = self.pick(epoch) {
                    self.offer(index);
                }
            }
            Op::OfferLower(epoch, to) => {
                if let Some(index) = self.pick(epoch) {
                    self.hand_in(index, to.min(self.epochs[index].lowest_unfinished()));
                }
            }
            Op::Pass(milliseconds) => self.now += Duration::from_millis(milliseconds),
            Op::Poll => self.poll(),
            Op::Flush => self.committer.flush_all(self.now),
            Op::Answer(reply) => self.reply(reply),
            Op::Stray => {
                let id = RequestId(self.in_flight.as_ref().map_or(0, |in_flight| in_flight.id.0) + 1000);
                let lost = Err(CallFailed::TimedOut);
                self.committer.handle_response(self.now, id, lost, &mut self.assignments);
            }
            Op::Generation => self.generation += 1,
            Op::Hold(held) => {
                self.held = held;
                if held { self.committer.hold() } else { self.committer.release() }
            }
            Op::Member(is_member) => self.is_member = is_member,
        }
        self.drain_events();
    }

    fn begin(&mut self, number: i32, stamp: Stamp, position: i64, wire_epoch: Generation) {
        self.owned.insert(number, self.epochs.len());
        self.epochs.push(Epoch {
            tracker: Tracker::new(stamp.clone(), position),
            stamp,
            topic_id: self.topics[&number],
            wire_epoch: Some(wire_epoch),
            current: true,
            delivered: Vec::new(),
            sent: None,
            doubtful: None,
            accepted: None,
            stored: Vec::new(),
            offered: None,
            settled: None,
            failed: None,
        });
    }

    fn end(&mut self, number: i32, ended: Option<Stamp>) {
        let owned = self.owned.remove(&number);
        assert_eq!(owned.is_some(), ended.is_some());
        let (Some(index), Some(ended)) = (owned, ended) else { return };
        self.epochs[index].current = false;
        self.committer.handle_epoch_ended(&ended);
    }

    fn renew(&mut self, number: i32, old: Stamp, new: Stamp, position: i64) {
        let before = self.owned[&number];
        let (topic_id, wire_epoch) = (self.epochs[before].topic_id, self.epochs[before].wire_epoch);
        let sought = old.fenced() == Some(FenceReason::Seek);
        self.end(number, Some(old));
        self.begin(number, new, position, Generation(0));
        let epoch = self.epochs.last_mut().expect("it was just pushed");
        epoch.wire_epoch = wire_epoch;
        if sought {
            epoch.topic_id = topic_id;
        }
    }

    /// Three times of four one that is current.
    fn pick(&self, epoch: Index) -> Option<usize> {
        if self.epochs.is_empty() {
            return None;
        }
        let current = self.owned.values().nth(epoch.index(self.owned.len().max(1)));
        if !epoch.index(1024).is_multiple_of(4) && current.is_some() {
            return current.copied();
        }
        Some(epoch.index(self.epochs.len()))
    }

    /// Acknowledges something of one of the oldest batches that are not finished.
    fn ack(&mut self, epoch: Index, range: Index, ack: impl FnOnce(&AckRange, &mut BTreeSet<i64>)) {
        let Some(index) = self.pick(epoch) else { return };
        let delivered = &mut self.epochs[index].delivered;
        let open = delivered.iter().position(|(range, finished)| finished.len() < range.offsets().count());
        let index = (open.unwrap_or(0) + range.index(4)).min(delivered.len().saturating_sub(1));
        if let Some((range, finished)) = delivered.get_mut(index) {
            ack(range, finished);
        }
    }

    fn offer(&mut self, index: usize) {
        let Some(committable) = self.epochs[index].tracker.committable() else { return };
        assert!(committable.offset <= self.epochs[index].lowest_unfinished());
        self.hand_in(index, committable.offset);
    }

    fn hand_in(&mut self, index: usize, to: i64) {
        let epoch = &mut self.epochs[index];
        epoch.offered = epoch.offered.max(Some(to));
        self.committer.handle_committable(self.now, &epoch.stamp, offset(to), &self.assignments);
    }

    fn poll(&mut self) {
        let member = self.is_member.then(|| MemberSnapshot {
            member_id: "me".to_owned(),
            generation: Generation(self.generation),
            group_instance_id: None,
        });
        let request = self.committer.poll_request(self.now, &self.assignments, member.as_ref());
        let Some((id, request)) = request else {
            let wake = self.committer.poll_timeout();
            assert!(wake.is_none_or(|wake| wake > self.now), "it wakes up for nothing");
            return;
        };
        assert!(self.in_flight.is_none(), "two requests under way");
        assert!(!self.held && self.is_member);
        self.check(&request);
        let own = Generation(self.generation);
        self.in_flight = Some(InFlight { id, request, own, epochs: self.owned.clone() });
    }

    /// The gate, once more.
    fn check(&mut self, request: &OffsetCommitRequest) {
        let mut seen = BTreeSet::new();
        for topic in &request.topics {
            for sent in &topic.partitions {
                let number = sent.partition;
                assert!(seen.insert(number), "twice in one request");
                assert_eq!(topic.name, partition(number).topic);
                let index = *self.owned.get(&number).expect("it is not ours");
                let epoch = &mut self.epochs[index];
                assert!(epoch.current && epoch.stamp.is_current());
                assert!(sent.offset >= 0);
                assert!(sent.offset <= epoch.lowest_unfinished(), "ahead of an unfinished record");
                assert!(Some(sent.offset) > epoch.accepted, "not above what is stored");
                assert!(Some(sent.offset) >= epoch.doubtful, "below what may be stored");
                assert_eq!((topic.id, topic.id), (epoch.topic_id, self.topics[&number]));
                let own = Generation(self.generation);
                let expected = match self.policy {
                    WireEpochPolicy::Current => own,
                    WireEpochPolicy::PerAssignment => epoch.wire_epoch.unwrap_or(own),
                };
                assert_eq!(request.generation, expected);
                epoch.sent = epoch.sent.max(Some(sent.offset));
            }
        }
        assert!(!seen.is_empty(), "an empty request");
    }

    fn reply(&mut self, reply: Reply) {
        let Some(InFlight { id, request, own, epochs }) = self.in_flight.take() else { return };
        let mut response = answer(&request, ErrorCode::NONE);
        let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        let outcome = match reply {
            Reply::Store => Ok(()),
            Reply::StoreAndLose(failed) | Reply::Lose(failed) => Err(failed),
            Reply::Refuse(error) => {
                partitions.for_each(|(_, answer)| *answer = error);
                Ok(())
            }
            Reply::Mix(error) => {
                partitions.skip(1).for_each(|(_, answer)| *answer = error);
                Ok(())
            }
            Reply::LeaveOut => {
                response.topics.truncate(1);
                Ok(())
            }
        };
        for (number, to) in super::script::offsets(&request) {
            let index = epochs[&number];
            let error = response
                .topics
                .iter()
                .flat_map(|topic| &topic.partitions)
                .find_map(|&(named, error)| (named == number).then_some(error));
            let told = outcome.is_ok() && error == Some(ErrorCode::NONE);
            if told || matches!(reply, Reply::StoreAndLose(_)) {
                self.store(number, index, to);
            }
            let epoch = &mut self.epochs[index];
            if told && epoch.current {
                epoch.accepted = epoch.accepted.max(Some(to));
            }
            let lost = match outcome {
                Ok(()) => error.is_none_or(|error| error == ErrorCode::REQUEST_TIMED_OUT),
                Err(failed) => failed != CallFailed::Unsupported,
            };
            if lost && epoch.current {
                epoch.doubtful = epoch.doubtful.max(Some(to));
            }
            let stale = outcome.is_ok() && error == Some(ErrorCode::STALE_MEMBER_EPOCH);
            if stale && epoch.current && request.generation != own {
                epoch.wire_epoch = None;
            }
        }
        let outcome = outcome.map(|()| &response);
        self.committer.handle_response(self.now, id, outcome, &mut self.assignments);
    }

    fn store(&mut self, number: i32, index: usize, to: i64) {
        let stored = &mut self.epochs[index].stored;
        assert!(stored.last().is_none_or(|last| *last <= to), "history goes back: {stored:?}, {to}");
        stored.push(to);
        self.stored.insert(number, to);
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.committer.poll_event() {
            let (epoch, offset) = match &event {
                CommitEvent::Committed { epoch, offset, .. }
                | CommitEvent::Fenced { epoch, offset, .. }
                | CommitEvent::Superseded { epoch, offset, .. }
                | CommitEvent::Unknown { epoch, offset, .. }
                | CommitEvent::Failed { epoch, offset, .. } => (*epoch, *offset),
                CommitEvent::MemberRefused { .. }
                | CommitEvent::CoordinatorLost
                | CommitEvent::TopicGone { .. } => continue,
            };
            self.outcome(epoch, offset, &event);
        }
    }

    fn outcome(&mut self, number: AssignmentEpoch, offset: i64, event: &CommitEvent) {
        let epoch =
            self.epochs.iter_mut().find(|epoch| epoch.stamp.epoch() == number).expect("it was one of ours");
        let topic = epoch.stamp.partition().partition;
        match event {
            CommitEvent::Committed { .. } => assert!(epoch.stored.contains(&offset), "it is not stored"),
            CommitEvent::Fenced { .. } => {
                assert!(!epoch.current || epoch.topic_id != self.topics[&topic], "its epoch holds");
            }
            CommitEvent::Superseded { by, .. } => assert!(offset < *by && Some(*by) <= epoch.offered),
            CommitEvent::Unknown { .. } => assert!(!epoch.current && Some(offset) <= epoch.sent),
            CommitEvent::Failed { error, .. } if *error != CommitError::Negative => {
                epoch.failed = Some(offset);
            }
            _ => {}
        }
        // What is superseded has its real outcome in the higher one.
        if !matches!(event, CommitEvent::Superseded { .. }) {
            epoch.settled = epoch.settled.max(Some(offset));
        }
    }

    /// The network heals, everything is acknowledged, the coordinator answers: all is committed, and nothing is owed.
    fn heal(&mut self) {
        for number in 0..PARTITIONS {
            let owned = self.owned.get(&number);
            if owned.is_some_and(|&index| self.epochs[index].topic_id != self.topics[&number]) {
                self.step(Op::Recreate(number));
            }
        }
        self.step(Op::Answer(Reply::Store));
        self.step(Op::Hold(false));
        self.step(Op::Member(true));
        for index in 0..self.epochs.len() {
            for (range, finished) in &mut self.epochs[index].delivered {
                let _ = range.ack_all();
                finished.extend(range.offsets());
            }
        }
        for _ in 0..8 {
            self.now += Duration::from_secs(3600);
            for index in 0..self.epochs.len() {
                self.offer(index);
            }
            self.step(Op::Flush);
            self.step(Op::Poll);
            self.step(Op::Answer(Reply::Store));
        }
        assert!(self.committer.is_settled());
        assert_eq!(self.committer.poll_timeout(), None);
        for epoch in &self.epochs {
            assert!(epoch.settled >= epoch.offered, "{:?} has no outcome", epoch.stamp);
            if !epoch.current {
                continue;
            }
            let committable = epoch.tracker.committable().map(|committable| committable.offset);
            // Given up while it could not be stored: that is its outcome.
            let failed = epoch.stamp.is_draining() && epoch.failed == committable;
            assert!(failed || epoch.accepted >= committable, "{:?} was not committed", epoch.stamp);
            if epoch.accepted.is_some() {
                let number = epoch.stamp.partition().partition;
                assert_eq!(self.stored.get(&number).copied(), epoch.accepted);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn commits_are_true_whatever_happens(
        ops in prop::collection::vec(op(), 1..200),
        per_assignment in any::<bool>(),
        interval in prop::sample::select(vec![0, 1000]),
    ) {
        let policy = if per_assignment { WireEpochPolicy::PerAssignment } else { WireEpochPolicy::Current };
        let mut world = World::new(policy, Duration::from_millis(interval));
        for op in ops {
            world.step(op);
        }
        world.heal();
    }
}
