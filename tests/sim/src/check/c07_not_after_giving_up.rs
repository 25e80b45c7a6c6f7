//! C7: nothing is delivered of a partition after the member has told the coordinator that it no longer has it.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct NotAfterGivingUp;

impl Invariant for NotAfterGivingUp {
    fn name(&self) -> &'static str {
        "C7"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Delivered { client, at, offset, .. } = fact else { return Ok(()) };
        match ledger.session(client, at) {
            Some(session) if !session.is_open => {
                Err(format!("{client} is given {at}@{offset} after it has given it up"))
            }
            _ => Ok(()),
        }
    }
}
