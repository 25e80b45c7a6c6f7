//! JoinGroup: who comes in, and whether that starts a rebalance.

use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;

use super::super::call::{Answer, Call, Env};
use super::super::millis;
use super::{ClassicGroup, Member, State, join_error, schedule_member};
use crate::error_code::ErrorCode;

/// KIP-394: from here on a dynamic member without an id is sent away with one.
const REQUIRES_MEMBER_ID: i16 = 4;
/// KIP-814: from here on a returning static leader is told not to assign again.
const SKIPS_ASSIGNMENT: i16 = 9;

impl ClassicGroup {
    /// Kafka: `classicGroupJoinToClassicGroup`. `None`: the answer comes later.
    pub(crate) fn join(
        &mut self,
        env: &mut Env,
        call: &Call<'_>,
        request: &JoinGroupRequest,
    ) -> Option<JoinGroupResponse> {
        let member = request.member_id.clone();
        if !self.accepts(env, member.as_str()) {
            self.remove(member.as_str());
            return Some(join_error(StrBytes::new(), ErrorCode::GROUP_MAX_SIZE_REACHED));
        }
        if self.state == State::Dead {
            return Some(join_error(member, ErrorCode::COORDINATOR_NOT_AVAILABLE));
        }
        let names = request.protocols.iter().map(|protocol| protocol.name.as_str());
        if !self.supports(request.protocol_type.as_str(), names) {
            return Some(join_error(member, ErrorCode::INCONSISTENT_GROUP_PROTOCOL));
        }
        if member.is_empty() {
            self.join_new(env, call, request)
        } else {
            self.join_known(env, call, request, member)
        }
    }

    fn join_new(
        &mut self,
        env: &mut Env,
        call: &Call<'_>,
        request: &JoinGroupRequest,
    ) -> Option<JoinGroupResponse> {
        let prefix = request.group_instance_id.as_deref().unwrap_or(call.client_id);
        let new_id = StrBytes::from_string(format!("{prefix}-{}", env.ids.uuid()));
        match &request.group_instance_id {
            Some(instance) => match self.static_members.get(instance).cloned() {
                Some(old) => self.replace_static(env, call, request, instance, old, new_id),
                None => self.add_and_rebalance(env, call, request, new_id),
            },
            None if call.version >= REQUIRES_MEMBER_ID => {
                self.pending.insert(new_id.clone());
                schedule_member(env, &self.id, &new_id, millis(request.session_timeout_ms));
                Some(join_error(new_id, ErrorCode::MEMBER_ID_REQUIRED))
            }
            None => self.add_and_rebalance(env, call, request, new_id),
        }
    }

    fn join_known(
        &mut self,
        env: &mut Env,
        call: &Call<'_>,
        request: &JoinGroupRequest,
        id: StrBytes,
    ) -> Option<JoinGroupResponse> {
        if self.pending.contains(&id) {
            if request.group_instance_id.is_some() {
                // Kafka: IllegalStateException, which reaches the client as UNKNOWN_SERVER_ERROR.
                return Some(join_error(StrBytes::new(), ErrorCode::UNKNOWN_SERVER_ERROR));
            }
            return self.add_and_rebalance(env, call, request, id);
        }
        if let Err(error) = self.validate_member(id.as_str(), request.group_instance_id.as_ref()) {
            return Some(join_error(id, error));
        }
        let unchanged = self.member(id.as_str()).is_some_and(|member| member.protocols == protocols(request));
        match self.state {
            State::PreparingRebalance => self.update_and_rebalance(env, call, request, &id),
            // The answer got lost: the same generation again.
            State::CompletingRebalance if unchanged => Some(self.joined(id.as_str())),
            State::CompletingRebalance => self.update_and_rebalance(env, call, request, &id),
            // The leader may have seen what nobody else has (new partitions): it always gets a rebalance.
            State::Stable if self.is_leader(id.as_str()) || !unchanged => {
                self.update_and_rebalance(env, call, request, &id)
            }
            State::Stable => Some(self.joined(id.as_str())),
            State::Empty | State::Dead => Some(join_error(id, ErrorCode::UNKNOWN_MEMBER_ID)),
        }
    }

    /// Kafka: `acceptJoiningMember`. While members are being collected, whoever came first counts.
    fn accepts(&self, env: &Env, member: &str) -> bool {
        match self.state {
            State::Empty | State::Dead => true,
            State::PreparingRebalance => {
                let waiting = self.members.iter().filter(|member| member.join.is_some()).count();
                self.member(member).is_some_and(|member| member.join.is_some())
                    || waiting < env.config.max_size
            }
            State::CompletingRebalance | State::Stable => {
                self.member(member).is_some() || self.members.len() < env.config.max_size
            }
        }
    }

