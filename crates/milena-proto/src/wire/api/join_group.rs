//! JoinGroup (11): enter a classic group (static members KIP-345, two-step join KIP-394, reasons KIP-800, KIP-814).

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;

use crate::types::Generation;
use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Enters a classic group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinGroupRequest {
    /// The group.
    pub group_id: String,
    /// Time without a heartbeat after which the member is removed, in milliseconds.
    pub session_timeout_ms: i32,
    /// Time a member has to rejoin, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// The member, empty for a new one.
    pub member_id: String,
    /// `group.instance.id` of a static member (version 5 on).
    pub group_instance_id: Option<String>,
    /// `consumer` for us.
    pub protocol_type: String,
    /// (assignor's name, subscription in that assignor's form), most wanted first.
    pub protocols: Vec<(String, Bytes)>,
    /// Why the member joins again (version 8 on).
    pub reason: Option<String>,
}

/// What a group answers to one who joins.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JoinGroupResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// MEMBER_ID_REQUIRED and the like, or NONE.
    pub error: ErrorCode,
    /// The generation; -1 beside an error.
    pub generation: i32,
    /// Protocol type (version 7 on).
    pub protocol_type: Option<String>,
    /// The assignor chosen; null or empty beside an error.
    pub protocol_name: Option<String>,
    /// The leader's member id.
    pub leader: String,
    /// The leader must not assign anew (KIP-814, version 9 on).
    pub skip_assignment: bool,
    /// This member's id.
    pub member_id: String,
    /// All members with their subscriptions: only the leader gets them.
    pub members: Vec<JoinGroupMember>,
}

/// A member as the leader sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinGroupMember {
    /// Its id.
    pub member_id: String,
    /// Its `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// Its subscription in the chosen assignor's form.
    pub metadata: Bytes,
}

impl JoinGroupResponse {
    /// The generation, where there is one.
    pub fn generation(&self) -> Option<Generation> {
        (self.generation >= 0).then_some(Generation(self.generation))
    }
}

impl Request for JoinGroupRequest {
    const API: ApiKey = ApiKey::JOIN_GROUP;
    const VERSIONS: RangeInclusive<i16> = 2..=9;
    type Response = JoinGroupResponse;

    /// Below version 8 the reason is left out: it is for the broker's log only.
    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        draft.since(5, self.group_instance_id.is_some(), "group_instance_id")?;
        let protocol = |(name, metadata): &(String, Bytes)| {
            kp::join_group_request::JoinGroupRequestProtocol::default()
                .with_name(draft.text(name))
                .with_metadata(metadata.clone())
        };
        let mut message = kp::JoinGroupRequest::default()
            .with_group_id(draft.text(&self.group_id).into())
            .with_session_timeout_ms(self.session_timeout_ms)
            .with_rebalance_timeout_ms(self.rebalance_timeout_ms)
            .with_member_id(draft.text(&self.member_id))
            .with_group_instance_id(draft.nullable_text(self.group_instance_id.as_deref()))
            .with_protocol_type(draft.text(&self.protocol_type))
            .with_protocols(self.protocols.iter().map(protocol).collect());
        if version >= 8 {
            message.reason = draft.nullable_text(self.reason.as_deref());
        }
        draft.write(&message, out)
    }
}

impl Response for JoinGroupResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<JoinGroupRequest>(version, body)?;
        let throttle_time_ms = cursor.i32("throttle_time_ms")?;
        let error = cursor.error_code()?;
        let generation = cursor.i32("generation_id")?;
        let (protocol_type, protocol_name) = if version >= 7 {
            (cursor.nullable_string("protocol_type")?, cursor.nullable_string("protocol_name")?)
        } else {
            (None, Some(cursor.string("protocol_name")?))
        };
        let leader = cursor.string("leader")?;
        let skip_assignment = version >= 9 && cursor.bool("skip_assignment")?;
        let member_id = cursor.string("member_id")?;
        let members = cursor.array("members", 4, |cursor| member(version, cursor))?;
        cursor.skip_tagged_fields()?;
        cursor.finish("JoinGroup response")?;
        Ok(Self {
            throttle_time_ms,
            error,
            generation,
            protocol_type,
            protocol_name,
            leader,
            skip_assignment,
            member_id,
            members,
        })
    }
}

fn member(version: i16, cursor: &mut Cursor) -> Result<JoinGroupMember, DecodeError> {
    let member_id = cursor.string("member_id")?;
    let group_instance_id = if version >= 5 { cursor.nullable_string("group_instance_id")? } else { None };
    let metadata = cursor.bytes("metadata")?;
    cursor.skip_tagged_fields()?;
    Ok(JoinGroupMember { member_id, group_instance_id, metadata })
}
