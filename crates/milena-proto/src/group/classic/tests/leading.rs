use super::*;
use crate::group::{JoinReason, PartitionRacks};

#[test]
fn the_leader_assigns_for_all() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    group.counts(&[("t", 3)]);
    let joined = group.leads(1, &[("m1", &["t"]), ("m2", &["t"])]);
    group.answers(joined).sends(GroupApi::SyncGroup).is_quiet();
    let (_, assignments) = group.last_sync();
    assert_eq!(assignments["m1"], [TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
    assert_eq!(assignments["m2"], [TopicPartition::new("t", 2)]);
    group.answers(synced(&[0, 1]));
    let protocol = AssignorKind::Range;
    group.emits(GroupEvent::Stable { generation: Generation(1), leader: true, protocol });
    group.emits_assigned(1, &[0, 1], &[0, 1]).is_quiet();
}

#[test]
fn the_leader_asks_for_the_topics_of_all_and_beats_while_it_waits() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    group.counts(&[("t", 1)]);
    let joined = group.leads(1, &[("m1", &["t"]), ("m2", &["u", "gone"])]);
    group.answers(joined).emits(GroupEvent::NeedMetadata(topics(&["t", "u", "gone"]))).is_quiet();
    group.counts(&[("t", 1), ("u", 2)]).is_quiet();
    group.beats();
    group.counts(&[("gone", 0)]).sends(GroupApi::SyncGroup).is_quiet();
    let (_, assignments) = group.last_sync();
    assert_eq!(assignments["m1"], [TopicPartition::new("t", 0)]);
    assert_eq!(assignments["m2"], [TopicPartition::new("u", 0), TopicPartition::new("u", 1)]);
}

#[test]
fn the_leader_does_not_wait_for_metadata_for_ever() {
    let mut group = Script::joining(settings(AssignorKind::CooperativeSticky));
    group.counts(&[("t", 1)]);
    let joined = group.leads(1, &[("m1", &["t"]), ("m2", &["u"])]);
    group.answers(joined).emits(GroupEvent::NeedMetadata(topics(&["t", "u"]))).is_quiet();
    let waits = Duration::from_secs(5) - HEARTBEAT;
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat).after(waits).sends(GroupApi::SyncGroup).is_quiet();
    let (_, assignments) = group.last_sync();
    assert!(assignments["m2"].is_empty());
    group.answers(synced(&[0]));
    let protocol = AssignorKind::CooperativeSticky;
    group.emits(GroupEvent::Stable { generation: Generation(1), leader: true, protocol }).emits_assigned(
        1,
        &[0],
        &[0],
    );
    // What turns up later is assigned then.
    group.counts(&[("u", 2)]).sends(GroupApi::JoinGroup);
    group.emits(GroupEvent::Joining { reason: JoinReason::MetadataChanged }).is_quiet();
}

/// Partition n of "t" has its replicas in the racks of `racks[n]`.
fn racks(racks: &[&[&str]]) -> PartitionRacks {
    let set = |racks: &&[&str]| racks.iter().map(|rack| (*rack).to_owned()).collect();
    PartitionRacks::from([("t".into(), racks.iter().map(set).collect())])
}

/// The leader of generation 1 of "t" with two partitions. It is in rack `ours`; m2 is in rack r1.
fn leading_in_rack(ours: Option<&str>) -> Script {
    let rack = ours.map(str::to_owned);
    let mut group = Script::joining(GroupSettings { rack, ..settings(AssignorKind::Range) });
    group.group.handle_partition_racks(&racks(&[&["r1"], &["r2"]]));
    group.counts(&[("t", 2)]);
    let mut joined = group.leads(1, &[("m1", &["t"]), ("m2", &["t"])]);
    for (member, rack) in joined.members.iter_mut().zip([ours, Some("r1")]) {
        let rack = rack.map(str::to_owned);
        member.metadata =
            Subscription { topics: vec!["t".into()], rack, ..Subscription::default() }.encode(3);
    }
    group.answers(joined).sends(GroupApi::SyncGroup);
    group
}

#[test]
fn the_leader_assigns_by_racks() {
    let group = leading_in_rack(Some("r2"));
    let (_, assignments) = group.last_sync();
    assert_eq!(assignments["m1"], [TopicPartition::new("t", 1)]);
    assert_eq!(assignments["m2"], [TopicPartition::new("t", 0)]);
}

#[test]
fn replicas_in_other_racks_matter_to_a_leader_that_has_a_rack() {
    for (ours, rejoins) in [(Some("r2"), true), (None, false)] {
        let mut group = leading_in_rack(ours);
        group.answers(synced(&[1]));
        let protocol = AssignorKind::Range;
        group.emits(GroupEvent::Stable { generation: Generation(1), leader: true, protocol });
        group.emits_assigned(1, &[1], &[1]).is_quiet();
        group.group.handle_partition_racks(&racks(&[&["r1"], &["r2"]]));
        group.counts(&[("t", 2)]).is_quiet();
        group.group.handle_partition_racks(&racks(&[&["r2"], &["r1"]]));
        group.counts(&[("t", 2)]);
        if rejoins {
            group.emits_revoke(&[1]);
        }
        group.is_quiet();
    }
}

