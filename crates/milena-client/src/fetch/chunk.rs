//! What one fetch brought of one partition, and one batch of it.

use std::fmt;

use bytes::Bytes;
use proto::fetch::Fetched;
use proto::offsets::AckRange;
use proto::types::TopicPartition;
use records::{
    AbortedTxn, Batch, BatchHeader, Batches, DecodeError, DecodedBatch, Records, TimestampType, TxnFilter,
};

use crate::budget::Budget;
use crate::buffer::BufferPool;
use crate::error::Origin;
use crate::fetch::ahead::Runs;
use crate::lease::Lease;

/// What one fetch brought of one partition: undecoded batches, and where they stand.
pub(crate) struct Chunk {
    pub(crate) lease: Lease,
    /// All bytes of it.
    records: Bytes,
    /// The next offset to hand out of it.
    pub(crate) next: i64,
    /// Where the partition goes on after it.
    pub(crate) end: i64,
    /// Bytes of it that are not handed out yet.
    pub(crate) bytes: usize,
    pub(crate) batches: Batches,
    /// Bytes of its compressed batches, as the walk over the headers counted them.
    pub(crate) compressed_bytes: usize,
    /// A batch that was looked at and cannot be handed out yet.
    pub(crate) pending: Option<Result<Batch, DecodeError>>,
    /// Its compressed batches, decoded ahead where there was time.
    pub(crate) runs: Runs,
    /// Tells aborted records and control records.
    pub(crate) filter: TxnFilter,
    pub(crate) log: LogEnds,
    /// Whose answer it was.
    pub(crate) origin: Option<Origin>,
}

/// Where a partition's log began and ended when a fetch was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogEnds {
    /// First offset still in the log; -1 where the broker does not say.
    pub log_start_offset: i64,
    /// End of what is replicated.
    pub high_watermark: i64,
    /// End of what no open transaction holds back; -1 where the broker does not say.
    pub last_stable_offset: i64,
}

impl LogEnds {
    /// Where reading ends for now: of committed records only, at the last stable offset.
    pub fn readable_end(&self, committed_only: bool) -> i64 {
        match committed_only && self.last_stable_offset >= 0 {
            true => self.last_stable_offset,
            false => self.high_watermark,
        }
    }
}

impl Chunk {
    pub(crate) fn new(lease: Lease, fetched: Fetched, committed_only: bool, log: LogEnds) -> Self {
        let aborted = fetched.aborted.into_iter();
        let filter = match committed_only {
            true => TxnFilter::read_committed(
                aborted
                    .map(|txn| AbortedTxn { producer_id: txn.producer_id, first_offset: txn.first_offset }),
            ),
            false => TxnFilter::read_uncommitted(),
        };
        Self {
            lease,
            records: fetched.records.clone(),
            next: fetched.from,
            end: fetched.next_offset,
            bytes: fetched.records.len(),
            batches: Batches::new(fetched.records),
            compressed_bytes: fetched.compressed_bytes,
            pending: None,
            runs: Runs::default(),
            filter,
            log,
            origin: None,
        }
    }

    /// Says whose answer it was.
    pub(crate) fn of_answer(self, origin: Origin) -> Self {
        Self { origin: Some(origin), ..self }
    }
}

impl Chunk {
    /// Copies it out of the answer that it came in, most of which is other partitions'. Nothing of it has been read yet.
    pub(crate) fn detach(&mut self, pool: &BufferPool, budget: &Budget) {
        let copied = pool.share(self.records.to_vec(), Some(budget.take(self.records.len())));
        self.batches = Batches::new(copied.clone());
        self.records = copied;
    }

    /// The next batch.
    pub(crate) fn next_batch(&mut self) -> Option<Result<Batch, DecodeError>> {
        self.pending.take().or_else(|| self.batches.next())
    }

    /// When the next batch was written, in milliseconds since 1970; it is looked at for that, and is still the next one.
    pub(crate) fn peek_ms(&mut self) -> Option<i64> {
        if self.pending.is_none() {
            self.pending = self.batches.next();
        }
        self.first_ms()
    }

    /// When the next batch was written, as far as that is known without looking further.
    pub(crate) fn first_ms(&self) -> Option<i64> {
        let batch = self.pending.as_ref()?.as_ref().ok()?;
        Some(first_ms(batch.header())).filter(|ms| *ms >= 0)
    }
}

/// The first timestamp of a batch.
fn first_ms(header: &BatchHeader) -> i64 {
    match header.timestamp_type() {
        // All of it has the time at which it was appended.
        TimestampType::LogAppendTime => header.max_timestamp(),
        _ => header.base_timestamp(),
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({:?}, {}..{}, {} bytes)", self.lease, self.next, self.end, self.bytes)
    }
}

/// A batch of records of one partition, decoded, handed out under an assignment epoch.
///
/// Records are borrowed views over it. It may be kept, cloned and sent to other tasks; as long as any part of it is
/// alive, its bytes count against the budget.
#[derive(Clone)]
pub struct FetchedBatch {
    pub(crate) lease: Lease,
    pub(crate) decoded: DecodedBatch,
    pub(crate) from: i64,
    pub(crate) acks: AckRange,
    pub(crate) log: LogEnds,
}

impl FetchedBatch {
    /// Which partition.
    pub fn partition(&self) -> &TopicPartition {
        self.lease.partition()
    }

    /// The assignment epoch it was read in.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The batch itself. It may begin before [`first_offset`](Self::first_offset); [`records`](Self::records) does not.
    pub fn decoded(&self) -> &DecodedBatch {
        &self.decoded
    }

    /// The first offset that is handed out of this batch.
    pub fn first_offset(&self) -> i64 {
        self.from
    }

    /// The last offset of the batch. After compaction there may be no record at it.
    pub fn last_offset(&self) -> i64 {
        self.decoded.header().last_offset()
    }

    /// Where the log began and ended when this was fetched.
    pub fn log_ends(&self) -> LogEnds {
        self.log
    }

    /// The records, in order, from [`first_offset`](Self::first_offset) on.
    pub fn records(&self) -> BatchRecords<'_> {
        BatchRecords { records: self.decoded.records(), from: self.from }
    }

    /// Where its acknowledgements are noted.
    pub fn acks(&self) -> &AckRange {
        &self.acks
    }
}

impl fmt::Debug for FetchedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FetchedBatch({:?}, {}..={})", self.lease, self.from, self.last_offset())
    }
}

/// The records of a [`FetchedBatch`].
#[derive(Clone, Debug)]
pub struct BatchRecords<'a> {
    records: Records<'a>,
    from: i64,
}

impl<'a> Iterator for BatchRecords<'a> {
    type Item = Result<records::Record<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.records.next()? {
                // A fetch may be answered with a batch that begins before the offset asked for.
                Ok(record) if record.offset() < self.from => {}
                item => return Some(item),
            }
        }
    }
}
