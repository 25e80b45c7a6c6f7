use super::*;

#[test]
fn a_fenced_member_loses_everything_and_joins_with_nothing() {
    let fences = [
        (ErrorCode::FENCED_MEMBER_EPOCH, LostReason::FencedMemberEpoch),
        (ErrorCode::UNKNOWN_MEMBER_ID, LostReason::UnknownMember),
    ];
    for (error, reason) in fences {
        let mut group = Script::with(&[0, 1]);
        let id = group.group.snapshot().unwrap().member_id;
        group.beats_on(1).answers(error).emits_lost(&[0, 1], reason);
        assert_eq!((group.group.snapshot(), group.group.assignment().len()), (None, 0));
        group.tells_all(0, &[]).emits_joining();
        assert_eq!(group.request().member_id, id, "the id stays for as long as the member lives");
        group.answers(assigned(5, &[1])).emits_epoch(5, true).resolves(&[(T, "t")]).emits_assigned(
            5,
            &[1],
            &[1],
        );
    }
}

/// KAFKA-16251: there is no heartbeat between the fence and the join.
#[test]
fn a_member_that_is_fenced_in_the_middle_of_a_drain_loses_that_too() {
    for error in [ErrorCode::FENCED_MEMBER_EPOCH, ErrorCode::UNKNOWN_MEMBER_ID] {
        let mut group = Script::with(&[0, 1]);
        group.beats_on(1).answers(assigned(1, &[0])).emits_revoke(&[1]);
        group.beats_on(1).answers(error);
        assert!(
            matches!(group.events.pop_front(), Some(GroupEvent::Lost { partitions: gone, .. }) if gone == partitions(&[0, 1]))
        );
        group.tells_all(0, &[]).emits_joining();
        // The shell's drain ends late: nobody waits for it.
        group.revoked().is_quiet().answers(assigned(3, &[0])).emits_epoch(3, true).resolves(&[(T, "t")]);
        group.emits_assigned(3, &[0], &[0]).revoked();
        assert_eq!(group.group.assignment(), &partitions(&[0]));
    }
}

#[test]
fn who_is_fenced_over_and_over_pauses() {
    let mut group = Script::with(&[0]);
    group.beats_on(1).answers(ErrorCode::FENCED_MEMBER_EPOCH).emits_lost(&[0], LostReason::FencedMemberEpoch);
    let start = group.now;
    for round in 0..10 {
        while group.calls.is_empty() {
            group.after(Duration::from_millis(10));
        }
        group.beats().emits_joining().answers(assigned(round + 2, &[0])).emits_epoch(round + 2, true);
        group.resolves(&[(T, "t")]).emits_assigned(round + 2, &[0], &[0]);
        // The acknowledgement follows at once.
        group.beats().answers(ErrorCode::FENCED_MEMBER_EPOCH);
        group.emits_lost(&[0], LostReason::FencedMemberEpoch);
    }
    assert!(group.now - start > Duration::from_secs(4), "{:?}", group.now - start);
}

#[test]
fn another_one_in_our_place_is_the_end() {
    let mut settings = settings();
    settings.group_instance_id = Some("i1".to_owned());
    let mut group = Script::with_settings(settings, &[0]);
    group.beats_on(1).answers(ErrorCode::FENCED_INSTANCE_ID).emits_lost(&[0], LostReason::FencedInstance);
    assert_eq!(group.emits_fatal(), GroupError::FencedInstanceId { group_instance_id: "i1".to_owned() });
    group.is_over();
}

/// The epoch went on, or the commit was of an earlier assignment. Nothing is lost by asking.
#[test]
fn a_stale_commit_brings_the_next_heartbeat_forward_and_nothing_else() {
    for error in [ErrorCode::STALE_MEMBER_EPOCH, ErrorCode::FENCED_MEMBER_EPOCH] {
        let mut group = Script::with(&[0]);
        group.after(Duration::from_secs(1)).commit_refused(1, error).beats().is_quiet();
        group.answers(alive(2)).emits_epoch(2, false).is_quiet();
        // The commit of the epoch before: that is known.
        group.commit_refused(1, error).is_quiet().beats_on(2);
        // One is under way already.
        group.commit_refused(2, error).is_quiet().answers(alive(2)).is_quiet();
    }
}

#[test]
fn a_commit_of_an_unknown_member_is_a_fence_if_it_is_of_this_membership() {
    let mut group = Script::with(&[0]);
    group.beats_on(1).answers(assigned(4, &[0, 1])).emits_epoch(4, false).emits_assigned(4, &[1], &[0, 1]);
    group.acknowledges(4, &[0, 1]).answers(alive(4));
    // Of an assignment of this membership (KIP-1251 commits carry its epoch).
    group.commit_refused(1, ErrorCode::UNKNOWN_MEMBER_ID).emits_lost(&[0, 1], LostReason::UnknownMember);
    group.tells_all(0, &[]).emits_joining().answers(assigned(7, &[0])).emits_epoch(7, true);
    group.resolves(&[(T, "t")]).emits_assigned(7, &[0], &[0]).acknowledges(7, &[0]).answers(alive(7));
    // Of the one before.
    group.commit_refused(4, ErrorCode::UNKNOWN_MEMBER_ID).is_quiet();
    group.commit_refused(9, ErrorCode::UNKNOWN_MEMBER_ID).is_quiet();
    group.commit_refused(7, ErrorCode::UNKNOWN_MEMBER_ID).emits_lost(&[0], LostReason::UnknownMember);
}

#[test]
fn an_answer_to_a_heartbeat_of_before_the_fence_says_nothing() {
    let mut group = Script::with(&[0]);
    group.beats_on(1);
    let old = group.last_call().id;
    group.commit_refused(1, ErrorCode::UNKNOWN_MEMBER_ID).emits_lost(&[0], LostReason::UnknownMember);
    group.tells_all(0, &[]).emits_joining();
    let join = group.last_call().id;
    group.answer(old, assigned(1, &[0])).is_quiet().answer(old, ErrorCode::UNKNOWN_MEMBER_ID).is_quiet();
    group.answer(join, assigned(2, &[0])).emits_epoch(2, true);
}
