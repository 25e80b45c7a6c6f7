//! Whole frames: headers, lengths, and what a version cannot carry.

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages as kp;
use kafka_protocol::protocol::{Decodable, Encodable};
use milena_proto::types::{Generation, IsolationLevel, LeaderEpoch, TopicId};
use milena_proto::wire::*;

fn heartbeat() -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: "g".into(),
        generation: Generation(7),
        member_id: "m".into(),
        group_instance_id: None,
    }
}

fn encode<R: Request>(request: &R, version: i16) -> Result<Bytes, EncodeError> {
    let mut out = BytesMut::new();
    encode_request(request, version, 77, Some("client"), &mut out)?;
    Ok(out.freeze())
}

/// `R::VERSIONS` under Kafka's own table of header versions.
fn headers_are_kafkas<R: Request>(request: &R) {
    let theirs = kp::ApiKey::try_from(R::API.0).unwrap();
    assert_eq!(format!("{theirs:?}"), R::API.name());
    for version in R::VERSIONS {
        let mut frame = encode(request, version).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(usize::try_from(frame.get_i32()).unwrap(), frame.len());
        let header = kp::RequestHeader::decode(&mut frame, theirs.request_header_version(version)).unwrap();
        assert_eq!((header.request_api_key, header.request_api_version), (R::API.0, version));
        assert_eq!(header.correlation_id, 77);
        assert_eq!(header.client_id.unwrap().as_str(), "client");
        let mut body = BytesMut::new();
        request.encode(version, &mut body).unwrap();
        assert_eq!(frame, body.freeze(), "{} {version}", R::API);

        let mut answer = BytesMut::new();
        let header = kp::ResponseHeader::default().with_correlation_id(-5);
        header.encode(&mut answer, theirs.response_header_version(version)).unwrap();
        answer.extend_from_slice(b"body");
        assert_eq!(correlation_id(&answer), Some(-5));
        let split = split_response(R::API, version, answer.freeze());
        assert_eq!(split, Ok((-5, Bytes::from_static(b"body"))), "{} {version}", R::API);
    }
}

#[test]
fn every_version_of_every_api_has_kafkas_headers() {
    let group = || "g".to_owned();
    headers_are_kafkas(&ProduceRequest { transactional_id: None, acks: -1, timeout_ms: 0, topics: vec![] });
    headers_are_kafkas(&empty_fetch());
    headers_are_kafkas(&list_offsets(IsolationLevel::ReadUncommitted, -1));
    headers_are_kafkas(&MetadataRequest { topics: None, allow_auto_topic_creation: false });
    headers_are_kafkas(&OffsetCommitRequest {
        group_id: group(),
        generation: Generation(-1),
        member_id: String::new(),
        group_instance_id: None,
        topics: vec![],
    });
    headers_are_kafkas(&OffsetFetchRequest {
        group_id: group(),
        member: None,
        topics: Some(vec![]),
        require_stable: true,
    });
    headers_are_kafkas(&FindCoordinatorRequest { key: group(), key_type: 0 });
    headers_are_kafkas(&join());
    headers_are_kafkas(&heartbeat());
    headers_are_kafkas(&leave());
    headers_are_kafkas(&sync());
    headers_are_kafkas(&DescribeGroupsRequest { groups: vec![group()] });
    headers_are_kafkas(&ListGroupsRequest::default());
    headers_are_kafkas(&ApiVersionsRequest {
        client_software_name: "n".into(),
        client_software_version: "1".into(),
    });
    headers_are_kafkas(&CreateTopicsRequest { topics: vec![], timeout_ms: 0, validate_only: true });
    headers_are_kafkas(&DeleteTopicsRequest { names: vec![], timeout_ms: 0 });
    headers_are_kafkas(&init_producer_id(-1, -1));
    headers_are_kafkas(&OffsetForLeaderEpochRequest { topics: vec![] });
}

fn empty_fetch() -> FetchRequest {
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 0,
        max_bytes: 0,
        isolation: IsolationLevel::ReadUncommitted,
        session_id: 0,
        session_epoch: -1,
        topics: vec![],
        forgotten: vec![],
        rack_id: "rack".into(),
    }
}

