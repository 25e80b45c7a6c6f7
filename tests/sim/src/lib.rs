//! A deterministic simulation of Milena: real members on the cluster in the process, on one thread and under a paused clock, with
//! faults that a seed decides, and a checker that knows what must always hold.
//!
//! One seed is one world ([`world::live`]): first things go wrong ([`fault::Fault`]), then all is healed, and within a stated
//! simulated time everything that was written must be delivered, acknowledged and committed. What happened is then told to the
//! invariants ([`check`]) fact by fact, as brokers and programs saw it: the client's own tables are not asked.
//!
//! What makes a world repeat: one thread, no sockets, `milena.decode.threads=0`, `milena.seed`, no `select!` that draws, and ordered
//! maps wherever something is gone through. One thing is left: Tokio's `watch` wakes in an order of its own dice, which only
//! `--cfg tokio_unstable` lets a runtime be given (`cargo xtask sim` does). Without it a world is judged as well, but may differ
//! from run to run.
//!
//! `cargo xtask sim --seed N` lives through one world and prints all of it; `cargo xtask sim --seeds N --from S` many.

pub mod check;
pub mod dice;
pub mod fact;
pub mod fault;
pub mod gate;
pub mod ledger;
pub mod member;
pub mod options;
mod read;
pub mod run;
pub mod timeline;
pub mod verdict;
pub mod world;
