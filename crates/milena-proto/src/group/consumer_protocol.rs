//! What consumers tell their group's leader, and what it tells them: the embedded "consumer" protocol.
//!
//! The coordinator passes these bytes on unread. Newer versions only ever add fields at the end, so a newer version is
//! read as the newest one known here and the rest is ignored (`ConsumerProtocol.java`).

#[cfg(test)]
mod tests;

use bytes::{BufMut, Bytes, BytesMut};

use crate::types::{Generation, TopicName, TopicPartition};
use crate::wire::{Cursor, DecodeError};

/// The protocol type in JoinGroup and SyncGroup.
pub const PROTOCOL_TYPE: &str = "consumer";

/// The newest version, and the one that is written: 1 added the owned partitions (KIP-429), 2 the generation (KIP-792),
/// 3 the rack (KIP-881).
pub const VERSION: i16 = 3;

/// What one member wants and has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Subscription {
    /// The topics it subscribes to.
    pub topics: Vec<TopicName>,
    /// The assignor's own data.
    pub user_data: Option<Bytes>,
    /// The partitions it has and has not given up (version 1 on).
    pub owned_partitions: Vec<TopicPartition>,
    /// The generation that it last joined (version 2 on); `None` is -1 on the wire.
    pub generation: Option<Generation>,
    /// Its rack (version 3 on).
    pub rack: Option<String>,
}

/// What one member gets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Assignment {
    /// Its partitions.
    pub partitions: Vec<TopicPartition>,
    /// The assignor's own data.
    pub user_data: Option<Bytes>,
}

impl Subscription {
    /// Writes the given version, byte for byte as Java does: topics and owned partitions sorted. Fields that the version
    /// lacks are left out; a version above [`VERSION`] is written as that one.
    pub fn encode(&self, version: i16) -> Bytes {
        let version = version.clamp(0, VERSION);
        let mut out = BytesMut::new();
        out.put_i16(version);
        let mut topics = self.topics.clone();
        topics.sort_unstable();
        put_count(&mut out, topics.len());
        for topic in &topics {
            put_text(&mut out, topic);
        }
        put_nullable_bytes(&mut out, self.user_data.as_ref());
        if version >= 1 {
            let mut owned = self.owned_partitions.clone();
            owned.sort_unstable();
            put_partitions(&mut out, &owned);
        }
        if version >= 2 {
            out.put_i32(self.generation.map_or(-1, |generation| generation.0));
        }
        if version >= 3 {
            match &self.rack {
                Some(rack) => put_text(&mut out, rack),
                None => out.put_i16(-1),
            }
        }
        out.freeze()
    }

    /// Reads any version.
    ///
    /// # Errors
    /// The bytes are not what their version says, or the version is negative.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(bytes, false);
        let version = read_version(&mut cursor)?;
        let topics = cursor.array("topics", 2, |cursor| cursor.string("topic").map(TopicName::from))?;
        let user_data = cursor.nullable_bytes("user_data")?;
        let mut subscription = Self { topics, user_data, ..Self::default() };
        if version >= 1 {
            subscription.owned_partitions = read_partitions(&mut cursor)?;
        }
        if version >= 2 {
            let generation = cursor.i32("generation_id")?;
            subscription.generation = (generation >= 0).then_some(Generation(generation));
        }
        if version >= 3 {
            subscription.rack = cursor.nullable_string("rack_id")?.filter(|rack| !rack.is_empty());
        }
        Ok(subscription)
    }
}

impl Assignment {
    /// Writes the given version (they do not differ but in their number): partitions grouped by topic, in the order in
    /// which they are listed. A version above [`VERSION`] is written as that one.
    pub fn encode(&self, version: i16) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(version.clamp(0, VERSION));
        put_partitions(&mut out, &self.partitions);
        put_nullable_bytes(&mut out, self.user_data.as_ref());
        out.freeze()
    }

    /// Reads any version.
    ///
    /// # Errors
    /// The bytes are not what their version says, or the version is negative.
    pub fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(bytes, false);
        read_version(&mut cursor)?;
        let partitions = read_partitions(&mut cursor)?;
        let user_data = cursor.nullable_bytes("user_data")?;
        Ok(Self { partitions, user_data })
    }
}

fn read_version(cursor: &mut Cursor) -> Result<i16, DecodeError> {
    let version = cursor.i16("version")?;
    if version < 0 { Err(DecodeError::Version { version }) } else { Ok(version) }
}

/// Reads partitions listed by topic, in their order.
pub(super) fn read_partitions(cursor: &mut Cursor) -> Result<Vec<TopicPartition>, DecodeError> {
    let topics = cursor.array("partitions", 6, |cursor| {
        let topic: TopicName = cursor.string("topic")?.into();
        let numbers = cursor.array("partition numbers", 4, |cursor| cursor.i32("partition"))?;
        Ok((topic, numbers))
    })?;
    let mut partitions = Vec::with_capacity(topics.iter().map(|(_, numbers)| numbers.len()).sum());
    for (topic, numbers) in topics {
        partitions.extend(numbers.into_iter().map(|number| TopicPartition::new(topic.clone(), number)));
    }
    Ok(partitions)
}

/// Writes partitions grouped by topic, topics in the order of their first partition.
pub(super) fn put_partitions(out: &mut BytesMut, partitions: &[TopicPartition]) {
    let mut topics: Vec<(&TopicName, Vec<i32>)> = Vec::new();
    for partition in partitions {
        // Mostly the topic of the partition before: look at the last one first.
        match topics.iter_mut().rev().find(|(topic, _)| **topic == partition.topic) {
            Some((_, numbers)) => numbers.push(partition.partition),
            None => topics.push((&partition.topic, vec![partition.partition])),
        }
    }
    put_topics(out, &topics);
}

/// Writes topics with their partitions in the given order.
pub(super) fn put_topics(out: &mut BytesMut, topics: &[(&TopicName, Vec<i32>)]) {
    put_count(out, topics.len());
    for (topic, numbers) in topics {
        put_text(out, topic);
        put_count(out, numbers.len());
        for number in numbers {
            out.put_i32(*number);
        }
    }
}

/// Counts beyond `i32::MAX` would take more memory than the lists that are counted here.
fn put_count(out: &mut BytesMut, count: usize) {
    out.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
}

/// Names come off the wire, where they have at most 32767 bytes, or from the configuration, where Kafka allows 249. Cut
/// rather than write a length that does not fit the bytes.
fn put_text(out: &mut BytesMut, text: &str) {
    let cut = text.floor_char_boundary(i16::MAX as usize);
    out.put_i16(i16::try_from(cut).unwrap_or(i16::MAX));
    out.put_slice(&text.as_bytes()[..cut]);
}

fn put_nullable_bytes(out: &mut BytesMut, bytes: Option<&Bytes>) {
    let Some(bytes) = bytes else {
        out.put_i32(-1);
        return;
    };
    put_count(out, bytes.len());
    out.put_slice(bytes);
}
