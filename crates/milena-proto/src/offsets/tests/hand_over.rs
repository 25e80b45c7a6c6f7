//! Giving partitions up while commits are under way.

use std::time::Duration;

use super::script::{INTERVAL, Script, committed, fenced, partition, superseded};
use crate::assignments::FenceReason;
use crate::offsets::CommitEvent;
use crate::types::CallFailed;
use crate::wire::ErrorCode;

#[test]
fn a_revoke_commits_at_once_and_waits_for_the_answer() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 5).sends_nothing();
    script.assignments.begin_revoke(&partition(0));
    script.committer.flush(script.now, [&partition(0)]);
    assert!(!script.is_settled(0));
    script.sends(&[(0, 5)]);
    assert!(!script.is_settled(0), "the answer is missing");
    script.stores();
    assert!(script.is_settled(0));
    script.end(0, FenceReason::Revoked).emits(&[committed(&stamp, 5)]);
}

#[test]
fn work_that_finishes_during_the_drain_is_committed_without_waiting() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.assignments.begin_revoke(&partition(0));
    assert!(stamp.is_current() && !stamp.may_deliver());
    script.commit(&stamp, 5).sends(&[(0, 5)]);
    script.commit(&stamp, 7).sends_nothing().stores();
    script.committer.flush(script.now, [&partition(0)]);
    script.sends(&[(0, 7)]).stores();
    assert!(script.is_settled(0));
}

/// Its owner said "more, at once" while the request was under way; the answer must not put that off to the interval.
#[test]
fn work_that_finishes_while_a_request_is_under_way_follows_its_answer() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.assignments.begin_revoke(&partition(0));
    script.commit(&stamp, 5).sends(&[(0, 5)]);
    script.commit(&stamp, 7).stores().sends(&[(0, 7)]);
}

#[test]
fn a_commit_under_way_is_not_cancelled_by_the_hand_over() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]);
    // The drain's deadline passes first.
    script.end(0, FenceReason::Revoked).emits(&[]);
    assert!(!script.is_settled(0), "it may still be stored");
    script.stores().emits(&[committed(&stamp, 5)]);
    assert!(script.is_settled(0));
    assert_eq!(script.committer.counters().committed_late, 1);
}

#[test]
fn a_commit_under_way_that_is_refused_after_the_hand_over_is_fenced() {
    for error in [
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
    ] {
        let mut script = Script::new();
        let stamp = script.assign(0);
        script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]).end(0, FenceReason::Lost);
        script.refuses(error).emits(&[fenced(&stamp, 5, FenceReason::Lost)]);
        script.hours_pass().sends_nothing();
    }
}

#[test]
fn a_commit_under_way_whose_answer_is_lost_after_the_hand_over_is_unknown() {
    for failed in [CallFailed::TimedOut, CallFailed::Disconnected, CallFailed::Malformed] {
        let mut script = Script::new();
        let stamp = script.assign(0);
        script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]).end(0, FenceReason::Revoked).fails(failed);
        script.emits(&[
            CommitEvent::Unknown { partition: partition(0), epoch: stamp.epoch(), offset: 5 },
            CommitEvent::CoordinatorLost,
        ]);
        script.hours_pass().sends_nothing();
    }
}

/// The coordinator wrote it, and gave up waiting for its replicas.
#[test]
fn a_commit_under_way_that_timed_out_at_the_coordinator_is_unknown_after_the_hand_over() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]).refuses(ErrorCode::REQUEST_TIMED_OUT);
    script.commit(&stamp, 4).hours_pass().sends(&[(0, 5)]).end(0, FenceReason::Revoked);
    script.refuses(ErrorCode::REQUEST_TIMED_OUT);
    script.emits(&[
        superseded(&stamp, 4, 5),
        CommitEvent::Unknown { partition: partition(0), epoch: stamp.epoch(), offset: 5 },
    ]);
}

/// As above, but nobody told the committer that the epoch has ended: assignments know.
#[test]
fn an_answer_is_judged_by_what_is_assigned_when_it_comes() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]);
    script.assignments.revoke(&partition(0));
    script.fails(CallFailed::TimedOut).emits(&[
        CommitEvent::Unknown { partition: partition(0), epoch: stamp.epoch(), offset: 5 },
        CommitEvent::CoordinatorLost,
    ]);
    assert!(script.is_settled(0));
}

