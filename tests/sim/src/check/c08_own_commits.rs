//! C8: a member commits only what it owns, in a generation that it is in, and that gives the partition to nobody else.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct OwnCommits {
    /// Whether all that a generation gives is given at once (the classic protocol).
    pub(super) is_classic: bool,
}

impl Invariant for OwnCommits {
    fn name(&self) -> &'static str {
        "C8"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Commit { client, member, generation, at, offset } = fact else { return Ok(()) };
        let asks = format!("{client} asks to commit {at} = {offset} in generation {generation}");
        // The one before: an answer that tells of the next one may be on its way.
        let known = ledger.generations(client);
        // KIP-1251: any epoch since the one in which the partition was given, as what was read in it was.
        let is_in = known.contains(generation) || (!self.is_classic && *generation < known[0]);
        if !is_in {
            return Err(format!("{asks}, in which it is not"));
        }
        let owner = ledger.shares(*generation).filter(|_| self.is_classic).and_then(|shares| {
            // A static member that comes back has another id in the same generation, which the leader does not know.
            let is_other = |owner: &String| instance(owner) != instance(member);
            shares.iter().find(|(owner, share)| is_other(owner) && share.contains(at)).map(|(owner, _)| owner)
        });
        if let Some(owner) = owner {
            return Err(format!("{asks}, in which it is {owner}'s"));
        }
        if ledger.owns(client, at) || ledger.just_owned(client, at) {
            return Ok(());
        }
        Err(format!("{asks}, and does not own it"))
    }
}

/// A member's id without its last part, a UUID: the name of its client, or of its instance.
fn instance(member: &str) -> &str {
    member.len().checked_sub("-00000000-0000-0000-0000-000000000000".len()).map_or(member, |at| &member[..at])
}
