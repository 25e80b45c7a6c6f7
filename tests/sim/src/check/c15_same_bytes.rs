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
        let log = ledger.log(at);
        if log.ever_had(*offset, value) {
            return Ok(());
        }
        match log.records.contains_key(offset) || log.gone.contains_key(offset) {
            true => Err(format!("{client} is given other bytes than those of {at}@{offset}")),
            false => Err(format!("{client} is given {at}@{offset}, where there is no record")),
        }
    }
}
