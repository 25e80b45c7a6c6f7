//! What the member asks, and when.

use std::time::{Duration, Instant};

use super::Classic;
use super::state::{Joined, Joining, State, Syncing};
use crate::backoff::later;
use crate::group::consumer_protocol::{self, Subscription};
use crate::group::heartbeat::Beat;
use crate::group::{GroupCall, GroupEvent, GroupRequest, JoinReason, Target};
use crate::types::RequestId;
use crate::wire::{
    Coordinator, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    SyncGroupRequest,
};

/// `JoinGroupRequest.maybeTruncateReason`: longer reasons are refused.
const REASON_BYTES_MAX: usize = 255;

impl Classic {
    pub(in crate::group) fn poll_request(&mut self, now: Instant) -> Option<GroupCall> {
        if matches!(self.state, State::Idle | State::Left | State::Failed) {
            return None;
        }
        let Some(coordinator) = self.search.found().cloned() else {
            return self.search.is_due(now).then(|| self.find_coordinator());
        };
        if self.beats() && self.heartbeat.is_due(now) {
            return self.beat(now, coordinator);
        }
        match &self.state {
            State::Joining(Joining::Waiting { not_before, .. }) if not_before.is_none_or(|at| at <= now) => {
                Some(self.join_group(now, coordinator))
            }
            State::Syncing(Syncing::Waiting { .. }) => self.sync_group(now, coordinator),
            State::Leaving(leaving) if leaving.asked.is_none() => self.leave_group(coordinator),
            _ => None,
        }
    }

