//! A stream for each partition.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use client::consumer::PartitionReaders;
use client::{Error, Result, TopicPartition};
use futures_core::Stream;

use crate::ack::AckCounters;
use crate::batch::Batch;
use crate::stream::{BatchStream, Reading, RecordStream};
use crate::until::Bound;

/// A stream for each partition that is assigned, as it is assigned.
///
/// Ends when the source is drained, or at the end of a bounded read, once the streams of the partitions have come to theirs.
pub struct PartitionStreams {
    readers: Option<PartitionReaders>,
    bound: Bound,
    counters: Arc<AckCounters>,
    /// Said once, in place of readers that somebody else has.
    refusal: Option<Error>,
}

/// Batches of one partition, in order, for as long as it is assigned.
///
/// It ends when the partition is being given up: what was handed out of it can be acknowledged until the drain timeout, and is
/// committed before another member gets the partition. Assigned anew, a partition has a new stream. A seek does not end it.
///
/// Each stream can be polled by a task of its own; none waits for another. One that is polled slowly is fetched slowly: what
/// waits for it is bounded by its partition's share of the budget. Dropped before its end, it pauses the partition.
pub struct PartitionStream {
    partition: TopicPartition,
    batches: BatchStream,
}

impl PartitionStreams {
    pub(crate) fn new(readers: Option<PartitionReaders>, bound: Bound, counters: Arc<AckCounters>) -> Self {
        let refusal =
            readers.is_none().then(|| Error::config("this source is being read already: it has one reader"));
        Self { readers, bound, counters, refusal }
    }
}

impl Stream for PartitionStreams {
    type Item = Result<PartitionStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(refusal) = this.refusal.take() {
            return Poll::Ready(Some(Err(refusal)));
        }
        let Some(readers) = &mut this.readers else { return Poll::Ready(None) };
        match readers.poll_next(cx) {
            Poll::Ready(Some(Ok(reader))) => {
                let partition = reader.partition().clone();
                let bound = this.bound.another();
                let batches = BatchStream::new(Some(Reading::One(reader)), bound, this.counters.clone());
                Poll::Ready(Some(Ok(PartitionStream { partition, batches })))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => {
                this.readers = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                ready!(this.bound.poll_complete(cx, readers.control()));
                Poll::Ready(None)
            }
        }
    }
}

impl PartitionStream {
    /// Which partition.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The same record by record.
    pub fn into_records(self) -> RecordStream {
        RecordStream::new(self.batches, u64::MAX)
    }
}

impl Stream for PartitionStream {
    type Item = Result<Batch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.batches).poll_next(cx)
    }
}

impl fmt::Debug for PartitionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartitionStream({})", self.partition)
    }
}
