//! A member: the real source, and a program that reads from it, works, and acknowledges in any order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use client::TopicPartition;
use futures_util::StreamExt;
use source::config::{Assignor, IsolationLevel};
use source::{Batch, BatchStream, Event, Events, Record, RecordStream, Source, Start};
use testkit::Cluster;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::dice::Dice;
use crate::gate::{Gate, State};
use crate::options::Options;
use crate::timeline::{Name, Timeline, What};

/// The group that all members are of.
pub const GROUP: &str = "group";

/// What a program is asked to do beside reading.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// Seek in any partition, to any offset that was delivered.
    Seek(u64),
    /// Pause any partition.
    Pause(u64),
    /// End all pauses.
    Resume,
    /// Commit now.
    Commit,
    /// Drain within that time, and end.
    Leave(Duration),
    /// Be quick from here on: faults are over.
    Hurry,
}

/// A running member.
#[derive(Debug)]
pub struct Member {
    /// Its `client.id`.
    pub name: Name,
    /// What is between it and the brokers.
    pub gate: Gate,
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
    /// Its program has been told to leave, or has been killed.
    pub is_leaving: bool,
}

impl Member {
    /// Starts one. `instance` makes it static.
    pub fn start(
        name: &str,
        instance: Option<String>,
        options: &Arc<Options>,
        cluster: &Cluster,
        timeline: &Timeline,
        mut dice: Dice,
    ) -> Self {
        let name: Name = name.into();
        let gate = Gate::new(cluster);
        let (orders, inbox) = mpsc::unbounded_channel();
        let seed = dice.next() >> 1;
        let rack = dice.number(1, options.brokers);
        let program = Program {
            name: name.clone(),
            rack,
            gate: gate.clone(),
            options: options.clone(),
            timeline: timeline.clone(),
            cluster: cluster.clone(),
            dice,
            inbox,
            in_hand: BTreeMap::new(),
            serial: 0,
            seen: BTreeMap::new(),
            slow_until: None,
            is_hurried: false,
            has_left: Arc::default(),
            ear: None,
        };
        timeline.member(&name, format!("starts as {}", instance.as_deref().unwrap_or("a dynamic member")));
        let task = tokio::spawn(program.run(instance, seed));
        Self { name, gate, orders, task, is_leaving: false }
    }

    /// Asks for something. What has ended does not hear it.
    pub fn order(&mut self, order: Order) {
        self.is_leaving |= matches!(order, Order::Leave(_));
        let _ = self.orders.send(order);
    }

    /// Dies: nothing more is sent, nothing more is done.
    pub fn crash(&mut self) {
        self.is_leaving = true;
        self.gate.set(State::Gone);
        self.task.abort();
    }

    /// Whether its program is over.
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

struct Program {
    name: Name,
    /// The number of the broker beside it.
    rack: i32,
    gate: Gate,
    options: Arc<Options>,
    timeline: Timeline,
    cluster: Cluster,
    dice: Dice,
    inbox: mpsc::UnboundedReceiver<Order>,
    /// What is being worked on, by the time at which it is done.
    in_hand: BTreeMap<(Instant, u64), Held>,
    serial: u64,
    /// The highest offset that was delivered of each partition: where seeks may go.
    seen: BTreeMap<TopicPartition, i64>,
    slow_until: Option<Instant>,
    is_hurried: bool,
    has_left: Arc<AtomicBool>,
    ear: Option<Ear>,
}

/// Hears what the source tells. Each member has two: one that hears at once, and one that the program asks before it writes down
/// what it was handed, so that what was told before stands before it. Whoever hears something first writes it down.
struct Ear {
    events: Events,
    heard: u64,
    written: Arc<AtomicU64>,
    name: Name,
    timeline: Timeline,
}

impl Ear {
    fn hears(&mut self, event: Event) {
        self.heard += if let Event::Missed { events } = &event { *events } else { 1 };
        if self.written.fetch_max(self.heard, Ordering::Relaxed) < self.heard {
            self.timeline.push(What::Told { client: self.name.clone(), event: Box::new(event) });
        }
    }

