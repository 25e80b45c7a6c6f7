//! What each answer does.

use std::time::Duration;

use super::script::{Script, TOPIC, answer, committed, offset, partition};
use crate::assignments::FenceReason;
use crate::offsets::{CommitError, CommitEvent};
use crate::types::{CallFailed, Generation, RequestId, TopicId};
use crate::wire::{ErrorCode, OffsetCommitResponse, OffsetCommitted};

fn in_flight() -> (Script, crate::assignments::Stamp) {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]);
    (script, stamp)
}

#[test]
fn a_coordinator_that_moved_keeps_the_offset_and_the_membership() {
    for error in [ErrorCode::NOT_COORDINATOR, ErrorCode::COORDINATOR_NOT_AVAILABLE] {
        let (mut script, stamp) = in_flight();
        script.refuses(error).emits(&[CommitEvent::CoordinatorLost]).sends_nothing();
        // Another generation does not bring the coordinator back.
        script.generation(2).sends_nothing();
        script.hours_pass().sends(&[(0, 5)]).stores().emits(&[committed(&stamp, 5)]);
    }
}

#[test]
fn a_connection_that_ended_keeps_the_offset() {
    for failed in [CallFailed::Disconnected, CallFailed::TimedOut, CallFailed::Malformed] {
        let (mut script, stamp) = in_flight();
        script.fails(failed).emits(&[CommitEvent::CoordinatorLost]).sends_nothing();
        script.hours_pass().sends(&[(0, 5)]).stores().emits(&[committed(&stamp, 5)]);
    }
}

#[test]
fn a_coordinator_that_is_not_ready_is_asked_again_after_a_pause_that_grows() {
    let (mut script, _) = in_flight();
    let mut pauses = Vec::new();
    for _ in 0..6 {
        script.refuses(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS).emits(&[]).sends_nothing();
        let until = script.committer.poll_timeout().expect("it will try again");
        pauses.push(until - script.now);
        script.now = until;
        script.sends(&[(0, 5)]);
    }
    assert!(pauses[0] >= Duration::from_millis(80) && pauses[0] <= Duration::from_millis(120), "{pauses:?}");
    assert!(pauses[5] >= Duration::from_millis(800) && pauses[5] <= Duration::from_secs(1), "{pauses:?}");
    // A success ends the row.
    script.stores();
    let stamp = script.assignments.stamp(&partition(0)).expect("it is ours");
    script.commit(&stamp, 6).hours_pass().sends(&[(0, 6)]).refuses(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    let pause = script.committer.poll_timeout().expect("it will try again") - script.now;
    assert!(pause <= Duration::from_millis(120), "{pause:?}");
}

#[test]
fn a_flush_does_not_cut_the_pause_short() {
    let (mut script, _) = in_flight();
    script.refuses(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    script.committer.flush(script.now, [&partition(0)]);
    script.sends_nothing();
}

#[test]
fn what_cannot_be_stored_fails_once_and_a_higher_offset_is_tried() {
    for error in [
        ErrorCode::OFFSET_METADATA_TOO_LARGE,
        ErrorCode::INVALID_COMMIT_OFFSET_SIZE,
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ErrorCode(9999),
    ] {
        let (mut script, stamp) = in_flight();
        script.refuses(error);
        script.emits(&[CommitEvent::Failed {
            partition: partition(0),
            epoch: stamp.epoch(),
            offset: 5,
            error: CommitError::Refused(error),
        }]);
        assert!(script.is_settled(0));
        // Offered again by a caller that asks its tracker all the time: no hot loop.
        script.commit(&stamp, 5);
        assert!(script.is_settled(0));
        script.commit(&stamp, 6);
        script.committer.flush_all(script.now);
        script.sends_nothing().after(Duration::from_secs(1)).sends(&[(0, 6)]).stores();
        script.emits(&[committed(&stamp, 6)]);
    }
}

#[test]
fn what_could_not_be_stored_may_be_offered_again_later() {
    let (mut script, stamp) = in_flight();
    script.refuses(ErrorCode::TOPIC_AUTHORIZATION_FAILED).hours_pass();
    script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]).stores();
}

#[test]
fn what_could_not_be_stored_does_not_hold_a_revoke() {
    let (mut script, stamp) = in_flight();
    script.assignments.begin_revoke(&partition(0));
    script.refuses(ErrorCode::TOPIC_AUTHORIZATION_FAILED).hours_pass().commit(&stamp, 5);
    assert!(script.is_settled(0));
}

#[test]
fn a_coordinator_without_the_api_fails_the_offset() {
    let (mut script, stamp) = in_flight();
    script.fails(CallFailed::Unsupported);
    script.emits(&[CommitEvent::Failed {
        partition: partition(0),
        epoch: stamp.epoch(),
        offset: 5,
        error: CommitError::Unsupported,
    }]);
    assert!(script.is_settled(0));
}

