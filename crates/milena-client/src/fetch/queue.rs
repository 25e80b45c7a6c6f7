//! Fetched chunks on their way to whoever reads them, in the order they came.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::budget::Budget;
use crate::clock;
use crate::error::Error;
use crate::fetch::ahead::Ahead;
use crate::fetch::chunk::Chunk;
use crate::lease::Lease;

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
    chunks: VecDeque<Chunk>,
    errors: VecDeque<Error>,
    reader: Option<Waker>,
    closed: bool,
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
            chunk.lease.buffered(chunk.bytes);
            state.chunks.push_back(chunk);
        }
        state.wake();
    }

    /// Whether its reader has nothing left and waits for what comes next.
    pub(crate) fn is_awaited(&self) -> bool {
        let state = self.lock();
        state.chunks.is_empty() && state.reader.is_some()
    }

    /// Whether its reader waits, be it for what is paused or not to be handed out now.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.lock().reader.is_some()
    }

    /// Gives back the rest of a chunk that was begun: it is the next of its partition.
    pub(crate) fn push_front(&self, chunk: Chunk) {
        chunk.lease.buffered(chunk.bytes);
        self.lock().chunks.push_front(chunk);
    }

    /// Tells the reader of an error, ahead of everything that waits.
    pub(crate) fn push_error(&self, error: Error) {
        let mut state = self.lock();
        state.errors.push_back(error);
        state.wake();
    }

    /// Drops what no longer may be handed out, so that its memory is free before a reader comes by.
    pub(crate) fn sweep(&self) {
        let mut state = self.lock();
        let before = state.chunks.len();
        state.chunks.retain(|chunk| {
            let keep = chunk.lease.stamp().may_deliver();
            if !keep {
                chunk.lease.unbuffered(chunk.bytes);
            }
            keep
        });
        let dropped = before - state.chunks.len();
        self.counters.stale_chunks.fetch_add(dropped as u64, Ordering::Relaxed);
        state.wake();
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

    /// The next chunk that may be handed out. Those of paused partitions wait; stale ones are dropped and counted.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut state = self.lock();
        if let Some(error) = state.errors.pop_front() {
            return Poll::Ready(Next::Error(error));
        }
        if self.may_deliver() {
            let mut at = 0;
            while let Some(chunk) = state.chunks.get_mut(at) {
                if chunk.lease.stamp().may_deliver() && chunk.lease.is_held() {
                    chunk.runs.set_aside();
                    at += 1;
                    continue;
                }
                let Some(chunk) = state.chunks.remove(at) else { break };
                chunk.lease.unbuffered(chunk.bytes);
                self.budget.nudge();
                if self.admits(&chunk.lease, chunk.next) {
                    return Poll::Ready(Next::Chunk(chunk));
                }
            }
            if state.closed {
                return Poll::Ready(Next::Closed);
            }
        }
        state.reader = Some(cx.waker().clone());
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
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}
