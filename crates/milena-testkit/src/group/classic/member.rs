//! A member of a classic group.

use bytes::Bytes;
use kafka_protocol::messages::JoinGroupResponse;
use kafka_protocol::protocol::StrBytes;

use super::super::call::{Answer, Env};
use super::super::{Now, ReplyTo};

/// Kafka: `ClassicGroupMember`.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: StrBytes,
    pub(crate) instance: Option<StrBytes>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout: Now,
    pub(crate) session_timeout: Now,
    pub(crate) protocol_type: StrBytes,
    pub(crate) protocols: Vec<(StrBytes, Bytes)>,
    pub(crate) assignment: Bytes,
    /// The JoinGroup that waits for the others.
    pub(crate) join: Option<ReplyTo>,
    /// The version that it came in.
    pub(crate) join_version: i16,
    /// The SyncGroup that waits for the leader.
    pub(crate) sync: Option<ReplyTo>,
    /// Not yet through its first join.
    pub(crate) is_new: bool,
}

impl Member {
    pub(crate) fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        self.protocols.iter().find(|(name, _)| name.as_str() == protocol).map(|(_, metadata)| metadata)
    }

    /// Answers the waiting JoinGroup, if there is one. False if there is none.
    pub(crate) fn answer_join(&mut self, env: &mut Env, answer: JoinGroupResponse) -> bool {
        let Some(waiter) = self.join.take() else { return false };
        env.outbox.push((waiter, Answer::Join(answer, self.join_version)));
        true
    }

    /// A member that waits for others is alive by that, but a new one may not wait for ever.
    pub(crate) fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.join.is_some() || self.sync.is_some())
    }
}
