//! C7, of pauses: a program that reads batches gets none of a partition that it has paused, were it fetched before or not. (Of single
//! records the rest of an open batch comes.) A pause is one ownership's: a partition that is given again is not paused.

use std::collections::BTreeMap;
use std::time::Duration;

use client::TopicPartition;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;
use crate::timeline::Name;

#[derive(Debug, Default)]
pub(super) struct NotWhilePaused {
    /// By the generation in which the partition was given when it was paused.
    paused: BTreeMap<(Name, TopicPartition), Option<i32>>,
}

impl Invariant for NotWhilePaused {
    fn name(&self) -> &'static str {
        "C7"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Paused { client, at } => {
                self.paused.insert((client.clone(), at.clone()), ledger.given_in(client, at));
            }
            Fact::Resuming { client } => self.paused.retain(|(of, _), _| of != client),
            Fact::GaveUp { client, partitions, .. } | Fact::Lost { client, partitions } => {
                self.paused.retain(|(of, at), _| of != client || !partitions.contains(at));
            }
            Fact::Delivered { client, at, offset, .. } => {
                let paused = self.paused.get(&(client.clone(), at.clone()));
                if paused.is_some_and(|given| *given == ledger.given_in(client, at)) {
                    return Err(format!("{client} is given {at}@{offset}, and has paused it"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
