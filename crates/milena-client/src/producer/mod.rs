//! Writing records.
//!
//! ```no_run
//! use milena_client::config::{ClientConfig, Compression, ProducerConfig};
//! use milena_client::{Client, Producer, ProducerRecord};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(ClientConfig::bootstrap("localhost:9092")?.build()?).await?;
//! let config = ProducerConfig::builder(client.config().clone()).compression(Compression::Lz4).build()?;
//! let producer = Producer::new(&client, &config);
//!
//! // One at a time: returns when the record is written.
//! let written = producer.send(ProducerRecord::new("orders").key("k1").value("two books")).await?;
//! println!("partition {}, offset {:?}", written.partition, written.offset);
//!
//! // Many: `enqueue` returns as soon as there is room, and records fill batches.
//! let mut deliveries = Vec::new();
//! for order in 0..1000 {
//!     deliveries.push(producer.enqueue(ProducerRecord::new("orders").value(format!("order {order}"))).await?);
//! }
//! for delivery in deliveries {
//!     delivery.await?;
//! }
//! producer.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Records of one partition are written in the order in which they were enqueued. With idempotence, the default, none is
//! written twice by Milena's own doing. A record that was not delivered says whether it may be in the log all the same:
//! [`Error::is_maybe_written`](crate::Error::is_maybe_written).
//!
//! Topics are never created by producing to them.

mod delivery;
mod drive;
mod record;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

pub use delivery::{Delivery, RecordMetadata};
use drive::{Append, Command, Drive, Pressure};
use proto::produce::{Accumulator, ProduceSettings};
use proto::types::TopicName;
use proto::wire::ErrorCode;
pub use record::ProducerRecord;
use records::NewRecord;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::admin::Wanted;
use crate::changes::{Changes, Seen};
use crate::client::{Client, left_until};
use crate::clock;
use crate::config::{Acks, Compression, ProducerConfig};
use crate::error::{Error, ErrorKind, Result};

/// Writes records. Clones share one set of batches, one budget and one producer id.
///
/// A task of its own sends them; it ends when the producer is [closed](Self::close), or when the last clone is dropped
/// and every record has its outcome.
#[derive(Clone)]
pub struct Producer(Arc<Shared>);

struct Shared {
    client: Client,
    config: ProducerConfig,
    /// A permit for each byte of `buffer_memory`.
    memory: Arc<Semaphore>,
    pressure: Arc<Pressure>,
    commands: mpsc::Sender<Command>,
    /// That the task has ended is the first change, and nothing here has seen it.
    ended: Seen,
}

impl Producer {
    /// Starts a producer. What `config` says of the client is not looked at: `client` has its own.
    ///
    /// Must be called in a Tokio runtime, as [`Client::connect`] was.
    pub fn new(client: &Client, config: &ProducerConfig) -> Self {
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let running = Changes::default();
        let ended = running.seen();
        let pressure = Arc::new(Pressure::default());
        let accumulator = Accumulator::new(settings(client, config));
        let drive = Drive::new(client.clone(), config, accumulator, pressure.clone());
        tokio::spawn(drive.run(inbox, running.tells_at_end()));
        Self(Arc::new(Shared {
            client: client.clone(),
            memory: Arc::new(Semaphore::new(config.buffer_memory().min(Semaphore::MAX_PERMITS))),
            config: config.clone(),
            pressure,
            commands,
            ended,
        }))
    }

    /// Hands a record over, as soon as its topic is known and there is memory for it. What comes back completes when the
    /// record has its outcome; dropping it takes nothing back.
    ///
    /// Records enqueued one after the other keep their order within a partition.
    ///
    /// # Errors
    /// The record is larger than the settings allow; its topic or partition does not exist; neither metadata nor memory
    /// came within `max_block`; the producer is closed. The record is then not written.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the record was not taken.
    pub async fn enqueue(&self, record: ProducerRecord) -> Result<Delivery> {
        let topic = record.topic.clone();
        self.take(record).await.map_err(|error| error.topic(&topic).doing("producing a record"))
    }

    /// Writes a record and waits for its outcome: [`enqueue`](Self::enqueue), and its delivery.
    ///
    /// One `send` after the other writes one record per request; many at the same time share batches.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue), and as a [`Delivery`].
    ///
    /// # Cancel safety
    /// Dropped before it returns, the record may be written all the same.
    pub async fn send(&self, record: ProducerRecord) -> Result<RecordMetadata> {
        self.enqueue(record).await?.await
    }

    /// Sends what was enqueued before, without waiting for batches to fill, and returns when each record of it has its
    /// outcome: at the latest after `delivery_timeout`.
    ///
    /// # Cancel safety
    /// Dropped, the records are sent all the same.
    pub async fn flush(&self) {
        let (done, settled) = oneshot::channel();
        if self.0.commands.send(Command::Flush(done)).await.is_ok() {
            // An error is the end of the task, and so of all records.
            let _ = settled.await;
        } else {
            self.ended().await;
        }
    }

