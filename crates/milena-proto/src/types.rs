//! Kafka's nouns as types.
//!
//! Offsets and partition numbers stay `i64` and `i32`: they are counted with on every line, and nothing else in this
//! crate has those widths. What is easily confused for something else is a type of its own.

use std::fmt;
use std::sync::Arc;

/// The name of a topic, shared: one allocation per topic, however many partitions name it.
pub type TopicName = Arc<str>;

/// One partition of one topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: TopicName,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition.
    pub fn new(topic: impl Into<TopicName>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What tells a topic from another of the same name (KIP-516). All zeroes: the broker does not know topic ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// No id: a broker older than 2.8, or an answer in a version without ids.
    pub const ZERO: Self = Self([0; 16]);

    /// Whether this is no id at all.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl fmt::Display for TopicId {
    /// URL-safe base64 without padding, as `org.apache.kafka.common.Uuid` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for chunk in self.0.chunks(3) {
            let bits = chunk.iter().fold(0u32, |bits, byte| (bits << 8) | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            for digit in 0..=chunk.len() {
                let index = (bits >> (18 - 6 * digit)) & 0x3f;
                write!(f, "{}", char::from(ALPHABET[index as usize]))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The number of a broker (`node.id`, once `broker.id`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BrokerId(pub i32);

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The epoch of a partition's leader (KIP-101, KIP-320). -1 on the wire is `None` here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LeaderEpoch(pub i32);

impl LeaderEpoch {
    /// Reads the wire's form, where a negative number says "not known".
    pub fn from_wire(epoch: i32) -> Option<Self> {
        (epoch >= 0).then_some(Self(epoch))
    }

    /// Writes the wire's form.
    pub fn to_wire(epoch: Option<Self>) -> i32 {
        epoch.map_or(-1, |epoch| epoch.0)
    }
}

/// The generation of a classic group, or the member epoch of a KIP-848 group: what an OffsetCommit is checked by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Generation(pub i32);

/// Our fence: each assign, revoke, lost and seek of a partition starts a new one (design.md section 5). Never goes on
/// the wire, and is never 0 for an assigned partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct AssignmentEpoch(pub u64);

impl fmt::Display for AssignmentEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which question an answer belongs to. Counted by each machine on its own; an answer to any other id is dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// Why a call has no answer. Whether the broker acted on it is not known, except for `Unsupported`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallFailed {
    /// The connection ended first.
    Disconnected,
    /// The deadline passed first.
    TimedOut,
    /// The broker lacks the API, or every version of it that could carry this request: nothing was sent.
    Unsupported,
    /// The answer was not what its version of the API says.
    Malformed,
}

/// Who a member of a group is at this moment: what its commits and heartbeats are signed with. Taken whole
/// from the group's machine, so that a generation never meets another generation's member id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberSnapshot {
    /// The member id.
    pub member_id: String,
    /// The generation, or the member epoch of a KIP-848 group.
    pub generation: Generation,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
}

/// Which records a reader sees of transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IsolationLevel {
    /// Everything below the high watermark, aborted records too.
    #[default]
    ReadUncommitted,
    /// Only what is below the last stable offset, without aborted records.
    ReadCommitted,
}

impl IsolationLevel {
    /// The wire's number.
    pub fn to_wire(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_ids_print_as_javas_uuid_does() {
        // org.apache.kafka.common.Uuid.METADATA_TOPIC_ID is new Uuid(0, 1).
        let mut id = [0; 16];
        id[15] = 1;
        assert_eq!(TopicId(id).to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(TopicId([0xff; 16]).to_string(), "_____________________w");
    }
}
