//! Members want different topics: partition after partition moves to who has less, until nothing gets better.

use std::collections::{BTreeMap, BTreeSet};

use super::movements::Movements;
use super::{Claims, Nearness, Slot, Topics};
use crate::group::Member;
use crate::group::assignor::java;

/// Says who gets what. There is at least one member.
pub(super) fn assign(
    topics: &Topics,
    nearness: &Nearness<'_>,
    members: &[&Member],
    claims: Claims,
) -> Vec<Vec<Slot>> {
    let mut balance = Balance::new(topics, nearness, members, claims);
    balance.drop_unwanted();
    let unassigned = balance.assign_rest();
    balance.settle(unassigned);
    balance.assigned
}

/// `GeneralAssignmentBuilder`.
struct Balance<'a> {
    topics: &'a Topics,
    nearness: &'a Nearness<'a>,
    /// For each topic, who wants it; ...
    takers: Vec<Vec<usize>>,
    /// ... for each member, what it wants.
    wanted: Vec<BTreeSet<usize>>,
    assigned: Vec<Vec<Slot>>,
    owners: BTreeMap<Slot, usize>,
    /// For each topic, how many partitions each owner has of it.
    held: Vec<BTreeMap<usize, usize>>,
    /// For each member, its place in the order of their ids; and the other way round.
    ranks: Vec<usize>,
    by_rank: Vec<usize>,
    /// Members by (number of partitions, rank).
    order: BTreeSet<(usize, usize)>,
    former: BTreeMap<Slot, (usize, i32)>,
    movements: Movements,
    /// Whether something was dropped because its owner no longer wants it.
    revoked: bool,
    initial: bool,
}

impl<'a> Balance<'a> {
    fn new(topics: &'a Topics, nearness: &'a Nearness<'a>, members: &[&Member], claims: Claims) -> Self {
        let mut takers = vec![Vec::new(); topics.sorted.len()];
        let mut wanted = Vec::new();
        for (member, listed) in members.iter().enumerate() {
            let places: BTreeSet<usize> =
                listed.subscription.topics.iter().filter_map(|topic| topics.place(topic)).collect();
            for place in &places {
                takers[*place].push(member);
            }
            wanted.push(places);
        }
        let mut by_rank: Vec<usize> = (0..members.len()).collect();
        by_rank.sort_by(|left, right| java::compare(&members[*left].member_id, &members[*right].member_id));
        let mut ranks = vec![0; members.len()];
        for (rank, member) in by_rank.iter().enumerate() {
            ranks[*member] = rank;
        }
        Self {
            topics,
            nearness,
            takers,
            wanted,
            assigned: claims.owned,
            owners: BTreeMap::new(),
            held: vec![BTreeMap::new(); topics.sorted.len()],
            ranks,
            by_rank,
            order: BTreeSet::new(),
            former: claims.former,
            movements: Movements::default(),
            revoked: false,
            initial: false,
        }
    }

    fn drop_unwanted(&mut self) {
        for (member, owned) in self.assigned.iter_mut().enumerate() {
            let before = owned.len();
            owned
                .retain(|slot| self.wanted[member].contains(&slot.0) && !self.nearness.is_far(member, *slot));
            self.revoked |= owned.len() < before;
            for slot in owned {
                self.owners.insert(*slot, member);
                *self.held[slot.0].entry(member).or_default() += 1;
            }
        }
        self.order = (0..self.assigned.len()).map(|member| self.key(member)).collect();
        self.initial = self.assigned.iter().all(Vec::is_empty);
    }

    /// Gives what nobody has to who has least, topics that few want first. Says what that was.
    fn assign_rest(&mut self) -> Vec<Slot> {
        let unassigned: Vec<Slot> =
            self.all_slots().into_iter().filter(|slot| !self.owners.contains_key(slot)).collect();
        let mut rest = unassigned.clone();
        if self.nearness.matters() {
            rest.retain(|slot| match self.least_loaded_near(*slot) {
                Some(taker) => {
                    self.put(*slot, taker);
                    false
                }
                None => true,
            });
        }
        for slot in rest {
            if let Some(taker) = self.least_loaded(slot.0) {
                self.put(slot, taker);
            }
        }
        unassigned
    }

    fn settle(&mut self, unassigned: Vec<Slot>) {
        // What only one member wants stays there, and so does a member that has all it could get and shares none of it.
        let shared = |slot: &Slot| self.takers[slot.0].len() >= 2;
        let movable: Vec<Slot> = self.all_slots().into_iter().filter(shared).collect();
        let new: Vec<Slot> = unassigned.into_iter().filter(shared).collect();
        let fixed: Vec<usize> =
            (0..self.assigned.len()).filter(|member| !self.can_take_part(*member)).collect();
        for member in fixed {
            self.order.remove(&self.key(member));
        }

        let before = (self.assigned.clone(), self.score());
        if !self.revoked {
            self.move_while_better(&new);
        }
        let moved = self.move_while_better(&movable);
        if !self.initial && moved && self.score() >= before.1 {
            self.assigned = before.0;
        }
    }

