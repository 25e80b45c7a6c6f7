//! Decoding ahead of the reader: checksums and decompression, on threads that neither read nor heartbeat.
//!
//! A chunk of compressed batches is cut into runs when it is queued. Runs are decoded in the order they will be read, by
//! Tokio's blocking threads, as many at a time as [`FetchConfigBuilder::decode_threads`] says and never further ahead of
//! the reader than a cache holds. A reader that comes to a run nobody has begun decodes it itself, and one that comes to a
//! run that is being decoded decodes the one after it meanwhile: nobody waits while there is work. Only a batch that is too
//! large for the reading task is always left to the others.
//!
//! What is decoded ahead is charged to the byte budget like everything else, and nothing is decoded ahead that the
//! budget has no room for. Order, positions and the commit gate are the reader's business alone: a run is a cache of
//! what it would have computed itself.
//!
//! [`FetchConfigBuilder::decode_threads`]: crate::config::FetchConfigBuilder::decode_threads

use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use records::{Batch, Batches, DecodeError, DecodedBatch, Decompressor};
use tokio::runtime::Handle;

use crate::budget::Budget;
use crate::fetch::chunk::Chunk;
use crate::lease::Lease;

/// Compressed bytes from which a run is long enough to be worth handing over.
const RUN_BYTES: usize = 64 << 10;
/// A batch larger than this is not decompressed by the reading task: it would hold up everything else on its thread.
const INLINE_BYTES_MAX: usize = 256 << 10;
/// Decompressed bytes ahead of the reader, per thread that decodes. More would only leave the cache again.
const WINDOW_BYTES: usize = 1 << 20;
/// How much larger records usually get: what is reckoned with before it is known.
const EXPECTED_RATIO: usize = 4;

/// The decoding threads of one queue. Clones share them.
#[derive(Clone)]
pub(crate) struct Ahead(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// What the others are made from: they share its buffers.
    model: Decompressor,
    budget: Budget,
    threads_max: usize,
    runtime: Option<Handle>,
}

#[derive(Default)]
struct State {
    /// In the order they will be read. A run that was read or dropped meanwhile is passed over.
    todo: VecDeque<Weak<Run>>,
    threads: usize,
    /// Decompressed bytes of runs that are being decoded, or are decoded and not read yet.
    ahead_bytes: usize,
    idle: Vec<Decompressor>,
}

/// Some batches of a chunk, one after the other, all of them compressed.
pub(crate) struct Run {
    lease: Lease,
    base_offsets: RangeInclusive<i64>,
    compressed_bytes: usize,
    /// Not for the reading task.
    is_large: bool,
    state: Mutex<RunState>,
}

enum RunState {
    /// Nobody has begun.
    Waiting(Vec<Batch>),
    /// A thread is at it. The reader may wait for it.
    Begun {
        reader: Option<Waker>,
    },
    Done(Done),
    /// The reader has it: what it has not got from here, it decodes itself.
    Gone,
}

/// What decoding a run came to, by the base offset of each batch.
struct Done {
    batches: VecDeque<(i64, Result<DecodedBatch, DecodeError>)>,
    window: Option<Window>,
}

/// Room in front of the reader; goes back when it is dropped.
struct Window {
    bytes: usize,
    of: Ahead,
}

/// The runs of a chunk, as its reader goes through them.
#[derive(Default)]
pub(crate) struct Runs {
    runs: VecDeque<Arc<Run>>,
    open: Option<Done>,
}

/// What the reader is to do about a batch.
pub(crate) enum Found {
    Decoded(Result<DecodedBatch, DecodeError>),
    /// Nobody has begun it.
    DecodeHere,
}

impl Ahead {
    /// Up to so many threads; with none, or outside of a Tokio runtime, the reader decodes everything.
    pub(crate) fn new(threads_max: usize, decompressed_bytes_max: usize, budget: Budget) -> Self {
        let runtime = Handle::try_current().ok();
        let threads_max = if runtime.is_some() { threads_max } else { 0 };
        let model = Decompressor::new().with_limit(decompressed_bytes_max);
        Self(Arc::new(Shared { state: Mutex::default(), model, budget, threads_max, runtime }))
    }

    /// One more decompressor on the same buffers.
    pub(crate) fn decompressor(&self) -> Decompressor {
        self.0.model.sibling()
    }

    /// Cuts a chunk into runs, if anything of it is compressed. They wait until [`begin`](Self::begin) is told of them.
    pub(crate) fn cut(&self, chunk: &mut Chunk) {
        if self.0.threads_max > 0 && chunk.compressed_bytes > 0 {
            chunk.runs = Runs::of(&chunk.lease, chunk.batches.clone());
        }
    }

