//! SyncGroup (14), versions 0 to 5.
//!
//! Java: `GroupMetadataManager.classicGroupSync`. Kept: followers wait for the leader; whoever comes late gets its assignment at
//! once; v5 names the protocol, which must be the group's.

use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::group;

pub(crate) fn handle(ctx: &mut Ctx<'_>, request: SyncGroupRequest, version: i16) -> Reply<SyncGroupResponse> {
    if !request.group_id.is_empty()
        && let Err(error) = group::check_coordinator(ctx, request.group_id.as_str())
    {
        return Reply::Now(failed(error));
    }
    // Java: SyncGroupRequest.areMandatoryProtocolTypeAndNamePresent.
    if version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return Reply::Now(failed(ErrorCode::INCONSISTENT_GROUP_PROTOCOL));
    }
    group::call(ctx, version, |groups, call| groups.sync(call, &request)).map_or(Reply::Later, Reply::Now)
}

pub(crate) fn failed(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(error.0)
}
