//! FindCoordinator (10), versions 0 to 6.
//!
//! Java: `KafkaApis.handleFindCoordinatorRequest`. Kept: the coordinator is the leader of the key's partition of
//! `__consumer_offsets` or `__transaction_state`; no leader is COORDINATOR_NOT_AVAILABLE; version 4 asks for many at once;
//! share groups (type 2) are unknown here. Not kept: a broker that has just created the internal topic answers
//! COORDINATOR_NOT_AVAILABLE first.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use crate::cluster::{OFFSETS_TOPIC, TXN_TOPIC};
use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: FindCoordinatorRequest,
    version: i16,
) -> Reply<FindCoordinatorResponse> {
    if version >= 4 {
        let found = request.coordinator_keys.into_iter().map(|key| find(ctx, request.key_type, key));
        return Reply::Now(FindCoordinatorResponse::default().with_coordinators(found.collect()));
    }
    let found = find(ctx, request.key_type, request.key);
    Reply::Now(
        FindCoordinatorResponse::default()
            .with_error_code(found.error_code)
            .with_error_message(found.error_message)
            .with_node_id(found.node_id)
            .with_host(found.host)
            .with_port(found.port),
    )
}

fn find(ctx: &mut Ctx<'_>, key_type: i8, key: StrBytes) -> Coordinator {
    let answer = Coordinator::default().with_node_id(BrokerId(-1)).with_port(-1).with_key(key.clone());
    let failed = |code: ErrorCode| {
        let message = (!code.is_none()).then(|| StrBytes::from_string(code.to_string()));
        answer.clone().with_error_code(code.0).with_error_message(message)
    };
    let cluster = &mut ctx.cluster;
    let coordinator = match key_type {
        GROUP => {
            cluster.ensure_internal_topic(OFFSETS_TOPIC);
            cluster.group_coordinator(&key)
        }
        TRANSACTION if key.is_empty() => return failed(ErrorCode::INVALID_REQUEST),
        TRANSACTION => {
            cluster.ensure_internal_topic(TXN_TOPIC);
            cluster.txn_coordinator(&key)
        }
        _ => return failed(ErrorCode::INVALID_REQUEST),
    };
    let Some((id, broker)) = coordinator.and_then(|id| cluster.broker(id).map(|broker| (id, broker))) else {
        return failed(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    };
    answer
        .clone()
        .with_node_id(id)
        .with_host(StrBytes::from_string(broker.host.clone()))
        .with_port(i32::from(broker.port))
        .with_error_message(Some(StrBytes::from_static_str("")))
}

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
