//! One member, its committer, and a coordinator that believes everything it is told.

use std::time::{Duration, Instant};

use crate::assignments::{Assignments, FenceReason, Stamp};
use crate::offsets::{CommitEvent, CommitSettings, Committable, Committer, WireEpochPolicy};
use crate::types::{CallFailed, Generation, LeaderEpoch, MemberSnapshot, RequestId, TopicId, TopicPartition};
use crate::wire::{ErrorCode, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitted};

/// The id of the topic that all partitions of a script belong to.
pub(super) const TOPIC: TopicId = TopicId([7; 16]);
pub(super) const INTERVAL: Duration = Duration::from_secs(5);

#[allow(clippy::disallowed_methods, reason = "any instant will do, and there is no other way to one")]
pub(super) fn some_instant() -> Instant {
    Instant::now()
}

pub(super) fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("orders", number)
}

pub(super) fn offset(offset: i64) -> Committable {
    Committable { offset, leader_epoch: Some(LeaderEpoch(3)), metadata: None }
}

/// All of a request's offsets, as (partition, offset).
pub(super) fn offsets(request: &OffsetCommitRequest) -> Vec<(i32, i64)> {
    let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| (partition.partition, partition.offset)).collect()
}

/// The same answer for each partition of a request, by name.
pub(super) fn answer(request: &OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| OffsetCommitted {
        name: Some(topic.name.to_string()),
        id: TopicId::ZERO,
        partitions: topic.partitions.iter().map(|partition| (partition.partition, error)).collect(),
    });
    OffsetCommitResponse { throttle_time_ms: 0, topics: topics.collect() }
}

pub(super) struct Script {
    pub(super) now: Instant,
    pub(super) assignments: Assignments,
    pub(super) committer: Committer,
    pub(super) member: Option<MemberSnapshot>,
    /// The request under way.
    pub(super) sent: Option<(RequestId, OffsetCommitRequest)>,
    /// What the coordinator has stored, oldest first: (partition, offset).
    pub(super) stored: Vec<(i32, i64)>,
}

