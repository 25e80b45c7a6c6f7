//! A range of offsets that went to the application, and its acks.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::ack_map::AckMap;
use crate::assignments::{FenceReason, Stamp};
use crate::types::LeaderEpoch;

/// What an ack came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a fenced ack will not be committed"]
pub enum Ack {
    /// It counts: the offset is committed once all before it are finished.
    Accepted,
    /// It had been acknowledged before. Harmless.
    Duplicate,
    /// The assignment epoch in which the record was read has ended, for this reason: it will never be committed from
    /// here. Whoever owns the partition reads the record again, unless it was committed in time.
    Fenced(FenceReason),
    /// The offset is not in this range.
    Foreign,
}

/// The offsets of one delivered record batch, to be acknowledged one by one, in parts or as a whole, in any order, from
/// any thread. Clones are the same range.
///
/// An offset is finished once it was acknowledged or [skipped](Self::skip). What is neither holds the commit back, so a
/// record that the deliverer has not come to yet needs no mark of its own.
#[derive(Clone)]
pub struct AckRange(Arc<Slot>);

struct Slot {
    stamp: Stamp,
    base: i64,
    len: u64,
    records: u32,
    leader_epoch: Option<LeaderEpoch>,
    /// Acknowledged as a whole.
    whole: AtomicBool,
    /// From this index on nothing was or will be delivered.
    cut: AtomicU64,
    /// Made at the first ack that is not of the whole.
    finished: OnceLock<AckMap>,
}

impl AckRange {
    /// `offsets` must begin at 0 or above.
    pub(super) fn new(
        stamp: Stamp,
        offsets: Range<i64>,
        records: u32,
        leader_epoch: Option<LeaderEpoch>,
    ) -> Self {
        let len = offsets.end.saturating_sub(offsets.start).max(0).unsigned_abs();
        Self(Arc::new(Slot {
            stamp,
            base: offsets.start,
            len,
            records,
            leader_epoch,
            whole: AtomicBool::new(false),
            cut: AtomicU64::new(len),
            finished: OnceLock::new(),
        }))
    }

    /// Acknowledges one offset.
    #[inline]
    pub fn ack(&self, offset: i64) -> Ack {
        let slot = &*self.0;
        let index = offset.wrapping_sub(slot.base).cast_unsigned();
        if index >= slot.len {
            return Ack::Foreign;
        }
        self.judge(|| slot.map().set(index))
    }

    /// Acknowledges every offset of `offsets` that is in this range.
    pub fn ack_range(&self, offsets: Range<i64>) -> Ack {
        let indices = self.indices(offsets);
        if indices.is_empty() {
            return Ack::Foreign;
        }
        self.judge(|| self.0.map().set_range(indices))
    }

    /// Acknowledges the whole range.
    #[inline]
    pub fn ack_all(&self) -> Ack {
        if let Some(reason) = self.0.stamp.fenced() {
            return Ack::Fenced(reason);
        }
        match self.0.whole.swap(true, Ordering::AcqRel) {
            false => Ack::Accepted,
            true => Ack::Duplicate,
        }
    }

    /// Says that `offsets` hold no record for the application: compaction, control records, aborted transactions, what the
    /// deserializer was told to pass over. Called by who delivers record by record, for each gap between two records and
    /// for the end of the batch.
    pub fn skip(&self, offsets: Range<i64>) {
        let indices = self.indices(offsets);
        if !indices.is_empty() {
            self.0.map().set_range(indices);
        }
    }

    /// Gives back what will not be delivered in this epoch after all, from `offset` to the end: the reader stopped in the
    /// middle of the batch. Commits never pass it, and it no longer counts as outstanding, so that a drain does not wait
    /// for acks of records that nobody has.
    pub fn abandon(&self, offset: i64) {
        let index = offset.saturating_sub(self.0.base).max(0).unsigned_abs();
        self.0.cut.fetch_min(index, Ordering::AcqRel);
    }

    /// The epoch in which the range was read.
    pub fn stamp(&self) -> &Stamp {
        &self.0.stamp
    }

    /// The offsets of the range.
    pub fn offsets(&self) -> Range<i64> {
        self.0.base..self.end()
    }

    /// The leader epoch of the batch.
    pub fn leader_epoch(&self) -> Option<LeaderEpoch> {
        self.0.leader_epoch
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The first offset at or after `from` that commits may not pass yet; the end of the range if there is none.
    pub(super) fn first_open(&self, from: i64) -> i64 {
        let from = self.indices(from..self.end()).start;
        let cut = self.0.cut.load(Ordering::Acquire);
        self.offset(self.first_unfinished(from).min(cut))
    }

    /// How many offsets wait for an ack, and the first of them. `None` if there are none.
    pub(super) fn outstanding(&self) -> Option<(u64, i64)> {
        let cut = self.0.cut.load(Ordering::Acquire).min(self.0.len);
        let first = self.first_unfinished(0);
        if first >= cut {
            return None;
        }
        let open = self.0.finished.get().map_or(cut, |finished| finished.open_count(0..cut));
        Some((open, self.offset(first)))
    }

    fn first_unfinished(&self, from: u64) -> u64 {
        if self.0.whole.load(Ordering::Acquire) {
            return self.0.len;
        }
        self.0.finished.get().map_or(from, |finished| finished.first_open(from)).min(self.0.len)
    }

    #[inline]
    fn judge(&self, set: impl FnOnce() -> bool) -> Ack {
        // Only a courtesy: an epoch may end right after, and the gate is asked again before anything is sent.
        if let Some(reason) = self.0.stamp.fenced() {
            return Ack::Fenced(reason);
        }
        if self.0.whole.load(Ordering::Relaxed) || !set() {
            return Ack::Duplicate;
        }
        Ack::Accepted
    }

    /// The part of `offsets` that is in the range, as indices.
    fn indices(&self, offsets: Range<i64>) -> Range<u64> {
        let index = |offset: i64| offset.saturating_sub(self.0.base).max(0).unsigned_abs().min(self.0.len);
        index(offsets.start)..index(offsets.end)
    }

    /// `index` is at most `len`, and base + len was an i64.
    fn offset(&self, index: u64) -> i64 {
        self.0.base.saturating_add_unsigned(index)
    }

    fn end(&self) -> i64 {
        self.offset(self.0.len)
    }
}

impl Slot {
    #[inline]
    fn map(&self) -> &AckMap {
        self.finished.get_or_init(|| AckMap::new(self.len, self.records))
    }
}

impl fmt::Debug for AckRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.0.stamp, self.offsets())
    }
}
