//! The log, without a cluster around it.

use bytes::Bytes;
use records::{BatchBuilder, Batches, Compression, Compressor, ControlMarker, NewRecord};

use super::{AppendInfo, AppendRules, Log, ReadLimit, Refusal};
use crate::error_code::ErrorCode;
use crate::script::{batch, sequenced};

const RULES: AppendRules = AppendRules {
    produce_version: 9,
    batch_bytes_max: 1 << 20,
    is_compacted: false,
    log_append_time: false,
    timestamp_before_max_ms: i64::MAX,
    timestamp_after_max_ms: i64::MAX,
    now_ms: 1_767_225_600_000,
    leader_epoch: 0,
};

const ALL: ReadLimit = ReadLimit { bytes_max: usize::MAX, min_one_batch: true, offset_max: i64::MAX };

fn append(log: &mut Log, bytes: &Bytes) -> Result<AppendInfo, ErrorCode> {
    log.append(bytes, &RULES).map_err(|refusal| refusal.code)
}

/// Offsets of the records that a read from `from` finds.
fn offsets(log: &Log, from: i64) -> Vec<i64> {
    let bytes = log.read(from, ALL).unwrap().to_bytes();
    let mut offsets = Vec::new();
    for batch in Batches::new(bytes) {
        let decoded = batch.unwrap().decode(&mut records::Decompressor::new()).unwrap();
        offsets.extend(decoded.records().map(|record| record.unwrap().offset()));
    }
    offsets
}

#[test]
fn batches_get_offsets_and_the_leaders_epoch() {
    let mut log = Log::default();
    assert_eq!(append(&mut log, &batch(&["a", "b"], |_| ())).unwrap().first_offset, 0);
    let info = append(&mut log, &batch(&["c"], |_| ())).unwrap();
    assert_eq!((info.first_offset, info.last_offset, info.is_duplicate), (2, 2, false));
    let second = log.batches().nth(1).unwrap();
    assert_eq!((second.header().base_offset(), second.header().leader_epoch()), (2, Some(0)));
    assert_eq!(offsets(&log, 0), [0, 1, 2]);
    // A read begins with the batch that holds the offset.
    assert_eq!(offsets(&log, 1), [0, 1, 2]);
    assert_eq!(offsets(&log, 2), [2]);
    assert_eq!(log.read(4, ALL).unwrap_err(), ErrorCode::OFFSET_OUT_OF_RANGE);
}

#[test]
fn a_limit_cuts_the_last_batch_and_never_the_first() {
    let mut log = Log::default();
    let one = batch(&["a"], |_| ());
    append(&mut log, &one).unwrap();
    append(&mut log, &one).unwrap();
    let read = |bytes_max, min_one_batch| {
        let slice = log.read(0, ReadLimit { bytes_max, min_one_batch, ..ALL }).unwrap();
        (slice.size_in_bytes(), slice.is_first_cut)
    };
    assert_eq!(read(one.len() + 5, true), (one.len() + 5, false));
    assert_eq!(read(1, true), (one.len(), false));
    assert_eq!(read(1, false), (1, true));
    assert_eq!(read(0, false), (0, true));
}

#[test]
fn nothing_at_or_after_the_high_watermark_is_read() {
    let mut log = Log::default();
    append(&mut log, &batch(&["a", "b"], |_| ())).unwrap();
    append(&mut log, &batch(&["c"], |_| ())).unwrap();
    let upto = |offset_max| log.read(0, ReadLimit { offset_max, ..ALL }).unwrap().end_offset;
    assert_eq!(upto(3), Some(3));
    assert_eq!(upto(2), Some(2));
    assert_eq!(upto(1), None);
}

