//! C10: a committed offset never goes back, unless a seek of the member that commits said so, or its log
//! was cut off.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct NeverBack;

impl Invariant for NeverBack {
    fn name(&self) -> &'static str {
        "C10"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Stored { client, at, offset } = fact else { return Ok(()) };
        let Some(before) = ledger.stored(at).filter(|before| offset < before) else { return Ok(()) };
        // A commit may overtake the news that the seek is done.
        let moved = ledger.is_seeking(client, at)
            || ledger.session(client, at).is_some_and(|session| session.by_move)
            || ledger.is_truncated(at);
        if moved {
            return Ok(());
        }
        Err(format!("{client} takes {at} back from {before} to {offset}"))
    }
}
