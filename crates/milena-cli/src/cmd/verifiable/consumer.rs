//! `milena verifiable-consumer`: reads, tells, commits, tells, in one task, as Java's `VerifiableConsumer` does between two
//! calls of `poll`.
//!
//! Whoever watches forgets all positions at any revoke, and takes no commit for a partition it has no position of. So
//! what happens to the assignment while a commit is under way is told after that commit, as Java's callbacks run in the
//! next `poll`.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::time::Duration;

use client::config::{Assignor, ConsumerConfig};
use client::consumer::Events;
use client::{Event, TopicPartition};
use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};
use source::{Batch, BatchStream, Source};
use tokio::time::{Instant, sleep, sleep_until};

use super::teller::Teller;
use crate::args::VerifiableConsumerArgs;
use crate::failure::Failure;
use crate::log;
use crate::signals::Stop;

/// Reads until it is told to end, has read as much as was wanted, or cannot go on. What went wrong is said on standard
/// error; whoever watches hears `shutdown_complete` in any case.
///
/// # Errors
/// A setting cannot be, or nobody listens to the events.
pub(crate) async fn run(mut args: VerifiableConsumerArgs, verbose: bool) -> Result<(), Failure> {
    let mut stop = Stop::listen_patiently().map_err(|error| Failure::runtime(format!("signals: {error}")))?;
    if args.consumer_config.is_some() {
        args.connection.command_config = args.consumer_config.take();
    }
    let flags = args.properties();
    let flags: Vec<_> = flags.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let config = args.connection.consumer(&flags, &[])?;
    let mut teller = Teller::stdout();
    teller.tell("startup_complete", json!({}))?;
    let end = match build(&args.topic, &config, &mut stop).await {
        Ok(Some(source)) => {
            let session = Session::new(&args, &config, verbose, source, teller);
            let (end, heard) = session.run(&mut stop).await;
            teller = heard;
            end
        }
        Ok(None) => teller.tell("shutdown_requested", json!({})).map(|()| None),
        Err(failure) => Ok(Some(failure)),
    };
    if let Some(failure) = end? {
        log::say(&failure.to_string());
    }
    teller.tell("shutdown_complete", json!({}))
}

