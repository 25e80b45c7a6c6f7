//! What was moved so far, so that of two partitions of one topic that would cross each other one stays.

use std::collections::BTreeMap;

use super::super::java::HashOrdered;
use super::{Slot, Topics};

/// From whom to whom.
type Pair = (usize, usize);

/// `AbstractStickyAssignor.PartitionMovements`.
#[derive(Default)]
pub(super) struct Movements {
    by_topic: BTreeMap<(usize, Pair), HashOrdered<Slot>>,
    moved: BTreeMap<Slot, Pair>,
}

impl Movements {
    pub(super) fn record(&mut self, topics: &Topics, slot: Slot, from: usize, to: usize) {
        let Some(before) = self.moved.remove(&slot) else {
            return self.add(topics, slot, (from, to));
        };
        let key = (slot.0, before);
        if let Some(others) = self.by_topic.get_mut(&key) {
            others.remove(slot);
            if others.is_empty() {
                self.by_topic.remove(&key);
            }
        }
        // Back where it came from is not moved at all.
        if before.0 != to {
            self.add(topics, slot, (before.0, to));
        }
    }

    fn add(&mut self, topics: &Topics, slot: Slot, pair: Pair) {
        self.moved.insert(slot, pair);
        let hash = super::java::partition_hash(&topics.partition(slot));
        self.by_topic.entry((slot.0, pair)).or_default().insert(slot, hash);
    }

    /// If another partition of the topic went the opposite way, that one goes back instead of this one there.
    pub(super) fn instead_of(&self, slot: Slot, from: usize, to: usize) -> Slot {
        let from = self.moved.get(&slot).map_or(from, |(origin, _)| *origin);
        self.by_topic.get(&(slot.0, (to, from))).and_then(HashOrdered::first).unwrap_or(slot)
    }
}
