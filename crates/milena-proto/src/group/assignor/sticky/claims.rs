//! Who had what. Members fall out and come back, so claims can be stale, and two can claim the same.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{Slot, Topics};
use crate::group::Member;
use crate::group::consumer_protocol::read_partitions;
use crate::types::TopicPartition;
use crate::wire::Cursor;

/// A member that does not say otherwise, in Java's `DEFAULT_GENERATION`.
const NO_GENERATION: i32 = -1;

/// What the members had.
pub(super) struct Claims {
    /// For each member, what is taken to be its own.
    pub(super) owned: Vec<Vec<Slot>>,
    /// What two members claim in the same generation: nobody is believed.
    pub(super) contested: BTreeSet<Slot>,
    /// Claims of generations older than the newest, for the balance to prefer: partition to member and generation.
    pub(super) former: BTreeMap<Slot, (usize, i32)>,
    /// Whether all members want the same topics.
    pub(super) same_topics: bool,
}

/// `AbstractStickyAssignor.MemberData`.
struct Claim {
    partitions: Vec<TopicPartition>,
    generation: Option<i32>,
}

impl Claims {
    pub(super) fn of_user_data(topics: &Topics, members: &[&Member]) -> Self {
        let claim = |member: &&Member| user_data_claim(member.subscription.user_data.as_ref());
        Self::new(topics, members, members.iter().map(claim).collect())
    }

    pub(super) fn of_subscriptions(topics: &Topics, members: &[&Member]) -> Self {
        let claim = |member: &&Member| subscription_claim(member);
        Self::new(topics, members, members.iter().map(claim).collect())
    }

    /// `allSubscriptionsEqual` and `prepopulateCurrentAssignments`. Other than there, a claim of a partition that the
    /// topic does not have (it was created again, with fewer) is void: Java hands it out.
    fn new(topics: &Topics, members: &[&Member], claims: Vec<Claim>) -> Self {
        let mut owned: Vec<Vec<Slot>> = vec![Vec::new(); members.len()];
        let mut contested = BTreeSet::new();
        let mut owners: BTreeMap<Slot, usize> = BTreeMap::new();
        for (member, claim) in claims.iter().enumerate() {
            let generation = claim.generation.unwrap_or(NO_GENERATION);
            for slot in claim.partitions.iter().filter_map(|partition| topics.slot(partition)) {
                let mut owner = match owners.entry(slot) {
                    Entry::Vacant(entry) => {
                        entry.insert(member);
                        owned[member].push(slot);
                        continue;
                    }
                    Entry::Occupied(entry) => entry,
                };
                let other = *owner.get();
                // Java looks at the subscription here, also where the claim came from user data.
                let theirs = members[other].subscription.generation.map_or(NO_GENERATION, |other| other.0);
                if generation < theirs {
                    continue;
                }
                if generation == theirs {
                    contested.insert(slot);
                } else {
                    owned[member].push(slot);
                }
                if let Some(place) = owned[other].iter().position(|owned| *owned == slot) {
                    owned[other].remove(place);
                }
                owner.insert(member);
            }
        }
        let former = former(topics, &claims);
        Self { owned, contested, former, same_topics: want_the_same(members) }
    }
}

/// Among the claims that are not of the newest generation, the newest for each partition.
fn former(topics: &Topics, claims: &[Claim]) -> BTreeMap<Slot, (usize, i32)> {
    let newest = claims.iter().filter_map(|claim| claim.generation).max().unwrap_or(NO_GENERATION);
    let mut former: BTreeMap<Slot, (usize, i32)> = BTreeMap::new();
    for (member, claim) in claims.iter().enumerate() {
        let generation = claim.generation.unwrap_or(NO_GENERATION);
        if generation >= newest {
            continue;
        }
        for slot in claim.partitions.iter().filter_map(|partition| topics.slot(partition)) {
            let best = former.entry(slot).or_insert((member, generation));
            if generation > best.1 {
                *best = (member, generation);
            }
        }
    }
    former
}

/// Other than in Java, where members that want nothing do not count if they are looked at first, and are then given what
/// the others want.
fn want_the_same(members: &[&Member]) -> bool {
    let mut wanted = members.iter().map(|member| member.subscription.topics.iter().collect::<BTreeSet<_>>());
    let first = wanted.next();
    wanted.all(|topics| Some(&topics) == first.as_ref())
}

/// `CooperativeStickyAssignor.memberData`: before version 2 of the subscription the generation is in the user data.
fn subscription_claim(member: &Member) -> Claim {
    let subscription = &member.subscription;
    let generation = match (subscription.generation, &subscription.user_data) {
        (Some(generation), _) => Some(generation.0),
        (None, Some(user_data)) => {
            Some(Cursor::new(user_data.clone(), false).i32("generation").unwrap_or(NO_GENERATION))
        }
        (None, None) => None,
    };
    Claim { partitions: subscription.owned_partitions.clone(), generation }
}

/// `StickyAssignor.memberData`: version 1 of its user data has the generation, version 0 has not.
fn user_data_claim(user_data: Option<&Bytes>) -> Claim {
    let Some(user_data) = user_data.filter(|user_data| !user_data.is_empty()) else {
        return Claim { partitions: Vec::new(), generation: None };
    };
    let mut cursor = Cursor::new(user_data.clone(), false);
    match read_partitions(&mut cursor) {
        Ok(partitions) => Claim { partitions, generation: cursor.i32("generation").ok() },
        Err(_) => Claim { partitions: Vec::new(), generation: Some(NO_GENERATION) },
    }
}
