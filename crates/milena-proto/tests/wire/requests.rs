//! Requests: written here, read by `kafka-protocol`, compared.
//!
//! `version` decides what a random request may hold; that a field is refused or left out where a version cannot carry it
//! has named tests in `frames`.

use bytes::BytesMut;
use kafka_protocol::messages as kp;
use kafka_protocol::protocol::{Decodable, StrBytes};
use milena_proto::types::{BrokerId, Generation, IsolationLevel, LeaderEpoch, TopicId};
use milena_proto::wire::*;
use proptest::prelude::*;

use crate::any::{Any, any};

/// One API's question.
trait Question: Request + Clone + PartialEq + std::fmt::Debug {
    type Theirs: Decodable;

    /// One that `version` can carry whole.
    fn random(version: i16, any: &mut Any) -> Self;

    fn ours(version: i16, theirs: Self::Theirs) -> Self;

    /// The newest version that `kafka-protocol` knows.
    fn their_last() -> i16 {
        *Self::VERSIONS.end()
    }
}

fn reads_back<Q: Question>(any: &Any) -> Result<(), TestCaseError> {
    for version in *Q::VERSIONS.start()..=Q::their_last() {
        let request = Q::random(version, &mut any.clone());
        let mut bytes = BytesMut::new();
        request.encode(version, &mut bytes).unwrap();
        let mut bytes = bytes.freeze();
        let theirs = Q::Theirs::decode(&mut bytes, version).unwrap();
        prop_assert!(bytes.is_empty(), "{} {version}: {} bytes unread", Q::API, bytes.len());
        prop_assert_eq!(Q::ours(version, theirs), request, "{} {}", Q::API, version);
    }
    Ok(())
}

macro_rules! questions {
    ($($test:ident $request:ident;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(96))]
            $(
                #[test]
                fn $test(any in any()) {
                    reads_back::<$request>(&any)?;
                }
            )*
        }
    };
}

questions! {
    produce ProduceRequest;
    fetch FetchRequest;
    list_offsets ListOffsetsRequest;
    metadata MetadataRequest;
    offset_commit OffsetCommitRequest;
    offset_fetch OffsetFetchRequest;
    find_coordinator FindCoordinatorRequest;
    join_group JoinGroupRequest;
    heartbeat HeartbeatRequest;
    leave_group LeaveGroupRequest;
    sync_group SyncGroupRequest;
    describe_groups DescribeGroupsRequest;
    list_groups ListGroupsRequest;
    api_versions ApiVersionsRequest;
    create_topics CreateTopicsRequest;
    delete_topics DeleteTopicsRequest;
    init_producer_id InitProducerIdRequest;
    offset_for_leader_epoch OffsetForLeaderEpochRequest;
    consumer_group_heartbeat ConsumerGroupHeartbeatRequest;
    consumer_group_describe ConsumerGroupDescribeRequest;
}

fn string(text: impl AsRef<str>) -> String {
    text.as_ref().to_owned()
}

fn option(text: Option<StrBytes>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}

fn isolation(level: i8) -> IsolationLevel {
    if level == 1 { IsolationLevel::ReadCommitted } else { IsolationLevel::ReadUncommitted }
}

fn any_isolation(any: &mut Any) -> IsolationLevel {
    isolation(i8::from(any.bool()))
}

/// A topic as the request of a version names it, so that what is read back is the same.
fn key(by_id: bool, any: &mut Any) -> (milena_proto::types::TopicName, TopicId) {
    if by_id { ("".into(), any.topic_id()) } else { (any.topic_name(), TopicId::ZERO) }
}

fn instance(first: i16, version: i16, any: &mut Any) -> Option<String> {
    if version >= first { any.option(Any::string) } else { None }
}

