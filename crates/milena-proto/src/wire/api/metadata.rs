//! Metadata (3): brokers, topics, and who leads which partition.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;

use crate::types::{BrokerId, LeaderEpoch, TopicId};
use crate::wire::cursor::refuse_duplicates;
use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Asks for the cluster's shape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataRequest {
    /// Which topics; `None` asks for all, an empty list for none (only brokers).
    pub topics: Option<Vec<String>>,
    /// Whether asking for a missing topic may create it. Never true unless a user says so.
    pub allow_auto_topic_creation: bool,
}

/// The cluster's shape as one broker sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MetadataResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// Live brokers.
    pub brokers: Vec<MetadataBroker>,
    /// Which cluster answered.
    pub cluster_id: Option<String>,
    /// The controller, where known.
    pub controller: Option<BrokerId>,
    /// The topics asked for, each with its own error.
    pub topics: Vec<MetadataTopic>,
    /// Top-level error (version 13: REBOOTSTRAP_REQUIRED, KIP-1102).
    pub error: ErrorCode,
}

/// A live broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataBroker {
    /// Its number.
    pub id: BrokerId,
    /// The advertised host.
    pub host: String,
    /// The advertised port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}

/// A topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataTopic {
    /// Why the topic cannot be shown, or NONE.
    pub error: ErrorCode,
    /// Its name; `None` where a request by unknown topic id is answered.
    pub name: Option<String>,
    /// Its id; zero below version 10.
    pub id: TopicId,
    /// Whether it is internal, as `__consumer_offsets`.
    pub is_internal: bool,
    /// Its partitions.
    pub partitions: Vec<MetadataPartition>,
}

/// A partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataPartition {
    /// LEADER_NOT_AVAILABLE and the like, or NONE.
    pub error: ErrorCode,
    /// Its number.
    pub partition: i32,
    /// Who leads it; `None` where nobody does.
    pub leader: Option<BrokerId>,
    /// The leader's epoch; `None` below version 7.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Brokers that hold a copy.
    pub replicas: Vec<BrokerId>,
    /// Copies in sync.
    pub isr: Vec<BrokerId>,
    /// Copies that are off line.
    pub offline: Vec<BrokerId>,
}

impl Request for MetadataRequest {
    const API: ApiKey = ApiKey::METADATA;
    const VERSIONS: RangeInclusive<i16> = 1..=13;
    type Response = MetadataResponse;

    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        // Below version 4 a broker creates whatever topic it is asked for (KIP-204). Without names there is none to create.
        let names_topics = self.topics.as_ref().is_some_and(|topics| !topics.is_empty());
        let must_not_create = !self.allow_auto_topic_creation && names_topics;
        draft.since(4, must_not_create, "allow_auto_topic_creation")?;
        let topic = |name: &String| {
            kp::metadata_request::MetadataRequestTopic::default().with_name(Some(draft.text(name).into()))
        };
        let mut message = kp::MetadataRequest::default()
            .with_topics(self.topics.as_ref().map(|topics| topics.iter().map(topic).collect()));
        if version >= 4 {
            message.allow_auto_topic_creation = self.allow_auto_topic_creation;
        }
        draft.write(&message, out)
    }
}

impl Response for MetadataResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<MetadataRequest>(version, body)?;
        let throttle_time_ms = if version >= 3 { cursor.i32("throttle_time_ms")? } else { 0 };
        let brokers = cursor.array("brokers", 11, broker)?;
        let cluster_id = if version >= 2 { cursor.nullable_string("cluster_id")? } else { None };
        let controller = broker_id(cursor.i32("controller_id")?);
        let topics = cursor.array("topics", 9, |cursor| topic(version, cursor))?;
        if (8..=10).contains(&version) {
            // Never asked for.
            cursor.i32("cluster_authorized_operations")?;
        }
        let error = if version >= 13 { cursor.error_code()? } else { ErrorCode::NONE };
        cursor.skip_tagged_fields()?;
        cursor.finish("Metadata response")?;
        // Two addresses for one broker: which one is believed would depend on their order.
        refuse_duplicates("broker", brokers.iter().map(|broker| broker.id))?;
        refuse_duplicates("topic", topics.iter().map(|topic| (&topic.name, topic.id)))?;
        Ok(Self { throttle_time_ms, brokers, cluster_id, controller, topics, error })
    }
}

fn broker(cursor: &mut Cursor) -> Result<MetadataBroker, DecodeError> {
    let id = match cursor.i32("node_id")? {
        id @ 0.. => BrokerId(id),
        value => return Err(DecodeError::Negative { what: "node_id", value }),
    };
    let host = cursor.string("host")?;
    let port = cursor.i32("port")?;
    let rack = cursor.nullable_string("rack")?;
    cursor.skip_tagged_fields()?;
    Ok(MetadataBroker { id, host, port, rack })
}

fn topic(version: i16, cursor: &mut Cursor) -> Result<MetadataTopic, DecodeError> {
    let error = cursor.error_code()?;
    let name = if version >= 12 { cursor.nullable_string("name")? } else { Some(cursor.string("name")?) };
    let id = if version >= 10 { cursor.topic_id()? } else { TopicId::ZERO };
    let is_internal = cursor.bool("is_internal")?;
    let partitions = cursor.array("partitions", 18, |cursor| partition(version, cursor))?;
    if version >= 8 {
        // Never asked for.
        cursor.i32("topic_authorized_operations")?;
    }
    cursor.skip_tagged_fields()?;
    refuse_duplicates("partition", partitions.iter().map(|partition| partition.partition))?;
    Ok(MetadataTopic { error, name, id, is_internal, partitions })
}

fn partition(version: i16, cursor: &mut Cursor) -> Result<MetadataPartition, DecodeError> {
    let error = cursor.error_code()?;
    let partition = cursor.i32("partition_index")?;
    let leader = broker_id(cursor.i32("leader_id")?);
    let leader_epoch = if version >= 7 { cursor.i32("leader_epoch")? } else { -1 };
    let replicas = brokers(cursor, "replica_nodes")?;
    let isr = brokers(cursor, "isr_nodes")?;
    let offline = if version >= 5 { brokers(cursor, "offline_replicas")? } else { Vec::new() };
    cursor.skip_tagged_fields()?;
    let leader_epoch = LeaderEpoch::from_wire(leader_epoch);
    Ok(MetadataPartition { error, partition, leader, leader_epoch, replicas, isr, offline })
}

fn brokers(cursor: &mut Cursor, what: &'static str) -> Result<Vec<BrokerId>, DecodeError> {
    cursor.array(what, 4, |cursor| cursor.i32(what).map(BrokerId))
}

/// -1 is "none"; so is any other number that no broker can have.
fn broker_id(id: i32) -> Option<BrokerId> {
    (id >= 0).then_some(BrokerId(id))
}
