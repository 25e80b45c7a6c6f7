//! The group APIs.

use kafka_protocol::messages as kp;
use milena_proto::types::{BrokerId, LeaderEpoch, TopicId};
use milena_proto::wire::*;

use super::{Answer, option, string};
use crate::any::Any;

impl Answer for OffsetCommitRequest {
    type Theirs = kp::OffsetCommitResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let topic = |any: &mut Any| {
            let topic = kp::offset_commit_response::OffsetCommitResponseTopic::default();
            let topic = match version {
                10.. => topic.with_topic_id(uuid::Uuid::from_bytes(any.topic_id().0)),
                _ => topic.with_name(any.unique_text().into()),
            };
            topic.with_partitions(any.list(|any| {
                kp::offset_commit_response::OffsetCommitResponsePartition::default()
                    .with_partition_index(any.unique())
                    .with_error_code(any.i16())
            }))
        };
        let mut answer = kp::OffsetCommitResponse::default().with_topics(any.list(topic));
        if version >= 3 {
            answer.throttle_time_ms = any.i32();
        }
        if version >= 8 {
            answer.unknown_tagged_fields.extend(any.unknown_tags());
        }
        answer
    }

    fn ours(version: i16, theirs: Self::Theirs) -> OffsetCommitResponse {
        let topic = |topic: kp::offset_commit_response::OffsetCommitResponseTopic| OffsetCommitted {
            name: (version < 10).then(|| string(topic.name.as_str())),
            id: TopicId(topic.topic_id.into_bytes()),
            partitions: topic
                .partitions
                .into_iter()
                .map(|partition| (partition.partition_index, ErrorCode(partition.error_code)))
                .collect(),
        };
        OffsetCommitResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            topics: theirs.topics.into_iter().map(topic).collect(),
        }
    }
}

impl Answer for OffsetFetchRequest {
    type Theirs = kp::OffsetFetchResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        use kafka_protocol::messages::offset_fetch_response as response;
        let mut answer = kp::OffsetFetchResponse::default();
        if version >= 3 {
            answer.throttle_time_ms = any.i32();
        }
        if version >= 8 {
            let topics = any.list(|any| {
                let topic = response::OffsetFetchResponseTopics::default();
                let topic = match version {
                    10.. => topic.with_topic_id(uuid::Uuid::from_bytes(any.topic_id().0)),
                    _ => topic.with_name(any.unique_text().into()),
                };
                topic.with_partitions(any.list(|any| {
                    response::OffsetFetchResponsePartitions::default()
                        .with_partition_index(any.unique())
                        .with_committed_offset(any.i64())
                        .with_committed_leader_epoch(any.i32())
                        .with_metadata(any.option(Any::text))
                        .with_error_code(any.i16())
                }))
            });
            let group = response::OffsetFetchResponseGroup::default()
                .with_group_id(any.text().into())
                .with_topics(topics)
                .with_error_code(any.i16());
            answer.groups.push(group);
            return answer;
        }
        answer.topics = any.list(|any| {
            response::OffsetFetchResponseTopic::default().with_name(any.unique_text().into()).with_partitions(
                any.list(|any| {
                    let mut partition = response::OffsetFetchResponsePartition::default()
                        .with_partition_index(any.unique())
                        .with_committed_offset(any.i64())
                        .with_metadata(any.option(Any::text))
                        .with_error_code(any.i16());
                    if version >= 5 {
                        partition.committed_leader_epoch = any.i32();
                    }
                    partition
                }),
            )
        });
        if version >= 2 {
            answer.error_code = any.i16();
        }
        answer
    }

    fn ours(version: i16, mut theirs: Self::Theirs) -> OffsetFetchResponse {
        use kafka_protocol::messages::offset_fetch_response as response;
        let throttle_time_ms = theirs.throttle_time_ms;
        if let Some(group) = theirs.groups.pop() {
            let partition = |partition: response::OffsetFetchResponsePartitions| FetchedOffset {
                partition: partition.partition_index,
                error: ErrorCode(partition.error_code),
                offset: partition.committed_offset,
                leader_epoch: LeaderEpoch::from_wire(partition.committed_leader_epoch),
                metadata: option(partition.metadata),
            };
            let topic = |topic: response::OffsetFetchResponseTopics| FetchedOffsets {
                name: (version < 10).then(|| string(topic.name.as_str())),
                id: TopicId(topic.topic_id.into_bytes()),
                partitions: topic.partitions.into_iter().map(partition).collect(),
            };
            let topics = group.topics.into_iter().map(topic).collect();
            return OffsetFetchResponse { throttle_time_ms, error: ErrorCode(group.error_code), topics };
        }
        let partition = |partition: response::OffsetFetchResponsePartition| FetchedOffset {
            partition: partition.partition_index,
            error: ErrorCode(partition.error_code),
            offset: partition.committed_offset,
            leader_epoch: LeaderEpoch::from_wire(partition.committed_leader_epoch),
            metadata: option(partition.metadata),
        };
        let topic = |topic: response::OffsetFetchResponseTopic| FetchedOffsets {
            name: Some(string(topic.name.as_str())),
            id: TopicId::ZERO,
            partitions: topic.partitions.into_iter().map(partition).collect(),
        };
        let topics = theirs.topics.into_iter().map(topic).collect();
        OffsetFetchResponse { throttle_time_ms, error: ErrorCode(theirs.error_code), topics }
    }
}

