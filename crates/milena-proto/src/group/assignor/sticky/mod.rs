//! `AbstractStickyAssignor`: balanced first, then as few moves as possible.
//!
//! 1. [`claims`]: who had what, from subscriptions that may be stale or wrong.
//! 2. All members want the same topics: [`constrained`] fills quotas. Otherwise [`general`] moves partition after
//!    partition until nothing gets better.
//!    Where racks matter, what is in another rack than its owner is not kept, and what is free goes to members in its own racks
//!    first ([`nearness`], KIP-881).
//! 3. Cooperative: what changes hands is given to nobody in this round. Its old owner gives it up and rejoins, and the next
//!    round finds it free (KIP-429).

mod claims;
mod constrained;
mod general;
mod movements;
mod nearness;

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};

use self::claims::Claims;
use self::nearness::Nearness;
use super::super::consumer_protocol::put_topics;
use super::racks::PartitionRacks;
use super::{Member, java};
use crate::types::{Generation, TopicName, TopicPartition};

/// A partition, by its topic's place in [`Topics`]: sorts as (topic, partition) does.
type Slot = (usize, i32);

/// Assigns; one list for each member, in their order. All wait for the assignment with empty hands.
pub(super) fn assign_eager(
    topics: &[(TopicName, i32)],
    racks: &PartitionRacks,
    members: &[&Member],
) -> Vec<Vec<TopicPartition>> {
    let topics = Topics::new(topics);
    let claims = Claims::of_user_data(&topics, members);
    let plan = Plan::new(&topics, racks, members, claims);
    topics.names(plan.assigned)
}

/// Assigns; one list for each member, in their order. All keep what they have meanwhile, so what moves is left out.
pub(super) fn assign_cooperative(
    topics: &[(TopicName, i32)],
    racks: &PartitionRacks,
    members: &[&Member],
) -> Vec<Vec<TopicPartition>> {
    let topics = Topics::new(topics);
    let claims = Claims::of_subscriptions(&topics, members);
    let Plan { mut assigned, moves } = Plan::new(&topics, racks, members, claims);
    let moves = moves.unwrap_or_else(|| find_moves(&topics, members, &assigned));
    for (slot, taker) in moves {
        assigned[taker].retain(|assigned| *assigned != slot);
    }
    topics.names(assigned)
}

/// `StickyAssignor.subscriptionUserData`, version 1.
pub(super) fn user_data(generation: Generation, partitions: &[TopicPartition]) -> Bytes {
    let mut out = BytesMut::new();
    put_topics(&mut out, &java::group_by_topic(partitions));
    out.put_i32(generation.0);
    out.freeze()
}

/// The topics to assign, sorted by name, with their numbers of partitions.
struct Topics {
    sorted: Vec<(TopicName, i32)>,
}

impl Topics {
    fn new(topics: &[(TopicName, i32)]) -> Self {
        let mut sorted = topics.to_vec();
        sorted.sort_by(|(left, _), (right, _)| java::compare(left, right));
        Self { sorted }
    }

    fn place(&self, topic: &str) -> Option<usize> {
        self.sorted.binary_search_by(|(name, _)| java::compare(name, topic)).ok()
    }

    /// The partition, if there is such a one.
    fn slot(&self, partition: &TopicPartition) -> Option<Slot> {
        let place = self.place(&partition.topic)?;
        (0..self.sorted[place].1).contains(&partition.partition).then_some((place, partition.partition))
    }

    fn partition(&self, (topic, partition): Slot) -> TopicPartition {
        TopicPartition::new(self.sorted[topic].0.clone(), partition)
    }

    fn slots(&self, topic: usize) -> impl Iterator<Item = Slot> + use<> {
        (0..self.sorted[topic].1).map(move |partition| (topic, partition))
    }

    fn total(&self) -> usize {
        self.sorted.iter().map(|(_, count)| usize::try_from(*count).unwrap_or(0)).sum()
    }

    fn names(&self, assigned: Vec<Vec<Slot>>) -> Vec<Vec<TopicPartition>> {
        let named = |slots: Vec<Slot>| slots.into_iter().map(|slot| self.partition(slot)).collect();
        assigned.into_iter().map(named).collect()
    }
}

/// Who is to have what, as if nobody had to let go first.
struct Plan {
    assigned: Vec<Vec<Slot>>,
    /// What changes hands, and to whom; `None` where the algorithm did not keep count.
    moves: Option<BTreeMap<Slot, usize>>,
}

impl Plan {
    fn new(topics: &Topics, racks: &PartitionRacks, members: &[&Member], claims: Claims) -> Self {
        if members.is_empty() {
            return Self { assigned: Vec::new(), moves: None };
        }
        let nearness = Nearness::new(topics, racks, members);
        if claims.same_topics {
            let (assigned, moves) = constrained::assign(topics, &nearness, members, claims);
            Self { assigned, moves: Some(moves) }
        } else {
            Self { assigned: general::assign(topics, &nearness, members, claims), moves: None }
        }
    }
}

/// `computePartitionsTransferringOwnership`: what one member is given and another one says that it has.
fn find_moves(topics: &Topics, members: &[&Member], assigned: &[Vec<Slot>]) -> BTreeMap<Slot, usize> {
    let mut added = BTreeMap::new();
    let mut revoked = BTreeSet::new();
    for (taker, (member, assigned)) in members.iter().zip(assigned).enumerate() {
        let owned =
            member.subscription.owned_partitions.iter().filter_map(|partition| topics.slot(partition));
        let owned: BTreeSet<Slot> = owned.collect();
        let assigned: BTreeSet<Slot> = assigned.iter().copied().collect();
        added.extend(assigned.difference(&owned).map(|slot| (*slot, taker)));
        revoked.extend(owned.difference(&assigned).copied());
    }
    added.retain(|slot, _| revoked.contains(slot));
    added
}
