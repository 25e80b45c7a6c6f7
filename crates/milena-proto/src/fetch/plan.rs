//! Which partitions of one broker go into its next request.

use crate::fetch::Want;
use crate::position::FetchPosition;
use crate::types::{AssignmentEpoch, TopicId, TopicPartition};

/// A partition that may be fetched from a broker.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Which.
    pub tp: &'a TopicPartition,
    /// Its topic's id; [`TopicId::ZERO`] where none is known.
    pub topic_id: TopicId,
    /// Its current assignment epoch.
    pub epoch: AssignmentEpoch,
    /// From where to fetch; `None` while that is not known, or being validated.
    pub position: Option<FetchPosition>,
    /// Whether its owner asked for no more records for now.
    pub paused: bool,
    /// Whether it is in a request of another broker, waits after an error, or is being given up. A partition is never in
    /// two requests at once.
    pub busy: bool,
    /// Bytes of it that were fetched and not yet handed out.
    pub buffered_bytes: usize,
    /// Bytes to ask of it at most; 0 asks as [`PlanLimits::partition_bytes_max`] says. More than that where its next batch is
    /// known to be larger, less where whole batches fit into less.
    pub max_bytes: i32,
}

/// What bounds a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanLimits {
    /// Bytes to ask of a broker at most (`fetch.max.bytes`).
    pub bytes_max: usize,
    /// Bytes to ask of a partition at most (`max.partition.fetch.bytes`).
    pub partition_bytes_max: i32,
    /// Bytes of one partition that may wait to be handed out before it is left out; see [`partition_share`].
    pub partition_share: usize,
    /// Below so many bytes of budget it is better to wait for more than to ask: small requests cost as much as large ones.
    pub budget_floor: usize,
}

/// What to ask of a broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FetchPlan {
    /// Ask for these.
    Fetch {
        /// The partitions, the one whose turn it is first.
        wants: Vec<Want>,
        /// Bytes to ask for over all of them.
        max_bytes: i32,
        /// A partition was left out only because it holds its share, and may be wanted again at any moment: the broker must
        /// not sit on this request until one of the others has something.
        hurry: bool,
    },
    /// Ask for nothing, and why.
    Wait(Wait),
}

/// Why nothing is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Every partition is paused, busy, without a position, or over its share of the budget.
    NothingToFetch,
    /// The budget is used up: records have to be handed out and dropped first.
    Budget,
}

/// Plans the next request to a broker.
///
/// A partition is left out only if it is paused, busy, has no position, or holds its share of the budget already: not
/// because some of its data still waits to be handed out. `turn` counts requests; it moves the start around the
/// partitions, since a broker fills its answer from the front.
///
/// With little budget left nothing is asked for while something is in flight or buffered (`idle` is false), which is going
/// to return its bytes. With nothing left nothing is asked for at all: whoever holds the records has to let go.
pub fn plan(
    candidates: &[Candidate<'_>],
    limits: &PlanLimits,
    budget_available: usize,
    idle: bool,
    turn: u64,
) -> FetchPlan {
    if budget_available == 0 || (budget_available < limits.budget_floor && !idle) {
        return FetchPlan::Wait(Wait::Budget);
    }
    let mut hurry = false;
    let mut wants = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        match candidate.wanted_from() {
            Some(_) if candidate.holds_its_share(limits) => hurry = true,
            Some(position) => wants.push(candidate.want(position, limits)),
            None => {}
        }
    }
    if wants.is_empty() {
        return FetchPlan::Wait(Wait::NothingToFetch);
    }
    let start = usize::try_from(turn % wants.len() as u64).unwrap_or(0);
    wants.rotate_left(start);
    // The broker sends one batch whole even where it is larger (KIP-74), so that a request of any size makes progress.
    let max_bytes = i32::try_from(limits.bytes_max.min(budget_available)).unwrap_or(i32::MAX).max(1);
    FetchPlan::Fetch { wants, max_bytes, hurry }
}

impl Candidate<'_> {
    /// From where to fetch it, if it is to be fetched at all.
    fn wanted_from(&self) -> Option<FetchPosition> {
        self.position.filter(|_| !self.paused && !self.busy)
    }

    fn holds_its_share(&self, limits: &PlanLimits) -> bool {
        self.buffered_bytes > 0 && self.buffered_bytes >= limits.partition_share
    }

    fn want(&self, position: FetchPosition, limits: &PlanLimits) -> Want {
        Want {
            tp: self.tp.clone(),
            topic_id: self.topic_id,
            epoch: self.epoch,
            offset: position.offset,
            current_leader_epoch: position.current_leader_epoch,
            last_fetched_epoch: position.last_epoch,
            max_bytes: if self.max_bytes > 0 { self.max_bytes } else { limits.partition_bytes_max },
        }
    }
}

/// The bytes of one partition that may wait to be handed out, where so many partitions share a budget: an equal part, so that
/// one that nobody reads cannot starve the others. Partitions that have nothing to read do not count: a full one among many
/// empty ones would have to stop after each answer.
pub fn partition_share(budget_total: usize, partitions: usize) -> usize {
    (budget_total / partitions.max(1)).max(1)
}

#[cfg(test)]
mod tests;
