//! A reader for each partition.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use proto::types::TopicPartition;

use crate::budget::Budget;
use crate::consumer::{Consumer, Control, FetchedBatch};
use crate::error::Result;
use crate::fetch::queue::Queue;
use crate::fetch::reader::Reader;
use crate::lease::Tenure;

/// Hands out a reader for each partition that is assigned, and is what remains of the [`Consumer`] that was
/// [split](Consumer::split).
pub struct PartitionReaders {
    control: Control,
    queue: Arc<Queue>,
    budget: Budget,
    /// The last assignment that was handed out: those that come have higher numbers.
    last: u64,
}

/// Reads one partition for as long as it is assigned: through seeks, truncations and recreated topics, until it is being
/// given up.
///
/// Each reader can be polled by a task of its own. None waits for another: the queue of a partition that is read slowly fills
/// up to its share of the budget, and is not fetched then.
///
/// Dropped before its end, it pauses the partition, and lets go of what is fetched of it: nobody reads it until it is assigned
/// anew. What was handed out can still be acknowledged.
pub struct PartitionReader {
    reader: Reader,
    control: Control,
    queue: Arc<Queue>,
    partition: TopicPartition,
    tenure: Tenure,
}

impl Consumer {
    /// Reads each partition by a reader of its own.
    pub fn split(self) -> PartitionReaders {
        let Self { reader, control } = self;
        let (queue, budget) = reader.into_parts();
        queue.split();
        PartitionReaders { control, queue, budget, last: 0 }
    }
}

impl PartitionReaders {
    /// The reader of the next partition that is assigned; `None` once the consumer is closed.
    ///
    /// # Errors
    /// What concerns no single partition that has a reader, the end of the membership above all.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn next(&mut self) -> Option<Result<PartitionReader>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next) for those who write streams.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<PartitionReader>>> {
        // In this order: what is assigned after the look at the table finds the waker there.
        let rest = self.queue.poll_rest(cx);
        let new = self.control.fetcher.tenures().into_iter();
        let new = new.filter(|(_, tenure)| tenure.id() > self.last && !tenure.is_over());
        if let Poll::Pending = rest
            && let Some((partition, tenure)) = new.min_by_key(|(_, tenure)| tenure.id())
        {
            self.last = tenure.id();
            self.queue.enter(&partition, &tenure);
            let reader = Reader::of(self.queue.clone(), tenure.clone(), self.budget.clone());
            let (control, queue) = (self.control.clone(), self.queue.clone());
            return Poll::Ready(Some(Ok(PartitionReader { reader, control, queue, partition, tenure })));
        }
        Poll::Ready(ready!(rest).map(Err))
    }

    /// A handle that steers the consumer.
    pub fn control(&self) -> &Control {
        &self.control
    }
}

impl PartitionReader {
    /// Which partition.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The next batch; `None` once the partition is being given up, or the consumer is closed.
    ///
    /// # Errors
    /// The partition cannot be read on, until somebody [seeks](Control::seek).
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn next(&mut self) -> Option<Result<FetchedBatch>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next) for those who write streams.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<FetchedBatch>>> {
        if self.tenure.is_over() {
            return Poll::Ready(None);
        }
        self.control.poll_read(cx, &mut self.reader)
    }

    /// The next offset to hand out; `None` until the position is known, and once the partition is given up.
    pub fn position(&self) -> Option<i64> {
        self.control.fetcher.position(&self.partition).filter(|_| !self.tenure.is_over())
    }

    /// A handle that steers the consumer.
    pub fn control(&self) -> &Control {
        &self.control
    }
}

impl Drop for PartitionReader {
    fn drop(&mut self) {
        if !self.tenure.is_over() {
            self.control.pause([&self.partition]);
            self.tenure.end();
        }
        self.queue.leave(&self.tenure);
    }
}