impl Answer for FindCoordinatorRequest {
    type Theirs = kp::FindCoordinatorResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let error = any.i16();
        // Beside an error a broker says -1.
        let id = if error == 0 { any.unique() } else { any.i32() };
        let mut answer = kp::FindCoordinatorResponse::default();
        if version >= 1 {
            answer.throttle_time_ms = any.i32();
        }
        if version >= 4 {
            let coordinator = kp::find_coordinator_response::Coordinator::default()
                .with_key(any.text())
                .with_node_id(id.into())
                .with_host(any.text())
                .with_port(any.i32())
                .with_error_code(error)
                .with_error_message(any.option(Any::text));
            return answer.with_coordinators(vec![coordinator]);
        }
        if version >= 1 {
            answer.error_message = any.option(Any::text);
        }
        answer.with_error_code(error).with_node_id(id.into()).with_host(any.text()).with_port(any.i32())
    }

    fn ours(version: i16, mut theirs: Self::Theirs) -> FindCoordinatorResponse {
        let coordinator = match theirs.coordinators.pop() {
            Some(coordinator) => coordinator,
            None => kp::find_coordinator_response::Coordinator::default()
                .with_node_id(theirs.node_id)
                .with_host(theirs.host)
                .with_port(theirs.port)
                .with_error_code(theirs.error_code)
                .with_error_message(theirs.error_message.filter(|_| version >= 1)),
        };
        FindCoordinatorResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            error: ErrorCode(coordinator.error_code),
            error_message: option(coordinator.error_message),
            coordinator: (coordinator.error_code == 0).then(|| Coordinator {
                id: BrokerId(coordinator.node_id.0),
                host: string(coordinator.host.as_str()),
                port: coordinator.port,
            }),
        }
    }
}

