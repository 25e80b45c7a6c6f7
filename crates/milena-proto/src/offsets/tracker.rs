//! What was delivered in one assignment epoch, and how far it may be committed.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use super::{AckRange, Committable};
use crate::assignments::{FenceReason, Stamp};
use crate::types::LeaderEpoch;

/// Delivered ranges and acks in any order, in; the offset that may be committed, out. One for each assignment epoch, never
/// used for another; shared between who delivers, who acknowledges and who commits.
///
/// Acks go to the [`AckRange`] and take no lock of this. [`committable`](Self::committable) is below every delivered offset
/// that is not finished, never below what it was before, and beyond what compaction or control records left out.
#[derive(Debug)]
pub struct Tracker {
    stamp: Stamp,
    ranges: Mutex<Ranges>,
}

/// Why a range may not be handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Undeliverable {
    /// The partition is being given up: drop the data.
    #[error("the partition is being revoked")]
    Draining,
    /// The epoch ended: drop the data.
    #[error("the assignment epoch has ended: {0}")]
    Fenced(FenceReason),
    /// [`RANGES_MAX`] ranges wait for acks: keep the data, stop fetching the partition, try again when acks have come. What
    /// lies behind it is refused until then.
    #[error("{RANGES_MAX} delivered batches wait for their acks")]
    Full,
}

/// What was delivered and waits for acks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outstanding {
    /// Record batches with at least one unfinished offset.
    pub ranges: usize,
    /// Unfinished offsets in them. Counts what a reader of single records has still to hand out of a batch.
    pub offsets: u64,
    /// The lowest of them: the head of the line.
    pub oldest: Option<i64>,
}

#[derive(Debug)]
struct Ranges {
    /// Where the epoch began.
    start: i64,
    /// All below is finished.
    done: Mark,
    /// All below was delivered or passed over; where delivery goes on.
    next: i64,
    /// In the order of their offsets; disjoint.
    pending: VecDeque<Pending>,
    /// Where the batch begins that was refused as [`Undeliverable::Full`] and has not been handed out since.
    owed: Option<i64>,
    /// At this length finished ranges are looked for behind the front.
    sweep_at: usize,
}

/// An offset to commit, and the leader epoch of the last record before it.
///
/// The two belong together: a reader that resumes asks for the end of that epoch (KIP-320), and should the offset lie
/// beyond it, takes the log for truncated. So a gap is passed only by who knows the leader epoch of what is there.
#[derive(Clone, Copy, Debug)]
struct Mark {
    offset: i64,
    leader_epoch: Option<LeaderEpoch>,
}

#[derive(Debug)]
struct Pending {
    range: AckRange,
    /// Below this offset the range is finished.
    scanned: i64,
    /// What is done once the range is: its end, or beyond it.
    end: Mark,
}

impl Tracker {
    /// Nothing is delivered; delivery begins at `position`.
    pub fn new(stamp: Stamp, position: i64) -> Self {
        let start = position.max(0);
        let ranges = Ranges {
            start,
            done: Mark { offset: start, leader_epoch: None },
            next: start,
            pending: VecDeque::new(),
            owed: None,
            sweep_at: SWEEP_MIN,
        };
        Self { stamp, ranges: Mutex::new(ranges) }
    }

    /// Hands out a record batch: `offsets` as its header says (`records` too: a hint for the size of what acks need, no
    /// more), `leader_epoch` from there as well. What lies below the position is left out, it was delivered before.
    ///
    /// # Errors
    /// The records must not be delivered. This is decided under the lock that [`outstanding`](Self::outstanding) takes,
    /// which closes the gap between "may I deliver?" and the delivery: the owner first marks the partition as draining,
    /// then asks what is outstanding. A delivery that came first is counted, one that comes later is refused.
    pub fn deliver(
        &self,
        offsets: RangeInclusive<i64>,
        records: u32,
        leader_epoch: Option<LeaderEpoch>,
    ) -> Result<AckRange, Undeliverable> {
        let mut ranges = self.lock();
        if let Some(reason) = self.stamp.fenced() {
            return Err(Undeliverable::Fenced(reason));
        }
        if !self.stamp.may_deliver() {
            return Err(Undeliverable::Draining);
        }
        if ranges.pending.len() >= ranges.sweep_at {
            ranges.sweep();
        }
        let base = (*offsets.start()).max(ranges.next);
        let owed = *ranges.owed.get_or_insert(base);
        if ranges.pending.len() >= RANGES_MAX || base > owed {
            return Err(Undeliverable::Full);
        }
        ranges.owed = None;
        // The very last offset of an i64 has no next one, and is never reached.
        let end = offsets.end().saturating_add(1).max(base);
        let range = AckRange::new(self.stamp.clone(), base..end, records, leader_epoch);
        if !range.is_empty() {
            ranges.next = end;
            let end = Mark { offset: end, leader_epoch };
            ranges.pending.push_back(Pending { range: range.clone(), scanned: base, end });
        }
        Ok(range)
    }

