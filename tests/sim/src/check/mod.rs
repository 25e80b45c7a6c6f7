//! What must always hold: one file for each invariant, named as in facts/faults.md. Each has a bad history that it rejects.

mod c01_contiguous;
mod c02_increasing;
mod c03_begins_at_committed;
mod c05_complete;
mod c06_clean_hand_over;
mod c07_not_after_giving_up;
mod c08_own_commits;
mod c09_finished_commits;
mod c10_never_back;
mod c11_told_is_stored;
mod c13_one_owner;
mod c15_same_bytes;
mod c18_no_offset_no_start;
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

/// Each of them, fresh.
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(c01_contiguous::Contiguous),
        Box::new(c02_increasing::Increasing),
        Box::new(c03_begins_at_committed::BeginsAtCommitted),
        Box::new(c05_complete::Complete::default()),
        Box::new(c06_clean_hand_over::CleanHandOver),
        Box::new(c07_not_after_giving_up::NotAfterGivingUp),
        Box::new(c08_own_commits::OwnCommits),
        Box::new(c09_finished_commits::FinishedCommits),
        Box::new(c10_never_back::NeverBack),
        Box::new(c11_told_is_stored::ToldIsStored::default()),
        Box::new(c13_one_owner::OneOwner),
        Box::new(c15_same_bytes::SameBytes),
        Box::new(c18_no_offset_no_start::NoOffsetNoStart),
        Box::new(c20_no_hot_loop::NoHotLoop::default()),
        Box::new(c22_bounded_memory::BoundedMemory),
        Box::new(p1_written_is_there::WrittenIsThere),
    ]
}

#[cfg(test)]
mod tests;
