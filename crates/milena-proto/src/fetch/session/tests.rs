//! The session by script, and against a broker's side of KIP-227.

mod broker;
mod model;

use super::*;
use crate::types::BrokerId;
use broker::Broker;

const LIMITS: FetchLimits = FetchLimits {
    max_wait_ms: 500,
    min_bytes: 1,
    max_bytes: 1 << 20,
    isolation: IsolationLevel::ReadUncommitted,
    rack_id: String::new(),
};

fn id_of(topic: &str) -> TopicId {
    let mut id = [7; 16];
    id[..topic.len()].copy_from_slice(topic.as_bytes());
    TopicId(id)
}

/// `a-0@5`: partition 0 of topic `a`, from offset 5, in assignment epoch 1.
fn want(at: &str) -> Want {
    let (tp, offset) = at.split_once('@').unwrap();
    let (topic, partition) = tp.split_once('-').unwrap();
    Want {
        tp: TopicPartition::new(topic, partition.parse().unwrap()),
        topic_id: id_of(topic),
        epoch: AssignmentEpoch(1),
        offset: offset.parse().unwrap(),
        current_leader_epoch: None,
        last_fetched_epoch: None,
        max_bytes: 1000,
    }
}

fn wants(at: &[&str]) -> Vec<Want> {
    at.iter().map(|at| want(at)).collect()
}

/// What a request names, as `want` spells it, and what it forgets.
fn named(request: &FetchRequest) -> (Vec<String>, Vec<String>) {
    let named = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|p| format!("{}-{}@{}", topic.name, p.partition, p.fetch_offset))
    });
    let forgotten = request
        .forgotten
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|partition| format!("{}-{partition}", topic.name)));
    (named.collect(), forgotten.collect())
}

struct Script {
    session: Session,
    broker: Broker,
}

impl Script {
    fn new() -> Self {
        Self { session: Session::new(), broker: Broker::new() }
    }

    /// Asks for `at`, expects the request to name `expected` and to forget `forgotten`, and the answer to fit.
    #[track_caller]
    fn asks(&mut self, at: &[&str], expected: &[&str], forgotten: &[&str]) -> FetchRequest {
        let request = self.session.build(&wants(at), &LIMITS);
        assert_eq!(named(&request), (strings(expected), strings(forgotten)));
        let response = self.broker.handle(&request, true);
        let answer = self.session.handle_response(&response).unwrap();
        assert_eq!(answer.missing, []);
        request
    }
}

fn strings(of: &[&str]) -> Vec<String> {
    of.iter().map(|&s| s.to_owned()).collect()
}

#[test]
fn only_what_changed_is_sent() {
    let mut script = Script::new();
    let first = script.asks(&["a-0@5", "a-1@7", "b-0@0"], &["a-0@5", "a-1@7", "b-0@0"], &[]);
    assert_eq!((first.session_id, first.session_epoch), (0, 0));
    let second = script.asks(&["a-0@5", "a-1@9", "b-0@0"], &["a-1@9"], &[]);
    assert_eq!((second.session_id, second.session_epoch), (1, 1));
    let third = script.asks(&["a-0@5", "a-1@9", "b-0@0"], &[], &[]);
    assert_eq!((third.session_id, third.session_epoch), (1, 2));
}

/// The same again, without looking at what that is: until the session has to begin anew.
#[test]
fn the_same_is_asked_for_again_without_a_look_at_it() {
    let mut script = Script::new();
    assert_eq!(script.session.build_again(&LIMITS), None, "there is no session yet");
    script.asks(&["a-0@5", "a-1@7"], &["a-0@5", "a-1@7"], &[]);
    for epoch in 1..=FULL_EVERY {
        let request = script.session.build_again(&LIMITS).unwrap();
        assert_eq!((request.session_epoch, named(&request)), (epoch.cast_signed(), (vec![], vec![])));
        let response = script.broker.handle(&request, true);
        assert!(script.session.handle_response(&response).unwrap().partitions.is_empty());
    }
    assert_eq!(script.session.build_again(&LIMITS), None, "all is to be named now and then");
    script.asks(&["a-0@5", "a-1@7"], &["a-0@5", "a-1@7"], &[]);
    script.session.build_again(&LIMITS).unwrap();
    assert_eq!(script.session.build_again(&LIMITS), None, "the answer to the last one is open");
}

