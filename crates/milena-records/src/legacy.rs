//! Messages and message sets of magic 0 and 1, which live on in old segments: brokers serve them as they are.
//!
//! `offset: i64, size: i32, crc: u32, magic: i8, attributes: i8, [timestamp: i64 in magic 1], key, value`, where key and value
//! have a 32-bit length and any negative length is null. A compressed message has a message set as its value: Java's
//! `AbstractLegacyRecordBatch.DeepRecordsIterator`.

use bytes::Bytes;

use crate::compression::COMPRESSION_MASK;
use crate::crc::crc32;
use crate::header::{Fields, LEGACY_MIN_V0, LOG_APPEND_TIME, LOG_OVERHEAD, NO_TIMESTAMP};
use crate::{BatchHeader, Fault, Headers, Record, TimestampType};

/// What all messages of a set have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LegacySet {
    pub(crate) count: usize,
    pub(crate) first_offset: i64,
    /// What the inner offsets are relative to: 0 where they are absolute.
    offset_base: i64,
    /// Timestamp and type of the wrapper, if there is one.
    wrapper: Option<(i64, TimestampType)>,
}

impl LegacySet {
    /// The message at the start of `rest` as a record, and what follows it; `None` at the end.
    ///
    /// Checksums, offsets and nesting have been checked when the batch was decoded.
    pub(crate) fn record<'a>(
        &self,
        data: &'a Bytes,
        rest: &'a [u8],
    ) -> Result<Option<(Record<'a>, &'a [u8])>, Fault> {
        let Some((message, rest)) = Message::read(rest)? else { return Ok(None) };
        let (timestamp, timestamp_type) = match (message.magic, self.wrapper) {
            (0, _) => (NO_TIMESTAMP, TimestampType::None),
            // The broker stamps the wrapper only.
            (_, Some((timestamp, TimestampType::LogAppendTime))) => (timestamp, TimestampType::LogAppendTime),
            (_, Some((_, timestamp_type))) => (message.timestamp, timestamp_type),
            (_, None) => (message.timestamp, message.timestamp_type()),
        };
        let record = Record {
            data,
            offset: self.offset_base + message.offset,
            timestamp,
            timestamp_type,
            key: message.key,
            value: message.value,
            headers: Headers::default(),
        };
        Ok(Some((record, rest)))
    }
}

/// An uncompressed message is a set of one.
pub(crate) fn single(message: &[u8]) -> Result<LegacySet, Fault> {
    let Some((message, _)) = Message::read(message)? else { return Err(Fault::NoInnerMessages) };
    Ok(LegacySet { count: 1, first_offset: message.offset, offset_base: 0, wrapper: None })
}

/// The compressed message set inside of a message.
pub(crate) fn wrapped(message: &[u8]) -> Result<&[u8], Fault> {
    let Some((message, _)) = Message::read(message)? else { return Err(Fault::NoInnerMessages) };
    message.value.ok_or(Fault::EmptyWrapper)
}

/// Checks a decompressed message set and finds its offsets.
pub(crate) fn unwrap(wrapper: &BatchHeader, set: &[u8]) -> Result<LegacySet, Fault> {
    let mut rest = set;
    let mut count = 0;
    let mut first = 0;
    let mut last = None;
    while let Some((message, after)) = Message::read(rest)? {
        message.verify_crc()?;
        if message.attributes & COMPRESSION_MASK as i8 != 0 {
            return Err(Fault::NestedCompression);
        }
        // Stricter than Java, which believes offsets in any order: brokers have always given them out rising.
        match last {
            None => first = message.offset,
            Some(previous) if message.offset <= previous => {
                return Err(Fault::OffsetNotRising { offset: message.offset, previous });
            }
            Some(_) => {}
        }
        last = Some(message.offset);
        count += 1;
        rest = after;
    }
    let last = last.ok_or(Fault::NoInnerMessages)?;
    let outside = Fault::OffsetOutsideBatch { offset: last, last_offset: wrapper.last_offset };
    // A wrapper at 0 around several relative offsets is what old versions of librdkafka sent; brokers corrected it, so no
    // log has one. Java takes them, which would put records beyond the end of their batch.
    if first < 0 || last > wrapper.last_offset {
        return Err(outside);
    }
    // KIP-31: the offsets in a set of magic 1 are relative and the wrapper has the absolute offset of the last one.
    let offset_base = if wrapper.magic == 1 { wrapper.last_offset - last } else { 0 };
    Ok(LegacySet {
        count,
        first_offset: offset_base + first,
        offset_base,
        wrapper: Some((wrapper.max_timestamp, wrapper.timestamp_type())),
    })
}

