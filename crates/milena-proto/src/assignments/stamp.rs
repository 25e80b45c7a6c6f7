//! What everything read under one assignment epoch carries: the fence of the hot path.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::types::{AssignmentEpoch, Generation, TopicPartition};

/// Why an assignment epoch ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FenceReason {
    /// The group took the partition back, and what was finished in time has been committed.
    Revoked,
    /// The partition was gone before we knew: no commit was possible.
    Lost,
    /// The position was moved by something else than delivery (seek, reset, truncation): acks from before say nothing
    /// about what is read from here on.
    Seek,
    /// The topic of that name is another topic now; offsets belong to a topic id.
    TopicRecreated,
    /// The reader was closed.
    Closed,
}

impl fmt::Display for FenceReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revoked => "revoked",
            Self::Lost => "lost",
            Self::Seek => "seek",
            Self::TopicRecreated => "topic recreated",
            Self::Closed => "closed",
        })
    }
}

/// One assignment epoch of one partition, shared by all that was fetched, buffered, delivered or acknowledged in it.
///
/// Each epoch has a cell of its own, which is never used again: once it ended it stays ended, whatever happens to the
/// partition later, so no ABA is possible, and whoever comes late learns why from the cell itself. Asking costs one
/// atomic load. Only [`Assignments`](super::Assignments) makes stamps and ends them.
#[derive(Clone)]
pub struct Stamp(Arc<EpochCell>);

struct EpochCell {
    partition: TopicPartition,
    epoch: AssignmentEpoch,
    wire_epoch: Generation,
    /// [`ACTIVE`], [`DRAINING`], or [`ENDED`] plus the reason; only ever rises.
    state: AtomicU8,
}

impl Stamp {
    pub(super) fn new(partition: TopicPartition, epoch: AssignmentEpoch, wire_epoch: Generation) -> Self {
        Self(Arc::new(EpochCell { partition, epoch, wire_epoch, state: AtomicU8::new(ACTIVE) }))
    }

    /// Which partition.
    pub fn partition(&self) -> &TopicPartition {
        &self.0.partition
    }

    /// Which epoch of it.
    pub fn epoch(&self) -> AssignmentEpoch {
        self.0.epoch
    }

    /// The member epoch of the answer that first listed the partition (KIP-1251); classic: the generation. It stays with what
    /// was read under it: a commit that outlived its ownership, whatever the reason, still tells the coordinator so.
    pub fn wire_epoch(&self) -> Generation {
        self.0.wire_epoch
    }

    /// Whether the epoch still holds: acks count, commits may be sent. True while draining.
    #[inline]
    pub fn is_current(&self) -> bool {
        self.state() < ENDED
    }

    /// Whether records may be handed out: the epoch holds and its partition is not being given up. This is the
    /// assignment filter, asked once per batch.
    #[inline]
    pub fn may_deliver(&self) -> bool {
        self.state() == ACTIVE
    }

    /// Whether the partition is being given up: acks and commits count, nothing more is delivered.
    #[inline]
    pub fn is_draining(&self) -> bool {
        self.state() == DRAINING
    }

    /// Why the epoch ended; `None` while it holds.
    #[inline]
    pub fn fenced(&self) -> Option<FenceReason> {
        match self.state() {
            ACTIVE | DRAINING => None,
            ENDED_REVOKED => Some(FenceReason::Revoked),
            ENDED_LOST => Some(FenceReason::Lost),
            ENDED_SEEK => Some(FenceReason::Seek),
            ENDED_TOPIC_RECREATED => Some(FenceReason::TopicRecreated),
            _ => Some(FenceReason::Closed),
        }
    }

    /// Whether both are the same epoch of the same owner. Numbers alone would not tell the stamps of two clients apart.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn drain(&self) {
        self.0.state.store(DRAINING, Ordering::Release);
    }

    pub(super) fn end(&self, reason: FenceReason) {
        let state = match reason {
            FenceReason::Revoked => ENDED_REVOKED,
            FenceReason::Lost => ENDED_LOST,
            FenceReason::Seek => ENDED_SEEK,
            FenceReason::TopicRecreated => ENDED_TOPIC_RECREATED,
            FenceReason::Closed => ENDED_CLOSED,
        };
        self.0.state.store(state, Ordering::Release);
    }

    #[inline]
    fn state(&self) -> u8 {
        self.0.state.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.0.partition, self.0.epoch)?;
        match self.fenced() {
            Some(reason) => write!(f, " ({reason})"),
            None if self.is_draining() => f.write_str(" (draining)"),
            None => Ok(()),
        }
    }
}

const ACTIVE: u8 = 0;
const DRAINING: u8 = 1;
const ENDED: u8 = 2;
const ENDED_REVOKED: u8 = ENDED;
const ENDED_LOST: u8 = ENDED + 1;
const ENDED_SEEK: u8 = ENDED + 2;
const ENDED_TOPIC_RECREATED: u8 = ENDED + 3;
const ENDED_CLOSED: u8 = ENDED + 4;
