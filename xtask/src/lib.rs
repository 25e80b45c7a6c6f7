//! Chores of this repository as a library: real Apache Kafka for tests, and the cache outside the work tree.
//!
//! `cargo xtask` is the program beside it. Nothing here depends on anything but std, so that a chore compiles in a second.

pub mod cache;
mod chores;
mod error;
pub mod kafka;

pub use chores::main;
pub use error::{Error, Result};
