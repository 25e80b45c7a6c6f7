//! `cargo xtask sim`: one seed with all that happens, or many.

use std::env;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use milena_sim::options::Options;
use milena_sim::run::{self, Total};
use milena_sim::world::live;

const USAGE: &str = "\
milena-sim --seed N                 one world, with all that happens in it
milena-sim --seeds N [--from S]     many, on all cores; those that fail with their last events";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let number = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1)?.parse::<u64>().ok()
    };
    match (number("--seed"), number("--seeds")) {
        (Some(seed), None) => one(seed),
        (None, Some(seeds)) => many(seeds, number("--from").unwrap_or(0)),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn one(seed: u64) -> ExitCode {
    let outcome = live(Options::draw(seed));
    println!("{:#?}", outcome.options);
    for (step, timed) in outcome.past.facts.iter().enumerate() {
        println!("{step:>7} {:>14} {}", format!("{:.3?}", timed.at), timed.fact);
    }
    let report = run::report(&outcome);
    println!("trace {:016x}", outcome.past.trace());
    print!("{}", report.text);
    let mut total = Total::default();
    total.add(&report);
    println!("{total}");
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn many(seeds: u64, from: u64) -> ExitCode {
    let (next, total) = (AtomicU64::new(from), Mutex::new(Total::default()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from.saturating_add(seeds) {
                        return;
                    }
                    let report = run::seed(seed);
                    if !report.violations.is_empty() {
                        println!("{}", report.text);
                    }
                    total.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(&report);
                }
            });
        }
    });
    let total = total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (fault, times) in &total.faults {
        println!("{:>20} {times}", format!("{fault:?}"));
    }
    println!("{total}");
    if total.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
