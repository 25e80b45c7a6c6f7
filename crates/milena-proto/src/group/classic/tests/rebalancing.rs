use super::*;
use crate::group::JoinReason;

/// Of generation 1 and with partitions 0 and 1, told to rejoin: JoinGroup is sent at once.
fn rejoining() -> Script {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0, 1]);
    group.hears_of_rebalance().sends(GroupApi::JoinGroup);
    group.emits(GroupEvent::Joining { reason: JoinReason::Rebalancing }).is_quiet();
    group
}

/// KIP-568.
#[test]
fn a_program_may_enforce_a_rebalance() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.group.enforce_rebalance(group.now, String::new());
    group.pump().sends(GroupApi::JoinGroup);
    assert_eq!(group.last_join().0.reason.as_deref(), Some("rebalance enforced by user"));
    group.emits(GroupEvent::Joining { reason: JoinReason::Enforced(String::new()) });
    // One is under way.
    group.group.enforce_rebalance(group.now, "again".to_owned());
    group.pump().is_quiet();

    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.group.enforce_rebalance(group.now, "the moon is full".to_owned());
    group.pump().emits_revoke(&[0]).is_quiet().revoked().sends(GroupApi::JoinGroup);
    assert_eq!(group.last_join().0.reason.as_deref(), Some("the moon is full"));
}

#[test]
fn an_eager_member_gives_everything_up_before_it_joins() {
    let mut group = Script::stable(AssignorKind::Range, &[0, 1]);
    group.hears_of_rebalance().emits_revoke(&[0, 1]).is_quiet();
    assert_eq!(*group.group.assignment(), partitions(&[0, 1]), "ours until the drain is done");
    assert_eq!(group.group.snapshot().unwrap().generation, Generation(1), "for the last commit");
    group.revoked().sends(GroupApi::JoinGroup);
    group.emits(GroupEvent::Joining { reason: JoinReason::Rebalancing }).is_quiet();
    assert!(group.group.assignment().is_empty());
    assert_eq!(group.group.snapshot(), None);
    assert_eq!(group.last_join().1.owned_partitions, []);
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup).answers(synced(&[1]));
    group.emits_stable(2).emits_assigned(2, &[1], &[1]).is_quiet();
}

#[test]
fn one_eager_assignor_makes_all_of_them_eager() {
    let mut settings = settings(AssignorKind::CooperativeSticky);
    settings.assignors.push(AssignorKind::Range);
    assert!(!settings.is_cooperative());
    let mut group = Script::stable_with(settings, &[0]);
    group.hears_of_rebalance().emits_revoke(&[0]).is_quiet();
}

#[test]
fn heartbeats_go_on_while_the_shell_drains() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.hears_of_rebalance().emits_revoke(&[0]);
    for _ in 0..10 {
        group
            .after(HEARTBEAT)
            .sends(GroupApi::Heartbeat)
            .answers(heartbeat(ErrorCode::REBALANCE_IN_PROGRESS));
        group.is_quiet();
    }
    group.revoked().sends(GroupApi::JoinGroup);
}

#[test]
fn a_drain_without_end_is_cut_one_commit_past_its_deadline() {
    let mut group = Script::stable(AssignorKind::Range, &[0, 1]);
    let calm = group.now;
    group.hears_of_rebalance().emits_revoke(&[0, 1]);
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat).answers(heartbeat(ErrorCode::REBALANCE_IN_PROGRESS));
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat);
    // JoinGroup has one more second to arrive before the coordinator removes us.
    let cut = calm + REBALANCE - COMMIT;
    group.after(cut - group.now - Duration::from_millis(1)).is_quiet();
    group.after(Duration::from_millis(1)).emits_lost(&[0, 1], LostReason::RevokeTimedOut);
    group.sends(GroupApi::JoinGroup).emits_joining();
    // Too late: nothing is revoking.
    group.revoked().is_quiet();
}

#[test]
fn the_drain_is_counted_from_when_the_group_was_at_rest() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    let calm = group.now;
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat).after(Duration::from_secs(10));
    // The rebalance may have begun right after the answer before this one was given.
    group.answers(heartbeat(ErrorCode::REBALANCE_IN_PROGRESS));
    group.emits(GroupEvent::Revoke { partitions: partitions(&[0]), deadline: calm + REBALANCE - COMMIT * 2 });
}

#[test]
fn who_hears_too_late_of_a_rebalance_has_time_for_one_commit() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.sleeps(REBALANCE * 2).wakes().sends(GroupApi::Heartbeat);
    group.answers(heartbeat(ErrorCode::REBALANCE_IN_PROGRESS));
    let deadline = group.now;
    group.emits(GroupEvent::Revoke { partitions: partitions(&[0]), deadline });
    group.after(COMMIT).emits_lost(&[0], LostReason::RevokeTimedOut).sends(GroupApi::JoinGroup);
}

