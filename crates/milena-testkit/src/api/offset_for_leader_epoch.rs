//! OffsetForLeaderEpoch (23), versions 2 to 4.
//!
//! Java: `ReplicaManager.lastOffsetForLeaderEpoch`, `Partition.lastOffsetForLeaderEpoch`, `LeaderEpochFileCache.endOffsetFor`. Kept:
//! only the leader answers; an epoch newer than all is (-1, -1) without an error.

use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: OffsetForLeaderEpochRequest,
    _version: i16,
) -> Reply<OffsetForLeaderEpochResponse> {
    let topics = request.topics.into_iter().map(|topic| {
        let answers = topic.partitions.iter().map(|asked| {
            let answer = EpochEndOffset::default().with_partition(asked.partition);
            match find(ctx, &topic.topic, asked) {
                Ok((epoch, end)) => answer.with_leader_epoch(epoch).with_end_offset(end),
                Err(code) => answer.with_error_code(code.0).with_leader_epoch(-1).with_end_offset(-1),
            }
        });
        let answers = answers.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(answers)
    });
    Reply::Now(OffsetForLeaderEpochResponse::default().with_topics(topics.collect()))
}

fn find(ctx: &Ctx<'_>, topic: &str, asked: &OffsetForLeaderPartition) -> Result<(i32, i64), ErrorCode> {
    if let Some(code) = ctx.injected(topic, asked.partition) {
        return Err(code);
    }
    let partition = ctx.cluster.partition(topic, asked.partition);
    let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    partition.check(ctx.broker, asked.current_leader_epoch, true)?;
    let log = &partition.log;
    Ok(log.epochs().end_offset_for(asked.leader_epoch, log.end_offset()).unwrap_or((-1, -1)))
}
