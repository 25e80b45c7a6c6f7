//! C18: nothing is delivered before the coordinator has told where to begin: a failed answer is not "nothing is committed".

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct NoOffsetNoStart;

impl Invariant for NoOffsetNoStart {
    fn name(&self) -> &'static str {
        "C18"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Delivered { client, at, offset, .. } = fact else { return Ok(()) };
        match ledger.session(client, at) {
            None => Err(format!("{client} is given {at}@{offset} and was never told where to begin")),
            Some(_) => Ok(()),
        }
    }
}
