//! The same decoder once more, slow and plain: the twin the fast one is tested against.
//!
//! One byte at a time, everything copied, arithmetic that cannot overflow. It shares the codecs with the fast one, which have
//! tests of their own, and nothing else but the error type. Property: same records, then the same kind of fault.

use crate::codec::Contexts;
use crate::pool::Pool;
use crate::{Compression, DecodeError, Fault};

/// A record, copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NaiveRecord {
    /// Its place in the partition.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// Names and values of the headers.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The records of the one batch that `bytes` consists of, up to the first fault; and that fault.
pub fn decode(bytes: &[u8], limit: usize) -> (Vec<NaiveRecord>, Option<DecodeError>) {
    let mut records = Vec::new();
    let base_offset = if bytes.len() < 8 { -1 } else { Cursor { bytes, at: 0 }.i64("").unwrap_or(-1) };
    let fault = batch(bytes, limit, &mut records).err();
    (records, fault.map(|fault| DecodeError { base_offset, fault }))
}

fn batch(bytes: &[u8], limit: usize, records: &mut Vec<NaiveRecord>) -> Result<(), Fault> {
    let mut cursor = Cursor { bytes, at: 0 };
    let base_offset = cursor.i64("offset")?;
    let length = cursor.i32("length")?;
    if length < 14 {
        return Err(Fault::BatchTooSmall { magic: 0, length, min: 14 });
    }
    let _crc_or_epoch = cursor.i32("batch")?;
    let magic = cursor.i8("batch")?;
    let min = match magic {
        0 => 14,
        1 => 22,
        2 => 49,
        _ => return Err(Fault::UnsupportedMagic { magic }),
    };
    if length < min {
        return Err(Fault::BatchTooSmall { magic, length, min });
    }
    let have = bytes.len() - 12;
    if have < length as usize {
        return Err(Fault::Truncated { what: "batch", need: length as usize, have });
    }
    if magic == 2 {
        batch_v2(bytes, base_offset, length, limit, records)
    } else {
        legacy(bytes, base_offset, length, limit, records)
    }
}

fn batch_v2(
    bytes: &[u8],
    base_offset: i64,
    length: i32,
    limit: usize,
    records: &mut Vec<NaiveRecord>,
) -> Result<(), Fault> {
    let mut cursor = Cursor { bytes, at: 17 };
    let stored = cursor.i32("crc")? as u32;
    let attributes = cursor.i16("attributes")?;
    let last_offset_delta = cursor.i32("last offset delta")?;
    let base_timestamp = cursor.i64("base timestamp")?;
    let max_timestamp = cursor.i64("max timestamp")?;
    let _producer = cursor.take("producer", 14)?;
    let count = cursor.i32("record count")?;
    let last_offset = i128::from(base_offset) + i128::from(last_offset_delta);
    if base_offset < 0 || last_offset_delta < 0 || last_offset >= i128::from(i64::MAX) {
        return Err(Fault::InvalidOffsetRange { last_offset_delta });
    }
    exactly(bytes, length)?;
    let computed = crc32c::crc32c(&bytes[21..]);
    if computed != stored {
        return Err(Fault::CrcMismatch { stored, computed });
    }
    let codec = codec(attributes)?;
    if count == 0 {
        return Ok(());
    }
    let max = i64::from(last_offset_delta) + 1;
    if count < 0 || i64::from(count) > max {
        return Err(Fault::RecordCount { count, max: max as usize });
    }
    let section = decompress(codec, 2, &bytes[61..], limit)?;
    let max = section.len() / 7;
    if count as usize > max {
        return Err(Fault::RecordCount { count, max });
    }
    let mut cursor = Cursor { bytes: &section, at: 0 };
    let mut previous = i128::from(base_offset) - 1;
    for index in 1..=count {
        let (timestamp_delta, offset_delta, mut record) = record_v2(&mut cursor)?;
        let offset = i128::from(base_offset) + i128::from(offset_delta);
        if offset < i128::from(base_offset) || offset > last_offset {
            return Err(Fault::OffsetOutsideBatch { offset: offset as i64, last_offset: last_offset as i64 });
        }
        if offset <= previous {
            return Err(Fault::OffsetNotRising { offset: offset as i64, previous: previous as i64 });
        }
        previous = offset;
        let left = section.len() - cursor.at;
        if index == count && left > 0 {
            return Err(Fault::RecordsLeft { count: count as usize, bytes: left });
        }
        record.offset = offset as i64;
        record.timestamp =
            if attributes & 8 != 0 { max_timestamp } else { base_timestamp.wrapping_add(timestamp_delta) };
        records.push(record);
    }
    Ok(())
}