    fn add_and_rebalance(
        &mut self,
        env: &mut Env,
        call: &Call<'_>,
        request: &JoinGroupRequest,
        id: StrBytes,
    ) -> Option<JoinGroupResponse> {
        if self.state == State::PreparingRebalance && self.previous == State::Empty {
            self.new_member_added = true;
        }
        let member = Member {
            id: id.clone(),
            instance: request.group_instance_id.clone(),
            client_id: call.client_id.to_owned(),
            client_host: call.client_host.to_owned(),
            rebalance_timeout: millis(request.rebalance_timeout_ms),
            session_timeout: millis(request.session_timeout_ms),
            protocol_type: request.protocol_type.clone(),
            protocols: protocols(request),
            assignment: bytes::Bytes::new(),
            join: Some(call.reply_to),
            join_version: call.version,
            sync: None,
            is_new: true,
        };
        self.add(member);
        // A new member sends no heartbeats while it waits. Some other time must bound it.
        let timeout = env.config.new_member_join_timeout;
        schedule_member(env, &self.id, &id, timeout);
        self.rebalance_or_complete(env);
        None
    }

    fn update_and_rebalance(
        &mut self,
        env: &mut Env,
        call: &Call<'_>,
        request: &JoinGroupRequest,
        id: &StrBytes,
    ) -> Option<JoinGroupResponse> {
        self.update(request, id, call);
        self.rebalance_or_complete(env);
        None
    }

    fn update(&mut self, request: &JoinGroupRequest, id: &StrBytes, call: &Call<'_>) {
        if let Some(member) = self.member_mut(id.as_str()) {
            member.protocols = protocols(request);
            member.rebalance_timeout = millis(request.rebalance_timeout_ms);
            member.session_timeout = millis(request.session_timeout_ms);
            // An earlier JoinGroup of the same member is never answered: its client has given it up.
            member.join = Some(call.reply_to);
            member.join_version = call.version;
        }
    }

    /// Kafka: `updateStaticMemberThenRebalanceOrCompleteJoin`. The instance comes back under a new member id.
    fn replace_static(
        &mut self,
        env: &mut Env,
        call: &Call<'_>,
        request: &JoinGroupRequest,
        instance: &StrBytes,
        old: StrBytes,
        new: StrBytes,
    ) -> Option<JoinGroupResponse> {
        let leader_before = self.leader.clone();
        self.rename_static(env, instance, &old, &new);
        self.touch(env, new.as_str());
        self.update(request, &new, call);
        match self.state {
            State::Stable if self.select_protocol() == self.protocol_name => {
                self.write_record();
                if let Some(member) = self.member_mut(new.as_str()) {
                    member.join = None;
                }
                let answer = self.joined(new.as_str());
                Some(if call.version >= SKIPS_ASSIGNMENT {
                    let skip = self.is_leader(new.as_str());
                    answer.with_skip_assignment(skip)
                } else {
                    // Before KIP-814 a returning leader must not learn that it leads, or it would assign: it is told the
                    // leader's old id, which is its own of before.
                    answer.with_members(Vec::new()).with_leader(leader_before.unwrap_or_default())
                })
            }
            State::Stable => {
                self.rebalance_or_complete(env);
                None
            }
            State::CompletingRebalance => {
                self.prepare_rebalance(env);
                None
            }
            State::PreparingRebalance | State::Empty | State::Dead => {
                self.complete_if_all_joined(env);
                None
            }
        }
    }

    /// Kafka: `ClassicGroup.replaceStaticMember`. Whoever waits under the old id is fenced.
    fn rename_static(&mut self, env: &mut Env, instance: &StrBytes, old: &StrBytes, new: &StrBytes) {
        let Some(member) = self.member_mut(old.as_str()) else { return };
        member.answer_join(env, join_error(old.clone(), ErrorCode::FENCED_INSTANCE_ID));
        let sync = member.sync.take();
        member.id = new.clone();
        member.is_new = false;
        if let Some(waiter) = sync {
            let answer = SyncGroupResponse::default().with_error_code(ErrorCode::FENCED_INSTANCE_ID.0);
            env.outbox.push((waiter, Answer::Sync(answer)));
        }
        if self.is_leader(old.as_str()) {
            self.leader = Some(new.clone());
        }
        self.static_members.insert(instance.clone(), new.clone());
    }
}

fn protocols(request: &JoinGroupRequest) -> Vec<(StrBytes, bytes::Bytes)> {
    request.protocols.iter().map(|protocol| (protocol.name.clone(), protocol.metadata.clone())).collect()
}