impl Answer for JoinGroupRequest {
    type Theirs = kp::JoinGroupResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let member = |any: &mut Any| {
            let mut member = kp::join_group_response::JoinGroupResponseMember::default()
                .with_member_id(any.text())
                .with_metadata(any.blob());
            if version >= 5 {
                member.group_instance_id = any.option(Any::text);
            }
            if version >= 6 {
                member.unknown_tagged_fields.extend(any.unknown_tags());
            }
            member
        };
        let mut answer = kp::JoinGroupResponse::default()
            .with_throttle_time_ms(any.i32())
            .with_error_code(any.i16())
            .with_generation_id(any.i32())
            .with_protocol_name(Some(any.text()))
            .with_leader(any.text())
            .with_member_id(any.text())
            .with_members(any.list(member));
        if version >= 7 {
            answer.protocol_type = any.option(Any::text);
            answer.protocol_name = any.option(Any::text);
        }
        if version >= 9 {
            answer.skip_assignment = any.bool();
        }
        answer
    }

    fn ours(_: i16, theirs: Self::Theirs) -> JoinGroupResponse {
        let member = |member: kp::join_group_response::JoinGroupResponseMember| JoinGroupMember {
            member_id: string(member.member_id.as_str()),
            group_instance_id: option(member.group_instance_id),
            metadata: member.metadata,
        };
        JoinGroupResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            error: ErrorCode(theirs.error_code),
            generation: theirs.generation_id,
            protocol_type: option(theirs.protocol_type),
            protocol_name: option(theirs.protocol_name),
            leader: string(theirs.leader.as_str()),
            skip_assignment: theirs.skip_assignment,
            member_id: string(theirs.member_id.as_str()),
            members: theirs.members.into_iter().map(member).collect(),
        }
    }
}

impl Answer for HeartbeatRequest {
    type Theirs = kp::HeartbeatResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let mut answer = kp::HeartbeatResponse::default().with_error_code(any.i16());
        if version >= 1 {
            answer.throttle_time_ms = any.i32();
        }
        answer
    }

    fn ours(_: i16, theirs: Self::Theirs) -> HeartbeatResponse {
        HeartbeatResponse { throttle_time_ms: theirs.throttle_time_ms, error: ErrorCode(theirs.error_code) }
    }
}

impl Answer for LeaveGroupRequest {
    type Theirs = kp::LeaveGroupResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let mut answer = kp::LeaveGroupResponse::default().with_error_code(any.i16());
        if version >= 1 {
            answer.throttle_time_ms = any.i32();
        }
        if version >= 3 {
            answer.members = any.list(|any| {
                kp::leave_group_response::MemberResponse::default()
                    .with_member_id(any.text())
                    .with_group_instance_id(any.option(Any::text))
                    .with_error_code(any.i16())
            });
        }
        answer
    }

    fn ours(_: i16, theirs: Self::Theirs) -> LeaveGroupResponse {
        let mut codes = vec![theirs.error_code];
        codes.extend(theirs.members.iter().map(|member| member.error_code));
        let error = codes.into_iter().find(|code| *code != 0).unwrap_or(0);
        LeaveGroupResponse { throttle_time_ms: theirs.throttle_time_ms, error: ErrorCode(error) }
    }
}

impl Answer for SyncGroupRequest {
    type Theirs = kp::SyncGroupResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let mut answer =
            kp::SyncGroupResponse::default().with_error_code(any.i16()).with_assignment(any.blob());
        if version >= 1 {
            answer.throttle_time_ms = any.i32();
        }
        if version >= 5 {
            answer.protocol_type = any.option(Any::text);
            answer.protocol_name = any.option(Any::text);
        }
        answer
    }

    fn ours(_: i16, theirs: Self::Theirs) -> SyncGroupResponse {
        SyncGroupResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            error: ErrorCode(theirs.error_code),
            protocol_type: option(theirs.protocol_type),
            protocol_name: option(theirs.protocol_name),
            assignment: theirs.assignment,
        }
    }
}

impl Answer for ConsumerGroupHeartbeatRequest {
    type Theirs = kp::ConsumerGroupHeartbeatResponse;

    fn random(_: i16, any: &mut Any) -> Self::Theirs {
        use kp::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
        let topic = |any: &mut Any| {
            TopicPartitions::default()
                .with_topic_id(uuid::Uuid::from_bytes(any.topic_id().0))
                .with_partitions(any.list(Any::unique))
        };
        kp::ConsumerGroupHeartbeatResponse::default()
            .with_throttle_time_ms(any.i32())
            .with_error_code(any.i16())
            .with_error_message(any.option(Any::text))
            .with_member_id(any.option(Any::text))
            .with_member_epoch(any.i32())
            .with_heartbeat_interval_ms(any.i32())
            .with_assignment(any.option(|any| Assignment::default().with_topic_partitions(any.list(topic))))
    }

