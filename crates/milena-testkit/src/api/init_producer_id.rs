//! InitProducerId (22), versions 0 to 5.
//!
//! Java: `KafkaApis.handleInitProducerIdRequest`, `TransactionCoordinator.handleInitProducerId`. Kept: without a transactional id every
//! request gets a new producer id; with one, a new epoch, after an open transaction has been aborted; v3 lets a producer say
//! what it believes to be (KIP-360); older versions do not know PRODUCER_FENCED.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::txn;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: InitProducerIdRequest,
    version: i16,
) -> Reply<InitProducerIdResponse> {
    let expected = match (request.producer_id.0, request.producer_epoch) {
        (-1, -1) => None,
        (-1, _) | (_, -1) => return Reply::Now(failed(ErrorCode::INVALID_REQUEST)),
        believed => Some(believed),
    };
    let Some(id) = &request.transactional_id else {
        let producer_id = ctx.txns.new_producer_id();
        return Reply::Now(
            failed(ErrorCode::NONE).with_producer_id(producer_id.into()).with_producer_epoch(0),
        );
    };
    if !id.is_empty()
        && let Err(error) = txn::check_coordinator(ctx, id.as_str())
    {
        return Reply::Now(failed(error));
    }
    let begun = txn::call(ctx, |txns| txns.init(id.as_str(), request.transaction_timeout_ms, expected));
    Reply::Now(match begun {
        Ok((producer_id, epoch)) => {
            failed(ErrorCode::NONE).with_producer_id(producer_id.into()).with_producer_epoch(epoch)
        }
        Err(ErrorCode::PRODUCER_FENCED) if version < 4 => failed(ErrorCode::INVALID_PRODUCER_EPOCH),
        Err(error) => failed(error),
    })
}

pub(crate) fn failed(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(error.0)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1)
}
