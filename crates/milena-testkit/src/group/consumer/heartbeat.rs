//! ConsumerGroupHeartbeat: joining, staying, being told what to give up and what to take.

use std::collections::BTreeSet;

use kafka_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::super::call::{Action, Call, Env, Timer};
use super::super::{Now, millis, millis_i32};
use super::reconcile::Step;
use super::validate::Refused;
use super::{ConsumerGroup, IdPartition, Member, MemberState, assignor, regex};
use crate::error_code::ErrorCode;

impl ConsumerGroup {
    /// Kafka: `GroupMetadataManager.consumerGroupHeartbeat`, for everything but leaving.
    pub(crate) fn heartbeat(
        &mut self,
        env: &mut Env,
        call: &Call<'_>,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        let joining = request.member_epoch == 0;
        let id = if request.member_id.is_empty() {
            StrBytes::from_string(env.ids.kafka_uuid())
        } else {
            request.member_id.clone()
        };
        if self.members.len() >= env.config.consumer_max_size && !self.members.contains_key(&id) {
            let max = env.config.consumer_max_size;
            let message = format!("The consumer group has reached its maximum capacity of {max} members.");
            return Err(Refused::new(ErrorCode::GROUP_MAX_SIZE_REACHED, message));
        }
        let owned = request.topic_partitions.as_ref().map(|topics| {
            let pairs =
                topics.iter().flat_map(|topic| topic.partitions.iter().map(|&index| (topic.topic_id, index)));
            pairs.collect::<BTreeSet<IdPartition>>()
        });
        let before = match &request.instance_id {
            None => self.dynamic_member(&id, joining, request.member_epoch, owned.as_ref())?,
            Some(instance) => {
                self.static_member(&id, instance, joining, request.member_epoch, owned.as_ref())?
            }
        };
        let mut member = before.clone();
        self.describe_member(&mut member, call, request);
        let (changed, bump) = self.subscription_change(&before, &member)?;
        self.evict_instance(env, &member);
        self.put(member);
        self.drop_unused_regexes();
        self.settle_epoch(call, bump);
        self.update_target(env, call.topics);
        self.reconcile(env, call, &id, owned.as_ref(), changed);
        schedule_session(env, &self.id, &id, env.config.consumer_session_timeout);

        let answer = self.answer(env, &before, &id, request, joining);
        if self.wants_regexes(env.now, call.topics_version) {
            // Kafka does this in another thread: the answer to this heartbeat is without it.
            self.resolve_regexes(env, call.topics, call.topics_version);
        }
        Ok(answer)
    }

    /// Kafka: `getOrMaybeSubscribeDynamicConsumerGroupMember`.
    fn dynamic_member(
        &self,
        id: &StrBytes,
        joining: bool,
        epoch: i32,
        owned: Option<&BTreeSet<IdPartition>>,
    ) -> Result<Member, Refused> {
        match self.members.get(id) {
            // A member that begins anew has given everything up; that is all it is asked for.
            Some(member) if joining => Ok(member.clone()),
            Some(member) => {
                validate_epoch(member, epoch, owned)?;
                Ok(member.clone())
            }
            None if joining => Ok(Member::new(id.clone())),
            None => Err(self.unknown(id)),
        }
    }

    /// Kafka: `getOrMaybeSubscribeStaticConsumerGroupMember`. A static member that is away is replaced by a new member id,
    /// which takes over what it had.
    fn static_member(
        &self,
        id: &StrBytes,
        instance: &StrBytes,
        joining: bool,
        epoch: i32,
        owned: Option<&BTreeSet<IdPartition>>,
    ) -> Result<Member, Refused> {
        let existing = self.static_members.get(instance).and_then(|id| self.members.get(id));
        match existing {
            None if joining => Ok(self.members.get(id).cloned().unwrap_or_else(|| Member::new(id.clone()))),
            None => Err(unknown_instance(instance)),
            Some(existing) if joining => {
                if existing.classic.is_none() && !existing.is_away() {
                    let message = format!(
                        "Static member {id} with instance id {instance} cannot join the group because the instance id is \
                         owned by {} member.",
                        existing.id
                    );
                    return Err(Refused::new(ErrorCode::UNRELEASED_INSTANCE_ID, message));
                }
                let mut member = existing.clone();
                member.id = id.clone();
                member.epoch = 0;
                member.previous_epoch = 0;
                Ok(member)
            }
            Some(existing) => {
                self.check_not_fenced(existing, id, instance)?;
                validate_epoch(existing, epoch, owned)?;
                Ok(existing.clone())
            }
        }
    }

    pub(super) fn check_not_fenced(
        &self,
        existing: &Member,
        id: &StrBytes,
        instance: &StrBytes,
    ) -> Result<(), Refused> {
        if existing.id == *id {
            return Ok(());
        }
        let message =
            format!("Static member {id} with instance id {instance} was fenced by member {}.", existing.id);
        Err(Refused::new(ErrorCode::FENCED_INSTANCE_ID, message))
    }