impl Script {
    /// A member in generation 1.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut CommitSettings)) -> Self {
        let mut settings = CommitSettings::new("billing");
        settings.interval = INTERVAL;
        change(&mut settings);
        Self {
            now: some_instant(),
            assignments: Assignments::new(),
            committer: Committer::new(settings, 1),
            member: Some(MemberSnapshot {
                member_id: "me".to_owned(),
                generation: Generation(1),
                group_instance_id: None,
            }),
            sent: None,
            stored: Vec::new(),
        }
    }

    pub(super) fn per_assignment() -> Self {
        Self::with(|settings| settings.wire_epoch_policy = WireEpochPolicy::PerAssignment)
    }

    pub(super) fn generation(&mut self, generation: i32) -> &mut Self {
        if let Some(member) = &mut self.member {
            member.generation = Generation(generation);
        }
        self
    }

    /// Assigns the partition in the member's generation.
    pub(super) fn assign(&mut self, number: i32) -> Stamp {
        let generation = self.member.as_ref().map_or(Generation(-1), |member| member.generation);
        self.assignments.assign(partition(number), TOPIC, generation)
    }

    /// Ends the partition's epoch, and tells the committer.
    pub(super) fn end(&mut self, number: i32, reason: FenceReason) -> &mut Self {
        let partition = partition(number);
        let ended = match reason {
            FenceReason::Revoked => self.assignments.revoke(&partition),
            FenceReason::Lost => self.assignments.lose(&partition),
            _ => panic!("{reason} goes through its own verb"),
        };
        self.committer.handle_epoch_ended(&ended.expect("the partition is ours"));
        self
    }

    /// Rewinds the partition.
    pub(super) fn seek(&mut self, number: i32) -> Stamp {
        let old = self.assignments.stamp(&partition(number)).expect("the partition is ours");
        let new = self.assignments.seek(&partition(number)).expect("the partition is ours");
        self.committer.handle_epoch_ended(&old);
        new
    }

    pub(super) fn commit(&mut self, stamp: &Stamp, committable: i64) -> &mut Self {
        self.committer.handle_committable(self.now, stamp, offset(committable), &self.assignments);
        self
    }

    pub(super) fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    pub(super) fn hours_pass(&mut self) -> &mut Self {
        self.after(Duration::from_secs(3600))
    }

    /// Asks for a request.
    pub(super) fn polls(&mut self) -> Option<&OffsetCommitRequest> {
        let request = self.committer.poll_request(self.now, &self.assignments, self.member.as_ref())?;
        assert!(self.sent.is_none(), "two requests are under way");
        Some(&self.sent.insert(request).1)
    }

    #[track_caller]
    pub(super) fn sends(&mut self, expected: &[(i32, i64)]) -> &mut Self {
        let request = self.polls().expect("no request is built");
        assert_eq!(offsets(request), expected);
        self
    }

    #[track_caller]
    pub(super) fn sends_nothing(&mut self) -> &mut Self {
        let request = self.polls().map(offsets);
        assert_eq!(request, None);
        self
    }

    /// What the request under way carries.
    #[track_caller]
    pub(super) fn carried(&self) -> i32 {
        self.sent.as_ref().expect("a request is under way").1.generation.0
    }

    /// The coordinator stores everything and says so.
    #[track_caller]
    pub(super) fn stores(&mut self) -> &mut Self {
        let (id, request) = self.sent.take().expect("a request is under way");
        self.stored.extend(offsets(&request));
        let response = answer(&request, ErrorCode::NONE);
        self.committer.handle_response(self.now, id, Ok(&response), &mut self.assignments);
        self
    }

    /// The coordinator refuses everything.
    #[track_caller]
    pub(super) fn refuses(&mut self, error: ErrorCode) -> &mut Self {
        let (id, request) = self.sent.take().expect("a request is under way");
        let response = answer(&request, error);
        self.committer.handle_response(self.now, id, Ok(&response), &mut self.assignments);
        self
    }

    /// The coordinator answers each partition on its own; it stores those without an error.
    #[track_caller]
    pub(super) fn answers(&mut self, answers: &[(i32, ErrorCode)]) -> &mut Self {
        let (id, request) = self.sent.take().expect("a request is under way");
        let is_stored = |number| answers.contains(&(number, ErrorCode::NONE));
        self.stored.extend(offsets(&request).into_iter().filter(|(number, _)| is_stored(*number)));
        let response = OffsetCommitResponse {
            throttle_time_ms: 0,
            topics: vec![OffsetCommitted {
                name: Some("orders".to_owned()),
                id: TopicId::ZERO,
                partitions: answers.to_vec(),
            }],
        };
        self.committer.handle_response(self.now, id, Ok(&response), &mut self.assignments);
        self
    }

    /// The call ends without an answer.
    #[track_caller]
    pub(super) fn fails(&mut self, failed: CallFailed) -> &mut Self {
        let (id, _) = self.sent.take().expect("a request is under way");
        self.committer.handle_response(self.now, id, Err(failed), &mut self.assignments);
        self
    }

    #[track_caller]
    pub(super) fn emits(&mut self, expected: &[CommitEvent]) -> &mut Self {
        assert_eq!(self.events(), expected);
        self
    }

    pub(super) fn events(&mut self) -> Vec<CommitEvent> {
        std::iter::from_fn(|| self.committer.poll_event()).collect()
    }

    #[track_caller]
    pub(super) fn has_stored(&self, expected: &[(i32, i64)]) {
        assert_eq!(self.stored, expected);
    }

    pub(super) fn is_settled(&self, number: i32) -> bool {
        self.committer.settled([&partition(number)])
    }
}

pub(super) fn committed(stamp: &Stamp, offset: i64) -> CommitEvent {
    CommitEvent::Committed { partition: stamp.partition().clone(), epoch: stamp.epoch(), offset }
}

pub(super) fn fenced(stamp: &Stamp, offset: i64, reason: FenceReason) -> CommitEvent {
    CommitEvent::Fenced { partition: stamp.partition().clone(), epoch: stamp.epoch(), offset, reason }
}

pub(super) fn superseded(stamp: &Stamp, offset: i64, by: i64) -> CommitEvent {
    CommitEvent::Superseded { partition: stamp.partition().clone(), epoch: stamp.epoch(), offset, by }
}