#[test]
fn what_is_not_wanted_is_forgotten_and_comes_back() {
    let mut script = Script::new();
    script.asks(&["a-0@5", "a-1@7"], &["a-0@5", "a-1@7"], &[]);
    script.asks(&["a-1@7"], &[], &["a-0"]);
    script.asks(&["a-0@5", "a-1@7"], &["a-0@5"], &[]);
    script.asks(&["b-0@1"], &["b-0@1"], &["a-0", "a-1"]);
}

#[test]
fn everything_on_the_wire_that_changes_is_sent() {
    let changes: [fn(&mut Want); 4] = [
        |want| want.offset += 1,
        |want| want.current_leader_epoch = Some(LeaderEpoch(3)),
        |want| want.last_fetched_epoch = Some(LeaderEpoch(3)),
        |want| want.max_bytes += 1,
    ];
    for change in changes {
        let mut script = Script::new();
        script.asks(&["a-0@5", "a-1@5"], &["a-0@5", "a-1@5"], &[]);
        let mut wants = wants(&["a-0@5", "a-1@5"]);
        change(&mut wants[1]);
        let request = script.session.build(&wants, &LIMITS);
        assert_eq!(request.topics.len(), 1);
        assert_eq!(request.topics[0].partitions[0].partition, 1);
    }
}

#[test]
fn a_new_assignment_epoch_costs_nothing_and_stamps_what_comes() {
    let mut script = Script::new();
    script.asks(&["a-0@5"], &["a-0@5"], &[]);
    script.broker.append("a", 0, 9);
    let mut again = want("a-0@5");
    again.epoch = AssignmentEpoch(2);
    let request = script.session.build(&[again], &LIMITS);
    assert_eq!(named(&request), (vec![], vec![]));
    let response = script.broker.handle(&request, true);
    let answer = script.session.handle_response(&response).unwrap();
    assert_eq!(answer.partitions[0].stamp.epoch, AssignmentEpoch(2));
    assert_eq!(answer.partitions[0].tp, TopicPartition::new("a", 0));
}

#[test]
fn a_lost_answer_starts_over_and_closes_what_was_left() {
    let mut script = Script::new();
    script.asks(&["a-0@5"], &["a-0@5"], &[]);
    script.session.build(&wants(&["a-0@6"]), &LIMITS);
    script.session.handle_failure();
    let request = script.asks(&["a-0@6"], &["a-0@6"], &[]);
    assert_eq!((request.session_id, request.session_epoch), (1, 0));
    assert_eq!(script.broker.sessions(), [2]);
    assert_eq!(
        script.session.handle_response(&FetchResponse::default()).unwrap_err(),
        SessionError::Unsolicited
    );
}

#[test]
fn a_session_whose_first_answer_is_lost_still_closes_the_one_before() {
    let mut script = Script::new();
    script.asks(&["a-0@5"], &["a-0@5"], &[]);
    for _ in 0..2 {
        script.session.build(&wants(&["a-0@6"]), &LIMITS);
        script.session.handle_failure();
    }
    assert_eq!(script.session.build(&wants(&["a-0@6"]), &LIMITS).session_id, 1);
}

#[test]
fn every_refusal_starts_over() {
    let table = [
        (ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0),
        (ErrorCode::INVALID_FETCH_SESSION_EPOCH, 1),
        (ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR, 1),
        (ErrorCode::UNKNOWN_TOPIC_ID, 1),
        (ErrorCode::UNKNOWN_SERVER_ERROR, 1),
    ];
    for (error, closes) in table {
        let mut script = Script::new();
        script.asks(&["a-0@5"], &["a-0@5"], &[]);
        script.session.build(&wants(&["a-0@5"]), &LIMITS);
        let refusal = FetchResponse { error, ..FetchResponse::default() };
        let refused = script.session.handle_response(&refusal).unwrap_err();
        assert_eq!(refused, SessionError::Refused(error));
        assert!(!refused.is_violation());
        let request = script.asks(&["a-0@5"], &["a-0@5"], &[]);
        assert_eq!((request.session_id, request.session_epoch), (closes, 0), "{error}");
    }
}

#[test]
fn a_broker_without_room_for_sessions_is_asked_in_full_each_time() {
    let mut script = Script::new();
    script.broker.keeps_sessions = false;
    for _ in 0..3 {
        let request = script.asks(&["a-0@5", "b-0@1"], &["a-0@5", "b-0@1"], &[]);
        assert_eq!((request.session_id, request.session_epoch), (0, 0));
    }
}