/// The leader of generation 1, with "t" of one partition and member m2 that wants "u" of one.
fn leading() -> Script {
    let mut group = Script::joining(settings(AssignorKind::CooperativeSticky));
    let joined = group.leads(1, &[("m1", &["t"]), ("m2", &["u"])]);
    group.answers(joined).emits(GroupEvent::NeedMetadata(topics(&["t", "u"])));
    group.counts(&[("t", 1), ("u", 1)]).sends(GroupApi::SyncGroup).answers(synced(&[0]));
    let protocol = AssignorKind::CooperativeSticky;
    group.emits(GroupEvent::Stable { generation: Generation(1), leader: true, protocol }).emits_assigned(
        1,
        &[0],
        &[0],
    );
    group.is_quiet();
    group
}

#[test]
fn the_leader_makes_the_group_rebalance_when_partitions_are_added() {
    for topic in ["t", "u"] {
        let mut group = leading();
        group.counts(&[("t", 1), ("u", 1), ("other", 9)]).is_quiet();
        group.counts(&[(topic, 2)]).sends(GroupApi::JoinGroup);
        group.emits(GroupEvent::Joining { reason: JoinReason::MetadataChanged }).is_quiet();
        assert_eq!(group.last_join().0.reason.as_deref(), Some("cached metadata has changed"));
    }
}

#[test]
fn a_topic_that_metadata_does_not_mention_is_not_gone() {
    let mut group = leading();
    group.counts(&[("t", 1)]).is_quiet().counts(&[]).is_quiet();
    group.counts(&[("u", 0)]).sends(GroupApi::JoinGroup);
}

#[test]
fn partitions_that_are_added_during_the_sync_are_seen_after_it() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    group.counts(&[("t", 1)]);
    let joined = group.leads(1, &[("m1", &["t"])]);
    group.answers(joined).sends(GroupApi::SyncGroup).counts(&[("t", 2)]).is_quiet();
    group.answers(synced(&[0]));
    let protocol = AssignorKind::Range;
    group.emits(GroupEvent::Stable { generation: Generation(1), leader: true, protocol }).emits_assigned(
        1,
        &[0],
        &[0],
    );
    group.emits_revoke(&[0]).is_quiet();
}

#[test]
fn a_follower_leaves_metadata_to_the_leader() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.counts(&[("t", 7)]).counts(&[("t", 8)]).is_quiet();
}

#[test]
fn who_leads_no_more_watches_no_more() {
    let mut group = leading();
    group.hears_of_rebalance().sends(GroupApi::JoinGroup).emits_joining();
    let joined = group.follows(2);
    group.answers(joined).emits(GroupEvent::NeedMetadata(topics(&["t"]))).sends(GroupApi::SyncGroup);
    group.answers(synced(&[0])).emits_stable(2).emits_assigned(2, &[], &[0]);
    group.counts(&[("t", 2), ("u", 5)]).is_quiet();
}

#[test]
fn a_static_leader_that_comes_back_changes_nothing_but_watches() {
    // KIP-814.
    let mut settings = settings(AssignorKind::Range);
    settings.group_instance_id = Some("i1".to_owned());
    let mut group = Script::joining(settings);
    let joined =
        JoinGroupResponse { skip_assignment: true, ..group.leads(5, &[("m1", &["t"]), ("m2", &["u"])]) };
    group.answers(joined).emits(GroupEvent::NeedMetadata(topics(&["t", "u"]))).sends(GroupApi::SyncGroup);
    let (sync, assignments) = group.last_sync();
    assert!(assignments.is_empty());
    assert_eq!(sync.group_instance_id.as_deref(), Some("i1"));
    group.answers(synced(&[0]));
    let protocol = AssignorKind::Range;
    group.emits(GroupEvent::Stable { generation: Generation(5), leader: true, protocol }).emits_assigned(
        5,
        &[0],
        &[0],
    );
    // The first counts are those that the assignment was made from, as far as we can know.
    group.counts(&[("t", 1), ("u", 1)]).is_quiet();
    group.counts(&[("u", 2)]).emits_revoke(&[0]).is_quiet();
}

#[test]
fn a_member_that_cannot_be_read_gets_nothing_and_harms_nobody() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    group.counts(&[("t", 2)]);
    let mut joined = group.leads(1, &[("m1", &["t"]), ("m2", &["t"])]);
    joined.members[1].metadata = Bytes::from_static(&[0, 3, 0xff]);
    group.answers(joined).emits(GroupEvent::MemberUnreadable { member_id: "m2".to_owned() });
    group.sends(GroupApi::SyncGroup).is_quiet();
    let (_, assignments) = group.last_sync();
    assert_eq!(assignments.len(), 1);
    assert_eq!(assignments["m1"].len(), 2);
}

#[test]
fn a_leader_that_loses_its_coordinator_joins_again() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    let joined = group.leads(1, &[("m1", &["t"])]);
    group.answers(joined).is_quiet().coordinator_lost();
    group.counts(&[("t", 1)]).is_quiet();
    group.finds_coordinator_again().sends(GroupApi::JoinGroup).emits_joining().is_quiet();
}
