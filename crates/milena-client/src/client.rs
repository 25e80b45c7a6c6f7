//! The client: one cluster, its connections, and what is known of it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::backoff::Backoff;
use proto::types::{BrokerId, TopicId, TopicName};
use proto::wire::{Coordinator, FindCoordinatorRequest, Request};
use tokio::task::JoinHandle;

use crate::buffer::BufferPool;
use crate::clock;
use crate::config::ClientConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Metadata;
use crate::net::{Connect, Dialer, Lane, Link, SystemResolver, Tcp, Traffic};
use crate::seeds::Seeds;

/// A client of one Kafka cluster. Clones share it; its connections end with the last of them.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: ClientConfig,
    pub(crate) dialer: Dialer,
    pub(crate) metadata: Metadata,
    pub(crate) seeds: Seeds,
    lanes: Mutex<BTreeMap<LaneKey, Arc<tokio::sync::Mutex<LaneSlot>>>>,
    /// Connections that are being opened before somebody asks for them.
    ahead: Mutex<BTreeMap<BrokerId, OpenedAhead>>,
}

/// A connection that is being opened, and since when it is there.
type OpenedAhead = JoinHandle<Result<(Link, Instant)>>;

/// What a connection is for. Requests that may be held by the broker must not delay those that may not wait.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Purpose {
    /// Metadata, offsets, administration.
    General,
    /// Producing: with `acks=all` a leader holds its answer, and all requests behind it, until its followers have come.
    Produce,
    /// Heartbeats, commits, leaving.
    Coordination,
    /// JoinGroup and SyncGroup: held by the coordinator until the group has rejoined.
    Join,
}

impl Purpose {
    /// As spans call it.
    fn name(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Produce => "produce",
            Self::Coordination => "coordination",
            Self::Join => "join",
        }
    }
}

/// Where a connection goes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct LaneKey {
    host: String,
    port: u16,
    broker: Option<BrokerId>,
    purpose: Purpose,
}

struct LaneSlot {
    lane: Option<Lane>,
    backoff: Backoff,
    /// No attempt to connect before then, and why.
    refused: Option<(Instant, Error)>,
}

impl Client {
    /// Connects to a cluster: to the first bootstrap server that answers.
    ///
    /// # Errors
    /// No bootstrap server answered as Kafka does; the error is the last one's.
    ///
    /// # Cancel safety
    /// Nothing is left behind when it is dropped.
    pub async fn connect(config: ClientConfig) -> Result<Self> {
        let tcp = Tcp {
            resolver: Arc::new(SystemResolver),
            timeout: config.connect_timeout(),
            receive_buffer: buffer(config.receive_buffer_bytes()),
            send_buffer: buffer(config.send_buffer_bytes()),
        };
        Self::connect_over(config, Arc::new(tcp)).await
    }

    /// As [`connect`](Self::connect), over byte streams that `connect` opens.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// As for [`connect`](Self::connect).
    pub async fn connect_over(config: ClientConfig, connect: Arc<dyn Connect>) -> Result<Self> {
        let dialer = Dialer {
            connect,
            client_id: config.client_id().into(),
            request_timeout: config.request_timeout(),
            pool: BufferPool::default(),
            traffic: Arc::new(Traffic::default()),
        };
        let seeds = Seeds::new(&config);
        let metadata = Metadata::new(&config, seeds.draw());
        let (lanes, ahead) = (Mutex::default(), Mutex::default());
        let inner = Arc::new(Inner { config, dialer, metadata, seeds, lanes, ahead });
        Metadata::spawn(&inner);
        let client = Self(inner);
        let servers = client.config().bootstrap_servers().len();
        client.metadata().first(servers, client.config().request_timeout()).await?;
        Ok(client)
    }

