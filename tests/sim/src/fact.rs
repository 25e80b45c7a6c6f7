//! What the checker is told: requests as brokers got them, and what programs were given and did, in one order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use client::TopicPartition;
use source::MoveCause;

use crate::timeline::{Change, Name};

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
    /// A broker begins to work on a request.
    Request { client: Name, broker: i32, api: String },
    /// A request that asks a partition from there on reaches a broker.
    Asked { client: Name, at: TopicPartition, offset: i64 },
    /// A member joins (again), and says what it still owns. Sent is given up: whether the coordinator took it does not matter.
    Joining { client: Name, member: String, owned: BTreeSet<TopicPartition> },
    /// A member says what it owns while it stays one (KIP-848). What it was given last and does not name, it has not taken yet.
    Owning { client: Name, owned: BTreeSet<TopicPartition> },
    /// The coordinator took it into a generation, or gave it a member epoch.
    Joined { client: Name, generation: i32 },
    /// The leader shared partitions out.
    Shared { generation: i32, shares: Vec<(String, BTreeSet<TopicPartition>)> },
    /// A member was told its share.
    Given { client: Name, member: String, generation: i32, partitions: BTreeSet<TopicPartition> },
    /// The coordinator tells a client that it counts it in.
    Counted { client: Name },
    /// A coordinator tells a client that it does not count it in, or not in that generation.
    Refused { client: Name, error: i16 },
    /// A client was told what is committed; `None`: nothing.
    OffsetTold { client: Name, at: TopicPartition, committed: Option<i64> },
    /// A request to commit reaches a broker.
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
    /// The program is about to leave within that time.
    Leaving { client: Name, within: Duration },
    /// The client says that an offset will not be stored.
    CommitFailed { client: Name, at: TopicPartition },
    /// The program has paused a partition.
    Paused { client: Name, at: TopicPartition },
    /// The program is about to end all pauses.
    Resuming { client: Name },
    /// The client says that it gives partitions up, and waits so long for what is in hand.
    GivingUp { client: Name, partitions: BTreeSet<TopicPartition>, within: Duration },
    /// The client says that partitions are given up, and whether all of them was finished and committed.
    GaveUp { client: Name, partitions: BTreeSet<TopicPartition>, is_drained: bool },
    /// The client says that partitions are lost.
    Lost { client: Name, partitions: BTreeSet<TopicPartition> },
    /// The client says that a position moved otherwise than by delivery.
    Moved {
        client: Name,
        at: TopicPartition,
        cause: MoveCause,
        from: Option<i64>,
        to: i64,
        lost: Option<Range<i64>>,
    },
    /// The client says that an offset is committed.
    Committed { client: Name, at: TopicPartition, offset: i64 },
    /// So many bytes of the budget are in use.
    Held { client: Name, used: usize, budget: usize },
    /// No byte moves between a client and the brokers, or they do again.
    Stalled { client: Name, is_stalled: bool },
    /// A producer was told that a record is written.
    Produced { at: TopicPartition, offset: i64, value: Vec<u8> },
    /// Something was done to a log.
    Changed { at: TopicPartition, change: Change },
    /// Something else, for the reader of a log.
    Note(String),
}

