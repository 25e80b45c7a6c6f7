//! Every protocol decision of a Kafka client, as state machines without I/O, time or randomness.
//!
//! A machine is told facts (`handle_*(now, …)`), asked for work (`poll_request(now)`), for news (`poll_event()`) and for
//! its next wake-up (`poll_timeout()`). Sending, receiving and sleeping are the shell's (`milena-client`), so each
//! decision can be tested in microseconds, at any time, in any order.
//!
//! [`wire`] is the exception in kind: it turns requests into bytes and bytes into answers, and is the only module that
//! names `kafka-protocol`.

pub mod assignments;
pub mod backoff;
pub mod cluster;
pub mod connection;
pub mod fetch;
pub mod group;
pub mod offsets;
pub mod position;
pub mod produce;
pub mod types;
pub mod wire;