    /// What it was configured with.
    pub fn config(&self) -> &ClientConfig {
        &self.0.config
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// Bytes received from brokers over all connections of this client.
    pub fn bytes_received(&self) -> u64 {
        self.0.dialer.traffic.received.load(Ordering::Relaxed)
    }

    /// Bytes sent to brokers over all connections of this client.
    pub fn bytes_sent(&self) -> u64 {
        self.0.dialer.traffic.sent.load(Ordering::Relaxed)
    }

    /// The id of a topic, as last heard; zero where the cluster has no topic ids.
    pub(crate) fn topic_id(&self, topic: &TopicName) -> TopicId {
        self.metadata().view(|view| view.topic(topic).map_or(TopicId::ZERO, |topic| topic.id))
    }

    /// Calls a broker.
    pub(crate) async fn call_broker<R: Request>(&self, broker: BrokerId, request: &R) -> Result<R::Response> {
        let lane = self.0.lane_to(broker, Purpose::General).await?;
        lane.call(request, self.config().request_timeout()).await
    }

    /// Calls whichever broker answers.
    pub(crate) async fn call_any<R: Request>(&self, request: &R) -> Result<R::Response> {
        let brokers = self.metadata().view(|view| view.brokers().map(|(id, _)| id).collect::<Vec<_>>());
        let mut last = Error::new(ErrorKind::Connect).message("no broker is known");
        for broker in brokers {
            match self.call_broker(broker, request).await {
                Err(error) if error.is_retriable() => last = error,
                outcome => return outcome,
            }
        }
        for server in self.config().bootstrap_servers() {
            let lane = self.0.lane(server.host(), server.port(), None, Purpose::General).await;
            match async { lane?.call(request, self.config().request_timeout()).await }.await {
                Err(error) if error.is_retriable() => last = error,
                outcome => return outcome,
            }
        }
        Err(last)
    }

    /// Who coordinates a group.
    pub(crate) async fn find_coordinator(&self, group: &str) -> Result<Coordinator> {
        self.retrying(|| self.ask_for_coordinator(group)).await
    }

    async fn ask_for_coordinator(&self, group: &str) -> Result<Coordinator> {
        let request = FindCoordinatorRequest { key: group.to_owned(), key_type: 0 };
        let answer = self.call_any(&request).await?;
        match answer.coordinator {
            Some(coordinator) if answer.error.is_ok() => Ok(coordinator),
            _ => Err(Error::broker(answer.error).group(group).doing("finding the group's coordinator")),
        }
    }

    /// Opens the connections to a group's coordinator, if it is found at once: whoever joins next finds them open. What fails here
    /// is tried, and told, by who needs it.
    pub(crate) fn reach_coordinator(&self, group: &str) {
        let (client, group) = (self.clone(), group.to_owned());
        tokio::spawn(async move {
            if let Ok(coordinator) = client.ask_for_coordinator(&group).await {
                let join = client.coordinator_lane(&coordinator, Purpose::Join);
                let coordination = client.coordinator_lane(&coordinator, Purpose::Coordination);
                let _ = tokio::join!(join, coordination);
            }
        });
    }

    /// Calls a group's coordinator, whoever it is by now, until it answers without a retriable error or the request
    /// timeout has passed.
    pub(crate) async fn call_coordinator<R: Request, T>(
        &self,
        group: &str,
        request: &R,
        read: impl Fn(R::Response) -> Result<T>,
    ) -> Result<T> {
        self.retrying(|| async {
            let coordinator = self.find_coordinator(group).await?;
            let lane = self.coordinator_lane(&coordinator, Purpose::General).await?;
            let answer = lane.call(request, self.config().request_timeout()).await?;
            read(answer).map_err(|error| error.group(group))
        })
        .await
    }

    pub(crate) async fn coordinator_lane(&self, coordinator: &Coordinator, purpose: Purpose) -> Result<Lane> {
        let port = port(coordinator.port)?;
        self.0.lane(&coordinator.host, port, Some(coordinator.id), purpose).await
    }

    /// Repeats what failed in a way that may pass, with growing pauses, until the request timeout has passed.
    pub(crate) async fn retrying<T, F: Future<Output = Result<T>>>(
        &self,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T> {
        let deadline = clock::now() + self.config().request_timeout();
        let mut backoff = self.backoff();
        loop {
            let error = match attempt().await {
                Err(error) if error.is_retriable() => error,
                outcome => return outcome,
            };
            let pause = backoff.next_delay();
            if clock::now() + pause >= deadline {
                return Err(error);
            }
            tracing::debug!(target: "milena::client", %error, ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    /// A seed for jitter.
    pub(crate) fn seed(&self) -> u64 {
        self.0.seeds.draw()
    }

    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::new(self.config().retry_backoff(), self.config().retry_backoff_max(), self.seed())
    }
}

impl Inner {
    /// Begins to open what [`link_to`](Self::link_to) will be asked for: positions are looked for meanwhile.
    pub(crate) fn open_ahead(self: &Arc<Self>, broker: BrokerId) {
        let inner = self.clone();
        self.ahead().entry(broker).or_insert_with(|| {
            tokio::spawn(async move { Ok((inner.open_link(broker).await?, clock::now())) })
        });
    }

    /// A connection of its own for fetching from a broker.
    pub(crate) async fn link_to(&self, broker: BrokerId) -> Result<Link> {
        let ahead = self.ahead().remove(&broker);
        if let Some(ahead) = ahead
            && let Ok(opened) = ahead.await
        {
            match opened {
                Ok((link, at)) if clock::now() - at < FRESH => return Ok(link),
                // Brokers close what is not used.
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        self.open_link(broker).await
    }

    async fn open_link(&self, broker: BrokerId) -> Result<Link> {
        let (host, port) = self.address(broker)?;
        Link::open(&self.dialer, &host, port, Some(broker), "fetch").await
    }

    pub(crate) async fn lane_to(&self, broker: BrokerId, purpose: Purpose) -> Result<Lane> {
        let (host, port) = self.address(broker)?;
        self.lane(&host, port, Some(broker), purpose).await
    }

    fn address(&self, broker: BrokerId) -> Result<(String, u16)> {
        let address =
            self.metadata.view(|view| view.broker(broker).map(|broker| (broker.host.clone(), broker.port)));
        let (host, broker_port) = address.ok_or_else(|| {
            Error::new(ErrorKind::Connect).message(format!("broker {broker} is not among the known ones"))
        })?;
        Ok((host, port(broker_port)?))
    }

    /// The shared connection for that place and purpose, opened if need be. One attempt at a time, with growing pauses
    /// between failed ones.
    pub(crate) async fn lane(
        &self,
        host: &str,
        port: u16,
        broker: Option<BrokerId>,
        purpose: Purpose,
    ) -> Result<Lane> {
        let key = LaneKey { host: host.to_owned(), port, broker, purpose };
        let slot = self.slots().entry(key).or_insert_with(|| self.new_slot()).clone();
        let mut slot = slot.lock().await;
        if let Some(lane) = &slot.lane
            && !lane.is_closed()
        {
            return Ok(lane.clone());
        }
        slot.lane = None;
        if let Some(lane) = broker.and_then(|broker| self.bootstrap_lane(host, port, broker, purpose)) {
            slot.lane = Some(lane.clone());
            return Ok(lane);
        }
        if let Some((not_before, _)) = &slot.refused {
            tokio::time::sleep_until((*not_before).into()).await;
        }
        match Link::open(&self.dialer, host, port, broker, purpose.name()).await {
            Ok(link) => {
                let lane = Lane::spawn(link);
                slot.lane = Some(lane.clone());
                slot.refused = None;
                slot.backoff.reset();
                Ok(lane)
            }
            Err(error) => {
                let pause = slot.backoff.next_delay();
                slot.refused = Some((clock::now() + pause, error.clone()));
                Err(error)
            }
        }
    }

    /// The connection that was opened to that address before it was known whose it is.
    fn bootstrap_lane(&self, host: &str, port: u16, broker: BrokerId, purpose: Purpose) -> Option<Lane> {
        let key = LaneKey { host: host.to_owned(), port, broker: None, purpose };
        let slot = self.slots().get(&key)?.clone();
        let slot = slot.try_lock().ok()?;
        slot.lane.as_ref().filter(|lane| !lane.is_closed()).map(|lane| lane.of_broker(broker))
    }

    fn ahead(&self) -> MutexGuard<'_, BTreeMap<BrokerId, OpenedAhead>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<LaneKey, Arc<tokio::sync::Mutex<LaneSlot>>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_slot(&self) -> Arc<tokio::sync::Mutex<LaneSlot>> {
        let seed = self.seeds.draw();
        let backoff =
            Backoff::new(self.config.reconnect_backoff(), self.config.reconnect_backoff_max(), seed);
        Arc::new(tokio::sync::Mutex::new(LaneSlot { lane: None, backoff, refused: None }))
    }
}

/// A connection that was opened ahead is used if it is no older: Kafka closes idle ones after ten minutes, proxies after less.
const FRESH: Duration = Duration::from_secs(30);

fn port(port: i32) -> Result<u16> {
    u16::try_from(port)
        .map_err(|_| Error::new(ErrorKind::Malformed).message(format!("a broker advertises port {port}")))
}

/// How long is left until then, for a timeout; never zero, so that a late caller gets a timeout and not a panic.
pub(crate) fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(clock::now()).max(Duration::from_millis(1))
}

fn buffer(bytes: Option<usize>) -> Option<u32> {
    bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX))
}
