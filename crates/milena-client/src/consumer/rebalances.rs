//! How often the group rebalanced, and where the time went.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::group::GroupResponse;

/// What a member's rebalances came to so far, in all and step by step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Rebalances {
    /// From the first sign of a rebalance (partitions to give up, or a JoinGroup) to the new assignment.
    pub whole: StepTimes,
    /// Giving partitions up: until what was delivered of them is acknowledged and committed, or the drain's deadline passed.
    pub revoke: StepTimes,
    /// JoinGroup, from the request to the answer that lets the member in: the coordinator holds it until all the others have
    /// come. Classic groups only.
    pub join: StepTimes,
    /// SyncGroup, from the request to the assignment: the coordinator holds it until the leader has assigned. Classic groups
    /// only.
    pub sync: StepTimes,
    /// How many times partitions were lost: nothing could be committed for them any more.
    pub lost: u64,
}

/// How often a step was taken, and how long it took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct StepTimes {
    /// How often.
    pub count: u64,
    /// The last time.
    pub last: Duration,
    /// The longest time.
    pub max: Duration,
    /// All of them together.
    pub total: Duration,
}

impl StepTimes {
    fn add(&mut self, took: Duration) {
        self.count += 1;
        self.last = took;
        self.max = self.max.max(took);
        self.total = self.total.saturating_add(took);
    }
}

/// Counts and tells the steps of one consumer. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps(Arc<Mutex<Rebalances>>);

impl Steps {
    pub(crate) fn read(&self) -> Rebalances {
        *self.lock()
    }

    /// A call of the group's protocol was answered.
    pub(crate) fn answered(&self, answer: &GroupResponse, took: Duration) {
        match answer {
            GroupResponse::JoinGroup(answer) if answer.error.is_ok() => {
                self.lock().join.add(took);
                tracing::info!(target: "milena::group", ?took, "joined");
            }
            GroupResponse::SyncGroup(answer) if answer.error.is_ok() => {
                self.lock().sync.add(took);
                tracing::info!(target: "milena::group", ?took, "synced");
            }
            _ => {}
        }
    }

    /// Partitions were given up.
    pub(crate) fn revoked(&self, partitions: usize, took: Duration) {
        self.lock().revoke.add(took);
        tracing::info!(target: "milena::group", ?took, partitions, "revoked");
    }

    /// The new assignment is there. The span of the rebalance tells it.
    pub(crate) fn rebalanced(&self, took: Duration) {
        self.lock().whole.add(took);
    }

    pub(crate) fn lost(&self) {
        self.lock().lost += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Rebalances> {
        // Only numbers are added in here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
