//! Streams in memory: nothing leaves the process, and time is Tokio's, so a test may pause it.

use std::io;
use std::sync::Arc;

use kafka_protocol::messages::BrokerId;
use tokio::io::DuplexStream;

use super::{Shared, serve};

/// The client's end of a new connection to a broker.
///
/// # Errors
/// `ConnectionRefused` if the broker is stopped.
pub(crate) fn connect(shared: &Arc<Shared>, broker: BrokerId) -> io::Result<DuplexStream> {
    if !shared.with(|core, _| core.world().cluster.is_alive(broker)) {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    let (client, server) = tokio::io::duplex(BUFFER_BYTES);
    tokio::spawn(serve(Arc::clone(shared), broker, "/127.0.0.1".to_owned(), server));
    Ok(client)
}

/// About what a loopback socket holds.
const BUFFER_BYTES: usize = 256 * 1024;