    fn catch_up(&mut self) {
        while let Some(event) = self.events.try_next() {
            self.hears(event);
        }
    }
}

/// A record that is not acknowledged yet.
enum Held {
    Record(Record),
    Batch(Arc<Batch>, i64),
}

enum Stream {
    Records(RecordStream),
    Batches(BatchStream),
}

enum Item {
    Record(Record),
    Batch(Batch),
}

impl Stream {
    async fn next(&mut self) -> Option<source::Result<Item>> {
        match self {
            Self::Records(records) => Some(records.next().await?.map(Item::Record)),
            Self::Batches(batches) => Some(batches.next().await?.map(Item::Batch)),
        }
    }
}

impl Program {
    async fn run(mut self, instance: Option<String>, seed: u64) {
        let source = loop {
            match self.build(instance.as_deref(), seed).await {
                Ok(source) => break source,
                Err(error) => {
                    self.timeline.member(&self.name, format!("cannot start: {error}"));
                    sleep(Duration::from_millis(500)).await;
                    while let Ok(order) = self.inbox.try_recv() {
                        match order {
                            Order::Leave(_) => return,
                            Order::Hurry => self.is_hurried = true,
                            Order::Seek(_) | Order::Pause(_) | Order::Resume | Order::Commit => {}
                        }
                    }
                }
            }
        };
        self.listen(&source);
        let mut stream = match self.options.by_batches {
            true => Stream::Batches(source.batches()),
            false => Stream::Records(source.records()),
        };
        self.read(&source, &mut stream).await;
        self.timeline.member(&self.name, "has ended");
    }

    async fn build(&self, instance: Option<&str>, seed: u64) -> source::Result<Source> {
        let options = &self.options;
        let ms = |time: Duration| time.as_millis().to_string();
        let mut builder = Source::builder(&self.cluster.bootstrap_servers())
            .connect_over(Arc::new(self.gate.clone()))
            .group(GROUP)
            .topics((0..options.topics.len()).map(topic))
            .start(Start::Earliest)
            .assignors([if options.is_cooperative { Assignor::CooperativeSticky } else { Assignor::Range }])
            .isolation(match options.is_committed {
                true => IsolationLevel::ReadCommitted,
                false => IsolationLevel::ReadUncommitted,
            })
            .budget_bytes(options.budget)
            .commit_interval(options.commit_interval)
            .property("client.id", &self.name)
            .property("group.protocol", if options.is_consumer { "consumer" } else { "classic" })
            .property("milena.group.protocol.fallback", "false")
            .property("milena.seed", seed)
            // Other threads would have other times.
            .property("milena.decode.threads", 0)
            .property("milena.drain.timeout.ms", ms(options.drain))
            .property("session.timeout.ms", ms(options.session))
            .property("heartbeat.interval.ms", ms(options.heartbeat))
            .property("max.poll.interval.ms", ms(options.rebalance))
            .property("request.timeout.ms", ms(options.request_timeout))
            .property("max.partition.fetch.bytes", options.partition_fetch_bytes)
            .property("metadata.max.age.ms", 10_000);
        if options.has_racks {
            builder = builder.property("client.rack", format!("rack-{}", self.rack));
        }
        if let Some(instance) = instance {
            builder = builder.group_instance_id(instance);
        }
        builder.build().await
    }

    /// Writes down what the source tells.
    fn listen(&mut self, source: &Source) {
        let written = Arc::new(AtomicU64::new(0));
        let ear = || {
            let (name, timeline, written) = (self.name.clone(), self.timeline.clone(), written.clone());
            Ear { events: source.events(), heard: 0, written, name, timeline }
        };
        let mut other = ear();
        self.ear = Some(ear());
        tokio::spawn(async move {
            while let Some(event) = other.events.next().await {
                other.hears(event);
            }
        });
    }

    fn catch_up(&mut self) {
        if let Some(ear) = &mut self.ear {
            ear.catch_up();
        }
    }

    async fn read(&mut self, source: &Source, stream: &mut Stream) {
        loop {
            self.gate.until(|state| state == State::Open).await;
            let due = self.in_hand.first_key_value().map(|((due, _), _)| *due);
            let wake = due.into_iter().chain(self.slow_until).min();
            let may_read = self.slow_until.is_none() && self.in_hand.len() < self.options.in_hand;
            tokio::select! {
                biased;
                () = self.gate.until(|state| state != State::Open) => {}
                Some(order) = self.inbox.recv() => self.obey(source, order).await,
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => self.work(),
                item = stream.next(), if may_read => match item {
                    Some(Ok(item)) => self.take(source, item),
                    Some(Err(error)) => self.timeline.member(&self.name, format!("reads an error: {error}")),
                    None => return,
                },
                // Nobody may be reading when the source ends.
                () = sleep(LOOK), if !may_read && self.has_left.load(Ordering::Relaxed) => return,
            }
        }
    }

    /// Acknowledges what is done.
    fn work(&mut self) {
        let now = Instant::now();
        self.slow_until = self.slow_until.filter(|until| *until > now);
        while let Some(first) = self.in_hand.first_entry()
            && first.key().0 <= now
        {
            let ((_, serial), held) = first.remove_entry();
            // Before it is done: a commit that it leads to comes after.
            self.timeline.push(What::Acked { client: self.name.clone(), serial });
            match held {
                Held::Record(record) => record.ack(),
                Held::Batch(batch, offset) => batch.ack_range(offset..offset + 1),
            };
        }
    }

