//! A connection that carries one request at a time: what a fetch uses, and what every other connection begins as.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proto::connection::{Connection, FrameError, Versions};
use proto::types::BrokerId;
use proto::wire::{
    ApiVersionsRequest, ApiVersionsResponse, ErrorCode, Request, decode_response, encode_request,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::{Instrument, Span};

use crate::budget::Credit;
use crate::buffer::BufferPool;
use crate::clock;
use crate::error::{Error, ErrorKind, Origin, Result};
use crate::net::{Dialer, Io};

/// Answers before the versions are known are small (facts: an HTTP server's greeting reads as a length of 1.2 GB).
pub(crate) const HANDSHAKE_FRAME_MAX: usize = 64 << 10;
/// Answers other than a fetch's: the largest is the metadata of a large cluster.
pub(crate) const GENERAL_FRAME_MAX: usize = 100 << 20;
/// The first read of an answer: enough for most of them whole.
const FIRST_READ: usize = 64 << 10;
/// However little of the budget is left, an answer without records has room.
const FIRST_READ_MIN: usize = 512;
/// The most that is reserved ahead of the bytes that have arrived.
const RESERVE_MAX: usize = 1 << 20;

/// The first version of ApiVersions after whose answer the broker mutes the connection (KIP-219).
const THROTTLED_SINCE: i16 = 2;

/// Bytes that went over a client's connections, for its counters.
#[derive(Default, Debug)]
pub(crate) struct Traffic {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) broker: Option<BrokerId>,
    pub(crate) address: Arc<str>,
}

/// One connection, one request at a time.
pub(crate) struct Link {
    pub(super) span: Span,
    pub(super) io: Box<dyn Io>,
    pub(super) machine: Connection,
    pub(super) versions: Arc<Versions>,
    pub(super) peer: Peer,
    pub(super) client_id: Arc<str>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) pool: BufferPool,
    out: BytesMut,
    /// Length of the last answer: the next one's buffer is taken by it.
    last_frame: usize,
    /// Set while a call is under way: a call that was dropped leaves an answer behind that nobody reads.
    dirty: bool,
}

/// An answer as it came: the version it is in, and the whole frame with its length in front.
pub(crate) struct RawAnswer {
    pub(crate) version: i16,
    pub(crate) frame: Vec<u8>,
    /// From the request's first byte to the answer's.
    pub(crate) wait: Duration,
    /// From there to the answer's last.
    pub(crate) transfer: Duration,
}

impl RawAnswer {
    /// Bytes that the answer holds in memory.
    pub(crate) fn capacity(&self) -> usize {
        self.frame.capacity()
    }
}

impl Link {
    /// Connects and learns the broker's versions.
    pub(crate) async fn open(
        dialer: &Dialer,
        host: &str,
        port: u16,
        broker: Option<BrokerId>,
        lane: &'static str,
    ) -> Result<Self> {
        let client = &*dialer.client_id;
        let span = tracing::debug_span!(
            target: "milena::connection", parent: None, "connection",
            client, lane, host, port, broker = tracing::field::Empty,
        );
        if let Some(broker) = broker {
            span.record("broker", broker.0);
        }
        Self::open_in(span.clone(), dialer, host, port, broker).instrument(span).await
    }

    async fn open_in(
        span: Span,
        dialer: &Dialer,
        host: &str,
        port: u16,
        broker: Option<BrokerId>,
    ) -> Result<Self> {
        let start = clock::now();
        let address: Arc<str> = format!("{host}:{port}").into();
        let peer = Peer { broker, address };
        let deadline = start + dialer.request_timeout;
        let at = |error: Error| error.at_broker(peer.broker, &peer.address);
        // Not `connect_timeout`: that is for one address, and a name may have several.
        let io = tokio::time::timeout_at(deadline.into(), dialer.connect.connect(host, port))
            .await
            .map_err(|_| at(Error::new(ErrorKind::Connect).message("connecting took too long")))?
            .map_err(|error| at(Error::new(ErrorKind::Connect).source(error)))?;
        let mut link = Self {
            span,
            io,
            machine: Connection::new(),
            versions: Arc::new(Versions::unknown()),
            peer: peer.clone(),
            client_id: dialer.client_id.clone(),
            traffic: dialer.traffic.clone(),
            pool: dialer.pool.clone(),
            out: BytesMut::new(),
            last_frame: 0,
            dirty: false,
        };
        let asked = |error: Error| error.api(ApiVersionsRequest::API, *ApiVersionsRequest::VERSIONS.end());
        let versions = link.handshake(deadline).await.map_err(asked).map_err(at)?;
        link.versions = Arc::new(versions);
        tracing::debug!(target: "milena::connection", took = ?clock::now() - start, "connected");
        Ok(link)
    }

