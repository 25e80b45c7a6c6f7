//! What a fetch brought, carried out: chunks into the queue, positions forward, troubles to whom they concern.

use std::time::{Duration, Instant};

use proto::fetch::{Answer, AnsweredPartition, Fetched, LogEnds as FetchedEnds, PartitionOutcome, judge};
use proto::position::Replica;
use proto::types::{BrokerId, TopicPartition};
use proto::wire::{ErrorCode, NodeEndpoint};

use crate::consumer::Event;
use crate::consumer::outage::Subject;
use crate::error::{Error, ErrorKind, Origin};
use crate::fetch::chunk::Chunk;
use crate::fetch::table::{Entry, Feed, Silence, Table};
use crate::fetch::{LogEnds, Shared};

/// What an answer came to, for the pace of the next request.
#[derive(Default)]
pub(super) struct Applied {
    /// Some partition moved forward, or the answer is an honest "nothing new".
    pub(super) progress: bool,
    /// There was nothing at all in the answer: every partition is as it was.
    pub(super) empty: bool,
    /// Records came.
    pub(super) brought: bool,
    /// The answer had more than half of the bytes that there was room for: there is more, surely or nearly so.
    pub(super) filled: bool,
    /// Nothing moved, and not for want of records.
    pub(super) pause: bool,
    /// Metadata is out of date.
    pub(super) refresh: bool,
    /// A partition is fetched from another broker from here on, which may have no task yet.
    pub(super) redirected: bool,
}

/// What passes by itself most of the time is told when it comes so often in a row.
pub(super) const TOLD_FROM: u32 = 2;
/// An error that somebody has to do something about is tried again this much later.
const LEISURE: Duration = Duration::from_secs(1);

/// Whose answer it is, and where it says that leaders are.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) origin: &'a Origin,
    pub(super) endpoints: &'a [NodeEndpoint],
}

/// Carries out an answer. There was `room` for so many bytes in it, and it holds so many of the budget.
pub(super) fn apply(
    shared: &Shared,
    now: Instant,
    feed: Feed,
    room: usize,
    held: usize,
    answer: Answer<'_>,
    from: Source<'_>,
) -> Applied {
    let broker = feed.broker;
    let mut applied = Applied { progress: true, ..Applied::default() };
    shared.events.works(|| Subject::Broker(broker));
    let mut chunks = Vec::new();
    let mut events = Vec::new();
    let mut hints = Vec::new();
    let mut table = shared.table();
    let brought: usize = answer.partitions.iter().map(|partition| partition.answer.records.len()).sum();
    applied.empty = answer.partitions.is_empty() && answer.missing.is_empty();
    if !answer.missing.is_empty() {
        applied.pause = true;
        applied.progress = false;
    }
    for AnsweredPartition { tp, stamp, answer } in answer.partitions {
        // The partition may be in another epoch by now: what was asked for is no longer wanted.
        let Some(entry) = table.touch(&tp, stamp.epoch) else { continue };
        let outcome = judge(&stamp, answer);
        let mut partition = PartitionAnswer {
            shared,
            now,
            broker,
            origin: from.origin,
            tp: &tp,
            entry,
            applied: &mut applied,
        };
        match outcome {
            PartitionOutcome::Data(fetched) => chunks.extend(partition.data(fetched)),
            PartitionOutcome::Empty(log) => partition.log(log),
            PartitionOutcome::TooLarge { size } => events.extend(partition.too_large(size)),
            PartitionOutcome::Diverging(end) => {
                partition.entry.position.handle_diverging(now, stamp.offset, end)
            }
            PartitionOutcome::OutOfRange { log_start_offset } => {
                partition.out_of_range(stamp.offset, log_start_offset)
            }
            PartitionOutcome::NotLeader { leader } | PartitionOutcome::Fenced { leader } => {
                hints.extend(leader.map(|leader| (tp.clone(), leader)));
                events.extend(partition.retry(answer.error));
            }
            PartitionOutcome::UnknownTopicId => events.extend(partition.retry(answer.error)),
            PartitionOutcome::PreferredReplica(replica) => partition.preferred(replica),
            PartitionOutcome::Retry { error } => events.extend(partition.retry(error)),
            PartitionOutcome::Fatal { error } => events.push(partition.fatal(error)),
            PartitionOutcome::Malformed { offset, error } => {
                let error = Error::new(ErrorKind::CorruptBatch).source(error).at(&tp).offset(offset);
                let error = error.of_answer(from.origin);
                events.push(malformed(&mut table, now, &tp, stamp.epoch, offset, error));
                applied.progress = false;
            }
        }
    }
    applied.filled = brought > room / 2;
    if brought < room / 2 {
        let silent = table.count_silence(now, feed, shared.is_committed_only());
        events.extend(silent.into_iter().map(|silent| silence(silent, from.origin)));
    }
    shared.settle(table);
    for (tp, leader) in hints {
        shared.client.metadata().hint(&tp, leader, from.endpoints);
    }
    for event in events {
        if let Event::Stuck { error, .. } = &event {
            shared.queue.push_error(error.clone());
        }
        shared.events.send(event);
    }
    applied.brought = !chunks.is_empty();
    if applied.brought {
        for chunk in &mut chunks {
            if shared.queue.wants_alone(chunk, held) {
                chunk.detach(&shared.inner().dialer.pool, &shared.budget);
            }
        }
        shared.queue.push(chunks);
    }
    applied
}