#[test]
fn a_topic_that_is_gone_is_told_once_and_tried_now_and_then() {
    for error in [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::UNKNOWN_TOPIC_ID] {
        let mut script = Script::new();
        let gone = script.assign(0);
        let there = script.assign(1);
        script.commit(&gone, 5).commit(&there, 5).hours_pass().sends(&[(0, 5), (1, 5)]);
        script.answers(&[(0, error), (1, ErrorCode::NONE)]);
        let told = CommitEvent::TopicGone { partition: partition(0), epoch: gone.epoch(), error };
        script.emits(&[told, committed(&there, 5)]);
        // The other partition is not slowed down.
        script.commit(&there, 6);
        script.committer.flush_all(script.now);
        script.sends(&[(1, 6)]).stores().emits(&[committed(&there, 6)]).sends_nothing();
        script.after(Duration::from_secs(1)).sends(&[(0, 5)]).refuses(error).emits(&[]);
        script.after(Duration::from_secs(1)).sends(&[(0, 5)]).stores().emits(&[committed(&gone, 5)]);
    }
}

#[test]
fn a_topic_that_is_gone_does_not_hold_a_revoke() {
    let (mut script, stamp) = in_flight();
    script.assignments.begin_revoke(&partition(0));
    script.refuses(ErrorCode::UNKNOWN_TOPIC_ID);
    script.emits(&[CommitEvent::Failed {
        partition: partition(0),
        epoch: stamp.epoch(),
        offset: 5,
        error: CommitError::Refused(ErrorCode::UNKNOWN_TOPIC_ID),
    }]);
    assert!(script.is_settled(0));
}

#[test]
fn a_partition_that_the_answer_leaves_out_stays_dirty() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    let left_out = script.assign(1);
    script.commit(&stamp, 5).commit(&left_out, 6).hours_pass().sends(&[(0, 5), (1, 6)]);
    script.answers(&[(0, ErrorCode::NONE)]).emits(&[committed(&stamp, 5)]);
    assert!(!script.is_settled(1));
    script.sends_nothing().after(Duration::from_secs(1)).sends(&[(1, 6)]);
}

#[test]
fn a_partition_that_the_answer_leaves_out_is_unknown_once_its_epoch_ended() {
    let (mut script, stamp) = in_flight();
    script.end(0, FenceReason::Revoked).answers(&[]);
    script.emits(&[CommitEvent::Unknown { partition: partition(0), epoch: stamp.epoch(), offset: 5 }]);
}

#[test]
fn an_answer_by_topic_id_finds_its_partitions() {
    let (mut script, stamp) = in_flight();
    let (id, _) = script.sent.take().expect("a request is under way");
    let response = OffsetCommitResponse {
        throttle_time_ms: 0,
        topics: vec![
            OffsetCommitted { name: None, id: TopicId([9; 16]), partitions: vec![(0, ErrorCode(1))] },
            OffsetCommitted { name: None, id: TOPIC, partitions: vec![(0, ErrorCode::NONE)] },
        ],
    };
    script.committer.handle_response(script.now, id, Ok(&response), &mut script.assignments);
    script.emits(&[committed(&stamp, 5)]);
}

#[test]
fn an_answer_about_partitions_that_nobody_asked_for_is_ignored() {
    let (mut script, stamp) = in_flight();
    let foreign = [(7, ErrorCode::NONE), (-1, ErrorCode::NONE)];
    script.answers(&[(0, ErrorCode::NONE), (0, ErrorCode::UNKNOWN_MEMBER_ID), foreign[0], foreign[1]]);
    script.emits(&[committed(&stamp, 5)]);
    assert_eq!(script.committer.counters().committed, 1);
}

#[test]
fn an_answer_to_another_request_is_dropped() {
    let (mut script, stamp) = in_flight();
    let (id, request) = script.sent.clone().expect("a request is under way");
    let response = answer(&request, ErrorCode::NONE);
    let other = RequestId(id.0 + 1);
    script.committer.handle_response(script.now, other, Ok(&response), &mut script.assignments);
    script.emits(&[]).sends_nothing();
    script.stores().emits(&[committed(&stamp, 5)]);
    // And once more, when none is under way.
    script.committer.handle_response(script.now, id, Err(CallFailed::TimedOut), &mut script.assignments);
    script.emits(&[]);
    assert_eq!(script.committer.counters().stray_answers, 2);
}

#[test]
fn a_higher_offset_that_came_in_meanwhile_stays_dirty() {
    let (mut script, stamp) = in_flight();
    script.commit(&stamp, 9).stores().emits(&[committed(&stamp, 5)]);
    assert!(!script.is_settled(0));
    script.hours_pass().sends(&[(0, 9)]).stores();
    assert!(script.is_settled(0));
}

#[test]
fn a_standalone_commit_that_meets_a_group_with_members_fails() {
    let mut script = Script::with(|settings| settings.standalone = true);
    script.member = None;
    let stamp = script.assignments.assign(partition(0), TOPIC, Generation(-1));
    script.committer.handle_committable(script.now, &stamp, offset(5), &script.assignments);
    script.hours_pass().sends(&[(0, 5)]).refuses(ErrorCode::UNKNOWN_MEMBER_ID);
    script.emits(&[CommitEvent::Failed {
        partition: partition(0),
        epoch: stamp.epoch(),
        offset: 5,
        error: CommitError::Refused(ErrorCode::UNKNOWN_MEMBER_ID),
    }]);
}
