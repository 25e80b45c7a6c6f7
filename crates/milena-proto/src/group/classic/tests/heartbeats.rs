use super::*;
use crate::group::{GroupError, JoinReason};

#[test]
fn heartbeats_keep_their_interval_and_never_overlap() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    for _ in 0..5 {
        group.after(HEARTBEAT - Duration::from_millis(1)).is_quiet();
        group.after(Duration::from_millis(1)).sends(GroupApi::Heartbeat).after(HEARTBEAT / 2).is_quiet();
        // The next one is due one interval after this one was sent, not after its answer.
        group.answers(heartbeat(ErrorCode::NONE)).after(HEARTBEAT / 2).sends(GroupApi::Heartbeat).is_quiet();
        group.answers(heartbeat(ErrorCode::NONE));
    }
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat).after(HEARTBEAT * 3).is_quiet();
    group.answers(heartbeat(ErrorCode::NONE)).sends(GroupApi::Heartbeat).is_quiet();
}

#[test]
fn a_heartbeat_says_who_and_which_generation_and_fails_within_the_session() {
    let mut settings = settings(AssignorKind::Range);
    settings.group_instance_id = Some("i1".to_owned());
    let mut group = Script::stable_with(settings, &[0]);
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat);
    let call = group.last_call();
    assert_eq!(call.timeout, SESSION / 3);
    assert_eq!(call.target, Target::Coordinator(coordinator()));
    let GroupRequest::Heartbeat(request) = call.request else { panic!() };
    assert_eq!((&*request.member_id, request.generation), ("m1", Generation(1)));
    assert_eq!(request.group_instance_id.as_deref(), Some("i1"));
}

#[test]
fn no_heartbeat_is_sent_while_the_coordinator_holds_a_join_or_a_sync() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.hears_of_rebalance().sends(GroupApi::JoinGroup).emits_joining();
    group.after(SESSION).is_quiet();
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup).after(HEARTBEAT * 2).is_quiet();
    group.answers(synced(&[0])).emits_stable(2).emits_assigned(2, &[], &[0]).is_quiet();
    group.beats();
}

#[test]
fn the_session_is_counted_from_when_the_heartbeat_was_sent() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    let synced_at = group.now;
    assert_eq!(group.group.session_deadline(), Some(synced_at + SESSION));
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat);
    // SIGSTOP: the answer waits in the socket.
    group.sleeps(SESSION + HEARTBEAT).wakes();
    assert_eq!(group.group.session_deadline(), Some(synced_at + SESSION));
    assert!(group.group.session_deadline().unwrap() < group.now, "nothing may be handed out");
    group.answers(heartbeat(ErrorCode::NONE));
    assert_eq!(group.group.session_deadline(), Some(synced_at + HEARTBEAT + SESSION));
    assert!(group.group.session_deadline().unwrap() < group.now, "that answer is as old as the question");
    group.sends(GroupApi::Heartbeat).answers(heartbeat(ErrorCode::NONE));
    assert_eq!(group.group.session_deadline(), Some(group.now + SESSION));
}

#[test]
fn the_session_is_counted_from_when_the_sync_was_sent() {
    let mut group = Script::syncing(settings(AssignorKind::Range));
    let sent = group.now;
    group.after(Duration::from_secs(10)).answers(synced(&[0])).emits_stable(1).emits_assigned(1, &[0], &[0]);
    assert_eq!(group.group.session_deadline(), Some(sent + SESSION));
}

#[test]
fn a_zombie_learns_that_it_lost_everything() {
    let mut group = Script::stable(AssignorKind::Range, &[0, 1]);
    group.sleeps(SESSION * 2).wakes().sends(GroupApi::Heartbeat);
    assert!(group.group.session_deadline().unwrap() < group.now);
    group.answers(heartbeat(ErrorCode::UNKNOWN_MEMBER_ID)).emits_lost(&[0, 1], LostReason::UnknownMember);
    assert_eq!(group.group.session_deadline(), None);
    group.sends(GroupApi::JoinGroup).emits_joining().is_quiet();
    assert_eq!(group.last_join().0.member_id, "");
}

