//! DescribeTopicPartitions (75), version 0.
//!
//! Java: `DescribeTopicPartitionsRequestHandler`. Kept: topics in the order of their names, from the cursor on, as many partitions
//! as the request allows (at most 2000), and a cursor for the rest; an unknown topic is UNKNOWN_TOPIC_OR_PARTITION. Not kept:
//! eligible leader replicas (there are none here).

use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::cluster::{ClusterState, Partition};
use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: DescribeTopicPartitionsRequest,
    _version: i16,
) -> Reply<DescribeTopicPartitionsResponse> {
    let cluster = &ctx.cluster;
    let asked = request.topics.iter().map(|topic| topic.name.to_string());
    let mut names: Vec<_> = if request.topics.is_empty() {
        cluster.topics().map(|(name, _)| name.to_owned()).collect()
    } else {
        asked.collect()
    };
    names.sort();
    names.dedup();
    let (first, first_partition) = request
        .cursor
        .map_or((String::new(), 0), |cursor| (cursor.topic_name.to_string(), cursor.partition_index));
    let mut room = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, PARTITIONS_MAX);
    let mut answer = DescribeTopicPartitionsResponse::default();
    for name in names.into_iter().filter(|name| *name >= first) {
        let topic_name = TopicName(StrBytes::from_string(name.clone()));
        let described = DescribeTopicPartitionsResponseTopic::default().with_name(Some(topic_name.clone()));
        let Some(topic) = cluster.topic(&name) else {
            let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0;
            answer.topics.push(described.with_error_code(code));
            continue;
        };
        let from = if name == first { usize::try_from(first_partition).unwrap_or(0) } else { 0 };
        let partitions: Vec<_> = (0..).zip(&topic.partitions).skip(from).take(room).collect();
        let next = from + partitions.len();
        room -= partitions.len();
        let partitions =
            partitions.into_iter().map(|(number, state)| partition(cluster, number, state)).collect();
        let described = described.with_topic_id(topic.id).with_is_internal(topic.is_internal);
        answer.topics.push(described.with_partitions(partitions));
        if next < topic.partitions.len() {
            let cursor = Cursor::default().with_topic_name(topic_name).with_partition_index(next as i32);
            answer.next_cursor = Some(cursor);
            break;
        }
    }
    Reply::Now(answer)
}

fn partition(
    cluster: &ClusterState,
    number: i32,
    state: &Partition,
) -> DescribeTopicPartitionsResponsePartition {
    let offline = state.replicas.iter().copied().filter(|broker| !cluster.is_alive(*broker));
    let code = if state.leader.is_some() { ErrorCode::NONE } else { ErrorCode::LEADER_NOT_AVAILABLE };
    DescribeTopicPartitionsResponsePartition::default()
        .with_error_code(code.0)
        .with_partition_index(number)
        .with_leader_id(state.leader.unwrap_or(BrokerId(-1)))
        .with_leader_epoch(state.leader_epoch)
        .with_replica_nodes(state.replicas.clone())
        .with_isr_nodes(state.isr.clone())
        .with_eligible_leader_replicas(Some(Vec::new()))
        .with_last_known_elr(Some(Vec::new()))
        .with_offline_replicas(offline.collect())
}

/// `max.request.partition.size.limit`.
const PARTITIONS_MAX: usize = 2000;
