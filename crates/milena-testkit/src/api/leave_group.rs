//! LeaveGroup (13), versions 0 to 5.
//!
//! Java: `GroupMetadataManager.classicGroupLeave`, `LeaveGroupResponse`. Kept: before v3 one member leaves and its error is the
//! answer's; as from v3 many can, each with an error of its own (KIP-345).

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::group;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: LeaveGroupRequest,
    version: i16,
) -> Reply<LeaveGroupResponse> {
    if !request.group_id.is_empty()
        && let Err(error) = group::check_coordinator(ctx, request.group_id.as_str())
    {
        return Reply::Now(failed(error));
    }
    let members = if version < 3 {
        vec![MemberIdentity::default().with_member_id(request.member_id.clone())]
    } else {
        request.members
    };
    let answer = group::call(ctx, version, |groups, call| groups.leave(call, &request.group_id.0, &members));
    if version >= 3 {
        return Reply::Now(answer);
    }
    let error = if answer.error_code == 0 {
        answer.members.first().map_or(0, |member| member.error_code)
    } else {
        answer.error_code
    };
    Reply::Now(failed(ErrorCode(error)))
}

pub(crate) fn failed(error: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse::default().with_error_code(error.0)
}
