//! The core, asked frame by frame.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, BrokerId, FetchRequest, FetchResponse, ListOffsetsRequest, MetadataRequest,
    ProduceRequest, ProduceResponse, RequestKind, ResponseKind, SaslAuthenticateRequest,
    SaslHandshakeRequest,
};
use kafka_protocol::protocol::StrBytes;
use records::{ControlMarker, ProducerState};

use super::Output;
use crate::cluster::{BrokerState, Settings};
use crate::error_code::ErrorCode;
use crate::fault::{Action, Rule};
use crate::history::Outcome;
use crate::script::{Script, batch, fetch, name, produce};

fn produced(response: &ProduceResponse) -> &PartitionProduceResponse {
    &response.responses[0].partition_responses[0]
}

fn fetched(response: &FetchResponse) -> &PartitionData {
    &response.responses[0].partitions[0]
}

fn code(data: &PartitionData) -> ErrorCode {
    ErrorCode(data.error_code)
}

fn records(data: &PartitionData) -> &[u8] {
    data.records.as_deref().unwrap_or_default()
}

fn append(script: &mut Script, value: &str) {
    let partition = 0;
    let answer = script.ask(1, 9, produce(partition, 1, batch(&[value], |_| ())));
    assert_eq!(produced(&answer).error_code, 0);
}

fn change<T>(script: &mut Script, change: impl FnOnce(&mut crate::cluster::ClusterState) -> T) -> T {
    let now = script.now;
    script.core.change(now, |world| change(&mut world.cluster))
}

#[test]
fn what_is_produced_is_fetched() {
    let mut script = Script::new();
    let sent = batch(&["a", "b"], |_| ());
    let answer = script.ask(1, 9, produce(0, -1, sent.clone()));
    assert_eq!((produced(&answer).error_code, produced(&answer).base_offset), (0, 0));
    let answer = script.ask(1, 12, fetch(&[(0, 0)]));
    let data = fetched(&answer);
    assert_eq!((data.high_watermark, data.last_stable_offset, data.log_start_offset), (2, 2, 0));
    assert_eq!(
        records(data),
        &sent[..12].iter().chain(&[0; 4]).chain(&sent[16..]).copied().collect::<Vec<_>>()
    );
}

