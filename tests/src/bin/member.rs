//! A member of a group that reads with Milena, in a process of its own: one that can be frozen and killed.
//!
//! Arguments: bootstrap, group, topic, then `key=value`: properties of Kafka's consumer, and of this program
//! `mode` (`auto`, the default: acknowledges whatever it gets; `hold`: keeps it until it is told), `delay` (milliseconds
//! from a delivery to its acknowledgement in mode `auto`, 0 by default), `read` (`records`, the default, or `batches`, which
//! are acknowledged as a whole, by their first offsets) and `print` (`offsets`, the default; `ranges`: of each batch the first
//! and last offset and the count).
//!
//! Every event is one line of JSON on standard output, its time in milliseconds since 1970 first. `assigned`, `revoked`,
//! `lost`, `records` and `committed` look as those of `tests/java/any/GroupConsumer.java`.
//!
//! Standard input:
//! - `ack PARTITION OFFSET`, `ack-below PARTITION OFFSET`, `ack-all`: answered by `acked` with counts of the outcomes;
//! - `auto`: acknowledges all that is held, and from here on whatever comes;
//! - `commit`: answered by `commit_done` once the coordinator has answered;
//! - `stall`, `read`: stops taking anything from the stream, and goes on;
//! - `counters`: answered by `counters`;
//! - `close [MILLISECONDS]`: drains, answered by `closed`.
//!
//! Its end ends the program at once.
//!
//! One thread does it all, so that lines come in the order in which things happened: what is printed as revoked was so
//! before the coordinator heard of it.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::{Event, TopicPartition};
use futures_util::StreamExt;
use serde_json::{Value, json};
use source::{Ack, Batch, Record, Source};
use tokio::sync::mpsc;

type Failure = Box<dyn Error + Send + Sync>;

/// Commands that wait.
const COMMANDS_MAX: usize = 64;
/// Longest wait of a close that says nothing of it.
const DRAIN: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let settings = Settings::read(std::env::args().skip(1))?;
    let source = settings.builder.build().await?;
    let watcher = tokio::spawn(watch(source.clone()));
    say("started", json!({}));
    let Settings { auto, delay, ranges, batches, .. } = settings;
    let reader = Reader { source, held: Vec::new(), auto, delay, ranges, stalled: false };
    match batches {
        true => reader.run_batches(commands()).await,
        false => reader.run_records(commands()).await,
    }
    watcher.await?;
    say("closed", json!({}));
    Ok(())
}

struct Settings {
    builder: source::SourceBuilder,
    auto: bool,
    delay: Duration,
    batches: bool,
    ranges: bool,
}

impl Settings {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Settings, Failure> {
        let mut next = |what| arguments.next().ok_or(format!("no {what}"));
        let (bootstrap, group, topic) = (next("bootstrap")?, next("group")?, next("topic")?);
        let builder = Source::builder(&bootstrap)
            .group(group)
            .topics([topic])
            .property("auto.offset.reset", "earliest")
            .property("session.timeout.ms", 6000)
            .property("heartbeat.interval.ms", 500)
            .property("auto.commit.interval.ms", 200);
        let delay = Duration::ZERO;
        let mut settings = Settings { builder, auto: true, delay, batches: false, ranges: false };
        for argument in arguments {
            match argument.split_once('=').ok_or(format!("{argument:?} is no setting"))? {
                ("mode", mode) => settings.auto = mode == "auto",
                ("delay", delay) => settings.delay = Duration::from_millis(delay.parse()?),
                ("read", read) => settings.batches = read == "batches",
                ("print", print) => settings.ranges = print == "ranges",
                (key, value) => settings.builder = settings.builder.property(key, value),
            }
        }
        Ok(settings)
    }
}

struct Reader {
    source: Source,
    /// What waits for its acknowledgement; of an offset that was delivered twice, both.
    held: Vec<Held>,
    auto: bool,
    delay: Duration,
    ranges: bool,
    stalled: bool,
}

