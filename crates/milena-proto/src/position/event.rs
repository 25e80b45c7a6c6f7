//! News of a position.

use std::fmt;
use std::ops::Range;

use thiserror::Error;

use crate::position::Reset;
use crate::types::CallFailed;
use crate::wire::ErrorCode;

/// What happened to a position other than delivery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PositionEvent {
    /// It moved.
    Moved {
        /// Why.
        cause: MoveCause,
        /// Where it was; `None` where there was none.
        from: Option<i64>,
        /// Where it is.
        to: i64,
        /// Offsets whose records are gone although nobody asked for that: passed over unread, or read up to `from` and no
        /// longer in the log that is read on, which has others there by and by.
        lost: Option<Range<i64>>,
    },
    /// There is none, and none can be found without a decision: a seek.
    Stuck(PositionError),
    /// What is needed to find it is refused. It is asked for again, with pauses: somebody may grant it.
    Refused(ErrorCode),
}

/// Why a position moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MoveCause {
    /// It starts where it was told to.
    Started,
    /// It starts at the group's committed offset.
    Committed,
    /// There was none, or none that exists, so the policy was applied.
    Reset(Reset),
    /// Somebody asked for it.
    Seek,
    /// The leader's log ends earlier, in the epoch that was read, than what was read (KIP-320): an unclean election.
    Truncated,
    /// It was below the start of the log: retention, or DeleteRecords, was faster.
    OutOfRangeBelow,
    /// It was beyond the end of the log, and nothing tells where the logs part.
    OutOfRangeAbove,
    /// Somebody asked to pass over a batch that cannot be read.
    SkippedCorrupt,
    /// The topic was deleted and created again (KIP-516): offsets of the old one say nothing about the new one.
    TopicRecreated,
}

impl MoveCause {
    /// Whether the position begins by it: nothing was read in this epoch before.
    pub fn is_start(self) -> bool {
        matches!(self, Self::Started | Self::Committed)
    }

    /// Whether nothing is lost by it: it begins, goes where it was told to, or is in another log.
    pub(super) fn is_wanted(self) -> bool {
        self.is_start() || matches!(self, Self::Seek | Self::TopicRecreated)
    }
}

impl fmt::Display for MoveCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started there"),
            Self::Committed => f.write_str("committed offset"),
            Self::Reset(reset) => write!(f, "reset to {reset}"),
            Self::Seek => f.write_str("seek"),
            Self::Truncated => f.write_str("log truncated"),
            Self::OutOfRangeBelow => f.write_str("out of range, below the start of the log"),
            Self::OutOfRangeAbove => f.write_str("out of range, beyond the end of the log"),
            Self::SkippedCorrupt => f.write_str("skipped a corrupt batch"),
            Self::TopicRecreated => f.write_str("topic created again"),
        }
    }
}

/// Why there is no position. A seek ends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum PositionError {
    /// The group has committed no offset, and the policy is none.
    #[error("no offset is committed, and auto.offset.reset is none")]
    NoCommittedOffset,
    /// The offset does not exist, and the policy is none.
    #[error("offset {offset} is not in the log, which has {start} to {end}, and auto.offset.reset is none", end = End(*.end))]
    OutOfRange {
        /// The offset.
        offset: i64,
        /// First offset in the log.
        start: i64,
        /// End of the log, where it was looked up.
        end: Option<i64>,
    },
    /// The leader's log is not the one that was read (KIP-320), and the policy is none: Java's `LogTruncationException`.
    #[error("offset {offset} was reached in another log{part}, and auto.offset.reset is none", part = Part(*.divergent))]
    Truncated {
        /// Where reading would go on.
        offset: i64,
        /// The first offset that the two logs do not have in common; `None` where the leader does not know the epoch.
        divergent: Option<i64>,
    },
}

struct Part(Option<i64>);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(divergent) => write!(f, ", the two part at offset {divergent}"),
            None => Ok(()),
        }
    }
}

struct End(Option<i64>);

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(end) => write!(f, "{end}"),
            None => f.write_str("its end"),
        }
    }
}

/// Why a question about a position has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AskFailed {
    /// The broker answers with an error.
    Broker(ErrorCode),
    /// There is no answer.
    Call(CallFailed),
}

impl From<ErrorCode> for AskFailed {
    fn from(error: ErrorCode) -> Self {
        Self::Broker(error)
    }
}

impl From<CallFailed> for AskFailed {
    fn from(failed: CallFailed) -> Self {
        Self::Call(failed)
    }
}
