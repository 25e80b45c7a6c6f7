//! A small coordinator of one classic group, after `GroupCoordinator` and what was measured on real brokers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{ClientId, SESSION};
use crate::group::{GroupRequest, GroupResponse};
use crate::types::{Generation, MemberSnapshot, RequestId};
use crate::wire::{
    ErrorCode, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, JoinGroupMember,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};

/// Whom an answer goes to.
pub(super) type Asker = (ClientId, RequestId);

#[derive(Clone, Debug, Default)]
pub(super) struct Coordinator {
    rebalance_timeout: Duration,
    generation: i32,
    phase: Phase,
    seats: BTreeMap<String, Seat>,
    pending: BTreeMap<String, Instant>,
    leader: String,
    last_member: u32,
    /// While it moves, nobody coordinates.
    pub(super) away: bool,
    /// What the next coordinator will know: the group as of its last complete rebalance.
    written: Option<Box<Self>>,
    pub(super) answers: Vec<(Asker, GroupResponse)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Phase {
    #[default]
    Empty,
    Preparing {
        until: Instant,
    },
    Completing,
    Stable,
}

#[derive(Clone, Debug)]
struct Seat {
    protocols: Vec<(String, Bytes)>,
    expires: Instant,
    joining: Option<Asker>,
    rejoined: bool,
    syncing: Option<Asker>,
    assignment: Bytes,
}

impl Coordinator {
    pub(super) fn new(rebalance_timeout: Duration) -> Self {
        Self { rebalance_timeout, ..Self::default() }
    }

    pub(super) fn handle(&mut self, now: Instant, asker: Asker, request: GroupRequest) {
        let away = |error| if self.away { ErrorCode::NOT_COORDINATOR } else { error };
        match request {
            GroupRequest::ConsumerGroupHeartbeat(_) => panic!("a request of the other protocol"),
            GroupRequest::FindCoordinator(_) => {
                let answer = if self.away {
                    FindCoordinatorResponse {
                        error: ErrorCode::COORDINATOR_NOT_AVAILABLE,
                        ..Default::default()
                    }
                } else {
                    super::super::found()
                };
                self.answers.push((asker, GroupResponse::FindCoordinator(answer)));
            }
            GroupRequest::JoinGroup(_) if self.away => {
                self.refuse_join(asker, ErrorCode::NOT_COORDINATOR, "")
            }
            GroupRequest::JoinGroup(request) => self.join(now, asker, request),
            GroupRequest::SyncGroup(_) if self.away => {
                self.answer_sync(asker, Err(ErrorCode::NOT_COORDINATOR))
            }
            GroupRequest::SyncGroup(request) => self.sync(now, asker, request),
            GroupRequest::Heartbeat(request) => {
                let error = away(ErrorCode::NONE);
                let error = if error.is_ok() { self.heartbeat(now, &request) } else { error };
                let answer = HeartbeatResponse { error, throttle_time_ms: 0 };
                self.answers.push((asker, GroupResponse::Heartbeat(answer)));
            }
            GroupRequest::LeaveGroup(request) => {
                let error = away(ErrorCode::NONE);
                if error.is_ok() {
                    self.pending.remove(&request.member_id);
                    self.remove(now, &request.member_id);
                }
                let answer = LeaveGroupResponse { error, throttle_time_ms: 0 };
                self.answers.push((asker, GroupResponse::LeaveGroup(answer)));
            }
        }
    }

