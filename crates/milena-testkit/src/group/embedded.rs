//! The bytes that consumers exchange through the classic protocol (Java: `ConsumerProtocol`), as far as a coordinator reads
//! and writes them: subscriptions in, assignments in and out.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;

/// Partitions by topic name.
pub(crate) type NamedPartitions = Vec<(StrBytes, Vec<i32>)>;

/// What a member wants and has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Subscription {
    pub(crate) version: i16,
    pub(crate) topics: Vec<StrBytes>,
    pub(crate) owned: NamedPartitions,
    pub(crate) rack: Option<StrBytes>,
}

/// What a leader gave a member.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) partitions: NamedPartitions,
    pub(crate) user_data: bool,
}

/// The newest version that Kafka writes.
const NEWEST: i16 = 3;

/// Reads a subscription. `None`: it is none. Newer versions are read as the newest one known, as Java does.
pub(crate) fn subscription(bytes: &Bytes) -> Option<Subscription> {
    let mut cursor = Cursor { rest: bytes };
    let version = cursor.i16()?;
    if version < 0 {
        return None;
    }
    let topics = cursor.strings()?;
    let _user_data = cursor.nullable_bytes()?;
    let owned = if version >= 1 { cursor.partitions()? } else { Vec::new() };
    let _generation = if version >= 2 { cursor.i32()? } else { -1 };
    let rack = if version >= 3 { cursor.nullable_string()? } else { None };
    Some(Subscription { version: version.min(NEWEST), topics, owned, rack })
}

/// Reads an assignment. No bytes at all are an empty one.
pub(crate) fn assignment(bytes: &Bytes) -> Option<Assignment> {
    if bytes.is_empty() {
        return Some(Assignment::default());
    }
    let mut cursor = Cursor { rest: bytes };
    if cursor.i16()? < 0 {
        return None;
    }
    let partitions = cursor.partitions()?;
    let user_data = cursor.nullable_bytes()?.is_some_and(|bytes| !bytes.is_empty());
    Some(Assignment { partitions, user_data })
}

/// Writes an assignment.
pub(crate) fn write_assignment(version: i16, partitions: &NamedPartitions) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(version.clamp(0, NEWEST));
    out.put_i32(count(partitions.len()));
    for (topic, indexes) in partitions {
        out.put_i16(i16::try_from(topic.len()).unwrap_or(i16::MAX));
        out.put_slice(topic.as_bytes());
        out.put_i32(count(indexes.len()));
        for index in indexes {
            out.put_i32(*index);
        }
    }
    out.put_i32(-1);
    out.freeze()
}

fn count(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

/// Reads within the bytes that are there; a count is believed only as far as they reach.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn string(&mut self) -> Option<StrBytes> {
        let len = usize::try_from(self.i16()?).ok()?;
        let text = std::str::from_utf8(self.take(len)?).ok()?;
        Some(StrBytes::from_string(text.to_owned()))
    }

    fn nullable_string(&mut self) -> Option<Option<StrBytes>> {
        let len = self.i16()?;
        if len < 0 {
            return Some(None);
        }
        let text = std::str::from_utf8(self.take(usize::try_from(len).ok()?)?).ok()?;
        Some(Some(StrBytes::from_string(text.to_owned())))
    }

    fn nullable_bytes(&mut self) -> Option<Option<&'a [u8]>> {
        let len = self.i32()?;
        if len < 0 { Some(None) } else { self.take(usize::try_from(len).ok()?).map(Some) }
    }

    fn strings(&mut self) -> Option<Vec<StrBytes>> {
        let count = self.i32()?;
        let mut strings = Vec::new();
        for _ in 0..count.max(0) {
            strings.push(self.string()?);
        }
        Some(strings)
    }

    fn partitions(&mut self) -> Option<NamedPartitions> {
        let count = self.i32()?;
        let mut topics = Vec::new();
        for _ in 0..count.max(0) {
            let topic = self.string()?;
            let indexes = self.i32()?;
            let mut partitions = Vec::new();
            for _ in 0..indexes.max(0) {
                partitions.push(self.i32()?);
            }
            topics.push((topic, partitions));
        }
        Some(topics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named() -> NamedPartitions {
        vec![(StrBytes::from_static_str("t"), vec![0, 2]), (StrBytes::from_static_str("u"), Vec::new())]
    }

    #[test]
    fn an_assignment_is_read_as_it_was_written() {
        let bytes = write_assignment(3, &named());
        assert_eq!(assignment(&bytes), Some(Assignment { partitions: named(), user_data: false }));
        assert_eq!(assignment(&Bytes::new()), Some(Assignment::default()));
    }

    #[test]
    fn a_newer_subscription_is_read_as_far_as_it_is_known() {
        // Version 9: topics [t], no user data, owned t-[0], generation 5, rack r, and something new.
        let bytes: &[u8] =
            b"\0\x09\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\0\0\0\x05\0\x01rNEW";
        let read = subscription(&Bytes::from_static(bytes)).expect("readable");
        assert_eq!((read.version, read.topics.len(), read.owned.len()), (3, 1, 1));
        assert_eq!(read.rack, Some(StrBytes::from_static_str("r")));
    }

    #[test]
    fn a_count_beyond_the_bytes_is_no_subscription() {
        assert_eq!(subscription(&Bytes::from_static(b"\0\0\x7f\xff\xff\xff\0\x01t")), None);
        assert_eq!(assignment(&Bytes::from_static(b"\0\0\x7f\xff\xff\xff")), None);
        assert_eq!(subscription(&Bytes::from_static(b"\xff\xff")), None);
    }
}
