//! Timers by key: scheduling a key again moves it, as `CoordinatorTimer` does.

use std::collections::{BTreeMap, BTreeSet};

use super::Now;

/// A set of deadlines, each with a key and what is to be done then.
#[derive(Clone, Debug)]
pub(crate) struct Timers<K, A> {
    by_key: BTreeMap<K, (Now, u64, A)>,
    // The sequence number keeps deadlines of the same instant in the order in which they were set.
    queue: BTreeSet<(Now, u64, K)>,
    sequence: u64,
}

impl<K, A> Default for Timers<K, A> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), queue: BTreeSet::new(), sequence: 0 }
    }
}

impl<K: Ord + Clone, A> Timers<K, A> {
    /// Sets the key's timer, in place of an earlier one of the same key.
    pub(crate) fn schedule(&mut self, key: K, at: Now, action: A) {
        self.cancel(&key);
        self.sequence += 1;
        self.queue.insert((at, self.sequence, key.clone()));
        self.by_key.insert(key, (at, self.sequence, action));
    }

    /// Sets the key's timer unless it is running.
    pub(crate) fn schedule_if_absent(&mut self, key: K, at: Now, action: A) {
        if !self.by_key.contains_key(&key) {
            self.schedule(key, at, action);
        }
    }

    pub(crate) fn cancel(&mut self, key: &K) {
        if let Some((at, sequence, _)) = self.by_key.remove(key) {
            self.queue.remove(&(at, sequence, key.clone()));
        }
    }

    /// Cancels every timer whose key fits.
    pub(crate) fn cancel_where(&mut self, fits: impl Fn(&K) -> bool) {
        let keys: Vec<K> = self.by_key.keys().filter(|key| fits(key)).cloned().collect();
        for key in keys {
            self.cancel(&key);
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Now> {
        self.queue.first().map(|(at, _, _)| *at)
    }

    /// Takes the earliest timer that is due.
    pub(crate) fn pop_due(&mut self, now: Now) -> Option<(K, A)> {
        let (at, _, _) = self.queue.first()?;
        if *at > now {
            return None;
        }
        let (_, _, key) = self.queue.pop_first()?;
        let (_, _, action) = self.by_key.remove(&key)?;
        Some((key, action))
    }
}
