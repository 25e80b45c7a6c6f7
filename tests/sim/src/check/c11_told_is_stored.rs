//! C11: what a client calls committed, the coordinator has stored for it.

use std::collections::BTreeSet;
use std::time::Duration;

use client::TopicPartition;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;
use crate::timeline::Name;

#[derive(Debug, Default)]
pub(super) struct ToldIsStored {
    stored: BTreeSet<(Name, TopicPartition, i64)>,
}

impl Invariant for ToldIsStored {
    fn name(&self) -> &'static str {
        "C11"
    }

    fn check(&mut self, _ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Stored { client, at, offset } => {
                self.stored.insert((client.clone(), at.clone(), *offset));
                Ok(())
            }
            Fact::Committed { client, at, offset }
                if !self.stored.contains(&(client.clone(), at.clone(), *offset)) =>
            {
                Err(format!("{client} says that it has committed {at} = {offset}, which was never stored"))
            }
            _ => Ok(()),
        }
    }
}
