//! Produce, Fetch, ListOffsets, OffsetForLeaderEpoch, Metadata.

use kafka_protocol::messages::{self as kp, BrokerId as Node, fetch_response, produce_response};
use milena_proto::types::{BrokerId, LeaderEpoch, TopicId};
use milena_proto::wire::*;

use super::{Answer, option, string};
use crate::any::Any;

fn node(id: Node) -> Option<BrokerId> {
    (id.0 >= 0).then_some(BrokerId(id.0))
}

fn hint(leader: Node, epoch: i32) -> Option<LeaderIdAndEpoch> {
    Some(LeaderIdAndEpoch { leader: node(leader)?, epoch: LeaderEpoch::from_wire(epoch)? })
}

impl Answer for ProduceRequest {
    type Theirs = kp::ProduceResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let partition = |any: &mut Any| {
            let mut partition = produce_response::PartitionProduceResponse::default()
                .with_index(any.unique())
                .with_error_code(any.i16())
                .with_base_offset(any.i64())
                .with_log_append_time_ms(any.i64());
            if version >= 5 {
                partition.log_start_offset = any.i64();
            }
            if version >= 8 {
                partition.record_errors = any.list(|any| {
                    produce_response::BatchIndexAndErrorMessage::default()
                        .with_batch_index(any.i32())
                        .with_batch_index_error_message(any.option(Any::text))
                });
                partition.error_message = any.option(Any::text);
            }
            if version >= 9 {
                partition.unknown_tagged_fields.extend(any.unknown_tags());
            }
            if version >= 10 {
                partition.current_leader.leader_id = any.i32().into();
                partition.current_leader.leader_epoch = any.i32();
            }
            partition
        };
        let topic = |any: &mut Any| {
            let topic = produce_response::TopicProduceResponse::default();
            let topic = match version {
                13.. => topic.with_topic_id(uuid::Uuid::from_bytes(any.topic_id().0)),
                _ => topic.with_name(any.unique_text().into()),
            };
            topic.with_partition_responses(any.list(partition))
        };
        let mut answer =
            kp::ProduceResponse::default().with_responses(any.list(topic)).with_throttle_time_ms(any.i32());
        if version >= 10 {
            answer.node_endpoints = any.list(|any| {
                produce_response::NodeEndpoint::default()
                    .with_node_id(any.unique().into())
                    .with_host(any.text())
                    .with_port(any.i32())
                    .with_rack(any.option(Any::text))
            });
        }
        answer
    }

    fn ours(version: i16, theirs: Self::Theirs) -> ProduceResponse {
        let partition = |partition: produce_response::PartitionProduceResponse| ProducedPartition {
            partition: partition.index,
            error: ErrorCode(partition.error_code),
            base_offset: partition.base_offset,
            log_append_time_ms: partition.log_append_time_ms,
            log_start_offset: partition.log_start_offset,
            record_errors: partition
                .record_errors
                .into_iter()
                .map(|error| (error.batch_index, option(error.batch_index_error_message)))
                .collect(),
            error_message: option(partition.error_message),
            current_leader: hint(partition.current_leader.leader_id, partition.current_leader.leader_epoch),
        };
        let topic = |topic: produce_response::TopicProduceResponse| ProducedTopic {
            name: (version < 13).then(|| string(topic.name.as_str())),
            id: TopicId(topic.topic_id.into_bytes()),
            partitions: topic.partition_responses.into_iter().map(partition).collect(),
        };
        let endpoint = |endpoint: produce_response::NodeEndpoint| NodeEndpoint {
            id: BrokerId(endpoint.node_id.0),
            host: string(endpoint.host.as_str()),
            port: endpoint.port,
            rack: option(endpoint.rack),
        };
        ProduceResponse {
            topics: theirs.responses.into_iter().map(topic).collect(),
            throttle_time_ms: theirs.throttle_time_ms,
            node_endpoints: theirs.node_endpoints.into_iter().map(endpoint).collect(),
        }
    }
}

