//! `cargo xtask sim`: one seed with all that happens, or many.

use std::env;
use std::process::ExitCode;

use milena_sim::many::{self, Many};
use milena_sim::options::Options;
use milena_sim::run::{self, Total};
use milena_sim::world::live;

const USAGE: &str = "\
milena-sim --seed N                 one world, with all that happens in it
milena-sim --seeds N [--from S]     many, on all cores; those that fail with their last events
           [--until-found]          ends with the first violation
           [--pairs]                which kinds of fault met in a world, and how often";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let number = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1)?.parse::<u64>().ok()
    };
    let has = |name: &str| args.iter().any(|arg| arg == name);
    match (number("--seed"), number("--seeds")) {
        (Some(seed), None) => one(seed),
        (None, Some(count)) => {
            let from = number("--from").unwrap_or(0);
            let total = many::run(&Many { count, from, until_found: has("--until-found") });
            if !has("--until-found") {
                print!("{}", total.faults_table());
            }
            if has("--pairs") {
                print!("{}", total.pairs_table());
            }
            println!("{total}");
            if total.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
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