/// The higher offset was fenced when the epoch ended; a refusal of the lower one is no news, its storing is.
#[test]
fn more_work_than_was_under_way_is_fenced_at_the_end() {
    for stored in [true, false] {
        let mut script = Script::new();
        let stamp = script.assign(0);
        script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]).commit(&stamp, 8);
        script.end(0, FenceReason::Revoked).emits(&[fenced(&stamp, 8, FenceReason::Revoked)]);
        if stored {
            script.stores().emits(&[committed(&stamp, 5)]);
        } else {
            script.refuses(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS).emits(&[]);
        }
        script.hours_pass().sends_nothing().emits(&[]);
    }
}

#[test]
fn the_old_epochs_answer_does_not_touch_the_new_one() {
    let mut script = Script::new();
    let first = script.assign(0);
    script.commit(&first, 50).hours_pass().sends(&[(0, 50)]).end(0, FenceReason::Revoked);
    let second = script.generation(2).assign(0);
    // The new epoch begins below: the other member committed 40 before the late 50 landed.
    script.commit(&second, 41).stores();
    assert_eq!(script.assignments.get(&partition(0)).and_then(|held| held.accepted()), None);
    script.hours_pass().sends(&[(0, 41)]).stores();
    script.emits(&[committed(&first, 50), committed(&second, 41)]);
}

#[test]
fn the_other_partitions_go_on() {
    let mut script = Script::new();
    let kept = script.assign(0);
    let gone = script.assign(1);
    script.commit(&kept, 1).commit(&gone, 1);
    script.assignments.begin_revoke(&partition(1));
    script.committer.flush(script.now, [&partition(1)]);
    script.sends(&[(0, 1), (1, 1)]).stores().end(1, FenceReason::Revoked);
    script.commit(&kept, 2).after(INTERVAL).sends(&[(0, 2)]);
}

#[test]
fn nothing_is_built_between_join_and_sync() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 5);
    script.committer.hold();
    script.hours_pass().sends_nothing();
    assert_eq!(script.committer.poll_timeout(), None, "nothing to wake up for");
    script.committer.release();
    script.generation(2).sends(&[(0, 5)]);
    assert_eq!(script.carried(), 2);
}

/// Cooperative: refused during the rebalance, committed with the new generation as soon as it is known, before the
/// partition is given up (librdkafka and Java leave duplicates here).
#[test]
fn what_the_rebalance_refused_is_sent_with_the_new_generation_at_once() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]);
    script.refuses(ErrorCode::REBALANCE_IN_PROGRESS).sends_nothing().emits(&[]);
    script.generation(2).sends(&[(0, 5)]).stores().emits(&[committed(&stamp, 5)]);
}

#[test]
fn a_refused_generation_is_reported_as_it_was_carried_and_not_retried_at_once() {
    for error in [
        ErrorCode::ILLEGAL_GENERATION,
        ErrorCode::UNKNOWN_MEMBER_ID,
        ErrorCode::FENCED_INSTANCE_ID,
        ErrorCode::STALE_MEMBER_EPOCH,
    ] {
        let mut script = Script::new();
        let stamp = script.assign(0);
        script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]);
        // The answer comes when the member is in generation 2 already: it says nothing about that one.
        script.generation(2).refuses(error);
        let carried = crate::types::Generation(1);
        script.emits(&[CommitEvent::MemberRefused { generation: carried, error }]);
        assert!(!script.is_settled(0), "it stays dirty");
        script.sends(&[(0, 5)]).refuses(error).sends_nothing();
        script.after(Duration::from_millis(79)).sends_nothing();
        script.hours_pass().sends(&[(0, 5)]).stores();
    }
}

#[test]
fn a_lost_member_commits_nothing_in_any_generation() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]).refuses(ErrorCode::UNKNOWN_MEMBER_ID);
    script.events();
    for ended in script.assignments.end_all(FenceReason::Lost) {
        script.committer.handle_epoch_ended(&ended);
    }
    script.emits(&[fenced(&stamp, 5, FenceReason::Lost)]);
    script.generation(9).hours_pass().sends_nothing();
}

#[test]
fn closing_commits_what_is_finished_and_fences_the_rest() {
    let mut script = Script::new();
    let (one, two) = (script.assign(0), script.assign(1));
    script.commit(&one, 5).commit(&two, 6);
    script.committer.flush_all(script.now);
    script.sends(&[(0, 5), (1, 6)]).stores();
    assert!(script.committer.is_settled());
    for ended in script.assignments.end_all(FenceReason::Closed) {
        script.committer.handle_epoch_ended(&ended);
    }
    script.events();
    script.commit(&one, 9).emits(&[fenced(&one, 9, FenceReason::Closed)]);
}
