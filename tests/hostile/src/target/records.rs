//! Record batches of all magics and codecs: the fast decoder against its naive twin, and the walk over headers against a
//! naive one.

use std::mem::discriminant;

use bytes::Bytes;
use records::naive::{self, NaiveRecord};
use records::{
    AbortedTxn, Batch, BatchBuilder, Batches, Compression, Compressor, DecodeError, Decompressor, HeaderWalk,
    NewRecord, TxnFilter, seams, walk_headers,
};

use super::DECOMPRESSED_MAX;
use super::codecs::{CONTEXTS, codec};
use crate::oracle::{bound, within};
use crate::take::Take;

/// The first byte says whether the checksum is made true.
pub(super) fn batch(input: &[u8]) {
    let mut take = Take::new(input);
    let is_sealed = take.u8() & 3 != 0;
    let mut bytes = take.rest().to_vec();
    if is_sealed {
        seams::seal(&mut bytes);
    }
    agree(&bytes);
}

/// A true header of any magic, and records that are whatever they are: no byte is lost on checksums or codecs.
pub(super) fn section(input: &[u8]) {
    let mut take = Take::new(input);
    let magic = (take.u8() % 3) as i8;
    let codec = codec(&mut take, magic);
    let attributes = take.u8() & !7 | codec.id();
    let count = take.number32();
    let last_offset_delta = if take.bool() { count.saturating_sub(1) } else { take.number32() };
    let base_offset = take.number();
    let Ok(section) = seams::compress(codec, magic, take.rest()) else { return };
    agree(&if magic == 2 {
        batch_of(base_offset, attributes, count, last_offset_delta, &section)
    } else {
        message_of(magic, base_offset, attributes, &section)
    });
}

/// A sealed batch of magic 2 around a section.
pub(crate) fn batch_of(
    base_offset: i64,
    attributes: u8,
    count: i32,
    last_delta: i32,
    section: &[u8],
) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(&NewRecord::new(1)).expect("the first record of a batch");
    let empty = builder.build(&mut Compressor::new()).expect("a batch of one record");
    let mut bytes = [&empty[..61], section].concat();
    let length = i32::try_from(bytes.len() - 12).expect("inputs are small");
    bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[21..23].copy_from_slice(&[0, attributes]);
    bytes[23..27].copy_from_slice(&last_delta.to_be_bytes());
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    seams::seal(&mut bytes);
    bytes
}

/// A sealed message of magic 0 or 1 with this value.
fn message_of(magic: i8, offset: i64, attributes: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = offset.to_be_bytes().to_vec();
    bytes.extend([0; 8]);
    bytes.extend([magic as u8, attributes]);
    if magic == 1 {
        bytes.extend(5_i64.to_be_bytes());
    }
    bytes.extend((-1_i32).to_be_bytes());
    bytes.extend(i32::try_from(value.len()).expect("inputs are small").to_be_bytes());
    bytes.extend(value);
    let length = i32::try_from(bytes.len() - 12).expect("inputs are small");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    seams::seal(&mut bytes);
    bytes
}

/// What the fast decoder makes of it, within its bounds.
fn fast(bytes: &Bytes) -> (Vec<NaiveRecord>, Option<DecodeError>) {
    let memory = bound(bytes.len()) + 2 * DECOMPRESSED_MAX + CONTEXTS;
    let decoded = within("decoding a batch", memory, || {
        let batch = Batch::parse(bytes.clone())?;
        let decoded = batch.decode(&mut Decompressor::new().with_limit(DECOMPRESSED_MAX))?;
        // Whatever the records are, walking them takes nothing at all.
        let walked = within("walking records", 0, || decoded.validate());
        assert_eq!(walked, decoded.validate(), "a walk is the same twice");
        let _ = decoded.control_marker();
        let aborted = AbortedTxn { producer_id: batch.producer_id(), first_offset: batch.base_offset() };
        let _ = TxnFilter::read_committed([aborted]).judge(&batch, &mut Decompressor::new());
        Ok(decoded)
    });
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut records = Vec::new();
    for record in decoded.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => return (records, Some(error)),
        };
        records.push(NaiveRecord {
            offset: record.offset(),
            timestamp: record.timestamp(),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            headers: record
                .headers()
                .map(|header| (header.key_bytes().to_vec(), header.value().map(<[u8]>::to_vec)))
                .collect(),
        });
    }
    assert_eq!(records.len(), decoded.record_count(), "as many records as the batch says");
    (records, None)
}

