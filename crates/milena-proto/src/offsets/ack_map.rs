//! Which offsets of one delivered range are finished.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The finished offsets of a range, by their distance from its base.
///
/// `last_offset_delta` is a number off the wire: what is allocated follows from the records that were really there, never
/// from the span they claim.
pub(super) enum AckMap {
    /// A byte for each offset: an ack is a load and a store. A bit would take an atomic read-modify-write, which costs three
    /// times as much (examples/ack_path.rs), to save seven bits beside a record. For ranges that have about as many records
    /// as offsets.
    Dense(Box<[AtomicU8]>),
    /// Intervals, merged as they meet: a lock per ack. For batches that compaction has thinned out, and hostile ones.
    Sparse(Mutex<Intervals>),
}

impl AckMap {
    /// Nothing is finished of `len` offsets that hold `records` records.
    pub(super) fn new(len: u64, records: u32) -> Self {
        let dense = len <= DENSE_OFFSETS_MAX
            && (len <= DENSE_OFFSETS_ALWAYS
                || len <= u64::from(records).saturating_mul(OFFSETS_PER_RECORD_MAX));
        match usize::try_from(len) {
            Ok(len) if dense => Self::Dense((0..len).map(|_| AtomicU8::new(OPEN)).collect()),
            _ => Self::Sparse(Mutex::default()),
        }
    }

    /// Finishes one offset. False if it was finished before, or is none of ours. Of two threads that finish it at the same
    /// moment both may be told that they were the first.
    #[inline]
    pub(super) fn set(&self, index: u64) -> bool {
        match self {
            Self::Dense(marks) => {
                usize::try_from(index).ok().and_then(|index| marks.get(index)).is_some_and(finish)
            }
            Self::Sparse(intervals) => lock(intervals).insert(index..index.saturating_add(1)),
        }
    }

    /// Finishes several offsets. False if all of them were finished before.
    pub(super) fn set_range(&self, indices: Range<u64>) -> bool {
        match self {
            Self::Dense(marks) => part(marks, indices).iter().fold(false, |new, mark| finish(mark) | new),
            Self::Sparse(intervals) => lock(intervals).insert(indices),
        }
    }

    /// The first offset at or after `from` that is not finished; `len` or more if there is none.
    pub(super) fn first_open(&self, from: u64) -> u64 {
        match self {
            Self::Dense(marks) => {
                let rest = part(marks, from..u64::MAX);
                let finished = rest.iter().position(is_open).unwrap_or(rest.len());
                from.saturating_add(finished as u64)
            }
            Self::Sparse(intervals) => lock(intervals).first_open(from),
        }
    }

    /// How many offsets of `indices` are not finished.
    pub(super) fn open_count(&self, indices: Range<u64>) -> u64 {
        match self {
            Self::Dense(marks) => part(marks, indices).iter().filter(|mark| is_open(mark)).count() as u64,
            Self::Sparse(intervals) => lock(intervals).open_count(indices),
        }
    }
}

const OPEN: u8 = 0;
const FINISHED: u8 = 1;

/// True if it was open.
#[inline]
fn finish(mark: &AtomicU8) -> bool {
    let open = mark.load(Ordering::Relaxed) == OPEN;
    // Release: what the application did before its ack happens before the commit that the scan allows.
    mark.store(FINISHED, Ordering::Release);
    open
}

fn is_open(mark: &AtomicU8) -> bool {
    mark.load(Ordering::Acquire) == OPEN
}

/// The part of `marks` that is there.
fn part(marks: &[AtomicU8], indices: Range<u64>) -> &[AtomicU8] {
    let index = |index: u64| usize::try_from(index).unwrap_or(usize::MAX).min(marks.len());
    marks.get(index(indices.start)..index(indices.end)).unwrap_or_default()
}

/// Disjoint intervals with gaps between them, start to end.
#[derive(Default)]
pub(super) struct Intervals(BTreeMap<u64, u64>);

