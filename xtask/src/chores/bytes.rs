//! `cargo xtask bytes`: a session damaged behind each of its bytes, where CI tries one of a hundred.

use std::collections::VecDeque;
use std::env;
use std::process::Command;

use super::succeed;
use crate::error::Result;

/// Runs the test that knows how, as fast as it can be.
pub(super) fn run(_args: VecDeque<String>) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut run = Command::new(cargo);
    run.args([
        "test",
        "--quiet",
        "--release",
        "--package",
        "milena-sim",
        "--test",
        "every",
        "bytes",
        "--",
        "--nocapture",
    ]);
    run.env("MILENA_EVERY_BYTE", "1").current_dir(crate::root());
    succeed(&mut run)
}