/// Timestamp delta, offset delta and the rest of a record.
fn record_v2(cursor: &mut Cursor<'_>) -> Result<(i64, i32, NaiveRecord), Fault> {
    let length = cursor.varint("record length")?;
    let Ok(body) = usize::try_from(length) else {
        return Err(Fault::NegativeLength { what: "record", length });
    };
    let mut body = Cursor { bytes: cursor.take("record", body)?, at: 0 };
    body.i8("attributes")?;
    let timestamp_delta = body.varlong("timestamp delta")?;
    let offset_delta = body.varint("offset delta")?;
    let key = body.nullable("key")?;
    let value = body.nullable("value")?;
    let count = body.varint("header count")?;
    let have = body.bytes.len() - body.at;
    if count < 0 || count as usize > have / 2 {
        return Err(Fault::HeaderCount { count, have });
    }
    let mut headers = Vec::new();
    for _ in 0..count {
        let length = body.varint("header name")?;
        let Ok(need) = usize::try_from(length) else {
            return Err(Fault::NegativeLength { what: "header name", length });
        };
        let name = body.take("header name", need)?.to_vec();
        headers.push((name, body.nullable("header value")?));
    }
    if body.at < body.bytes.len() {
        return Err(Fault::RecordNotFilled { length: body.bytes.len(), left: body.bytes.len() - body.at });
    }
    Ok((timestamp_delta, offset_delta, NaiveRecord { offset: 0, timestamp: 0, key, value, headers }))
}

/// One message of magic 0 or 1.
struct Message {
    offset: i64,
    magic: i8,
    attributes: i8,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    crc: (u32, u32),
}

fn legacy(
    bytes: &[u8],
    offset: i64,
    length: i32,
    limit: usize,
    records: &mut Vec<NaiveRecord>,
) -> Result<(), Fault> {
    if !(0..i64::MAX).contains(&offset) {
        return Err(Fault::InvalidOffsetRange { last_offset_delta: 0 });
    }
    exactly(bytes, length)?;
    let (stored, computed) = (Cursor { bytes, at: 12 }.i32("crc")? as u32, bitwise_crc32(&bytes[16..]));
    if stored != computed {
        return Err(Fault::CrcMismatch { stored, computed });
    }
    let codec = codec(i16::from(bytes[17] as i8))?;
    if codec == Compression::Zstd {
        return Err(Fault::UnsupportedCodec { codec, reason: "" });
    }
    let Some(outer) = message(&mut Cursor { bytes, at: 0 })? else { return Err(Fault::NoInnerMessages) };
    if codec == Compression::None {
        records.push(NaiveRecord {
            offset,
            timestamp: outer.timestamp,
            key: outer.key,
            value: outer.value,
            headers: vec![],
        });
        return Ok(());
    }
    let set = decompress(codec, outer.magic, &outer.value.ok_or(Fault::EmptyWrapper)?, limit)?;
    let mut cursor = Cursor { bytes: &set, at: 0 };
    let mut messages: Vec<Message> = Vec::new();
    while let Some(message) = message(&mut cursor)? {
        if message.crc.0 != message.crc.1 {
            return Err(Fault::CrcMismatch { stored: message.crc.0, computed: message.crc.1 });
        }
        if message.attributes & 7 != 0 {
            return Err(Fault::NestedCompression);
        }
        if let Some(previous) = messages.last().filter(|previous| previous.offset >= message.offset) {
            return Err(Fault::OffsetNotRising { offset: message.offset, previous: previous.offset });
        }
        messages.push(message);
    }
    let (Some(first), Some(last)) = (messages.first(), messages.last()) else {
        return Err(Fault::NoInnerMessages);
    };
    if first.offset < 0 || last.offset > offset {
        return Err(Fault::OffsetOutsideBatch { offset: last.offset, last_offset: offset });
    }
    let shift = if outer.magic == 1 { offset - last.offset } else { 0 };
    let is_stamped = outer.magic == 1 && outer.attributes & 8 != 0;
    records.extend(messages.into_iter().map(|message| NaiveRecord {
        offset: message.offset + shift,
        timestamp: if message.magic == 0 {
            -1
        } else if is_stamped {
            outer.timestamp
        } else {
            message.timestamp
        },
        key: message.key,
        value: message.value,
        headers: vec![],
    }));
    Ok(())
}

