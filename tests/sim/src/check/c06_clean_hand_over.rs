//! C6: what is given up as drained is committed to its end, so that nobody gets it twice; and it is given up otherwise only when the
//! time is over that was given for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::TopicPartition;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;
use crate::timeline::Name;

#[derive(Debug, Default)]
pub(super) struct CleanHandOver {
    /// Until when what is in hand is waited for.
    until: BTreeMap<(Name, TopicPartition), Duration>,
    /// A hand-over before its time, and when it was.
    early: Option<(Duration, Name, String)>,
    /// Offsets that were refused for good, and nothing was committed since.
    failed: BTreeSet<(Name, TopicPartition)>,
    /// Until when a member that leaves waits at most.
    leaving: BTreeMap<Name, Duration>,
}

impl CleanHandOver {
    fn in_time(&mut self, now: Duration, client: &Name, at: &TopicPartition) -> Result<(), String> {
        let until = self.until.remove(&(client.clone(), at.clone()));
        let leaving = self.leaving.get(client).copied().unwrap_or(Duration::MAX);
        match until.map(|until| until.min(leaving)) {
            Some(until) if now < until => {
                Err(format!("{client} gave up {at} as not drained at {now:?}, and had until {until:?}"))
            }
            _ => Ok(()),
        }
    }
}

impl Invariant for CleanHandOver {
    fn name(&self) -> &'static str {
        "C6"
    }

    fn check(&mut self, ledger: &Ledger<'_>, now: Duration, fact: &Fact) -> Result<(), String> {
        if let Some((_, _, early)) = self.early.take_if(|(at, _, _)| *at < now) {
            return Err(early);
        }
        match fact {
            Fact::Leaving { client, within } => {
                self.leaving.insert(client.clone(), now + *within);
                Ok(())
            }
            // Refused for good: there is nothing to wait for.
            Fact::CommitFailed { client, at } => {
                self.early.take_if(|(_, of, _)| of == client);
                self.failed.insert((client.clone(), at.clone()));
                Ok(())
            }
            Fact::Committed { client, at, .. } => {
                self.failed.remove(&(client.clone(), at.clone()));
                Ok(())
            }
            Fact::GivingUp { client, partitions, within } => {
                for at in partitions {
                    self.until.insert((client.clone(), at.clone()), now + *within);
                }
                Ok(())
            }
            Fact::GaveUp { client, partitions, is_drained: true } => drained(ledger, client, partitions),
            Fact::GaveUp { client, partitions, is_drained: false } => {
                let is_failed = |at: &TopicPartition| self.failed.remove(&(client.clone(), at.clone()));
                // What is told is told of all of them.
                if partitions.iter().map(is_failed).fold(false, |any, failed| any | failed) {
                    return Ok(());
                }
                // That it was refused for good may be told after it.
                let early = partitions.iter().find_map(|at| self.in_time(now, client, at).err());
                self.early = early.map(|early| (now, client.clone(), early));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self, _ledger: &Ledger<'_>) -> Result<(), String> {
        self.early.take().map_or(Ok(()), |(_, _, early)| Err(early))
    }
}

fn drained(ledger: &Ledger<'_>, client: &Name, partitions: &BTreeSet<TopicPartition>) -> Result<(), String> {
    for at in partitions {
        let session = ledger.session(client, at).filter(|session| session.is_open);
        let Some(last) = session.and_then(|session| session.last) else { continue };
        let stored = ledger.stored(at).unwrap_or(0);
        if ledger.log(at).has_any(stored..last + 1) {
            return Err(format!("{client} gave up {at} as drained after {last}, but {stored} is committed"));
        }
    }
    Ok(())
}
