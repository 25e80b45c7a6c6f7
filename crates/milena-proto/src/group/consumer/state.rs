//! Where a member is, and what it has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::group::JoinReason;
use crate::group::departure::{Departure, Leaving};
use crate::types::{TopicId, TopicName, TopicPartition};

/// A partition as the coordinator names it.
pub(super) type IdPartition = (TopicId, i32);

/// Where a member is. [`Consumer`](super::Consumer) owns what outlives a state.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing to join for.
    Idle,
    /// Before or behind the heartbeat that joins.
    Joining(Joining),
    /// In the group; what is owed to the target follows from the target.
    Joined,
    /// In the group; the shell drains partitions and commits for the last time. Heartbeats go on.
    Revoking(Revoking),
    /// Before or behind the heartbeat that leaves.
    Leaving(Leaving),
    /// The end, wanted.
    Left,
    /// The end, not wanted.
    Failed,
}

#[derive(Debug)]
pub(super) enum Joining {
    Waiting {
        reason: JoinReason,
        not_before: Option<Instant>,
    },
    /// The heartbeat that is under way joins.
    Asked,
}

#[derive(Debug)]
pub(super) struct Revoking {
    pub(super) partitions: BTreeSet<IdPartition>,
    /// One commit round trip past the deadline that the shell was given.
    pub(super) give_up_at: Instant,
    pub(super) then: Then,
}

/// What the coordinator hears after a drain.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// That the partitions are free.
    Acknowledge,
    Leave(Departure),
}

/// All that the coordinator wants a member to have.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Target(pub(super) BTreeSet<IdPartition>);

impl Target {
    /// Each topic once.
    pub(super) fn topics(&self) -> impl Iterator<Item = TopicId> {
        let topics: BTreeSet<_> = self.0.iter().map(|(topic, _)| *topic).collect();
        topics.into_iter()
    }
}

/// What a member has, by topic id and by name. Each has all partitions of the other.
#[derive(Debug, Default)]
pub(super) struct Owned {
    by_id: BTreeMap<IdPartition, TopicPartition>,
    by_name: BTreeSet<TopicPartition>,
}

impl Owned {
    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn by_name(&self) -> &BTreeSet<TopicPartition> {
        &self.by_name
    }

    pub(super) fn all(&self) -> BTreeSet<IdPartition> {
        self.by_id.keys().copied().collect()
    }

    pub(super) fn has(&self, partition: &IdPartition) -> bool {
        self.by_id.contains_key(partition)
    }

    pub(super) fn has_name(&self, partition: &TopicPartition) -> bool {
        self.by_name.contains(partition)
    }

    pub(super) fn name(&self, partition: &IdPartition) -> Option<&TopicPartition> {
        self.by_id.get(partition)
    }

    pub(super) fn add(&mut self, partition: IdPartition, name: TopicPartition) {
        self.by_name.insert(name.clone());
        self.by_id.insert(partition, name);
    }

    /// Removes these; returns those that were there.
    pub(super) fn remove(&mut self, partitions: &BTreeSet<IdPartition>) -> BTreeSet<TopicPartition> {
        let mut removed = BTreeSet::new();
        for partition in partitions {
            if let Some(name) = self.by_id.remove(partition) {
                self.by_name.remove(&name);
                removed.insert(name);
            }
        }
        removed
    }

    /// Removes everything, and returns it.
    pub(super) fn take(&mut self) -> BTreeSet<TopicPartition> {
        self.by_id.clear();
        std::mem::take(&mut self.by_name)
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = TopicId> {
        self.by_id.keys().map(|(topic, _)| *topic)
    }

    /// As the coordinator is told.
    pub(super) fn by_topic(&self) -> Vec<(TopicId, Vec<i32>)> {
        let mut topics: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in self.by_id.keys() {
            topics.entry(*topic).or_default().push(*partition);
        }
        topics.into_iter().collect()
    }
}

/// What the coordinator was told: only what is new is told again (`HeartbeatState.SentFields`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub(super) topics: BTreeSet<TopicName>,
    pub(super) pattern: Option<String>,
    pub(super) owned: BTreeSet<IdPartition>,
}
