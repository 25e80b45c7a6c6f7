//! How clients reach the core: over TCP on loopback, or over streams in memory. The core is the same.

#[cfg(feature = "connect")]
mod connect;
mod connection;
pub(crate) mod memory;
mod shared;
pub(crate) mod tcp;

pub(crate) use connection::serve;
pub(crate) use shared::{Shared, drive};
