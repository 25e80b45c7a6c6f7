//! Which partitions have a replica in which member's rack: `AbstractStickyAssignor.RackInfo`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Slot, Topics};
use crate::group::Member;
use crate::group::assignor::racks::{self, PartitionRacks};

/// Racks, as far as they matter.
pub(super) struct Nearness<'a> {
    topics: &'a Topics,
    of_partitions: &'a PartitionRacks,
    /// Racks of members; none of them where racks do not matter.
    of_members: Vec<Option<&'a str>>,
    /// How many members are in each rack, whether or not racks matter.
    crowds: BTreeMap<&'a str, usize>,
    matter: bool,
}

impl<'a> Nearness<'a> {
    pub(super) fn new(topics: &'a Topics, of_partitions: &'a PartitionRacks, members: &[&'a Member]) -> Self {
        let mut of_members: Vec<_> = members.iter().map(|member| racks::of_member(member)).collect();
        let mut crowds: BTreeMap<&str, usize> = BTreeMap::new();
        for rack in of_members.iter().flatten() {
            *crowds.entry(rack).or_default() += 1;
        }
        let all = topics.sorted.iter().flat_map(|(topic, count)| {
            (0..*count).map(move |partition| racks::of_partition(of_partitions, topic, partition))
        });
        let matter = racks::matter(crowds.keys().copied(), all);
        if !matter {
            of_members.fill(None);
        }
        Self { topics, of_partitions, of_members, crowds, matter }
    }

    pub(super) fn matters(&self) -> bool {
        self.matter
    }

    /// Whether the member is in a rack, and the partition in others only.
    pub(super) fn is_far(&self, member: usize, slot: Slot) -> bool {
        self.of_members[member].is_some_and(|rack| !self.racks(slot).contains(rack))
    }

    /// The first of these members, from `first` on and around, in whose rack the partition is.
    pub(super) fn next(
        &self,
        slot: Slot,
        members: impl ExactSizeIterator<Item = usize>,
        first: usize,
    ) -> Option<usize> {
        let racks = self.racks(slot);
        let members: Vec<usize> = members.collect();
        let near = |at: &usize| self.of_members[members[*at]].is_some_and(|rack| racks.contains(rack));
        (0..members.len()).map(|at| (first + at) % members.len()).find(near)
    }

    /// How many members are in the partition's racks. What few can be near to is dealt out first, in Java even where racks do not
    /// matter otherwise.
    pub(super) fn crowd(&self, slot: Slot) -> usize {
        self.racks(slot).iter().filter_map(|rack| self.crowds.get(rack.as_str())).sum()
    }

    fn racks(&self, (topic, partition): Slot) -> &'a BTreeSet<String> {
        racks::of_partition(self.of_partitions, &self.topics.sorted[topic].0, partition)
    }
}
