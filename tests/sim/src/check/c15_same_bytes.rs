//! C15, and with it C4: what is delivered is what is in the log, to every member alike.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct SameBytes;

impl Invariant for SameBytes {
    fn name(&self) -> &'static str {
        "C15"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Delivered { client, at, offset, value, .. } = fact else { return Ok(()) };
        match ledger.log(at).records.get(offset) {
            Some(stored) if stored == value => Ok(()),
            Some(_) => Err(format!("{client} is given other bytes than those of {at}@{offset}")),
            None => Err(format!("{client} is given {at}@{offset}, where there is no record")),
        }
    }
}
