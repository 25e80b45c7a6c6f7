//! C1: inside one ownership, what is delivered is the log without gaps.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct Contiguous;

impl Invariant for Contiguous {
    fn name(&self) -> &'static str {
        "C1"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Delivered { client, at, offset, .. } = fact else { return Ok(()) };
        let Some(last) = ledger.session(client, at).and_then(|session| session.last) else { return Ok(()) };
        if !ledger.log(at).has_any(last + 1..*offset) {
            return Ok(());
        }
        let next = ledger.log(at).next(last + 1);
        Err(format!("{client} is given {at}@{offset} after {last}: {next:?} is left out"))
    }
}
