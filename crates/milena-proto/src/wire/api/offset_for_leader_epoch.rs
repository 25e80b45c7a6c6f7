//! OffsetForLeaderEpoch (23): where a leader's epoch ended, to find truncation (KIP-320).

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;
use kafka_protocol::messages::offset_for_leader_epoch_request as request;

use crate::types::{LeaderEpoch, TopicName};
use crate::wire::cursor::refuse_duplicates;
use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, EpochEndOffset, ErrorCode, Request, Response};

/// Asks leaders where epochs ended. Only versions from 3 on are for consumers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetForLeaderEpochRequest {
    /// (topic, its partitions).
    pub topics: Vec<(TopicName, Vec<OffsetForLeaderPartition>)>,
}

/// What to look up of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OffsetForLeaderPartition {
    /// Its number.
    pub partition: i32,
    /// The leader epoch this client knows.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch of the last record read.
    pub leader_epoch: LeaderEpoch,
}

/// Where epochs ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OffsetForLeaderEpochResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// (topic, its partitions).
    pub topics: Vec<(String, Vec<OffsetForLeaderResult>)>,
}

/// The answer for one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OffsetForLeaderResult {
    /// Its number.
    pub partition: i32,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// The epoch and its end; -1 and -1 where the leader knows no such epoch.
    pub end: EpochEndOffset,
}

impl Request for OffsetForLeaderEpochRequest {
    const API: ApiKey = ApiKey::OFFSET_FOR_LEADER_EPOCH;
    const VERSIONS: RangeInclusive<i16> = 2..=4;
    type Response = OffsetForLeaderEpochResponse;

    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        let partition = |partition: &OffsetForLeaderPartition| {
            request::OffsetForLeaderPartition::default()
                .with_partition(partition.partition)
                .with_current_leader_epoch(LeaderEpoch::to_wire(partition.current_leader_epoch))
                .with_leader_epoch(partition.leader_epoch.0)
        };
        let topic = |(name, partitions): &(TopicName, Vec<OffsetForLeaderPartition>)| {
            request::OffsetForLeaderTopic::default()
                .with_topic(draft.text(name).into())
                .with_partitions(partitions.iter().map(partition).collect())
        };
        // Replica -1 is a consumer; the field's own default, -2, is a debugging tool.
        let message = kp::OffsetForLeaderEpochRequest::default()
            .with_replica_id((-1).into())
            .with_topics(self.topics.iter().map(topic).collect());
        draft.write(&message, out)
    }
}

impl Response for OffsetForLeaderEpochResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<OffsetForLeaderEpochRequest>(version, body)?;
        let throttle_time_ms = cursor.i32("throttle_time_ms")?;
        let topics = cursor.array("topics", 3, |cursor| {
            let topic = (cursor.string("topic")?, cursor.array("partitions", 18, partition)?);
            cursor.skip_tagged_fields()?;
            Ok(topic)
        })?;
        cursor.skip_tagged_fields()?;
        cursor.finish("OffsetForLeaderEpoch response")?;
        refuse_duplicates(
            "partition",
            topics
                .iter()
                .flat_map(|(topic, partitions)| partitions.iter().map(move |p| (topic, p.partition))),
        )?;
        Ok(Self { throttle_time_ms, topics })
    }
}

fn partition(cursor: &mut Cursor) -> Result<OffsetForLeaderResult, DecodeError> {
    let error = cursor.error_code()?;
    let partition = cursor.i32("partition")?;
    let epoch = cursor.i32("leader_epoch")?;
    let end_offset = cursor.i64("end_offset")?;
    cursor.skip_tagged_fields()?;
    Ok(OffsetForLeaderResult { partition, error, end: EpochEndOffset { epoch, end_offset } })
}
