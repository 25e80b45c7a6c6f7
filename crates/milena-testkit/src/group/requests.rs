//! The group APIs, as the coordinator answers them once it is known to be the group's.

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::call::Call;
use super::classic::{ClassicGroup, join_error, sync_error};
use super::consumer::{self, Refused};
use super::offsets::{CommitTopic, Committing, FetchTopic, FetchedTopic, PartitionRef};
use super::{Group, Groups, Now, millis};
use crate::error_code::ErrorCode;

/// What a commit is answered: per topic, per partition.
pub(crate) type CommitAnswers = Vec<Vec<ErrorCode>>;

impl Groups {
    /// Kafka: `GroupCoordinatorService.joinGroup`, `GroupMetadataManager.classicGroupJoin`. `None`: the answer comes later.
    pub(crate) fn join(&mut self, call: &Call<'_>, request: &JoinGroupRequest) -> Option<JoinGroupResponse> {
        let id = &request.group_id.0;
        let member = &request.member_id;
        if id.is_empty() {
            return Some(join_error(member.clone(), ErrorCode::INVALID_GROUP_ID));
        }
        let session = millis(request.session_timeout_ms);
        if session < self.env.config.min_session_timeout || session > self.env.config.max_session_timeout {
            return Some(join_error(member.clone(), ErrorCode::INVALID_SESSION_TIMEOUT));
        }
        match self.groups.get_mut(id) {
            Some(Group::Consumer(group)) if !group.is_empty() => {
                let mixed = group.members.values().any(|member| member.classic.is_none());
                let answer = group.classic_join(&mut self.env, call, request);
                // A static member came back with the classic protocol, and it was the last of the other one.
                if mixed && request.group_instance_id.is_some() && group.is_all_classic(&self.env) {
                    let classic = group.to_classic(&mut self.env, call.topics, &[]);
                    self.groups.insert(id.clone(), Group::Classic(classic));
                }
                return Some(answer.unwrap_or_else(|error| join_error(member.clone(), error)));
            }
            Some(Group::Classic(group)) => return group.join(&mut self.env, call, request),
            // An empty consumer group gives way, or there is no group. Only a newcomer makes one.
            Some(Group::Consumer(_)) => drop(self.groups.remove(id)),
            None => {}
        }
        if !member.is_empty() {
            return Some(join_error(member.clone(), ErrorCode::UNKNOWN_MEMBER_ID));
        }
        let mut group = ClassicGroup::new(id.clone(), self.env.now);
        let answer = group.join(&mut self.env, call, request);
        group.write_if_new();
        self.groups.insert(id.clone(), Group::Classic(group));
        answer
    }

    /// Kafka: `classicGroupSync`. `None`: the answer comes later, or is in the outbox.
    pub(crate) fn sync(&mut self, call: &Call<'_>, request: &SyncGroupRequest) -> Option<SyncGroupResponse> {
        let id = &request.group_id.0;
        if id.is_empty() {
            return Some(sync_error(ErrorCode::INVALID_GROUP_ID));
        }
        match self.groups.get_mut(id) {
            Some(Group::Classic(group)) if group.state != super::classic::State::Empty => {
                group.sync(&mut self.env, call, request)
            }
            Some(Group::Consumer(group)) if !group.is_empty() => {
                Some(group.classic_sync(&mut self.env, call, request).unwrap_or_else(sync_error))
            }
            _ => Some(sync_error(ErrorCode::UNKNOWN_MEMBER_ID)),
        }
    }

    /// Kafka: `classicGroupHeartbeat`.
    pub(crate) fn heartbeat(&mut self, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        let id = &request.group_id.0;
        if id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        match self.groups.get_mut(id) {
            None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(Group::Classic(group)) => group.heartbeat(&mut self.env, request),
            Some(Group::Consumer(group)) => group.classic_heartbeat(&mut self.env, request),
        }
    }

