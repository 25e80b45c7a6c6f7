//! P1, the producer's: what it is told to be written is in the log, at that offset.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct WrittenIsThere;

impl Invariant for WrittenIsThere {
    fn name(&self) -> &'static str {
        "P1"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Produced { at, offset, value } = fact else { return Ok(()) };
        match ledger.log(at).ever_had(*offset, value) {
            true => Ok(()),
            false => Err(format!("{at}@{offset} is not what its producer wrote there")),
        }
    }
}
