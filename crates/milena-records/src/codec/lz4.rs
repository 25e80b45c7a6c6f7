//! LZ4 frames, as Java's `Lz4BlockInputStream` reads them: the first frame counts, whatever follows it is ignored.
//!
//! Frame: magic, FLG, BD, optional content size, header checksum, blocks of `length: u32 le` (top bit: stored as it is),
//! end mark, optional content checksum. Java refuses blocks that refer to earlier ones; other clients write them, so they
//! are read here. Neither the content size nor the content checksum is looked at: the CRC of the batch covers both.

use lz4_flex::block;

use super::lz4_block::{self, BlockError};
use super::xxh32::xxh32;
use crate::pool::Output;
use crate::{BuildError, Compression, Fault};

/// Decompresses the frame at the start of `input`.
pub(super) fn decompress(input: &[u8], magic: i8, output: &mut Output) -> Result<(), Fault> {
    let (frame, mut rest) = Frame::read(input, magic)?;
    loop {
        let (field, after) = rest.split_first_chunk::<4>().ok_or(corrupt("frame is cut off"))?;
        let field = u32::from_le_bytes(*field);
        let length = (field & !STORED) as usize;
        // Java takes a length of zero for the end mark whatever the top bit says.
        if length == 0 {
            return if frame.has_content_checksum && after.len() < 4 {
                Err(corrupt("frame is cut off"))
            } else {
                Ok(())
            };
        }
        if length > frame.block_max {
            return Err(corrupt("block is longer than the frame allows"));
        }
        let (block, after) = after.split_at_checked(length).ok_or(corrupt("frame is cut off"))?;
        rest = frame.check_block(block, after)?;
        if field & STORED != 0 {
            output.write(block)?;
        } else {
            frame.block(block, output)?;
        }
    }
}

/// What the descriptor says.
struct Frame {
    block_max: usize,
    is_linked: bool,
    has_block_checksums: bool,
    has_content_checksum: bool,
}

impl Frame {
    fn read(input: &[u8], magic: i8) -> Result<(Self, &[u8]), Fault> {
        let cut_off = corrupt("frame header is cut off");
        let (fixed, rest) = input.split_first_chunk::<6>().ok_or(cut_off)?;
        let [m0, m1, m2, m3, flg, bd] = *fixed;
        if [m0, m1, m2, m3] != FRAME_MAGIC {
            return Err(corrupt("frame magic"));
        }
        // Bit 0 would be a dictionary, which no Kafka has.
        if flg & FLG_VERSION_MASK != FLG_VERSION || flg & FLG_RESERVED != 0 {
            return Err(corrupt("frame flags"));
        }
        if bd & BD_RESERVED != 0 || bd >> 4 < 4 {
            return Err(corrupt("frame block size"));
        }
        let size_bytes = if flg & FLG_CONTENT_SIZE != 0 { 8 } else { 0 };
        let (_content_size, rest) = rest.split_at_checked(size_bytes).ok_or(cut_off)?;
        let (checksum, rest) = rest.split_first().ok_or(cut_off)?;
        // Writers of magic 0 hash the frame magic too (KAFKA-3160). Java ignores the checksum there; in magic 1, where a
        // few old clients kept the mistake, ignoring it loses nothing: the message has its CRC.
        if magic >= 2 && *checksum != header_checksum(&input[4..6 + size_bytes]) {
            return Err(corrupt("frame header checksum"));
        }
        let frame = Self {
            block_max: 1 << (8 + 2 * (bd >> 4)),
            is_linked: flg & FLG_INDEPENDENT == 0,
            has_block_checksums: flg & FLG_BLOCK_CHECKSUM != 0,
            has_content_checksum: flg & FLG_CONTENT_CHECKSUM != 0,
        };
        Ok((frame, rest))
    }

    /// Compares a block with the checksum behind it, if there is one; what follows that.
    fn check_block<'a>(&self, block: &[u8], after: &'a [u8]) -> Result<&'a [u8], Fault> {
        if !self.has_block_checksums {
            return Ok(after);
        }
        let (stored, after) = after.split_first_chunk::<4>().ok_or(corrupt("frame is cut off"))?;
        if u32::from_le_bytes(*stored) == xxh32(block) { Ok(after) } else { Err(corrupt("block checksum")) }
    }

    /// Decompresses one block. The frame is the first thing in the output, so a linked block may refer to all of it.
    fn block(&self, block: &[u8], output: &mut Output) -> Result<(), Fault> {
        // A byte of input adds at most 255 of output, so a small block gets no large room.
        let most = self.block_max.min(block.len().saturating_mul(EXPANSION_MAX));
        // An independent block must not refer to what stands before it.
        let (window, out) = output.room_behind(if self.is_linked { WINDOW } else { 0 }, most);
        let room_len = out.len() - window;
        match lz4_block::decompress(block, out, window) {
            Ok(end) => output.advance(end - window),
            Err(BlockError::NoRoom) if room_len < most => Err(output.too_large()),
            Err(_) => Err(corrupt("block")),
        }
    }
}

fn header_checksum(descriptor: &[u8]) -> u8 {
    (xxh32(descriptor) >> 8) as u8
}

fn corrupt(what: &'static str) -> Fault {
    Fault::Corrupt { codec: Compression::Lz4, what }
}

/// A reused hash table.
#[derive(Default)]
pub(super) struct Encoder {
    table: Option<block::CompressTable>,
}

impl Encoder {
    /// Independent blocks of 64 KiB without checksums, as Java's producer writes them.
    pub(super) fn compress(&mut self, input: &[u8], magic: i8, out: &mut Vec<u8>) -> Result<(), BuildError> {
        let failed = BuildError::CodecFailed { codec: Compression::Lz4 };
        let table = self.table.get_or_insert_with(block::CompressTable::large);
        let header_at = out.len();
        out.extend_from_slice(&FRAME_MAGIC);
        out.extend_from_slice(&[FLG_VERSION | FLG_INDEPENDENT, 4 << 4]);
        // The mistake of magic 0 is repeated for its readers: some of them insist on it.
        let hashed_from = if magic == 0 { header_at } else { header_at + 4 };
        out.push(header_checksum(&out[hashed_from..]));
        for chunk in input.chunks(BLOCK) {
            let at = out.len();
            out.resize(at + 4 + block::get_maximum_output_size(chunk.len()), 0);
            let length = block::compress_into_with_table(chunk, &mut out[at + 4..], table);
            let length = length.map_err(|_| failed)?;
            let field = if length < chunk.len() {
                out.truncate(at + 4 + length);
                length as u32
            } else {
                out.truncate(at + 4);
                out.extend_from_slice(chunk);
                chunk.len() as u32 | STORED
            };
            out[at..at + 4].copy_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&[0; 4]);
        Ok(())
    }
}

const FRAME_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const FLG_VERSION_MASK: u8 = 0xc0;
const FLG_VERSION: u8 = 0x40;
const FLG_INDEPENDENT: u8 = 0x20;
const FLG_BLOCK_CHECKSUM: u8 = 0x10;
const FLG_CONTENT_SIZE: u8 = 0x08;
const FLG_CONTENT_CHECKSUM: u8 = 0x04;
const FLG_RESERVED: u8 = 0x03;
const BD_RESERVED: u8 = 0x8f;
/// Top bit of a block's length: the block is not compressed.
const STORED: u32 = 0x8000_0000;
/// How far back a linked block may refer.
const WINDOW: usize = 64 * 1024;
/// Most bytes of output per byte of input.
const EXPANSION_MAX: usize = 255;
/// Bytes of input per block written.
const BLOCK: usize = 64 * 1024;
