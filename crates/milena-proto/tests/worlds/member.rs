//! A member: the real machines, and around them the shell that `consumer/drive.rs` is in the client, step by step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use milena_proto::assignments::{Assignments, FenceReason, Stamp};
use milena_proto::group::{
    AssignorKind, GroupCall, GroupEvent, GroupRequest, GroupResponse, GroupSettings, Membership,
    MembershipOperation,
};
use milena_proto::offsets::{AckRange, CommitEvent, CommitSettings, Committable, Committer, Tracker};
use milena_proto::types::{BrokerId, Generation, RequestId, TopicId, TopicName, TopicPartition};
use milena_proto::wire::{Coordinator, FindCoordinatorResponse, OffsetCommitRequest};

use crate::bound::Bound;
use crate::call::Question;

/// The one topic.
pub(crate) const TOPIC: &str = "t";
const ID: TopicId = TopicId([7; 16]);

/// More turns than that in one step are no work but a loop.
const TURNS_MAX: usize = 100;

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) number: usize,
    now: Instant,
    records: [i64; 2],
    pub(crate) is_eager: bool,
    pub(crate) membership: Membership,
    pub(crate) assignments: Assignments,
    pub(crate) committer: Committer,
    /// Every epoch that this member ever had.
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) drain: Option<Drain>,
    pub(crate) has_started: bool,
    pub(crate) is_leaving: bool,
    pub(crate) has_left: bool,
    /// What it says and commits, in order, for the world to take, ...
    pub(crate) tells: VecDeque<Told>,
    /// ... and what it asks: calls are made when a step is over, and all that was said in it is done.
    pub(crate) asks: VecDeque<Question>,
}

/// What a member tells the world.
#[derive(Debug)]
pub(crate) enum Told {
    /// A commit, and the member's generation at that moment.
    Commits(RequestId, OffsetCommitRequest, Option<Generation>),
    Group(GroupEvent),
    Commit(CommitEvent),
    /// The shell has given these partitions up, and told the machine.
    GaveUp(BTreeSet<TopicPartition>),
}

/// One assignment epoch of one partition.
#[derive(Debug)]
pub(crate) struct Epoch {
    pub(crate) partition: usize,
    pub(crate) stamp: Stamp,
    /// None until it is known where it begins.
    pub(crate) tracker: Option<Tracker>,
    pub(crate) start: i64,
    /// What was read, and whether it was acknowledged in time.
    pub(crate) delivered: Vec<(i64, AckRange, bool)>,
    /// The highest offset that was offered.
    offered: Option<i64>,
    /// The highest offset that the coordinator said it has, and that it may have.
    pub(crate) accepted: Option<i64>,
    pub(crate) sent: Option<i64>,
}

#[derive(Debug)]
pub(crate) struct Drain {
    pub(crate) partitions: BTreeSet<TopicPartition>,
    pub(crate) is_committing: bool,
    pub(crate) waits_for_acks: bool,
    pub(crate) waits_for_commit: bool,
}

pub(crate) fn number(partition: &TopicPartition) -> usize {
    usize::try_from(partition.partition).unwrap_or(usize::MAX)
}

impl Member {
    pub(crate) fn new(number: usize, now: Instant, bound: &Bound) -> Self {
        // No time passes in a small world, so all pauses are over at once and a heartbeat is always under way.
        let group = GroupSettings {
            assignors: vec![bound.assignor],
            heartbeat_interval: Duration::ZERO,
            retry_backoff: Duration::ZERO,
            retry_backoff_max: Duration::ZERO,
            ..GroupSettings::new("g")
        };
        let commits = CommitSettings {
            interval: Duration::ZERO,
            retry_backoff: Duration::ZERO,
            retry_backoff_max: Duration::ZERO,
            ..CommitSettings::new("g")
        };
        Self {
            number,
            now,
            records: bound.records,
            is_eager: bound.assignor != AssignorKind::CooperativeSticky,
            membership: Membership::new(group, 1),
            assignments: Assignments::new(),
            committer: Committer::new(commits, 1),
            epochs: Vec::new(),
            drain: None,
            has_started: false,
            is_leaving: false,
            has_left: false,
            tells: VecDeque::new(),
            asks: VecDeque::new(),
        }
    }

