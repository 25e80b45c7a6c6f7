//! ConsumerGroupDescribe (69): members and assignments of groups of the consumer protocol (KIP-848).

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;

use crate::types::TopicId;
use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Asks a coordinator for groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerGroupDescribeRequest {
    /// Which.
    pub groups: Vec<String>,
}

/// Groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConsumerGroupDescribeResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// One each.
    pub groups: Vec<DescribedConsumerGroup>,
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedConsumerGroup {
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// What the broker says of the error.
    pub error_message: Option<String>,
    /// Its id.
    pub group_id: String,
    /// Its state, as `Stable` or `Reconciling`.
    pub state: String,
    /// Grows with each change that calls for another assignment.
    pub group_epoch: i32,
    /// The group epoch that the target assignment was made for.
    pub assignment_epoch: i32,
    /// The assignor.
    pub assignor: String,
    /// Its members.
    pub members: Vec<DescribedConsumer>,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedConsumer {
    /// Its id.
    pub member_id: String,
    /// Its `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// Its `client.rack`.
    pub rack: Option<String>,
    /// Its epoch.
    pub member_epoch: i32,
    /// Its client id.
    pub client_id: String,
    /// Its address.
    pub client_host: String,
    /// What it subscribes to by name.
    pub topics: Vec<String>,
    /// What it subscribes to by pattern.
    pub pattern: Option<String>,
    /// What it has, with what it is still giving up.
    pub assignment: Vec<DescribedPartitions>,
    /// What it is to have.
    pub target: Vec<DescribedPartitions>,
    /// 0: it speaks the classic protocol, 1: the consumer protocol (version 1 on, KIP-1099); -1: not told.
    pub member_type: i8,
}

/// Partitions of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedPartitions {
    /// The topic's id.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// Which.
    pub partitions: Vec<i32>,
}

impl Request for ConsumerGroupDescribeRequest {
    const API: ApiKey = ApiKey::CONSUMER_GROUP_DESCRIBE;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Response = ConsumerGroupDescribeResponse;

    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        let message = kp::ConsumerGroupDescribeRequest::default()
            .with_group_ids(self.groups.iter().map(|group| draft.text(group).into()).collect());
        draft.write(&message, out)
    }
}

impl Response for ConsumerGroupDescribeResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<ConsumerGroupDescribeRequest>(version, body)?;
        let throttle_time_ms = cursor.i32("throttle_time_ms")?;
        let groups = cursor.array("groups", 20, |cursor| group(version, cursor))?;
        cursor.skip_tagged_fields()?;
        cursor.finish("ConsumerGroupDescribe response")?;
        Ok(Self { throttle_time_ms, groups })
    }
}

fn group(version: i16, cursor: &mut Cursor) -> Result<DescribedConsumerGroup, DecodeError> {
    let group = DescribedConsumerGroup {
        error: cursor.error_code()?,
        error_message: cursor.nullable_string("error_message")?,
        group_id: cursor.string("group_id")?,
        state: cursor.string("group_state")?,
        group_epoch: cursor.i32("group_epoch")?,
        assignment_epoch: cursor.i32("assignment_epoch")?,
        assignor: cursor.string("assignor_name")?,
        members: cursor.array("members", 16, |cursor| member(version, cursor))?,
    };
    // Only asked for by an admin tool that we do not have; INT32_MIN otherwise.
    cursor.i32("authorized_operations")?;
    cursor.skip_tagged_fields()?;
    Ok(group)
}

fn member(version: i16, cursor: &mut Cursor) -> Result<DescribedConsumer, DecodeError> {
    let member = DescribedConsumer {
        member_id: cursor.string("member_id")?,
        group_instance_id: cursor.nullable_string("instance_id")?,
        rack: cursor.nullable_string("rack_id")?,
        member_epoch: cursor.i32("member_epoch")?,
        client_id: cursor.string("client_id")?,
        client_host: cursor.string("client_host")?,
        topics: cursor.array("subscribed_topic_names", 1, |cursor| cursor.string("topic_name"))?,
        pattern: cursor.nullable_string("subscribed_topic_regex")?,
        assignment: assignment(cursor)?,
        target: assignment(cursor)?,
        member_type: if version >= 1 { cursor.i8("member_type")? } else { -1 },
    };
    cursor.skip_tagged_fields()?;
    Ok(member)
}

fn assignment(cursor: &mut Cursor) -> Result<Vec<DescribedPartitions>, DecodeError> {
    let topics = cursor.array("topic_partitions", 19, |cursor| {
        let topic = DescribedPartitions {
            id: cursor.topic_id()?,
            name: cursor.string("topic_name")?,
            partitions: cursor.array("partitions", 4, |cursor| cursor.i32("partition"))?,
        };
        cursor.skip_tagged_fields()?;
        Ok(topic)
    })?;
    cursor.skip_tagged_fields()?;
    Ok(topics)
}
