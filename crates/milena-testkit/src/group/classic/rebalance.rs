//! From one generation to the next: collecting joins, and what the timers do to those who are late.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;

use super::super::Now;
use super::super::call::{Action, Answer, Env, Timer};
use super::{ClassicGroup, Member, State, join_error, sync_error};
use crate::error_code::ErrorCode;

impl ClassicGroup {
    /// Kafka: `maybePrepareRebalanceOrCompleteJoin`.
    pub(super) fn rebalance_or_complete(&mut self, env: &mut Env) {
        match self.state {
            State::Empty | State::Stable | State::CompletingRebalance => self.prepare_rebalance(env),
            State::PreparingRebalance | State::Dead => self.complete_if_all_joined(env),
        }
    }

    /// Kafka: `maybeCompleteJoinPhase`. The first rebalance of an empty group waits for its delay, whoever is there.
    pub(super) fn complete_if_all_joined(&mut self, env: &mut Env) {
        if self.state == State::PreparingRebalance && self.previous != State::Empty && self.all_joined() {
            self.complete_join(env);
        }
    }

    /// Kafka: `prepareRebalance`.
    pub(crate) fn prepare_rebalance(&mut self, env: &mut Env) {
        if self.state == State::CompletingRebalance {
            for member in &mut self.members {
                member.assignment = Bytes::new();
            }
            self.propagate(env, Err(ErrorCode::REBALANCE_IN_PROGRESS));
        }
        self.pending_sync.clear();
        env.timers.cancel(&Timer::Sync(self.id.clone()));

        let initial = self.state == State::Empty;
        self.transition(env.now, State::PreparingRebalance);
        if initial {
            let delay = env.config.initial_rebalance_delay;
            let remaining = self.rebalance_timeout().saturating_sub(delay);
            self.schedule_initial(env, delay, remaining);
            if delay.is_zero() {
                // No timer is needed to wait for nothing.
                self.initial_join_over(env, delay, remaining);
            }
        } else if self.all_joined() {
            self.complete_join(env);
        } else {
            self.schedule_join(env);
        }
    }

    fn schedule_initial(&self, env: &mut Env, delay: Now, remaining: Now) {
        let action = Action::InitialJoin { group: self.id.clone(), delay, remaining };
        env.timers.schedule(Timer::Join(self.id.clone()), env.now.saturating_add(delay), action);
    }

    fn schedule_join(&self, env: &mut Env) {
        let at = env.now.saturating_add(self.rebalance_timeout());
        env.timers.schedule(
            Timer::Join(self.id.clone()),
            at,
            Action::CompleteJoin { group: self.id.clone() },
        );
    }

    /// Kafka: `tryCompleteInitialRebalanceElseSchedule`. Whoever came in meanwhile prolongs the waiting.
    pub(crate) fn initial_join_over(&mut self, env: &mut Env, delay: Now, remaining: Now) {
        if self.new_member_added && !remaining.is_zero() {
            self.new_member_added = false;
            let next = env.config.initial_rebalance_delay.min(remaining);
            self.schedule_initial(env, next, remaining.saturating_sub(delay));
        } else {
            self.complete_join(env);
        }
    }

    /// Kafka: `completeClassicGroupJoin`.
    pub(crate) fn complete_join(&mut self, env: &mut Env) {
        env.timers.cancel(&Timer::Join(self.id.clone()));
        let late: Vec<StrBytes> = self
            .members
            .iter()
            .filter(|member| member.join.is_none() && member.instance.is_none())
            .map(|member| member.id.clone())
            .collect();
        for id in late {
            self.remove(id.as_str());
            env.timers.cancel(&Timer::Member(self.id.clone(), id));
        }
        if self.state == State::Dead {
            return;
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Only static members are left, and none of them has come back yet.
            self.schedule_join(env);
            return;
        }
        self.next_generation(env.now);
        if self.state == State::Empty {
            self.write_record();
            return;
        }
        for at in 0..self.members.len() {
            let id = self.members[at].id.clone();
            let answer = self.joined(id.as_str());
            self.members[at].answer_join(env, answer);
            self.members[at].is_new = false;
            self.touch(env, id.as_str());
            self.pending_sync.insert(id);
        }
        let at = env.now.saturating_add(self.rebalance_timeout());
        let action = Action::ExpireSync { group: self.id.clone(), generation: self.generation };
        env.timers.schedule(Timer::Sync(self.id.clone()), at, action);
    }

