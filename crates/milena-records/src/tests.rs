//! Behaviour across modules: what is built is read back, and what is broken is refused.

#[cfg_attr(not(all(feature = "gzip", feature = "snappy", feature = "lz4")), allow(dead_code, unused_imports))]
mod codecs;
mod control;
mod hostile;
mod legacy;
mod limits;
mod owned;
mod round_trip;
mod twin;
mod walk;

use bytes::Bytes;

use crate::{Batch, BatchBuilder, Compression, Compressor, DecodeError, Decompressor, Fault, NewRecord};

/// A batch of magic 2 at offset 100 with values `v0`, `v1`, ….
fn batch_of(count: usize, compression: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression);
    builder.base_offset(100);
    for index in 0..count {
        let value = format!("v{index}");
        builder.push(&NewRecord::new(1000 + index as i64).key("k").value(&value)).unwrap();
    }
    builder.build(&mut Compressor::new()).unwrap().to_vec()
}

/// A batch of magic 2 at offset 100 whose record section is these bytes, sealed with a true CRC.
fn batch_with(count: i32, last_offset_delta: i32, codec: u8, section: &[u8]) -> Vec<u8> {
    let mut bytes = batch_of(0, Compression::None);
    bytes.extend_from_slice(section);
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] = codec;
    bytes[23..27].copy_from_slice(&last_offset_delta.to_be_bytes());
    bytes[27..35].copy_from_slice(&0_i64.to_be_bytes());
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    seal(&mut bytes);
    bytes
}

fn seal(bytes: &mut [u8]) {
    crate::patch::seal(bytes);
}

/// Offsets and values.
type Seen = Vec<(i64, Option<Vec<u8>>)>;

/// Everything a batch says, or the first error.
fn read(bytes: &[u8]) -> Result<Seen, DecodeError> {
    read_with(&mut Decompressor::new(), bytes)
}

fn read_with(decompressor: &mut Decompressor, bytes: &[u8]) -> Result<Seen, DecodeError> {
    let decoded = Batch::parse(Bytes::copy_from_slice(bytes))?.decode(decompressor)?;
    decoded
        .records()
        .map(|record| record.map(|record| (record.offset(), record.value().map(<[u8]>::to_vec))))
        .collect()
}

/// The fault of a batch at offset 100.
fn fault(bytes: &[u8]) -> Fault {
    let error = read(bytes).unwrap_err();
    assert_eq!(error.base_offset, 100);
    error.fault
}

/// A record of magic 2 with these deltas, a null key and this value.
fn raw_record(timestamp_delta: i64, offset_delta: i32, value: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    crate::varint::write_i64(&mut body, timestamp_delta);
    crate::varint::write_i32(&mut body, offset_delta);
    crate::varint::write_i32(&mut body, -1);
    crate::varint::write_i32(&mut body, value.len() as i32);
    body.extend_from_slice(value);
    body.push(0);
    sized(&body)
}

/// A record body behind its length.
fn sized(body: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    crate::varint::write_i32(&mut record, body.len() as i32);
    record.extend_from_slice(body);
    record
}
