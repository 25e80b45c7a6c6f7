//! Bytes that no honest broker sends.
//!
//! [`target`] holds what is fuzzed: one plain function for each target, which `fuzz/` runs on the nightly toolchain and
//! `tests/replay.rs` runs on stable over the committed corpora. [`oracle`] says what must hold while it runs. What was found
//! once is a named test in `tests/`.

pub mod corpus;
pub mod oracle;
pub mod seeds;
pub mod take;
pub mod target;

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;
