//! Chores of this repository as a library: real Apache Kafka for tests, and the cache outside the work tree.
//!
//! `cargo xtask` is the program beside it. Nothing here depends on anything but std, so that a chore compiles in a second.

use std::path::PathBuf;

pub mod cache;
mod chores;
pub mod clients;
pub mod corpus;
pub mod defects;
mod error;
pub mod java;
pub mod kafka;

pub use chores::{Defect, main, planted};
pub use error::{Error, Result};

/// The work tree that this was built from.
#[must_use]
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
