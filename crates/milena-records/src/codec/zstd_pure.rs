//! Zstandard in Rust: a quarter of libzstd's speed, and no C compiler.

use std::io::Read;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::zstd_frame::{self, corrupt};
use crate::pool::Output;
use crate::{BuildError, Fault};

/// A reused decoder.
#[derive(Default)]
pub(super) struct Decoder {
    decoder: Option<FrameDecoder>,
}

impl Decoder {
    pub(super) fn decompress(&mut self, input: &[u8], output: &mut Output) -> Result<(), Fault> {
        let mut rest = input;
        while let Some((window, frame_start)) = zstd_frame::next(rest)? {
            rest = frame_start;
            // `reset` reserves the window a frame claims, a new decoder does not: giants get a decoder of their own. One that
            // has failed is not kept either.
            let is_giant = window > KEPT_WINDOW_MAX;
            let kept = if is_giant { None } else { self.decoder.take() };
            let mut decoder = kept.unwrap_or_default();
            decoder.reset(&mut rest).map_err(|_| corrupt("frame header"))?;
            frame(&mut decoder, &mut rest, output)?;
            if !is_giant {
                self.decoder = Some(decoder);
            }
        }
        Ok(())
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