    /// `validateOffsetCommit`: the assignment is not looked at.
    pub(super) fn commit(&mut self, now: Instant, member: &MemberSnapshot) -> ErrorCode {
        if self.away {
            return ErrorCode::NOT_COORDINATOR;
        }
        let Some(seat) = self.seats.get_mut(&member.member_id) else { return ErrorCode::UNKNOWN_MEMBER_ID };
        if member.generation != Generation(self.generation) {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        if self.phase == Phase::Completing {
            return ErrorCode::REBALANCE_IN_PROGRESS;
        }
        seat.expires = now + SESSION;
        ErrorCode::NONE
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let sessions = self.seats.values().filter(|seat| seat.expires_by_itself()).map(|seat| seat.expires);
        let until = match self.phase {
            Phase::Preparing { until } => Some(until),
            _ => None,
        };
        sessions.chain(self.pending.values().copied()).chain(until).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.away {
            return;
        }
        self.pending.retain(|_, expires| *expires > now);
        let silent = |(id, seat): (&String, &Seat)| {
            (seat.expires_by_itself() && seat.expires <= now).then(|| id.clone())
        };
        for member in self.seats.iter().filter_map(silent).collect::<Vec<_>>() {
            self.remove(now, &member);
        }
        if let Phase::Preparing { until } = self.phase
            && until <= now
        {
            // Whoever did not rejoin is out.
            self.seats.retain(|_, seat| seat.rejoined);
            self.complete_join(now);
        }
    }

    /// The broker dies. What was not written is gone.
    pub(super) fn fail(&mut self) {
        let last_member = self.last_member + 100;
        *self = match self.written.take() {
            Some(written) => Self { written: Some(written.clone()), ..*written },
            None => Self::new(self.rebalance_timeout),
        };
        (self.last_member, self.away) = (last_member, true);
    }

    /// Another broker has loaded the group.
    pub(super) fn come_back(&mut self, now: Instant) {
        self.away = false;
        for seat in self.seats.values_mut() {
            seat.expires = now + SESSION;
        }
    }

    fn join(&mut self, now: Instant, asker: Asker, request: JoinGroupRequest) {
        let member_id = request.member_id;
        if member_id.is_empty() {
            self.last_member += 1;
            let member_id = format!("m{}", self.last_member);
            self.pending.insert(member_id.clone(), now + SESSION);
            return self.refuse_join(asker, ErrorCode::MEMBER_ID_REQUIRED, &member_id);
        }
        let known = self.seats.get(&member_id);
        if known.is_none() && self.pending.remove(&member_id).is_none() {
            return self.refuse_join(asker, ErrorCode::UNKNOWN_MEMBER_ID, "");
        }
        let same = known.is_some_and(|seat| seat.protocols == request.protocols);
        let leads = self.leader == member_id;
        let told_again = match self.phase {
            Phase::Stable => same && !leads,
            Phase::Completing => same,
            Phase::Empty | Phase::Preparing { .. } => false,
        };
        if told_again {
            return self.tell_joined(now, asker, &member_id);
        }
        let seat = self.seats.entry(member_id).or_insert_with(|| Seat {
            protocols: Vec::new(),
            expires: now + SESSION,
            joining: None,
            rejoined: false,
            syncing: None,
            assignment: Bytes::new(),
        });
        seat.protocols = request.protocols;
        seat.joining = Some(asker);
        seat.rejoined = true;
        self.prepare(now);
        self.complete_join_if_all_are_there(now);
    }

    fn prepare(&mut self, now: Instant) {
        if let Phase::Preparing { .. } = self.phase {
            return;
        }
        let mut refused = Vec::new();
        for seat in self.seats.values_mut() {
            seat.rejoined = seat.joining.is_some();
            refused.extend(seat.syncing.take());
        }
        for asker in refused {
            self.answer_sync(asker, Err(ErrorCode::REBALANCE_IN_PROGRESS));
        }
        self.phase = Phase::Preparing { until: now + self.rebalance_timeout };
    }

    fn complete_join_if_all_are_there(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Preparing { .. }) && self.seats.values().all(|seat| seat.rejoined) {
            self.complete_join(now);
        }
    }

    fn complete_join(&mut self, now: Instant) {
        self.generation += 1;
        if self.seats.is_empty() {
            self.phase = Phase::Empty;
            self.leader.clear();
            return self.write();
        }
        if !self.seats.contains_key(&self.leader) {
            self.leader = self.seats.keys().next().cloned().unwrap_or_default();
        }
        self.phase = Phase::Completing;
        for member_id in self.seats.keys().cloned().collect::<Vec<_>>() {
            let Some(seat) = self.seats.get_mut(&member_id) else { continue };
            seat.rejoined = false;
            seat.assignment = Bytes::new();
            if let Some(asker) = seat.joining.take() {
                self.tell_joined(now, asker, &member_id);
            }
        }
    }

