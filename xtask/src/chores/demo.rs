//! `cargo xtask demo`: the tour of `milena-source`, on a real broker that ends with it, or on the cluster in the process.

use std::collections::VecDeque;
use std::env;
use std::process::Command;

use super::{options, succeed};
use crate::error::{Error, Result};
use crate::kafka::{self, Kafka, Options, Version};

/// Starts a broker and runs the tour on it. Without Java or Maven, or with `--on testkit`, the tour starts its own.
pub(super) fn run(args: VecDeque<String>) -> Result<()> {
    let mut version = Version::NEWEST;
    let mut missing = kafka::missing();
    options(args, |name, value| {
        Ok(match (name, value.as_str()) {
            ("--on", "testkit") => {
                missing = Some("it was not asked for".to_owned());
                true
            }
            ("--on", "kafka") => match kafka::missing() {
                Some(missing) => return Err(Error::new(format!("the demo on real Kafka: {missing}"))),
                None => true,
            },
            ("--version", _) => {
                version = value.parse()?;
                true
            }
            _ => false,
        })
    })?;
    println!("== Building (the first time takes a few minutes)");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tour = ["--quiet", "--release", "--package", "milena-source", "--example", "tour"];
    succeed(Command::new(&cargo).arg("build").args(tour).current_dir(crate::root()))?;
    if let Some(missing) = missing {
        println!("== On Milena's own test cluster; real Kafka is not used: {missing}");
        return succeed(Command::new(&cargo).arg("run").args(tour).current_dir(crate::root()));
    }
    println!("== Starting Apache Kafka {version} on loopback (the first time Maven fetches it)");
    let kafka = Kafka::start(Options::new(version))?;
    let bootstrap = kafka.bootstrap();
    println!("== It listens at {bootstrap}");
    let mut run = Command::new(&cargo);
    run.arg("run").args(tour).args(["--", "--bootstrap-server", &bootstrap]).current_dir(crate::root());
    succeed(&mut run)
}
