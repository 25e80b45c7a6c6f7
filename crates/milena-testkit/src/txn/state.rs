//! A transactional id and its current transaction.

use std::collections::BTreeSet;
use std::time::Duration;

use super::NamedPartition;

/// Where a transactional id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A producer has its id, and nothing else happened.
    Empty,
    /// Partitions have been added.
    Ongoing { since: Duration },
    /// Decided; markers are on their way.
    Prepare { commit: bool },
    /// All markers are written.
    Complete { commit: bool },
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing { .. } => "Ongoing",
            Self::Prepare { commit: true } => "PrepareCommit",
            Self::Prepare { commit: false } => "PrepareAbort",
            Self::Complete { commit: true } => "CompleteCommit",
            Self::Complete { commit: false } => "CompleteAbort",
        }
    }
}

/// Kafka: `TransactionMetadata`.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) producer_id: i64,
    /// The producer id before the last change of it.
    pub(crate) previous_producer_id: i64,
    /// KIP-890: the id that follows when the epochs of this one are used up.
    pub(crate) next_producer_id: Option<i64>,
    pub(crate) epoch: i16,
    /// The epoch before, for a request that is sent again. -1: none.
    pub(crate) last_epoch: i16,
    pub(crate) timeout: Duration,
    pub(crate) state: State,
    pub(crate) partitions: BTreeSet<NamedPartition>,
    /// When the markers are to be written.
    pub(crate) mark_at: Option<Duration>,
}

impl Transaction {
    /// As many epochs as there are: the last one is for fencing (Java: `isEpochExhausted`).
    pub(crate) fn is_exhausted(&self) -> bool {
        self.epoch >= i16::MAX - 1
    }

    pub(crate) fn describe(&self) -> TransactionState {
        TransactionState {
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            state: self.state.name(),
            partitions: self.partitions.iter().cloned().collect(),
        }
    }
}

/// What a test can see of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionState {
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// Kafka's name of the state: `Ongoing`, say.
    pub state: &'static str,
    /// Topic and index of each partition that the open transaction has touched.
    pub partitions: Vec<(String, i32)>,
}