    /// Takes out the member that had the instance id before, and gives its target to the new one.
    pub(super) fn evict_instance(&mut self, env: &mut Env, member: &Member) {
        let Some(old) =
            member.instance.as_ref().and_then(|instance| self.static_members.get(instance)).cloned()
        else {
            return;
        };
        if old == member.id {
            return;
        }
        let target = self.target.remove(&old);
        self.members.remove(&old);
        self.cancel_timers(env, &old);
        if let Some(target) = target {
            self.target.insert(member.id.clone(), target);
        }
    }

    fn describe_member(&self, member: &mut Member, call: &Call<'_>, request: &ConsumerGroupHeartbeatRequest) {
        if let Some(instance) = &request.instance_id {
            member.instance = Some(instance.clone());
        }
        if let Some(rack) = &request.rack_id {
            member.rack = Some(rack.clone());
        }
        if request.rebalance_timeout_ms != -1 {
            member.rebalance_timeout = millis(request.rebalance_timeout_ms);
        }
        if let Some(assignor) = &request.server_assignor {
            member.assignor = Some(assignor.clone());
        }
        if let Some(topics) = &request.subscribed_topic_names {
            member.topics = topics.iter().map(|topic| topic.0.clone()).collect();
        }
        if let Some(regex) = &request.subscribed_topic_regex {
            member.regex = Some(regex.clone());
        }
        member.client_id = call.client_id.to_owned();
        member.client_host = call.client_host.to_owned();
        member.classic = None;
    }

    /// Whether the subscription changed, and whether the epoch must grow by that.
    fn subscription_change(&self, before: &Member, after: &Member) -> Result<(bool, bool), Refused> {
        let names = before.topics != after.topics;
        let expression = before.regex != after.regex;
        let mut bump = names;
        if let Some(pattern) = after.regex.as_ref().filter(|pattern| expression && !pattern.is_empty()) {
            if self.regexes.contains_key(pattern) {
                bump = true;
            } else {
                regex::check(pattern.as_str()).map_err(|reason| {
                    let message = format!(
                        "SubscribedTopicRegex `{pattern}` is not a valid regular expression: {reason}."
                    );
                    Refused::new(ErrorCode::INVALID_REGULAR_EXPRESSION, message)
                })?;
            }
        }
        Ok((names || expression, bump))
    }

    /// Lets the group's epoch grow if the subscription or the topics changed.
    pub(super) fn settle_epoch(&mut self, call: &Call<'_>, bump: bool) {
        if !bump && !self.metadata_is_stale(call.topics_version) {
            return;
        }
        let changed = self.refresh_metadata(call.topics, call.topics_version);
        if bump || changed {
            self.epoch = self.epoch.saturating_add(1);
        }
    }

    /// Kafka: `maybeReconcile`.
    pub(super) fn reconcile(
        &mut self,
        env: &mut Env,
        call: &Call<'_>,
        id: &StrBytes,
        owned: Option<&BTreeSet<IdPartition>>,
        subscription_changed: bool,
    ) {
        let Some(member) = self.members.get(id) else { return };
        if member.is_reconciled_to(self.assignment_epoch) && !subscription_changed {
            return;
        }
        let mut next = member.clone();
        let target = self.target.get(id).cloned().unwrap_or_default();
        let topics = self.topic_ids(member, call.topics);
        let taken = |partition: &IdPartition| {
            self.members.values().any(|other| other.id != *id && other.holds(partition))
        };
        let step = Step {
            target_epoch: self.assignment_epoch,
            target: &target,
            topics: &topics,
            subscription_changed,
            owned,
            taken: &taken,
        };
        step.take(&mut next);
        if next == *member {
            return;
        }
        if next.classic.is_none() {
            let timer = Timer::Rebalance(self.id.clone(), id.clone());
            if next.state == MemberState::Unrevoked {
                let at = env.now.saturating_add(next.rebalance_timeout);
                let action =
                    Action::FenceAtEpoch { group: self.id.clone(), member: id.clone(), epoch: next.epoch };
                env.timers.schedule(timer, at, action);
            } else {
                env.timers.cancel(&timer);
            }
        }
        self.members.insert(id.clone(), next);
    }

    fn answer(
        &self,
        env: &Env,
        before: &Member,
        id: &StrBytes,
        request: &ConsumerGroupHeartbeatRequest,
        joining: bool,
    ) -> ConsumerGroupHeartbeatResponse {
        let mut answer = ConsumerGroupHeartbeatResponse::default();
        let Some(member) = self.members.get(id) else { return answer };
        answer.member_id = Some(id.clone());
        answer.member_epoch = member.epoch;
        answer.heartbeat_interval_ms = millis_i32(env.config.consumer_heartbeat_interval);
        // The assignment goes out when it is new to the member, and whenever the member says everything about itself, as
        // it does on joining and after an error.
        let full = joining
            || (request.rebalance_timeout_ms != -1
                && request.subscribed_topic_names.is_some()
                && request.topic_partitions.is_some());
        if full || !before.assigned.keys().eq(member.assigned.keys()) {
            let topics = by_topic(member.assigned.keys().copied());
            let topics = topics.into_iter().map(|(topic, partitions)| {
                TopicPartitions::default().with_topic_id(topic).with_partitions(partitions)
            });
            answer.assignment = Some(Assignment::default().with_topic_partitions(topics.collect()));
        }
        answer
    }

