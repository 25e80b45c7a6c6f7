//! AddOffsetsToTxn (25), versions 0 to 4.
//!
//! Java: `KafkaApis.handleAddOffsetsToTxnRequest`. Kept: the group's partition of `__consumer_offsets` becomes part of the
//! transaction, so that its end is told to the group's coordinator.

use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use crate::cluster::OFFSETS_TOPIC;
use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::txn;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: AddOffsetsToTxnRequest,
    version: i16,
) -> Reply<AddOffsetsToTxnResponse> {
    let id = request.transactional_id.as_str();
    if let Err(error) = txn::check_coordinator(ctx, id) {
        return Reply::Now(failed(error));
    }
    let partition = (OFFSETS_TOPIC.to_owned(), ctx.cluster.offsets_partition(request.group_id.as_str()));
    let producer = (request.producer_id.0, request.producer_epoch);
    let added = txn::call(ctx, |txns| txns.add_partitions(id, producer, [partition].into()));
    Reply::Now(failed(match added {
        Ok(()) => ErrorCode::NONE,
        Err(ErrorCode::PRODUCER_FENCED) if version < 2 => ErrorCode::INVALID_PRODUCER_EPOCH,
        Err(error) => error,
    }))
}

pub(crate) fn failed(error: ErrorCode) -> AddOffsetsToTxnResponse {
    AddOffsetsToTxnResponse::default().with_error_code(error.0)
}
