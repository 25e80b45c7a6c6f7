//! What is known of the cluster, and the task that keeps it fresh.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use proto::cluster::{Asked, Change, ClusterView, MetadataCall, MetadataRefresh, RefreshSettings, Target};
use proto::types::{BrokerId, TopicName, TopicPartition};
use proto::wire::{ErrorCode, LeaderIdAndEpoch, MetadataRequest, MetadataResponse, NodeEndpoint};
use tokio::sync::{Notify, watch};
use tracing::Instrument;

use crate::client::{Inner, Purpose, seed};
use crate::clock;
use crate::config::ClientConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::net::as_call_failed;

/// What a client knows of its cluster.
pub(crate) struct Metadata {
    /// The bootstrap servers, for messages.
    servers: String,
    state: Mutex<State>,
    /// Wakes the task.
    wanted: Notify,
    /// Counts answers and hints that were taken over, and failures.
    changes: watch::Sender<u64>,
    next_interest: AtomicU64,
}

struct State {
    view: ClusterView,
    refresh: MetadataRefresh,
    /// Which topics are of interest, and to whom.
    interests: BTreeMap<u64, BTreeSet<TopicName>>,
    /// Why the last attempt failed.
    failure: Option<Error>,
    /// Since when attempts fail.
    failing_since: Option<Instant>,
    /// Attempts that failed before the first answer.
    first_failures: usize,
    /// Answers that were taken over.
    answers: u64,
    /// What brokers say of topics that they do not show.
    missing: BTreeMap<TopicName, ErrorCode>,
}

/// Somebody who is interested in topics.
#[derive(Debug)]
pub(crate) struct Interest(u64);

impl Metadata {
    pub(crate) fn new(config: &ClientConfig) -> Self {
        let settings = RefreshSettings {
            max_age: config.metadata_max_age(),
            retry_backoff: config.retry_backoff(),
            retry_backoff_max: config.retry_backoff_max(),
            bootstrap_servers: config.bootstrap_servers().len(),
            seed: seed(),
        };
        let state = State {
            view: ClusterView::new(),
            refresh: MetadataRefresh::new(clock::now(), settings),
            interests: BTreeMap::new(),
            failure: None,
            failing_since: None,
            first_failures: 0,
            answers: 0,
            missing: BTreeMap::new(),
        };
        let servers: Vec<String> = config.bootstrap_servers().iter().map(ToString::to_string).collect();
        Self {
            servers: servers.join(","),
            state: Mutex::new(state),
            wanted: Notify::new(),
            changes: watch::Sender::new(0),
            next_interest: AtomicU64::new(0),
        }
    }

    /// Starts the task. It ends when the client is gone.
    pub(crate) fn spawn(inner: &Arc<Inner>) {
        tokio::spawn(run(Arc::downgrade(inner)));
    }

    /// Looks at the cluster.
    pub(crate) fn view<T>(&self, look: impl FnOnce(&ClusterView) -> T) -> T {
        look(&self.lock().view)
    }

    /// Changes whenever an answer came, or an attempt failed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Asks again, as soon as the pauses between questions allow.
    pub(crate) fn refresh_soon(&self) {
        self.lock().refresh.refresh_soon(clock::now());
        self.wanted.notify_one();
    }

    /// A new place for topics of interest.
    pub(crate) fn interest(&self) -> Interest {
        Interest(self.next_interest.fetch_add(1, Ordering::Relaxed))
    }

    /// Sets the topics that somebody is interested in.
    pub(crate) fn want(&self, who: &Interest, topics: BTreeSet<TopicName>) {
        let mut state = self.lock();
        match topics.is_empty() {
            true => state.interests.remove(&who.0),
            false => state.interests.insert(who.0, topics),
        };
        let all: BTreeSet<TopicName> = state.interests.values().flatten().cloned().collect();
        let asked = if all.is_empty() { Asked::Nothing } else { Asked::Topics(all) };
        state.refresh.want(clock::now(), asked);
        drop(state);
        self.wanted.notify_one();
    }

    /// Takes over a leader that an answer named (KIP-951).
    pub(crate) fn hint(&self, tp: &TopicPartition, hint: LeaderIdAndEpoch, endpoints: &[NodeEndpoint]) {
        let changed = self.lock().view.handle_leader_hint(tp, hint, endpoints).is_some();
        if changed {
            self.changed();
        }
    }

