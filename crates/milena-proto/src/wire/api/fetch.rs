//! Fetch (1): record batches by partition (sessions KIP-227, epochs KIP-320, topic ids KIP-516, leader hints KIP-951).

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;
use kafka_protocol::messages::fetch_request as request;

use crate::types::{BrokerId, IsolationLevel, LeaderEpoch, TopicId, TopicName};
use crate::wire::cursor::refuse_duplicates;
use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Asks a broker for record batches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchRequest {
    /// Longest time the broker may hold the request, in milliseconds.
    pub max_wait_ms: i32,
    /// Bytes that must be ready before it answers early.
    pub min_bytes: i32,
    /// Bytes at most over all partitions; the first batch is whole even where it is larger (KIP-74).
    pub max_bytes: i32,
    /// What to see of transactions.
    pub isolation: IsolationLevel,
    /// Session id; 0 opens one (KIP-227).
    pub session_id: i32,
    /// Session epoch; 0 is a full request that opens a session, -1 one that closes it.
    pub session_epoch: i32,
    /// Partitions to fetch; in an incremental request those that are new or changed.
    pub topics: Vec<FetchTopic>,
    /// Partitions to drop from the session.
    pub forgotten: Vec<ForgottenTopic>,
    /// The reader's rack (KIP-392), empty where none.
    pub rack_id: String,
}

/// The partitions to fetch of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchTopic {
    /// The name, sent up to version 12.
    pub name: TopicName,
    /// The id, sent from version 13.
    pub id: TopicId,
    /// What to fetch.
    pub partitions: Vec<FetchPartition>,
}

/// What to fetch of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchPartition {
    /// Its number.
    pub partition: i32,
    /// The leader epoch the reader knows: the broker refuses if it is another (KIP-320).
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The first offset wanted.
    pub fetch_offset: i64,
    /// The epoch of the last record read, so that the broker can tell of truncation (version 12 on).
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Bytes at most for this partition.
    pub max_bytes: i32,
}

/// Partitions of one topic that leave the session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForgottenTopic {
    /// The name, sent up to version 12.
    pub name: TopicName,
    /// The id, sent from version 13.
    pub id: TopicId,
    /// Which.
    pub partitions: Vec<i32>,
}

/// Record batches from a broker.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FetchResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// Error of the whole request, as FETCH_SESSION_ID_NOT_FOUND.
    pub error: ErrorCode,
    /// The session; 0 where the broker opened none.
    pub session_id: i32,
    /// Partitions with news; in an incremental session those without any are left out.
    pub topics: Vec<FetchedTopic>,
    /// Where leaders named in the partitions can be reached (KIP-951, version 16 on).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// The answered partitions of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchedTopic {
    /// The name, up to version 12.
    pub name: Option<String>,
    /// The id, from version 13; zero before.
    pub id: TopicId,
    /// The partitions.
    pub partitions: Vec<FetchedPartition>,
}

/// One answered partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchedPartition {
    /// Its number.
    pub partition: i32,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// End of what is replicated; -1 beside an error.
    pub high_watermark: i64,
    /// End of what no open transaction holds back; -1 where the broker does not say.
    pub last_stable_offset: i64,
    /// First offset still in the log; -1 where the broker does not say.
    pub log_start_offset: i64,
    /// The log of the leader diverged from what this reader has read (KIP-320 by fetch, KIP-595): truncate to there.
    pub diverging_epoch: Option<EpochEndOffset>,
    /// Who leads now (KIP-951); only beside NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH.
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// Aborted transactions among the records; empty under read_uncommitted. Not sorted by every broker.
    pub aborted_transactions: Vec<AbortedTransaction>,
    /// A replica nearer to this reader's rack (KIP-392).
    pub preferred_read_replica: Option<BrokerId>,
    /// The batches: a slice of the frame. The last one may be cut short. Null reads as empty.
    pub records: Bytes,
}

/// Where an epoch of a leader ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochEndOffset {
    /// The largest epoch not above the one asked for.
    pub epoch: i32,
    /// Its end.
    pub end_offset: i64,
}

/// A leader hint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaderIdAndEpoch {
    /// The leader.
    pub leader: BrokerId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
}