    fn ours(_: i16, theirs: Self::Theirs) -> ConsumerGroupHeartbeatResponse {
        let topic = |topic: kp::consumer_group_heartbeat_response::TopicPartitions| {
            (TopicId(topic.topic_id.into_bytes()), topic.partitions)
        };
        ConsumerGroupHeartbeatResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            error: ErrorCode(theirs.error_code),
            error_message: option(theirs.error_message),
            member_id: option(theirs.member_id),
            member_epoch: theirs.member_epoch,
            heartbeat_interval_ms: theirs.heartbeat_interval_ms,
            assignment: theirs
                .assignment
                .map(|assignment| assignment.topic_partitions.into_iter().map(topic).collect()),
        }
    }
}

impl Answer for ConsumerGroupDescribeRequest {
    type Theirs = kp::ConsumerGroupDescribeResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        use kp::consumer_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions};
        let assignment = |any: &mut Any| {
            Assignment::default().with_topic_partitions(any.list(|any| {
                TopicPartitions::default()
                    .with_topic_id(uuid::Uuid::from_bytes(any.topic_id().0))
                    .with_topic_name(any.text().into())
                    .with_partitions(any.list(Any::i32))
            }))
        };
        let member = |any: &mut Any| {
            let member = Member::default()
                .with_member_id(any.text())
                .with_instance_id(any.option(Any::text))
                .with_rack_id(any.option(Any::text))
                .with_member_epoch(any.i32())
                .with_client_id(any.text())
                .with_client_host(any.text())
                .with_subscribed_topic_names(any.list(|any| any.text().into()))
                .with_subscribed_topic_regex(any.option(Any::text))
                .with_assignment(assignment(any))
                .with_target_assignment(assignment(any));
            if version >= 1 { member.with_member_type(i8::from(any.bool())) } else { member }
        };
        let group = |any: &mut Any| {
            DescribedGroup::default()
                .with_error_code(any.i16())
                .with_error_message(any.option(Any::text))
                .with_group_id(any.text().into())
                .with_group_state(any.text())
                .with_group_epoch(any.i32())
                .with_assignment_epoch(any.i32())
                .with_assignor_name(any.text())
                .with_members(any.list(member))
                .with_authorized_operations(any.i32())
        };
        kp::ConsumerGroupDescribeResponse::default()
            .with_throttle_time_ms(any.i32())
            .with_groups(any.list(group))
    }

    fn ours(_: i16, theirs: Self::Theirs) -> ConsumerGroupDescribeResponse {
        use kp::consumer_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions};
        let partitions = |topic: TopicPartitions| DescribedPartitions {
            id: TopicId(topic.topic_id.into_bytes()),
            name: string(topic.topic_name.as_str()),
            partitions: topic.partitions,
        };
        let assignment = |assignment: Assignment| {
            assignment.topic_partitions.into_iter().map(partitions).collect::<Vec<_>>()
        };
        let member = |member: Member| DescribedConsumer {
            member_id: string(member.member_id.as_str()),
            group_instance_id: option(member.instance_id),
            rack: option(member.rack_id),
            member_epoch: member.member_epoch,
            client_id: string(member.client_id.as_str()),
            client_host: string(member.client_host.as_str()),
            topics: member.subscribed_topic_names.iter().map(|name| string(name.as_str())).collect(),
            pattern: option(member.subscribed_topic_regex),
            assignment: assignment(member.assignment),
            target: assignment(member.target_assignment),
            member_type: member.member_type,
        };
        let group = |group: DescribedGroup| DescribedConsumerGroup {
            error: ErrorCode(group.error_code),
            error_message: option(group.error_message),
            group_id: string(group.group_id.as_str()),
            state: string(group.group_state.as_str()),
            group_epoch: group.group_epoch,
            assignment_epoch: group.assignment_epoch,
            assignor: string(group.assignor_name.as_str()),
            members: group.members.into_iter().map(member).collect(),
        };
        ConsumerGroupDescribeResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            groups: theirs.groups.into_iter().map(group).collect(),
        }
    }
}
