//! DescribeGroups (15), versions 0 to 6.
//!
//! Java: `GroupMetadataManager.describeGroups`. Kept: metadata only of a stable group; what is no classic group is `Dead`, and an
//! error as from v6 (KIP-1043). Not kept: authorized operations.

use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::group;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: DescribeGroupsRequest,
    version: i16,
) -> Reply<DescribeGroupsResponse> {
    let groups = request.groups.iter().map(|id| match group::check_coordinator(ctx, id.as_str()) {
        Ok(()) => ctx.groups.describe(&id.0, version),
        Err(error) => DescribedGroup::default().with_group_id(id.clone()).with_error_code(error.0),
    });
    Reply::Now(DescribeGroupsResponse::default().with_groups(groups.collect()))
}

pub(crate) fn failed(request: &DescribeGroupsRequest, error: ErrorCode) -> DescribeGroupsResponse {
    let groups = request
        .groups
        .iter()
        .map(|id| DescribedGroup::default().with_group_id(id.clone()).with_error_code(error.0));
    DescribeGroupsResponse::default().with_groups(groups.collect())
}
