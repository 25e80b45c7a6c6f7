//! What was, and whether it may have been.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

use client::TopicPartition;
use testkit::{Cluster, Requests};

use crate::check::{self, Bounds, Invariant};
pub use crate::fact::Log;
use crate::fact::{Fact, Timed};
use crate::ledger::Ledger;
use crate::options::Options;
use crate::read;
use crate::timeline::Step;

/// All that happened in a world.
#[derive(Debug)]
pub struct Past {
    /// What the checker is told, in order.
    pub facts: Vec<Timed>,
    /// Every request and its answer.
    pub requests: Requests,
    /// The logs, as they were in the end and before.
    pub logs: BTreeMap<TopicPartition, Log>,
    /// What invariants have to know of the world.
    pub bounds: Bounds,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant of facts/faults.md.
    pub invariant: &'static str,
    /// At which fact, if at one.
    pub step: Option<usize>,
    /// When.
    pub at: Duration,
    /// What is wrong.
    pub what: String,
}

impl Violation {
    /// One that no single fact shows.
    pub fn at_the_end(invariant: &'static str, at: Duration, what: String) -> Self {
        Self { invariant, step: None, at, what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is violated at {:?}", self.invariant, self.at)?;
        if let Some(step) = self.step {
            write!(f, ", step {step}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl Past {
    /// Of a cluster, its timeline and its logs.
    pub fn of(
        cluster: &Cluster,
        steps: Vec<Step>,
        logs: BTreeMap<TopicPartition, Log>,
        options: &Options,
    ) -> Self {
        let (facts, requests) = (read::facts(cluster, steps), cluster.requests());
        Self { facts, requests, logs, bounds: options.bounds() }
    }

    /// A hash over all requests and answers with their times: the same in every run of the same seed.
    pub fn trace(&self) -> u64 {
        let mut hash = Fnv::new();
        for exchange in self.requests.iter() {
            // Writing into a hash does not fail.
            let _ = write!(hash, "{exchange:?}");
        }
        hash.0
    }

    /// The first violation of each invariant, in order of steps.
    pub fn judge(&self) -> Vec<Violation> {
        judge(&self.facts, &self.logs, check::all(&self.bounds))
    }

    /// The last facts before a violation about its partition, or about everything if it names none.
    pub fn before(&self, violation: &Violation, count: usize) -> Vec<String> {
        let end = violation.step.map_or(self.facts.len(), |step| (step + 1).min(self.facts.len()));
        let named = self.logs.keys().find(|at| violation.what.contains(&at.to_string()));
        let concerns = |timed: &&Timed| match named {
            Some(at) => timed.fact.concerns(at) || matches!(timed.fact, Fact::Note(_)),
            None => !matches!(timed.fact, Fact::Request { .. } | Fact::Held { .. } | Fact::Counted { .. }),
        };
        let mut last: Vec<_> = self.facts[..end].iter().rev().filter(concerns).take(count).collect();
        last.reverse();
        last.into_iter().map(|timed| format!("{:>14} {}", format!("{:.3?}", timed.at), timed.fact)).collect()
    }
}

/// Takes each fact to each invariant, then enters it into the books.
pub fn judge(
    facts: &[Timed],
    logs: &BTreeMap<TopicPartition, Log>,
    invariants: Vec<Box<dyn Invariant>>,
) -> Vec<Violation> {
    let mut ledger = Ledger::new(logs);
    let mut open: Vec<_> = invariants.into_iter().map(Some).collect();
    let mut found = Vec::new();
    for (step, timed) in facts.iter().enumerate() {
        let Timed { at, fact } = timed;
        for slot in &mut open {
            let Some(invariant) = slot else { continue };
            if let Err(what) = invariant.check(&ledger, *at, fact) {
                found.push(Violation { invariant: invariant.name(), step: Some(step), at: *at, what });
                *slot = None;
            }
        }
        ledger.enter(timed);
    }
    let end = facts.last().map_or(Duration::ZERO, |last| last.at);
    for invariant in open.iter_mut().flatten() {
        if let Err(what) = invariant.end(&ledger) {
            found.push(Violation::at_the_end(invariant.name(), end, what));
        }
    }
    found
}

/// FNV-1a: what is hashed is known and short, and nobody attacks it.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
