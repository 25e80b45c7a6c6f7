//! What stands before a zstd frame's blocks (RFC 8878), so that both decoders take and refuse the same frames.

use crate::{Compression, Fault};

/// The window that the next frame claims, in bytes, and the bytes that begin with that frame; `None` at the end.
///
/// Skippable frames are skipped here. One that is cut off ends the input, as in Java.
pub(super) fn next(mut input: &[u8]) -> Result<Option<(u64, &[u8])>, Fault> {
    while let Some((header, rest)) = input.split_first_chunk::<8>() {
        let [m0, m1, m2, m3, l0, l1, l2, l3] = *header;
        if u32::from_le_bytes([m0, m1, m2, m3]) & SKIPPABLE_MASK != SKIPPABLE_MAGIC {
            break;
        }
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        input = rest.get(length..).unwrap_or_default();
    }
    if input.is_empty() {
        return Ok(None);
    }
    let window = window(input).ok_or(corrupt("frame header"))?;
    // The most that Java's reader takes, and libzstd by default.
    if window > WINDOW_MAX {
        Err(corrupt("window is larger than 128 MiB"))
    } else {
        Ok(Some((window, input)))
    }
}

fn window(frame: &[u8]) -> Option<u64> {
    let (descriptor, rest) = frame.strip_prefix(&MAGIC)?.split_first()?;
    if descriptor & SINGLE_SEGMENT == 0 {
        let window = *rest.first()?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The content is its own window. Its size lies after the dictionary id.
    let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = rest.get(dictionary_bytes..)?;
    match descriptor >> 6 {
        0 => size.first().map(|byte| u64::from(*byte)),
        1 => size.first_chunk().map(|bytes| 256 + u64::from(u16::from_le_bytes(*bytes))),
        2 => size.first_chunk().map(|bytes| u64::from(u32::from_le_bytes(*bytes))),
        _ => size.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)),
    }
}

pub(super) fn corrupt(what: &'static str) -> Fault {
    Fault::Corrupt { codec: Compression::Zstd, what }
}

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const SKIPPABLE_MAGIC: u32 = 0x184d_2a50;
const SKIPPABLE_MASK: u32 = 0xffff_fff0;
const SINGLE_SEGMENT: u8 = 0x20;
const WINDOW_MAX: u64 = 1 << 27;