#[test]
fn a_member_that_is_told_to_rejoin_is_alive() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat);
    let sent = group.now;
    group.after(HEARTBEAT).answers(heartbeat(ErrorCode::REBALANCE_IN_PROGRESS)).emits_revoke(&[0]);
    assert_eq!(group.group.session_deadline(), Some(sent + SESSION));
}

#[test]
fn a_late_illegal_generation_is_about_the_generation_it_was_asked_in() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    // The heartbeat of generation 1 is still under way when a commit tells of the rebalance, as measured on real brokers.
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat);
    let old = group.last_id();
    group.commit_refused(1, ErrorCode::REBALANCE_IN_PROGRESS).sends(GroupApi::JoinGroup).emits_joining();
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup);
    group.answer(old, heartbeat(ErrorCode::ILLEGAL_GENERATION)).is_quiet();
    group.answers(synced(&[0])).emits_stable(2).emits_assigned(2, &[], &[0]).is_quiet();
}

#[test]
fn an_illegal_generation_while_joining_is_left_to_the_join() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat);
    let old = group.last_id();
    group.commit_refused(1, ErrorCode::REBALANCE_IN_PROGRESS).sends(GroupApi::JoinGroup).emits_joining();
    group.answer(old, heartbeat(ErrorCode::ILLEGAL_GENERATION)).is_quiet();
    assert_eq!(*group.group.assignment(), partitions(&[0]));
}

#[test]
fn an_unknown_member_is_lost_while_joining_too() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat);
    let old = group.last_id();
    group.commit_refused(1, ErrorCode::REBALANCE_IN_PROGRESS).sends(GroupApi::JoinGroup).emits_joining();
    group.answer(old, heartbeat(ErrorCode::UNKNOWN_MEMBER_ID)).emits_lost(&[0], LostReason::UnknownMember);
    group
        .answers(join_refused(ErrorCode::UNKNOWN_MEMBER_ID))
        .sends(GroupApi::JoinGroup)
        .emits_joining()
        .is_quiet();
    assert_eq!(group.last_join().0.member_id, "");
    assert_eq!(group.last_join().1.owned_partitions, []);
}

#[test]
fn the_group_went_on_without_us_but_knows_us() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat).answers(heartbeat(ErrorCode::ILLEGAL_GENERATION));
    group.emits_lost(&[0], LostReason::IllegalGeneration).sends(GroupApi::JoinGroup);
    let (api, error) = (GroupApi::Heartbeat, ErrorCode::ILLEGAL_GENERATION);
    group.emits(GroupEvent::Joining { reason: JoinReason::Refused { api, error } }).is_quiet();
    let (join, subscription) = group.last_join();
    assert_eq!(join.member_id, "m1");
    assert_eq!((subscription.generation, subscription.owned_partitions), (None, vec![]));
    // As in Java, the assignor remembers.
    assert_eq!(subscription.user_data, Some(Bytes::from_static(&[0, 0, 0, 1])));
}

#[test]
fn a_fenced_static_member_ends() {
    let mut settings = settings(AssignorKind::Range);
    settings.group_instance_id = Some("i1".to_owned());
    let mut group = Script::stable_with(settings, &[0]);
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat).answers(heartbeat(ErrorCode::FENCED_INSTANCE_ID));
    group.emits_lost(&[0], LostReason::FencedInstance);
    let error = GroupError::FencedInstanceId { group_instance_id: "i1".to_owned() };
    group.emits(GroupEvent::Fatal { error }).after(SESSION).is_quiet();
}

#[test]
fn a_lost_permission_ends_the_member() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group
        .after(HEARTBEAT)
        .sends(GroupApi::Heartbeat)
        .answers(heartbeat(ErrorCode::GROUP_AUTHORIZATION_FAILED));
    group.emits_lost(&[0], LostReason::Fatal);
    group
        .emits(GroupEvent::Fatal { error: GroupError::Unauthorized { group_id: "g".to_owned() } })
        .is_quiet();
}

