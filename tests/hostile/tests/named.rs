//! What has crashed, starved or fooled other Kafka clients in public, each as a test that carries its name.
//!
//! | what happened | test |
//! |---|---|
//! | librdkafka #5577: a null where an array must be, SIGSEGV | `librdkafka_5577_null_where_an_array_must_be` |
//! | librdkafka #4278: the size of a tag underflows | `librdkafka_4278_tags_beyond_the_frame` |
//! | librdkafka #1445, #5193: LZ4 without a size allocates 255 times the input | `librdkafka_1445_lz4_of_unknown_size` |
//! | kafka-protocol-rs #152: array counts are reserved | `kafka_protocol_152_array_counts_are_reserved` |
//! | kafka-protocol-rs #161: record and header counts are reserved | `kafka_protocol_161_record_and_header_counts_are_reserved` |
//! | kafka-protocol-rs #200, CVE-2023-34455: snappy's claim is allocated | `kafka_protocol_200_snappy_claims_four_gigabytes` |
//! | kafka-go #1438: a record count of -1 panics | `kafka_go_1438_record_count_of_minus_one` |
//! | kafka-go #1439: HTTP read as an array's length | `kafka_go_1439_http_for_an_answer` |
//! | sarama #3543: out of bounds in the flexible decoder | `sarama_3543_compact_lengths_out_of_bounds` |
//! | sarama #2658: slice bounds | `sarama_2658_cut_off_at_every_byte` |
//! | sarama #1225, #3120: a cap that refuses true batches | `sarama_3120_more_records_than_a_fixed_cap` |
//! | sarama #3604, kafkajs #1795, apache/kafka #23429: bombs | `bombs.rs`, each codec up to 1 GiB |
//! | KAFKA-14063, CVE-2022-34917: a tiny payload, a huge collection | `kafka_14063_tiny_payload_huge_collection` |
//! | KAFKA-4090, KIP-498: a TLS alert read as a length | `kafka_4090_tls_alert_as_a_length` |
//! | rskafka #64, #68, #92: lengths allocated before they are there | `rskafka_64_lengths_before_their_bytes` |
//! | franz-go #1348: negative lengths, duplicates, omissions, negative offsets | `franz_go_1348_*` |
//! | Dekaf #2386: a Produce answer whose length is not checked | `dekaf_2386_produce_answers_are_checked` |
//! | Snappier CVE-2026-44302: fifteen bytes of framed snappy, a loop without end | `snappier_cve_2026_44302_fifteen_bytes_without_end` |
//!
//! And the limits that a good client keeps:
//!
//! | limit | test |
//! |---|---|
//! | frames: little before the versions are known, a bound for each request, memory by what has arrived | `limit_frames` here; `length 99 MiB` and its kin in `lying_broker` |
//! | counts: `count * smallest element <= what is left` | `kafka_protocol_152_array_counts_are_reserved` |
//! | what a batch decompresses to | `bombs.rs`; `20 MiB of ...` in `lying_broker` |
//! | records: count, deltas, offsets inside of the batch and rising | `limit_record_offsets` |
//! | negative lengths, varints without end, sums that overflow | `limit_varints_and_lengths`, `proofs.rs` |
//! | checksums, which nothing switches off | `limit_checksums` |
//! | tags: skipped by their size | `librdkafka_4278_tags_beyond_the_frame` |
//! | throttle times: kept, up to a minute | `limit_throttle_times`; `a throttle time of 24 days` in `lying_broker` |
//! | unknown correlation ids, duplicates, what was not asked for, offsets that go back | `franz_go_1348_*`; `lying_broker` |
//!
//! What does not apply: SCRAM's iterations and stack, tokens' bodies (no SASL is spoken yet); the telemetry and share APIs of #5577
//! (not spoken); librdkafka #5091 (regular expressions of users are the `regex` crate's, which is linear).

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use milena_hostile::oracle::{self, bound, within};
use proto::connection::{Connection, ConnectionError, FrameError, THROTTLE_MAX, frame_length};
use proto::fetch::{FetchLimits, FetchStamp, PartitionOutcome, Session, SessionError, Want, judge};
use proto::types::{AssignmentEpoch, IsolationLevel, TopicId, TopicPartition};
use proto::wire::*;
use records::{
    Batch, BatchBuilder, Compression, Compressor, DecodeError as BatchError, Decompressor, Fault, NewRecord,
    seams, walk_headers,
};

