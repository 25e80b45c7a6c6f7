//! Why a member leaves, and how far it is with that: the same in both protocols.

use std::time::Instant;

use super::MembershipOperation;
use crate::types::RequestId;

#[derive(Debug)]
pub(super) struct Leaving {
    /// The request that says so, under way. There is only one.
    pub(super) asked: Option<RequestId>,
    pub(super) give_up_at: Instant,
    pub(super) departure: Departure,
}

/// Why a member leaves, and so what it is afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Departure {
    /// It may subscribe again.
    Unsubscribed,
    /// The application stands still; it may go on.
    Stalled,
    /// The end.
    Closed(MembershipOperation),
}

impl Departure {
    /// What the coordinator is told (KIP-800), in Java's words.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Unsubscribed => "the consumer unsubscribed from all topics",
            // It is not a poll here, but those are the words that people search logs for.
            Self::Stalled => "consumer poll timeout has expired.",
            Self::Closed(_) => "the consumer is being closed",
        }
    }

    /// Whoever does not close leaves as it would by default.
    pub(super) fn operation(self) -> MembershipOperation {
        match self {
            Self::Closed(operation) => operation,
            Self::Unsubscribed | Self::Stalled => MembershipOperation::Default,
        }
    }
}
