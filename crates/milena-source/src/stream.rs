//! The reading ends: batches, and records one by one.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use client::consumer::{Consumer, FetchedBatch, PartitionReader};
use client::records::{DecodeError, Walk};
use client::{AckRange, Error, Result};
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
    reader: Option<Reading>,
    bound: Bound,
    counters: Arc<AckCounters>,
    /// Said once, in place of a reader that somebody else has.
    refusal: Option<Error>,
}

/// What is read.
pub(crate) enum Reading {
    All(Consumer),
    One(PartitionReader),
}

impl Reading {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<FetchedBatch>>> {
        match self {
            Self::All(consumer) => consumer.poll_next(cx),
            Self::One(reader) => reader.poll_next(cx),
        }
    }

    fn poll_complete(&self, cx: &mut Context<'_>, bound: &mut Bound) -> Poll<()> {
        match self {
            Self::All(consumer) => bound.poll_complete(cx, consumer.control()),
            Self::One(reader) => bound.poll_reached(reader.partition(), reader.position()),
        }
    }
}

impl BatchStream {
    pub(crate) fn new(reader: Option<Reading>, bound: Bound, counters: Arc<AckCounters>) -> Self {
        let refusal =
            reader.is_none().then(|| Error::config("this source is being read already: it has one reader"));
        Self { reader, bound, counters, refusal }
    }
}

impl BatchStream {
    /// The read is complete. What is read by itself is let go of: others wait for its end.
    fn end<T>(&mut self) -> Option<T> {
        if let Some(Reading::One(_)) = self.reader {
            self.reader = None;
        }
        None
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
                Poll::Pending => {
                    ready!(reader.poll_complete(cx, &mut this.bound));
                    return Poll::Ready(this.end());
                }
            };
            let until = this.bound.ends.of(fetched.partition());
            if fetched.first_offset() >= until {
                // Beyond the end: not part of this read, and never acknowledged.
                fetched.acks().abandon(fetched.first_offset());
                if reader.poll_complete(cx, &mut this.bound).is_ready() {
                    return Poll::Ready(this.end());
                }
                continue;
            }
            if fetched.last_offset() >= until {
                fetched.acks().abandon(until);
            }
            // Read from within: compaction may have left records only below that, and of none nobody acknowledges anything.
            let from_within = fetched.first_offset() > fetched.decoded().header().base_offset();
            if from_within && fetched.records().next().is_none() {
                fetched
                    .acks()
                    .skip(fetched.first_offset()..until.min(fetched.last_offset().saturating_add(1)));
                continue;
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
    left: u64,
}

/// A batch whose records are being handed out.
struct Open {
    walk: Walk,
    /// What of the batch is part of this read.
    offsets: Range<i64>,
    batch: Arc<Shared>,
    handed_out: HandedOut,
}

/// How much of a batch was handed out: what its range must hear of, since nobody else will.
#[derive(Debug)]
struct HandedOut {
    /// Below this offset everything was handed out, or holds nothing.
    next: i64,
    end: i64,
}

impl RecordStream {
    pub(crate) fn new(batches: BatchStream, count: u64) -> Self {
        Self { batches, open: None, left: count }
    }
}

impl Open {
    fn next(&mut self) -> Option<Record> {
        // Every record was read before the first was handed out: there is no error.
        let record = self.batch.next(&mut self.walk, self.offsets.start).and_then(Result::ok);
        let Some(record) = record.filter(|record| record.offset() < self.offsets.end) else {
            self.handed_out.all(self.batch.range());
            return None;
        };
        self.handed_out.one(self.batch.range(), record.offset());
        Some(record)
    }

    fn abandon(&self) {
        self.handed_out.abandon_rest(self.batch.range());
    }
}

impl HandedOut {
    fn new(offsets: Range<i64>) -> Self {
        Self { next: offsets.start, end: offsets.end }
    }

    /// The next record is handed out. Offsets before it that hold none (compaction) must not hold the commit.
    fn one(&mut self, range: &AckRange, offset: i64) {
        if offset > self.next {
            range.skip(self.next..offset);
        }
        self.next = offset.saturating_add(1);
    }

    /// There are no more records: nor is there anything at the end to hold the commit.
    fn all(&mut self, range: &AckRange) {
        range.skip(self.next..self.end);
        self.next = self.end;
    }

