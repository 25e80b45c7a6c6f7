//! A connection that many callers share: a task that pipelines their requests and hands each its answer.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use proto::connection::{Connection, Versions, throttle_time_ms};
use proto::types::{BrokerId, CallFailed};
use proto::wire::{ApiKey, Request, encode_request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::net::link::{GENERAL_FRAME_MAX, Link, Peer, decode, not_kafka, pick};

/// Requests that may wait for the task. A caller beyond them waits in turn.
const INBOX_MAX: usize = 64;
/// Requests that may be under way at once: a broker reads them one by one anyway.
const IN_FLIGHT_MAX: usize = 32;

/// A handle to a shared connection. Clones share it; the connection ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    inbox: mpsc::Sender<Call>,
    versions: Arc<Versions>,
    peer: Peer,
    client_id: Arc<str>,
    pause: Arc<Pause>,
}

/// Until when the broker asked this connection to hold back (KIP-219). A caller that waits for that must not take it for a
/// broker that does not answer: the time it gives a call counts from the end of the pause.
#[derive(Debug, Default)]
struct Pause(Mutex<Option<Instant>>);

impl Pause {
    fn set(&self, until: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// When a call that was begun at `since` is given up.
    fn deadline(&self, since: Instant, timeout: Duration) -> Instant {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.map_or(since, |until| until.max(since)) + timeout
    }
}

/// Room for each read: most answers fit in one.
const READ_AHEAD: usize = 16 << 10;

struct Call {
    api: ApiKey,
    version: i16,
    since: Instant,
    timeout: Duration,
    /// The request with everything but its correlation id, which the task writes.
    request: BytesMut,
    answer: oneshot::Sender<Result<Bytes>>,
    /// Asked right before it is sent.
    guard: Option<Guard>,
}

/// Says whether a request is still wanted.
pub(crate) type Guard = Box<dyn Fn() -> bool + Send>;

/// Where the correlation id stands in every request: behind length, API key and version.
const CORRELATION_AT: std::ops::Range<usize> = 8..12;

impl Lane {
    /// Takes over a fresh link.
    pub(crate) fn spawn(link: Link) -> Self {
        let (inbox, calls) = mpsc::channel(INBOX_MAX);
        let lane = Self {
            inbox,
            versions: link.versions.clone(),
            peer: link.peer.clone(),
            client_id: link.client_id.clone(),
            pause: Arc::default(),
        };
        let pause = lane.pause.clone();
        pause.set(link.machine.muted_until());
        let span = link.span.clone();
        tokio::spawn(Task { link, calls, pause, waiting: BTreeMap::new() }.run().instrument(span));
        lane
    }

    /// The same connection, as that to a broker: it was not known whose it is when it was opened.
    pub(crate) fn of_broker(&self, broker: BrokerId) -> Self {
        let peer = Peer { broker: Some(broker), ..self.peer.clone() };
        Self { peer, ..self.clone() }
    }

    /// What the broker said that it serves.
    pub(crate) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Whether the connection is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.inbox.is_closed()
    }

    /// Sends a request and waits for its answer, until `timeout` from now, or from the end of a pause that the broker asks
    /// for (KIP-219): until then nothing is sent.
    ///
    /// # Cancel safety
    /// Dropped before the request is written, nothing happened; afterwards the broker may carry it out all the same,
    /// and the answer is thrown away.
    pub(crate) async fn call<R: Request>(&self, request: &R, timeout: Duration) -> Result<R::Response> {
        let version = self.pick::<R>(*R::VERSIONS.end())?;
        self.call_in(request, version, timeout).await
    }

    /// The version that [`call`](Self::call) would use.
    pub(crate) fn pick<R: Request>(&self, newest: i16) -> Result<i16> {
        pick::<R>(&self.versions, newest)
            .map_err(|error| error.api(R::API, -1).at_broker(self.peer.broker, &self.peer.address))
    }

    /// As [`call`](Self::call), in that very version.
    pub(crate) async fn call_in<R: Request>(
        &self,
        request: &R,
        version: i16,
        timeout: Duration,
    ) -> Result<R::Response> {
        self.call_if(request, version, timeout, None).await
    }

    /// As [`call_in`](Self::call_in), if the guard says so when the request is about to be sent: it may have waited for a pause
    /// that the broker asked for, or behind others.
    pub(crate) async fn call_if<R: Request>(
        &self,
        request: &R,
        version: i16,
        timeout: Duration,
        guard: Option<Guard>,
    ) -> Result<R::Response> {
        let context =
            |error: Error| error.api(R::API, version).at_broker(self.peer.broker, &self.peer.address);
        let mut bytes = BytesMut::new();
        encode_request(request, version, 0, Some(&self.client_id), &mut bytes)
            .map_err(|error| context(error.into()))?;
        let since = clock::now();
        let (sender, receiver) = oneshot::channel();
        let call = Call { api: R::API, version, since, timeout, request: bytes, answer: sender, guard };
        let gone = || context(Error::new(ErrorKind::Disconnected));
        let answer = async {
            self.inbox.send(call).await.map_err(|_| gone())?;
            receiver.await.map_err(|_| gone())?.map_err(context)
        };
        // The task keeps the deadline too. This one covers a caller that waits for its place in the inbox.
        let mut answer = pin!(answer);
        let mut deadline = self.pause.deadline(since, timeout);
        let frame = loop {
            match tokio::time::timeout_at(deadline.into(), answer.as_mut()).await {
                Ok(answer) => break answer?,
                Err(_) => match self.pause.deadline(since, timeout) {
                    later if later > deadline => deadline = later,
                    _ => return Err(context(Error::new(ErrorKind::TimedOut))),
                },
            }
        };
        decode::<R>(version, frame).map_err(context)
    }
}

