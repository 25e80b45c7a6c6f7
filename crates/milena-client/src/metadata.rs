//! What is known of the cluster, and the task that keeps it fresh.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use proto::cluster::{
    Asked, Change, ClusterView, MetadataCall, MetadataRefresh, Recovery, RefreshSettings, Target, Topic,
};
use proto::group::PartitionRacks;
use proto::types::{BrokerId, TopicName, TopicPartition};
use proto::wire::{ErrorCode, LeaderIdAndEpoch, MetadataRequest, MetadataResponse, NodeEndpoint};
use tokio::sync::Notify;
use tracing::Instrument;

use crate::changes::{Changes, Seen};
use crate::client::{Inner, Purpose};
use crate::clock;
use crate::config::{ClientConfig, MetadataRecovery};
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
    changes: Changes,
    next_interest: AtomicU64,
}

struct State {
    view: ClusterView,
    refresh: MetadataRefresh,
    /// Which topics are of interest, and to whom.
    interests: BTreeMap<u64, Asked>,
    /// Why the last attempt failed.
    failure: Option<Error>,
    /// Since when attempts fail.
    failing_since: Option<Instant>,
    /// Attempts that failed before the first answer.
    first_failures: usize,
    /// Answers that were taken over.
    answers: u64,
    /// ... of which so many were about all topics.
    answers_for_all: u64,
    /// The racks of brokers, those that are down now too: a restart moves nobody to another rack.
    racks: BTreeMap<BrokerId, String>,
    /// What brokers say of topics that they do not show.
    missing: BTreeMap<TopicName, ErrorCode>,
}

/// Somebody who is interested in topics.
#[derive(Debug)]
pub(crate) struct Interest(u64);

