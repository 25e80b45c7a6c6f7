//! C3: an ownership begins where the group has committed to, or where a move said.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct BeginsAtCommitted;

impl Invariant for BeginsAtCommitted {
    fn name(&self) -> &'static str {
        "C3"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Delivered { client, at, offset, .. } = fact else { return Ok(()) };
        let Some(session) = ledger.session(client, at).filter(|session| session.first.is_none()) else {
            return Ok(());
        };
        let log = ledger.log(at);
        let begins = |base: &i64| *base <= *offset && !log.has_any(*base..*offset);
        if session.bases.iter().any(begins) {
            return Ok(());
        }
        Err(format!("{client} begins {at} at {offset}, and not at {:?}", session.bases))
    }
}
