//! `cargo xtask sim`: worlds of the simulation, one or many.

use std::collections::VecDeque;
use std::env;
use std::process::Command;

use super::succeed;
use crate::error::Result;

/// Builds the simulation as it runs fastest, and hands it the command line.
pub(super) fn run(args: VecDeque<String>) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut run = Command::new(cargo);
    run.args(["run", "--quiet", "--release", "--package", "milena-sim", "--"]);
    run.args(args).current_dir(crate::root());
    succeed(&mut run)
}
