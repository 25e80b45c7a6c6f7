//! Record headers: any number, names repeat, order matters, and neither names nor values need to be text.

use std::fmt;
use std::str::Utf8Error;

use crate::varint;

/// The headers of a record, in the order they were written.
///
/// Iterating reads them from the record's bytes. The record has been checked to hold exactly this many.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    rest: &'a [u8],
    count: u32,
}

/// One header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    key: &'a [u8],
    value: Option<&'a [u8]>,
}

impl<'a> Headers<'a> {
    /// `bytes` has been measured with [`skip`] to hold `count` headers and nothing else.
    pub(crate) fn new(bytes: &'a [u8], count: u32) -> Self {
        Self { rest: bytes, count }
    }

    /// How many are left.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The last header of that name, which is the one Java's `lastHeader` gives: where a name repeats, the last one counts.
    pub fn find_last(&self, key: impl AsRef<[u8]>) -> Option<Header<'a>> {
        self.filter(|header| header.key == key.as_ref()).last()
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        if self.count == 0 {
            return None;
        }
        let (header, rest) = read(self.rest)?;
        self.rest = rest;
        self.count -= 1;
        Some(header)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl ExactSizeIterator for Headers<'_> {}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

impl<'a> Header<'a> {
    /// A header to be written.
    pub fn new(key: &'a (impl AsRef<[u8]> + ?Sized), value: Option<&'a [u8]>) -> Self {
        Self { key: key.as_ref(), value }
    }

    /// The name, as text.
    ///
    /// # Errors
    /// If it is not UTF-8. Brokers accept any bytes; [`key_bytes`](Self::key_bytes) has them.
    pub fn key(&self) -> Result<&'a str, Utf8Error> {
        std::str::from_utf8(self.key)
    }

    /// The name, as it was written.
    pub fn key_bytes(&self) -> &'a [u8] {
        self.key
    }

    /// The value; null and empty are two different things.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}", self.key.escape_ascii(), self.value)
    }
}

/// One header and what follows it; `None` if it is malformed. A negative value length is null, as in Java.
fn read(bytes: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let (key_length, rest) = varint::read_i32(bytes)?;
    let (key, rest) = rest.split_at_checked(usize::try_from(key_length).ok()?)?;
    let (value_length, rest) = varint::read_i32(rest)?;
    match usize::try_from(value_length) {
        Ok(length) => {
            let (value, rest) = rest.split_at_checked(length)?;
            Some((Header { key, value: Some(value) }, rest))
        }
        Err(_) => Some((Header { key, value: None }, rest)),
    }
}

/// What follows `count` headers; `None` if one of them is malformed.
pub(crate) fn skip(mut bytes: &[u8], count: u32) -> Option<&[u8]> {
    for _ in 0..count {
        bytes = read(bytes)?.1;
    }
    Some(bytes)
}

/// The least bytes of a header: two lengths.
pub(crate) const HEADER_MIN: usize = 2;
