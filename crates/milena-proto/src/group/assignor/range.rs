//! `RangeAssignor`: topic by topic, consecutive partitions to members in the order of their instance or member ids.
//!
//! Where racks matter, everybody first gets what has a replica in its own rack, within the same shares, and topics with the same
//! members and numbers of partitions stay together; then the rest is dealt out as ever (KIP-881).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::racks::{self, PartitionRacks};
use super::{Member, java, wanted_topics};
use crate::types::{TopicName, TopicPartition};

/// Assigns; one list for each member, in their order.
pub(super) fn assign(
    topics: &[(TopicName, i32)],
    of_partitions: &PartitionRacks,
    members: &[&Member],
) -> Vec<Vec<TopicPartition>> {
    let mut assigned = vec![Vec::new(); members.len()];
    let wanted = wanted_topics(members);
    let mut sorted: Vec<usize> = (0..members.len()).collect();
    sorted.sort_by(|left, right| compare(members[*left], members[*right]));
    let takers_of = |topic| sorted.iter().copied().filter(|member| wanted[*member].contains(topic)).collect();
    let mut states: Vec<TopicState<'_>> = topics
        .iter()
        .map(|(topic, count)| TopicState::new(topic, *count, takers_of(topic), of_partitions, members))
        .collect();
    let racks_matter = states.iter().any(|state| state.racks_matter);
    if racks_matter {
        match_racks(&mut states, &mut assigned);
    }
    for state in &mut states {
        state.assign_ranges(false, &mut assigned);
    }
    if racks_matter {
        for partitions in &mut assigned {
            partitions.sort_by(|left, right| {
                java::compare(&left.topic, &right.topic).then(left.partition.cmp(&right.partition))
            });
        }
    }
    assigned
}

/// `assignWithRackMatching`: topics that the same members want and that have as many partitions are assigned together.
fn match_racks(states: &mut [TopicState<'_>], assigned: &mut [Vec<TopicPartition>]) {
    let mut alike: BTreeMap<(BTreeSet<usize>, i32), Vec<usize>> = BTreeMap::new();
    for (at, state) in states.iter().enumerate() {
        // Java counts the partitions whose racks it looked up: none where no member has a rack.
        let count = if state.has_racks() { state.count } else { 0 };
        alike.entry((state.takers.iter().copied().collect(), count)).or_default().push(at);
    }
    for ((_, count), topics) in alike {
        match topics[..] {
            [topic] if states[topic].racks_matter => states[topic].assign_ranges(true, assigned),
            [_] => {}
            _ => match_racks_of_all(states, &topics, count, assigned),
        }
    }
}

/// `assignCoPartitionedWithRackMatching`: the same number of all these topics goes to the same member, if there is one for whom
/// all of them are near.
fn match_racks_of_all(
    states: &mut [TopicState<'_>],
    topics: &[usize],
    count: i32,
    assigned: &mut [Vec<TopicPartition>],
) {
    let mut remaining = states[topics[0]].takers.clone();
    for partition in 0..count {
        let near = |taker: &usize| {
            let near =
                |topic: &usize| states[*topic].is_near(*taker, partition) && states[*topic].room(*taker) > 0;
            topics.iter().all(near)
        };
        let Some(taker) = remaining.iter().copied().find(near) else { continue };
        for topic in topics {
            states[*topic].give(taker, &[partition], assigned);
        }
        if topics.iter().all(|topic| states[*topic].room(taker) == 0) {
            remaining.retain(|member| *member != taker);
        }
    }
}

/// One topic, and how far it is assigned. Java's `TopicAssignmentState`.
struct TopicState<'a> {
    topic: &'a TopicName,
    count: i32,
    /// Who wants it, in order.
    takers: Vec<usize>,
    members: &'a [&'a Member],
    of_partitions: &'a PartitionRacks,
    racks_matter: bool,
    unassigned: BTreeSet<i32>,
    given: BTreeMap<usize, i32>,
    /// What everybody gets, ...
    each: i32,
    /// ... and how many get one more.
    with_one_more: i32,
}

impl<'a> TopicState<'a> {
    fn new(
        topic: &'a TopicName,
        count: i32,
        takers: Vec<usize>,
        of_partitions: &'a PartitionRacks,
        members: &'a [&'a Member],
    ) -> Self {
        let number = i32::try_from(takers.len()).unwrap_or(i32::MAX);
        let of_takers = takers.iter().filter_map(|taker| racks::of_member(members[*taker]));
        let of_all = (0..count).map(|partition| racks::of_partition(of_partitions, topic, partition));
        Self {
            racks_matter: racks::matter(of_takers, of_all),
            topic,
            count,
            members,
            of_partitions,
            unassigned: (0..count).collect(),
            given: BTreeMap::new(),
            each: count.checked_div(number).unwrap_or(0),
            with_one_more: count.checked_rem(number).unwrap_or(0),
            takers,
        }
    }

    fn has_racks(&self) -> bool {
        self.takers.iter().any(|taker| racks::of_member(self.members[*taker]).is_some())
    }

    /// Everybody in turn gets the lowest numbers that are left, or those of them that are near.
    fn assign_ranges(&mut self, near_only: bool, assigned: &mut [Vec<TopicPartition>]) {
        for taker in self.takers.clone() {
            let room = usize::try_from(self.room(taker)).unwrap_or(0);
            let fitting = self.unassigned.iter().copied();
            let fitting = fitting.filter(|partition| !near_only || self.is_near(taker, *partition));
            let partitions: Vec<i32> = fitting.take(room).collect();
            self.give(taker, &partitions, assigned);
        }
    }

    /// Whether a replica is in the member's rack, or the member is in none.
    fn is_near(&self, taker: usize, partition: i32) -> bool {
        let racks = racks::of_partition(self.of_partitions, self.topic, partition);
        racks::of_member(self.members[taker]).is_none_or(|rack| racks.contains(rack))
    }

    /// How many more a member may get.
    fn room(&self, taker: usize) -> i32 {
        let given = self.given.get(&taker).copied().unwrap_or(0);
        (self.each + i32::from(self.with_one_more > 0) - given).max(0)
    }

    fn give(&mut self, taker: usize, partitions: &[i32], assigned: &mut [Vec<TopicPartition>]) {
        let Ok(number @ 1..) = i32::try_from(partitions.len()) else { return };
        let given = self.given.entry(taker).or_default();
        *given += number;
        if *given > self.each {
            self.with_one_more -= 1;
        }
        for partition in partitions {
            self.unassigned.remove(partition);
            assigned[taker].push(TopicPartition::new(self.topic.clone(), *partition));
        }
    }
}

/// `AbstractPartitionAssignor.MemberInfo.compareTo`: static members first, by instance id, which outlives member ids.
pub(super) fn compare(left: &Member, right: &Member) -> Ordering {
    match (&left.group_instance_id, &right.group_instance_id) {
        (Some(left), Some(right)) => java::compare(left, right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => java::compare(&left.member_id, &right.member_id),
    }
}
