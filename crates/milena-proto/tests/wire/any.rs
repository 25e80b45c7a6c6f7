//! Messages out of a string of random bytes. A shorter string means a smaller message, so proptest's shrinking works.

use std::cmp::Ordering;

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;
use milena_proto::types::{LeaderEpoch, TopicId, TopicName};
use proptest::prelude::*;

/// Hands out values. Once the bytes are used up all numbers are 0 and all lists empty.
#[derive(Clone)]
pub(crate) struct Any {
    bytes: std::vec::IntoIter<u8>,
    unique: u32,
    /// Instead of chance: everything as small as it can be, with long lists at this depth only.
    smallest: Option<usize>,
    depth: usize,
}

/// The source of a message.
pub(crate) fn any() -> impl Strategy<Value = Any> {
    proptest::collection::vec(proptest::num::u8::ANY, 0..400).prop_map(Any::new)
}

impl std::fmt::Debug for Any {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Any::new(vec!{:?})", self.bytes.as_slice())
    }
}

impl Any {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into_iter(), unique: 0, smallest: None, depth: 0 }
    }

    /// Numbers that no tagged field is written for, empty texts, lists of 100 at `depth`, of 1 above and of 0 below.
    pub(crate) fn smallest(depth: usize) -> Self {
        Self { smallest: Some(depth), ..Self::new(vec![]) }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.bytes.next().unwrap_or(0)
    }

    pub(crate) fn bool(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// The ends of the range more often than chance would have it.
    pub(crate) fn i64(&mut self) -> i64 {
        if self.smallest.is_some() {
            return -1;
        }
        match self.byte() % 8 {
            0 => 0,
            1 => -1,
            2 => i64::MAX,
            3 => i64::MIN,
            4 => i64::from(self.byte()),
            _ => i64::from_be_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    pub(crate) fn i32(&mut self) -> i32 {
        if self.smallest.is_some() {
            return -1;
        }
        match self.byte() % 8 {
            0 => 0,
            1 => -1,
            2 => i32::MAX,
            3 => i32::MIN,
            4 => i32::from(self.byte()),
            _ => i32::from_be_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    pub(crate) fn i16(&mut self) -> i16 {
        match self.byte() % 4 {
            0 => 0,
            1 => i16::from(self.byte()),
            _ => i16::from_be_bytes([self.byte(), self.byte()]),
        }
    }

    pub(crate) fn epoch(&mut self) -> Option<LeaderEpoch> {
        LeaderEpoch::from_wire(self.i32())
    }

    /// A number that this message has not had yet: small, and never negative.
    pub(crate) fn unique(&mut self) -> i32 {
        if self.smallest.is_some() {
            return 0;
        }
        self.unique += 1 + u32::from(self.byte() % 16);
        i32::try_from(self.unique).unwrap()
    }

    pub(crate) fn string(&mut self) -> String {
        match self.byte() {
            // Long enough for a compact length of two bytes.
            255 => "long ".repeat(50),
            len => (0..len % 10)
                .map(|_| ['a', '-', '0', 'ü', '蟲', '\0'][usize::from(self.byte() % 6)])
                .collect(),
        }
    }

    pub(crate) fn unique_string(&mut self) -> String {
        if self.smallest.is_some() { String::new() } else { format!("{}{}", self.string(), self.unique()) }
    }

    pub(crate) fn text(&mut self) -> StrBytes {
        self.string().into()
    }

    pub(crate) fn unique_text(&mut self) -> StrBytes {
        self.unique_string().into()
    }

    pub(crate) fn blob(&mut self) -> Bytes {
        match self.byte() {
            255 => vec![0xa5; 70_000].into(),
            len => (0..len % 40).map(|_| self.byte()).collect::<Vec<u8>>().into(),
        }
    }

    pub(crate) fn topic_name(&mut self) -> TopicName {
        self.unique_string().into()
    }

    /// Never zero, never the same.
    pub(crate) fn topic_id(&mut self) -> TopicId {
        let mut id: [u8; 16] = std::array::from_fn(|_| self.byte());
        id[4..8].copy_from_slice(&self.unique().to_be_bytes());
        TopicId(id)
    }

    pub(crate) fn option<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.smallest.is_some() || self.bool()).then(|| value(self))
    }

    pub(crate) fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = match self.smallest.map(|depth| self.depth.cmp(&depth)) {
            None => self.byte() % 4,
            Some(Ordering::Less) => 1,
            Some(Ordering::Equal) => 100,
            Some(Ordering::Greater) => 0,
        };
        self.depth += 1;
        let list = (0..count).map(|_| element(self)).collect();
        self.depth -= 1;
        list
    }

    /// A tagged field that nobody knows, for the end of a flexible struct.
    pub(crate) fn unknown_tags(&mut self) -> Vec<(i32, Bytes)> {
        if self.smallest.is_some() { vec![] } else { self.list(|any| (any.unique() + 100, any.blob())) }
    }
}