    fn take(&mut self, source: &Source, item: Item) {
        self.catch_up();
        match item {
            Item::Record(record) => {
                let (at, offset) = (record.partition().clone(), record.offset());
                let value = record.value().unwrap_or_default().to_vec();
                self.delivered(at, offset, value, Held::Record(record));
            }
            Item::Batch(batch) => {
                let batch = Arc::new(batch);
                let records = batch.records().map(|record| {
                    record.map(|record| (record.offset(), record.value().unwrap_or_default().to_vec()))
                });
                for record in records {
                    match record {
                        Ok((offset, value)) => {
                            let held = Held::Batch(batch.clone(), offset);
                            self.delivered(batch.partition().clone(), offset, value, held);
                        }
                        Err(error) => self.timeline.member(&self.name, format!("cannot decode: {error}")),
                    }
                }
            }
        }
        let budget = source.counters().budget_used;
        self.timeline.push(What::Held {
            client: self.name.clone(),
            used: budget,
            budget: self.options.budget,
        });
    }

    fn delivered(&mut self, at: TopicPartition, offset: i64, value: Vec<u8>, held: Held) {
        self.serial += 1;
        let (client, serial) = (self.name.clone(), self.serial);
        self.timeline.push(What::Delivered { client, serial, at: at.clone(), offset, value });
        self.seen.insert(at, offset);
        let mut delay = self.dice.millis(0, self.options.ack_delay.as_millis() as u64);
        if self.is_hurried {
            // However much there is: it is read in the time that the brokers and the client take, and not the program.
            delay = Duration::ZERO;
        } else if self.dice.one_in(self.options.slow_one_in) {
            self.slow_until = Some(Instant::now() + self.options.slow_for);
        }
        self.in_hand.insert((Instant::now() + delay, serial), held);
    }

    async fn obey(&mut self, source: &Source, order: Order) {
        match order {
            Order::Seek(any) => self.seek(source, any).await,
            Order::Pause(any) => {
                let mine: Vec<_> = source.status().into_iter().map(|status| status.partition).collect();
                if let Some(at) = Dice::new(any).pick(&mine) {
                    source.pause([at]);
                    self.timeline.push(What::Paused { client: self.name.clone(), at: at.clone() });
                }
            }
            Order::Resume => {
                let mine: Vec<_> = source.status().into_iter().map(|status| status.partition).collect();
                self.timeline.push(What::Resuming { client: self.name.clone() });
                source.resume(&mine);
            }
            Order::Commit => {
                let (source, gate) = (source.clone(), self.gate.clone());
                tokio::spawn(async move {
                    // Whoever dies waits for nothing any more.
                    tokio::select! {
                        biased;
                        () = gate.until(|state| state == State::Gone) => {}
                        _ = source.commit() => {}
                    }
                });
            }
            Order::Leave(within) => {
                let deadline = within;
                self.timeline.push(What::Leaving { client: self.name.clone(), within });
                let (source, has_left) = (source.clone(), self.has_left.clone());
                let (timeline, name, gate) = (self.timeline.clone(), self.name.clone(), self.gate.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        () = gate.until(|state| state == State::Gone) => {}
                        drained = source.drain(deadline) => {
                            has_left.store(true, Ordering::Relaxed);
                            timeline.member(&name, format!("has drained: {drained:?}"));
                        }
                    }
                });
            }
            Order::Hurry => {
                self.is_hurried = true;
                self.slow_until = None;
                let in_hand = std::mem::take(&mut self.in_hand);
                let soon = Instant::now() + Duration::from_millis(50);
                let sooner = |((due, serial), held): ((Instant, u64), Held)| ((due.min(soon), serial), held);
                self.in_hand = in_hand.into_iter().map(sooner).collect();
            }
        }
    }

    async fn seek(&mut self, source: &Source, any: u64) {
        let mut dice = Dice::new(any);
        let mine: Vec<_> = source.status().into_iter().map(|status| status.partition).collect();
        let Some(at) = dice.pick(&mine) else { return };
        let Some(highest) = self.seen.get(at) else { return };
        let to = dice.between(0, u64::try_from(*highest).unwrap_or(0)) as i64;
        let client = self.name.clone();
        self.timeline.push(What::Seeking { client: client.clone(), at: at.clone(), to });
        let is_done = source.seek(at.clone(), Start::Offset(to)).await.is_ok();
        self.catch_up();
        self.timeline.push(What::Sought { client, at: at.clone(), to, is_done });
    }
}

/// The name of a topic, by its number.
pub fn topic(number: usize) -> String {
    format!("topic-{number}")
}

const LOOK: Duration = Duration::from_millis(100);