impl Answer for FetchRequest {
    type Theirs = kp::FetchResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let partition = |any: &mut Any| {
            let mut partition = fetch_response::PartitionData::default()
                .with_partition_index(any.unique())
                .with_error_code(any.i16())
                .with_high_watermark(any.i64())
                .with_last_stable_offset(any.i64())
                .with_records(any.option(Any::blob))
                .with_aborted_transactions(any.option(|any| {
                    any.list(|any| {
                        fetch_response::AbortedTransaction::default()
                            .with_producer_id(any.i64().into())
                            .with_first_offset(any.i64())
                    })
                }));
            if version >= 5 {
                partition.log_start_offset = any.i64();
            }
            if version >= 11 {
                partition.preferred_read_replica = any.i32().into();
            }
            if version >= 12 {
                partition.diverging_epoch.epoch = any.i32();
                partition.diverging_epoch.end_offset = any.i64();
                partition.current_leader.leader_id = any.i32().into();
                partition.current_leader.leader_epoch = any.i32();
                partition.snapshot_id.epoch = any.i32();
                partition.unknown_tagged_fields.extend(any.unknown_tags());
            }
            partition
        };
        let topic = |any: &mut Any| {
            let topic = fetch_response::FetchableTopicResponse::default();
            let topic = match version {
                13.. => topic.with_topic_id(uuid::Uuid::from_bytes(any.topic_id().0)),
                _ => topic.with_topic(any.unique_text().into()),
            };
            topic.with_partitions(any.list(partition))
        };
        let mut answer =
            kp::FetchResponse::default().with_throttle_time_ms(any.i32()).with_responses(any.list(topic));
        if version >= 7 {
            answer.error_code = any.i16();
            answer.session_id = any.i32();
        }
        if version >= 12 {
            answer.unknown_tagged_fields.extend(any.unknown_tags());
        }
        if version >= 16 {
            answer.node_endpoints = any.list(|any| {
                fetch_response::NodeEndpoint::default()
                    .with_node_id(any.unique().into())
                    .with_host(any.text())
                    .with_port(any.i32())
                    .with_rack(any.option(Any::text))
            });
        }
        answer
    }

    fn ours(version: i16, theirs: Self::Theirs) -> FetchResponse {
        let partition = |partition: fetch_response::PartitionData| {
            let diverging = partition.diverging_epoch;
            FetchedPartition {
                partition: partition.partition_index,
                error: ErrorCode(partition.error_code),
                high_watermark: partition.high_watermark,
                last_stable_offset: partition.last_stable_offset,
                log_start_offset: partition.log_start_offset,
                diverging_epoch: (diverging.epoch >= 0)
                    .then_some(EpochEndOffset { epoch: diverging.epoch, end_offset: diverging.end_offset }),
                current_leader: hint(
                    partition.current_leader.leader_id,
                    partition.current_leader.leader_epoch,
                ),
                aborted_transactions: partition
                    .aborted_transactions
                    .unwrap_or_default()
                    .into_iter()
                    .map(|aborted| AbortedTransaction {
                        producer_id: aborted.producer_id.0,
                        first_offset: aborted.first_offset,
                    })
                    .collect(),
                preferred_read_replica: node(partition.preferred_read_replica),
                records: partition.records.unwrap_or_default(),
            }
        };
        let topic = |topic: fetch_response::FetchableTopicResponse| FetchedTopic {
            name: (version < 13).then(|| string(topic.topic.as_str())),
            id: TopicId(topic.topic_id.into_bytes()),
            partitions: topic.partitions.into_iter().map(partition).collect(),
        };
        let endpoint = |endpoint: fetch_response::NodeEndpoint| NodeEndpoint {
            id: BrokerId(endpoint.node_id.0),
            host: string(endpoint.host.as_str()),
            port: endpoint.port,
            rack: option(endpoint.rack),
        };
        FetchResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            error: ErrorCode(theirs.error_code),
            session_id: theirs.session_id,
            topics: theirs.responses.into_iter().map(topic).collect(),
            node_endpoints: theirs.node_endpoints.into_iter().map(endpoint).collect(),
        }
    }
}

impl Answer for ListOffsetsRequest {
    type Theirs = kp::ListOffsetsResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let partition = |any: &mut Any| {
            let mut partition = kp::list_offsets_response::ListOffsetsPartitionResponse::default()
                .with_partition_index(any.unique())
                .with_error_code(any.i16())
                .with_timestamp(any.i64())
                .with_offset(any.i64());
            if version >= 4 {
                partition.leader_epoch = any.i32();
            }
            partition
        };
        let topic = |any: &mut Any| {
            kp::list_offsets_response::ListOffsetsTopicResponse::default()
                .with_name(any.unique_text().into())
                .with_partitions(any.list(partition))
        };
        let mut answer = kp::ListOffsetsResponse::default().with_topics(any.list(topic));
        if version >= 2 {
            answer.throttle_time_ms = any.i32();
        }
        if version >= 6 {
            answer.unknown_tagged_fields.extend(any.unknown_tags());
        }
        answer
    }

    fn ours(_: i16, theirs: Self::Theirs) -> ListOffsetsResponse {
        let partition = |partition: kp::list_offsets_response::ListOffsetsPartitionResponse| ListedOffset {
            partition: partition.partition_index,
            error: ErrorCode(partition.error_code),
            timestamp: partition.timestamp,
            offset: partition.offset,
            leader_epoch: LeaderEpoch::from_wire(partition.leader_epoch),
        };
        let topic = |topic: kp::list_offsets_response::ListOffsetsTopicResponse| ListedTopic {
            name: string(topic.name.as_str()),
            partitions: topic.partitions.into_iter().map(partition).collect(),
        };
        ListOffsetsResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            topics: theirs.topics.into_iter().map(topic).collect(),
        }
    }

    fn their_version(version: i16) -> i16 {
        version.min(10)
    }
}

impl Answer for OffsetForLeaderEpochRequest {
    type Theirs = kp::OffsetForLeaderEpochResponse;