#[test]
fn the_wrong_broker_names_the_right_one() {
    let mut script = Script::new();
    let answer = script.ask(2, 10, produce(0, 1, batch(&["a"], |_| ())));
    assert_eq!(ErrorCode(produced(&answer).error_code), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(produced(&answer).current_leader.leader_id, BrokerId(1));
    assert_eq!(answer.node_endpoints[0].node_id, BrokerId(1));
    let id = script.core.world().cluster.id_of("t");
    let mut request = fetch(&[(0, 0)]);
    request.topics[0].topic_id = id;
    // A follower of version 11 and later serves; one that is no replica does not, and neither does an old epoch.
    change(&mut script, |cluster| cluster.move_leader("t", 0, BrokerId(3))).unwrap();
    request.topics[0].partitions[0].current_leader_epoch = 0;
    let answer = script.ask(2, 16, request);
    assert_eq!(code(fetched(&answer)), ErrorCode::FENCED_LEADER_EPOCH);
    assert_eq!(fetched(&answer).current_leader.leader_id, BrokerId(3));
    assert_eq!(fetched(&answer).current_leader.leader_epoch, 1);
    assert_eq!(answer.node_endpoints[0].node_id, BrokerId(3));
}

#[test]
fn a_fetch_waits_for_records_and_no_longer_than_it_said() {
    let mut script = Script::new();
    let request = fetch(&[(0, 0)]).with_min_bytes(1).with_max_wait_ms(500);
    script.send(1, 12, request.clone());
    assert_eq!(script.answer(1), None);
    script.sleep(499);
    assert_eq!(script.answer(1), None);
    assert_eq!(script.core.poll_timeout(), Some(Duration::from_millis(500)));
    script.sleep(1);
    let empty = Script::read::<FetchRequest>(12, script.answer(1).unwrap());
    assert!(records(fetched(&empty)).is_empty());
    script.send(1, 12, request);
    let partition = 0;
    change(&mut script, |cluster| {
        let state = cluster.partition_mut("t", partition).unwrap();
        state.log.append_trusted(&batch(&["a"], |_| ()), 0, 0).unwrap();
        cluster.touch("t", partition);
    });
    let answer = Script::read::<FetchRequest>(12, script.answer(1).unwrap());
    assert!(!records(fetched(&answer)).is_empty());
}

#[test]
fn min_bytes_of_all_partitions_together() {
    let mut script = Script::new();
    change(&mut script, |cluster| cluster.move_leader("t", 1, BrokerId(1))).unwrap();
    let size = batch(&["a"], |_| ()).len() as i32;
    let request = fetch(&[(0, 0), (1, 0)]).with_min_bytes(size + 1).with_max_wait_ms(500);
    append(&mut script, "a");
    script.send(1, 12, request);
    assert_eq!(script.answer(1), None);
    change(&mut script, |cluster| {
        let state = cluster.partition_mut("t", 1).unwrap();
        state.log.append_trusted(&batch(&["b"], |_| ()), 1, 0).unwrap();
        cluster.touch("t", 1);
    });
    let answer = Script::read::<FetchRequest>(12, script.answer(1).unwrap());
    assert!(answer.responses[0].partitions.iter().all(|data| !records(data).is_empty()));
}

#[test]
fn answers_of_a_connection_keep_the_order_of_its_requests() {
    let mut script = Script::new();
    script.send(1, 12, fetch(&[(0, 0)]).with_min_bytes(1).with_max_wait_ms(500));
    script.send(1, 4, MetadataRequest::default().with_topics(Some(Vec::new())));
    assert_eq!(script.answer(1), None);
    script.sleep(500);
    let first = script.answer(1).unwrap();
    let second = script.answer(1).unwrap();
    assert_eq!((&first[..4], &second[..4]), (&1_i32.to_be_bytes()[..], &2_i32.to_be_bytes()[..]));
}

#[test]
fn the_first_batch_comes_whole_and_the_last_one_cut() {
    let mut script = Script::new();
    append(&mut script, "a");
    append(&mut script, "b");
    let size = batch(&["a"], |_| ()).len();
    let mut ask = |partition_max: usize, max: usize| {
        let mut request = fetch(&[(0, 0)]).with_max_bytes(max as i32);
        request.topics[0].partitions[0].partition_max_bytes = partition_max as i32;
        records(fetched(&script.ask(1, 12, request))).len()
    };
    assert_eq!(ask(1, 1), size);
    assert_eq!(ask(size + 7, 1 << 20), size + 7);
    assert_eq!(ask(1 << 20, size + 9), size + 9);
    assert_eq!(ask(1 << 20, 1 << 20), 2 * size);
}

#[test]
fn only_the_first_partition_with_records_may_exceed_the_limit() {
    let mut script = Script::new();
    change(&mut script, |cluster| cluster.move_leader("t", 1, BrokerId(1))).unwrap();
    append(&mut script, "a");
    let answer = script.ask(1, 9, produce(1, 1, batch(&["b"], |_| ())));
    assert_eq!(produced(&answer).error_code, 0);
    let size = batch(&["a"], |_| ()).len();
    let answer = script.ask(1, 12, fetch(&[(0, 0), (1, 0)]).with_max_bytes(size as i32 + 10));
    let sizes: Vec<_> = answer.responses[0].partitions.iter().map(|data| records(data).len()).collect();
    // A piece of the first batch of the second partition would be of no use.
    assert_eq!(sizes, [size, 0]);
}

#[test]
fn out_of_range_and_unknown_are_told_apart() {
    let mut script = Script::new();
    append(&mut script, "a");
    let mut ask = |partition, offset, epoch| {
        let mut request = fetch(&[(partition, offset)]);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let answer = script.ask(1, 12, request);
        let data = fetched(&answer).clone();
        (code(&data), data.high_watermark)
    };
    assert_eq!(ask(0, 1, -1), (ErrorCode::NONE, 1));
    assert_eq!(ask(0, 2, -1), (ErrorCode::OFFSET_OUT_OF_RANGE, -1));
    assert_eq!(ask(9, 0, -1), (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1));
    assert_eq!(ask(0, 0, 1), (ErrorCode::UNKNOWN_LEADER_EPOCH, -1));
}

#[test]
fn an_unknown_partition_does_not_end_a_long_poll_and_out_of_range_does() {
    let mut script = Script::new();
    script.send(1, 12, fetch(&[(0, 0), (9, 0)]).with_min_bytes(1).with_max_wait_ms(500));
    assert_eq!(script.answer(1), None);
    script.sleep(500);
    assert!(script.answer(1).is_some());
    script.send(1, 12, fetch(&[(0, 5)]).with_min_bytes(1).with_max_wait_ms(500));
    assert!(script.answer(1).is_some());
}

#[test]
fn a_diverging_history_is_told_where_it_ends() {
    let mut script = Script::new();
    append(&mut script, "a");
    append(&mut script, "b");
    change(&mut script, |cluster| {
        cluster.partition_mut("t", 0).unwrap().hold_replica(BrokerId(2), true);
    });
    append(&mut script, "lost");
    change(&mut script, |cluster| cluster.elect_unclean("t", 0, BrokerId(2))).unwrap();
    let mut request = fetch(&[(0, 3)]);
    request.topics[0].partitions[0].last_fetched_epoch = 0;
    let answer = script.ask(2, 12, request);
    let diverging = &fetched(&answer).diverging_epoch;
    assert_eq!((diverging.epoch, diverging.end_offset), (0, 2));
    assert_eq!(code(fetched(&answer)), ErrorCode::NONE);
}

#[test]
fn a_committed_reader_stops_at_the_open_transaction_and_learns_what_was_aborted() {
    let mut script = Script::new();
    append(&mut script, "a");
    let producer = ProducerState { producer_id: 7, producer_epoch: 0, base_sequence: 0 };
    change(&mut script, |cluster| {
        let state = cluster.partition_mut("t", 0).unwrap();
        let bytes = batch(&["x"], |builder| {
            builder.producer(producer).transactional(true);
        });
        state.log.append_trusted(&bytes, 0, 0).unwrap();
        cluster.touch("t", 0);
    });
    let committed = fetch(&[(0, 0)]).with_isolation_level(1);
    let open = script.ask(1, 12, committed.clone());
    assert_eq!((fetched(&open).high_watermark, fetched(&open).last_stable_offset), (2, 1));
    assert_eq!(records(fetched(&open)).len(), batch(&["a"], |_| ()).len());
    assert_eq!(fetched(&open).aborted_transactions, Some(Vec::new()));
    change(&mut script, |cluster| {
        let state = cluster.partition_mut("t", 0).unwrap();
        state.log.append_marker(7, 0, ControlMarker::Abort { coordinator_epoch: 0 }, 0, 0).unwrap();
        cluster.touch("t", 0);
    });
    let ended = script.ask(1, 12, committed);
    let aborted = fetched(&ended).aborted_transactions.as_ref().unwrap();
    assert_eq!((aborted[0].producer_id.0, aborted[0].first_offset), (7, 1));
    let uncommitted = script.ask(1, 12, fetch(&[(0, 0)]));
    assert_eq!(fetched(&uncommitted).aborted_transactions, None);
}

/// A fetch in a session.
fn in_session(id: i32, epoch: i32, partitions: &[(i32, i64)]) -> FetchRequest {
    let mut request = fetch(partitions).with_session_id(id).with_session_epoch(epoch);
    if partitions.is_empty() {
        request.topics.clear();
    }
    request
}

#[test]
fn a_session_answers_only_what_is_new() {
    let mut script = Script::new();
    change(&mut script, |cluster| cluster.move_leader("t", 1, BrokerId(1))).unwrap();
    let full = script.ask(1, 12, in_session(0, 0, &[(0, 0), (1, 0)]));
    let id = full.session_id;
    assert!(id > 0);
    assert_eq!(full.responses[0].partitions.len(), 2);
    let nothing = script.ask(1, 12, in_session(id, 1, &[]));
    assert_eq!((nothing.session_id, nothing.responses.len()), (id, 0));
    append(&mut script, "a");
    let news = script.ask(1, 12, in_session(id, 2, &[]));
    assert_eq!((fetched(&news).partition_index, fetched(&news).high_watermark), (0, 1));
    // The same again: the client has not moved on, so it gets the same records.
    let again = script.ask(1, 12, in_session(id, 3, &[]));
    assert_eq!(records(fetched(&again)), records(fetched(&news)));
    let moved = script.ask(1, 12, in_session(id, 4, &[(0, 1)]));
    assert_eq!(moved.responses.len(), 0);
    // An error is told every time, and its end as well.
    change(&mut script, |cluster| cluster.move_leader("t", 1, BrokerId(3))).unwrap();
    change(&mut script, |cluster| cluster.partition_mut("t", 1).unwrap().replicas.retain(|b| b.0 != 1));
    for epoch in [5, 6] {
        let failed = script.ask(1, 12, in_session(id, epoch, &[]));
        assert_eq!(code(fetched(&failed)), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    }
    let mut forget = in_session(id, 7, &[]);
    forget.forgotten_topics_data = vec![
        kafka_protocol::messages::fetch_request::ForgottenTopic::default()
            .with_topic(name("t"))
            .with_partitions(vec![1]),
    ];
    assert_eq!(script.ask(1, 12, forget).responses.len(), 0);
}

#[test]
fn sessions_that_are_not_there_or_not_in_step_are_refused() {
    let mut script = Script::new();
    let error = |answer: FetchResponse| (ErrorCode(answer.error_code), answer.session_id);
    let unknown = script.ask(1, 12, in_session(5, 1, &[]));
    assert_eq!(error(unknown), (ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0));
    let id = script.ask(1, 12, in_session(0, 0, &[(0, 0)])).session_id;
    let early = script.ask(1, 12, in_session(id, 2, &[]));
    assert_eq!(error(early), (ErrorCode::INVALID_FETCH_SESSION_EPOCH, 0));
    let with_ids = script.ask(1, 13, in_session(id, 1, &[]));
    assert_eq!(error(with_ids), (ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR, 0));
    // Sessions are a broker's own, and gone with its memory.
    let elsewhere = script.ask(2, 12, in_session(id, 1, &[]));
    assert_eq!(error(elsewhere), (ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0));
    assert_eq!(error(script.ask(1, 12, in_session(id, 1, &[]))).0, ErrorCode::NONE);
    // Closing ends it.
    script.ask(1, 12, in_session(id, -1, &[(0, 0)]));
    assert_eq!(error(script.ask(1, 12, in_session(id, 2, &[]))).0, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[test]
fn no_room_for_a_session_means_none() {
    let settings = Settings { brokers: 3, fetch_sessions_max: 1, ..Settings::default() };
    let mut script = Script::with(settings);
    let first = script.ask(1, 12, in_session(0, 0, &[(0, 0)])).session_id;
    assert_eq!(script.ask(1, 12, in_session(0, 0, &[(0, 0)])).session_id, 0);
    script.sleep(120_001);
    assert!(script.ask(1, 12, in_session(0, 0, &[(0, 0)])).session_id > first);
}

#[test]
fn a_recreated_topic_is_unknown_by_its_old_id() {
    let mut script = Script::new();
    let id = script.core.world().cluster.id_of("t");
    let mut request = fetch(&[(0, 0)]);
    request.topics[0].topic_id = id;
    assert_eq!(code(fetched(&script.ask(1, 13, request.clone()))), ErrorCode::NONE);
    change(&mut script, |cluster| {
        cluster.delete_topic("t").unwrap();
        cluster.create_topic(&crate::cluster::NewTopic::new("t", 2)).unwrap();
    });
    let answer = script.ask(1, 13, request);
    assert_eq!(code(fetched(&answer)), ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(answer.responses[0].topic_id, id);
}

#[test]
fn consumers_are_sent_to_a_replica_in_their_rack() {
    let racks = [(1, "a".to_owned()), (2, "b".to_owned()), (3, "c".to_owned())].into();
    let mut script =
        Script::with(Settings { brokers: 3, racks, rack_aware_fetch: true, ..Settings::default() });
    append(&mut script, "x");
    let near = fetch(&[(0, 0)]).with_rack_id(StrBytes::from_static_str("b"));
    let answer = script.ask(1, 12, near.clone());
    assert_eq!(fetched(&answer).preferred_read_replica, BrokerId(2));
    assert!(records(fetched(&answer)).is_empty());
    let answer = script.ask(2, 12, near);
    assert_eq!(fetched(&answer).preferred_read_replica, BrokerId(-1));
    assert!(!records(fetched(&answer)).is_empty());
    // A follower that lags does not know of what it lacks.
    change(&mut script, |cluster| cluster.partition_mut("t", 0).unwrap().hold_replica(BrokerId(2), true));
    append(&mut script, "y");
    let beyond = fetch(&[(0, 2)]).with_rack_id(StrBytes::from_static_str("b"));
    assert_eq!(code(fetched(&script.ask(2, 12, beyond.clone()))), ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(code(fetched(&script.ask(1, 12, beyond))), ErrorCode::NONE);
}

#[test]
fn all_replicas_in_sync_or_no_answer_yet() {
    let mut script = Script::new();
    change(&mut script, |cluster| cluster.partition_mut("t", 0).unwrap().hold_replica(BrokerId(3), false));
    let request = produce(0, -1, batch(&["a"], |_| ()));
    script.send(1, 9, request.clone());
    assert_eq!(script.answer(1), None);
    change(&mut script, |cluster| {
        cluster.partition_mut("t", 0).unwrap().release_replica(BrokerId(3));
        cluster.touch("t", 0);
    });
    let answer = Script::read::<ProduceRequest>(9, script.answer(1).unwrap());
    assert_eq!((produced(&answer).error_code, produced(&answer).base_offset), (0, 0));
    change(&mut script, |cluster| cluster.partition_mut("t", 0).unwrap().hold_replica(BrokerId(3), false));
    script.send(1, 9, request.clone());
    script.sleep(1000);
    let answer = Script::read::<ProduceRequest>(9, script.answer(1).unwrap());
    assert_eq!(ErrorCode(produced(&answer).error_code), ErrorCode::REQUEST_TIMED_OUT);
    script.send(1, 9, request);
    change(&mut script, |cluster| cluster.move_leader("t", 0, BrokerId(2))).unwrap();
    let answer = Script::read::<ProduceRequest>(9, script.answer(1).unwrap());
    assert_eq!(ErrorCode(produced(&answer).error_code), ErrorCode::NOT_LEADER_OR_FOLLOWER);
}

#[test]
fn too_few_replicas_refuse_at_once() {
    let topic_defaults = [("min.insync.replicas".to_owned(), "3".to_owned())].into();
    let mut script = Script::with(Settings { brokers: 3, topic_defaults, ..Settings::default() });
    change(&mut script, |cluster| cluster.set_broker_state(BrokerId(3), BrokerState::Stopped));
    let answer = script.ask(1, 9, produce(0, -1, batch(&["a"], |_| ())));
    assert_eq!(ErrorCode(produced(&answer).error_code), ErrorCode::NOT_ENOUGH_REPLICAS);
    assert_eq!(produced(&script.ask(1, 9, produce(0, 1, batch(&["a"], |_| ())))).error_code, 0);
}

#[test]
fn without_acks_there_is_no_answer_and_an_error_closes() {
    let mut script = Script::new();
    script.send(1, 9, produce(0, 0, batch(&["a"], |_| ())));
    assert_eq!(script.core.poll_output(), Some(Output::Done { conn: script.conn(1) }));
    script.send(2, 9, produce(0, 0, batch(&["a"], |_| ())));
    assert_eq!(script.core.poll_output(), Some(Output::Close { conn: script.conn(2) }));
    assert_eq!(script.core.world().cluster.partition("t", 0).unwrap().log.end_offset(), 1);
}

fn list(timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default().with_timestamp(timestamp).with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_topics(vec![topic])
}

#[test]
fn special_times_are_answered_from_the_version_on_that_has_them() {
    let mut script = Script::new();
    append(&mut script, "a");
    append(&mut script, "b");
    change(&mut script, |cluster| cluster.partition_mut("t", 0).unwrap().log.advance_start(1));
    let mut ask = |version, timestamp| {
        let answer = script.ask(1, version, list(timestamp));
        let found = &answer.topics[0].partitions[0];
        (ErrorCode(found.error_code), found.offset)
    };
    assert_eq!(ask(1, -1), (ErrorCode::NONE, 2));
    assert_eq!(ask(1, -2), (ErrorCode::NONE, 1));
    assert_eq!(ask(6, -3), (ErrorCode::UNSUPPORTED_VERSION, -1));
    assert_eq!(ask(7, -3), (ErrorCode::NONE, 0));
    assert_eq!(ask(8, -4), (ErrorCode::NONE, 1));
    assert_eq!(ask(9, -5), (ErrorCode::NONE, -1));
    assert_eq!(ask(9, 1_767_225_600_000), (ErrorCode::NONE, 1));
    assert_eq!(ask(9, 1_767_225_600_001), (ErrorCode::NONE, -1));
}

#[test]
fn metadata_by_name_by_id_and_of_all() {
    let mut script = Script::new();
    let all = script.ask(1, 12, MetadataRequest::default().with_topics(None));
    assert_eq!((all.brokers.len(), all.topics.len(), all.topics[0].partitions.len()), (3, 1, 2));
    let none = script.ask(1, 1, MetadataRequest::default().with_topics(Some(Vec::new())));
    assert_eq!(none.topics.len(), 0);
    let all = script.ask(1, 0, MetadataRequest::default().with_topics(Some(Vec::new())));
    assert_eq!(all.topics.len(), 1);
    let id = all_ids(&script);
    let by_id = MetadataRequestTopic::default().with_topic_id(id).with_name(None);
    let found = script.ask(1, 12, MetadataRequest::default().with_topics(Some(vec![by_id.clone()])));
    assert_eq!(found.topics[0].name, Some(name("t")));
    let unknown = by_id.with_topic_id(uuid::Uuid::from_u128(5));
    let missing = script.ask(1, 12, MetadataRequest::default().with_topics(Some(vec![unknown])));
    assert_eq!(ErrorCode(missing.topics[0].error_code), ErrorCode::UNKNOWN_TOPIC_ID);
}

fn all_ids(script: &Script) -> uuid::Uuid {
    script.core.world().cluster.id_of("t")
}

#[test]
fn a_topic_is_created_by_asking_for_it() {
    let mut script = Script::new();
    let new = MetadataRequestTopic::default().with_name(Some(name("new")));
    let ask = MetadataRequest::default().with_topics(Some(vec![new]));
    let first = script.ask(1, 12, ask.clone().with_allow_auto_topic_creation(false));
    assert_eq!(ErrorCode(first.topics[0].error_code), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert!(script.core.world().cluster.topic("new").is_none());
    let second = script.ask(1, 12, ask.clone().with_allow_auto_topic_creation(true));
    assert_eq!(ErrorCode(second.topics[0].error_code), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let third = script.ask(1, 12, ask);
    assert_eq!((third.topics[0].error_code, third.topics[0].partitions.len()), (0, 1));
}

#[test]
fn versions_that_are_not_served_close_and_api_versions_says_which_are() {
    let mut script = Script::new();
    let conn = script.conn(1);
    let unknown = crate::script::frame(1, 4, &ApiVersionsRequest::default()).to_vec();
    let frame = [&[0, 18, 0, 99], &unknown[4..]].concat();
    script.core.handle(script.now, conn, frame.into());
    let answer = Script::read::<ApiVersionsRequest>(0, script.answer(1).unwrap());
    assert_eq!(ErrorCode(answer.error_code), ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!((answer.api_keys.len(), answer.api_keys[0].max_version), (1, 4));
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("milena"))
        .with_client_software_version(StrBytes::from_static_str("0.1"));
    let answer = script.ask(1, 4, request.clone());
    let versions = |api: ApiKey| {
        let found = answer.api_keys.iter().find(|key| key.api_key == api as i16).unwrap();
        (found.min_version, found.max_version)
    };
    assert_eq!((versions(ApiKey::Fetch), versions(ApiKey::Produce)), ((4, 18), (0, 13)));
    assert!(answer.supported_features.iter().any(|feature| &*feature.name == "group.version"));
    let third = script.ask(1, 3, request);
    assert!(third.supported_features.iter().all(|feature| feature.min_version > 0));
    // Everything else that a broker cannot read.
    for frame in [
        &b"\x00\x01\x00\x03"[..],
        b"\x00\x63\x00\x00\x00\x00\x00\x01",
        b"",
        b"\x00\x03\x00\x0c\x00\x00\x00\x01\xff\xff\x00\xff",
    ] {
        let mut script = Script::new();
        let conn = script.conn(1);
        script.core.handle(script.now, conn, Bytes::copy_from_slice(frame));
        assert_eq!(script.core.poll_output(), Some(Output::Close { conn }));
    }
}

#[test]
fn an_older_broker_announces_and_serves_less() {
    let mut settings = Settings { brokers: 3, ..Settings::default() };
    settings.limit_versions(ApiKey::Fetch, 4, 11);
    let mut script = Script::with(settings);
    assert_eq!(script.ask(1, 11, fetch(&[(0, 0)])).error_code, 0);
    script.send(1, 12, fetch(&[(0, 0)]));
    assert_eq!(script.core.poll_output(), Some(Output::Close { conn: script.conn(1) }));
}

#[test]
fn only_who_has_authenticated_may_ask() {
    let sasl_users = [("user".to_owned(), "secret".to_owned())].into();
    let mut script =
        Script::with(Settings { brokers: 2, replication_default: 1, sasl_users, ..Settings::default() });
    let handshake =
        |mechanism| SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    let token = |token: &'static str| {
        SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from_static(token.as_bytes()))
    };
    let unknown = script.ask(1, 1, handshake("GSSAPI"));
    assert_eq!(ErrorCode(unknown.error_code), ErrorCode::UNSUPPORTED_SASL_MECHANISM);
    assert_eq!(script.ask(1, 1, handshake("PLAIN")).error_code, 0);
    let wrong = script.ask(1, 2, token("\0user\0guess"));
    assert_eq!(ErrorCode(wrong.error_code), ErrorCode::SASL_AUTHENTICATION_FAILED);
    script.ask(2, 1, handshake("PLAIN"));
    assert_eq!(script.ask(2, 2, token("\0user\0secret")).error_code, 0);
    assert_eq!(script.ask(2, 12, MetadataRequest::default()).topics.len(), 0);
    script.send(1, 12, MetadataRequest::default());
    assert_eq!(script.core.poll_output(), Some(Output::Close { conn: script.conn(1) }));
}

#[test]
fn a_fault_hits_as_often_and_where_it_says() {
    let mut script = Script::new();
    append(&mut script, "a");
    let rule = Rule::on(ApiKey::Fetch).topic("t").partition(0).after(1).times(2);
    let id = script.core.faults().add(rule, Action::Fail(ErrorCode::KAFKA_STORAGE_ERROR));
    let mut codes = Vec::new();
    for _ in 0..2 {
        // Another partition does not count.
        assert_eq!(code(fetched(&script.ask(2, 12, fetch(&[(1, 0)])))), ErrorCode::NONE);
    }
    for _ in 0..4 {
        codes.push(code(fetched(&script.ask(1, 12, fetch(&[(0, 0)])))));
    }
    let failed = ErrorCode::KAFKA_STORAGE_ERROR;
    assert_eq!(codes, [ErrorCode::NONE, failed, failed, ErrorCode::NONE]);
    assert!(!script.core.faults().is_pending(id));
}

#[test]
fn a_failed_produce_writes_nothing() {
    let mut script = Script::new();
    script.core.faults().add(Rule::on(ApiKey::Produce), Action::Fail(ErrorCode::NOT_ENOUGH_REPLICAS));
    let answer = script.ask(1, 9, produce(0, 1, batch(&["a"], |_| ())));
    assert_eq!(ErrorCode(produced(&answer).error_code), ErrorCode::NOT_ENOUGH_REPLICAS);
    assert_eq!(script.core.world().cluster.partition("t", 0).unwrap().log.end_offset(), 0);
}

#[test]
fn answers_are_delayed_cut_swallowed_changed_and_replaced() {
    let mut script = Script::new();
    let metadata = MetadataRequest::default().with_topics(Some(Vec::new()));
    let fault = |script: &mut Script, action| {
        script.core.faults().add(Rule::on(ApiKey::Metadata), action);
        script.send(1, 12, metadata.clone());
    };
    fault(&mut script, Action::Delay(Duration::from_millis(50)));
    assert_eq!(script.answer(1), None);
    script.sleep(50);
    let whole = script.answer(1).unwrap();
    fault(&mut script, Action::Throttle(Duration::from_millis(70)));
    let throttled = Script::read::<MetadataRequest>(12, script.answer(1).unwrap());
    assert_eq!(throttled.throttle_time_ms, 70);
    // Nothing is read from a throttled client.
    script.send(1, 12, metadata.clone());
    assert_eq!(script.answer(1), None);
    script.sleep(70);
    assert!(script.answer(1).is_some());
    fault(
        &mut script,
        Action::Alter(std::sync::Arc::new(|response| {
            if let ResponseKind::Metadata(response) = response {
                response.controller_id = BrokerId(99);
            }
        })),
    );
    let altered = Script::read::<MetadataRequest>(12, script.answer(1).unwrap());
    assert_eq!(altered.controller_id, BrokerId(99));
    fault(
        &mut script,
        Action::AnswerWith(Box::new(|request, version| {
            assert!(matches!(request, RequestKind::Metadata(_)) && version == 12);
            Some(kafka_protocol::messages::MetadataResponse::default().into())
        })),
    );
    let replaced = Script::read::<MetadataRequest>(12, script.answer(1).unwrap());
    assert_eq!(replaced.brokers.len(), 0);
    fault(&mut script, Action::Swallow);
    script.sleep(1_000_000);
    assert_eq!(script.answer(1), None);
    assert!(matches!(script.core.history().exchanges().last().unwrap().outcome, Outcome::Swallowed));
    script.core.faults().add(Rule::on_any(), Action::CutAfter(9));
    script.send(2, 12, metadata);
    let length = (whole.len() as i32).to_be_bytes();
    let bytes = [&length[..], &1_i32.to_be_bytes(), &[0]].concat();
    let Some(Output::Cut { conn, bytes: cut }) = script.core.poll_output() else { panic!("not cut") };
    assert_eq!(conn, script.conn(2));
    assert_eq!((&cut[..4], cut.len()), (&bytes[..4], 9));
}

#[test]
fn a_paused_broker_answers_when_it_runs_again() {
    let mut script = Script::new();
    script.send(1, 12, fetch(&[(0, 0)]).with_min_bytes(1).with_max_wait_ms(100));
    script.core.set_broker_state(script.now, BrokerId(1), BrokerState::Paused);
    script.sleep(100);
    assert_eq!(script.answer(1), None);
    script.send(1, 12, MetadataRequest::default());
    assert_eq!(script.answer(1), None);
    script.core.set_broker_state(script.now, BrokerId(1), BrokerState::Running);
    assert!(script.answer(1).is_some());
    assert!(script.answer(1).is_some());
}

#[test]
fn a_stopped_broker_closes_and_refuses() {
    let mut script = Script::new();
    let now = script.now;
    script.core.set_broker_state(now, BrokerId(1), BrokerState::Stopped);
    assert_eq!(script.core.poll_output(), Some(Output::Close { conn: script.conn(1) }));
    assert_eq!(script.core.connect(now, BrokerId(1), "/127.0.0.1"), None);
    // Nobody hears the answer to a frame that was on its way.
    script.send(1, 12, MetadataRequest::default());
    assert_eq!(script.core.poll_output(), None);
}

#[test]
fn the_history_tells_who_asked_what_and_what_the_answer_was() {
    let mut script = Script::new();
    append(&mut script, "a");
    script.ask(2, 12, MetadataRequest::default());
    let exchanges: Vec<_> = script.core.history().exchanges().cloned().collect();
    let summary: Vec<_> = exchanges.iter().map(|e| (e.number, e.broker.0, e.api, e.version)).collect();
    assert_eq!(summary, [(1, 1, ApiKey::Produce, 9), (2, 2, ApiKey::Metadata, 12)]);
    assert!(matches!(exchanges[0].response(), Some(ResponseKind::Produce(_))));
    assert!(exchanges[1].to_string().starts_with("#2 0ns script@2 -> broker 2 Metadata v12"));
    script.core.history_mut().keep(1);
    assert_eq!(script.core.history().exchanges().count(), 1);
}

#[test]
fn the_same_requests_give_the_same_bytes() {
    let run = || {
        let mut script = Script::new();
        append(&mut script, "a");
        script.send(1, 12, in_session(0, 0, &[(0, 0)]));
        script.send(1, 12, MetadataRequest::default());
        (script.answer(1), script.answer(1))
    };
    assert_eq!(run(), run());
}

/// For [`FetchTopic`] by id.
#[test]
fn a_session_by_topic_id_names_the_topic_by_id() {
    let mut script = Script::new();
    let id = all_ids(&script);
    let partition = FetchPartition::default().with_partition_max_bytes(1000).with_current_leader_epoch(-1);
    let topic = FetchTopic::default().with_topic_id(id).with_partitions(vec![partition]);
    let request = FetchRequest::default().with_max_bytes(1000).with_session_epoch(0).with_topics(vec![topic]);
    let full = script.ask(1, 13, request);
    assert_eq!((full.responses[0].topic_id, fetched(&full).error_code), (id, 0));
    append(&mut script, "a");
    let next =
        FetchRequest::default().with_max_bytes(1000).with_session_id(full.session_id).with_session_epoch(1);
    let news = script.ask(1, 13, next);
    assert_eq!((news.responses[0].topic_id, fetched(&news).high_watermark), (id, 1));
}

/// Answers hold no field that their version does not know: those cannot be written, and the connection would close.
#[test]
fn every_announced_version_is_answered() {
    macro_rules! ask {
        ($script:ident, $($api:ident $request:expr;)*) => {
            $({
                let settings = &$script.core.world().cluster.settings;
                let (min, max) = crate::api::served(settings, ApiKey::$api).unwrap();
                for version in min..=max.min(ApiKey::$api.valid_versions().max) {
                    let make: fn(i16) -> _ = $request;
                    $script.ask(1, version, make(version));
                }
            })*
        };
    }
    use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
    use kafka_protocol::messages::create_topics_request::CreatableTopic;
    use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
    use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
    use kafka_protocol::messages::offset_for_leader_epoch_request::{
        OffsetForLeaderPartition, OffsetForLeaderTopic,
    };
    use kafka_protocol::messages::*;
    let mut script = Script::new();
    append(&mut script, "a");
    ask!(script,
        Produce |version| {
            let mut request = produce(0, 1, batch(&["a"], |_| ()));
            if version >= 13 {
                request.topic_data[0].name = TopicName::default();
                request.topic_data[0].topic_id = uuid::Uuid::from_u128(1);
            }
            request
        };
        Fetch |version| {
            let mut request = fetch(&[(0, 0), (1, 0), (9, 0)]).with_isolation_level(1);
            if version >= 13 {
                request.topics[0].topic = TopicName::default();
                request.topics[0].topic_id = uuid::Uuid::from_u128(1);
            }
            request
        };
        ListOffsets |_| list(-1);
        Metadata |_| MetadataRequest::default().with_topics(Some(vec![
            MetadataRequestTopic::default().with_name(Some(name("t"))),
            MetadataRequestTopic::default().with_name(Some(name("no/name"))),
        ]));
        FindCoordinator |version| if version >= 4 {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![StrBytes::from_static_str("g")])
        } else {
            FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("g"))
        };
        SaslHandshake |_| SaslHandshakeRequest::default();
        ApiVersions |_| ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("a"))
            .with_client_software_version(StrBytes::from_static_str("1"));
        CreateTopics |_| CreateTopicsRequest::default().with_validate_only(true).with_topics(vec![
            CreatableTopic::default().with_name(name("new")).with_num_partitions(1).with_replication_factor(1),
            CreatableTopic::default().with_name(name("t")).with_num_partitions(1).with_replication_factor(1),
        ]);
        DeleteTopics |_| DeleteTopicsRequest::default();
        DeleteRecords |_| DeleteRecordsRequest::default().with_topics(vec![
            DeleteRecordsTopic::default()
                .with_name(name("t"))
                .with_partitions(vec![DeleteRecordsPartition::default().with_offset(-1)]),
        ]);
        InitProducerId |_| InitProducerIdRequest::default().with_transactional_id(None);
        OffsetForLeaderEpoch |_| OffsetForLeaderEpochRequest::default().with_topics(vec![
            OffsetForLeaderTopic::default()
                .with_topic(name("t"))
                .with_partitions(vec![OffsetForLeaderPartition::default().with_current_leader_epoch(-1)]),
        ]);
        DescribeConfigs |_| DescribeConfigsRequest::default().with_include_synonyms(true).with_resources(vec![
            DescribeConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(StrBytes::from_static_str("t"))
                .with_configuration_keys(None),
        ]);
        SaslAuthenticate |_| SaslAuthenticateRequest::default();
        CreatePartitions |_| CreatePartitionsRequest::default()
            .with_validate_only(true)
            .with_topics(vec![CreatePartitionsTopic::default().with_name(name("t")).with_count(9).with_assignments(None)]);
        DescribeCluster |_| DescribeClusterRequest::default().with_endpoint_type(1);
        DescribeTopicPartitions |_| DescribeTopicPartitionsRequest::default();
    );
    let asked = script.core.history().exchanges().count();
    assert!(asked > 80, "{asked}");
}
