//! [`failure`](super::failure()) for the APIs of the coordinators.

use kafka_protocol::messages::{RequestKind, ResponseKind};

use super::{
    add_offsets_to_txn, add_partitions_to_txn, consumer_group_describe, consumer_group_heartbeat,
    delete_groups, describe_groups, end_txn, heartbeat, init_producer_id, join_group, leave_group,
    list_groups, offset_commit, offset_delete, offset_fetch, sync_group, txn_offset_commit,
};
use crate::error_code::ErrorCode;

/// The answer to a request that failed as a whole. `None`: not an API of a coordinator.
pub(super) fn failure(request: &RequestKind, version: i16, code: ErrorCode) -> Option<ResponseKind> {
    Some(match request {
        RequestKind::JoinGroup(request) => join_group::failed(request, version, code).into(),
        RequestKind::SyncGroup(_) => sync_group::failed(code).into(),
        RequestKind::Heartbeat(_) => heartbeat::failed(code).into(),
        RequestKind::LeaveGroup(_) => leave_group::failed(code).into(),
        RequestKind::OffsetCommit(request) => offset_commit::failed(request, code).into(),
        RequestKind::OffsetFetch(request) => offset_fetch::failed(request, version, code).into(),
        RequestKind::OffsetDelete(_) => offset_delete::failed(code).into(),
        RequestKind::DescribeGroups(request) => describe_groups::failed(request, code).into(),
        RequestKind::ListGroups(_) => list_groups::failed(code).into(),
        RequestKind::DeleteGroups(request) => delete_groups::failed(request, code).into(),
        RequestKind::ConsumerGroupHeartbeat(_) => consumer_group_heartbeat::failed(code).into(),
        RequestKind::ConsumerGroupDescribe(request) => consumer_group_describe::failed(request, code).into(),
        RequestKind::InitProducerId(_) => init_producer_id::failed(code).into(),
        RequestKind::AddPartitionsToTxn(request) => {
            add_partitions_to_txn::failed(request, version, code).into()
        }
        RequestKind::AddOffsetsToTxn(_) => add_offsets_to_txn::failed(code).into(),
        RequestKind::EndTxn(_) => end_txn::failed(code).into(),
        RequestKind::TxnOffsetCommit(request) => txn_offset_commit::failed(request, code).into(),
        _ => return None,
    })
}
