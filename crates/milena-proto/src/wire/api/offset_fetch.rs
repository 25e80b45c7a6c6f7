//! OffsetFetch (9): read a group's offsets. One group a request; from version 8 on the wire could hold several.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;
use kafka_protocol::messages::offset_fetch_request as request;

use crate::types::{LeaderEpoch, TopicId, TopicName};
use crate::wire::cursor::refuse_duplicates;
use crate::wire::writer::{Draft, Writer};
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Asks for offsets of one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetFetchRequest {
    /// The group.
    pub group_id: String,
    /// The member and its epoch (version 9 on, KIP-848); `None` asks from outside.
    pub member: Option<(String, i32)>,
    /// Which partitions; `None` asks for all that the group has (version 2 on).
    pub topics: Option<Vec<OffsetFetchTopic>>,
    /// Wait for open transactions: UNSTABLE_OFFSET_COMMIT instead of an offset that may change (version 7 on, KIP-447).
    pub require_stable: bool,
}

/// Which partitions of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetFetchTopic {
    /// The name, sent up to version 9.
    pub name: TopicName,
    /// The id, sent in version 10.
    pub id: TopicId,
    /// Which.
    pub partitions: Vec<i32>,
}

/// Offsets of one group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OffsetFetchResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// The group's error, or NONE.
    pub error: ErrorCode,
    /// By topic.
    pub topics: Vec<FetchedOffsets>,
}

/// Offsets of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchedOffsets {
    /// The name, up to version 9.
    pub name: Option<String>,
    /// The id, in version 10; zero before.
    pub id: TopicId,
    /// By partition.
    pub partitions: Vec<FetchedOffset>,
}

/// The offset of one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchedOffset {
    /// Its number.
    pub partition: i32,
    /// Its error, or NONE. Beside an error the offset means nothing, -1 included.
    pub error: ErrorCode,
    /// The next offset to read; -1 where the group never committed.
    pub offset: i64,
    /// The epoch of the leader that wrote the last record read.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The committer's note.
    pub metadata: Option<String>,
}

impl Request for OffsetFetchRequest {
    const API: ApiKey = ApiKey::OFFSET_FETCH;
    const VERSIONS: RangeInclusive<i16> = 1..=10;
    type Response = OffsetFetchResponse;

    /// Left out where a version cannot say it: `require_stable` below version 7 (a broker older than 2.5 has no such thing
    /// as a stable offset; Java's `OffsetFetchRequest.Builder` falls back as well), and the member below version 9 (a group
    /// of such a broker has no member epochs).
    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        draft.since(2, self.topics.is_none(), "topics (all)")?;
        if version >= 10 {
            return self.encode_by_id(version, out);
        }
        let mut message = kp::OffsetFetchRequest::default();
        if version >= 7 {
            message.require_stable = self.require_stable;
        }
        if version >= 8 {
            message.groups.push(self.group(&draft)?);
        } else {
            message.group_id = draft.text(&self.group_id).into();
            message.topics = self.topics(|topic| {
                Ok(request::OffsetFetchRequestTopic::default()
                    .with_name(draft.topic_key(false, &topic.name, topic.id)?.0)
                    .with_partition_indexes(topic.partitions.clone()))
            })?;
        }
        draft.write(&message, out)
    }
}

impl OffsetFetchRequest {
    fn group(&self, draft: &Draft<Self>) -> Result<request::OffsetFetchRequestGroup, EncodeError> {
        let topics = self.topics(|topic| {
            Ok(request::OffsetFetchRequestTopics::default()
                .with_name(draft.topic_key(false, &topic.name, topic.id)?.0)
                .with_partition_indexes(topic.partitions.clone()))
        })?;
        let mut group = request::OffsetFetchRequestGroup::default()
            .with_group_id(draft.text(&self.group_id).into())
            .with_topics(topics);
        if let (Some((member, epoch)), 9..) = (&self.member, draft.version) {
            group.member_id = Some(draft.text(member));
            group.member_epoch = *epoch;
        }
        Ok(group)
    }

    fn topics<T>(
        &self,
        topic: impl Fn(&OffsetFetchTopic) -> Result<T, EncodeError>,
    ) -> Result<Option<Vec<T>>, EncodeError> {
        self.topics.as_ref().map(|topics| topics.iter().map(topic).collect()).transpose()
    }

    /// Version 10 is version 9 with topics' ids in the place of their names.
    fn encode_by_id(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let mut writer = Writer::new::<Self>(version, out);
        writer.len(1)?;
        writer.string(&self.group_id)?;
        writer.nullable_string(self.member.as_ref().map(|(id, _)| id.as_str()))?;
        writer.i32(self.member.as_ref().map_or(-1, |(_, epoch)| *epoch));
        match &self.topics {
            None => writer.null(),
            Some(topics) => {
                writer.len(topics.len())?;
                for topic in topics {
                    writer.topic_id(topic.id)?;
                    writer.len(topic.partitions.len())?;
                    topic.partitions.iter().for_each(|partition| writer.i32(*partition));
                    writer.no_tagged_fields();
                }
            }
        }
        writer.no_tagged_fields();
        writer.bool(self.require_stable);
        writer.no_tagged_fields();
        Ok(())
    }
}

impl Response for OffsetFetchResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<OffsetFetchRequest>(version, body)?;
        let throttle_time_ms = if version >= 3 { cursor.i32("throttle_time_ms")? } else { 0 };
        let (error, topics) = if version >= 8 {
            let mut groups = cursor.array("groups", 5, |cursor| group(version, cursor))?;
            let have = groups.len();
            match (groups.pop(), have) {
                (Some(group), 1) => group,
                _ => return Err(DecodeError::WrongCount { what: "groups", want: 1, have }),
            }
        } else {
            let topics = cursor.array("topics", 3, |cursor| topic(version, cursor))?;
            let error = if version >= 2 { cursor.error_code()? } else { ErrorCode::NONE };
            (error, topics)
        };
        cursor.skip_tagged_fields()?;
        cursor.finish("OffsetFetch response")?;
        refuse_duplicates(
            "partition",
            topics
                .iter()
                .flat_map(|topic| topic.partitions.iter().map(move |p| (&topic.name, topic.id, p.partition))),
        )?;
        Ok(Self { throttle_time_ms, error, topics })
    }
}

fn group(version: i16, cursor: &mut Cursor) -> Result<(ErrorCode, Vec<FetchedOffsets>), DecodeError> {
    cursor.string("group_id")?;
    let topics = cursor.array("topics", 3, |cursor| topic(version, cursor))?;
    let error = cursor.error_code()?;
    cursor.skip_tagged_fields()?;
    Ok((error, topics))
}

fn topic(version: i16, cursor: &mut Cursor) -> Result<FetchedOffsets, DecodeError> {
    let (name, id) = cursor.topic_key(version >= 10)?;
    let partitions = cursor.array("partitions", 16, |cursor| partition(version, cursor))?;
    cursor.skip_tagged_fields()?;
    Ok(FetchedOffsets { name, id, partitions })
}

fn partition(version: i16, cursor: &mut Cursor) -> Result<FetchedOffset, DecodeError> {
    let partition = cursor.i32("partition_index")?;
    let offset = cursor.i64("committed_offset")?;
    let leader_epoch = if version >= 5 { cursor.i32("committed_leader_epoch")? } else { -1 };
    let metadata = cursor.nullable_string("metadata")?;
    let error = cursor.error_code()?;
    cursor.skip_tagged_fields()?;
    Ok(FetchedOffset {
        partition,
        error,
        offset,
        leader_epoch: LeaderEpoch::from_wire(leader_epoch),
        metadata,
    })
}