/// The next message; `None` where fewer bytes are left than it needs.
fn message(cursor: &mut Cursor<'_>) -> Result<Option<Message>, Fault> {
    if cursor.bytes.len() - cursor.at < 12 {
        return Ok(None);
    }
    let offset = cursor.i64("offset")?;
    let size = cursor.i32("size")?;
    if size < 14 {
        return Err(Fault::BatchTooSmall { magic: 0, length: size, min: 14 });
    }
    if cursor.bytes.len() - cursor.at < size as usize {
        return Ok(None);
    }
    let mut body = Cursor { bytes: cursor.take("message", size as usize)?, at: 0 };
    let crc = (body.i32("crc")? as u32, bitwise_crc32(&body.bytes[4..]));
    let magic = body.i8("magic")?;
    let attributes = body.i8("attributes")?;
    let timestamp = match magic {
        0 => -1,
        1 => body.i64("timestamp")?,
        _ => return Err(Fault::UnsupportedMagic { magic }),
    };
    let mut field = || {
        let length = body.i32("field")?;
        usize::try_from(length).ok().map(|need| Ok(body.take("field", need)?.to_vec())).transpose()
    };
    let (key, value) = (field()?, field()?);
    Ok(Some(Message { offset, magic, attributes, timestamp, key, value, crc }))
}

fn exactly(bytes: &[u8], length: i32) -> Result<(), Fault> {
    let left = bytes.len() - 12 - length as usize;
    if left > 0 { Err(Fault::RecordsLeft { count: 1, bytes: left }) } else { Ok(()) }
}

fn codec(attributes: i16) -> Result<Compression, Fault> {
    let id = (attributes & 7) as u8;
    Compression::ALL.into_iter().find(|codec| codec.id() == id).ok_or(Fault::UnknownCodec { id })
}

fn decompress(codec: Compression, magic: i8, input: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    if codec == Compression::None {
        return Ok(input.to_vec());
    }
    let mut output = Pool::default().take(0, limit);
    Contexts::default().decompress(codec, magic, input, &mut output)?;
    Ok(output.filled().to_vec())
}

fn bitwise_crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, what: &'static str, need: usize) -> Result<&'a [u8], Fault> {
        let have = self.bytes.len() - self.at;
        if have < need {
            return Err(Fault::Truncated { what, need, have });
        }
        self.at += need;
        Ok(&self.bytes[self.at - need..self.at])
    }

    /// Big-endian, sign-extended.
    fn fixed(&mut self, what: &'static str, size: usize) -> Result<i64, Fault> {
        let bytes = self.take(what, size)?;
        let negative = bytes[0] >= 0x80;
        Ok(bytes.iter().fold(if negative { -1 } else { 0 }, |value, byte| value << 8 | i64::from(*byte)))
    }

    fn i8(&mut self, what: &'static str) -> Result<i8, Fault> {
        Ok(self.fixed(what, 1)? as i8)
    }

    fn i16(&mut self, what: &'static str) -> Result<i16, Fault> {
        Ok(self.fixed(what, 2)? as i16)
    }

    fn i32(&mut self, what: &'static str) -> Result<i32, Fault> {
        Ok(self.fixed(what, 4)? as i32)
    }

    fn i64(&mut self, what: &'static str) -> Result<i64, Fault> {
        self.fixed(what, 8)
    }

    /// Seven bits at a time into a number that is wide enough, cut to `bits` at the end.
    fn raw_varint(&mut self, what: &'static str, most: usize, bits: u32) -> Result<u64, Fault> {
        let mut value = 0_u128;
        for index in 0..most {
            let byte = self.take(what, 1)?[0];
            value |= u128::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Ok((value & ((1 << bits) - 1)) as u64);
            }
        }
        Err(Fault::OverlongVarint { what })
    }

    fn varint(&mut self, what: &'static str) -> Result<i32, Fault> {
        let raw = self.raw_varint(what, 5, 32)?;
        let half = (raw / 2) as i64;
        Ok(if raw % 2 == 0 { half } else { -half - 1 } as i32)
    }

    fn varlong(&mut self, what: &'static str) -> Result<i64, Fault> {
        let raw = self.raw_varint(what, 10, 64)?;
        let half = i128::from(raw / 2);
        Ok(if raw % 2 == 0 { half } else { -half - 1 } as i64)
    }

    fn nullable(&mut self, what: &'static str) -> Result<Option<Vec<u8>>, Fault> {
        let length = self.varint(what)?;
        usize::try_from(length).ok().map(|need| Ok(self.take(what, need)?.to_vec())).transpose()
    }
}
