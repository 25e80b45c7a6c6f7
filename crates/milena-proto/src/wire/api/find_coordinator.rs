//! FindCoordinator (10): which broker coordinates a group. From version 4 on several keys at once; one is what we ask.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;

use crate::types::BrokerId;
use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Asks which broker coordinates a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FindCoordinatorRequest {
    /// Group id, or transactional id.
    pub key: String,
    /// 0 group, 1 transaction.
    pub key_type: i8,
}

/// The coordinator.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FindCoordinatorResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// COORDINATOR_NOT_AVAILABLE and the like, or NONE.
    pub error: ErrorCode,
    /// What the broker says of the error.
    pub error_message: Option<String>,
    /// Who; `None` beside an error.
    pub coordinator: Option<Coordinator>,
}

/// A coordinator's address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coordinator {
    /// Its number.
    pub id: BrokerId,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: i32,
}

impl Request for FindCoordinatorRequest {
    const API: ApiKey = ApiKey::FIND_COORDINATOR;
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    type Response = FindCoordinatorResponse;

    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        draft.since(1, self.key_type != 0, "key_type")?;
        let mut message = kp::FindCoordinatorRequest::default().with_key_type(self.key_type);
        if version >= 4 {
            message.coordinator_keys.push(draft.text(&self.key));
        } else {
            message.key = draft.text(&self.key);
        }
        draft.write(&message, out)
    }
}

impl Response for FindCoordinatorResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<FindCoordinatorRequest>(version, body)?;
        let throttle_time_ms = if version >= 1 { cursor.i32("throttle_time_ms")? } else { 0 };
        let (error, error_message, coordinator) = if version >= 4 {
            let mut answers = cursor.array("coordinators", 14, keyed_answer)?;
            let have = answers.len();
            match (answers.pop(), have) {
                (Some(answer), 1) => answer,
                _ => return Err(DecodeError::WrongCount { what: "coordinators", want: 1, have }),
            }
        } else {
            let error = cursor.error_code()?;
            let error_message = if version >= 1 { cursor.nullable_string("error_message")? } else { None };
            (error, error_message, address(&mut cursor)?)
        };
        cursor.skip_tagged_fields()?;
        cursor.finish("FindCoordinator response")?;
        let coordinator = if error.is_ok() { Some(known(coordinator)?) } else { None };
        Ok(Self { throttle_time_ms, error, error_message, coordinator })
    }
}

fn keyed_answer(cursor: &mut Cursor) -> Result<(ErrorCode, Option<String>, Coordinator), DecodeError> {
    cursor.string("key")?;
    let coordinator = address(cursor)?;
    let error = cursor.error_code()?;
    let error_message = cursor.nullable_string("error_message")?;
    cursor.skip_tagged_fields()?;
    Ok((error, error_message, coordinator))
}

fn address(cursor: &mut Cursor) -> Result<Coordinator, DecodeError> {
    Ok(Coordinator {
        id: BrokerId(cursor.i32("node_id")?),
        host: cursor.string("host")?,
        port: cursor.i32("port")?,
    })
}

/// Beside an error the broker says -1; beside none that would be a coordinator nobody can reach.
fn known(coordinator: Coordinator) -> Result<Coordinator, DecodeError> {
    match coordinator.id.0 {
        0.. => Ok(coordinator),
        value => Err(DecodeError::Negative { what: "node_id", value }),
    }
}
