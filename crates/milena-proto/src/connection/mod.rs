//! One connection to a broker: which answer belongs to which request, until when, and what the other end can do.
//!
//! A broker answers the requests of a connection one after the other, in the order they came. So there is one answer to
//! wait for at any time: the oldest. An answer to anything else, or out of turn, means that the two ends have lost each
//! other, and the connection is closed before bytes of one request are taken for another's.

mod frame;
mod throttle;
mod versions;

pub use frame::{FrameError, frame_length};
pub use throttle::throttle_time_ms;
pub use versions::{VersionError, Versions};

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::types::CallFailed;
use crate::wire::ApiKey;

/// What pairs an answer with its request on one connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CorrelationId(pub i32);

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The requests in flight on one connection.
///
/// Every request that was [sent](Self::send) has exactly one outcome: it is completed by
/// [`handle_frame`](Self::handle_frame), or failed by [`handle_closed`](Self::handle_closed). How many may be in flight at
/// once is for the sender to bound.
#[derive(Debug, Default)]
pub struct Connection {
    last_id: i32,
    in_flight: VecDeque<InFlight>,
    muted_until: Option<Instant>,
    broken: bool,
}

#[derive(Debug)]
struct InFlight {
    correlation_id: CorrelationId,
    api: ApiKey,
    version: i16,
    deadline: Instant,
    max_frame: usize,
    overdue: bool,
}

/// A request that was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Completed {
    /// Which.
    pub correlation_id: CorrelationId,
    /// The API it called.
    pub api: ApiKey,
    /// The version it was sent in, which its answer has to be read in.
    pub version: i16,
}

/// A request that will not be answered any more. Whether the broker acted on it is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed {
    /// Which.
    pub correlation_id: CorrelationId,
    /// The API it called.
    pub api: ApiKey,
    /// The version it was sent in.
    pub version: i16,
    /// Why: `TimedOut` if its deadline passed, `Disconnected` if it went down with the others.
    pub reason: CallFailed,
}

/// Why an answer cannot be taken. Each closes the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ConnectionError {
    /// The frame is too short to name a request.
    #[error("an answer without a correlation id")]
    NoCorrelationId,
    /// An answer to a question that nobody asked.
    #[error("an answer to request {0}, which was never sent or has been answered")]
    UnknownCorrelation(CorrelationId),
    /// An answer to a request that is not the oldest. Brokers answer in order.
    #[error("an answer to request {answered} where {expected} is next")]
    OutOfOrder {
        /// Whose answer came.
        answered: CorrelationId,
        /// Whose answer should have come.
        expected: CorrelationId,
    },
    /// The connection was given up before.
    #[error("the connection has been given up")]
    Closed,
}

impl Connection {
    /// Nothing is in flight.
    pub fn new() -> Self {
        Self::default()
    }

    /// A request goes out. Its answer has to be there by `deadline`, and be no longer than `max_frame` bytes.
    ///
    /// On a connection that was given up the request fails with the next [`handle_closed`](Self::handle_closed).
    pub fn send(
        &mut self,
        _now: Instant,
        api: ApiKey,
        version: i16,
        deadline: Instant,
        max_frame: usize,
    ) -> CorrelationId {
        // After 2^31 requests those of the first round are long answered.
        self.last_id = self.last_id.checked_add(1).unwrap_or(0);
        let correlation_id = CorrelationId(self.last_id);
        self.in_flight.push_back(InFlight {
            correlation_id,
            api,
            version,
            deadline,
            max_frame,
            overdue: false,
        });
        correlation_id
    }

    /// Reads the four bytes in front of an answer: how many bytes follow. At most what its request allowed.
    ///
    /// # Errors
    /// This is no length of an answer that is awaited, see [`FrameError`]. The connection has to be closed.
    pub fn handle_length(&mut self, prefix: [u8; 4]) -> Result<usize, FrameError> {
        let length = match self.in_flight.front() {
            Some(oldest) => frame_length(prefix, oldest.max_frame),
            None => Err(FrameError::Unsolicited),
        };
        self.broken |= length.is_err();
        length
    }