impl Reader {
    async fn run_records(mut self, mut commands: mpsc::Receiver<String>) {
        let mut records = self.source.records();
        loop {
            tokio::select! {
                command = commands.recv() => self.handle_command(command),
                record = records.next(), if !self.stalled => match record {
                    Some(Ok(record)) => self.handle_record(record),
                    Some(Err(error)) => say("error", json!({ "error": error.to_string() })),
                    None => return,
                },
            }
        }
    }

    async fn run_batches(mut self, mut commands: mpsc::Receiver<String>) {
        let mut batches = self.source.batches();
        loop {
            tokio::select! {
                command = commands.recv() => self.handle_command(command),
                batch = batches.next(), if !self.stalled => match batch {
                    Some(Ok(batch)) => self.handle_batch(batch),
                    Some(Err(error)) => say("error", json!({ "error": error.to_string() })),
                    None => return,
                },
            }
        }
    }

    fn handle_record(&mut self, record: Record) {
        let what = json!({ "offsets": [record.offset()] });
        say_records(record.partition(), record.epoch().to_string(), what);
        self.keep(Held::Record(record));
    }

    fn handle_batch(&mut self, batch: Batch) {
        let offsets: Vec<i64> = batch.records().map_while(Result::ok).map(|record| record.offset()).collect();
        let what = match self.ranges {
            true => json!({ "first": offsets.first(), "last": offsets.last(), "count": offsets.len() }),
            false => json!({ "offsets": offsets }),
        };
        say_records(batch.partition(), batch.epoch().to_string(), what);
        self.keep(Held::Batch(batch));
    }

    fn keep(&mut self, held: Held) {
        if !self.auto {
            return self.held.push(held);
        }
        if self.delay.is_zero() {
            let _ = held.ack();
            return;
        }
        let delay = self.delay;
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let _ = held.ack();
        });
    }

    fn handle_command(&mut self, command: Option<String>) {
        let Some(command) = command else { std::process::exit(0) };
        let words: Vec<&str> = command.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<i64>().ok()).unwrap_or(-1);
        match words.first().copied().unwrap_or_default() {
            "ack" => self.acknowledge(|partition, offset| partition == number(1) && offset == number(2)),
            "ack-below" => self.acknowledge(|partition, offset| partition == number(1) && offset < number(2)),
            "ack-all" => self.acknowledge(|_, _| true),
            "auto" => {
                self.auto = true;
                self.acknowledge(|_, _| true);
            }
            "commit" => {
                let source = self.source.clone();
                tokio::spawn(async move {
                    let error = source.commit().await.err().map(|error| error.to_string());
                    say("commit_done", json!({ "error": error }));
                });
            }
            "stall" => self.stalled = true,
            "read" => self.stalled = false,
            "counters" => {
                let counters = self.source.counters();
                say(
                    "counters",
                    json!({
                        "bytes_received": counters.bytes_received,
                        "delivered_bytes": counters.delivered_bytes,
                        "fenced_acks": counters.fenced_acks,
                        "budget_used": counters.budget_used,
                        "budget_peak": counters.budget_peak,
                    }),
                );
            }
            "close" => {
                let source = self.source.clone();
                let drain = u64::try_from(number(1)).map_or(DRAIN, Duration::from_millis);
                tokio::spawn(async move {
                    let error = source.drain(drain).await.err().map(|error| error.to_string());
                    say("drained", json!({ "error": error }));
                });
            }
            _ => say("error", json!({ "error": format!("unknown command {command:?}") })),
        }
    }

    /// Acknowledges what is held and wanted, by partition and offset.
    fn acknowledge(&mut self, wanted: impl Fn(i64, i64) -> bool) {
        let (mut accepted, mut duplicate, mut fenced) = (0, 0, Vec::new());
        for held in std::mem::take(&mut self.held) {
            let (partition, offset) = held.place();
            if !wanted(partition, offset) {
                self.held.push(held);
                continue;
            }
            match held.ack() {
                Ack::Accepted => accepted += 1,
                Ack::Duplicate => duplicate += 1,
                Ack::Fenced { reason } => fenced.push(reason.to_string()),
            }
        }
        let outcome = json!({
            "accepted": accepted, "duplicate": duplicate, "fenced": fenced.len(), "reasons": fenced,
        });
        say("acked", outcome);
    }
}

