//! C12: a member never fetches what it has committed.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct PositionBeyondCommitted;

impl Invariant for PositionBeyondCommitted {
    fn name(&self) -> &'static str {
        "C12"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Asked { client, at, offset } = fact else { return Ok(()) };
        // A seek, or what a broker told of a log that was cut off, is heard of after it took effect.
        if ledger.is_seeking(client, at) || ledger.is_truncated(at) {
            return Ok(());
        }
        let session = ledger.session(client, at).filter(|session| session.is_open && !session.by_move);
        match session.and_then(|session| session.committed) {
            Some(committed) if *offset < committed => {
                Err(format!("{client} fetches {at} from {offset}, and has committed {committed}"))
            }
            _ => Ok(()),
        }
    }
}
