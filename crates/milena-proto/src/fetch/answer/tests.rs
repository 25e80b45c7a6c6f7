//! What answers mean: errors by table, records by what a log can hold.

use super::*;
use crate::types::AssignmentEpoch;
use records::{BatchBuilder, Compression, Compressor, NewRecord};

fn asked(offset: i64) -> FetchStamp {
    FetchStamp { epoch: AssignmentEpoch(1), offset, current_leader_epoch: None, max_bytes: 1000 }
}

/// A batch of `base..=last` with a record at either end, written in leader epoch 3.
fn batch(base: i64, last: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.base_offset(base).leader_epoch(3);
    builder.push(&NewRecord::new(0).value(b"first")).unwrap();
    if last > base {
        builder.push_at((last - base) as i32, &NewRecord::new(0).value(b"last")).unwrap();
    }
    builder.build(&mut Compressor::new()).unwrap()
}

fn joined(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

fn answer(records: Bytes, high_watermark: i64) -> FetchedPartition {
    FetchedPartition {
        partition: 0,
        error: ErrorCode::NONE,
        high_watermark,
        last_stable_offset: high_watermark,
        log_start_offset: 0,
        diverging_epoch: None,
        current_leader: None,
        aborted_transactions: Vec::new(),
        preferred_read_replica: None,
        records,
    }
}

#[track_caller]
fn data(from: i64, answer: &FetchedPartition) -> Fetched {
    match judge(&asked(from), answer) {
        PartitionOutcome::Data(fetched) => fetched,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn malformed(from: i64, answer: &FetchedPartition) -> Malformed {
    match judge(&asked(from), answer) {
        PartitionOutcome::Malformed { offset, error } => {
            assert_eq!(offset, from);
            error
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn errors_by_table() {
    use PartitionOutcome as Outcome;
    let hint = LeaderIdAndEpoch { leader: BrokerId(4), epoch: LeaderEpoch(9) };
    let retry = |error| Outcome::Retry { error };
    let fatal = |error| Outcome::Fatal { error };
    let table = [
        (ErrorCode::OFFSET_OUT_OF_RANGE, Outcome::OutOfRange { log_start_offset: -1 }),
        (ErrorCode::NOT_LEADER_OR_FOLLOWER, Outcome::NotLeader { leader: Some(hint) }),
        (ErrorCode::FENCED_LEADER_EPOCH, Outcome::Fenced { leader: Some(hint) }),
        (ErrorCode::UNKNOWN_TOPIC_ID, Outcome::UnknownTopicId),
        (ErrorCode::INCONSISTENT_TOPIC_ID, Outcome::UnknownTopicId),
        (ErrorCode::UNKNOWN_LEADER_EPOCH, retry(ErrorCode::UNKNOWN_LEADER_EPOCH)),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, retry(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
        (ErrorCode::OFFSET_NOT_AVAILABLE, retry(ErrorCode::OFFSET_NOT_AVAILABLE)),
        (ErrorCode::REPLICA_NOT_AVAILABLE, retry(ErrorCode::REPLICA_NOT_AVAILABLE)),
        (ErrorCode::KAFKA_STORAGE_ERROR, retry(ErrorCode::KAFKA_STORAGE_ERROR)),
        (ErrorCode::LEADER_NOT_AVAILABLE, retry(ErrorCode::LEADER_NOT_AVAILABLE)),
        (ErrorCode::CORRUPT_MESSAGE, retry(ErrorCode::CORRUPT_MESSAGE)),
        (ErrorCode::UNKNOWN_SERVER_ERROR, retry(ErrorCode::UNKNOWN_SERVER_ERROR)),
        (ErrorCode::TOPIC_AUTHORIZATION_FAILED, fatal(ErrorCode::TOPIC_AUTHORIZATION_FAILED)),
        (ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, fatal(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE)),
        (ErrorCode(9999), fatal(ErrorCode(9999))),
    ];
    for (error, expected) in table {
        // Records beside an error are not looked at.
        let mut answer = answer(batch(10, 19), 20);
        (answer.error, answer.log_start_offset, answer.current_leader) = (error, -1, Some(hint));
        assert_eq!(judge(&asked(10), &answer), expected, "{error}");
    }
}

#[test]
fn nothing_new_says_where_the_log_ends() {
    let log = LogEnds { log_start_offset: 0, high_watermark: 20, last_stable_offset: 20 };
    assert_eq!(judge(&asked(20), &answer(Bytes::new(), 20)), PartitionOutcome::Empty(log));
}

#[test]
fn a_nearer_replica_and_a_diverging_log_are_told() {
    let preferred =
        FetchedPartition { preferred_read_replica: Some(BrokerId(2)), ..answer(Bytes::new(), 20) };
    assert_eq!(judge(&asked(5), &preferred), PartitionOutcome::PreferredReplica(BrokerId(2)));
    // Records are records, whoever else has them.
    let with_records = FetchedPartition { records: batch(5, 9), ..preferred };
    assert_eq!(data(5, &with_records).next_offset, 10);
    let end = EpochEndOffset { epoch: 2, end_offset: 3 };
    let diverging = FetchedPartition { diverging_epoch: Some(end), ..answer(Bytes::new(), 20) };
    assert_eq!(judge(&asked(5), &diverging), PartitionOutcome::Diverging(end));
}

#[test]
fn whole_batches_are_taken_and_a_cut_one_is_left() {
    let (first, second, cut) = (batch(10, 19), batch(20, 24), batch(30, 39));
    let records = joined(&[&first, &second, &cut[..cut.len() - 1]]);
    let fetched = data(12, &answer(records, 40));
    assert_eq!((fetched.from, fetched.next_offset, fetched.batches), (12, 25, 2));
    assert_eq!(fetched.records, joined(&[&first, &second]));
    assert_eq!(fetched.leader_epoch, Some(LeaderEpoch(3)));
    assert_eq!((fetched.compressed_bytes, fetched.log.high_watermark), (0, 40));
}

#[test]
fn a_batch_that_the_answer_is_too_small_for_says_what_it_needs() {
    let large = batch(10, 19);
    let cut = answer(large.slice(..large.len() - 1), 20);
    assert_eq!(judge(&asked(10), &cut), PartitionOutcome::TooLarge { size: Some(large.len()) });
    let stump = answer(large.slice(..7), 20);
    assert_eq!(judge(&asked(10), &stump), PartitionOutcome::TooLarge { size: None });
}

#[test]
fn batches_before_the_offset_are_no_progress() {
    let error = Malformed::Behind { next_offset: 20 };
    assert_eq!(malformed(20, &answer(batch(10, 19), 40)), error);
    assert_eq!(data(19, &answer(batch(10, 19), 40)).next_offset, 20);
    // Behind, and then what was asked for: a reader passes over the first.
    let both = joined(&[&batch(10, 19), &batch(20, 24)]);
    assert_eq!(data(20, &answer(both, 40)).next_offset, 25);
}

#[test]
fn nothing_beyond_the_high_watermark_is_taken() {
    let error = Malformed::BeyondHighWatermark { next_offset: 20, high_watermark: 15 };
    assert_eq!(malformed(10, &answer(batch(10, 19), 15)), error);
    let first = batch(10, 14);
    let both = joined(&[&first, &batch(15, 19)]);
    let fetched = data(10, &answer(both.clone(), 15));
    assert_eq!((fetched.next_offset, fetched.batches, fetched.records), (15, 1, first));
    assert!(matches!(malformed(15, &answer(both, 15)), Malformed::BeyondHighWatermark { .. }));
    // Where the broker does not say there is nothing to compare with.
    assert_eq!(data(10, &answer(batch(10, 19), -1)).next_offset, 20);
}

/// A batch with a record at every offset.
fn full(base: i64, last: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.base_offset(base).leader_epoch(3);
    for _ in base..=last {
        builder.push(&NewRecord::new(0).value(b"any")).unwrap();
    }
    builder.build(&mut Compressor::new()).unwrap()
}

#[test]
fn the_newest_batches_may_be_newer_than_the_high_watermark() {
    // A broker reads its high watermark before it reads the log.
    let one = data(10, &answer(full(10, 14), 10));
    assert_eq!((one.next_offset, one.log.high_watermark), (15, 15));
    let inside = data(12, &answer(full(10, 14), 12));
    assert_eq!(inside.next_offset, 15);
    let more = joined(&[&batch(2, 9), &full(10, 14), &full(15, 15)]);
    assert_eq!(data(5, &answer(more.clone(), 10)).records, more);
    // Up to a gap, which only compaction makes.
    let gap = joined(&[&full(10, 14), &full(16, 19)]);
    assert_eq!(data(10, &answer(gap, 12)).next_offset, 15);
    let counts_nothing = {
        let mut bytes = full(10, 14).to_vec();
        bytes[57..61].copy_from_slice(&i32::MIN.to_be_bytes());
        Bytes::from(bytes)
    };
    let lies = [full(11, 14), full(500, 500), batch(10, 14), counts_nothing];
    for lie in lies {
        assert!(matches!(malformed(10, &answer(lie, 10)), Malformed::BeyondHighWatermark { .. }));
    }
}

#[test]
fn headers_that_lie_are_never_passed_over() {
    let negative = {
        let mut bytes = batch(10, 19).to_vec();
        bytes[..8].copy_from_slice(&(-10i64).to_be_bytes());
        Bytes::from(bytes)
    };
    let backwards = joined(&[&batch(10, 19), &batch(5, 9)]);
    let twice = joined(&[&batch(10, 19), &batch(10, 19)]);
    let magic = {
        let mut bytes = batch(10, 19).to_vec();
        bytes[16] = 7;
        Bytes::from(bytes)
    };
    for (records, fault) in [
        (negative, Fault::InvalidOffsetRange { last_offset_delta: 9 }),
        (backwards, Fault::BatchOutOfOrder { previous_last_offset: 19 }),
        (twice, Fault::BatchOutOfOrder { previous_last_offset: 19 }),
        (magic, Fault::UnsupportedMagic { magic: 7 }),
    ] {
        match malformed(10, &answer(records, 40)) {
            Malformed::Header(error) => assert_eq!(error.fault, fault),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_comes_before_the_damage_is_taken() {
    let whole = joined(&[&batch(10, 14), &batch(15, 19)]);
    let magic = {
        let mut bytes = batch(20, 24).to_vec();
        bytes[16] = 7;
        bytes
    };
    let damaged = joined(&[&whole, &magic, &batch(25, 29)]);
    let fetched = data(10, &answer(damaged.clone(), 40));
    assert_eq!((fetched.next_offset, fetched.batches, fetched.records), (20, 2, whole));
    assert!(matches!(malformed(20, &answer(damaged, 40)), Malformed::Header(_)));
    // Which of the two lies is not known: 15 to 19 may have been written elsewhere, and 3 to 7 here.
    let back = joined(&[&batch(10, 14), &batch(15, 19), &batch(3, 7), &batch(25, 29)]);
    let fetched = data(10, &answer(back.clone(), 40));
    assert_eq!((fetched.next_offset, fetched.batches), (15, 1));
    assert!(matches!(malformed(15, &answer(back, 40)), Malformed::Header(_)));
    // Of what is sound nothing lies beyond the high watermark.
    let far = joined(&[&batch(10, 14), &batch(500, 504), &batch(20, 24)]);
    assert_eq!(data(10, &answer(far, 40)).next_offset, 15);
}

#[test]
fn the_size_of_a_batch_that_is_cut_off_is_told() {
    let next = batch(15, 19);
    let cut = joined(&[&batch(10, 14), &next[..next.len() - 1]]);
    assert_eq!(data(10, &answer(cut, 40)).next_batch_bytes, Some(next.len()));
    let stump = joined(&[&batch(10, 14), &next[..11]]);
    assert_eq!(data(10, &answer(stump, 40)).next_batch_bytes, None);
    assert_eq!(data(10, &answer(batch(10, 14), 40)).next_batch_bytes, None);
}

#[test]
fn aborted_transactions_come_sorted() {
    let aborted = |producer_id, first_offset| AbortedTransaction { producer_id, first_offset };
    let unsorted = vec![aborted(1, 15), aborted(2, 11), aborted(3, 13)];
    let answer = FetchedPartition { aborted_transactions: unsorted, ..answer(batch(10, 19), 40) };
    assert_eq!(data(10, &answer).aborted, [aborted(2, 11), aborted(3, 13), aborted(1, 15)]);
}

#[test]
fn compaction_may_leave_a_batch_that_begins_after_the_offset() {
    assert_eq!(data(3, &answer(batch(10, 19), 40)).next_offset, 20);
}