    fn tell_joined(&mut self, now: Instant, asker: Asker, member_id: &str) {
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
        self.answers.push((asker, GroupResponse::JoinGroup(answer)));
        if let Some(seat) = self.seats.get_mut(member_id) {
            seat.expires = now + SESSION;
        }
    }

    fn sync(&mut self, now: Instant, asker: Asker, request: SyncGroupRequest) {
        let Some(seat) = self.seats.get_mut(&request.member_id) else {
            return self.answer_sync(asker, Err(ErrorCode::UNKNOWN_MEMBER_ID));
        };
        if request.generation != Generation(self.generation) {
            return self.answer_sync(asker, Err(ErrorCode::ILLEGAL_GENERATION));
        }
        match self.phase {
            Phase::Empty => self.answer_sync(asker, Err(ErrorCode::UNKNOWN_MEMBER_ID)),
            Phase::Preparing { .. } => self.answer_sync(asker, Err(ErrorCode::REBALANCE_IN_PROGRESS)),
            Phase::Stable => {
                seat.expires = now + SESSION;
                let assignment = seat.assignment.clone();
                self.answer_sync(asker, Ok(assignment));
            }
            Phase::Completing => {
                seat.syncing = Some(asker);
                if request.member_id == self.leader {
                    self.complete_sync(now, request.assignments.into_iter().collect());
                }
            }
        }
    }

    fn complete_sync(&mut self, now: Instant, mut assignments: BTreeMap<String, Bytes>) {
        self.phase = Phase::Stable;
        let mut answers = Vec::new();
        for (member_id, seat) in &mut self.seats {
            seat.assignment = assignments.remove(member_id).unwrap_or_default();
            seat.expires = now + SESSION;
            answers.extend(seat.syncing.take().map(|asker| (asker, seat.assignment.clone())));
        }
        for (asker, assignment) in answers {
            self.answer_sync(asker, Ok(assignment));
        }
        self.write();
    }

    fn heartbeat(&mut self, now: Instant, request: &HeartbeatRequest) -> ErrorCode {
        let Some(seat) = self.seats.get_mut(&request.member_id) else { return ErrorCode::UNKNOWN_MEMBER_ID };
        if request.generation != Generation(self.generation) {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        seat.expires = now + SESSION;
        match self.phase {
            Phase::Preparing { .. } => ErrorCode::REBALANCE_IN_PROGRESS,
            Phase::Empty | Phase::Completing | Phase::Stable => ErrorCode::NONE,
        }
    }

    fn remove(&mut self, now: Instant, member_id: &str) {
        if self.seats.remove(member_id).is_some() {
            self.prepare(now);
            self.complete_join_if_all_are_there(now);
        }
    }

    fn write(&mut self) {
        let mut written =
            Self { written: None, answers: Vec::new(), pending: BTreeMap::new(), ..self.clone() };
        for seat in written.seats.values_mut() {
            (seat.joining, seat.syncing) = (None, None);
        }
        self.written = Some(Box::new(written));
    }

    fn refuse_join(&mut self, asker: Asker, error: ErrorCode, member_id: &str) {
        let answer = JoinGroupResponse {
            error,
            generation: -1,
            member_id: member_id.to_owned(),
            ..JoinGroupResponse::default()
        };
        self.answers.push((asker, GroupResponse::JoinGroup(answer)));
    }

    fn answer_sync(&mut self, asker: Asker, assignment: Result<Bytes, ErrorCode>) {
        let error = assignment.as_ref().err().copied().unwrap_or_default();
        let assignment = assignment.unwrap_or_default();
        let answer = SyncGroupResponse { error, assignment, ..SyncGroupResponse::default() };
        self.answers.push((asker, GroupResponse::SyncGroup(answer)));
    }
}

impl Seat {
    /// Who waits for the coordinator is not silent.
    fn expires_by_itself(&self) -> bool {
        self.joining.is_none() && self.syncing.is_none()
    }
}