impl Question for ProduceRequest {
    type Theirs = kp::ProduceRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        let topic = |any: &mut Any| {
            let (name, id) = key(version >= 13, any);
            ProduceTopic { name, id, partitions: any.list(|any| (any.i32(), any.blob())) }
        };
        Self {
            transactional_id: any.option(Any::string),
            acks: any.i16(),
            timeout_ms: any.i32(),
            topics: any.list(topic),
        }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        let topic = |topic: kp::produce_request::TopicProduceData| ProduceTopic {
            name: topic.name.as_str().into(),
            id: TopicId(topic.topic_id.into_bytes()),
            partitions: topic
                .partition_data
                .into_iter()
                .map(|data| (data.index, data.records.unwrap()))
                .collect(),
        };
        Self {
            transactional_id: theirs.transactional_id.map(|id| string(id.as_str())),
            acks: theirs.acks,
            timeout_ms: theirs.timeout_ms,
            topics: theirs.topic_data.into_iter().map(topic).collect(),
        }
    }
}

impl Question for FetchRequest {
    type Theirs = kp::FetchRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        let partition = |any: &mut Any| FetchPartition {
            partition: any.i32(),
            current_leader_epoch: if version >= 9 { any.epoch() } else { None },
            fetch_offset: any.i64(),
            last_fetched_epoch: if version >= 12 { any.epoch() } else { None },
            max_bytes: any.i32(),
        };
        let topic = |any: &mut Any| {
            let (name, id) = key(version >= 13, any);
            FetchTopic { name, id, partitions: any.list(partition) }
        };
        let forgotten = |any: &mut Any| {
            let (name, id) = key(version >= 13, any);
            ForgottenTopic { name, id, partitions: any.list(Any::i32) }
        };
        let sessions = version >= 7;
        Self {
            max_wait_ms: any.i32(),
            min_bytes: any.i32(),
            max_bytes: any.i32(),
            isolation: any_isolation(any),
            session_id: if sessions { any.i32() } else { 0 },
            session_epoch: if sessions { any.i32() } else { -1 },
            topics: any.list(topic),
            forgotten: if sessions { any.list(forgotten) } else { vec![] },
            rack_id: if version >= 11 { any.string() } else { String::new() },
        }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        // A consumer, in the version's own way to say so.
        assert_eq!(theirs.replica_id.0, -1);
        assert_eq!(theirs.replica_state.replica_id.0, -1);
        let partition = |partition: kp::fetch_request::FetchPartition| {
            assert_eq!((partition.log_start_offset, partition.high_watermark), (-1, i64::MAX));
            FetchPartition {
                partition: partition.partition,
                current_leader_epoch: LeaderEpoch::from_wire(partition.current_leader_epoch),
                fetch_offset: partition.fetch_offset,
                last_fetched_epoch: LeaderEpoch::from_wire(partition.last_fetched_epoch),
                max_bytes: partition.partition_max_bytes,
            }
        };
        let topic = |topic: kp::fetch_request::FetchTopic| FetchTopic {
            name: topic.topic.as_str().into(),
            id: TopicId(topic.topic_id.into_bytes()),
            partitions: topic.partitions.into_iter().map(partition).collect(),
        };
        let forgotten = |topic: kp::fetch_request::ForgottenTopic| ForgottenTopic {
            name: topic.topic.as_str().into(),
            id: TopicId(topic.topic_id.into_bytes()),
            partitions: topic.partitions,
        };
        Self {
            max_wait_ms: theirs.max_wait_ms,
            min_bytes: theirs.min_bytes,
            max_bytes: theirs.max_bytes,
            isolation: isolation(theirs.isolation_level),
            session_id: theirs.session_id,
            session_epoch: theirs.session_epoch,
            topics: theirs.topics.into_iter().map(topic).collect(),
            forgotten: theirs.forgotten_topics_data.into_iter().map(forgotten).collect(),
            rack_id: string(theirs.rack_id.as_str()),
        }
    }
}