fn batch(values: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    for _ in 0..values {
        builder.push(&NewRecord::new(1).key(b"key").value(b"value")).expect("some records");
    }
    builder.base_offset(100);
    builder.build(&mut Compressor::new()).expect("some records").to_vec()
}

/// A sealed batch around a section.
fn around(section: &[u8], codec: Compression, count: i32) -> Vec<u8> {
    let mut bytes = [&batch(1)[..61], section].concat();
    let length = i32::try_from(bytes.len() - 12).expect("small");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] = codec.id();
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    bytes[23..27].copy_from_slice(&(count - 1).max(0).to_be_bytes());
    seams::seal(&mut bytes);
    bytes
}

fn changed(mut bytes: Vec<u8>, at: usize, field: &[u8]) -> Vec<u8> {
    bytes[at..at + field.len()].copy_from_slice(field);
    seams::seal(&mut bytes);
    bytes
}

/// How many records it has, or what is wrong; within the memory that it justifies. Memory is counted for the whole process, so
/// that each test here runs alone.
fn read(bytes: &[u8]) -> Result<usize, BatchError> {
    let bytes = Bytes::copy_from_slice(bytes);
    within("a batch", bound(bytes.len()), || {
        let decoded = Batch::parse(bytes.clone())?.decode(&mut Decompressor::new())?;
        decoded.records().try_fold(0, |count, record| record.map(|_| count + 1))
    })
}

fn fault(bytes: &[u8]) -> Fault {
    read(bytes).expect_err("it is malformed").fault
}

fn decode<R: Request>(version: i16, body: &[u8]) -> Result<R::Response, DecodeError> {
    decode_body::<R>(version, Bytes::copy_from_slice(body))
}

fn decode_body<R: Request>(version: i16, body: Bytes) -> Result<R::Response, DecodeError> {
    within(R::API.name(), bound(body.len()), || R::Response::decode(version, body.clone()))
}

#[test]
fn librdkafka_5577_null_where_an_array_must_be() {
    let _alone = oracle::alone();
    let null = |what| DecodeError::NullNotAllowed { what };
    assert_eq!(decode::<MetadataRequest>(12, &[0; 20]).err(), Some(null("brokers")));
    assert_eq!(decode::<ApiVersionsRequest>(3, &[0; 20]).err(), Some(null("api_keys")));
    assert_eq!(decode::<FetchRequest>(12, &[0; 20]).err(), Some(null("responses")));
    assert_eq!(decode::<OffsetCommitRequest>(8, &[0; 20]).err(), Some(null("topics")));
    assert_eq!(decode::<ListGroupsRequest>(4, &[0; 20]).err(), Some(null("groups")));
}

#[test]
fn librdkafka_4278_tags_beyond_the_frame() {
    let _alone = oracle::alone();
    // A Heartbeat answer with one tag, whose size is more than there is.
    for size in [&[2][..], &[0x7f], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
        let body = [&[0, 0, 0, 0, 0, 0, 1, 5], size, &[0]].concat();
        let error = decode::<HeartbeatRequest>(4, &body).expect_err("it is cut off");
        assert!(matches!(error, DecodeError::Truncated { what: "tagged field", .. }), "{error}");
    }
    // More tags than bytes, the same tag twice, a tag of more than 32 bits.
    for tags in [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[2, 5, 0, 5, 0], &[1, 0xff, 0xff, 0xff, 0xff, 0x1f, 0]]
    {
        assert!(decode::<HeartbeatRequest>(4, &[&[0; 6], tags].concat()).is_err(), "{tags:?}");
    }
    assert!(
        decode::<HeartbeatRequest>(4, &[0, 0, 0, 0, 0, 0, 1, 5, 1, 9]).is_ok(),
        "unknown tags are skipped"
    );
}

