//! `cargo xtask miri`: tests of milena-records under Miri. There is no `unsafe` here; what it looks at are the dependencies, as
//! we use them.

use std::collections::VecDeque;
use std::process::Command;

use super::succeed;
use crate::error::Result;

/// Tests that come to an end within minutes although Miri is a thousand times slower: whatever touches a dependency once.
const TESTS: [&str; 8] = [
    "varint::tests::known",
    "varint::tests::overlong",
    "varint::tests::a_varint",
    "tests::owned",
    "tests::control",
    "tests::legacy",
    "tests::hostile::record",
    "codec::lz4_block",
];

/// Runs the tests whose names hold one of the words, or those of `TESTS`.
pub(super) fn run(args: VecDeque<String>) -> Result<()> {
    let words: Vec<String> =
        if args.is_empty() { TESTS.map(str::to_owned).to_vec() } else { args.into_iter().collect() };
    let mut command = Command::new("cargo");
    command.args(["+nightly", "miri", "test", "-p", "milena-records", "--lib"]);
    // Miri runs no C; without zstd all codecs are Rust.
    command.args(["--no-default-features", "--features", "gzip,snappy,lz4,zstd-pure,naive", "--"]);
    command.args(words);
    // Proptest looks for its file of regressions, which Miri does not let it.
    command.env("MIRIFLAGS", "-Zmiri-disable-isolation").env("PROPTEST_CASES", "2");
    command.env("CARGO_TARGET_DIR", crate::root().join("target/miri"));
    command.env_remove("RUSTUP_TOOLCHAIN").current_dir(crate::root());
    succeed(&mut command)
}
