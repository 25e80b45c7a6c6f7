//! Racks of members and of replicas (KIP-881): whoever reads a partition from a replica in its own rack saves the way between racks.

use std::collections::{BTreeMap, BTreeSet};

use super::Member;
use crate::types::TopicName;

/// For each topic and each of its partitions, by number, the racks that its replicas are in. Replicas that are off line or not in
/// sync count: they will be back before the group rebalances again. Topics and racks that are not known are left out.
pub type PartitionRacks = BTreeMap<TopicName, Vec<BTreeSet<String>>>;

/// The rack of a member, if it has one.
pub(super) fn of_member(member: &Member) -> Option<&str> {
    member.subscription.rack.as_deref().filter(|rack| !rack.is_empty())
}

/// The racks of a partition; none where they are not known.
pub(super) fn of_partition<'a>(
    racks: &'a PartitionRacks,
    topic: &TopicName,
    partition: i32,
) -> &'a BTreeSet<String> {
    static NONE: BTreeSet<String> = BTreeSet::new();
    let at = usize::try_from(partition).ok();
    racks.get(topic).zip(at).and_then(|(partitions, at)| partitions.get(at)).unwrap_or(&NONE)
}

/// `AbstractPartitionAssignor.useRackAwareAssignment`: only where it makes a difference. Some member is in a rack with replicas,
/// and not every partition has one in every rack.
pub(super) fn matter<'a>(
    of_members: impl IntoIterator<Item = &'a str>,
    of_partitions: impl Iterator<Item = &'a BTreeSet<String>> + Clone,
) -> bool {
    let all: BTreeSet<&str> = of_partitions.clone().flatten().map(String::as_str).collect();
    of_members.into_iter().any(|rack| all.contains(rack))
        && of_partitions.into_iter().any(|racks| racks.len() < all.len())
}