#[test]
fn librdkafka_1445_lz4_of_unknown_size() {
    let _alone = oracle::alone();
    let section = seams::compress(Compression::Lz4, 2, &batch(3)[61..]).expect("it compresses");
    assert_eq!(read(&around(&section, Compression::Lz4, 3)), Ok(3));
    // The header says blocks of 4 MiB, and nothing of a size.
    let mut large = section;
    large[5] = 0x70;
    assert!(
        matches!(fault(&around(&large, Compression::Lz4, 3)), Fault::Corrupt { .. }),
        "the header's checksum"
    );
}

#[test]
fn kafka_protocol_152_array_counts_are_reserved() {
    let _alone = oracle::alone();
    let fixed = |before: usize| [&vec![0; before][..], &i32::MAX.to_be_bytes(), &[0; 8]].concat();
    let compact = |before: usize| [&vec![0; before][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0; 8]].concat();
    let refused = |error: Option<DecodeError>| {
        assert!(matches!(error, Some(DecodeError::CountTooLarge { .. })), "{error:?}");
    };
    refused(decode::<MetadataRequest>(1, &fixed(0)).err());
    refused(decode::<MetadataRequest>(12, &compact(4)).err());
    refused(decode::<FetchRequest>(4, &fixed(4)).err());
    refused(decode::<FetchRequest>(17, &compact(10)).err());
    refused(decode::<OffsetFetchRequest>(8, &compact(4)).err());
    refused(decode::<DescribeGroupsRequest>(0, &fixed(0)).err());
    refused(decode::<ApiVersionsRequest>(0, &fixed(2)).err());
}

#[test]
fn kafka_protocol_161_record_and_header_counts_are_reserved() {
    let _alone = oracle::alone();
    for count in [1000_i32, i32::MAX] {
        let bytes = changed(changed(batch(3), 23, &(i32::MAX - 1).to_be_bytes()), 57, &count.to_be_bytes());
        assert!(matches!(fault(&bytes), Fault::RecordCount { .. }));
    }
    // One record: attributes, two deltas, null key, null value, and 2^31 - 1 headers.
    let mut record = vec![0, 0, 0, 1, 1];
    seams::write_i32(&mut record, i32::MAX);
    let mut section = Vec::new();
    seams::write_i32(&mut section, i32::try_from(record.len()).expect("short"));
    section.extend(record);
    assert!(matches!(
        fault(&around(&section, Compression::None, 1)),
        Fault::HeaderCount { count: i32::MAX, .. }
    ));
}

#[test]
fn kafka_protocol_200_snappy_claims_four_gigabytes() {
    let _alone = oracle::alone();
    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, b'x'];
    assert!(matches!(fault(&around(&claim, Compression::Snappy, 1)), Fault::Corrupt { .. }));
}

#[test]
fn kafka_go_1438_record_count_of_minus_one() {
    let _alone = oracle::alone();
    for count in [-1, i32::MIN] {
        let refused = fault(&changed(batch(3), 57, &count.to_be_bytes()));
        assert!(matches!(refused, Fault::RecordCount { count: read, .. } if read == count), "{refused}");
    }
}

#[test]
fn kafka_go_1439_http_for_an_answer() {
    let _alone = oracle::alone();
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nBad Request";
    assert_eq!(frame_length(*b"HTTP", 100 << 20), Err(FrameError::Http));
    assert!(decode::<MetadataRequest>(1, http).is_err());
    assert!(decode::<ApiVersionsRequest>(3, http).is_err());
    assert!(decode::<FetchRequest>(4, http).is_err());
}

