//! What must always hold: one file for each invariant, named as in facts/faults.md. Each has a bad history that it rejects.

mod c01_contiguous;
mod c02_increasing;
mod c03_begins_at_committed;
mod c05_complete;
mod c06_clean_hand_over;
mod c07_not_after_giving_up;
mod c07_not_while_paused;
mod c08_own_commits;
mod c09_finished_commits;
mod c10_never_back;
mod c11_told_is_stored;
mod c12_position_beyond_committed;
mod c13_counted_in;
mod c13_one_owner;
mod c14_decided;
mod c15_same_bytes;
mod c16_moves_are_true;
mod c18_no_offset_no_start;
mod c19_lost_for_a_reason;
mod c20_no_hot_loop;
mod c22_bounded_memory;
mod p1_written_is_there;

use std::time::Duration;

use crate::fact::Fact;
use crate::ledger::Ledger;

/// Something that must always hold.
pub trait Invariant {
    /// Its name in facts/faults.md.
    fn name(&self) -> &'static str;

    /// Whether a fact may be, after all those in the books.
    ///
    /// # Errors
    /// It must not: why.
    fn check(&mut self, ledger: &Ledger<'_>, at: Duration, fact: &Fact) -> Result<(), String>;

    /// Whether it may end like this.
    ///
    /// # Errors
    /// It must not: why.
    fn end(&mut self, _ledger: &Ledger<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// What an invariant has to know of a world.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Whether members read committed records only.
    pub is_committed: bool,
    /// Whether the group's protocol is the classic one.
    pub is_classic: bool,
    /// Whether programs read whole batches.
    pub by_batches: bool,
    /// `session.timeout.ms`.
    pub session: Duration,
    /// The shortest time after which a member gives itself up.
    pub silence: Duration,
    /// Records that may be handed out by who was not counted in for longer: the rest of a batch.
    pub late_records: u64,
    /// Bytes beyond the budget that may be in use.
    pub beyond_budget: usize,
}

/// Each of them, fresh.
pub fn all(bounds: &Bounds) -> Vec<Box<dyn Invariant>> {
    let mut all: Vec<Box<dyn Invariant>> = vec![
        Box::new(c01_contiguous::Contiguous),
        Box::new(c02_increasing::Increasing),
        Box::new(c03_begins_at_committed::BeginsAtCommitted),
        Box::new(c05_complete::Complete::default()),
        Box::new(c06_clean_hand_over::CleanHandOver::default()),
        Box::new(c07_not_after_giving_up::NotAfterGivingUp),
        Box::new(c08_own_commits::OwnCommits { is_classic: bounds.is_classic }),
        Box::new(c09_finished_commits::FinishedCommits { is_classic: bounds.is_classic }),
        Box::new(c10_never_back::NeverBack),
        Box::new(c11_told_is_stored::ToldIsStored::default()),
        Box::new(c12_position_beyond_committed::PositionBeyondCommitted),
        Box::new(c13_one_owner::OneOwner),
        Box::new(c13_counted_in::CountedIn::new(bounds.session, bounds.late_records)),
        Box::new(c15_same_bytes::SameBytes),
        Box::new(c16_moves_are_true::MovesAreTrue),
        Box::new(c18_no_offset_no_start::NoOffsetNoStart),
        Box::new(c19_lost_for_a_reason::LostForAReason::new(bounds.silence)),
        Box::new(c20_no_hot_loop::NoHotLoop::default()),
        Box::new(c22_bounded_memory::BoundedMemory { beyond: bounds.beyond_budget }),
        Box::new(p1_written_is_there::WrittenIsThere),
    ];
    if bounds.by_batches {
        all.push(Box::new(c07_not_while_paused::NotWhilePaused::default()));
    }
    if bounds.is_committed {
        all.push(Box::new(c14_decided::Decided::default()));
    }
    all
}

#[cfg(test)]
mod tests;
