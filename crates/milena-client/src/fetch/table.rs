//! Which partitions are ours and how far each has come: everything behind the one lock.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::assignments::{Assignments, FenceReason, Stamp};
use proto::backoff::Backoff;
use proto::cluster::ClusterView;
use proto::fetch::ReplicaChoice;
use proto::offsets::Committable;
use proto::offsets::Tracker;
use proto::position::{
    AskFailed, MoveCause, Position, PositionError, PositionEvent, PositionRequest, Reset, Start,
};
use proto::types::{
    AssignmentEpoch, BrokerId, CallFailed, Generation, LeaderEpoch, RequestId, TopicId, TopicPartition,
};
use proto::wire::EpochEndOffset;
use tokio::sync::Notify;

use crate::clock;
use crate::config::{ClientConfig, FetchConfig, NewPartitions};
use crate::consumer::{Event, Lag, PartitionStatus};
use crate::error::{Error, ErrorKind};
use crate::fetch::{Asked, LogEnds};
use crate::lease::{Lease, Tenure};
use crate::offsets::{CommittedOffset, OffsetsOf};
use crate::seeds::Seeds;

pub(super) struct Table {
    assignments: Assignments,
    /// Each in a box of its own: the map's nodes are half empty, as partitions come in order.
    entries: BTreeMap<TopicPartition, Box<Entry>>,
    /// Partitions whose position has something to say or to ask, or a pause to wait out. With a hundred thousand of them, each
    /// look at all costs milliseconds.
    stirred: BTreeSet<TopicPartition>,
    /// Counts what may change what is fetched.
    version: u64,
    /// At which version a feed had no partition that its broker is silent about.
    calm: BTreeMap<Feed, u64>,
    /// Assignments so far.
    tenures: u64,
    /// Replicas are left alone until then: one has failed.
    leaders_until: Option<Instant>,
    /// It is known what is ours, and no rebalance is under way.
    settled: bool,
    /// Partitions are assigned by topic id (KIP-848): a topic that was created again is not ours until its partitions are.
    by_topic_id: bool,
    /// Brokers that have a task, and how many: their partitions are dealt out among these.
    feeds: BTreeMap<BrokerId, usize>,
    reset: Reset,
    new_partitions: NewPartitions,
    retry_backoff: (Duration, Duration),
    seeds: Seeds,
    progress: Arc<Notify>,
    ended: Vec<Stamp>,
    events: Vec<Event>,
}

/// A connection that is fetched over, with a session and a task of its own. A broker has one, and more while much of the time
/// is spent on waiting for its answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Feed {
    pub(super) broker: BrokerId,
    pub(super) index: usize,
}

/// One partition, in one assignment epoch.
pub(super) struct Entry {
    pub(super) lease: Lease,
    pub(super) position: Position,
    pub(super) leader: Option<BrokerId>,
    pub(super) leader_epoch: Option<LeaderEpoch>,
    /// A replica nearer to us (KIP-392).
    pub(super) replica: ReplicaChoice,
    /// The feed whose request in flight it is in.
    pub(super) asked: Option<Feed>,
    /// Bytes to ask for, where that is not what is usual: its next batch is larger, or whole batches fit into less. 0 where it is.
    pub(super) max_bytes: i32,
    /// Not fetched before then.
    pub(super) not_before: Option<Instant>,
    pub(super) backoff: Backoff,
    /// How often in a row it was refused with an error that passes.
    pub(super) refused: u32,
    /// How often the batch at this offset could not be read.
    corrupt: Option<(i64, u32)>,
    /// How many answers in a row brought nothing from this offset on, although there is something, they say.
    silent: Option<(i64, u32)>,
    /// Cannot be read on until it is moved.
    stuck: bool,
    pub(super) log: Option<LogEnds>,
    committed: Option<i64>,
    /// Where it would begin again.
    start: Start,
}

/// A partition that the broker has more of, and sends nothing.
pub(super) struct Silence {
    pub(super) partition: TopicPartition,
    /// From where it was asked for.
    pub(super) offset: i64,
    /// Where the log ends, says the broker.
    pub(super) end: i64,
}

/// So many connections are fetched over from one broker at most.
const FEEDS_MAX: usize = 4;
/// A batch that cannot be read is fetched so many times.
const CORRUPT_TRIES: u32 = 3;
/// And then as often as this, in case the damage is mended or its broker becomes honest.
const CORRUPT_PAUSE: Duration = Duration::from_secs(5);
/// So many answers bring nothing before that is told.
const SILENT_ANSWERS: u32 = 5;

