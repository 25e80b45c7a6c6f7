//! What has crashed, starved or fooled other readers, by name, and everything next to it.

use bytes::Bytes;

use super::{batch_of, batch_with, fault, raw_record, read, seal, sized};
use crate::*;

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
    seal(bytes);
}

#[test]
fn record_count_of_minus_one_after_a_valid_crc_is_refused() {
    // kafka-go #1438: panics.
    for count in [-1, i32::MIN] {
        let mut bytes = batch_of(3, Compression::None);
        put(&mut bytes, 57, &count.to_be_bytes());
        assert!(matches!(fault(&bytes), Fault::RecordCount { count: read, .. } if read == count));
    }
}

#[test]
fn a_record_count_that_the_bytes_cannot_hold_is_refused_before_anything_is_reserved() {
    // kafka-protocol #152, iggy #4229: 61 bytes ask for 377 GB.
    for count in [4, 1000, i32::MAX] {
        let mut bytes = batch_of(3, Compression::None);
        put(&mut bytes, 57, &count.to_be_bytes());
        put(&mut bytes, 23, &(i32::MAX - 1).to_be_bytes());
        let expected = if count == 4 { "runs out of records" } else { "count" };
        match (expected, fault(&bytes)) {
            ("count", Fault::RecordCount { max, .. }) => assert_eq!(max, (bytes.len() - 61) / 7),
            ("runs out of records", Fault::Truncated { .. }) => {}
            (expected, fault) => panic!("{count}: {expected}, but {fault:?}"),
        }
    }
}

#[test]
fn a_record_count_beyond_the_range_of_offsets_is_refused() {
    // Stricter than Java, which counts on: n records need n offsets, so one of the two numbers is a lie.
    let mut bytes = batch_of(3, Compression::None);
    put(&mut bytes, 23, &1_i32.to_be_bytes());
    assert_eq!(fault(&bytes), Fault::RecordCount { count: 3, max: 2 });
}

#[test]
fn a_record_count_one_too_small_is_no_silent_skip() {
    let mut bytes = batch_of(3, Compression::None);
    put(&mut bytes, 57, &2_i32.to_be_bytes());
    assert!(matches!(fault(&bytes), Fault::RecordsLeft { count: 2, bytes: 1.. }));
    // As in Java, the record before is delivered and the last one is not.
    let decoded = Batch::parse(bytes.into()).unwrap().decode(&mut Decompressor::new()).unwrap();
    let results: Vec<_> = decoded.records().map(|record| record.is_ok()).collect();
    assert_eq!(results, [true, false]);
}

#[test]
fn a_record_count_of_zero_with_bytes_left_is_taken_as_java_takes_it() {
    // Java opens the codec's stream of a batch that says it is empty and reads nothing from it. Refusing such a batch would
    // stop a reader for good where every other reader goes on.
    let mut bytes = batch_of(3, Compression::None);
    put(&mut bytes, 57, &0_i32.to_be_bytes());
    assert_eq!(read(&bytes), Ok(vec![]));
    // Here not even the stream is opened, which Java would do and fail: nothing that it could say matters.
    assert_eq!(read(&batch_with(0, 5, 1, b"no gzip")), Ok(vec![]));
}

#[test]
fn a_last_offset_delta_that_lies_loses_no_record() {
    // Below the records: 160 records were lost to this in other clients.
    let mut bytes = batch_of(3, Compression::None);
    put(&mut bytes, 23, &1_i32.to_be_bytes());
    put(&mut bytes, 57, &2_i32.to_be_bytes());
    assert!(read(&bytes).is_err());
    // Above them it is what compaction leaves; only the next batch or the high watermark can tell.
    put(&mut bytes, 23, &200_i32.to_be_bytes());
    put(&mut bytes, 57, &3_i32.to_be_bytes());
    assert_eq!(read(&bytes).unwrap().len(), 3);
    assert_eq!(Batch::parse(bytes.clone().into()).unwrap().next_offset(), 301);
    for delta in [-1, i32::MIN] {
        put(&mut bytes, 23, &delta.to_be_bytes());
        assert_eq!(fault(&bytes), Fault::InvalidOffsetRange { last_offset_delta: delta });
    }
}

