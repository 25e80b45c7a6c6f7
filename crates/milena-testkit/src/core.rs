//! The cluster as a machine: request frames and time in, answer frames out. No sockets, no clock, no randomness.
//!
//! As in a real broker, one request of a connection is worked on at a time, and answers leave in the order of the requests.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, BrokerId, RequestHeader, RequestKind, ResponseHeader, ResponseKind};
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::cluster::{BrokerState, ClusterState, News, OFFSETS_TOPIC, Settings, TXN_TOPIC};
use crate::ctx::{ConnId, Ctx, Reply, ReplyTo, World};
use crate::fault::{AnswerFault, Faults};
use crate::history::{History, Number, Tick, Unreadable};
use crate::{api, group, txn};

/// What the core wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this frame; the length in front of it is the sender's to write. One request of the connection is done.
    Answer {
        /// To whom.
        conn: ConnId,
        /// Response header and body.
        frame: Bytes,
    },
    /// A request of the connection is done, and has no answer.
    Done {
        /// Whose.
        conn: ConnId,
    },
    /// Send these bytes as they are, then close: an answer that is cut off.
    Cut {
        /// To whom.
        conn: ConnId,
        /// The beginning of the answer, length included.
        bytes: Bytes,
    },
    /// Close the connection.
    Close {
        /// Which.
        conn: ConnId,
    },
}

/// The cluster.
#[derive(Debug)]
pub struct Core {
    world: World,
    conns: BTreeMap<ConnId, Conn>,
    in_flight: BTreeMap<ReplyTo, InFlight>,
    /// Answers that a fault holds back, by the time they leave.
    delayed: BTreeMap<(Duration, ReplyTo), ResponseKind>,
    /// Answers of paused brokers.
    held: Vec<(ReplyTo, Reply<ResponseKind>)>,
    outputs: VecDeque<Output>,
    faults: Faults,
    history: History,
    conns_made: u64,
    requests_seen: u64,
    data_version_seen: u64,
}

#[derive(Debug)]
struct Conn {
    broker: BrokerId,
    host: String,
    /// Requests that wait for the one before.
    inbox: VecDeque<(Tick, Bytes)>,
    busy: Option<ReplyTo>,
    /// Nothing is read before this: a client that was throttled (KIP-219).
    muted_until: Duration,
}

#[derive(Debug)]
struct InFlight {
    conn: ConnId,
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    number: Number,
    faults: Vec<AnswerFault>,
}

impl Core {
    /// A cluster with these settings and no topics.
    pub fn new(settings: Settings) -> Self {
        Self {
            world: World::new(ClusterState::new(settings)),
            conns: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            delayed: BTreeMap::new(),
            held: Vec::new(),
            outputs: VecDeque::new(),
            faults: Faults::default(),
            history: History::default(),
            conns_made: 0,
            requests_seen: 0,
            data_version_seen: 0,
        }
    }

    /// What the brokers know.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Changes what the brokers know, and does what follows from it.
    pub fn change<T>(&mut self, now: Duration, change: impl FnOnce(&mut World) -> T) -> T {
        self.advance(now);
        let result = change(&mut self.world);
        self.settle();
        result
    }

    /// The faults in store.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// Every request and its answer.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// As [`history`](Self::history), to set its bounds or to clear it.
    pub fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// Takes a connection to a broker; `None`: refused. `host` is the client's address as a broker prints it, `/127.0.0.1`.
    pub fn connect(&mut self, now: Duration, broker: BrokerId, host: &str) -> Option<ConnId> {
        self.advance(now);
        if !self.world.cluster.is_alive(broker) {
            return None;
        }
        self.conns_made += 1;
        let id = ConnId(self.conns_made);
        let host = host.to_owned();
        let conn = Conn { broker, host, inbox: VecDeque::new(), busy: None, muted_until: Duration::ZERO };
        self.conns.insert(id, conn);
        Some(id)
    }