#[test]
fn a_session_that_the_broker_ends_in_good_order_is_begun_anew() {
    let mut script = Script::new();
    script.asks(&["a-0@5"], &["a-0@5"], &[]);
    script.session.build(&wants(&["a-0@5"]), &LIMITS);
    script.session.handle_response(&FetchResponse::default()).unwrap();
    let request = script.session.build(&wants(&["a-0@5"]), &LIMITS);
    assert_eq!((request.session_id, request.session_epoch), (0, 0));
    assert_eq!(named(&request).0, ["a-0@5"]);
}

fn answer_with(session_id: i32, partitions: &[(&str, i32)]) -> FetchResponse {
    let topics = partitions.iter().map(|(topic, partition)| FetchedTopic {
        name: Some((*topic).to_owned()),
        id: TopicId::ZERO,
        partitions: vec![broker::answered(*partition, ErrorCode::NONE, 0)],
    });
    FetchResponse { session_id, topics: topics.collect(), ..FetchResponse::default() }
}

#[test]
fn lies_about_partitions_are_refused_whole() {
    let unasked = |topic: &str, partition| {
        SessionError::Unasked(Named { name: Some(topic.to_owned()), id: TopicId::ZERO, partition })
    };
    let table: [(&[(&str, i32)], SessionError); 4] = [
        (&[("a", 0), ("a", 9)], unasked("a", 9)),
        (&[("a", 0), ("z", 0)], unasked("z", 0)),
        (&[("a", -1)], unasked("a", -1)),
        (&[("a", 0), ("a", 0)], SessionError::Twice(TopicPartition::new("a", 0))),
    ];
    for (partitions, error) in table {
        let mut session = Session::new();
        session.build(&wants(&["a-0@5", "a-1@5"]), &LIMITS);
        let refused = session.handle_response(&answer_with(3, partitions)).unwrap_err();
        assert_eq!(refused, error);
        assert!(refused.is_violation());
        let request = session.build(&wants(&["a-0@5", "a-1@5"]), &LIMITS);
        // The session that the broker opened along with its lie is closed.
        assert_eq!((request.session_id, request.session_epoch), (3, 0));
    }
}

#[test]
fn a_partition_that_was_forgotten_is_unasked() {
    let mut session = Session::new();
    session.build(&wants(&["a-0@5", "a-1@5"]), &LIMITS);
    session.handle_response(&answer_with(3, &[("a", 0), ("a", 1)])).unwrap();
    session.build(&wants(&["a-1@5"]), &LIMITS);
    assert!(session.handle_response(&answer_with(3, &[("a", 0)])).unwrap_err().is_violation());
}

#[test]
fn a_session_id_that_changes_is_refused() {
    let mut session = Session::new();
    session.build(&wants(&["a-0@5"]), &LIMITS);
    session.handle_response(&answer_with(3, &[("a", 0)])).unwrap();
    session.build(&wants(&["a-0@5"]), &LIMITS);
    let other = session.handle_response(&answer_with(4, &[])).unwrap_err();
    assert_eq!(other, SessionError::OtherSession { ours: 3, answered: 4 });
}

#[test]
fn a_hole_in_a_full_answer_is_noticed() {
    let mut session = Session::new();
    session.build(&wants(&["a-0@5", "a-1@5"]), &LIMITS);
    let response = answer_with(3, &[("a", 1)]);
    let answer = session.handle_response(&response).unwrap();
    assert_eq!(answer.missing, [TopicPartition::new("a", 0)]);
    assert_eq!(answer.partitions.len(), 1);
    let request = session.build(&wants(&["a-0@5", "a-1@5"]), &LIMITS);
    assert_eq!((request.session_id, request.session_epoch), (3, 0));
}

#[test]
fn an_empty_throttled_answer_is_no_hole_and_no_session() {
    let mut session = Session::new();
    session.build(&wants(&["a-0@5"]), &LIMITS);
    let response = FetchResponse { throttle_time_ms: 100, ..FetchResponse::default() };
    assert_eq!(session.handle_response(&response).unwrap().missing, []);
    assert_eq!(session.build(&wants(&["a-0@5"]), &LIMITS).session_epoch, 0);
}

#[test]
fn epochs_count_from_one_again() {
    let mut script = Script::new();
    script.asks(&["a-0@5"], &["a-0@5"], &[]);
    script.session.state = State::Open { id: 1, epoch: i32::MAX };
    script.broker.set_epoch(1, i32::MAX);
    assert_eq!(script.asks(&["a-0@5"], &[], &[]).session_epoch, i32::MAX);
    assert_eq!(script.asks(&["a-0@5"], &[], &[]).session_epoch, 1);
}

