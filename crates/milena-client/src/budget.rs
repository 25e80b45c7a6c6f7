//! One budget in bytes over everything fetched, decompressed and held.
//!
//! A credit is taken before a fetch is sent and goes back when the last slice of what it brought is dropped. When the
//! budget is used up Milena stops asking; it never drops data and never stops heartbeats. Three things may go over the
//! budget, because the broker or the codec decides their size only after the fact: a first batch that is larger than
//! what was asked for (KIP-74), a long list of aborted transactions, and the output of a decompression, which has its own
//! limit per batch. Nothing new is asked for until the excess is returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The budget. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total: usize,
    used: AtomicUsize,
    peak: AtomicUsize,
    returned: Notify,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(total: usize) -> Self {
        Self(Arc::new(Shared {
            total,
            used: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            returned: Notify::new(),
        }))
    }

    /// Its size in bytes.
    pub fn total(&self) -> usize {
        self.0.total
    }

    /// Bytes taken now. May be above [`total`](Self::total); see the module's page.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Acquire)
    }

    /// The most that was ever taken at once.
    pub fn peak(&self) -> usize {
        self.0.peak.load(Ordering::Relaxed)
    }

    /// Bytes that may still be taken.
    pub fn available(&self) -> usize {
        self.0.total.saturating_sub(self.used())
    }

    /// Takes bytes whether or not there are any left: for what is here already.
    pub fn take(&self, bytes: usize) -> Credit {
        let used = self.0.used.fetch_add(bytes, Ordering::AcqRel) + bytes;
        self.0.peak.fetch_max(used, Ordering::Relaxed);
        Credit { bytes, budget: self.clone() }
    }

    /// Takes bytes if that many are left.
    pub fn try_take(&self, bytes: usize) -> Option<Credit> {
        let taken = self.0.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            let after = used.checked_add(bytes)?;
            (after <= self.0.total).then_some(after)
        });
        let used = taken.ok()? + bytes;
        self.0.peak.fetch_max(used, Ordering::Relaxed);
        Some(Credit { bytes, budget: self.clone() })
    }

    /// Completes when credit is returned, or a buffered chunk is taken, after it was enabled.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub(crate) fn returned(&self) -> Notified<'_> {
        self.0.returned.notified()
    }

    /// Wakes who waits for room.
    pub(crate) fn nudge(&self) {
        self.0.returned.notify_waiters();
    }
}

/// Bytes taken from a [`Budget`]; dropping it returns them.
#[derive(Debug)]
pub struct Credit {
    bytes: usize,
    budget: Budget,
}

impl Credit {
    /// How many bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it so many bytes: returns the rest, or takes more in excess of the budget if need be.
    pub fn resize(&mut self, bytes: usize) {
        if bytes > self.bytes {
            let mut more = self.budget.take(bytes - self.bytes);
            self.bytes += std::mem::take(&mut more.bytes);
        } else {
            let surplus = self.bytes - bytes;
            self.bytes = bytes;
            self.budget.0.used.fetch_sub(surplus, Ordering::AcqRel);
            self.budget.nudge();
        }
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.0.used.fetch_sub(self.bytes, Ordering::AcqRel);
            self.budget.nudge();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_go_back_when_dropped() {
        let budget = Budget::new(100);
        let credit = budget.try_take(60).unwrap();
        assert!(budget.try_take(41).is_none());
        assert_eq!(budget.available(), 40);
        drop(credit);
        assert_eq!(budget.available(), 100);
    }

    #[test]
    fn what_is_here_already_may_go_over() {
        let budget = Budget::new(100);
        let mut credit = budget.try_take(100).unwrap();
        credit.resize(250);
        assert_eq!((budget.used(), budget.available()), (250, 0));
        credit.resize(10);
        assert_eq!((budget.used(), budget.peak()), (10, 250));
        drop(credit);
        assert_eq!(budget.used(), 0);
    }
}
