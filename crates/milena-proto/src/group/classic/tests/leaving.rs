use super::*;

#[test]
fn a_member_gives_everything_up_and_says_that_it_leaves() {
    for assignor in [AssignorKind::Range, AssignorKind::CooperativeSticky] {
        let mut group = Script::stable(assignor, &[0, 1]);
        group.leaves().emits_revoke(&[0, 1]).is_quiet();
        assert!(group.group.snapshot().is_some(), "for the last commit");
        group.after(HEARTBEAT).sends(GroupApi::Heartbeat).answers(heartbeat(ErrorCode::NONE)).is_quiet();
        group.revoked().sends(GroupApi::LeaveGroup).is_quiet();
        let GroupRequest::LeaveGroup(request) = group.last_call().request else { panic!() };
        assert_eq!(&*request.member_id, "m1");
        assert_eq!(request.reason.as_deref(), Some("the consumer is being closed"));
        assert_eq!(group.group.snapshot(), None);
        group.answers(LeaveGroupResponse::default()).emits(GroupEvent::Left).is_quiet();
        is_over(&mut group);
    }
}

#[test]
fn a_member_without_partitions_leaves_at_once() {
    let mut group = Script::stable(AssignorKind::Range, &[]);
    group.leaves().sends(GroupApi::LeaveGroup).answers(LeaveGroupResponse::default());
    group.emits(GroupEvent::Left).is_quiet();
}

#[test]
fn a_static_member_only_stops() {
    let mut settings = settings(AssignorKind::Range);
    settings.group_instance_id = Some("i1".to_owned());
    let mut group = Script::stable_with(settings, &[0]);
    group.leaves().emits_revoke(&[0]).revoked().emits(GroupEvent::Left).is_quiet();
    is_over(&mut group);
}

/// KIP-1092.
#[test]
fn a_static_member_may_be_told_to_leave_all_the_same() {
    let mut settings = settings(AssignorKind::Range);
    settings.group_instance_id = Some("i1".to_owned());
    let mut group = Script::stable_with(settings, &[0]);
    group.closes(MembershipOperation::LeaveGroup).emits_revoke(&[0]).revoked().sends(GroupApi::LeaveGroup);
    let GroupRequest::LeaveGroup(request) = group.last_call().request else { panic!() };
    assert_eq!(&*request.member_id, "m1");
    assert_eq!(request.reason.as_deref(), Some("the consumer is being closed"));
    group.answers(LeaveGroupResponse::default()).emits(GroupEvent::Left).is_quiet();
    is_over(&mut group);
}

/// KIP-1092.
#[test]
fn a_dynamic_member_may_be_told_to_stay() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group
        .closes(MembershipOperation::RemainInGroup)
        .emits_revoke(&[0])
        .revoked()
        .emits(GroupEvent::Left)
        .is_quiet();
    is_over(&mut group);
}

#[test]
fn who_stands_still_leaves_until_it_goes_on() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.stalls().emits_revoke(&[0]).is_quiet();
    group.revoked().sends(GroupApi::LeaveGroup);
    let GroupRequest::LeaveGroup(request) = group.last_call().request else { panic!() };
    assert_eq!(request.reason.as_deref(), Some("consumer poll timeout has expired."));
    group.answers(LeaveGroupResponse::default()).after(SESSION).is_quiet();
    // Another subscription is no sign of life.
    group.subscribes(&["t", "u"]).emits(GroupEvent::NeedMetadata(topics(&["t", "u"]))).stalls().is_quiet();
    group.goes_on().sends(GroupApi::JoinGroup).emits_joining().goes_on().is_quiet();
    assert_eq!(group.last_join().0.member_id, "");
}

#[test]
fn who_goes_on_before_it_is_gone_comes_back_at_once() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.stalls().emits_revoke(&[0]).goes_on().is_quiet();
    group.revoked().sends(GroupApi::LeaveGroup).answers(LeaveGroupResponse::default());
    group.sends(GroupApi::JoinGroup).emits_joining().is_quiet();
}

#[test]
fn a_static_member_that_stands_still_keeps_its_place() {
    let mut settings = settings(AssignorKind::Range);
    settings.group_instance_id = Some("i1".to_owned());
    let mut group = Script::stable_with(settings, &[0]);
    group.stalls().emits_revoke(&[0]).revoked().after(SESSION).is_quiet();
    group.goes_on().sends(GroupApi::JoinGroup).emits_joining().is_quiet();
}

