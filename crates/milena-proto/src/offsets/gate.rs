//! The commit gate: the one place that says whether an offset may be sent.

use crate::assignments::{Assignment, Assignments, FenceReason, Stamp};

/// Why an offset may not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// Not an offset.
    Negative,
    /// Read in an epoch that has ended, or from a topic that is no longer the one of this name.
    Fenced(FenceReason),
    /// Lower than what is or may be stored.
    Superseded {
        /// The higher offset.
        by: i64,
    },
    /// It is stored.
    Stored,
}

/// Asked when an offset comes in, so that its owner learns at once, and again for every request that is built, a retry
/// being no exception: brokers check none of this (tried on 4.3.1, 4.2.0 and 3.9.2).
///
/// Each line is held by a test that fails without it; see `tests/gate.rs`.
pub(super) fn judge<'a>(
    assignments: &'a Assignments,
    stamp: &Stamp,
    offset: i64,
) -> Result<&'a Assignment, Refusal> {
    // A stored -1 reads back as "never committed": the next owner would start wherever its reset policy says.
    if offset < 0 {
        return Err(Refusal::Negative);
    }
    // Late acks, ABA (the partition left and came back), acks from before a seek. Compared as identities: epochs of
    // another owner may have the same number.
    let Some(assignment) = assignments.get(stamp.partition()).filter(|held| held.stamp().is_same(stamp))
    else {
        return Err(Refusal::Fenced(stamp.fenced().unwrap_or(FenceReason::Closed)));
    };
    // Offsets belong to a topic id. OffsetCommit before version 10 goes by name, and is accepted for the new topic.
    if !assignment.is_same_topic() {
        return Err(Refusal::Fenced(FenceReason::TopicRecreated));
    }
    // Offsets only rise inside an epoch. Across epochs there is nothing to compare: a wanted rewind must work.
    match assignment.accepted() {
        Some(accepted) if offset == accepted => return Err(Refusal::Stored),
        Some(accepted) if offset < accepted => return Err(Refusal::Superseded { by: accepted }),
        _ => {}
    }
    // What was sent without an answer may be stored: the same may be sent again, less would be a step back.
    match assignment.doubtful() {
        Some(doubtful) if offset < doubtful => Err(Refusal::Superseded { by: doubtful }),
        _ => Ok(assignment),
    }
}
