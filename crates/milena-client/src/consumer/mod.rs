//! Reading partitions, alone or as a member of a group, with commits that are always true.
//!
//! A [`Consumer`] hands out decoded batches; each carries the [`Lease`] it was read under and the range in which its
//! records are acknowledged. What is acknowledged without a gap is committed now and then, as long as the lease holds.
//! `milena-source` puts streams on top of it.

mod drive;
mod epochs;
pub(crate) mod event;
mod lag;
pub(crate) mod outage;
mod pattern;
mod positions;
pub(crate) mod rebalances;
mod spans;
mod split;
mod stall;
mod store;
mod subscribed;
mod subscription;

pub use crate::fetch::{BatchRecords, FetchedBatch, LogEnds};
pub use crate::lease::Lease;
pub use event::{Event, Events, Undrained};
pub use lag::Lag;
pub use pattern::TopicPattern;
pub use proto::group::MembershipOperation;
pub use rebalances::{Rebalances, StepTimes};
pub use split::{PartitionReader, PartitionReaders};
pub use store::{Loaded, OffsetStore, OffsetToStore, PartitionToLoad, StoreError, StoredOffset, Storing};
pub use subscription::Subscription;

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use proto::group::{AssignorKind, GroupSettings, Membership};
use proto::offsets::{CommitSettings, Committer};
use proto::types::{AssignmentEpoch, Generation, TopicId, TopicPartition};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::budget::Budget;
use crate::client::Client;
use crate::clock;
use crate::config::{Assignor, FetchConfig, GroupConfig, GroupProtocol};
use crate::consumer::drive::{Command, Drive, Parts};
use crate::consumer::event::EventSender;
use crate::consumer::rebalances::Steps;
use crate::consumer::stall::Watch;
use crate::consumer::subscribed::Subscribed;
use crate::error::{Error, Result};
use crate::fetch::reader::{Read, Reader};
use crate::fetch::{Fetcher, Reset, Start};

/// Commands that may wait for the task.
const COMMANDS_MAX: usize = 64;

/// Reads partitions: the reading end. There is one; [`Control`] is what others hold.
///
/// Dropping it, and all its controls, closes it without waiting for acknowledgements.
pub struct Consumer {
    reader: Reader,
    control: Control,
}

/// Steers a [`Consumer`] from anywhere. Clones share it.
#[derive(Clone)]
pub struct Control {
    commands: mpsc::Sender<Command>,
    fetcher: Fetcher,
    events: EventSender,
    steps: Steps,
}

/// How one partition stands.
#[derive(Clone, Debug)]
pub struct PartitionStatus {
    /// Which.
    pub partition: TopicPartition,
    /// The id of its topic; zero where the cluster has none.
    pub topic_id: TopicId,
    /// The assignment epoch.
    pub epoch: AssignmentEpoch,
    /// Whether it is being given up.
    pub is_draining: bool,
    /// Whether it is paused.
    pub is_paused: bool,
    /// The next offset to hand out.
    pub position: Option<i64>,
    /// What could be committed now.
    pub committable: Option<i64>,
    /// What was last committed in this epoch.
    pub committed: Option<i64>,
    /// Delivered and not acknowledged: batches.
    pub unacked_batches: usize,
    /// The lowest offset that is delivered and not acknowledged.
    pub oldest_unacked: Option<i64>,
    /// Bytes fetched and not handed out.
    pub buffered_bytes: usize,
    /// Where the log began and ended at the last fetch.
    pub log: Option<LogEnds>,
    /// How far behind its reader is; `None` until the position and the end of the log are known.
    pub lag: Option<Lag>,
}

/// What became of what was fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Batches handed out.
    pub delivered_batches: u64,
    /// Their bytes as they were received.
    pub delivered_bytes: u64,
    /// Chunks dropped because their assignment epoch had ended.
    pub stale_chunks: u64,
    /// Chunks dropped because something before them was missing.
    pub discontinuous_chunks: u64,
}

impl Consumer {
    /// Begins to read.
    ///
    /// With a group and topics it joins the group. With a group and partitions it reads these and commits as the group
    /// without being a member: brokers allow that only while the group has none. Without a group it reads topics whole,
    /// and commits nothing.
    ///
    /// A partition of a subscribed topic begins at the group's committed offset, or where `otherwise` says; what
    /// [`Subscription::Partitions`] names has starts of its own.
    ///
    /// # Errors
    /// A topic or partition that does not exist or may not be described; topics without a group, and with nowhere to begin.
    ///
    /// # Cancel safety
    /// Nothing is left behind when it is dropped.
    pub async fn start(
        client: &Client,
        fetch: &FetchConfig,
        group: Option<&GroupConfig>,
        subscription: Subscription,
        otherwise: Reset,
    ) -> Result<Self> {
        Self::start_with(client, fetch, group, subscription, otherwise, None).await
    }

