//! The loop around [`Accumulator`]: takes records in, makes its calls, and hands outcomes out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use proto::produce::{Accumulator, BatchId, ProduceBatches, ProduceCall, ProduceEvent};
use proto::types::{RequestId, TopicName, TopicPartition};
use proto::wire::{InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse};
use records::Compressor;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};

use super::delivery::{RecordMetadata, no_topic, not_taken, undelivered};
use super::record::ProducerRecord;
use crate::changes::TellsAtEnd;
use crate::client::{Client, Purpose};
use crate::clock;
use crate::config::{Compression, ProducerConfig};
use crate::error::{Error, Result};
use crate::metadata::Interest;
use crate::net::as_call_failed;

/// What handles tell the task.
pub(super) enum Command {
    Append(Append),
    /// Answered when everything before it has its outcome.
    Flush(oneshot::Sender<()>),
    /// The last command.
    Close,
}

/// A record, and the memory that it takes up.
pub(super) struct Append {
    pub(super) record: ProducerRecord,
    pub(super) timestamp: i64,
    pub(super) memory: OwnedSemaphorePermit,
    pub(super) done: oneshot::Sender<Result<RecordMetadata>>,
}

/// Who waits for memory: batches that wait for more records hold it.
#[derive(Default)]
pub(super) struct Pressure {
    waiting: AtomicUsize,
    wake: Notify,
}

/// One who waits, until it is dropped.
pub(super) struct Waiting<'a>(&'a Pressure);

