//! One small world for each case: two brokers, of which the first lies; a client that reads, is a member, produces and
//! administrates; and everything it has to say.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::config::{ClientConfig, FetchConfig, GroupConfig, ProducerConfig};
use client::consumer::{Consumer, Subscription};
use client::{
    Client, Event, IsolationLevel, NewTopic, OffsetSpec, Producer, ProducerRecord, Reset, Start,
    TopicPartition,
};
use testkit::{BrokerId, Cluster, cluster};
use tokio::task::JoinHandle;

use crate::forge::Tap;

pub(crate) const LIAR: i32 = 1;
pub(crate) const HONEST: i32 = 2;

/// Read by partition, without a group.
pub(crate) const ORDERS: &str = "orders";
/// Read by a group.
pub(crate) const JOBS: &str = "jobs";
/// Written by a producer, and read by nobody.
pub(crate) const NOTES: &str = "notes";

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) tap: Tap,
    pub(crate) client: Client,
    pub(crate) reader: Reading,
    pub(crate) member: Option<Reading>,
    pub(crate) producer: Producer,
    /// What was appended to each partition of a topic: record `n` has the value `n`.
    appended: BTreeMap<(&'static str, i32), i64>,
    pub(crate) told: Told,
    calls: u32,
    /// Whether a call is under way: one at a time, or what is counted is the test's own impatience.
    is_calling: Arc<AtomicBool>,
}

/// Everything that the client has said, errors and events alike.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    pub(crate) fn add(&self, text: String) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.last() != Some(&text) && told.len() < TOLD_MAX {
            told.push(text);
        }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

const TOLD_MAX: usize = 2000;

/// The ranges of offsets that were handed out, by partition.
type Read = Arc<Mutex<BTreeMap<i32, Vec<(i64, i64)>>>>;

/// A consumer and the task that reads it.
pub(crate) struct Reading {
    pub(crate) consumer_ended: Arc<Mutex<Option<String>>>,
    pub(crate) control: client::consumer::Control,
    read: Read,
    tasks: Vec<JoinHandle<()>>,
}

