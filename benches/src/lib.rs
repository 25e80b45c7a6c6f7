//! Milena beside other people's clients: the same topics, the same machine, one run.
//!
//! `cargo xtask bench` runs it; `benches/README.md` says what is measured and what came out. [`case::CASES`] is what is
//! read, [`reader::READERS`] is who reads, [`scenario::SCENARIOS`] is what else is looked at, [`limit`] is the server that is
//! never the bottleneck.

pub mod case;
pub mod java;
pub mod limit;
pub mod micro;
pub mod plan;
pub mod reader;
pub mod report;
pub mod run;
pub mod sample;
pub mod scenario;
pub mod server;
pub mod tally;
