//! OffsetDelete (47), version 0.
//!
//! Java: `KafkaApis.handleOffsetDeleteRequest`, `OffsetMetadataManager.deleteOffsets`. Kept: offsets of topics that the group is
//! subscribed to stay; topics that do not exist are answered one by one.

use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use kafka_protocol::protocol::StrBytes;

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::group;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: OffsetDeleteRequest,
    version: i16,
) -> Reply<OffsetDeleteResponse> {
    if !request.group_id.is_empty()
        && let Err(error) = group::check_coordinator(ctx, request.group_id.as_str())
    {
        return Reply::Now(failed(error));
    }
    let known: Vec<(StrBytes, Vec<i32>)> = request
        .topics
        .iter()
        .map(|topic| {
            let name = topic.name.0.clone();
            let exists = |index: &i32| ctx.cluster.partition(name.as_str(), *index).is_some();
            let partitions =
                topic.partitions.iter().map(|partition| partition.partition_index).filter(exists).collect();
            (name, partitions)
        })
        .collect();
    let answers = group::call(ctx, version, |groups, _| groups.delete_offsets(&request.group_id.0, &known));
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => return Reply::Now(failed(error)),
    };
    let topics = request.topics.iter().zip(known.iter().zip(answers)).map(|(topic, ((_, known), codes))| {
        let mut codes = codes.into_iter();
        let partitions = topic.partitions.iter().map(|partition| {
            let index = partition.partition_index;
            let code = if known.contains(&index) {
                codes.next().unwrap_or_default()
            } else {
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            };
            OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code.0)
        });
        OffsetDeleteResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    Reply::Now(OffsetDeleteResponse::default().with_topics(topics.collect()))
}

pub(crate) fn failed(error: ErrorCode) -> OffsetDeleteResponse {
    OffsetDeleteResponse::default().with_error_code(error.0)
}
