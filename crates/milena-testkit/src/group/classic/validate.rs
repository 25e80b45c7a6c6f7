//! Who may speak for a group: members, generations, instance ids.

use kafka_protocol::messages::{HeartbeatRequest, SyncGroupRequest};
use kafka_protocol::protocol::StrBytes;

use super::super::call::Env;
use super::super::offsets::Committing;
use super::{ClassicGroup, State};
use crate::error_code::ErrorCode;

impl ClassicGroup {
    /// Kafka: `ClassicGroup.validateMember`. An instance id that maps to another member is fenced; an unknown one makes the
    /// member unknown.
    pub(super) fn validate_member(&self, member: &str, instance: Option<&StrBytes>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.static_members.get(instance) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(existing) if existing.as_str() != member => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if self.member(member).is_none() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        Ok(())
    }

    /// Kafka: `classicGroupHeartbeatToClassicGroup`.
    pub(crate) fn heartbeat(&mut self, env: &mut Env, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        self.validate_member(request.member_id.as_str(), request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        match self.state {
            State::Empty | State::Dead => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance => {
                self.touch(env, request.member_id.as_str());
                Err(ErrorCode::REBALANCE_IN_PROGRESS)
            }
            State::CompletingRebalance | State::Stable => {
                self.touch(env, request.member_id.as_str());
                Ok(())
            }
        }
    }

    /// Kafka: `ClassicGroup.validateOffsetCommit`. No word about which partitions: a member of the current generation may
    /// commit any.
    pub(crate) fn validate_commit(&self, commit: &Committing<'_>) -> Result<(), ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        if commit.generation < 0 && self.state == State::Empty {
            // A consumer that assigns itself, or an administrator.
            return Ok(());
        }
        // TxnOffsetCommit below v3 knows no members: nothing is checked where nothing is said.
        if commit.generation >= 0 || !commit.member.is_empty() || commit.instance.is_some() {
            self.validate_member(commit.member, commit.instance)?;
            if commit.generation != self.generation {
                return Err(ErrorCode::ILLEGAL_GENERATION);
            }
        } else if !commit.transactional && self.state != State::Empty {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if !commit.transactional && self.state == State::CompletingRebalance {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }

    /// Kafka: `ClassicGroup.validateDeleteGroup`.
    pub(crate) fn validate_delete(&self) -> Result<(), ErrorCode> {
        match self.state {
            State::Empty => Ok(()),
            State::Dead => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            _ => Err(ErrorCode::NON_EMPTY_GROUP),
        }
    }

    /// Kafka: `ClassicGroup.validateOffsetDelete`. A living group's offsets can be deleted only where it can be told which
    /// topics are in use.
    pub(crate) fn validate_offset_delete(&self) -> Result<(), ErrorCode> {
        match self.state {
            State::Empty => Ok(()),
            State::Dead => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            _ if self.uses_consumer_protocol() => Ok(()),
            _ => Err(ErrorCode::NON_EMPTY_GROUP),
        }
    }

    pub(super) fn validate_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        self.validate_member(request.member_id.as_str(), request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let differs = |theirs: &Option<StrBytes>, ours: &Option<StrBytes>| matches!((theirs, ours), (Some(theirs), Some(ours)) if theirs != ours);
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol_name)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }
}
