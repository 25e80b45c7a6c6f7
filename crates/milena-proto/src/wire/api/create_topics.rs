//! CreateTopics (19).

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;
use kafka_protocol::messages::create_topics_request as request;

use crate::types::{BrokerId, TopicId};
use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Creates topics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateTopicsRequest {
    /// Which.
    pub topics: Vec<NewTopic>,
    /// How long the controller may take, in milliseconds.
    pub timeout_ms: i32,
    /// Only check.
    pub validate_only: bool,
}

/// A topic to create.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; -1 for the broker's default (version 4 on) or where `assignments` are given.
    pub num_partitions: i32,
    /// How many copies; -1 as above.
    pub replication_factor: i16,
    /// (partition, brokers), for a placement by hand.
    pub assignments: Vec<(i32, Vec<BrokerId>)>,
    /// (name, value).
    pub configs: Vec<(String, Option<String>)>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CreateTopicsResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<CreatedTopic>,
}

/// What became of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedTopic {
    /// Its name.
    pub name: String,
    /// Its id (version 7 on).
    pub id: TopicId,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// What the broker says of the error.
    pub error_message: Option<String>,
}

impl Request for CreateTopicsRequest {
    const API: ApiKey = ApiKey::CREATE_TOPICS;
    const VERSIONS: RangeInclusive<i16> = 2..=7;
    type Response = CreateTopicsResponse;

    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        for topic in &self.topics {
            // KIP-464: an older broker takes -1 for a number of partitions, and refuses it.
            let by_hand = !topic.assignments.is_empty();
            draft.since(4, topic.num_partitions == -1 && !by_hand, "num_partitions")?;
            draft.since(4, topic.replication_factor == -1 && !by_hand, "replication_factor")?;
        }
        let message = kp::CreateTopicsRequest::default()
            .with_topics(self.topics.iter().map(|topic| new_topic(&draft, topic)).collect())
            .with_timeout_ms(self.timeout_ms)
            .with_validate_only(self.validate_only);
        draft.write(&message, out)
    }
}

fn new_topic(draft: &Draft<CreateTopicsRequest>, topic: &NewTopic) -> request::CreatableTopic {
    let assignment = |(partition, brokers): &(i32, Vec<BrokerId>)| {
        request::CreatableReplicaAssignment::default()
            .with_partition_index(*partition)
            .with_broker_ids(brokers.iter().map(|broker| broker.0.into()).collect())
    };
    let config = |(name, value): &(String, Option<String>)| {
        request::CreatableTopicConfig::default()
            .with_name(draft.text(name))
            .with_value(draft.nullable_text(value.as_deref()))
    };
    request::CreatableTopic::default()
        .with_name(draft.text(&topic.name).into())
        .with_num_partitions(topic.num_partitions)
        .with_replication_factor(topic.replication_factor)
        .with_assignments(topic.assignments.iter().map(assignment).collect())
        .with_configs(topic.configs.iter().map(config).collect())
}

impl Response for CreateTopicsResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<CreateTopicsRequest>(version, body)?;
        let throttle_time_ms = cursor.i32("throttle_time_ms")?;
        let topics = cursor.array("topics", 6, |cursor| created_topic(version, cursor))?;
        cursor.skip_tagged_fields()?;
        cursor.finish("CreateTopics response")?;
        Ok(Self { throttle_time_ms, topics })
    }
}

fn created_topic(version: i16, cursor: &mut Cursor) -> Result<CreatedTopic, DecodeError> {
    let name = cursor.string("name")?;
    let id = if version >= 7 { cursor.topic_id()? } else { TopicId::ZERO };
    let error = cursor.error_code()?;
    let error_message = cursor.nullable_string("error_message")?;
    if version >= 5 {
        // KIP-525 echoes what the topic looks like. Nobody here asks.
        cursor.i32("num_partitions")?;
        cursor.i16("replication_factor")?;
        cursor.nullable_array("configs", 6, skip_config)?;
    }
    cursor.skip_tagged_fields()?;
    Ok(CreatedTopic { name, id, error, error_message })
}

fn skip_config(cursor: &mut Cursor) -> Result<(), DecodeError> {
    cursor.string("name")?;
    cursor.nullable_string("value")?;
    cursor.bool("read_only")?;
    cursor.i8("config_source")?;
    cursor.bool("is_sensitive")?;
    cursor.skip_tagged_fields()
}