    /// As [`start`](Self::start), with offsets that `store` keeps in place of Kafka: committed offsets are those that it has
    /// stored. It needs no group; with one, it is what shares partitions, and nothing else.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    ///
    /// # Cancel safety
    /// As for [`start`](Self::start).
    pub async fn start_with(
        client: &Client,
        fetch: &FetchConfig,
        group: Option<&GroupConfig>,
        subscription: Subscription,
        otherwise: Reset,
        store: Option<Arc<dyn OffsetStore>>,
    ) -> Result<Self> {
        let events = EventSender::new();
        let progress = Arc::new(Notify::new());
        let budget = Budget::new(fetch.budget_bytes());
        let fetcher = Fetcher::new(client, fetch, budget.clone(), events.clone(), progress.clone());
        let mut subscribed = Subscribed::new(&subscription, fetch);
        subscribed.want(client.metadata(), fetcher.interest(), &BTreeSet::new());
        let timeout = client.config().request_timeout();
        if let (
            Subscription::Topics(_) | Subscription::Pattern(_) | Subscription::RemotePattern(_),
            Some(group),
        ) = (&subscription, group)
        {
            client.reach_coordinator(group.group_id());
        }
        match &subscription {
            Subscription::Topics(topics) => client.metadata().await_topics(topics, timeout).await?,
            Subscription::Pattern(_) | Subscription::RemotePattern(_) => {
                client.metadata().await_all(timeout).await?;
            }
            Subscription::Partitions(partitions) => {
                let partitions = partitions.iter().map(|(partition, _)| partition.clone()).collect();
                client.metadata().await_partitions(&partitions, timeout).await?;
            }
        }

        let now = clock::now();
        client.metadata().view(|view| subscribed.look(view));
        let membership = match (subscription, group) {
            (Subscription::Topics(_) | Subscription::Pattern(_), Some(group)) => {
                let mut membership = Membership::new(group_settings(client, fetch, group), client.seed());
                membership.handle_subscription(now, subscribed.topics().clone());
                fetcher.set_by_topic_id(membership.has_member_epoch());
                Some(membership)
            }
            (Subscription::RemotePattern(pattern), Some(group))
                if group.protocol() == GroupProtocol::Consumer =>
            {
                let mut membership = Membership::new(group_settings(client, fetch, group), client.seed());
                membership.handle_pattern(now, Some(pattern));
                fetcher.set_by_topic_id(true);
                Some(membership)
            }
            (Subscription::RemotePattern(_), _) => {
                return Err(Error::config(
                    "only the coordinator of a group with `group.protocol=consumer` looks for topics by itself",
                ));
            }
            (Subscription::Topics(_) | Subscription::Pattern(_), None) => {
                if otherwise == Reset::None && store.is_none() {
                    return Err(Error::config(
                        "`auto.offset.reset` is none: without a group, say where to start",
                    ));
                }
                let partitions = client.metadata().view(|view| subscribed.partitions(view));
                let start = |partition: TopicPartition| {
                    let start = subscribed.start(&partition, otherwise, store.is_some())?;
                    Some((partition, start))
                };
                fetcher.assign_with(now, partitions.into_iter().filter_map(start), Generation(-1));
                None
            }
            (Subscription::Partitions(partitions), _) => {
                fetcher.assign_with(now, partitions, Generation(-1));
                None
            }
        };
        let committer = (group.is_some() || store.is_some()).then(|| {
            let mut settings = CommitSettings::new(group.map_or("", GroupConfig::group_id));
            if let Some(group) = group {
                settings.interval = group.commit_interval().unwrap_or(Duration::MAX);
            }
            settings.retry_backoff = client.config().retry_backoff();
            settings.retry_backoff_max = client.config().retry_backoff_max();
            settings.standalone = membership.is_none();
            Committer::new(settings, client.seed())
        });
        let watch = group.filter(|_| membership.is_some());
        let watch = watch.map(|group| Watch::new(now, group.rebalance_timeout(), group.leave_when_stalled()));
        let steps = Steps::default();
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let parts = Parts {
            client: client.clone(),
            fetcher: fetcher.clone(),
            group_id: group.map(|group| group.group_id().into()),
            subscribed,
            store,
            membership,
            committer,
            otherwise,
            drain_timeout: group.map_or(Duration::ZERO, GroupConfig::drain_timeout),
            at_close: match group.is_none_or(GroupConfig::leave_on_close) {
                true => MembershipOperation::LeaveGroup,
                false => MembershipOperation::RemainInGroup,
            },
            watch,
            steps: steps.clone(),
            isolation: fetch.isolation().into(),
            events: events.clone(),
            progress,
            commands: inbox,
        };
        tokio::spawn(Drive::new(parts).run());
        let reader = Reader::new(fetcher.queue(), budget);
        Ok(Self { reader, control: Control { commands, fetcher, events, steps } })
    }

