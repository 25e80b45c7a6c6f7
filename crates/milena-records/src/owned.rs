//! A record that outlives its batch.

use bytes::Bytes;

use crate::{DecodedBatch, Headers, Record, TimestampType};

/// A record with a share in the buffer it lies in: one reference count, no copy.
///
/// It pins the whole buffer, which may be a fetch answer of megabytes. [`detach`](Self::detach) copies the record out of it.
#[derive(Clone)]
pub struct OwnedRecord {
    data: Bytes,
    place: RecordPlace,
}

/// What a record says, and where its parts lie in a buffer: a record without a share in anything, for those who keep the
/// [batch](DecodedBatch) it is of.
#[derive(Clone, Copy)]
pub struct RecordPlace {
    offset: i64,
    timestamp: i64,
    timestamp_type: TimestampType,
    key: Span,
    value: Span,
    headers: Span,
    header_count: u32,
}

/// A part of a buffer.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    /// -1 for null. No part of a record is larger than 2 GiB.
    length: i32,
}

impl Span {
    #[inline]
    fn of(self, data: &[u8]) -> Option<&[u8]> {
        let length = usize::try_from(self.length).ok()?;
        let start = self.start as usize;
        data.get(start..start.checked_add(length)?)
    }
}

impl RecordPlace {
    /// Where a record lies in the data of its batch. `None` in a batch of more than 4 GiB.
    #[inline]
    pub fn of(record: &Record<'_>) -> Option<Self> {
        u32::try_from(record.data.len()).ok()?;
        let buffer = record.data.as_ptr() as usize;
        let span = |part: Option<&[u8]>| match part {
            None => Span { start: 0, length: -1 },
            // May be a constant, outside of the buffer.
            Some([]) => Span { start: 0, length: 0 },
            Some(part) => Span {
                start: (part.as_ptr() as usize).wrapping_sub(buffer) as u32,
                length: part.len() as i32,
            },
        };
        Some(Self::new(record, span(record.key), span(record.value), span(Some(record.headers.bytes()))))
    }

    fn new(record: &Record<'_>, key: Span, value: Span, headers: Span) -> Self {
        Self {
            offset: record.offset,
            timestamp: record.timestamp,
            timestamp_type: record.timestamp_type,
            key,
            value,
            headers,
            header_count: record.headers.len() as u32,
        }
    }

    /// The record. It is to be looked for in the batch that it was found in: in another one it says something else.
    #[inline]
    pub fn record<'a>(&self, batch: &'a DecodedBatch) -> Record<'a> {
        self.record_in(batch.data())
    }

    /// Its place in the partition.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.offset
    }

    #[inline]
    fn record_in<'a>(&self, data: &'a Bytes) -> Record<'a> {
        Record {
            data,
            offset: self.offset,
            timestamp: self.timestamp,
            timestamp_type: self.timestamp_type,
            key: self.key.of(data),
            value: self.value.of(data),
            headers: Headers::new(self.headers.of(data).unwrap_or_default(), self.header_count),
        }
    }
}

impl OwnedRecord {
    pub(crate) fn share(record: &Record<'_>) -> Self {
        let parts = [record.key, record.value, Some(record.headers.bytes())];
        // Where the parts lie in the buffer; all of them are slices of it.
        let buffer = record.data.as_ptr() as usize;
        let start_of = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(buffer);
        // An empty part may lie at the very end of the buffer or, as a constant, outside of it; it needs no bytes.
        let filled = || parts.iter().flatten().filter(|part| !part.is_empty());
        let from = filled().map(|part| start_of(part)).min().unwrap_or(0);
        let to = filled().map(|part| start_of(part) + part.len()).max().unwrap_or(from);
        let [key, value, headers] = parts.map(|part| match part {
            None => Span { start: 0, length: -1 },
            Some([]) => Span { start: 0, length: 0 },
            Some(part) => Span { start: (start_of(part) - from) as u32, length: part.len() as i32 },
        });
        let place = RecordPlace::new(record, key, value, headers);
        Self { data: record.data.slice(from..to), place }
    }

    pub(crate) fn copy(record: &Record<'_>) -> Self {
        let parts = [record.key, record.value, Some(record.headers.bytes())];
        let mut data = Vec::with_capacity(parts.iter().flatten().map(|part| part.len()).sum());
        let [key, value, headers] = parts.map(|part| {
            let start = data.len() as u32;
            data.extend_from_slice(part.unwrap_or_default());
            Span { start, length: part.map_or(-1, |part| part.len() as i32) }
        });
        Self { data: data.into(), place: RecordPlace::new(record, key, value, headers) }
    }

    /// Its place in the partition.
    pub fn offset(&self) -> i64 {
        self.place.offset
    }

    /// Milliseconds since 1970, any `i64`; -1 in magic 0, which has no timestamps.
    pub fn timestamp(&self) -> i64 {
        self.place.timestamp
    }

    /// Whose clock the timestamp comes from.
    pub fn timestamp_type(&self) -> TimestampType {
        self.place.timestamp_type
    }

    /// The key; null and empty are two different things.
    pub fn key(&self) -> Option<&[u8]> {
        self.place.key.of(&self.data)
    }

    /// The value; null is a tombstone, empty is a value.
    pub fn value(&self) -> Option<&[u8]> {
        self.place.value.of(&self.data)
    }

    /// The key, sharing the buffer.
    pub fn key_bytes(&self) -> Option<Bytes> {
        self.share_of(self.place.key)
    }

    /// The value, sharing the buffer.
    pub fn value_bytes(&self) -> Option<Bytes> {
        self.share_of(self.place.value)
    }

    /// The headers; none before magic 2.
    pub fn headers(&self) -> Headers<'_> {
        self.as_record().headers()
    }

    /// The same record in a small buffer of its own, so that it no longer pins the one it came in.
    pub fn detach(&self) -> Self {
        Self::copy(&self.as_record())
    }

    /// The same record, borrowed.
    pub fn as_record(&self) -> Record<'_> {
        self.place.record_in(&self.data)
    }

    fn share_of(&self, span: Span) -> Option<Bytes> {
        let length = usize::try_from(span.length).ok()?;
        Some(self.data.slice(span.start as usize..span.start as usize + length))
    }
}

/// By what the record says, not by where its bytes are.
impl PartialEq for OwnedRecord {
    fn eq(&self, other: &Self) -> bool {
        self.as_record() == other.as_record()
    }
}

impl Eq for OwnedRecord {}

impl std::fmt::Debug for OwnedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_record().fmt(f)
    }
}
