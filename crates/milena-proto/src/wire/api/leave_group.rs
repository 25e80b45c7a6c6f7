//! LeaveGroup (13): a member goes.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;

use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Says that one member leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaveGroupRequest {
    /// The group.
    pub group_id: String,
    /// The member.
    pub member_id: String,
    /// `group.instance.id` of a static member (version 3 on).
    pub group_instance_id: Option<String>,
    /// Why (version 5 on, KIP-800).
    pub reason: Option<String>,
}

/// What the coordinator says to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeaveGroupResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// The group's error, or else the member's (version 3 on), or NONE.
    pub error: ErrorCode,
}

impl Request for LeaveGroupRequest {
    const API: ApiKey = ApiKey::LEAVE_GROUP;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Response = LeaveGroupResponse;

    /// Below version 5 the reason is left out: it is for the broker's log only.
    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        draft.since(3, self.group_instance_id.is_some(), "group_instance_id")?;
        let mut message = kp::LeaveGroupRequest::default().with_group_id(draft.text(&self.group_id).into());
        if version >= 3 {
            let mut member = kp::leave_group_request::MemberIdentity::default()
                .with_member_id(draft.text(&self.member_id))
                .with_group_instance_id(draft.nullable_text(self.group_instance_id.as_deref()));
            if version >= 5 {
                member.reason = draft.nullable_text(self.reason.as_deref());
            }
            message.members.push(member);
        } else {
            message.member_id = draft.text(&self.member_id);
        }
        draft.write(&message, out)
    }
}

impl Response for LeaveGroupResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<LeaveGroupRequest>(version, body)?;
        let throttle_time_ms = if version >= 1 { cursor.i32("throttle_time_ms")? } else { 0 };
        let mut error = cursor.error_code()?;
        if version >= 3 {
            let members = cursor.array("members", 5, member_error)?;
            if error.is_ok() {
                error = members.into_iter().find(|error| !error.is_ok()).unwrap_or(ErrorCode::NONE);
            }
        }
        cursor.skip_tagged_fields()?;
        cursor.finish("LeaveGroup response")?;
        Ok(Self { throttle_time_ms, error })
    }
}

fn member_error(cursor: &mut Cursor) -> Result<ErrorCode, DecodeError> {
    cursor.string("member_id")?;
    cursor.nullable_string("group_instance_id")?;
    let error = cursor.error_code()?;
    cursor.skip_tagged_fields()?;
    Ok(error)
}
