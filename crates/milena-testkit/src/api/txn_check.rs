//! Whether a transactional batch belongs to a transaction that its coordinator knows (KIP-890).

use bytes::Bytes;
use records::Batches;

use crate::ctx::Ctx;
use crate::error_code::ErrorCode;
use crate::log::Refusal;
use crate::txn;

/// Asks the transaction coordinator before the first transactional batch of a producer is appended to a partition. Java:
/// `ReplicaManager.maybeSendPartitionsToTransactionCoordinator` and its `handleProduceAppend`.
pub(crate) fn verify(
    ctx: &mut Ctx<'_>,
    transactional_id: Option<&str>,
    topic: &str,
    partition: i32,
    records: &Bytes,
    version: i16,
) -> Result<(), Refusal> {
    // What cannot be read is refused when it is appended.
    let Some(Ok(batch)) = Batches::new(records.clone()).next() else { return Ok(()) };
    if !batch.is_transactional() {
        return Ok(());
    }
    let producer = (batch.producer_id(), batch.producer_epoch());
    let known =
        ctx.cluster.partition(topic, partition).and_then(|state| state.log.producers().entry(producer.0));
    if known.is_some_and(|entry| entry.txn_first_offset.is_some() && entry.epoch == producer.1) {
        return Ok(());
    }
    let adds = version >= 12;
    let place = (topic.to_owned(), partition);
    let id = transactional_id.unwrap_or_default();
    txn::admit(ctx.world, id, producer, place, adds, version >= 11).map_err(|code| {
        let retried = matches!(
            code,
            ErrorCode::CONCURRENT_TRANSACTIONS
                | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
                | ErrorCode::COORDINATOR_NOT_AVAILABLE
                | ErrorCode::NOT_COORDINATOR
        );
        // Producers retry this one, whatever their age.
        let keeps_name = code == ErrorCode::CONCURRENT_TRANSACTIONS && adds;
        if retried && !keeps_name { ErrorCode::NOT_ENOUGH_REPLICAS.into() } else { code.into() }
    })
}
