//! Batches: the fast way. Records are borrowed views; one acknowledgement for the whole batch.

use std::fmt;
use std::ops::Range;
use std::sync::Once;

use client::consumer::{FetchedBatch, Lease};
use client::records::{DecodeError, DecodedBatch, Record as RecordRef};
use client::{AssignmentEpoch, LogEnds, TopicPartition};

use crate::ack::{Ack, Acks};

/// A batch of records of one partition, and the right to acknowledge them.
///
/// It is `Send`, and may be kept and acknowledged at any time, from any task, in any order with others. What is not
/// acknowledged holds the partition's commits back and is delivered again to whoever reads the partition next.
/// Its bytes count against the budget as long as it, or any record of it, is alive.
pub struct Batch {
    fetched: FetchedBatch,
    acks: Acks,
    /// No record at or above this offset is part of the (bounded) read.
    until: i64,
    /// Offsets without a record are finished, from the first acknowledgement of some of it on.
    gaps: Once,
}

impl Batch {
    pub(crate) fn new(fetched: FetchedBatch, acks: Acks, until: i64) -> Self {
        Self { fetched, acks, until, gaps: Once::new() }
    }

    /// Which partition.
    pub fn partition(&self) -> &TopicPartition {
        self.fetched.partition()
    }

    /// The offsets it covers. After compaction there need not be a record at each.
    pub fn offsets(&self) -> Range<i64> {
        self.fetched.first_offset()..self.fetched.last_offset().saturating_add(1).min(self.until)
    }

    /// The records, in order, borrowed: no allocation, no copy, no reference count.
    ///
    /// A record that cannot be read ends the iteration with an error: the batch's checksum is right, so its producer wrote
    /// it like that.
    pub fn records(&self) -> Records<'_> {
        Records { records: self.fetched.records(), until: self.until }
    }

    /// How many records the batch says it has, those before the first and after the last wanted offset included.
    pub fn record_count(&self) -> usize {
        self.fetched.decoded().record_count()
    }

    /// The decoded batch itself, with all that its header says.
    pub fn decoded(&self) -> &DecodedBatch {
        self.fetched.decoded()
    }

    /// Where the log began and ended when this was fetched.
    pub fn log_ends(&self) -> LogEnds {
        self.fetched.log_ends()
    }

    /// The assignment epoch it was read in.
    pub fn epoch(&self) -> AssignmentEpoch {
        self.fetched.lease().epoch()
    }

    /// What it was read under: tells at any time whether an acknowledgement still counts.
    pub fn lease(&self) -> &Lease {
        self.fetched.lease()
    }

    /// Acknowledges all of it. A few nanoseconds, from any thread.
    pub fn ack(&self) -> Ack {
        self.acks.all(self.fetched.acks(), self.offsets())
    }

    /// Acknowledges some of its offsets. Those without a record (compaction) need no acknowledgement.
    pub fn ack_range(&self, offsets: Range<i64>) -> Ack {
        // Whoever acknowledges record by record cannot acknowledge what is not there, and it must not hold the commit for ever.
        self.gaps.call_once(|| self.skip_gaps());
        self.acks.range(self.fetched.acks(), offsets)
    }

    fn skip_gaps(&self) {
        let (acks, Range { start: mut next, end }) = (self.fetched.acks(), self.offsets());
        // It may begin behind the batch's first offset, and in front of it there may be a gap as well: whole batches may be gone.
        let header = self.fetched.decoded().header();
        let is_whole = next == header.base_offset() && end == header.next_offset();
        if is_whole && end.abs_diff(next) == self.record_count() as u64 {
            return;
        }
        for record in self.records() {
            // What comes after a record that cannot be read is not known.
            let Ok(record) = record else { return };
            if record.offset() > next {
                acks.skip(next..record.offset());
            }
            next = record.offset().saturating_add(1);
        }
        acks.skip(next..end);
    }

    /// Gives back what will not be handled after all, from `offset` to the end: commits never pass it, and a drain does
    /// not wait for it. Whoever reads the partition next begins there.
    pub fn abandon(&self, offset: i64) {
        self.fetched.acks().abandon(offset);
    }

    pub(crate) fn into_parts(self) -> (FetchedBatch, Acks, i64) {
        (self.fetched, self.acks, self.until)
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} {:?} in epoch {})", self.partition(), self.offsets(), self.epoch())
    }
}

/// The records of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    records: client::consumer::BatchRecords<'a>,
    until: i64,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.records.next()? {
            Ok(record) if record.offset() >= self.until => None,
            item => Some(item),
        }
    }
}