impl Pressure {
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        self.wake.notify_one();
        Waiting(self)
    }

    fn is_high(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The task.
pub(super) struct Drive {
    client: Client,
    accumulator: Accumulator,
    compressor: Compressor,
    pressure: Arc<Pressure>,
    /// Who waits for which batch's outcome.
    pending: BTreeMap<BatchId, Pending>,
    flushes: Vec<(BatchId, oneshot::Sender<()>)>,
    calls: FuturesUnordered<BoxFuture<'static, Answer>>,
    interest: Interest,
    /// When a record of a topic came last.
    topics: BTreeMap<TopicName, Instant>,
    forget_at: Instant,
}

struct Pending {
    tp: TopicPartition,
    /// In the order of the batch.
    records: Vec<(oneshot::Sender<Result<RecordMetadata>>, i64)>,
    /// Returned when the batch has its outcome.
    memory: Option<OwnedSemaphorePermit>,
}

enum Answer {
    ProducerId(RequestId, Result<InitProducerIdResponse>),
    Produced(RequestId, Result<ProduceResponse>),
    Unreachable(RequestId, Error),
}

impl Drive {
    pub(super) fn new(
        client: Client,
        config: &ProducerConfig,
        accumulator: Accumulator,
        pressure: Arc<Pressure>,
    ) -> Self {
        Self {
            interest: client.metadata().interest(),
            client,
            accumulator,
            compressor: compressor(config.compression()),
            pressure,
            pending: BTreeMap::new(),
            flushes: Vec::new(),
            calls: FuturesUnordered::new(),
            topics: BTreeMap::new(),
            forget_at: clock::now() + TOPIC_IDLE_MAX,
        }
    }

    /// Until nobody can send commands any more, and every record has its outcome. `ended` is dropped then.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>, ended: TellsAtEnd) {
        let mut commands = Vec::new();
        let mut changes = self.client.metadata().changes();
        let mut open = true;
        loop {
            self.step(open);
            if !open && self.accumulator.is_empty() {
                break;
            }
            let wake = self.accumulator.poll_timeout();
            let wake = wake.map_or(self.forget_at, |wake| wake.min(self.forget_at));
            tokio::select! {
                // Answers first: there are only so many, and records may come without end.
                biased;
                Some(answer) = self.calls.next() => self.take_answer(answer),
                count = inbox.recv_many(&mut commands, COMMANDS_AT_ONCE), if open => {
                    open = count > 0;
                    for command in commands.drain(..) {
                        self.handle(command, &mut inbox);
                    }
                }
                () = changes.changed() => {}
                () = self.pressure.wake.notified() => {}
                () = clock::until(Some(wake)) => self.forget_idle_topics(),
            }
        }
        self.client.metadata().want(&self.interest, BTreeSet::new());
        drop(ended);
    }

    /// Does what can be done without waiting.
    fn step(&mut self, open: bool) {
        let now = clock::now();
        self.accumulator.handle_timeout(now);
        if !open || self.pressure.is_high() {
            // No more records come, or none can.
            self.accumulator.flush(now);
        }
        self.take_events();
        self.make_calls();
        self.take_events();
        let accumulator = &self.accumulator;
        for (_, done) in self.flushes.extract_if(.., |(last, _)| accumulator.is_settled(*last)) {
            let _ = done.send(());
        }
    }

    fn handle(&mut self, command: Command, inbox: &mut mpsc::Receiver<Command>) {
        match command {
            Command::Append(append) => self.append(append),
            Command::Flush(done) => self.flush(done),
            // What was sent before is still received.
            Command::Close => inbox.close(),
        }
    }

    fn append(&mut self, append: Append) {
        let Append { record, timestamp, memory, done } = append;
        let now = clock::now();
        if self.topics.insert(record.topic.clone(), now).is_none() {
            self.want();
        }
        let Self { client, accumulator, .. } = self;
        let (tp, appended) = record.with(timestamp, |new| {
            let tp = match record.partition {
                Some(partition) => Some(TopicPartition::new(record.topic.clone(), partition)),
                None => client.metadata().view(|view| {
                    accumulator.partition_for(&record.topic, record.key.as_deref(), new.size_max(), view)
                }),
            };
            let appended = tp.as_ref().map(|tp| accumulator.append(now, tp, new));
            (tp, appended)
        });
        let (Some(tp), Some(appended)) = (tp, appended) else {
            let _ = done.send(Err(no_topic(&record.topic)));
            return;
        };
        match appended {
            Ok(place) => {
                let pending = self.pending.entry(place.batch).or_insert_with(|| Pending {
                    tp,
                    records: Vec::new(),
                    memory: None,
                });
                debug_assert_eq!(usize::try_from(place.index), Ok(pending.records.len()));
                pending.records.push((done, timestamp));
                match &mut pending.memory {
                    Some(held) => held.merge(memory),
                    None => pending.memory = Some(memory),
                }
            }
            Err(refused) => _ = done.send(Err(not_taken(refused, &tp))),
        }
    }

    fn flush(&mut self, done: oneshot::Sender<()>) {
        match self.accumulator.flush(clock::now()) {
            Some(last) => self.flushes.push((last, done)),
            None => _ = done.send(()),
        }
    }

    fn make_calls(&mut self) {
        loop {
            let Self { client, accumulator, .. } = self;
            let call = client.metadata().view(|view| accumulator.poll_request(clock::now(), view));
            match call {
                None => return,
                Some(ProduceCall::InitProducerId { id, request }) => {
                    let call = ask_producer_id(self.client.clone(), id, request);
                    self.calls.push(Box::pin(call));
                }
                Some(ProduceCall::Produce(batches)) => match batches.build(&mut self.compressor) {
                    Ok(request) => self.calls.push(Box::pin(produce(self.client.clone(), batches, request))),
                    Err(error) => self.accumulator.handle_build_failed(batches.id(), error),
                },
            }
        }
    }

    fn take_answer(&mut self, answer: Answer) {
        let now = clock::now();
        match answer {
            Answer::ProducerId(id, outcome) => {
                if let Err(error) = &outcome {
                    tracing::debug!(target: "milena::producer", %error, "no producer id");
                }
                self.accumulator.handle_producer_id(now, id, outcome.as_ref().map_err(as_call_failed));
            }
            Answer::Unreachable(id, error) => {
                tracing::debug!(target: "milena::producer", %error, "a produce request was not sent");
                self.accumulator.handle_unreachable(now, id);
            }
            Answer::Produced(id, outcome) => {
                if let Err(error) = &outcome {
                    tracing::debug!(target: "milena::producer", %error, "a produce request failed");
                }
                self.accumulator.handle_produced(now, id, outcome.as_ref().map_err(as_call_failed));
            }
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.accumulator.poll_event() {
            match event {
                ProduceEvent::Delivered { batch, base_offset, log_append_time_ms } => {
                    let Some(pending) = self.pending.remove(&batch) else { continue };
                    for (at, (done, timestamp)) in (0i64..).zip(pending.records) {
                        let offset = base_offset.and_then(|base| base.checked_add(at));
                        let timestamp = log_append_time_ms.unwrap_or(timestamp);
                        let partition = pending.tp.partition;
                        let _ = done.send(Ok(RecordMetadata { partition, offset, timestamp }));
                    }
                }
                ProduceEvent::Failed { batch, undelivered: failure } => {
                    let Some(pending) = self.pending.remove(&batch) else { continue };
                    tracing::warn!(target: "milena::producer", tp = %pending.tp, records = pending.records.len(), %failure, "not delivered");
                    for (at, (done, _)) in pending.records.into_iter().enumerate() {
                        let _ = done.send(Err(undelivered(&failure, &pending.tp, at)));
                    }
                }
                ProduceEvent::Split { batch, at, rest } => {
                    let Some(pending) = self.pending.get_mut(&batch) else { continue };
                    let records = pending.records.split_off(at.min(pending.records.len()));
                    // All of the memory is held until the second half, which comes last, has its outcome.
                    let rest_of = Pending { tp: pending.tp.clone(), records, memory: pending.memory.take() };
                    tracing::debug!(target: "milena::producer", tp = %rest_of.tp, "a batch too large for its topic was cut in two");
                    self.pending.insert(rest, rest_of);
                }
                ProduceEvent::LeaderHint { tp, leader, endpoints } => {
                    self.client.metadata().hint(&tp, leader, &endpoints);
                }
                ProduceEvent::MetadataStale => self.client.metadata().refresh_soon(),
            }
        }
    }

    /// Topics that nobody writes to are not asked for any more.
    fn forget_idle_topics(&mut self) {
        let now = clock::now();
        if now < self.forget_at {
            return;
        }
        self.forget_at = now + TOPIC_IDLE_MAX;
        let busy: BTreeSet<TopicName> =
            self.pending.values().map(|pending| pending.tp.topic.clone()).collect();
        let before = self.topics.len();
        self.topics.retain(|topic, last| busy.contains(topic) || now.duration_since(*last) < TOPIC_IDLE_MAX);
        if self.topics.len() != before {
            self.want();
        }
    }

    fn want(&self) {
        self.client.metadata().want(&self.interest, self.topics.keys().cloned().collect());
    }
}

async fn ask_producer_id(client: Client, id: RequestId, request: InitProducerIdRequest) -> Answer {
    Answer::ProducerId(id, client.call_any(&request).await)
}

/// Sends batches. By topic id (version 13) only where all ids are known: a broker takes a batch by name for whatever topic
/// has the name by now.
async fn produce(client: Client, batches: ProduceBatches, request: ProduceRequest) -> Answer {
    let id = batches.id();
    let lane = match client.inner().lane_to(batches.broker(), Purpose::Produce).await {
        Ok(lane) => lane,
        Err(error) => return Answer::Unreachable(id, error),
    };
    let outcome = async {
        let version = lane.pick::<ProduceRequest>(if batches.has_ids() { BY_ID } else { BY_ID - 1 })?;
        lane.call_in(&request, version, client.config().request_timeout()).await
    };
    Answer::Produced(id, outcome.await)
}

fn compressor(compression: Compression) -> Compressor {
    match compression {
        Compression::Gzip { level: Some(level) } => {
            Compressor::new().with_level(i32::try_from(level).unwrap_or(i32::MAX))
        }
        Compression::Zstd { level } => Compressor::new().with_level(level),
        _ => Compressor::new(),
    }
}

/// The first version of Produce that names topics by id (KIP-516).
const BY_ID: i16 = 13;

/// Commands that are taken in before calls are made.
const COMMANDS_AT_ONCE: usize = 512;

/// Java's `metadata.max.idle.ms`.
const TOPIC_IDLE_MAX: Duration = Duration::from_secs(300);