#[test]
fn standing_still_does_not_hold_up_the_end() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.leaves().emits_revoke(&[0]).stalls().revoked().sends(GroupApi::LeaveGroup);
    group.answers(LeaveGroupResponse::default()).emits(GroupEvent::Left).goes_on();
    is_over(&mut group);

    let mut group = Script::stable(AssignorKind::Range, &[]);
    group.stalls().sends(GroupApi::LeaveGroup).answers(LeaveGroupResponse::default());
    group.leaves().emits(GroupEvent::Left).goes_on();
    is_over(&mut group);
}

#[test]
fn who_never_joined_has_left() {
    let mut group = Script::new(settings(AssignorKind::Range));
    group.leaves().emits(GroupEvent::Left).is_quiet();
    is_over(&mut group);

    let mut group = Script::new(settings(AssignorKind::Range));
    group.subscribes(&["t"]).emits(GroupEvent::NeedMetadata(topics(&["t"]))).sends(GroupApi::FindCoordinator);
    group.leaves().emits(GroupEvent::Left).answers(found()).is_quiet();
    is_over(&mut group);

    let mut group = Script::joining(settings(AssignorKind::Range));
    let join = group.last_id();
    group.leaves().emits(GroupEvent::Left).is_quiet();
    group.answer(join, member_id_required("m1")).is_quiet();
    is_over(&mut group);
}

#[test]
fn a_dead_coordinator_is_told_once_whatever_it_answers() {
    for answer in [
        Answer::from(CallFailed::Disconnected),
        CallFailed::TimedOut.into(),
        LeaveGroupResponse { error: ErrorCode::NOT_COORDINATOR, throttle_time_ms: 0 }.into(),
        LeaveGroupResponse { error: ErrorCode::UNKNOWN_MEMBER_ID, throttle_time_ms: 0 }.into(),
    ] {
        let mut group = Script::stable(AssignorKind::Range, &[]);
        group.leaves().sends(GroupApi::LeaveGroup).answers(answer).emits(GroupEvent::Left).is_quiet();
        is_over(&mut group);
    }
    let mut group = Script::stable(AssignorKind::Range, &[]);
    group.leaves().sends(GroupApi::LeaveGroup);
    group.coordinator_lost().emits(GroupEvent::Left).is_quiet();
    is_over(&mut group);
}

#[test]
fn a_coordinator_that_nobody_knows_is_looked_for_once() {
    let mut group = Script::stable(AssignorKind::Range, &[]);
    group.coordinator_lost().leaves().is_quiet();
    group.after(Duration::from_secs(1)).sends(GroupApi::FindCoordinator).answers(CallFailed::Disconnected);
    group.emits(GroupEvent::Left).is_quiet();
    is_over(&mut group);

    let mut group = Script::stable(AssignorKind::Range, &[]);
    group.coordinator_lost().leaves().finds_coordinator_again().sends(GroupApi::LeaveGroup);
    group.answers(LeaveGroupResponse::default()).emits(GroupEvent::Left).is_quiet();
}

#[test]
fn leaving_ends_also_without_any_answer() {
    let mut group = Script::stable(AssignorKind::Range, &[]);
    group.coordinator_lost().leaves().after(Duration::from_secs(30)).sends(GroupApi::FindCoordinator);
    group.emits(GroupEvent::Left).is_quiet();
    is_over(&mut group);
}

#[test]
fn leaving_in_the_middle_of_a_rebalance_gives_up_what_is_kept() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0]);
    group.hears_of_rebalance().sends(GroupApi::JoinGroup).emits_joining();
    let join = group.last_id();
    group.leaves().emits_revoke(&[0]).is_quiet();
    // The group went on; we do not.
    let joined = group.follows(2);
    group.answer(join, joined).is_quiet();
    group.revoked().sends(GroupApi::LeaveGroup).answers(LeaveGroupResponse::default());
    group.emits(GroupEvent::Left).is_quiet();

    let mut group = Script::syncing(settings(AssignorKind::Range));
    let sync = group.last_id();
    group.leaves().sends(GroupApi::LeaveGroup).is_quiet();
    group.answer(sync, synced(&[0])).is_quiet();
    group.answers(LeaveGroupResponse::default()).emits(GroupEvent::Left).is_quiet();
}

