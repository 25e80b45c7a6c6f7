//! What was given to programs, and what they did, in the order of the cluster's own log of requests.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::TopicPartition;
use source::Event;
use testkit::{Cluster, Tick};

/// Names a member: each start of one has a `client.id` of its own.
pub type Name = Arc<str>;

/// Something that happened outside of the brokers.
#[derive(Clone, Debug)]
pub struct Step {
    /// In simulated time since the start.
    pub at: Duration,
    /// After what of all that happened at brokers.
    pub tick: Tick,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum What {
    /// A record was handed to the program. Its serial number names it.
    Delivered { client: Name, serial: u64, at: TopicPartition, offset: i64, value: Vec<u8> },
    /// The program is about to acknowledge it.
    Acked { client: Name, serial: u64 },
    /// The program is about to seek.
    Seeking { client: Name, at: TopicPartition, to: i64 },
    /// The seek was answered.
    Sought { client: Name, at: TopicPartition, to: i64, is_done: bool },
    /// The client told of something.
    Told { client: Name, event: Box<Event> },
    /// So many bytes of the budget were in use.
    Held { client: Name, used: usize, budget: usize },
    /// The program is about to leave within that time.
    Leaving { client: Name, within: Duration },
    /// The program has paused a partition.
    Paused { client: Name, at: TopicPartition },
    /// The program is about to end all pauses.
    Resuming { client: Name },
    /// No byte moves between a client and the brokers, or they do again.
    Stalled { client: Name, is_stalled: bool },
    /// Something was done to a log.
    Changed { at: TopicPartition, change: Change },
    /// A record was written, as its producer was told.
    Produced { at: TopicPartition, offset: i64, value: Vec<u8> },
    /// Something in the life of a member.
    Member { client: Name, note: String },
    /// Something was done to the cluster.
    Fault { note: String },
}

/// What was done to a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing below that offset is left.
    Deleted(i64),
    /// Nothing at or after that offset is left: an unclean election.
    Truncated(i64),
    /// Of each key only the last record is left.
    Compacted,
    /// A transaction began to write there.
    Opened(i64),
    /// The transaction that began there has ended.
    Ended(i64),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered { client, serial, at, offset, .. } => {
                write!(f, "{client} is given {at}@{offset} (#{serial})")
            }
            Self::Acked { client, serial } => write!(f, "{client} acknowledges #{serial}"),
            Self::Seeking { client, at, to } => write!(f, "{client} seeks {at} to {to}"),
            Self::Sought { client, at, to, is_done } => {
                write!(f, "{client} has sought {at} to {to}: {}", if *is_done { "done" } else { "refused" })
            }
            Self::Told { client, event } => write!(f, "{client} says: {event}"),
            Self::Held { client, used, budget } => write!(f, "{client} holds {used} of {budget} bytes"),
            Self::Leaving { client, within } => write!(f, "{client} leaves within {within:?}"),
            Self::Paused { client, at } => write!(f, "{client} has paused {at}"),
            Self::Resuming { client } => write!(f, "{client} ends all pauses"),
            Self::Stalled { client, is_stalled } => write!(f, "{client} is stalled: {is_stalled}"),
            Self::Changed { at, change } => write!(f, "{at}: {change:?}"),
            Self::Produced { at, offset, .. } => write!(f, "produced {at}@{offset}"),
            Self::Member { client, note } => write!(f, "{client}: {note}"),
            Self::Fault { note } => write!(f, "fault: {note}"),
        }
    }
}

/// Collects steps. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Timeline {
    cluster: Cluster,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl Timeline {
    /// An empty one, beside a cluster.
    pub fn new(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone(), steps: Arc::default() }
    }

    /// Writes down what happens at this moment.
    pub fn push(&self, what: What) {
        let (tick, at) = self.cluster.with_core(|core, now| (core.history().ticks(), now));
        self.lock().push(Step { at, tick, what });
    }

    /// Notes a fault.
    pub fn fault(&self, note: impl Into<String>) {
        self.push(What::Fault { note: note.into() });
    }

    /// Notes something in the life of a member.
    pub fn member(&self, client: &Name, note: impl Into<String>) {
        self.push(What::Member { client: client.clone(), note: note.into() });
    }

    /// All of it, in order.
    pub fn take(&self) -> Vec<Step> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Step>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
