//! The machine: records into batches, batches into requests.

mod outcome;
mod split;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use records::{BatchBuilder, NewRecord};

use crate::backoff::Backoff;
use crate::cluster::ClusterView;
use crate::produce::batch::{Batch, Wait};
use crate::produce::partition::Sticky;
use crate::produce::sequence::{Identity, Sequence};
use crate::produce::{
    AppendError, BatchId, Place, ProduceBatches, ProduceCall, ProduceEvent, ProduceSettings, Setback,
    partition_of_key,
};
use crate::types::{BrokerId, LeaderEpoch, RequestId, TopicId, TopicName, TopicPartition};
use crate::wire::InitProducerIdRequest;

/// Collects records into batches and decides which are sent, when, and how often.
///
/// Bounded by its caller: what it holds is what was appended and has had no outcome yet.
#[derive(Debug)]
pub struct Accumulator {
    settings: ProduceSettings,
    sticky: Sticky,
    queues: BTreeMap<TopicPartition, Queue>,
    /// The partitions that have batches.
    active: BTreeSet<TopicPartition>,
    numbering: Numbering,
    /// How often in a row no producer id came.
    identity_tries: u32,
    requests: BTreeMap<RequestId, InFlight>,
    /// Brokers that asked to be left alone for a while (KIP-219).
    throttled: BTreeMap<BrokerId, Instant>,
    /// Batches without an outcome, behind the batch they were split from, or themselves.
    outstanding: BTreeSet<(BatchId, BatchId)>,
    /// The broker and the partition that were served last: the others have their turn first.
    last_broker: Option<BrokerId>,
    last_partition: Option<TopicPartition>,
    last_batch: u64,
    last_request: u64,
    /// When a request was asked for last. What was due by then and was not sent waits for something else than time.
    polled: Option<Instant>,
    events: VecDeque<ProduceEvent>,
}

/// One partition.
#[derive(Debug)]
struct Queue {
    /// Oldest first. The first one may be under way; only the last one may be open.
    batches: VecDeque<Batch>,
    /// The request that carries a batch of this partition: the first one, or one that expired on the way.
    in_flight: Option<RequestId>,
    wait: Option<Wait>,
    backoff: Backoff,
    sequence: Sequence,
}

/// Where the numbers of batches come from.
#[derive(Debug)]
enum Numbering {
    /// Nowhere: without idempotence.
    Off,
    /// A producer id is to be asked for, not before a pause if that failed.
    Wanted { not_before: Option<Instant>, last: Option<Setback> },
    /// It is being asked for.
    Asking(RequestId),
    /// It is known.
    Known(Identity),
}

#[derive(Debug)]
struct InFlight {
    broker: BrokerId,
    batches: BTreeMap<TopicPartition, Sent>,
    /// Answers from version 13 on name topics by id only.
    names: BTreeMap<TopicId, TopicName>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    batch: BatchId,
    leader: (BrokerId, Option<LeaderEpoch>),
}

impl Accumulator {
    /// Nothing to send.
    pub fn new(settings: ProduceSettings) -> Self {
        let numbering = match settings.idempotence {
            true => Numbering::Wanted { not_before: None, last: None },
            false => Numbering::Off,
        };
        Self {
            sticky: Sticky::new(settings.seed),
            settings,
            queues: BTreeMap::new(),
            active: BTreeSet::new(),
            numbering,
            identity_tries: 0,
            requests: BTreeMap::new(),
            throttled: BTreeMap::new(),
            outstanding: BTreeSet::new(),
            last_broker: None,
            last_partition: None,
            last_batch: 0,
            last_request: 0,
            polled: None,
            events: VecDeque::new(),
        }
    }

    /// The partition of a record that does not name one: by its key as Java does it, or without a key the one whose
    /// batch is being filled, if that has room for `record_size` bytes ([`NewRecord::size_max`]). `None` if nothing is
    /// known of the topic.
    pub fn partition_for(
        &mut self,
        topic: &TopicName,
        key: Option<&[u8]>,
        record_size: usize,
        view: &ClusterView,
    ) -> Option<TopicPartition> {
        if let Some(key) = key {
            let count = i32::try_from(view.partition_count(topic)?).ok().filter(|count| *count > 0)?;
            return Some(TopicPartition::new(topic.clone(), partition_of_key(key, count)));
        }
        if let Some(current) = self.sticky.current(topic, view)
            && self.has_room(current, record_size)
        {
            return Some(current.clone());
        }
        self.sticky.advance(topic, view)
    }

