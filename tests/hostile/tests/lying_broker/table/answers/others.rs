//! Metadata, versions, offsets and what producers are told.

use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition};
use kafka_protocol::messages::{ApiVersionsResponse, MetadataResponse};
use kafka_protocol::protocol::StrBytes;
use testkit::{ApiKey, ResponseKind};

use super::case;
use crate::case::Case;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn metadata(name: &str, alter: impl Fn(&mut MetadataResponse) + Send + Sync + 'static) -> Case {
    case(ApiKey::Metadata, name, false, move |answer| {
        if let ResponseKind::Metadata(metadata) = answer {
            alter(metadata);
        }
    })
}

fn brokers(name: &str, alter: impl Fn(&mut MetadataResponseBroker) + Send + Sync + 'static) -> Case {
    metadata(name, move |metadata| metadata.brokers.iter_mut().for_each(&alter))
}

fn partitions(name: &str, alter: impl Fn(&mut MetadataResponsePartition) + Send + Sync + 'static) -> Case {
    metadata(name, move |metadata| {
        let all = metadata.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        // Of what the liar leads: about the rest every broker would have to lie.
        all.filter(|partition| partition.partition_index == 0).for_each(&alter);
    })
}

fn versions(name: &str, alter: impl Fn(&mut ApiVersionsResponse) + Send + Sync + 'static) -> Case {
    case(ApiKey::ApiVersions, name, false, move |answer| {
        if let ResponseKind::ApiVersions(versions) = answer {
            alter(versions);
        }
    })
}

fn listed(name: &str, offset: i64, epoch: i32, timestamp: i64) -> Case {
    case(ApiKey::ListOffsets, name, false, move |answer| {
        let ResponseKind::ListOffsets(listed) = answer else { return };
        for partition in listed.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            partition.offset = offset;
            partition.leader_epoch = epoch;
            partition.timestamp = timestamp;
        }
    })
}

fn ended(name: &str, epoch: i32, end_offset: i64) -> Case {
    case(ApiKey::OffsetForLeaderEpoch, name, false, move |answer| {
        let ResponseKind::OffsetForLeaderEpoch(ended) = answer else { return };
        for partition in ended.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            partition.leader_epoch = epoch;
            partition.end_offset = end_offset;
        }
    })
}

fn produced(name: &str, base_offset: i64, index: i32) -> Case {
    case(ApiKey::Produce, name, false, move |answer| {
        let ResponseKind::Produce(produced) = answer else { return };
        for partition in produced.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses) {
            partition.base_offset = base_offset;
            partition.index += index;
        }
    })
}