/// What was delivered and waits for its acknowledgement.
enum Held {
    Record(Record),
    Batch(Batch),
}

impl Held {
    /// Partition and (first) offset.
    fn place(&self) -> (i64, i64) {
        match self {
            Self::Record(record) => (i64::from(record.partition().partition), record.offset()),
            Self::Batch(batch) => (i64::from(batch.partition().partition), batch.offsets().start),
        }
    }

    fn ack(&self) -> Ack {
        match self {
            Self::Record(record) => record.ack(),
            Self::Batch(batch) => batch.ack(),
        }
    }
}

/// Prints what happens to the source until it is gone.
async fn watch(source: Source) {
    let mut events = source.events();
    drop(source);
    while let Some(event) = events.next().await {
        say_event(&event);
    }
}

fn say_event(event: &Event) {
    let text = event.to_string();
    match event {
        Event::Joining { reason } => say("joining", json!({ "reason": reason })),
        Event::Stable { generation, leader, assignor } => {
            say("stable", json!({ "generation": generation.0, "leader": leader, "assignor": assignor }));
        }
        Event::Assigned { added, .. } => say("assigned", json!({ "partitions": listed(added) })),
        Event::Revoking { partitions, .. } => say("revoking", json!({ "partitions": listed(partitions) })),
        Event::Revoked { partitions, drained } => {
            say("revoked", json!({ "partitions": listed(partitions), "drained": drained.is_ok() }));
        }
        Event::Lost { partitions, .. } => {
            say("lost", json!({ "partitions": listed(partitions), "text": text }));
        }
        Event::Committed { partition, offset, .. } => {
            say("committed", at(partition, json!({ "offset": offset })));
        }
        Event::Fenced { partition, offset, .. } => {
            say("fenced", at(partition, json!({ "offset": offset, "text": text })));
        }
        Event::Moved { partition, from, to, .. } => {
            say("moved", at(partition, json!({ "from": from, "to": to, "text": text })));
        }
        Event::CommitFailed { .. } => say("commit_failed", json!({ "text": text })),
        Event::Stuck { .. } => say("stuck", json!({ "text": text })),
        Event::Trouble { .. } => say("trouble", json!({ "text": text })),
        Event::Left => say("left", json!({})),
        _ => say("other", json!({ "text": text })),
    }
}

fn say_records(partition: &TopicPartition, epoch: String, what: Value) {
    let mut what = at(partition, what);
    what["epoch"] = epoch.into();
    say("records", what);
}

fn at(partition: &TopicPartition, what: Value) -> Value {
    let mut event = json!({ "topic": &*partition.topic, "partition": partition.partition });
    if let (Some(event), Value::Object(what)) = (event.as_object_mut(), what) {
        event.extend(what);
    }
    event
}

fn listed<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Vec<Value> {
    partitions.into_iter().map(|tp| json!([&*tp.topic, tp.partition])).collect()
}

/// Prints one line, at once: whoever is killed afterwards has said it.
fn say(name: &str, what: Value) {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    let mut event = json!({ "time": time, "event": name });
    if let (Some(event), Value::Object(what)) = (event.as_object_mut(), what) {
        event.extend(what);
    }
    let mut out = std::io::stdout().lock();
    // Nobody listens any more: then there is nobody to tell.
    let _ = writeln!(out, "{event}").and_then(|()| out.flush());
}

/// Lines of standard input. A thread reads them: that cannot be done without blocking.
fn commands() -> mpsc::Receiver<String> {
    let (sender, commands) = mpsc::channel(COMMANDS_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    commands
}
