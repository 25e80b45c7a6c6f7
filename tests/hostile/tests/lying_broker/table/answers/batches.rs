//! Record batches that are none, in a Fetch answer that is one.

use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use records::{Batch, BatchBuilder, Compression, Compressor, NewRecord, seams};
use testkit::{ApiKey, ResponseKind};

use super::case;
use crate::case::Case;

/// A lie about the first batch of the first partition that has one.
fn about(name: &str, must_tell: bool, alter: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> Case {
    case(ApiKey::Fetch, &format!("batch: {name}"), must_tell, move |answer| {
        let ResponseKind::Fetch(fetch) = answer else { return };
        for partition in fetch.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
            if let Some(records) = partition.records.as_ref().filter(|records| !records.is_empty()) {
                let mut changed = records.to_vec();
                alter(&mut changed);
                partition.records = Some(changed.into());
            }
        }
    })
}

/// A number at a place of the header, and a checksum that fits.
fn sealed<const N: usize>(name: &str, must_tell: bool, at: usize, field: [u8; N]) -> Case {
    about(name, must_tell, move |records| {
        records[at..at + N].copy_from_slice(&field);
        seal_first(records);
    })
}

fn seal_first(records: &mut [u8]) {
    let length = records[8..12].first_chunk().map_or(0, |length| i32::from_be_bytes(*length));
    let len = usize::try_from(length).unwrap_or(0).saturating_add(12).min(records.len());
    seams::seal(&mut records[..len]);
}

/// A batch in place of the true one, with its base offset.
fn instead(name: &str, must_tell: bool, make: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Case {
    about(name, must_tell, move |records| {
        let base: [u8; 8] = *records.first_chunk().expect("a batch has an offset");
        *records = make();
        records[..8].copy_from_slice(&base);
    })
}

/// A batch that holds `section`, compressed, and says it is one record.
fn bomb(codec: Compression, megabytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(&NewRecord::new(1)).expect("one record");
    let empty = builder.build(&mut Compressor::new()).expect("one record");
    let zeros = vec![0; megabytes << 20];
    let section = seams::compress(codec, 2, &zeros).expect("it compresses");
    let mut bytes = [&empty[..61], &section].concat();
    let length = i32::try_from(bytes.len() - 12).expect("a bomb is small");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] = codec.id();
    seams::seal(&mut bytes);
    bytes
}

pub(super) fn all() -> Vec<Case> {
    let turns = AtomicI64::new(0);
    let mut cases = vec![
        about("a value flipped under the checksum", true, |records| *records.last_mut().expect("some") ^= 1),
        about("a checksum of zero", true, |records| records[17..21].fill(0)),
        about("the length says 0", true, |records| records[8..12].fill(0)),
        about("the length is negative", true, |records| {
            records[8..12].copy_from_slice(&(-1_i32).to_be_bytes())
        }),
        about("the length is the largest there is", true, |records| {
            records[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
        }),
        about("the length is one too small", true, |records| records[11] = records[11].wrapping_sub(1)),
        about("cut off in the header", false, |records| records.truncate(30)),
        about("cut off in a record", false, |records| records.truncate(records.len() - 5)),
        about("only a length", false, |records| records.truncate(12)),
        about("garbage behind it", false, |records| records.extend([0xa5; 100])),
        about("magic 3", true, |records| records[16] = 3),
        about("magic -1", true, |records| records[16] = 0xff),
        about("the base offset is negative", true, |records| records[..8].fill(0xff)),
        about("the base offset is the smallest there is", true, |records| {
            records[..8].copy_from_slice(&i64::MIN.to_be_bytes());
        }),
        about("the base offset is the largest there is", true, |records| {
            records[..8].copy_from_slice(&i64::MAX.to_be_bytes());
        }),
        about("the base offset is 0", true, |records| records[..8].fill(0)),
        about("the base offset lies far beyond the high watermark", true, |records| {
            records[..8].copy_from_slice(&1_000_000_i64.to_be_bytes());
        }),
        about("base offsets go back", true, move |records| {
            let base = 1000 - turns.fetch_add(10, Ordering::Relaxed);
            records[..8].copy_from_slice(&base.to_be_bytes());
        }),
        about("the same batch twice", false, |records| records.extend_from_within(..)),
        sealed("a record count of -1", true, 57, (-1_i32).to_be_bytes()),
        sealed("a record count of 2^31 - 1", true, 57, i32::MAX.to_be_bytes()),
        sealed("a record count that is one too large", true, 57, 2_i32.to_be_bytes()),
        sealed("a last offset delta of -1", true, 23, (-1_i32).to_be_bytes()),
        sealed("a last offset delta of 2^31 - 1", true, 23, i32::MAX.to_be_bytes()),
        sealed("a last offset delta of 100", true, 23, 100_i32.to_be_bytes()),
        sealed("an unknown codec", true, 21, 7_i16.to_be_bytes()),
        sealed("a codec that it is not compressed with", true, 21, 4_i16.to_be_bytes()),
        sealed("a record length of -1", false, 61, [1]),
        sealed("a record length without end", false, 61, [0xff; 6]),
    ];
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        // Made once: what is measured is who reads it. Ten times what a batch may have here.
        let bytes = Bytes::from(bomb(codec, 20));
        let name = format!("20 MiB of {codec} in {} KiB", bytes.len() >> 10);
        assert!(Batch::parse(bytes.clone()).is_ok(), "{name}");
        cases.push(instead(&name, true, move || bytes.to_vec()));
    }
    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, b'x'];
    cases.push(instead("snappy that claims 4 GiB", true, move || {
        let mut bytes = bomb(Compression::None, 0);
        bytes.extend(claim);
        bytes[22] = Compression::Snappy.id();
        let length = i32::try_from(bytes.len() - 12).expect("small");
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        seams::seal(&mut bytes);
        bytes
    }));
    cases
}
