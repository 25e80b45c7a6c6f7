//! What the member asks, and when.

use std::time::{Duration, Instant};

use super::Consumer;
use super::state::{Joining, State, Told};
use crate::backoff::later;
use crate::group::departure::Departure;
use crate::group::heartbeat::Beat;
use crate::group::{GroupCall, GroupEvent, GroupRequest, JoinReason, MembershipOperation, Target};
use crate::types::Generation;
use crate::wire::{ConsumerGroupHeartbeatRequest, Coordinator, FindCoordinatorRequest};

/// Joins.
const JOIN: Generation = Generation(0);
/// Leaves for good.
const LEAVE: Generation = Generation(-1);
/// Leaves for a while: a static member, whose place is kept until its session ends.
const LEAVE_STATIC: Generation = Generation(-2);
/// A heartbeat that hangs must fail early enough for another try within the session, but not by every hiccup.
const LEAST_TIMEOUT: Duration = Duration::from_secs(3);

impl Consumer {
    pub(in crate::group) fn poll_request(&mut self, now: Instant) -> Option<GroupCall> {
        if matches!(self.state, State::Idle | State::Left | State::Failed) {
            return None;
        }
        let Some(coordinator) = self.search.found().cloned() else {
            return self.search.is_due(now).then(|| self.find_coordinator());
        };
        match &mut self.state {
            State::Joining(Joining::Waiting { not_before, .. }) if not_before.is_none_or(|at| at <= now) => {
                Some(self.join(now, coordinator))
            }
            State::Joined | State::Revoking(_) if self.heartbeat.is_due(now) => self.beat(now, coordinator),
            State::Leaving(leaving) if leaving.asked.is_none() => Some(self.say_leave(coordinator)),
            _ => None,
        }
    }

    pub(in crate::group) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = match &self.state {
            State::Idle | State::Left | State::Failed => return None,
            State::Revoking(revoking) => Some(revoking.give_up_at),
            State::Leaving(leaving) => Some(leaving.give_up_at),
            State::Joining(_) | State::Joined => None,
        };
        // Without a coordinator nothing but the search is due, however late the rest is.
        let request = match (&self.state, self.search.found()) {
            (_, None) => self.search.due_at(),
            (State::Joining(Joining::Waiting { not_before, .. }), Some(_)) => *not_before,
            (State::Joined | State::Revoking(_), Some(_)) => self.heartbeat.due_at(),
            _ => None,
        };
        [deadline, request].into_iter().flatten().min()
    }

    /// Something changed that the coordinator does not know: it hears of it at once, not at the next interval.
    pub(super) fn tell_news(&mut self, now: Instant) {
        if self.told.as_ref() != Some(&self.to_tell()) {
            self.heartbeat.schedule(now);
        }
    }

    /// What of us the coordinator is to know.
    pub(super) fn to_tell(&self) -> Told {
        Told {
            topics: self.subscription.clone(),
            pattern: match &self.pattern {
                None if self.had_pattern => Some(String::new()),
                pattern => pattern.clone(),
            },
            owned: self.owned.all(),
        }
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

    fn join(&mut self, now: Instant, coordinator: Coordinator) -> GroupCall {
        let asked = State::Joining(Joining::Asked);
        let reason = match std::mem::replace(&mut self.state, asked) {
            State::Joining(Joining::Waiting { reason, .. }) => reason,
            _ => JoinReason::First,
        };
        self.events.push_back(GroupEvent::Joining { reason });
        self.told = None;
        self.known = true;
        self.send(now, coordinator, JOIN, self.settings.request_timeout)
    }

    fn beat(&mut self, now: Instant, coordinator: Coordinator) -> Option<GroupCall> {
        let epoch = self.epoch?;
        let timeout = self.interval.max(LEAST_TIMEOUT).min(self.settings.request_timeout);
        Some(self.send(now, coordinator, epoch, timeout))
    }

    fn send(
        &mut self,
        now: Instant,
        coordinator: Coordinator,
        epoch: Generation,
        timeout: Duration,
    ) -> GroupCall {
        let id = self.next_id();
        let beat = Beat { id, sent: now, member_id: self.member_id.clone(), generation: epoch };
        self.heartbeat.sent(beat, later(now, self.interval));
        let tell = self.to_tell();
        let told = self.told.replace(tell.clone());
        let full = told.is_none();
        let told = told.as_ref();
        let changed = |is: bool| full || is;
        let request = ConsumerGroupHeartbeatRequest {
            topics: changed(told.is_some_and(|told| told.topics != tell.topics))
                .then(|| tell.topics.iter().cloned().collect()),
            pattern: tell
                .pattern
                .clone()
                .filter(|pattern| changed(told.is_some_and(|told| told.pattern.as_ref() != Some(pattern)))),
            owned: changed(told.is_some_and(|told| told.owned != tell.owned)).then(|| self.owned.by_topic()),
            rebalance_timeout_ms: if full { millis(self.settings.rebalance_timeout) } else { -1 },
            assignor: self.settings.remote_assignor.clone().filter(|_| full),
            rack: self.settings.rack.clone().filter(|rack| full && !rack.is_empty()),
            ..self.request(epoch)
        };
        let request = GroupRequest::ConsumerGroupHeartbeat(request);
        GroupCall { id, target: Target::Coordinator(coordinator), request, timeout }
    }

    fn say_leave(&mut self, coordinator: Coordinator) -> GroupCall {
        let id = self.next_id();
        let mut departure = Departure::Closed(MembershipOperation::Default);
        if let State::Leaving(leaving) = &mut self.state {
            leaving.asked = Some(id);
            departure = leaving.departure;
        }
        // KIP-848: a static member that stops means to come back. One that only unsubscribes does not, nor one that is told
        // to leave (KIP-1092).
        let comes_back = match departure {
            Departure::Unsubscribed | Departure::Closed(MembershipOperation::LeaveGroup) => false,
            Departure::Closed(_) | Departure::Stalled => self.settings.group_instance_id.is_some(),
        };
        let epoch = if comes_back { LEAVE_STATIC } else { LEAVE };
        GroupCall {
            id,
            target: Target::Coordinator(coordinator),
            request: GroupRequest::ConsumerGroupHeartbeat(self.request(epoch)),
            timeout: self.settings.request_timeout,
        }
    }

    /// With nothing told.
    fn request(&self, member_epoch: Generation) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest {
            group_id: self.settings.group_id.clone(),
            member_id: self.member_id.clone(),
            member_epoch,
            group_instance_id: self.settings.group_instance_id.clone(),
            rack: None,
            rebalance_timeout_ms: -1,
            topics: None,
            pattern: None,
            assignor: None,
            owned: None,
        }
    }
}

/// Above -1, which would say "as before".
fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
