//! C14: whoever reads committed records is given none of a transaction that is open, nor any behind it. (Aborted records and
//! control records are not in the log that C15 looks at.)

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::TopicPartition;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;
use crate::timeline::Change;

#[derive(Debug, Default)]
pub(super) struct Decided {
    /// Where open transactions began.
    open: BTreeMap<TopicPartition, BTreeSet<i64>>,
}

impl Invariant for Decided {
    fn name(&self) -> &'static str {
        "C14"
    }

    fn check(&mut self, _ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Changed { at, change: Change::Opened(first) } => {
                self.open.entry(at.clone()).or_default().insert(*first);
                Ok(())
            }
            Fact::Changed { at, change: Change::Ended(first) } => {
                self.open.entry(at.clone()).or_default().remove(first);
                Ok(())
            }
            Fact::Delivered { client, at, offset, .. } => match self.open.get(at).and_then(BTreeSet::first) {
                Some(first) if first <= offset => {
                    Err(format!("{client} is given {at}@{offset}, and a transaction is open from {first} on"))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
