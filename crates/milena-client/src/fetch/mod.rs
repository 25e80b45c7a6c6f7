//! Fetching: from assigned partitions to a queue of undecoded chunks.
//!
//! One task for each broker, or two, keeps one fetch under way ([`broker`]); what it brings is cut up by a walk over batch headers,
//! queued ([`queue`]), decoded ahead where that takes long ([`ahead`]), and read by whoever reads ([`reader`]). Which partitions there are, and where each goes on, is in
//! one table behind one lock ([`table`]), taken twice for each fetch and never for each record.

mod ahead;
mod answer;
mod broker;
mod chunk;
pub(crate) mod queue;
pub(crate) mod reader;
mod table;

pub use chunk::{BatchRecords, FetchedBatch, LogEnds};
pub use proto::position::{MoveCause, Reset, Start};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use proto::assignments::{Assignments, FenceReason, Stamp};
use proto::offsets::Committable;
use proto::position::{AskFailed, PositionRequest};
use proto::types::{AssignmentEpoch, BrokerId, Generation, LeaderEpoch, RequestId, TopicPartition};
use proto::wire::{EpochEndOffset, OffsetFetchResponse};
use tokio::sync::Notify;
use tracing::Instrument;

use crate::budget::Budget;
use crate::changes::Changes;
use crate::client::{Client, Inner};
use crate::config::{FetchConfig, IsolationLevel, OffsetReset};
use crate::consumer::event::EventSender;
use crate::consumer::{Counters, Event, PartitionStatus};
use crate::error::{Error, Result};
use crate::fetch::ahead::Ahead;
use crate::fetch::queue::Queue;
use crate::fetch::table::{Feed, Table};
use crate::lease::{Lease, Tenure};
use crate::metadata::Interest;
use crate::net::as_call_failed;
use crate::offsets::{CommittedOffsets, OffsetsOf};

/// Fetches assigned partitions. Clones share it.
#[derive(Clone)]
pub(crate) struct Fetcher(Arc<Shared>);

pub(crate) struct Shared {
    client: Client,
    config: FetchConfig,
    budget: Budget,
    queue: Arc<Queue>,
    table: Mutex<Table>,
    /// Counts what may let a broker's task find something to fetch.
    changes: Changes,
    /// Wakes the task that asks for positions.
    positions: Notify,
    events: EventSender,
    progress: Arc<Notify>,
    interest: Interest,
    closed: AtomicBool,
}

/// A question about one partition's position, for its leader.
pub(crate) struct Asked {
    pub(crate) partition: TopicPartition,
    pub(crate) id: RequestId,
    pub(crate) request: PositionRequest,
    pub(crate) current_leader_epoch: Option<LeaderEpoch>,
}

impl Fetcher {
    pub(crate) fn new(
        client: &Client,
        config: &FetchConfig,
        budget: Budget,
        events: EventSender,
        progress: Arc<Notify>,
    ) -> Self {
        Self(Arc::new(Shared {
            client: client.clone(),
            config: config.clone(),
            queue: Arc::new(Queue::new(
                budget.clone(),
                Ahead::new(config.decode_threads(), config.max_batch_decompressed_bytes(), budget.clone()),
            )),
            budget,
            table: Mutex::new(Table::new(config, client.config(), progress.clone())),
            changes: Changes::default(),
            positions: Notify::new(),
            events,
            progress,
            interest: client.metadata().interest(),
            closed: AtomicBool::new(false),
        }))
    }

    pub(crate) fn queue(&self) -> Arc<Queue> {
        self.0.queue.clone()
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.0.budget
    }

    pub(crate) fn interest(&self) -> &Interest {
        &self.0.interest
    }

    // --- What is ours --------------------------------------------------------------------------------------------

    /// These partitions are ours from here on, and begin there.
    pub(crate) fn assign_with(
        &self,
        now: Instant,
        partitions: impl IntoIterator<Item = (TopicPartition, Start)>,
        wire_epoch: Generation,
    ) {
        let mut table = self.0.table();
        for (partition, start) in partitions {
            let topic_id = self.0.client.topic_id(&partition.topic);
            table.assign(partition, topic_id, wire_epoch, start);
        }
        table.set_settled(true);
        drop(table);
        self.handle_view(now);
        // Whoever waits for the end of a bounded read may have come to it: by being given nothing.
        self.0.queue.wake();
    }