    /// An answer is there: says whose. `correlation_id` are its first four bytes, if it has as many.
    ///
    /// # Errors
    /// The answer is to none of the requests in flight, or not to the oldest. The connection has to be closed.
    pub fn handle_frame(
        &mut self,
        _now: Instant,
        correlation_id: Option<i32>,
    ) -> Result<Completed, ConnectionError> {
        if self.broken {
            return Err(ConnectionError::Closed);
        }
        let completed = self.match_answer(correlation_id);
        match completed {
            Ok(_) => drop(self.in_flight.pop_front()),
            Err(_) => self.broken = true,
        }
        completed
    }

    fn match_answer(&self, correlation_id: Option<i32>) -> Result<Completed, ConnectionError> {
        let answered = CorrelationId(correlation_id.ok_or(ConnectionError::NoCorrelationId)?);
        let oldest = self.in_flight.front().ok_or(ConnectionError::UnknownCorrelation(answered))?;
        if oldest.correlation_id == answered {
            return Ok(Completed { correlation_id: answered, api: oldest.api, version: oldest.version });
        }
        match self.in_flight.iter().any(|request| request.correlation_id == answered) {
            true => Err(ConnectionError::OutOfOrder { answered, expected: oldest.correlation_id }),
            false => Err(ConnectionError::UnknownCorrelation(answered)),
        }
    }

    /// The broker asks this client to hold back (KIP-219): nothing should be [sent](Self::may_send) for that long.
    ///
    /// Requests that are in flight behind the answer wait unread at the broker meanwhile, so that their deadlines move by
    /// as much: a throttled client must not mistake obedience for a dead broker. At most [`THROTTLE_MAX`] is believed.
    pub fn handle_throttle(&mut self, now: Instant, throttle_time_ms: i32) {
        let Ok(ms) = u64::try_from(throttle_time_ms) else { return };
        let pause = Duration::from_millis(ms).min(THROTTLE_MAX);
        if pause.is_zero() {
            return;
        }
        self.muted_until = self.muted_until.max(now.checked_add(pause));
        for request in &mut self.in_flight {
            request.deadline = request.deadline.checked_add(pause).unwrap_or(request.deadline);
        }
    }

    /// Whether a request may go out: the broker did not ask for a pause, or it is over. Otherwise
    /// [`muted_until`](Self::muted_until) says when to ask again.
    pub fn may_send(&self, now: Instant) -> bool {
        !self.broken && self.muted_until.is_none_or(|until| until <= now)
    }

    /// The end of the pause that the broker asked for last.
    pub fn muted_until(&self) -> Option<Instant> {
        self.muted_until
    }

    /// Time has passed: the requests whose deadline did too, oldest first.
    ///
    /// If there are any, the connection has to be closed, as Java's `NetworkClient` does: a late answer could not be told
    /// from a timely one, and what waits behind it is late as well. Their outcomes come from
    /// [`handle_closed`](Self::handle_closed) with those of all others.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<CorrelationId> {
        if self.broken {
            return Vec::new();
        }
        let mut overdue = Vec::new();
        for request in self.in_flight.iter_mut().filter(|request| request.deadline <= now) {
            request.overdue = true;
            overdue.push(request.correlation_id);
        }
        self.broken = !overdue.is_empty();
        overdue
    }

    /// The connection has been closed, by whichever end: the outcome of every request that was in flight, oldest first.
    pub fn handle_closed(&mut self) -> Vec<Failed> {
        self.broken = true;
        let failed = |request: InFlight| Failed {
            correlation_id: request.correlation_id,
            api: request.api,
            version: request.version,
            reason: if request.overdue { CallFailed::TimedOut } else { CallFailed::Disconnected },
        };
        self.in_flight.drain(..).map(failed).collect()
    }

    /// When the next deadline passes. Nothing once the connection has been given up.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.broken {
            return None;
        }
        self.in_flight.iter().map(|request| request.deadline).min()
    }

    /// How many requests wait for their answers.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }
}

/// The longest pause that is believed. A broker's own limit is the quota window, some seconds.
pub const THROTTLE_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