/// One partition's part of an answer.
struct PartitionAnswer<'a> {
    shared: &'a Shared,
    now: Instant,
    broker: BrokerId,
    origin: &'a Origin,
    tp: &'a TopicPartition,
    entry: &'a mut Entry,
    applied: &'a mut Applied,
}

impl PartitionAnswer<'_> {
    /// Records, unless the position has moved since they were asked for.
    fn data(&mut self, fetched: Fetched) -> Option<Chunk> {
        let Self { entry, .. } = self;
        entry.replica.handle_progress();
        self.shared.events.works(|| Subject::Partition(self.tp.clone()));
        if !entry.position.handle_delivered(fetched.from, fetched.next_offset, fetched.leader_epoch) {
            return None;
        }
        let log = ends(fetched.log);
        entry.log = Some(log);
        let usual = i32::try_from(self.shared.config.max_partition_bytes()).unwrap_or(i32::MAX);
        entry.max_bytes = whole_batches(fetched.next_batch_bytes, entry.max_bytes, usual);
        entry.not_before = None;
        entry.refused = 0;
        entry.backoff.reset();
        let chunk = Chunk::new(entry.lease.clone(), fetched, self.shared.is_committed_only(), log);
        Some(chunk.of_answer(self.origin.clone()))
    }

    fn log(&mut self, log: FetchedEnds) {
        self.entry.log = Some(ends(log));
        self.entry.not_before = None;
        self.entry.refused = 0;
        self.entry.replica.handle_progress();
    }

    /// The next batch did not fit. Kafka's brokers send it whole all the same (KIP-74); others have to be asked for more.
    fn too_large(&mut self, size: Option<usize>) -> Option<Event> {
        let config = &self.shared.config;
        let asked = match self.entry.max_bytes {
            0 => i32::try_from(config.max_partition_bytes()).unwrap_or(i32::MAX),
            bytes => bytes,
        };
        let wanted = size.and_then(|size| i32::try_from(size).ok()).unwrap_or(asked.saturating_mul(2));
        let most = i32::try_from(config.max_frame_bytes()).unwrap_or(i32::MAX);
        if wanted <= most {
            self.entry.max_bytes = wanted.max(asked);
            self.entry.refused = self.entry.refused.saturating_add(1);
            if self.entry.refused < TOLD_FROM {
                return None;
            }
            // It was asked for whole, and was cut off again: so it may be the next time.
            self.entry.not_before = Some(self.now + self.entry.backoff.next_delay());
            let error = Error::new(ErrorKind::Malformed)
                .message(format!("the answer ends within the next batch; {asked} bytes were asked for"))
                .at(self.tp)
                .of_answer(self.origin)
                .doing("fetching");
            return Some(Event::Trouble { error });
        }
        self.entry.not_before = Some(self.now + LEISURE);
        let error = Error::new(ErrorKind::TooLarge)
            .message(format!("the next batch has {wanted} bytes; an answer may have {most}"))
            .at(self.tp)
            .of_answer(self.origin);
        Some(Event::Stuck { partition: self.tp.clone(), error })
    }

    fn out_of_range(&mut self, asked: i64, log_start: i64) {
        let from = if self.entry.leader == Some(self.broker) { Replica::Leader } else { Replica::Follower };
        if from == Replica::Follower {
            // A follower may be behind, or its log shorter: only the leader knows (KIP-392).
            self.entry.replica.handle_failure();
        }
        if self.entry.lease.position().is_some_and(|at| at < asked) {
            // A move would throw away what waits to be handed out, and what is below the start of the log cannot be
            // fetched again: the reader comes to the gap first.
            self.entry.not_before = Some(self.now + self.entry.backoff.next_delay());
            return;
        }
        self.entry.position.handle_out_of_range(self.now, asked, from, log_start);
    }

    fn preferred(&mut self, replica: BrokerId) {
        let leader = self.entry.leader.unwrap_or(self.broker);
        // KIP-392: then the leader is asked again. Java's SubscriptionState reckons with the age of metadata, too.
        let lease = self.shared.client.config().metadata_max_age();
        // A replica that nobody knows would not be asked by anybody, for as long as that lasts.
        let is_known = self.shared.client.metadata().view(|view| view.broker(replica).is_some());
        let followed =
            is_known && self.entry.replica.handle_preferred(self.now, self.broker, leader, replica, lease);
        tracing::debug!(target: "milena::fetch", partition = %self.tp, %leader, %replica, followed, "preferred replica");
        self.applied.redirected |= followed;
        if !followed {
            self.entry.not_before = Some(self.now + self.entry.backoff.next_delay());
        }
    }

    /// Told from the second time on: a leader that has moved is nothing to speak of.
    fn retry(&mut self, error: ErrorCode) -> Option<Event> {
        self.entry.replica.handle_failure();
        self.entry.not_before = Some(self.now + self.entry.backoff.next_delay());
        self.applied.refresh = true;
        tracing::debug!(target: "milena::fetch", partition = %self.tp, %error, "refused, trying again");
        self.entry.refused = self.entry.refused.saturating_add(1);
        let error = Error::broker(error).at(self.tp).of_answer(self.origin).doing("fetching");
        (self.entry.refused >= TOLD_FROM).then_some(Event::Trouble { error })
    }

    fn fatal(&mut self, error: ErrorCode) -> Event {
        self.entry.not_before = Some(self.now + LEISURE);
        self.applied.refresh = true;
        let error = Error::broker(error).at(self.tp).of_answer(self.origin).doing("fetching");
        Event::Trouble { error }
    }
}