    /// Takes no more records, sends what was enqueued before, and returns when each record has its outcome: at the latest
    /// after `delivery_timeout`. For all clones; a second call waits for the same.
    ///
    /// # Cancel safety
    /// Dropped, the producer may be closed or not; the records are sent all the same.
    pub async fn close(&self) {
        // Closed already, it only remains to wait.
        let _ = self.0.commands.send(Command::Close).await;
        self.ended().await;
    }

    /// Bytes of `buffer_memory` that are not in use.
    pub fn memory_available(&self) -> usize {
        self.0.memory.available_permits()
    }

    /// Until the task has ended.
    async fn ended(&self) {
        self.0.ended.clone().changed().await;
    }

    async fn take(&self, record: ProducerRecord) -> Result<Delivery> {
        let Shared { config, commands, .. } = &*self.0;
        let timestamp = record.timestamp.unwrap_or_else(clock::wall_ms);
        let size = record.with(timestamp, |record: &NewRecord<'_>| record.size_max());
        if size > config.buffer_memory() {
            let message = format!("{size} bytes do not fit buffer.memory ({})", config.buffer_memory());
            return Err(Error::new(ErrorKind::TooLarge).message(message));
        }
        let size = u32::try_from(size).map_err(|_| Error::new(ErrorKind::TooLarge))?;
        let deadline = clock::now() + config.max_block();
        self.await_partition(&record.topic, record.partition, deadline).await?;
        let memory = self.memory(size, deadline).await?;
        let place = commands.reserve().await.map_err(|_| Error::closed("the producer"))?;
        let (done, outcome) = oneshot::channel();
        place.send(Command::Append(Append { record, timestamp, memory, done }));
        Ok(Delivery::new(outcome))
    }

    /// Until the partition is known, or that it does not exist.
    async fn await_partition(
        &self,
        topic: &TopicName,
        partition: Option<i32>,
        deadline: Instant,
    ) -> Result<()> {
        let metadata = self.0.client.metadata();
        let known = || {
            let count = metadata.view(|view| view.partition_count(topic)).unwrap_or(0);
            partition.map_or(count > 0, |partition| {
                usize::try_from(partition).is_ok_and(|partition| partition < count)
            })
        };
        if known() {
            return Ok(());
        }
        let wanted = BTreeSet::from([topic.clone()]);
        let _wanted = Wanted::new(metadata, wanted.clone());
        metadata.await_topics(&wanted, left_until(deadline)).await?;
        // The topic may have got more partitions since it was asked for.
        let mut changes = metadata.changes();
        for _ in 0..PARTITION_ANSWERS {
            if known() {
                return Ok(());
            }
            metadata.refresh_soon();
            let changed = tokio::time::timeout_at(deadline.into(), changes.changed()).await;
            if changed.is_err() {
                break;
            }
        }
        match known() {
            true => Ok(()),
            false => {
                let error = Error::broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
                Err(error.message(match partition {
                    Some(partition) => format!("the topic has no partition {partition}"),
                    None => "the topic has no partitions".to_owned(),
                }))
            }
        }
    }

    async fn memory(&self, size: u32, deadline: Instant) -> Result<OwnedSemaphorePermit> {
        let Shared { memory, pressure, config, .. } = &*self.0;
        if let Ok(permit) = memory.clone().try_acquire_many_owned(size) {
            return Ok(permit);
        }
        let _waiting = pressure.wait();
        match tokio::time::timeout_at(deadline.into(), memory.clone().acquire_many_owned(size)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Error::closed("the producer")),
            Err(_) => {
                let (waited, total) = (config.max_block(), config.buffer_memory());
                let message = format!(
                    "no memory for {size} bytes within {waited:?}: buffer.memory ({total}) is in use"
                );
                Err(Error::new(ErrorKind::TimedOut).message(message))
            }
        }
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("config", &self.0.config).finish_non_exhaustive()
    }
}

fn settings(client: &Client, config: &ProducerConfig) -> ProduceSettings {
    ProduceSettings {
        acks: match config.acks() {
            Acks::All => -1,
            Acks::Leader => 1,
        },
        idempotence: config.idempotence(),
        compression: match config.compression() {
            Compression::None => records::Compression::None,
            Compression::Gzip { .. } => records::Compression::Gzip,
            Compression::Snappy => records::Compression::Snappy,
            Compression::Lz4 => records::Compression::Lz4,
            Compression::Zstd { .. } => records::Compression::Zstd,
        },
        linger: config.linger(),
        batch_size: config.batch_size(),
        max_request_size: config.max_request_size(),
        delivery_timeout: config.delivery_timeout(),
        request_timeout: client.config().request_timeout(),
        retries: config.retries(),
        max_in_flight: config.max_in_flight(),
        retry_backoff: client.config().retry_backoff(),
        retry_backoff_max: client.config().retry_backoff_max(),
        seed: client.seed(),
    }
}

/// Records on their way to the task. They are counted in `buffer_memory` already; this only evens out bursts.
const COMMANDS_MAX: usize = 1024;

/// So many answers say that a partition is missing before it is believed: brokers learn of new ones one after the other.
const PARTITION_ANSWERS: u32 = 4;