    /// Passes over offsets below `next_offset` that hold nothing to deliver: a batch of control records, an empty batch, a
    /// skipped one. `leader_epoch` is that batch's. Going back is no progress, and ignored; so is everything once a batch
    /// was refused, since a commit would pass what nobody got.
    pub fn advance_to(&self, next_offset: i64, leader_epoch: Option<LeaderEpoch>) {
        let mut ranges = self.lock();
        if next_offset <= ranges.next || ranges.owed.is_some() || !self.stamp.may_deliver() {
            return;
        }
        ranges.next = next_offset;
        let mark = Mark { offset: next_offset, leader_epoch };
        match ranges.pending.back_mut() {
            Some(last) => last.end = mark,
            None => ranges.done = mark,
        }
    }

    /// The offset that may be committed; `None` while there is no progress in this epoch. Never goes back.
    pub fn committable(&self) -> Option<Committable> {
        let mut ranges = self.lock();
        let mark = ranges.collect();
        (mark.offset > ranges.start).then_some(Committable {
            offset: mark.offset,
            leader_epoch: mark.leader_epoch,
            metadata: None,
        })
    }

    /// What waits for acks. Looks at every unfinished range.
    pub fn outstanding(&self) -> Outstanding {
        let mut outstanding = Outstanding::default();
        let mut ranges = self.lock();
        ranges.collect();
        for pending in &ranges.pending {
            let Some((offsets, oldest)) = pending.range.outstanding() else { continue };
            outstanding.ranges += 1;
            outstanding.offsets = outstanding.offsets.saturating_add(offsets);
            outstanding.oldest = outstanding.oldest.or(Some(oldest));
        }
        outstanding
    }

    /// Whether nothing waits for acks: a drain is complete, up to what was [abandoned](AckRange::abandon).
    pub fn is_drained(&self) -> bool {
        let mut ranges = self.lock();
        ranges.collect();
        ranges.pending.iter().all(|pending| pending.range.outstanding().is_none())
    }

    /// The lowest delivered offset that is not finished: what holds the commit.
    pub fn oldest_unacked(&self) -> Option<i64> {
        let mut ranges = self.lock();
        ranges.collect();
        ranges.pending.iter().find_map(|pending| pending.range.outstanding()).map(|(_, oldest)| oldest)
    }

    /// Where delivery goes on. Equal to the committable offset once everything delivered is finished.
    pub fn position(&self) -> i64 {
        self.lock().next
    }

    /// The epoch this belongs to.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    fn lock(&self) -> MutexGuard<'_, Ranges> {
        // Nothing panics under this lock; a guard that was poisoned all the same guards consistent marks.
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ranges {
    /// Drops what is finished at the front. Returns how far all is finished.
    fn collect(&mut self) -> Mark {
        while let Some(front) = self.pending.front_mut() {
            if !front.scan() {
                break;
            }
            self.done = front.end;
            self.pending.pop_front();
        }
        match self.pending.front() {
            Some(front) if front.scanned > front.range.offsets().start => {
                Mark { offset: front.scanned, leader_epoch: front.range.leader_epoch() }
            }
            _ => self.done,
        }
    }

    /// Lets each unfinished range take over what is finished behind it, so that one record that nobody acknowledges does
    /// not keep everything after it in memory. Done at twice the length that the last sweep left: constant per range.
    fn sweep(&mut self) {
        self.collect();
        let mut kept: VecDeque<Pending> = VecDeque::with_capacity(self.pending.len());
        for mut pending in self.pending.drain(..) {
            match kept.back_mut() {
                Some(before) if pending.scan() => before.end = pending.end,
                _ => kept.push_back(pending),
            }
        }
        self.pending = kept;
        self.sweep_at = (self.pending.len() * 2).clamp(SWEEP_MIN, RANGES_MAX);
    }
}

impl Pending {
    /// Looks how far the range is finished. True if it is wholly.
    fn scan(&mut self) -> bool {
        self.scanned = self.range.first_open(self.scanned).max(self.scanned);
        self.scanned >= self.range.offsets().end
    }
}

/// So many batches of one partition may wait for acks: an application that never acknowledges must not grow the queue for
/// ever, also when it keeps none of the records. Beyond it nothing is delivered, and nothing is lost.
pub const RANGES_MAX: usize = 65_536;
const SWEEP_MIN: usize = 64;
