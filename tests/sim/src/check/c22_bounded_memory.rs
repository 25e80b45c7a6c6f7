//! C22: what is fetched and held stays within the budget. (That nothing is left after the end, the world sees itself.)

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

/// What may go beyond the budget: a first batch that is larger than what was asked for (KIP-74), from each broker, and what
/// decompression adds to it.
#[derive(Debug)]
pub(super) struct BoundedMemory {
    pub(super) beyond: usize,
}

impl Invariant for BoundedMemory {
    fn name(&self) -> &'static str {
        "C22"
    }

    fn check(&mut self, _ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Held { client, used, budget } if *used > budget + self.beyond => {
                Err(format!("{client} holds {used} bytes of a budget of {budget}"))
            }
            _ => Ok(()),
        }
    }
}
