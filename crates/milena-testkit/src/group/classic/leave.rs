//! LeaveGroup, of one member or of several (KIP-345).

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::protocol::StrBytes;

use super::super::call::{Env, Timer};
use super::{ClassicGroup, State, join_error};
use crate::error_code::ErrorCode;

impl ClassicGroup {
    /// Kafka: `classicGroupLeaveToClassicGroup`. Each member has its own answer; one rebalance for all.
    pub(crate) fn leave(
        &mut self,
        env: &mut Env,
        members: &[MemberIdentity],
    ) -> Result<Vec<MemberResponse>, ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        let answers: Vec<MemberResponse> = members
            .iter()
            .map(|member| {
                let error = self.leave_one(env, member).err();
                MemberResponse::default()
                    .with_member_id(member.member_id.clone())
                    .with_group_instance_id(member.group_instance_id.clone())
                    .with_error_code(error.map_or(0, |error| error.0))
            })
            .collect();
        if answers.iter().any(|answer| answer.error_code == 0) {
            match self.state {
                State::Stable | State::CompletingRebalance => self.rebalance_or_complete(env),
                State::PreparingRebalance => self.complete_if_all_joined(env),
                State::Empty | State::Dead => {}
            }
        }
        Ok(answers)
    }

    fn leave_one(&mut self, env: &mut Env, member: &MemberIdentity) -> Result<(), ErrorCode> {
        let id = if member.member_id.is_empty() {
            // An administrator removes a static member by its instance id alone.
            let instance = member.group_instance_id.as_ref().ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
            self.static_members.get(instance).cloned().ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?
        } else {
            member.member_id.clone()
        };
        if !self.pending.contains(&id) && !member.member_id.is_empty() {
            self.validate_member(id.as_str(), member.group_instance_id.as_ref())?;
        }
        self.dismiss(env, &id);
        Ok(())
    }

    /// Removes a member; its waiting JoinGroup is told.
    fn dismiss(&mut self, env: &mut Env, id: &StrBytes) {
        env.timers.cancel(&Timer::Member(self.id.clone(), id.clone()));
        if let Some(member) = self.member_mut(id.as_str()) {
            member.answer_join(env, join_error(StrBytes::new(), ErrorCode::UNKNOWN_MEMBER_ID));
        }
        self.remove(id.as_str());
    }
}