#[test]
fn base_offsets_that_cannot_be_are_refused() {
    let mut bytes = batch_of(3, Compression::None);
    for base in [-1, i64::MIN, i64::MAX, i64::MAX - 2] {
        bytes[..8].copy_from_slice(&base.to_be_bytes());
        let error = Batch::parse(bytes.clone().into()).unwrap_err();
        assert_eq!(
            error,
            DecodeError { base_offset: base, fault: Fault::InvalidOffsetRange { last_offset_delta: 2 } }
        );
    }
    bytes[..8].copy_from_slice(&(i64::MAX - 3).to_be_bytes());
    let batch = Batch::parse(bytes.into()).unwrap();
    assert_eq!(batch.next_offset(), i64::MAX);
    let decoded = batch.decode(&mut Decompressor::new()).unwrap();
    assert_eq!(decoded.records().last().unwrap().unwrap().offset(), i64::MAX - 1);
}

#[test]
fn record_offsets_stay_inside_the_batch_and_rise() {
    let batch = |deltas: &[i32]| {
        let section: Vec<u8> = deltas.iter().flat_map(|delta| raw_record(0, *delta, b"v")).collect();
        batch_with(deltas.len() as i32, 9, 0, &section)
    };
    assert_eq!(read(&batch(&[0, 4, 9])).unwrap().len(), 3);
    assert_eq!(fault(&batch(&[0, 10])), Fault::OffsetOutsideBatch { offset: 110, last_offset: 109 });
    assert_eq!(fault(&batch(&[-1, 0])), Fault::OffsetOutsideBatch { offset: 99, last_offset: 109 });
    assert!(matches!(fault(&batch(&[i32::MIN])), Fault::OffsetOutsideBatch { .. }));
    assert!(matches!(fault(&batch(&[i32::MAX])), Fault::OffsetOutsideBatch { .. }));
    assert_eq!(fault(&batch(&[0, 5, 5])), Fault::OffsetNotRising { offset: 105, previous: 105 });
    assert_eq!(fault(&batch(&[0, 5, 4])), Fault::OffsetNotRising { offset: 104, previous: 105 });
}

#[test]
fn every_crc_flip_is_seen() {
    // Other clients deliver a value that was flipped under a CRC they do not check.
    for codec in Compression::ALL.into_iter().filter(|codec| codec.is_available()) {
        let bytes = batch_of(20, codec);
        for at in 17..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let is_crc = matches!(read(&flipped).unwrap_err().fault, Fault::CrcMismatch { .. });
                // A last offset delta beyond i32 or the range of offsets is refused even earlier.
                assert!(is_crc || (23..27).contains(&at), "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn every_flipped_byte_under_a_true_crc_is_an_error_or_records_never_a_panic() {
    for codec in Compression::ALL.into_iter().filter(|codec| codec.is_available()) {
        let bytes = batch_of(6, codec);
        let mut decompressor = Decompressor::new().with_limit(1 << 20);
        for at in 0..bytes.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 1, bytes[at] ^ 0x80] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                seal(&mut changed);
                let _ = super::read_with(&mut decompressor, &changed);
            }
        }
        assert_eq!(super::read_with(&mut decompressor, &bytes).unwrap().len(), 6, "the contexts survive");
    }
}

