//! A small coordinator of one classic group, after `GroupCoordinator` and what was measured on real brokers. It has no clock: that a
//! session or a rebalance has lasted too long is an action of the walk.

use std::collections::BTreeMap;

use bytes::Bytes;
use milena_proto::group::consumer_protocol::Assignment;
use milena_proto::group::{GroupRequest, GroupResponse};
use milena_proto::types::Generation;
use milena_proto::wire::{
    ErrorCode, HeartbeatRequest, HeartbeatResponse, JoinGroupMember, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupResponse, OffsetCommitRequest, SyncGroupRequest, SyncGroupResponse,
};

use crate::call::CallId;

#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) generation: i32,
    /// How many generations it may come to.
    generations_max: i32,
    phase: Phase,
    seats: BTreeMap<String, Seat>,
    leader: String,
    last_member: u32,
    /// The committed offset of each partition.
    stored: Vec<Option<i64>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Empty,
    Preparing,
    Completing,
    Stable,
}

#[derive(Debug)]
struct Seat {
    protocols: Vec<(String, Bytes)>,
    joining: Option<CallId>,
    rejoined: bool,
    syncing: Option<CallId>,
    assignment: Bytes,
}

/// Answers to calls, this one or others that were held.
pub(crate) type Answers = Vec<(CallId, GroupResponse)>;

impl Coordinator {
    pub(crate) fn new(partitions: usize, generations_max: i32) -> Self {
        Self {
            generation: 0,
            generations_max,
            phase: Phase::Empty,
            seats: BTreeMap::new(),
            leader: String::new(),
            last_member: 0,
            stored: vec![None; partitions],
        }
    }

    /// Whether the walk ends before this request: it would lead to one more rebalance than it is about.
    pub(crate) fn is_beyond(&self, request: &GroupRequest) -> bool {
        let is_last = self.generation >= self.generations_max;
        is_last
            && match request {
                GroupRequest::JoinGroup(_) => true,
                GroupRequest::LeaveGroup(request) => self.seats.contains_key(&request.member_id),
                _ => false,
            }
    }

    /// As many rebalances as it takes.
    pub(crate) fn unbind(&mut self) {
        self.generations_max = i32::MAX;
    }

    pub(crate) fn may_expire(&self) -> bool {
        self.generation < self.generations_max
    }

    pub(crate) fn handle(&mut self, call: CallId, request: &GroupRequest) -> Answers {
        let mut answers = Answers::new();
        match request {
            GroupRequest::JoinGroup(request) => self.join(call, request, &mut answers),
            GroupRequest::SyncGroup(request) => self.sync(call, request, &mut answers),
            GroupRequest::Heartbeat(request) => {
                let answer = HeartbeatResponse { error: self.heartbeat(request), throttle_time_ms: 0 };
                answers.push((call, GroupResponse::Heartbeat(answer)));
            }
            GroupRequest::LeaveGroup(request) => {
                let known = self.seats.contains_key(&request.member_id);
                self.remove(&request.member_id, &mut answers);
                let error = if known { ErrorCode::NONE } else { ErrorCode::UNKNOWN_MEMBER_ID };
                let answer = LeaveGroupResponse { error, throttle_time_ms: 0 };
                answers.push((call, GroupResponse::LeaveGroup(answer)));
            }
            // Found at once: whoever asks is not kept waiting by this walk. The other protocol has another coordinator.
            GroupRequest::FindCoordinator(_) | GroupRequest::ConsumerGroupHeartbeat(_) => {}
        }
        answers
    }