#[test]
fn one_topic_without_an_id_keeps_all_below_version_13() {
    let mut session = Session::new();
    assert_eq!(session.needs_max_version(), None);
    session.build(&wants(&["a-0@5"]), &LIMITS);
    assert_eq!(session.needs_max_version(), None);
    session.handle_response(&answer_with(3, &[("a", 0)])).unwrap();
    let mut mixed = wants(&["a-0@5", "b-0@5"]);
    mixed[1].topic_id = TopicId::ZERO;
    let request = session.build(&mixed, &LIMITS);
    assert_eq!(session.needs_max_version(), Some(12));
    // A session is by ids or by names, so this is another one.
    assert_eq!((request.session_id, request.session_epoch), (3, 0));
    session.handle_response(&answer_with(4, &[("a", 0), ("b", 0)])).unwrap();
    let request = session.build(&wants(&["a-0@5", "b-0@5"]), &LIMITS);
    assert_eq!((request.session_id, request.session_epoch), (4, 0));
    assert_eq!(session.needs_max_version(), None);
}

#[test]
fn another_topic_of_the_same_name_is_another_session() {
    let mut script = Script::new();
    script.asks(&["a-0@5", "b-0@5"], &["a-0@5", "b-0@5"], &[]);
    let mut other = wants(&["a-0@0", "b-0@5"]);
    other[0].topic_id = TopicId([9; 16]);
    let request = script.session.build(&other, &LIMITS);
    assert_eq!((request.session_id, request.session_epoch), (1, 0));
    assert_eq!(named(&request), (strings(&["a-0@0", "b-0@5"]), vec![]));
}

#[test]
fn two_topics_of_one_name_are_not_mixed() {
    let mut session = Session::new();
    let mut two = wants(&["a-0@0", "a-1@0"]);
    two[1].topic_id = TopicId([9; 16]);
    let request = session.build(&two, &LIMITS);
    assert_eq!(named(&request).0, ["a-0@0"]);
    assert_eq!(session.len(), 1);
}

#[test]
fn a_partition_that_is_wanted_twice_is_fetched_once() {
    let mut script = Script::new();
    script.asks(&["a-0@5", "b-0@1", "a-0@6"], &["a-0@5", "b-0@1"], &[]);
    script.asks(&["a-0@5", "b-0@1", "a-0@6"], &[], &[]);
}

#[test]
fn closing_frees_the_brokers_memory() {
    let mut script = Script::new();
    assert_eq!(script.session.close(&LIMITS), None);
    script.asks(&["a-0@5"], &["a-0@5"], &[]);
    let request = script.session.close(&LIMITS).unwrap();
    assert_eq!((request.session_id, request.session_epoch), (1, -1));
    script.broker.handle(&request, true);
    assert!(script.broker.sessions().is_empty());
    assert_eq!(script.session.close(&LIMITS), None);
}

#[test]
fn a_session_is_renewed_now_and_then_to_find_what_the_broker_forgot() {
    let mut script = Script::new();
    script.asks(&["a-0@5", "a-1@5"], &["a-0@5", "a-1@5"], &[]);
    script.broker.append("a", 0, 9);
    script.broker.silently_forget("a", 0);
    let mut rounds = 0;
    loop {
        rounds += 1;
        let request = script.session.build(&wants(&["a-0@5", "a-1@5"]), &LIMITS);
        let response = script.broker.handle(&request, true);
        let answer = script.session.handle_response(&response).unwrap();
        if answer.partitions.iter().any(|answered| answered.tp.partition == 0) {
            break;
        }
        assert!(rounds < 2000, "never found");
    }
    assert_eq!(rounds, 1001);
}

#[test]
fn an_answer_by_id_finds_its_name() {
    let mut session = Session::new();
    session.build(&wants(&["a-0@5"]), &LIMITS);
    let by = |id| FetchResponse {
        session_id: 3,
        topics: vec![FetchedTopic {
            name: None,
            id,
            partitions: vec![FetchedPartition {
                preferred_read_replica: Some(BrokerId(2)),
                ..broker::answered(0, ErrorCode::NONE, 0)
            }],
        }],
        ..FetchResponse::default()
    };
    let response = by(id_of("a"));
    let answer = session.handle_response(&response).unwrap();
    assert_eq!(answer.partitions[0].tp, TopicPartition::new("a", 0));
    session.build(&wants(&["a-0@5"]), &LIMITS);
    let error = session.handle_response(&by(id_of("b"))).unwrap_err();
    assert_eq!(error, SessionError::Unasked(Named { name: None, id: id_of("b"), partition: 0 }));
}
