//! The `milena` command: reads Kafka, and looks around in it.

mod args;
mod cmd;
mod failure;
mod log;
mod output;
mod progress;
mod segment;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log::start(cli.verbose);
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                log::say(&failure.to_string());
            }
            ExitCode::from(failure.code())
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Consume(args) => on_runtime(cmd::consume::run(args)),
        Command::Produce(args) => on_runtime(cmd::produce::run(args)),
        Command::Topics(args) => on_runtime(cmd::topics::run(args)),
        Command::Groups(args) => on_runtime(cmd::groups::run(args)),
        Command::Dump(args) => cmd::dump::run(args),
    }
}

/// Runs a command that talks to brokers: itself on this thread, connections and groups on others, so that a blocked
/// standard output never holds up a heartbeat.
fn on_runtime(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::runtime(format!("cannot start threads: {error}")))?;
    let outcome = runtime.block_on(command);
    // Whatever still runs has nothing to say any more.
    runtime.shutdown_background();
    outcome
}