    pub(super) fn unknown(&self, id: &StrBytes) -> Refused {
        let message = format!("Member {id} is not a member of group {}.", self.id);
        Refused::new(ErrorCode::UNKNOWN_MEMBER_ID, message)
    }

    pub(super) fn cancel_timers(&self, env: &mut Env, id: &StrBytes) {
        env.timers.cancel(&Timer::Session(self.id.clone(), id.clone()));
        env.timers.cancel(&Timer::Rebalance(self.id.clone(), id.clone()));
        env.timers.cancel(&Timer::ConsumerJoin(self.id.clone(), id.clone()));
        env.timers.cancel(&Timer::ConsumerSync(self.id.clone(), id.clone()));
    }
}

/// Kafka: `throwIfConsumerGroupMemberEpochIsInvalid`. The epoch before is good if the member has nothing that it should not
/// have: the answer that brought the newer epoch may have been lost.
fn validate_epoch(
    member: &Member,
    received: i32,
    owned: Option<&BTreeSet<IdPartition>>,
) -> Result<(), Refused> {
    let known = member.epoch;
    let relation = if received > known {
        "greater"
    } else if received < known {
        let plausible =
            owned.is_some_and(|owned| owned.iter().all(|partition| member.assigned.contains_key(partition)));
        if received == member.previous_epoch && plausible {
            return Ok(());
        }
        "smaller"
    } else {
        return Ok(());
    };
    let message = format!(
        "The consumer group member has a {relation} member epoch ({received}) than the one known by the group coordinator \
         ({known}). The member must abandon all its partitions and rejoin."
    );
    Err(Refused::new(ErrorCode::FENCED_MEMBER_EPOCH, message))
}

pub(super) fn unknown_instance(instance: &StrBytes) -> Refused {
    Refused::new(ErrorCode::UNKNOWN_MEMBER_ID, format!("Instance id {instance} is unknown."))
}

/// (Re)starts a member's session.
pub(super) fn schedule_session(env: &mut Env, group: &StrBytes, member: &StrBytes, timeout: Now) {
    let at = env.now.saturating_add(timeout);
    let action = Action::Fence { group: group.clone(), member: member.clone() };
    env.timers.schedule(Timer::Session(group.clone(), member.clone()), at, action);
}

/// Partitions sorted into topics.
pub(super) fn by_topic(partitions: impl Iterator<Item = IdPartition>) -> Vec<(Uuid, Vec<i32>)> {
    let mut topics: Vec<(Uuid, Vec<i32>)> = Vec::new();
    for (topic, partition) in partitions {
        match topics.last_mut() {
            Some((last, partitions)) if *last == topic => partitions.push(partition),
            _ => topics.push((topic, vec![partition])),
        }
    }
    topics
}

/// Kafka: `throwIfConsumerGroupHeartbeatRequestIsInvalid`.
pub(crate) fn validate_request(request: &ConsumerGroupHeartbeatRequest, version: i16) -> Result<(), Refused> {
    let invalid = |message: &str| Err(Refused::new(ErrorCode::INVALID_REQUEST, message.to_owned()));
    let empty = |text: &Option<StrBytes>| text.as_ref().is_some_and(|text| text.is_empty());
    if request.group_id.is_empty() {
        return invalid("GroupId can't be empty.");
    }
    if empty(&request.instance_id) {
        return invalid("InstanceId can't be empty.");
    }
    if empty(&request.rack_id) {
        return invalid("RackId can't be empty.");
    }
    // As from v1 the member makes its own id (KIP-1082).
    let named = request.member_epoch != 0 || version >= 1;
    if request.member_epoch >= super::LEAVE_STATIC && named && request.member_id.is_empty() {
        return invalid("MemberId can't be empty.");
    }
    match request.member_epoch {
        1.. | super::LEAVE => {}
        0 => {
            if request.rebalance_timeout_ms == -1 {
                return invalid("RebalanceTimeoutMs must be provided in first request.");
            }
            if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
                return invalid("TopicPartitions must be empty when (re-)joining.");
            }
            if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
                return invalid(
                    "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
                );
            }
        }
        super::LEAVE_STATIC => {
            if request.instance_id.is_none() {
                return invalid("InstanceId can't be null.");
            }
        }
        _ => return invalid("MemberEpoch is invalid."),
    }
    if let Some(name) =
        request.server_assignor.as_ref().filter(|name| !assignor::NAMES.contains(&name.as_str()))
    {
        let supported = assignor::NAMES.join(", ");
        let message = format!("ServerAssignor {name} is not supported. Supported assignors: {supported}.");
        return Err(Refused::new(ErrorCode::UNSUPPORTED_ASSIGNOR, message));
    }
    Ok(())
}
