//! AddPartitionsToTxn and AddOffsetsToTxn: what belongs to a transaction.

use std::collections::BTreeSet;

use super::state::{State, Transaction};
use super::{NamedPartition, Producer, Transactions};
use crate::error_code::ErrorCode;

impl Transactions {
    /// Kafka: `handleAddPartitionsToTransaction`. The first partition begins the transaction.
    pub(crate) fn add_partitions(
        &mut self,
        transactional_id: &str,
        producer: Producer,
        partitions: BTreeSet<NamedPartition>,
    ) -> Result<(), ErrorCode> {
        let now = self.now;
        let transaction = self.of_producer(transactional_id, producer)?;
        match transaction.state {
            State::Prepare { .. } => return Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            State::Ongoing { .. } => {}
            State::Empty | State::Complete { .. } => transaction.state = State::Ongoing { since: now },
        }
        transaction.partitions.extend(partitions);
        Ok(())
    }

    /// Kafka: `handleVerifyPartitionsInTransaction`.
    pub(crate) fn verify(
        &mut self,
        transactional_id: &str,
        producer: Producer,
        partition: &NamedPartition,
    ) -> Result<(), ErrorCode> {
        let transaction = self.of_producer(transactional_id, producer)?;
        match transaction.state {
            State::Prepare { .. } => Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            _ if transaction.partitions.contains(partition) => Ok(()),
            _ => Err(ErrorCode::TRANSACTION_ABORTABLE),
        }
    }

    /// The transaction of a producer that is what it says.
    fn of_producer(
        &mut self,
        transactional_id: &str,
        (producer_id, epoch): Producer,
    ) -> Result<&mut Transaction, ErrorCode> {
        if transactional_id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let transaction =
            self.by_id.get_mut(transactional_id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        if transaction.producer_id != producer_id {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        if transaction.epoch != epoch {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        Ok(transaction)
    }
}
