//! What a test asks of groups and transactions, and does to them.

use super::Cluster;
use crate::group::{self, OffsetRecord};
use crate::txn::TransactionState;

impl Cluster {
    /// A group's committed offset of a partition.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        self.with_core(|core, _| core.world().groups.committed(group, topic, partition))
    }

    /// Every accepted commit of every group, and everything that took one away, in order: what a real cluster would have in
    /// `__consumer_offsets`.
    pub fn offset_history(&self) -> Vec<OffsetRecord> {
        self.with_core(|core, _| core.world().groups.history().to_vec())
    }

    /// A group's state by Kafka's name: `Stable`, say; `Dead` if there is no such group.
    pub fn group_state(&self, group: &str) -> &'static str {
        self.with_core(|core, _| core.world().groups.state(group))
    }

    /// The ids of a group's members, in order.
    pub fn group_members(&self, group: &str) -> Vec<String> {
        self.with_core(|core, _| core.world().groups.members(group))
    }

    /// Takes a member out of its group, as if its session were over. It learns of that by the answer to what it sends next.
    /// False if there is no such member.
    pub fn fence_member(&self, group: &str, member: &str) -> bool {
        self.with_core(|core, now| core.change(now, |world| group::fence_member(world, group, member)))
    }

    /// Removes a group's committed offsets, as if `offsets.retention.minutes` were over.
    pub fn expire_offsets(&self, group: &str) {
        self.with_core(|core, now| {
            core.change(now, |world| {
                let now = world.now;
                world.groups.expire_offsets(now, group);
            });
        });
    }

    /// What is known of a transactional id.
    pub fn transaction(&self, transactional_id: &str) -> Option<TransactionState> {
        self.with_core(|core, _| core.world().txns.state(transactional_id))
    }
}