/// An aborted transaction of one producer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: i64,
    /// Its first offset in this partition.
    pub first_offset: i64,
}

/// Where a broker can be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeEndpoint {
    /// Its number.
    pub id: BrokerId,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}

impl Request for FetchRequest {
    const API: ApiKey = ApiKey::FETCH;
    const VERSIONS: RangeInclusive<i16> = 4..=18;
    type Response = FetchResponse;

    /// Left out where a version cannot say it: the rack below version 11 (it only saves a way), the current leader epoch
    /// below version 9 and the last fetched one below version 12 (an older broker does not check them; KIP-320).
    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        // KIP-227: without a session nothing would stand for the partitions that are left out.
        draft.since(7, self.session_id != 0 || self.session_epoch > 0, "session_id")?;
        draft.since(7, !self.forgotten.is_empty(), "forgotten_topics_data")?;
        let topics = self.topics.iter().map(|topic| wanted(&draft, topic)).collect::<Result<_, _>>()?;
        let mut message = kp::FetchRequest::default()
            .with_max_wait_ms(self.max_wait_ms)
            .with_min_bytes(self.min_bytes)
            .with_max_bytes(self.max_bytes)
            .with_isolation_level(self.isolation.to_wire())
            .with_topics(topics);
        if version >= 7 {
            message.session_id = self.session_id;
            message.session_epoch = self.session_epoch;
            message.forgotten_topics_data =
                self.forgotten.iter().map(|topic| forgotten(&draft, topic)).collect::<Result<_, _>>()?;
        }
        if version >= 11 {
            message.rack_id = draft.text(&self.rack_id);
        }
        draft.write(&message, out)
    }
}

fn wanted(draft: &Draft<FetchRequest>, topic: &FetchTopic) -> Result<request::FetchTopic, EncodeError> {
    let (name, id) = draft.topic_key(draft.version >= 13, &topic.name, topic.id)?;
    let partition = |partition: &FetchPartition| {
        let mut wanted = request::FetchPartition::default()
            .with_partition(partition.partition)
            .with_current_leader_epoch(LeaderEpoch::to_wire(partition.current_leader_epoch))
            .with_fetch_offset(partition.fetch_offset)
            .with_partition_max_bytes(partition.max_bytes);
        if draft.version >= 12 {
            wanted.last_fetched_epoch = LeaderEpoch::to_wire(partition.last_fetched_epoch);
        }
        wanted
    };
    let partitions = topic.partitions.iter().map(partition).collect();
    Ok(request::FetchTopic::default().with_topic(name).with_topic_id(id).with_partitions(partitions))
}

fn forgotten(
    draft: &Draft<FetchRequest>,
    topic: &ForgottenTopic,
) -> Result<request::ForgottenTopic, EncodeError> {
    let (name, id) = draft.topic_key(draft.version >= 13, &topic.name, topic.id)?;
    Ok(request::ForgottenTopic::default()
        .with_topic(name)
        .with_topic_id(id)
        .with_partitions(topic.partitions.clone()))
}

impl Response for FetchResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<FetchRequest>(version, body)?;
        let throttle_time_ms = cursor.i32("throttle_time_ms")?;
        let (mut error, mut session_id) = (ErrorCode::NONE, 0);
        if version >= 7 {
            error = cursor.error_code()?;
            session_id = cursor.i32("session_id")?;
        }
        let topics = cursor.array("responses", 3, |cursor| fetched_topic(version, cursor))?;
        let mut endpoints = Vec::new();
        cursor.tagged_fields(|tag, cursor| {
            let known = tag == 0 && version >= 16;
            if known {
                endpoints = node_endpoints(cursor)?;
            }
            Ok(known)
        })?;
        cursor.finish("Fetch response")?;
        refuse_repeated_partitions(&topics)?;
        Ok(Self { throttle_time_ms, error, session_id, topics, node_endpoints: endpoints })
    }
}

fn fetched_topic(version: i16, cursor: &mut Cursor) -> Result<FetchedTopic, DecodeError> {
    let (name, id) = cursor.topic_key(version >= 13)?;
    let partitions = cursor.array("partitions", 30, |cursor| fetched_partition(version, cursor))?;
    cursor.skip_tagged_fields()?;
    Ok(FetchedTopic { name, id, partitions })
}

