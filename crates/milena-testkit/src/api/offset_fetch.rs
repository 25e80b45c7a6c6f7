//! OffsetFetch (9), versions 1 to 10.
//!
//! Java: `KafkaApis.handleOffsetFetch`, `OffsetMetadataManager.fetchOffsets`. Kept: no commit, no partition and no topic look the same,
//! but for an unknown id (v10); v7 can insist on stable offsets (KIP-447); v8 asks for many groups; v9 checks the member's
//! epoch in consumer groups. Before v8 an error is the answer's as from v2, and each partition's in v1.

use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::group::{self, FetchTopic, Fetched, FetchedTopic};

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: OffsetFetchRequest,
    version: i16,
) -> Reply<OffsetFetchResponse> {
    if version >= 8 {
        let answers = request.groups.iter().map(|group| {
            let topics = group.topics.as_ref().map(|topics| {
                let topics = topics.iter().map(|topic| {
                    let (name, id) = (&topic.name.0, topic.topic_id);
                    asked(ctx, name, id, &topic.partition_indexes, version)
                });
                topics.collect::<Vec<_>>()
            });
            let member = group.member_id.as_deref().filter(|_| version >= 9);
            let fetched = fetch(
                ctx,
                &group.group_id.0,
                member,
                group.member_epoch,
                topics.as_deref(),
                request.require_stable,
                version,
            );
            answer_group(group.group_id.0.clone(), fetched, version)
        });
        return Reply::Now(OffsetFetchResponse::default().with_groups(answers.collect()));
    }
    let topics = request.topics.as_ref().map(|topics| {
        let topics = topics
            .iter()
            .map(|topic| asked(ctx, &topic.name.0, Uuid::nil(), &topic.partition_indexes, version));
        topics.collect::<Vec<_>>()
    });
    let fetched =
        fetch(ctx, &request.group_id.0, None, -1, topics.as_deref(), request.require_stable, version);
    Reply::Now(match fetched {
        Ok(topics) => OffsetFetchResponse::default().with_topics(topics.into_iter().map(old_topic).collect()),
        Err(error) => failed(&request, version, error),
    })
}

fn asked(ctx: &Ctx<'_>, name: &StrBytes, id: Uuid, partitions: &[i32], version: i16) -> FetchTopic {
    let by_id =
        (version >= 10).then(|| ctx.cluster.name_of(id).map(|name| StrBytes::from_string(name.to_owned())));
    let (name, unknown_id) = match by_id {
        Some(Some(name)) => (name, false),
        Some(None) => (StrBytes::new(), true),
        None => (name.clone(), false),
    };
    FetchTopic { name, id, partitions: partitions.to_vec(), unknown_id }
}

fn fetch(
    ctx: &mut Ctx<'_>,
    group: &StrBytes,
    member: Option<&str>,
    epoch: i32,
    topics: Option<&[FetchTopic]>,
    require_stable: bool,
    version: i16,
) -> Result<Vec<FetchedTopic>, ErrorCode> {
    group::check_coordinator(ctx, group.as_str())?;
    let fetched = group::call(ctx, version, |groups, _| {
        groups.fetch_offsets(group, member, epoch, topics, require_stable)
    });
    let mut topics = fetched?;
    for topic in &mut topics {
        for partition in &mut topic.partitions {
            if let Some(error) = ctx.injected(topic.name.as_str(), partition.index) {
                *partition = Fetched::nothing(partition.index, error);
            }
        }
    }
    if version >= 10 {
        for topic in topics.iter_mut().filter(|topic| topic.id.is_nil()) {
            topic.id = ctx.cluster.id_of(topic.name.as_str());
        }
    }
    Ok(topics)
}

fn answer_group(
    id: StrBytes,
    fetched: Result<Vec<FetchedTopic>, ErrorCode>,
    version: i16,
) -> OffsetFetchResponseGroup {
    let answer = OffsetFetchResponseGroup::default().with_group_id(id.into());
    match fetched {
        Err(error) => answer.with_error_code(error.0),
        Ok(topics) => answer.with_topics(topics.into_iter().map(|topic| new_topic(topic, version)).collect()),
    }
}

fn new_topic(topic: FetchedTopic, version: i16) -> OffsetFetchResponseTopics {
    let partitions = topic.partitions.into_iter().map(|partition| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(partition.index)
            .with_committed_offset(partition.offset)
            .with_committed_leader_epoch(partition.leader_epoch)
            .with_metadata(Some(partition.metadata))
            .with_error_code(partition.error.0)
    });
    let answer = OffsetFetchResponseTopics::default().with_partitions(partitions.collect());
    if version >= 10 { answer.with_topic_id(topic.id) } else { answer.with_name(TopicName(topic.name)) }
}

fn old_topic(topic: FetchedTopic) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(partition.index)
            .with_committed_offset(partition.offset)
            .with_committed_leader_epoch(partition.leader_epoch)
            .with_metadata(Some(partition.metadata))
            .with_error_code(partition.error.0)
    });
    OffsetFetchResponseTopic::default().with_name(TopicName(topic.name)).with_partitions(partitions.collect())
}

pub(crate) fn failed(request: &OffsetFetchRequest, version: i16, error: ErrorCode) -> OffsetFetchResponse {
    if version >= 8 {
        let groups =
            request.groups.iter().map(|group| answer_group(group.group_id.0.clone(), Err(error), version));
        return OffsetFetchResponse::default().with_groups(groups.collect());
    }
    if version >= 2 {
        return OffsetFetchResponse::default().with_error_code(error.0);
    }
    let topics = request.topics.iter().flatten().map(|topic| {
        let partitions =
            topic.partition_indexes.iter().map(|&index| Fetched::nothing(index, error)).collect();
        old_topic(FetchedTopic { name: topic.name.0.clone(), id: Uuid::nil(), partitions })
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}