#[test]
fn a_dead_coordinator_costs_nothing_but_delivery() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    let proven = group.now;
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat).answers(CallFailed::Disconnected);
    group.emits(GroupEvent::CoordinatorLost).is_quiet();
    // The others still name the dead one, then its heir is not ready: measured in real-broker.md.
    for _ in 0..50 {
        group.finds_coordinator_again().sends(GroupApi::Heartbeat);
        group.answers(CallFailed::Disconnected).emits(GroupEvent::CoordinatorLost).is_quiet();
    }
    group.finds_coordinator_again().sends(GroupApi::Heartbeat);
    group.answers(heartbeat(ErrorCode::NOT_COORDINATOR)).emits(GroupEvent::CoordinatorLost).is_quiet();
    group.finds_coordinator_again().sends(GroupApi::Heartbeat);
    group.answers(heartbeat(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)).is_quiet();
    group.after(Duration::from_secs(1)).sends(GroupApi::Heartbeat);
    assert_eq!(group.group.session_deadline(), Some(proven + SESSION));
    assert!(group.now > proven + SESSION, "past its session, and still a member as far as anybody knows");
    group.answers(heartbeat(ErrorCode::NONE)).is_quiet();
    assert_eq!(*group.group.assignment(), partitions(&[0]));
    assert!(group.group.session_deadline().unwrap() > group.now);
}

#[test]
fn a_lost_connection_is_no_lost_membership() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat);
    let old = group.last_id();
    group.coordinator_lost().is_quiet();
    group.group.handle_coordinator_lost(group.now);
    group.answer(old, CallFailed::Disconnected).is_quiet();
    assert!(group.group.snapshot().is_some(), "commits wait for the coordinator, and keep their generation");
    group.finds_coordinator_again().sends(GroupApi::Heartbeat).answers(heartbeat(ErrorCode::NONE)).is_quiet();
}

#[test]
fn what_the_old_coordinator_says_late_is_dropped() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat);
    let old = group.last_id();
    group.coordinator_lost().finds_coordinator_again().sends(GroupApi::Heartbeat);
    group.answer(old, heartbeat(ErrorCode::UNKNOWN_MEMBER_ID)).is_quiet();
}

#[test]
fn a_commit_is_judged_by_the_generation_that_signed_it() {
    for error in [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::ILLEGAL_GENERATION, ErrorCode::FENCED_INSTANCE_ID]
    {
        let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
        group.commit_refused(0, error).is_quiet();
        group.commit_refused(2, error).is_quiet();
    }
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.commit_refused(1, ErrorCode::UNKNOWN_MEMBER_ID).emits_lost(&[0], LostReason::UnknownMember);
    group.sends(GroupApi::JoinGroup).emits_joining();
    assert_eq!(group.last_join().0.member_id, "");

    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.commit_refused(1, ErrorCode::ILLEGAL_GENERATION).emits_lost(&[0], LostReason::IllegalGeneration);
    group.sends(GroupApi::JoinGroup).emits_joining();
    assert_eq!(group.last_join().0.member_id, "m1");

    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.commit_refused(1, ErrorCode::FENCED_INSTANCE_ID).emits_lost(&[0], LostReason::FencedInstance);
    assert!(matches!(group.events.pop_front(), Some(GroupEvent::Fatal { .. })));
}

#[test]
fn a_commit_that_the_join_overtook_says_nothing() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.hears_of_rebalance().sends(GroupApi::JoinGroup).emits_joining();
    group.commit_refused(1, ErrorCode::ILLEGAL_GENERATION).is_quiet();
    group.commit_refused(1, ErrorCode::REBALANCE_IN_PROGRESS).is_quiet();
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup);
    group.commit_refused(1, ErrorCode::ILLEGAL_GENERATION).is_quiet();
    group.commit_refused(2, ErrorCode::REBALANCE_IN_PROGRESS).is_quiet();
}

#[test]
fn a_commit_tells_of_a_rebalance_before_the_heartbeat_does() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.commit_refused(1, ErrorCode::REBALANCE_IN_PROGRESS).emits_revoke(&[0]);
    group.commit_refused(1, ErrorCode::REBALANCE_IN_PROGRESS).is_quiet();
}

#[test]
fn a_commit_tells_of_another_coordinator() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.commit_refused(1, ErrorCode::NOT_COORDINATOR).emits(GroupEvent::CoordinatorLost).is_quiet();
    // An older one says it again: the search is on already.
    group.commit_refused(1, ErrorCode::NOT_COORDINATOR).is_quiet();
    group.finds_coordinator_again();
    group.commit_refused(1, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS).is_quiet();
}
