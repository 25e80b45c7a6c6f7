//! SyncGroup (14): the leader hands out the assignment, everybody gets theirs.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;

use crate::types::Generation;
use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Asks for this member's assignment; the leader's carries everybody's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncGroupRequest {
    /// The group.
    pub group_id: String,
    /// The generation joined.
    pub generation: Generation,
    /// This member.
    pub member_id: String,
    /// `group.instance.id` of a static member (version 3 on).
    pub group_instance_id: Option<String>,
    /// `consumer` (version 5 on).
    pub protocol_type: Option<String>,
    /// The assignor chosen (version 5 on).
    pub protocol_name: Option<String>,
    /// (member id, assignment); empty for all but the leader.
    pub assignments: Vec<(String, Bytes)>,
}

/// This member's assignment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SyncGroupResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// REBALANCE_IN_PROGRESS and the like, or NONE.
    pub error: ErrorCode,
    /// Protocol type (version 5 on).
    pub protocol_type: Option<String>,
    /// The assignor chosen (version 5 on).
    pub protocol_name: Option<String>,
    /// What the leader gave this member.
    pub assignment: Bytes,
}

impl Request for SyncGroupRequest {
    const API: ApiKey = ApiKey::SYNC_GROUP;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Response = SyncGroupResponse;

    /// Below version 5 protocol type and name are left out: they only let the broker check what it knows anyway (KIP-559).
    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        draft.since(3, self.group_instance_id.is_some(), "group_instance_id")?;
        let assignment = |(member, bytes): &(String, Bytes)| {
            kp::sync_group_request::SyncGroupRequestAssignment::default()
                .with_member_id(draft.text(member))
                .with_assignment(bytes.clone())
        };
        let mut message = kp::SyncGroupRequest::default()
            .with_group_id(draft.text(&self.group_id).into())
            .with_generation_id(self.generation.0)
            .with_member_id(draft.text(&self.member_id))
            .with_group_instance_id(draft.nullable_text(self.group_instance_id.as_deref()))
            .with_assignments(self.assignments.iter().map(assignment).collect());
        if version >= 5 {
            message.protocol_type = draft.nullable_text(self.protocol_type.as_deref());
            message.protocol_name = draft.nullable_text(self.protocol_name.as_deref());
        }
        draft.write(&message, out)
    }
}

impl Response for SyncGroupResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<SyncGroupRequest>(version, body)?;
        let throttle_time_ms = if version >= 1 { cursor.i32("throttle_time_ms")? } else { 0 };
        let error = cursor.error_code()?;
        let (mut protocol_type, mut protocol_name) = (None, None);
        if version >= 5 {
            protocol_type = cursor.nullable_string("protocol_type")?;
            protocol_name = cursor.nullable_string("protocol_name")?;
        }
        let assignment = cursor.bytes("assignment")?;
        cursor.skip_tagged_fields()?;
        cursor.finish("SyncGroup response")?;
        Ok(Self { throttle_time_ms, error, protocol_type, protocol_name, assignment })
    }
}
