//! Producer ids, epochs and sequence numbers.

use std::time::Duration;

use super::script::{DELIVERY_TIMEOUT, LINGER, RETRY_BACKOFF, Script};
use crate::produce::{ProduceEvent, Setback, Why};
use crate::types::CallFailed;
use crate::wire::ErrorCode;

#[test]
fn nothing_is_sent_before_there_is_a_producer_id() {
    let mut script = Script::with(|settings| settings.idempotence = true);
    script.sends_nothing();
    script.append(0);
    let id = script.after(LINGER).asks_for_producer_id();
    script.sends_nothing().producer_id(id, Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)).sends_nothing();
    assert_eq!(script.accumulator.poll_timeout(), Some(script.now + RETRY_BACKOFF));
    let again = script.after(RETRY_BACKOFF).asks_for_producer_id();
    // A late answer to the first question is nobody's.
    script.producer_id(id, Ok(5)).sends_nothing().producer_id(again, Ok(7));
    assert_eq!(script.sends().numbers(), (7, 0, 0));
}

#[test]
fn without_a_producer_id_records_fail_honestly() {
    let mut script = Script::with(|settings| settings.idempotence = true);
    script.append(0);
    let id = script.asks_for_producer_id();
    script.producer_id(id, Err(ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
    let (_, undelivered) = script.failed();
    let refused = Setback::Answered(ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    assert_eq!((undelivered.why, undelivered.maybe_written), (Why::NoProducerId(refused), false));
    // The next record asks again: somebody may have granted it since.
    script.append(0);
    let id = script.sends_nothing().after(RETRY_BACKOFF).asks_for_producer_id();
    script.accumulator.handle_producer_id(script.now, id, Err(CallFailed::Disconnected));
    script.after(DELIVERY_TIMEOUT);
    let last = Some(Setback::Unanswered(CallFailed::Disconnected));
    assert_eq!(script.failed().1.why, Why::Expired { after: DELIVERY_TIMEOUT, last });
}

#[test]
fn sequences_count_records_and_a_retry_keeps_its_own() {
    let mut script = Script::idempotent();
    script.append(0);
    script.append(0);
    let call = script.after(LINGER).sends();
    assert_eq!(call.numbers(), (7, 0, 0));
    script.fails(&call, CallFailed::Disconnected);
    script.append(0);
    let again = script.after(Duration::from_secs(1)).sends();
    assert_eq!((again.numbers(), again.records()), ((7, 0, 0), 2), "the record that came later stays out");
    let next = script.answer(&again, ErrorCode::NONE).sends();
    assert_eq!(next.numbers(), (7, 0, 2));
}

#[test]
fn a_duplicate_is_a_success_whose_offset_nobody_knows() {
    let mut script = Script::idempotent();
    let place = script.append(0);
    let call = script.after(LINGER).sends();
    script.fails(&call, CallFailed::TimedOut).events();
    let again = script.after(Duration::from_secs(1)).sends();
    script.answer(&again, ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
    assert_eq!(
        script.events(),
        [ProduceEvent::Delivered { batch: place.batch, base_offset: None, log_append_time_ms: None }]
    );
}

#[test]
fn a_duplicate_without_numbers_is_a_lie() {
    let mut script = Script::new();
    script.append(0);
    let call = script.after(LINGER).sends();
    script.answer(&call, ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
    assert!(script.failed().1.maybe_written);
}

#[test]
fn a_gap_is_told_and_the_next_batch_starts_an_epoch() {
    let mut script = Script::idempotent();
    script.append(0);
    let call = script.after(LINGER).sends();
    script.answer(&call, ErrorCode::NONE).events();
    script.append(0);
    let call = script.after(LINGER).sends();
    assert_eq!(call.numbers(), (7, 0, 1));
    script.answer(&call, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    let (_, undelivered) = script.failed();
    assert!(!undelivered.maybe_written);
    assert!(matches!(undelivered.why, Why::Refused { error: ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, .. }));
    script.append(0);
    assert_eq!(script.after(LINGER).sends().numbers(), (7, 1, 0));
    // Other partitions have epochs of their own.
    script.append(3);
    assert_eq!(script.after(LINGER).sends().numbers(), (7, 0, 1));
}

#[test]
fn numbers_of_a_batch_that_may_have_been_written_are_burnt() {
    let mut script = Script::idempotent();
    script.append(0);
    let call = script.after(LINGER).sends();
    script.after(DELIVERY_TIMEOUT);
    assert!(script.failed().1.maybe_written);
    script.append(0);
    let next = script.after(LINGER).fails(&call, CallFailed::Disconnected).sends();
    assert_eq!(next.numbers(), (7, 1, 0), "a broker would take (7, 0, 0) for a copy of the lost one");
}

#[test]
fn a_broker_that_forgot_the_producer_gets_what_it_never_had_anew() {
    let mut script = Script::idempotent();
    script.append(3);
    let call = script.after(LINGER).sends();
    assert_eq!(call.numbers(), (7, 0, 1));
    let again = script.answer(&call, ErrorCode::UNKNOWN_PRODUCER_ID).after(Duration::from_secs(1)).sends();
    assert_eq!(again.numbers(), (7, 1, 0));
    // But what it may have had must not be sent as something new.
    let again = script.fails(&again, CallFailed::Disconnected).after(Duration::from_secs(1)).sends();
    script.answer(&again, ErrorCode::UNKNOWN_PRODUCER_ID);
    assert!(script.failed().1.maybe_written);
}

#[test]
fn the_halves_of_a_batch_are_numbered_anew() {
    let mut script = Script::idempotent();
    script.append(3);
    script.append(3);
    let call = script.after(LINGER).sends();
    assert_eq!(call.numbers(), (7, 0, 1));
    let head = script.answer(&call, ErrorCode::MESSAGE_TOO_LARGE).sends();
    assert_eq!(head.numbers(), (7, 1, 0));
    assert_eq!(script.answer(&head, ErrorCode::NONE).sends().numbers(), (7, 1, 1));
}