#[test]
fn a_producers_numbers_have_no_gap_and_no_repetition() {
    let mut log = Log::default();
    append(&mut log, &sequenced(&["a", "b"], 7, 0, 0)).unwrap();
    let again = append(&mut log, &sequenced(&["a", "b"], 7, 0, 0)).unwrap();
    assert_eq!((again.first_offset, again.is_duplicate), (0, true));
    assert_eq!(append(&mut log, &sequenced(&["d"], 7, 0, 3)), Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    append(&mut log, &sequenced(&["c"], 7, 0, 2)).unwrap();
    // A new epoch begins at 0, and fences the old one.
    assert_eq!(append(&mut log, &sequenced(&["d"], 7, 1, 3)), Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    append(&mut log, &sequenced(&["d"], 7, 1, 0)).unwrap();
    assert_eq!(append(&mut log, &sequenced(&["e"], 7, 0, 3)), Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    assert_eq!(log.end_offset(), 4);
}

#[test]
fn only_the_last_five_batches_are_known_as_duplicates() {
    let mut log = Log::default();
    for sequence in 0..6 {
        append(&mut log, &sequenced(&["x"], 7, 0, sequence)).unwrap();
    }
    assert!(append(&mut log, &sequenced(&["x"], 7, 0, 1)).unwrap().is_duplicate);
    assert_eq!(append(&mut log, &sequenced(&["x"], 7, 0, 0)), Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
}

#[test]
fn sequence_numbers_wrap_at_31_bits() {
    let mut log = Log::default();
    append(&mut log, &sequenced(&["a", "b"], 7, 0, i32::MAX - 1)).unwrap();
    append(&mut log, &sequenced(&["c"], 7, 0, 0)).unwrap();
    assert_eq!(log.end_offset(), 3);
}

#[test]
fn what_a_broker_refuses_is_refused() {
    let refusal = |bytes: &[u8], rules: AppendRules| -> ErrorCode {
        let refused: Refusal = Log::default().append(&Bytes::copy_from_slice(bytes), &rules).unwrap_err();
        refused.code
    };
    let good = batch(&["a"], |_| ());
    let twice = [&good[..], &good[..]].concat();
    assert_eq!(refusal(&[], RULES), ErrorCode::INVALID_RECORD);
    assert_eq!(refusal(&twice, RULES), ErrorCode::INVALID_RECORD);
    let mut damaged = good.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(refusal(&damaged, RULES), ErrorCode::CORRUPT_MESSAGE);
    let too_large = AppendRules { batch_bytes_max: good.len() - 1, ..RULES };
    assert_eq!(refusal(&good, too_large), ErrorCode::MESSAGE_TOO_LARGE);
    let marker = BatchBuilder::control(ControlMarker::Commit { coordinator_epoch: 0 }, 7, 0, 0);
    assert_eq!(refusal(&marker.build(&mut Compressor::new()).unwrap(), RULES), ErrorCode::INVALID_RECORD);
    let gap = batch(&["a"], |builder| {
        builder.push_at(5, &NewRecord::new(0)).unwrap();
    });
    assert_eq!(refusal(&gap, RULES), ErrorCode::INVALID_RECORD);
    let mut old = BatchBuilder::new(Compression::None);
    old.push(&NewRecord::new(5)).unwrap();
    let old = old.build(&mut Compressor::new()).unwrap();
    assert_eq!(refusal(&old, AppendRules { is_compacted: true, ..RULES }), ErrorCode::INVALID_RECORD);
    let early = AppendRules { timestamp_before_max_ms: 1000, ..RULES };
    assert_eq!(refusal(&old, early), ErrorCode::INVALID_TIMESTAMP);
    let mut zstd = BatchBuilder::new(Compression::Zstd);
    zstd.push(&NewRecord::new(5)).unwrap();
    let zstd = zstd.build(&mut Compressor::new()).unwrap();
    let version = AppendRules { produce_version: 6, ..RULES };
    assert_eq!(refusal(&zstd, version), ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
}

#[test]
fn the_brokers_clock_overrules_the_producers() {
    let mut log = Log::default();
    let rules = AppendRules { log_append_time: true, now_ms: 42, ..RULES };
    assert_eq!(log.append(&batch(&["a"], |_| ()), &rules).unwrap().log_append_time_ms, 42);
    let stored = log.batches().next().unwrap();
    let decoded = records::Batch::parse(stored.bytes().clone()).unwrap();
    let decoded = decoded.decode(&mut records::Decompressor::new()).unwrap();
    assert_eq!(decoded.records().next().unwrap().unwrap().timestamp(), 42);
}

/// A transaction of producer 7 in a log: records, then a marker.
fn transactional(log: &mut Log, values: &[&str], producer: i64, sequence: i32) {
    let state = records::ProducerState { producer_id: producer, producer_epoch: 0, base_sequence: sequence };
    let bytes = batch(values, |builder| {
        builder.producer(state).transactional(true);
    });
    append(log, &bytes).unwrap();
}

#[test]
fn an_open_transaction_holds_the_last_stable_offset_back() {
    let mut log = Log::default();
    append(&mut log, &batch(&["plain"], |_| ())).unwrap();
    transactional(&mut log, &["t1", "t2"], 7, 0);
    append(&mut log, &batch(&["plain"], |_| ())).unwrap();
    assert_eq!(log.last_stable_offset(log.end_offset()), 1);
    let marker = ControlMarker::Abort { coordinator_epoch: 0 };
    assert_eq!(log.append_marker(7, 0, marker, 0, 0), Ok(4));
    assert_eq!(log.last_stable_offset(5), 5);
    // The marker is not on all replicas yet.
    assert_eq!(log.last_stable_offset(4), 1);
    let aborted: Vec<_> = log.txns().aborted_between(0, 5).copied().collect();
    assert_eq!((aborted[0].producer_id, aborted[0].first_offset, aborted[0].last_offset), (7, 1, 4));
    assert_eq!(log.txns().aborted_between(5, 9).count(), 0);
    assert_eq!(log.txns().aborted_between(0, 1).count(), 0);
}

/// Deleting its records does not end a transaction, nor does the next leader forget it.
#[test]
fn an_open_transaction_below_the_start_holds_everything_back() {
    let mut log = Log::default();
    transactional(&mut log, &["t1", "t2"], 7, 0);
    append(&mut log, &batch(&["plain"], |_| ())).unwrap();
    append(&mut log, &batch(&["cut"], |_| ())).unwrap();
    log.advance_start(2);
    assert_eq!(log.last_stable_offset(4), 2);
    log.truncate_to(3);
    assert_eq!(log.last_stable_offset(3), 2);
    let marker = ControlMarker::Commit { coordinator_epoch: 0 };
    assert_eq!(log.append_marker(7, 0, marker, 0, 0), Ok(3));
    assert_eq!(log.last_stable_offset(4), 4);
}

#[test]
fn an_old_coordinators_marker_is_refused() {
    let mut log = Log::default();
    transactional(&mut log, &["t"], 7, 0);
    let commit = |coordinator_epoch| ControlMarker::Commit { coordinator_epoch };
    log.append_marker(7, 0, commit(3), 0, 0).unwrap();
    let refused = log.append_marker(7, 0, commit(2), 0, 0);
    assert_eq!(refused, Err(ErrorCode::TRANSACTION_COORDINATOR_FENCED));
    log.append_marker(7, 1, commit(3), 0, 0).unwrap();
    assert_eq!(log.append_marker(7, 0, commit(3), 0, 0), Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    // The marker's epoch is the producer's from now on, and its numbers begin anew.
    assert_eq!(append(&mut log, &sequenced(&["x"], 7, 0, 1)), Err(ErrorCode::INVALID_PRODUCER_EPOCH));
    append(&mut log, &sequenced(&["x"], 7, 1, 0)).unwrap();
}

#[test]
fn a_truncated_log_forgets_what_was_cut() {
    let mut log = Log::default();
    append(&mut log, &sequenced(&["a"], 7, 0, 0)).unwrap();
    transactional(&mut log, &["t"], 8, 0);
    log.start_epoch(1);
    append(&mut log, &sequenced(&["b"], 7, 0, 1)).unwrap();
    log.truncate_to(1);
    assert_eq!((log.end_offset(), log.epochs().latest()), (1, Some(0)));
    assert_eq!(log.txns().open().count(), 0);
    append(&mut log, &sequenced(&["b"], 7, 0, 1)).unwrap();
    assert_eq!(offsets(&log, 0), [0, 1]);
}

#[test]
fn deleted_records_are_out_of_range() {
    let mut log = Log::default();
    append(&mut log, &batch(&["a", "b", "c"], |_| ())).unwrap();
    append(&mut log, &batch(&["d"], |_| ())).unwrap();
    log.advance_start(2);
    assert_eq!(log.read(1, ALL).unwrap_err(), ErrorCode::OFFSET_OUT_OF_RANGE);
    // The batch that spans the start is there as a whole.
    assert_eq!(offsets(&log, 2), [0, 1, 2, 3]);
    log.advance_start(3);
    assert_eq!((offsets(&log, 3), log.batches().count()), (vec![3], 1));
    log.advance_start(99);
    assert_eq!((log.start_offset(), log.end_offset()), (4, 4));
}

#[test]
fn retention_goes_by_time_and_by_size() {
    let mut log = Log::default();
    for _ in 0..3 {
        append(&mut log, &batch(&["a"], |_| ())).unwrap();
    }
    assert!(!log.clone().retain(RULES.now_ms + 1000, 1000, -1, 3));
    let mut old = log.clone();
    assert!(old.retain(RULES.now_ms + 1001, 1000, -1, 3));
    assert_eq!(old.start_offset(), 3);
    let one = log.size_in_bytes() / 3;
    assert!(log.retain(0, -1, 2 * one as i64, 3));
    assert_eq!((log.start_offset(), log.size_in_bytes()), (1, 2 * one));
}

#[test]
fn compaction_keeps_the_last_of_each_key_and_the_range_of_batches() {
    let mut log = Log::default();
    append(&mut log, &batch(&["a", "b", "a"], |_| ())).unwrap();
    append(&mut log, &batch(&["b"], |_| ())).unwrap();
    append(&mut log, &sequenced(&["c"], 7, 0, 0)).unwrap();
    append(&mut log, &batch(&["c"], |_| ())).unwrap();
    append(&mut log, &batch(&["a"], |_| ())).unwrap();
    log.compact(6, false);
    // "c" of the idempotent producer is gone, its batch is not: the producer's number is known by it.
    assert_eq!(offsets(&log, 0), [2, 3, 5, 6]);
    let ranges: Vec<_> =
        log.batches().map(|b| (b.header().base_offset(), b.header().last_offset())).collect();
    assert_eq!(ranges, [(0, 2), (3, 3), (4, 4), (5, 5), (6, 6)]);
    assert!(append(&mut log, &sequenced(&["c"], 7, 0, 0)).unwrap().is_duplicate);
}

#[test]
fn tombstones_and_aborted_records_are_compacted_away() {
    let mut log = Log::default();
    let mut tombstone = BatchBuilder::new(Compression::Lz4);
    tombstone.push(&NewRecord::new(5).key("k")).unwrap();
    append(&mut log, &tombstone.build(&mut Compressor::new()).unwrap()).unwrap();
    transactional(&mut log, &["x"], 7, 0);
    log.append_marker(7, 0, ControlMarker::Abort { coordinator_epoch: 0 }, 0, 0).unwrap();
    append(&mut log, &batch(&["y"], |_| ())).unwrap();
    let mut kept = log.clone();
    kept.compact(4, false);
    assert_eq!(offsets(&kept, 0), [0, 2, 3]);
    log.compact(4, true);
    assert_eq!(offsets(&log, 0), [3]);
}

#[test]
fn a_record_is_found_by_its_time() {
    let mut log = Log::default();
    let mut builder = BatchBuilder::new(Compression::Gzip);
    for time in [10, 30, 20] {
        builder.push(&NewRecord::new(time)).unwrap();
    }
    append(&mut log, &builder.build(&mut Compressor::new()).unwrap()).unwrap();
    let at = |time| log.offset_for_time(time).map(|found| (found.offset, found.timestamp));
    assert_eq!(at(0), Some((0, 10)));
    assert_eq!(at(15), Some((1, 30)));
    assert_eq!(at(31), None);
    assert_eq!(log.offset_of_max_timestamp().map(|found| found.offset), Some(1));
}

#[test]
fn a_flipped_byte_is_on_the_wire_and_nowhere_else() {
    let mut log = Log::default();
    append(&mut log, &batch(&["a"], |_| ())).unwrap();
    assert!(log.flip_byte(0, 65));
    assert!(!log.flip_byte(0, 65_000));
    assert!(!log.flip_byte(1, 65));
    let bytes = log.read(0, ALL).unwrap().to_bytes();
    assert!(records::Batch::parse(bytes).unwrap().verify_crc().is_err());
}