    /// The next batch; `None` once the consumer is closed.
    ///
    /// # Errors
    /// What the caller must know of: a partition that cannot be read on (the others go on), or the end of the membership.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn next(&mut self) -> Option<Result<FetchedBatch>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next) for those who write streams.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<FetchedBatch>>> {
        self.control.poll_read(cx, &mut self.reader)
    }

    /// A handle that steers it.
    pub fn control(&self) -> &Control {
        &self.control
    }
}

impl Control {
    /// What happens from here on.
    pub fn events(&self) -> Events {
        self.events.subscribe()
    }

    fn poll_read(&self, cx: &mut Context<'_>, reader: &mut Reader) -> Poll<Option<Result<FetchedBatch>>> {
        loop {
            match ready!(reader.poll_read(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(Read::Batch(batch))) => return Poll::Ready(Some(Ok(batch))),
                Some(Ok(Read::Corrupt { lease, offset, error })) => {
                    if let Some(error) = self.fetcher.corrupt(clock::now(), &lease, offset, error) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        }
    }

    /// What is assigned, and as the how-manieth assignment: a partition that went away and came back has another number, one
    /// whose position was moved has the same.
    pub fn assignment(&self) -> BTreeMap<TopicPartition, u64> {
        self.fetcher.tenures().into_iter().map(|(partition, tenure)| (partition, tenure.id())).collect()
    }

    /// Whether the consumer has ended.
    pub fn is_closed(&self) -> bool {
        self.fetcher.is_closed()
    }

    /// How far behind the reader of each assigned partition is, where that is known: part of [`status`](Self::status).
    pub fn lag(&self) -> BTreeMap<TopicPartition, Lag> {
        self.status().into_iter().filter_map(|status| Some((status.partition, status.lag?))).collect()
    }

    /// How every assigned partition stands.
    pub fn status(&self) -> Vec<PartitionStatus> {
        self.fetcher.status()
    }

    /// The next offset to hand out of each assigned partition.
    pub fn positions(&self) -> Vec<(TopicPartition, Option<i64>)> {
        self.fetcher.positions()
    }

    /// How many partitions are assigned, if `test` holds for each and the next offset to hand out of it: a bounded read asks so
    /// whether it is done. Nothing is copied, and nothing looked at behind the first for which it does not hold.
    ///
    /// `None` also while it is open what is assigned: before the group's first assignment, and in a rebalance. `test` is called
    /// under a lock, and must not call this handle.
    pub fn count_if_all(&self, test: impl FnMut(&TopicPartition, Option<i64>) -> bool) -> Option<usize> {
        self.fetcher.count_if_all(test)
    }

    /// What became of what was fetched.
    pub fn counters(&self) -> Counters {
        self.fetcher.counters()
    }

    /// How often the group rebalanced, and how long each step took.
    pub fn rebalances(&self) -> Rebalances {
        self.steps.read()
    }

    /// The byte budget.
    pub fn budget(&self) -> &Budget {
        self.fetcher.budget()
    }

    /// Hands out nothing more of these partitions until they are resumed. What is fetched stays; nothing more is.
    /// Partitions that are not assigned are passed over.
    pub fn pause<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.fetcher.set_paused(partitions, true);
    }

    /// Ends a pause.
    pub fn resume<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.fetcher.set_paused(partitions, false);
    }

    /// Goes on elsewhere in a partition. A new assignment epoch begins: what was delivered before can no longer be
    /// acknowledged, and the first commit after it may go back.
    ///
    /// # Errors
    /// The partition is not assigned, or is being given up; or the consumer is closed.
    ///
    /// # Cancel safety
    /// Dropped, the seek may happen or not.
    pub async fn seek(&self, partition: TopicPartition, to: Start) -> Result<()> {
        let (done, answer) = oneshot::channel();
        self.command(Command::Seek { partition, to, done }).await?;
        answer.await.map_err(|_| Error::closed("the consumer"))?
    }