    fn can_take_part(&self, member: usize) -> bool {
        let most: usize = self.wanted[member].iter().map(|topic| self.topics.slots(*topic).count()).sum();
        self.assigned[member].len() < most
            || self.wanted[member].iter().any(|topic| self.takers[*topic].len() >= 2)
    }

    /// `performReassignments`.
    fn move_while_better(&mut self, movable: &[Slot]) -> bool {
        let mut any = false;
        // Java goes round until nothing moves. Each move makes the loads more equal, but for what `instead_of` swaps in;
        // the bound is there for that, far from what a real group needs.
        for _ in 0..=movable.len().max(16) {
            let mut moved = false;
            let mut balanced = self.is_balanced();
            for slot in movable {
                if balanced {
                    break;
                }
                if self.move_if_better(*slot) {
                    (moved, balanced) = (true, self.is_balanced());
                }
            }
            any |= moved;
            if !moved {
                break;
            }
        }
        any
    }

    fn move_if_better(&mut self, slot: Slot) -> bool {
        let Some(owner) = self.owners.get(&slot).copied() else { return false };
        let better = |taker: usize| self.assigned[owner].len() > self.assigned[taker].len() + 1;
        // Other than in Java, who had it before must still want it.
        let former = self.former.get(&slot).map(|(member, _)| *member);
        let former = former.filter(|member| self.takers[slot.0].contains(member) && better(*member));
        let taker = match former {
            Some(member) => Some(member),
            None if self.takers[slot.0].iter().any(|taker| better(*taker)) => self.least_loaded(slot.0),
            None => None,
        };
        let Some(taker) = taker else { return false };
        let slot = self.movements.instead_of(slot, owner, taker);
        self.shift(slot, taker);
        true
    }

    /// Whether no partition has an owner with two more than somebody who wants its topic.
    fn is_balanced(&self) -> bool {
        let (Some(least), Some(most)) = (self.order.first(), self.order.last()) else { return true };
        if least.0 + 1 >= most.0 {
            return true;
        }
        self.takers.iter().zip(&self.held).all(|(takers, held)| {
            let least = takers.iter().map(|member| self.assigned[*member].len()).min();
            let most = held.keys().map(|member| self.assigned[*member].len()).max();
            least.zip(most).is_none_or(|(least, most)| most <= least + 1)
        })
    }

    /// `getBalanceScore`: the differences of all pairs of members that take part.
    fn score(&self) -> u128 {
        let mut score = 0;
        let mut sum = 0;
        for (seen, (size, _)) in (0u128..).zip(&self.order) {
            score += *size as u128 * seen - sum;
            sum += *size as u128;
        }
        score
    }

    fn least_loaded_near(&self, slot: Slot) -> Option<usize> {
        self.order
            .iter()
            .map(|(_, rank)| self.by_rank[*rank])
            .find(|member| self.wanted[*member].contains(&slot.0) && !self.nearness.is_far(*member, slot))
    }

    fn least_loaded(&self, topic: usize) -> Option<usize> {
        self.order
            .iter()
            .map(|(_, rank)| self.by_rank[*rank])
            .find(|member| self.wanted[*member].contains(&topic))
    }

    fn shift(&mut self, slot: Slot, to: usize) {
        let Some(from) = self.owners.get(&slot).copied() else { return };
        self.movements.record(self.topics, slot, from, to);
        self.order.remove(&self.key(from));
        self.assigned[from].retain(|owned| *owned != slot);
        self.order.insert(self.key(from));
        if let Some(count) = self.held[slot.0].get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.held[slot.0].remove(&from);
            }
        }
        self.put(slot, to);
    }

    fn put(&mut self, slot: Slot, member: usize) {
        self.order.remove(&self.key(member));
        self.assigned[member].push(slot);
        self.order.insert(self.key(member));
        self.owners.insert(slot, member);
        *self.held[slot.0].entry(member).or_default() += 1;
    }

    fn key(&self, member: usize) -> (usize, usize) {
        (self.assigned[member].len(), self.ranks[member])
    }

    /// All partitions, topics that few want first.
    fn all_slots(&self) -> Vec<Slot> {
        let mut sorted: Vec<usize> = (0..self.takers.len()).collect();
        sorted.sort_by_key(|topic| self.takers[*topic].len());
        sorted.into_iter().flat_map(|topic| self.topics.slots(topic)).collect()
    }
}
