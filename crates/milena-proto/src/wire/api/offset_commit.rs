//! OffsetCommit (8): remember offsets for a group. By topic name up to version 9, by topic id in version 10.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;
use kafka_protocol::messages::offset_commit_request as request;

use crate::types::{Generation, LeaderEpoch, TopicId, TopicName};
use crate::wire::cursor::refuse_duplicates;
use crate::wire::writer::{Draft, Writer};
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Stores offsets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetCommitRequest {
    /// The group.
    pub group_id: String,
    /// The generation or member epoch; -1 for a commit outside any membership.
    pub generation: Generation,
    /// The member; empty for a commit outside any membership.
    pub member_id: String,
    /// `group.instance.id` of a static member (version 7 on).
    pub group_instance_id: Option<String>,
    /// What to store.
    pub topics: Vec<OffsetCommitTopic>,
}

/// What to store of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetCommitTopic {
    /// The name, sent up to version 9.
    pub name: TopicName,
    /// The id, sent in version 10.
    pub id: TopicId,
    /// What to store.
    pub partitions: Vec<OffsetCommitPartition>,
}

/// What to store of one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetCommitPartition {
    /// Its number.
    pub partition: i32,
    /// The next offset to read.
    pub offset: i64,
    /// The epoch of the leader that wrote the last record read (version 6 on).
    pub leader_epoch: Option<LeaderEpoch>,
    /// The user's own note; at most 4096 bytes on a broker as it comes.
    pub metadata: Option<String>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OffsetCommitResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<OffsetCommitted>,
}

/// What became of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetCommitted {
    /// The name, up to version 9.
    pub name: Option<String>,
    /// The id, in version 10; zero before.
    pub id: TopicId,
    /// (partition, error or NONE).
    pub partitions: Vec<(i32, ErrorCode)>,
}

impl Request for OffsetCommitRequest {
    const API: ApiKey = ApiKey::OFFSET_COMMIT;
    const VERSIONS: RangeInclusive<i16> = 2..=10;
    type Response = OffsetCommitResponse;

    /// Below version 6 leader epochs are left out: the offset is the same, only truncation is found later (KIP-320).
    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        draft.since(7, self.group_instance_id.is_some(), "group_instance_id")?;
        if version >= 10 {
            return self.encode_by_id(version, out);
        }
        let message = kp::OffsetCommitRequest::default()
            .with_group_id(draft.text(&self.group_id).into())
            .with_generation_id_or_member_epoch(self.generation.0)
            .with_member_id(draft.text(&self.member_id))
            .with_group_instance_id(draft.nullable_text(self.group_instance_id.as_deref()))
            .with_topics(self.topics.iter().map(|topic| by_name(&draft, topic)).collect::<Result<_, _>>()?);
        draft.write(&message, out)
    }
}

fn by_name(
    draft: &Draft<OffsetCommitRequest>,
    topic: &OffsetCommitTopic,
) -> Result<request::OffsetCommitRequestTopic, EncodeError> {
    let (name, _) = draft.topic_key(false, &topic.name, topic.id)?;
    let partition = |partition: &OffsetCommitPartition| {
        request::OffsetCommitRequestPartition::default()
            .with_partition_index(partition.partition)
            .with_committed_offset(partition.offset)
            .with_committed_leader_epoch(LeaderEpoch::to_wire(partition.leader_epoch))
            .with_committed_metadata(draft.nullable_text(partition.metadata.as_deref()))
    };
    let partitions = topic.partitions.iter().map(partition).collect();
    Ok(request::OffsetCommitRequestTopic::default().with_name(name).with_partitions(partitions))
}

impl OffsetCommitRequest {
    /// Version 10 (KIP-848) is version 9 with the topic's id in the place of its name.
    fn encode_by_id(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let mut writer = Writer::new::<Self>(version, out);
        writer.string(&self.group_id)?;
        writer.i32(self.generation.0);
        writer.string(&self.member_id)?;
        writer.nullable_string(self.group_instance_id.as_deref())?;
        writer.len(self.topics.len())?;
        for topic in &self.topics {
            writer.topic_id(topic.id)?;
            writer.len(topic.partitions.len())?;
            for partition in &topic.partitions {
                writer.i32(partition.partition);
                writer.i64(partition.offset);
                writer.i32(LeaderEpoch::to_wire(partition.leader_epoch));
                writer.nullable_string(partition.metadata.as_deref())?;
                writer.no_tagged_fields();
            }
            writer.no_tagged_fields();
        }
        writer.no_tagged_fields();
        Ok(())
    }
}

impl Response for OffsetCommitResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<OffsetCommitRequest>(version, body)?;
        let throttle_time_ms = if version >= 3 { cursor.i32("throttle_time_ms")? } else { 0 };
        let topics = cursor.array("topics", 3, |cursor| topic(version, cursor))?;
        cursor.skip_tagged_fields()?;
        cursor.finish("OffsetCommit response")?;
        refuse_duplicates(
            "partition",
            topics
                .iter()
                .flat_map(|topic| topic.partitions.iter().map(move |(p, _)| (&topic.name, topic.id, p))),
        )?;
        Ok(Self { throttle_time_ms, topics })
    }
}

fn topic(version: i16, cursor: &mut Cursor) -> Result<OffsetCommitted, DecodeError> {
    let (name, id) = cursor.topic_key(version >= 10)?;
    let partitions = cursor.array("partitions", 6, |cursor| {
        let partition = (cursor.i32("partition_index")?, cursor.error_code()?);
        cursor.skip_tagged_fields()?;
        Ok(partition)
    })?;
    cursor.skip_tagged_fields()?;
    Ok(OffsetCommitted { name, id, partitions })
}