impl Intervals {
    /// False if it was covered before.
    fn insert(&mut self, mut new: Range<u64>) -> bool {
        if new.is_empty() {
            return false;
        }
        if let Some((&start, &end)) = self.0.range(..=new.start).next_back() {
            if end >= new.end {
                return false;
            }
            if end >= new.start {
                new.start = start;
            }
        }
        // Each turn removes one interval that an earlier insert has added: constant in the long run.
        while let Some((&start, &end)) = self.0.range(new.start..=new.end).next() {
            self.0.remove(&start);
            new.end = new.end.max(end);
        }
        self.0.insert(new.start, new.end);
        true
    }

    fn first_open(&self, from: u64) -> u64 {
        match self.0.range(..=from).next_back() {
            Some((_, &end)) if end > from => end,
            _ => from,
        }
    }

    fn open_count(&self, indices: Range<u64>) -> u64 {
        let mut open = 0;
        let mut at = self.first_open(indices.start);
        for (&start, &end) in self.0.range(at..indices.end.max(at)) {
            open += start - at;
            at = end;
        }
        open + indices.end.saturating_sub(at)
    }
}

/// Nothing panics while it holds the lock; were it so, the intervals are whole between any two statements but for
/// acks that got lost, which can only hold a commit back.
fn lock(intervals: &Mutex<Intervals>) -> MutexGuard<'_, Intervals> {
    intervals.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Up to so many offsets (1 KiB) a range gets its bytes whatever its records.
const DENSE_OFFSETS_ALWAYS: u64 = 1024;
/// Beyond that, this many offsets per record at most: not more bytes than a record takes on the wire.
const OFFSETS_PER_RECORD_MAX: u64 = 8;
/// And so many offsets (1 MiB) at most, since the number of records is a claim as well until they are decoded.
const DENSE_OFFSETS_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_span_of_a_hostile_batch_allocates_nothing() {
        assert!(matches!(AckMap::new(1 << 31, u32::MAX), AckMap::Sparse(_)));
        assert!(matches!(AckMap::new(u64::MAX, u32::MAX), AckMap::Sparse(_)));
        assert!(matches!(AckMap::new(1 << 20, 1), AckMap::Sparse(_)));
        assert!(matches!(AckMap::new(1025, 0), AckMap::Sparse(_)));
        assert!(matches!(AckMap::new(1024, 0), AckMap::Dense(_)));
        assert!(matches!(AckMap::new(1 << 20, 1 << 20), AckMap::Dense(_)));
    }

    #[test]
    fn an_interval_swallows_all_that_it_touches() {
        let mut intervals = Intervals::default();
        for index in [1, 3, 5, 9] {
            assert!(intervals.insert(index..index + 1));
        }
        assert!(intervals.insert(2..6));
        assert_eq!(intervals.0, BTreeMap::from([(1, 6), (9, 10)]));
        assert!(!intervals.insert(2..6));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn bits_and_intervals_agree_with_a_set(
            len in 1u64..300,
            spans in prop::collection::vec((0u64..300, 0u64..80), 1..30),
            asked in (0u64..300, 0u64..300),
        ) {
            let dense = AckMap::new(len, 300);
            let sparse = AckMap::Sparse(Mutex::default());
            prop_assert!(matches!(dense, AckMap::Dense(_)));
            let mut naive = BTreeSet::new();
            for (from, count) in spans {
                let span = from.min(len)..(from + count).min(len);
                let mut new = false;
                for index in span.clone() {
                    new |= naive.insert(index);
                }
                if span.end - span.start == 1 {
                    prop_assert_eq!(dense.set(span.start), new);
                    prop_assert_eq!(sparse.set(span.start), new);
                } else {
                    prop_assert_eq!(dense.set_range(span.clone()), new);
                    prop_assert_eq!(sparse.set_range(span), new);
                }
            }
            let (from, to) = (asked.0.min(len), asked.1.min(len).max(asked.0.min(len)));
            let first = (from..len).find(|index| !naive.contains(index)).unwrap_or(len);
            prop_assert_eq!(dense.first_open(from).min(len), first);
            prop_assert_eq!(sparse.first_open(from).min(len), first);
            let open = (from..to).filter(|index| !naive.contains(index)).count() as u64;
            prop_assert_eq!(dense.open_count(from..to), open);
            prop_assert_eq!(sparse.open_count(from..to), open);
        }
    }
}
