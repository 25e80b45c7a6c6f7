//! Every request and its answer, in a form that a test can ask about.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, BrokerId, RequestKind, ResponseKind};

use crate::ctx::ConnId;

/// The log of requests. It keeps the last 100 000 (see [`History::keep`]); record bytes are shared with the partition logs.
#[derive(Debug)]
pub struct History {
    exchanges: VecDeque<Arc<Exchange>>,
    unreadable: VecDeque<Unreadable>,
    seen: u64,
    ticks: Tick,
    keep: usize,
}

/// A frame that a broker could make nothing of, and closed the connection for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// When it came, in time since the cluster's start.
    pub at: Duration,
    /// Who got it.
    pub broker: BrokerId,
    /// Over which connection.
    pub conn: ConnId,
    /// Without the length in front.
    pub frame: Bytes,
}

/// Which request of the cluster it was, counted from 1.
pub type Number = u64;

/// A place in the order of everything that happens in a cluster: requests arrive, are begun, are answered. Many have the same
/// time; no two have the same tick.
pub type Tick = u64;

/// A request, and what became of it.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Counts all requests of the cluster, from 1.
    pub number: Number,
    /// When it came, in time since the cluster's start.
    pub at: Duration,
    /// Who was asked.
    pub broker: BrokerId,
    /// Over which connection.
    pub conn: ConnId,
    /// The client's name for itself.
    pub client_id: String,
    /// What was asked.
    pub api: ApiKey,
    /// In which version.
    pub version: i16,
    /// The request. `None`: ApiVersions in an unknown version.
    pub request: Option<RequestKind>,
    /// What became of it.
    pub outcome: Outcome,
    /// When it reached the broker, which may work on it later: one request of a connection after the other.
    pub arrived: Tick,
    /// When the broker began to work on it.
    pub begun: Tick,
    /// When its answer left.
    pub answered: Option<Tick>,
}

/// What became of a request.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Nothing yet; or there is no answer to it; or its connection was closed before.
    Unanswered,
    /// Answered. A fault may have cut the answer on its way.
    Answered {
        /// When, in time since the cluster's start.
        at: Duration,
        /// With what.
        response: Box<ResponseKind>,
    },
    /// A fault kept the answer.
    Swallowed,
}

impl Exchange {
    /// The answer, if there was one.
    pub fn response(&self) -> Option<&ResponseKind> {
        match &self.outcome {
            Outcome::Answered { response, .. } => Some(response),
            Outcome::Unanswered | Outcome::Swallowed => None,
        }
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, at, broker, conn, client_id, api, version, .. } = self;
        write!(f, "#{number} {at:?} {client_id}@{} -> broker {} {api:?} v{version}", conn.0, broker.0)?;
        if let Some(request) = &self.request {
            write!(f, "\n    {}", Body(request))?;
        }
        match &self.outcome {
            Outcome::Unanswered => write!(f, "\n    (no answer)"),
            Outcome::Swallowed => write!(f, "\n    (a fault kept the answer)"),
            Outcome::Answered { at, response } => write!(f, "\n    {at:?} {}", Body(response)),
        }
    }
}

/// `Debug` without the fields that say nothing.
struct Body<'a, T>(&'a T);

impl<T: fmt::Debug> fmt::Display for Body<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{:?}", self.0).replace(", unknown_tagged_fields: {}", ""))
    }
}

impl Default for History {
    fn default() -> Self {
        Self { exchanges: VecDeque::new(), unreadable: VecDeque::new(), seen: 0, ticks: 0, keep: 100_000 }
    }
}

impl History {
    /// How many exchanges to keep; the oldest go first. 0 keeps none.
    pub fn keep(&mut self, exchanges: usize) {
        self.keep = exchanges;
        self.trim();
    }

    /// Forgets what was.
    pub fn clear(&mut self) {
        self.exchanges.clear();
    }

    /// How many requests there were, forgotten ones too.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The last tick that was given away.
    pub fn ticks(&self) -> Tick {
        self.ticks
    }

    pub(crate) fn tick(&mut self) -> Tick {
        self.ticks += 1;
        self.ticks
    }