#[test]
fn leaving_in_the_middle_of_a_drain_drains_the_rest_next() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0, 1]);
    group.hears_of_rebalance().sends(GroupApi::JoinGroup).emits_joining();
    let joined = group.follows(2);
    group.answers(joined).sends(GroupApi::SyncGroup).answers(synced(&[1]));
    group.emits_stable(2).emits_revoke(&[0]).emits_assigned(2, &[], &[1]);
    group.leaves().is_quiet();
    group.revoked().emits_revoke(&[1]).is_quiet();
    group.revoked().sends(GroupApi::LeaveGroup).is_quiet();
}

#[test]
fn leaving_in_the_middle_of_an_eager_drain_goes_on_with_it() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.hears_of_rebalance().emits_revoke(&[0]);
    group.leaves().is_quiet().revoked().sends(GroupApi::LeaveGroup).is_quiet();
}

#[test]
fn who_is_thrown_out_while_leaving_has_left() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.leaves().emits_revoke(&[0]);
    group.after(HEARTBEAT).sends(GroupApi::Heartbeat).answers(heartbeat(ErrorCode::UNKNOWN_MEMBER_ID));
    group.emits_lost(&[0], LostReason::UnknownMember).emits(GroupEvent::Left).is_quiet();
    group.revoked();
    is_over(&mut group);
}

#[test]
fn a_drain_without_end_does_not_keep_a_member_from_leaving() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.leaves().emits_revoke(&[0]).after(HEARTBEAT).sends(GroupApi::Heartbeat).after(REBALANCE);
    group.emits_lost(&[0], LostReason::RevokeTimedOut).sends(GroupApi::LeaveGroup);
    group.answers(LeaveGroupResponse::default()).emits(GroupEvent::Left);
    is_over(&mut group);
}

#[test]
fn subscribing_to_nothing_leaves_and_one_may_come_back() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.subscribes(&[]).emits(GroupEvent::NeedMetadata(topics(&[]))).emits_revoke(&[0]).is_quiet();
    group.revoked().sends(GroupApi::LeaveGroup);
    let GroupRequest::LeaveGroup(request) = group.last_call().request else { panic!() };
    assert_eq!(request.reason.as_deref(), Some("the consumer unsubscribed from all topics"));
    group.answers(LeaveGroupResponse::default()).after(SESSION).is_quiet();
    group.subscribes(&["t"]).emits(GroupEvent::NeedMetadata(topics(&["t"]))).sends(GroupApi::JoinGroup);
    assert_eq!(group.last_join().0.member_id, "");
}

#[test]
fn who_comes_back_before_it_is_gone_leaves_first() {
    let mut group = Script::stable(AssignorKind::Range, &[0]);
    group.subscribes(&[]).emits(GroupEvent::NeedMetadata(topics(&[]))).emits_revoke(&[0]);
    group.subscribes(&["t"]).emits(GroupEvent::NeedMetadata(topics(&["t"]))).is_quiet();
    group.revoked().sends(GroupApi::LeaveGroup).answers(LeaveGroupResponse::default());
    group.sends(GroupApi::JoinGroup).emits_joining().is_quiet();
}

/// No request and no event, whatever happens.
fn is_over(group: &mut Script) {
    let last = group.last.as_ref().map_or(RequestId(1), |call| call.id);
    group.answer(last, heartbeat(ErrorCode::NONE)).answer(RequestId(999), CallFailed::Disconnected);
    group.subscribes(&["x"]).counts(&[("t", 9), ("x", 1)]).revoked();
    group.group.handle_coordinator_lost(group.now);
    group.commit_refused(1, ErrorCode::UNKNOWN_MEMBER_ID).commit_refused(1, ErrorCode::NOT_COORDINATOR);
    group.leaves().after(SESSION * 2).is_quiet();
    assert_eq!(group.group.snapshot(), None);
    assert_eq!(group.group.session_deadline(), None);
    assert!(group.group.assignment().is_empty());
    assert_eq!(group.group.poll_timeout(), None);
}