    // --- What happens to it ------------------------------------------------------------------------------------------

    pub(crate) fn start(&mut self) {
        self.has_started = true;
        self.membership.handle_subscription(self.now, BTreeSet::from([TopicName::from(TOPIC)]));
        self.step();
    }

    pub(crate) fn leave(&mut self) {
        self.is_leaving = true;
        self.membership.leave(self.now, MembershipOperation::Default);
        self.step();
    }

    pub(crate) fn group_answered(&mut self, id: RequestId, answer: Option<GroupResponse>) {
        let answer = answer.ok_or(milena_proto::types::CallFailed::Disconnected);
        self.membership.handle_response(self.now, id, answer);
        self.step();
    }

    pub(crate) fn commit_answered(
        &mut self,
        id: RequestId,
        answer: Option<&milena_proto::wire::OffsetCommitResponse>,
    ) {
        let answer = answer.ok_or(milena_proto::types::CallFailed::Disconnected);
        self.committer.handle_response(self.now, id, answer, &mut self.assignments);
        self.step();
    }

    /// Where an epoch begins; none: it is to be asked again.
    pub(crate) fn start_answered(&mut self, question: &Question, answer: Option<Option<i64>>) {
        let Question::Start { partition, epoch } = question else { return };
        let at = self.epochs.iter_mut().find(|known| known.stamp.epoch() == *epoch);
        let Some(known) = at.filter(|known| known.tracker.is_none() && known.stamp.is_current()) else {
            return;
        };
        match answer {
            Some(offset) => {
                known.start = offset.unwrap_or(0);
                known.tracker = Some(Tracker::new(known.stamp.clone(), known.start));
            }
            None => self.asks.push_back(Question::Start { partition: *partition, epoch: *epoch }),
        }
        self.step();
    }

    /// The next record of a partition, if the tracker of its current epoch lets it be handed out.
    pub(crate) fn read(&mut self, partition: usize) -> Option<i64> {
        let epoch = self.epochs.iter_mut().rev().find(|epoch| epoch.partition == partition)?;
        let tracker = epoch.tracker.as_ref()?;
        let offset = tracker.position();
        if offset >= self.records[partition] {
            return None;
        }
        let range = tracker.deliver(offset..=offset, 1, None).ok()?;
        epoch.delivered.push((offset, range, false));
        self.step();
        Some(offset)
    }

    /// True if the acknowledgement counts.
    pub(crate) fn ack(&mut self, epoch: usize, offset: i64) -> bool {
        let epoch = &mut self.epochs[epoch];
        let Some((_, range, is_acked)) = epoch.delivered.iter_mut().find(|(at, ..)| *at == offset) else {
            return false;
        };
        *is_acked |= range.ack(offset) == milena_proto::offsets::Ack::Accepted;
        let counts = *is_acked;
        self.step();
        counts
    }

    pub(crate) fn commit(&mut self) {
        self.collect();
        self.send_commit();
        self.step();
    }

    pub(crate) fn offer_lower(&mut self, epoch: usize) {
        let epoch = &self.epochs[epoch];
        if let Some(offered) = epoch.offered {
            let lower = Committable { offset: offered - 1, leader_epoch: None, metadata: None };
            self.committer.handle_committable(self.now, &epoch.stamp, lower, &self.assignments);
        }
        self.send_commit();
        self.step();
    }

    pub(crate) fn stop_draining(&mut self) {
        if let Some(drain) = &mut self.drain {
            drain.waits_for_acks = false;
        }
        self.step();
    }

    pub(crate) fn stop_committing(&mut self) {
        if let Some(drain) = &mut self.drain {
            drain.waits_for_commit = false;
        }
        self.step();
    }

