//! Real sockets on 127.0.0.1, one listener for each broker.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use kafka_protocol::messages::BrokerId;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Shared, serve};

/// The listeners.
#[derive(Debug, Default)]
pub(crate) struct Tcp {
    listeners: Mutex<BTreeMap<BrokerId, Listener>>,
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

impl Tcp {
    /// Begins to listen for a broker: on the port it had before, or on any. Returns the port.
    pub(crate) async fn listen(&self, shared: &Arc<Shared>, broker: BrokerId) -> io::Result<u16> {
        let before = self.lock().get(&broker).map(|listener| listener.address);
        let address = before.unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        let accepting = Some(tokio::spawn(accept(socket, Arc::downgrade(shared), broker)));
        let old = self.lock().insert(broker, Listener { address, accepting });
        if let Some(task) = old.and_then(|old| old.accepting) {
            task.abort();
        }
        Ok(address.port())
    }

    /// Stops listening; connections are refused when this returns.
    pub(crate) async fn refuse(&self, broker: BrokerId) {
        let task = self.lock().get_mut(&broker).and_then(|listener| listener.accepting.take());
        if let Some(task) = task {
            task.abort();
            // The socket is closed when the task is gone. It ends with `Cancelled`, which is what was wanted.
            let _ = task.await;
        }
    }

    /// Stops listening everywhere.
    pub(crate) fn close(&self) {
        for task in self.lock().values_mut().filter_map(|listener| listener.accepting.take()) {
            task.abort();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<BrokerId, Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(socket: TcpListener, shared: Weak<Shared>, broker: BrokerId) {
    loop {
        // An error here is the client's: it went away before it was accepted.
        let Ok((stream, from)) = socket.accept().await else { continue };
        let Some(shared) = shared.upgrade() else { return };
        // Answers are written whole; waiting for more of them only adds delay.
        let _ = stream.set_nodelay(true);
        tokio::spawn(serve(shared, broker, format!("/{}", from.ip()), stream));
    }
}
