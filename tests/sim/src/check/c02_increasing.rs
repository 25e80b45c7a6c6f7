//! C2: inside one ownership, offsets only rise.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct Increasing;

impl Invariant for Increasing {
    fn name(&self) -> &'static str {
        "C2"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Delivered { client, at, offset, .. } = fact else { return Ok(()) };
        match ledger.session(client, at).and_then(|session| session.last) {
            Some(last) if *offset <= last => Err(format!("{client} is given {at}@{offset} after {last}")),
            _ => Ok(()),
        }
    }
}