struct Task {
    link: Link,
    calls: mpsc::Receiver<Call>,
    pause: Arc<Pause>,
    waiting: BTreeMap<i32, oneshot::Sender<Result<Bytes>>>,
}

impl Task {
    async fn run(mut self) {
        let end = self.serve().await;
        let reason = match end {
            Ok(()) => {
                tracing::debug!(target: "milena::connection", "closed");
                Error::closed("the connection")
            }
            Err(error) => {
                tracing::debug!(target: "milena::connection", %error, "ended");
                error
            }
        };
        for outcome in self.link.machine.handle_closed() {
            if let Some(waiting) = self.waiting.remove(&outcome.correlation_id.0) {
                let _ = waiting.send(Err(reason.clone()));
            }
        }
    }

    /// Until all handles are gone, or the connection is.
    async fn serve(&mut self) -> Result<()> {
        let Self { link, calls, pause, waiting } = self;
        let (mut reader, mut writer) = tokio::io::split(&mut link.io);
        let mut out = BytesMut::new();
        let mut incoming = BytesMut::new();
        loop {
            while let Some(frame) = next_frame(&mut link.machine, &mut incoming)? {
                link.traffic.received.fetch_add(frame.len() as u64 + 4, Ordering::Relaxed);
                let answered = proto::wire::correlation_id(&frame);
                let done = link
                    .machine
                    .handle_frame(clock::now(), answered)
                    .map_err(|error| Error::new(ErrorKind::Malformed).source(error))?;
                let throttle_ms = throttle_time_ms(done.api, done.version, &frame);
                if throttle_ms > 0 {
                    link.machine.handle_throttle(clock::now(), throttle_ms);
                    pause.set(link.machine.muted_until());
                    tracing::debug!(target: "milena::connection", api = %done.api, throttle_ms, "throttled");
                }
                if let Some(waiting) = waiting.remove(&done.correlation_id.0) {
                    let _ = waiting.send(Ok(frame));
                }
            }
            let may_send = link.machine.may_send(clock::now());
            let wake = match may_send {
                true => link.machine.poll_timeout(),
                false => link.machine.poll_timeout().into_iter().chain(link.machine.muted_until()).min(),
            };
            incoming.reserve(READ_AHEAD);
            tokio::select! {
                // No arm starves the ones below it: calls are bounded, what is written runs out, and while answers come none is late.
                biased;
                call = calls.recv(), if may_send && waiting.len() < IN_FLIGHT_MAX => {
                    let Some(call) = call else { return Ok(()) };
                    enqueue(&mut link.machine, pause, waiting, &mut out, call);
                }
                written = writer.write_buf(&mut out), if !out.is_empty() => {
                    let written = written.map_err(|error| Error::new(ErrorKind::Disconnected).source(error))?;
                    link.traffic.sent.fetch_add(written as u64, Ordering::Relaxed);
                }
                read = reader.read_buf(&mut incoming) => {
                    if read.map_err(|error| Error::new(ErrorKind::Disconnected).source(error))? == 0 {
                        return Err(Error::new(ErrorKind::Disconnected));
                    }
                }
                () = clock::until(wake) => {
                    // A broker answers in order: when one answer is overdue, those behind it are too. The connection
                    // ends, so that a late answer can never be taken for another.
                    if !link.machine.handle_timeout(clock::now()).is_empty() {
                        return Err(Error::new(ErrorKind::TimedOut));
                    }
                }
            }
        }
    }
}

fn enqueue(
    machine: &mut Connection,
    pause: &Pause,
    waiting: &mut BTreeMap<i32, oneshot::Sender<Result<Bytes>>>,
    out: &mut BytesMut,
    mut call: Call,
) {
    if call.answer.is_closed() {
        return;
    }
    if call.guard.as_ref().is_some_and(|is_wanted| !is_wanted()) {
        let _ = call.answer.send(Err(Error::new(ErrorKind::Fenced).message("not sent: it came too late")));
        return;
    }
    let deadline = pause.deadline(call.since, call.timeout);
    let id = machine.send(clock::now(), call.api, call.version, deadline, GENERAL_FRAME_MAX);
    call.request[CORRELATION_AT].copy_from_slice(&id.0.to_be_bytes());
    out.extend_from_slice(&call.request);
    waiting.insert(id.0, call.answer);
}

/// Cuts the next whole frame, without its length, off what has arrived.
fn next_frame(machine: &mut Connection, incoming: &mut BytesMut) -> Result<Option<Bytes>> {
    let Some(prefix) = incoming.first_chunk::<4>() else { return Ok(None) };
    let len = machine.handle_length(*prefix).map_err(not_kafka)?;
    if incoming.len() - 4 < len {
        // `read_buf` reserves as bytes arrive, and doubles: a claimed length alone takes no memory.
        return Ok(None);
    }
    incoming.advance(4);
    Ok(Some(incoming.split_to(len).freeze()))
}

/// How a failed call looks to a machine.
pub(crate) fn as_call_failed(error: &Error) -> CallFailed {
    match error.kind() {
        ErrorKind::TimedOut => CallFailed::TimedOut,
        ErrorKind::Unsupported => CallFailed::Unsupported,
        ErrorKind::Malformed => CallFailed::Malformed,
        _ => CallFailed::Disconnected,
    }
}