fn fetched_partition(version: i16, cursor: &mut Cursor) -> Result<FetchedPartition, DecodeError> {
    let partition = cursor.i32("partition_index")?;
    let error = cursor.error_code()?;
    let high_watermark = cursor.i64("high_watermark")?;
    let last_stable_offset = cursor.i64("last_stable_offset")?;
    let log_start_offset = if version >= 5 { cursor.i64("log_start_offset")? } else { -1 };
    let aborted = cursor.nullable_array("aborted_transactions", 16, aborted_transaction)?;
    let preferred = if version >= 11 { cursor.i32("preferred_read_replica")? } else { -1 };
    let records = cursor.nullable_bytes("records")?;
    let (mut diverging_epoch, mut current_leader) = (None, None);
    cursor.tagged_fields(|tag, cursor| {
        match tag {
            0 => diverging_epoch = epoch_end_offset(cursor)?,
            1 => current_leader = leader_hint(cursor)?,
            // 2 is a snapshot id, for controllers.
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(FetchedPartition {
        partition,
        error,
        high_watermark,
        last_stable_offset,
        log_start_offset,
        diverging_epoch,
        current_leader,
        aborted_transactions: aborted.unwrap_or_default(),
        preferred_read_replica: (preferred >= 0).then_some(BrokerId(preferred)),
        records: records.unwrap_or_default(),
    })
}

fn aborted_transaction(cursor: &mut Cursor) -> Result<AbortedTransaction, DecodeError> {
    let producer_id = cursor.i64("producer_id")?;
    let first_offset = cursor.i64("first_offset")?;
    cursor.skip_tagged_fields()?;
    Ok(AbortedTransaction { producer_id, first_offset })
}

/// A negative epoch says that the log did not diverge, as in Java's `FetchResponse.divergingEpoch`.
fn epoch_end_offset(cursor: &mut Cursor) -> Result<Option<EpochEndOffset>, DecodeError> {
    let epoch = cursor.i32("epoch")?;
    let end_offset = cursor.i64("end_offset")?;
    cursor.skip_tagged_fields()?;
    Ok((epoch >= 0).then_some(EpochEndOffset { epoch, end_offset }))
}

/// Half a hint is none.
pub(super) fn leader_hint(cursor: &mut Cursor) -> Result<Option<LeaderIdAndEpoch>, DecodeError> {
    let leader = cursor.i32("leader_id")?;
    let epoch = LeaderEpoch::from_wire(cursor.i32("leader_epoch")?);
    cursor.skip_tagged_fields()?;
    let leader = (leader >= 0).then_some(BrokerId(leader));
    Ok(leader.zip(epoch).map(|(leader, epoch)| LeaderIdAndEpoch { leader, epoch }))
}

/// Reads the addresses that go with leader hints (KIP-951).
pub(super) fn node_endpoints(cursor: &mut Cursor) -> Result<Vec<NodeEndpoint>, DecodeError> {
    let endpoints = cursor.array("node_endpoints", 11, node_endpoint)?;
    refuse_duplicates("node endpoint", endpoints.iter().map(|endpoint| endpoint.id))?;
    Ok(endpoints)
}

fn node_endpoint(cursor: &mut Cursor) -> Result<NodeEndpoint, DecodeError> {
    let id = match cursor.i32("node_id")? {
        id @ 0.. => BrokerId(id),
        value => return Err(DecodeError::Negative { what: "node_id", value }),
    };
    let host = cursor.string("host")?;
    let port = cursor.i32("port")?;
    let rack = cursor.nullable_string("rack")?;
    cursor.skip_tagged_fields()?;
    Ok(NodeEndpoint { id, host, port, rack })
}

/// A topic may come in several pieces (`FetchResponse.toMessage` keeps the session's order), a partition only once.
fn refuse_repeated_partitions(topics: &[FetchedTopic]) -> Result<(), DecodeError> {
    // What most answers look like needs no sorting.
    if let [topic] = topics
        && topic.partitions.is_sorted_by(|a, b| a.partition < b.partition)
    {
        return Ok(());
    }
    refuse_duplicates(
        "partition",
        topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(move |p| (&topic.name, topic.id, p.partition))),
    )
}