/// Both read the same, and fail alike; and no record lies outside of its batch.
fn agree(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let (fast, fast_error) = fast(&bytes);
    let (slow, slow_error) = naive::decode(&bytes, DECOMPRESSED_MAX);
    let kind = |error: &Option<DecodeError>| error.map(|e| (e.base_offset, discriminant(&e.fault)));
    assert_eq!(kind(&fast_error), kind(&slow_error), "{fast_error:?} {slow_error:?}");
    assert_eq!(fast, slow);
    let Ok(batch) = Batch::parse(bytes) else { return };
    let mut previous = None;
    for record in &fast {
        assert!(record.offset <= batch.last_offset() && record.offset >= 0, "{record:?}");
        assert!(previous < Some(record.offset), "{record:?}");
        previous = Some(record.offset);
    }
}

/// One pass over a partition's bytes, and as many batches: `walk_headers` takes no memory, and says what a walk by hand does.
pub(super) fn walk(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    let walked = within("walking headers", 0, || walk_headers(&bytes));
    assert_eq!(walked.map_err(|error| error.base_offset), naive_walk(input));
    let mut batches = Batches::new(bytes.clone());
    let (mut count, mut end, mut error) = (0, None, None);
    for batch in batches.by_ref() {
        match batch {
            Ok(batch) => {
                count += 1;
                assert!(end.is_none_or(|end| batch.base_offset() >= end), "batches rise");
                end = Some(batch.next_offset());
            }
            Err(refused) => error = Some(refused),
        }
    }
    match walked {
        Ok(walk) => {
            assert_eq!((walk.batches, walk.next_offset, walk.partial), (count, end, batches.partial()));
            assert_eq!(error, None);
        }
        Err(refused) => assert_eq!(error, Some(refused)),
    }
}

/// By the documentation of the formats alone: byte by byte, with numbers that cannot overflow.
fn naive_walk(bytes: &[u8]) -> Result<HeaderWalk, i64> {
    let number = |at: usize, len: usize| -> Option<i128> {
        let field = bytes.get(at..at + len)?;
        let unsigned = field.iter().fold(0_i128, |number, byte| number << 8 | i128::from(*byte));
        let sign = 1_i128 << (8 * len - 1);
        Some(if unsigned >= sign { unsigned - 2 * sign } else { unsigned })
    };
    let mut walk = HeaderWalk::default();
    let (mut at, mut previous) = (0, -1_i128);
    while at < bytes.len() {
        let have = bytes.len() - at;
        let base = number(at, 8);
        let at_base = base.map_or(-1, |base| base as i64);
        let Some(length) = number(at + 8, 4) else {
            walk.partial = Some(records::PartialBatch { have, need: None });
            break;
        };
        let magic = number(at + 16, 1);
        let min = match magic {
            None | Some(0) => 14,
            Some(1) => 22,
            Some(2) => 49,
            // Too short for every format comes first.
            Some(_) if length < 14 => 14,
            Some(_) => return Err(at_base),
        };
        if length < min {
            return Err(at_base);
        }
        let need = usize::try_from(length).expect("not negative") + 12;
        if have < need {
            walk.partial = Some(records::PartialBatch { have, need: Some(need) });
            break;
        }
        let base = base.expect("there are 26 bytes at least");
        let is_modern = magic == Some(2);
        let delta = if is_modern { number(at + 23, 4).expect("61 bytes") } else { 0 };
        let attributes = number(if is_modern { at + 22 } else { at + 17 }, 1).expect("26 bytes");
        let last = base + delta;
        if base < 0 || delta < 0 || last >= i128::from(i64::MAX) || base <= previous {
            return Err(at_base);
        }
        previous = last;
        walk.batches += 1;
        walk.whole_bytes += need;
        walk.compressed_bytes += if attributes & 7 == 0 { 0 } else { need };
        walk.base_offset.get_or_insert(base as i64);
        walk.next_offset = Some(last as i64 + 1);
        let epoch = number(at + 12, 4).expect("26 bytes") as i32;
        walk.last_leader_epoch = (is_modern && epoch >= 0).then_some(epoch);
        at += need;
    }
    Ok(walk)
}
