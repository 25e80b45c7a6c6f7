//! InitProducerId with a transactional id: a new epoch, which fences whoever had the one before.

use std::collections::BTreeSet;
use std::time::Duration;

use super::state::{State, Transaction};
use super::{Producer, Transactions};
use crate::error_code::ErrorCode;

impl Transactions {
    /// Kafka: `TransactionCoordinator.handleInitProducerId`. `expected`: what the producer believes to be (KIP-360).
    pub(crate) fn init(
        &mut self,
        transactional_id: &str,
        timeout_ms: i32,
        expected: Option<Producer>,
    ) -> Result<Producer, ErrorCode> {
        if transactional_id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let timeout = u64::try_from(timeout_ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis);
        let timeout = timeout
            .filter(|timeout| *timeout <= self.config.max_timeout)
            .ok_or(ErrorCode::INVALID_TRANSACTION_TIMEOUT)?;
        if !self.by_id.contains_key(transactional_id) {
            let transaction = Transaction {
                producer_id: self.new_producer_id(),
                previous_producer_id: -1,
                next_producer_id: None,
                epoch: -1,
                last_epoch: -1,
                timeout,
                state: State::Empty,
                partitions: BTreeSet::new(),
                mark_at: None,
            };
            self.by_id.insert(transactional_id.to_owned(), transaction);
        }
        let Some(transaction) = self.by_id.get(transactional_id) else {
            return Err(ErrorCode::UNKNOWN_SERVER_ERROR);
        };
        let is_mine = |(id, epoch): &Producer| {
            transaction.epoch == -1
                || *id == transaction.producer_id
                || (*id == transaction.previous_producer_id && *epoch >= i16::MAX - 1)
        };
        if !expected.as_ref().is_none_or(is_mine) {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        match transaction.state {
            State::Prepare { .. } => Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            State::Ongoing { .. } => {
                // Somebody's transaction is open: it is aborted under an epoch that nobody has, and the client asks again.
                self.abort_late(transactional_id);
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            }
            State::Empty | State::Complete { .. } => self.next_epoch(transactional_id, timeout, expected),
        }
    }

    fn next_epoch(
        &mut self,
        transactional_id: &str,
        timeout: Duration,
        expected: Option<Producer>,
    ) -> Result<Producer, ErrorCode> {
        let fresh = self.next_producer_id;
        let Some(transaction) = self.by_id.get_mut(transactional_id) else {
            return Err(ErrorCode::UNKNOWN_SERVER_ERROR);
        };
        let known = expected.map(|(_, epoch)| epoch);
        if transaction.is_exhausted() && known.is_none_or(|epoch| epoch == transaction.epoch) {
            transaction.previous_producer_id = transaction.producer_id;
            transaction.last_epoch = known.map_or(-1, |_| transaction.epoch);
            transaction.producer_id = fresh;
            transaction.epoch = 0;
            self.next_producer_id += 1;
        } else {
            match known {
                None => {
                    transaction.last_epoch = -1;
                    transaction.epoch = transaction.epoch.saturating_add(1);
                }
                Some(epoch) if transaction.epoch == -1 || epoch == transaction.epoch => {
                    transaction.last_epoch = transaction.epoch;
                    transaction.epoch = transaction.epoch.saturating_add(1);
                }
                // The same request again: its answer got lost.
                Some(epoch) if epoch == transaction.last_epoch => {}
                Some(_) => return Err(ErrorCode::PRODUCER_FENCED),
            }
            transaction.previous_producer_id = transaction.producer_id;
        }
        transaction.timeout = timeout;
        transaction.state = State::Empty;
        transaction.partitions.clear();
        Ok((transaction.producer_id, transaction.epoch))
    }
}
