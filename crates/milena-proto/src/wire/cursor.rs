//! The bounded cursor that every response is read through.
//!
//! Nothing is believed before the bytes behind it have been seen: a length must fit into what is left, and a count must
//! have room for that many of the smallest possible elements. So no read can go past the end, loop longer than the input
//! is, or reserve more than the input justifies.

use bytes::Bytes;
use thiserror::Error;

use crate::types::TopicId;
use crate::wire::{ErrorCode, Request};

/// Why bytes are not the message they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DecodeError {
    /// The message ends inside a field.
    #[error("{what} needs {need} bytes, {have} are left")]
    Truncated {
        /// The field.
        what: &'static str,
        /// Bytes it takes.
        need: usize,
        /// Bytes that are left.
        have: usize,
    },
    /// A null where the protocol knows none.
    #[error("{what} is null")]
    NullNotAllowed {
        /// The field.
        what: &'static str,
    },
    /// A length or count below -1, which is what null is written as.
    #[error("{what} has the length {len}")]
    NegativeLength {
        /// The field.
        what: &'static str,
        /// What it says.
        len: i32,
    },
    /// A count that the rest of the message has no room for.
    #[error("{what} claims {count} elements of at least {min_size} bytes, {have} bytes are left")]
    CountTooLarge {
        /// The list.
        what: &'static str,
        /// How many elements it claims.
        count: usize,
        /// Bytes that the smallest possible element takes.
        min_size: usize,
        /// Bytes that are left.
        have: usize,
    },
    /// So many tiny elements that decoding them would take many times the memory of the message.
    #[error("{what} has {count} elements, too many for a message of this size")]
    Bloated {
        /// The list.
        what: &'static str,
        /// How many elements it claims.
        count: usize,
    },
    /// The message goes on after its last field.
    #[error("{have} bytes follow the end of {what}")]
    TrailingBytes {
        /// What should have ended.
        what: &'static str,
        /// Bytes too many.
        have: usize,
    },
    /// Text that is not UTF-8.
    #[error("{what} is not UTF-8")]
    NotUtf8 {
        /// The field.
        what: &'static str,
    },
    /// A varint of more than 32 bits.
    #[error("{what} is a varint of more than 32 bits")]
    Varint {
        /// The field.
        what: &'static str,
    },
    /// Something that must be there once is there twice.
    #[error("{what} is there twice")]
    Duplicate {
        /// What is.
        what: &'static str,
    },
    /// Tagged fields that are not in rising order (KIP-482), or one of them twice.
    #[error("the tagged field {tag} is out of order")]
    TagOrder {
        /// The one that is not larger than its predecessor.
        tag: u32,
    },
    /// A number that must not be negative.
    #[error("{what} is {value}")]
    Negative {
        /// The field.
        what: &'static str,
        /// Its value.
        value: i32,
    },
    /// A list that must hold as many elements as were asked for.
    #[error("{what} holds {have} elements, {want} asked for")]
    WrongCount {
        /// The list.
        what: &'static str,
        /// How many were asked for.
        want: usize,
        /// How many there are.
        have: usize,
    },
    /// A version that this decoder does not know.
    #[error("unknown version {version}")]
    Version {
        /// The version.
        version: i16,
    },
}

/// Decoded lists may take this many times the bytes of their message, ...
const BLOAT_FACTOR: usize = 8;
/// ... and this much on top, so that a small but odd answer (a thousand groups with names of two letters) is read.
const BLOAT_SLACK: usize = 1 << 20;

/// Reads Kafka's primitive types, front to back. Byte fields are slices of the input.
///
/// In the flexible form (KIP-482) lengths and counts are compact and structs end in tagged fields; otherwise they are
/// fixed in width and [`tagged_fields`](Self::tagged_fields) reads nothing. So one decoder reads every version.
#[derive(Clone, Debug)]
pub struct Cursor {
    bytes: Bytes,
    position: usize,
    /// Where the message, or the tagged field being read, ends. Never beyond `bytes`.
    end: usize,
    flexible: bool,
    /// Bytes that lists may still take in memory.
    allowance: usize,
}

impl Cursor {
    /// Starts at the front of `bytes`.
    pub fn new(bytes: Bytes, flexible: bool) -> Self {
        let end = bytes.len();
        let allowance = end.saturating_mul(BLOAT_FACTOR).saturating_add(BLOAT_SLACK);
        Self { bytes, position: 0, end, flexible, allowance }
    }

