//! A partition's log: batches with offsets and leader epochs, and what a broker keeps beside them.
//!
//! One log stands for all replicas. At any time a follower's log is a prefix of it, so a follower is a log end offset
//! (`cluster/partition.rs`), and an unclean election is a truncation.

mod append;
mod compact;
mod epochs;
mod producers;
mod read;
mod transactions;

use std::collections::VecDeque;

use bytes::Bytes;
use records::{Batch, BatchHeader};

pub use append::{AppendInfo, AppendRules, Refusal, only_batch};
pub use epochs::EpochCache;
pub use producers::{ProducedBatch, ProducerEntry, ProducerStates};
pub use read::{ReadLimit, Slice, TimestampAndOffset};
pub use transactions::{AbortedTxn, TxnIndex};

/// The log of one partition.
#[derive(Debug, Clone, Default)]
pub struct Log {
    batches: VecDeque<StoredBatch>,
    start_offset: i64,
    end_offset: i64,
    size_in_bytes: usize,
    /// The first batch with the greatest timestamp. DeleteRecords leaves it where it is: a segment keeps what it has seen.
    newest: Option<StoredBatch>,
    epochs: EpochCache,
    producers: ProducerStates,
    txns: TxnIndex,
}

/// A batch as it lies in the log.
#[derive(Debug, Clone)]
pub struct StoredBatch {
    header: BatchHeader,
    bytes: Bytes,
    /// When it was appended, in milliseconds since 1970: what time retention of a batch without timestamps goes by.
    appended_ms: i64,
}

impl StoredBatch {
    /// Its header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Its bytes, as a fetch sends them.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl Log {
    /// The first offset that can be read.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset that the next record gets.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Bytes of all batches.
    pub fn size_in_bytes(&self) -> usize {
        self.size_in_bytes
    }

    /// The batches, in order. The first may begin below the start offset.
    pub fn batches(&self) -> impl Iterator<Item = &StoredBatch> {
        self.batches.iter()
    }

    /// Where each leader epoch began.
    pub fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// What idempotent producers have written.
    pub fn producers(&self) -> &ProducerStates {
        &self.producers
    }

    /// Open and aborted transactions.
    pub fn txns(&self) -> &TxnIndex {
        &self.txns
    }

    /// The last stable offset: where the oldest transaction begins that is open, or whose end is not replicated yet.
    pub fn last_stable_offset(&self, high_watermark: i64) -> i64 {
        // `UnifiedLog.maybeIncrementFirstUnstableOffset`: a transaction that began below the start holds everything back.
        let first = self.txns.first_unstable(high_watermark).map(|first| first.max(self.start_offset));
        first.map_or(high_watermark, |first| first.min(high_watermark))
    }

    /// Notes that a leader of this epoch begins at the log's end (Java: `UnifiedLog.assignEpochStartOffset`).
    pub fn start_epoch(&mut self, epoch: i32) {
        self.epochs.assign(epoch, self.end_offset);
    }

    /// Cuts the log: nothing at or after `offset` remains. A batch that spans it goes as a whole.
    pub fn truncate_to(&mut self, offset: i64) {
        while let Some(batch) = self.batches.back()
            && batch.header.last_offset() >= offset
        {
            self.size_in_bytes -= batch.bytes.len();
            self.end_offset = batch.header.base_offset();
            self.batches.pop_back();
        }
        self.end_offset = self.end_offset.min(offset);
        self.start_offset = self.start_offset.min(self.end_offset);
        self.epochs.truncate_from_end(self.end_offset);
        self.find_newest();
        self.rebuild_producers();
    }

    /// Moves the start: what lies below can no longer be read, and whole batches below are gone.
    pub fn advance_start(&mut self, offset: i64) {
        if offset <= self.start_offset {
            return;
        }
        self.start_offset = offset.min(self.end_offset);
        while let Some(batch) = self.batches.front()
            && batch.header.last_offset() < self.start_offset
        {
            self.size_in_bytes -= batch.bytes.len();
            self.batches.pop_front();
        }
        self.epochs.truncate_from_start(self.start_offset);
        self.txns.advance_start(self.start_offset);
    }

    /// Time and size retention, batch by batch as far as `end` (a broker deletes whole segments, which here are single batches).
    /// Returns whether the start moved.
    pub fn retain(&mut self, now_ms: i64, retention_ms: i64, retention_bytes: i64, end: i64) -> bool {
        let before = self.start_offset;
        while let Some(batch) = self.batches.front()
            && batch.header.last_offset() < end
        {
            let time = match batch.header.max_timestamp() {
                timestamp if timestamp >= 0 => timestamp,
                _ => batch.appended_ms,
            };
            let too_old = retention_ms >= 0 && now_ms.saturating_sub(time) > retention_ms;
            let left = self.size_in_bytes - batch.bytes.len();
            let too_much = retention_bytes >= 0 && left as i64 >= retention_bytes;
            if !too_old && !too_much {
                break;
            }
            let next = batch.header.next_offset();
            self.advance_start(next);
        }
        if self.start_offset != before {
            self.find_newest();
        }
        self.start_offset != before
    }

    fn find_newest(&mut self) {
        let first = self.batches.iter().rev().max_by_key(|batch| batch.header.max_timestamp());
        self.newest = first.cloned();
    }

    /// Damages a stored batch: the byte `at` bytes into the batch that holds `offset` gets all its bits turned.
    /// Returns whether there is such a byte.
    pub fn flip_byte(&mut self, offset: i64, at: usize) -> bool {
        let Some(batch) = self.batches.iter_mut().find(|batch| batch.header.last_offset() >= offset) else {
            return false;
        };
        let mut bytes = batch.bytes.to_vec();
        let Some(byte) = bytes.get_mut(at) else { return false };
        *byte = !*byte;
        // The header that the broker works with stays what it was: a disk does not tell anybody.
        batch.bytes = bytes.into();
        true
    }

    /// Everything below is on all replicas in sync: ended transactions there hold nobody back any more.
    pub(crate) fn replicated_to(&mut self, high_watermark: i64) {
        self.txns.replicated_to(high_watermark);
    }

    fn push(&mut self, header: BatchHeader, bytes: Bytes, now_ms: i64) {
        self.end_offset = header.next_offset();
        self.size_in_bytes += bytes.len();
        if let Some(epoch) = header.leader_epoch() {
            self.epochs.assign(epoch, header.base_offset());
        }
        let stored = StoredBatch { header, bytes, appended_ms: now_ms };
        if self.newest.as_ref().is_none_or(|newest| newest.header.max_timestamp() < header.max_timestamp()) {
            self.newest = Some(stored.clone());
        }
        self.batches.push_back(stored);
    }

    /// Reads the producers' state again from what is left, as a broker does after a truncation.
    fn rebuild_producers(&mut self) {
        self.producers = ProducerStates::default();
        // What began below the start is in no batch any more, but in the producers' snapshots that a broker begins with.
        self.txns = self.txns.begun_below(self.start_offset);
        let batches: Vec<_> = self.batches.iter().cloned().collect();
        for stored in batches {
            let marker = stored.header.is_control().then(|| marker_of(&stored.bytes)).flatten();
            self.producers.replay(&stored.header, marker, stored.appended_ms);
            self.txns.replay(&stored.header, marker);
        }
    }
}

/// What a control batch says.
fn marker_of(bytes: &Bytes) -> Option<records::ControlMarker> {
    let decoded = Batch::parse(bytes.clone()).ok()?.decode(&mut records::Decompressor::new()).ok()?;
    decoded.control_marker().ok()?
}

#[cfg(test)]
mod tests;
