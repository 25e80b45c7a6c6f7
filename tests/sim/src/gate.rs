//! What stands between a member and the brokers: open, stalled as in a stopped process, or gone as after a crash.
//!
//! A task that is spawned cannot be kept from being polled by who did not spawn it. So a frozen member is one whose connections
//! move no byte either way, while the program around it neither takes records nor acknowledges any. Unlike in a stopped process
//! its timers go on: it learns on its own that its session must be over.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use client::{Connect, Connecting, Io};
use testkit::Cluster;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::Notify;

/// How a member is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// As usual.
    Open,
    /// No byte moves.
    Stalled,
    /// Connections are reset, and new ones refused.
    Gone,
}

/// A member's gate. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Gate {
    state: Arc<Mutex<State>>,
    /// Tells of another state. Not `watch`, which wakes in an order of its own dice.
    changed: Arc<Notify>,
    waiting: Arc<Mutex<Waiting>>,
    cluster: Cluster,
    spin: Arc<Mutex<Spin>>,
}

/// Who waits in which connection, reading or writing.
#[derive(Debug, Default)]
struct Waiting {
    made: u64,
    wakers: BTreeMap<(u64, bool), Waker>,
}

/// How often the gate was asked without time passing.
#[derive(Debug, Default)]
struct Spin {
    at_ms: u128,
    polls: u32,
    is_endless: bool,
}

/// So many reads and writes in one millisecond are no work but a loop without end, which would never let time pass.
const POLLS_MAX: u32 = 200_000;

impl Gate {
    /// An open one before a cluster.
    pub fn new(cluster: &Cluster) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::Open)),
            changed: Arc::default(),
            waiting: Arc::default(),
            cluster: cluster.clone(),
            spin: Arc::default(),
        }
    }

    /// Opens or closes it. What is gone stays so.
    pub fn set(&self, state: State) {
        if self.state() != State::Gone {
            *lock(&self.state) = state;
            self.changed.notify_waiters();
        }
        let waiting = std::mem::take(&mut lock(&self.waiting).wakers);
        waiting.into_values().for_each(Waker::wake);
    }

    /// How it is.
    pub fn state(&self) -> State {
        *lock(&self.state)
    }

    /// Returns when it is like that, or not, as `wanted` says.
    pub async fn until(&self, wanted: impl Fn(State) -> bool) {
        loop {
            // Made before the look: it hears of every change from here on.
            let changed = self.changed.notified();
            if wanted(self.state()) {
                return;
            }
            changed.await;
        }
    }

    /// Whether the member has begun to loop without letting time pass. It has been stalled then.
    pub fn is_spinning(&self) -> bool {
        lock(&self.spin).is_endless
    }

    /// A waker in the stream would be of no use while the gate is closed, and one in the gate none while it is open: both hear
    /// of this poll.
    fn pass(&self, place: (u64, bool), cx: &Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.waiting).wakers.insert(place, cx.waker().clone());
        let mut spin = lock(&self.spin);
        let at_ms = self.cluster.now().as_millis();
        spin.polls = if spin.at_ms == at_ms { spin.polls + 1 } else { 0 };
        spin.at_ms = at_ms;
        if spin.polls > POLLS_MAX {
            spin.is_endless = true;
            drop(spin);
            self.set(State::Stalled);
        }
        match self.state() {
            State::Open => Poll::Ready(Ok(())),
            State::Gone => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            State::Stalled => Poll::Pending,
        }
    }
}

impl Connect for Gate {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move {
            self.until(|state| state != State::Stalled).await;
            if self.state() == State::Gone {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let stream = self.cluster.connect_to(host, port)?;
            let mut waiting = lock(&self.waiting);
            waiting.made += 1;
            Ok(Box::new(Gated { stream, number: waiting.made, gate: self.clone() }) as Box<dyn Io>)
        })
    }
}

struct Gated {
    stream: DuplexStream,
    number: u64,
    gate: Gate,
}

impl Gated {
    fn pass(&mut self, is_write: bool, cx: &Context<'_>) -> Poll<io::Result<Pin<&mut DuplexStream>>> {
        ready!(self.gate.pass((self.number, is_write), cx))?;
        Poll::Ready(Ok(Pin::new(&mut self.stream)))
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        let mut waiting = lock(&self.gate.waiting);
        waiting.wakers.remove(&(self.number, false));
        waiting.wakers.remove(&(self.number, true));
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.pass(false, cx))?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.pass(true, cx))?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.pass(true, cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