    /// These partitions are being given up: nothing more of them is fetched or handed out.
    pub(crate) fn begin_revoke(&self, partitions: &BTreeSet<TopicPartition>) {
        let mut table = self.0.table();
        table.set_settled(false);
        for partition in partitions {
            table.begin_revoke(partition);
        }
        drop(table);
        self.0.queue.sweep();
        self.0.changed();
    }

    /// It is open what is ours, until the next assignment.
    pub(crate) fn begin_rebalance(&self) {
        self.0.table().set_settled(false);
    }

    /// Whether partitions are assigned by topic id (KIP-848), so that the group's coordinator says who reads a topic that was
    /// created again.
    pub(crate) fn set_by_topic_id(&self, by_topic_id: bool) {
        self.0.table().set_by_topic_id(by_topic_id);
    }

    /// What is ours is all that is coming, as far as anybody can tell.
    pub(crate) fn settle_assignment(&self) {
        self.0.table().set_settled(true);
        self.0.queue.wake();
    }

    /// These partitions are no longer ours. Returns the epochs that ended.
    pub(crate) fn end(&self, partitions: &BTreeSet<TopicPartition>, reason: FenceReason) -> Vec<Stamp> {
        let mut table = self.0.table();
        if reason == FenceReason::Lost {
            table.set_settled(false);
        }
        let ended = partitions.iter().filter_map(|partition| table.end(partition, reason)).collect();
        drop(table);
        self.0.queue.sweep();
        self.0.changed();
        ended
    }

    /// Nothing is ours any more. Returns the epochs that ended.
    pub(crate) fn end_all(&self, reason: FenceReason) -> Vec<Stamp> {
        let ended = self.0.table().end_all(reason);
        self.0.queue.sweep();
        ended
    }

    /// Goes on elsewhere. Returns the epoch that ended; `None` where the partition is not ours.
    pub(crate) fn seek(&self, now: Instant, partition: &TopicPartition, to: Start) -> Option<Stamp> {
        let ended = self.0.table().seek(partition, to)?;
        self.0.queue.sweep();
        self.handle_view(now);
        Some(ended)
    }