#[test]
fn sarama_3543_compact_lengths_out_of_bounds() {
    let _alone = oracle::alone();
    // A coordinator whose host is longer than the frame.
    for length in [&[40][..], &[0xff, 0x7f], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0x80, 0x80, 0x80, 0x80, 0x10]]
    {
        let body = [&[0; 4], &[0, 0, 0][..], &[0, 0, 0, 1], length, b"host"].concat();
        assert!(decode::<FindCoordinatorRequest>(3, &body).is_err(), "{length:?}");
    }
}

#[test]
fn sarama_2658_cut_off_at_every_byte() {
    let _alone = oracle::alone();
    let whole = batch(3);
    for len in 0..whole.len() {
        assert!(read(&whole[..len]).is_err(), "{len} bytes");
        assert!(walk_headers(&whole[..len]).is_ok_and(|walk| walk.batches == 0), "{len} bytes");
    }
}

#[test]
fn sarama_3120_more_records_than_a_fixed_cap() {
    let _alone = oracle::alone();
    assert_eq!(read(&batch(200_000)), Ok(200_000));
}

#[test]
fn kafka_14063_tiny_payload_huge_collection() {
    let _alone = oracle::alone();
    // Topics of three bytes, four hundred thousand of them, all there.
    let mut body = BytesMut::from(&[0; 10][..]);
    body.put_slice(&[0x81, 0xb5, 0x18]);
    body.put_bytes(1, 3 * 400_000);
    let error = decode_body::<FetchRequest>(12, body.freeze()).expect_err("too much for what it is");
    assert!(matches!(error, DecodeError::Bloated { count: 400_000, .. }), "{error}");
}

#[test]
fn kafka_4090_tls_alert_as_a_length() {
    let _alone = oracle::alone();
    assert_eq!(frame_length([0x15, 3, 3, 0], 64 << 10), Err(FrameError::TlsAlert));
    assert_eq!(frame_length([0x15, 3, 1, 0], 100 << 20), Err(FrameError::TlsAlert));
    assert_eq!(frame_length([0x16, 3, 1, 2], 64 << 10), Err(FrameError::TlsHandshake));
}

#[test]
fn rskafka_64_lengths_before_their_bytes() {
    let _alone = oracle::alone();
    // Text, bytes and records that claim two gigabytes.
    let claim = i32::MAX.to_be_bytes();
    assert!(decode::<SyncGroupRequest>(0, &[&[0; 2][..], &claim, b"x"].concat()).is_err());
    let partition =
        [&[0, 0, 0, 0, 0, 0, 0, 1, 0, 1, b'a', 0, 0, 0, 1], &[0; 22][..], &[0; 4], &claim, b"x"].concat();
    assert!(decode::<FetchRequest>(4, &partition).is_err());
    assert!(decode::<FindCoordinatorRequest>(0, &[0, 0, 0, 0, 0, 1, 0x7f, 0xff, b'x']).is_err());
}

#[test]
fn franz_go_1348_negative_batch_lengths() {
    let _alone = oracle::alone();
    for length in [-1_i32, -12, i32::MIN, 0, 13] {
        let bytes = changed(batch(1), 8, &length.to_be_bytes());
        assert!(walk_headers(&bytes).is_err(), "{length}");
        assert!(matches!(fault(&bytes), Fault::BatchTooSmall { .. }), "{length}");
    }
}

#[test]
fn franz_go_1348_negative_offsets() {
    let _alone = oracle::alone();
    for base in [-1_i64, i64::MIN, i64::MAX] {
        assert!(matches!(
            fault(&changed(batch(1), 0, &base.to_be_bytes())),
            Fault::InvalidOffsetRange { .. }
        ));
    }
    for delta in [-1_i32, i32::MIN] {
        assert!(matches!(
            fault(&changed(batch(1), 23, &delta.to_be_bytes())),
            Fault::InvalidOffsetRange { .. }
        ));
    }
}

const LIMITS: FetchLimits = FetchLimits {
    max_wait_ms: 500,
    min_bytes: 1,
    max_bytes: 1 << 20,
    isolation: IsolationLevel::ReadUncommitted,
    rack_id: String::new(),
};

