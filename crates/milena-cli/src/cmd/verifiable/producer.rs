//! `milena verifiable-producer`: writes 0, 1, 2, … and tells what became of each.

use std::io::Write;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::{Client, Producer, ProducerRecord, RecordMetadata, TopicName};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::teller::Teller;
use crate::args::VerifiableProducerArgs;
use crate::failure::Failure;
use crate::log;
use crate::signals::Stop;

/// Writes until it is told to end, or has written as much as was wanted; then waits for what is open.
///
/// # Errors
/// A setting cannot be, or nobody listens to the events.
pub(crate) async fn run(mut args: VerifiableProducerArgs) -> Result<(), Failure> {
    let mut stop = Stop::listen_patiently().map_err(|error| Failure::runtime(format!("signals: {error}")))?;
    if args.producer_config.is_some() {
        args.connection.command_config = args.producer_config.take();
    }
    let flags = args.properties();
    let flags: Vec<_> = flags.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let config = args.connection.producer(&[], &flags)?;
    let mut session = Session::new(&args, Teller::stdout());
    session.teller.tell("startup_complete", json!({}))?;
    if let Some(client) = connect(&config, &mut stop).await? {
        let producer = Producer::new(&client, &config);
        session.write(&producer, &mut stop).await?;
        session.close(&producer).await?;
    }
    session.end()
}

/// Connects; none if the end was asked for before. Brokers that are down are waited for.
async fn connect(
    config: &client::config::ProducerConfig,
    stop: &mut Stop,
) -> Result<Option<Client>, Failure> {
    loop {
        let connected = tokio::select! {
            biased;
            () = stop.requested() => return Ok(None),
            connected = Client::connect(config.client().clone()) => connected,
        };
        match connected {
            Ok(client) => return Ok(Some(client)),
            Err(error) if error.is_retriable() => log::say(&format!("trying again: {error}")),
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = stop.requested() => return Ok(None),
            () = sleep(PAUSE) => {}
        }
    }
}

type Outcome = Pin<Box<dyn Future<Output = Sent>>>;

/// What became of a record.
struct Sent {
    key: Option<String>,
    value: String,
    outcome: client::Result<RecordMetadata>,
}

struct Session<W: Write> {
    teller: Teller<W>,
    topic: TopicName,
    open: FuturesUnordered<Outcome>,
    began: Instant,
    sent: u64,
    acked: u64,
    max: u64,
    /// As it was said, and as records per second.
    throughput: i64,
    prefix: Option<i32>,
    keys: Option<u32>,
    /// Timestamp of the next record, and when this began, in milliseconds since 1970.
    create_time: Option<(i64, i64)>,
}

impl<W: Write> Session<W> {
    fn new(args: &VerifiableProducerArgs, teller: Teller<W>) -> Self {
        Self {
            teller,
            topic: args.topic.as_str().into(),
            open: FuturesUnordered::new(),
            began: Instant::now(),
            sent: 0,
            acked: 0,
            max: u64::try_from(args.max_messages).unwrap_or(u64::MAX),
            throughput: args.throughput,
            prefix: args.value_prefix,
            keys: args.repeating_keys,
            create_time: (args.message_create_time != -1).then(|| (args.message_create_time, now_ms())),
        }
    }

    async fn write(&mut self, producer: &Producer, stop: &mut Stop) -> Result<(), Failure> {
        while self.sent < self.max {
            let due = self.due();
            loop {
                tokio::select! {
                    biased;
                    () = stop.requested() => return Ok(()),
                    Some(sent) = self.open.next(), if !self.open.is_empty() => self.told(sent)?,
                    () = until(due) => break,
                }
            }
            let (key, value) = (self.key(), self.value());
            let record = self.record(key.as_deref(), &value);
            let mut enqueue = Box::pin(producer.enqueue(record));
            let taken = loop {
                tokio::select! {
                    biased;
                    () = stop.requested() => return Ok(()),
                    taken = &mut enqueue => break taken,
                    Some(sent) = self.open.next(), if !self.open.is_empty() => self.told(sent)?,
                }
            };
            self.sent += 1;
            match taken {
                Ok(delivery) => {
                    self.open.push(Box::pin(async move { Sent { key, value, outcome: delivery.await } }))
                }
                Err(error) => self.told(Sent { key, value, outcome: Err(error) })?,
            }
        }
        Ok(())
    }

    /// When the next record is to be written; far away for a throughput of none.
    fn due(&self) -> Option<Instant> {
        match self.throughput {
            0 if self.sent > 0 => None,
            ..=0 => Some(self.began),
            per_second => Some(self.began + Duration::from_secs_f64(self.sent as f64 / per_second as f64)),
        }
    }

    fn key(&self) -> Option<String> {
        self.keys.map(|keys| (self.sent % u64::from(keys)).to_string())
    }

    fn value(&self) -> String {
        match self.prefix {
            Some(prefix) => format!("{prefix}.{}", self.sent),
            None => self.sent.to_string(),
        }
    }

    fn record(&mut self, key: Option<&str>, value: &str) -> ProducerRecord {
        let mut record = ProducerRecord::new(self.topic.clone()).value(value.to_owned());
        if let Some(key) = key {
            record = record.key(key.to_owned());
        }
        if let Some((next, began)) = &mut self.create_time {
            record = record.timestamp(*next);
            // Java's steps: they grow with the time that has passed.
            *next = next.saturating_add(now_ms().saturating_sub(*began));
        }
        record
    }

    fn told(&mut self, sent: Sent) -> Result<(), Failure> {
        let Sent { key, value, outcome } = sent;
        match outcome {
            Ok(metadata) => {
                self.acked += 1;
                let what = json!({
                    "key": key,
                    "value": value,
                    // -1 where only the broker knows it, as in Java.
                    "offset": metadata.offset.unwrap_or(-1),
                    "topic": &*self.topic,
                    "partition": metadata.partition,
                });
                self.teller.tell("producer_send_success", what)
            }
            Err(error) => {
                let what = json!({
                    "topic": &*self.topic,
                    "key": key,
                    "value": value,
                    "exception": exception(&error),
                    "message": error.to_string(),
                });
                self.teller.tell("producer_send_error", what)
            }
        }
    }

    /// Waits for what is open.
    async fn close(&mut self, producer: &Producer) -> Result<(), Failure> {
        let mut closed = Box::pin(producer.close());
        let mut is_closed = false;
        while !is_closed || !self.open.is_empty() {
            tokio::select! {
                biased;
                Some(sent) = self.open.next(), if !self.open.is_empty() => self.told(sent)?,
                () = &mut closed, if !is_closed => is_closed = true,
            }
        }
        Ok(())
    }

    fn end(mut self) -> Result<(), Failure> {
        self.teller.tell("shutdown_complete", json!({}))?;
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let data: Value = json!({
            "sent": self.sent,
            "acked": self.acked,
            "target_throughput": self.throughput,
            "avg_throughput": self.acked as f64 / seconds,
        });
        self.teller.tell("tool_data", data)
    }
}

/// What stands where Java names its exception's class.
fn exception(error: &client::Error) -> String {
    match error.code() {
        Some(code) => code.to_string(),
        None => format!("{:?}", error.kind()),
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as i64)
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Pause before a cluster that does not answer is asked again.
const PAUSE: Duration = Duration::from_millis(200);