/// Connects and joins; none if the end was asked for before. What may pass is waited out, as Java's consumer does within
/// `poll`: brokers that are down, a topic that is not there yet.
async fn build(topic: &str, config: &ConsumerConfig, stop: &mut Stop) -> Result<Option<Source>, Failure> {
    loop {
        let builder = Source::builder("").config(config.clone()).topics([topic]);
        let built = tokio::select! {
            biased;
            () = stop.requested() => return Ok(None),
            built = builder.build() => built,
        };
        match built {
            Ok(source) => return Ok(Some(source)),
            Err(error) if error.is_retriable() || is_missing(&error) => {
                log::say(&format!("trying again: {error}"));
                tokio::select! {
                    () = stop.requested() => return Ok(None),
                    () = sleep(PAUSE) => {}
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_missing(error: &client::Error) -> bool {
    error.code() == Some(client::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

struct Session<W: Write> {
    teller: Teller<W>,
    source: Source,
    batches: BatchStream,
    events: Events,
    /// What happened while a commit was under way.
    held: VecDeque<Event>,
    is_eager: bool,
    /// A classic member whose rebalances are cooperative.
    is_cooperative: bool,
    is_closing: bool,
    /// Whether an assignment stands that was told.
    is_assigned: bool,
    verbose: bool,
    commits: bool,
    /// Records that are still wanted.
    left: u64,
    close_timeout: Duration,
    /// When the end was asked for, how long it may take.
    close_by: Option<Instant>,
}

impl<W: Write> Session<W> {
    fn new(
        args: &VerifiableConsumerArgs,
        config: &ConsumerConfig,
        verbose: bool,
        source: Source,
        teller: Teller<W>,
    ) -> Self {
        Self {
            teller,
            batches: source.batches(),
            // The source's tasks run on this thread: nothing has happened yet that would not be heard.
            events: source.events(),
            source,
            held: VecDeque::new(),
            is_eager: args.is_classic() && is_eager(config),
            is_cooperative: args.is_classic() && !is_eager(config),
            is_closing: false,
            is_assigned: false,
            verbose,
            commits: !args.enable_autocommit,
            left: u64::try_from(args.max_messages).unwrap_or(u64::MAX),
            close_timeout: Duration::from_millis(args.close_timeout),
            close_by: None,
        }
    }

    /// Reads to the end and closes. Says what ended it early, if something did; an error only where nobody listens.
    async fn run(mut self, stop: &mut Stop) -> (Result<Option<Failure>, Failure>, Teller<W>) {
        let read = self.read(stop).await;
        let end = match read {
            Err(Failure::BrokenPipe) => Err(Failure::BrokenPipe),
            Err(failure) => self.close().await.map(|()| Some(failure)),
            Ok(()) => self.close().await.map(|()| None),
        };
        (end, self.teller)
    }

    async fn read(&mut self, stop: &mut Stop) -> Result<(), Failure> {
        while self.left > 0 && self.close_by.is_none() {
            tokio::select! {
                biased;
                () = stop.requested() => self.stopping()?,
                Some(event) = self.events.next() => self.tell(event)?,
                batch = self.batches.next() => match batch {
                    Some(batch) => self.poll(batch?, stop).await?,
                    None => return Err(Failure::runtime("the source has ended")),
                },
            }
        }
        Ok(())
    }

    fn stopping(&mut self) -> Result<(), Failure> {
        self.close_by = Some(Instant::now() + self.close_timeout);
        self.teller.tell("shutdown_requested", json!({}))
    }

    /// What Java's consumer does with the records of one `poll`.
    async fn poll(&mut self, first: Batch, stop: &mut Stop) -> Result<(), Failure> {
        let mut records = first.record_count();
        let mut batches = vec![first];
        let mut failure = None;
        while records < POLL_MAX
            && let Some(Some(next)) = self.batches.next().now_or_never()
        {
            match next {
                Ok(batch) => {
                    records += batch.record_count();
                    batches.push(batch);
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        // An assignment is told before what was read in it. What was read in one that is gone again is not told: whoever
        // owns the partition reads it again.
        while let Some(event) = self.events.try_next() {
            self.tell(event)?;
        }
        batches.retain(|batch| batch.lease().fenced().is_none());
        let wanted = self.report(&batches)?;
        if !wanted.is_empty() && self.commits {
            self.commit(&wanted, stop).await?;
        }
        failure.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Tells what was read, and acknowledges it. The offsets to commit.
    fn report(&mut self, batches: &[Batch]) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
        let mut summaries: BTreeMap<TopicPartition, Summary> = BTreeMap::new();
        let mut count = 0_u64;
        let mut broken = None;
        for batch in batches {
            let partition = batch.partition();
            let mut next = batch.offsets().start;
            for record in batch.records() {
                let record = match record {
                    Ok(record) if count < self.left => record,
                    Ok(_) => break,
                    Err(error) => {
                        broken = Some(client::Error::corrupt(partition, next, error));
                        break;
                    }
                };
                count += 1;
                next = record.offset() + 1;
                summaries
                    .entry(partition.clone())
                    .and_modify(|summary| summary.add(record.offset()))
                    .or_insert_with(|| Summary::new(record.offset()));
                if self.verbose {
                    let text =
                        |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                    let data = json!({
                        "key": text(record.key()),
                        "value": text(record.value()),
                        "topic": &*partition.topic,
                        "partition": partition.partition,
                        "offset": record.offset(),
                    });
                    self.teller.begin("record_data", data)?;
                }
            }
            if broken.is_some() || count >= self.left {
                batch.abandon(next);
                batch.ack_range(batch.offsets().start..next);
            } else {
                batch.ack();
            }
        }
        if count > 0 {
            let partitions: Vec<Value> = summaries.iter().map(|(tp, summary)| summary.json(tp)).collect();
            self.teller.tell("records_consumed", json!({ "count": count, "partitions": partitions }))?;
        }
        self.left -= count;
        match broken {
            Some(error) => Err(error.into()),
            None => Ok(summaries.into_iter().map(|(tp, summary)| (tp, summary.last + 1)).collect()),
        }
    }

    /// Commits what was acknowledged and tells what came of it; then what happened meanwhile. The request to end waits for
    /// it, but not longer than the end may take.
    async fn commit(
        &mut self,
        wanted: &BTreeMap<TopicPartition, i64>,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        let source = self.source.clone();
        let mut commit = Box::pin(source.commit());
        let answered = loop {
            let close_by = self.close_by;
            tokio::select! {
                biased;
                Some(event) = self.events.next() => self.held.push_back(event),
                answer = &mut commit => break answer.map_err(|error| error.to_string()),
                () = stop.requested(), if close_by.is_none() => self.stopping()?,
                () = until(close_by) => break Err("no answer before the end".to_owned()),
            }
        };
        while let Some(event) = self.events.try_next() {
            self.held.push_back(event);
        }
        let (done, failed) = outcomes(wanted, &self.held, answered);
        if !done.is_empty() {
            self.teller.tell("offsets_committed", json!({ "offsets": done, "success": true }))?;
        }
        if let Some(error) = failed.error {
            let what = json!({ "offsets": failed.offsets, "error": error, "success": false });
            self.teller.tell("offsets_committed", what)?;
        }
        while let Some(event) = self.held.pop_front() {
            self.tell(event)?;
        }
        Ok(())
    }

    /// Tells what happened to the assignment.
    fn tell(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Assigned { added, .. } => {
                self.is_assigned = true;
                self.teller.tell("partitions_assigned", json!({ "partitions": listed(&added) }))
            }
            Event::Revoked { partitions, .. } => {
                self.revoked(&listed(&partitions))?;
                // Java's cooperative listeners hear of what stays theirs at once, before the next join: `onJoinComplete` calls
                // both, the second one mostly with nothing.
                if self.is_cooperative && !self.is_closing {
                    self.is_assigned = true;
                    return self.teller.tell("partitions_assigned", json!({ "partitions": [] }));
                }
                Ok(())
            }
            Event::Lost { partitions, .. } => self.revoked(&listed(&partitions)),
            // Java's eager listeners hear of every rebalance, also those that have nothing to give up.
            Event::Joining { .. } if self.is_eager && self.is_assigned => self.revoked(&[]),
            Event::Missed { events } => {
                Err(Failure::runtime(format!("{events} events were missed: what is told would be wrong")))
            }
            _ => Ok(()),
        }
    }

    fn revoked(&mut self, partitions: &[Value]) -> Result<(), Failure> {
        self.is_assigned = false;
        self.teller.tell("partitions_revoked", json!({ "partitions": partitions }))
    }

    /// Commits, leaves, and tells what happens on the way.
    async fn close(&mut self) -> Result<(), Failure> {
        self.is_closing = true;
        let left =
            self.close_by.map_or(self.close_timeout, |by| by.saturating_duration_since(Instant::now()));
        let source = self.source.clone();
        let mut drain = Box::pin(source.drain(left));
        let drained = loop {
            tokio::select! {
                biased;
                Some(event) = self.events.next() => self.tell(event)?,
                drained = &mut drain => break drained,
            }
        };
        while let Some(event) = self.events.try_next() {
            self.tell(event)?;
        }
        if let Err(error) = drained {
            log::say(&error.to_string());
        }
        Ok(())
    }
}

/// First and last offset and how many between them.
struct Summary {
    count: u64,
    first: i64,
    last: i64,
}

impl Summary {
    fn new(offset: i64) -> Self {
        Self { count: 1, first: offset, last: offset }
    }

    fn add(&mut self, offset: i64) {
        self.count += 1;
        self.last = offset;
    }

    fn json(&self, partition: &TopicPartition) -> Value {
        json!({
            "topic": &*partition.topic,
            "partition": partition.partition,
            "count": self.count,
            "minOffset": self.first,
            "maxOffset": self.last,
        })
    }
}

#[derive(Default)]
struct Failed {
    offsets: Vec<Value>,
    error: Option<String>,
}

/// What came of a commit: the offsets that stand, and those that do not.
fn outcomes<'a>(
    wanted: &BTreeMap<TopicPartition, i64>,
    events: impl IntoIterator<Item = &'a Event>,
    answered: Result<(), String>,
) -> (Vec<Value>, Failed) {
    let mut open = wanted.clone();
    let mut reason = answered.err();
    for event in events {
        match event {
            Event::Committed { partition, offset, .. }
                if wanted.get(partition).is_some_and(|wanted| offset >= wanted) =>
            {
                open.remove(partition);
            }
            Event::CommitFailed { partition, error } if open.contains_key(partition) => {
                reason = Some(error.to_string());
            }
            Event::Fenced { partition, reason: why, .. } if open.contains_key(partition) => {
                reason = Some(why.to_string());
            }
            _ => {}
        }
    }
    let offset = |(tp, offset): (&TopicPartition, &i64)| json!({ "topic": &*tp.topic, "partition": tp.partition, "offset": offset });
    let done = wanted.iter().filter(|(tp, _)| !open.contains_key(*tp)).map(offset).collect();
    let mut failed = Failed { offsets: open.iter().map(offset).collect(), error: None };
    if !open.is_empty() {
        failed.error = Some(reason.unwrap_or_else(|| "it was not committed".to_owned()));
    }
    (done, failed)
}

fn listed<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Vec<Value> {
    let one = |tp: &TopicPartition| json!({ "topic": &*tp.topic, "partition": tp.partition });
    partitions.into_iter().map(one).collect()
}

/// Whether a rebalance revokes everything: Java's consumer is cooperative only if all its assignors are.
fn is_eager(config: &ConsumerConfig) -> bool {
    let assignors = config.group().map(|group| group.assignors()).unwrap_or_default();
    assignors.iter().any(|assignor| *assignor != Assignor::CooperativeSticky)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Records after which no more batches are waited for in one go: Java's `max.poll.records`.
const POLL_MAX: usize = 500;
/// Pause before a cluster that does not answer is asked again.
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