fn list_offsets(isolation: IsolationLevel, timestamp: i64) -> ListOffsetsRequest {
    let partition =
        ListOffsetsPartition { partition: 0, current_leader_epoch: Some(LeaderEpoch(3)), timestamp };
    let topics = vec![ListOffsetsTopic { name: "t".into(), partitions: vec![partition] }];
    ListOffsetsRequest { isolation, topics, timeout_ms: 9 }
}

fn join() -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 1,
        rebalance_timeout_ms: 2,
        member_id: String::new(),
        group_instance_id: None,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), Bytes::from_static(b"x"))],
        reason: Some("new".into()),
    }
}

fn leave() -> LeaveGroupRequest {
    LeaveGroupRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        group_instance_id: None,
        reason: Some("done".into()),
    }
}

fn sync() -> SyncGroupRequest {
    SyncGroupRequest {
        group_id: "g".into(),
        generation: Generation(1),
        member_id: "m".into(),
        group_instance_id: None,
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: vec![],
    }
}

fn init_producer_id(producer_id: i64, producer_epoch: i16) -> InitProducerIdRequest {
    InitProducerIdRequest { transactional_id: None, transaction_timeout_ms: 0, producer_id, producer_epoch }
}

#[test]
fn a_client_id_may_be_missing() {
    let mut out = BytesMut::new();
    encode_request(&heartbeat(), 4, 1, None, &mut out).unwrap();
    let header = kp::RequestHeader::decode(&mut out.freeze().slice(4..), 2).unwrap();
    assert_eq!(header.client_id, None);
}

#[test]
fn requests_are_appended_and_a_refused_one_leaves_nothing() {
    let mut out = BytesMut::from(&b"before"[..]);
    encode_request(&heartbeat(), 4, 1, None, &mut out).unwrap();
    let len = out.len();
    assert_eq!(&out[..6], b"before");

    let mut long = heartbeat();
    long.member_id = "m".repeat(32_768);
    let too_long = Err(EncodeError::TooLong { api: ApiKey::HEARTBEAT, version: 4 });
    assert_eq!(encode_request(&long, 4, 1, None, &mut out), too_long);
    assert_eq!(encode_request(&heartbeat(), 4, 1, Some(&"c".repeat(32_768)), &mut out), too_long);
    let unknown = Err(EncodeError::Version { api: ApiKey::HEARTBEAT, version: 5 });
    assert_eq!(encode_request(&heartbeat(), 5, 1, None, &mut out), unknown);
    assert_eq!(out.len(), len);
}

#[test]
fn version_10_refuses_text_that_is_too_long_as_the_others_do() {
    let request =
        OffsetFetchRequest { group_id: "g".repeat(32_768), member: None, topics: None, require_stable: true };
    for version in [2, 9, 10] {
        let api = ApiKey::OFFSET_FETCH;
        assert_eq!(encode(&request, version), Err(EncodeError::TooLong { api, version }));
    }
}

#[test]
fn a_frame_too_short_for_a_header_is_refused() {
    assert_eq!(correlation_id(&[0, 0, 0]), None);
    let need_four = DecodeError::Truncated { what: "correlation_id", need: 4, have: 3 };
    assert_eq!(split_response(ApiKey::FETCH, 12, Bytes::from_static(&[0; 3])), Err(need_four));
    // A flexible header ends in tagged fields.
    assert!(split_response(ApiKey::FETCH, 12, Bytes::from_static(&[0; 4])).is_err());
    assert!(split_response(ApiKey::FETCH, 11, Bytes::from_static(&[0; 4])).is_ok());
    assert!(split_response(ApiKey::API_VERSIONS, 4, Bytes::from_static(&[0; 4])).is_ok());
}

#[test]
fn tags_in_a_header_are_skipped() {
    let frame = Bytes::from_static(&[0, 0, 0, 9, 1, 5, 2, 0xaa, 0xbb, 0, 0, 0, 0, 0, 27, 0]);
    let answer = HeartbeatResponse { throttle_time_ms: 0, error: ErrorCode::REBALANCE_IN_PROGRESS };
    assert_eq!(decode_response::<HeartbeatRequest>(4, frame), Ok((9, answer)));
}

