//! A fetch server that is never the bottleneck: the limit of what a client can read, without a broker's own work.
//!
//! It holds about a megabyte of prebuilt batches for each partition, and serves them again and again: before a block of batches
//! is written to the socket, its base offsets are patched in place (they lie outside of the CRC), so that the log looks as long
//! as it was asked to be. Nothing is compressed, checksummed or copied while it serves; what it costs is the kernel's `send`.
//!
//! One thread for each connection, blocking sockets. It answers what a consumer asks, for one topic and for groups of one
//! member, and refuses the rest by closing the connection.

mod answer;
mod content;
mod fetch;
mod group;
mod log;
mod options;
mod serve;

pub(crate) use content::Random;
pub use options::Options;
pub use serve::Server;

/// The one topic there is.
pub const TOPIC: &str = "limit";

/// The batches of a partition, as they are before they are placed: what is measured without a server.
pub(crate) fn block(options: &Options) -> Result<bytes::Bytes, records::BuildError> {
    Ok(log::Log::build(options, 0)?.block().bytes())
}
