//! Metadata (3), versions 0 to 13.
//!
//! Java: `KafkaApis.handleTopicMetadataRequest`, `KRaftMetadataCache`. Kept: version 0 means all topics by an empty list, later
//! ones by null; topics by id from version 12; a topic that is created on the way is UNKNOWN_TOPIC_OR_PARTITION in this answer
//! and there in the next; a partition without leader is LEADER_NOT_AVAILABLE. Not kept: authorized operations.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::cluster::{ClusterState, NewTopic, OFFSETS_TOPIC, Partition, TXN_TOPIC, Topic};
use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(ctx: &mut Ctx<'_>, request: MetadataRequest, version: i16) -> Reply<MetadataResponse> {
    let wanted = request.topics.filter(|topics| version > 0 || !topics.is_empty());
    let topics: Vec<_> = match wanted {
        None => {
            let cluster = &ctx.cluster;
            let names: Vec<_> = cluster.topics().map(|(name, _)| name.to_owned()).collect();
            names.iter().filter_map(|name| described(ctx, name)).collect()
        }
        Some(wanted) => {
            let create = version < 4 || request.allow_auto_topic_creation;
            wanted.into_iter().map(|topic| one(ctx, topic, create)).collect()
        }
    };
    let cluster = &ctx.cluster;
    let brokers = cluster.brokers().filter(|(_, broker)| broker.is_alive()).map(|(id, broker)| {
        MetadataResponseBroker::default()
            .with_node_id(id)
            .with_host(StrBytes::from_string(broker.host.clone()))
            .with_port(i32::from(broker.port))
            .with_rack(broker.rack.clone().map(StrBytes::from_string))
    });
    Reply::Now(
        MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_cluster_id(Some(StrBytes::from_string(cluster.settings.cluster_id.clone())))
            .with_controller_id(cluster.controller())
            .with_topics(topics),
    )
}

fn one(ctx: &mut Ctx<'_>, wanted: MetadataRequestTopic, create: bool) -> MetadataResponseTopic {
    let Some(name) = wanted.name else {
        let name = ctx.cluster.name_of(wanted.topic_id).map(str::to_owned);
        return name.and_then(|name| described(ctx, &name)).unwrap_or_else(|| {
            let code = ErrorCode::UNKNOWN_TOPIC_ID.0;
            MetadataResponseTopic::default()
                .with_name(None)
                .with_topic_id(wanted.topic_id)
                .with_error_code(code)
        });
    };
    if let Some(found) = described(ctx, &name) {
        return found;
    }
    let code = auto_create(&mut ctx.cluster, &name, create);
    let is_internal = *name == *OFFSETS_TOPIC || *name == *TXN_TOPIC;
    MetadataResponseTopic::default()
        .with_name(Some(name))
        .with_error_code(code.0)
        .with_is_internal(is_internal)
}

/// What the answer says of a topic that is not there.
fn auto_create(cluster: &mut ClusterState, name: &str, create: bool) -> ErrorCode {
    if name == OFFSETS_TOPIC || name == TXN_TOPIC {
        if create && cluster.settings.auto_create_topics {
            cluster.ensure_internal_topic(name);
        }
        return ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    }
    let new = NewTopic { name: name.to_owned(), ..NewTopic::default() };
    let create = create && cluster.settings.auto_create_topics;
    let outcome =
        if create { cluster.create_topic(&new).map(drop) } else { cluster.check_new_topic(&new).map(drop) };
    match outcome {
        Err(error) if error.code == ErrorCode::INVALID_TOPIC_EXCEPTION => error.code,
        Err(error) if create => error.code,
        _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    }
}

fn described(ctx: &Ctx<'_>, name: &str) -> Option<MetadataResponseTopic> {
    let topic = ctx.cluster.topic(name)?;
    let answer = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        .with_topic_id(topic.id)
        .with_is_internal(topic.is_internal);
    // A whole topic can be made to fail, or single partitions of it.
    if let Some(code) = ctx.injected(name, -1) {
        let id = if code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION { Uuid::nil() } else { topic.id };
        return Some(answer.with_error_code(code.0).with_topic_id(id));
    }
    Some(answer.with_partitions(partitions(ctx, name, topic)))
}

fn partitions(ctx: &Ctx<'_>, name: &str, topic: &Topic) -> Vec<MetadataResponsePartition> {
    let partitions = (0..).zip(&topic.partitions).map(|(number, partition)| {
        let answer = partition_answer(&ctx.cluster, number, partition);
        match ctx.injected(name, number) {
            Some(code) if code == ErrorCode::LEADER_NOT_AVAILABLE => {
                answer.with_error_code(code.0).with_leader_id(BrokerId(-1))
            }
            Some(code) => answer.with_error_code(code.0),
            None => answer,
        }
    });
    partitions.collect()
}

fn partition_answer(cluster: &ClusterState, number: i32, partition: &Partition) -> MetadataResponsePartition {
    let offline = partition.replicas.iter().copied().filter(|broker| !cluster.is_alive(*broker));
    let error = if partition.leader.is_some() { ErrorCode::NONE } else { ErrorCode::LEADER_NOT_AVAILABLE };
    MetadataResponsePartition::default()
        .with_error_code(error.0)
        .with_partition_index(number)
        .with_leader_id(partition.leader.unwrap_or(BrokerId(-1)))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(partition.replicas.clone())
        .with_isr_nodes(partition.isr.clone())
        .with_offline_replicas(offline.collect())
}
