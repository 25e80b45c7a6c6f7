//! From the record bytes of one partition to its batches: a walk over headers, no decompression, no checksums.

use bytes::Bytes;

use crate::batch::base_offset_of;
use crate::header::Peek;
use crate::{Batch, BatchHeader, DecodeError, Fault};

/// The batches in the record bytes of one partition, of any mix of formats.
///
/// Ends before a batch that is not whole: brokers cut their answers at a byte limit, so that is normal, and
/// [`partial`](Self::partial) tells. Ends after the first error, because nothing says where the next batch would start.
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
    order: Order,
    partial: Option<PartialBatch>,
}

/// A batch that the answer was too small for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartialBatch {
    /// Bytes of it that are there.
    pub have: usize,
    /// Bytes it has, if enough of it is there to say so. It is a claim: a fetch that is to bring all of it may ask for that
    /// much, a buffer should not be reserved for it.
    pub need: Option<usize>,
}

impl Batches {
    /// Starts at the first byte of a partition's records.
    pub fn new(records: Bytes) -> Self {
        Self { rest: records, order: Order::default(), partial: None }
    }

    /// After the end: the batch that was cut off, if one was.
    ///
    /// If it is the first, the answer brings no progress. From Fetch version 3 on a broker sends the first batch whole
    /// however large it is (KIP-74); an older one has to be asked for more bytes.
    pub fn partial(&self) -> Option<PartialBatch> {
        self.partial
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.order.next(&self.rest) {
            Ok(Some(header)) => {
                let bytes = self.rest.split_to(header.size_in_bytes);
                Some(Ok(Batch::new(header, bytes)))
            }
            Ok(None) => {
                self.partial = self.partial.or(self.order.partial);
                self.rest.clear();
                None
            }
            Err(error) => {
                self.rest.clear();
                Some(Err(error))
            }
        }
    }
}

impl std::iter::FusedIterator for Batches {}

/// What the headers of one partition's record bytes say, without touching anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeaderWalk {
    /// Whole batches.
    pub batches: usize,
    /// Their bytes.
    pub whole_bytes: usize,
    /// The base offset of the first whole batch (of a compressed message set of magic 0 or 1: its last offset).
    pub base_offset: Option<i64>,
    /// Where to read on: the offset after the last whole batch.
    pub next_offset: Option<i64>,
    /// The leader epoch of the last whole batch, if its format has one.
    pub last_leader_epoch: Option<i32>,
    /// Bytes of compressed batches among the whole ones: what a reader is going to decompress.
    pub compressed_bytes: usize,
    /// The batch that was cut off at the end.
    pub partial: Option<PartialBatch>,
}

/// Walks the headers of one partition's record bytes: how the fetch path finds the next offset while the records wait.
///
/// # Errors
/// The first malformed header. The checksums are not looked at, so what this returns is only as true as the broker: decoding
/// finds out.
pub fn walk_headers(records: &[u8]) -> Result<HeaderWalk, DecodeError> {
    let mut walk = HeaderWalk::default();
    let mut order = Order::default();
    let mut rest = records;
    while let Some(header) = order.next(rest)? {
        walk.batches += 1;
        walk.whole_bytes += header.size_in_bytes;
        walk.compressed_bytes += if header.is_compressed() { header.size_in_bytes } else { 0 };
        walk.base_offset.get_or_insert(header.base_offset);
        walk.next_offset = Some(header.next_offset());
        walk.last_leader_epoch = header.leader_epoch();
        rest = &rest[header.size_in_bytes..];
    }
    walk.partial = order.partial;
    Ok(walk)
}

/// One header after the other, in rising order of offsets.
#[derive(Debug, Clone, Copy, Default)]
struct Order {
    previous_last_offset: Option<i64>,
    partial: Option<PartialBatch>,
}

impl Order {
    fn next(&mut self, rest: &[u8]) -> Result<Option<BatchHeader>, DecodeError> {
        if rest.is_empty() {
            return Ok(None);
        }
        let fault = |fault: Fault| fault.at(base_offset_of(rest));
        match BatchHeader::peek(rest).map_err(fault)? {
            Peek::Whole(header) => {
                // Stricter than Java, which believes a broker that repeats itself or goes back: a log never does, and
                // a reader that follows hands out records under false offsets.
                if let Some(previous_last_offset) = self.previous_last_offset
                    && header.base_offset <= previous_last_offset
                {
                    return Err(fault(Fault::BatchOutOfOrder { previous_last_offset }));
                }
                self.previous_last_offset = Some(header.last_offset);
                Ok(Some(header))
            }
            Peek::Partial { need } => {
                self.partial = Some(PartialBatch { have: rest.len(), need });
                Ok(None)
            }
        }
    }
}
