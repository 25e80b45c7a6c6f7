//! TxnOffsetCommit (28), versions 0 to 5.
//!
//! Java: `KafkaApis.handleTxnOffsetCommitRequest`, `OffsetMetadataManager.commitTransactionalOffset`. Kept: the producer must be in a
//! transaction that the group's partition belongs to (v5 adds it, KIP-890); as from v3 the member is checked where one is
//! named (KIP-447); offsets hold once the transaction is committed.

use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use super::offset_commit::commit_sound;
use crate::cluster::OFFSETS_TOPIC;
use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::group::{self, CommitPartition, CommitTopic, Committing};
use crate::txn;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: TxnOffsetCommitRequest,
    version: i16,
) -> Reply<TxnOffsetCommitResponse> {
    if !request.group_id.is_empty()
        && let Err(error) = group::check_coordinator(ctx, request.group_id.as_str())
    {
        return Reply::Now(failed(&request, error));
    }
    let asked: Vec<CommitTopic> = request.topics.iter().map(|topic| asked(ctx, topic)).collect();
    let codes = asked.iter().map(|topic| check(ctx, topic)).collect();
    let codes = commit_sound(&asked, codes, |sound| commit(ctx, &request, version, sound));
    Reply::Now(answer(&request, |topic, partition| codes[topic][partition]))
}

fn commit(
    ctx: &mut Ctx<'_>,
    request: &TxnOffsetCommitRequest,
    version: i16,
    topics: &[CommitTopic],
) -> Result<Vec<Vec<ErrorCode>>, ErrorCode> {
    if request.group_id.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    let partition = (OFFSETS_TOPIC.to_owned(), ctx.cluster.offsets_partition(request.group_id.as_str()));
    let producer = (request.producer_id.0, request.producer_epoch);
    let id = request.transactional_id.as_str();
    txn::admit(ctx.world, id, producer, partition, version >= 5, version >= 4)?;
    group::call(ctx, version, |groups, _| {
        let commit = Committing {
            group: &request.group_id.0,
            member: request.member_id.as_str(),
            instance: request.group_instance_id.as_ref(),
            generation: request.generation_id,
            transactional: true,
            version,
            retention: None,
            metadata_max: groups.config().offset_metadata_max,
        };
        groups.commit_transactional(&commit, producer.0, topics)
    })
}

fn asked(
    ctx: &Ctx<'_>,
    topic: &kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic,
) -> CommitTopic {
    let partitions = topic.partitions.iter().map(|partition| CommitPartition {
        index: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.clone(),
    });
    let id = ctx.cluster.id_of(topic.name.as_str());
    CommitTopic { name: topic.name.0.clone(), id, partitions: partitions.collect() }
}

fn check(ctx: &Ctx<'_>, topic: &CommitTopic) -> Vec<ErrorCode> {
    let codes = topic.partitions.iter().map(|partition| {
        if ctx.cluster.partition(topic.name.as_str(), partition.index).is_none() {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        } else {
            ctx.injected(topic.name.as_str(), partition.index).unwrap_or_default()
        }
    });
    codes.collect()
}

fn answer(
    request: &TxnOffsetCommitRequest,
    code: impl Fn(usize, usize) -> ErrorCode,
) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter().enumerate().map(|(at, topic)| {
        let partitions = topic.partitions.iter().enumerate().map(|(index, partition)| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(at, index).0)
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

pub(crate) fn failed(request: &TxnOffsetCommitRequest, error: ErrorCode) -> TxnOffsetCommitResponse {
    answer(request, |_, _| error)
}
