//! Zstandard in Rust: a quarter of libzstd's speed, and no C compiler.

use std::io::Read;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::pool::Output;
use crate::{BuildError, Compression, Fault};

/// A reused decoder.
#[derive(Default)]
pub(super) struct Decoder {
    decoder: Option<FrameDecoder>,
}

impl Decoder {
    pub(super) fn decompress(&mut self, input: &[u8], output: &mut Output) -> Result<(), Fault> {
        let mut rest = input;
        while !rest.is_empty() {
            // `reset` reserves the window a frame claims, a new decoder does not: giants get a decoder of their own. One that
            // has failed is not kept either.
            let is_giant = window(rest).is_none_or(|bytes| bytes > KEPT_WINDOW_MAX);
            let kept = if is_giant { None } else { self.decoder.take() };
            let mut decoder = kept.unwrap_or_default();
            match decoder.reset(&mut rest) {
                Ok(()) => frame(&mut decoder, &mut rest, output)?,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    rest = rest.get(length as usize..).ok_or(corrupt("frame is cut off"))?;
                    continue;
                }
                Err(_) => return Err(corrupt("frame header")),
            }
            if !is_giant {
                self.decoder = Some(decoder);
            }
        }
        Ok(())
    }
}

/// The window a frame claims, in bytes (RFC 8878, 3.1.1.1).
fn window(frame: &[u8]) -> Option<u64> {
    let descriptor = *frame.get(4)?;
    if descriptor & SINGLE_SEGMENT == 0 {
        let window = *frame.get(5)?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The content is its own window. Its size lies after the dictionary id.
    let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = frame.get(5 + dictionary_bytes..)?;
    match descriptor >> 6 {
        0 => size.first().map(|byte| u64::from(*byte)),
        1 => size.first_chunk().map(|bytes| 256 + u64::from(u16::from_le_bytes(*bytes))),
        2 => size.first_chunk().map(|bytes| u64::from(u32::from_le_bytes(*bytes))),
        _ => size.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)),
    }
}

/// Decodes the blocks of one frame.
fn frame(decoder: &mut FrameDecoder, rest: &mut &[u8], output: &mut Output) -> Result<(), Fault> {
    let start = output.filled().len();
    let mut decoded_at_least = 0_usize;
    loop {
        decoder
            .decode_blocks(&mut *rest, BlockDecodingStrategy::UptoBytes(STEP))
            .map_err(|_| corrupt("frame"))?;
        while decoder.can_collect() > 0 {
            let written = decoder.read(output.room()).map_err(|_| corrupt("frame"))?;
            if written == 0 {
                return Err(corrupt("frame"));
            }
            output.advance(written)?;
        }
        if decoder.is_finished() {
            break;
        }
        // The decoder holds a window back, which may be larger than the limit: count what it must hold.
        decoded_at_least += STEP;
        if start + decoded_at_least > output.limit() {
            return Err(output.too_large());
        }
    }
    let content = (output.filled().len() - start) as u64;
    if decoder.content_size() != 0 && decoder.content_size() != content {
        return Err(corrupt("content size"));
    }
    match decoder.get_checksum_from_data() {
        Some(stored) if decoder.get_calculated_checksum() != Some(stored) => Err(corrupt("content checksum")),
        _ => Ok(()),
    }
}

fn corrupt(what: &'static str) -> Fault {
    Fault::Corrupt { codec: Compression::Zstd, what }
}

/// The encoder keeps nothing between frames and has one level.
#[derive(Default)]
pub(super) struct Encoder;

impl Encoder {
    pub(super) fn compress(
        &mut self,
        _level: Option<i32>,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), BuildError> {
        out.extend_from_slice(&compress_to_vec(input, CompressionLevel::Fastest));
        Ok(())
    }
}

/// Decoded bytes between two looks at the limit.
const STEP: usize = 64 * 1024;
const SINGLE_SEGMENT: u8 = 0x20;
/// Largest window whose buffer is kept, in bytes: the one of zstd's default levels is 2 MiB.
const KEPT_WINDOW_MAX: u64 = 8 * 1024 * 1024;

/// Where both features are on, this decoder is not in use; here it reads what libzstd wrote, and the other way round.
#[cfg(all(test, feature = "zstd"))]
mod tests {
    use super::super::zstd;
    use crate::pool::Pool;

    #[test]
    fn both_implementations_read_each_other() {
        let input = b"dear Milena, ".repeat(50_000);
        let (mut by_c, mut by_rust) = (Vec::new(), Vec::new());
        zstd::Encoder::default().compress(None, &input, &mut by_c).unwrap();
        super::Encoder.compress(None, &input, &mut by_rust).unwrap();
        for frame in [by_c, by_rust] {
            let mut output = Pool::default().take(0, 1 << 20);
            zstd::Decoder::default().decompress(&frame, &mut output).unwrap();
            assert_eq!(output.filled(), input);
            let mut output = Pool::default().take(0, 1 << 20);
            super::Decoder::default().decompress(&frame, &mut output).unwrap();
            assert_eq!(output.filled(), input);
        }
    }
}
