//! Magic 0 and 1, read as Java's `AbstractLegacyRecordBatch` reads them.

use bytes::Bytes;

use crate::crc::crc32;
use crate::*;

/// A message of magic 0 or 1, its CRC true.
fn message(
    offset: i64,
    magic: u8,
    attributes: u8,
    timestamp: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Vec<u8> {
    let mut body = vec![magic, attributes];
    if magic == 1 {
        body.extend_from_slice(&timestamp.to_be_bytes());
    }
    for field in [key, value] {
        body.extend_from_slice(&field.map_or(-1, |field| field.len() as i32).to_be_bytes());
        body.extend_from_slice(field.unwrap_or_default());
    }
    framed(offset, &body)
}

/// `body` behind its CRC, size and offset.
fn framed(offset: i64, body: &[u8]) -> Vec<u8> {
    let mut out = offset.to_be_bytes().to_vec();
    out.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
    out.extend_from_slice(&crc32(body).to_be_bytes());
    out.extend_from_slice(body);
    out
}

type Seen = (i64, i64, TimestampType, Option<Vec<u8>>);

fn read(bytes: Vec<u8>) -> Result<Vec<Seen>, Fault> {
    let batch = Batch::parse(bytes.into()).map_err(|error| error.fault)?;
    let decoded = batch.decode(&mut Decompressor::new()).map_err(|error| error.fault)?;
    assert!(decoded.record_count() > 0);
    let records: Result<Vec<_>, _> = decoded
        .records()
        .map(|record| {
            record.map(|record| {
                (
                    record.offset(),
                    record.timestamp(),
                    record.timestamp_type(),
                    record.value().map(<[u8]>::to_vec),
                )
            })
        })
        .collect();
    let records = records.map_err(|error| error.fault)?;
    assert_eq!((decoded.header().base_offset(), decoded.record_count()), (records[0].0, records.len()));
    Ok(records)
}

/// A gzip wrapper around these messages.
#[cfg(feature = "gzip")]
fn wrapper(offset: i64, magic: u8, attributes: u8, timestamp: i64, set: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    codec::Encoders::default().compress(Compression::Gzip, None, magic as i8, set, &mut value).unwrap();
    message(offset, magic, attributes | 1, timestamp, None, Some(&value))
}

#[test]
fn plain_messages_are_batches_of_one() {
    use TimestampType::{CreateTime, LogAppendTime};
    let some = |value: &str| Some(value.as_bytes().to_vec());
    assert_eq!(
        read(message(7, 0, 0, 0, None, Some(b"v"))),
        Ok(vec![(7, -1, TimestampType::None, some("v"))])
    );
    assert_eq!(
        read(message(7, 1, 0, 0, None, Some(b"v"))),
        Ok(vec![(7, 0, CreateTime, some("v"))]),
        "0 is a time"
    );
    assert_eq!(read(message(7, 1, 8, 55, None, Some(b""))), Ok(vec![(7, 55, LogAppendTime, some(""))]));
    let tombstone = message(7, 1, 0, 55, Some(b"k"), None);
    assert_eq!(read(tombstone), Ok(vec![(7, 55, CreateTime, None)]));
}

#[test]
fn negative_lengths_are_null_and_bytes_after_the_value_mean_nothing() {
    for length in [-1_i32, -2, i32::MIN] {
        let body = [&[0, 0][..], &length.to_be_bytes(), &length.to_be_bytes()].concat();
        assert_eq!(read(framed(0, &body)).unwrap()[0].3, None);
    }
    let body = [&[0, 0][..], &(-1_i32).to_be_bytes(), &1_i32.to_be_bytes(), b"v garbage"].concat();
    assert_eq!(read(framed(0, &body)).unwrap()[0].3, Some(b"v".to_vec()));
}

#[test]
fn lengths_beyond_the_message_are_refused() {
    for length in [2, i32::MAX] {
        let body = [&[0, 0][..], &(-1_i32).to_be_bytes(), &length.to_be_bytes(), b"v"].concat();
        let expected = Fault::Truncated { what: "message value", need: length as usize, have: 1 };
        assert_eq!(read(framed(0, &body)), Err(expected));
    }
    let body = [&[0, 0][..], &100_i32.to_be_bytes(), b"keyy"].concat();
    assert_eq!(read(framed(0, &body)), Err(Fault::Truncated { what: "message key", need: 100, have: 4 }));
}

#[test]
fn a_flipped_byte_is_seen() {
    let good = message(7, 1, 0, 5, Some(b"key"), Some(b"value"));
    for at in 17..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        assert!(matches!(read(bytes), Err(Fault::CrcMismatch { .. })), "{at}");
    }
}

