//! What idempotent producers have written. Java: `ProducerStateManager`, `ProducerAppendInfo`, `ProducerStateEntry`.

use std::collections::{BTreeMap, VecDeque};

use records::{BatchHeader, ControlMarker};

use crate::error_code::ErrorCode;

/// The producers of one partition.
#[derive(Debug, Clone, Default)]
pub struct ProducerStates {
    entries: BTreeMap<i64, ProducerEntry>,
}

/// One producer in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its epoch; -1 after nothing but a marker of an unknown producer.
    pub epoch: i16,
    /// Its last batches, oldest first; at most five, as many as a producer may have in flight.
    pub batches: VecDeque<ProducedBatch>,
    /// Where its open transaction began.
    pub txn_first_offset: Option<i64>,
    /// The last transaction coordinator that wrote a marker for it.
    pub coordinator_epoch: i32,
    /// When it last wrote, in milliseconds since 1970.
    pub last_ms: i64,
}

/// A batch that a producer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducedBatch {
    /// Sequence number of its first record.
    pub first_sequence: i32,
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Its greatest timestamp.
    pub timestamp: i64,
}

/// Whether a batch may be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Yes.
    Append,
    /// It is in the log already.
    Duplicate(ProducedBatch),
}

impl ProducerStates {
    /// The producers by id.
    pub fn entries(&self) -> impl Iterator<Item = (i64, &ProducerEntry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// One producer.
    pub fn entry(&self, producer_id: i64) -> Option<&ProducerEntry> {
        self.entries.get(&producer_id)
    }

    /// Forgets a producer, as a broker does after `producer.id.expiration.ms`.
    pub fn forget(&mut self, producer_id: i64) {
        self.entries.remove(&producer_id);
    }

    /// The checks of `ProducerAppendInfo` for a batch that a client sent.
    pub(super) fn check(&self, header: &BatchHeader) -> Result<Check, ErrorCode> {
        let Some(entry) = self.entries.get(&header.producer_id()) else { return Ok(Check::Append) };
        let first = header.base_sequence();
        let last = last_sequence(header);
        if header.producer_epoch() < entry.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        if header.producer_epoch() == entry.epoch
            && let Some(known) = entry
                .batches
                .iter()
                .find(|known| (known.first_sequence, known.last_sequence) == (first, last))
        {
            return Ok(Check::Duplicate(*known));
        }
        if header.producer_epoch() != entry.epoch {
            // A new epoch starts its numbers anew.
            if first != 0 && entry.epoch != NO_EPOCH {
                return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
        } else if !in_sequence(entry.batches.back().map_or(NO_SEQUENCE, |batch| batch.last_sequence), first) {
            return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
        if entry.txn_first_offset.is_some() && !header.is_transactional() {
            return Err(ErrorCode::INVALID_TXN_STATE);
        }
        Ok(Check::Append)
    }

    /// The checks for a transaction marker: of the producer's epoch and of the coordinator's.
    pub(super) fn check_marker(
        &self,
        producer_id: i64,
        producer_epoch: i16,
        coordinator_epoch: i32,
    ) -> Result<(), ErrorCode> {
        let Some(entry) = self.entries.get(&producer_id) else { return Ok(()) };
        if producer_epoch < entry.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        if coordinator_epoch < entry.coordinator_epoch {
            return Err(ErrorCode::TRANSACTION_COORDINATOR_FENCED);
        }
        Ok(())
    }

    /// Takes in a batch that is in the log.
    pub(super) fn replay(&mut self, header: &BatchHeader, marker: Option<ControlMarker>, now_ms: i64) {
        if !header.has_producer_id() {
            return;
        }
        let entry = self.entries.entry(header.producer_id()).or_insert_with(|| ProducerEntry {
            epoch: NO_EPOCH,
            batches: VecDeque::new(),
            txn_first_offset: None,
            coordinator_epoch: -1,
            last_ms: now_ms,
        });
        if entry.epoch != header.producer_epoch() {
            entry.epoch = header.producer_epoch();
            entry.batches.clear();
        }
        entry.last_ms = now_ms;
        match marker {
            Some(
                ControlMarker::Abort { coordinator_epoch } | ControlMarker::Commit { coordinator_epoch },
            ) => {
                entry.txn_first_offset = None;
                entry.coordinator_epoch = coordinator_epoch;
            }
            Some(ControlMarker::Other { .. }) => {}
            None if header.base_sequence() < 0 => {}
            None => {
                if entry.batches.len() == BATCHES_KEPT {
                    entry.batches.pop_front();
                }
                entry.batches.push_back(ProducedBatch {
                    first_sequence: header.base_sequence(),
                    last_sequence: last_sequence(header),
                    first_offset: header.base_offset(),
                    last_offset: header.last_offset(),
                    timestamp: header.max_timestamp(),
                });
                if header.is_transactional() {
                    entry.txn_first_offset.get_or_insert(header.base_offset());
                }
            }
        }
    }
}

/// Sequence numbers wrap at 31 bits (Java: `DefaultRecordBatch.incrementSequence`).
fn last_sequence(header: &BatchHeader) -> i32 {
    let sum = i64::from(header.base_sequence()) + i64::from(header.last_offset_delta());
    if sum > i64::from(i32::MAX) { (sum - i64::from(i32::MAX) - 1) as i32 } else { sum as i32 }
}

fn in_sequence(last: i32, next: i32) -> bool {
    i64::from(next) == i64::from(last) + 1 || (next == 0 && last == i32::MAX)
}

const NO_EPOCH: i16 = -1;
const NO_SEQUENCE: i32 = -1;
const BATCHES_KEPT: usize = 5;
