//! `milena consume`: the records of topics, as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use client::config::{ConsumerConfig, IsolationLevel};
use client::consumer::Events;
use client::{Client, Event, Start, TopicName, TopicPartition};
use futures_util::{FutureExt, StreamExt};
use source::{Batch, BatchStream, Source};

use crate::args::{Begin, ConsumeArgs, Until};
use crate::failure::Failure;
use crate::log;
use crate::output::{Lines, Reader, Sink};
use crate::progress::Progress;
use crate::signals::Stop;

/// Prints records until the end that was asked for, or until somebody stops it.
///
/// # Errors
/// A setting cannot be, the cluster cannot be reached, a topic is missing, a partition cannot be read on.
pub(crate) async fn run(args: ConsumeArgs) -> Result<(), Failure> {
    let mut stop = Stop::listen().map_err(|error| Failure::runtime(format!("signals: {error}")))?;
    let mut sink = Sink::stdout().map_err(Failure::writing)?;
    let config = configure(&args)?;
    if args.until == Until::Count(0) {
        return Ok(());
    }
    let is_committed_only = config.fetch().isolation() == IsolationLevel::ReadCommitted;
    let built = tokio::select! {
        biased;
        () = stop.requested() => return stopped(args.until),
        built = build(&args, config) => built?,
    };
    let mut reading = Reading {
        news: News { events: built.events(), failed: BTreeMap::new() },
        batches: built.batches(),
        source: built,
        reader: Reader::watch(),
        lines: Lines::new(args.format, args.show.clone()),
        progress: Progress::new(args.until, is_committed_only),
        unacked: Vec::new(),
        records: 0,
        left: match args.until {
            Until::Count(count) => count,
            _ => u64::MAX,
        },
    };
    let outcome = reading.run(&mut sink, &mut stop, args.until).await;
    reading.end(&mut sink, outcome).await
}

/// What a signal before the end comes to: an endless read has no other end.
fn stopped(until: Until) -> Result<(), Failure> {
    match until {
        Until::Never => Ok(()),
        _ => Err(Failure::Interrupted),
    }
}

fn configure(args: &ConsumeArgs) -> Result<ConsumerConfig, Failure> {
    let mut flags = Vec::new();
    flags.extend(args.group.as_deref().map(|group| ("group.id", group)));
    flags.extend(args.isolation.map(|isolation| ("isolation.level", isolation.name())));
    // Not Java's default, which passes over all that is there.
    let config = args.connection.consumer(&flags, &[("auto.offset.reset", "earliest")])?;
    let is_group = config.group().is_some();
    match args.from {
        Some(Begin::Committed) if !is_group => {
            Err(Failure::usage("--from committed needs a group: --group GROUP"))
        }
        Some(Begin::Offset(_) | Begin::Tail(_)) if is_group && args.partitions.is_empty() => {
            Err(Failure::usage(
                "a group that reads whole topics begins at its committed offsets: with --from offset or tail, say which \
             partition: --partition N",
            ))
        }
        _ => Ok(config),
    }
}

async fn build(args: &ConsumeArgs, config: ConsumerConfig) -> Result<Source, Failure> {
    // The configuration is given whole, with its bootstrap servers.
    let mut builder = Source::builder("");
    builder = match config.group() {
        Some(_) if args.partitions.is_empty() => {
            builder.topics(args.topics.iter().collect::<BTreeSet<_>>().into_iter().cloned())
        }
        _ => {
            let partitions = partitions(args, &config).await?;
            builder.partitions(partitions.iter().map(|tp| (tp.topic.to_string(), tp.partition)))
        }
    };
    let start = args.from.and_then(|from| match from {
        Begin::Earliest => Some(Start::Earliest),
        Begin::Latest => Some(Start::Latest),
        // The source's own default with a group.
        Begin::Committed => None,
        Begin::Offset(offset) => Some(Start::Offset(offset)),
        Begin::Timestamp(ms) => Some(Start::Timestamp(ms)),
        Begin::Tail(count) => Some(Start::Tail(count)),
    });
    if let Some(start) = start {
        builder = builder.start(start);
    }
    let until = match args.until {
        // Records are counted here, where batches are opened.
        Until::Never | Until::Count(_) => source::Until::Never,
        Until::Latest => source::Until::Latest,
        Until::Offset(offset) => source::Until::Offset(offset),
    };
    Ok(builder.config(config).until(until).build().await?)
}

/// The partitions to read where no group shares them out: those that were asked for, or all.
async fn partitions(args: &ConsumeArgs, config: &ConsumerConfig) -> Result<Vec<TopicPartition>, Failure> {
    let client = Client::connect(config.client().clone()).await?;
    let all = client.partitions_of(args.topics.iter().map(|topic| TopicName::from(topic.as_str()))).await?;
    if args.partitions.is_empty() {
        return Ok(all);
    }
    for topic in &args.topics {
        let count = all.iter().filter(|tp| *tp.topic == **topic).count();
        let missing = args
            .partitions
            .iter()
            .find(|number| usize::try_from(**number).is_ok_and(|number| number >= count));
        if let Some(number) = missing {
            return Err(Failure::runtime(format!("topic {topic} has no partition {number}: it has {count}")));
        }
    }
    Ok(all.into_iter().filter(|tp| args.partitions.contains(&tp.partition)).collect())
}

