//! Answers that no honest broker sends: each has crashed, bloated or misled some client (hostile bytes, 3.1 and 3.2).

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages as kp;
use kafka_protocol::messages::{fetch_response, metadata_response};
use kafka_protocol::protocol::StrBytes;
use milena_proto::types::{BrokerId, TopicId};
use milena_proto::wire::*;

use crate::answers::{decode, encode};

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn fetched(partitions: impl IntoIterator<Item = i32>) -> Vec<fetch_response::PartitionData> {
    partitions.into_iter().map(|p| fetch_response::PartitionData::default().with_partition_index(p)).collect()
}

fn by_name(name: &'static str, partitions: &[i32]) -> fetch_response::FetchableTopicResponse {
    fetch_response::FetchableTopicResponse::default()
        .with_topic(text(name).into())
        .with_partitions(fetched(partitions.iter().copied()))
}

fn by_id(id: u8, partitions: &[i32]) -> fetch_response::FetchableTopicResponse {
    fetch_response::FetchableTopicResponse::default()
        .with_topic_id(uuid::Uuid::from_bytes([id; 16]))
        .with_partitions(fetched(partitions.iter().copied()))
}

fn fetch(
    version: i16,
    topics: Vec<fetch_response::FetchableTopicResponse>,
) -> Result<FetchResponse, DecodeError> {
    let answer = kp::FetchResponse::default().with_responses(topics);
    decode::<FetchRequest>(version, encode::<FetchRequest>(version, &answer))
}

const TWICE: DecodeError = DecodeError::Duplicate { what: "partition" };

#[test]
fn a_partition_fetched_twice_is_refused() {
    for version in [11, 12] {
        assert_eq!(fetch(version, vec![by_name("a", &[0, 0])]), Err(TWICE));
        assert_eq!(fetch(version, vec![by_name("a", &[1, 0, 2, 1])]), Err(TWICE));
        assert_eq!(
            fetch(version, vec![by_name("a", &[0]), by_name("b", &[0]), by_name("a", &[0])]),
            Err(TWICE)
        );
    }
    assert_eq!(fetch(13, vec![by_id(1, &[0]), by_id(2, &[0]), by_id(1, &[1, 0])]), Err(TWICE));
}

/// `FetchResponse.toMessage` starts a new entry whenever the topic changes, in the order of the session.
#[test]
fn a_topic_fetched_in_pieces_is_read() {
    let answer = fetch(13, vec![by_id(1, &[0, 2]), by_id(2, &[0]), by_id(1, &[1])]).unwrap();
    let ids: Vec<_> = answer.topics.iter().map(|topic| topic.id).collect();
    assert_eq!(ids, [TopicId([1; 16]), TopicId([2; 16]), TopicId([1; 16])]);
    assert!(fetch(12, vec![by_name("a", &[2, 1, 0]), by_name("b", &[0]), by_name("a", &[3])]).is_ok());
}

#[test]
fn null_records_read_as_none_at_all() {
    let mut partition = fetched([0]).remove(0);
    partition.records = None;
    partition.aborted_transactions = None;
    for version in FetchRequest::VERSIONS {
        let topic =
            fetch_response::FetchableTopicResponse::default().with_partitions(vec![partition.clone()]);
        let topic = if version >= 13 { topic } else { topic.with_topic(text("a").into()) };
        let answer = fetch(version, vec![topic]).unwrap();
        assert_eq!(answer.topics[0].partitions[0].records, Bytes::new());
        assert_eq!(answer.topics[0].partitions[0].aborted_transactions, []);
    }
}

#[test]
fn records_are_a_slice_of_the_frame() {
    let mut partition = fetched([0]).remove(0);
    partition.records = Some(Bytes::from_static(b"a record batch"));
    let topic = fetch_response::FetchableTopicResponse::default().with_partitions(vec![partition]);
    let body = encode::<FetchRequest>(17, &kp::FetchResponse::default().with_responses(vec![topic]));
    let frame = body.as_ptr_range();
    let answer = decode::<FetchRequest>(17, body).unwrap();
    let records = &answer.topics[0].partitions[0].records;
    assert_eq!(records, "a record batch");
    assert!(frame.contains(&records.as_ptr()));
}