    /// KIP-35, KIP-511: ask in our newest version; a broker that does not know it answers UNSUPPORTED_VERSION in
    /// version 0, with its own range.
    async fn handshake(&mut self, deadline: Instant) -> Result<Versions> {
        let request = ApiVersionsRequest {
            client_software_name: "milena".to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let newest = *ApiVersionsRequest::VERSIONS.end();
        let answer = self.ask_versions(&request, newest, deadline).await?;
        let answer = if answer.error == ErrorCode::UNSUPPORTED_VERSION {
            let key = <ApiVersionsRequest as Request>::API.0;
            let theirs = answer.apis.get(&key).map_or(0, |(_, newest)| *newest);
            self.ask_versions(&request, theirs.clamp(0, newest), deadline).await?
        } else {
            answer
        };
        if !answer.error.is_ok() {
            return Err(Error::broker(answer.error).doing("asking for API versions"));
        }
        Ok(Versions::new(&answer))
    }

    async fn ask_versions(
        &mut self,
        request: &ApiVersionsRequest,
        version: i16,
        deadline: Instant,
    ) -> Result<ApiVersionsResponse> {
        let answer = self.exchange(request, version, deadline, HANDSHAKE_FRAME_MAX, FIRST_READ).await?;
        let answer = decode::<ApiVersionsRequest>(answer.version, self.share(answer.frame, None))?;
        if version >= THROTTLED_SINCE {
            self.machine.handle_throttle(clock::now(), answer.throttle_time_ms);
        }
        Ok(answer)
    }

    /// Sends a request, in no version above `newest`, and reads the frame of its answer. The buffer it comes in has no more
    /// than `room` bytes, unless the answer itself has.
    ///
    /// # Cancel safety
    /// Dropped while the answer is under way, the link is of no more use, and is to be dropped too.
    pub(crate) async fn call_raw<R: Request>(
        &mut self,
        request: &R,
        newest: i16,
        timeout: Duration,
        frame_max: usize,
        room: usize,
    ) -> Result<RawAnswer> {
        let version = pick::<R>(&self.versions, newest).map_err(|error| self.context::<R>(error, -1))?;
        if let Some(until) = self.machine.muted_until() {
            tokio::time::sleep_until(until.into()).await;
        }
        let deadline = clock::now() + timeout;
        self.exchange(request, version, deadline, frame_max, room)
            .await
            .map_err(|error| self.context::<R>(error, version))
    }

    /// Shares a frame; its buffer goes back to the pool, and the credit to the budget, with its last slice.
    pub(crate) fn share(&self, frame: Vec<u8>, credit: Option<Credit>) -> Bytes {
        let mut frame = self.pool.share(frame, credit);
        frame.advance(4);
        frame
    }

    /// Where an answer to an `R` in that version comes from.
    pub(crate) fn origin<R: Request>(&self, version: i16) -> Origin {
        let Peer { broker, address } = self.peer.clone();
        Origin { api: R::API, version, broker, address }
    }

    fn context<R: Request>(&self, error: Error, version: i16) -> Error {
        error.api(R::API, version).at_broker(self.peer.broker, &self.peer.address)
    }

    async fn exchange<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        deadline: Instant,
        frame_max: usize,
        room: usize,
    ) -> Result<RawAnswer> {
        debug_assert!(!self.dirty, "a link whose last call failed or was dropped");
        let id = self.machine.send(clock::now(), R::API, version, deadline, frame_max);
        self.out.clear();
        encode_request(request, version, id.0, Some(&self.client_id), &mut self.out)?;
        self.dirty = true;
        let asked = clock::now();
        let talk = async {
            self.io.write_all(&self.out).await.map_err(disconnected)?;
            self.traffic.sent.fetch_add(self.out.len() as u64, Ordering::Relaxed);
            self.read_frame(room).await
        };
        let (frame, began) = tokio::time::timeout_at(deadline.into(), talk)
            .await
            .map_err(|_| Error::new(ErrorKind::TimedOut))??;
        let answered = proto::wire::correlation_id(&frame[4..]);
        let now = clock::now();
        self.machine
            .handle_frame(now, answered)
            .map_err(|error| Error::new(ErrorKind::Malformed).source(error))?;
        self.dirty = false;
        Ok(RawAnswer { version, frame, wait: began - asked, transfer: now - began })
    }

