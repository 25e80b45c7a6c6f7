//! Telling many tasks that something changed, always in the same order.
//!
//! Tokio's `watch` spreads who waits over eight lists and puts each wait into one that it draws, so two runs of one program wake
//! their tasks in different orders. Nothing in this crate may depend on that order, but a simulation that is to repeat a seed
//! must: so here who waited first is woken first. Nobody needs the value either, only that there is another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// A count of changes. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// At a change each nanosecond this lasts for centuries.
    count: AtomicU64,
    told: Notify,
}

/// What somebody has seen of it. A clone has seen the same, and goes on by itself.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    changes: Changes,
    count: u64,
}

/// Tells a change when it is dropped: the end of what holds it, however it comes about.
#[derive(Debug)]
pub(crate) struct TellsAtEnd(Changes);

impl Changes {
    /// Something changed: all who wait are woken, those that waited longest first.
    pub(crate) fn tell(&self) {
        // Release, and before the call: whoever is woken by it, or begins to wait after it, sees the count and what came before.
        self.0.count.fetch_add(1, Ordering::Release);
        self.0.told.notify_waiters();
    }

    /// What is changed from here on is news.
    pub(crate) fn seen(&self) -> Seen {
        Seen { changes: self.clone(), count: self.count() }
    }

    /// Tells a change when it is dropped.
    pub(crate) fn tells_at_end(&self) -> TellsAtEnd {
        TellsAtEnd(self.clone())
    }

    fn count(&self) -> u64 {
        self.0.count.load(Ordering::Acquire)
    }
}

impl Seen {
    /// Returns when there is a change that was not seen yet, and takes all there are for seen.
    ///
    /// # Cancel safety
    /// Dropped before it returns, it has seen nothing.
    pub(crate) async fn changed(&mut self) {
        loop {
            // Made before the look: it hears of every call of `notify_waiters` from here on, polled or not.
            let told = self.changes.0.told.notified();
            let count = self.changes.count();
            if count != self.count {
                self.count = count;
                return;
            }
            told.await;
        }
    }
}

impl Drop for TellsAtEnd {
    fn drop(&mut self) {
        self.0.tell();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_change_is_seen_once_and_many_are_seen_as_one() {
        let changes = Changes::default();
        changes.tell();
        let mut seen = changes.seen();
        assert!(seen.changed().now_or_never().is_none(), "that was before");
        changes.tell();
        changes.tell();
        assert!(seen.changed().now_or_never().is_some());
        assert!(seen.changed().now_or_never().is_none());
    }

    #[test]
    fn a_wait_that_was_given_up_has_seen_nothing() {
        let changes = Changes::default();
        let mut seen = changes.seen();
        assert!(seen.changed().now_or_never().is_none());
        changes.tell();
        let other = seen.clone();
        assert!(seen.changed().now_or_never().is_some());
        assert!(
            other.clone().changed().now_or_never().is_some(),
            "what a clone does not see, it has to see yet"
        );
    }

    #[test]
    fn the_end_of_something_is_a_change() {
        let changes = Changes::default();
        let mut seen = changes.seen();
        let end = changes.tells_at_end();
        assert!(seen.changed().now_or_never().is_none());
        drop(end);
        assert!(seen.changed().now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_waited_first_is_woken_first() {
        // Fewer than a runtime polls before it comes back to this test.
        const WAITING: usize = 32;
        let (changes, woken) = (Changes::default(), Arc::new(Mutex::new(Vec::new())));
        let mut tasks = Vec::new();
        for number in 0..WAITING {
            let (mut seen, woken) = (changes.seen(), woken.clone());
            tasks.push(tokio::spawn(async move {
                for _ in 0..2 {
                    seen.changed().await;
                    woken.lock().unwrap().push(number);
                }
            }));
        }
        tokio::task::yield_now().await;
        for _ in 0..2 {
            changes.tell();
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        let in_turn: Vec<usize> = (0..WAITING).chain(0..WAITING).collect();
        assert_eq!(*woken.lock().unwrap(), in_turn);
    }
}
