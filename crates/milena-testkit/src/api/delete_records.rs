//! DeleteRecords (21), versions 0 to 2.
//!
//! Java: `ReplicaManager.deleteRecords`. Kept: -1 means the high watermark; beyond it is OFFSET_OUT_OF_RANGE; a topic that is only
//! compacted is POLICY_VIOLATION; below the start nothing happens. The answer does not wait for followers.

use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: DeleteRecordsRequest,
    _version: i16,
) -> Reply<DeleteRecordsResponse> {
    let mut topics = Vec::new();
    for topic in request.topics {
        let mut answers = Vec::new();
        for asked in &topic.partitions {
            let answer = DeleteRecordsPartitionResult::default().with_partition_index(asked.partition_index);
            answers.push(match delete(ctx, &topic.name, asked.partition_index, asked.offset) {
                Ok(low_watermark) => answer.with_low_watermark(low_watermark),
                Err(code) => answer.with_low_watermark(-1).with_error_code(code.0),
            });
        }
        topics.push(DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(answers));
    }
    Reply::Now(DeleteRecordsResponse::default().with_topics(topics))
}

fn delete(ctx: &mut Ctx<'_>, topic: &str, partition: i32, offset: i64) -> Result<i64, ErrorCode> {
    if let Some(code) = ctx.injected(topic, partition) {
        return Err(code);
    }
    let broker = ctx.broker;
    let deletes = ctx.cluster.topic_config(topic, "cleanup.policy").contains("delete");
    let state = ctx.cluster.partition_mut(topic, partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    state.check(broker, -1, true)?;
    if !deletes {
        return Err(ErrorCode::POLICY_VIOLATION);
    }
    let to = if offset == -1 { state.high_watermark() } else { offset };
    if to < 0 || to > state.high_watermark() {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    state.log.advance_start(to);
    let low_watermark = state.log.start_offset();
    ctx.cluster.touch(topic, partition);
    Ok(low_watermark)
}