    pub(crate) fn set_paused<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        paused: bool,
    ) {
        let mut table = self.0.table();
        for partition in partitions {
            table.set_paused(partition, paused);
        }
        drop(table);
        self.0.queue.wake();
        self.0.changed();
    }

    /// Looks at the cluster again: leaders, and topics that are other topics now. Returns the epochs that ended.
    pub(crate) fn handle_view(&self, now: Instant) -> Vec<Stamp> {
        let mut table = self.0.table();
        let ended = self.0.client.metadata().view(|view| table.handle_view(view));
        self.0.report(&mut table);
        drop(table);
        self.0.spawn_new(now);
        if !ended.is_empty() {
            self.0.queue.sweep();
        }
        self.0.changed();
        self.0.positions.notify_one();
        ended
    }

    /// Epochs that ended since the last time somebody asked, because a position moved by itself.
    pub(crate) fn take_ended(&self) -> Vec<Stamp> {
        self.0.table().take_ended()
    }

    pub(crate) fn assignment(&self) -> BTreeSet<TopicPartition> {
        self.0.table().partitions().cloned().collect()
    }

    /// Whether any partition is ours.
    pub(crate) fn is_assigned(&self) -> bool {
        self.0.table().leases().next().is_some()
    }

    /// Whether any record was taken or acknowledged since `outstanding` was written: what was unacknowledged then, by
    /// partition, where it was anything. It is written anew. Partitions that come or go are no such thing.
    pub(crate) fn has_moved(
        &self,
        outstanding: &mut BTreeMap<(TopicPartition, AssignmentEpoch), u64>,
    ) -> bool {
        let before = std::mem::take(outstanding);
        let mut moved = false;
        for lease in self.0.table().leases() {
            moved |= lease.take_touch();
            let offsets = lease.tracker().map_or(0, |tracker| tracker.outstanding().offsets);
            if offsets == 0 && before.is_empty() {
                continue;
            }
            let key = (lease.partition().clone(), lease.epoch());
            moved |= before.get(&key).copied().unwrap_or(0) != offsets;
            if offsets > 0 {
                outstanding.insert(key, offsets);
            }
        }
        moved
    }

    /// What may be committed beyond what is, and whether that is all that can come of what was delivered so far.
    pub(crate) fn committables(&self) -> (Vec<(Stamp, Committable)>, bool) {
        self.0.table().committables()
    }

    /// Counts what was delivered or passed over: while it stays the same, and all had been committed, there is nothing to
    /// commit.
    pub(crate) fn deliveries(&self) -> u64 {
        let counters = &self.0.queue.counters;
        counters
            .delivered_batches
            .load(Ordering::Acquire)
            .wrapping_add(counters.passed.load(Ordering::Acquire))
    }

    /// One of these partitions of which something that was delivered waits for its acknowledgement.
    pub(crate) fn undrained(&self, partitions: &BTreeSet<TopicPartition>) -> Option<TopicPartition> {
        let table = self.0.table();
        let drained = |tp: &&TopicPartition| table.lease(tp).is_none_or(Lease::is_drained);
        partitions.iter().find(|tp| !drained(tp)).cloned()
    }

    pub(crate) fn with_assignments<T>(&self, f: impl FnOnce(&mut Assignments) -> T) -> T {
        f(self.0.table().assignments())
    }

    // --- Where it stands -----------------------------------------------------------------------------------------

    pub(crate) fn status(&self) -> Vec<PartitionStatus> {
        let waiting = self.0.queue.first_times();
        self.0.table().status(self.0.is_committed_only(), &waiting)
    }

    /// What is ours, and which assignment of it that is.
    pub(crate) fn tenures(&self) -> Vec<(TopicPartition, Tenure)> {
        self.0.table().leases().map(|lease| (lease.partition().clone(), lease.tenure().clone())).collect()
    }

    /// Whether nothing is read any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// The next offset to hand out of each partition.
    pub(crate) fn positions(&self) -> Vec<(TopicPartition, Option<i64>)> {
        self.0.table().leases().map(|lease| (lease.partition().clone(), lease.position())).collect()
    }

    /// The next offset to hand out of a partition.
    pub(crate) fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.0.table().lease(partition)?.position()
    }

    /// How many partitions are ours, if `test` holds for each and the next offset to hand out of it. `None` while it is open
    /// what is ours.
    pub(crate) fn count_if_all(
        &self,
        mut test: impl FnMut(&TopicPartition, Option<i64>) -> bool,
    ) -> Option<usize> {
        let table = self.0.table();
        let mut count = 0;
        let mut holds = |lease: &Lease| {
            count += 1;
            test(lease.partition(), lease.position())
        };
        (table.is_settled() && table.leases().all(&mut holds)).then_some(count)
    }

    pub(crate) fn counters(&self) -> Counters {
        let counters = &self.0.queue.counters;
        Counters {
            delivered_batches: counters.delivered_batches.load(Ordering::Relaxed),
            delivered_bytes: counters.delivered_bytes.load(Ordering::Relaxed),
            stale_chunks: counters.stale_chunks.load(Ordering::Relaxed),
            discontinuous_chunks: counters.discontinuous_chunks.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn note_committed(&self, partition: &TopicPartition, epoch: AssignmentEpoch, offset: i64) {
        self.0.table().note_committed(partition, epoch, offset);
    }

    // --- Positions -----------------------------------------------------------------------------------------------

    /// Waits until there may be questions to ask.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub(crate) async fn positions_wanted(&self) {
        self.0.positions.notified().await;
    }

    /// The questions to ask now: the group's coordinator about committed offsets, and leaders about everything else.
    pub(crate) fn questions(&self, now: Instant) -> (OffsetsOf, BTreeMap<BrokerId, Vec<Asked>>) {
        let mut table = self.0.table();
        let (committed, leaders, leaderless) = table.questions(now);
        self.0.report(&mut table);
        drop(table);
        if leaderless {
            self.0.client.metadata().refresh_soon();
        }
        (committed, leaders)
    }

    pub(crate) fn positions_timeout(&self) -> Option<Instant> {
        self.0.table().positions_timeout()
    }

    pub(crate) fn handle_offsets(
        &self,
        now: Instant,
        asked: &OffsetsOf,
        answer: &Result<OffsetFetchResponse>,
    ) {
        let offsets = answer.as_ref().map(CommittedOffsets::new);
        let mut table = self.0.table();
        for (partition, id) in &asked.0 {
            let topic_id = table.topic_id(partition);
            let committed = match &offsets {
                Ok(offsets) => offsets.of(partition, topic_id),
                Err(error) => Err(as_ask_failed(error)),
            };
            table.handle_committed(now, partition, *id, committed);
        }
        self.0.settle(table);
    }

    /// What a leader says of offsets by time, or of ends.
    pub(crate) fn handle_listed(&self, now: Instant, answers: Vec<(Asked, Result<i64, AskFailed>)>) {
        let mut table = self.0.table();
        for (asked, answer) in answers {
            table.handle_listed(now, &asked.partition, asked.id, answer);
        }
        self.0.settle(table);
    }

    /// What a leader says of where leader epochs end.
    pub(crate) fn handle_epoch_ends(
        &self,
        now: Instant,
        answers: Vec<(Asked, Result<EpochEndOffset, AskFailed>)>,
    ) {
        let mut table = self.0.table();
        for (asked, answer) in answers {
            table.handle_epoch_end(now, &asked.partition, asked.id, answer);
        }
        self.0.settle(table);
    }

    /// A batch that was fetched cannot be read. It is fetched again a few times: the damage may lie on the way. Returns the
    /// error, once, when that did not help; the partition is then tried at leisure, in case somebody does something about it.
    pub(crate) fn corrupt(&self, now: Instant, lease: &Lease, offset: i64, error: Error) -> Option<Error> {
        let given_up = self.0.table().corrupt(now, lease, offset);
        self.0.changed();
        if given_up {
            let partition = lease.partition().clone();
            self.0.events.send(Event::Stuck { partition, error: error.clone() });
            return Some(error);
        }
        self.0.events.send(Event::Trouble { error });
        None
    }

    // --- The reading end -----------------------------------------------------------------------------------------

    pub(crate) fn deliver_until(&self, deadline: Option<Instant>) {
        self.0.queue.deliver_until(deadline);
    }

    /// Whether whoever reads waits for something to read.
    pub(crate) fn is_reader_waiting(&self) -> bool {
        self.0.queue.is_waited_for()
    }

    pub(crate) fn wake_reader(&self) {
        self.0.queue.wake();
    }

    /// The reader gets this error next.
    pub(crate) fn fail(&self, error: Error) {
        self.0.queue.push_error(error);
    }

    /// Ends everything: the broker tasks, and the queue.
    pub(crate) fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.queue.close();
        self.0.changed();
        self.0.client.metadata().want(&self.0.interest, BTreeSet::new());
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner(&self) -> &Arc<Inner> {
        self.client.inner()
    }

    /// Starts the tasks of brokers that are to be fetched from and have none.
    fn spawn_new(self: &Arc<Self>, now: Instant) {
        let feeds = self.table().new_feeds(now);
        for feed in feeds {
            self.inner().open_ahead(feed.broker);
            self.spawn(feed);
        }
    }

    /// Starts the task of a feed.
    fn spawn(self: &Arc<Self>, feed: Feed) {
        let (client, broker) = (self.client.config().client_id(), feed.broker.0);
        let span = tracing::debug_span!(
            target: "milena::fetch", parent: None, "fetch", client, broker, feed = feed.index
        );
        tokio::spawn(broker::run(self.clone(), feed).instrument(span));
    }

    fn changed(&self) {
        self.changes.tell();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn is_committed_only(&self) -> bool {
        self.config.isolation() == IsolationLevel::ReadCommitted
    }

    /// Positions may have moved: tells whom it concerns.
    fn settle(&self, mut table: MutexGuard<'_, Table>) {
        table.collect_events();
        self.report(&mut table);
        let ended = table.has_ended();
        drop(table);
        self.queue.wake();
        self.changed();
        self.positions.notify_one();
        if ended {
            self.queue.sweep();
            self.progress.notify_one();
        }
    }

    fn report(&self, table: &mut Table) {
        for event in table.take_events() {
            if let Event::Stuck { error, .. } = &event {
                self.queue.push_error(error.clone());
            }
            self.events.send(event);
        }
    }
}

impl From<OffsetReset> for Reset {
    fn from(reset: OffsetReset) -> Self {
        match reset {
            OffsetReset::Earliest => Self::Earliest,
            OffsetReset::Latest => Self::Latest,
            OffsetReset::ByDuration(ago) => Self::ByDuration(ago),
            OffsetReset::None => Self::None,
        }
    }
}

impl From<IsolationLevel> for proto::types::IsolationLevel {
    fn from(level: IsolationLevel) -> Self {
        match level {
            IsolationLevel::ReadCommitted => Self::ReadCommitted,
            IsolationLevel::ReadUncommitted => Self::ReadUncommitted,
        }
    }
}

/// How a failed question looks to a position.
pub(crate) fn as_ask_failed(error: &Error) -> AskFailed {
    match error.code() {
        Some(code) => AskFailed::Broker(code),
        None => AskFailed::Call(as_call_failed(error)),
    }
}