    /// Starts at the front of the answer to an `R`.
    pub(super) fn answer<R: Request>(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        if !R::VERSIONS.contains(&version) {
            return Err(DecodeError::Version { version });
        }
        Ok(Self::new(body, R::API.is_flexible(version)))
    }

    /// Bytes that are left.
    pub fn remaining(&self) -> usize {
        self.end - self.position
    }

    /// All that is left.
    pub fn rest(self) -> Bytes {
        self.bytes.slice(self.position..self.end)
    }

    /// Ends the message.
    ///
    /// # Errors
    /// Bytes are left: somebody counts differently than this decoder does.
    pub fn finish(self, what: &'static str) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            have => Err(DecodeError::TrailingBytes { what, have }),
        }
    }

    /// Reads a byte that is true unless it is 0.
    ///
    /// # Errors
    /// Too few bytes are left.
    pub fn bool(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        Ok(self.i8(what)? != 0)
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// Too few bytes are left.
    pub fn i8(&mut self, what: &'static str) -> Result<i8, DecodeError> {
        self.take(what).map(i8::from_be_bytes)
    }

    /// Reads two bytes.
    ///
    /// # Errors
    /// Too few bytes are left.
    pub fn i16(&mut self, what: &'static str) -> Result<i16, DecodeError> {
        self.take(what).map(i16::from_be_bytes)
    }

    /// Reads four bytes.
    ///
    /// # Errors
    /// Too few bytes are left.
    pub fn i32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        self.take(what).map(i32::from_be_bytes)
    }

    /// Reads eight bytes.
    ///
    /// # Errors
    /// Too few bytes are left.
    pub fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        self.take(what).map(i64::from_be_bytes)
    }

    /// Reads an error code.
    ///
    /// # Errors
    /// Too few bytes are left.
    pub fn error_code(&mut self) -> Result<ErrorCode, DecodeError> {
        self.i16("error_code").map(ErrorCode)
    }

    /// Reads a topic id.
    ///
    /// # Errors
    /// Too few bytes are left.
    pub fn topic_id(&mut self) -> Result<TopicId, DecodeError> {
        self.take("topic_id").map(TopicId)
    }

    /// Reads an unsigned varint of up to 32 bits. Overlong forms are taken, as Java takes them.
    ///
    /// # Errors
    /// Too few bytes are left, or it has more than five bytes or 32 bits.
    pub fn unsigned_varint(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take(what)?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                return Err(DecodeError::Varint { what });
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Varint { what })
    }

    /// Reads text.
    ///
    /// # Errors
    /// It is truncated, null or not UTF-8.
    pub fn string(&mut self, what: &'static str) -> Result<String, DecodeError> {
        self.nullable_string(what)?.ok_or(DecodeError::NullNotAllowed { what })
    }

    /// Reads text that may be null.
    ///
    /// # Errors
    /// It is truncated or not UTF-8.
    pub fn nullable_string(&mut self, what: &'static str) -> Result<Option<String>, DecodeError> {
        let len = if self.flexible {
            self.compact_len(what)?
        } else {
            let len = self.i16(what)?;
            fixed_len(what, i32::from(len))?
        };
        let Some(len) = len else { return Ok(None) };
        let bytes = self.take_slice(what, len)?;
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8 { what })?;
        Ok(Some(text.to_owned()))
    }

    /// Reads bytes: a slice of the input.
    ///
    /// # Errors
    /// They are truncated or null.
    pub fn bytes(&mut self, what: &'static str) -> Result<Bytes, DecodeError> {
        self.nullable_bytes(what)?.ok_or(DecodeError::NullNotAllowed { what })
    }

    /// Reads bytes that may be null: a slice of the input.
    ///
    /// # Errors
    /// They are truncated.
    pub fn nullable_bytes(&mut self, what: &'static str) -> Result<Option<Bytes>, DecodeError> {
        let Some(len) = self.len(what)? else { return Ok(None) };
        let start = self.position;
        self.take_slice(what, len)?;
        Ok(Some(self.bytes.slice(start..self.position)))
    }

    /// Reads a list. `min_size` is what the smallest element takes in the smallest version.
    ///
    /// # Errors
    /// It is null, its count has no room in what is left, or an element is malformed.
    pub fn array<T>(
        &mut self,
        what: &'static str,
        min_size: usize,
        read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        self.nullable_array(what, min_size, read)?.ok_or(DecodeError::NullNotAllowed { what })
    }

    /// Reads a list that may be null. `min_size` is what the smallest element takes in the smallest version.
    ///
    /// # Errors
    /// Its count has no room in what is left, or an element is malformed.
    pub fn nullable_array<T>(
        &mut self,
        what: &'static str,
        min_size: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.len(what)? else { return Ok(None) };
        self.check_count(what, count, min_size)?;
        let bloat = count.saturating_mul(size_of::<T>());
        self.allowance = self.allowance.checked_sub(bloat).ok_or(DecodeError::Bloated { what, count })?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(read(self)?);
        }
        Ok(Some(elements))
    }

    /// Reads the tagged fields that end a struct in the flexible form. `read` says whether it knows (and has read) a tag;
    /// others are skipped by their size.
    ///
    /// # Errors
    /// They are truncated or not in rising order, or a known one does not end where it says.
    pub fn tagged_fields(
        &mut self,
        mut read: impl FnMut(u32, &mut Self) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        const WHAT: &str = "tagged fields";
        if !self.flexible {
            return Ok(());
        }
        let count = to_usize(self.unsigned_varint(WHAT)?);
        self.check_count(WHAT, count, 2)?;
        let mut previous = None;
        for _ in 0..count {
            let tag = self.unsigned_varint(WHAT)?;
            if previous.is_some_and(|previous| tag <= previous) {
                return Err(DecodeError::TagOrder { tag });
            }
            previous = Some(tag);
            let size = to_usize(self.unsigned_varint(WHAT)?);
            self.check_room("tagged field", size)?;
            let field_end = self.position + size;
            let end = std::mem::replace(&mut self.end, field_end);
            if read(tag, self)? && self.position != field_end {
                return Err(DecodeError::TrailingBytes { what: "tagged field", have: self.remaining() });
            }
            self.position = field_end;
            self.end = end;
        }
        Ok(())
    }

    /// Reads over the tagged fields of a struct of which no tag is known.
    ///
    /// # Errors
    /// They are truncated or not in rising order.
    pub fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        self.tagged_fields(|_, _| Ok(false))
    }

    /// Reads a topic's name, or its id in versions that go by it.
    pub(super) fn topic_key(&mut self, by_id: bool) -> Result<(Option<String>, TopicId), DecodeError> {
        if by_id { Ok((None, self.topic_id()?)) } else { Ok((Some(self.string("topic")?), TopicId::ZERO)) }
    }

    /// Reads the length of bytes or the count of a list; `None` is null.
    fn len(&mut self, what: &'static str) -> Result<Option<usize>, DecodeError> {
        if self.flexible {
            self.compact_len(what)
        } else {
            self.i32(what).and_then(|len| fixed_len(what, len))
        }
    }

    fn compact_len(&mut self, what: &'static str) -> Result<Option<usize>, DecodeError> {
        Ok(self.unsigned_varint(what)?.checked_sub(1).map(to_usize))
    }

    fn check_count(&self, what: &'static str, count: usize, min_size: usize) -> Result<(), DecodeError> {
        let have = self.remaining();
        if count.checked_mul(min_size).is_none_or(|need| need > have) {
            return Err(DecodeError::CountTooLarge { what, count, min_size, have });
        }
        Ok(())
    }

    fn check_room(&self, what: &'static str, need: usize) -> Result<(), DecodeError> {
        let have = self.remaining();
        if need > have { Err(DecodeError::Truncated { what, need, have }) } else { Ok(()) }
    }

    fn take_slice(&mut self, what: &'static str, len: usize) -> Result<&[u8], DecodeError> {
        self.check_room(what, len)?;
        let start = self.position;
        self.position += len;
        Ok(&self.bytes[start..self.position])
    }

    fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let left = &self.bytes[self.position..self.end];
        let Some(taken) = left.first_chunk() else {
            return Err(DecodeError::Truncated { what, need: N, have: left.len() });
        };
        self.position += N;
        Ok(*taken)
    }
}

/// Refuses an answer that holds the same key twice: there is no telling which of the two is meant.
pub(super) fn refuse_duplicates<K: Ord>(
    what: &'static str,
    keys: impl Iterator<Item = K>,
) -> Result<(), DecodeError> {
    let mut keys: Vec<K> = keys.collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) { Err(DecodeError::Duplicate { what }) } else { Ok(()) }
}

fn fixed_len(what: &'static str, len: i32) -> Result<Option<usize>, DecodeError> {
    match usize::try_from(len) {
        Ok(len) => Ok(Some(len)),
        Err(_) if len == -1 => Ok(None),
        Err(_) => Err(DecodeError::NegativeLength { what, len }),
    }
}

/// Never truncates: a target with pointers of 16 bits has no room for a frame.
fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
