//! What all these tests play on: a cluster with a topic, members that read it and write down what they see, and the judge.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use client::{Connect, TopicPartition};
use futures_util::StreamExt;
use milena_sim::check::Bounds;
use milena_sim::member::GROUP;
use milena_sim::options::Options;
use milena_sim::timeline::{Name, Timeline, What};
use milena_sim::verdict::{Log, Past};
use source::config::Assignor;
use source::{Record, RecordStream, Source, Start};
use testkit::Cluster;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

pub(crate) const TOPIC: &str = "orders";
pub(crate) const PARTITIONS: i32 = 2;

/// Once nothing goes wrong any more, all is read, acknowledged and committed within that: a session, a rebalance, a request and a
/// drain that each last as long as they may, twice.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs it alone, on one thread and in simulated time.
pub(crate) fn alone<T>(play: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("there is nothing in it that could be refused").block_on(play)
}

/// The same over real sockets, and so in real time.
pub(crate) fn alone_over_tcp<T>(play: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a process may have one more epoll instance").block_on(play)
}

/// A cluster, and what happens on it.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) timeline: Timeline,
    pub(crate) assignor: Assignor,
}

impl Stage {
    /// Ten records in each partition.
    pub(crate) fn new(assignor: Assignor) -> Self {
        let cluster = Cluster::builder()
            .brokers(1)
            .seed(7)
            .property("group.min.session.timeout.ms", 1000)
            .property("group.initial.rebalance.delay.ms", 0)
            .topic(TOPIC, PARTITIONS)
            .start_in_memory()
            .expect("its name and size are allowed");
        cluster.with_core(|core, _| core.history_mut().keep(usize::MAX));
        let stage = Self { timeline: Timeline::new(&cluster), cluster, assignor };
        stage.write(10);
        stage
    }

    /// Writes so many more records into each partition, two by two.
    pub(crate) fn write(&self, records: usize) {
        for partition in 0..PARTITIONS {
            for batch in 0..records / 2 {
                let values = [0, 1].map(|number| format!("{partition}/{batch}/{number}"));
                self.cluster.append(TOPIC, partition, values).expect("the partition is there");
            }
        }
    }

    pub(crate) async fn source(&self, name: &str, connect: Arc<dyn Connect>) -> source::Result<Source> {
        Source::builder(&self.cluster.bootstrap_servers())
            .connect_over(connect)
            .group(GROUP)
            .topics([TOPIC])
            .start(Start::Earliest)
            .assignors([self.assignor])
            .commit_interval(Duration::from_millis(200))
            .property("client.id", name)
            .property("milena.seed", 7)
            .property("milena.decode.threads", 0)
            .property("milena.drain.timeout.ms", 2000)
            .property("session.timeout.ms", 6000)
            .property("heartbeat.interval.ms", 500)
            .property("max.poll.interval.ms", 6000)
            .property("request.timeout.ms", 1500)
            .property("metadata.max.age.ms", 10_000)
            .build()
            .await
    }

    fn partitions(&self) -> impl Iterator<Item = TopicPartition> {
        (0..PARTITIONS).map(|partition| TopicPartition::new(TOPIC, partition))
    }

    pub(crate) fn committed(&self) -> Vec<i64> {
        self.partitions()
            .map(|at| self.cluster.committed(GROUP, &at.topic, at.partition).unwrap_or(0))
            .collect()
    }

    fn ends(&self) -> Vec<i64> {
        self.partitions()
            .map(|at| self.cluster.offsets(&at.topic, at.partition).unwrap_or_default().2)
            .collect()
    }

    /// Returns when it is so, or it takes too long.
    ///
    /// # Errors
    /// It takes too long.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn() -> bool) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            if Instant::now() > deadline {
                let (committed, ends) = (self.committed(), self.ends());
                return Err(format!(
                    "{PATIENCE:?} were not enough until {what}: {committed:?} of {ends:?} committed"
                ));
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Returns when all that was written is committed.
    ///
    /// # Errors
    /// It takes too long.
    pub(crate) async fn all_is_committed(&self) -> Result<(), String> {
        self.until("all is committed", || self.committed() == self.ends()).await
    }

