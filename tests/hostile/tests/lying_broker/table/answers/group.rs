//! What a coordinator may say of a group that is not so.

use bytes::Bytes;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{
    FindCoordinatorResponse, JoinGroupResponse, OffsetFetchResponse, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use proto::group::consumer_protocol::Assignment;
use proto::types::TopicPartition;
use testkit::{ApiKey, ResponseKind};

use super::case;
use crate::case::Case;
use crate::world::JOBS;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn found(name: &str, alter: impl Fn(&mut Coordinator) + Send + Sync + 'static) -> Case {
    case(ApiKey::FindCoordinator, name, false, move |answer| {
        if let ResponseKind::FindCoordinator(FindCoordinatorResponse { coordinators, .. }) = answer {
            coordinators.iter_mut().for_each(&alter);
        }
    })
}

fn joined(name: &str, alter: impl Fn(&mut JoinGroupResponse) + Send + Sync + 'static) -> Case {
    case(ApiKey::JoinGroup, name, false, move |answer| {
        if let ResponseKind::JoinGroup(joined) = answer {
            alter(joined);
        }
    })
}

fn synced(name: &str, alter: impl Fn(&mut SyncGroupResponse) + Send + Sync + 'static) -> Case {
    case(ApiKey::SyncGroup, name, false, move |answer| {
        if let ResponseKind::SyncGroup(synced) = answer {
            alter(synced);
        }
    })
}

fn assigned(name: &str, partitions: impl Fn() -> Vec<TopicPartition> + Send + Sync + 'static) -> Case {
    synced(name, move |synced| {
        synced.assignment = Assignment { partitions: partitions(), user_data: None }.encode(3);
    })
}

fn committed(name: &str, alter: impl Fn(&mut OffsetFetchResponse) + Send + Sync + 'static) -> Case {
    case(ApiKey::OffsetFetch, name, false, move |answer| {
        if let ResponseKind::OffsetFetch(committed) = answer {
            alter(committed);
        }
    })
}

/// Of each partition: offset, epoch, error.
fn offsets(name: &str, offset: i64, epoch: i32, error: i16) -> Case {
    committed(name, move |committed| {
        for partition in
            committed.groups.iter_mut().flat_map(|g| &mut g.topics).flat_map(|t| &mut t.partitions)
        {
            partition.committed_offset = offset;
            partition.committed_leader_epoch = epoch;
            partition.error_code = error;
        }
    })
}

pub(super) fn all() -> Vec<Case> {
    vec![
        found("a coordinator that does not exist", |found| found.node_id = 99.into()),
        found("a coordinator at a port that is none", |found| found.port = 70_000),
        found("a coordinator at a port below 0", |found| found.port = -1),
        found("a coordinator without a host", |found| found.host = text("")),
        found("a coordinator where nobody is", |found| found.host = text("nowhere")),
        found("the other broker, which is none", |found| {
            (found.node_id, found.host) = (2.into(), text("broker-2"));
        }),
        found("a coordinator below 0", |found| found.node_id = (-1).into()),
        case(ApiKey::FindCoordinator, "no coordinators", false, |answer| {
            if let ResponseKind::FindCoordinator(found) = answer {
                found.coordinators.clear();
            }
        }),
        case(ApiKey::FindCoordinator, "a throttle time of 24 days", false, |answer| {
            if let ResponseKind::FindCoordinator(found) = answer {
                found.throttle_time_ms = i32::MAX;
            }
        }),
        joined("a generation below 0", |joined| joined.generation_id = -5),
        joined("the largest generation", |joined| joined.generation_id = i32::MAX),
        joined("no member id", |joined| joined.member_id = text("")),
        joined("another's member id", |joined| joined.member_id = text("somebody-else")),
        joined("an assignor that nobody offered", |joined| joined.protocol_name = Some(text("none"))),
        joined("no assignor", |joined| joined.protocol_name = None),
        joined("another protocol type", |joined| joined.protocol_type = Some(text("connect"))),
        joined("a leader who is nobody", |joined| joined.leader = text("nobody")),
        joined("a leader without members", |joined| joined.members.clear()),
        joined("members whose subscriptions are noise", |joined| {
            joined.members.iter_mut().for_each(|member| member.metadata = Bytes::from_static(&[0xff; 40]));
        }),
        joined("every member twice", |joined| joined.members.extend_from_within(..)),
        joined("a throttle time of 24 days", |joined| joined.throttle_time_ms = i32::MAX),
        synced("an assignment of noise", |synced| synced.assignment = Bytes::from_static(&[0xa5; 60])),
        synced("an assignment that is cut off", |synced| synced.assignment.truncate(5)),
        synced("no assignment", |synced| synced.assignment = Bytes::new()),
        synced("another protocol", |synced| synced.protocol_name = Some(text("none"))),
        assigned("partitions below 0", || {
            vec![TopicPartition::new(JOBS, -1), TopicPartition::new(JOBS, i32::MIN)]
        }),
        assigned("partitions that do not exist", || (5..50).map(|n| TopicPartition::new(JOBS, n)).collect()),
        assigned("a topic that does not exist", || vec![TopicPartition::new("nothing", 0)]),
        assigned("every partition twice", || [0, 0, 1, 1].map(|n| TopicPartition::new(JOBS, n)).to_vec()),
        assigned("five thousand partitions", || (0..5000).map(|n| TopicPartition::new(JOBS, n)).collect()),
        offsets("an offset of the largest number", i64::MAX, -1, 0),
        offsets("an offset below -1", -9, -1, 0),
        offsets("an offset far beyond the end", 1_000_000, -1, 0),
        offsets("the largest epoch", 0, i32::MAX, 0),
        offsets("an epoch below -1", 0, -77, 0),
        offsets("no offset, and an error beside it", -1, -1, 14),
        committed("no topics", |committed| {
            committed.groups.iter_mut().for_each(|group| group.topics.clear())
        }),
        committed("no groups", |committed| committed.groups.clear()),
        committed("partitions that were not asked for", |committed| {
            for topic in committed.groups.iter_mut().flat_map(|group| &mut group.topics) {
                topic.partitions.iter_mut().for_each(|partition| partition.partition_index += 40);
            }
        }),
        committed("every partition twice", |committed| {
            for topic in committed.groups.iter_mut().flat_map(|group| &mut group.topics) {
                topic.partitions.extend_from_within(..);
            }
        }),
        committed("another group", |committed| {
            committed.groups.iter_mut().for_each(|group| group.group_id = text("other").into());
        }),
        committed("a throttle time of 24 days", |committed| committed.throttle_time_ms = i32::MAX),
        case(ApiKey::Heartbeat, "a throttle time of 24 days", false, |answer| {
            if let ResponseKind::Heartbeat(heartbeat) = answer {
                heartbeat.throttle_time_ms = i32::MAX;
            }
        }),
        case(ApiKey::Heartbeat, "a throttle time below 0", false, |answer| {
            if let ResponseKind::Heartbeat(heartbeat) = answer {
                heartbeat.throttle_time_ms = i32::MIN;
            }
        }),
        case(ApiKey::OffsetCommit, "no topics", false, |answer| {
            if let ResponseKind::OffsetCommit(committed) = answer {
                committed.topics.clear();
            }
        }),
        case(ApiKey::OffsetCommit, "partitions that were not asked for", false, |answer| {
            if let ResponseKind::OffsetCommit(committed) = answer {
                for topic in &mut committed.topics {
                    topic.partitions.iter_mut().for_each(|partition| partition.partition_index += 40);
                }
            }
        }),
        case(ApiKey::OffsetCommit, "every partition twice", false, |answer| {
            if let ResponseKind::OffsetCommit(committed) = answer {
                for topic in &mut committed.topics {
                    topic.partitions.extend_from_within(..);
                }
            }
        }),
    ]
}