fn fetched(partition: i32) -> FetchedPartition {
    FetchedPartition {
        partition,
        error: ErrorCode::NONE,
        high_watermark: 1000,
        last_stable_offset: 1000,
        log_start_offset: 0,
        diverging_epoch: None,
        current_leader: None,
        aborted_transactions: Vec::new(),
        preferred_read_replica: None,
        records: Bytes::new(),
    }
}

/// What a session says of an answer about these partitions of `t`, where 0 and 1 were asked for.
fn answered(partitions: &[i32], error: ErrorCode) -> Result<usize, SessionError> {
    let want = |partition| Want {
        tp: TopicPartition::new("t", partition),
        topic_id: TopicId([1; 16]),
        epoch: AssignmentEpoch(1),
        offset: 100,
        current_leader_epoch: None,
        last_fetched_epoch: None,
        max_bytes: 1 << 20,
    };
    let mut session = Session::new();
    session.build(&[want(0), want(1)], &LIMITS);
    let partitions = partitions.iter().map(|partition| fetched(*partition)).collect();
    let topics = vec![FetchedTopic { name: None, id: TopicId([1; 16]), partitions }];
    let response =
        FetchResponse { throttle_time_ms: 0, error, session_id: 7, topics, node_endpoints: Vec::new() };
    session.handle_response(&response).map(|answer| answer.missing.len())
}

#[test]
fn franz_go_1348_duplicate_and_omitted_partitions() {
    let _alone = oracle::alone();
    assert_eq!(answered(&[0, 1], ErrorCode::NONE), Ok(0));
    assert!(matches!(answered(&[0, 1, 0], ErrorCode::NONE), Err(SessionError::Twice(_))));
    assert!(matches!(answered(&[0, 2], ErrorCode::NONE), Err(SessionError::Unasked(_))));
    assert_eq!(answered(&[1], ErrorCode::NONE), Ok(1), "what is left out is told, and asked again");
}

#[test]
fn franz_go_1348_unexpected_errors_at_the_top() {
    let _alone = oracle::alone();
    for code in [-1, 1, 70, 133, i16::MIN, i16::MAX] {
        assert_eq!(answered(&[0, 1], ErrorCode(code)), Err(SessionError::Refused(ErrorCode(code))));
    }
}

#[test]
fn franz_go_1348_batches_that_go_back_or_lie_beyond_the_high_watermark() {
    let _alone = oracle::alone();
    let stamp =
        FetchStamp { epoch: AssignmentEpoch(1), offset: 100, current_leader_epoch: None, max_bytes: 1 << 20 };
    let outcome = |base: i64, high_watermark: i64| {
        let records = changed(batch(3), 0, &base.to_be_bytes()).into();
        judge(&stamp, &FetchedPartition { records, high_watermark, ..fetched(0) })
    };
    assert!(matches!(outcome(100, 1000), PartitionOutcome::Data(_)));
    assert!(
        matches!(outcome(50, 1000), PartitionOutcome::Malformed { offset: 100, .. }),
        "behind what was asked"
    );
    assert!(matches!(outcome(5000, 1000), PartitionOutcome::Malformed { offset: 100, .. }), "beyond the end");
}

#[test]
fn dekaf_2386_produce_answers_are_checked() {
    let _alone = oracle::alone();
    // Record errors (version 8 on): a count, and texts, that are not there.
    let partition = |tail: &[u8]| {
        let mut body = BytesMut::new();
        body.put_i32(1);
        body.put_slice(&[0, 1, b't']);
        body.put_i32(1);
        body.put_slice(&[0; 4 + 2 + 8 + 8 + 8]);
        body.put_slice(tail);
        body.freeze()
    };
    assert!(decode::<ProduceRequest>(8, &partition(&[0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0])).is_ok());
    assert!(decode::<ProduceRequest>(8, &partition(&[0x7f, 0xff, 0xff, 0xff, 0, 0])).is_err());
    assert!(decode::<ProduceRequest>(8, &partition(&[0, 0, 0, 1, 0, 0, 0, 0, 0x7f, 0xff])).is_err());
}

