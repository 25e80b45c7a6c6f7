//! C5: in the end everything that is in a log was delivered to somebody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::TopicPartition;
use source::MoveCause;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug, Default)]
pub(super) struct Complete {
    /// Logs beyond whose end somebody sought, who then went on at their end: they were cut off behind the program's back.
    beyond: BTreeSet<TopicPartition>,
    delivered: BTreeMap<TopicPartition, BTreeSet<i64>>,
}

impl Invariant for Complete {
    fn name(&self) -> &'static str {
        "C5"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        if let Fact::Moved { at, cause: MoveCause::OutOfRangeAbove, .. } = fact {
            self.beyond.insert(at.clone());
        }
        // Before a log was cut off there may have been another record at the same offset.
        if let Fact::Delivered { at, offset, value, .. } = fact
            && ledger.log(at).records.get(offset) == Some(value)
        {
            self.delivered.entry(at.clone()).or_default().insert(*offset);
        }
        Ok(())
    }

    fn end(&mut self, ledger: &Ledger<'_>) -> Result<(), String> {
        for (at, log) in ledger.logs() {
            let delivered = self.delivered.entry(at.clone()).or_default();
            if let Some(missing) = log.records.keys().find(|offset| {
                let is_excused = self.beyond.contains(at) && log.cut.is_some_and(|cut| cut <= **offset);
                !delivered.contains(*offset) && !is_excused
            }) {
                return Err(format!("{at}@{missing} was delivered to nobody"));
            }
        }
        Ok(())
    }
}