    /// What is left is not handed out: it does not count as waiting for an acknowledgement.
    fn abandon_rest(&self, range: &AckRange) {
        range.abandon(self.next);
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
                if let Some(open) = this.open.take() {
                    open.abandon();
                }
            }
            let Some(batch) = ready!(Pin::new(&mut this.batches).poll_next(cx)) else {
                return Poll::Ready(None);
            };
            this.open = Some(open(batch?)?);
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

/// Reads all records of a batch before the first is handed out: a batch with a broken record is not delivered in part.
fn open(batch: Batch) -> Result<Open> {
    let offsets = batch.offsets();
    let read = batch.records().try_for_each(|record| record.map(|_| ()));
    let (fetched, acks, _) = batch.into_parts();
    read.map_err(|error: DecodeError| {
        fetched.acks().abandon(offsets.start);
        Error::corrupt(fetched.partition(), offsets.start, error)
    })?;
    Ok(Open {
        walk: fetched.decoded().records().stop(),
        handed_out: HandedOut::new(offsets.clone()),
        offsets,
        batch: Arc::new(Shared::new(&fetched, acks)),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use client::TopicPartition;
    use futures_util::{FutureExt, StreamExt};
    use proto::assignments::Assignments;
    use proto::offsets::Tracker;
    use proto::types::{Generation, TopicId};

    use super::*;
    use crate::until::Ends;

    /// A batch of ten offsets, delivered and not handed out.
    struct Delivered {
        /// Its epoch ends with this.
        _assignments: Assignments,
        tracker: Tracker,
        range: AckRange,
        handed_out: HandedOut,
    }

    fn deliver() -> Delivered {
        let mut assignments = Assignments::new();
        let stamp = assignments.assign(TopicPartition::new("t", 0), TopicId::ZERO, Generation(1));
        let tracker = Tracker::new(stamp, 100);
        let range = tracker.deliver(100..=109, 4, None).expect("the partition is ours");
        let handed_out = HandedOut::new(range.offsets());
        Delivered { _assignments: assignments, tracker, range, handed_out }
    }

    impl Delivered {
        fn hand_out(&mut self, offsets: &[i64]) {
            for offset in offsets {
                self.handed_out.one(&self.range, *offset);
            }
        }

        fn ack(&self, offset: i64) {
            assert_eq!(self.range.ack(offset), client::AckOutcome::Accepted);
        }

        fn committable(&self) -> Option<i64> {
            self.tracker.committable().map(|committable| committable.offset)
        }
    }

    #[test]
    fn offsets_without_records_do_not_hold_the_commit() {
        let mut batch = deliver();
        batch.hand_out(&[101, 102, 106]);
        batch.handed_out.all(&batch.range);
        assert_eq!(batch.committable(), Some(101), "up to the first record");
        batch.ack(102);
        batch.ack(101);
        assert_eq!(batch.committable(), Some(106));
        batch.ack(106);
        assert_eq!(batch.committable(), Some(110), "to the end of the batch");
        assert!(batch.tracker.is_drained());
    }

    #[test]
    fn what_comes_behind_the_last_record_that_was_handed_out_holds_the_commit() {
        let mut batch = deliver();
        batch.hand_out(&[100, 104]);
        batch.ack(100);
        batch.ack(104);
        assert_eq!(batch.committable(), Some(105));
        assert!(!batch.tracker.is_drained(), "five offsets are still to come");
    }

    #[test]
    fn what_is_abandoned_is_not_waited_for_and_never_committed() {
        let mut batch = deliver();
        batch.hand_out(&[100, 104]);
        batch.handed_out.abandon_rest(&batch.range);
        assert!(!batch.tracker.is_drained(), "two are in hand");
        batch.ack(104);
        batch.ack(100);
        assert!(batch.tracker.is_drained());
        assert_eq!(batch.committable(), Some(105));
    }

    #[test]
    fn a_batch_of_which_nothing_was_handed_out_can_be_abandoned_whole() {
        let batch = deliver();
        batch.handed_out.abandon_rest(&batch.range);
        assert!(batch.tracker.is_drained());
        assert_eq!(batch.committable(), None);
    }

    #[test]
    fn the_last_offset_there_is_does_not_overflow() {
        let mut handed_out = HandedOut::new(i64::MAX - 1..i64::MAX);
        handed_out.one(&deliver().range, i64::MAX);
        assert_eq!(handed_out.next, i64::MAX);
    }

    fn unread() -> BatchStream {
        BatchStream::new(None, Bound::new(Ends::None, Duration::ZERO), Arc::default())
    }

    #[test]
    fn a_second_reader_is_told_once_and_then_it_ends() {
        let mut second = unread();
        let refusal = second.next().now_or_never().expect("it is there").expect("and said");
        assert!(refusal.is_err_and(|error| error.to_string().contains("read already")));
        assert!(second.next().now_or_never().expect("and then").is_none());
    }

    #[test]
    fn a_record_stream_of_no_records_asks_for_none() {
        let mut none = RecordStream::new(unread(), 0);
        assert!(none.next().now_or_never().expect("it is there").is_none(), "not even for an error");
    }
}
