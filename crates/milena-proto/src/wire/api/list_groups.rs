//! ListGroups (16): the groups that one broker coordinates.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;

use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Asks a broker for its groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListGroupsRequest {
    /// Only groups in these states (version 4 on); empty for all.
    pub states: Vec<String>,
    /// Only groups of these types (version 5 on); empty for all.
    pub types: Vec<String>,
}

/// A broker's groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListGroupsResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// The groups.
    pub groups: Vec<ListedGroup>,
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedGroup {
    /// Its id.
    pub group_id: String,
    /// `consumer`, or empty for a group that only stores offsets.
    pub protocol_type: String,
    /// Its state (version 4 on).
    pub state: Option<String>,
    /// `classic`, `consumer`, `share`, ... (version 5 on).
    pub group_type: Option<String>,
}

impl Request for ListGroupsRequest {
    const API: ApiKey = ApiKey::LIST_GROUPS;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Response = ListGroupsResponse;

    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        draft.since(4, !self.states.is_empty(), "states_filter")?;
        draft.since(5, !self.types.is_empty(), "types_filter")?;
        let message = kp::ListGroupsRequest::default()
            .with_states_filter(self.states.iter().map(|state| draft.text(state)).collect())
            .with_types_filter(self.types.iter().map(|group_type| draft.text(group_type)).collect());
        draft.write(&message, out)
    }
}

impl Response for ListGroupsResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<ListGroupsRequest>(version, body)?;
        let throttle_time_ms = if version >= 1 { cursor.i32("throttle_time_ms")? } else { 0 };
        let error = cursor.error_code()?;
        let groups = cursor.array("groups", 3, |cursor| group(version, cursor))?;
        cursor.skip_tagged_fields()?;
        cursor.finish("ListGroups response")?;
        Ok(Self { throttle_time_ms, error, groups })
    }
}

fn group(version: i16, cursor: &mut Cursor) -> Result<ListedGroup, DecodeError> {
    let group_id = cursor.string("group_id")?;
    let protocol_type = cursor.string("protocol_type")?;
    let state = if version >= 4 { Some(cursor.string("group_state")?) } else { None };
    let group_type = if version >= 5 { Some(cursor.string("group_type")?) } else { None };
    cursor.skip_tagged_fields()?;
    Ok(ListedGroup { group_id, protocol_type, state, group_type })
}
