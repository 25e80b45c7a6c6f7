//! C6: what is given up as drained is committed to its end, so that nobody gets it twice.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct CleanHandOver;

impl Invariant for CleanHandOver {
    fn name(&self) -> &'static str {
        "C6"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::GaveUp { client, partitions, is_drained: true } = fact else { return Ok(()) };
        for at in partitions {
            let Some(last) =
                ledger.session(client, at).filter(|session| session.is_open).and_then(|session| session.last)
            else {
                continue;
            };
            let stored = ledger.stored(at).unwrap_or(0);
            if ledger.log(at).next(stored).is_some_and(|next| next <= last) {
                return Err(format!(
                    "{client} gave up {at} as drained after {last}, but {stored} is committed"
                ));
            }
        }
        Ok(())
    }
}
