//! ListGroups (16), versions 0 to 5.
//!
//! Java: `GroupMetadataManager.listGroups`. Kept: a broker lists the groups that it coordinates; v4 filters by state, v5 by type.

use kafka_protocol::messages::{ListGroupsRequest, ListGroupsResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: ListGroupsRequest,
    _version: i16,
) -> Reply<ListGroupsResponse> {
    let mine = |group: &str| ctx.cluster.group_coordinator(group) == Some(ctx.broker);
    let groups = ctx.groups.list(&request.states_filter, &request.types_filter, mine);
    Reply::Now(ListGroupsResponse::default().with_groups(groups))
}

pub(crate) fn failed(error: ErrorCode) -> ListGroupsResponse {
    ListGroupsResponse::default().with_error_code(error.0)
}