    /// Kafka: `classicGroupLeave`. A group that does not exist is answered member by member.
    pub(crate) fn leave(
        &mut self,
        call: &Call<'_>,
        id: &StrBytes,
        members: &[MemberIdentity],
    ) -> LeaveGroupResponse {
        if id.is_empty() {
            return LeaveGroupResponse::default().with_error_code(ErrorCode::INVALID_GROUP_ID.0);
        }
        let answered = match self.groups.get_mut(id) {
            None => Ok(members.iter().map(unknown_member).collect()),
            Some(Group::Classic(group)) => group.leave(&mut self.env, members),
            Some(Group::Consumer(group)) => {
                let (answers, gone) = group.classic_leave(members);
                self.fence(call.topics, id, &gone);
                Ok(answers)
            }
        };
        match answered {
            Ok(members) => LeaveGroupResponse::default().with_members(members),
            Err(error) => LeaveGroupResponse::default().with_error_code(error.0),
        }
    }

    /// Kafka: `consumerGroupHeartbeat`.
    pub(crate) fn consumer_heartbeat(
        &mut self,
        call: &Call<'_>,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        consumer::validate_request(request, call.version)?;
        let id = &request.group_id.0;
        if request.member_epoch < 0 {
            let group = match self.groups.get_mut(id) {
                Some(Group::Consumer(group)) => group,
                Some(Group::Classic(_)) => {
                    let message = format!("Group {id} is not a consumer group.");
                    return Err(Refused::new(ErrorCode::GROUP_ID_NOT_FOUND, message));
                }
                None => {
                    return Err(Refused::new(
                        ErrorCode::GROUP_ID_NOT_FOUND,
                        format!("Group {id} not found."),
                    ));
                }
            };
            let (answer, gone) = group.leave(request)?;
            if gone {
                self.fence(call.topics, id, std::slice::from_ref(&request.member_id));
            }
            return Ok(answer);
        }
        let create = request.member_epoch == 0;
        let existed = self.groups.contains_key(id);
        if let Err((code, message)) = self.consumer_group(call.topics, id, create) {
            return Err(Refused::new(code, message));
        }
        let Some(Group::Consumer(group)) = self.groups.get_mut(id) else {
            return Err(Refused::new(ErrorCode::UNKNOWN_SERVER_ERROR, String::new()));
        };
        let answer = group.heartbeat(&mut self.env, call, request);
        if answer.is_err() && !existed {
            // Nothing is written of a request that is refused.
            self.groups.remove(id);
        }
        self.schedule_clean_up();
        answer
    }

    /// Kafka: `OffsetMetadataManager.commitOffset`. `Err`: nothing at all was taken.
    pub(crate) fn commit(
        &mut self,
        commit: &Committing<'_>,
        topics: &[CommitTopic],
    ) -> Result<CommitAnswers, ErrorCode> {
        self.check_commit(commit, topics)?;
        if let Some(Group::Classic(group)) = self.groups.get_mut(commit.group)
            && matches!(
                group.state,
                super::classic::State::Stable | super::classic::State::PreparingRebalance
            )
        {
            // A commit is a sign of life.
            group.touch(&mut self.env, commit.member);
        }
        Ok(self.write_offsets(commit, None, topics))
    }

    /// Kafka: `commitTransactionalOffset`, once the transaction coordinator has vouched for the producer.
    pub(crate) fn commit_transactional(
        &mut self,
        commit: &Committing<'_>,
        producer: i64,
        topics: &[CommitTopic],
    ) -> Result<CommitAnswers, ErrorCode> {
        self.check_commit(commit, topics).map_err(|error| match error {
            ErrorCode::STALE_MEMBER_EPOCH => ErrorCode::ILLEGAL_GENERATION,
            error => error,
        })?;
        Ok(self.write_offsets(commit, Some(producer), topics))
    }

    /// The producer's transaction ended.
    pub(crate) fn end_transaction(&mut self, now: Now, producer: i64, committed: bool) {
        self.offsets.end_transaction(now, producer, committed);
    }

