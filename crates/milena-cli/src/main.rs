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
    let verbose = match &cli.command {
        // Kafka's system tests mean by the first one that records are to be told, not what the client does.
        Command::VerifiableConsumer(_) => cli.verbose.saturating_sub(1),
        _ => cli.verbose,
    };
    log::start(verbose);
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                log::say(&failure.to_string());
            }
            ExitCode::from(failure.code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Consume(args) => on_runtime(cmd::consume::run(args)),
        Command::Produce(args) => on_runtime(cmd::produce::run(args)),
        Command::Topics(args) => on_runtime(cmd::topics::run(args)),
        Command::Groups(args) => on_runtime(cmd::groups::run(args)),
        Command::Dump(args) => cmd::dump::run(args),
        Command::VerifiableConsumer(args) => on_one_thread(cmd::verifiable::consume(args, cli.verbose > 0)),
        Command::VerifiableProducer(args) => on_one_thread(cmd::verifiable::produce(args)),
    }
}

/// Runs a command that talks to brokers: itself on this thread, connections and groups on others, so that a blocked
/// standard output never holds up a heartbeat.
fn on_runtime(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    on(tokio::runtime::Builder::new_multi_thread().enable_all().build(), command)
}

/// Runs a command whose lines tell what happened in the order in which it happened: nothing goes on while one is written.
fn on_one_thread(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    on(tokio::runtime::Builder::new_current_thread().enable_all().build(), command)
}

fn on(
    runtime: std::io::Result<tokio::runtime::Runtime>,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let runtime = runtime.map_err(|error| Failure::runtime(format!("cannot start threads: {error}")))?;
    let outcome = runtime.block_on(command);
    // Whatever still runs has nothing to say any more.
    runtime.shutdown_background();
    outcome
}
