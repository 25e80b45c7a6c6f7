//! JoinGroup (11), versions 0 to 9.
//!
//! Java: `GroupMetadataManager.classicGroupJoin`. Kept: everything that `group/classic` lists; v0 has no rebalance timeout of its
//! own (the session's is meant), v4 sends newcomers away with an id (KIP-394), v5 knows static members (KIP-345), v7 may
//! leave out the protocol's name, v9 tells a returning static leader not to assign (KIP-814).

use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::group;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    mut request: JoinGroupRequest,
    version: i16,
) -> Reply<JoinGroupResponse> {
    if version == 0 {
        request.rebalance_timeout_ms = request.session_timeout_ms;
    }
    if !request.group_id.is_empty()
        && let Err(error) = group::check_coordinator(ctx, request.group_id.as_str())
    {
        return Reply::Now(failed(&request, version, error));
    }
    match group::call(ctx, version, |groups, call| groups.join(call, &request)) {
        Some(answer) => Reply::Now(group::join_in_version(answer, version)),
        None => Reply::Later,
    }
}

pub(crate) fn failed(request: &JoinGroupRequest, version: i16, error: ErrorCode) -> JoinGroupResponse {
    group::join_in_version(group::join_error(request.member_id.clone(), error), version)
}
