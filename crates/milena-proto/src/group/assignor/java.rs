//! The orders in which Java walks its hash tables, where they decide who gets a partition.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::Member;
use crate::types::{TopicName, TopicPartition};

/// The members in the order in which a `HashMap` by member id lists them. A member id that is there twice keeps its first
/// place and its last subscription.
pub(super) fn hash_map_order(members: &[Member]) -> Vec<&Member> {
    let mut unique: BTreeMap<&str, (usize, &Member)> = BTreeMap::new();
    for (place, member) in members.iter().enumerate() {
        unique.entry(&member.member_id).and_modify(|(_, last)| *last = member).or_insert((place, member));
    }
    let mut listed: Vec<_> = unique.into_values().collect();
    listed.sort_by_key(|(place, _)| *place);
    let mut table: Vec<&Member> = listed.into_iter().map(|(_, member)| member).collect();
    sort_by_bucket(&mut table, |member| string_hash(&member.member_id));
    table
}

/// The topics that any member subscribes to and that have partitions, with their numbers, in hash order: a `HashMap`
/// filled from a `HashSet` of the topics that the members subscribe to.
pub(super) fn topics(counts: &BTreeMap<TopicName, i32>, members: &[Member]) -> Vec<(TopicName, i32)> {
    let mut seen = BTreeSet::new();
    let mut set: Vec<&TopicName> = Vec::new();
    for member in hash_map_order(members) {
        set.extend(member.subscription.topics.iter().filter(|topic| seen.insert(*topic)));
    }
    sort_by_bucket(&mut set, |topic| string_hash(topic));
    let mut map: Vec<(TopicName, i32)> = set
        .into_iter()
        .filter_map(|topic| {
            counts.get(topic).filter(|count| **count > 0).map(|count| (topic.clone(), *count))
        })
        .collect();
    sort_by_bucket(&mut map, |(topic, _)| string_hash(topic));
    map
}

/// Sorts what was put into a `HashMap` in this order into the order in which it comes out: by bucket, and within a bucket
/// as it was put. (Java turns a bucket of more than eight into a tree, in another order; with these few keys that is next
/// to impossible.)
fn sort_by_bucket<T>(entries: &mut [T], hash: impl Fn(&T) -> i32) {
    let capacity = capacity(entries.len());
    entries.sort_by_key(|entry| bucket(hash(entry), capacity));
}

/// The buckets of a `HashMap` that grew from empty to this many entries: 16, doubled beyond a load of three quarters.
fn capacity(entries: usize) -> usize {
    let mut capacity = 16;
    while entries > capacity / 4 * 3 {
        capacity *= 2;
    }
    capacity
}

fn bucket(hash: i32, capacity: usize) -> usize {
    let hash = hash.cast_unsigned();
    (hash ^ (hash >> 16)) as usize & (capacity - 1)
}

/// `String.hashCode`.
fn string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `TopicPartition.hashCode`.
pub(super) fn partition_hash(partition: &TopicPartition) -> i32 {
    (31i32.wrapping_add(partition.partition)).wrapping_mul(31).wrapping_add(string_hash(&partition.topic))
}

/// `String.compareTo`: by UTF-16 unit.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    left.encode_utf16().cmp(right.encode_utf16())
}

/// `CollectionUtils.groupPartitionsByTopic`: partitions as listed, topics in hash order. Other than `put`, its
/// `computeIfAbsent` puts a new key before the others of its bucket, and lets the table grow only at the next call.
pub(super) fn group_by_topic(partitions: &[TopicPartition]) -> Vec<(&TopicName, Vec<i32>)> {
    let mut places: BTreeMap<&TopicName, usize> = BTreeMap::new();
    let mut topics: Vec<(&TopicName, Vec<i32>)> = Vec::new();
    let mut capacity = 16;
    for partition in partitions {
        while topics.len() > capacity / 4 * 3 {
            capacity *= 2;
        }
        let place = *places.entry(&partition.topic).or_insert(topics.len());
        if place == topics.len() {
            topics.push((&partition.topic, Vec::new()));
        }
        topics[place].1.push(partition.partition);
    }
    topics.reverse();
    topics.sort_by_key(|(topic, _)| bucket(string_hash(topic), capacity));
    topics
}

/// A `HashSet`, as far as "the first one" goes.
#[derive(Debug)]
pub(super) struct HashOrdered<T> {
    entries: Vec<(i32, T)>,
    /// A table grows with its entries and never shrinks.
    most: usize,
}

impl<T> Default for HashOrdered<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), most: 0 }
    }
}

impl<T: Copy + PartialEq> HashOrdered<T> {
    /// The element must not be in it.
    pub(super) fn insert(&mut self, element: T, hash: i32) {
        self.entries.push((hash, element));
        self.most = self.most.max(self.entries.len());
    }

    pub(super) fn remove(&mut self, element: T) {
        self.entries.retain(|(_, entry)| *entry != element);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn first(&self) -> Option<T> {
        let capacity = capacity(self.most);
        self.entries.iter().min_by_key(|(hash, _)| bucket(*hash, capacity)).map(|(_, entry)| *entry)
    }
}