impl Question for ListOffsetsRequest {
    type Theirs = kp::ListOffsetsRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        let partition = |any: &mut Any| ListOffsetsPartition {
            partition: any.i32(),
            current_leader_epoch: if version >= 4 { any.epoch() } else { None },
            timestamp: any.i64(),
        };
        let topic =
            |any: &mut Any| ListOffsetsTopic { name: any.topic_name(), partitions: any.list(partition) };
        Self {
            isolation: if version >= 2 { any_isolation(any) } else { IsolationLevel::ReadUncommitted },
            topics: any.list(topic),
            timeout_ms: if version >= 10 { any.i32() } else { 0 },
        }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        assert_eq!(theirs.replica_id.0, -1);
        let partition = |partition: kp::list_offsets_request::ListOffsetsPartition| ListOffsetsPartition {
            partition: partition.partition_index,
            current_leader_epoch: LeaderEpoch::from_wire(partition.current_leader_epoch),
            timestamp: partition.timestamp,
        };
        let topic = |topic: kp::list_offsets_request::ListOffsetsTopic| ListOffsetsTopic {
            name: topic.name.as_str().into(),
            partitions: topic.partitions.into_iter().map(partition).collect(),
        };
        Self {
            isolation: isolation(theirs.isolation_level),
            topics: theirs.topics.into_iter().map(topic).collect(),
            timeout_ms: theirs.timeout_ms,
        }
    }

    fn their_last() -> i16 {
        10
    }
}

impl Question for MetadataRequest {
    type Theirs = kp::MetadataRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        Self {
            topics: any.option(|any| any.list(Any::string)),
            allow_auto_topic_creation: version < 4 || any.bool(),
        }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        let name = |topic: kp::metadata_request::MetadataRequestTopic| {
            assert!(topic.topic_id.is_nil());
            string(topic.name.unwrap().as_str())
        };
        Self {
            topics: theirs.topics.map(|topics| topics.into_iter().map(name).collect()),
            allow_auto_topic_creation: theirs.allow_auto_topic_creation,
        }
    }
}

impl Question for OffsetCommitRequest {
    type Theirs = kp::OffsetCommitRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        let partition = |any: &mut Any| OffsetCommitPartition {
            partition: any.i32(),
            offset: any.i64(),
            leader_epoch: if version >= 6 { any.epoch() } else { None },
            metadata: any.option(Any::string),
        };
        let topic = |any: &mut Any| OffsetCommitTopic {
            name: any.topic_name(),
            id: TopicId::ZERO,
            partitions: any.list(partition),
        };
        Self {
            group_id: any.string(),
            generation: Generation(any.i32()),
            member_id: any.string(),
            group_instance_id: instance(7, version, any),
            topics: any.list(topic),
        }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        // The broker's own retention: asking for another one was taken away in version 5 (KIP-211).
        assert_eq!(theirs.retention_time_ms, -1);
        let partition =
            |partition: kp::offset_commit_request::OffsetCommitRequestPartition| OffsetCommitPartition {
                partition: partition.partition_index,
                offset: partition.committed_offset,
                leader_epoch: LeaderEpoch::from_wire(partition.committed_leader_epoch),
                metadata: option(partition.committed_metadata),
            };
        let topic = |topic: kp::offset_commit_request::OffsetCommitRequestTopic| OffsetCommitTopic {
            name: topic.name.as_str().into(),
            id: TopicId::ZERO,
            partitions: topic.partitions.into_iter().map(partition).collect(),
        };
        Self {
            group_id: string(theirs.group_id.as_str()),
            generation: Generation(theirs.generation_id_or_member_epoch),
            member_id: string(theirs.member_id.as_str()),
            group_instance_id: option(theirs.group_instance_id),
            topics: theirs.topics.into_iter().map(topic).collect(),
        }
    }

    fn their_last() -> i16 {
        9
    }
}