    /// Kafka: `maybeElectNewJoinedLeader`. A leader that has not rejoined gives way to one that has.
    fn elect_joined_leader(&mut self) -> bool {
        let Some(leader) = &self.leader else { return false };
        if self.member(leader.as_str()).is_some_and(|leader| leader.join.is_some()) {
            return true;
        }
        match self.members.iter().find(|member| member.join.is_some()) {
            Some(joined) => {
                self.leader = Some(joined.id.clone());
                true
            }
            None => false,
        }
    }

    /// Kafka: `initNextGeneration`.
    fn next_generation(&mut self, now: Now) {
        self.generation = self.generation.wrapping_add(1);
        if self.members.is_empty() {
            self.protocol_name = None;
            self.subscribed = self.compute_subscribed();
            self.transition(now, State::Empty);
        } else {
            self.protocol_name = self.select_protocol();
            self.subscribed = self.compute_subscribed();
            self.transition(now, State::CompletingRebalance);
        }
        self.pending_sync.clear();
    }

    /// Kafka: `propagateAssignment`. Whoever waits for an assignment is answered.
    pub(super) fn propagate(&mut self, env: &mut Env, result: Result<(), ErrorCode>) {
        let mut touched = Vec::new();
        let (protocol_type, protocol_name) = (self.protocol_type.clone(), self.protocol_name.clone());
        for member in &mut self.members {
            let Some(waiter) = member.sync.take() else { continue };
            let answer = match result {
                Ok(()) => kafka_protocol::messages::SyncGroupResponse::default()
                    .with_protocol_type(protocol_type.clone())
                    .with_protocol_name(protocol_name.clone())
                    .with_assignment(member.assignment.clone()),
                Err(error) => sync_error(error),
            };
            env.outbox.push((waiter, Answer::Sync(answer)));
            touched.push(member.id.clone());
        }
        for id in touched {
            self.touch(env, id.as_str());
        }
    }

    /// A session, or a pending member's time, is over. Kafka: `expireClassicGroupMemberHeartbeat`.
    pub(crate) fn expire_member(&mut self, env: &mut Env, id: &StrBytes) {
        if self.state == State::Dead {
            return;
        }
        if self.pending.contains(id) {
            self.remove(id.as_str());
            if self.state == State::PreparingRebalance && self.all_joined() {
                self.complete_join(env);
            }
            return;
        }
        if self.member(id.as_str()).is_none_or(Member::has_satisfied_heartbeat) {
            return;
        }
        self.expel(env, id);
    }

    /// Takes a member out, whatever it is doing. Kafka: `removeMemberAndUpdateClassicGroup`.
    pub(crate) fn expel(&mut self, env: &mut Env, id: &StrBytes) {
        env.timers.cancel(&Timer::Member(self.id.clone(), id.clone()));
        let Some(member) = self.member_mut(id.as_str()) else { return };
        member.answer_join(env, join_error(StrBytes::new(), ErrorCode::UNKNOWN_MEMBER_ID));
        self.remove(id.as_str());
        match self.state {
            State::Stable | State::CompletingRebalance => self.rebalance_or_complete(env),
            State::PreparingRebalance if self.all_joined() => self.complete_join(env),
            _ => {}
        }
    }

    /// Whoever has not sent SyncGroup in time is out. Kafka: `expirePendingSync`.
    pub(crate) fn expire_sync(&mut self, env: &mut Env, generation: i32) {
        if generation != self.generation || !matches!(self.state, State::CompletingRebalance | State::Stable)
        {
            return;
        }
        if self.pending_sync.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.pending_sync) {
            self.remove(id.as_str());
            env.timers.cancel(&Timer::Member(self.id.clone(), id));
        }
        self.prepare_rebalance(env);
    }
}