    /// Takes in one request, without the length in front of it. Frames of a connection that is gone go nowhere.
    pub fn handle(&mut self, now: Duration, conn: ConnId, frame: Bytes) {
        self.advance(now);
        if let Some(state) = self.conns.get_mut(&conn) {
            state.inbox.push_back((self.history.tick(), frame));
            self.work_on(conn);
        }
        self.settle();
    }

    /// A connection is closed by its client.
    pub fn disconnect(&mut self, now: Duration, conn: ConnId) {
        self.advance(now);
        self.forget(conn);
        self.settle();
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance(now);
        self.settle();
    }

    /// When something will be due, in time since the cluster's start.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let delayed = self.delayed.keys().next().map(|(at, _)| *at);
        let muted = self.conns.values().filter(|conn| !conn.inbox.is_empty() && conn.busy.is_none());
        let muted = muted.map(|conn| conn.muted_until).filter(|until| *until > self.world.now).min();
        let coordinators = [self.world.groups.poll_timeout(), self.world.txns.poll_timeout()];
        coordinators.into_iter().chain([delayed, muted, self.world.data.poll_timeout()]).flatten().min()
    }

    /// The next thing to do for whoever moves the bytes.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next whole answer, for those who do not care about the rest of [`poll_output`](Self::poll_output).
    pub fn poll_answer(&mut self) -> Option<(ConnId, Bytes)> {
        loop {
            if let Output::Answer { conn, frame } = self.outputs.pop_front()? {
                return Some((conn, frame));
            }
        }
    }

    /// Requests of a connection that are not done.
    pub fn backlog(&self, conn: ConnId) -> usize {
        self.conns.get(&conn).map_or(0, |conn| conn.inbox.len() + usize::from(conn.busy.is_some()))
    }

    /// Sets what a broker does. A stopped one closes its connections; its partitions get other leaders at once, as after a
    /// controlled shutdown. A paused one answers nothing until it runs again, and keeps its partitions.
    pub fn set_broker_state(&mut self, now: Duration, broker: BrokerId, state: BrokerState) {
        self.advance(now);
        self.world.cluster.set_broker_state(broker, state);
        if state == BrokerState::Stopped {
            self.close_connections(broker);
            self.world.data.broker_stopped(broker);
        }
        self.settle();
        if state == BrokerState::Running {
            let held = std::mem::take(&mut self.held);
            self.world.answers.extend(held);
            let conns: Vec<_> = self.conns.keys().copied().collect();
            conns.into_iter().for_each(|conn| self.work_on(conn));
            self.settle();
        }
    }

    /// Closes all connections to a broker, as a network that breaks.
    pub fn close_connections(&mut self, broker: BrokerId) {
        let conns: Vec<_> =
            self.conns.iter().filter(|(_, conn)| conn.broker == broker).map(|(id, _)| *id).collect();
        for conn in conns {
            self.close(conn);
        }
    }

    /// The broker of a connection.
    pub fn broker_of(&self, conn: ConnId) -> Option<BrokerId> {
        self.conns.get(&conn).map(|conn| conn.broker)
    }

    fn advance(&mut self, now: Duration) {
        self.world.now = self.world.now.max(now);
        while let Some(entry) = self.delayed.first_entry()
            && entry.key().0 <= self.world.now
        {
            let ((_, to), response) = entry.remove_entry();
            self.send(to, response);
        }
        group::handle_timeout(&mut self.world);
        txn::handle_timeout(&mut self.world);
        api::handle_timeout(&mut self.world);
        let waiting: Vec<_> =
            self.conns.iter().filter(|(_, conn)| !conn.inbox.is_empty()).map(|(id, _)| *id).collect();
        waiting.into_iter().for_each(|conn| self.work_on(conn));
        self.settle();
    }

    /// Follows up on everything that the last step has changed, until nothing is left to follow.
    fn settle(&mut self) {
        loop {
            for news in self.world.cluster.take_news() {
                self.spread(news);
            }
            let version = self.world.cluster.data_version();
            if version != self.data_version_seen {
                self.data_version_seen = version;
                api::handle_data_changed(&mut self.world);
            }
            let Some((to, reply)) = self.world.answers.pop_front() else {
                if self.world.cluster.data_version() == self.data_version_seen {
                    return;
                }
                continue;
            };
            self.finish(to, reply);
        }
    }

    fn spread(&mut self, news: News) {
        let world = &mut self.world;
        match news {
            News::TopicsChanged => group::handle_topics_changed(world),
            News::TopicDeleted { name, id } => group::handle_topic_deleted(world, &name, id),
            News::LeaderMoved { topic, partition, leader } if topic == OFFSETS_TOPIC => {
                group::handle_coordinator_moved(world, partition, leader);
            }
            News::LeaderMoved { topic, partition, leader } if topic == TXN_TOPIC => {
                txn::handle_coordinator_moved(world, partition, leader);
            }
            News::LeaderMoved { .. } => {}
        }
    }

    /// Begins with the connection's next request, if it can.
    fn work_on(&mut self, id: ConnId) {
        while let Some(conn) = self.conns.get_mut(&id)
            && conn.busy.is_none()
            && conn.muted_until <= self.world.now
            && self.world.cluster.broker(conn.broker).is_some_and(|b| b.state == BrokerState::Running)
            && let Some((arrived, frame)) = conn.inbox.pop_front()
        {
            self.begin(id, arrived, frame);
        }
    }

    fn begin(&mut self, id: ConnId, arrived: Tick, frame: Bytes) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let (broker, client_host) = (conn.broker, conn.host.clone());
        let Some(Opened { header, api, request }) = open(frame.clone(), &self.world.cluster.settings) else {
            self.history.refuse(Unreadable { at: self.world.now, broker, conn: id, frame });
            return self.close(id);
        };
        self.requests_seen += 1;
        let reply_to = ReplyTo(self.requests_seen);
        conn.busy = Some(reply_to);
        let version = header.request_api_version;
        let client_id = header.client_id.map(|id| id.to_string()).unwrap_or_default();
        let (at, body) = (self.world.now, request.as_ref());
        let number = self.history.request(at, broker, id, &client_id, api, version, body, arrived);
        let planned = self.faults.plan(broker, &client_id, api, version, request.as_ref());
        self.in_flight.insert(
            reply_to,
            InFlight {
                conn: id,
                api,
                version,
                correlation_id: header.correlation_id,
                number,
                faults: planned.answer,
            },
        );
        let reply = match (planned.instead, request) {
            (Some(reply), _) => reply,
            (None, None) => Reply::Now(api::unsupported_api_versions().into()),
            (None, Some(request)) if api::sasl::must_authenticate(&self.world, id, api) => {
                drop(request);
                Reply::Close
            }
            (None, Some(request)) => {
                let world = &mut self.world;
                let injected = planned.injected;
                let mut ctx = Ctx { world, broker, conn: id, client_id, client_host, reply_to, injected };
                let reply = api::dispatch(&mut ctx, request, version);
                self.faults.used(&ctx.injected);
                reply
            }
        };
        match reply {
            Reply::Later => {}
            reply => self.world.answers.push_back((reply_to, reply)),
        }
        self.settle();
    }

    /// An answer is known: what faults want done to it, then out.
    fn finish(&mut self, to: ReplyTo, reply: Reply<ResponseKind>) {
        let Some(request) = self.in_flight.get(&to) else { return };
        let conn = request.conn;
        let is_paused = self.conns.get(&conn).is_some_and(|conn| {
            self.world.cluster.broker(conn.broker).is_some_and(|b| b.state == BrokerState::Paused)
        });
        if is_paused {
            self.held.push((to, reply));
            return;
        }
        match reply {
            Reply::Now(mut response) => {
                let delay: Duration = request.faults.iter().map(AnswerFault::delay).sum();
                for fault in &request.faults {
                    fault.alter(&mut response);
                }
                if request.faults.iter().any(AnswerFault::swallows) {
                    self.history.swallowed(request.number);
                } else if delay.is_zero() {
                    self.send(to, response);
                } else {
                    self.delayed.insert((self.world.now + delay, to), response);
                }
            }
            Reply::Nothing => {
                self.in_flight.remove(&to);
                self.outputs.push_back(Output::Done { conn });
                self.free(conn);
            }
            Reply::Close => self.close(conn),
            Reply::Later => {}
        }
    }

    fn send(&mut self, to: ReplyTo, response: ResponseKind) {
        let Some(request) = self.in_flight.remove(&to) else { return };
        let conn = request.conn;
        let Some(mut frame) = encode(&request, &response) else {
            // A fault's answer that has no form in this version: Kafka's answer to what it cannot serialize.
            return self.close(conn);
        };
        for fault in &request.faults {
            fault.alter_bytes(&mut frame);
        }
        self.history.answer(request.number, self.world.now, response);
        let cut = request.faults.iter().find_map(AnswerFault::cut_after);
        let muted = request.faults.iter().map(AnswerFault::mutes).max().unwrap_or_default();
        if let Some(state) = self.conns.get_mut(&conn) {
            state.muted_until = self.world.now + muted;
        }
        match cut {
            Some(bytes) => {
                let mut whole = BytesMut::with_capacity(frame.len() + 4);
                whole.put_i32(i32::try_from(frame.len()).unwrap_or(i32::MAX));
                whole.extend_from_slice(&frame);
                whole.truncate(bytes);
                self.outputs.push_back(Output::Cut { conn, bytes: whole.freeze() });
                self.forget(conn);
            }
            None => {
                self.outputs.push_back(Output::Answer { conn, frame: frame.into() });
                self.free(conn);
            }
        }
    }

    fn free(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.busy = None;
            self.work_on(id);
        }
    }

    fn close(&mut self, conn: ConnId) {
        if self.conns.contains_key(&conn) {
            self.outputs.push_back(Output::Close { conn });
            self.forget(conn);
        }
    }

    fn forget(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
        self.in_flight.retain(|_, request| request.conn != conn);
        self.world.data.forget(conn);
    }
}

