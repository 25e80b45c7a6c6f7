//! Many seeds on all cores, with somebody who watches that each comes to an end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::run::{self, Total};

/// Which seeds.
#[derive(Clone, Copy, Debug)]
pub struct Many {
    /// How many.
    pub count: u64,
    /// From which on.
    pub from: u64,
    /// Whether to stop at the first that violates something.
    pub until_found: bool,
}

/// Lives through them, and prints what is wrong as it is found.
///
/// A world takes milliseconds of real time. One that takes `STUCK` has a task that does not return, or loops while no simulated
/// time passes, which nothing inside of it can tell: its seed is printed, and the process ends.
pub fn run(many: &Many) -> Total {
    let (next, total) = (AtomicU64::new(many.from), Mutex::new(Total::default()));
    let (found, running) = (AtomicBool::new(false), Mutex::new(BTreeMap::new()));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let end = many.from.saturating_add(many.count);
    let lock = |running: &Mutex<BTreeMap<usize, (u64, Instant)>>, core, seed: Option<u64>| {
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        match seed {
            Some(seed) => running.insert(core, (seed, now())),
            None => running.remove(&core),
        };
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|core| {
                let (next, total, found, running) = (&next, &total, &found, &running);
                scope.spawn(move || {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= end || found.load(Ordering::Relaxed) {
                            return;
                        }
                        lock(running, core, Some(seed));
                        let report = run::seed(seed);
                        lock(running, core, None);
                        if !report.violations.is_empty() {
                            found.store(many.until_found, Ordering::Relaxed);
                            println!("{}", report.text);
                        }
                        total.lock().unwrap_or_else(PoisonError::into_inner).add(&report);
                    }
                })
            })
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            thread::sleep(LOOK);
            let running = running.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((seed, _)) = running.values().find(|(_, since)| since.elapsed() > STUCK) {
                println!("seed {seed}: HANG is violated: nothing came of it in {STUCK:?} of real time");
                std::process::exit(1);
            }
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The real one: it watches the simulation from outside.
fn now() -> Instant {
    Instant::now()
}

/// Real time that no world takes, on however busy a machine.
const STUCK: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