impl Question for OffsetFetchRequest {
    type Theirs = kp::OffsetFetchRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        let topic = |any: &mut Any| OffsetFetchTopic {
            name: any.topic_name(),
            id: TopicId::ZERO,
            partitions: any.list(Any::i32),
        };
        let topics = any.list(topic);
        Self {
            group_id: any.string(),
            member: if version >= 9 { any.option(|any| (any.string(), any.i32())) } else { None },
            topics: if version >= 2 && any.bool() { None } else { Some(topics) },
            require_stable: version >= 7 && any.bool(),
        }
    }

    fn ours(version: i16, mut theirs: Self::Theirs) -> Self {
        let topic = |name: &str, partitions: Vec<i32>| OffsetFetchTopic {
            name: name.into(),
            id: TopicId::ZERO,
            partitions,
        };
        if version >= 8 {
            let group = theirs.groups.pop().unwrap();
            assert!(theirs.groups.is_empty());
            let topics = group.topics.map(|topics| {
                topics.into_iter().map(|t| topic(t.name.as_str(), t.partition_indexes)).collect()
            });
            return Self {
                group_id: string(group.group_id.as_str()),
                member: group.member_id.map(|id| (string(id.as_str()), group.member_epoch)),
                topics,
                require_stable: theirs.require_stable,
            };
        }
        let topics = theirs
            .topics
            .map(|topics| topics.into_iter().map(|t| topic(t.name.as_str(), t.partition_indexes)).collect());
        let group_id = string(theirs.group_id.as_str());
        Self { group_id, member: None, topics, require_stable: theirs.require_stable }
    }

    fn their_last() -> i16 {
        9
    }
}

impl Question for FindCoordinatorRequest {
    type Theirs = kp::FindCoordinatorRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        Self { key: any.string(), key_type: if version >= 1 { i8::from(any.bool()) } else { 0 } }
    }

    fn ours(version: i16, mut theirs: Self::Theirs) -> Self {
        let key = if version >= 4 { theirs.coordinator_keys.pop().unwrap() } else { theirs.key };
        assert!(theirs.coordinator_keys.is_empty());
        Self { key: string(key.as_str()), key_type: theirs.key_type }
    }
}

impl Question for JoinGroupRequest {
    type Theirs = kp::JoinGroupRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        Self {
            group_id: any.string(),
            session_timeout_ms: any.i32(),
            rebalance_timeout_ms: any.i32(),
            member_id: any.string(),
            group_instance_id: instance(5, version, any),
            protocol_type: any.string(),
            protocols: any.list(|any| (any.string(), any.blob())),
            reason: instance(8, version, any),
        }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        Self {
            group_id: string(theirs.group_id.as_str()),
            session_timeout_ms: theirs.session_timeout_ms,
            rebalance_timeout_ms: theirs.rebalance_timeout_ms,
            member_id: string(theirs.member_id.as_str()),
            group_instance_id: option(theirs.group_instance_id),
            protocol_type: string(theirs.protocol_type.as_str()),
            protocols: theirs.protocols.into_iter().map(|p| (string(p.name.as_str()), p.metadata)).collect(),
            reason: option(theirs.reason),
        }
    }
}

impl Question for HeartbeatRequest {
    type Theirs = kp::HeartbeatRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        Self {
            group_id: any.string(),
            generation: Generation(any.i32()),
            member_id: any.string(),
            group_instance_id: instance(3, version, any),
        }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        Self {
            group_id: string(theirs.group_id.as_str()),
            generation: Generation(theirs.generation_id),
            member_id: string(theirs.member_id.as_str()),
            group_instance_id: option(theirs.group_instance_id),
        }
    }
}

impl Question for LeaveGroupRequest {
    type Theirs = kp::LeaveGroupRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        Self {
            group_id: any.string(),
            member_id: any.string(),
            group_instance_id: instance(3, version, any),
            reason: instance(5, version, any),
        }
    }

    fn ours(version: i16, mut theirs: Self::Theirs) -> Self {
        let group_id = string(theirs.group_id.as_str());
        if version < 3 {
            let member_id = string(theirs.member_id.as_str());
            return Self { group_id, member_id, group_instance_id: None, reason: None };
        }
        let member = theirs.members.pop().unwrap();
        assert!(theirs.members.is_empty());
        Self {
            group_id,
            member_id: string(member.member_id.as_str()),
            group_instance_id: option(member.group_instance_id),
            reason: option(member.reason),
        }
    }
}

