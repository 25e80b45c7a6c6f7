//! The walk over the records of a batch: the loop that everything else is arranged around.
//!
//! A record of magic 2 is `length, attributes: i8, timestamp delta, offset delta, key length, key, value length, value, header
//! count, headers`, all but the attributes varints. The walk reads each byte of that once, allocates nothing and builds no
//! error: what cannot be read is `None`, and `diagnose` reads the record a second time to say why.

use crate::decoded::{DecodedBatch, Format};
use crate::header::BatchHeader;
use crate::headers::{self, HEADER_MIN};
use crate::legacy::LegacySet;
use crate::{DecodeError, Fault, Headers, Record, TimestampType, varint};

/// Where a walk over the records of a batch stands. For those who keep the batch as well, and hand its records out one at a
/// time: a [`Records`] would have to borrow from its neighbour.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Bytes not yet walked.
    rest: usize,
    left: usize,
    previous: i64,
}

/// The records of a batch, in order. Ends after the first error.
#[derive(Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    left: usize,
    /// Offset of the record before; one less than the base offset at the start.
    previous: i64,
    base_offset: i64,
    last_offset: i64,
    base_timestamp: i64,
    timestamp_type: TimestampType,
    batch: &'a DecodedBatch,
}

impl<'a> Records<'a> {
    pub(crate) fn new(batch: &'a DecodedBatch) -> Self {
        let header = batch.header();
        let timestamp_type = header.timestamp_type();
        Self {
            rest: batch.data(),
            left: batch.record_count(),
            previous: header.base_offset - 1,
            base_offset: header.base_offset,
            last_offset: header.last_offset,
            base_timestamp: match timestamp_type {
                TimestampType::LogAppendTime => header.max_timestamp,
                _ => header.base_timestamp,
            },
            timestamp_type,
            batch,
        }
    }

    /// Goes on where a walk stopped.
    #[inline]
    pub(crate) fn resume(batch: &'a DecodedBatch, walk: Walk) -> Self {
        let data = batch.data();
        // What does not fit into this batch is of another one: it reads some other bytes, or none.
        let rest = data.get(data.len().saturating_sub(walk.rest)..).unwrap_or_default();
        let left = walk.left.min(batch.record_count());
        Self { rest, left, previous: walk.previous, ..Self::new(batch) }
    }

    /// Where the walk stands, apart from the batch: [`DecodedBatch::resume`] goes on from there.
    #[inline]
    pub fn stop(self) -> Walk {
        Walk { rest: self.rest.len(), left: self.left, previous: self.previous }
    }

    // Whatever is called from here without being inlined takes values, never `self`: an iterator whose address is known
    // elsewhere cannot live in registers, and that doubles the price of a record.
    #[inline(always)]
    fn next_v2(&mut self) -> Result<Record<'a>, DecodeError> {
        let at = self.rest;
        let left = std::mem::replace(&mut self.left, 0) - 1;
        let Some((raw, rest)) = RawRecord::read(at) else { return Err(unreadable(self.base_offset, at)) };
        // Cannot overflow for a record that is accepted: its offset lies between two i64.
        let offset = self.base_offset.wrapping_add(i64::from(raw.offset_delta));
        if offset <= self.previous || offset > self.last_offset {
            return Err(misplaced(self.batch.header(), self.previous, raw.offset_delta));
        }
        if left == 0 && !rest.is_empty() {
            // Java throws in place of the last record, too: a count that is too small would skip records in silence.
            return Err(left_over(self.batch.header(), rest));
        }
        self.rest = rest;
        self.left = left;
        self.previous = offset;
        let timestamp = match self.timestamp_type {
            // KIP-32: the type is the batch's, and its time is every record's.
            TimestampType::LogAppendTime => self.base_timestamp,
            // Wraps as it does in Java, which gives deltas of more than 2^63 their time back.
            _ => self.base_timestamp.wrapping_add(raw.timestamp_delta),
        };
        Ok(Record {
            data: self.batch.data(),
            offset,
            timestamp,
            timestamp_type: self.timestamp_type,
            key: raw.key,
            value: raw.value,
            headers: raw.headers,
        })
    }

    #[inline(always)]
    fn next_legacy(&mut self, set: &LegacySet) -> Option<Result<Record<'a>, DecodeError>> {
        let left = std::mem::replace(&mut self.left, 0) - 1;
        match next_message(set, self.batch, self.rest) {
            Ok(Some((record, rest))) => {
                self.rest = rest;
                self.left = left;
                Some(Ok(record))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

#[inline(never)]
fn next_message<'a>(
    set: &LegacySet,
    batch: &'a DecodedBatch,
    rest: &'a [u8],
) -> Result<Option<(Record<'a>, &'a [u8])>, DecodeError> {
    set.record(batch.data(), rest).map_err(|fault| fault.at(batch.header().base_offset))
}

#[cold]
#[inline(never)]
fn unreadable(base_offset: i64, bytes: &[u8]) -> DecodeError {
    diagnose(bytes).at(base_offset)
}

#[cold]
#[inline(never)]
fn left_over(header: &BatchHeader, rest: &[u8]) -> DecodeError {
    Fault::RecordsLeft { count: header.count as usize, bytes: rest.len() }.at(header.base_offset)
}

/// What is wrong with the offset of a record.
#[cold]
#[inline(never)]
fn misplaced(header: &BatchHeader, previous: i64, offset_delta: i32) -> DecodeError {
    let offset = header.base_offset.saturating_add(i64::from(offset_delta));
    let fault = if offset_delta < 0 || offset > header.last_offset {
        Fault::OffsetOutsideBatch { offset, last_offset: header.last_offset }
    } else {
        // Stricter than Java, which believes deltas in any order: brokers refuse to store such a batch, and a position that
        // follows one goes back.
        Fault::OffsetNotRising { offset, previous }
    };
    fault.at(header.base_offset)
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        match self.batch.format() {
            Format::V2 => Some(self.next_v2()),
            Format::Legacy(set) => self.next_legacy(set),
        }
    }

    /// The count was compared with the bytes that are there, so it is safe to reserve by.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.min(1), Some(self.left))
    }
}

