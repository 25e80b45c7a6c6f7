//! What is sent to coordinators, and over which connection.

use proto::assignments::Stamp;
use proto::group::{GroupCall, GroupRequest, GroupResponse, Target};
use proto::wire::{
    Coordinator, ErrorCode, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchResponse, Request,
};

use crate::client::{Client, Purpose, left_until};
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::net::Guard;
use crate::offsets::{BY_NAME_MAX, OffsetsOf, fetch_offsets, fetch_offsets_request};

pub(super) async fn read_committed_offsets(
    client: &Client,
    group: &str,
    coordinator: Option<Coordinator>,
    member: Option<(String, i32)>,
    asked: &OffsetsOf,
) -> Result<OffsetFetchResponse> {
    let coordinator = match coordinator {
        Some(coordinator) => coordinator,
        None => client.find_coordinator(group).await?,
    };
    let lane = client.coordinator_lane(&coordinator, Purpose::Coordination).await?;
    // KIP-447: a transaction that is open may be about to commit an offset. To begin below it would be to read again what it has
    // covered, whatever the isolation level is; Java's consumers ask like this, too.
    let require_stable = true;
    let mut request = fetch_offsets_request(group, Some(asked.topics(client)), require_stable);
    request.member = member;
    fetch_offsets(&lane, &request, client.config().request_timeout()).await
}

/// Whether the group's coordinator has answered, as one.
pub(super) fn by_coordinator(answer: &GroupResponse) -> bool {
    let error = match answer {
        GroupResponse::FindCoordinator(_) => return false,
        GroupResponse::JoinGroup(answer) => answer.error,
        GroupResponse::SyncGroup(answer) => answer.error,
        GroupResponse::Heartbeat(answer) => answer.error,
        GroupResponse::LeaveGroup(answer) => answer.error,
        GroupResponse::ConsumerGroupHeartbeat(answer) => answer.error,
    };
    !matches!(
        error,
        ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
    )
}

pub(super) async fn group_call(
    client: &Client,
    call: GroupCall,
    metadata_version: &mut Option<i16>,
) -> Result<GroupResponse> {
    let deadline = clock::now() + call.timeout;
    let coordinator = match call.target {
        Target::AnyBroker => {
            let GroupRequest::FindCoordinator(request) = call.request else {
                return Err(Error::config("only FindCoordinator may go to any broker"));
            };
            return client.call_any(&request).await.map(GroupResponse::FindCoordinator);
        }
        Target::Coordinator(coordinator) => coordinator,
    };
    let purpose = match &call.request {
        GroupRequest::JoinGroup(_) | GroupRequest::SyncGroup(_) => Purpose::Join,
        _ => Purpose::Coordination,
    };
    let lane = client.coordinator_lane(&coordinator, purpose);
    let lane = tokio::time::timeout_at(deadline.into(), lane)
        .await
        .map_err(|_| Error::new(ErrorKind::TimedOut).doing("connecting to the group's coordinator"))??;
    *metadata_version = lane.versions().metadata_version();
    let left = left_until(deadline);
    match call.request {
        GroupRequest::FindCoordinator(request) => {
            lane.call(&request, left).await.map(GroupResponse::FindCoordinator)
        }
        GroupRequest::JoinGroup(request) => lane.call(&request, left).await.map(GroupResponse::JoinGroup),
        GroupRequest::SyncGroup(request) => lane.call(&request, left).await.map(GroupResponse::SyncGroup),
        GroupRequest::Heartbeat(request) => lane.call(&request, left).await.map(GroupResponse::Heartbeat),
        GroupRequest::LeaveGroup(request) => lane.call(&request, left).await.map(GroupResponse::LeaveGroup),
        GroupRequest::ConsumerGroupHeartbeat(request) => {
            lane.call(&request, left).await.map(GroupResponse::ConsumerGroupHeartbeat)
        }
    }
}

/// Sends a commit: by topic id where the coordinator takes ids and all are known, else by name.
pub(super) async fn commit(
    client: &Client,
    coordinator: &Coordinator,
    request: &OffsetCommitRequest,
    epochs: Vec<Stamp>,
) -> Result<OffsetCommitResponse> {
    let lane = client.coordinator_lane(coordinator, Purpose::Coordination).await?;
    let ids = request.topics.iter().all(|topic| !topic.id.is_zero());
    let newest = *OffsetCommitRequest::VERSIONS.end();
    let version = lane.pick::<OffsetCommitRequest>(if ids { newest } else { newest.min(BY_NAME_MAX) })?;
    // It may have waited for a connection until the drain it was for was over: then it is not sent.
    let guard: Guard = Box::new(move || epochs.iter().all(Stamp::is_current));
    lane.call_if(request, version, client.config().request_timeout(), Some(guard)).await
}
