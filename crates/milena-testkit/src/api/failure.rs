//! Answers that only say that a request failed, each where its API says so.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, DescribeClusterResponse, FetchResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, RequestKind, ResponseKind, SaslAuthenticateResponse, SaslHandshakeResponse,
};

use crate::error_code::ErrorCode;

/// The answer to a request that failed as a whole. `None`: this API says it of each topic, partition or group, so its handler
/// does, by asking [`Ctx::injected`](crate::Ctx::injected).
pub(crate) fn failure(request: &RequestKind, version: i16, code: ErrorCode) -> Option<ResponseKind> {
    let error = code.0;
    Some(match request {
        RequestKind::ApiVersions(_) => ApiVersionsResponse::default().with_error_code(error).into(),
        RequestKind::FindCoordinator(request) => find_coordinator(request, version, error).into(),
        RequestKind::Fetch(_) if is_about_sessions(code) => {
            FetchResponse::default().with_error_code(error).into()
        }
        RequestKind::SaslHandshake(_) => SaslHandshakeResponse::default().with_error_code(error).into(),
        RequestKind::SaslAuthenticate(_) => SaslAuthenticateResponse::default().with_error_code(error).into(),
        RequestKind::DescribeCluster(_) => DescribeClusterResponse::default().with_error_code(error).into(),
        _ => return super::coordinator_failure::failure(request, version, code),
    })
}

fn find_coordinator(request: &FindCoordinatorRequest, version: i16, error: i16) -> FindCoordinatorResponse {
    let nobody = BrokerId(-1);
    let answer = FindCoordinatorResponse::default().with_node_id(nobody).with_port(-1);
    if version < 4 {
        return answer.with_error_code(error);
    }
    let keys = request.coordinator_keys.iter().map(|key| {
        let answer = Coordinator::default().with_key(key.clone()).with_error_code(error);
        answer.with_node_id(nobody).with_port(-1)
    });
    answer.with_coordinators(keys.collect())
}

/// Errors of a fetch that are not those of a partition.
fn is_about_sessions(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND
            | ErrorCode::INVALID_FETCH_SESSION_EPOCH
            | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
    )
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
        ConsumerGroupHeartbeat ConsumerGroupDescribe DescribeCluster DescribeTopicPartitions);
}
