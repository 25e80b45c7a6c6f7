//! DeleteTopics (20). By name, in every version.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;

use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Deletes topics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteTopicsRequest {
    /// Which.
    pub names: Vec<String>,
    /// How long the controller may take, in milliseconds.
    pub timeout_ms: i32,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeleteTopicsResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<DeletedTopic>,
}

/// What became of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletedTopic {
    /// Its name; `None` where asked by an unknown id.
    pub name: Option<String>,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// What the broker says of the error (version 5 on).
    pub error_message: Option<String>,
}

impl Request for DeleteTopicsRequest {
    const API: ApiKey = ApiKey::DELETE_TOPICS;
    const VERSIONS: RangeInclusive<i16> = 1..=6;
    type Response = DeleteTopicsResponse;

    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        let mut message = kp::DeleteTopicsRequest::default().with_timeout_ms(self.timeout_ms);
        if version >= 6 {
            let by_name = |name: &String| {
                kp::delete_topics_request::DeleteTopicState::default()
                    .with_name(Some(draft.text(name).into()))
            };
            message.topics = self.names.iter().map(by_name).collect();
        } else {
            message.topic_names = self.names.iter().map(|name| draft.text(name).into()).collect();
        }
        draft.write(&message, out)
    }
}

impl Response for DeleteTopicsResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<DeleteTopicsRequest>(version, body)?;
        let throttle_time_ms = cursor.i32("throttle_time_ms")?;
        let topics = cursor.array("responses", 4, |cursor| topic(version, cursor))?;
        cursor.skip_tagged_fields()?;
        cursor.finish("DeleteTopics response")?;
        Ok(Self { throttle_time_ms, topics })
    }
}

fn topic(version: i16, cursor: &mut Cursor) -> Result<DeletedTopic, DecodeError> {
    let name = if version >= 6 {
        let name = cursor.nullable_string("name")?;
        cursor.topic_id()?;
        name
    } else {
        Some(cursor.string("name")?)
    };
    let error = cursor.error_code()?;
    let error_message = if version >= 5 { cursor.nullable_string("error_message")? } else { None };
    cursor.skip_tagged_fields()?;
    Ok(DeletedTopic { name, error, error_message })
}
