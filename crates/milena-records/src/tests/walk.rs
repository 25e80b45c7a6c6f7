//! The header walk: whole batches, partial ones, mixed formats, order.

use bytes::Bytes;

use super::batch_of;
use crate::*;

fn placed(base_offset: i64, count: usize) -> Vec<u8> {
    let mut batch = batch_of(count, Compression::None);
    patch::place(&mut batch, base_offset, 7).unwrap();
    batch
}

#[test]
fn batches_are_slices_of_the_answer() {
    let answer = Bytes::from([placed(0, 2), placed(2, 3)].concat());
    let range = answer.as_ptr_range();
    let batches: Vec<_> = Batches::new(answer.clone()).map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|batch| batch.base_offset()).collect::<Vec<_>>(), [0, 2]);
    assert!(batches.iter().all(|batch| range.contains(&batch.bytes().as_ptr())));
}

#[test]
fn a_cut_off_batch_ends_the_walk_and_says_how_much_it_needs() {
    let first = placed(0, 2);
    let second = placed(2, 3);
    let answer = [first.clone(), second.clone()].concat();
    for end in first.len()..answer.len() {
        let mut batches = Batches::new(Bytes::copy_from_slice(&answer[..end]));
        assert_eq!(batches.by_ref().map(Result::unwrap).count(), 1);
        let have = end - first.len();
        let expected = match have {
            0 => None,
            1..12 => Some(PartialBatch { have, need: None }),
            _ => Some(PartialBatch { have, need: Some(second.len()) }),
        };
        assert_eq!(batches.partial(), expected, "{end}");
        assert!(batches.next().is_none());
        assert_eq!(batches.partial(), expected, "asking again changes nothing");
        let walk = walk_headers(&answer[..end]).unwrap();
        assert_eq!(
            (walk.batches, walk.whole_bytes, walk.next_offset, walk.partial),
            (1, first.len(), Some(2), expected)
        );
    }
}

#[test]
fn a_first_batch_larger_than_the_answer_is_told_from_an_empty_answer() {
    // KIP-74: before it, a broker cut the first batch; asking again for as much would never end.
    let batch = placed(0, 50);
    let walk = walk_headers(&batch[..30]).unwrap();
    assert_eq!((walk.batches, walk.next_offset), (0, None));
    assert_eq!(walk.partial, Some(PartialBatch { have: 30, need: Some(batch.len()) }));
    assert_eq!(walk_headers(&[]), Ok(HeaderWalk::default()));
}

#[test]
fn formats_are_mixed_in_one_log() {
    let mut compressor = Compressor::new();
    let record = NewRecord::new(5).value("v");
    let magic0 =
        LegacyBuilder::magic0(Compression::None).push(&record).push(&record).build(&mut compressor).unwrap();
    let magic1 =
        LegacyBuilder::magic1(Compression::None).base_offset(2).push(&record).build(&mut compressor).unwrap();
    let answer = [&magic0[..], &magic1, &placed(3, 4)].concat();
    let batches: Vec<_> = Batches::new(answer.clone().into()).map(Result::unwrap).collect();
    let seen: Vec<_> =
        batches.iter().map(|batch| (batch.magic(), batch.base_offset(), batch.record_count())).collect();
    assert_eq!(seen, [(0, 0, Some(1)), (0, 1, Some(1)), (1, 2, Some(1)), (2, 3, Some(4))]);
    let walk = walk_headers(&answer).unwrap();
    assert_eq!(
        (walk.batches, walk.base_offset, walk.next_offset, walk.last_leader_epoch),
        (4, Some(0), Some(7), Some(7))
    );
    let mut decompressor = Decompressor::new();
    let values: usize =
        batches.iter().map(|batch| batch.decode(&mut decompressor).unwrap().records().count()).sum();
    assert_eq!(values, 7);
}

