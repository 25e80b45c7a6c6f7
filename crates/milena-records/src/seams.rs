//! Single parts of the decoder, for fuzzing and for proofs over small domains: no API.

use bytes::Bytes;

use crate::codec::Encoders;
use crate::{BuildError, Compression, Decompressor, Fault, varint};

/// Decompresses a section as the decoder of a batch of `magic` does, within the limit of `decompressor`.
///
/// # Errors
/// As decoding a batch.
pub fn decompress(
    decompressor: &mut Decompressor,
    codec: Compression,
    magic: i8,
    input: &[u8],
) -> Result<Bytes, Fault> {
    let output = decompressor.decompress(codec, magic, input)?;
    Ok(decompressor.keep(output, ()))
}

/// Compresses a section as the builder of a batch of `magic` does.
///
/// # Errors
/// As building a batch.
pub fn compress(codec: Compression, magic: i8, input: &[u8]) -> Result<Vec<u8>, BuildError> {
    let mut out = Vec::new();
    Encoders::default().compress(codec, None, magic, input, &mut out)?;
    Ok(out)
}

/// Decompresses one LZ4 block behind `before`, which its matches may reach back to, into at most `room` bytes; what it
/// holds, or nothing if it is none or has no room.
#[cfg(feature = "lz4")]
pub fn lz4_block(before: &[u8], input: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut out = before.to_vec();
    out.resize(before.len() + room, 0);
    let end = crate::codec::lz4_block(input, &mut out, before.len())?;
    Some(out[before.len()..end].to_vec())
}

/// An int and how many bytes it took.
pub fn read_i32(bytes: &[u8]) -> Option<(i32, usize)> {
    varint::read_i32(bytes).map(|(value, rest)| (value, bytes.len() - rest.len()))
}

/// A long and how many bytes it took.
pub fn read_i64(bytes: &[u8]) -> Option<(i64, usize)> {
    varint::read_i64(bytes).map(|(value, rest)| (value, bytes.len() - rest.len()))
}

/// Appends an int.
pub fn write_i32(out: &mut Vec<u8>, value: i32) {
    varint::write_i32(out, value);
}

/// Appends a long.
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    varint::write_i64(out, value);
}

/// Makes the checksum of a batch of any magic true, where there is room for one.
pub fn seal(bytes: &mut [u8]) {
    match bytes.get(16) {
        Some(2) if bytes.len() > 21 => crate::patch::seal(bytes),
        Some(0 | 1) => {
            let crc = crate::crc::crc32(&bytes[16..]);
            bytes[12..16].copy_from_slice(&crc.to_be_bytes());
        }
        _ => {}
    }
}
