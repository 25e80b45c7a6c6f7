//! Each answer finds its request, and every request has one outcome.

use super::*;

/// Any instant will do to count from.
#[allow(clippy::disallowed_methods)]
fn origin() -> Instant {
    Instant::now()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn three_in_flight(now: Instant) -> (Connection, [CorrelationId; 3]) {
    let mut connection = Connection::new();
    let mut send = |api, after| connection.send(now, api, 4, now + ms(after), 1000);
    let ids = [send(ApiKey::METADATA, 300), send(ApiKey::FETCH, 100), send(ApiKey::FETCH, 200)];
    (connection, ids)
}

#[test]
fn answers_complete_their_requests_in_order() {
    let now = origin();
    let (mut connection, ids) = three_in_flight(now);
    for (id, api) in ids.into_iter().zip([ApiKey::METADATA, ApiKey::FETCH, ApiKey::FETCH]) {
        let done = connection.handle_frame(now, Some(id.0)).unwrap();
        assert_eq!(done, Completed { correlation_id: id, api, version: 4 });
    }
    assert_eq!(connection.poll_timeout(), None);
    assert!(connection.handle_closed().is_empty());
}

#[test]
fn an_answer_to_nothing_ends_the_connection() {
    let now = origin();
    for (answered, error) in [
        (Some(77), ConnectionError::UnknownCorrelation(CorrelationId(77))),
        (Some(-1), ConnectionError::UnknownCorrelation(CorrelationId(-1))),
        (Some(2), ConnectionError::OutOfOrder { answered: CorrelationId(2), expected: CorrelationId(1) }),
        (None, ConnectionError::NoCorrelationId),
    ] {
        let (mut connection, ids) = three_in_flight(now);
        assert_eq!(connection.handle_frame(now, answered), Err(error));
        // Also the right answer is not believed any more.
        assert_eq!(connection.handle_frame(now, Some(ids[0].0)), Err(ConnectionError::Closed));
        assert!(!connection.may_send(now));
        assert_eq!(connection.handle_closed().len(), 3);
        assert!(connection.handle_closed().is_empty());
    }
}

#[test]
fn an_answer_that_comes_twice_ends_the_connection() {
    let now = origin();
    let (mut connection, ids) = three_in_flight(now);
    connection.handle_frame(now, Some(ids[0].0)).unwrap();
    let again = connection.handle_frame(now, Some(ids[0].0));
    assert_eq!(again, Err(ConnectionError::UnknownCorrelation(ids[0])));
}

#[test]
fn a_missed_deadline_takes_the_whole_connection_down() {
    let now = origin();
    let (mut connection, ids) = three_in_flight(now);
    assert_eq!(connection.poll_timeout(), Some(now + ms(100)));
    assert!(connection.handle_timeout(now + ms(99)).is_empty());
    assert_eq!(connection.handle_timeout(now + ms(100)), vec![ids[1]]);
    // It is said once: a shell that is slow to close must not spin.
    assert_eq!(connection.poll_timeout(), None);
    assert!(connection.handle_timeout(now + ms(500)).is_empty());
    let outcomes: Vec<_> =
        connection.handle_closed().into_iter().map(|f| (f.correlation_id, f.reason)).collect();
    let expected = [CallFailed::Disconnected, CallFailed::TimedOut, CallFailed::Disconnected];
    assert_eq!(outcomes, ids.into_iter().zip(expected).collect::<Vec<_>>());
}

#[test]
fn what_is_sent_on_a_dead_connection_fails_too() {
    let now = origin();
    let mut connection = Connection::new();
    connection.handle_closed();
    let id = connection.send(now, ApiKey::FETCH, 4, now + ms(100), 1000);
    assert_eq!(connection.handle_closed().first().map(|failed| failed.correlation_id), Some(id));
}

#[test]
fn lengths_are_bounded_by_the_answer_that_is_next() {
    let now = origin();
    let mut connection = Connection::new();
    assert_eq!(connection.handle_length(4i32.to_be_bytes()), Err(FrameError::Unsolicited));
    let mut connection = Connection::new();
    let first = connection.send(now, ApiKey::FETCH, 4, now + ms(100), 5000);
    connection.send(now, ApiKey::METADATA, 4, now + ms(100), 50);
    assert_eq!(connection.handle_length(5000i32.to_be_bytes()), Ok(5000));
    connection.handle_frame(now, Some(first.0)).unwrap();
    let too_long = Err(FrameError::TooLong { len: 51, max: 50 });
    assert_eq!(connection.handle_length(51i32.to_be_bytes()), too_long);
    assert!(!connection.may_send(now));
}

#[test]
fn throttling_mutes_and_is_no_timeout() {
    let now = origin();
    let (mut connection, ids) = three_in_flight(now);
    connection.handle_frame(now, Some(ids[0].0)).unwrap();
    connection.handle_throttle(now, 1000);
    assert!(!connection.may_send(now + ms(999)));
    assert!(connection.may_send(now + ms(1000)));
    assert!(connection.handle_timeout(now + ms(1099)).is_empty());
    assert_eq!(connection.handle_timeout(now + ms(1100)), vec![ids[1]]);
}

#[test]
fn no_throttle_time_silences_for_long() {
    let now = origin();
    let mut connection = Connection::new();
    connection.handle_throttle(now, i32::MIN);
    connection.handle_throttle(now, 0);
    assert!(connection.may_send(now));
    connection.handle_throttle(now, i32::MAX);
    assert!(connection.may_send(now + THROTTLE_MAX));
}

#[test]
fn correlation_ids_wrap_without_going_negative() {
    let now = origin();
    let mut connection = Connection { last_id: i32::MAX - 1, ..Connection::new() };
    let ids: Vec<_> = (0..3).map(|_| connection.send(now, ApiKey::FETCH, 4, now, 0).0).collect();
    assert_eq!(ids, [i32::MAX, 0, 1]);
}