impl Question for ConsumerGroupHeartbeatRequest {
    type Theirs = kp::ConsumerGroupHeartbeatRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        Self {
            group_id: any.string(),
            member_id: any.string(),
            member_epoch: Generation(any.i32()),
            group_instance_id: any.option(Any::string),
            rack: any.option(Any::string),
            rebalance_timeout_ms: any.i32(),
            topics: any.option(|any| any.list(Any::topic_name)),
            pattern: instance(1, version, any),
            assignor: any.option(Any::string),
            owned: any.option(|any| any.list(|any| (any.topic_id(), any.list(Any::i32)))),
        }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        let owned = |topic: kp::consumer_group_heartbeat_request::TopicPartitions| {
            (TopicId(topic.topic_id.into_bytes()), topic.partitions)
        };
        let names = |names: Vec<kp::TopicName>| names.iter().map(|name| name.as_str().into()).collect();
        Self {
            group_id: string(theirs.group_id.as_str()),
            member_id: string(theirs.member_id.as_str()),
            member_epoch: Generation(theirs.member_epoch),
            group_instance_id: option(theirs.instance_id),
            rack: option(theirs.rack_id),
            rebalance_timeout_ms: theirs.rebalance_timeout_ms,
            topics: theirs.subscribed_topic_names.map(names),
            pattern: option(theirs.subscribed_topic_regex),
            assignor: option(theirs.server_assignor),
            owned: theirs.topic_partitions.map(|topics| topics.into_iter().map(owned).collect()),
        }
    }
}

impl Question for ConsumerGroupDescribeRequest {
    type Theirs = kp::ConsumerGroupDescribeRequest;

    fn random(_: i16, any: &mut Any) -> Self {
        Self { groups: any.list(Any::string) }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        Self { groups: theirs.group_ids.iter().map(|group| string(group.as_str())).collect() }
    }
}

impl Question for SyncGroupRequest {
    type Theirs = kp::SyncGroupRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        Self {
            group_id: any.string(),
            generation: Generation(any.i32()),
            member_id: any.string(),
            group_instance_id: instance(3, version, any),
            protocol_type: instance(5, version, any),
            protocol_name: instance(5, version, any),
            assignments: any.list(|any| (any.string(), any.blob())),
        }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        let assignments = theirs.assignments.into_iter();
        Self {
            group_id: string(theirs.group_id.as_str()),
            generation: Generation(theirs.generation_id),
            member_id: string(theirs.member_id.as_str()),
            group_instance_id: option(theirs.group_instance_id),
            protocol_type: option(theirs.protocol_type),
            protocol_name: option(theirs.protocol_name),
            assignments: assignments.map(|a| (string(a.member_id.as_str()), a.assignment)).collect(),
        }
    }
}

impl Question for DescribeGroupsRequest {
    type Theirs = kp::DescribeGroupsRequest;

    fn random(_: i16, any: &mut Any) -> Self {
        Self { groups: any.list(Any::string) }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        assert!(!theirs.include_authorized_operations);
        Self { groups: theirs.groups.into_iter().map(|group| string(group.as_str())).collect() }
    }
}

impl Question for ListGroupsRequest {
    type Theirs = kp::ListGroupsRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        Self {
            states: if version >= 4 { any.list(Any::string) } else { vec![] },
            types: if version >= 5 { any.list(Any::string) } else { vec![] },
        }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        let strings = |list: Vec<StrBytes>| list.into_iter().map(|text| string(text.as_str())).collect();
        Self { states: strings(theirs.states_filter), types: strings(theirs.types_filter) }
    }
}

impl Question for ApiVersionsRequest {
    type Theirs = kp::ApiVersionsRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        let mut text = || if version >= 3 { any.string() } else { String::new() };
        Self { client_software_name: text(), client_software_version: text() }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        Self {
            client_software_name: string(theirs.client_software_name.as_str()),
            client_software_version: string(theirs.client_software_version.as_str()),
        }
    }
}

