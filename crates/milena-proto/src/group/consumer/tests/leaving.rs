use super::*;

#[test]
fn a_member_gives_everything_up_and_says_that_it_leaves() {
    let mut group = Script::with(&[0, 1]);
    group.leaves().emits_revoke(&[0, 1]).is_quiet();
    assert!(group.group.snapshot().is_some(), "for the last commit");
    group.beats_on(1).answers(assigned(1, &[0])).is_quiet();
    group.revoked().beats().is_quiet();
    assert_eq!((group.request().member_epoch, group.request().owned), (Generation(-1), None));
    assert_eq!(group.group.snapshot(), None);
    group.answers(alive(-1)).emits(GroupEvent::Left).is_over();
}

#[test]
fn a_member_without_partitions_leaves_at_once() {
    let mut group = Script::with(&[]);
    group.leaves().beats().answers(alive(-1)).emits(GroupEvent::Left).is_over();
}

/// KIP-848: its place is kept for a session, and whoever has its instance id may take it.
#[test]
fn a_static_member_says_that_it_comes_back() {
    let mut settings = settings();
    settings.group_instance_id = Some("i1".to_owned());
    let mut group = Script::with_settings(settings, &[0]);
    group.leaves().emits_revoke(&[0]).revoked().beats();
    let request = group.request();
    assert_eq!((request.member_epoch, request.group_instance_id.as_deref()), (Generation(-2), Some("i1")));
    group.answers(alive(-2)).emits(GroupEvent::Left).is_over();
}

/// KIP-1092.
#[test]
fn what_closing_means_may_be_said() {
    let mut settings = settings();
    settings.group_instance_id = Some("i1".to_owned());
    let mut group = Script::with_settings(settings.clone(), &[0]);
    group.closes(MembershipOperation::LeaveGroup).emits_revoke(&[0]).revoked().beats();
    assert_eq!(group.request().member_epoch, Generation(-1));
    group.answers(alive(-1)).emits(GroupEvent::Left).is_over();

    let mut group = Script::with_settings(settings, &[0]);
    group.closes(MembershipOperation::RemainInGroup).emits_revoke(&[0]).revoked().beats();
    assert_eq!(group.request().member_epoch, Generation(-2));
    group.answers(alive(-2)).emits(GroupEvent::Left).is_over();

    let mut group = Script::with(&[0]);
    group.closes(MembershipOperation::RemainInGroup).emits_revoke(&[0]).revoked();
    group.emits(GroupEvent::Left).is_over();
}

#[test]
fn who_stands_still_leaves_until_it_goes_on() {
    let mut group = Script::with(&[0]);
    group.stalls().emits_revoke(&[0]).is_quiet().revoked().beats();
    assert_eq!(group.request().member_epoch, Generation(-1));
    group.answers(alive(-1)).after(SESSION).is_quiet().goes_on().beats();
    assert_eq!(group.request().member_epoch, Generation(0));
}

#[test]
fn who_never_joined_has_left() {
    let mut group = Script::new(settings());
    group.leaves().emits(GroupEvent::Left).is_over();

    let mut group = Script::new(settings());
    group.subscribes(&["t"]).emits(GroupEvent::NeedMetadata(topics(&["t"]))).sends(GroupApi::FindCoordinator);
    group.leaves().emits(GroupEvent::Left).answers(found()).is_over();
}

/// The id is the member's own, so it can leave although it does not know whether it is in.
#[test]
fn who_waits_for_the_answer_to_its_join_says_that_it_leaves() {
    let mut group = Script::joining(settings());
    let join = group.last_call().id;
    group.leaves().beats().is_quiet();
    assert_eq!(group.request().member_epoch, Generation(-1));
    group.answer(join, assigned(1, &[0])).is_quiet().answers(alive(-1)).emits(GroupEvent::Left).is_over();
}

#[test]
fn who_was_refused_need_not_say_so() {
    let mut group = Script::joining(settings());
    group.answers(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS).leaves().emits(GroupEvent::Left).is_over();
}

#[test]
fn a_dead_coordinator_is_told_once_whatever_it_answers() {
    for answer in [
        Answer::from(CallFailed::Disconnected),
        CallFailed::TimedOut.into(),
        CallFailed::Unsupported.into(),
        ErrorCode::NOT_COORDINATOR.into(),
        ErrorCode::UNKNOWN_MEMBER_ID.into(),
        ErrorCode::FENCED_MEMBER_EPOCH.into(),
    ] {
        let mut group = Script::with(&[]);
        group.leaves().beats().answers(answer).emits(GroupEvent::Left).is_over();
    }
    let mut group = Script::with(&[]);
    group.leaves().beats().after(Duration::from_secs(30)).emits(GroupEvent::Left).is_over();
}

#[test]
fn a_lost_coordinator_is_looked_for_once() {
    let mut group = Script::with(&[]);
    group.coordinator_lost().leaves().finds_coordinator_again().beats().answers(alive(-1));
    group.emits(GroupEvent::Left).is_over();

    let mut group = Script::with(&[]);
    group.coordinator_lost().leaves().after(Duration::from_secs(1)).sends(GroupApi::FindCoordinator);
    group.answers(CallFailed::Disconnected).emits(GroupEvent::Left).is_over();
}

#[test]
fn a_member_that_is_fenced_while_it_leaves_has_left() {
    let mut group = Script::with(&[0]);
    group.leaves().emits_revoke(&[0]).beats_on(1).answers(ErrorCode::UNKNOWN_MEMBER_ID);
    group.emits_lost(&[0], LostReason::UnknownMember).emits(GroupEvent::Left).is_over();
}

#[test]
fn what_drains_already_goes_first() {
    let mut group = Script::with(&[0, 1]);
    group.beats_on(1).answers(assigned(1, &[0])).emits_revoke(&[1]).leaves().is_quiet();
    group.revoked().emits_revoke(&[0]).revoked().beats();
    assert_eq!(group.request().member_epoch, Generation(-1));
    group.answers(alive(-1)).emits(GroupEvent::Left).is_over();
}

#[test]
fn a_drain_that_takes_too_long_does_not_hold_the_leaving_up() {
    let mut group = Script::with(&[0]);
    group.leaves().emits_revoke(&[0]);
    let give_up = group.calm + REBALANCE - COMMIT;
    while group.now + INTERVAL < give_up {
        group.beats_on(1).answers(alive(1));
    }
    group.after(give_up - group.now).emits_lost(&[0], LostReason::RevokeTimedOut).beats();
    group.answers(alive(-1)).emits(GroupEvent::Left).is_over();
}