    pub(crate) fn give_up_drain(&mut self) {
        if let Some(far) = self.now.checked_add(Duration::from_secs(86_400)) {
            self.membership.handle_timeout(far);
        }
        self.step();
    }

    // --- The shell ---------------------------------------------------------------------------------------------------

    /// `Drive::step`.
    fn step(&mut self) {
        self.drain_step();
        for turn in 0.. {
            assert!(turn < TURNS_MAX, "the machines find no rest");
            let mut idle = true;
            while let Some(event) = self.membership.poll_event() {
                idle = false;
                self.handle_group_event(event);
            }
            while let Some(event) = self.committer.poll_event() {
                idle = false;
                self.handle_commit_event(event);
            }
            while let Some(call) = self.membership.poll_request(self.now) {
                idle = false;
                self.send(call);
            }
            if idle {
                break;
            }
        }
        if self.drain.as_ref().is_some_and(|drain| drain.is_committing) {
            self.send_commit();
        }
        self.drain_step();
        while let Some(event) = self.committer.poll_event() {
            self.handle_commit_event(event);
        }
        // What a drain that ended lets the membership say and ask.
        if let Some(call) = self.membership.poll_request(self.now) {
            self.send(call);
            self.step();
        }
    }

    fn send(&mut self, GroupCall { id, request, .. }: GroupCall) {
        if let GroupRequest::FindCoordinator(_) = request {
            let coordinator = Coordinator { id: BrokerId(1), host: "b".to_owned(), port: 9 };
            let found = FindCoordinatorResponse { coordinator: Some(coordinator), ..Default::default() };
            let found = GroupResponse::FindCoordinator(found);
            return self.membership.handle_response(self.now, id, Ok(found));
        }
        self.asks.push_back(Question::Group(id, request));
    }

    fn handle_group_event(&mut self, event: GroupEvent) {
        self.tells.push_back(Told::Group(event.clone()));
        match event {
            GroupEvent::Assigned { generation, added, .. } => {
                for tp in added {
                    let partition = number(&tp);
                    let stamp = self.assignments.assign(tp, ID, generation);
                    self.asks.push_back(Question::Start { partition, epoch: stamp.epoch() });
                    self.epochs.push(Epoch {
                        partition,
                        stamp,
                        tracker: None,
                        start: 0,
                        delivered: Vec::new(),
                        offered: None,
                        accepted: None,
                        sent: None,
                    });
                }
            }
            GroupEvent::Revoke { partitions, .. } => {
                for partition in &partitions {
                    self.assignments.begin_revoke(partition);
                }
                self.drain = Some(Drain {
                    partitions,
                    is_committing: false,
                    waits_for_acks: true,
                    waits_for_commit: true,
                });
                self.collect();
            }
            GroupEvent::Lost { partitions, .. } => {
                self.end(&partitions, FenceReason::Lost);
                if let Some(drain) = &mut self.drain {
                    drain.partitions.retain(|partition| !partitions.contains(partition));
                    if drain.partitions.is_empty() {
                        self.drain = None;
                    }
                }
            }
            GroupEvent::NeedMetadata(topics) => {
                let counts: BTreeMap<TopicName, i32> = topics
                    .into_iter()
                    .map(|topic| (topic, i32::try_from(self.records.len()).unwrap_or(0)))
                    .collect();
                self.membership.handle_partition_counts(self.now, &counts);
            }
            GroupEvent::Left | GroupEvent::Fatal { .. } => {
                self.has_left = true;
                for stamp in self.assignments.end_all(FenceReason::Closed) {
                    self.committer.handle_epoch_ended(&stamp);
                }
            }
            _ => {}
        }
    }

    fn handle_commit_event(&mut self, event: CommitEvent) {
        self.tells.push_back(Told::Commit(event.clone()));
        match event {
            CommitEvent::MemberRefused { generation, error } => {
                self.membership.handle_commit_refused(self.now, generation, error);
            }
            CommitEvent::CoordinatorLost => self.membership.handle_coordinator_lost(self.now),
            _ => {}
        }
    }