#[test]
fn batches_that_repeat_or_go_back_are_refused() {
    // franz-go #1348 among others: true records under false offsets. A log never does this, a lying broker may.
    for second in [0, 1, 2] {
        let answer = [placed(1, 2), placed(second, 2)].concat();
        let expected =
            DecodeError { base_offset: second, fault: Fault::BatchOutOfOrder { previous_last_offset: 2 } };
        let mut batches = Batches::new(answer.clone().into());
        assert!(batches.next().unwrap().is_ok());
        assert_eq!(batches.next().unwrap().unwrap_err(), expected);
        assert!(batches.next().is_none());
        assert_eq!(walk_headers(&answer), Err(expected));
    }
    // Compaction leaves gaps.
    assert_eq!(walk_headers(&[placed(1, 2), placed(90, 2)].concat()).unwrap().next_offset, Some(92));
}

#[test]
fn compaction_leaves_gaps_and_empty_batches() {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.base_offset(10);
    builder.push_at(3, &NewRecord::new(0).value("a")).unwrap();
    builder.push_at(7, &NewRecord::new(0).value("b")).unwrap();
    builder.last_offset_delta(9);
    let kept = builder.build(&mut Compressor::new()).unwrap();
    let mut builder = BatchBuilder::new(Compression::None);
    let empty = builder.base_offset(20).last_offset_delta(4).build(&mut Compressor::new()).unwrap();
    let mut batches = Batches::new(Bytes::from([kept, empty].concat()));
    let mut decompressor = Decompressor::new();
    let kept = batches.next().unwrap().unwrap();
    assert_eq!((kept.base_offset(), kept.last_offset(), kept.next_offset()), (10, 19, 20));
    let kept = kept.decode(&mut decompressor).unwrap();
    assert_eq!(kept.records().map(|record| record.unwrap().offset()).collect::<Vec<_>>(), [13, 17]);
    let empty = batches.next().unwrap().unwrap();
    assert_eq!((empty.record_count(), empty.next_offset()), (Some(0), 25));
    assert_eq!(empty.decode(&mut decompressor).unwrap().records().count(), 0);
}

#[test]
fn parse_wants_exactly_one_batch() {
    let batch = placed(5, 1);
    assert!(Batch::parse(batch.clone().into()).is_ok());
    let error = Batch::parse([&batch[..], &[0]].concat().into()).unwrap_err();
    assert_eq!(error, DecodeError { base_offset: 5, fault: Fault::RecordsLeft { count: 1, bytes: 1 } });
    let error = Batch::parse(Bytes::copy_from_slice(&batch[..20])).unwrap_err();
    assert_eq!(error.fault, Fault::Truncated { what: "batch", need: batch.len(), have: 20 });
    let error = Batch::parse(Bytes::new()).unwrap_err();
    assert_eq!(
        error,
        DecodeError { base_offset: -1, fault: Fault::Truncated { what: "batch", need: 12, have: 0 } }
    );
}

#[test]
fn a_broker_places_a_batch_without_touching_its_checksum() {
    let mut batch = batch_of(2, Compression::None);
    patch::place(&mut batch, 1_000_000, 12).unwrap();
    let read = Batch::parse(batch.clone().into()).unwrap();
    assert_eq!((read.base_offset(), read.leader_epoch(), read.verify_crc()), (1_000_000, Some(12), Ok(())));
    patch::set_log_append_time(&mut batch, 77).unwrap();
    patch::set_producer(&mut batch, ProducerState { producer_id: 9, producer_epoch: 2, base_sequence: 5 })
        .unwrap();
    let read = Batch::parse(batch.clone().into()).unwrap();
    assert_eq!((read.producer_id(), read.producer_epoch(), read.base_sequence()), (9, 2, 5));
    let decoded = read.decode(&mut Decompressor::new()).unwrap();
    for record in decoded.records() {
        let record = record.unwrap();
        assert_eq!((record.timestamp(), record.timestamp_type()), (77, TimestampType::LogAppendTime));
    }
    assert!(patch::place(&mut batch[..60], 0, 0).is_err());
}
