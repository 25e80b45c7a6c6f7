//! ConsumerGroupHeartbeat (68), versions 0 and 1.
//!
//! Java: `GroupMetadataManager.consumerGroupHeartbeat`. Kept: everything that `group/consumer` lists, and the broker's words; v1
//! brings regular expressions (KIP-848) and ids that members make themselves (KIP-1082).

use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::group;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: ConsumerGroupHeartbeatRequest,
    version: i16,
) -> Reply<ConsumerGroupHeartbeatResponse> {
    if !request.group_id.is_empty()
        && let Err(error) = group::check_coordinator(ctx, request.group_id.as_str())
    {
        return Reply::Now(failed(error));
    }
    let answer = group::call(ctx, version, |groups, call| groups.consumer_heartbeat(call, &request));
    Reply::Now(answer.unwrap_or_else(|refused| {
        let message = StrBytes::from_string(refused.message);
        failed(refused.code).with_error_message(Some(message))
    }))
}

pub(crate) fn failed(error: ErrorCode) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default().with_error_code(error.0)
}
