//! What becomes of records.

use std::fmt;
use std::time::Duration;

use records::BuildError;
use thiserror::Error;

use crate::produce::BatchId;
use crate::types::{CallFailed, TopicPartition};
use crate::wire::{ErrorCode, LeaderIdAndEpoch, NodeEndpoint};

/// Where a record went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its batch, whose outcome is the record's.
    pub batch: BatchId,
    /// Its place in the batch, from 0: also its offset from the batch's first.
    pub index: i32,
}

/// Why a record is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum AppendError {
    /// It is larger than a request may be (`max.request.size`).
    #[error("a record of {size} bytes; {max} is the most (max.request.size)")]
    TooLarge {
        /// Its size in a batch of its own, at most.
        size: usize,
        /// The most there may be.
        max: usize,
    },
}

/// News.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProduceEvent {
    /// A batch is written, by as many replicas as `acks` asks for.
    Delivered {
        /// Which.
        batch: BatchId,
        /// The offset of its first record; `None` where the broker only says that it has the batch already.
        base_offset: Option<i64>,
        /// The time the broker stamped on all of it; `None` where the producer's times hold.
        log_append_time_ms: Option<i64>,
    },
    /// A batch is given up.
    Failed {
        /// Which.
        batch: BatchId,
        /// Why, and what it may have done all the same.
        undelivered: Undelivered,
    },
    /// A batch was larger than its topic allows, and is two batches now (KIP-126). Its id stands for the first `at`
    /// records, which keep their places.
    Split {
        /// Which.
        batch: BatchId,
        /// How many records stay in it.
        at: usize,
        /// The other records' batch.
        rest: BatchId,
    },
    /// An answer names a partition's new leader (KIP-951).
    LeaderHint {
        /// Which partition.
        tp: TopicPartition,
        /// Who leads it.
        leader: LeaderIdAndEpoch,
        /// Where brokers can be reached.
        endpoints: Vec<NodeEndpoint>,
    },
    /// What is known of leaders is out of date.
    MetadataStale,
}

/// Why a batch was not delivered.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{why}; {}", self.fate())]
pub struct Undelivered {
    /// Why it was given up.
    pub why: Why,
    /// Whether it may be in the log all the same, now or a moment later. False: it is not, and never will be.
    pub maybe_written: bool,
}

impl Undelivered {
    /// What it may have done, in words.
    pub fn fate(&self) -> &'static str {
        match self.maybe_written {
            true => "the record may have been written all the same",
            false => "the record was not written",
        }
    }
}

/// Why a batch was given up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// The broker refuses it in a way that does not pass, or all retries were used up.
    Refused {
        /// Its error.
        error: ErrorCode,
        /// What it says of it.
        message: Option<String>,
        /// Which records are the reason, and why (KIP-467); empty if it does not say. The others went down with them.
        records: Vec<(i32, Option<String>)>,
    },
    /// All retries were used up, and the last one had no answer.
    Unanswered(CallFailed),
    /// All retries were used up, and in the last one the leader could not be reached.
    Unreachable,
    /// The delivery timeout passed.
    Expired {
        /// The timeout.
        after: Duration,
        /// What came of the last try; `None` if nothing went wrong before the time was up.
        last: Option<Setback>,
    },
    /// No broker hands out a producer id, without which nothing can be numbered.
    NoProducerId(Setback),
    /// Broker and client share no version of the API.
    Unsupported,
    /// The batch could not be compressed.
    Build(BuildError),
}

/// What came of a try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setback {
    /// The broker answered with an error.
    Answered(ErrorCode),
    /// There was no answer.
    Unanswered(CallFailed),
    /// The leader could not be reached: nothing was sent.
    Unreachable,
    /// Nobody leads the partition.
    NoLeader,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { error, message, .. } => {
                write!(f, "the broker answers with {error}: {}", error.message())?;
                message.iter().try_for_each(|message| write!(f, ": {message}"))
            }
            Self::Unanswered(failed) => write!(f, "out of retries: {}", Setback::Unanswered(*failed)),
            Self::Unreachable => write!(f, "out of retries: {}", Setback::Unreachable),
            Self::Expired { after, last } => {
                write!(f, "not delivered within {after:?} (delivery.timeout.ms)")?;
                last.iter().try_for_each(|last| write!(f, "; at last {last}"))
            }
            Self::NoProducerId(last) => write!(f, "no producer id: {last}"),
            Self::Unsupported => {
                f.write_str("the broker has no version of Produce in common with this client")
            }
            Self::Build(error) => write!(f, "the batch cannot be built: {error}"),
        }
    }
}

impl fmt::Display for Setback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(error) => write!(f, "the broker answered with {error}"),
            Self::Unanswered(CallFailed::Disconnected) => {
                f.write_str("the connection ended before the answer")
            }
            Self::Unanswered(CallFailed::TimedOut) => f.write_str("no answer came in time"),
            Self::Unanswered(CallFailed::Unsupported) => f.write_str("no version of the API in common"),
            Self::Unanswered(CallFailed::Malformed) => {
                f.write_str("the answer was not what the protocol says")
            }
            Self::Unreachable => f.write_str("the partition's leader could not be reached"),
            Self::NoLeader => f.write_str("nobody led the partition"),
        }
    }
}