    /// Waits for the first answer of any broker, until each of so many bootstrap servers has had its turn.
    pub(crate) async fn first(&self, servers: usize, timeout: Duration) -> Result<()> {
        self.await_view(timeout, |state| match (state.answers, &state.failure) {
            (0, Some(failure)) if state.first_failures >= servers => Some(Err(failure.clone())),
            (0, _) => None,
            _ => Some(Ok(())),
        })
        .await
    }

    /// Waits until all these topics are known.
    ///
    /// Brokers learn of a new topic one after the other, so a few answers must agree that there is none.
    pub(crate) async fn await_topics(&self, topics: &BTreeSet<TopicName>, timeout: Duration) -> Result<()> {
        self.await_known(timeout, |state| {
            let topic = topics.iter().find(|topic| state.view.topic(topic).is_none())?;
            let code = state.missing.get(topic).copied().unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            Some(Error::broker(code).topic(topic))
        })
        .await
    }

    /// As [`await_topics`](Self::await_topics), and each of these partitions is one that its topic has.
    pub(crate) async fn await_partitions(
        &self,
        partitions: &BTreeSet<TopicPartition>,
        timeout: Duration,
    ) -> Result<()> {
        let topics = partitions.iter().map(|tp| tp.topic.clone()).collect();
        self.await_topics(&topics, timeout).await?;
        self.await_known(timeout, |state| {
            let count = |tp: &TopicPartition| state.view.partition_count(&tp.topic).unwrap_or(0);
            let has = |tp: &TopicPartition| usize::try_from(tp.partition).is_ok_and(|at| at < count(tp));
            let missing = partitions.iter().find(|tp| !has(tp))?;
            let message = format!("the topic has {} partitions", count(missing));
            Some(Error::broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).at(missing).message(message))
        })
        .await
    }

    /// Waits until nothing is missing, or a few answers agree that it is.
    async fn await_known(&self, timeout: Duration, missing: impl Fn(&State) -> Option<Error>) -> Result<()> {
        let asked_at = self.lock().answers;
        self.await_view(timeout, |state| {
            let Some(error) = missing(state) else { return Some(Ok(())) };
            if state.answers >= asked_at + MISSING_ANSWERS {
                return Some(Err(error));
            }
            state.refresh.refresh_soon(clock::now());
            self.wanted.notify_one();
            None
        })
        .await
    }

    /// How many partitions topics have: 0 for one that brokers say does not exist; one that nothing is known of is left out.
    pub(crate) fn partition_counts(&self, topics: &BTreeSet<TopicName>) -> BTreeMap<TopicName, i32> {
        let state = self.lock();
        let count = |topic: &TopicName| match state.view.partition_count(topic) {
            Some(count) => i32::try_from(count).ok(),
            None => state.missing.get(topic).map(|_| 0),
        };
        topics.iter().filter_map(|topic| Some((topic.clone(), count(topic)?))).collect()
    }

    /// Who leads a partition.
    pub(crate) async fn leader(&self, tp: &TopicPartition) -> Result<BrokerId> {
        match self.view(|view| view.leader(tp)) {
            Some((leader, _)) => Ok(leader),
            None => {
                self.refresh_soon();
                Err(Error::broker(ErrorCode::LEADER_NOT_AVAILABLE).at(tp))
            }
        }
    }

    async fn await_view<T>(
        &self,
        timeout: Duration,
        look: impl Fn(&mut State) -> Option<Result<T>>,
    ) -> Result<T> {
        let mut changes = self.changes.subscribe();
        let found = async {
            loop {
                if let Some(found) = look(&mut self.lock()) {
                    return found;
                }
                if changes.changed().await.is_err() {
                    return Err(Error::closed("the client"));
                }
            }
        };
        match tokio::time::timeout(timeout, found).await {
            Ok(found) => found,
            Err(_) => Err(match self.lock().failure.clone() {
                Some(failure) => failure,
                None => Error::new(ErrorKind::TimedOut)
                    .doing("asking for metadata")
                    .at_broker(None, &self.servers),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn poll_call(&self) -> Option<MetadataCall> {
        let mut state = self.lock();
        let State { view, refresh, .. } = &mut *state;
        refresh.poll_request(clock::now(), view)
    }

    fn handle_answer(&self, call: &MetadataCall, answer: Result<MetadataResponse>) {
        let mut state = self.lock();
        let State { view, refresh, failure, failing_since, first_failures, answers, missing, .. } =
            &mut *state;
        let outcome = answer.as_ref().map_err(as_call_failed);
        match refresh.handle_response(clock::now(), call.id, outcome, view) {
            Ok(changes) => {
                for change in &changes {
                    log(change);
                    match change {
                        Change::TopicMissing { topic, error } => drop(missing.insert(topic.clone(), *error)),
                        Change::TopicAppeared { topic, .. } => drop(missing.remove(topic)),
                        _ => {}
                    }
                }
                match answer {
                    Ok(_) => {
                        *failure = None;
                        if let Some(since) = failing_since.take() {
                            let took = clock::now() - since;
                            tracing::info!(target: "milena::metadata", ?took, "the cluster answers again");
                        }
                        *answers += 1;
                    }
                    Err(error) => {
                        // Said once until somebody answers: a reader without a group has no other news of a dead cluster.
                        match *answers > 0 && failure.is_none() {
                            true => {
                                *failing_since = Some(clock::now());
                                tracing::warn!(target: "milena::metadata", %error, "no broker answers, trying again");
                            }
                            false => tracing::debug!(target: "milena::metadata", %error, "no answer"),
                        }
                        *failure = Some(error);
                    }
                }
            }
            Err(refused) => {
                let error = Error::new(ErrorKind::Malformed).source(refused).doing("reading metadata");
                tracing::warn!(target: "milena::metadata", %error, "metadata refused");
                *failure = Some(error);
            }
        }
        if *answers == 0 {
            *first_failures += 1;
        }
        drop(state);
        self.changed();
    }
}

fn log(change: &Change) {
    match change {
        Change::TopicMissing { topic, error } => {
            tracing::debug!(target: "milena::metadata", %topic, %error, "topic not shown")
        }
        Change::TopicRecreated { topic, old, new } => {
            tracing::warn!(target: "milena::metadata", %topic, %old, %new, "topic created again")
        }
        Change::ClusterChanged { old, new } => {
            tracing::error!(target: "milena::metadata", old, new, "another cluster answers")
        }
        other => tracing::debug!(target: "milena::metadata", change = ?other, "changed"),
    }
}

async fn run(client: Weak<Inner>) {
    loop {
        let Some(inner) = client.upgrade() else { return };
        let call = inner.metadata.poll_call();
        if let Some(call) = call {
            let span = tracing::debug_span!(
                target: "milena::metadata", parent: None, "metadata",
                client = inner.config.client_id(), from = ?call.target, topics = call.asked.count(),
            );
            let answer = ask(&inner, &call).instrument(span.clone()).await;
            span.in_scope(|| inner.metadata.handle_answer(&call, answer));
            continue;
        }
        let wake = inner.metadata.lock().refresh.poll_timeout();
        // The task must not keep the client alive while it sleeps, so it wakes now and then to look.
        let look = clock::now() + Duration::from_secs(1);
        let wake = wake.map_or(look, |wake| wake.min(look));
        tokio::select! {
            () = inner.metadata.wanted.notified() => {}
            () = clock::until(Some(wake)) => {}
        }
    }
}

async fn ask(inner: &Arc<Inner>, call: &MetadataCall) -> Result<MetadataResponse> {
    let lane = match call.target {
        Target::Broker(broker) => inner.lane_to(broker, Purpose::General).await?,
        Target::Bootstrap(index) => {
            let servers = inner.config.bootstrap_servers();
            let server = servers.get(index).ok_or_else(|| Error::config("no such bootstrap server"))?;
            inner.lane(server.host(), server.port(), None, Purpose::General).await?
        }
    };
    let request = MetadataRequest { topics: topics(&call.asked), allow_auto_topic_creation: false };
    lane.call(&request, inner.config.request_timeout()).await
}

fn topics(asked: &Asked) -> Option<Vec<String>> {
    match asked {
        Asked::Nothing => Some(Vec::new()),
        Asked::Topics(topics) => Some(topics.iter().map(|topic| topic.to_string()).collect()),
        Asked::All => None,
    }
}

/// So many answers say that a topic is missing before it is believed: the first may have been under way before it was
/// asked for.
const MISSING_ANSWERS: u64 = 4;
