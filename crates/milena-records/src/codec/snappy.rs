//! Snappy, raw or in the framing of xerial's `snappy-java`, as its `SnappyInputStream` reads them.
//!
//! xerial: a 16-byte header (magic, version, least compatible version), then chunks of `length: u32 be` and a raw snappy
//! block. A header may come again between chunks, where streams were concatenated.

use snap::raw;

use crate::pool::Output;
use crate::{BuildError, Compression, Fault};

/// A snappy decoder; it holds no state worth the name.
#[derive(Default)]
pub(super) struct Decoder {
    raw: raw::Decoder,
}

impl Decoder {
    pub(super) fn decompress(&mut self, input: &[u8], output: &mut Output) -> Result<(), Fault> {
        let Some(mut rest) = after_header(input) else {
            return self.block(input, output);
        };
        // Up to three bytes too few for a length end the stream. Every turn takes at least four bytes, so no input turns
        // this for ever.
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            // As in Java, four bytes make a header between chunks.
            if *length == XERIAL_MAGIC[..4] {
                rest = rest.get(XERIAL_HEADER..).ok_or(corrupt("header between chunks is cut off"))?;
                continue;
            }
            let length = u32::from_be_bytes(*length) as usize;
            let (chunk, after) = after.split_at_checked(length).ok_or(corrupt("chunk is cut off"))?;
            self.block(chunk, output)?;
            rest = after;
        }
        Ok(())
    }

    fn block(&mut self, block: &[u8], output: &mut Output) -> Result<(), Fault> {
        let length = raw::decompress_len(block).map_err(|_| corrupt("block length"))?;
        // Three bytes of input make at most 64 of output, so a larger claim is a lie, and no memory is taken for it.
        if length / EXPANSION_MAX > block.len() {
            return Err(corrupt("block claims more than it can hold"));
        }
        let room = output.room_for(length);
        if room.len() < length {
            return Err(output.too_large());
        }
        let written = self.raw.decompress(block, room).map_err(|_| corrupt("block"))?;
        output.advance(written)
    }
}

/// What follows the xerial header, if there is one. Versions are not looked at: all that exist are the same.
fn after_header(input: &[u8]) -> Option<&[u8]> {
    let (header, rest) = input.split_at_checked(XERIAL_HEADER)?;
    header.starts_with(&XERIAL_MAGIC).then_some(rest)
}

fn corrupt(what: &'static str) -> Fault {
    Fault::Corrupt { codec: Compression::Snappy, what }
}

/// A reused hash table.
#[derive(Default)]
pub(super) struct Encoder {
    raw: Option<raw::Encoder>,
}

impl Encoder {
    /// xerial's framing, as Java's producer writes it.
    pub(super) fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), BuildError> {
        let failed = BuildError::CodecFailed { codec: Compression::Snappy };
        let raw = self.raw.get_or_insert_with(raw::Encoder::new);
        out.extend_from_slice(&XERIAL_MAGIC);
        out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
        for chunk in input.chunks(XERIAL_CHUNK) {
            let at = out.len();
            out.resize(at + 4 + raw::max_compress_len(chunk.len()), 0);
            let length = raw.compress(chunk, &mut out[at + 4..]).map_err(|_| failed)?;
            out[at..at + 4].copy_from_slice(&(length as u32).to_be_bytes());
            out.truncate(at + 4 + length);
        }
        Ok(())
    }
}

const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER: usize = 16;
/// Bytes of input per chunk, snappy-java's default.
const XERIAL_CHUNK: usize = 32 * 1024;
/// 64 bytes of output from a copy of three, rounded up.
const EXPANSION_MAX: usize = 22;
