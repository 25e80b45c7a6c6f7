//! Heartbeat (12), versions 0 to 4.
//!
//! Java: `GroupMetadataManager.classicGroupHeartbeat`. Kept: a rebalance is announced by REBALANCE_IN_PROGRESS, which is a sign of
//! life all the same; while a coordinator loads, heartbeats are answered as if all were well.

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::group;

pub(crate) fn handle(ctx: &mut Ctx<'_>, request: HeartbeatRequest, version: i16) -> Reply<HeartbeatResponse> {
    if !request.group_id.is_empty()
        && let Err(error) = group::check_coordinator(ctx, request.group_id.as_str())
    {
        return Reply::Now(failed(error));
    }
    let answer = group::call(ctx, version, |groups, _| groups.heartbeat(&request));
    Reply::Now(failed(answer.err().unwrap_or(ErrorCode::NONE)))
}

pub(crate) fn failed(error: ErrorCode) -> HeartbeatResponse {
    HeartbeatResponse::default().with_error_code(error.0)
}