impl std::iter::FusedIterator for Records<'_> {}

impl std::fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records")
            .field("left", &self.left)
            .field("previous", &self.previous)
            .finish_non_exhaustive()
    }
}

/// A record as it is written, its deltas not yet added to anything.
struct RawRecord<'a> {
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Headers<'a>,
}

impl<'a> RawRecord<'a> {
    /// The record at the start of `bytes`, and what follows it.
    #[inline(always)]
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (length, rest) = varint::read_i32(bytes)?;
        let (body, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        // Record attributes mean nothing in any version; brokers store whatever they are given.
        let (_attributes, body) = body.split_first()?;
        let (timestamp_delta, body) = varint::read_i64(body)?;
        let (offset_delta, body) = varint::read_i32(body)?;
        let (key, body) = read_nullable(body)?;
        let (value, body) = read_nullable(body)?;
        let headers = if body == [0] { Headers::default() } else { read_headers(body)? };
        Some((Self { timestamp_delta, offset_delta, key, value, headers }, rest))
    }
}

/// Bytes after a length; any negative length is null, as in Java.
#[inline(always)]
fn read_nullable(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = varint::read_i32(bytes)?;
    if length < 0 {
        return Some((None, rest));
    }
    let (field, rest) = rest.split_at_checked(length as usize)?;
    Some((Some(field), rest))
}

/// The headers that fill the rest of a record, measured but not read.
fn read_headers(bytes: &[u8]) -> Option<Headers<'_>> {
    let (count, rest) = varint::read_i32(bytes)?;
    let count = u32::try_from(count).ok().filter(|count| *count as usize <= rest.len() / HEADER_MIN)?;
    headers::skip(rest, count)?.is_empty().then(|| Headers::new(rest, count))
}

/// Why the record at the start of `bytes` cannot be read.
#[cold]
#[inline(never)]
fn diagnose(bytes: &[u8]) -> Fault {
    match (Slow { bytes }).record() {
        Err(fault) => fault,
        // Not seen by any test: what the fast way refuses, the slow way does.
        Ok(()) => Fault::Truncated { what: "record", need: bytes.len() + 1, have: bytes.len() },
    }
}

/// The same walk with a reason for every failure.
struct Slow<'a> {
    bytes: &'a [u8],
}

impl Slow<'_> {
    fn record(&mut self) -> Result<(), Fault> {
        let length = self.length("record length")?;
        let have = self.bytes.len();
        let body = self.bytes.get(..length).ok_or(Fault::Truncated { what: "record", need: length, have })?;
        let mut body = Slow { bytes: body };
        body.skip("record attributes", 1)?;
        body.varlong("record timestamp delta")?;
        body.varint("record offset delta")?;
        body.nullable("record key")?;
        body.nullable("record value")?;
        body.headers()?;
        if body.bytes.is_empty() {
            Ok(())
        } else {
            Err(Fault::RecordNotFilled { length, left: body.bytes.len() })
        }
    }

    fn headers(&mut self) -> Result<(), Fault> {
        let count = self.varint("record header count")?;
        let have = self.bytes.len();
        let fits = u32::try_from(count).ok().filter(|count| *count as usize <= have / HEADER_MIN);
        for _ in 0..fits.ok_or(Fault::HeaderCount { count, have })? {
            let length = self.length("header name length")?;
            self.skip("header name", length)?;
            self.nullable("header value")?;
        }
        Ok(())
    }

    fn nullable(&mut self, what: &'static str) -> Result<(), Fault> {
        let length = self.varint(what)?;
        usize::try_from(length).map_or(Ok(()), |length| self.skip(what, length))
    }

    fn length(&mut self, what: &'static str) -> Result<usize, Fault> {
        let length = self.varint(what)?;
        usize::try_from(length).map_err(|_| Fault::NegativeLength { what, length })
    }

    fn skip(&mut self, what: &'static str, need: usize) -> Result<(), Fault> {
        let have = self.bytes.len();
        self.bytes = self.bytes.get(need..).ok_or(Fault::Truncated { what, need, have })?;
        Ok(())
    }

    fn varint(&mut self, what: &'static str) -> Result<i32, Fault> {
        let (value, rest) =
            varint::read_i32(self.bytes).ok_or(self.no_varint(what, varint::MAX_BYTES_I32))?;
        self.bytes = rest;
        Ok(value)
    }

    fn varlong(&mut self, what: &'static str) -> Result<i64, Fault> {
        let (value, rest) =
            varint::read_i64(self.bytes).ok_or(self.no_varint(what, varint::MAX_BYTES_I64))?;
        self.bytes = rest;
        Ok(value)
    }

    fn no_varint(&self, what: &'static str, most: usize) -> Fault {
        let have = self.bytes.len();
        if have < most {
            Fault::Truncated { what, need: have + 1, have }
        } else {
            Fault::OverlongVarint { what }
        }
    }
}