/// One message, its length checked and its parts found.
struct Message<'a> {
    offset: i64,
    crc: u32,
    magic: i8,
    attributes: i8,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    /// What the CRC covers.
    covered: &'a [u8],
}

impl<'a> Message<'a> {
    /// The message at the start of `bytes` and what follows it. `None` where the bytes end, even inside of a message:
    /// Java's `DataLogInputStream` does not mind, because brokers used to cut message sets anywhere.
    fn read(bytes: &'a [u8]) -> Result<Option<(Self, &'a [u8])>, Fault> {
        let Some((prefix, rest)) = bytes.split_at_checked(LOG_OVERHEAD) else { return Ok(None) };
        let mut fields = Fields { bytes: prefix };
        let (Some(offset), Some(size)) = (fields.i64(), fields.i32()) else { return Ok(None) };
        if size < LEGACY_MIN_V0 {
            return Err(Fault::BatchTooSmall { magic: 0, length: size, min: LEGACY_MIN_V0 });
        }
        let Some((body, rest)) = rest.split_at_checked(size as usize) else { return Ok(None) };
        Self::parse(offset, body).map(|message| Some((message, rest)))
    }

    fn parse(offset: i64, body: &'a [u8]) -> Result<Self, Fault> {
        let cut_off =
            |what, need, fields: &Fields<'_>| Fault::Truncated { what, need, have: fields.bytes.len() };
        let mut fields = Fields { bytes: body };
        let crc = fields.u32().ok_or(cut_off("message header", 4, &fields))?;
        let covered = fields.bytes;
        let magic = fields.i8().ok_or(cut_off("message header", 1, &fields))?;
        let attributes = fields.i8().ok_or(cut_off("message header", 1, &fields))?;
        let timestamp = match magic {
            0 => NO_TIMESTAMP,
            1 => fields.i64().ok_or(cut_off("message timestamp", 8, &fields))?,
            _ => return Err(Fault::UnsupportedMagic { magic }),
        };
        let key = nullable(&mut fields, "message key")?;
        let value = nullable(&mut fields, "message value")?;
        // What follows the value belongs to the message and means nothing, as in Java.
        Ok(Self { offset, crc, magic, attributes, timestamp, key, value, covered })
    }

    fn verify_crc(&self) -> Result<(), Fault> {
        let computed = crc32(self.covered);
        if computed == self.crc { Ok(()) } else { Err(Fault::CrcMismatch { stored: self.crc, computed }) }
    }

    fn timestamp_type(&self) -> TimestampType {
        if i16::from(self.attributes) & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }
}

/// Bytes after a 32-bit length; any negative length is null.
fn nullable<'a>(fields: &mut Fields<'a>, what: &'static str) -> Result<Option<&'a [u8]>, Fault> {
    let have = fields.bytes.len();
    let length = fields.i32().ok_or(Fault::Truncated { what, need: 4, have })?;
    let Ok(need) = usize::try_from(length) else { return Ok(None) };
    let have = fields.bytes.len();
    let (bytes, rest) = fields.bytes.split_at_checked(need).ok_or(Fault::Truncated { what, need, have })?;
    fields.bytes = rest;
    Ok(Some(bytes))
}