    /// Appends a record to its partition's open batch, or to a new one.
    ///
    /// # Errors
    /// The record is too large. Nothing changed.
    pub fn append(
        &mut self,
        now: Instant,
        tp: &TopicPartition,
        record: &NewRecord<'_>,
    ) -> Result<Place, AppendError> {
        let mut builder = BatchBuilder::new(self.settings.compression);
        let record_size = record.size_max();
        let size = builder.size_in_bytes().saturating_add(record_size);
        let max = self.settings.max_request_size;
        if size > max {
            return Err(AppendError::TooLarge { size, max });
        }
        if self.has_room(tp, record_size)
            && let Some(batch) = self.queues.get_mut(tp).and_then(|queue| queue.batches.back_mut())
            && let Ok(index) = Arc::make_mut(&mut batch.builder).push(record)
        {
            return Ok(Place { batch: batch.id, index });
        }
        let index = builder.push(record).map_err(|_| AppendError::TooLarge { size, max })?;
        let id = self.next_batch_id();
        let batch = Batch {
            id,
            root: id,
            builder: Arc::new(builder),
            open: true,
            due: later(now, self.settings.linger),
            expires: later(now, self.settings.delivery_timeout),
            producer: None,
            tries: 0,
            maybe_written: false,
            setback: None,
        };
        self.outstanding.insert((id, id));
        let settings = &self.settings;
        let seed = settings.seed.wrapping_add(self.queues.len() as u64);
        let queue = self.queues.entry(tp.clone()).or_insert_with(|| Queue::new(settings, seed));
        if let Some(last) = queue.batches.back_mut() {
            last.open = false;
        }
        queue.batches.push_back(batch);
        self.active.insert(tp.clone());
        Ok(Place { batch: id, index })
    }

    /// Nobody waits for more records: all batches are due. Names the last one, if there is one without an outcome.
    pub fn flush(&mut self, now: Instant) -> Option<BatchId> {
        for tp in &self.active {
            for batch in self.queues.get_mut(tp).into_iter().flat_map(|queue| &mut queue.batches) {
                batch.due = batch.due.min(now);
            }
        }
        (!self.outstanding.is_empty()).then_some(BatchId(self.last_batch))
    }

    /// Whether all batches up to this one have had their outcomes.
    pub fn is_settled(&self, up_to: BatchId) -> bool {
        self.outstanding.first().is_none_or(|(root, _)| *root > up_to)
    }

    /// Whether all batches have had their outcomes.
    pub fn is_empty(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// The next call to make, if any. To be asked until there is none after every call of another verb, and whenever
    /// `view` has changed.
    pub fn poll_request(&mut self, now: Instant, view: &ClusterView) -> Option<ProduceCall> {
        self.polled = Some(now);
        if self.active.is_empty() {
            return None;
        }
        let identity = match self.numbering {
            Numbering::Off => None,
            Numbering::Known(identity) => Some(identity),
            Numbering::Asking(_) => return None,
            Numbering::Wanted { not_before, .. } => {
                if not_before.is_some_and(|not_before| now < not_before) {
                    return None;
                }
                return Some(self.ask_for_identity());
            }
        };
        let mut ready = self.ready(now, view);
        let broker =
            ready.keys().find(|broker| Some(**broker) > self.last_broker).or(ready.keys().next()).copied()?;
        let mut partitions = ready.remove(&broker)?;
        let first = partitions.partition_point(|(tp, _)| Some(tp) <= self.last_partition.as_ref());
        partitions.rotate_left(first);
        Some(ProduceCall::Produce(self.take(broker, partitions, identity, view)))
    }

    /// News. To be asked until there is none after every call of another verb.
    pub fn poll_event(&mut self) -> Option<ProduceEvent> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and [`poll_request`](Self::poll_request) again, should nothing
    /// else happen before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let not_yet = |at: &Instant| self.polled.is_none_or(|polled| *at > polled);
        let queues = || self.active.iter().filter_map(|tp| self.queues.get(tp));
        let expires = queues().filter_map(|queue| Some(queue.batches.front()?.expires));
        let due = queues().filter_map(|queue| queue.due(self.settings.batch_size)).filter(not_yet);
        let throttled = self.throttled.values().copied().filter(not_yet);
        let numbering = match self.numbering {
            Numbering::Wanted { not_before, .. } => not_before.filter(not_yet),
            _ => None,
        };
        expires.chain(due).chain(throttled).chain(numbering).min()
    }

    fn has_room(&self, tp: &TopicPartition, record_size: usize) -> bool {
        let last = self.queues.get(tp).and_then(|queue| queue.batches.back());
        last.is_some_and(|batch| {
            batch.open
                && batch.builder.size_in_bytes().saturating_add(record_size) <= self.settings.batch_size
        })
    }

    fn next_batch_id(&mut self) -> BatchId {
        self.last_batch += 1;
        BatchId(self.last_batch)
    }

    fn next_request_id(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    fn ask_for_identity(&mut self) -> ProduceCall {
        let id = self.next_request_id();
        self.numbering = Numbering::Asking(id);
        // Without a transactional id a broker always hands out a new producer id.
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_id: -1,
            producer_epoch: -1,
        };
        ProduceCall::InitProducerId { id, request }
    }