impl Table {
    pub(super) fn new(fetch: &FetchConfig, client: &ClientConfig, progress: Arc<Notify>) -> Self {
        Self {
            assignments: Assignments::new(),
            entries: BTreeMap::new(),
            stirred: BTreeSet::new(),
            version: 0,
            calm: BTreeMap::new(),
            tenures: 0,
            leaders_until: None,
            settled: false,
            by_topic_id: false,
            feeds: BTreeMap::new(),
            reset: fetch.offset_reset().into(),
            new_partitions: fetch.new_partitions(),
            retry_backoff: (client.retry_backoff(), client.retry_backoff_max()),
            seeds: Seeds::new(client),
            progress,
            ended: Vec::new(),
            events: Vec::new(),
        }
    }

    // --- Assignment ----------------------------------------------------------------------------------------------

    pub(super) fn assign(
        &mut self,
        tp: TopicPartition,
        topic_id: TopicId,
        wire_epoch: Generation,
        start: Start,
    ) {
        let stamp = self.assignments.assign(tp.clone(), topic_id, wire_epoch);
        let position = Position::new(start, self.reset, self.backoff());
        self.tenures += 1;
        self.enter(tp, stamp, Tenure::new(self.tenures), start, position, false);
    }

    fn backoff(&self) -> Backoff {
        let (base, max) = self.retry_backoff;
        Backoff::new(base, max, self.seeds.draw())
    }

    /// A new epoch of a partition: a new lease, a new position, nothing kept of the old ones.
    fn enter(
        &mut self,
        tp: TopicPartition,
        stamp: Stamp,
        tenure: Tenure,
        start: Start,
        position: Position,
        paused: bool,
    ) {
        let position = position.numbered_from(first_question(stamp.epoch()));
        let entry = Entry {
            lease: Lease::new(stamp, tenure, paused, self.progress.clone()),
            position,
            leader: None,
            leader_epoch: None,
            replica: ReplicaChoice::new(),
            asked: None,
            max_bytes: 0,
            not_before: None,
            backoff: self.backoff(),
            refused: 0,
            corrupt: None,
            silent: None,
            stuck: false,
            log: None,
            committed: None,
            start,
        };
        self.stir(&tp);
        self.entries.insert(tp, Box::new(entry));
    }

    /// Something about this partition is another.
    fn stir(&mut self, tp: &TopicPartition) {
        self.version += 1;
        if !self.stirred.contains(tp) {
            self.stirred.insert(tp.clone());
        }
    }