    /// What is kept, oldest first.
    pub fn exchanges(&self) -> impl DoubleEndedIterator<Item = &Arc<Exchange>> {
        self.exchanges.iter()
    }

    /// The last frames that were no requests, or of an API or version that is not served.
    pub fn unreadable(&self) -> impl DoubleEndedIterator<Item = &Unreadable> {
        self.unreadable.iter()
    }

    pub(crate) fn refuse(&mut self, frame: Unreadable) {
        if self.unreadable.len() == UNREADABLE_KEPT {
            self.unreadable.pop_front();
        }
        self.unreadable.push_back(frame);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of an exchange, which exist only here as such")]
    pub(crate) fn request(
        &mut self,
        at: Duration,
        broker: BrokerId,
        conn: ConnId,
        client_id: &str,
        api: ApiKey,
        version: i16,
        request: Option<&RequestKind>,
        arrived: Tick,
    ) -> Number {
        self.seen += 1;
        let number = self.seen;
        let begun = self.tick();
        if self.keep > 0 {
            let client_id = client_id.to_owned();
            let (request, outcome) = (request.cloned(), Outcome::Unanswered);
            let exchange = Exchange {
                number,
                at,
                broker,
                conn,
                client_id,
                api,
                version,
                request,
                outcome,
                arrived,
                begun,
                answered: None,
            };
            self.exchanges.push_back(Arc::new(exchange));
            self.trim();
        }
        number
    }

    pub(crate) fn answer(&mut self, number: Number, at: Duration, response: ResponseKind) {
        self.settle(number, Outcome::Answered { at, response: Box::new(response) });
    }

    pub(crate) fn swallowed(&mut self, number: Number) {
        self.settle(number, Outcome::Swallowed);
    }

    fn settle(&mut self, number: Number, outcome: Outcome) {
        let tick = self.tick();
        let Some(first) = self.exchanges.front().map(|first| first.number) else { return };
        let index = number.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(exchange) = index.and_then(|index| self.exchanges.get_mut(index)) {
            let exchange = Arc::make_mut(exchange);
            exchange.answered = matches!(outcome, Outcome::Answered { .. }).then_some(tick);
            exchange.outcome = outcome;
        }
    }

    fn trim(&mut self) {
        while self.exchanges.len() > self.keep {
            self.exchanges.pop_front();
        }
    }
}

const UNREADABLE_KEPT: usize = 100;

/// Some of the exchanges: what [`Cluster::requests`](crate::Cluster::requests) returns, narrowed down step by step.
#[derive(Debug, Clone)]
pub struct Requests {
    exchanges: Vec<Arc<Exchange>>,
}

impl Requests {
    pub(crate) fn new(history: &History) -> Self {
        Self { exchanges: history.exchanges.iter().cloned().collect() }
    }

    /// Those of one API.
    pub fn of(self, api: ApiKey) -> Self {
        self.that(|exchange| exchange.api == api)
    }

    /// Those that one broker was asked.
    pub fn to(self, broker: impl Into<BrokerId>) -> Self {
        let broker = broker.into();
        self.that(|exchange| exchange.broker == broker)
    }

    /// Those of clients with that id.
    pub fn from_client(self, client_id: &str) -> Self {
        self.that(|exchange| exchange.client_id == client_id)
    }

    /// Those that came at or after a time since the cluster's start.
    pub fn since(self, at: Duration) -> Self {
        self.that(|exchange| exchange.at >= at)
    }

    /// Those for which `keep` says yes.
    pub fn that(mut self, keep: impl Fn(&Exchange) -> bool) -> Self {
        self.exchanges.retain(|exchange| keep(exchange));
        self
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.exchanges.len()
    }

    /// One after the other, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Exchange> {
        self.exchanges.iter().map(|exchange| &**exchange)
    }

    /// The last one.
    pub fn last(&self) -> Option<&Exchange> {
        self.exchanges.last().map(|exchange| &**exchange)
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exchanges.iter().try_for_each(|exchange| writeln!(f, "{exchange}"))
    }
}
