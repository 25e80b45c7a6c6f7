//! C5: in the end everything that is in a log was delivered to somebody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::TopicPartition;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug, Default)]
pub(super) struct Complete {
    delivered: BTreeMap<TopicPartition, BTreeSet<i64>>,
}

impl Invariant for Complete {
    fn name(&self) -> &'static str {
        "C5"
    }

    fn check(&mut self, _ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        if let Fact::Delivered { at, offset, .. } = fact {
            self.delivered.entry(at.clone()).or_default().insert(*offset);
        }
        Ok(())
    }

    fn end(&mut self, ledger: &Ledger<'_>) -> Result<(), String> {
        for (at, log) in ledger.logs() {
            let delivered = self.delivered.entry(at.clone()).or_default();
            if let Some(missing) = log.records.keys().find(|offset| !delivered.contains(*offset)) {
                return Err(format!("{at}@{missing} was delivered to nobody"));
            }
        }
        Ok(())
    }
}
