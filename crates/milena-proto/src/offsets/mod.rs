//! Offsets on their way back: acks in, true commits out.
//!
//! A [`Tracker`] knows how far one partition may be committed in one assignment epoch; the [`Committer`] sends it, through
//! the gate, and says what became of it. What belongs to an epoch carries its [`Stamp`](crate::assignments::Stamp).

mod ack_map;
mod answer;
mod committer;
mod event;
mod gate;
mod range;
mod settings;
#[cfg(test)]
mod tests;
mod tracker;

pub use committer::Committer;
pub use event::{CommitCounters, CommitError, CommitEvent};
pub use range::{Ack, AckRange};
pub use settings::{CommitSettings, WireEpochPolicy};
pub use tracker::{Outstanding, RANGES_MAX, Tracker, Undeliverable};

use crate::types::LeaderEpoch;

/// An offset that may be committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committable {
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the last record before it (KIP-320). Where it is known, commit it: without it a reader that
    /// resumes after an unclean election cannot tell that the log was truncated.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The user's own note; at most 4096 bytes on a broker as it comes.
    pub metadata: Option<String>,
}