#[cfg(feature = "gzip")]
#[test]
fn inner_offsets_are_absolute_in_magic_0_and_relative_in_magic_1() {
    let set = |magic, offsets: [i64; 3]| {
        offsets.iter().flat_map(|offset| message(*offset, magic, 0, 0, None, None)).collect::<Vec<_>>()
    };
    let offsets =
        |bytes| read(bytes).map(|records| records.iter().map(|record| record.0).collect::<Vec<_>>());
    assert_eq!(offsets(wrapper(22, 0, 0, 0, &set(0, [20, 21, 22]))), Ok(vec![20, 21, 22]));
    assert_eq!(offsets(wrapper(22, 1, 0, 0, &set(1, [0, 1, 2]))), Ok(vec![20, 21, 22]));
    assert_eq!(offsets(wrapper(22, 1, 0, 0, &set(1, [0, 3, 9]))), Ok(vec![13, 16, 22]), "compacted");
    // Stricter than Java, which lets a set end anywhere below its wrapper and go back inside.
    let outside = Err(Fault::OffsetOutsideBatch { offset: 23, last_offset: 22 });
    assert_eq!(offsets(wrapper(22, 0, 0, 0, &set(0, [20, 21, 23]))), outside);
    assert_eq!(offsets(wrapper(22, 1, 0, 0, &set(1, [0, 1, 23]))), outside);
    assert!(matches!(
        offsets(wrapper(22, 1, 0, 0, &set(1, [-1, 0, 1]))),
        Err(Fault::OffsetOutsideBatch { .. })
    ));
    let back = Err(Fault::OffsetNotRising { offset: 0, previous: 1 });
    assert_eq!(offsets(wrapper(22, 1, 0, 0, &set(1, [1, 0, 2]))), back);
}

#[cfg(feature = "gzip")]
#[test]
fn the_wrapper_stamps_all_inner_messages_with_the_log_append_time() {
    use TimestampType::{CreateTime, LogAppendTime};
    let set = [message(0, 1, 0, 111, None, None), message(1, 1, 8, 222, None, None)].concat();
    let stamps = |bytes| read(bytes).unwrap().iter().map(|record| (record.1, record.2)).collect::<Vec<_>>();
    assert_eq!(stamps(wrapper(1, 1, 8, 999, &set)), [(999, LogAppendTime), (999, LogAppendTime)]);
    // The type is the wrapper's, the time the message's own.
    assert_eq!(stamps(wrapper(1, 1, 0, 999, &set)), [(111, CreateTime), (222, CreateTime)]);
    let old = [message(0, 0, 0, 0, None, None), message(1, 0, 0, 0, None, None)].concat();
    assert_eq!(
        stamps(wrapper(1, 1, 8, 999, &old)),
        [(-1, TimestampType::None), (-1, TimestampType::None)],
        "an inner magic 0 has no time"
    );
}

#[cfg(feature = "gzip")]
#[test]
fn a_set_that_is_cut_off_gives_its_whole_messages() {
    // As in Java: brokers used to cut sets anywhere.
    let set = [message(0, 1, 0, 0, None, None), message(1, 1, 0, 0, None, None)].concat();
    for end in 35..set.len() {
        assert_eq!(read(wrapper(5, 1, 0, 0, &set[..end])).unwrap().len(), 1, "{end}");
    }
    assert_eq!(read(wrapper(5, 1, 0, 0, &set[..33])), Err(Fault::NoInnerMessages));
    assert_eq!(read(wrapper(5, 1, 0, 0, b"")), Err(Fault::NoInnerMessages));
}