    /// A few records at the end of a log must not pin the large buffer that was ready for more.
    fn fitting(&self, buffer: Vec<u8>) -> Vec<u8> {
        if buffer.capacity() / 4 <= buffer.len() {
            return buffer;
        }
        let small = buffer.as_slice().to_vec();
        drop(self.pool.share(buffer, None));
        small
    }

    /// Reads one frame, its length in front, and tells when it began. The buffer grows with the bytes that arrive, never by
    /// the length alone, and never beyond the larger of `room` and the frame.
    async fn read_frame(&mut self, room: usize) -> Result<(Vec<u8>, Instant)> {
        let first = FIRST_READ.min(room.max(FIRST_READ_MIN));
        let mut buffer = self.pool.take(self.last_frame.clamp(first, first.max(room)), first.max(room));
        buffer.reserve_exact(first);
        while buffer.len() < 4 {
            let room = buffer.capacity() - buffer.len();
            if self.io.read_buf(&mut (&mut buffer).limit(room)).await.map_err(disconnected)? == 0 {
                return Err(Error::new(ErrorKind::Disconnected));
            }
        }
        let began = clock::now();
        let prefix = [buffer[0], buffer[1], buffer[2], buffer[3]];
        let len = self.machine.handle_length(prefix).map_err(not_kafka)?;
        let total = len + 4;
        while buffer.len() < total {
            if buffer.capacity() == buffer.len() {
                let needed = total.min(buffer.len() + RESERVE_MAX.max(buffer.len()));
                // Twice as much spares the next answer a copy, but only what is paid for anyway is taken for that.
                let capacity = needed.max(room.min(2 * buffer.capacity()));
                buffer.reserve_exact(capacity - buffer.len());
            }
            let room = (buffer.capacity() - buffer.len()).min(total - buffer.len());
            if self.io.read_buf(&mut (&mut buffer).limit(room)).await.map_err(disconnected)? == 0 {
                return Err(Error::new(ErrorKind::Disconnected));
            }
        }
        if buffer.len() > total {
            return Err(
                Error::new(ErrorKind::Malformed).message("bytes behind the only answer that was asked for")
            );
        }
        self.traffic.received.fetch_add(total as u64, Ordering::Relaxed);
        self.last_frame = total;
        Ok((self.fitting(buffer), began))
    }
}

/// The newest version that both sides have, `newest` at most.
pub(super) fn pick<R: Request>(versions: &Versions, newest: i16) -> Result<i16> {
    let ours = *R::VERSIONS.start()..=newest.min(*R::VERSIONS.end());
    versions.pick(R::API, ours).map_err(|error| Error::new(ErrorKind::Unsupported).source(error))
}

pub(crate) fn decode<R: Request>(version: i16, frame: Bytes) -> Result<R::Response> {
    let (_, response) = decode_response::<R>(version, frame)?;
    Ok(response)
}

fn disconnected(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Disconnected).source(error)
}

pub(super) fn not_kafka(error: FrameError) -> Error {
    Error::new(ErrorKind::Connect).source(error)
}
