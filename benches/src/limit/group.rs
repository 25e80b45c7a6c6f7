//! Groups of one member: whoever joins leads, nothing is remembered, every commit is accepted.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    ApiKey, FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::limit::answer::{Call, host, id};
use crate::limit::serve::Cluster;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

pub(super) fn answer(cluster: &Cluster, broker: usize, api: ApiKey, call: Call<'_>) -> Result<()> {
    match api {
        ApiKey::FindCoordinator => {
            let request: FindCoordinatorRequest = call.read()?;
            let port = i32::from(cluster.ports[broker]);
            let coordinator = |key: &StrBytes| {
                Coordinator::default()
                    .with_key(key.clone())
                    .with_node_id(id(broker))
                    .with_host(host())
                    .with_port(port)
            };
            let mut answer = FindCoordinatorResponse::default();
            if call.version >= 4 {
                answer.coordinators = request.coordinator_keys.iter().map(coordinator).collect();
            } else {
                (answer.node_id, answer.host, answer.port) = (id(broker), host(), port);
            }
            call.put(&answer)
        }
        ApiKey::JoinGroup => {
            let request: JoinGroupRequest = call.read()?;
            let protocol = request.protocols.into_iter().next().ok_or("a member without a protocol")?;
            let member_id = if request.member_id.is_empty() {
                StrBytes::from_static_str("only")
            } else {
                request.member_id
            };
            let member = JoinGroupResponseMember::default()
                .with_member_id(member_id.clone())
                .with_group_instance_id(request.group_instance_id)
                .with_metadata(protocol.metadata);
            let answer = JoinGroupResponse::default()
                .with_generation_id(GENERATION)
                .with_protocol_type(Some(request.protocol_type))
                .with_protocol_name(Some(protocol.name))
                .with_leader(member_id.clone())
                .with_member_id(member_id)
                .with_members(vec![member]);
            call.put(&answer)
        }
        ApiKey::SyncGroup => {
            let request: SyncGroupRequest = call.read()?;
            let ours =
                request.assignments.into_iter().find(|assigned| assigned.member_id == request.member_id);
            let answer = SyncGroupResponse::default()
                .with_protocol_type(request.protocol_type)
                .with_protocol_name(request.protocol_name)
                .with_assignment(ours.map(|assigned| assigned.assignment).unwrap_or_default());
            call.put(&answer)
        }
        ApiKey::Heartbeat => {
            call.read::<HeartbeatRequest>()?;
            call.put(&HeartbeatResponse::default())
        }
        ApiKey::LeaveGroup => {
            let request: LeaveGroupRequest = call.read()?;
            let left = request.members.into_iter().map(|member| {
                MemberResponse::default()
                    .with_member_id(member.member_id)
                    .with_group_instance_id(member.group_instance_id)
            });
            let answer = LeaveGroupResponse::default().with_members(left.collect());
            call.put(&answer)
        }
        ApiKey::OffsetCommit => {
            let request: OffsetCommitRequest = call.read()?;
            let topics = request.topics.into_iter().map(|topic| {
                let partitions = topic.partitions.iter().map(|partition| {
                    OffsetCommitResponsePartition::default().with_partition_index(partition.partition_index)
                });
                OffsetCommitResponseTopic::default()
                    .with_partitions(partitions.collect())
                    .with_name(topic.name)
            });
            let answer = OffsetCommitResponse::default().with_topics(topics.collect());
            call.put(&answer)
        }
        ApiKey::OffsetFetch => {
            let request: OffsetFetchRequest = call.read()?;
            call.put(&offset_fetch(request))
        }
        _ => Err(format!("{api:?} is not served").into()),
    }
}

/// Nothing was committed, ever.
fn offset_fetch(request: OffsetFetchRequest) -> OffsetFetchResponse {
    let topics = request.topics.unwrap_or_default().into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|partition| {
            OffsetFetchResponsePartition::default().with_partition_index(*partition).with_committed_offset(-1)
        });
        OffsetFetchResponseTopic::default().with_partitions(partitions.collect()).with_name(topic.name)
    });
    let groups = request.groups.into_iter().map(|group| {
        let topics = group.topics.unwrap_or_default().into_iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|partition| {
                OffsetFetchResponsePartitions::default()
                    .with_partition_index(*partition)
                    .with_committed_offset(-1)
            });
            OffsetFetchResponseTopics::default().with_partitions(partitions.collect()).with_name(topic.name)
        });
        OffsetFetchResponseGroup::default().with_topics(topics.collect()).with_group_id(group.group_id)
    });
    OffsetFetchResponse::default().with_topics(topics.collect()).with_groups(groups.collect())
}

const GENERATION: i32 = 1;
