//! The reading end: from chunks to decoded batches, in the task of whoever reads.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use proto::offsets::Undeliverable;
use proto::types::LeaderEpoch;
use records::{Batch, DecodeError, DecodedBatch, Decompressor, Verdict};

use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::fetch::ahead::Found;
use crate::fetch::chunk::{Chunk, FetchedBatch};
use crate::fetch::queue::{Counters, Next, Queue};
use crate::lease::{Lease, Tenure};

/// Turns chunks into batches. There is one for each queue, or one for each assignment of a partition.
pub(crate) struct Reader {
    queue: Arc<Queue>,
    /// The one assignment that it reads; `None` if it reads all there is.
    of: Option<Tenure>,
    open: Option<Chunk>,
    decompressor: Decompressor,
    budget: Budget,
}

/// What a [`Reader`] comes upon.
pub(crate) enum Read {
    Batch(FetchedBatch),
    /// A batch that cannot be read. Nothing after it is handed out until it can, or the partition is moved past it.
    Corrupt {
        lease: Lease,
        offset: i64,
        /// Names whose answer it was, and the partition.
        error: Error,
    },
}

impl Reader {
    pub(crate) fn new(queue: Arc<Queue>, budget: Budget) -> Self {
        let decompressor = queue.ahead.decompressor();
        Self { queue, of: None, open: None, decompressor, budget }
    }

    /// Reads one partition, until it is being given up.
    pub(crate) fn of(queue: Arc<Queue>, tenure: Tenure, budget: Budget) -> Self {
        Self { of: Some(tenure), ..Self::new(queue, budget) }
    }

    /// What others can be made from.
    pub(crate) fn into_parts(self) -> (Arc<Queue>, Budget) {
        // What it has open would be lost with it.
        if let Some(chunk) = self.open {
            self.queue.push_front(chunk);
        }
        (self.queue, self.budget)
    }