#[test]
fn snappier_cve_2026_44302_fifteen_bytes_without_end() {
    let _alone = oracle::alone();
    // Framed and xerial beginnings, and all that chunks of no length may do: it ends.
    let framed = [0xff, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', 0, 0, 0, 0, 0];
    let xerial = |length: i32| [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"[..], &length.to_be_bytes()].concat();
    for section in [framed.to_vec(), xerial(0), xerial(-1), xerial(i32::MAX), xerial(1), xerial(0).repeat(50)]
    {
        for len in 0..=section.len() {
            assert!(read(&around(&section[..len], Compression::Snappy, 1)).is_err());
        }
    }
}

#[test]
fn limit_frames() {
    let _alone = oracle::alone();
    let mut connection = Connection::new();
    let now = Instant::now();
    assert_eq!(connection.handle_length([0, 0, 0, 4]), Err(FrameError::Unsolicited), "nobody asked");
    let mut connection_2 = Connection::new();
    let id = connection_2.send(now, ApiKey::FETCH, 12, now + Duration::from_secs(1), 1000);
    assert_eq!(connection_2.handle_length(1000_i32.to_be_bytes()), Ok(1000));
    assert_eq!(
        connection_2.handle_frame(now, Some(id.0 + 1)).map(drop),
        Err(ConnectionError::UnknownCorrelation(proto::connection::CorrelationId(id.0 + 1)))
    );
    assert_eq!(
        connection_2.handle_frame(now, Some(id.0)).map(drop),
        Err(ConnectionError::Closed),
        "it is over"
    );
    for len in [i32::MIN, -1, 0, 3, 1001, i32::MAX] {
        assert!(frame_length(len.to_be_bytes(), 1000).is_err(), "{len}");
    }
}

#[test]
fn limit_record_offsets() {
    let _alone = oracle::alone();
    // One count too small, one too large, and deltas that do not rise.
    assert!(matches!(fault(&changed(batch(3), 57, &2_i32.to_be_bytes())), Fault::RecordsLeft { .. }));
    assert!(matches!(fault(&changed(batch(3), 57, &4_i32.to_be_bytes())), Fault::RecordCount { .. }));
    let record = batch(1)[61..].to_vec();
    let again = around(&record.repeat(2), Compression::None, 2);
    assert!(matches!(fault(&again), Fault::OffsetNotRising { offset: 100, previous: 100 }));
    let mut beyond = record;
    beyond[3] = 40;
    assert!(matches!(
        fault(&around(&beyond, Compression::None, 1)),
        Fault::OffsetOutsideBatch { offset: 120, .. }
    ));
}

#[test]
fn limit_varints_and_lengths() {
    let _alone = oracle::alone();
    let section = |bytes: &[u8]| around(bytes, Compression::None, 1);
    assert!(matches!(fault(&section(&[0xff; 12])), Fault::OverlongVarint { .. }));
    assert!(matches!(fault(&section(&[1, 0, 0, 0, 0, 0, 0, 0])), Fault::NegativeLength { length: -1, .. }));
    // A base offset and a delta whose sum is beyond 2^63.
    let last = changed(changed(batch(1), 0, &(i64::MAX - 1).to_be_bytes()), 23, &i32::MAX.to_be_bytes());
    assert!(matches!(fault(&last), Fault::InvalidOffsetRange { .. }));
}

#[test]
fn limit_checksums() {
    let _alone = oracle::alone();
    let whole = batch(3);
    for at in 16..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        assert!(read(&bytes).is_err(), "byte {at}");
    }
}

#[test]
fn limit_throttle_times() {
    let _alone = oracle::alone();
    let now = Instant::now();
    for (ms, pause) in
        [(i32::MIN, None), (0, None), (1, Some(Duration::from_millis(1))), (i32::MAX, Some(THROTTLE_MAX))]
    {
        let mut connection = Connection::new();
        connection.handle_throttle(now, ms);
        assert_eq!(connection.muted_until().map(|until| until - now), pause, "{ms}");
    }
}
