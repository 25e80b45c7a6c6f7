//! C19, of members: who calls its partitions lost was refused by a coordinator, or was not counted in for long. Losing them for no
//! reason is no progress.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;
use crate::timeline::Name;

/// So long nobody may have counted it in: a rebalance timeout less what a drain keeps for its last commit.
#[derive(Debug)]
pub(super) struct LostForAReason {
    silence: Duration,
    refusals: BTreeMap<Name, u64>,
}

impl LostForAReason {
    pub(super) fn new(silence: Duration) -> Self {
        Self { silence, refusals: BTreeMap::new() }
    }
}

impl Invariant for LostForAReason {
    fn name(&self) -> &'static str {
        "C19"
    }

    fn check(&mut self, ledger: &Ledger<'_>, now: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Lost { client, partitions } = fact else { return Ok(()) };
        let refusals = ledger.refusals(client);
        let before = self.refusals.insert(client.clone(), refusals).unwrap_or(0);
        let silent = ledger.counted_in(client).is_none_or(|counted| now >= counted + self.silence);
        if refusals > before || silent {
            return Ok(());
        }
        Err(format!("{client} calls {partitions:?} lost, and nobody has refused it"))
    }
}