#[cfg(feature = "gzip")]
#[test]
fn broken_inner_messages_are_refused() {
    let good = message(0, 1, 0, 0, None, Some(b"value"));
    let mut flipped = good.clone();
    let at = flipped.len() - 1;
    flipped[at] ^= 1;
    assert!(matches!(read(wrapper(0, 1, 0, 0, &flipped)), Err(Fault::CrcMismatch { .. })));
    let mut small = good.clone();
    small[8..12].copy_from_slice(&13_i32.to_be_bytes());
    assert!(matches!(read(wrapper(0, 1, 0, 0, &small)), Err(Fault::BatchTooSmall { length: 13, .. })));
    let modern = framed(0, &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(read(wrapper(0, 1, 0, 0, &modern)), Err(Fault::UnsupportedMagic { magic: 2 }));
    // A bomb within a bomb; Kafka never nests.
    let nested = wrapper(0, 1, 0, 0, &good);
    assert_eq!(read(wrapper(0, 1, 0, 0, &nested)), Err(Fault::NestedCompression));
}

#[test]
fn wrappers_without_a_value_or_with_zstd_are_refused() {
    if Compression::Gzip.is_available() {
        assert_eq!(read(message(0, 1, 1, 0, None, None)), Err(Fault::EmptyWrapper));
    }
    let zstd = read(message(0, 1, 4, 0, None, Some(b"x")));
    assert!(matches!(zstd, Err(Fault::UnsupportedCodec { codec: Compression::Zstd, .. })));
}

#[test]
fn every_codec_of_the_time_brings_back_what_was_built() {
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        if !codec.is_available() {
            continue;
        }
        for builder in [LegacyBuilder::magic0(codec), LegacyBuilder::magic1(codec)] {
            let mut builder = builder;
            builder.base_offset(1000);
            let long = vec![b'x'; 100_000];
            for index in 0..5_i64 {
                builder.push(&NewRecord::new(index).key("k").value(&long));
            }
            let log = builder.build(&mut Compressor::new()).unwrap();
            let mut next = 1000;
            for batch in Batches::new(log) {
                let batch = batch.unwrap();
                let decoded = batch.decode(&mut Decompressor::new()).unwrap();
                for record in decoded.owned_records() {
                    let record = record.unwrap();
                    assert_eq!((record.offset(), record.key()), (next, Some(&b"k"[..])));
                    assert_eq!(record.value().map(<[u8]>::len), Some(100_000));
                    next += 1;
                }
                assert_eq!(batch.next_offset(), next);
            }
            assert_eq!(next, 1005, "{codec}");
        }
    }
}

#[test]
fn truncation_and_flips_never_panic() {
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        if !codec.is_available() {
            continue;
        }
        let mut builder = LegacyBuilder::magic1(codec);
        builder.push(&NewRecord::new(1).key("key").value("value")).push(&NewRecord::new(2));
        let log = builder.build(&mut Compressor::new()).unwrap();
        let batch = Batches::new(log).next().unwrap().unwrap().bytes().to_vec();
        for end in 0..batch.len() {
            assert!(Batch::parse(Bytes::copy_from_slice(&batch[..end])).is_err());
        }
        for at in 0..batch.len() {
            for byte in [0, 0x7f, 0x80, 0xff, batch[at] ^ 1] {
                let mut bytes = batch.clone();
                bytes[at] = byte;
                let crc = crc32(&bytes[16..]);
                bytes[12..16].copy_from_slice(&crc.to_be_bytes());
                if let Ok(batch) = Batch::parse(bytes.into())
                    && let Ok(decoded) = batch.decode(&mut Decompressor::new().with_limit(1 << 20))
                {
                    let _ = decoded.validate();
                }
            }
        }
    }
}
