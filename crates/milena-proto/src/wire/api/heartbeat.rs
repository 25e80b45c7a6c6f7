//! Heartbeat (12): a classic member is alive, and hears of rebalances.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;

use crate::types::Generation;
use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Says that a member is alive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeartbeatRequest {
    /// The group.
    pub group_id: String,
    /// The generation.
    pub generation: Generation,
    /// The member.
    pub member_id: String,
    /// `group.instance.id` of a static member (version 3 on).
    pub group_instance_id: Option<String>,
}

/// What the coordinator says to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeartbeatResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// REBALANCE_IN_PROGRESS and the like, or NONE.
    pub error: ErrorCode,
}

impl Request for HeartbeatRequest {
    const API: ApiKey = ApiKey::HEARTBEAT;
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    type Response = HeartbeatResponse;

    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        draft.since(3, self.group_instance_id.is_some(), "group_instance_id")?;
        let message = kp::HeartbeatRequest::default()
            .with_group_id(draft.text(&self.group_id).into())
            .with_generation_id(self.generation.0)
            .with_member_id(draft.text(&self.member_id))
            .with_group_instance_id(draft.nullable_text(self.group_instance_id.as_deref()));
        draft.write(&message, out)
    }
}

impl Response for HeartbeatResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<HeartbeatRequest>(version, body)?;
        let throttle_time_ms = if version >= 1 { cursor.i32("throttle_time_ms")? } else { 0 };
        let error = cursor.error_code()?;
        cursor.skip_tagged_fields()?;
        cursor.finish("Heartbeat response")?;
        Ok(Self { throttle_time_ms, error })
    }
}
