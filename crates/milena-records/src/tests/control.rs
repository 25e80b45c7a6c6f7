//! Control batches and the filter of committed reads, as in Java's `CompletedFetch`.

use bytes::Bytes;

use crate::*;

const ABORT: ControlMarker = ControlMarker::Abort { coordinator_epoch: 4 };
const COMMIT: ControlMarker = ControlMarker::Commit { coordinator_epoch: 4 };

fn data(base_offset: i64, producer_id: i64, is_transactional: bool) -> Batch {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.base_offset(base_offset).transactional(is_transactional);
    builder.producer(ProducerState { producer_id, producer_epoch: 0, base_sequence: 0 });
    builder.push(&NewRecord::new(0).value("a")).unwrap();
    builder.push(&NewRecord::new(0).value("b")).unwrap();
    Batch::parse(builder.build(&mut Compressor::new()).unwrap()).unwrap()
}

fn marker(base_offset: i64, producer_id: i64, marker: ControlMarker) -> Batch {
    let mut builder = BatchBuilder::control(marker, producer_id, 0, 0);
    Batch::parse(builder.base_offset(base_offset).build(&mut Compressor::new()).unwrap()).unwrap()
}

/// Base offsets of the batches that are delivered.
fn delivered(mut filter: TxnFilter, log: &[Batch]) -> Vec<i64> {
    let mut decompressor = Decompressor::new();
    log.iter()
        .filter(|batch| filter.judge(batch, &mut decompressor).unwrap() == Verdict::Deliver)
        .map(|batch| batch.base_offset())
        .collect()
}

fn aborted(producer_id: i64, first_offset: i64) -> AbortedTxn {
    AbortedTxn { producer_id, first_offset }
}

#[test]
fn markers_say_what_was_written() {
    let mut decompressor = Decompressor::new();
    for written in [ABORT, COMMIT, ControlMarker::Other { control_type: 2 }] {
        let batch = marker(9, 1, written);
        assert!(batch.is_control() && batch.is_transactional());
        assert_eq!(batch.decode(&mut decompressor).unwrap().control_marker(), Ok(Some(written)));
    }
    assert_eq!(data(0, 1, true).decode(&mut decompressor).unwrap().control_marker(), Ok(None));
}

#[test]
fn a_control_batch_without_a_control_record_is_refused_and_an_empty_one_is_not() {
    let broken = |key: Option<&[u8]>, value: Option<&[u8]>| {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(&NewRecord::new(0).maybe_key(key).maybe_value(value)).unwrap();
        let mut bytes = builder.build(&mut Compressor::new()).unwrap().to_vec();
        bytes[22] |= 0x20;
        patch::seal(&mut bytes);
        let batch = Batch::parse(bytes.into()).unwrap();
        batch.decode(&mut Decompressor::new()).unwrap().control_marker()
    };
    assert_eq!(
        broken(Some(&[0, 0, 0, 1]), Some(&[0, 0, 0, 0, 0, 4, 9])),
        Ok(Some(COMMIT)),
        "newer versions append"
    );
    let markers: [(Option<&[u8]>, _); 6] = [
        (None, None),
        (Some(b""), None),
        (Some(&[0, 0, 0]), None),
        (Some(&[255, 255, 0, 0]), None),
        (Some(&[0, 0, 0, 0]), None),
        (Some(&[0, 0, 0, 1]), Some(&[0, 0, 0][..])),
    ];
    for (key, value) in markers {
        let error = broken(key, value).unwrap_err();
        assert!(matches!(error.fault, Fault::InvalidControlRecord { .. }), "{key:?}");
    }
    // Compaction removes markers and leaves their batch.
    let mut builder = BatchBuilder::control(ABORT, 1, 0, 0);
    let mut bytes = builder.base_offset(5).build(&mut Compressor::new()).unwrap().to_vec();
    bytes[57..61].copy_from_slice(&[0; 4]);
    patch::seal(&mut bytes);
    let empty = Batch::parse(bytes.into()).unwrap();
    assert_eq!(empty.decode(&mut Decompressor::new()).unwrap().control_marker(), Ok(None));
}

#[test]
fn committed_reads_leave_out_what_was_aborted() {
    let log = [
        data(0, 1, true),
        data(2, 2, true),
        marker(4, 1, ABORT),
        data(5, 1, true),
        marker(7, 2, COMMIT),
        marker(8, 1, COMMIT),
        data(9, -1, false),
    ];
    assert_eq!(delivered(TxnFilter::read_committed([aborted(1, 0)]), &log), [2, 5, 9]);
    assert_eq!(delivered(TxnFilter::read_uncommitted(), &log), [0, 2, 5, 9]);
    assert_eq!(delivered(TxnFilter::read_committed([]), &log), [0, 2, 5, 9]);
}

#[test]
fn the_list_of_aborted_transactions_need_not_be_sorted() {
    let log = [
        data(0, 1, true),
        marker(2, 1, ABORT),
        data(3, 2, true),
        marker(5, 2, ABORT),
        data(6, 1, true),
        marker(8, 1, ABORT),
        data(9, 1, true),
    ];
    let list = [aborted(1, 6), aborted(2, 3), aborted(1, 0)];
    assert_eq!(delivered(TxnFilter::read_committed(list), &log), [9]);
}

#[test]
fn a_transaction_that_began_before_the_answer_is_left_out_from_the_start() {
    // Its first offset lies below the first batch, which is normal: the reader started in the middle.
    let log = [data(50, 3, true), marker(52, 3, ABORT), data(53, 3, true)];
    assert_eq!(delivered(TxnFilter::read_committed([aborted(3, 10)]), &log), [53]);
}

#[test]
fn only_transactional_batches_of_that_producer_are_left_out() {
    // An idempotent batch outside of any transaction can carry the same producer id.
    let log = [data(0, 1, false), data(2, 1, true), data(4, 5, true)];
    assert_eq!(delivered(TxnFilter::read_committed([aborted(1, 0)]), &log), [0, 4]);
}

#[test]
fn a_transaction_starts_only_when_its_first_offset_is_reached() {
    // Committed at 0, aborted from 5 on, by one producer.
    let log = [data(0, 1, true), marker(2, 1, COMMIT), data(5, 1, true), marker(7, 1, ABORT)];
    assert_eq!(delivered(TxnFilter::read_committed([aborted(1, 5)]), &log), [0]);
    // The last offset decides: a batch of which compaction removed the beginning is part of it.
    assert_eq!(delivered(TxnFilter::read_committed([aborted(1, 6)]), &log), [0]);
}

#[test]
fn a_marker_without_data_before_it_is_nothing_special() {
    // A refused oversized record leaves one.
    let log = [marker(0, 1, ABORT), data(1, 1, true), marker(3, 1, COMMIT)];
    assert_eq!(delivered(TxnFilter::read_committed([]), &log), [1]);
}

#[test]
fn a_marker_that_cannot_be_read_is_an_error_and_not_a_guess() {
    let mut bytes = marker(7, 1, ABORT).bytes().to_vec();
    let at = bytes.len() - 1;
    bytes[at] ^= 1;
    let batch = Batch::parse(Bytes::from(bytes)).unwrap();
    let mut filter = TxnFilter::read_committed([aborted(1, 0)]);
    let error = filter.judge(&batch, &mut Decompressor::new()).unwrap_err();
    assert!(matches!(error, DecodeError { base_offset: 7, fault: Fault::CrcMismatch { .. } }));
}