#[test]
fn who_may_be_removed_by_a_rebalance_hands_out_nothing() {
    let mut settings = settings(AssignorKind::CooperativeSticky);
    settings.rebalance_timeout = Duration::from_secs(10);
    let mut group = Script::stable_with(settings, &[0]);
    let calm = group.now;
    group.hears_of_rebalance().sends(GroupApi::JoinGroup).emits_joining();
    assert_eq!(group.group.session_deadline(), Some(calm + Duration::from_secs(10)));
}

#[test]
fn a_drain_of_a_lost_membership_is_void() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.hears_of_rebalance().emits_revoke(&[0]);
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat).answers(heartbeat(ErrorCode::UNKNOWN_MEMBER_ID));
    group.emits_lost(&[0], LostReason::UnknownMember).sends(GroupApi::JoinGroup).emits_joining();
    group.revoked().is_quiet();
}

#[test]
fn a_coordinator_that_is_lost_during_a_drain_is_found_again_meanwhile() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.hears_of_rebalance().emits_revoke(&[0]);
    group.coordinator_lost().finds_coordinator_again().is_quiet();
    group.revoked().sends(GroupApi::JoinGroup).emits_joining();
    assert_eq!(group.last_join().0.member_id, "m1");
}

#[test]
fn a_cooperative_member_keeps_what_it_has_while_it_joins() {
    let mut group = rejoining();
    let (_, subscription) = group.last_join();
    assert_eq!(subscription.owned_partitions, partitions(&[0, 1]).into_iter().collect::<Vec<_>>());
    assert_eq!(subscription.generation, Some(Generation(1)));
    assert_eq!(subscription.user_data, Some(Bytes::from_static(&[0, 0, 0, 1])));
    assert_eq!(*group.group.assignment(), partitions(&[0, 1]));
    assert!(group.group.session_deadline().is_some());
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup).answers(synced(&[0, 1]));
    group.emits_stable(2).emits_assigned(2, &[], &[0, 1]).is_quiet();
    group.beats();
}

#[test]
fn a_cooperative_member_gives_up_what_moves_and_joins_again() {
    let mut group = rejoining();
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup).answers(synced(&[1, 2]));
    // What comes is handed out at once, while the rest drains.
    group.emits_stable(2).emits_revoke(&[0]).emits_assigned(2, &[2], &[1, 2]).is_quiet();
    assert_eq!(*group.group.assignment(), partitions(&[0, 1, 2]));
    // A commit is welcome again before the partition goes.
    assert_eq!(group.group.snapshot().unwrap().generation, Generation(2));
    group.beats();
    group.revoked().sends(GroupApi::JoinGroup);
    group.emits(GroupEvent::Joining { reason: JoinReason::Revoked }).is_quiet();
    assert_eq!(*group.group.assignment(), partitions(&[1, 2]));
    let (join, subscription) = group.last_join();
    assert_eq!(join.reason.as_deref(), Some("need to revoke partitions and re-join"));
    assert_eq!(subscription.owned_partitions, partitions(&[1, 2]).into_iter().collect::<Vec<_>>());
    assert_eq!(subscription.generation, Some(Generation(2)));
    let joined = group.follows(3);
    group.answers(joined).sends(GroupApi::SyncGroup).answers(synced(&[1, 2]));
    group.emits_stable(3).emits_assigned(3, &[], &[1, 2]).is_quiet();
}

#[test]
fn another_rebalance_during_a_cooperative_drain_changes_nothing() {
    let mut group = rejoining();
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup).answers(synced(&[1]));
    group.emits_stable(2).emits_revoke(&[0]).emits_assigned(2, &[], &[1]);
    group.hears_of_rebalance().is_quiet();
    group.revoked().sends(GroupApi::JoinGroup).emits_joining().is_quiet();
}

#[test]
fn a_cooperative_member_keeps_what_it_has_when_its_sync_is_late() {
    let mut group = rejoining();
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup).answers(sync_refused(ErrorCode::REBALANCE_IN_PROGRESS));
    group.sends(GroupApi::JoinGroup).emits_joining().is_quiet();
    let (_, subscription) = group.last_join();
    assert_eq!(subscription.owned_partitions, partitions(&[0, 1]).into_iter().collect::<Vec<_>>());
    assert_eq!(subscription.generation, Some(Generation(2)), "the generation joined last");
    assert_eq!(
        subscription.user_data,
        Some(Bytes::from_static(&[0, 0, 0, 1])),
        "the generation assigned last"
    );
}

#[test]
fn a_cooperative_member_that_is_out_has_lost_everything() {
    for (error, reason, member_id) in [
        (ErrorCode::ILLEGAL_GENERATION, LostReason::IllegalGeneration, "m1"),
        (ErrorCode::UNKNOWN_MEMBER_ID, LostReason::UnknownMember, ""),
    ] {
        let mut group = rejoining();
        let joined = group.follows(2);
        group
            .answers(joined)
            .sends(GroupApi::SyncGroup)
            .answers(sync_refused(error))
            .emits_lost(&[0, 1], reason);
        group.sends(GroupApi::JoinGroup).emits_joining().is_quiet();
        assert_eq!(group.last_join().0.member_id, member_id);
        assert_eq!(group.last_join().1.owned_partitions, []);
    }
    let mut group = rejoining();
    group.answers(join_refused(ErrorCode::UNKNOWN_MEMBER_ID)).emits_lost(&[0, 1], LostReason::UnknownMember);
    group.sends(GroupApi::JoinGroup).emits_joining().is_quiet();
    let mut group = rejoining();
    group.answers(member_id_required("m2")).emits_lost(&[0, 1], LostReason::UnknownMember);
    group.sends(GroupApi::JoinGroup).emits_joining().is_quiet();
    assert_eq!(group.last_join().0.member_id, "m2");
}

