//! Fetched chunks on their way to whoever reads them, in the order they came.
//!
//! There is one reader of everything, or, once the queue is [split](Queue::split), one for each assignment of a partition.
//! Nobody reads another one's chunks then, so none waits for another; what holds a partition that is read slowly is its share
//! of the byte budget, as ever.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use proto::types::TopicPartition;

use crate::budget::Budget;
use crate::clock;
use crate::error::Error;
use crate::fetch::ahead::Ahead;
use crate::fetch::chunk::Chunk;
use crate::lease::{Lease, Tenure};

/// The queue of one reader. It has no bound of its own: every chunk in it holds credits of the byte budget, and no
/// fetch leaves without credits.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// What the session deadline counts from.
    born: Instant,
    /// Nothing is handed out after this many milliseconds since `born`: a member that slept through its session must
    /// first hear from the coordinator that it still is one.
    deliver_until_ms: AtomicU64,
    /// Told when a chunk is taken out: its partition may be fetched again.
    budget: Budget,
    pub(crate) ahead: Ahead,
    pub(crate) counters: Counters,
}

#[derive(Debug, Default)]
struct State {
    /// What the reader of everything gets; once the queue is split, what concerns no partition that has a reader.
    all: Part,
    /// Once the queue is split: what waits for whom, by the id of the assignment.
    parts: Option<BTreeMap<u64, Part>>,
    closed: bool,
}

/// What waits for one reader.
#[derive(Debug, Default)]
struct Part {
    /// The one assignment that it is for; `None` if it is for all.
    of: Option<(TopicPartition, Tenure)>,
    chunks: VecDeque<Chunk>,
    errors: VecDeque<Error>,
    reader: Option<Waker>,
}

/// What became of the chunks.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Chunks dropped because their assignment epoch had ended or was being given up.
    pub(crate) stale_chunks: AtomicU64,
    /// Chunks dropped because they did not begin where the last one ended.
    pub(crate) discontinuous_chunks: AtomicU64,
    /// Offsets passed over because they hold nothing to deliver, so many times.
    pub(crate) passed: AtomicU64,
    pub(crate) delivered_batches: AtomicU64,
    pub(crate) delivered_bytes: AtomicU64,
}

/// What a reader gets.
#[allow(clippy::large_enum_variant)] // Taken apart where it is made: a box would be an allocation for each chunk.
pub(crate) enum Next {
    Chunk(Chunk),
    Error(Error),
    /// Nothing more will come.
    Closed,
}

