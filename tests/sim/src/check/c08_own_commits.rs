//! C8: a member commits only what it was given in the generation that the commit carries, or what it claimed to own
//! when it joined, and is still giving up.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct OwnCommits;

impl Invariant for OwnCommits {
    fn name(&self) -> &'static str {
        "C8"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Commit { client, member, generation, at, offset } = fact else { return Ok(()) };
        let asks = format!("{client} asks to commit {at} = {offset} in generation {generation}");
        let Some(shares) = ledger.shares(*generation) else {
            return Err(format!("{asks}, which was never shared out"));
        };
        if shares.get(member).is_some_and(|share| share.contains(at)) {
            return Ok(());
        }
        if let Some((owner, _)) = shares.iter().find(|(_, share)| share.contains(at)) {
            return Err(format!("{asks}, in which it is {owner}'s"));
        }
        // Cooperative: what is taken away is given to nobody until the next rebalance, and may be finished until then.
        if ledger.has_claimed(client, at) {
            return Ok(());
        }
        Err(format!("{asks}, and was never given it"))
    }
}