fn silence(Silence { partition, offset, end }: Silence, origin: &Origin) -> Event {
    let error = Error::new(ErrorKind::CorruptBatch)
        .message(format!("the log goes on to {end}, says its broker, and sends nothing of that"))
        .at(&partition)
        .offset(offset)
        .of_answer(origin);
    Event::Trouble { error }
}

fn malformed(
    table: &mut Table,
    now: Instant,
    tp: &TopicPartition,
    epoch: proto::types::AssignmentEpoch,
    offset: i64,
    error: Error,
) -> Event {
    let lease = table.entry_in(tp, epoch).map(|entry| entry.lease.clone());
    let given_up = lease.is_some_and(|lease| table.corrupt(now, &lease, offset));
    match given_up {
        true => Event::Stuck { partition: tp.clone(), error },
        false => Event::Trouble { error },
    }
}

/// Bytes to ask of a partition. A broker cuts its answer off in the middle of a batch, which it sends again whole in the
/// next one: half a batch a fetch, where batches are of random size, but up to a whole one where all have the same. So
/// as many are asked for as fit, on the guess that they are as large as the next one.
fn whole_batches(next_batch: Option<usize>, asked: i32, usual: i32) -> i32 {
    match next_batch.map(|bytes| i32::try_from(bytes).unwrap_or(i32::MAX)) {
        Some(bytes) if (1..=usual).contains(&bytes) => usual / bytes * bytes,
        // Larger than what is usual: it comes all the same, alone (KIP-74).
        Some(_) => 0,
        // Not cut off: the guess was good.
        None if asked <= usual => asked,
        None => 0,
    }
}

fn ends(log: FetchedEnds) -> LogEnds {
    LogEnds {
        log_start_offset: log.log_start_offset,
        high_watermark: log.high_watermark,
        last_stable_offset: log.last_stable_offset,
    }
}

#[cfg(test)]
mod tests {
    use super::whole_batches;

    #[test]
    fn as_many_batches_are_asked_for_as_fit() {
        for (next_batch, asked, wanted) in [
            (None, 0, 0),
            (Some(300), 0, 900),
            (Some(300), 800, 900),
            (None, 900, 900),
            (Some(1000), 900, 1000),
            (Some(1001), 900, 0),
            (Some(0), 900, 0),
            (Some(usize::MAX), 900, 0),
            // A batch that had to be asked for by its size has come.
            (None, 5000, 0),
        ] {
            assert_eq!(whole_batches(next_batch, asked, 1000), wanted, "{next_batch:?} after {asked}");
        }
    }
}
