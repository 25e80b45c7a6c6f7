//! What must hold at every step (facts/faults.md), judged from what members ask and are told, and from what the coordinator
//! stores; never from the machines' own tables.

use std::collections::{BTreeMap, BTreeSet};

use milena_proto::group::{GroupEvent, GroupRequest};
use milena_proto::offsets::CommitEvent;
use milena_proto::types::{AssignmentEpoch, Generation};
use milena_proto::wire::OffsetCommitRequest;

use crate::call::Question;
use crate::coordinator::Coordinator;
use crate::member::{Member, Told, number, offsets};
use crate::world::{MEMBERS, name};

pub(crate) struct Check {
    violation: Option<String>,
    /// Offsets that somebody acknowledged while that counted, of each partition.
    acked: Vec<BTreeSet<i64>>,
    books: [Book; MEMBERS],
}

/// What is known of a member.
#[derive(Default)]
struct Book {
    /// Its partitions, as its machine told its shell. True: it is giving this one up.
    owned: BTreeMap<usize, bool>,
    /// Commits under way, by the partitions in them.
    under_way: BTreeSet<usize>,
    /// Given up in order since it last joined.
    revoked: BTreeSet<usize>,
    /// Its last commit was not waited for.
    commit_given_up: bool,
    last_epoch: Option<AssignmentEpoch>,
}

impl Check {
    pub(crate) fn new(partitions: usize) -> Self {
        Self { violation: None, acked: vec![BTreeSet::new(); partitions], books: Default::default() }
    }

    pub(crate) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    pub(crate) fn acked(&self) -> &[BTreeSet<i64>] {
        &self.acked
    }

    fn demand(&mut self, holds: bool, violation: impl FnOnce() -> String) {
        if !holds && self.violation.is_none() {
            self.violation = Some(violation());
        }
    }

    pub(crate) fn acknowledged(&mut self, partition: usize, offset: i64) {
        self.acked[partition].insert(offset);
    }

    pub(crate) fn commit_given_up(&mut self, member: usize) {
        self.books[member].commit_given_up = true;
    }

    pub(crate) fn commit_over(&mut self, member: usize, request: &OffsetCommitRequest) {
        for (partition, _) in offsets(request) {
            self.books[member].under_way.remove(&partition);
        }
    }

    /// A record was handed out.
    pub(crate) fn read(&mut self, member: &Member, coordinator: &Coordinator, partition: usize, offset: i64) {
        let who = name(member.number);
        let gives_up = self.books[member.number].owned.get(&partition).copied();
        self.demand(gives_up == Some(false), || {
            format!("C7: {who} hands out {offset} of p{partition}, which it has given up or is giving up")
        });
        let epoch = member.epochs.iter().rev().find(|epoch| epoch.partition == partition);
        let delivered: Vec<i64> = epoch.map_or(Vec::new(), |epoch| {
            (epoch.start..).zip(&epoch.delivered).map(|(expected, (at, ..))| at - expected).collect()
        });
        self.demand(delivered.iter().all(|gap| *gap == 0), || {
            format!("C1: {who} hands out {offset} of p{partition} out of order or with a gap")
        });
        if let Some(snapshot) = member.membership.snapshot()
            && coordinator.counts_in(&snapshot.member_id, snapshot.generation)
        {
            let owners = coordinator.owners(partition);
            self.demand(owners.iter().all(|owner| *owner == snapshot.member_id), || {
                format!("C13: {who} hands out {offset} of p{partition}, which is {owners:?}'s")
            });
        }
    }

    /// A member makes a call.
    pub(crate) fn asked(&mut self, member: &Member, question: &Question) {
        let Question::Group(_, GroupRequest::JoinGroup(_)) = question else { return };
        let who = name(member.number);
        let book = &mut self.books[member.number];
        let revoked = std::mem::take(&mut book.revoked);
        let open: Vec<usize> = book.under_way.intersection(&revoked).copied().collect();
        let is_settled = std::mem::take(&mut book.commit_given_up) || open.is_empty();
        let owned = book.owned.clone();
        self.demand(owned.values().all(|gives_up| !gives_up), || {
            format!("C13: {who} joins while it is giving up {owned:?}")
        });
        self.demand(!member.is_eager || owned.is_empty(), || {
            format!("C13: {who} joins an eager group, and holds {owned:?}")
        });
        self.demand(is_settled, || {
            format!("the coordinator hears that {who} gave up {open:?} before its commit of it is answered")
        });
    }

