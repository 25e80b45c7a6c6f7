//! A deterministic simulation of Milena: real members on the cluster in the process, on one thread and under a paused clock, with
//! faults that a seed decides, and a checker that knows what must always hold.
//!
//! One seed is one world ([`world::live`]): first things go wrong ([`fault::Fault`]), then all is healed, and within a stated
//! simulated time everything that was written must be delivered, acknowledged and committed. What happened is then told to the
//! invariants ([`check`]) fact by fact, as brokers and programs saw it: the client's own tables are not asked.
//!
//! What makes a world repeat: one thread, no sockets, `milena.decode.threads=0`, `milena.seed`, ordered maps wherever something is
//! gone through, and nothing that draws from Tokio's own dice: no `select!` that is not biased, and no `watch`, which wakes in an
//! order that it draws (`changes.rs` in the client stands in for it).
//!
//! `cargo xtask sim --seed N` lives through one world and prints all of it; `cargo xtask sim --seeds N --from S` many.

pub mod check;
pub mod dice;
pub mod fact;
pub mod fault;
pub mod gate;
pub mod ledger;
mod logs;
pub mod many;
pub mod member;
pub mod options;
mod read;
pub mod run;
pub mod timeline;
pub mod verdict;
pub mod world;