impl Queue {
    pub(crate) fn new(budget: Budget, ahead: Ahead) -> Self {
        Self {
            budget,
            ahead,
            state: Mutex::default(),
            born: clock::now(),
            deliver_until_ms: AtomicU64::new(u64::MAX),
            counters: Counters::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way; a poisoned lock only says that some reader did, elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds chunks behind the others.
    pub(crate) fn push(&self, mut chunks: Vec<Chunk>) {
        for chunk in &mut chunks {
            self.ahead.cut(chunk);
        }
        self.ahead.begin(chunks.iter().map(|chunk| &chunk.runs));
        let mut state = self.lock();
        for chunk in chunks {
            let Some(part) = state.part(&chunk.lease) else {
                self.counters.stale_chunks.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            chunk.lease.buffered(chunk.bytes);
            part.chunks.push_back(chunk);
            part.wake();
        }
    }

    /// Whether this chunk, of an answer that holds so many bytes, is to be copied out of it before it is pushed.
    ///
    /// Once the queue is split, one reader may not come by for long. What waits for it must hold no more of the budget than its
    /// partition's share, and not the whole answers in which little of it came: others would starve.
    pub(crate) fn wants_alone(&self, chunk: &Chunk, answer_bytes: usize) -> bool {
        let mut state = self.lock();
        if state.parts.is_none() || chunk.bytes >= answer_bytes / 4 * 3 {
            return false;
        }
        state.part(&chunk.lease).is_some_and(|part| !part.is_awaited())
    }

    /// Whether its reader has nothing left and waits for what comes next.
    pub(crate) fn is_awaited(&self) -> bool {
        self.lock().all_readers(Part::is_awaited)
    }

    /// Whether its reader waits, be it for what is paused or not to be handed out now.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.lock().all_readers(|part| part.reader.is_some())
    }

    /// Gives back the rest of a chunk that was begun: it is the next of its partition.
    pub(crate) fn push_front(&self, chunk: Chunk) {
        let mut state = self.lock();
        if let Some(part) = state.part(&chunk.lease) {
            chunk.lease.buffered(chunk.bytes);
            part.chunks.push_front(chunk);
        }
    }

    /// Tells the reader of an error, ahead of everything that waits: the one whose partition it is about, if there is one.
    pub(crate) fn push_error(&self, error: Error) {
        let mut state = self.lock();
        let partition = error.topic_partition();
        let State { all, parts, .. } = &mut *state;
        let of_it = |part: &&mut Part| part.of.as_ref().is_some_and(|(of, _)| Some(of) == partition.as_ref());
        let part = parts.iter_mut().flat_map(BTreeMap::values_mut).find(of_it).unwrap_or(all);
        part.errors.push_back(error);
        part.wake();
    }

    /// From here on there is a reader for each assignment of a partition.
    pub(crate) fn split(&self) {
        let mut state = self.lock();
        state.parts.get_or_insert_default();
        for chunk in std::mem::take(&mut state.all.chunks) {
            if let Some(part) = state.part(&chunk.lease) {
                part.chunks.push_back(chunk);
            } else {
                chunk.lease.unbuffered(chunk.bytes);
            }
        }
    }

    /// An assignment has a reader from here on.
    pub(crate) fn enter(&self, partition: &TopicPartition, tenure: &Tenure) {
        let mut state = self.lock();
        if let Some(parts) = &mut state.parts {
            Part::of(parts, partition, tenure);
        }
    }

    /// The reader of an assignment has gone: nothing waits for it any more.
    pub(crate) fn leave(&self, tenure: &Tenure) {
        let mut state = self.lock();
        let left = state.parts.as_mut().and_then(|parts| parts.remove(&tenure.id()));
        for chunk in left.into_iter().flat_map(|part| part.chunks) {
            chunk.lease.unbuffered(chunk.bytes);
        }
        state.wake();
    }

    /// Ready with errors that are about none of the partitions that have readers, and at the end.
    pub(crate) fn poll_rest(&self, cx: &mut Context<'_>) -> Poll<Option<Error>> {
        let mut state = self.lock();
        if let Some(error) = state.all.errors.pop_front() {
            return Poll::Ready(Some(error));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.all.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// When the first of what waits was written, by assignment epoch.
    pub(crate) fn first_times(&self) -> BTreeMap<u64, i64> {
        let mut state = self.lock();
        let State { all, parts, .. } = &mut *state;
        let parts = parts.iter_mut().flat_map(BTreeMap::values_mut).chain([all]);
        let mut times = BTreeMap::new();
        for chunk in parts.flat_map(|part| &mut part.chunks) {
            let first = times.entry(chunk.lease.epoch().0).or_insert(None);
            if first.is_none() {
                *first = Some(chunk.peek_ms());
            }
        }
        times.into_iter().filter_map(|(epoch, ms)| Some((epoch, ms??))).collect()
    }

    /// Drops what no longer may be handed out, so that its memory is free before a reader comes by.
    pub(crate) fn sweep(&self) {
        let mut state = self.lock();
        let State { all, parts, .. } = &mut *state;
        let mut dropped = 0;
        for part in parts.iter_mut().flat_map(BTreeMap::values_mut).chain([all]) {
            part.chunks.retain(|chunk| {
                let keep = chunk.lease.stamp().may_deliver();
                if !keep {
                    dropped += 1;
                    chunk.lease.unbuffered(chunk.bytes);
                }
                keep
            });
        }
        self.counters.stale_chunks.fetch_add(dropped, Ordering::Relaxed);
        state.wake();
        // Their readers are woken, and find nothing.
        let is_over = |part: &Part| part.of.as_ref().is_some_and(|(_, tenure)| tenure.is_over());
        if let Some(parts) = &mut state.parts {
            parts.retain(|_, part| !(is_over(part) && part.chunks.is_empty()));
        }
    }

    /// Ends the queue: the reader gets what is there, then the end.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.wake();
    }

    /// Wakes the reader: something it looks at beside the queue has changed.
    pub(crate) fn wake(&self) {
        self.lock().wake();
    }

    /// Sets the time after which nothing is handed out.
    pub(crate) fn deliver_until(&self, deadline: Option<Instant>) {
        let ms = deadline.map_or(u64::MAX, |deadline| {
            u64::try_from(deadline.saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX)
        });
        let before = self.deliver_until_ms.swap(ms, Ordering::AcqRel);
        if before != ms && before != u64::MAX {
            self.wake();
        }
    }

    /// Whether records may be handed out now.
    pub(crate) fn may_deliver(&self) -> bool {
        let until = self.deliver_until_ms.load(Ordering::Acquire);
        until == u64::MAX || clock::now().saturating_duration_since(self.born).as_millis() < u128::from(until)
    }

    /// The next chunk that may be handed out, of one assignment or of all. Those of paused partitions wait; stale ones are
    /// dropped and counted.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>, of: Option<&Tenure>) -> Poll<Next> {
        let mut state = self.lock();
        let State { all, parts, closed } = &mut *state;
        let part = match of {
            None => all,
            // Its end is seen under the lock under which it is woken.
            Some(tenure) if tenure.is_over() => return Poll::Ready(Next::Closed),
            Some(tenure) => match parts.as_mut().and_then(|parts| parts.get_mut(&tenure.id())) {
                Some(part) => part,
                None => return Poll::Ready(Next::Closed),
            },
        };
        if let Some(error) = part.errors.pop_front() {
            return Poll::Ready(Next::Error(error));
        }
        if self.may_deliver() {
            let mut at = 0;
            while let Some(chunk) = part.chunks.get_mut(at) {
                if chunk.lease.stamp().may_deliver() && chunk.lease.is_held() {
                    chunk.runs.set_aside();
                    at += 1;
                    continue;
                }
                let Some(chunk) = part.chunks.remove(at) else { break };
                chunk.lease.unbuffered(chunk.bytes);
                self.budget.nudge();
                if self.admits(&chunk.lease, chunk.next) {
                    return Poll::Ready(Next::Chunk(chunk));
                }
            }
            if *closed {
                return Poll::Ready(Next::Closed);
            }
        }
        part.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The filter: the one atomic load that tells whether the epoch still holds, and that nothing is missing before.
    fn admits(&self, lease: &Lease, from: i64) -> bool {
        if !lease.stamp().may_deliver() {
            self.counters.stale_chunks.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        if lease.position() != Some(from) {
            self.counters.discontinuous_chunks.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        true
    }
}

impl State {
    /// Where a chunk read under this lease is to wait; `None` if nobody is going to read it.
    fn part(&mut self, lease: &Lease) -> Option<&mut Part> {
        match &mut self.parts {
            None => Some(&mut self.all),
            Some(_) if lease.tenure().is_over() => None,
            Some(parts) => Some(Part::of(parts, lease.partition(), lease.tenure())),
        }
    }

    /// Whether `test` holds for the reader, or for each of them where there is one for each partition.
    fn all_readers(&self, test: impl Fn(&Part) -> bool) -> bool {
        let mut parts = self.parts.iter().flat_map(BTreeMap::values).peekable();
        if parts.peek().is_none() { test(&self.all) } else { parts.all(test) }
    }

    fn wake(&mut self) {
        self.all.wake();
        for part in self.parts.iter_mut().flat_map(BTreeMap::values_mut) {
            part.wake();
        }
    }
}

impl Part {
    fn of<'a>(
        parts: &'a mut BTreeMap<u64, Self>,
        partition: &TopicPartition,
        tenure: &Tenure,
    ) -> &'a mut Self {
        parts
            .entry(tenure.id())
            .or_insert_with(|| Self { of: Some((partition.clone(), tenure.clone())), ..Self::default() })
    }

    fn is_awaited(&self) -> bool {
        self.chunks.is_empty() && self.reader.is_some()
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}