    /// A member sends offsets.
    pub(crate) fn commits(
        &mut self,
        member: &mut Member,
        request: &OffsetCommitRequest,
        own: Option<Generation>,
    ) {
        let who = name(member.number);
        self.demand(own == Some(request.generation), || {
            format!("C8: {who} commits with generation {}, which is not its own", request.generation.0)
        });
        self.demand(self.books[member.number].under_way.is_empty(), || {
            format!("{who} has two commits under way")
        });
        for (partition, offset) in offsets(request) {
            self.books[member.number].under_way.insert(partition);
            let owned = self.books[member.number].owned.contains_key(&partition);
            self.demand(owned, || {
                format!("C8: {who} commits {offset} of p{partition}, which is not its own")
            });
            self.demand(offset >= 0, || format!("{who} commits {offset} of p{partition}"));
            let Some(epoch) = member.epochs.iter_mut().rev().find(|epoch| epoch.partition == partition)
            else {
                continue;
            };
            let (open, accepted, sent) = (epoch.lowest_open(), epoch.accepted, epoch.sent);
            epoch.sent = epoch.sent.max(Some(offset));
            self.demand(offset <= open, || {
                format!("C9: {who} commits {offset} of p{partition}, but nobody acknowledged {open}")
            });
            self.demand(Some(offset) > accepted, || {
                format!(
                    "C10: {who} commits {offset} of p{partition}, and {accepted:?} is stored in that epoch"
                )
            });
            self.demand(Some(offset) >= sent, || {
                format!(
                    "C10: {who} commits {offset} of p{partition}, and {sent:?} may be stored in that epoch"
                )
            });
        }
    }

    /// The coordinator is about to store an offset.
    pub(crate) fn stored(
        &mut self,
        coordinator: &Coordinator,
        member_id: &str,
        partition: usize,
        offset: i64,
    ) {
        let before = coordinator.stored(partition);
        self.demand(before <= Some(offset), || {
            format!("C10: {member_id} rewinds p{partition} from {before:?} to {offset}")
        });
        let missing = (0..offset).find(|at| !self.acked[partition].contains(at));
        self.demand(missing.is_none(), || {
            format!(
                "C9: {member_id} stores {offset} of p{partition}, and nobody ever acknowledged {missing:?}"
            )
        });
        let owners = coordinator.owners(partition);
        self.demand(owners.iter().all(|owner| *owner == member_id), || {
            format!("C8: {member_id} stores {offset} of p{partition}, which is {owners:?}'s")
        });
    }

    /// A member's machines say something.
    pub(crate) fn told(&mut self, member: &mut Member, coordinator: &Coordinator, told: &Told) {
        let (at, who) = (member.number, name(member.number));
        match told {
            Told::Group(GroupEvent::Assigned { added, .. }) => {
                for tp in added {
                    let partition = number(tp);
                    let known = self.books[at].owned.insert(partition, false);
                    self.demand(known.is_none(), || format!("{who} is given p{partition} twice"));
                    let epoch = member.epochs.iter().rev().find(|epoch| epoch.partition == partition);
                    let epoch = epoch.map(|epoch| epoch.stamp.epoch());
                    let is_new = epoch > self.books[at].last_epoch || added.len() > 1;
                    self.demand(is_new, || format!("{who} has epoch {epoch:?} of p{partition} again"));
                }
                let last = member.epochs.iter().map(|epoch| epoch.stamp.epoch()).max();
                self.books[at].last_epoch = last;
            }
            Told::Group(GroupEvent::Revoke { partitions, .. }) => {
                for partition in partitions {
                    if let Some(gives_up) = self.books[at].owned.get_mut(&number(partition)) {
                        *gives_up = true;
                    }
                }
            }
            Told::Group(GroupEvent::Lost { partitions, .. }) => {
                for partition in partitions {
                    self.books[at].owned.remove(&number(partition));
                }
            }
            Told::GaveUp(partitions) => {
                for partition in partitions {
                    self.books[at].owned.remove(&number(partition));
                    self.books[at].revoked.insert(number(partition));
                }
            }
            Told::Group(_) | Told::Commits(..) => {}
            Told::Commit(CommitEvent::Committed { partition, epoch, offset }) => {
                let stored = coordinator.stored(number(partition));
                self.demand(stored >= Some(*offset), || {
                    format!("C11: {who} is told that {offset} of {partition} is stored, and it is {stored:?}")
                });
                if let Some(known) = member.epochs.iter_mut().find(|known| known.stamp.epoch() == *epoch) {
                    known.accepted = known.accepted.max(Some(*offset));
                }
            }
            Told::Commit(_) => {}
        }
    }
}