    /// Commits what is acknowledged without a gap, now, and waits until the coordinator has answered. What fails in a way
    /// that may pass is tried until it does not.
    ///
    /// # Errors
    /// The consumer is closed.
    ///
    /// # Cancel safety
    /// Dropped, the commit goes on.
    pub async fn commit(&self) -> Result<()> {
        let (done, answer) = oneshot::channel();
        self.command(Command::Commit { done }).await?;
        answer.await.map_err(|_| Error::closed("the consumer"))?
    }

    /// Commits an offset of an assignment that may be over, and opens the commit gate for good: for the test that shows what
    /// the coordinator makes of it.
    ///
    /// # Errors
    /// The consumer is closed.
    ///
    /// # Cancel safety
    /// Dropped, the commit goes on.
    #[cfg(feature = "__open-gate")]
    #[doc(hidden)]
    pub async fn commit_behind_the_gate(&self, lease: &Lease, offset: i64) -> Result<()> {
        let (done, answer) = oneshot::channel();
        self.command(Command::CommitBehindTheGate { lease: lease.clone(), offset, done }).await?;
        answer.await.map_err(|_| Error::closed("the consumer"))?
    }

    /// Makes a member of a classic group join again although nothing has changed, for a reason that the coordinator is told
    /// (KIP-568); it starts a rebalance if this member leads. Does nothing while one is under way, in the consumer protocol,
    /// and without a membership.
    ///
    /// # Errors
    /// The consumer is closed.
    ///
    /// # Cancel safety
    /// Dropped, it may happen or not.
    pub async fn enforce_rebalance(&self, reason: impl Into<String>) -> Result<()> {
        self.command(Command::Rebalance { reason: reason.into() }).await
    }

    /// Stops delivery, waits until all that was delivered is acknowledged or `drain` has passed, commits, and leaves the
    /// group, unless it is to stay ([`leave_on_close`](crate::config::GroupConfigBuilder::leave_on_close)). Returns when
    /// that is done; a second call waits for nothing.
    ///
    /// # Cancel safety
    /// Dropped, the closing goes on.
    pub async fn close(&self, drain: Duration) {
        self.close_with(drain, None).await;
    }

    /// [`close`](Self::close), with a word on what it means for the group (KIP-1092), whatever the configuration says.
    ///
    /// # Cancel safety
    /// Dropped, the closing goes on.
    pub async fn close_as(&self, drain: Duration, operation: MembershipOperation) {
        self.close_with(drain, Some(operation)).await;
    }

    async fn close_with(&self, drain: Duration, operation: Option<MembershipOperation>) {
        let (done, answer) = oneshot::channel();
        if self.command(Command::Close { drain, operation, done }).await.is_ok() {
            let _ = answer.await;
        }
    }

    async fn command(&self, command: Command) -> Result<()> {
        self.commands.send(command).await.map_err(|_| Error::closed("the consumer"))
    }
}

fn group_settings(client: &Client, fetch: &FetchConfig, group: &GroupConfig) -> GroupSettings {
    let mut settings = GroupSettings::new(group.group_id());
    settings.group_instance_id = group.group_instance_id().map(str::to_owned);
    settings.protocol = match (group.protocol(), group.protocol_fallback()) {
        (GroupProtocol::Classic, _) => proto::group::GroupProtocol::Classic,
        (GroupProtocol::Consumer, true) => proto::group::GroupProtocol::ConsumerElseClassic,
        (GroupProtocol::Consumer, false) => proto::group::GroupProtocol::Consumer,
    };
    settings.remote_assignor = group.remote_assignor().map(str::to_owned);
    settings.session_timeout = group.session_timeout();
    settings.rebalance_timeout = group.rebalance_timeout();
    settings.heartbeat_interval = group.heartbeat_interval();
    settings.assignors = group.assignors().iter().map(|assignor| assignor_kind(*assignor)).collect();
    settings.rack = fetch.rack().map(str::to_owned);
    settings.request_timeout = client.config().request_timeout();
    settings.retry_backoff = client.config().retry_backoff();
    settings.retry_backoff_max = client.config().retry_backoff_max();
    settings
}

fn assignor_kind(assignor: Assignor) -> AssignorKind {
    match assignor {
        Assignor::Range => AssignorKind::Range,
        Assignor::RoundRobin => AssignorKind::RoundRobin,
        Assignor::Sticky => AssignorKind::Sticky,
        Assignor::CooperativeSticky => AssignorKind::CooperativeSticky,
    }
}
