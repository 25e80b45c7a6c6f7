//! The fast decoder and its naive twin read the same, whatever they are given.

use std::mem::discriminant;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::naive::{self, NaiveRecord};
use crate::*;

type NamedValues = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Offset step, timestamp, key, value, headers.
type Planned = (i32, i64, Option<Vec<u8>>, Option<Vec<u8>>, NamedValues);

/// A log of one batch of any format, with records of any shape.
#[derive(Debug, Clone)]
struct Plan {
    magic: i8,
    codec: Compression,
    base_offset: i64,
    log_append_time: Option<i64>,
    records: Vec<Planned>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let bytes = || prop_oneof![8 => vec(any::<u8>(), 0..20), 1 => vec(0_u8..4, 100..1000)];
    let header = (vec(any::<u8>(), 0..4), option::of(vec(any::<u8>(), 0..4)));
    let timestamp = prop_oneof![4 => 0_i64..10_000, 1 => any::<i64>()];
    let record = (1_i32..4, timestamp, option::of(bytes()), option::of(bytes()), vec(header, 0..3));
    let codec = prop::sample::select(
        Compression::ALL.into_iter().filter(|codec| codec.is_available()).collect::<Vec<_>>(),
    );
    let base_offset = prop_oneof![4 => 0_i64..100, 1 => 0_i64..(i64::MAX - 1000)];
    (0_i8..3, codec, base_offset, option::weighted(0.2, any::<i64>()), vec(record, 1..12)).prop_map(
        |(magic, codec, base_offset, log_append_time, records)| {
            let codec = if magic < 2 && codec == Compression::Zstd { Compression::Gzip } else { codec };
            Plan { magic, codec, base_offset, log_append_time, records }
        },
    )
}

impl Plan {
    fn build(&self) -> Vec<u8> {
        let mut modern = BatchBuilder::new(self.codec);
        let mut legacy = match self.magic {
            0 => LegacyBuilder::magic0(self.codec),
            _ => LegacyBuilder::magic1(self.codec),
        };
        modern.base_offset(self.base_offset);
        legacy.base_offset(self.base_offset);
        if let Some(timestamp) = self.log_append_time {
            modern.log_append_time(timestamp);
            legacy.log_append_time(timestamp);
        }
        let mut delta = -1;
        for (step, timestamp, key, value, headers) in &self.records {
            delta += step;
            let headers: Vec<_> =
                headers.iter().map(|(key, value)| Header::new(key, value.as_deref())).collect();
            let record = NewRecord::new(*timestamp).maybe_key(key.as_deref()).maybe_value(value.as_deref());
            modern.push_at(delta, &record.headers(&headers)).unwrap();
            legacy.push_at(i64::from(delta), &record);
        }
        let mut compressor = Compressor::new();
        let built =
            if self.magic == 2 { modern.build(&mut compressor) } else { legacy.build(&mut compressor) };
        // Of uncompressed messages, which are a batch each, the first.
        let all = built.unwrap();
        let first = Batches::new(all).next().unwrap().unwrap();
        first.bytes().to_vec()
    }
}

fn fast(bytes: &[u8], limit: usize) -> (Vec<NaiveRecord>, Option<DecodeError>) {
    let mut records = Vec::new();
    let decoded = Batch::parse(Bytes::copy_from_slice(bytes))
        .and_then(|batch| batch.decode(&mut Decompressor::new().with_limit(limit)));
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return (records, Some(error)),
    };
    for record in decoded.records() {
        match record {
            Ok(record) => records.push(NaiveRecord {
                offset: record.offset(),
                timestamp: record.timestamp(),
                key: record.key().map(<[u8]>::to_vec),
                value: record.value().map(<[u8]>::to_vec),
                headers: record
                    .headers()
                    .map(|header| (header.key_bytes().to_vec(), header.value().map(<[u8]>::to_vec)))
                    .collect(),
            }),
            Err(error) => return (records, Some(error)),
        }
    }
    (records, None)
}

/// Both read the same; what they read.
fn agree(bytes: &[u8], limit: usize) -> (Vec<NaiveRecord>, Option<DecodeError>) {
    let (fast, fast_error) = fast(bytes, limit);
    let (slow, slow_error) = naive::decode(bytes, limit);
    let kind =
        |error: &Option<DecodeError>| error.map(|error| (error.base_offset, discriminant(&error.fault)));
    assert_eq!(kind(&fast_error), kind(&slow_error), "{fast_error:?} {slow_error:?}");
    assert_eq!(fast, slow);
    (fast, fast_error)
}

/// Makes the checksum true again, where the format has it.
fn seal(bytes: &mut [u8]) {
    match bytes.get(16) {
        Some(2) if bytes.len() > 21 => patch::seal(bytes),
        Some(0 | 1) => {
            let crc = crc::crc32(&bytes[16..]);
            bytes[12..16].copy_from_slice(&crc.to_be_bytes());
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn on_sound_batches(plan in plan()) {
        let (records, error) = agree(&plan.build(), 1 << 20);
        prop_assert_eq!(error, None);
        let expected = if plan.magic < 2 && plan.codec == Compression::None { 1 } else { plan.records.len() };
        prop_assert_eq!(records.len(), expected);
        for (record, (_, timestamp, key, value, headers)) in records.iter().zip(&plan.records) {
            prop_assert_eq!((&record.key, &record.value), (key, value));
            let stamped = plan.log_append_time.unwrap_or(*timestamp);
            prop_assert_eq!(record.timestamp, if plan.magic == 0 { -1 } else { stamped });
            if plan.magic == 2 {
                prop_assert_eq!(&record.headers, headers);
            }
        }
    }

    #[test]
    fn on_batches_with_changed_bytes(
        plan in plan(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        sealed in any::<bool>(),
    ) {
        let mut bytes = plan.build();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if sealed {
            seal(&mut bytes);
        }
        agree(&bytes, 1 << 16);
    }

    #[test]
    fn on_uncompressed_batches_with_changed_records(
        plan in plan(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let plan = Plan { magic: 2, codec: Compression::None, ..plan };
        let mut bytes = plan.build();
        for (at, byte) in changes {
            let at = 57 + at.index(bytes.len() - 57);
            bytes[at] = byte;
        }
        seal(&mut bytes);
        agree(&bytes, 1 << 16);
    }

    #[test]
    fn on_batches_that_end_early(plan in plan(), end in any::<prop::sample::Index>(), sealed in any::<bool>()) {
        let mut bytes = plan.build();
        bytes.truncate(end.index(bytes.len()));
        if sealed && bytes.len() > 61 {
            // A shorter batch that says so.
            let length = (bytes.len() - 12) as i32;
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            seal(&mut bytes);
        }
        let (_, error) = agree(&bytes, 1 << 16);
        prop_assert!(error.is_some());
    }

    #[test]
    fn on_noise(mut bytes in vec(any::<u8>(), 0..200), magic in 0_u8..4, sealed in any::<bool>()) {
        if bytes.len() > 20 {
            let length = (bytes.len() - 12) as i32;
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[16] = magic;
            if sealed {
                seal(&mut bytes);
            }
        }
        agree(&bytes, 1 << 16);
    }
}
