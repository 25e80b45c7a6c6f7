//! SyncGroup: the leader brings the assignment, the others fetch theirs.

use std::collections::BTreeMap;

use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;

use super::super::call::{Call, Env, Timer};
use super::{ClassicGroup, State, sync_error};
use crate::error_code::ErrorCode;

impl ClassicGroup {
    /// Kafka: `classicGroupSyncToClassicGroup`. `None`: the answer comes later, or lies in the outbox already.
    pub(crate) fn sync(
        &mut self,
        env: &mut Env,
        call: &Call<'_>,
        request: &SyncGroupRequest,
    ) -> Option<SyncGroupResponse> {
        if let Err(error) = self.validate_sync(request) {
            return Some(sync_error(error));
        }
        let id = request.member_id.as_str();
        match self.state {
            State::PreparingRebalance => Some(sync_error(ErrorCode::REBALANCE_IN_PROGRESS)),
            State::CompletingRebalance => {
                if let Some(member) = self.member_mut(id) {
                    member.sync = Some(call.reply_to);
                }
                self.synced(env, &request.member_id);
                if self.is_leader(id) {
                    self.assign(env, request);
                }
                None
            }
            State::Stable => {
                self.synced(env, &request.member_id);
                let assignment = self.member(id).map(|member| member.assignment.clone()).unwrap_or_default();
                Some(
                    SyncGroupResponse::default()
                        .with_protocol_type(self.protocol_type.clone())
                        .with_protocol_name(self.protocol_name.clone())
                        .with_assignment(assignment),
                )
            }
            State::Empty | State::Dead => Some(sync_error(ErrorCode::UNKNOWN_MEMBER_ID)),
        }
    }

    /// The leader's word: whoever it forgot gets nothing.
    fn assign(&mut self, env: &mut Env, request: &SyncGroupRequest) {
        let mut by_member: BTreeMap<&StrBytes, _> = BTreeMap::new();
        for assignment in &request.assignments {
            by_member.insert(&assignment.member_id, &assignment.assignment);
        }
        for member in &mut self.members {
            member.assignment = by_member.get(&member.id).map(|bytes| (*bytes).clone()).unwrap_or_default();
        }
        self.write_record();
        self.propagate(env, Ok(()));
        self.transition(env.now, State::Stable);
    }

    /// Kafka: `removePendingSyncMember`.
    fn synced(&mut self, env: &mut Env, id: &StrBytes) {
        self.pending_sync.remove(id);
        if self.pending_sync.is_empty() {
            env.timers.cancel(&Timer::Sync(self.id.clone()));
        }
    }
}
