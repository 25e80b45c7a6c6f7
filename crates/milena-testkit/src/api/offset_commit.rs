//! OffsetCommit (8), versions 2 to 10.
//!
//! Java: `KafkaApis.handleOffsetCommitRequest`, `OffsetMetadataManager.commitOffset`. Kept: topics and partitions that do not exist
//! are answered one by one, before the group is asked; then the group says yes or no to all of the rest; metadata that is too
//! long is again a matter of its partition. Offsets are not looked at. v10 names topics by id.

use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use kafka_protocol::protocol::StrBytes;

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::group::{self, CommitPartition, CommitTopic, Committing};

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: OffsetCommitRequest,
    version: i16,
) -> Reply<OffsetCommitResponse> {
    if let Err(error) = group::check_coordinator(ctx, request.group_id.as_str()) {
        return Reply::Now(failed(&request, error));
    }
    let asked: Vec<CommitTopic> = request.topics.iter().map(|topic| asked(ctx, topic, version)).collect();
    let codes = asked.iter().map(|topic| check(ctx, topic, version)).collect();
    let codes = commit_sound(&asked, codes, |sound| {
        let retention = u64::try_from(request.retention_time_ms).ok().filter(|_| version <= 4);
        group::call(ctx, version, |groups, _| {
            let commit = Committing {
                group: &request.group_id.0,
                member: request.member_id.as_str(),
                instance: request.group_instance_id.as_ref(),
                generation: request.generation_id_or_member_epoch,
                transactional: false,
                version,
                retention: retention.map(std::time::Duration::from_millis),
                metadata_max: groups.config().offset_metadata_max,
            };
            groups.commit(&commit, sound)
        })
    });
    let topics = request.topics.iter().zip(codes).map(|(topic, codes)| {
        let partitions = topic.partitions.iter().zip(codes).map(|(partition, code)| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code.0)
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    });
    Reply::Now(OffsetCommitResponse::default().with_topics(topics.collect()))
}

fn asked(
    ctx: &Ctx<'_>,
    topic: &kafka_protocol::messages::offset_commit_request::OffsetCommitRequestTopic,
    version: i16,
) -> CommitTopic {
    let (name, id) = if version >= 10 {
        let name = ctx.cluster.name_of(topic.topic_id).unwrap_or_default();
        (StrBytes::from_string(name.to_owned()), topic.topic_id)
    } else {
        (topic.name.0.clone(), ctx.cluster.id_of(topic.name.as_str()))
    };
    let partitions = topic.partitions.iter().map(|partition| CommitPartition {
        index: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.clone(),
    });
    CommitTopic { name, id, partitions: partitions.collect() }
}

/// What is wrong with each partition before anybody asks who commits.
fn check(ctx: &Ctx<'_>, topic: &CommitTopic, version: i16) -> Vec<ErrorCode> {
    let codes = topic.partitions.iter().map(|partition| {
        if version >= 10 && topic.name.is_empty() {
            ErrorCode::UNKNOWN_TOPIC_ID
        } else if ctx.cluster.partition(topic.name.as_str(), partition.index).is_none() {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        } else {
            ctx.injected(topic.name.as_str(), partition.index).unwrap_or_default()
        }
    });
    codes.collect()
}

/// Commits what nothing is wrong with yet; `codes` says what is, and then says it of all. The group says yes or no to the rest as a
/// whole, or of each partition. It is asked even where there was nothing to commit, but not where nothing of it is left.
pub(super) fn commit_sound(
    asked: &[CommitTopic],
    mut codes: Vec<Vec<ErrorCode>>,
    commit: impl FnOnce(&[CommitTopic]) -> Result<Vec<Vec<ErrorCode>>, ErrorCode>,
) -> Vec<Vec<ErrorCode>> {
    let sound: Vec<CommitTopic> =
        asked.iter().zip(&codes).map(|(topic, codes)| only_sound(topic, codes)).collect();
    if sound.iter().all(|topic| topic.partitions.is_empty()) && !asked.is_empty() {
        return codes;
    }
    let answers = commit(&sound);
    for (at, codes) in codes.iter_mut().enumerate() {
        let mut taken = answers.as_ref().ok().map(|answers| answers[at].iter());
        for code in codes.iter_mut().filter(|code| code.is_none()) {
            *code = match &mut taken {
                Some(taken) => taken.next().copied().unwrap_or_default(),
                None => answers.as_ref().err().copied().unwrap_or_default(),
            };
        }
    }
    codes
}

fn only_sound(topic: &CommitTopic, codes: &[ErrorCode]) -> CommitTopic {
    let partitions = topic.partitions.iter().zip(codes).filter(|(_, code)| code.is_none());
    CommitTopic {
        name: topic.name.clone(),
        id: topic.id,
        partitions: partitions.map(|(partition, _)| partition.clone()).collect(),
    }
}

pub(crate) fn failed(request: &OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(error.0)
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}