/// What happens beside the records.
struct News {
    events: Events,
    /// Partitions whose last commit failed for good, and why.
    failed: BTreeMap<TopicPartition, client::Error>,
}

impl News {
    /// Takes note of all that has happened.
    fn catch_up(&mut self) {
        while let Some(event) = self.events.try_next() {
            self.note(event);
        }
    }

    /// Says what nobody asked for: positions that moved by themselves.
    fn note(&mut self, event: Event) {
        match event {
            Event::Moved { ref cause, ref from, ref lost, .. }
                if lost.is_some() || (from.is_some() && !cause.is_start()) =>
            {
                log::say(&event.to_string());
            }
            Event::Committed { partition, .. } => _ = self.failed.remove(&partition),
            Event::CommitFailed { partition, error } => _ = self.failed.insert(partition, error),
            _ => {}
        }
    }

    /// What could not be committed is read again by whoever comes next: that is not what was asked for.
    fn judge(mut self) -> Result<(), Failure> {
        self.catch_up();
        match self.failed.into_values().next() {
            Some(error) => Err(Failure::runtime(format!("committing: {error}"))),
            None => Ok(()),
        }
    }
}

/// A read that is under way.
struct Reading {
    source: Source,
    news: News,
    reader: Reader,
    batches: BatchStream,
    lines: Lines,
    progress: Progress,
    /// Batches whose lines are not all written yet.
    unacked: Vec<Batch>,
    records: u64,
    /// Records that are still wanted.
    left: u64,
}

impl Reading {
    /// Prints until the end.
    async fn run(&mut self, sink: &mut Sink, stop: &mut Stop, until: Until) -> Result<(), Failure> {
        while self.left > 0 {
            if stop.is_requested() {
                return stopped(until);
            }
            let next = match self.batches.next().now_or_never() {
                Some(next) => next,
                // Nothing more is at hand: no line waits for what may never come.
                None => {
                    self.flush(sink)?;
                    let mut requested = pin!(stop.requested());
                    tokio::select! {
                        biased;
                        () = &mut requested => return stopped(until),
                        next = self.batches.next() => next,
                        () = self.reader.gone() => return Err(Failure::BrokenPipe),
                        Some(event) = self.news.events.next() => {
                            self.news.note(event);
                            continue;
                        }
                        () = due(&self.progress) => {
                            self.progress.tick(&self.source, self.records);
                            continue;
                        }
                    }
                }
            };
            match next {
                Some(batch) => self.print(sink, batch?)?,
                None => return Ok(()),
            }
            self.news.catch_up();
            self.progress.tick(&self.source, self.records);
        }
        Ok(())
    }

    fn print(&mut self, sink: &mut Sink, batch: Batch) -> Result<(), Failure> {
        if sink.is_terminal() {
            self.progress.hide();
        }
        let partition = batch.partition();
        self.lines.begin(&partition.topic, partition.partition, batch.decoded().header());
        let mut next = batch.offsets().start;
        for record in batch.records() {
            let record = match record {
                Ok(record) if self.left > 0 => record,
                // The rest of the batch is not wanted.
                Ok(record) => return self.print_part(sink, &batch, record.offset()),
                Err(error) => {
                    self.print_part(sink, &batch, next)?;
                    return Err(client::Error::corrupt(partition, next, error).into());
                }
            };
            self.lines.push(sink.buffer(), &record);
            sink.end_line().map_err(Failure::writing)?;
            next = record.offset().saturating_add(1);
            self.left -= 1;
            self.records += 1;
        }
        self.unacked.push(batch);
        if sink.end_batch().map_err(Failure::writing)? {
            self.ack();
        }
        Ok(())
    }

    /// Ends with a batch of which only what is below `end` was printed: the rest is neither acknowledged nor waited for.
    fn print_part(&mut self, sink: &mut Sink, batch: &Batch, end: i64) -> Result<(), Failure> {
        batch.abandon(end);
        self.flush(sink)?;
        batch.ack_range(batch.offsets().start..end);
        Ok(())
    }

    fn flush(&mut self, sink: &mut Sink) -> Result<(), Failure> {
        sink.flush().map_err(Failure::writing)?;
        self.ack();
        Ok(())
    }

    /// Everything is written. What became of an acknowledgement shows in the source's events.
    fn ack(&mut self) {
        for batch in self.unacked.drain(..) {
            batch.ack();
        }
    }

    /// Commits what was printed, leaves the group, and says how it went.
    async fn end(mut self, sink: &mut Sink, outcome: Result<(), Failure>) -> Result<(), Failure> {
        let written = self.flush(sink);
        let (outcome, is_all_acked) = match (outcome, written) {
            (Ok(()), Ok(())) => (Ok(()), true),
            (Err(failure), written) => (Err(failure), written.is_ok()),
            (Ok(()), Err(failure)) => (Err(failure), false),
        };
        // What could not be printed is not acknowledged, and never will be.
        let drained = self.source.drain(if is_all_acked { DRAIN } else { Duration::ZERO }).await;
        self.progress.finish(&self.source, self.records);
        outcome.and_then(|()| Ok(drained?)).and_then(|()| self.news.judge())
    }
}

async fn due(progress: &Progress) {
    match progress.due() {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// Longest wait for the last commit.
const DRAIN: Duration = Duration::from_secs(10);
