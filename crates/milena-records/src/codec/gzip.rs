//! gzip as Java's `GZIPInputStream` reads it: members one after the other, and anything that is no member ends the stream.

use flate2::{Compress, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use crate::crc::crc32;
use crate::pool::Output;
use crate::{BuildError, Compression, Fault};

/// A reused inflate state.
#[derive(Default)]
pub(super) struct Decoder {
    inflate: Option<Decompress>,
}

impl Decoder {
    pub(super) fn decompress(&mut self, input: &[u8], output: &mut Output) -> Result<(), Fault> {
        let mut rest = member_header(input)?;
        loop {
            rest = self.member(rest, output)?;
            // What is too short for another member, or does not start like one, is garbage that Java ignores.
            if rest.len() < MEMBER_MIN {
                return Ok(());
            }
            match member_header(rest) {
                Ok(body) => rest = body,
                Err(_) => return Ok(()),
            }
        }
    }

    /// Inflates one member and checks its trailer; what follows it.
    fn member<'a>(&mut self, body: &'a [u8], output: &mut Output) -> Result<&'a [u8], Fault> {
        let inflate = self.inflate.get_or_insert_with(|| Decompress::new(false));
        inflate.reset(false);
        let start = output.filled().len();
        loop {
            let consumed = inflate.total_in() as usize;
            let produced = inflate.total_out();
            let status = inflate
                .decompress(&body[consumed..], output.room(), FlushDecompress::None)
                .map_err(|_| corrupt("deflate stream"))?;
            let written = (inflate.total_out() - produced) as usize;
            output.advance(written)?;
            let stuck = written == 0 && inflate.total_in() as usize == consumed;
            match status {
                Status::StreamEnd => break,
                _ if stuck => return Err(corrupt("ends inside of the deflate stream")),
                _ => {}
            }
        }
        let rest = &body[inflate.total_in() as usize..];
        let (trailer, rest) = rest.split_first_chunk::<8>().ok_or(corrupt("ends inside of the trailer"))?;
        let member = &output.filled()[start..];
        let mut crc = Crc::new();
        crc.update(member);
        let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
        if u32::from_le_bytes([c0, c1, c2, c3]) != crc.sum() {
            return Err(corrupt("checksum in the trailer"));
        }
        // ISIZE is the length modulo 2^32.
        if u32::from_le_bytes([s0, s1, s2, s3]) != member.len() as u32 {
            return Err(corrupt("length in the trailer"));
        }
        Ok(rest)
    }
}

/// Skips a member's header (RFC 1952).
fn member_header(input: &[u8]) -> Result<&[u8], Fault> {
    let (fixed, mut rest) = input.split_first_chunk::<10>().ok_or(corrupt("header is cut off"))?;
    let flags = fixed[3];
    if fixed[..3] != [0x1f, 0x8b, 8] {
        return Err(corrupt("header"));
    }
    if flags & HAS_EXTRA != 0 {
        let (len, after) = rest.split_first_chunk::<2>().ok_or(corrupt("header is cut off"))?;
        rest = after.get(usize::from(u16::from_le_bytes(*len))..).ok_or(corrupt("header is cut off"))?;
    }
    for flag in [HAS_NAME, HAS_COMMENT] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0).ok_or(corrupt("header is cut off"))?;
            rest = &rest[end + 1..];
        }
    }
    if flags & HAS_HEADER_CRC != 0 {
        let header = &input[..input.len() - rest.len()];
        let (stored, after) = rest.split_first_chunk::<2>().ok_or(corrupt("header is cut off"))?;
        if u16::from_le_bytes(*stored) != crc32(header) as u16 {
            return Err(corrupt("header checksum"));
        }
        rest = after;
    }
    Ok(rest)
}

fn corrupt(what: &'static str) -> Fault {
    Fault::Corrupt { codec: Compression::Gzip, what }
}

/// A reused deflate state and the level it was made with.
#[derive(Default)]
pub(super) struct Encoder {
    deflate: Option<(Option<i32>, Compress)>,
}

impl Encoder {
    pub(super) fn compress(
        &mut self,
        level: Option<i32>,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), BuildError> {
        let failed = BuildError::CodecFailed { codec: Compression::Gzip };
        if self.deflate.as_ref().is_none_or(|(made_with, _)| *made_with != level) {
            // -1 is zlib's word for its default, and Java's.
            let chosen = level.and_then(|level| u32::try_from(level).ok()).map(|level| level.min(9));
            let chosen = chosen.map_or_else(flate2::Compression::default, flate2::Compression::new);
            self.deflate = Some((level, Compress::new(chosen, false)));
        }
        let Some((_, deflate)) = &mut self.deflate else { return Err(failed) };
        deflate.reset();
        out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
        loop {
            let consumed = deflate.total_in() as usize;
            out.reserve((input.len() - consumed) / 2 + 1024);
            let status = deflate.compress_vec(&input[consumed..], out, FlushCompress::Finish);
            if status.map_err(|_| failed)? == Status::StreamEnd {
                break;
            }
        }
        let mut crc = Crc::new();
        crc.update(input);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&(input.len() as u32).to_le_bytes());
        Ok(())
    }
}

const HAS_HEADER_CRC: u8 = 0x02;
const HAS_EXTRA: u8 = 0x04;
const HAS_NAME: u8 = 0x08;
const HAS_COMMENT: u8 = 0x10;
/// Fewer bytes than this behind a member are not looked at: header and trailer, and something between them.
const MEMBER_MIN: usize = 10 + 8 + 1;
