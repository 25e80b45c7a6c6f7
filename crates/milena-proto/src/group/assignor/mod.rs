//! Who gets which partition: run by the group's leader, with Java's results.
//!
//! A group's members may be of any make, and each of them may lead the next generation. Assignments only stick if all of
//! them decide alike, so these decide as the Java classes of the same names do, hash order included (held against them in
//! `testdata/assignors`). Racks count where Java's look at them (KIP-881): for all but round robin, and where replicas are spread
//! unevenly over them.

mod java;
mod racks;
mod range;
mod round_robin;
mod sticky;
#[cfg(test)]
mod tests;

pub use racks::PartitionRacks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;

use super::consumer_protocol::Subscription;
use crate::types::{Generation, TopicName, TopicPartition};

/// An assignor, by Java's class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AssignorKind {
    /// `RangeAssignor`: a range of each topic, so that equal numbers of several topics meet at one member.
    Range,
    /// `RoundRobinAssignor`: all partitions of all topics, dealt out in turn.
    RoundRobin,
    /// `StickyAssignor`: balanced, and moves as little as possible; but all stop during a rebalance.
    Sticky,
    /// `CooperativeStickyAssignor`: the same, and only what moves stops (KIP-429).
    CooperativeSticky,
}

/// A member as the leader sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its id.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
    /// What it wants and has.
    pub subscription: Subscription,
}

/// Member id to partitions, in the order in which Java lists them. Every member is in it.
pub type GroupAssignment = BTreeMap<String, Vec<TopicPartition>>;

impl AssignorKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Range, Self::RoundRobin, Self::Sticky, Self::CooperativeSticky];

    /// The name in JoinGroup.
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::Sticky => "sticky",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// By the name in JoinGroup.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether members may keep their partitions while they rejoin.
    pub fn is_cooperative(self) -> bool {
        self == Self::CooperativeSticky
    }

    /// Assigns. `counts` has the number of partitions of each topic; a topic that is not in it, or has none, is not
    /// assigned. `racks` are those of its partitions, as far as known. `members` are in the order in which the coordinator lists
    /// them.
    pub fn assign(
        self,
        counts: &BTreeMap<TopicName, i32>,
        racks: &PartitionRacks,
        members: &[Member],
    ) -> GroupAssignment {
        let (members, topics) = (java::hash_map_order(members), java::topics(counts, members));
        let assigned = match self {
            Self::Range => range::assign(&topics, racks, &members),
            Self::RoundRobin => round_robin::assign(&topics, &members),
            Self::Sticky => sticky::assign_eager(&topics, racks, &members),
            Self::CooperativeSticky => sticky::assign_cooperative(&topics, racks, &members),
        };
        members.iter().map(|member| member.member_id.clone()).zip(assigned).collect()
    }

    /// `ConsumerPartitionAssignor.subscriptionUserData`: what this assignor adds to the subscription of a member whose
    /// last assignment by this assignor was this one.
    pub fn user_data(self, last: Option<(Generation, &[TopicPartition])>) -> Option<Bytes> {
        match self {
            Self::Range | Self::RoundRobin => None,
            Self::Sticky => last.map(|(generation, partitions)| sticky::user_data(generation, partitions)),
            Self::CooperativeSticky => {
                let generation = last.map_or(-1, |(generation, _)| generation.0);
                Some(Bytes::copy_from_slice(&generation.to_be_bytes()))
            }
        }
    }
}

impl fmt::Display for AssignorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// For each member, the topics it wants.
fn wanted_topics<'a>(members: &[&'a Member]) -> Vec<BTreeSet<&'a TopicName>> {
    members.iter().map(|member| member.subscription.topics.iter().collect()).collect()
}
