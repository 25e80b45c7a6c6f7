//! Leaving a consumer group: for good, for a while, or because a timer says so.

use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;

use super::super::call::{Env, Topics};
use super::heartbeat::unknown_instance;
use super::validate::Refused;
use super::{ConsumerGroup, LEAVE_STATIC};

impl ConsumerGroup {
    /// Kafka: `consumerGroupLeave`. The flag tells whether the member is out.
    pub(crate) fn leave(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<(ConsumerGroupHeartbeatResponse, bool), Refused> {
        let id = &request.member_id;
        if let Some(instance) = &request.instance_id {
            let existing = self.static_members.get(instance).and_then(|id| self.members.get(id));
            let existing = existing.ok_or_else(|| unknown_instance(instance))?;
            self.check_not_fenced(existing, id, instance)?;
        }
        let Some(member) = self.members.get_mut(id) else { return Err(self.unknown(id)) };
        let gone = request.instance_id.is_none() || request.member_epoch != LEAVE_STATIC;
        if !gone {
            // It keeps what it has until its session ends. Its timers run on.
            member.epoch = LEAVE_STATIC;
            member.revoking.clear();
        }
        let answer = ConsumerGroupHeartbeatResponse::default()
            .with_member_id(Some(id.clone()))
            .with_member_epoch(request.member_epoch);
        Ok((answer, gone))
    }

    /// Takes a member out. The next heartbeat of anybody brings another assignment.
    ///
    /// Kafka: `consumerGroupFenceMember`, where the group stays a consumer group.
    pub(crate) fn fence(
        &mut self,
        env: &mut Env,
        topics: &dyn Topics,
        topics_version: u64,
        ids: &[StrBytes],
    ) {
        for id in ids {
            self.cancel_timers(env, id);
            self.remove(id);
        }
        self.refresh_metadata(topics, topics_version);
        self.epoch = self.epoch.saturating_add(1);
    }
}
