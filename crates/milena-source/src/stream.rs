//! The reading ends: batches, and records one by one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use client::consumer::Consumer;
use client::records::{DecodeError, OwnedRecord};
use client::{Error, Result};
use futures_core::Stream;

use crate::ack::{AckCounters, Acks};
use crate::batch::Batch;
use crate::record::{Record, Shared};
use crate::until::Bound;

/// Batches, as they come.
///
/// Ends when the source is drained, or at the end of a bounded read. After an error it goes on with the other partitions,
/// unless the source itself has ended.
pub struct BatchStream {
    reader: Option<Consumer>,
    bound: Bound,
    counters: Arc<AckCounters>,
    /// Said once, in place of a reader that somebody else has.
    refusal: Option<Error>,
}

impl BatchStream {
    pub(crate) fn new(reader: Option<Consumer>, bound: Bound, counters: Arc<AckCounters>) -> Self {
        let refusal =
            reader.is_none().then(|| Error::config("this source is being read already: it has one reader"));
        Self { reader, bound, counters, refusal }
    }
}

impl Stream for BatchStream {
    type Item = Result<Batch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(refusal) = this.refusal.take() {
            return Poll::Ready(Some(Err(refusal)));
        }
        loop {
            let Some(reader) = &mut this.reader else { return Poll::Ready(None) };
            let fetched = match reader.poll_next(cx) {
                Poll::Ready(Some(Ok(fetched))) => fetched,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    this.reader = None;
                    return Poll::Ready(None);
                }
                Poll::Pending => return this.bound.poll_complete(cx, reader.control()).map(|()| None),
            };
            let until = this.bound.ends.of(fetched.partition());
            if fetched.first_offset() >= until {
                // Beyond the end: not part of this read, and never acknowledged.
                fetched.acks().abandon(fetched.first_offset());
                if this.bound.poll_complete(cx, reader.control()).is_ready() {
                    return Poll::Ready(None);
                }
                continue;
            }
            if fetched.last_offset() >= until {
                fetched.acks().abandon(until);
            }
            let acks = Acks { lease: fetched.lease().clone(), counters: this.counters.clone() };
            return Poll::Ready(Some(Ok(Batch::new(fetched, acks, until))));
        }
    }
}

/// Records, one by one, each with the right to acknowledge it.
///
/// Ends as [`BatchStream`] does, or after the wanted number of records.
pub struct RecordStream {
    batches: BatchStream,
    open: Option<Open>,
    /// The empty list of the last batch, for the next one.
    spare: VecDeque<OwnedRecord>,
    left: u64,
}

/// A batch whose records are being handed out.
struct Open {
    records: VecDeque<OwnedRecord>,
    batch: Arc<Shared>,
    /// Below this offset everything was handed out, or holds nothing.
    next: i64,
    end: i64,
}

impl RecordStream {
    pub(crate) fn new(batches: BatchStream, count: u64) -> Self {
        Self { batches, open: None, spare: VecDeque::new(), left: count }
    }
}

impl Open {
    /// The next record. Offsets that hold none (compaction) are skipped, so that they do not hold the commit.
    fn next(&mut self) -> Option<Record> {
        let Some(record) = self.records.pop_front() else {
            self.batch.range().skip(self.next..self.end);
            return None;
        };
        let offset = record.offset();
        if offset > self.next {
            self.batch.range().skip(self.next..offset);
        }
        self.next = offset + 1;
        Some(Record::new(record, self.batch.clone()))
    }

    /// What is left is not handed out: it does not count as waiting for an acknowledgement.
    fn abandon(&self) {
        self.batch.range().abandon(self.next);
    }
}

impl Stream for RecordStream {
    type Item = Result<Record>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.left == 0 {
                return Poll::Ready(None);
            }
            if let Some(open) = &mut this.open {
                // One load a record: a partition that is being given up hands out nothing more of an open batch.
                if open.batch.may_deliver()
                    && let Some(record) = open.next()
                {
                    this.left -= 1;
                    return Poll::Ready(Some(Ok(record)));
                }
                if let Some(mut open) = this.open.take() {
                    open.abandon();
                    open.records.clear();
                    this.spare = open.records;
                }
            }
            let Some(batch) = ready!(Pin::new(&mut this.batches).poll_next(cx)) else {
                return Poll::Ready(None);
            };
            this.open = Some(open(batch?, std::mem::take(&mut this.spare))?);
        }
    }
}

impl Drop for RecordStream {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.abandon();
        }
    }
}

/// All records of a batch, before the first is handed out: a batch with a broken record is not delivered in part.
fn open(batch: Batch, mut records: VecDeque<OwnedRecord>) -> Result<Open> {
    let offsets = batch.offsets();
    if records.capacity() > RECORDS_KEPT_MAX {
        records = VecDeque::new();
    }
    records.reserve(batch.record_count().min(RECORDS_KEPT_MAX));
    let read = batch.records().try_for_each(|record| {
        records.push_back(record?.into_owned());
        Ok(())
    });
    let (fetched, acks, _) = batch.into_parts();
    read.map_err(|error: DecodeError| {
        fetched.acks().abandon(offsets.start);
        Error::corrupt(fetched.partition(), offsets.start, error)
    })?;
    Ok(Open { records, batch: Arc::new(Shared::new(&fetched, acks)), next: offsets.start, end: offsets.end })
}

/// Room for so many records is kept from one batch to the next, and made before they have been seen: about half a
/// megabyte.
const RECORDS_KEPT_MAX: usize = 4096;