impl Fact {
    /// Whether it is about that partition, or about all.
    pub fn concerns(&self, partition: &TopicPartition) -> bool {
        match self {
            Self::OffsetTold { at, .. }
            | Self::Asked { at, .. }
            | Self::Commit { at, .. }
            | Self::Stored { at, .. }
            | Self::Delivered { at, .. }
            | Self::Seeking { at, .. }
            | Self::Sought { at, .. }
            | Self::Moved { at, .. }
            | Self::Paused { at, .. }
            | Self::CommitFailed { at, .. }
            | Self::Committed { at, .. }
            | Self::Changed { at, .. }
            | Self::Produced { at, .. } => at == partition,
            Self::GivingUp { partitions, .. }
            | Self::GaveUp { partitions, .. }
            | Self::Lost { partitions, .. } => partitions.contains(partition),
            Self::Owning { .. } => true,
            Self::Joining { .. } | Self::Joined { .. } | Self::Shared { .. } | Self::Given { .. } => true,
            Self::Refused { .. } | Self::Stalled { .. } => true,
            Self::Request { .. } | Self::Acked { .. } | Self::Held { .. } | Self::Note(_) => false,
            Self::Leaving { .. } => true,
            Self::Counted { .. } | Self::Resuming { .. } => false,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { client, broker, api } => write!(f, "{client} asks broker {broker}: {api}"),
            Self::Asked { client, at, offset } => write!(f, "{client} fetches {at} from {offset}"),
            Self::Joining { client, member, owned } => {
                write!(f, "{client} joins as {member:?}, and owns {}", Listed(owned))
            }
            Self::Owning { client, owned } => write!(f, "{client} says that it owns {}", Listed(owned)),
            Self::Joined { client, generation } => write!(f, "{client} is in generation {generation}"),
            Self::Shared { generation, shares } => {
                write!(f, "generation {generation} is shared out:")?;
                shares.iter().try_for_each(|(member, share)| write!(f, " {member} {};", Listed(share)))
            }
            Self::Given { client, generation, partitions, .. } => {
                write!(f, "{client} is given {} in generation {generation}", Listed(partitions))
            }
            Self::Counted { client } => write!(f, "{client} is counted in"),
            Self::Refused { client, error } => write!(f, "{client} is refused with error {error}"),
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
            Self::Leaving { client, within } => write!(f, "{client} leaves within {within:?}"),
            Self::CommitFailed { client, at } => write!(f, "{client} says that it cannot commit {at}"),
            Self::Paused { client, at } => write!(f, "{client} has paused {at}"),
            Self::Resuming { client } => write!(f, "{client} ends all pauses"),
            Self::GivingUp { client, partitions, within } => {
                write!(f, "{client} says it gives up {} within {within:?}", Listed(partitions))
            }
            Self::GaveUp { client, partitions, is_drained } => {
                write!(f, "{client} says it gave up {}, drained: {is_drained}", Listed(partitions))
            }
            Self::Lost { client, partitions } => write!(f, "{client} says it lost {}", Listed(partitions)),
            Self::Moved { client, at, cause, from, to, lost } => {
                write!(f, "{client} says {at} moved from {from:?} to {to}, lost {lost:?}: {cause}")
            }
            Self::Committed { client, at, offset } => {
                write!(f, "{client} says it has committed {at} = {offset}")
            }
            Self::Held { client, used, budget } => write!(f, "{client} holds {used} of {budget} bytes"),
            Self::Stalled { client, is_stalled: true } => write!(f, "{client} is cut off from everything"),
            Self::Stalled { client, is_stalled: false } => write!(f, "{client} goes on"),
            Self::Produced { at, offset, .. } => write!(f, "written: {at}@{offset}"),
            Self::Changed { at, change } => write!(f, "the log of {at} is changed: {change:?}"),
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

/// What was in a partition.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Values by offset of what is in it at the end, and so has to be read. Control records are none, nor, for those who read
    /// committed records only, are those of transactions that were aborted.
    pub records: BTreeMap<i64, Vec<u8>>,
    /// What was in it once: deleted, compacted or cut off since. Who was early has read it.
    pub gone: BTreeMap<i64, Vec<Vec<u8>>>,
    /// From here on there were other records once, or none: the log was cut off here, at the lowest.
    pub cut: Option<i64>,
}

impl Log {
    /// The first record at or after an offset that has to be read.
    pub fn next(&self, offset: i64) -> Option<i64> {
        self.records.range(offset..).next().map(|(offset, _)| *offset)
    }

    /// Whether a record lies in there that has been there ever since it was written.
    pub fn has_any(&self, offsets: Range<i64>) -> bool {
        let end = self.cut.map_or(offsets.end, |cut| offsets.end.min(cut));
        self.next(offsets.start).is_some_and(|next| next < end)
    }

    /// Whether that was ever at that offset.
    pub fn ever_had(&self, offset: i64, value: &[u8]) -> bool {
        self.records.get(&offset).is_some_and(|record| record == value)
            || self.gone.get(&offset).is_some_and(|values| values.iter().any(|old| old == value))
    }
}
