//! Seeds, one or many, and what came of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Duration;

use crate::fault::Fault;
use crate::options::Options;
use crate::verdict::Violation;
use crate::world::{Outcome, live};

/// What came of one seed.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub seed: u64,
    /// What must not have been, in order.
    pub violations: Vec<Violation>,
    /// Facts that were checked.
    pub events: usize,
    /// Simulated time.
    pub lasted: Duration,
    /// How often each kind of fault was done.
    pub faults: BTreeMap<Fault, u64>,
    /// For the reader, if there is something to read: options, violations, the last facts before the first.
    pub text: String,
}

/// Lives through the world of a seed, and judges it. A panic anywhere in it is a violation like another.
pub fn seed(seed: u64) -> Report {
    watch_panics();
    PANICS.take();
    let options = Options::draw(seed);
    let outcome = catch_unwind(AssertUnwindSafe(|| live(options.clone())));
    let panics = PANICS.take();
    let mut report = match outcome {
        Ok(outcome) => report(&outcome),
        Err(_) => {
            let (faults, lasted) = (BTreeMap::new(), Duration::ZERO);
            Report { seed, violations: Vec::new(), events: 0, lasted, faults, text: format!("{options:?}\n") }
        }
    };
    for panic in panics {
        report.text.insert_str(0, &format!("seed {seed}: panic: {panic}\n"));
        report.violations.insert(0, Violation::at_the_end("panic", report.lasted, panic));
    }
    report
}

/// A panic in a task ends that task and nothing else: nobody would hear of it.
fn watch_panics() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            // The borrow cannot be taken: nothing here panics.
            PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()));
        }));
    });
}

thread_local! {
    /// A world lives on one thread.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Judges a world that has been lived through.
pub fn report(outcome: &Outcome) -> Report {
    let mut violations = outcome.past.judge();
    violations.extend(outcome.seen.iter().cloned());
    let mut report = Report {
        seed: outcome.options.seed,
        violations,
        events: outcome.past.facts.len(),
        lasted: outcome.lasted,
        faults: outcome.faults.clone(),
        text: String::new(),
    };
    if let Some(first) = report.violations.first() {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(text, "seed {}: {}", report.seed, first);
        for violation in &report.violations[1..] {
            let _ = writeln!(text, "  and {violation}");
        }
        let _ = writeln!(text, "{:?}", outcome.options);
        let _ = writeln!(text, "the last facts before:");
        for line in outcome.past.before(first, FACTS_SHOWN) {
            let _ = writeln!(text, "{line}");
        }
        report.text = text;
    }
    report
}

const FACTS_SHOWN: usize = 60;

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Total {
    /// How many.
    pub seeds: u64,
    /// Facts that were checked.
    pub events: usize,
    /// Simulated time.
    pub lasted: Duration,
    /// Seeds that violated something.
    pub violations: u64,
    /// How often each kind of fault was done.
    pub faults: BTreeMap<Fault, u64>,
    /// In how many worlds two kinds of fault were both done.
    pub pairs: BTreeMap<(Fault, Fault), u64>,
}

impl Total {
    /// Adds one.
    pub fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.events += report.events;
        self.lasted += report.lasted;
        self.violations += u64::from(!report.violations.is_empty());
        for (fault, times) in &report.faults {
            *self.faults.entry(*fault).or_default() += times;
            for other in report.faults.keys().filter(|other| *other > fault) {
                *self.pairs.entry((*fault, *other)).or_default() += 1;
            }
        }
    }

    /// How often each kind of fault was done.
    pub fn faults_table(&self) -> String {
        let line = |fault: &Fault| {
            let times = self.faults.get(fault).copied().unwrap_or(0);
            format!("{:>20} {times}\n", format!("{fault:?}"))
        };
        Fault::ALL.iter().map(line).collect()
    }

    /// In how many worlds two kinds of fault were both done: each line is a kind, each column one of those before it.
    pub fn pairs_table(&self) -> String {
        let mut table = String::new();
        for (row, fault) in Fault::ALL.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(table, "{:>20}", format!("{fault:?}"));
            for other in &Fault::ALL[..row] {
                let pair = (*fault.min(other), *fault.max(other));
                let _ = write!(table, " {:>5}", self.pairs.get(&pair).copied().unwrap_or(0));
            }
            table.push('\n');
        }
        table
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.lasted.as_secs_f64() / 3600.0;
        write!(
            f,
            "{} seeds, {} events, {hours:.1} simulated hours, {} violations",
            self.seeds, self.events, self.violations
        )
    }
}