    /// Changes with everything that may change what is fetched, but for the passing of time and what is buffered.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn begin_revoke(&mut self, tp: &TopicPartition) {
        self.version += 1;
        if self.assignments.begin_revoke(tp)
            && let Some(entry) = self.entries.get(tp)
        {
            entry.lease.wait_for();
            entry.lease.tenure().end();
        }
    }

    pub(super) fn end(&mut self, tp: &TopicPartition, reason: FenceReason) -> Option<Stamp> {
        self.version += 1;
        self.stirred.remove(tp);
        if let Some(entry) = self.entries.remove(tp) {
            entry.lease.tenure().end();
        }
        match reason {
            FenceReason::Lost => self.assignments.lose(tp),
            _ => self.assignments.revoke(tp),
        }
    }

    pub(super) fn set_settled(&mut self, settled: bool) {
        self.settled = settled;
    }

    pub(super) fn set_by_topic_id(&mut self, by_topic_id: bool) {
        self.by_topic_id = by_topic_id;
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Nothing is ours any more.
    pub(super) fn end_all(&mut self, reason: FenceReason) -> Vec<Stamp> {
        self.version += 1;
        for lease in self.leases() {
            lease.tenure().end();
        }
        self.entries.clear();
        self.stirred.clear();
        self.assignments.end_all(reason)
    }

    pub(super) fn seek(&mut self, tp: &TopicPartition, to: Start) -> Option<Stamp> {
        // A seek throws away what is acknowledged and not committed yet. Who gives a partition up has promised to commit that,
        // and will read nothing more of it.
        let old = self.entries.get(tp).filter(|old| !old.lease.stamp().is_draining())?;
        let (paused, ended, start) = (old.lease.is_paused(), old.lease.stamp().clone(), old.start);
        let tenure = old.lease.tenure().clone();
        let position = Position::instead_of(old.at(), MoveCause::Seek, to, self.reset, self.backoff());
        let stamp = self.assignments.seek(tp)?;
        self.enter(tp.clone(), stamp, tenure, start, position, paused);
        Some(ended)
    }

    pub(super) fn set_paused(&mut self, tp: &TopicPartition, paused: bool) {
        self.version += 1;
        self.assignments.set_paused(tp, paused);
        if let Some(entry) = self.entries.get(tp) {
            entry.lease.set_paused(paused);
        }
    }

    /// Looks at the cluster: who leads, and whether a topic is another topic now.
    pub(super) fn handle_view(&mut self, view: &ClusterView) -> Vec<Stamp> {
        let ended = self.handle_topic_ids(view);
        for (tp, entry) in &mut self.entries {
            let (leader, epoch) = match view.leader(tp) {
                Some((leader, epoch)) => (Some(leader), epoch),
                None => (None, entry.leader_epoch),
            };
            if (leader, epoch) != (entry.leader, entry.leader_epoch) {
                let known = entry.leader.is_some() || entry.leader_epoch.is_some();
                entry.leader = leader;
                entry.leader_epoch = epoch;
                entry.replica.handle_failure();
                if known {
                    entry.not_before = None;
                }
                entry.position.handle_leader_changed(epoch);
                self.version += 1;
                self.stirred.insert(tp.clone());
            }
        }
        self.collect_events();
        ended
    }

    /// Offsets belong to a topic id, not to a name (KIP-516): a topic that was deleted and created again is another one,
    /// and nothing read of the old one may be committed for it.
    fn handle_topic_ids(&mut self, view: &ClusterView) -> Vec<Stamp> {
        let topics: BTreeSet<_> = self.entries.keys().map(|tp| tp.topic.clone()).collect();
        let mut ended = Vec::new();
        for topic in topics {
            let Some(id) = view.topic(&topic).map(|topic| topic.id).filter(|id| !id.is_zero()) else {
                continue;
            };
            for tp in self.assignments.handle_topic_id(&topic, id) {
                if self.by_topic_id {
                    self.entries.remove(&tp);
                    self.stirred.remove(&tp);
                    self.settled = false;
                    self.version += 1;
                    ended.extend(self.assignments.topic_gone(&tp));
                    continue;
                }
                let Some(old) = self.entries.get(&tp) else { continue };
                let (paused, stamp, start) = (old.lease.is_paused(), old.lease.stamp().clone(), old.start);
                let tenure = old.lease.tenure().clone();
                // What the group had committed was for the old topic. Asking by id tells; where brokers cannot be asked by
                // id, deletion has removed the old offsets (facts measured on 3.9 and 4.3).
                let cause = MoveCause::TopicRecreated;
                let start = match self.new_partitions {
                    NewPartitions::Earliest => all_of(start),
                    NewPartitions::AsOthers => start,
                };
                let position = Position::instead_of(old.at(), cause, start, self.reset, self.backoff());
                let Some(new) = self.assignments.topic_recreated(&tp, id) else { continue };
                ended.push(stamp);
                self.enter(tp, new, tenure, start, position, paused);
            }
        }
        ended
    }

    /// Brokers that lead something of ours and have no task yet. From here on they have one.
    pub(super) fn new_feeds(&mut self, now: Instant) -> Vec<Feed> {
        let wanted: BTreeSet<BrokerId> =
            self.entries.values().filter_map(|entry| entry.source(now)).collect();
        let new: Vec<Feed> = wanted
            .into_iter()
            .filter(|broker| !self.feeds.contains_key(broker))
            .map(|broker| Feed { broker, index: 0 })
            .collect();
        self.feeds.extend(new.iter().map(|feed| (feed.broker, 1)));
        new
    }

    /// One more feed of a broker, if each of them can have a partition that has something to read. From here on its
    /// partitions are dealt out among them all.
    pub(super) fn another_feed(
        &mut self,
        broker: BrokerId,
        now: Instant,
        committed_only: bool,
    ) -> Option<Feed> {
        let feeds = self.feeds.get(&broker).copied().filter(|feeds| *feeds < FEEDS_MAX)?;
        let full = self
            .entries
            .values()
            .filter(|entry| entry.source(now) == Some(broker) && !entry.is_at_end(now, committed_only));
        if full.count() <= feeds {
            return None;
        }
        self.version += 1;
        self.feeds.insert(broker, feeds + 1);
        Some(Feed { broker, index: feeds })
    }

    /// Whether it is the last feed of its broker, and not the only one.
    pub(super) fn is_surplus(&self, feed: Feed) -> bool {
        feed.index > 0 && self.feeds.get(&feed.broker) == Some(&(feed.index + 1))
    }

    /// Deals the partitions of a surplus feed out among the others.
    pub(super) fn end_feed(&mut self, feed: Feed) {
        self.version += 1;
        self.feeds.insert(feed.broker, feed.index.max(1));
        self.release(feed);
    }

    // --- Looking -------------------------------------------------------------------------------------------------

    pub(super) fn assignments(&mut self) -> &mut Assignments {
        &mut self.assignments
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.entries.keys()
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.entries.values().map(|entry| &entry.lease)
    }

    pub(super) fn lease(&self, tp: &TopicPartition) -> Option<&Lease> {
        self.entries.get(tp).map(|entry| &entry.lease)
    }

    /// What may be committed beyond what is, and whether nothing more can come of what was delivered so far.
    pub(super) fn committables(&self) -> (Vec<(Stamp, Committable)>, bool) {
        let mut committables = Vec::new();
        let mut settled = true;
        for entry in self.entries.values() {
            let Some(tracker) = entry.lease.tracker() else { continue };
            match tracker.committable() {
                Some(committable) if entry.committed != Some(committable.offset) => {
                    committables.push((entry.lease.stamp().clone(), committable));
                }
                _ => settled &= tracker.is_drained(),
            }
        }
        let settled = settled && committables.is_empty();
        (committables, settled)
    }

    pub(super) fn topic_id(&self, tp: &TopicPartition) -> TopicId {
        self.assignments.get(tp).map_or(TopicId::ZERO, |assignment| assignment.topic_id())
    }

    /// The partitions that are asked for over a feed: every so-manieth of its broker's, in their order, so that those of one
    /// topic are spread.
    pub(super) fn of_feed(
        &self,
        feed: Feed,
        now: Instant,
    ) -> impl Iterator<Item = (&TopicPartition, TopicId, &Entry)> {
        let feeds = self.feeds.get(&feed.broker).copied().unwrap_or(1);
        self.entries
            .iter()
            .filter(move |(_, entry)| entry.source(now) == Some(feed.broker))
            .skip(feed.index)
            .step_by(feeds)
            .map(|(tp, entry)| (tp, self.topic_id(tp), &**entry))
    }

    /// No partition is in a request of that feed any more.
    pub(super) fn release(&mut self, feed: Feed) {
        for entry in self.entries.values_mut() {
            if entry.asked == Some(feed) {
                entry.asked = None;
            }
        }
    }

    /// How many feeds there are.
    pub(super) fn feed_count(&self) -> usize {
        self.feeds.values().sum()
    }

    /// How many partitions have something to read, or may have for all that is known.
    pub(super) fn full_count(&self, now: Instant, committed_only: bool) -> usize {
        self.entries.values().filter(|entry| !entry.is_at_end(now, committed_only)).count()
    }

    /// The entry of a partition, if it is still in that epoch.
    pub(super) fn entry_of(&mut self, stamp: &Stamp) -> Option<&mut Entry> {
        self.entries
            .get_mut(stamp.partition())
            .map(|entry| &mut **entry)
            .filter(|entry| entry.lease.stamp().is_same(stamp))
    }

    /// The entry of a partition, if it is still in that epoch, to do something with its position, or with when and how it is
    /// fetched.
    pub(super) fn touch(&mut self, tp: &TopicPartition, epoch: AssignmentEpoch) -> Option<&mut Entry> {
        if self.entries.get(tp)?.lease.epoch() != epoch {
            return None;
        }
        self.stir(tp);
        self.entries.get_mut(tp).map(|entry| &mut **entry)
    }

    /// The entry of a partition, if it is still in that epoch.
    pub(super) fn entry_in(&mut self, tp: &TopicPartition, epoch: AssignmentEpoch) -> Option<&mut Entry> {
        self.entries.get_mut(tp).map(|entry| &mut **entry).filter(|entry| entry.lease.epoch() == epoch)
    }

    pub(super) fn status(&self, committed_only: bool, waiting: &BTreeMap<u64, i64>) -> Vec<PartitionStatus> {
        let entries = self.entries.iter();
        entries
            .map(|(tp, entry)| {
                let waiting_ms = waiting.get(&entry.lease.epoch().0).copied();
                entry.status(tp, self.topic_id(tp), entry.lag(committed_only, waiting_ms))
            })
            .collect()
    }

    /// Nobody reads from this broker what it does not lead: it failed. Who was sent there by a leader asks the leader again.
    ///
    /// The leader cannot know that, and would send it there again instead of records: for so long it is not told where we are.
    pub(super) fn replica_failed(&mut self, now: Instant, broker: BrokerId, leaders_for: Duration) {
        self.version += 1;
        for entry in self.entries.values_mut() {
            if entry.leader != Some(broker) && entry.source(now) == Some(broker) {
                entry.replica.handle_failure();
                self.leaders_until = now.checked_add(leaders_for);
            }
        }
    }

    /// Whether leaders may send us to replicas.
    pub(super) fn follows_hints(&self, now: Instant) -> bool {
        self.leaders_until.is_none_or(|until| until <= now)
    }

    pub(super) fn note_committed(&mut self, tp: &TopicPartition, epoch: AssignmentEpoch, offset: i64) {
        if let Some(entry) = self.entry_in(tp, epoch) {
            entry.committed = Some(offset);
        }
    }

    // --- Positions -----------------------------------------------------------------------------------------------

    /// Questions for the coordinator, questions for leaders, and whether some leader is not known.
    pub(super) fn questions(&mut self, now: Instant) -> (OffsetsOf, BTreeMap<BrokerId, Vec<Asked>>, bool) {
        let mut committed = BTreeMap::new();
        let mut leaders: BTreeMap<BrokerId, Vec<Asked>> = BTreeMap::new();
        let mut leaderless = false;
        for tp in &self.stirred {
            let Some(entry) = self.entries.get_mut(tp) else { continue };
            entry.position.handle_timeout(now);
            if !entry.lease.stamp().may_deliver() {
                continue;
            }
            while let Some((id, request)) = entry.position.poll_request(now) {
                let failed = AskFailed::Call(CallFailed::Disconnected);
                match (request, entry.leader) {
                    (PositionRequest::Committed, _) => {
                        committed.insert(tp.clone(), id);
                    }
                    (request, Some(leader)) => {
                        let current_leader_epoch = entry.leader_epoch;
                        let asked = Asked { partition: tp.clone(), id, request, current_leader_epoch };
                        leaders.entry(leader).or_default().push(asked);
                    }
                    (PositionRequest::ListOffset { .. }, None) => {
                        leaderless = true;
                        entry.position.handle_listed_offset(now, id, Err(failed));
                    }
                    (PositionRequest::EpochEnd { .. }, None) => {
                        leaderless = true;
                        entry.position.handle_epoch_end(now, id, Err(failed));
                    }
                }
            }
        }
        let moved = self.collect_events();
        let waits = |tp: &TopicPartition| {
            self.entries.get(tp).is_some_and(|entry| entry.position.poll_timeout().is_some())
        };
        self.stirred.retain(|tp| moved.contains(tp) || waits(tp));
        (OffsetsOf(committed), leaders, leaderless)
    }

    pub(super) fn positions_timeout(&self) -> Option<Instant> {
        let stirred = self.stirred.iter().filter_map(|tp| self.entries.get(tp));
        let wanted = stirred.filter(|entry| entry.lease.stamp().may_deliver());
        wanted.filter_map(|entry| entry.position.poll_timeout()).min()
    }

    pub(super) fn handle_committed(
        &mut self,
        now: Instant,
        tp: &TopicPartition,
        id: RequestId,
        committed: Result<CommittedOffset, AskFailed>,
    ) {
        self.stir(tp);
        if let Some(entry) = self.entries.get_mut(tp) {
            if let Ok(Some((offset, _))) = &committed {
                entry.committed = Some(*offset);
            }
            entry.position.handle_committed(now, id, committed);
        }
    }

    pub(super) fn handle_listed(
        &mut self,
        now: Instant,
        tp: &TopicPartition,
        id: RequestId,
        offset: Result<i64, AskFailed>,
    ) {
        self.stir(tp);
        if let Some(entry) = self.entries.get_mut(tp) {
            entry.position.handle_listed_offset(now, id, offset);
        }
    }

    pub(super) fn handle_epoch_end(
        &mut self,
        now: Instant,
        tp: &TopicPartition,
        id: RequestId,
        end: Result<EpochEndOffset, AskFailed>,
    ) {
        self.stir(tp);
        if let Some(entry) = self.entries.get_mut(tp) {
            entry.position.handle_epoch_end(now, id, end);
        }
    }

    /// A batch at `offset` cannot be read: fetch it again, and after some tries at leisure. True where that begins.
    pub(super) fn corrupt(&mut self, now: Instant, lease: &Lease, offset: i64) -> bool {
        self.stir(lease.partition());
        let Some(entry) = self.entry_of(lease.stamp()) else { return false };
        let tries = match entry.corrupt {
            Some((at, tries)) if at == offset => tries.saturating_add(1),
            _ => 1,
        };
        entry.corrupt = Some((offset, tries));
        entry.position.refetch(now, offset);
        if tries >= CORRUPT_TRIES {
            entry.not_before = Some(now + CORRUPT_PAUSE);
        }
        tries == CORRUPT_TRIES
    }

    /// Looks at the partitions of an answer that had room for more: returns those of which time and again nothing comes that
    /// has to be there. A broker that stumbles over damage in its log ends its answer there, without a word. (So it does
    /// where compaction left nothing at the end of a log, which nobody can tell apart.)
    pub(super) fn count_silence(&mut self, now: Instant, feed: Feed, committed_only: bool) -> Vec<Silence> {
        let mut silent = Vec::new();
        if self.calm.get(&feed) == Some(&self.version) {
            return silent;
        }
        let mut calm = true;
        for (tp, entry) in &mut self.entries {
            if entry.asked != Some(feed) || entry.not_before.is_some() || entry.stuck {
                continue;
            }
            let (Some(log), Some(at)) = (entry.log, entry.position.fetch_position(now)) else {
                calm = false;
                continue;
            };
            let end = log.readable_end(committed_only);
            if at.offset >= end {
                entry.silent = None;
                continue;
            }
            let count = match entry.silent {
                Some((offset, count)) if offset == at.offset => count.saturating_add(1),
                _ => 1,
            };
            entry.silent = Some((at.offset, count));
            calm = false;
            if count == SILENT_ANSWERS {
                silent.push(Silence { partition: tp.clone(), offset: at.offset, end });
            }
        }
        if calm {
            self.calm.insert(feed, self.version);
        }
        silent
    }

    /// What the positions have to say, carried out: a partition begins, goes on elsewhere, or is stuck. Returns which had
    /// something to say.
    pub(super) fn collect_events(&mut self) -> BTreeSet<TopicPartition> {
        let mut news = Vec::new();
        for tp in &self.stirred {
            let Some(entry) = self.entries.get_mut(tp) else { continue };
            news.extend(std::iter::from_fn(|| entry.position.poll_event()).map(|event| (tp.clone(), event)));
        }
        let moved = news.iter().map(|(tp, _)| tp.clone()).collect();
        for (partition, event) in news {
            match event {
                PositionEvent::Moved { cause, from, to, lost } => {
                    self.moved(partition, cause, from, to, lost);
                }
                PositionEvent::Refused(code) => {
                    let error = Error::broker(code).at(&partition).doing("asking for a position");
                    self.events.push(Event::Trouble { error });
                }
                PositionEvent::Stuck(error) => {
                    if let Some(entry) = self.entries.get_mut(&partition) {
                        entry.stuck = true;
                    }
                    let error = stuck_error(&partition, error);
                    self.events.push(Event::Stuck { partition, error });
                }
            }
        }
        moved
    }

    /// The first position of an epoch is where its delivery begins. A later move is a new epoch: what was delivered before
    /// says nothing about what is read from here on.
    ///
    /// What was fetched and not handed out goes with the old epoch. So the reader's place counts, and not the fetch
    /// position's, which runs ahead: what lies between the two is fetched again where it is still there, and is among the
    /// lost where it is not.
    fn moved(
        &mut self,
        tp: TopicPartition,
        cause: MoveCause,
        mut from: Option<i64>,
        to: i64,
        mut lost: Option<Range<i64>>,
    ) {
        let Some(entry) = self.entries.get_mut(&tp) else { return };
        // What is in somebody's hands can no longer be acknowledged, and the rest of an open batch is not handed out any more: that
        // is read again, or the commits of the new epoch would pass over it.
        let unfinished = entry.lease.tracker().and_then(Tracker::oldest_unacked);
        if entry.lease.tracker().is_none() {
            entry.lease.begin_at(to);
        } else {
            let (paused, ended) = (entry.lease.is_paused(), entry.lease.stamp().clone());
            let tenure = entry.lease.tenure().clone();
            let Some(stamp) = self.assignments.seek(&tp) else { return };
            let mut begin = to;
            let place = unfinished.into_iter().chain(entry.lease.position()).min();
            match (entry.lease.position(), from) {
                (_, Some(ahead)) if place.is_some_and(|place| place < to) && to < ahead => {
                    begin = place.unwrap_or(to);
                    entry.position.refetch(clock::now(), begin);
                }
                (Some(at), Some(ahead)) if at < ahead => {
                    from = Some(at);
                    lost = lost.map(|lost| lost.start.min(at.max(0))..lost.end);
                }
                _ => {}
            }
            let lease = Lease::new(stamp, tenure, paused, self.progress.clone());
            lease.begin_at(begin);
            entry.lease = lease;
            entry.corrupt = None;
            entry.stuck = false;
            self.ended.push(ended);
        }
        self.events.push(Event::Moved { partition: tp, cause, from, to, lost });
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    pub(super) fn take_ended(&mut self) -> Vec<Stamp> {
        std::mem::take(&mut self.ended)
    }
}

impl Entry {
    /// Which broker it is fetched from.
    pub(super) fn source(&self, now: Instant) -> Option<BrokerId> {
        Some(self.replica.choose(now, self.leader?))
    }

    /// Where its reader is, or would be: the next offset to hand out, or to fetch where nothing was fetched yet.
    fn at(&self) -> Option<i64> {
        self.lease.position().or(self.position.offset())
    }

    /// Whether there is nothing to read of it: nothing buffered, and nothing more in the log when it was last asked.
    fn is_at_end(&self, now: Instant, committed_only: bool) -> bool {
        let (Some(position), Some(log)) = (self.position.fetch_position(now), self.log) else { return false };
        self.lease.buffered_bytes() == 0 && position.offset >= log.readable_end(committed_only)
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// How far behind its reader is. `waiting_ms` is when the first of what waits in the queue was written.
    fn lag(&self, committed_only: bool, waiting_ms: Option<i64>) -> Option<Lag> {
        let lease = &self.lease;
        // What the reader has open comes before what waits; and where nothing is known of what is next, it was written after
        // what came last.
        let next_ms = lease.next_ms().or(waiting_ms).or(lease.last_ms());
        let (end, position) = (self.log?.readable_end(committed_only), lease.position()?);
        Some(Lag::new(end, position, next_ms, clock::wall_ms()))
    }

    fn status(&self, tp: &TopicPartition, topic_id: TopicId, lag: Option<Lag>) -> PartitionStatus {
        let tracker = self.lease.tracker();
        let outstanding = tracker.map(|tracker| tracker.outstanding()).unwrap_or_default();
        PartitionStatus {
            partition: tp.clone(),
            topic_id,
            epoch: self.lease.epoch(),
            is_draining: self.lease.stamp().is_draining(),
            is_paused: self.lease.is_paused(),
            position: self.lease.position(),
            committable: tracker
                .and_then(|tracker| tracker.committable())
                .map(|committable| committable.offset),
            committed: self.committed,
            unacked_batches: outstanding.ranges,
            oldest_unacked: outstanding.oldest,
            buffered_bytes: self.lease.buffered_bytes(),
            log: self.log,
            lag,
        }
    }
}

/// Where a partition begins all of which is new: leaving out what was there already is not meant for it.
fn all_of(start: Start) -> Start {
    match start {
        Start::Latest | Start::ByDuration(_) => Start::Earliest,
        Start::Committed { otherwise: Reset::Latest | Reset::ByDuration(_) } => {
            Start::Committed { otherwise: Reset::Earliest }
        }
        start => start,
    }
}

/// Questions and their answers name the partition, not its epoch; but an epoch's number is never used twice, and nobody
/// asks four billion questions in one.
fn first_question(epoch: AssignmentEpoch) -> RequestId {
    RequestId(epoch.0 << 32)
}

fn stuck_error(tp: &TopicPartition, error: PositionError) -> Error {
    let kind = match error {
        PositionError::Truncated { .. } => ErrorKind::LogTruncated,
        PositionError::NoCommittedOffset | PositionError::OutOfRange { .. } => ErrorKind::OffsetOutOfRange,
    };
    Error::new(kind).source(error).at(tp)
}

#[cfg(test)]
mod tests;