#[test]
fn api_keys_print_their_names() {
    assert_eq!(ApiKey::FETCH.to_string(), "Fetch");
    assert_eq!(format!("{:?}", ApiKey::CONSUMER_GROUP_HEARTBEAT), "ConsumerGroupHeartbeat");
    assert_eq!(ApiKey(999).to_string(), "Unknown(999)");
    for key in 0..=92 {
        let ours = ApiKey(key).name();
        let Ok(theirs) = kp::ApiKey::try_from(key) else { continue };
        // Renamed in Kafka 4.1 (KIP-1142).
        let theirs = format!("{theirs:?}").replace("ListClientMetricsResources", "ListConfigResources");
        assert_eq!(ours, theirs);
    }
}

/// The first version that takes the request; all before must say which field they cannot carry.
fn carried_from<R: Request>(request: &R, field: &'static str) -> i16 {
    for version in R::VERSIONS {
        match encode(request, version) {
            Ok(_) => {
                assert!((version..=*R::VERSIONS.end()).all(|later| encode(request, later).is_ok()));
                return version;
            }
            Err(error) => assert_eq!(error, EncodeError::Field { api: R::API, version, field }),
        }
    }
    panic!("never carried")
}

#[test]
fn what_must_not_be_lost_is_refused_where_it_cannot_be_said() {
    let id = || Some("static".to_owned());
    assert_eq!(
        carried_from(&HeartbeatRequest { group_instance_id: id(), ..heartbeat() }, "group_instance_id"),
        3
    );
    assert_eq!(carried_from(&JoinGroupRequest { group_instance_id: id(), ..join() }, "group_instance_id"), 5);
    assert_eq!(carried_from(&SyncGroupRequest { group_instance_id: id(), ..sync() }, "group_instance_id"), 3);
    assert_eq!(
        carried_from(&LeaveGroupRequest { group_instance_id: id(), ..leave() }, "group_instance_id"),
        3
    );
    let commit = OffsetCommitRequest {
        group_id: "g".into(),
        generation: Generation(1),
        member_id: "m".into(),
        group_instance_id: id(),
        topics: vec![],
    };
    assert_eq!(carried_from(&commit, "group_instance_id"), 7);
    let all = OffsetFetchRequest { group_id: "g".into(), member: None, topics: None, require_stable: true };
    assert_eq!(carried_from(&all, "topics (all)"), 2);
    assert_eq!(carried_from(&FindCoordinatorRequest { key: "t".into(), key_type: 1 }, "key_type"), 1);
    let states = ListGroupsRequest { states: vec!["Stable".into()], types: vec![] };
    assert_eq!(carried_from(&states, "states_filter"), 4);
    let types = ListGroupsRequest { states: vec![], types: vec!["classic".into()] };
    assert_eq!(carried_from(&types, "types_filter"), 5);
    assert_eq!(carried_from(&init_producer_id(5, -1), "producer_id"), 3);
    assert_eq!(carried_from(&init_producer_id(-1, 5), "producer_epoch"), 3);
    let uncreated = MetadataRequest { topics: Some(vec!["t".into()]), allow_auto_topic_creation: false };
    assert_eq!(carried_from(&uncreated, "allow_auto_topic_creation"), 4);
}

#[test]
fn fetch_sessions_are_refused_before_version_7() {
    assert_eq!(carried_from(&FetchRequest { session_id: 3, ..empty_fetch() }, "session_id"), 7);
    assert_eq!(carried_from(&FetchRequest { session_epoch: 1, ..empty_fetch() }, "session_id"), 7);
    // To open or close none is what these versions do anyway.
    assert_eq!(carried_from(&FetchRequest { session_epoch: 0, ..empty_fetch() }, "session_id"), 4);
    let forgotten = vec![ForgottenTopic { name: "t".into(), id: TopicId([1; 16]), partitions: vec![0] }];
    assert_eq!(carried_from(&FetchRequest { forgotten, ..empty_fetch() }, "forgotten_topics_data"), 7);
}

