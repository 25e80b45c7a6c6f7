//! Whether the application still takes what is read: `max.poll.interval.ms`, as it fits a stream.
//!
//! Java's consumer is given up when `poll` is called too seldom, because its heartbeats could not tell a slow program from a
//! dead one. Here a slow sink is back-pressure: whoever takes a record or acknowledges one now and then is alive, and so is
//! whoever waits for the next one. Only a reader that does none of that for a whole interval, with partitions assigned to
//! it, stands still.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proto::types::{AssignmentEpoch, TopicPartition};

use crate::fetch::Fetcher;

/// Looks now and then.
#[derive(Debug)]
pub(super) struct Watch {
    interval: Duration,
    /// Whether who stands still leaves the group.
    leaves: bool,
    look_at: Instant,
    /// At the last look that found life, ...
    alive: Instant,
    /// ... and whether the reader waited for records then. It may have waited until just before the next look.
    waited: bool,
    delivered: u64,
    outstanding: BTreeMap<(TopicPartition, AssignmentEpoch), u64>,
    stalled: bool,
}

/// What a look has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// Nothing was taken or acknowledged for so long.
    Stalled(Duration),
    /// Something is, after so long.
    Unstalled(Duration),
}

/// Never looked at more often than this: intervals may be short.
const LOOK_MIN: Duration = Duration::from_millis(100);
/// How often one that stands still is looked at.
const STALLED_LOOK: Duration = Duration::from_millis(500);

impl Watch {
    pub(super) fn new(now: Instant, interval: Duration, leaves: bool) -> Self {
        Self {
            interval,
            leaves,
            look_at: now,
            alive: now,
            waited: false,
            delivered: 0,
            outstanding: BTreeMap::new(),
            stalled: false,
        }
    }

    /// When to look next.
    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }

    /// Whether it stands still, and what it has is to be given up at once: nobody is there to acknowledge.
    pub(super) fn has_given_up(&self) -> bool {
        self.stalled && self.leaves
    }

    /// Whether who stands still leaves the group.
    pub(super) fn leaves(&self) -> bool {
        self.leaves
    }

    /// Looks, if it is time.
    pub(super) fn look(&mut self, now: Instant, fetcher: &Fetcher) -> Option<Change> {
        if now < self.look_at {
            return None;
        }
        // All of them are evaluated: each remembers what it saw.
        let waits = fetcher.is_reader_waiting();
        let waited = std::mem::replace(&mut self.waited, waits);
        let moved = self.has_moved(fetcher);
        let idle = !self.stalled && !fetcher.is_assigned();
        let lasting = now.saturating_duration_since(self.alive);
        if waits || moved || idle || (waited && !self.stalled) {
            self.alive = now;
            self.look_at = now + (self.interval / 4).max(LOOK_MIN);
            return std::mem::take(&mut self.stalled).then_some(Change::Unstalled(lasting));
        }
        if lasting < self.interval {
            self.look_at = now + (self.interval - lasting).min(self.interval / 4).max(LOOK_MIN);
            return None;
        }
        self.look_at = now + STALLED_LOOK;
        (!std::mem::replace(&mut self.stalled, true)).then_some(Change::Stalled(lasting))
    }

    /// Whether anything was handed out, taken or acknowledged since the last look.
    fn has_moved(&mut self, fetcher: &Fetcher) -> bool {
        let delivered = fetcher.counters().delivered_batches;
        let delivered = std::mem::replace(&mut self.delivered, delivered) != delivered;
        fetcher.has_moved(&mut self.outstanding) || delivered
    }
}
