//! C13, the other half: who has not heard from the coordinator for longer than its session takes, does not own anything any more,
//! and hands nothing out. A batch that was opened before is handed out to its end: its acknowledgements are worth nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;
use crate::timeline::Name;

#[derive(Debug)]
pub(super) struct CountedIn {
    session: Duration,
    /// Records of a batch.
    batch: u64,
    late: BTreeMap<Name, u64>,
}

impl CountedIn {
    pub(super) fn new(session: Duration, batch: u64) -> Self {
        Self { session, batch, late: BTreeMap::new() }
    }
}

impl Invariant for CountedIn {
    fn name(&self) -> &'static str {
        "C13"
    }

    fn check(&mut self, ledger: &Ledger<'_>, now: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Delivered { client, at, offset, .. } = fact else { return Ok(()) };
        let late = self.late.entry(client.clone()).or_default();
        // The client counts from when it asked, which is earlier.
        match ledger.counted_in(client) {
            Some(counted) if now <= counted + self.session => *late = 0,
            counted => {
                *late += 1;
                if *late > self.batch {
                    return Err(format!(
                        "{client} is given {at}@{offset}, and was last counted in at {counted:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}
