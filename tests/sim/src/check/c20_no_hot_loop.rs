//! C20: no client asks a broker more often than there can be a reason to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;
use crate::timeline::Name;

/// Requests of one client to one broker within a second of simulated time. A fetch of small batches leads to the next one at once,
/// so the bound is far above what waiting clients do (about ten), and far below what one that loops does.
const REQUESTS_MAX: u32 = 1000;

#[derive(Debug, Default)]
pub(super) struct NoHotLoop {
    asked: BTreeMap<(Name, i32), (u64, u32)>,
}

impl Invariant for NoHotLoop {
    fn name(&self) -> &'static str {
        "C20"
    }

    fn check(&mut self, _ledger: &Ledger<'_>, at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Request { client, broker, api } = fact else { return Ok(()) };
        let asked = self.asked.entry((client.clone(), *broker)).or_default();
        if asked.0 != at.as_secs() {
            *asked = (at.as_secs(), 0);
        }
        asked.1 += 1;
        if asked.1 > REQUESTS_MAX {
            return Err(format!("{client} asks broker {broker} {} times in a second, {api} last", asked.1));
        }
        Ok(())
    }
}
