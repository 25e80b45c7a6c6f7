//! Acknowledgements, and what they come to.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use client::consumer::Lease;
use client::{AckRange, FenceReason};

/// What an acknowledgement came to.
///
/// That it was accepted does not say that it is committed: the offset is, once all before it are acknowledged. What became
/// of commits is told by the source's events: `Committed`, `Fenced`, `Superseded`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ack {
    /// It counts.
    Accepted,
    /// It was acknowledged before. Harmless.
    Duplicate,
    /// The assignment epoch in which the record was read has ended: it will never be committed from here. Whoever reads
    /// the partition now gets the record again, unless it was committed in time.
    Fenced {
        /// Why the epoch ended.
        reason: FenceReason,
    },
}

impl Ack {
    /// Whether the acknowledgement came too late.
    pub fn is_fenced(self) -> bool {
        matches!(self, Self::Fenced { .. })
    }
}

/// Acknowledgements by outcome. Only those that came too late are counted one by one: counting the others would cost
/// more than they do.
#[derive(Debug, Default)]
pub(crate) struct AckCounters {
    pub(crate) fenced: AtomicU64,
}

/// What an acknowledgement needs beside its range.
#[derive(Clone, Debug)]
pub(crate) struct Acks {
    pub(crate) lease: Lease,
    pub(crate) counters: Arc<AckCounters>,
}

impl Acks {
    pub(crate) fn all(&self, range: &AckRange, offsets: Range<i64>) -> Ack {
        let whole = range.offsets();
        if offsets == whole { self.told(range.ack_all()) } else { self.told(range.ack_range(offsets)) }
    }

    pub(crate) fn range(&self, range: &AckRange, offsets: Range<i64>) -> Ack {
        self.told(range.ack_range(offsets))
    }

    #[inline]
    pub(crate) fn one(&self, range: &AckRange, offset: i64) -> Ack {
        self.told(range.ack(offset))
    }

    #[inline]
    fn told(&self, ack: client::AckOutcome) -> Ack {
        self.lease.acknowledged();
        self.counters.count(ack)
    }
}

impl AckCounters {
    #[inline]
    fn count(&self, ack: client::AckOutcome) -> Ack {
        match ack {
            client::AckOutcome::Accepted => Ack::Accepted,
            client::AckOutcome::Fenced(reason) => {
                self.fenced.fetch_add(1, Ordering::Relaxed);
                Ack::Fenced { reason }
            }
            // Offsets outside of the range belong to no record that was handed out with it.
            client::AckOutcome::Duplicate | client::AckOutcome::Foreign => Ack::Duplicate,
        }
    }
}

#[cfg(test)]
mod tests {
    use client::AckOutcome;

    use super::*;

    #[test]
    fn only_acknowledgements_that_came_too_late_are_counted() {
        let counters = AckCounters::default();
        let reason = FenceReason::Revoked;
        assert_eq!(counters.count(AckOutcome::Accepted), Ack::Accepted);
        assert_eq!(counters.count(AckOutcome::Duplicate), Ack::Duplicate);
        assert_eq!(counters.count(AckOutcome::Foreign), Ack::Duplicate);
        assert_eq!(counters.fenced.load(Ordering::Relaxed), 0);
        for times in 1..=2 {
            let ack = counters.count(AckOutcome::Fenced(reason));
            assert_eq!(ack, Ack::Fenced { reason });
            assert!(ack.is_fenced() && !Ack::Accepted.is_fenced() && !Ack::Duplicate.is_fenced());
            assert_eq!(counters.fenced.load(Ordering::Relaxed), times);
        }
    }
}
