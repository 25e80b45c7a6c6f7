//! One step of a member towards its target: give up first, then get.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{IdPartition, Member, MemberState, Target};

/// What a step needs to know beside the member itself.
pub(crate) struct Step<'a> {
    pub(crate) target_epoch: i32,
    pub(crate) target: &'a Target,
    /// The topics that the member is subscribed to.
    pub(crate) topics: &'a BTreeSet<Uuid>,
    /// Whether this very heartbeat changed that.
    pub(crate) subscription_changed: bool,
    /// What the member says that it has. `None`: it did not say.
    pub(crate) owned: Option<&'a BTreeSet<IdPartition>>,
    /// Whether somebody else still has the partition.
    pub(crate) taken: &'a dyn Fn(&IdPartition) -> bool,
}

impl Step<'_> {
    /// Kafka: `CurrentAssignmentBuilder.build`.
    pub(crate) fn take(&self, member: &mut Member) {
        match member.state {
            MemberState::Stable if member.epoch != self.target_epoch => self.advance(member, member.epoch),
            MemberState::Stable => self.shrink_if_changed(member),
            MemberState::Unrevoked if self.owns_any(&member.revoking) => self.shrink_if_changed(member),
            // It gave up what it was told to. If there is more to give up, it stays at its epoch (4.3.1; other versions go to
            // the next one).
            MemberState::Unrevoked | MemberState::Unreleased => self.advance(member, member.epoch),
        }
    }

    /// Whether the member still has one of these, or has not said that it has not.
    fn owns_any(&self, partitions: &BTreeMap<IdPartition, i32>) -> bool {
        match self.owned {
            None => true,
            Some(owned) => owned.iter().any(|partition| partitions.contains_key(partition)),
        }
    }

    /// Takes away what the member is no longer subscribed to, before there is a new target.
    fn shrink_if_changed(&self, member: &mut Member) {
        if !self.subscription_changed {
            return;
        }
        let (kept, gone) = split(&member.assigned, |(topic, _)| self.topics.contains(topic));
        if gone.is_empty() {
            return;
        }
        let mut revoking = member.revoking.clone();
        revoking.extend(gone);
        member.assigned = kept;
        if self.owns_any(&revoking) {
            member.state = MemberState::Unrevoked;
            member.revoking = revoking;
        }
    }

    /// Kafka: `CurrentAssignmentBuilder.computeNextAssignment`.
    fn advance(&self, member: &mut Member, epoch: i32) {
        let wanted: Target =
            self.target.iter().filter(|(topic, _)| self.topics.contains(topic)).copied().collect();
        let (mut kept, gone) = split(&member.assigned, |partition| wanted.contains(partition));

        if !gone.is_empty() && self.owns_any(&gone) {
            member.state = MemberState::Unrevoked;
            member.enter(epoch);
            member.assigned = kept;
            member.revoking = gone;
            return;
        }
        let missing = wanted.iter().filter(|partition| !kept.contains_key(*partition));
        // What the member itself is giving up is no one else's.
        let (unreleased, free): (Vec<_>, Vec<_>) = missing
            .copied()
            .partition(|partition| (self.taken)(partition) && !member.revoking.contains_key(partition));
        for partition in free {
            kept.insert(partition, self.target_epoch);
        }
        member.state = if unreleased.is_empty() { MemberState::Stable } else { MemberState::Unreleased };
        member.enter(self.target_epoch);
        member.assigned = kept;
        member.revoking = BTreeMap::new();
    }
}

fn split(
    partitions: &BTreeMap<IdPartition, i32>,
    keep: impl Fn(&IdPartition) -> bool,
) -> (BTreeMap<IdPartition, i32>, BTreeMap<IdPartition, i32>) {
    partitions
        .iter()
        .map(|(partition, epoch)| (*partition, *epoch))
        .partition(|(partition, _)| keep(partition))
}