    /// What is wrong with what happened.
    pub(crate) fn judge(&self) -> Vec<String> {
        let logs: BTreeMap<TopicPartition, Log> =
            self.partitions().map(|at| (at.clone(), self.log(&at))).collect();
        // What the options say is not asked: they are a world's.
        let mut past = Past::of(&self.cluster, self.timeline.take(), logs, &Options::draw(0));
        past.bounds = Bounds {
            is_committed: false,
            is_classic: false,
            by_batches: false,
            session: Duration::from_secs(45),
            silence: Duration::ZERO,
            late_records: u64::MAX,
            beyond_budget: usize::MAX / 2,
        };
        let tell = |violation| {
            let before = past.before(&violation, 40);
            format!("{violation}\n{}", before.join("\n"))
        };
        past.judge().into_iter().map(tell).collect()
    }

    fn log(&self, at: &TopicPartition) -> Log {
        let records = self.cluster.records(&at.topic, at.partition);
        let records =
            records.iter().map(|record| (record.offset(), record.value().unwrap_or_default().to_vec()));
        Log { records: records.collect(), ..Log::default() }
    }
}

/// A program that reads until it is told to leave.
pub(crate) struct Program {
    orders: mpsc::UnboundedSender<()>,
    task: JoinHandle<()>,
}

impl Program {
    /// Starts one; should it not come up, it is tried again, as a supervisor does.
    pub(crate) fn start(stage: &Stage, name: &str, connect: Arc<dyn Connect>) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (stage, name) = (stage.clone(), Name::from(name));
        let task = tokio::spawn(async move {
            let source = loop {
                match stage.source(&name, connect.clone()).await {
                    Ok(source) => break source,
                    Err(error) => stage.timeline.member(&name, format!("cannot start: {error}")),
                }
                sleep(Duration::from_millis(100)).await;
            };
            read(&stage, &name, source, inbox).await;
        });
        Self { orders, task }
    }

    /// Drains, and ends.
    pub(crate) fn leave(&self) {
        let _ = self.orders.send(());
    }

    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

/// Writes down what a source says.
pub(crate) fn listen(stage: &Stage, name: &Name, source: &Source) {
    let (mut events, name, timeline) = (source.events(), name.clone(), stage.timeline.clone());
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            timeline.push(What::Told { client: name.clone(), event: Box::new(event) });
        }
    });
}

async fn read(stage: &Stage, name: &Name, source: Source, mut inbox: mpsc::UnboundedReceiver<()>) {
    listen(stage, name, &source);
    let mut records = source.records();
    let mut hand = Hand::new(stage, name);
    loop {
        tokio::select! {
            biased;
            Some(()) = inbox.recv() => {
                let (source, timeline, name) = (source.clone(), stage.timeline.clone(), name.clone());
                // The stream is read on meanwhile, to its end.
                tokio::spawn(async move {
                    let drained = source.drain(Duration::from_secs(3)).await;
                    timeline.member(&name, format!("has drained: {drained:?}"));
                });
            }
            record = records.next() => match record {
                Some(Ok(record)) => hand.take(record),
                Some(Err(error)) => stage.timeline.member(name, format!("reads an error: {error}")),
                None => break,
            },
            () = sleep(Duration::from_millis(20)), if !hand.is_empty() => hand.acknowledge(),
        }
    }
    hand.acknowledge();
    stage.timeline.member(name, "has ended");
}

/// Records that a program works on: three at a time, the last one first.
pub(crate) struct Hand {
    timeline: Timeline,
    name: Name,
    serial: u64,
    held: Vec<(u64, Record)>,
}

impl Hand {
    pub(crate) fn new(stage: &Stage, name: &Name) -> Self {
        Self { timeline: stage.timeline.clone(), name: name.clone(), serial: 0, held: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(crate) fn take(&mut self, record: Record) {
        self.serial += 1;
        let (client, serial) = (self.name.clone(), self.serial);
        let value = record.value().unwrap_or_default().to_vec();
        let (at, offset) = (record.partition().clone(), record.offset());
        self.timeline.push(What::Delivered { client, serial, at, offset, value });
        self.held.push((serial, record));
        if self.held.len() == 3 {
            self.acknowledge();
        }
    }

    pub(crate) fn acknowledge(&mut self) {
        while let Some((serial, record)) = self.held.pop() {
            self.timeline.push(What::Acked { client: self.name.clone(), serial });
            record.ack();
        }
    }

    /// Reads so many records.
    pub(crate) async fn read(&mut self, records: &mut RecordStream, count: usize) -> source::Result<()> {
        for _ in 0..count {
            if let Some(record) = records.next().await {
                self.take(record?);
            }
        }
        Ok(())
    }
}