#[test]
fn list_offsets_refuses_what_an_old_broker_would_misread() {
    let read_committed = list_offsets(IsolationLevel::ReadCommitted, LATEST_TIMESTAMP);
    assert_eq!(carried_from(&read_committed, "isolation_level"), 2);
    for (timestamp, first) in
        [(0, 1), (LATEST_TIMESTAMP, 1), (EARLIEST_TIMESTAMP, 1), (-3, 7), (-4, 8), (-5, 9), (-6, 11)]
    {
        let request = list_offsets(IsolationLevel::ReadUncommitted, timestamp);
        assert_eq!(carried_from(&request, "timestamp"), first, "{timestamp}");
    }
}

#[test]
fn topics_are_created_with_the_brokers_defaults_from_version_4() {
    let request = |num_partitions, replication_factor, by_hand: bool| CreateTopicsRequest {
        topics: vec![NewTopic {
            name: "t".into(),
            num_partitions,
            replication_factor,
            assignments: if by_hand { vec![(0, vec![])] } else { vec![] },
            configs: vec![],
        }],
        timeout_ms: 0,
        validate_only: false,
    };
    assert_eq!(carried_from(&request(-1, 1, false), "num_partitions"), 4);
    assert_eq!(carried_from(&request(1, -1, false), "replication_factor"), 4);
    assert_eq!(carried_from(&request(-1, -1, true), "-"), 2);
}

#[test]
fn a_topic_without_the_key_that_its_version_goes_by_is_refused() {
    let missing = |api, version, field| Err(EncodeError::Missing { api, version, field });
    let fetch = |name: &str, id| FetchRequest {
        topics: vec![FetchTopic { name: name.into(), id, partitions: vec![] }],
        ..empty_fetch()
    };
    let some = TopicId([7; 16]);
    assert!(encode(&fetch("", some), 13).is_ok());
    assert!(encode(&fetch("t", TopicId::ZERO), 12).is_ok());
    assert_eq!(encode(&fetch("t", TopicId::ZERO), 13), missing(ApiKey::FETCH, 13, "topic_id"));
    assert_eq!(encode(&fetch("", some), 12), missing(ApiKey::FETCH, 12, "topic"));

    let produce = |name: &str, id| ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: 0,
        topics: vec![ProduceTopic { name: name.into(), id, partitions: vec![] }],
    };
    assert_eq!(encode(&produce("t", TopicId::ZERO), 13), missing(ApiKey::PRODUCE, 13, "topic_id"));
    assert_eq!(encode(&produce("", some), 12), missing(ApiKey::PRODUCE, 12, "topic"));

    let commit = |name: &str, id| OffsetCommitRequest {
        group_id: "g".into(),
        generation: Generation(1),
        member_id: "m".into(),
        group_instance_id: None,
        topics: vec![OffsetCommitTopic { name: name.into(), id, partitions: vec![] }],
    };
    assert_eq!(encode(&commit("t", TopicId::ZERO), 10), missing(ApiKey::OFFSET_COMMIT, 10, "topic_id"));
    assert_eq!(encode(&commit("", some), 9), missing(ApiKey::OFFSET_COMMIT, 9, "topic"));

    let offsets = |name: &str, id| OffsetFetchRequest {
        group_id: "g".into(),
        member: None,
        topics: Some(vec![OffsetFetchTopic { name: name.into(), id, partitions: vec![] }]),
        require_stable: true,
    };
    assert_eq!(encode(&offsets("t", TopicId::ZERO), 10), missing(ApiKey::OFFSET_FETCH, 10, "topic_id"));
    assert_eq!(encode(&offsets("", some), 9), missing(ApiKey::OFFSET_FETCH, 9, "topic"));
    assert_eq!(encode(&offsets("", some), 7), missing(ApiKey::OFFSET_FETCH, 7, "topic"));
}

#[test]
fn both_names_of_a_topic_may_be_known_and_one_is_sent() {
    let topic = FetchTopic { name: "t".into(), id: TopicId([7; 16]), partitions: vec![] };
    let request = FetchRequest { topics: vec![topic], ..empty_fetch() };
    for version in FetchRequest::VERSIONS {
        assert!(encode(&request, version).is_ok(), "{version}");
    }
}
