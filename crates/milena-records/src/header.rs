//! The fixed part of a batch: what can be said about it without decompressing or checksumming anything.
//!
//! Magic 2 is `DefaultRecordBatch` in Java; magic 0 and 1 are `LegacyRecord`s, each of which is a batch of its own and, if
//! compressed, wraps a message set.

use crate::compression::COMPRESSION_MASK;
use crate::{Compression, Fault};

/// The header of one batch, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) size_in_bytes: usize,
    pub(crate) leader_epoch: i32,
    pub(crate) magic: i8,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) count: i32,
}

/// What the bytes start with.
pub(crate) enum Peek {
    /// A header whose whole batch is there.
    Whole(BatchHeader),
    /// The beginning of a batch: `need` bytes would make it whole, if they say so far.
    Partial { need: Option<usize> },
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, as Java's `ByteBufferLogInputStream` finds batches.
    pub(crate) fn peek(bytes: &[u8]) -> Result<Peek, Fault> {
        let Some(length) = Fields::at(bytes, 8).and_then(|mut fields| fields.i32()) else {
            return Ok(Peek::Partial { need: None });
        };
        // Java reads the length before the magic, so magic 0 has the say on what is too small.
        if length < LEGACY_MIN_V0 {
            return Err(Fault::BatchTooSmall { magic: 0, length, min: LEGACY_MIN_V0 });
        }
        let need = LOG_OVERHEAD + length as usize;
        let Some(magic) = bytes.get(MAGIC_AT) else {
            return Ok(Peek::Partial { need: Some(need) });
        };
        let magic = *magic as i8;
        let min = match magic {
            0 => LEGACY_MIN_V0,
            1 => LEGACY_MIN_V1,
            2 => BATCH_OVERHEAD as i32 - LOG_OVERHEAD as i32,
            _ => return Err(Fault::UnsupportedMagic { magic }),
        };
        if length < min {
            return Err(Fault::BatchTooSmall { magic, length, min });
        }
        let Some(batch) = bytes.get(..need) else {
            return Ok(Peek::Partial { need: Some(need) });
        };
        let header = if magic == 2 { Self::read_v2(batch) } else { Self::read_legacy(batch, magic) };
        // The lengths were checked above, so `None` can only be a range of offsets that is none.
        header.map(Peek::Whole)
    }

    fn read_v2(batch: &[u8]) -> Result<Self, Fault> {
        let mut fields = Fields { bytes: batch };
        let header = (|| {
            let base_offset = fields.i64()?;
            let _length = fields.i32()?;
            let leader_epoch = fields.i32()?;
            let magic = fields.i8()?;
            let crc = fields.u32()?;
            let attributes = fields.i16()?;
            let last_offset_delta = fields.i32()?;
            let header = Self {
                base_offset,
                last_offset: base_offset,
                size_in_bytes: batch.len(),
                leader_epoch,
                magic,
                crc,
                attributes,
                base_timestamp: fields.i64()?,
                max_timestamp: fields.i64()?,
                producer_id: fields.i64()?,
                producer_epoch: fields.i16()?,
                base_sequence: fields.i32()?,
                count: fields.i32()?,
            };
            Some((header, last_offset_delta))
        })();
        let (header, last_offset_delta) = header.ok_or(TOO_SHORT)?;
        let last_offset = last_offset(header.base_offset, last_offset_delta)?;
        Ok(Self { last_offset, ..header })
    }

    fn read_legacy(batch: &[u8], magic: i8) -> Result<Self, Fault> {
        let mut fields = Fields { bytes: batch };
        let header = (|| {
            let offset = fields.i64()?;
            let _length = fields.i32()?;
            let crc = fields.u32()?;
            let _magic = fields.i8()?;
            let attributes = i16::from(fields.i8()?);
            let timestamp = if magic == 0 { NO_TIMESTAMP } else { fields.i64()? };
            Some(Self {
                base_offset: offset,
                last_offset: offset,
                size_in_bytes: batch.len(),
                leader_epoch: -1,
                magic,
                crc,
                attributes,
                base_timestamp: timestamp,
                max_timestamp: timestamp,
                producer_id: -1,
                producer_epoch: -1,
                base_sequence: -1,
                count: 1,
            })
        })();
        let header = header.ok_or(TOO_SHORT)?;
        last_offset(header.base_offset, 0)?;
        Ok(header)
    }

    /// The format: 0, 1 or 2.
    pub fn magic(&self) -> i8 {
        self.magic
    }

    /// The first offset of the batch, which compaction may have left without a record.
    ///
    /// A compressed message set of magic 0 or 1 only says its last offset: there this is the same as
    /// [`last_offset`](Self::last_offset) until it is decompressed.
    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// The last offset of the batch, which compaction may have left without a record.
    pub fn last_offset(&self) -> i64 {
        self.last_offset
    }

    /// The offset to read from after this batch. Never overflows: a batch that ends at 2^63-1 is refused.
    pub fn next_offset(&self) -> i64 {
        self.last_offset + 1
    }

