//! Group metadata and assignments: what members tell each other, unread by the coordinator.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proto::group::consumer_protocol::{Assignment, Subscription};
use proto::group::{AssignorKind, Member, PartitionRacks};
use proto::types::TopicName;

use crate::oracle::{bound, within};
use crate::take::Take;

/// Decodes each member's bytes, writes them again, and assigns by them: every partition once, to somebody who wants it.
pub(super) fn protocol(input: &[u8]) {
    let mut take = Take::new(input);
    let assignor = AssignorKind::ALL[take.below(AssignorKind::ALL.len())];
    let partitions = take.below(7) as i32;
    let mut members = Vec::new();
    for number in 0..=take.below(5) {
        let bytes = Bytes::copy_from_slice(take.bytes(4000));
        let memory = bound(bytes.len());
        if let Ok(assignment) = within("an assignment", memory, || Assignment::decode(bytes.clone())) {
            let again = Assignment::decode(assignment.encode(3));
            assert_eq!(again, Ok(assignment), "an assignment does not come back");
        }
        let subscription = within("a subscription", memory, || Subscription::decode(bytes));
        let Ok(subscription) = subscription else { continue };
        for version in 0..=3 {
            let written = subscription.encode(version);
            let again = Subscription::decode(written.clone()).expect("what was written is read");
            assert_eq!(again.encode(version), written, "version {version} does not come back");
        }
        members.push(Member { member_id: format!("member-{number}"), group_instance_id: None, subscription });
    }
    let topics: BTreeSet<TopicName> =
        members.iter().flat_map(|member| member.subscription.topics.iter().cloned()).collect();
    let counts: BTreeMap<TopicName, i32> = topics.into_iter().map(|topic| (topic, partitions)).collect();
    let racks = PartitionRacks::new();
    let assigned = assignor.assign(&counts, &racks, &members);
    assert_eq!(assigned.len(), members.len());
    let mut seen = BTreeSet::new();
    for (member_id, partitions) in &assigned {
        let member = members.iter().find(|member| member.member_id == *member_id).expect("a member");
        for partition in partitions {
            assert!(member.subscription.topics.contains(&partition.topic), "{partition} was not wanted");
            assert!(seen.insert(partition.clone()), "{partition} has two owners");
            assert!((0..counts[&partition.topic]).contains(&partition.partition), "{partition} is none");
        }
    }
}
