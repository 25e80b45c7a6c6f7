//! `cargo xtask demo`: the tour of `milena-source`, on a real broker that ends with it.

use std::collections::VecDeque;
use std::env;
use std::process::Command;

use super::options;
use crate::error::{Context, Error, Result};
use crate::kafka::{self, Kafka, Options, Version};

/// Starts a broker and runs the tour on it.
pub(super) fn run(args: VecDeque<String>) -> Result<()> {
    let mut version = Version::NEWEST;
    options(args, |name, value| {
        Ok(match name {
            "--version" => {
                version = value.parse()?;
                true
            }
            _ => false,
        })
    })?;
    if let Some(missing) = kafka::missing() {
        return Err(Error::new(format!("the demo runs on real Kafka: {missing}")));
    }
    println!("== Building (the first time takes a few minutes)");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tour = ["--quiet", "--release", "--package", "milena-source", "--example", "tour"];
    succeed(Command::new(&cargo).arg("build").args(tour).current_dir(crate::root()))?;
    println!("== Starting Apache Kafka {version} on loopback (the first time Maven fetches it)");
    let kafka = Kafka::start(Options::new(version))?;
    let bootstrap = kafka.bootstrap();
    println!("== It listens at {bootstrap}");
    let mut run = Command::new(&cargo);
    run.arg("run").args(tour).args(["--", "--bootstrap-server", &bootstrap]).current_dir(crate::root());
    succeed(&mut run)
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().context(|| format!("{command:?}"))?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("{command:?} ended with {status}"))) }
}
