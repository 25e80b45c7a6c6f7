//! DeleteGroups (42), versions 0 to 2.
//!
//! Java: `GroupCoordinatorShard.deleteGroups`. Kept: only a group without members can be deleted; its offsets go with it.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::group;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: DeleteGroupsRequest,
    version: i16,
) -> Reply<DeleteGroupsResponse> {
    let mut results = Vec::new();
    for id in request.groups_names {
        let deleted = group::check_coordinator(ctx, id.as_str())
            .and_then(|()| group::call(ctx, version, |groups, _| groups.delete_group(&id.0)));
        let error = deleted.err().unwrap_or(ErrorCode::NONE);
        results.push(DeletableGroupResult::default().with_group_id(id).with_error_code(error.0));
    }
    Reply::Now(DeleteGroupsResponse::default().with_results(results))
}

pub(crate) fn failed(request: &DeleteGroupsRequest, error: ErrorCode) -> DeleteGroupsResponse {
    let results = request
        .groups_names
        .iter()
        .map(|id| DeletableGroupResult::default().with_group_id(id.clone()).with_error_code(error.0));
    DeleteGroupsResponse::default().with_results(results.collect())
}
