//! What was given to programs, and what they did, in the order of the cluster's own log of requests.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::TopicPartition;
use source::Event;
use testkit::Cluster;

/// Names a member: each start of one has a `client.id` of its own.
pub type Name = Arc<str>;

/// Something that happened outside of the brokers.
#[derive(Clone, Debug)]
pub struct Step {
    /// In simulated time since the start.
    pub at: Duration,
    /// So many requests had reached brokers before.
    pub requests: u64,
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
    /// A record was written, as its producer was told.
    Produced { at: TopicPartition, offset: i64, value: Vec<u8> },
    /// Something in the life of a member.
    Member { client: Name, note: String },
    /// Something was done to the cluster.
    Fault { note: String },
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
        let (requests, at) = self.cluster.with_core(|core, now| (core.history().seen(), now));
        self.lock().push(Step { at, requests, what });
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