    /// What could be sent now, by broker, in the order of partitions.
    fn ready(&mut self, now: Instant, view: &ClusterView) -> BTreeMap<BrokerId, Vec<(TopicPartition, Sent)>> {
        self.throttled.retain(|_, until| now < *until);
        let mut under_way: BTreeMap<BrokerId, usize> = BTreeMap::new();
        for request in self.requests.values() {
            *under_way.entry(request.broker).or_default() += 1;
        }
        let mut ready: BTreeMap<BrokerId, Vec<(TopicPartition, Sent)>> = BTreeMap::new();
        for tp in &self.active {
            let Some(queue) = self.queues.get_mut(tp) else { continue };
            let leader = view.leader(tp);
            let Some(batch) = queue.ready(now, self.settings.batch_size, leader) else { continue };
            let Some(leader) = leader else {
                batch.setback = Some(Setback::NoLeader);
                queue.wait = Some(Wait { until: later(now, self.settings.retry_backoff), leader: None });
                self.events.push_back(ProduceEvent::MetadataStale);
                continue;
            };
            let busy =
                under_way.get(&leader.0).is_some_and(|requests| *requests >= self.settings.max_in_flight);
            if !busy && !self.throttled.contains_key(&leader.0) {
                ready.entry(leader.0).or_default().push((tp.clone(), Sent { batch: batch.id, leader }));
            }
        }
        ready
    }

    /// Makes a request of as many batches as it may hold.
    fn take(
        &mut self,
        broker: BrokerId,
        partitions: Vec<(TopicPartition, Sent)>,
        identity: Option<Identity>,
        view: &ClusterView,
    ) -> ProduceBatches {
        let id = self.next_request_id();
        let mut in_flight = InFlight { broker, batches: BTreeMap::new(), names: BTreeMap::new() };
        let mut batches = Vec::new();
        let mut size = 0usize;
        for (tp, sent) in partitions {
            let Some(queue) = self.queues.get_mut(&tp) else { continue };
            let Some(batch) = queue.batches.front_mut() else { continue };
            size = size.saturating_add(batch.builder.size_in_bytes());
            if size > self.settings.max_request_size && !batches.is_empty() {
                break;
            }
            batch.open = false;
            batch.tries = batch.tries.saturating_add(1);
            if let (Some(identity), None) = (identity, batch.producer) {
                let state = queue.sequence.assign(identity, batch.record_count());
                Arc::make_mut(&mut batch.builder).producer(state);
                batch.producer = Some(state);
            }
            queue.in_flight = Some(id);
            queue.wait = None;
            let topic_id = view.topic(&tp.topic).map_or(TopicId::ZERO, |topic| topic.id);
            if !topic_id.is_zero() {
                in_flight.names.insert(topic_id, tp.topic.clone());
            }
            batches.push((tp.clone(), topic_id, batch.builder.clone()));
            self.last_partition = Some(tp.clone());
            in_flight.batches.insert(tp, sent);
        }
        self.last_broker = Some(broker);
        self.requests.insert(id, in_flight);
        let timeout_ms = i32::try_from(self.settings.request_timeout.as_millis()).unwrap_or(i32::MAX);
        ProduceBatches { id, broker, acks: self.settings.acks, timeout_ms, batches }
    }
}

impl Queue {
    fn new(settings: &ProduceSettings, seed: u64) -> Self {
        Self {
            batches: VecDeque::new(),
            in_flight: None,
            wait: None,
            backoff: Backoff::new(settings.retry_backoff, settings.retry_backoff_max, seed),
            sequence: Sequence::default(),
        }
    }

    /// The batch to send now, if its partition's leader can be sent to.
    fn ready(
        &mut self,
        now: Instant,
        batch_size: usize,
        leader: Option<(BrokerId, Option<LeaderEpoch>)>,
    ) -> Option<&mut Batch> {
        if self.in_flight.is_some() || self.wait.is_some_and(|wait| now < wait.until && wait.leader == leader)
        {
            return None;
        }
        self.batches.front_mut().filter(|batch| batch.is_full(batch_size) || batch.due <= now)
    }

    /// When the first batch can be sent, going by time alone; `None` if it is under way, or if it could be at once.
    fn due(&self, batch_size: usize) -> Option<Instant> {
        if self.in_flight.is_some() {
            return None;
        }
        let batch = self.batches.front()?;
        let due = (!batch.is_full(batch_size)).then_some(batch.due);
        due.max(self.wait.map(|wait| wait.until))
    }
}

fn later(now: Instant, pause: Duration) -> Instant {
    // Further than the clock reaches is a mistake in the settings; a day is as good as never.
    now.checked_add(pause).unwrap_or(now + Duration::from_secs(86_400))
}
