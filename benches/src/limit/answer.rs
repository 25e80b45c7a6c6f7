//! Everything but Fetch: what a consumer asks before it fetches, and beside it.

use bytes::{Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, ListOffsetsRequest, ListOffsetsResponse,
    MetadataRequest, MetadataResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use uuid::Uuid;

use crate::limit::log::LEADER_EPOCH;
use crate::limit::serve::Cluster;
use crate::limit::{TOPIC, group};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What is served, in which versions: as of Kafka 4.3, but for what is newer than the messages' generator.
const APIS: [(ApiKey, i16, i16); 13] = [
    // Nobody may produce here; but librdkafka does not fetch where it is not told that somebody could, and Kafka 4 says 0 for
    // its sake as well (KAFKA-18659).
    (ApiKey::Produce, 0, 13),
    (ApiKey::Fetch, 4, 17),
    (ApiKey::ListOffsets, 1, 10),
    (ApiKey::Metadata, 0, 13),
    (ApiKey::OffsetCommit, 2, 9),
    (ApiKey::OffsetFetch, 1, 9),
    (ApiKey::FindCoordinator, 0, 6),
    (ApiKey::JoinGroup, 2, 9),
    (ApiKey::Heartbeat, 0, 4),
    (ApiKey::LeaveGroup, 0, 5),
    (ApiKey::SyncGroup, 0, 5),
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::OffsetForLeaderEpoch, 2, 4),
];

/// Appends the answer to a request, header and all.
pub(super) fn answer(
    cluster: &Cluster,
    broker: usize,
    api: ApiKey,
    header: RequestHeader,
    body: Bytes,
    out: &mut BytesMut,
) -> Result<()> {
    let version = header.request_api_version;
    let (_, oldest, newest) =
        APIS.into_iter().find(|(key, ..)| *key == api).ok_or_else(|| format!("{api:?} is not served"))?;
    let call = Call { version, correlation_id: header.correlation_id, body, out };
    if !(oldest..=newest).contains(&version) {
        if api == ApiKey::ApiVersions {
            // KIP-511: in version 0's form.
            let answer = api_versions().with_error_code(ResponseError::UnsupportedVersion.code());
            return Call { version: 0, ..call }.put(&answer);
        }
        return Err(format!("{api:?} {version} is not served").into());
    }
    match api {
        ApiKey::ApiVersions => {
            call.read::<ApiVersionsRequest>()?;
            call.put(&api_versions())
        }
        ApiKey::Metadata => {
            let request: MetadataRequest = call.read()?;
            call.put(&metadata(cluster, version, request))
        }
        ApiKey::ListOffsets => {
            let request: ListOffsetsRequest = call.read()?;
            call.put(&list_offsets(cluster, &request))
        }
        ApiKey::OffsetForLeaderEpoch => {
            let request: OffsetForLeaderEpochRequest = call.read()?;
            call.put(&epoch_ends(cluster, &request))
        }
        _ => group::answer(cluster, broker, api, call),
    }
}

/// A request that is being answered.
pub(super) struct Call<'a> {
    pub(super) version: i16,
    correlation_id: i32,
    body: Bytes,
    out: &'a mut BytesMut,
}

impl Call<'_> {
    pub(super) fn read<T: Decodable>(&self) -> Result<T> {
        Ok(T::decode(&mut self.body.clone(), self.version)?)
    }

    pub(super) fn put<T: Encodable + HeaderVersion>(self, answer: &T) -> Result<()> {
        let header = ResponseHeader::default().with_correlation_id(self.correlation_id);
        header.encode(self.out, T::header_version(self.version))?;
        Ok(answer.encode(self.out, self.version)?)
    }
}

fn api_versions() -> ApiVersionsResponse {
    let api = |(key, oldest, newest): (ApiKey, i16, i16)| {
        ApiVersion::default().with_api_key(key as i16).with_min_version(oldest).with_max_version(newest)
    };
    ApiVersionsResponse::default().with_api_keys(APIS.into_iter().map(api).collect())
}

