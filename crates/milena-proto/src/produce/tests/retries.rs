//! What is tried again, for how long, and what is said when it was in vain.

use std::time::Duration;

use super::script::{Call, DELIVERY_TIMEOUT, LINGER, RETRY_BACKOFF, Script, hint};
use crate::produce::{ProduceEvent, Setback, Why};
use crate::types::{BrokerId, CallFailed};
use crate::wire::ErrorCode;

#[test]
fn a_moved_leader_is_asked_as_soon_as_it_is_known() {
    let mut script = Script::new();
    script.append(0);
    let call = script.after(LINGER).sends();
    script.answer(&call, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(script.events(), [ProduceEvent::MetadataStale]);
    // Not again to the same one before the pause is over.
    script.sends_nothing();
    let wake = script.accumulator.poll_timeout().unwrap() - script.now;
    assert!(wake >= RETRY_BACKOFF * 4 / 5 && wake <= RETRY_BACKOFF * 6 / 5, "{wake:?}");
    let again = script.moves(0, 2).sends();
    assert_eq!((again.broker, again.records()), (BrokerId(2), 1));
    script.answer(&again, ErrorCode::NONE);
    assert_eq!(script.delivered().len(), 1);
}

#[test]
fn a_hint_is_passed_on() {
    let mut script = Script::new();
    script.append(0);
    let call = script.after(LINGER).sends();
    script.answer_with(&call, |partition| {
        partition.error = ErrorCode::NOT_LEADER_OR_FOLLOWER;
        partition.current_leader = hint(2, 1);
    });
    let Some(ProduceEvent::LeaderHint { tp, leader, endpoints }) = script.accumulator.poll_event() else {
        panic!("no hint")
    };
    script.view.handle_leader_hint(&tp, leader, &endpoints).unwrap();
    assert_eq!(script.sends().broker, BrokerId(2));
}

#[test]
fn the_same_leader_is_asked_again_after_a_pause_that_grows() {
    let mut script = Script::new();
    script.append(0);
    let mut call = script.after(LINGER).sends();
    let mut pauses = Vec::new();
    for _ in 0..4 {
        script.answer(&call, ErrorCode::NOT_ENOUGH_REPLICAS).sends_nothing();
        let pause = script.accumulator.poll_timeout().unwrap() - script.now;
        pauses.push(pause);
        call = script.after(pause).sends();
    }
    assert!(pauses.windows(2).all(|pair| pair[1] > pair[0]), "{pauses:?}");
}

#[test]
fn the_batches_behind_wait_for_the_one_that_is_tried_again() {
    let mut script = Script::new();
    let first = script.append_sized(0, 900);
    let second = script.append_sized(0, 900);
    let call = script.sends();
    assert_eq!(call.records(), 1);
    script.fails(&call, CallFailed::Disconnected).sends_nothing();
    let again = script.after(Duration::from_secs(1)).sends();
    script.sends_nothing().answer(&again, ErrorCode::NONE);
    assert_eq!(script.delivered(), [first.batch]);
    let next = script.sends();
    script.answer(&next, ErrorCode::NONE);
    assert_eq!(script.delivered(), [second.batch]);
}

#[test]
fn what_the_broker_refuses_for_good_fails_and_was_not_written() {
    let mut script = Script::new();
    let place = script.append(0);
    let call = script.after(LINGER).sends();
    script.answer_with(&call, |partition| {
        partition.error = ErrorCode::INVALID_RECORD;
        partition.error_message = Some("no key".to_owned());
        partition.record_errors = vec![(0, Some("compacted topic".to_owned()))];
    });
    let (batch, undelivered) = script.failed();
    assert_eq!(batch, place.batch);
    assert_eq!(
        undelivered.why,
        Why::Refused {
            error: ErrorCode::INVALID_RECORD,
            message: Some("no key".to_owned()),
            records: vec![(0, Some("compacted topic".to_owned()))],
        }
    );
    assert_eq!(
        undelivered.to_string(),
        "the broker answers with INVALID_RECORD (87): the broker refuses the record: no key; \
         the record was not written"
    );
}

#[test]
fn a_refusal_after_a_lost_answer_may_have_been_written() {
    let mut script = Script::new();
    script.append(0);
    let call = script.after(LINGER).sends();
    script.fails(&call, CallFailed::TimedOut);
    let again = script.after(Duration::from_secs(1)).sends();
    script.answer(&again, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    assert!(script.failed().1.maybe_written);
}

#[test]
fn retries_end() {
    let mut script = Script::with(|settings| settings.retries = 1);
    script.append(0);
    let call = script.after(LINGER).sends();
    let call = script.answer(&call, ErrorCode::NOT_ENOUGH_REPLICAS).after(Duration::from_secs(1)).sends();
    script.answer(&call, ErrorCode::NOT_ENOUGH_REPLICAS);
    let (_, undelivered) = script.failed();
    assert!(!undelivered.maybe_written);
    assert!(matches!(undelivered.why, Why::Refused { error: ErrorCode::NOT_ENOUGH_REPLICAS, .. }));
    script.append(0);
    let call = script.after(LINGER).sends();
    let call = script.fails(&call, CallFailed::Disconnected).after(Duration::from_secs(1)).sends();
    script.fails(&call, CallFailed::TimedOut);
    let (_, undelivered) = script.failed();
    assert_eq!((undelivered.why, undelivered.maybe_written), (Why::Unanswered(CallFailed::TimedOut), true));
}

#[test]
fn a_moved_leader_is_looked_for_also_by_a_producer_that_never_retries() {
    let mut script = Script::with(|settings| settings.retries = 0);
    let ways: [fn(&mut Script, &Call); 3] = [
        |script, call| _ = script.answer(call, ErrorCode::NOT_LEADER_OR_FOLLOWER),
        |script, call| _ = script.fails(call, CallFailed::Disconnected),
        |script, call| script.accumulator.handle_unreachable(script.now, call.id),
    ];
    for fail in ways {
        script.append(0);
        let call = script.after(LINGER).sends();
        fail(&mut script, &call);
        let events = script.events();
        assert!(
            matches!(events[..], [ProduceEvent::MetadataStale, ProduceEvent::Failed { .. }]),
            "the next record would go to the same place: {events:?}"
        );
    }
}

#[test]
fn errors_after_the_append_may_have_been_written() {
    for (error, acks, maybe) in [
        (ErrorCode::REQUEST_TIMED_OUT, -1, true),
        (ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND, -1, true),
        (ErrorCode::NOT_LEADER_OR_FOLLOWER, -1, true),
        (ErrorCode::NOT_LEADER_OR_FOLLOWER, 1, false),
        (ErrorCode::UNKNOWN_SERVER_ERROR, 1, true),
        (ErrorCode::KAFKA_STORAGE_ERROR, 1, true),
        (ErrorCode(9999), 1, true),
        (ErrorCode::NOT_ENOUGH_REPLICAS, -1, false),
    ] {
        let mut script = Script::with(|settings| (settings.retries, settings.acks) = (0, acks));
        script.append(0);
        let call = script.after(LINGER).sends();
        script.answer(&call, error);
        assert_eq!(script.failed().1.maybe_written, maybe, "{error}, acks {acks}");
    }
}

#[test]
fn the_delivery_timeout_ends_what_nobody_leads() {
    let mut script = Script::new();
    script.moves(0, -1);
    script.append(0);
    script.after(LINGER).sends_nothing();
    assert_eq!(script.events(), [ProduceEvent::MetadataStale]);
    // Until the pause is over, polling again asks for nothing.
    script.sends_nothing();
    assert_eq!(script.events(), []);
    let wake = script.accumulator.poll_timeout().unwrap();
    assert_eq!(wake, script.now + RETRY_BACKOFF);
    script.after(RETRY_BACKOFF).sends_nothing();
    assert_eq!(script.events(), [ProduceEvent::MetadataStale]);
    script.after(DELIVERY_TIMEOUT);
    let (_, undelivered) = script.failed();
    assert_eq!(undelivered.why, Why::Expired { after: DELIVERY_TIMEOUT, last: Some(Setback::NoLeader) });
    assert!(!undelivered.maybe_written);
    assert!(script.accumulator.is_empty());
}

#[test]
fn what_expires_under_way_may_have_been_written_and_holds_its_place() {
    let mut script = Script::new();
    script.append(0);
    let call = script.after(LINGER).sends();
    script.after(DELIVERY_TIMEOUT);
    let (_, undelivered) = script.failed();
    assert_eq!(undelivered.why, Why::Expired { after: DELIVERY_TIMEOUT, last: None });
    assert!(undelivered.maybe_written);
    // The next batch would overtake it.
    let next = script.append(0);
    script.after(LINGER).sends_nothing();
    // Its answer is nobody's any more.
    let call = script.answer(&call, ErrorCode::NONE).sends();
    assert_eq!(script.events(), []);
    script.answer(&call, ErrorCode::NONE);
    assert_eq!(script.delivered(), [next.batch]);
}

#[test]
fn an_answer_is_taken_once_and_only_for_what_was_asked() {
    let mut script = Script::new();
    script.append(0);
    let call = script.after(LINGER).sends();
    script.answer(&call, ErrorCode::NONE).answer(&call, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(script.delivered().len(), 1);
    // An answer that leaves the partition out is none.
    script.append(0);
    let call = script.after(LINGER).sends();
    let empty = crate::wire::ProduceResponse::default();
    script.accumulator.handle_produced(script.now, call.id, Ok(&empty));
    script.sends_nothing();
    let again = script.after(Duration::from_secs(1)).sends();
    script.answer(&again, ErrorCode::NONE);
    assert_eq!(script.delivered().len(), 1);
}

#[test]
fn a_broker_without_the_api_gets_nothing_twice() {
    let mut script = Script::new();
    script.append(0);
    let call = script.after(LINGER).sends();
    script.fails(&call, CallFailed::Unsupported);
    let (_, undelivered) = script.failed();
    assert_eq!((undelivered.why, undelivered.maybe_written), (Why::Unsupported, false));
}

#[test]
fn what_never_left_was_not_written() {
    let mut script = Script::with(|settings| settings.retries = 1);
    script.append(0);
    let call = script.after(LINGER).sends();
    script.accumulator.handle_unreachable(script.now, call.id);
    script.sends_nothing();
    let again = script.after(Duration::from_secs(1)).sends();
    script.accumulator.handle_unreachable(script.now, again.id);
    let (_, undelivered) = script.failed();
    assert_eq!((undelivered.why, undelivered.maybe_written), (Why::Unreachable, false));
}

#[test]
fn a_batch_too_large_for_its_topic_is_cut_until_it_fits() {
    let mut script = Script::new();
    let places: Vec<_> = (0..5).map(|_| script.append(0)).collect();
    let behind = script.append_sized(0, 900);
    let flushed = script.accumulator.flush(script.now).unwrap();
    let call = script.sends();
    script.answer(&call, ErrorCode::MESSAGE_TOO_LARGE);
    let events = script.events();
    let [ProduceEvent::Split { batch, at: 2, rest }] = events[..] else { panic!("{events:?}") };
    assert_eq!(batch, places[0].batch);
    let call = script.sends();
    assert_eq!(call.records(), 2);
    script.answer(&call, ErrorCode::NONE);
    assert_eq!(script.delivered(), [batch]);
    let call = script.sends();
    assert_eq!(call.records(), 3);
    script.answer(&call, ErrorCode::NONE);
    assert_eq!(script.delivered(), [rest]);
    let call = script.sends();
    script.answer(&call, ErrorCode::MESSAGE_TOO_LARGE);
    let (failed, undelivered) = script.failed();
    assert_eq!(failed, behind.batch, "one record cannot be cut");
    assert!(!undelivered.maybe_written);
    assert!(script.accumulator.is_settled(flushed));
}

#[test]
fn a_flush_waits_for_both_halves_of_a_batch() {
    let mut script = Script::new();
    script.append(0);
    script.append(0);
    let flushed = script.accumulator.flush(script.now).unwrap();
    let call = script.sends();
    script.append(1);
    let call = script.answer(&call, ErrorCode::MESSAGE_TOO_LARGE).sends();
    script.answer(&call, ErrorCode::NONE);
    assert!(!script.accumulator.is_settled(flushed));
    let call = script.sends();
    script.answer(&call, ErrorCode::NONE);
    assert!(script.accumulator.is_settled(flushed));
}