    /// `validateOffsetCommit`: member and generation, and nothing else. In `Completing` a commit is refused.
    pub(crate) fn commit(&self, request: &OffsetCommitRequest) -> ErrorCode {
        if !self.seats.contains_key(&request.member_id) {
            return ErrorCode::UNKNOWN_MEMBER_ID;
        }
        if request.generation != Generation(self.generation) {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        match self.phase {
            Phase::Completing => ErrorCode::REBALANCE_IN_PROGRESS,
            Phase::Empty | Phase::Preparing | Phase::Stable => ErrorCode::NONE,
        }
    }

    pub(crate) fn stored(&self, partition: usize) -> Option<i64> {
        self.stored[partition]
    }

    pub(crate) fn store(&mut self, partition: usize, offset: i64) {
        self.stored[partition] = Some(offset);
    }

    /// The members whom the current generation gives a partition to.
    pub(crate) fn owners(&self, partition: usize) -> Vec<&str> {
        let has = |seat: &Seat| {
            let assignment = Assignment::decode(seat.assignment.clone());
            let listed = assignment.map(|assignment| assignment.partitions).unwrap_or_default();
            listed.iter().any(|listed| usize::try_from(listed.partition) == Ok(partition))
        };
        self.seats.iter().filter(|(_, seat)| has(seat)).map(|(id, _)| id.as_str()).collect()
    }

    /// Whether this member is in the current generation.
    pub(crate) fn counts_in(&self, member_id: &str, generation: Generation) -> bool {
        self.seats.contains_key(member_id) && generation == Generation(self.generation)
    }

    /// Whether it will answer a call that it has not answered yet. It forgets the JoinGroup before the last one of a member.
    pub(crate) fn holds(&self, call: CallId) -> bool {
        self.seats.values().any(|seat| seat.joining == Some(call) || seat.syncing == Some(call))
    }

    pub(crate) fn seats(&self) -> Vec<String> {
        self.seats.keys().cloned().collect()
    }

    /// The rebalance waits for somebody who does not come.
    pub(crate) fn waits_for(&self) -> bool {
        self.phase == Phase::Preparing
    }

    /// Whether a heartbeat would be told something.
    pub(crate) fn has_news_for(&self, request: &HeartbeatRequest) -> bool {
        self.heartbeat(request) != ErrorCode::NONE
    }

    /// A session is over.
    pub(crate) fn expire(&mut self, member_id: &str) -> Answers {
        let mut answers = Answers::new();
        self.remove(member_id, &mut answers);
        answers
    }

    /// The rebalance goes on without those that did not rejoin.
    pub(crate) fn stop_waiting(&mut self) -> Answers {
        let mut answers = Answers::new();
        self.seats.retain(|_, seat| seat.rejoined);
        self.complete_join(&mut answers);
        answers
    }

    fn join(&mut self, call: CallId, request: &JoinGroupRequest, answers: &mut Answers) {
        let mut member_id = request.member_id.clone();
        if member_id.is_empty() {
            // As before KIP-394, which costs a round trip and changes nothing that is looked at here.
            self.last_member += 1;
            member_id = format!("m{}", self.last_member);
        } else if !self.seats.contains_key(&member_id) {
            let error = ErrorCode::UNKNOWN_MEMBER_ID;
            let answer = JoinGroupResponse { error, generation: -1, ..JoinGroupResponse::default() };
            return answers.push((call, GroupResponse::JoinGroup(answer)));
        }
        let same = self.seats.get(&member_id).is_some_and(|seat| seat.protocols == request.protocols);
        let told_again = match self.phase {
            Phase::Stable => same && self.leader != member_id,
            Phase::Completing => same,
            Phase::Empty | Phase::Preparing => false,
        };
        if told_again {
            return self.tell_joined(call, &member_id, answers);
        }
        let seat = self.seats.entry(member_id).or_insert_with(|| Seat {
            protocols: Vec::new(),
            joining: None,
            rejoined: false,
            syncing: None,
            assignment: Bytes::new(),
        });
        seat.protocols = request.protocols.clone();
        seat.joining = Some(call);
        seat.rejoined = true;
        self.prepare(answers);
        self.complete_join_if_all_are_there(answers);
    }

    fn prepare(&mut self, answers: &mut Answers) {
        if self.phase == Phase::Preparing {
            return;
        }
        for seat in self.seats.values_mut() {
            seat.rejoined = seat.joining.is_some();
            if let Some(call) = seat.syncing.take() {
                let error = ErrorCode::REBALANCE_IN_PROGRESS;
                let answer = SyncGroupResponse { error, ..SyncGroupResponse::default() };
                answers.push((call, GroupResponse::SyncGroup(answer)));
            }
        }
        self.phase = Phase::Preparing;
    }

    fn complete_join_if_all_are_there(&mut self, answers: &mut Answers) {
        if self.phase == Phase::Preparing && self.seats.values().all(|seat| seat.rejoined) {
            self.complete_join(answers);
        }
    }

    fn complete_join(&mut self, answers: &mut Answers) {
        self.generation += 1;
        if self.seats.is_empty() {
            self.phase = Phase::Empty;
            self.leader.clear();
            return;
        }
        if !self.seats.contains_key(&self.leader) {
            self.leader = self.seats.keys().next().cloned().unwrap_or_default();
        }
        self.phase = Phase::Completing;
        for member_id in self.seats() {
            let Some(seat) = self.seats.get_mut(&member_id) else { continue };
            seat.rejoined = false;
            seat.assignment = Bytes::new();
            if let Some(call) = seat.joining.take() {
                self.tell_joined(call, &member_id, answers);
            }
        }
    }

    fn tell_joined(&self, call: CallId, member_id: &str, answers: &mut Answers) {
        let member = |(id, seat): (&String, &Seat)| JoinGroupMember {
            member_id: id.clone(),
            group_instance_id: None,
            metadata: seat.protocols[0].1.clone(),
        };
        let leads = self.leader == member_id;
        let answer = JoinGroupResponse {
            generation: self.generation,
            protocol_name: Some(self.seats[member_id].protocols[0].0.clone()),
            leader: self.leader.clone(),
            member_id: member_id.to_owned(),
            members: if leads { self.seats.iter().map(member).collect() } else { Vec::new() },
            ..JoinGroupResponse::default()
        };
        answers.push((call, GroupResponse::JoinGroup(answer)));
    }

    fn sync(&mut self, call: CallId, request: &SyncGroupRequest, answers: &mut Answers) {
        let refused = |error| {
            (call, GroupResponse::SyncGroup(SyncGroupResponse { error, ..SyncGroupResponse::default() }))
        };
        let Some(seat) = self.seats.get_mut(&request.member_id) else {
            return answers.push(refused(ErrorCode::UNKNOWN_MEMBER_ID));
        };
        if request.generation != Generation(self.generation) {
            return answers.push(refused(ErrorCode::ILLEGAL_GENERATION));
        }
        match self.phase {
            Phase::Empty => answers.push(refused(ErrorCode::UNKNOWN_MEMBER_ID)),
            Phase::Preparing => answers.push(refused(ErrorCode::REBALANCE_IN_PROGRESS)),
            Phase::Stable => answers.push((call, synced(seat))),
            Phase::Completing => {
                seat.syncing = Some(call);
                if request.member_id == self.leader {
                    self.complete_sync(request, answers);
                }
            }
        }
    }

    fn complete_sync(&mut self, request: &SyncGroupRequest, answers: &mut Answers) {
        self.phase = Phase::Stable;
        let assignments: BTreeMap<&str, &Bytes> =
            request.assignments.iter().map(|(member, bytes)| (member.as_str(), bytes)).collect();
        for (member_id, seat) in &mut self.seats {
            seat.assignment = assignments.get(member_id.as_str()).copied().cloned().unwrap_or_default();
            if let Some(call) = seat.syncing.take() {
                answers.push((call, synced(seat)));
            }
        }
    }

    fn heartbeat(&self, request: &HeartbeatRequest) -> ErrorCode {
        if !self.seats.contains_key(&request.member_id) {
            return ErrorCode::UNKNOWN_MEMBER_ID;
        }
        if request.generation != Generation(self.generation) {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        match self.phase {
            Phase::Preparing => ErrorCode::REBALANCE_IN_PROGRESS,
            Phase::Empty | Phase::Completing | Phase::Stable => ErrorCode::NONE,
        }
    }

    fn remove(&mut self, member_id: &str, answers: &mut Answers) {
        if self.seats.remove(member_id).is_some() {
            self.prepare(answers);
            self.complete_join_if_all_are_there(answers);
        }
    }
}

fn synced(seat: &Seat) -> GroupResponse {
    let assignment = seat.assignment.clone();
    GroupResponse::SyncGroup(SyncGroupResponse { assignment, ..SyncGroupResponse::default() })
}
