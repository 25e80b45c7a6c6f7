//! A broker that lies: hundreds of cases, each against the whole client.
//!
//! A cluster in the process, the client on streams in memory, and between them something that changes answers. Time is
//! simulated: a case takes some milliseconds. In each of them the lie lasts for four seconds and is then taken back, and what
//! must hold is:
//!
//! - nothing panics, in any task;
//! - no more than 20 requests or connections a second and broker that bring nothing;
//! - memory grows by no more than 16 MiB;
//! - the partition that the honest broker leads is read on, all the time;
//! - where the lie cannot be taken for the truth: an error or event that names the broker, the API and its version;
//! - afterwards everything is read, each record once (unless a move of the position was told) and under its true offset.
//!
//! `cargo test -p milena-hostile --test lying_broker -- Metadata` runs the cases whose names hold the word, `--verbose` says
//! what each came to.

mod case;
mod forge;
mod futures;
mod table;
mod world;

use std::env;
use std::process::ExitCode;
use std::sync::PoisonError;
use std::time::Instant;

use case::PANICS;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let is_verbose = arguments.iter().any(|argument| argument == "--verbose");
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    std::panic::set_hook(Box::new(|info| {
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
    }));
    let cases = table::all().into_iter().filter(|case| words.iter().all(|word| case.name.contains(*word)));
    let (mut passed, mut failed) = (0, 0);
    for mut case in cases {
        case.must_tell |= arguments.iter().any(|argument| argument == "--must-tell");
        let start = Instant::now();
        let report = case::run(&case);
        let took = start.elapsed();
        if report.wrong.is_empty() {
            passed += 1;
        } else {
            failed += 1;
            println!("FAILED {}", case.name);
            report.wrong.iter().for_each(|wrong| println!("    {wrong}"));
        }
        if is_verbose {
            let case::Report { lies, worst_rate, growth, recovery, .. } = &report;
            let growth = growth >> 10;
            println!("{}: {lies} lies, {worst_rate}/s, {growth} KiB, {recovery:?}, {took:?}", case.name);
        }
        if is_verbose || !report.wrong.is_empty() {
            report.told.iter().take(4).for_each(|told| println!("    told: {told}"));
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