    fn random(_: i16, any: &mut Any) -> Self::Theirs {
        let partition = |any: &mut Any| {
            kp::offset_for_leader_epoch_response::EpochEndOffset::default()
                .with_error_code(any.i16())
                .with_partition(any.unique())
                .with_leader_epoch(any.i32())
                .with_end_offset(any.i64())
        };
        let topic = |any: &mut Any| {
            kp::offset_for_leader_epoch_response::OffsetForLeaderTopicResult::default()
                .with_topic(any.unique_text().into())
                .with_partitions(any.list(partition))
        };
        kp::OffsetForLeaderEpochResponse::default()
            .with_throttle_time_ms(any.i32())
            .with_topics(any.list(topic))
    }

    fn ours(_: i16, theirs: Self::Theirs) -> OffsetForLeaderEpochResponse {
        let partition =
            |partition: kp::offset_for_leader_epoch_response::EpochEndOffset| OffsetForLeaderResult {
                partition: partition.partition,
                error: ErrorCode(partition.error_code),
                end: EpochEndOffset { epoch: partition.leader_epoch, end_offset: partition.end_offset },
            };
        let topic = |topic: kp::offset_for_leader_epoch_response::OffsetForLeaderTopicResult| {
            (string(topic.topic.as_str()), topic.partitions.into_iter().map(partition).collect())
        };
        OffsetForLeaderEpochResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            topics: theirs.topics.into_iter().map(topic).collect(),
        }
    }
}

impl Answer for MetadataRequest {
    type Theirs = kp::MetadataResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let nodes = |any: &mut Any| any.list(|any| Node(any.i32()));
        let partition = |any: &mut Any| {
            let mut partition = kp::metadata_response::MetadataResponsePartition::default()
                .with_error_code(any.i16())
                .with_partition_index(any.unique())
                .with_leader_id(any.i32().into())
                .with_replica_nodes(nodes(any))
                .with_isr_nodes(nodes(any));
            if version >= 5 {
                partition.offline_replicas = nodes(any);
            }
            if version >= 7 {
                partition.leader_epoch = any.i32();
            }
            partition
        };
        let topic = |any: &mut Any| {
            let mut topic = kp::metadata_response::MetadataResponseTopic::default()
                .with_error_code(any.i16())
                .with_name(Some(any.unique_text().into()))
                .with_is_internal(any.bool())
                .with_partitions(any.list(partition));
            if version >= 8 {
                topic.topic_authorized_operations = any.i32();
            }
            if version >= 10 {
                topic.topic_id = uuid::Uuid::from_bytes(any.topic_id().0);
            }
            if version >= 12 && any.bool() {
                topic.name = None;
            }
            topic
        };
        let mut answer = kp::MetadataResponse::default()
            .with_brokers(any.list(|any| {
                kp::metadata_response::MetadataResponseBroker::default()
                    .with_node_id(any.unique().into())
                    .with_host(any.text())
                    .with_port(any.i32())
                    .with_rack(any.option(Any::text))
            }))
            .with_controller_id(any.i32().into())
            .with_topics(any.list(topic));
        if version >= 2 {
            answer.cluster_id = any.option(Any::text);
        }
        if version >= 3 {
            answer.throttle_time_ms = any.i32();
        }
        if (8..=10).contains(&version) {
            answer.cluster_authorized_operations = any.i32();
        }
        if version >= 13 {
            answer.error_code = any.i16();
        }
        answer
    }

    fn ours(_: i16, theirs: Self::Theirs) -> MetadataResponse {
        let nodes = |nodes: Vec<Node>| nodes.into_iter().map(|node| BrokerId(node.0)).collect();
        let partition = |partition: kp::metadata_response::MetadataResponsePartition| MetadataPartition {
            error: ErrorCode(partition.error_code),
            partition: partition.partition_index,
            leader: node(partition.leader_id),
            leader_epoch: LeaderEpoch::from_wire(partition.leader_epoch),
            replicas: nodes(partition.replica_nodes),
            isr: nodes(partition.isr_nodes),
            offline: nodes(partition.offline_replicas),
        };
        let topic = |topic: kp::metadata_response::MetadataResponseTopic| MetadataTopic {
            error: ErrorCode(topic.error_code),
            name: topic.name.map(|name| string(name.as_str())),
            id: TopicId(topic.topic_id.into_bytes()),
            is_internal: topic.is_internal,
            partitions: topic.partitions.into_iter().map(partition).collect(),
        };
        let broker = |broker: kp::metadata_response::MetadataResponseBroker| MetadataBroker {
            id: BrokerId(broker.node_id.0),
            host: string(broker.host.as_str()),
            port: broker.port,
            rack: option(broker.rack),
        };
        MetadataResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            brokers: theirs.brokers.into_iter().map(broker).collect(),
            cluster_id: option(theirs.cluster_id),
            controller: node(theirs.controller_id),
            topics: theirs.topics.into_iter().map(topic).collect(),
            error: ErrorCode(theirs.error_code),
        }
    }
}
