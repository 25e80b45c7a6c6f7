//! Answers that only say that a request failed, each where its API says so.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, FindCoordinatorResponse, MetadataResponse, RequestKind, ResponseKind,
};

use crate::error_code::ErrorCode;

/// The answer to a request that failed as a whole. `None`: this API has no way to say that.
pub(crate) fn failure(request: &RequestKind, version: i16, code: ErrorCode) -> Option<ResponseKind> {
    let error = code.0;
    Some(match request {
        RequestKind::ApiVersions(_) => ApiVersionsResponse::default().with_error_code(error).into(),
        RequestKind::Metadata(request) => {
            let topics = request.topics.iter().flatten().map(|topic| {
                let name = topic.name.clone();
                MetadataResponseTopic::default()
                    .with_error_code(error)
                    .with_name(name)
                    .with_topic_id(topic.topic_id)
            });
            MetadataResponse::default().with_topics(topics.collect()).with_controller_id(BrokerId(-1)).into()
        }
        RequestKind::FindCoordinator(request) => {
            let none = BrokerId(-1);
            let keys = request.coordinator_keys.iter().map(|key| {
                let answer = Coordinator::default().with_key(key.clone()).with_error_code(error);
                answer.with_node_id(none).with_port(-1)
            });
            let answer = FindCoordinatorResponse::default().with_node_id(none).with_port(-1);
            if version >= 4 {
                answer.with_coordinators(keys.collect()).into()
            } else {
                answer.with_error_code(error).into()
            }
        }
        _ => return super::coordinator_failure::failure(request, version, code),
    })
}

/// Says in an answer that its request was throttled.
pub(crate) fn set_throttle(response: &mut ResponseKind, throttle_time_ms: i32) {
    macro_rules! set {
        ($($name:ident)*) => {
            match response {
                $(ResponseKind::$name(response) => response.throttle_time_ms = throttle_time_ms,)*
                _ => {}
            }
        };
    }
    set!(ApiVersions Metadata FindCoordinator Produce Fetch ListOffsets OffsetCommit OffsetFetch JoinGroup Heartbeat LeaveGroup
        SyncGroup DescribeGroups ListGroups CreateTopics DeleteTopics DeleteRecords InitProducerId OffsetForLeaderEpoch
        AddPartitionsToTxn AddOffsetsToTxn EndTxn TxnOffsetCommit DescribeConfigs CreatePartitions DeleteGroups OffsetDelete
        ConsumerGroupHeartbeat ConsumerGroupDescribe DescribeCluster);
}