    /// The epoch of the leader that appended the batch; `None` in magic 0 and 1.
    pub fn leader_epoch(&self) -> Option<i32> {
        (self.leader_epoch >= 0).then_some(self.leader_epoch)
    }

    /// Bytes of the whole batch, its header included.
    pub fn size_in_bytes(&self) -> usize {
        self.size_in_bytes
    }

    /// The codec.
    ///
    /// # Errors
    /// [`Fault::UnknownCodec`] for an id no Kafka has.
    pub fn compression(&self) -> Result<Compression, Fault> {
        Compression::from_attributes(self.attributes)
    }

    /// Whether the records are compressed, by whatever codec.
    pub fn is_compressed(&self) -> bool {
        self.attributes & COMPRESSION_MASK != 0
    }

    /// Whose clock the timestamps come from. It is the batch's: record attributes never say.
    pub fn timestamp_type(&self) -> TimestampType {
        match (self.magic, self.attributes & LOG_APPEND_TIME) {
            (0, _) => TimestampType::None,
            (_, 0) => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    /// What the records' timestamp deltas count from, in milliseconds since 1970; -1 in magic 0.
    pub fn base_timestamp(&self) -> i64 {
        self.base_timestamp
    }

    /// The greatest timestamp of the batch as its writer says, in milliseconds since 1970; -1 if there is none. Brokers do
    /// not check it, unless it is the log append time: then it is the timestamp of every record.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// When compaction may remove a tombstone or a marker of this batch (KIP-534), in milliseconds since 1970.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.magic >= 2 && self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    /// The idempotent or transactional producer's id; -1 if there is none.
    pub fn producer_id(&self) -> i64 {
        self.producer_id
    }

    /// Whether an idempotent or transactional producer wrote this batch.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > -1
    }

    /// The producer's epoch; -1 if there is none.
    pub fn producer_epoch(&self) -> i16 {
        self.producer_epoch
    }

    /// The sequence number of the first record; -1 if there is none.
    pub fn base_sequence(&self) -> i32 {
        self.base_sequence
    }

    /// Whether the batch belongs to a transaction: its records count only if that was committed.
    pub fn is_transactional(&self) -> bool {
        self.magic >= 2 && self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch holds control records, which are never delivered.
    pub fn is_control(&self) -> bool {
        self.magic >= 2 && self.attributes & CONTROL != 0
    }

    /// How many records the batch says it holds; `None` for a compressed message set of magic 0 or 1, which does not say.
    ///
    /// Not checked before decoding, and negative if the batch lies.
    pub fn record_count(&self) -> Option<i32> {
        (self.magic >= 2 || !self.is_compressed()).then_some(self.count)
    }

    /// The last offset relative to the base offset.
    pub fn last_offset_delta(&self) -> i32 {
        // Made from an i32 when it was read.
        (self.last_offset - self.base_offset) as i32
    }
}

/// Whose clock a timestamp comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// Nobody's: magic 0 has no timestamps.
    None,
    /// The producer's.
    CreateTime,
    /// The broker's, when it appended the batch.
    LogAppendTime,
}

fn last_offset(base_offset: i64, last_offset_delta: i32) -> Result<i64, Fault> {
    base_offset
        .checked_add(i64::from(last_offset_delta))
        .filter(|last| base_offset >= 0 && last_offset_delta >= 0 && *last < i64::MAX)
        .ok_or(Fault::InvalidOffsetRange { last_offset_delta })
}

/// Big-endian fields, one after the other; `None` at the end of the bytes.
pub(crate) struct Fields<'a> {
    pub(crate) bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn at(bytes: &'a [u8], position: usize) -> Option<Self> {
        bytes.get(position..).map(|bytes| Self { bytes })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*field)
    }

    pub(crate) fn i8(&mut self) -> Option<i8> {
        self.array().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }
}

/// Never seen: `peek` has compared the length with the least its magic needs.
const TOO_SHORT: Fault = Fault::Truncated { what: "batch header", need: BATCH_OVERHEAD, have: 0 };

/// Offset and length, in front of every batch of any magic.
pub(crate) const LOG_OVERHEAD: usize = 12;
/// Where the magic byte is, in every format.
pub(crate) const MAGIC_AT: usize = 16;
/// Bytes of a batch of magic 2 without its records.
pub(crate) const BATCH_OVERHEAD: usize = 61;
/// Where the bytes under the CRC begin in magic 2.
pub(crate) const CRC_FROM_V2: usize = 21;
/// Where the bytes under the CRC begin in magic 0 and 1.
pub(crate) const CRC_FROM_LEGACY: usize = 16;
/// CRC, magic, attributes, key length and value length.
pub(crate) const LEGACY_MIN_V0: i32 = 14;
/// The same and a timestamp.
pub(crate) const LEGACY_MIN_V1: i32 = 22;
/// The timestamp of records that have none.
pub(crate) const NO_TIMESTAMP: i64 = -1;

pub(crate) const LOG_APPEND_TIME: i16 = 0x08;
pub(crate) const TRANSACTIONAL: i16 = 0x10;
pub(crate) const CONTROL: i16 = 0x20;
pub(crate) const DELETE_HORIZON: i16 = 0x40;
