//! Produce (0): append record batches. By topic name up to version 12, by topic id in version 13.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;
use kafka_protocol::messages::produce_request as request;

use super::fetch::{leader_hint, node_endpoints};
use crate::types::{TopicId, TopicName};
use crate::wire::cursor::refuse_duplicates;
use crate::wire::writer::Draft;
use crate::wire::{
    ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, LeaderIdAndEpoch, NodeEndpoint, Request, Response,
};

/// Appends batches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProduceRequest {
    /// For a transaction.
    pub transactional_id: Option<String>,
    /// -1 all in-sync replicas, 1 the leader, 0 nobody answers.
    pub acks: i16,
    /// How long the leader may wait for its followers, in milliseconds.
    pub timeout_ms: i32,
    /// What to append.
    pub topics: Vec<ProduceTopic>,
}

/// What to append to one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProduceTopic {
    /// The name, sent up to version 12.
    pub name: TopicName,
    /// The id, sent from version 13.
    pub id: TopicId,
    /// (partition, one record batch).
    pub partitions: Vec<(i32, Bytes)>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProduceResponse {
    /// By topic.
    pub topics: Vec<ProducedTopic>,
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// Where leaders named in the partitions can be reached (KIP-951, version 10 on).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// What became of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducedTopic {
    /// The name, up to version 12.
    pub name: Option<String>,
    /// The id, from version 13; zero before.
    pub id: TopicId,
    /// By partition.
    pub partitions: Vec<ProducedPartition>,
}

/// What became of one batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducedPartition {
    /// Its partition's number.
    pub partition: i32,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// The offset of its first record; -1 beside an error.
    pub base_offset: i64,
    /// The time the broker stamped, -1 where the producer's holds.
    pub log_append_time_ms: i64,
    /// First offset still in the log.
    pub log_start_offset: i64,
    /// Which records were refused and why (version 8 on, KIP-467): (index in the batch, message).
    pub record_errors: Vec<(i32, Option<String>)>,
    /// What the broker says of the error.
    pub error_message: Option<String>,
    /// Who leads now (KIP-951).
    pub current_leader: Option<LeaderIdAndEpoch>,
}

impl Request for ProduceRequest {
    const API: ApiKey = ApiKey::PRODUCE;
    const VERSIONS: RangeInclusive<i16> = 3..=13;
    type Response = ProduceResponse;

    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        let message = kp::ProduceRequest::default()
            .with_transactional_id(draft.nullable_text(self.transactional_id.as_deref()).map(Into::into))
            .with_acks(self.acks)
            .with_timeout_ms(self.timeout_ms)
            .with_topic_data(self.topics.iter().map(|topic| data(&draft, topic)).collect::<Result<_, _>>()?);
        draft.write(&message, out)
    }
}

fn data(
    draft: &Draft<ProduceRequest>,
    topic: &ProduceTopic,
) -> Result<request::TopicProduceData, EncodeError> {
    let (name, id) = draft.topic_key(draft.version >= 13, &topic.name, topic.id)?;
    let batch = |(partition, batch): &(i32, Bytes)| {
        request::PartitionProduceData::default().with_index(*partition).with_records(Some(batch.clone()))
    };
    let batches = topic.partitions.iter().map(batch).collect();
    Ok(request::TopicProduceData::default().with_name(name).with_topic_id(id).with_partition_data(batches))
}

impl Response for ProduceResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<ProduceRequest>(version, body)?;
        let topics = cursor.array("responses", 3, |cursor| topic(version, cursor))?;
        let throttle_time_ms = cursor.i32("throttle_time_ms")?;
        let mut endpoints = Vec::new();
        cursor.tagged_fields(|tag, cursor| {
            let known = tag == 0 && version >= 10;
            if known {
                endpoints = node_endpoints(cursor)?;
            }
            Ok(known)
        })?;
        cursor.finish("Produce response")?;
        refuse_duplicates(
            "partition",
            topics
                .iter()
                .flat_map(|topic| topic.partitions.iter().map(move |p| (&topic.name, topic.id, p.partition))),
        )?;
        Ok(Self { topics, throttle_time_ms, node_endpoints: endpoints })
    }
}

fn topic(version: i16, cursor: &mut Cursor) -> Result<ProducedTopic, DecodeError> {
    let (name, id) = cursor.topic_key(version >= 13)?;
    let partitions = cursor.array("partition_responses", 22, |cursor| partition(version, cursor))?;
    cursor.skip_tagged_fields()?;
    Ok(ProducedTopic { name, id, partitions })
}

fn partition(version: i16, cursor: &mut Cursor) -> Result<ProducedPartition, DecodeError> {
    let partition = cursor.i32("index")?;
    let error = cursor.error_code()?;
    let base_offset = cursor.i64("base_offset")?;
    let log_append_time_ms = cursor.i64("log_append_time_ms")?;
    let log_start_offset = if version >= 5 { cursor.i64("log_start_offset")? } else { -1 };
    let (mut record_errors, mut error_message) = (Vec::new(), None);
    if version >= 8 {
        record_errors = cursor.array("record_errors", 6, record_error)?;
        error_message = cursor.nullable_string("error_message")?;
    }
    let mut current_leader = None;
    cursor.tagged_fields(|tag, cursor| {
        let known = tag == 0 && version >= 10;
        if known {
            current_leader = leader_hint(cursor)?;
        }
        Ok(known)
    })?;
    Ok(ProducedPartition {
        partition,
        error,
        base_offset,
        log_append_time_ms,
        log_start_offset,
        record_errors,
        error_message,
        current_leader,
    })
}

fn record_error(cursor: &mut Cursor) -> Result<(i32, Option<String>), DecodeError> {
    let error = (cursor.i32("batch_index")?, cursor.nullable_string("batch_index_error_message")?);
    cursor.skip_tagged_fields()?;
    Ok(error)
}