/// A records field shorter than its length says: librdkafka aborted.
#[test]
fn records_longer_than_the_frame_are_refused() {
    let topic = by_name("a", &[0]);
    let body = encode::<FetchRequest>(4, &kp::FetchResponse::default().with_responses(vec![topic]));
    for claim in [1, 2, i32::MAX, -2, i32::MIN] {
        let mut changed = BytesMut::from(&body[..body.len() - 4]);
        changed.put_i32(claim);
        let result = decode::<FetchRequest>(4, changed.freeze());
        let refused = matches!(
            result,
            Err(DecodeError::Truncated { what: "records", .. }
                | DecodeError::NegativeLength { what: "records", .. })
        );
        assert!(refused, "{claim}: {result:?}");
    }
}

#[test]
fn leader_hints_need_both_halves() {
    for (leader, epoch, some) in [(3, 4, true), (-1, 4, false), (3, -1, false), (-7, -7, false)] {
        let mut partition = fetched([0]).remove(0);
        partition.current_leader.leader_id = leader.into();
        partition.current_leader.leader_epoch = epoch;
        let topic = fetch_response::FetchableTopicResponse::default().with_partitions(vec![partition]);
        let answer = fetch(16, vec![topic]).unwrap();
        assert_eq!(answer.topics[0].partitions[0].current_leader.is_some(), some, "{leader} {epoch}");
    }
}

fn metadata(version: i16, answer: &kp::MetadataResponse) -> Result<MetadataResponse, DecodeError> {
    decode::<MetadataRequest>(version, encode::<MetadataRequest>(version, answer))
}

fn brokers(ids: &[i32]) -> kp::MetadataResponse {
    let broker = |id: &i32| metadata_response::MetadataResponseBroker::default().with_node_id((*id).into());
    kp::MetadataResponse::default().with_brokers(ids.iter().map(broker).collect())
}

/// One lie that silenced clients for good: a node id that is there twice, or is negative.
#[test]
fn brokers_that_are_there_twice_or_negative_are_refused() {
    for version in MetadataRequest::VERSIONS {
        assert!(metadata(version, &brokers(&[0, 1, i32::MAX])).is_ok());
        let twice = DecodeError::Duplicate { what: "broker" };
        assert_eq!(metadata(version, &brokers(&[1, 2, 1])), Err(twice));
        let negative = DecodeError::Negative { what: "node_id", value: -3 };
        assert_eq!(metadata(version, &brokers(&[1, -3])), Err(negative));
    }
}

#[test]
fn a_topic_or_partition_shown_twice_is_refused() {
    let topic = |name: &'static str, partitions: &[i32]| {
        let partition =
            |p: &i32| metadata_response::MetadataResponsePartition::default().with_partition_index(*p);
        metadata_response::MetadataResponseTopic::default()
            .with_name(Some(text(name).into()))
            .with_partitions(partitions.iter().map(partition).collect())
    };
    let answer = |topics| kp::MetadataResponse::default().with_topics(topics);
    assert!(metadata(9, &answer(vec![topic("a", &[2, 0, 1]), topic("b", &[0])])).is_ok());
    let twice = DecodeError::Duplicate { what: "topic" };
    assert_eq!(metadata(9, &answer(vec![topic("a", &[0]), topic("a", &[1])])), Err(twice));
    assert_eq!(metadata(9, &answer(vec![topic("a", &[0, 1, 0])])), Err(TWICE));
}

#[test]
fn no_leader_and_no_controller_are_none() {
    let partition = metadata_response::MetadataResponsePartition::default().with_leader_id((-1).into());
    let topic = metadata_response::MetadataResponseTopic::default()
        .with_name(Some(text("a").into()))
        .with_partitions(vec![partition]);
    let answer = kp::MetadataResponse::default().with_topics(vec![topic]).with_controller_id((-1).into());
    let answer = metadata(12, &answer).unwrap();
    assert_eq!(answer.controller, None);
    assert_eq!(answer.topics[0].partitions[0].leader, None);
    assert_eq!(answer.topics[0].partitions[0].leader_epoch, None);
}