fn metadata(cluster: &Cluster, version: i16, request: MetadataRequest) -> MetadataResponse {
    let brokers = (0..cluster.ports.len()).map(|broker| {
        MetadataResponseBroker::default()
            .with_node_id(id(broker))
            .with_host(host())
            .with_port(i32::from(cluster.ports[broker]))
    });
    // Version 0 has no way to say "all" but none.
    let asked = request.topics.filter(|topics| version > 0 || !topics.is_empty());
    let topics = match asked {
        None => vec![our_topic(cluster)],
        Some(topics) => topics
            .into_iter()
            .map(|topic| {
                let is_ours = match &topic.name {
                    Some(name) => name.as_str() == TOPIC,
                    None => topic.topic_id == TOPIC_ID,
                };
                if is_ours {
                    return our_topic(cluster);
                }
                MetadataResponseTopic::default()
                    .with_error_code(ResponseError::UnknownTopicOrPartition.code())
                    .with_name(topic.name)
                    .with_topic_id(topic.topic_id)
            })
            .collect(),
    };
    MetadataResponse::default()
        .with_brokers(brokers.collect())
        .with_cluster_id(Some(StrBytes::from_static_str("limit-server")))
        .with_controller_id(id(0))
        .with_topics(topics)
}

fn our_topic(cluster: &Cluster) -> MetadataResponseTopic {
    let partition = |partition: usize| {
        let leader = id(cluster.options.leader(partition));
        MetadataResponsePartition::default()
            .with_partition_index(partition as i32)
            .with_leader_id(leader)
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![leader])
            .with_isr_nodes(vec![leader])
    };
    MetadataResponseTopic::default()
        .with_name(Some(topic()))
        .with_topic_id(TOPIC_ID)
        .with_partitions((0..cluster.options.partition_count()).map(partition).collect())
}

fn list_offsets(cluster: &Cluster, request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let answer = ListOffsetsPartitionResponse::default()
                .with_partition_index(asked.partition_index)
                .with_leader_epoch(LEADER_EPOCH);
            match cluster.end(topic.name.as_str(), asked.partition_index) {
                // -1 is the end, -2 the beginning; of times, only what lies before the first record is asked for.
                Some(end) => answer.with_offset(if asked.timestamp == -1 { end } else { 0 }),
                None => answer.with_error_code(ResponseError::UnknownTopicOrPartition.code()).with_offset(-1),
            }
        });
        ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn epoch_ends(cluster: &Cluster, request: &OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let end = cluster.end(topic.topic.as_str(), asked.partition);
            let error = end.map_or(ResponseError::UnknownTopicOrPartition.code(), |_| 0);
            EpochEndOffset::default()
                .with_error_code(error)
                .with_partition(asked.partition)
                .with_leader_epoch(LEADER_EPOCH)
                .with_end_offset(end.unwrap_or(-1))
        });
        OffsetForLeaderTopicResult::default()
            .with_topic(topic.topic.clone())
            .with_partitions(partitions.collect())
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

impl Cluster {
    /// The end of a partition's log; `None` where there is no such partition.
    pub(super) fn end(&self, topic: &str, partition: i32) -> Option<i64> {
        let partition = usize::try_from(partition).ok()?;
        if topic != TOPIC || partition >= self.options.partition_count() {
            return None;
        }
        Some(self.logs.get(partition).map_or(0, |log| log.end()))
    }
}

/// The id of the topic.
pub(super) const TOPIC_ID: Uuid = Uuid::from_u128(0x6c69_6d69_742d_4000_8000_746f_7069_6301);

pub(super) fn topic() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}

pub(super) fn id(broker: usize) -> BrokerId {
    BrokerId(broker as i32)
}

pub(super) fn host() -> StrBytes {
    StrBytes::from_static_str("127.0.0.1")
}
