//! `uniform`: the same number of partitions for everybody, and as few moves as that allows.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::super::{IdPartition, Target};
use super::Candidate;

/// Kafka: `UniformAssignor`.
pub(crate) fn uniform(members: &[Candidate], sizes: &BTreeMap<Uuid, i32>) -> BTreeMap<StrBytes, Target> {
    let same = members.windows(2).all(|pair| pair[0].topics == pair[1].topics);
    if same { homogeneous(members, sizes) } else { heterogeneous(members, sizes) }
}

fn partitions(sizes: &BTreeMap<Uuid, i32>) -> Vec<IdPartition> {
    sizes.iter().flat_map(|(topic, &count)| (0..count).map(|partition| (*topic, partition))).collect()
}

/// Kafka: `UniformHomogeneousAssignmentBuilder`. The first members on the list have one more where it does not divide.
fn homogeneous(members: &[Candidate], sizes: &BTreeMap<Uuid, i32>) -> BTreeMap<StrBytes, Target> {
    let all = partitions(sizes);
    if members.is_empty() {
        return BTreeMap::new();
    }
    let (least, mut extra) = (all.len() / members.len(), all.len() % members.len());
    let mut assigned: BTreeMap<StrBytes, Target> = BTreeMap::new();
    let mut free: BTreeSet<IdPartition> = all.iter().copied().collect();
    let mut unfilled: Vec<(&StrBytes, usize)> = Vec::new();
    for member in members {
        let quota = least + usize::from(extra > 0);
        extra = extra.saturating_sub(1);
        // What a topic no longer has goes; of the rest, what fits stays.
        let kept: Target = member
            .current
            .iter()
            .filter(|partition| free.contains(*partition))
            .take(quota)
            .copied()
            .collect();
        free.retain(|partition| !kept.contains(partition));
        if kept.len() < quota {
            unfilled.push((&member.id, quota - kept.len()));
        }
        assigned.insert(member.id.clone(), kept);
    }
    let mut free = free.into_iter();
    for (id, missing) in unfilled {
        if let Some(target) = assigned.get_mut(id) {
            target.extend(free.by_ref().take(missing));
        }
    }
    assigned
}

/// Members want different topics. Not Kafka's algorithm, but its goals: everything is assigned, nobody could hand a partition
/// to somebody with two less, and nothing moves without need.
fn heterogeneous(members: &[Candidate], sizes: &BTreeMap<Uuid, i32>) -> BTreeMap<StrBytes, Target> {
    let all = partitions(sizes);
    let mut owner: BTreeMap<IdPartition, usize> = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        for partition in &member.current {
            let exists = sizes.get(&partition.0).is_some_and(|&count| partition.1 < count);
            if exists && member.topics.contains(&partition.0) {
                owner.entry(*partition).or_insert(at);
            }
        }
    }
    let mut load = vec![0_usize; members.len()];
    for at in owner.values() {
        load[*at] += 1;
    }
    // Partitions with few takers first: the others can still go anywhere.
    let takers = |topic: &Uuid| members.iter().filter(|member| member.topics.contains(topic)).count();
    let mut free: Vec<IdPartition> =
        all.iter().filter(|partition| !owner.contains_key(*partition)).copied().collect();
    free.sort_by_key(|(topic, partition)| (takers(topic), *topic, *partition));
    for partition in free {
        let taker = (0..members.len())
            .filter(|&at| members[at].topics.contains(&partition.0))
            .min_by_key(|&at| load[at]);
        if let Some(at) = taker {
            owner.insert(partition, at);
            load[at] += 1;
        }
    }
    // Every move makes the sum of squares smaller, so this ends; the bound is for the reader.
    for _ in 0..all.len().saturating_mul(members.len()) {
        let better = owner.iter().find_map(|(partition, &from)| {
            let to = (0..members.len())
                .filter(|&at| members[at].topics.contains(&partition.0))
                .min_by_key(|&at| load[at])?;
            (load[from] > load[to] + 1).then_some((*partition, from, to))
        });
        let Some((partition, from, to)) = better else { break };
        owner.insert(partition, to);
        load[from] -= 1;
        load[to] += 1;
    }
    let mut assigned: BTreeMap<StrBytes, Target> =
        members.iter().map(|member| (member.id.clone(), Target::new())).collect();
    for (partition, at) in owner {
        if let Some(target) = assigned.get_mut(&members[at].id) {
            target.insert(partition);
        }
    }
    assigned
}