    pub(in crate::group) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = match &self.state {
            State::Idle | State::Left | State::Failed => return None,
            State::Revoking(revoking) => Some(revoking.give_up_at),
            State::Syncing(Syncing::Gathering { give_up_at, .. }) => Some(*give_up_at),
            State::Leaving(leaving) => Some(leaving.give_up_at),
            State::Joining(_) | State::Syncing(_) | State::Stable(_) => None,
        };
        // Without a coordinator nothing but the search is due, however late the rest is.
        let request = match (&self.state, self.search.found()) {
            (_, None) => self.search.due_at(),
            (State::Joining(Joining::Waiting { not_before, .. }), Some(_)) => *not_before,
            (_, Some(_)) => self.heartbeat.due_at().filter(|_| self.beats()),
        };
        [deadline, request].into_iter().flatten().min()
    }

    /// Heartbeats stop while JoinGroup or SyncGroup is under way: the coordinator counts the pending request. Before that
    /// (the leader waits for metadata) and during drains they go on.
    fn beats(&self) -> bool {
        self.identity.generation.is_some()
            && match &self.state {
                State::Stable(_) | State::Revoking(_) | State::Syncing(Syncing::Gathering { .. }) => true,
                State::Joining(_) | State::Syncing(_) => false,
                State::Idle | State::Leaving(_) | State::Left | State::Failed => false,
            }
    }

    fn next_id(&mut self) -> RequestId {
        self.last_id += 1;
        RequestId(self.last_id)
    }

    fn find_coordinator(&mut self) -> GroupCall {
        let id = self.next_id();
        self.search.asked(id);
        GroupCall {
            id,
            target: Target::AnyBroker,
            request: GroupRequest::FindCoordinator(FindCoordinatorRequest {
                key: self.settings.group_id.clone(),
                key_type: 0,
            }),
            timeout: self.settings.request_timeout,
        }
    }

    fn beat(&mut self, now: Instant, coordinator: Coordinator) -> Option<GroupCall> {
        let generation = self.identity.generation?;
        let id = self.next_id();
        let member_id = self.identity.member_id.clone();
        self.heartbeat.sent(
            Beat { id, sent: now, member_id: member_id.clone(), generation },
            later(now, self.settings.heartbeat_interval),
        );
        Some(GroupCall {
            id,
            target: Target::Coordinator(coordinator),
            request: GroupRequest::Heartbeat(HeartbeatRequest {
                group_id: self.settings.group_id.clone(),
                generation,
                member_id,
                group_instance_id: self.settings.group_instance_id.clone(),
            }),
            timeout: self.settings.heartbeat_timeout(),
        })
    }

    fn join_group(&mut self, now: Instant, coordinator: Coordinator) -> GroupCall {
        let id = self.next_id();
        let asked = Joining::Asked { id, sent: now, subscription: self.subscription.clone() };
        let reason = match std::mem::replace(&mut self.state, State::Joining(asked)) {
            State::Joining(Joining::Waiting { reason, .. }) => reason,
            _ => JoinReason::First,
        };
        let mut text = reason.wire_text().into_owned();
        text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
        self.events.push_back(GroupEvent::Joining { reason });
        self.abandoned_join = None;
        GroupCall {
            id,
            target: Target::Coordinator(coordinator),
            request: GroupRequest::JoinGroup(JoinGroupRequest {
                group_id: self.settings.group_id.clone(),
                session_timeout_ms: millis(self.settings.session_timeout),
                rebalance_timeout_ms: millis(self.settings.rebalance_timeout),
                member_id: self.identity.member_id.clone(),
                group_instance_id: self.settings.group_instance_id.clone(),
                protocol_type: consumer_protocol::PROTOCOL_TYPE.to_owned(),
                protocols: self.protocols(),
                reason: Some(text),
            }),
            timeout: self.settings.join_timeout(),
        }
    }

    /// What we want and have, in each assignor's form (`ConsumerCoordinator.metadata`).
    fn protocols(&self) -> Vec<(String, bytes::Bytes)> {
        let assignors = self.settings.assignors.iter();
        let protocol = assignors.map(|assignor| {
            let last = self.last_assigned.get(assignor);
            let subscription = Subscription {
                topics: self.subscription.iter().cloned().collect(),
                user_data: assignor
                    .user_data(last.map(|(generation, partitions)| (*generation, &**partitions))),
                owned_partitions: self.owned.iter().cloned().collect(),
                // The generation last *joined*, even if its SyncGroup never came: what we own was claimed in it, and
                // leaders before Kafka 3.3 take claims of older generations for void.
                generation: self.identity.generation,
                rack: self.settings.rack.clone().filter(|rack| !rack.is_empty()),
            };
            (assignor.name().to_owned(), subscription.encode(consumer_protocol::VERSION))
        });
        protocol.collect()
    }

    fn sync_group(&mut self, now: Instant, coordinator: Coordinator) -> Option<GroupCall> {
        let (joined, assignments) = self.take_sync()?;
        let id = self.next_id();
        let request = GroupRequest::SyncGroup(SyncGroupRequest {
            group_id: self.settings.group_id.clone(),
            generation: joined.generation,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.settings.group_instance_id.clone(),
            protocol_type: Some(consumer_protocol::PROTOCOL_TYPE.to_owned()),
            protocol_name: Some(joined.protocol.name().to_owned()),
            assignments,
        });
        self.state = State::Syncing(Syncing::Asked { joined, id, sent: now });
        let timeout = self.settings.request_timeout;
        Some(GroupCall { id, target: Target::Coordinator(coordinator), request, timeout })
    }

    fn take_sync(&mut self) -> Option<(Joined, Vec<(String, bytes::Bytes)>)> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Syncing(Syncing::Waiting { joined, assignments }) => Some((joined, assignments)),
            other => {
                self.state = other;
                None
            }
        }
    }

    fn leave_group(&mut self, coordinator: Coordinator) -> Option<GroupCall> {
        let id = self.next_id();
        let State::Leaving(leaving) = &mut self.state else { return None };
        leaving.asked = Some(id);
        Some(GroupCall {
            id,
            target: Target::Coordinator(coordinator),
            request: GroupRequest::LeaveGroup(LeaveGroupRequest {
                group_id: self.settings.group_id.clone(),
                member_id: self.identity.member_id.clone(),
                group_instance_id: None,
                reason: Some(leaving.departure.reason().to_owned()),
            }),
            timeout: self.settings.request_timeout,
        })
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
