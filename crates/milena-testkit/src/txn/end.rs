//! EndTxn: the decision. From here on it is only a matter of markers.

use super::state::State;
use super::{Producer, Transactions};
use crate::error_code::ErrorCode;

impl Transactions {
    /// Kafka: `TransactionCoordinator.endTransaction`, for a client. `bumps`: it speaks KIP-890's version, and goes on with
    /// the epoch that it is answered.
    pub(crate) fn end(
        &mut self,
        transactional_id: &str,
        (producer_id, epoch): Producer,
        commit: bool,
        bumps: bool,
    ) -> Result<Producer, ErrorCode> {
        if transactional_id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let transaction = self.by_id.get(transactional_id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        // KIP-890: the answer got lost, so the producer still has the epoch, or the id, of before.
        let overflowed = bumps
            && transaction.previous_producer_id == producer_id
            && epoch == i16::MAX - 1
            && transaction.epoch == 0;
        let bumped = bumps && transaction.epoch == epoch.saturating_add(1);
        let same = transaction.epoch == epoch;
        let valid = match transaction.state {
            _ if !bumps => same,
            State::Empty | State::Ongoing { .. } => same,
            State::Prepare { .. } => bumped,
            State::Complete { .. } => bumped || overflowed || same,
        };
        if transaction.producer_id != producer_id && !overflowed {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        if !valid {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        let retry = bumped || overflowed;
        match transaction.state {
            State::Ongoing { .. } => Ok(self.prepare(transactional_id, commit, bumps)),
            State::Prepare { commit: decided } if decided == commit => {
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            }
            State::Prepare { .. } => Err(ErrorCode::INVALID_TXN_STATE),
            // Under KIP-890 a producer may abort what the coordinator never heard of: the bump fences whatever is under way.
            State::Complete { .. } | State::Empty if bumps && !commit && !retry => {
                Ok(self.prepare(transactional_id, false, true))
            }
            State::Complete { commit: decided } if decided == commit => {
                Ok((transaction.producer_id, transaction.epoch))
            }
            State::Complete { .. } | State::Empty => Err(ErrorCode::INVALID_TXN_STATE),
        }
    }

    /// The transaction is decided. The producer's id and epoch as they are from now on.
    fn prepare(&mut self, transactional_id: &str, commit: bool, bumps: bool) -> Producer {
        let fresh = self.next_producer_id;
        let mark_at = self.now.saturating_add(self.config.marker_delay);
        let Some(transaction) = self.by_id.get_mut(transactional_id) else { return (-1, -1) };
        transaction.state = State::Prepare { commit };
        transaction.mark_at = Some(mark_at);
        if bumps {
            if transaction.is_exhausted() {
                transaction.next_producer_id = Some(fresh);
                self.next_producer_id += 1;
            }
            transaction.last_epoch = transaction.epoch;
            transaction.epoch = transaction.epoch.saturating_add(1);
        }
        self.marking.insert(transactional_id.to_owned());
        // With an exhausted epoch the producer goes on under the next id.
        match transaction.next_producer_id {
            Some(next) => (next, 0),
            None => (transaction.producer_id, transaction.epoch),
        }
    }

    /// Aborts a transaction that took too long, or whose producer is being replaced. The epoch grows, so that whoever has it
    /// open is fenced.
    ///
    /// Kafka: `prepareFenceProducerEpoch`, then `endTransaction` not from a client: one bump for both.
    pub(super) fn abort_late(&mut self, transactional_id: &str) {
        let mark_at = self.now.saturating_add(self.config.marker_delay);
        let Some(transaction) = self.by_id.get_mut(transactional_id) else { return };
        // Whoever had it may go on by saying which epoch it had (KIP-360); seen on 4.3.1.
        transaction.last_epoch = transaction.epoch;
        transaction.epoch = transaction.epoch.saturating_add(1);
        transaction.state = State::Prepare { commit: false };
        transaction.mark_at = Some(mark_at);
        self.marking.insert(transactional_id.to_owned());
    }
}
