//! Numbers that tell a broker a batch's second copy from a new batch (KIP-98).

use records::ProducerState;

/// Who numbers: what InitProducerId answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
}

/// The numbering of one partition. Brokers keep it per partition too, so each has an epoch of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sequence {
    identity: Option<Identity>,
    next: i32,
}

impl Sequence {
    /// Numbers a batch of `records` records. Under another producer id than before, counting starts over.
    pub(super) fn assign(&mut self, now: Identity, records: i32) -> ProducerState {
        let same = self.identity.filter(|identity| identity.producer_id == now.producer_id);
        let identity = match same {
            Some(identity) => identity,
            None => {
                self.next = 0;
                now
            }
        };
        self.identity = Some(identity);
        let base_sequence = self.next;
        self.next = increment(base_sequence, records);
        ProducerState { producer_id: identity.producer_id, producer_epoch: identity.epoch, base_sequence }
    }

    /// Ends the epoch: a broker refuses what is still under way of it, and counts from 0 (KIP-360). False if there are
    /// no more epochs: the producer needs another id.
    #[must_use]
    pub(super) fn bump(&mut self) -> bool {
        let Some(identity) = &mut self.identity else { return true };
        self.next = 0;
        // Brokers keep the very last epoch for themselves (`TransactionMetadata.isEpochExhausted`).
        if identity.epoch >= i16::MAX - 1 {
            return false;
        }
        identity.epoch += 1;
        true
    }
}

/// Java's `DefaultRecordBatch.incrementSequence`: 0 follows 2^31 - 1.
fn increment(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Identity = Identity { producer_id: 7, epoch: 3 };

    #[test]
    fn sequences_wrap_to_zero_as_javas_do() {
        // DefaultRecordBatchTest.testIncrementSequence.
        assert_eq!(increment(0, 10), 10);
        assert_eq!(increment(i32::MAX, 1), 0);
        assert_eq!(increment(i32::MAX - 5, 10), 4);
    }

    #[test]
    fn batches_are_numbered_without_gaps_and_an_epoch_starts_over() {
        let mut sequence = Sequence::default();
        let numbers = |state: ProducerState| (state.producer_id, state.producer_epoch, state.base_sequence);
        assert_eq!(numbers(sequence.assign(ME, 5)), (7, 3, 0));
        assert_eq!(numbers(sequence.assign(ME, 1)), (7, 3, 5));
        assert!(sequence.bump());
        assert_eq!(numbers(sequence.assign(ME, 1)), (7, 4, 0));
        assert_eq!(numbers(sequence.assign(Identity { producer_id: 8, epoch: 0 }, 1)), (8, 0, 0));
    }

    #[test]
    fn the_last_epoch_needs_another_producer_id() {
        let mut sequence = Sequence::default();
        sequence.assign(Identity { producer_id: 7, epoch: i16::MAX - 2 }, 1);
        assert!(sequence.bump());
        assert!(!sequence.bump());
    }
}
