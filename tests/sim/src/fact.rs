//! What the checker is told: requests as brokers got them, and what programs were given and did, in one order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use client::TopicPartition;

use crate::timeline::Name;

/// One fact, and when it was one.
#[derive(Clone, Debug)]
pub struct Timed {
    /// In simulated time since the start.
    pub at: Duration,
    /// What.
    pub fact: Fact,
}

/// Something that is known for certain.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum Fact {
    /// A request reached a broker.
    Request { client: Name, broker: i32, api: String },
    /// A member joins (again), and says what it still owns. Sent is given up: whether the coordinator took it does not matter.
    Joining { client: Name, member: String, owned: BTreeSet<TopicPartition> },
    /// The leader shared partitions out.
    Shared { generation: i32, shares: Vec<(String, BTreeSet<TopicPartition>)> },
    /// A member was told its share.
    Given { client: Name, member: String, generation: i32, partitions: BTreeSet<TopicPartition> },
    /// A client was told what is committed; `None`: nothing.
    OffsetTold { client: Name, at: TopicPartition, committed: Option<i64> },
    /// A client asks to commit.
    Commit { client: Name, member: String, generation: i32, at: TopicPartition, offset: i64 },
    /// The coordinator has stored it.
    Stored { client: Name, at: TopicPartition, offset: i64 },
    /// A record was handed to the program.
    Delivered { client: Name, serial: u64, at: TopicPartition, offset: i64, value: Vec<u8> },
    /// The program acknowledges it.
    Acked { client: Name, serial: u64 },
    /// The program is about to seek.
    Seeking { client: Name, at: TopicPartition, to: i64 },
    /// The seek was answered.
    Sought { client: Name, at: TopicPartition, to: i64, is_done: bool },
    /// The client says that partitions are given up, and whether all of them was finished and committed.
    GaveUp { client: Name, partitions: BTreeSet<TopicPartition>, is_drained: bool },
    /// The client says that an offset is committed.
    Committed { client: Name, at: TopicPartition, offset: i64 },
    /// So many bytes of the budget are in use.
    Held { client: Name, used: usize, budget: usize },
    /// A producer was told that a record is written.
    Produced { at: TopicPartition, offset: i64, value: Vec<u8> },
    /// Something else, for the reader of a log.
    Note(String),
}

impl Fact {
    /// Whether it is about that partition, or about all.
    pub fn concerns(&self, partition: &TopicPartition) -> bool {
        match self {
            Self::OffsetTold { at, .. }
            | Self::Commit { at, .. }
            | Self::Stored { at, .. }
            | Self::Delivered { at, .. }
            | Self::Seeking { at, .. }
            | Self::Sought { at, .. }
            | Self::Committed { at, .. }
            | Self::Produced { at, .. } => at == partition,
            Self::GaveUp { partitions, .. } => partitions.contains(partition),
            Self::Joining { .. } | Self::Shared { .. } | Self::Given { .. } => true,
            Self::Request { .. } | Self::Acked { .. } | Self::Held { .. } | Self::Note(_) => false,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { client, broker, api } => write!(f, "{client} asks broker {broker}: {api}"),
            Self::Joining { client, member, owned } => {
                write!(f, "{client} joins as {member:?}, and owns {}", Listed(owned))
            }
            Self::Shared { generation, shares } => {
                write!(f, "generation {generation} is shared out:")?;
                shares.iter().try_for_each(|(member, share)| write!(f, " {member} {};", Listed(share)))
            }
            Self::Given { client, generation, partitions, .. } => {
                write!(f, "{client} is given {} in generation {generation}", Listed(partitions))
            }
            Self::OffsetTold { client, at, committed } => {
                write!(f, "{client} is told that {at} is committed to {committed:?}")
            }
            Self::Commit { client, generation, at, offset, .. } => {
                write!(f, "{client} asks to commit {at} = {offset} in generation {generation}")
            }
            Self::Stored { client, at, offset } => write!(f, "stored for {client}: {at} = {offset}"),
            Self::Delivered { client, serial, at, offset, .. } => {
                write!(f, "{client} is given {at}@{offset} (#{serial})")
            }
            Self::Acked { client, serial } => write!(f, "{client} acknowledges #{serial}"),
            Self::Seeking { client, at, to } => write!(f, "{client} seeks {at} to {to}"),
            Self::Sought { client, at, to, is_done } => write!(f, "{client} sought {at} to {to}: {is_done}"),
            Self::GaveUp { client, partitions, is_drained } => {
                write!(f, "{client} says it gave up {}, drained: {is_drained}", Listed(partitions))
            }
            Self::Committed { client, at, offset } => {
                write!(f, "{client} says it has committed {at} = {offset}")
            }
            Self::Held { client, used, budget } => write!(f, "{client} holds {used} of {budget} bytes"),
            Self::Produced { at, offset, .. } => write!(f, "written: {at}@{offset}"),
            Self::Note(note) => f.write_str(note),
        }
    }
}

struct Listed<'a>(&'a BTreeSet<TopicPartition>);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (number, at) in self.0.iter().enumerate() {
            write!(f, "{}{at}", if number == 0 { "" } else { " " })?;
        }
        f.write_str("]")
    }
}

/// What is in a partition at the end. Nothing is ever taken out of it in these worlds.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Values by offset; control records are none.
    pub records: BTreeMap<i64, Vec<u8>>,
}

impl Log {
    /// The first record at or after an offset.
    pub fn next(&self, offset: i64) -> Option<i64> {
        self.records.range(offset..).next().map(|(offset, _)| *offset)
    }
}