pub(super) fn all() -> Vec<Case> {
    vec![
        metadata("a node twice", |metadata| metadata.brokers.extend_from_within(..)),
        metadata("no brokers", |metadata| metadata.brokers.clear()),
        metadata("no topics", |metadata| metadata.topics.clear()),
        metadata("every topic twice", |metadata| metadata.topics.extend_from_within(..)),
        metadata("every partition twice", |metadata| {
            metadata.topics.iter_mut().for_each(|topic| topic.partitions.extend_from_within(..));
        }),
        metadata("no partitions", |metadata| {
            metadata.topics.iter_mut().for_each(|topic| topic.partitions.clear());
        }),
        metadata("other topic ids", |metadata| {
            metadata.topics.iter_mut().for_each(|topic| topic.topic_id = uuid::Uuid::from_u128(0xbad));
        }),
        metadata("topic ids of zero", |metadata| {
            metadata.topics.iter_mut().for_each(|topic| topic.topic_id = uuid::Uuid::nil());
        }),
        metadata("topics without names", |metadata| {
            metadata.topics.iter_mut().for_each(|topic| topic.name = Some(text("").into()));
        }),
        metadata("another cluster", |metadata| metadata.cluster_id = Some(text("another"))),
        metadata("a controller below -1", |metadata| metadata.controller_id = (-9).into()),
        metadata("a controller that does not exist", |metadata| metadata.controller_id = 99.into()),
        metadata("a throttle time of 24 days", |metadata| metadata.throttle_time_ms = i32::MAX),
        metadata("a throttle time below 0", |metadata| metadata.throttle_time_ms = i32::MIN),
        metadata("three thousand brokers", |metadata| {
            let one = metadata.brokers[0].clone();
            metadata.brokers.extend((100..3100).map(|id| one.clone().with_node_id(id.into())));
        }),
        brokers("node ids below 0", |broker| broker.node_id = (-3).into()),
        brokers("hosts that are none", |broker| broker.host = text("")),
        brokers("hosts where nobody is", |broker| broker.host = text("nowhere")),
        brokers("ports that are none", |broker| broker.port = 70_000),
        brokers("ports below 0", |broker| broker.port = -1),
        brokers("everybody at one address", |broker| broker.host = text("broker-2")),
        partitions("leaders that do not exist", |partition| partition.leader_id = 99.into()),
        partitions("no leaders", |partition| partition.leader_id = (-1).into()),
        partitions("leaders below -1", |partition| partition.leader_id = (-9).into()),
        partitions("all led by the other broker", |partition| partition.leader_id = 2.into()),
        partitions("the largest leader epoch", |partition| partition.leader_epoch = i32::MAX),
        partitions("no leader epoch", |partition| partition.leader_epoch = -1),
        partitions("leader epochs that go back", |partition| partition.leader_epoch = 0),
        partitions("leader epochs below -1", |partition| partition.leader_epoch = i32::MIN),
        partitions("replicas that do not exist", |partition| {
            partition.replica_nodes = (0..1000).map(Into::into).collect();
            partition.isr_nodes = vec![(-1).into()];
        }),
        versions("no APIs", |versions| versions.api_keys.clear()),
        versions("every API twice", |versions| versions.api_keys.extend_from_within(..)),
        versions("versions below 0", |versions| {
            versions.api_keys.iter_mut().for_each(|api| (api.min_version, api.max_version) = (-9, -1));
        }),
        versions("ranges the wrong way round", |versions| {
            versions.api_keys.iter_mut().for_each(|api| (api.min_version, api.max_version) = (9, 1));
        }),
        versions("all versions there are", |versions| {
            versions
                .api_keys
                .iter_mut()
                .for_each(|api| (api.min_version, api.max_version) = (i16::MIN, i16::MAX));
        }),
        versions("versions of the far future", |versions| {
            versions.api_keys.iter_mut().for_each(|api| (api.min_version, api.max_version) = (1000, 2000));
        }),
        versions("without Fetch", |versions| versions.api_keys.retain(|api| api.api_key != 1)),
        versions("a throttle time of 24 days", |versions| versions.throttle_time_ms = i32::MAX),
        listed("an offset below -1", -9, 0, -1),
        listed("an offset of the largest number", i64::MAX, 0, -1),
        listed("the largest epoch", 5, i32::MAX, -1),
        listed("an epoch below -1", 5, i32::MIN, -1),
        listed("a time below -1", 5, 0, i64::MIN),
        case(ApiKey::ListOffsets, "no topics", false, |answer| {
            if let ResponseKind::ListOffsets(listed) = answer {
                listed.topics.clear();
            }
        }),
        case(ApiKey::ListOffsets, "every partition twice", true, |answer| {
            if let ResponseKind::ListOffsets(listed) = answer {
                listed.topics.iter_mut().for_each(|topic| topic.partitions.extend_from_within(..));
            }
        }),
        ended("an end below -1", 0, -9),
        ended("an end of the largest number", 0, i64::MAX),
        ended("the largest epoch", i32::MAX, i64::MAX),
        ended("an epoch below -1", i32::MIN, 5),
        ended("no such epoch", -1, -1),
        case(ApiKey::OffsetForLeaderEpoch, "no topics", false, |answer| {
            if let ResponseKind::OffsetForLeaderEpoch(ended) = answer {
                ended.topics.clear();
            }
        }),
        produced("a base offset below -1", -9, 0),
        produced("a base offset of the largest number", i64::MAX, 0),
        produced("a partition that was not asked for", 0, 7),
        case(ApiKey::Produce, "no topics", false, |answer| {
            if let ResponseKind::Produce(produced) = answer {
                produced.responses.clear();
            }
        }),
        case(ApiKey::Produce, "a throttle time of 24 days", false, |answer| {
            if let ResponseKind::Produce(produced) = answer {
                produced.throttle_time_ms = i32::MAX;
            }
        }),
        case(ApiKey::InitProducerId, "an id below 0", false, |answer| {
            if let ResponseKind::InitProducerId(id) = answer {
                id.producer_id = (-7).into();
            }
        }),
        case(ApiKey::InitProducerId, "an epoch below 0", false, |answer| {
            if let ResponseKind::InitProducerId(id) = answer {
                id.producer_epoch = -3;
            }
        }),
        case(ApiKey::DescribeGroups, "no groups", false, |answer| {
            if let ResponseKind::DescribeGroups(described) = answer {
                described.groups.clear();
            }
        }),
        case(ApiKey::ListGroups, "a group without a name", false, |answer| {
            if let ResponseKind::ListGroups(listed) = answer {
                listed.groups.push(Default::default());
            }
        }),
        case(ApiKey::CreateTopics, "no topics", false, |answer| {
            if let ResponseKind::CreateTopics(created) = answer {
                created.topics.clear();
            }
        }),
        case(ApiKey::DeleteTopics, "no topics", false, |answer| {
            if let ResponseKind::DeleteTopics(deleted) = answer {
                deleted.responses.clear();
            }
        }),
    ]
}