    /// One bad partition fails the whole request.
    fn check_commit(&mut self, commit: &Committing<'_>, topics: &[CommitTopic]) -> Result<(), ErrorCode> {
        if commit.transactional && commit.group.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        match self.groups.get(commit.group) {
            None if commit.generation < 0 => {
                // A group that only ever holds offsets.
                let group = ClassicGroup::new(commit.group.clone(), self.env.now);
                self.groups.insert(commit.group.clone(), Group::Classic(group));
                Ok(())
            }
            // The older answer, for clients that do not know the newer one.
            None if commit.transactional || commit.version < 9 => Err(ErrorCode::ILLEGAL_GENERATION),
            None => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            Some(Group::Classic(group)) => group.validate_commit(commit),
            Some(Group::Consumer(group)) => {
                let Some(member) = group.validate_commit(commit, self.env.config.assignment_epochs)? else {
                    return Ok(());
                };
                for topic in topics {
                    for partition in &topic.partitions {
                        let partition = PartitionRef { topic_id: topic.id, index: partition.index };
                        consumer::ConsumerGroup::validate_partition(member, commit.generation, partition)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn write_offsets(
        &mut self,
        commit: &Committing<'_>,
        producer: Option<i64>,
        topics: &[CommitTopic],
    ) -> CommitAnswers {
        let now = self.env.now;
        let answers = topics
            .iter()
            .map(|topic| {
                topic
                    .partitions
                    .iter()
                    .map(|partition| {
                        let written = self.offsets.commit(now, commit, producer, topic, partition);
                        written.err().unwrap_or(ErrorCode::NONE)
                    })
                    .collect()
            })
            .collect();
        self.schedule_clean_up();
        answers
    }

    /// Kafka: `fetchOffsets` and `fetchAllOffsets` (`topics`: `None`). A group that does not exist has no offsets.
    pub(crate) fn fetch_offsets(
        &self,
        id: &StrBytes,
        member: Option<&str>,
        epoch: i32,
        topics: Option<&[FetchTopic]>,
        require_stable: bool,
    ) -> Result<Vec<FetchedTopic>, ErrorCode> {
        if let Some(Group::Consumer(group)) = self.groups.get(id) {
            group.validate_fetch(member, epoch)?;
        }
        Ok(match topics {
            Some(topics) => self.offsets.fetch(id, topics, require_stable),
            None => self.offsets.fetch_all(id, require_stable),
        })
    }

    /// Kafka: `OffsetMetadataManager.deleteOffsets`: per topic, per partition.
    pub(crate) fn delete_offsets(
        &mut self,
        id: &StrBytes,
        topics: &[(StrBytes, Vec<i32>)],
    ) -> Result<CommitAnswers, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let group = self.groups.get(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if let Group::Classic(group) = group {
            group.validate_offset_delete()?;
        }
        let now = self.env.now;
        let mut answers = Vec::new();
        for (topic, partitions) in topics {
            let in_use = group.is_subscribed_to(topic.as_str());
            let error = if in_use { ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC } else { ErrorCode::NONE };
            if !in_use {
                for partition in partitions {
                    self.offsets.delete(now, id, topic, *partition);
                }
            }
            answers.push(vec![error; partitions.len()]);
        }
        Ok(answers)
    }

    /// Kafka: `GroupCoordinatorShard.deleteGroups`, for one group.
    pub(crate) fn delete_group(&mut self, id: &StrBytes) -> Result<(), ErrorCode> {
        match self.groups.get(id) {
            None => return Err(ErrorCode::GROUP_ID_NOT_FOUND),
            Some(Group::Classic(group)) => group.validate_delete()?,
            Some(Group::Consumer(group)) if !group.is_empty() => return Err(ErrorCode::NON_EMPTY_GROUP),
            Some(Group::Consumer(_)) => {}
        }
        self.offsets.delete_group(self.env.now, id);
        self.env.timers.cancel_where(|timer| timer.is_of(id.as_str()));
        self.groups.remove(id);
        Ok(())
    }
}

fn unknown_member(identity: &MemberIdentity) -> MemberResponse {
    MemberResponse::default()
        .with_member_id(identity.member_id.clone())
        .with_group_instance_id(identity.group_instance_id.clone())
        .with_error_code(ErrorCode::UNKNOWN_MEMBER_ID.0)
}