#[test]
fn a_cooperative_member_keeps_what_it_has_when_the_coordinator_moves() {
    let mut group = rejoining();
    group.answers(join_refused(ErrorCode::NOT_COORDINATOR)).emits(GroupEvent::CoordinatorLost).is_quiet();
    group.finds_coordinator_again().sends(GroupApi::JoinGroup).emits_joining().is_quiet();
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup).coordinator_lost();
    group.finds_coordinator_again().sends(GroupApi::JoinGroup).emits_joining().is_quiet();
    assert_eq!(group.last_join().0.member_id, "m1");
    assert_eq!(group.last_join().1.owned_partitions.len(), 2);
    assert_eq!(*group.group.assignment(), partitions(&[0, 1]));
}

#[test]
fn a_join_that_waits_for_others_past_the_session_stops_delivery() {
    let mut group = rejoining();
    let told = group.now;
    group.after(SESSION + Duration::from_secs(5)).is_quiet();
    assert_eq!(group.group.session_deadline(), Some(told + SESSION));
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup);
    assert_eq!(
        group.group.session_deadline(),
        Some(told + SESSION),
        "the answer may have waited in the socket"
    );
    group.answers(synced(&[0, 1]));
    assert_eq!(group.group.session_deadline(), Some(group.now + SESSION));
}

#[test]
fn a_new_subscription_is_joined_with() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.subscribes(&["t", "u"]).emits(GroupEvent::NeedMetadata(topics(&["t", "u"])));
    group.sends(GroupApi::JoinGroup);
    group.emits(GroupEvent::Joining { reason: JoinReason::SubscriptionChanged }).is_quiet();
    assert_eq!(*group.group.assignment(), partitions(&[0]));
    group.subscribes(&["t", "u"]).is_quiet();
}

#[test]
fn a_topic_that_is_dropped_is_given_up_before_the_join() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.subscribes(&["u"]).emits(GroupEvent::NeedMetadata(topics(&["u"]))).emits_revoke(&[0]).is_quiet();
    group.revoked().sends(GroupApi::JoinGroup).emits_joining();
    assert_eq!(group.last_join().1.owned_partitions, []);
    assert_eq!(group.last_join().1.topics, [TopicName::from("u")]);
}

#[test]
fn a_topic_that_is_dropped_while_joining_waits_is_given_up_first() {
    let mut group = rejoining();
    group.answers(join_refused(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)).is_quiet();
    group.subscribes(&["u"]).emits(GroupEvent::NeedMetadata(topics(&["u"]))).emits_revoke(&[0, 1]).is_quiet();
    group.revoked().sends(GroupApi::JoinGroup).emits_joining().is_quiet();
}

#[test]
fn a_topic_that_is_dropped_while_a_join_is_under_way_goes_when_the_join_fails() {
    let mut group = rejoining();
    group.subscribes(&["u"]).emits(GroupEvent::NeedMetadata(topics(&["u"]))).is_quiet();
    group
        .answers(CallFailed::Disconnected)
        .emits(GroupEvent::CoordinatorLost)
        .emits_revoke(&[0, 1])
        .is_quiet();
    group.revoked().finds_coordinator_again().sends(GroupApi::JoinGroup).emits_joining().is_quiet();
}

#[test]
fn a_topic_that_is_dropped_during_a_drain_is_drained_next() {
    let mut group = rejoining();
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup).answers(synced(&[1]));
    group.emits_stable(2).emits_revoke(&[0]).emits_assigned(2, &[], &[1]);
    group.subscribes(&["u"]).emits(GroupEvent::NeedMetadata(topics(&["u"]))).is_quiet();
    group.revoked().emits_revoke(&[1]).is_quiet();
    group.revoked().sends(GroupApi::JoinGroup).emits_joining().is_quiet();
}

#[test]
fn an_assignment_made_for_another_subscription_is_not_taken() {
    let mut group = rejoining();
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup);
    group.subscribes(&["t", "u"]).emits(GroupEvent::NeedMetadata(topics(&["t", "u"]))).is_quiet();
    group.answers(synced(&[2])).sends(GroupApi::JoinGroup).emits_joining().is_quiet();
    // Still ours, and so still claimed: nobody else was given them.
    assert_eq!(group.last_join().1.owned_partitions.len(), 2);
    assert_eq!(*group.group.assignment(), partitions(&[0, 1]));
}
