//! Members of the classic protocol in a consumer group: JoinGroup, SyncGroup, Heartbeat and LeaveGroup, mapped to epochs.

use std::collections::BTreeSet;

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::super::call::{Action, Call, Env, Timer};
use super::super::classic::{CONSUMER, join_error};
use super::super::{Now, embedded, millis};
use super::heartbeat::schedule_session;
use super::migrate::named;
use super::{ClassicPart, ConsumerGroup, IdPartition, Member, MemberState};
use crate::error_code::ErrorCode;

impl ConsumerGroup {
    /// Kafka: `classicGroupJoinToConsumerGroup`. The generation is the member's epoch, and nobody waits for anybody.
    pub(crate) fn classic_join(
        &mut self,
        env: &mut Env,
        call: &Call<'_>,
        request: &JoinGroupRequest,
    ) -> Result<JoinGroupResponse, ErrorCode> {
        let unknown = request.member_id.is_empty();
        let id =
            if unknown { StrBytes::from_string(env.ids.kafka_uuid()) } else { request.member_id.clone() };
        if self.members.len() >= env.config.consumer_max_size && !self.members.contains_key(&id) {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if !self.supports_classic(request) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        // KIP-394.
        if unknown && request.group_instance_id.is_none() && call.version >= 4 {
            return Ok(join_error(id, ErrorCode::MEMBER_ID_REQUIRED));
        }
        let before = self.classic_subscriber(&id, request.group_instance_id.as_ref(), unknown)?;
        let metadata = request.protocols.first().map(|protocol| &protocol.metadata);
        // Kafka: IllegalStateException, which reaches the client as UNKNOWN_SERVER_ERROR.
        let subscription =
            metadata.and_then(embedded::subscription).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;

        let mut member = before.clone();
        if let Some(instance) = &request.group_instance_id {
            member.instance = Some(instance.clone());
        }
        if subscription.rack.is_some() {
            member.rack = subscription.rack.clone();
        }
        member.rebalance_timeout = millis(request.rebalance_timeout_ms);
        member.topics = subscription.topics.iter().cloned().collect();
        member.client_id = call.client_id.to_owned();
        member.client_host = call.client_host.to_owned();
        let session = millis(request.session_timeout_ms);
        member.classic = Some(ClassicPart {
            session_timeout: session,
            protocols: request
                .protocols
                .iter()
                .map(|protocol| (protocol.name.clone(), protocol.metadata.clone()))
                .collect(),
        });
        let changed = before.topics != member.topics;
        self.evict_instance(env, &member);
        self.put(member);
        self.drop_unused_regexes();
        self.settle_epoch(call, changed);
        self.update_target(env, call.topics);
        let owned = subscription.owned.iter().filter_map(|(topic, partitions)| {
            let (topic, _) = call.topics.by_name(topic.as_str())?;
            Some(partitions.iter().map(move |&partition| (topic, partition)))
        });
        let owned: BTreeSet<IdPartition> = owned.flatten().collect();
        self.reconcile(env, call, &id, Some(&owned), changed);

        env.timers.cancel(&Timer::ConsumerJoin(self.id.clone(), id.clone()));
        schedule_session(env, &self.id, &id, session);
        self.schedule_fence(
            env,
            &id,
            Timer::ConsumerSync(self.id.clone(), id.clone()),
            millis(request.rebalance_timeout_ms),
        );
        let epoch = self.members.get(&id).map_or(-1, |member| member.epoch);
        Ok(JoinGroupResponse::default()
            .with_member_id(id)
            .with_generation_id(epoch)
            .with_protocol_type(Some(StrBytes::from_static_str(CONSUMER)))
            .with_protocol_name(request.protocols.first().map(|protocol| protocol.name.clone())))
    }

    /// Whether every classic member knows one of the protocols.
    fn supports_classic(&self, request: &JoinGroupRequest) -> bool {
        let knows =
            |classic: &ClassicPart, name: &StrBytes| classic.protocols.iter().any(|(known, _)| known == name);
        request.protocol_type.as_str() == CONSUMER
            && request.protocols.iter().any(|protocol| {
                self.members
                    .values()
                    .filter_map(|member| member.classic.as_ref())
                    .all(|classic| knows(classic, &protocol.name))
            })
    }

    fn classic_subscriber(
        &self,
        id: &StrBytes,
        instance: Option<&StrBytes>,
        unknown: bool,
    ) -> Result<Member, ErrorCode> {
        let Some(instance) = instance else {
            return Ok(self.members.get(id).cloned().unwrap_or_else(|| Member::new(id.clone())));
        };
        let existing = self.static_members.get(instance).and_then(|id| self.members.get(id));
        match existing {
            None if unknown => Ok(Member::new(id.clone())),
            None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(existing) if unknown => {
                let mut member = existing.clone();
                member.id = id.clone();
                member.epoch = 0;
                member.previous_epoch = 0;
                Ok(member)
            }
            Some(existing) if existing.id != *id => Err(ErrorCode::FENCED_INSTANCE_ID),
            Some(existing) => Ok(existing.clone()),
        }
    }

    /// Kafka: `classicGroupSyncToConsumerGroup`.
    pub(crate) fn classic_sync(
        &mut self,
        env: &mut Env,
        call: &Call<'_>,
        request: &SyncGroupRequest,
    ) -> Result<SyncGroupResponse, ErrorCode> {
        let member = self.classic_member(&request.member_id, request.group_instance_id.as_ref())?;
        let Some(classic) = &member.classic else { return Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        if member.epoch != request.generation_id {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let protocol = classic.protocols.first();
        let name_differs = request.protocol_name.is_some()
            && request.protocol_name.as_ref() != protocol.map(|(name, _)| name);
        if request.protocol_type.as_deref().is_some_and(|kind| kind != CONSUMER) || name_differs {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        let (id, rebalance, session) = (member.id.clone(), member.rebalance_timeout, classic.session_timeout);
        if self.epoch > member.epoch && member.state != MemberState::Unrevoked {
            self.schedule_join(env, &id, rebalance);
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        let version =
            protocol.and_then(|(_, bytes)| embedded::subscription(bytes)).map_or(0, |known| known.version);
        let assigned = member.assigned.keys().copied().collect();
        let assignment = embedded::write_assignment(version, &named(&assigned, call.topics));
        env.timers.cancel(&Timer::ConsumerSync(self.id.clone(), id.clone()));
        schedule_session(env, &self.id, &id, session);
        Ok(SyncGroupResponse::default()
            .with_protocol_type(request.protocol_type.clone())
            .with_protocol_name(request.protocol_name.clone())
            .with_assignment(assignment))
    }

    /// Kafka: `classicGroupHeartbeatToConsumerGroup`. The member is told to join again when that would get it anywhere.
    pub(crate) fn classic_heartbeat(
        &mut self,
        env: &mut Env,
        request: &HeartbeatRequest,
    ) -> Result<(), ErrorCode> {
        let member = self.classic_member(&request.member_id, request.group_instance_id.as_ref())?;
        let Some(classic) = &member.classic else { return Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        if member.epoch != request.generation_id {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let rejoin = member.epoch < self.epoch
            || member.state == MemberState::Unrevoked
            || (member.state == MemberState::Unreleased && !self.waits_for_others(member));
        let (id, rebalance, session) = (member.id.clone(), member.rebalance_timeout, classic.session_timeout);
        schedule_session(env, &self.id, &id, session);
        if rejoin {
            self.schedule_join(env, &id, rebalance);
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }

    /// Kafka: `classicGroupLeaveToConsumerGroup`. The ids of those who are out are to be fenced by the caller.
    pub(crate) fn classic_leave(&self, members: &[MemberIdentity]) -> (Vec<MemberResponse>, Vec<StrBytes>) {
        let mut gone: Vec<StrBytes> = Vec::new();
        let answers = members.iter().map(|identity| {
            let left = self.leaving(identity, &gone);
            let mut answer = MemberResponse::default()
                .with_member_id(identity.member_id.clone())
                .with_group_instance_id(identity.group_instance_id.clone());
            match left {
                Ok(id) => {
                    answer.member_id = id.clone();
                    gone.push(id);
                }
                Err(error) => answer.error_code = error.0,
            }
            answer
        });
        let answers = answers.collect();
        (answers, gone)
    }

    fn leaving(&self, identity: &MemberIdentity, gone: &[StrBytes]) -> Result<StrBytes, ErrorCode> {
        let member = match &identity.group_instance_id {
            None => self.members.get(&identity.member_id),
            Some(instance) => self.static_members.get(instance).and_then(|id| self.members.get(id)),
        };
        let member =
            member.filter(|member| !gone.contains(&member.id)).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        if identity.group_instance_id.is_some()
            && !identity.member_id.is_empty()
            && identity.member_id != member.id
        {
            return Err(ErrorCode::FENCED_INSTANCE_ID);
        }
        // Whichever protocol the member speaks: an administrator may remove it by LeaveGroup.
        Ok(member.id.clone())
    }

    /// Kafka: `validateConsumerGroupMember`.
    fn classic_member(&self, id: &StrBytes, instance: Option<&StrBytes>) -> Result<&Member, ErrorCode> {
        let member = match instance {
            None => self.members.get(id),
            Some(instance) => self.static_members.get(instance).and_then(|id| self.members.get(id)),
        };
        let member = member.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        if instance.is_some() && member.id != *id {
            return Err(ErrorCode::FENCED_INSTANCE_ID);
        }
        Ok(member)
    }

    /// Whether something of the member's target is still somebody else's.
    fn waits_for_others(&self, member: &Member) -> bool {
        let target = self.target_of(member.id.as_str());
        target.iter().any(|partition| {
            !member.assigned.contains_key(partition)
                && self.members.values().any(|other| other.id != member.id && other.holds(partition))
        })
    }

    fn schedule_join(&self, env: &mut Env, id: &StrBytes, timeout: Now) {
        let key = Timer::ConsumerJoin(self.id.clone(), id.clone());
        let action = Action::Fence { group: self.id.clone(), member: id.clone() };
        env.timers.schedule_if_absent(key, env.now.saturating_add(timeout), action);
    }

    fn schedule_fence(&self, env: &mut Env, id: &StrBytes, key: Timer, timeout: Now) {
        let action = Action::Fence { group: self.id.clone(), member: id.clone() };
        env.timers.schedule(key, env.now.saturating_add(timeout), action);
    }
}
