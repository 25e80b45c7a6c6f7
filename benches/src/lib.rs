//! Fetch throughput of Milena beside other people's clients: the same topics, the same machine, one run.
//!
//! `cargo xtask bench` runs it; `benches/README.md` says what is measured and what came out. [`case::CASES`] is what is
//! read, [`reader::READERS`] is who reads.

pub mod case;
pub mod java;
pub mod limit;
pub mod reader;
pub mod report;
pub mod run;
pub mod tally;
pub mod topic;
