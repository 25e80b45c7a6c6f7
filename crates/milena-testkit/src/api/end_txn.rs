//! EndTxn (26), versions 0 to 5.
//!
//! Java: `KafkaApis.handleEndTxnRequest`, `TransactionCoordinator.endTransaction`. Kept: what each state answers; v5 says that the
//! client knows KIP-890: its epoch grows with every transaction, and the answer tells it.

use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::txn;

pub(crate) fn handle(ctx: &mut Ctx<'_>, request: EndTxnRequest, version: i16) -> Reply<EndTxnResponse> {
    let id = request.transactional_id.as_str();
    if let Err(error) = txn::check_coordinator(ctx, id) {
        return Reply::Now(failed(error));
    }
    let producer = (request.producer_id.0, request.producer_epoch);
    let ended = txn::call(ctx, |txns| txns.end(id, producer, request.committed, version >= 5));
    Reply::Now(match ended {
        Ok((producer_id, epoch)) if version >= 5 => {
            failed(ErrorCode::NONE).with_producer_id(producer_id.into()).with_producer_epoch(epoch)
        }
        Ok(_) => failed(ErrorCode::NONE),
        Err(ErrorCode::PRODUCER_FENCED) if version < 2 => failed(ErrorCode::INVALID_PRODUCER_EPOCH),
        Err(error) => failed(error),
    })
}

pub(crate) fn failed(error: ErrorCode) -> EndTxnResponse {
    EndTxnResponse::default().with_error_code(error.0)
}