#[test]
fn truncation_at_every_byte_is_an_error_and_no_panic() {
    for codec in Compression::ALL.into_iter().filter(|codec| codec.is_available()) {
        let bytes = batch_of(6, codec);
        for end in 0..bytes.len() {
            // Cut off in transit: the header walk sees a partial batch.
            let mut batches = Batches::new(Bytes::copy_from_slice(&bytes[..end]));
            assert!(batches.next().is_none());
            assert_eq!(batches.partial().is_some(), end > 0);
            // Cut off and sealed again: the records run out.
            if end > 61 {
                let mut cut = bytes[..end].to_vec();
                cut[8..12].copy_from_slice(&((end - 12) as i32).to_be_bytes());
                seal(&mut cut);
                assert!(read(&cut).is_err(), "{codec} {end}");
            }
        }
    }
}

#[test]
fn negative_record_lengths_are_refused() {
    let mut section = Vec::new();
    for length in [-1, i32::MIN] {
        section.clear();
        varint::write_i32(&mut section, length);
        section.extend_from_slice(&[0; 20]);
        let expected = Fault::NegativeLength { what: "record length", length };
        assert_eq!(fault(&batch_with(1, 0, 0, &section)), expected);
    }
}

#[test]
fn a_record_is_exactly_as_long_as_it_says() {
    let body = |extra: &[u8]| [&[0, 0, 0, 1, 1, 0][..], extra].concat();
    assert_eq!(read(&batch_with(1, 0, 0, &sized(&body(&[])))), Ok(vec![(100, None)]));
    let too_long = batch_with(1, 0, 0, &sized(&body(&[9, 9])));
    assert_eq!(fault(&too_long), Fault::RecordNotFilled { length: 8, left: 2 });
    // The value claims a byte of the next record: the length of its own is the limit.
    let mut section = sized(&[0, 0, 0, 1, 2, 0]);
    section.extend(raw_record(0, 1, b"next"));
    let expected = Fault::Truncated { what: "record header count", need: 1, have: 0 };
    assert_eq!(fault(&batch_with(2, 1, 0, &section)), expected);
    let mut section = sized(&[0, 0, 0, 1, 20, 0]);
    section.extend(raw_record(0, 1, b"next"));
    assert_eq!(
        fault(&batch_with(2, 1, 0, &section)),
        Fault::Truncated { what: "record value", need: 10, have: 1 }
    );
}

#[test]
fn negative_key_and_value_lengths_are_null_as_in_java() {
    for length in [-1, -2, i32::MIN] {
        let mut body = vec![0, 0, 0];
        varint::write_i32(&mut body, length);
        varint::write_i32(&mut body, length);
        body.push(0);
        assert_eq!(read(&batch_with(1, 0, 0, &sized(&body))), Ok(vec![(100, None)]));
    }
}

#[test]
fn overlong_varints_attributes_of_255_and_unused_bits_are_read() {
    // Kafka 4.3.1 stores them, so readers meet them.
    let mut body = vec![255];
    body.extend_from_slice(&[0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]); // timestamp delta 1
    body.extend_from_slice(&[0x80, 0x80, 0x00]); // offset delta 0
    body.extend_from_slice(&[0x81, 0x00]); // null key
    body.extend_from_slice(&[0x84, 0x80, 0x80, 0x80, 0x00, b'o', b'k']);
    body.extend_from_slice(&[0x80, 0x00]); // no headers
    let mut section = vec![0x80 | (body.len() * 2) as u8, 0x80, 0x80, 0x00];
    section.extend_from_slice(&body);
    let mut bytes = batch_with(1, 0, 0, &section);
    bytes[21] = 0xff;
    bytes[22] = 0x80;
    seal(&mut bytes);
    let decoded = Batch::parse(bytes.into()).unwrap().decode(&mut Decompressor::new()).unwrap();
    let record = decoded.records().next().unwrap().unwrap();
    assert_eq!((record.timestamp(), record.key(), record.value()), (1, None, Some(&b"ok"[..])));
    assert!(record.headers().is_empty());
}

