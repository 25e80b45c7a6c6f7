//! All members want the same topics: everybody gets the same number, give or take one.

use std::collections::{BTreeMap, VecDeque};

use super::{Claims, Nearness, Slot, Topics};
use crate::group::Member;
use crate::group::assignor::java;

/// Says who gets what, and what changes hands. There is at least one member.
pub(super) fn assign(
    topics: &Topics,
    nearness: &Nearness<'_>,
    members: &[&Member],
    claims: Claims,
) -> (Vec<Vec<Slot>>, BTreeMap<Slot, usize>) {
    let mut deal = Deal::new(topics.total(), members.len(), &claims);
    let kept = deal.keep(&claims, nearness);
    deal.sort(members);
    let all = (0..topics.sorted.len()).flat_map(|topic| topics.slots(topic));
    let mut free: Vec<Slot> = all.filter(|slot| !kept.contains_key(slot)).collect();
    free.sort_by_key(|slot| nearness.crowd(*slot));
    if nearness.matters() {
        deal.give_near(&mut free, nearness);
    }
    for slot in free {
        deal.give(slot);
    }
    (deal.assigned, deal.moves)
}

/// `ConstrainedAssignmentBuilder`.
struct Deal<'a> {
    claims: &'a Claims,
    /// What everybody gets at least, ...
    min: usize,
    /// ... and at most: the same, or one more.
    max: usize,
    /// How many get the one more, ...
    lucky: usize,
    /// ... and how many have it already.
    lucky_so_far: usize,
    /// Members below the minimum, dealt to in turn, ...
    below: Vec<usize>,
    turn: usize,
    /// ... and those at the minimum: the first ones get the one more, as far as it goes.
    at_minimum: VecDeque<usize>,
    assigned: Vec<Vec<Slot>>,
    /// What did not fit into its owner's share.
    let_go: BTreeMap<Slot, usize>,
    moves: BTreeMap<Slot, usize>,
}

impl<'a> Deal<'a> {
    fn new(total: usize, members: usize, claims: &'a Claims) -> Self {
        Self {
            claims,
            min: total / members,
            max: total.div_ceil(members),
            lucky: total % members,
            lucky_so_far: 0,
            below: Vec::new(),
            turn: 0,
            at_minimum: VecDeque::new(),
            assigned: vec![Vec::new(); members],
            let_go: BTreeMap::new(),
            moves: BTreeMap::new(),
        }
    }

    /// Lets everybody keep what fits into their share, lower partitions first. Says what is kept.
    fn keep(&mut self, claims: &Claims, nearness: &Nearness<'_>) -> BTreeMap<Slot, usize> {
        let mut kept = BTreeMap::new();
        for (member, owned) in claims.owned.iter().enumerate() {
            let (far, mut owned): (Vec<Slot>, Vec<Slot>) =
                owned.iter().copied().partition(|slot| nearness.is_far(member, *slot));
            self.let_go.extend(far.into_iter().map(|slot| (slot, member)));
            owned.retain(|slot| !claims.contested.contains(slot));
            owned.sort_by_key(|(topic, partition)| (*partition, *topic));
            let share = if owned.len() < self.min {
                self.below.push(member);
                owned.len()
            } else if owned.len() >= self.max && self.lucky_so_far < self.lucky {
                self.be_lucky();
                self.max
            } else {
                if self.lucky_so_far < self.lucky {
                    self.at_minimum.push_back(member);
                }
                self.min
            };
            self.let_go.extend(owned.drain(share..).map(|slot| (slot, member)));
            kept.extend(owned.iter().map(|slot| (*slot, member)));
            self.assigned[member] = owned;
        }
        kept
    }

    /// Somebody gets the one more. Once all of these are there, nobody at the minimum can get any.
    fn be_lucky(&mut self) {
        self.lucky_so_far += 1;
        if self.lucky_so_far == self.lucky {
            self.at_minimum.clear();
        }
    }

    /// `assignRackAwareRoundRobin`: what can go to somebody in its own rack does, and is no longer free.
    fn give_near(&mut self, free: &mut Vec<Slot>, nearness: &Nearness<'_>) {
        let mut turn = 0;
        free.retain(|slot| {
            if let Some(mut at) = nearness.next(*slot, self.below.iter().copied(), turn) {
                let member = self.below[at];
                let count = self.assigned[member].len() + 1;
                if count < self.min {
                    at += 1;
                } else {
                    self.below.remove(at);
                    if count < self.max && self.lucky_so_far < self.lucky {
                        self.at_minimum.push_back(member);
                    }
                }
                turn = at.checked_rem(self.below.len()).unwrap_or(0);
                self.hand(*slot, member);
                return false;
            }
            let Some(at) = nearness.next(*slot, self.at_minimum.iter().copied(), 0) else { return true };
            let member = self.at_minimum[at];
            if self.assigned[member].len() + 1 == self.max {
                self.at_minimum.remove(at);
                self.be_lucky();
            }
            self.hand(*slot, member);
            false
        });
    }

    fn sort(&mut self, members: &[&Member]) {
        let by_id = |left: &usize, right: &usize| {
            java::compare(&members[*left].member_id, &members[*right].member_id)
        };
        self.below.sort_by(by_id);
        self.at_minimum.make_contiguous().sort_by(by_id);
    }

    /// Gives a partition to whoever's turn it is.
    fn give(&mut self, slot: Slot) {
        if self.turn >= self.below.len() {
            self.turn = 0;
        }
        let (member, in_turn) = match self.below.get(self.turn) {
            Some(member) => (*member, true),
            None => match self.at_minimum.pop_front() {
                Some(member) => (member, false),
                None => {
                    debug_assert!(false, "the shares add up to the partitions");
                    return;
                }
            },
        };
        self.turn += usize::from(in_turn);
        self.hand(slot, member);
        if self.assigned[member].len() == self.min && in_turn {
            self.turn -= 1;
            self.below.remove(self.turn);
            self.at_minimum.push_back(member);
        }
    }

    fn hand(&mut self, slot: Slot, member: usize) {
        self.assigned[member].push(slot);
        let from_another = self.let_go.get(&slot).is_some_and(|owner| *owner != member);
        if from_another || self.claims.contested.contains(&slot) {
            self.moves.insert(slot, member);
        }
    }
}
