//! ConsumerGroupDescribe (69), versions 0 and 1.
//!
//! Java: `GroupMetadataManager.consumerGroupDescribe`. Kept: epochs, current and target assignments; v1 tells each member's protocol
//! (KIP-1099). Not kept: authorized operations.

use kafka_protocol::messages::consumer_group_describe_response::DescribedGroup;
use kafka_protocol::messages::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::group;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: ConsumerGroupDescribeRequest,
    version: i16,
) -> Reply<ConsumerGroupDescribeResponse> {
    let groups = request.group_ids.iter().map(|id| {
        if id.is_empty() {
            return DescribedGroup::default().with_error_code(ErrorCode::INVALID_GROUP_ID.0);
        }
        let mut described = match group::check_coordinator(ctx, id.as_str()) {
            Ok(()) => ctx.groups.describe_consumer(&id.0, &ctx.cluster),
            Err(error) => DescribedGroup::default().with_group_id(id.clone()).with_error_code(error.0),
        };
        if version == 0 {
            for member in &mut described.members {
                member.member_type = -1;
            }
        }
        described
    });
    Reply::Now(ConsumerGroupDescribeResponse::default().with_groups(groups.collect()))
}

pub(crate) fn failed(
    request: &ConsumerGroupDescribeRequest,
    error: ErrorCode,
) -> ConsumerGroupDescribeResponse {
    let groups = request
        .group_ids
        .iter()
        .map(|id| DescribedGroup::default().with_group_id(id.clone()).with_error_code(error.0));
    ConsumerGroupDescribeResponse::default().with_groups(groups.collect())
}
