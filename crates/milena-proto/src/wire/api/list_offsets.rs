//! ListOffsets (2): offsets by time, earliest and latest included.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;
use kafka_protocol::messages::list_offsets_request as request;

use crate::types::{IsolationLevel, LeaderEpoch, TopicName};
use crate::wire::cursor::refuse_duplicates;
use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Asks leaders for offsets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListOffsetsRequest {
    /// Under read_committed, "latest" is the last stable offset.
    pub isolation: IsolationLevel,
    /// What to look up.
    pub topics: Vec<ListOffsetsTopic>,
    /// How long the broker may look, in milliseconds (version 10 on; remote storage).
    pub timeout_ms: i32,
}

/// Timestamp that asks for the end of the log.
pub const LATEST_TIMESTAMP: i64 = -1;
/// Timestamp that asks for the start of the log.
pub const EARLIEST_TIMESTAMP: i64 = -2;

/// What to look up of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListOffsetsTopic {
    /// The name.
    pub name: TopicName,
    /// What to look up.
    pub partitions: Vec<ListOffsetsPartition>,
}

/// What to look up of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListOffsetsPartition {
    /// Its number.
    pub partition: i32,
    /// The leader epoch this client knows.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// Milliseconds since 1970, or one of the special timestamps.
    pub timestamp: i64,
}

/// Offsets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListOffsetsResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<ListedTopic>,
}

/// Offsets of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedTopic {
    /// The name.
    pub name: String,
    /// By partition.
    pub partitions: Vec<ListedOffset>,
}

/// The offset of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListedOffset {
    /// Its number.
    pub partition: i32,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// Timestamp of the record found; -1 where none.
    pub timestamp: i64,
    /// The offset; -1 where no record is that late.
    pub offset: i64,
    /// The epoch of the leader that wrote it.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Request for ListOffsetsRequest {
    const API: ApiKey = ApiKey::LIST_OFFSETS;
    const VERSIONS: RangeInclusive<i16> = 1..=11;
    type Response = ListOffsetsResponse;

    /// Leader epochs are left out below version 4 (an older broker does not check them), the timeout below version 10.
    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        draft.since(2, self.isolation != IsolationLevel::ReadUncommitted, "isolation_level")?;
        for partition in self.topics.iter().flat_map(|topic| &topic.partitions) {
            draft.since(first_version_with(partition.timestamp), true, "timestamp")?;
        }
        let partition = |partition: &ListOffsetsPartition| {
            request::ListOffsetsPartition::default()
                .with_partition_index(partition.partition)
                .with_current_leader_epoch(LeaderEpoch::to_wire(partition.current_leader_epoch))
                .with_timestamp(partition.timestamp)
        };
        let topic = |topic: &ListOffsetsTopic| {
            request::ListOffsetsTopic::default()
                .with_name(draft.text(&topic.name).into())
                .with_partitions(topic.partitions.iter().map(partition).collect())
        };
        let message = kp::ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_isolation_level(self.isolation.to_wire())
            .with_topics(self.topics.iter().map(topic).collect())
            .with_timeout_ms(self.timeout_ms);
        // Version 11 is version 10 with one more special timestamp (KIP-1023). kafka-protocol 0.18 ends at 10.
        draft.write_as(version.min(10), &message, out)
    }
}

/// A broker takes a special timestamp that it does not know for a time before 1970, and answers the start of the log.
fn first_version_with(timestamp: i64) -> i16 {
    match timestamp {
        // KIP-734: the record with the largest timestamp.
        -3 => 7,
        // KIP-405: start of the local part of a tiered log, and the end of its tiered part.
        -4 => 8,
        -5 => 9,
        // KIP-1023: start of what is not tiered yet.
        -6 => 11,
        _ => 0,
    }
}

impl Response for ListOffsetsResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<ListOffsetsRequest>(version, body)?;
        let throttle_time_ms = if version >= 2 { cursor.i32("throttle_time_ms")? } else { 0 };
        let topics = cursor.array("topics", 3, |cursor| topic(version, cursor))?;
        cursor.skip_tagged_fields()?;
        cursor.finish("ListOffsets response")?;
        refuse_duplicates(
            "partition",
            topics.iter().flat_map(|topic| topic.partitions.iter().map(move |p| (&topic.name, p.partition))),
        )?;
        Ok(Self { throttle_time_ms, topics })
    }
}

fn topic(version: i16, cursor: &mut Cursor) -> Result<ListedTopic, DecodeError> {
    let name = cursor.string("name")?;
    let partitions = cursor.array("partitions", 22, |cursor| partition(version, cursor))?;
    cursor.skip_tagged_fields()?;
    Ok(ListedTopic { name, partitions })
}

fn partition(version: i16, cursor: &mut Cursor) -> Result<ListedOffset, DecodeError> {
    let partition = cursor.i32("partition_index")?;
    let error = cursor.error_code()?;
    let timestamp = cursor.i64("timestamp")?;
    let offset = cursor.i64("offset")?;
    let leader_epoch = if version >= 4 { cursor.i32("leader_epoch")? } else { -1 };
    cursor.skip_tagged_fields()?;
    Ok(ListedOffset {
        partition,
        error,
        timestamp,
        offset,
        leader_epoch: LeaderEpoch::from_wire(leader_epoch),
    })
}
