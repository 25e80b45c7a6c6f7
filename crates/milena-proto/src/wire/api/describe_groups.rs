//! DescribeGroups (15): members and assignments of classic groups.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;

use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Asks a coordinator for groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribeGroupsRequest {
    /// Which.
    pub groups: Vec<String>,
}

/// Groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DescribeGroupsResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// One each.
    pub groups: Vec<DescribedGroup>,
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedGroup {
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// What the broker says of the error (version 6 on).
    pub error_message: Option<String>,
    /// Its id.
    pub group_id: String,
    /// Its state, as `Stable`; `Dead` where there is no such group.
    pub state: String,
    /// `consumer`.
    pub protocol_type: String,
    /// The assignor.
    pub protocol: String,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: String,
    /// Its `group.instance.id` (version 4 on).
    pub group_instance_id: Option<String>,
    /// Its client id.
    pub client_id: String,
    /// Its address.
    pub client_host: String,
    /// Its subscription.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

impl Request for DescribeGroupsRequest {
    const API: ApiKey = ApiKey::DESCRIBE_GROUPS;
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    type Response = DescribeGroupsResponse;

    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        let message = kp::DescribeGroupsRequest::default()
            .with_groups(self.groups.iter().map(|group| draft.text(group).into()).collect());
        draft.write(&message, out)
    }
}

impl Response for DescribeGroupsResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<DescribeGroupsRequest>(version, body)?;
        let throttle_time_ms = if version >= 1 { cursor.i32("throttle_time_ms")? } else { 0 };
        let groups = cursor.array("groups", 12, |cursor| group(version, cursor))?;
        cursor.skip_tagged_fields()?;
        cursor.finish("DescribeGroups response")?;
        Ok(Self { throttle_time_ms, groups })
    }
}

fn group(version: i16, cursor: &mut Cursor) -> Result<DescribedGroup, DecodeError> {
    let error = cursor.error_code()?;
    let error_message = if version >= 6 { cursor.nullable_string("error_message")? } else { None };
    let group_id = cursor.string("group_id")?;
    let state = cursor.string("group_state")?;
    let protocol_type = cursor.string("protocol_type")?;
    let protocol = cursor.string("protocol_data")?;
    let members = cursor.array("members", 7, |cursor| member(version, cursor))?;
    if version >= 3 {
        // Only asked for by an admin tool that we do not have; INT32_MIN otherwise.
        cursor.i32("authorized_operations")?;
    }
    cursor.skip_tagged_fields()?;
    Ok(DescribedGroup { error, error_message, group_id, state, protocol_type, protocol, members })
}

fn member(version: i16, cursor: &mut Cursor) -> Result<DescribedMember, DecodeError> {
    let member_id = cursor.string("member_id")?;
    let group_instance_id = if version >= 4 { cursor.nullable_string("group_instance_id")? } else { None };
    let client_id = cursor.string("client_id")?;
    let client_host = cursor.string("client_host")?;
    let metadata = cursor.bytes("member_metadata")?;
    let assignment = cursor.bytes("member_assignment")?;
    cursor.skip_tagged_fields()?;
    Ok(DescribedMember { member_id, group_instance_id, client_id, client_host, metadata, assignment })
}