struct Opened {
    header: RequestHeader,
    api: ApiKey,
    /// `None`: ApiVersions in a version that is not served.
    request: Option<RequestKind>,
}

/// Parses a request. `None`: a broker closes the connection (`SocketServer.parseRequestHeader`, `RequestContext.parseRequest`).
fn open(mut frame: Bytes, settings: &Settings) -> Option<Opened> {
    let api_key = i16::from_be_bytes(frame.get(..2)?.try_into().ok()?);
    let version = i16::from_be_bytes(frame.get(2..4)?.try_into().ok()?);
    let api = ApiKey::try_from(api_key).ok()?;
    let is_served = api::served(settings, api).is_some_and(|(min, max)| (min..=max).contains(&version));
    if !is_served && api == ApiKey::ApiVersions {
        // Its header is read as that of version 0, so that the client can be told what there is (KIP-511).
        let header = RequestHeader::decode(&mut frame, 1).ok()?.with_request_api_version(0);
        return Some(Opened { header, api, request: None });
    }
    if !is_served {
        return None;
    }
    let header = RequestHeader::decode(&mut frame, api.request_header_version(version)).ok()?;
    let request = if api::is_by_topic_id(api, version) {
        api::decode_by_topic_id(api, &mut frame)?
    } else {
        RequestKind::decode(api, &mut frame, api::wire_version(api, version)).ok()?
    };
    // Bytes may be left over, as in Java: librdkafka 2.16 writes the count of all topics in Metadata 13 three bytes too long.
    Some(Opened { header, api, request: Some(request) })
}

fn encode(request: &InFlight, response: &ResponseKind) -> Option<Vec<u8>> {
    let version = api::wire_version(request.api, request.version);
    let mut frame = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(request.correlation_id);
    header.encode(&mut frame, response.header_version(version)).ok()?;
    response.encode(&mut frame, version).ok()?;
    Some(frame.into())
}

#[cfg(test)]
mod tests;
