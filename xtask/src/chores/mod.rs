//! What `cargo xtask` can do.

mod bench;
mod bytes;
mod ci;
mod demo;
mod fuzz;
mod golden;
mod kafka;
mod miri;
mod sim;
mod worlds;

pub use worlds::{Defect, planted};

use std::collections::VecDeque;
use std::env;
use std::process::{Command, ExitCode};

use crate::error::{Context, Error, Result};

const USAGE: &str = "\
cargo xtask bench [--quick] [--server limit|kafka] [--passes 5] [--cases 100B-none,latency,...] [--peers rskafka,java,...|all]
                                    Milena beside other clients, on a server in memory and on real Kafka
cargo xtask bytes                   a session cut, stalled and split behind each of its bytes
cargo xtask ci [step]...            everything that CI checks, or the steps whose names begin so
cargo xtask demo [--on kafka|testkit] [--version 4.3.1]
                                    the main job, end to end, on a broker that ends with it
cargo xtask fuzz [--target T] [--minutes 1]
                                    one fuzz target or all of them (fuzz/README.md), so long each
cargo xtask kafka up [--version 4.3.1] [--nodes 1] [--name default] [--property key=value]...
                                    start real Kafka in the background and print its address
cargo xtask kafka down [--name default]
cargo xtask kafka status
cargo xtask golden assignors        write testdata/assignors again, with Java's assignors
cargo xtask golden segments [4.3.1] write testdata/segments again, with real brokers and other people's producers
cargo xtask miri [filter]...        the tests of milena-records under Miri, or those whose names hold one of the words
cargo xtask sim --seed N            one simulated world, with all that happens in it
cargo xtask sim --seeds N [--from S]
                                    many on all cores, and one line about them
cargo xtask sim --defects [name]... what the simulation makes of planted defects: a table
cargo xtask worlds                  small worlds of the machines of a group, every state
cargo xtask worlds --defects [name] the defects that these must find, with a shortest trace of each";

/// Runs the chore that the command line names.
#[must_use]
pub fn main() -> ExitCode {
    let mut args: VecDeque<String> = env::args().skip(1).collect();
    let chore = args.pop_front().unwrap_or_default();
    let done = match chore.as_str() {
        "bench" => bench::run(args),
        "bytes" => bytes::run(args),
        "ci" => ci::run(args),
        "demo" => demo::run(args),
        "fuzz" => fuzz::run(args),
        "golden" => golden::run(args),
        "kafka" => kafka::run(args),
        "miri" => miri::run(args),
        "sim" => sim::run(args),
        "worlds" => worlds::run(args),
        _ => Err(Error::new(USAGE)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Takes `--name value` pairs off the command line and hands each to `set`.
fn options(mut args: VecDeque<String>, mut set: impl FnMut(&str, String) -> Result<bool>) -> Result<()> {
    while let Some(name) = args.pop_front() {
        let Some(value) = args.pop_front() else {
            return Err(Error::new(format!("{name} needs a value\n{USAGE}")));
        };
        if !set(&name, value)? {
            return Err(Error::new(format!("unknown option {name}\n{USAGE}")));
        }
    }
    Ok(())
}

/// Runs a command on this terminal.
fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().context(|| format!("{command:?}"))?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("{command:?} ended with {status}"))) }
}