#[test]
fn offsets_of_one_partition_twice_are_refused() {
    let partition = kp::list_offsets_response::ListOffsetsPartitionResponse::default();
    let topic = kp::list_offsets_response::ListOffsetsTopicResponse::default()
        .with_partitions(vec![partition.clone(), partition.with_offset(5)]);
    let answer = kp::ListOffsetsResponse::default().with_topics(vec![topic]);
    let body = encode::<ListOffsetsRequest>(7, &answer);
    assert_eq!(decode::<ListOffsetsRequest>(7, body), Err(TWICE));
}

#[test]
fn an_answer_for_another_number_of_groups_than_asked_is_refused() {
    for have in [0, 2] {
        let groups = vec![kp::offset_fetch_response::OffsetFetchResponseGroup::default(); have];
        let body = encode::<OffsetFetchRequest>(8, &kp::OffsetFetchResponse::default().with_groups(groups));
        let wrong = DecodeError::WrongCount { what: "groups", want: 1, have };
        assert_eq!(decode::<OffsetFetchRequest>(8, body), Err(wrong));

        let coordinators = vec![kp::find_coordinator_response::Coordinator::default(); have];
        let answer = kp::FindCoordinatorResponse::default().with_coordinators(coordinators);
        let body = encode::<FindCoordinatorRequest>(4, &answer);
        let wrong = DecodeError::WrongCount { what: "coordinators", want: 1, have };
        assert_eq!(decode::<FindCoordinatorRequest>(4, body), Err(wrong));
    }
}

#[test]
fn a_coordinator_without_a_number_is_refused_unless_beside_an_error() {
    let answer = |error: ErrorCode| {
        kp::FindCoordinatorResponse::default().with_node_id((-1).into()).with_error_code(error.0)
    };
    let read =
        |error| decode::<FindCoordinatorRequest>(2, encode::<FindCoordinatorRequest>(2, &answer(error)));
    assert_eq!(read(ErrorCode::NONE), Err(DecodeError::Negative { what: "node_id", value: -1 }));
    assert_eq!(read(ErrorCode::COORDINATOR_NOT_AVAILABLE).unwrap().coordinator, None);
}

/// KIP-511: a broker that does not know the version asked in answers in version 0's form. Kafka 2.4 and later name the
/// versions of ApiVersions there, older ones nothing.
#[test]
fn a_refused_api_versions_is_read_in_version_0s_form() {
    let body = Bytes::from_static(&[0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 3]);
    for version in ApiVersionsRequest::VERSIONS {
        let answer = decode::<ApiVersionsRequest>(version, body.clone()).unwrap();
        assert_eq!(answer.error, ErrorCode::UNSUPPORTED_VERSION);
        assert_eq!(answer.apis, BTreeMap::from([(18, (0, 3))]));
    }
    let old = decode::<ApiVersionsRequest>(3, Bytes::from_static(&[0, 35, 0, 0, 0, 0])).unwrap();
    assert_eq!((old.error, old.apis.len()), (ErrorCode::UNSUPPORTED_VERSION, 0));
    assert!(decode::<ApiVersionsRequest>(3, Bytes::from_static(&[0, 35])).is_err());
}

#[test]
fn one_api_announced_twice_is_refused() {
    let api = kp::api_versions_response::ApiVersion::default().with_api_key(1);
    let answer = kp::ApiVersionsResponse::default().with_api_keys(vec![api.clone(), api.with_max_version(9)]);
    let body = encode::<ApiVersionsRequest>(3, &answer);
    assert_eq!(decode::<ApiVersionsRequest>(3, body), Err(DecodeError::Duplicate { what: "api_key" }));
}