impl Reading {
    fn new(mut consumer: Consumer, told: Told) -> Self {
        let read: Read = Arc::default();
        let ended: Arc<Mutex<Option<String>>> = Arc::default();
        let control = consumer.control().clone();
        let (mut events, again) = (control.events(), control.clone());
        let (into, end, news) = (read.clone(), ended.clone(), told.clone());
        let records = tokio::spawn(async move {
            while let Some(batch) = consumer.next().await {
                match batch {
                    Ok(batch) => {
                        let mut broken = None;
                        let partition = batch.partition().partition;
                        for record in batch.records() {
                            match record {
                                Ok(record) => {
                                    let value =
                                        record.value().and_then(|value| std::str::from_utf8(value).ok());
                                    let value =
                                        value.and_then(|value| value.trim().parse().ok()).unwrap_or(-1);
                                    let mut read = into.lock().unwrap_or_else(PoisonError::into_inner);
                                    read.entry(partition).or_default().push((record.offset(), value));
                                }
                                Err(error) => {
                                    // What a reader by hand has to do who wants to miss nothing.
                                    told.add(format!("record: {error}"));
                                    broken = Some(batch.first_offset());
                                }
                            }
                        }
                        if let Some(offset) = broken {
                            let tp = batch.partition().clone();
                            if let Err(error) = again.seek(tp, Start::Offset(offset)).await {
                                told.add(format!("seek: {error}"));
                            }
                            continue;
                        }
                        // Whether it counts is what the cases about commits look at.
                        let _ = batch.acks().ack_all();
                    }
                    Err(error) => told.add(format!("next: {error}")),
                }
            }
            end.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| "closed".to_owned());
        });
        let end = ended.clone();
        let listener = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Event::Failed { error } = &event {
                    *end.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                }
                if matches!(
                    event,
                    Event::Trouble { .. }
                        | Event::Stuck { .. }
                        | Event::Failed { .. }
                        | Event::CommitFailed { .. }
                        | Event::Moved { .. }
                        | Event::Lost { .. }
                ) {
                    news.add(event.to_string());
                }
            }
        });
        Self { consumer_ended: ended, control, read, tasks: vec![records, listener] }
    }

    pub(crate) fn has_ended(&self) -> Option<String> {
        self.consumer_ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn records(&self, partition: i32) -> Vec<(i64, i64)> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(&partition).cloned().unwrap_or_default()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let placed = |name: &str| cluster::NewTopic {
            assignments: vec![
                (0, vec![BrokerId(LIAR), BrokerId(HONEST)]),
                (1, vec![BrokerId(HONEST), BrokerId(LIAR)]),
            ],
            partitions: None,
            ..cluster::NewTopic::new(name, 2)
        };
        let cluster = Cluster::builder()
            .brokers(2)
            .topic_with(placed(ORDERS))
            .topic_with(placed(JOBS))
            .topic_with(placed(NOTES))
            .property("group.initial.rebalance.delay.ms", 0)
            .start_in_memory()
            .expect("it starts");
        cluster.coordinator(GROUP);
        cluster.move_coordinator(GROUP, LIAR).expect("it has a replica");
        let tap = Tap::new(&cluster);
        let config = ClientConfig::bootstrap(&cluster.bootstrap_servers()).expect("addresses");
        let config = config
            .request_timeout(Duration::from_secs(2))
            .api_timeout(Duration::from_secs(4))
            .metadata_max_age(Duration::from_secs(1))
            .seed(7)
            .build()
            .expect("a configuration");
        let client = Client::connect_over(config, Arc::new(tap.clone())).await.expect("nobody lies yet");
        let told = Told::default();
        let partitions = (0..2).map(|n| (TopicPartition::new(ORDERS, n), Start::Earliest)).collect();
        let reader =
            start(&client, None, Subscription::Partitions(partitions), &told).await.expect("nobody lies yet");
        let settings = ProducerConfig::builder(client.config().clone())
            .delivery_timeout(Duration::from_secs(5))
            .linger(Duration::ZERO);
        let producer = Producer::new(&client, &settings.build().expect("a configuration"));
        let appended = BTreeMap::new();
        Self {
            cluster,
            tap,
            client,
            reader,
            member: None,
            producer,
            appended,
            told,
            calls: 0,
            is_calling: Arc::default(),
        }
    }

    pub(crate) fn append(&mut self, topic: &'static str, partition: i32) {
        let next = self.appended.entry((topic, partition)).or_default();
        // Some bytes, so that there is something to lie about.
        let value = format!("{next:100}");
        self.cluster.append(topic, partition, [value]).expect("there is such a partition");
        *next += 1;
    }

    pub(crate) fn appended(&self, topic: &'static str, partition: i32) -> i64 {
        self.appended.get(&(topic, partition)).copied().unwrap_or(0)
    }

    /// Becomes a member of the group, or says why that does not work.
    pub(crate) async fn join(&mut self) {
        match start(&self.client, Some(GROUP), Subscription::Topics([JOBS.into()].into()), &self.told).await {
            Ok(member) => self.member = Some(member),
            Err(error) => self.told.add(format!("start: {error}")),
        }
    }

    /// Runs something beside the rest, and notes what it says if it fails.
    fn call<T: Send + 'static>(
        &self,
        what: &'static str,
        future: impl Future<Output = client::Result<T>> + Send + 'static,
    ) {
        if self.is_calling.swap(true, Ordering::Relaxed) {
            return;
        }
        let (told, is_calling) = (self.told.clone(), self.is_calling.clone());
        tokio::spawn(async move {
            if let Err(error) = future.await {
                told.add(format!("{what}: {error}"));
            }
            is_calling.store(false, Ordering::Relaxed);
        });
    }

    /// Has the client call an API that it does not call by itself all the time.
    pub(crate) async fn provoke(&mut self, api: i16) {
        let client = self.client.clone();
        self.calls += 1;
        let number = self.calls;
        match api {
            0 | 22 => {
                let producer = self.producer.clone();
                self.call("produce", async move {
                    let producer = match api {
                        0 => producer,
                        // Each producer asks for an id of its own.
                        _ => {
                            let settings = ProducerConfig::builder(client.config().clone());
                            let settings = settings.delivery_timeout(Duration::from_secs(3));
                            Producer::new(&client, &settings.build().expect("a configuration"))
                        }
                    };
                    let record = ProducerRecord::new(NOTES).partition(0).value(number.to_string());
                    let sent = producer.send(record).await;
                    if api != 0 {
                        producer.close().await;
                    }
                    sent
                });
            }
            2 => {
                let partitions = (0..2).map(|n| TopicPartition::new(ORDERS, n)).collect::<Vec<_>>();
                self.call("offsets", async move {
                    client.list_offsets(partitions, OffsetSpec::Latest, IsolationLevel::ReadUncommitted).await
                });
            }
            3 => self.call("topics", async move { client.describe_topics([ORDERS]).await.map(drop) }),
            13 => {
                if let Some(member) = self.member.take() {
                    let control = member.control.clone();
                    tokio::spawn(async move {
                        control.close(Duration::from_secs(1)).await;
                        drop(member);
                    });
                } else {
                    self.join().await;
                }
            }
            15 => self.call("describe", async move { client.describe_group(GROUP).await }),
            16 => self.call("groups", async move { client.list_groups().await }),
            18 => self.cluster.close_connections(LIAR),
            19 => self.call("create", async move {
                let topic = NewTopic::new(format!("new-{number}")).partitions(1);
                let created = client.create_topics([topic]).await?;
                created.into_iter().try_for_each(|(_, result)| result.map(drop))
            }),
            20 => {
                self.cluster
                    .create_topic(&cluster::NewTopic::new(&format!("old-{number}"), 1))
                    .expect("it is new");
                self.call("delete", async move {
                    let deleted = client.delete_topics([format!("old-{number}")]).await?;
                    deleted.into_iter().try_for_each(|(_, result)| result.map(drop))
                });
            }
            23 => self.cluster.move_leader(ORDERS, 0, LIAR).expect("it is in sync"),
            // A member that has to come back.
            11 | 14 if number.is_multiple_of(4) => {
                self.member = None;
                self.join().await;
            }
            _ => {}
        }
    }
}

async fn start(
    client: &Client,
    group: Option<&str>,
    subscription: Subscription,
    told: &Told,
) -> client::Result<Reading> {
    let fetch = FetchConfig::builder()
        .budget_bytes(8 << 20)
        .max_batch_decompressed_bytes(DECOMPRESSED_MAX)
        .build()
        .expect("a configuration");
    let group = group.map(|group| {
        let config = GroupConfig::builder(group)
            .session_timeout(Duration::from_secs(6))
            .heartbeat_interval(Duration::from_millis(600))
            .rebalance_timeout(Duration::from_secs(5))
            .commit_interval(Duration::from_millis(300));
        config.build().expect("a configuration")
    });
    let consumer = Consumer::start(client, &fetch, group.as_ref(), subscription, Reset::Earliest).await?;
    Ok(Reading::new(consumer, told.clone()))
}

pub(crate) const GROUP: &str = "g";
/// What a batch may decompress to.
const DECOMPRESSED_MAX: usize = 2 << 20;
