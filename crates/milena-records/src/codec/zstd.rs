//! Zstandard by libzstd, frame after frame with a reused context.
//!
//! Each frame is decompressed in one go, straight into the output: no window buffer is ever allocated, however large a
//! window the frame claims. If the output turns out too small it is doubled and the frame done again, which warm buffers
//! make rare; at the limit that is over.

use ::zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

use super::zstd_frame::{self, corrupt};
use crate::pool::Output;
use crate::{BuildError, Compression, Fault};

/// A reused decompression context.
#[derive(Default)]
pub(super) struct Decoder {
    context: Option<DCtx<'static>>,
}

impl Decoder {
    pub(super) fn decompress(&mut self, input: &[u8], output: &mut Output) -> Result<(), Fault> {
        let mut rest = input;
        while let Some((_window, frame_start)) = zstd_frame::next(rest)? {
            rest = frame_start;
            let length =
                zstd_safe::find_frame_compressed_size(rest).map_err(|_| corrupt("frame is cut off"))?;
            let (frame, after) = rest.split_at_checked(length).ok_or(corrupt("frame is cut off"))?;
            self.frame(frame, output)?;
            rest = after;
        }
        Ok(())
    }

    fn frame(&mut self, frame: &[u8], output: &mut Output) -> Result<(), Fault> {
        if self.context.is_none() {
            self.context = DCtx::try_create();
        }
        let context = self.context.as_mut().ok_or(corrupt("no memory for a context"))?;
        let mut want = output.spare().max(frame.len().saturating_mul(2)).max(FIRST_ROOM);
        loop {
            let room = output.room_for(want);
            let is_all = room.len() < want;
            want = room.len().saturating_mul(2);
            match context.decompress(room, frame) {
                Ok(written) => return output.advance(written),
                Err(code) if is_too_small(code) && is_all => return Err(output.too_large()),
                Err(code) if is_too_small(code) => {}
                Err(_) => return Err(corrupt("frame")),
            }
        }
    }
}

/// Errors are negated numbers of `ZSTD_ErrorCode`, which zstd promises not to change.
fn is_too_small(code: zstd_safe::ErrorCode) -> bool {
    code.wrapping_neg() == DST_SIZE_TOO_SMALL
}

/// A reused compression context.
#[derive(Default)]
pub(super) struct Encoder {
    context: Option<CCtx<'static>>,
}

impl Encoder {
    pub(super) fn compress(
        &mut self,
        level: Option<i32>,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), BuildError> {
        let failed = BuildError::CodecFailed { codec: Compression::Zstd };
        if self.context.is_none() {
            self.context = CCtx::try_create();
        }
        let context = self.context.as_mut().ok_or(failed)?;
        let level = level.unwrap_or(zstd_safe::CLEVEL_DEFAULT);
        context.set_parameter(CParameter::CompressionLevel(level)).map_err(|_| failed)?;
        let at = out.len();
        out.resize(at + zstd_safe::compress_bound(input.len()), 0);
        let length = context.compress2(&mut out[at..], input).map_err(|_| failed)?;
        out.truncate(at + length);
        Ok(())
    }
}

/// `ZSTD_error_dstSize_tooSmall`.
const DST_SIZE_TOO_SMALL: usize = 70;
/// Least output room to begin with.
const FIRST_ROOM: usize = 4 * 1024;