impl Question for CreateTopicsRequest {
    type Theirs = kp::CreateTopicsRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        let topic = |any: &mut Any| NewTopic {
            name: any.string(),
            num_partitions: if version >= 4 { any.i32() } else { any.unique() },
            replication_factor: if version >= 4 { any.i16() } else { 1 },
            assignments: any.list(|any| (any.i32(), any.list(|any| BrokerId(any.i32())))),
            configs: any.list(|any| (any.string(), any.option(Any::string))),
        };
        Self { topics: any.list(topic), timeout_ms: any.i32(), validate_only: any.bool() }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        let assignment = |assignment: kp::create_topics_request::CreatableReplicaAssignment| {
            (assignment.partition_index, assignment.broker_ids.into_iter().map(|id| BrokerId(id.0)).collect())
        };
        let topic = |topic: kp::create_topics_request::CreatableTopic| NewTopic {
            name: string(topic.name.as_str()),
            num_partitions: topic.num_partitions,
            replication_factor: topic.replication_factor,
            assignments: topic.assignments.into_iter().map(assignment).collect(),
            configs: topic.configs.into_iter().map(|c| (string(c.name.as_str()), option(c.value))).collect(),
        };
        Self {
            topics: theirs.topics.into_iter().map(topic).collect(),
            timeout_ms: theirs.timeout_ms,
            validate_only: theirs.validate_only,
        }
    }
}

impl Question for DeleteTopicsRequest {
    type Theirs = kp::DeleteTopicsRequest;

    fn random(_: i16, any: &mut Any) -> Self {
        Self { names: any.list(Any::string), timeout_ms: any.i32() }
    }

    fn ours(version: i16, theirs: Self::Theirs) -> Self {
        let by_state = theirs.topics.into_iter().map(|topic| string(topic.name.unwrap().as_str()));
        let by_name = theirs.topic_names.into_iter().map(|name| string(name.as_str()));
        let names = if version >= 6 { by_state.collect() } else { by_name.collect() };
        Self { names, timeout_ms: theirs.timeout_ms }
    }
}

impl Question for InitProducerIdRequest {
    type Theirs = kp::InitProducerIdRequest;

    fn random(version: i16, any: &mut Any) -> Self {
        Self {
            transactional_id: any.option(Any::string),
            transaction_timeout_ms: any.i32(),
            producer_id: if version >= 3 { any.i64() } else { -1 },
            producer_epoch: if version >= 3 { any.i16() } else { -1 },
        }
    }

    fn ours(_: i16, theirs: Self::Theirs) -> Self {
        Self {
            transactional_id: theirs.transactional_id.map(|id| string(id.as_str())),
            transaction_timeout_ms: theirs.transaction_timeout_ms,
            producer_id: theirs.producer_id.0,
            producer_epoch: theirs.producer_epoch,
        }
    }
}

impl Question for OffsetForLeaderEpochRequest {
    type Theirs = kp::OffsetForLeaderEpochRequest;

    fn random(_: i16, any: &mut Any) -> Self {
        let partition = |any: &mut Any| OffsetForLeaderPartition {
            partition: any.i32(),
            current_leader_epoch: any.epoch(),
            leader_epoch: LeaderEpoch(any.i32()),
        };
        Self { topics: any.list(|any| (any.topic_name(), any.list(partition))) }
    }

    fn ours(version: i16, theirs: Self::Theirs) -> Self {
        // Version 2 has no such field, and reads as its default.
        assert_eq!(theirs.replica_id.0, if version >= 3 { -1 } else { -2 });
        let partition = |partition: kp::offset_for_leader_epoch_request::OffsetForLeaderPartition| {
            OffsetForLeaderPartition {
                partition: partition.partition,
                current_leader_epoch: LeaderEpoch::from_wire(partition.current_leader_epoch),
                leader_epoch: LeaderEpoch(partition.leader_epoch),
            }
        };
        let topic = |topic: kp::offset_for_leader_epoch_request::OffsetForLeaderTopic| {
            (topic.topic.as_str().into(), topic.partitions.into_iter().map(partition).collect())
        };
        Self { topics: theirs.topics.into_iter().map(topic).collect() }
    }
}