    /// The next batch with records in it; `None` at the end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Read>>> {
        loop {
            if let Some(mut chunk) = self.open.take() {
                if chunk.lease.is_held() || !self.queue.may_deliver() {
                    self.queue.push_front(chunk);
                } else {
                    match self.read(cx, &mut chunk) {
                        Step::Batch(batch) => {
                            self.open = Some(chunk);
                            return Poll::Ready(Some(Ok(Read::Batch(batch))));
                        }
                        Step::Again => self.open = Some(chunk),
                        Step::Wait => {
                            self.open = Some(chunk);
                            return Poll::Pending;
                        }
                        Step::End => {}
                        Step::Corrupt(error) => {
                            let (lease, offset) = (chunk.lease, chunk.next);
                            let error = Error::corrupt(lease.partition(), offset, error);
                            let error = match &chunk.origin {
                                Some(origin) => error.of_answer(origin),
                                None => error,
                            };
                            return Poll::Ready(Some(Ok(Read::Corrupt { lease, offset, error })));
                        }
                    }
                }
            }
            match self.open {
                Some(_) => {}
                None => match ready!(self.queue.poll_next(cx, self.of.as_ref())) {
                    Next::Chunk(chunk) => self.open = Some(chunk),
                    Next::Error(error) => return Poll::Ready(Some(Err(error))),
                    Next::Closed => return Poll::Ready(None),
                },
            }
        }
    }

    /// One batch of the chunk.
    fn read(&mut self, cx: &mut Context<'_>, chunk: &mut Chunk) -> Step {
        // The assignment filter: one atomic load a batch.
        if !chunk.lease.stamp().may_deliver() {
            self.queue.counters.stale_chunks.fetch_add(1, Ordering::Relaxed);
            return Step::End;
        }
        let batch = match chunk.next_batch() {
            Some(Ok(batch)) => batch,
            Some(Err(error)) => return Step::Corrupt(error),
            None => {
                // Compaction may have removed what once stood before the end of the last batch.
                chunk.pass(chunk.end, None, &self.queue.counters);
                return Step::End;
            }
        };
        let size = batch.bytes().len();
        let (next, leader_epoch) = (batch.next_offset(), batch.leader_epoch().map(LeaderEpoch));
        if next <= chunk.next {
            chunk.bytes = chunk.bytes.saturating_sub(size);
            return Step::Again;
        }
        match chunk.filter.judge(&batch, &mut self.decompressor) {
            Ok(Verdict::Deliver) => {}
            Ok(Verdict::Aborted | Verdict::Control) => {
                chunk.bytes = chunk.bytes.saturating_sub(size);
                chunk.pass(next, leader_epoch, &self.queue.counters);
                return Step::Again;
            }
            Err(error) => return Step::Corrupt(error),
        }
        let decoded = match self.poll_decode(cx, chunk, &batch) {
            Poll::Ready(Ok(decoded)) => decoded,
            Poll::Ready(Err(error)) => return Step::Corrupt(error),
            Poll::Pending => {
                chunk.pending = Some(Ok(batch));
                return Step::Wait;
            }
        };
        if decoded.record_count() == 0 {
            chunk.bytes = chunk.bytes.saturating_sub(size);
            chunk.pass(next, leader_epoch, &self.queue.counters);
            return Step::Again;
        }
        let from = chunk.next;
        let count = u32::try_from(decoded.record_count()).unwrap_or(u32::MAX);
        let tracker = chunk.lease.begin_at(from);
        let acks = match tracker.deliver(from..=next - 1, count, leader_epoch) {
            Ok(acks) => acks,
            Err(Undeliverable::Full) => {
                // Nothing is lost: the partition waits for acknowledgements, and this batch is its next one.
                chunk.lease.set_full();
                chunk.pending = Some(Ok(batch));
                return Step::Again;
            }
            Err(Undeliverable::Draining | Undeliverable::Fenced(_)) => {
                self.queue.counters.stale_chunks.fetch_add(1, Ordering::Relaxed);
                return Step::End;
            }
        };
        chunk.bytes = chunk.bytes.saturating_sub(size);
        chunk.next = next;
        chunk.lease.set_position(next);
        let next_ms = chunk.peek_ms();
        chunk.lease.set_times(batch.header().max_timestamp(), next_ms);
        let counters = &self.queue.counters;
        counters.delivered_batches.fetch_add(1, Ordering::Release);
        counters.delivered_bytes.fetch_add(size as u64, Ordering::Relaxed);
        Step::Batch(FetchedBatch { lease: chunk.lease.clone(), decoded, from, acks, log: chunk.log })
    }

    /// The batch with its checksum checked and its records decompressed, here or by then elsewhere.
    fn poll_decode(
        &mut self,
        cx: &mut Context<'_>,
        chunk: &mut Chunk,
        batch: &Batch,
    ) -> Poll<Result<DecodedBatch, DecodeError>> {
        if batch.is_compressed() {
            let found = chunk.runs.poll_find(cx, &self.queue.ahead, &mut self.decompressor, batch);
            if let Found::Decoded(decoded) = ready!(found) {
                return Poll::Ready(decoded);
            }
        }
        Poll::Ready(batch.decode_with(&mut self.decompressor, |bytes| self.budget.take(bytes)))
    }
}

/// What looking at one batch came to.
enum Step {
    Batch(FetchedBatch),
    Again,
    /// The batch is being decoded; whoever does it wakes the reader.
    Wait,
    End,
    Corrupt(DecodeError),
}

impl Chunk {
    /// Moves past offsets that hold nothing for the application.
    fn pass(&mut self, next: i64, leader_epoch: Option<LeaderEpoch>, counters: &Counters) {
        if next > self.next {
            self.lease.begin_at(self.next).advance_to(next, leader_epoch);
            self.next = next;
            self.lease.set_position(next);
            counters.passed.fetch_add(1, Ordering::Release);
        }
    }
}