    /// These runs will be read after all others.
    pub(crate) fn begin<'a>(&self, chunks: impl Iterator<Item = &'a Runs>) {
        let mut state = self.lock();
        while state.todo.front().is_some_and(|run| run.strong_count() == 0) {
            state.todo.pop_front();
        }
        for runs in chunks {
            state.todo.extend(runs.runs.iter().map(Arc::downgrade));
        }
        // A lone run is the reader's: it is decoded before a thread has woken up for it.
        if state.todo.len() > 1 {
            self.start(state);
        }
    }

    /// Starts one more thread if there is work, room, and a thread left.
    fn start(&self, mut state: MutexGuard<'_, State>) {
        let shared = &self.0;
        if state.threads >= shared.threads_max || state.todo.is_empty() || !self.has_room(&state) {
            return;
        }
        let Some(runtime) = &shared.runtime else { return };
        state.threads += 1;
        drop(state);
        let thread = Thread { of: self.clone() };
        runtime.spawn_blocking(move || thread.run());
    }

    fn window_bytes(&self) -> usize {
        WINDOW_BYTES * (self.0.threads_max + 1)
    }

    fn has_room(&self, state: &State) -> bool {
        state.ahead_bytes < self.window_bytes()
    }

    /// The next run to decode, and the room for it.
    fn claim(&self, state: &mut State, by: Decoder) -> Option<Claim> {
        while self.has_room(state) {
            let run = state.todo.front()?.upgrade();
            let bytes = run.as_ref().map_or(0, |run| run.compressed_bytes.saturating_mul(EXPECTED_RATIO));
            if let Some(run) = &run
                && (self.0.budget.available() < bytes || (run.is_large && by == Decoder::Reader))
            {
                return None;
            }
            state.todo.pop_front();
            // What is held may not be read for long; what is stale, never.
            let Some(run) = run.filter(|run| run.lease.stamp().may_deliver() && !run.lease.is_held()) else {
                continue;
            };
            let Some(batches) = run.begin() else { continue };
            state.ahead_bytes += bytes;
            return Some(Claim { run, batches, window: Some(Window { bytes, of: self.clone() }) });
        }
        None
    }

    /// Decodes one run, if there is one to decode. For a reader that would have to wait.
    fn help(&self, decompressor: &mut Decompressor) -> bool {
        let claim = self.claim(&mut self.lock(), Decoder::Reader);
        match claim {
            Some(claim) => {
                claim.decode(decompressor, &self.0.budget);
                true
            }
            None => false,
        }
    }

    /// The reader waits for this one, room or not.
    fn demand(&self, run: &Arc<Run>) {
        let Some(batches) = run.begin() else { return };
        let claim = Claim { run: run.clone(), batches, window: None };
        let Some(runtime) = &self.0.runtime else { return };
        let of = self.clone();
        runtime.spawn_blocking(move || {
            let mut decompressor = of.idle_decompressor();
            claim.decode(&mut decompressor, &of.0.budget);
            of.lock().idle.push(decompressor);
        });
    }

    /// One whose contexts are warm, if there is one.
    fn idle_decompressor(&self) -> Decompressor {
        let idle = self.lock().idle.pop();
        idle.unwrap_or_else(|| self.decompressor())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who decodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decoder {
    Reader,
    Thread,
}

/// One stay of one decoding thread: it goes when there is no work or no room.
struct Thread {
    of: Ahead,
}

impl Thread {
    fn run(self) {
        let mut decompressor = self.of.idle_decompressor();
        loop {
            let mut state = self.of.lock();
            let Some(claim) = self.of.claim(&mut state, Decoder::Thread) else {
                // Under the same lock as the look for work: whoever brings some after it sees that this thread is gone.
                state.idle.push(decompressor);
                return;
            };
            drop(state);
            claim.decode(&mut decompressor, &self.of.0.budget);
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.of.lock().threads -= 1;
    }
}

/// A run that is being decoded. If that comes to nothing, the reader decodes it.
struct Claim {
    run: Arc<Run>,
    batches: Vec<Batch>,
    window: Option<Window>,
}

impl Claim {
    fn decode(mut self, decompressor: &mut Decompressor, budget: &Budget) {
        let mut decoded = VecDeque::with_capacity(self.batches.len());
        for batch in std::mem::take(&mut self.batches) {
            let result = batch.decode_with(decompressor, |bytes| budget.take(bytes));
            let failed = result.is_err();
            decoded.push_back((batch.base_offset(), result));
            if failed || !self.run.lease.stamp().may_deliver() {
                break;
            }
        }
        let window = self.window.take();
        self.run.finish(RunState::Done(Done { batches: decoded, window }));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.run.finish(RunState::Gone);
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let mut state = self.of.lock();
        state.ahead_bytes -= self.bytes;
        // Not for each small step of the reader: a thread that wakes up shall find work for a while.
        if state.ahead_bytes <= self.of.window_bytes() / 2 {
            self.of.start(state);
        }
    }
}

impl Run {
    fn lock(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Option<Vec<Batch>> {
        let mut state = self.lock();
        let RunState::Waiting(batches) = &mut *state else { return None };
        let batches = std::mem::take(batches);
        *state = RunState::Begun { reader: None };
        Some(batches)
    }

    /// Ends what was begun. Does nothing the second time.
    fn finish(&self, end: RunState) {
        let mut state = self.lock();
        if let RunState::Begun { reader } = &mut *state {
            let reader = reader.take();
            *state = end;
            drop(state);
            if let Some(reader) = reader {
                reader.wake();
            }
        }
    }
}

impl Runs {
    fn of(lease: &Lease, batches: Batches) -> Self {
        let mut runs = VecDeque::new();
        let (mut open, mut bytes) = (Vec::new(), 0);
        let mut close = |open: &mut Vec<Batch>, bytes: &mut usize| {
            let (Some(first), Some(last)) = (open.first(), open.last()) else { return };
            let compressed_bytes = std::mem::take(bytes);
            runs.push_back(Arc::new(Run {
                lease: lease.clone(),
                base_offsets: first.base_offset()..=last.base_offset(),
                compressed_bytes,
                is_large: open.len() == 1 && compressed_bytes > INLINE_BYTES_MAX,
                state: Mutex::new(RunState::Waiting(std::mem::take(open))),
            }));
        };
        // Whatever ends the walk early, the reader comes upon it, too.
        for batch in batches.map_while(Result::ok) {
            if !batch.is_compressed() || batch.is_control() {
                continue;
            }
            let size = batch.bytes().len();
            // Large ones alone: what the reader may decode itself must not hang on one that it may not.
            if size > INLINE_BYTES_MAX {
                close(&mut open, &mut bytes);
            }
            bytes += size;
            open.push(batch);
            if bytes >= RUN_BYTES {
                close(&mut open, &mut bytes);
            }
        }
        close(&mut open, &mut bytes);
        Self { runs, open: None }
    }

    /// What is to be done about that batch: the next one, or one after it. Waits for a thread that is at it.
    pub(crate) fn poll_find(
        &mut self,
        cx: &mut Context<'_>,
        ahead: &Ahead,
        decompressor: &mut Decompressor,
        batch: &Batch,
    ) -> Poll<Found> {
        let base_offset = batch.base_offset();
        if let Some(decoded) = self.take_open(base_offset) {
            return Poll::Ready(Found::Decoded(decoded));
        }
        while self.runs.front().is_some_and(|run| *run.base_offsets.end() < base_offset) {
            self.runs.pop_front();
        }
        let Some(run) = self.runs.front().filter(|run| run.base_offsets.contains(&base_offset)) else {
            return Poll::Ready(Found::DecodeHere);
        };
        loop {
            let mut state = run.lock();
            match &mut *state {
                RunState::Waiting(_) if run.is_large => {
                    drop(state);
                    ahead.demand(run);
                }
                RunState::Begun { reader } => {
                    *reader = Some(cx.waker().clone());
                    drop(state);
                    if !ahead.help(decompressor) {
                        return Poll::Pending;
                    }
                }
                RunState::Waiting(_) | RunState::Gone => {
                    *state = RunState::Gone;
                    return Poll::Ready(Found::DecodeHere);
                }
                RunState::Done(_) => {
                    let RunState::Done(done) = std::mem::replace(&mut *state, RunState::Gone) else {
                        continue;
                    };
                    drop(state);
                    self.runs.pop_front();
                    self.open = Some(done);
                    let decoded = self.take_open(base_offset);
                    return Poll::Ready(decoded.map_or(Found::DecodeHere, Found::Decoded));
                }
            }
        }
    }

    /// That batch of the run that was opened last, if it is decoded.
    fn take_open(&mut self, base_offset: i64) -> Option<Result<DecodedBatch, DecodeError>> {
        let batches = &mut self.open.as_mut()?.batches;
        // Those the reader has no use for: of aborted transactions, or before its position.
        while batches.front().is_some_and(|(at, _)| *at < base_offset) {
            batches.pop_front();
        }
        let found = batches.front().is_some_and(|(at, _)| *at == base_offset);
        let decoded = if found { batches.pop_front().map(|(_, decoded)| decoded) } else { None };
        if batches.is_empty() {
            self.open = None;
        }
        decoded
    }

    /// The chunk is not going to be read for now: it takes no room from those that are.
    pub(crate) fn set_aside(&mut self) {
        drop(self.open.as_mut().and_then(|open| open.window.take()));
        for run in &self.runs {
            let window = match &mut *run.lock() {
                RunState::Done(done) => done.window.take(),
                _ => None,
            };
            drop(window);
        }
    }
}

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Ahead")
            .field("todo", &state.todo.len())
            .field("threads", &state.threads)
            .field("bytes", &state.ahead_bytes)
            .finish()
    }
}

#[cfg(test)]
mod tests;
