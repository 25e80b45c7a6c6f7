//! A small coordinator: `ConsumerGroup` and `CurrentAssignmentBuilder`, as far as a member can tell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::super::{T, U};
use crate::types::TopicId;
use crate::wire::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ErrorCode};

pub(super) type IdPartition = (TopicId, i32);
type Assignment = BTreeSet<IdPartition>;

/// `group.consumer.session.timeout.ms`, as it comes.
const SESSION: Duration = Duration::from_secs(45);

#[derive(Debug, Default)]
pub(super) struct Coordinator {
    pub(super) away: bool,
    rebalance_timeout: Duration,
    epoch: i32,
    members: BTreeMap<String, Member>,
    counts: BTreeMap<TopicId, i32>,
}

#[derive(Clone, Debug)]
struct Member {
    epoch: i32,
    previous_epoch: i32,
    topics: BTreeSet<String>,
    assigned: Assignment,
    target: Assignment,
    /// To be given up, and until when.
    revoking: Option<(Assignment, Instant)>,
    session: Instant,
}

impl Coordinator {
    pub(super) fn new(rebalance_timeout: Duration) -> Self {
        let counts = [(T, 3), (U, 2)].into();
        Self { rebalance_timeout, counts, ..Self::default() }
    }

    pub(super) fn grow(&mut self, topic: TopicId) {
        if let Some(count) = self.counts.get_mut(&topic) {
            *count = (*count + 1).min(6);
        }
        self.assign();
    }

