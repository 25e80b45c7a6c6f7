//! `cargo xtask bench`: Milena beside other people's clients, on a server that ends with it.

use std::collections::VecDeque;
use std::env;
use std::process::Command;

use super::succeed;
use crate::error::{Error, Result};
use crate::kafka;

/// Builds the benchmarks as a user's release build would, and hands them the command line.
pub(super) fn run(args: VecDeque<String>) -> Result<()> {
    let needs_kafka =
        !args.iter().zip(args.iter().skip(1)).any(|(name, value)| name == "--server" && value == "limit");
    if let Some(missing) = kafka::missing().filter(|_| needs_kafka) {
        return Err(Error::new(format!("real Kafka does not run here, only --server limit does: {missing}")));
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let package = ["--quiet", "--release", "--package", "milena-benches"];
    succeed(Command::new(&cargo).arg("build").args(package).arg("--bins").current_dir(crate::root()))?;
    let mut run = Command::new(&cargo);
    run.arg("run").args(package).args(["--bin", "side-by-side", "--"]).args(args).current_dir(crate::root());
    succeed(&mut run)
}