/// kafka-go#1439, KAFKA-4090: something that is no Kafka broker answers.
#[test]
fn an_http_answer_and_a_tls_alert_are_refused() {
    let http = Bytes::from_static(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nBad Request");
    let alert = Bytes::from_static(&[0x15, 3, 3, 0, 2, 2, 0x46]);
    for frame in [http, alert] {
        assert!(decode_response::<ApiVersionsRequest>(3, frame.clone()).is_err());
        assert!(decode_response::<MetadataRequest>(12, frame.clone()).is_err());
        assert!(decode_response::<FetchRequest>(12, frame).is_err());
    }
}

/// Eight bytes that ask for two thousand million elements, at each list of the answer that can be reached.
#[test]
fn a_count_that_its_bytes_cannot_hold_is_refused() {
    let refused = |result: Result<(), DecodeError>| {
        assert!(matches!(result, Err(DecodeError::CountTooLarge { .. })), "{result:?}");
    };
    let fixed = |before: &[u8]| {
        let mut body = BytesMut::from(before);
        body.put_i32(i32::MAX);
        body.put_i64(0);
        body.freeze()
    };
    let compact = |before: &[u8]| {
        let mut body = BytesMut::from(before);
        body.put_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        body.put_i64(0);
        body.freeze()
    };
    refused(decode::<MetadataRequest>(1, fixed(&[])).map(drop));
    refused(decode::<MetadataRequest>(9, compact(&[0; 4])).map(drop));
    refused(decode::<FetchRequest>(4, fixed(&[0; 4])).map(drop));
    refused(decode::<FetchRequest>(12, compact(&[0; 10])).map(drop));
    refused(decode::<ProduceRequest>(3, fixed(&[])).map(drop));
    refused(decode::<ListOffsetsRequest>(6, compact(&[0; 4])).map(drop));
    refused(decode::<OffsetFetchRequest>(8, compact(&[0; 4])).map(drop));
    refused(decode::<ApiVersionsRequest>(0, fixed(&[0; 2])).map(drop));
    refused(decode::<ListGroupsRequest>(0, fixed(&[0; 2])).map(drop));
    refused(decode::<DescribeGroupsRequest>(0, fixed(&[])).map(drop));
    refused(decode::<JoinGroupRequest>(6, compact(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])).map(drop));
    // Aborted transactions, inside of a partition.
    let partition = [0, 0, 0, 0, 0, 0, 0, 1, 0, 1, b'a', 0, 0, 0, 1];
    refused(decode::<FetchRequest>(4, fixed(&[&partition[..], &[0; 22]].concat())).map(drop));
}

/// librdkafka#5577: a null where a list must be, or text.
#[test]
fn nulls_that_may_not_be_are_refused() {
    let null = |what| DecodeError::NullNotAllowed { what };
    let body = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    assert_eq!(decode::<MetadataRequest>(9, body(&[0; 20])), Err(null("brokers")));
    assert_eq!(decode::<MetadataRequest>(1, body(&[0xff; 20])), Err(null("brokers")));
    assert_eq!(decode::<FetchRequest>(12, body(&[0; 20])), Err(null("responses")));
    assert_eq!(decode::<ApiVersionsRequest>(3, body(&[0; 20])), Err(null("api_keys")));
    assert_eq!(decode::<SyncGroupRequest>(4, body(&[0; 20])), Err(null("assignment")));
    assert_eq!(decode::<FindCoordinatorRequest>(0, body(&[0, 0, 0, 0, 0, 1, 0xff, 0xff])), Err(null("host")));
}

/// A real list of empty names, all there: twenty times its size once read, so not beyond a mebibyte.
#[test]
fn elements_that_are_larger_in_memory_than_on_the_wire_are_bounded() {
    let topics = vec![fetch_response::FetchableTopicResponse::default(); 400_000];
    let result = fetch(12, topics);
    assert_eq!(result, Err(DecodeError::Bloated { what: "responses", count: 400_000 }));
}

/// The other side of that bound: sarama's cap on counts broke real batches. An answer about all partitions of a big
/// cluster is read, and so is one about many tiny groups.
#[test]
fn large_answers_are_read() {
    let nodes = vec![0.into(), 1.into(), 2.into()];
    let partition = |p| {
        metadata_response::MetadataResponsePartition::default()
            .with_partition_index(p)
            .with_replica_nodes(nodes.clone())
            .with_isr_nodes(nodes.clone())
    };
    let topic = metadata_response::MetadataResponseTopic::default()
        .with_name(Some(text("t").into()))
        .with_partitions((0..100_000).map(partition).collect());
    let answer = metadata(12, &kp::MetadataResponse::default().with_topics(vec![topic])).unwrap();
    assert_eq!(answer.topics[0].partitions.len(), 100_000);
    assert_eq!(answer.topics[0].partitions[7].isr, [BrokerId(0), BrokerId(1), BrokerId(2)]);

    let group = kp::list_groups_response::ListedGroup::default().with_group_id(text("g").into());
    let answer = kp::ListGroupsResponse::default().with_groups(vec![group; 10_000]);
    let body = encode::<ListGroupsRequest>(0, &answer);
    assert_eq!(decode::<ListGroupsRequest>(0, body).unwrap().groups.len(), 10_000);

    let fetched = fetch(12, vec![by_name("a", &(0..50_000).collect::<Vec<_>>())]).unwrap();
    assert_eq!(fetched.topics[0].partitions.len(), 50_000);
}

