//! Reading: a fetch's slice of the log, and offsets by time.
//!
//! Java: `UnifiedLog.read`, `LogSegment.read`, `UnifiedLog.fetchOffsetByTimestamp`.

use bytes::{Bytes, BytesMut};
use records::{Batch, Decompressor};

use super::{Log, StoredBatch};
use crate::error_code::ErrorCode;

/// How much a read may return.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimit {
    /// Bytes.
    pub bytes_max: usize,
    /// Whether the first batch comes whole even if it is larger (KIP-74).
    pub min_one_batch: bool,
    /// Nothing at or after this offset: the high watermark or the last stable offset.
    pub offset_max: i64,
}

/// What a read found: a run of the log's bytes, whose last batch may be cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slice {
    parts: Vec<Bytes>,
    size_in_bytes: usize,
    /// The offset after the last batch that it touches; `None` if it is empty.
    pub end_offset: Option<i64>,
    /// The first batch was too large for the limit, and is cut.
    pub is_first_cut: bool,
}

impl Slice {
    /// Bytes in it.
    pub fn size_in_bytes(&self) -> usize {
        self.size_in_bytes
    }

    /// The bytes in one piece.
    pub fn to_bytes(&self) -> Bytes {
        match &self.parts[..] {
            [] => Bytes::new(),
            [only] => only.clone(),
            parts => {
                let mut bytes = BytesMut::with_capacity(self.size_in_bytes);
                parts.iter().for_each(|part| bytes.extend_from_slice(part));
                bytes.freeze()
            }
        }
    }
}

/// A record found by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampAndOffset {
    /// In milliseconds since 1970.
    pub timestamp: i64,
    /// Its offset.
    pub offset: i64,
    /// The leader epoch it was written in; -1 in old formats.
    pub leader_epoch: i32,
}

impl Log {
    /// Reads from the batch that holds `from`, or from the first after it.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` below the log's start or beyond its end.
    pub fn read(&self, from: i64, limit: ReadLimit) -> Result<Slice, ErrorCode> {
        if from < self.start_offset || from > self.end_offset {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        let first = self.index_of(from);
        let mut slice = Slice::default();
        let mut bytes_max = limit.bytes_max;
        for (index, batch) in self.batches.iter().enumerate().skip(first) {
            if batch.header.last_offset() >= limit.offset_max {
                break;
            }
            let size = batch.bytes.len();
            if index == first {
                slice.is_first_cut = size > bytes_max && !limit.min_one_batch;
                bytes_max = if limit.min_one_batch { bytes_max.max(size) } else { bytes_max };
            }
            let take = size.min(bytes_max - slice.size_in_bytes);
            if take == 0 {
                break;
            }
            slice.parts.push(batch.bytes.slice(..take));
            slice.size_in_bytes += take;
            slice.end_offset = Some(batch.header.next_offset());
        }
        Ok(slice)
    }

    /// Bytes that a read without limits would return: what a waiting fetch compares with its `min_bytes`.
    pub fn bytes_between(&self, from: i64, offset_max: i64) -> usize {
        let batches = self.batches.iter().skip(self.index_of(from));
        batches
            .take_while(|batch| batch.header.last_offset() < offset_max)
            .map(|batch| batch.bytes.len())
            .sum()
    }

    /// The first record at or after a time, in milliseconds since 1970.
    pub fn offset_for_time(&self, timestamp: i64) -> Option<TimestampAndOffset> {
        let late = self.batches.iter().filter(|batch| batch.header.max_timestamp() >= timestamp);
        late.flat_map(|batch| {
            records_of(batch)
                .into_iter()
                .filter(|found| found.timestamp >= timestamp && found.offset >= self.start_offset)
        })
        .next()
    }

    /// The first record that has the greatest timestamp of all.
    pub fn offset_of_max_timestamp(&self) -> Option<TimestampAndOffset> {
        let batch = self.newest.as_ref()?;
        records_of(batch).into_iter().find(|found| found.timestamp == batch.header.max_timestamp())
    }

    /// Index of the first batch that ends at or after an offset.
    fn index_of(&self, offset: i64) -> usize {
        self.batches.partition_point(|batch| batch.header.last_offset() < offset)
    }
}

fn records_of(stored: &StoredBatch) -> Vec<TimestampAndOffset> {
    let Ok(batch) = Batch::parse(stored.bytes.clone()) else { return Vec::new() };
    let Ok(decoded) = batch.decode(&mut Decompressor::new()) else { return Vec::new() };
    let leader_epoch = stored.header.leader_epoch().unwrap_or(-1);
    let found = decoded.records().map_while(Result::ok).map(|record| TimestampAndOffset {
        timestamp: record.timestamp(),
        offset: record.offset(),
        leader_epoch,
    });
    found.collect()
}