impl Metadata {
    pub(crate) fn new(config: &ClientConfig, seed: u64) -> Self {
        let settings = RefreshSettings {
            max_age: config.metadata_max_age(),
            retry_backoff: config.retry_backoff(),
            retry_backoff_max: config.retry_backoff_max(),
            bootstrap_servers: config.bootstrap_servers().len(),
            recovery: match config.metadata_recovery() {
                MetadataRecovery::None => Recovery::None,
                MetadataRecovery::Rebootstrap { trigger } => Recovery::Rebootstrap { after: trigger },
            },
            seed,
        };
        let state = State {
            view: ClusterView::new(),
            refresh: MetadataRefresh::new(clock::now(), settings),
            interests: BTreeMap::new(),
            failure: None,
            failing_since: None,
            first_failures: 0,
            answers: 0,
            answers_for_all: 0,
            racks: BTreeMap::new(),
            missing: BTreeMap::new(),
        };
        let servers: Vec<String> = config.bootstrap_servers().iter().map(ToString::to_string).collect();
        Self {
            servers: servers.join(","),
            state: Mutex::new(state),
            wanted: Notify::new(),
            changes: Changes::default(),
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
    pub(crate) fn changes(&self) -> Seen {
        self.changes.seen()
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
        self.want_asked(who, if topics.is_empty() { Asked::Nothing } else { Asked::Topics(topics) });
    }

    /// Somebody is interested in all topics there are, and will be.
    pub(crate) fn want_all(&self, who: &Interest) {
        self.want_asked(who, Asked::All);
    }

    fn want_asked(&self, who: &Interest, asked: Asked) {
        let mut state = self.lock();
        match asked {
            Asked::Nothing => state.interests.remove(&who.0),
            asked => state.interests.insert(who.0, asked),
        };
        let asked = if state.interests.values().any(|asked| *asked == Asked::All) {
            Asked::All
        } else {
            match state.named() {
                topics if topics.is_empty() => Asked::Nothing,
                topics => Asked::Topics(topics),
            }
        };
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

    /// Waits for an answer about all topics, once [`want_all`](Self::want_all) has been said.
    pub(crate) async fn await_all(&self, timeout: Duration) -> Result<()> {
        self.await_view(timeout, |state| (state.answers_for_all > 0).then_some(Ok(()))).await
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

    /// The racks of these topics' partitions. A broker that is down is in the rack that it was in.
    pub(crate) fn partition_racks(&self, topics: &BTreeSet<TopicName>) -> PartitionRacks {
        let state = self.lock();
        if state.racks.is_empty() {
            return PartitionRacks::new();
        }
        let known = topics.iter().filter_map(|topic| Some((topic, state.view.topic(topic)?)));
        let of_topic = |topic: &Topic| {
            let mut racks = vec![BTreeSet::new(); topic.partition_count()];
            for (number, partition) in topic.partitions() {
                let at = usize::try_from(number).ok().and_then(|number| racks.get_mut(number));
                if let Some(at) = at {
                    at.extend(
                        partition.replicas.iter().filter_map(|broker| state.racks.get(broker).cloned()),
                    );
                }
            }
            racks
        };
        known.map(|(name, topic)| (name.clone(), of_topic(topic))).collect()
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
        let mut changes = self.changes.seen();
        let found = async {
            loop {
                if let Some(found) = look(&mut self.lock()) {
                    return found;
                }
                changes.changed().await;
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
        self.changes.tell();
    }

    fn poll_call(&self) -> Option<MetadataCall> {
        let mut state = self.lock();
        let State { view, refresh, .. } = &mut *state;
        refresh.poll_request(clock::now(), view)
    }

    fn handle_answer(&self, call: &MetadataCall, answer: Result<MetadataResponse>) {
        let mut state = self.lock();
        let named = if call.asked == Asked::All { state.named() } else { BTreeSet::new() };
        let State {
            view,
            refresh,
            failure,
            failing_since,
            first_failures,
            answers,
            answers_for_all,
            missing,
            racks,
            ..
        } = &mut *state;
        let outcome = answer.as_ref().map_err(as_call_failed);
        match refresh.handle_response(clock::now(), call.id, outcome, view) {
            Ok(mut changes) => {
                if call.asked == Asked::All {
                    changes.extend(view.forget_absent(|topic| named.contains(topic)));
                    let doubtful =
                        view.topics().any(|(name, topic)| topic.is_absent() && !named.contains(name));
                    if doubtful {
                        // A topic that was deleted is to be found out about soon, and one that was not, too.
                        refresh.refresh_soon(clock::now());
                    }
                }
                let mut of_interest = match &call.asked {
                    Asked::Topics(topics) => topics.iter().collect::<Vec<_>>(),
                    _ => named.iter().collect(),
                };
                of_interest.retain(|topic| view.topic(topic).is_some_and(|topic| topic.lacks_a_leader()));
                if !of_interest.is_empty() {
                    // Nobody is there to ask who would tell of the new leader: without this, a reader would stand still
                    // until what is known is old.
                    refresh.refresh_soon(clock::now());
                }
                for change in &changes {
                    log(change);
                    match change {
                        Change::BrokersChanged => {
                            for (id, broker) in view.brokers() {
                                match &broker.rack {
                                    Some(rack) => drop(racks.insert(id, rack.clone())),
                                    None => drop(racks.remove(&id)),
                                }
                            }
                        }
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
                        *answers_for_all += u64::from(call.asked == Asked::All);
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

impl State {
    /// The topics that somebody is interested in by name.
    fn named(&self) -> BTreeSet<TopicName> {
        let named = self.interests.values().filter_map(|asked| match asked {
            Asked::Topics(topics) => Some(topics),
            Asked::Nothing | Asked::All => None,
        });
        named.flatten().cloned().collect()
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
        // In order, not in a random one, here and wherever else it does not matter: a simulation must repeat.
        tokio::select! {
            biased;
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

#[cfg(test)]
mod tests {
    use proto::types::{LeaderEpoch, TopicId};
    use proto::wire::{MetadataBroker, MetadataPartition, MetadataTopic};

    use super::*;

    fn answer(brokers: &[(i32, &str)]) -> MetadataResponse {
        let broker = |(id, rack): &(i32, &str)| MetadataBroker {
            id: BrokerId(*id),
            host: "b".to_owned(),
            port: 9,
            rack: (!rack.is_empty()).then(|| (*rack).to_owned()),
        };
        let partition = |(partition, replicas): (i32, Vec<i32>)| MetadataPartition {
            error: ErrorCode::NONE,
            partition,
            leader: Some(BrokerId(1)),
            leader_epoch: Some(LeaderEpoch(1)),
            replicas: replicas.into_iter().map(BrokerId).collect(),
            isr: vec![BrokerId(1)],
            offline: Vec::new(),
        };
        let topic = MetadataTopic {
            error: ErrorCode::NONE,
            name: Some("orders".to_owned()),
            id: TopicId([1; 16]),
            is_internal: false,
            partitions: vec![partition((0, vec![1, 2])), partition((1, vec![2, 3])), partition((2, vec![4]))],
        };
        let brokers = brokers.iter().map(broker).collect();
        MetadataResponse { brokers, topics: vec![topic], ..MetadataResponse::default() }
    }

    fn racks_after(answers: &[MetadataResponse]) -> Vec<Vec<String>> {
        let config = ClientConfig::bootstrap("localhost:9").unwrap().build().unwrap();
        let metadata = Metadata::new(&config, 1);
        let topics = BTreeSet::from([TopicName::from("orders")]);
        let interest = metadata.interest();
        for answer in answers {
            // Each asks for something else, so that none waits for the pause between questions.
            metadata.want(&interest, BTreeSet::new());
            metadata.want(&interest, topics.clone());
            let call = metadata.poll_call().expect("a question");
            metadata.handle_answer(&call, Ok(answer.clone()));
        }
        let mut racks = metadata.partition_racks(&topics);
        let racks = racks.remove("orders").unwrap_or_default();
        racks.into_iter().map(|racks| racks.into_iter().collect()).collect()
    }

    #[test]
    fn a_partition_is_in_the_racks_of_its_replicas() {
        let all = answer(&[(1, "r1"), (2, "r2"), (3, "r2"), (4, "")]);
        assert_eq!(racks_after(&[all]), [vec!["r1", "r2"], vec!["r2"], vec![]]);
        let nowhere = answer(&[(1, ""), (2, "")]);
        assert_eq!(racks_after(&[nowhere]), [[""; 0]; 0]);
    }

    #[test]
    fn a_broker_that_is_down_stays_in_its_rack() {
        let (all, down) = (answer(&[(1, "r1"), (2, "r2")]), answer(&[(1, "r1")]));
        assert_eq!(racks_after(&[all.clone(), down]), [vec!["r1", "r2"], vec!["r2"], vec![]]);
        let moved = answer(&[(1, "r1"), (2, "r3")]);
        assert_eq!(racks_after(&[all, moved]), [vec!["r1", "r3"], vec!["r3"], vec![]]);
    }
}
