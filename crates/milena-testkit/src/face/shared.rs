//! The core under a lock, its outputs on their way, and the one timer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::BrokerId;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::core::{Core, Output};
use crate::ctx::ConnId;

/// What every task of a cluster shares.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    wake: Notify,
    started: Instant,
}

#[derive(Debug)]
struct State {
    core: Core,
    /// Ends of the connections. A connection has as many messages waiting as it has requests, and it reads only so many.
    conns: BTreeMap<ConnId, mpsc::UnboundedSender<ToConn>>,
}

/// What a connection's task is told. The end of the channel means: close.
#[derive(Debug)]
pub(crate) enum ToConn {
    Answer(Bytes),
    Done,
    Cut(Bytes),
}

impl Shared {
    pub(crate) fn new(core: Core) -> Self {
        let state = State { core, conns: BTreeMap::new() };
        Self { state: Mutex::new(state), wake: Notify::new(), started: Instant::now() }
    }

    /// Time since the cluster's start, by Tokio's clock: it stands still where a test has paused it.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Does something with the core, and sends on what comes of it.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Core, Duration) -> T) -> T {
        let now = self.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let due = state.core.poll_timeout();
        let result = work(&mut state.core, now);
        state.send();
        if state.core.poll_timeout() != due {
            self.wake.notify_one();
        }
        result
    }

    pub(crate) fn connect(
        &self,
        broker: BrokerId,
        host: &str,
    ) -> Option<(ConnId, mpsc::UnboundedReceiver<ToConn>)> {
        let now = self.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let conn = state.core.connect(now, broker, host)?;
        let (sender, receiver) = mpsc::unbounded_channel();
        state.conns.insert(conn, sender);
        state.send();
        Some((conn, receiver))
    }

    pub(crate) fn disconnect(&self, conn: ConnId) {
        self.with(|core, now| core.disconnect(now, conn));
        self.state.lock().unwrap_or_else(PoisonError::into_inner).conns.remove(&conn);
    }

    /// Closes every connection.
    pub(crate) fn close_all(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).conns.clear();
    }
}

impl State {
    fn send(&mut self) {
        while let Some(output) = self.core.poll_output() {
            let (conn, message) = match output {
                Output::Answer { conn, frame } => (conn, ToConn::Answer(frame)),
                Output::Done { conn } => (conn, ToConn::Done),
                Output::Cut { conn, bytes } => (conn, ToConn::Cut(bytes)),
                Output::Close { conn } => {
                    self.conns.remove(&conn);
                    continue;
                }
            };
            let is_last = matches!(message, ToConn::Cut(_));
            // The task may be gone already; its `disconnect` is on the way then.
            if let Some(sender) = self.conns.get(&conn) {
                let _ = sender.send(message);
            }
            if is_last {
                self.conns.remove(&conn);
            }
        }
    }
}

/// Wakes the core when something is due, for as long as the cluster lives.
pub(crate) async fn drive(shared: Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let due = strong.with(|core, now| {
            core.handle_timeout(now);
            core.poll_timeout()
        });
        let at = due.map(|due| strong.started + due);
        wait(&strong, at).await;
    }
}

async fn wait(shared: &Arc<Shared>, at: Option<Instant>) {
    let woken = shared.wake.notified();
    match at {
        Some(at) => {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(at) => {}
                () = woken => {}
            }
        }
        None => woken.await,
    }
}
