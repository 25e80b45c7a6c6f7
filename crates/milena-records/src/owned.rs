//! A record that outlives its batch.

use bytes::Bytes;

use crate::{Headers, Record, TimestampType};

/// A record with a share in the buffer it lies in: one reference count, no copy.
///
/// It pins the whole buffer, which may be a fetch answer of megabytes. [`detach`](Self::detach) copies the record out of it.
#[derive(Clone)]
pub struct OwnedRecord {
    data: Bytes,
    offset: i64,
    timestamp: i64,
    timestamp_type: TimestampType,
    key: Span,
    value: Span,
    headers: Span,
    header_count: u32,
}

/// A part of the record's bytes. A record is never larger than 2 GiB, so 32 bits do.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    /// -1 for null.
    length: i32,
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
        Self::new(record, record.data.slice(from..to), key, value, headers)
    }

    pub(crate) fn copy(record: &Record<'_>) -> Self {
        let parts = [record.key, record.value, Some(record.headers.bytes())];
        let mut data = Vec::with_capacity(parts.iter().flatten().map(|part| part.len()).sum());
        let [key, value, headers] = parts.map(|part| {
            let start = data.len() as u32;
            data.extend_from_slice(part.unwrap_or_default());
            Span { start, length: part.map_or(-1, |part| part.len() as i32) }
        });
        Self::new(record, data.into(), key, value, headers)
    }

    fn new(record: &Record<'_>, data: Bytes, key: Span, value: Span, headers: Span) -> Self {
        Self {
            data,
            offset: record.offset,
            timestamp: record.timestamp,
            timestamp_type: record.timestamp_type,
            key,
            value,
            headers,
            header_count: record.headers.len() as u32,
        }
    }

    /// Its place in the partition.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Milliseconds since 1970, any `i64`; -1 in magic 0, which has no timestamps.
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// Whose clock the timestamp comes from.
    pub fn timestamp_type(&self) -> TimestampType {
        self.timestamp_type
    }

    /// The key; null and empty are two different things.
    pub fn key(&self) -> Option<&[u8]> {
        self.slice(self.key)
    }

    /// The value; null is a tombstone, empty is a value.
    pub fn value(&self) -> Option<&[u8]> {
        self.slice(self.value)
    }

    /// The key, sharing the buffer.
    pub fn key_bytes(&self) -> Option<Bytes> {
        self.share_of(self.key)
    }

    /// The value, sharing the buffer.
    pub fn value_bytes(&self) -> Option<Bytes> {
        self.share_of(self.value)
    }

    /// The headers; none before magic 2.
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(self.slice(self.headers).unwrap_or_default(), self.header_count)
    }

    /// The same record in a small buffer of its own, so that it no longer pins the one it came in.
    pub fn detach(&self) -> Self {
        Self::copy(&self.as_record())
    }

    /// The same record, borrowed.
    pub fn as_record(&self) -> Record<'_> {
        Record {
            data: &self.data,
            offset: self.offset,
            timestamp: self.timestamp,
            timestamp_type: self.timestamp_type,
            key: self.key(),
            value: self.value(),
            headers: self.headers(),
        }
    }

    fn slice(&self, span: Span) -> Option<&[u8]> {
        let length = usize::try_from(span.length).ok()?;
        self.data.get(span.start as usize..span.start as usize + length)
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