    /// Everything is written down; only the clocks start anew.
    pub(super) fn come_back(&mut self, now: Instant) {
        self.away = false;
        for member in self.members.values_mut() {
            member.session = now + SESSION;
            if let Some((_, until)) = &mut member.revoking {
                *until = now + self.rebalance_timeout;
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.away {
            return;
        }
        let before = self.members.len();
        self.members.retain(|_, member| {
            member.session > now && member.revoking.as_ref().is_none_or(|(_, until)| *until > now)
        });
        if self.members.len() != before {
            self.assign();
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        if self.away {
            return None;
        }
        let clocks = self.members.values();
        clocks
            .flat_map(|member| [Some(member.session), member.revoking.as_ref().map(|(_, until)| *until)])
            .flatten()
            .min()
    }

    /// Whether every partition that somebody subscribes to has an owner that nobody disputes.
    pub(super) fn is_at_rest(&self) -> bool {
        self.members.values().all(|member| {
            member.epoch == self.epoch && member.assigned == member.target && member.revoking.is_none()
        })
    }

    pub(super) fn handle(
        &mut self,
        now: Instant,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> ConsumerGroupHeartbeatResponse {
        if self.away {
            return refused(ErrorCode::NOT_COORDINATOR);
        }
        let id = &request.member_id;
        match request.member_epoch.0 {
            ..=-1 => {
                if self.members.remove(id).is_none() {
                    return refused(ErrorCode::UNKNOWN_MEMBER_ID);
                }
                self.assign();
                return answer(request.member_epoch.0, None);
            }
            0 => self.join(now, request),
            _ => {
                let Some(member) = self.members.get(id) else {
                    return refused(ErrorCode::UNKNOWN_MEMBER_ID);
                };
                if !member.accepts(request) {
                    return refused(ErrorCode::FENCED_MEMBER_EPOCH);
                }
            }
        }
        let Some(member) = self.members.get_mut(id) else { return refused(ErrorCode::UNKNOWN_MEMBER_ID) };
        member.session = now + SESSION;
        let before = member.assigned.clone();
        if let Some(topics) = &request.topics {
            let topics: BTreeSet<String> = topics.iter().map(|topic| topic.to_string()).collect();
            if std::mem::replace(&mut member.topics, topics.clone()) != topics {
                self.assign();
            }
        }
        let owned = request.owned.as_ref().map(|topics| {
            let partitions =
                topics.iter().flat_map(|(topic, numbers)| numbers.iter().map(|number| (*topic, *number)));
            partitions.collect::<Assignment>()
        });
        self.reconcile(now, id, owned.as_ref());
        let Some(member) = self.members.get(id) else { return refused(ErrorCode::UNKNOWN_MEMBER_ID) };
        let full = request.topics.is_some() && request.owned.is_some() && request.rebalance_timeout_ms >= 0;
        let assignment = (full || member.assigned != before).then(|| member.assigned.clone());
        answer(member.epoch, assignment)
    }

    fn join(&mut self, now: Instant, request: &ConsumerGroupHeartbeatRequest) {
        assert!(request.owned.as_ref().is_some_and(Vec::is_empty), "who joins has nothing");
        assert!(request.topics.is_some() && request.rebalance_timeout_ms > 0);
        let member = self.members.entry(request.member_id.clone()).or_insert_with(|| Member {
            epoch: 0,
            previous_epoch: 0,
            topics: BTreeSet::new(),
            assigned: Assignment::new(),
            target: Assignment::new(),
            revoking: None,
            session: now,
        });
        // It gave everything up, and begins anew.
        member.assigned.clear();
        member.revoking = None;
        (member.epoch, member.previous_epoch) = (0, 0);
    }

    /// A new target: what a member has stays with it as long as its share allows.
    fn assign(&mut self) {
        self.epoch += 1;
        for (topic, name) in [(T, "t"), (U, "u")] {
            let takers: Vec<String> = self
                .members
                .iter()
                .filter(|(_, member)| member.topics.contains(name))
                .map(|(id, _)| id.clone())
                .collect();
            let count = self.counts.get(&topic).copied().unwrap_or(0);
            let mut free: Assignment = (0..count).map(|number| (topic, number)).collect();
            let mut shares = BTreeMap::new();
            for (index, id) in takers.iter().enumerate() {
                let share = (count as usize + takers.len() - 1 - index) / takers.len();
                let Some(member) = self.members.get(id) else { continue };
                let kept: Assignment = member
                    .target
                    .iter()
                    .filter(|partition| free.contains(partition))
                    .take(share)
                    .copied()
                    .collect();
                free.retain(|partition| !kept.contains(partition));
                shares.insert(id.clone(), (share, kept));
            }
            for (id, (share, mut kept)) in shares {
                while kept.len() < share {
                    let Some(next) = free.pop_first() else { break };
                    kept.insert(next);
                }
                if let Some(member) = self.members.get_mut(&id) {
                    member.target.retain(|(of, _)| *of != topic);
                    member.target.extend(kept);
                }
            }
            for member in self.members.values_mut().filter(|member| !member.topics.contains(name)) {
                member.target.retain(|(of, _)| *of != topic);
            }
        }
    }

    /// `CurrentAssignmentBuilder`: give up first, then get.
    fn reconcile(&mut self, now: Instant, id: &str, owned: Option<&Assignment>) {
        let Some(member) = self.members.get(id) else { return };
        let mut next = member.clone();
        let gave_up = |partitions: &Assignment| owned.is_some_and(|owned| owned.is_disjoint(partitions));
        if let Some((revoking, _)) = &next.revoking {
            if !gave_up(revoking) {
                return;
            }
            next.revoking = None;
        }
        let gone: Assignment = next.assigned.difference(&next.target).copied().collect();
        next.assigned.retain(|partition| !gone.contains(partition));
        if !gone.is_empty() && !gave_up(&gone) {
            next.revoking = Some((gone, now + self.rebalance_timeout));
        } else {
            let free = |partition: &&IdPartition| {
                !self.members.iter().any(|(other, member)| other != id && member.holds(partition))
            };
            let added: Assignment = next.target.iter().filter(free).copied().collect();
            next.assigned.extend(added);
            if next.epoch != self.epoch {
                next.previous_epoch = next.epoch;
                next.epoch = self.epoch;
            }
        }
        self.members.insert(id.to_owned(), next);
    }
}

impl Member {
    fn holds(&self, partition: &IdPartition) -> bool {
        self.assigned.contains(partition)
            || self.revoking.as_ref().is_some_and(|(revoking, _)| revoking.contains(partition))
    }

    /// `throwIfConsumerGroupMemberEpochIsInvalid`: the answer that brought the newer epoch may have been lost.
    fn accepts(&self, request: &ConsumerGroupHeartbeatRequest) -> bool {
        let owned = || {
            let topics = request.owned.iter().flatten();
            topics.flat_map(|(topic, numbers)| numbers.iter().map(|number| (*topic, *number)))
        };
        let plausible =
            request.owned.is_some() && owned().all(|partition| self.assigned.contains(&partition));
        request.member_epoch.0 == self.epoch || (request.member_epoch.0 == self.previous_epoch && plausible)
    }
}

fn answer(epoch: i32, assignment: Option<Assignment>) -> ConsumerGroupHeartbeatResponse {
    let by_topic = |assignment: Assignment| {
        let mut topics: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
        for (topic, number) in assignment {
            topics.entry(topic).or_default().push(number);
        }
        topics.into_iter().collect()
    };
    ConsumerGroupHeartbeatResponse {
        member_epoch: epoch,
        heartbeat_interval_ms: 5000,
        assignment: assignment.map(by_topic),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

fn refused(error: ErrorCode) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse { error, ..ConsumerGroupHeartbeatResponse::default() }
}
