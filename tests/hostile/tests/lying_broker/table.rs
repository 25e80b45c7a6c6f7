//! The cases.

mod answers;
mod codes;
mod frames;

use testkit::ApiKey;

use crate::case::Case;
use crate::world::LIAR;

/// The APIs that the client calls.
pub(crate) const APIS: [ApiKey; 18] = [
    ApiKey::Fetch,
    ApiKey::Metadata,
    ApiKey::ApiVersions,
    ApiKey::ListOffsets,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::SyncGroup,
    ApiKey::Heartbeat,
    ApiKey::OffsetFetch,
    ApiKey::OffsetCommit,
    ApiKey::LeaveGroup,
    ApiKey::Produce,
    ApiKey::InitProducerId,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
];

/// Every case there is.
pub(crate) fn all() -> Vec<Case> {
    let mut all = frames::all();
    all.extend(answers::all());
    all.extend(codes::all());
    all
}

/// Who has to lie for the lie to be heard: what any broker may be asked, all of them.
pub(crate) fn liar(api: ApiKey) -> Option<i32> {
    match api {
        ApiKey::Metadata
        | ApiKey::FindCoordinator
        | ApiKey::InitProducerId
        | ApiKey::ListGroups
        | ApiKey::CreateTopics
        | ApiKey::DeleteTopics => None,
        _ => Some(LIAR),
    }
}
