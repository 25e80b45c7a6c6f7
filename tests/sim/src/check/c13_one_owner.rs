//! C13: no generation gives a partition to two members.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct OneOwner;

impl Invariant for OneOwner {
    fn name(&self) -> &'static str {
        "C13"
    }

    fn check(&mut self, _ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Shared { generation, shares } = fact else { return Ok(()) };
        let mut owners = BTreeMap::new();
        for (member, share) in shares {
            for at in share {
                if let Some(other) = owners.insert(at, member) {
                    return Err(format!("generation {generation} gives {at} to {other} and to {member}"));
                }
            }
        }
        Ok(())
    }
}
