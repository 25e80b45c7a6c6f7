//! One record, borrowed from its batch.

use bytes::Bytes;

use crate::owned::OwnedRecord;
use crate::{Headers, TimestampType};

/// A record, borrowed from its batch. Copying it copies a few pointers.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub(crate) data: &'a Bytes,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Headers<'a>,
}

impl<'a> Record<'a> {
    /// Its place in the partition.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Milliseconds since 1970, any `i64`; -1 in magic 0, which has no timestamps.
    ///
    /// Times beyond the year 2262 exist in real logs and overflow 64 bits of nanoseconds.
    #[inline]
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// Whose clock the timestamp comes from.
    #[inline]
    pub fn timestamp_type(&self) -> TimestampType {
        self.timestamp_type
    }

    /// The key; null and empty are two different things.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The value; null is a tombstone, empty is a value.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// The headers; none before magic 2.
    #[inline]
    pub fn headers(&self) -> Headers<'a> {
        self.headers
    }

    /// A record that outlives the batch: a reference-counted slice of the same buffer, which it pins.
    pub fn into_owned(self) -> OwnedRecord {
        OwnedRecord::share(&self)
    }

    /// A record that outlives the batch with a copy of its own bytes: for a small record that is kept for long.
    pub fn detach(&self) -> OwnedRecord {
        OwnedRecord::copy(self)
    }
}

/// By what the record says, not by where its bytes are.
impl PartialEq for Record<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.offset, self.timestamp, self.timestamp_type)
            == (other.offset, other.timestamp, other.timestamp_type)
            && (self.key, self.value) == (other.key, other.value)
            && self.headers.eq(other.headers)
    }
}

impl Eq for Record<'_> {}

impl std::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("offset", &self.offset)
            .field("timestamp", &self.timestamp)
            .field("key", &self.key)
            .field("value", &self.value)
            .field("headers", &self.headers)
            .finish()
    }
}
