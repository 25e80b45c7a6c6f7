//! ConsumerGroupHeartbeat (68): joining, staying in and leaving a group of the consumer protocol (KIP-848).

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;
use kafka_protocol::messages::consumer_group_heartbeat_request as request;
use uuid::Uuid;

use crate::types::{Generation, TopicId, TopicName};
use crate::wire::cursor::refuse_duplicates;
use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Says that a member is alive, and what changed since it last said so: `None` stands for "as before".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerGroupHeartbeatRequest {
    /// The group.
    pub group_id: String,
    /// The member. Members make their ids themselves (KIP-1082); before version 1 an empty one asks for an id.
    pub member_id: String,
    /// The member epoch; 0 joins, -1 leaves, -2 leaves for a while (static members).
    pub member_epoch: Generation,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
    /// `client.rack`.
    pub rack: Option<String>,
    /// Milliseconds that the coordinator waits for partitions to be given up; -1: as before.
    pub rebalance_timeout_ms: i32,
    /// What is subscribed to by name.
    pub topics: Option<Vec<TopicName>>,
    /// What is subscribed to by pattern, in RE2's syntax (version 1 on); empty: nothing.
    pub pattern: Option<String>,
    /// The assignor that the member would like the coordinator to use.
    pub assignor: Option<String>,
    /// What the member has: this is how it acknowledges an assignment.
    pub owned: Option<Vec<(TopicId, Vec<i32>)>>,
}

/// What the coordinator says to it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConsumerGroupHeartbeatResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// The error, or NONE.
    pub error: ErrorCode,
    /// What the broker says of the error.
    pub error_message: Option<String>,
    /// The member's id.
    pub member_id: Option<String>,
    /// Its epoch.
    pub member_epoch: i32,
    /// Milliseconds until the next heartbeat.
    pub heartbeat_interval_ms: i32,
    /// All that the member is to have, each topic once; `None`: as before.
    pub assignment: Option<Vec<(TopicId, Vec<i32>)>>,
}

impl Request for ConsumerGroupHeartbeatRequest {
    const API: ApiKey = ApiKey::CONSUMER_GROUP_HEARTBEAT;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Response = ConsumerGroupHeartbeatResponse;

    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        draft.since(1, self.pattern.is_some(), "subscribed_topic_regex")?;
        let names = |topics: &Vec<TopicName>| topics.iter().map(|topic| draft.text(topic).into()).collect();
        let owned = |owned: &Vec<(TopicId, Vec<i32>)>| {
            let topic = |(id, partitions): &(TopicId, Vec<i32>)| {
                request::TopicPartitions::default()
                    .with_topic_id(Uuid::from_bytes(id.0))
                    .with_partitions(partitions.clone())
            };
            owned.iter().map(topic).collect()
        };
        let message = kp::ConsumerGroupHeartbeatRequest::default()
            .with_group_id(draft.text(&self.group_id).into())
            .with_member_id(draft.text(&self.member_id))
            .with_member_epoch(self.member_epoch.0)
            .with_instance_id(draft.nullable_text(self.group_instance_id.as_deref()))
            .with_rack_id(draft.nullable_text(self.rack.as_deref()))
            .with_rebalance_timeout_ms(self.rebalance_timeout_ms)
            .with_subscribed_topic_names(self.topics.as_ref().map(names))
            .with_subscribed_topic_regex(draft.nullable_text(self.pattern.as_deref()))
            .with_server_assignor(draft.nullable_text(self.assignor.as_deref()))
            .with_topic_partitions(self.owned.as_ref().map(owned));
        draft.write(&message, out)
    }
}

impl Response for ConsumerGroupHeartbeatResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<ConsumerGroupHeartbeatRequest>(version, body)?;
        let throttle_time_ms = cursor.i32("throttle_time_ms")?;
        let error = cursor.error_code()?;
        let error_message = cursor.nullable_string("error_message")?;
        let member_id = cursor.nullable_string("member_id")?;
        let member_epoch = cursor.i32("member_epoch")?;
        let heartbeat_interval_ms = cursor.i32("heartbeat_interval_ms")?;
        // A struct that may be null begins with a byte below 0 if it is.
        let assignment = if cursor.i8("assignment")? < 0 { None } else { Some(assignment(&mut cursor)?) };
        cursor.skip_tagged_fields()?;
        cursor.finish("ConsumerGroupHeartbeat response")?;
        Ok(Self {
            throttle_time_ms,
            error,
            error_message,
            member_id,
            member_epoch,
            heartbeat_interval_ms,
            assignment,
        })
    }
}

fn assignment(cursor: &mut Cursor) -> Result<Vec<(TopicId, Vec<i32>)>, DecodeError> {
    let topics = cursor.array("topic_partitions", 18, |cursor| {
        let id = cursor.topic_id()?;
        let partitions = cursor.array("partitions", 4, |cursor| cursor.i32("partition"))?;
        cursor.skip_tagged_fields()?;
        Ok((id, partitions))
    })?;
    cursor.skip_tagged_fields()?;
    refuse_duplicates("topic", topics.iter().map(|(id, _)| id))?;
    for (_, partitions) in &topics {
        refuse_duplicates("partition", partitions.iter())?;
    }
    Ok(topics)
}