    /// `Drive::drain_step`.
    fn drain_step(&mut self) {
        let Some(drain) = &self.drain else { return };
        if !drain.is_committing {
            let is_drained = |epoch: &Epoch| {
                !epoch.stamp.is_current()
                    || !drain.partitions.contains(epoch.stamp.partition())
                    || epoch.tracker.as_ref().is_none_or(Tracker::is_drained)
            };
            if drain.waits_for_acks && !self.epochs.iter().all(is_drained) {
                return;
            }
            let partitions = drain.partitions.clone();
            if let Some(drain) = &mut self.drain {
                drain.is_committing = true;
            }
            self.collect();
            self.committer.flush(self.now, &partitions);
            self.send_commit();
        }
        let Some(drain) = &self.drain else { return };
        if drain.waits_for_commit && !self.committer.settled(&drain.partitions) {
            return;
        }
        let Some(drain) = self.drain.take() else { return };
        self.end(&drain.partitions, FenceReason::Revoked);
        self.tells.push_back(Told::GaveUp(drain.partitions));
        self.membership.handle_revoked(self.now);
    }

    fn end(&mut self, partitions: &BTreeSet<TopicPartition>, reason: FenceReason) {
        for partition in partitions {
            let ended = match reason {
                FenceReason::Lost => self.assignments.lose(partition),
                _ => self.assignments.revoke(partition),
            };
            if let Some(stamp) = ended {
                self.committer.handle_epoch_ended(&stamp);
            }
        }
    }

    /// `Drive::collect_now`, and more than that: ended epochs are offered, too. What comes late must find the gate closed.
    fn collect(&mut self) {
        for epoch in &mut self.epochs {
            let Some(committable) = epoch.tracker.as_ref().and_then(Tracker::committable) else { continue };
            epoch.offered = epoch.offered.max(Some(committable.offset));
            self.committer.handle_committable(self.now, &epoch.stamp, committable, &self.assignments);
        }
    }

    fn send_commit(&mut self) {
        if self.membership.coordinator().is_none() {
            return;
        }
        let member = self.membership.snapshot();
        if let Some((id, request)) = self.committer.poll_request(self.now, &self.assignments, member.as_ref())
        {
            let generation = member.map(|member| member.generation);
            self.tells.push_back(Told::Commits(id, request, generation));
        }
    }

    // --- What can be asked of it -------------------------------------------------------------------------------------

    /// The current epoch of a partition.
    pub(crate) fn current(&self, partition: usize) -> Option<usize> {
        let at = self.epochs.iter().rposition(|epoch| epoch.partition == partition)?;
        self.epochs[at].stamp.is_current().then_some(at)
    }

    /// Whether a look at the trackers may find something to send.
    pub(crate) fn has_to_commit(&self) -> bool {
        if !self.committer.is_settled() {
            return true;
        }
        self.epochs.iter().any(|epoch| {
            let committable = epoch.tracker.as_ref().and_then(Tracker::committable);
            committable.is_some_and(|committable| Some(committable.offset) > epoch.accepted)
        })
    }

    /// What may be offered again, too low.
    pub(crate) fn may_offer_lower(&self, epoch: usize) -> bool {
        self.epochs[epoch].offered.is_some_and(|offered| offered > self.epochs[epoch].start + 1)
    }
}

impl Epoch {
    /// The first offset of this epoch that is not acknowledged, read or not.
    pub(crate) fn lowest_open(&self) -> i64 {
        let mut open = self.start;
        for (offset, _, is_acked) in &self.delivered {
            if !is_acked {
                return *offset;
            }
            open = open.max(offset + 1);
        }
        open
    }
}

/// The partitions and offsets of a request.
pub(crate) fn offsets(request: &OffsetCommitRequest) -> Vec<(usize, i64)> {
    let entries = request.topics.iter().flat_map(|topic| &topic.partitions);
    entries.map(|entry| (usize::try_from(entry.partition).unwrap_or(usize::MAX), entry.offset)).collect()
}