#[test]
fn a_known_tag_that_lies_about_its_size_is_refused() {
    let mut partition = fetched([0]).remove(0);
    partition.diverging_epoch.epoch = 5;
    let topic = fetch_response::FetchableTopicResponse::default().with_partitions(vec![partition]);
    let body = encode::<FetchRequest>(13, &kp::FetchResponse::default().with_responses(vec![topic]));
    // Tag 0, 13 bytes: epoch, end offset, and no tagged fields.
    let at = body.windows(6).position(|bytes| bytes == [0, 13, 0, 0, 0, 5]).unwrap() + 1;
    for size in (0..=255).filter(|size| *size != 13) {
        let mut changed = BytesMut::from(&body[..]);
        changed[at] = size;
        assert!(decode::<FetchRequest>(13, changed.freeze()).is_err(), "{size}");
    }
}

/// What a coordinator assigns, by topic id.
fn assigned(topics: &[(u8, &[i32])]) -> Result<ConsumerGroupHeartbeatResponse, DecodeError> {
    use kp::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
    let topic = |(id, partitions): &(u8, &[i32])| {
        TopicPartitions::default()
            .with_topic_id(uuid::Uuid::from_bytes([*id; 16]))
            .with_partitions(partitions.to_vec())
    };
    let assignment = Assignment::default().with_topic_partitions(topics.iter().map(topic).collect());
    let answer = kp::ConsumerGroupHeartbeatResponse::default().with_assignment(Some(assignment));
    decode::<ConsumerGroupHeartbeatRequest>(1, encode::<ConsumerGroupHeartbeatRequest>(1, &answer))
}

#[test]
fn an_assignment_that_names_something_twice_is_refused() {
    assert_eq!(assigned(&[(1, &[0, 1, 0])]), Err(TWICE));
    assert_eq!(assigned(&[(1, &[0]), (1, &[1])]), Err(DecodeError::Duplicate { what: "topic" }));
    assert!(assigned(&[(1, &[0, 1]), (2, &[0, 1])]).is_ok());
}

/// "As before" and "nothing" are not the same: the one keeps all partitions, the other gives all of them up.
#[test]
fn no_assignment_is_not_an_empty_one() {
    assert_eq!(assigned(&[]).unwrap().assignment, Some(vec![]));
    let answer = kp::ConsumerGroupHeartbeatResponse::default();
    for version in ConsumerGroupHeartbeatRequest::VERSIONS {
        let body = encode::<ConsumerGroupHeartbeatRequest>(version, &answer);
        assert_eq!(decode::<ConsumerGroupHeartbeatRequest>(version, body).unwrap().assignment, None);
    }
}

/// A few bytes that ask for gigabytes.
#[test]
fn an_assignment_of_more_partitions_than_bytes_is_refused() {
    let answer = kp::ConsumerGroupHeartbeatResponse::default();
    let body = encode::<ConsumerGroupHeartbeatRequest>(1, &answer);
    // Without the byte that says null and the tagged fields: there is an assignment, ...
    let front = &body[..body.len() - 2];
    for topics in [&[0xff, 0xff, 0xff, 0xff, 0x07][..], &[0x80, 0x80, 0x80, 0x01]] {
        let mut changed = BytesMut::from(front);
        changed.put_u8(1);
        // ... of so many topics.
        changed.extend_from_slice(topics);
        changed.extend_from_slice(&[7; 64]);
        let result = decode::<ConsumerGroupHeartbeatRequest>(1, changed.freeze());
        assert!(
            matches!(result, Err(DecodeError::CountTooLarge { what: "topic_partitions", .. })),
            "{result:?}"
        );
    }
}