#[test]
fn varints_without_end_are_refused() {
    let section = [&[0xff_u8; 5][..], &[1; 20]].concat();
    assert_eq!(fault(&batch_with(1, 0, 0, &section)), Fault::OverlongVarint { what: "record length" });
    let mut body = vec![0];
    body.extend_from_slice(&[0xff; 10]);
    body.extend_from_slice(&[1; 10]);
    assert_eq!(
        fault(&batch_with(1, 0, 0, &sized(&body))),
        Fault::OverlongVarint { what: "record timestamp delta" }
    );
}

#[test]
fn header_counts_and_lengths_that_lie_are_refused() {
    let with = |headers: &[u8]| {
        let body = [&[0, 0, 0, 1, 1][..], headers].concat();
        fault(&batch_with(1, 0, 0, &sized(&body)))
    };
    let varint = |value| {
        let mut out = Vec::new();
        varint::write_i32(&mut out, value);
        out
    };
    // kafka-protocol #161: the count is reserved before it is checked.
    assert_eq!(with(&varint(i32::MAX)), Fault::HeaderCount { count: i32::MAX, have: 0 });
    assert_eq!(with(&varint(-1)), Fault::HeaderCount { count: -1, have: 0 });
    assert_eq!(with(&[2, 0]), Fault::HeaderCount { count: 1, have: 1 });
    assert_eq!(with(&[2, 1, 0]), Fault::NegativeLength { what: "header name length", length: -1 });
    assert_eq!(with(&[2, 4, 0]), Fault::Truncated { what: "header name", need: 2, have: 1 });
    assert_eq!(with(&[2, 0, 2]), Fault::Truncated { what: "header value", need: 1, have: 0 });
    assert_eq!(with(&[2, 0, 1, 7]), Fault::RecordNotFilled { length: 9, left: 1 });
    // A null value is a value (rskafka fails the whole fetch).
    let body = [&[0, 0, 0, 1, 1][..], &[2, 0, 1]].concat();
    assert_eq!(read(&batch_with(1, 0, 0, &sized(&body))), Ok(vec![(100, None)]));
}

#[test]
fn unknown_codecs_and_formats_are_refused() {
    for id in 5..8 {
        assert_eq!(fault(&batch_with(1, 0, id, b"1234567")), Fault::UnknownCodec { id });
    }
    for magic in [3_u8, 127, 128, 255] {
        let mut bytes = batch_of(1, Compression::None);
        bytes[16] = magic;
        assert_eq!(fault(&bytes), Fault::UnsupportedMagic { magic: magic as i8 });
    }
}

#[test]
fn lengths_below_the_header_are_refused_and_never_loop() {
    // kafka-backup #142: an infinite loop on such a batch. franz-go #1348: a negative length panics.
    for (magic, length, min) in
        [(2, 48, 49), (2, 14, 49), (1, 21, 22), (0, 13, 14), (2, 0, 14), (0, -1, 14), (2, i32::MIN, 14)]
    {
        let mut bytes = batch_of(3, Compression::None);
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = magic;
        let least = if length < 14 { 0 } else { magic as i8 };
        let expected = Fault::BatchTooSmall { magic: least, length, min };
        let mut batches = Batches::new(bytes.clone().into());
        assert_eq!(batches.next().unwrap().unwrap_err().fault, expected);
        assert!(batches.next().is_none());
        assert_eq!(walk_headers(&bytes).unwrap_err().fault, expected);
    }
}

#[test]
fn timestamps_beyond_the_year_2262_and_wrapping_deltas_come_back() {
    // franz-go and sarama corrupt both.
    let times = [i64::MIN, i64::MAX, 0, i64::MAX / 2, -1];
    let mut builder = BatchBuilder::new(Compression::None);
    for time in times {
        builder.push(&NewRecord::new(time)).unwrap();
    }
    let batch = Batch::parse(builder.build(&mut Compressor::new()).unwrap()).unwrap();
    let decoded = batch.decode(&mut Decompressor::new()).unwrap();
    let read: Vec<_> = decoded.records().map(|record| record.unwrap().timestamp()).collect();
    assert_eq!(read, times);
}
