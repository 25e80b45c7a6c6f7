//! Batches of magic 2.

use bytes::Bytes;

use super::{Compressor, NewRecord};
use crate::header::{
    BATCH_OVERHEAD, CONTROL, CRC_FROM_V2, DELETE_HORIZON, LOG_APPEND_TIME, LOG_OVERHEAD, NO_TIMESTAMP,
    TRANSACTIONAL,
};
use crate::{BuildError, Compression, ControlMarker};

/// Collects records and seals them into a batch of magic 2.
///
/// A producer pushes records and builds; the rest of the setters are for what brokers add and for tests.
/// [`build`](Self::build) does not consume the builder: it can be called again after a change, and
/// [`clear`](Self::clear) keeps its buffer for the next batch.
///
/// ```
/// use milena_records::{Batch, BatchBuilder, Compression, Compressor, NewRecord, ProducerState};
///
/// let mut builder = BatchBuilder::new(Compression::None);
/// let record = NewRecord::new(0).value(b"hello");
/// assert!(builder.size_in_bytes() + record.size_max() <= 1_000_000);
/// builder.push(&record)?;
/// builder.producer(ProducerState { producer_id: 7, producer_epoch: 0, base_sequence: 0 });
/// let batch = Batch::parse(builder.build(&mut Compressor::new())?)?;
/// assert_eq!((batch.producer_id(), batch.record_count()), (7, Some(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    compression: Compression,
    base_offset: i64,
    leader_epoch: i32,
    flags: i16,
    producer: ProducerState,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    log_append_time: Option<i64>,
    delete_horizon: Option<i64>,
    last_offset_delta: i32,
    last_record_delta: i64,
    count: i32,
    records: Vec<u8>,
}

/// What an idempotent or transactional producer stamps on a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerState {
    /// Its id, from InitProducerId.
    pub producer_id: i64,
    /// Its epoch, which fences earlier instances of the same transactional id.
    pub producer_epoch: i16,
    /// The sequence number of the batch's first record in its partition.
    pub base_sequence: i32,
}

impl ProducerState {
    /// Neither idempotent nor transactional.
    pub const NONE: Self = Self { producer_id: -1, producer_epoch: -1, base_sequence: -1 };
}

impl BatchBuilder {
    /// An empty batch as a plain producer starts one: base offset 0, leader epoch -1.
    pub fn new(compression: Compression) -> Self {
        Self {
            compression,
            base_offset: 0,
            leader_epoch: -1,
            flags: 0,
            producer: ProducerState::NONE,
            base_timestamp: None,
            max_timestamp: NO_TIMESTAMP,
            log_append_time: None,
            delete_horizon: None,
            last_offset_delta: -1,
            last_record_delta: -1,
            count: 0,
            records: Vec::new(),
        }
    }

    /// The marker at the end of a transaction, as a broker appends it.
    pub fn control(marker: ControlMarker, producer_id: i64, producer_epoch: i16, timestamp: i64) -> Self {
        let mut builder = Self::new(Compression::None);
        builder.flags = CONTROL | TRANSACTIONAL;
        builder.producer = ProducerState { producer_id, producer_epoch, base_sequence: -1 };
        let (key, value) = marker.write();
        // Ten bytes always fit.
        let pushed = builder.push(&NewRecord::new(timestamp).key(&key).value(&value));
        debug_assert!(pushed.is_ok());
        builder
    }

    /// Appends a record at the next offset; its offset relative to the batch.
    ///
    /// # Errors
    /// [`BuildError::TooLarge`] if the batch would exceed 2 GiB; the batch is as before then. Kafka's own limits are far
    /// lower, and are compared with [`size_in_bytes`](Self::size_in_bytes) and [`NewRecord::size_max`].
    pub fn push(&mut self, record: &NewRecord<'_>) -> Result<i32, BuildError> {
        let delta = self.last_record_delta + 1;
        self.push_at(i32::try_from(delta).map_err(|_| BuildError::TooLarge)?, record)
    }

    /// Appends a record at an offset relative to the batch, leaving a gap as compaction does.
    ///
    /// # Errors
    /// [`BuildError::OffsetOrder`] if the offset is not greater than that of the record before; or as [`push`](Self::push).
    pub fn push_at(&mut self, offset_delta: i32, record: &NewRecord<'_>) -> Result<i32, BuildError> {
        if i64::from(offset_delta) <= self.last_record_delta {
            return Err(BuildError::OffsetOrder {
                delta: i64::from(offset_delta),
                last: self.last_record_delta,
            });
        }
        let base_timestamp = self.base_timestamp.unwrap_or(record.timestamp);
        // Wraps as in Java's producer; the reader's sum wraps back.
        let timestamp_delta = record.timestamp.wrapping_sub(base_timestamp);
        let body_size = record.body_size(timestamp_delta, offset_delta);
        let size =
            self.size_in_bytes().saturating_add(body_size).saturating_add(crate::varint::MAX_BYTES_I32);
        if size > SIZE_MAX || self.count == i32::MAX {
            return Err(BuildError::TooLarge);
        }
        record.write(&mut self.records, body_size, timestamp_delta, offset_delta);
        self.max_timestamp =
            if self.count == 0 { record.timestamp } else { self.max_timestamp.max(record.timestamp) };
        self.base_timestamp = Some(base_timestamp);
        self.last_record_delta = i64::from(offset_delta);
        self.last_offset_delta = self.last_offset_delta.max(offset_delta);
        self.count += 1;
        Ok(offset_delta)
    }

    /// Seals the batch. An empty one is what compaction leaves behind.
    ///
    /// # Errors
    /// If the codec is not available, or fails, or makes more than 2 GiB.
    pub fn build(&self, compressor: &mut Compressor) -> Result<Bytes, BuildError> {
        let mut out = Vec::with_capacity(BATCH_OVERHEAD + self.records.len());
        out.resize(BATCH_OVERHEAD, 0);
        compressor.compress(self.compression, 2, &self.records, &mut out)?;
        if out.len() > SIZE_MAX {
            return Err(BuildError::TooLarge);
        }
        self.write_header(&mut out);
        Ok(out.into())
    }

    fn write_header(&self, out: &mut [u8]) {
        let length = (out.len() - LOG_OVERHEAD) as i32;
        let attributes = self.flags
            | i16::from(self.compression.id())
            | if self.log_append_time.is_some() { LOG_APPEND_TIME } else { 0 }
            | if self.delete_horizon.is_some() { DELETE_HORIZON } else { 0 };
        let base_timestamp = self.base_timestamp.unwrap_or(NO_TIMESTAMP);
        put(out, 0, self.base_offset.to_be_bytes());
        put(out, 8, length.to_be_bytes());
        put(out, 12, self.leader_epoch.to_be_bytes());
        put(out, 16, [2]);
        put(out, 21, attributes.to_be_bytes());
        put(out, 23, self.last_offset_delta.max(0).to_be_bytes());
        put(out, 27, base_timestamp.to_be_bytes());
        put(out, 35, self.log_append_time.unwrap_or(self.max_timestamp).to_be_bytes());
        put(out, 43, self.producer.producer_id.to_be_bytes());
        put(out, 51, self.producer.producer_epoch.to_be_bytes());
        put(out, 53, self.producer.base_sequence.to_be_bytes());
        put(out, 57, self.count.to_be_bytes());
        let crc = crc32c::crc32c(&out[CRC_FROM_V2..]);
        put(out, 17, crc.to_be_bytes());
    }

    /// Forgets the records and everything said about them; the codec stays, and so does the buffer.
    pub fn clear(&mut self) {
        let mut records = std::mem::take(&mut self.records);
        records.clear();
        *self = Self { records, ..Self::new(self.compression) };
    }

    /// Who produces the batch. Not known before it is sent, so it can be set at any time.
    pub fn producer(&mut self, producer: ProducerState) -> &mut Self {
        self.producer = producer;
        self
    }

    /// Whether the batch is part of a transaction.
    pub fn transactional(&mut self, is_transactional: bool) -> &mut Self {
        self.flags = if is_transactional { self.flags | TRANSACTIONAL } else { self.flags & !TRANSACTIONAL };
        self
    }

    /// The offset of the first record. Producers send 0; brokers say what it is.
    pub fn base_offset(&mut self, offset: i64) -> &mut Self {
        self.base_offset = offset;
        self
    }

    /// The epoch of the leader that appends the batch.
    pub fn leader_epoch(&mut self, epoch: i32) -> &mut Self {
        self.leader_epoch = epoch;
        self
    }

    /// The end of the batch's range, where compaction has removed its last records.
    pub fn last_offset_delta(&mut self, delta: i32) -> &mut Self {
        self.last_offset_delta = delta;
        self
    }

    /// Stamps the batch with the broker's time, in milliseconds since 1970: it becomes the timestamp of every record.
    pub fn log_append_time(&mut self, timestamp: i64) -> &mut Self {
        self.log_append_time = Some(timestamp);
        self
    }

    /// Sets the delete horizon (KIP-534). Only before the first record: it is what their timestamps count from.
    pub fn delete_horizon_ms(&mut self, timestamp: i64) -> &mut Self {
        if self.count == 0 {
            self.delete_horizon = Some(timestamp);
            self.base_timestamp = Some(timestamp);
        }
        self
    }

    /// Bytes of the batch if it is built now and nothing compresses. Compression makes it smaller, or a little larger if
    /// the records are random.
    pub fn size_in_bytes(&self) -> usize {
        BATCH_OVERHEAD + self.records.len()
    }

    /// Records so far.
    pub fn record_count(&self) -> usize {
        self.count as usize
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The codec.
    pub fn compression(&self) -> Compression {
        self.compression
    }
}

/// Writes a field where it belongs; `out` has room for a whole header.
pub(super) fn put<const N: usize>(out: &mut [u8], at: usize, field: [u8; N]) {
    out[at..at + N].copy_from_slice(&field);
}

/// Most bytes of a batch: its length field has 31 bits.
const SIZE_MAX: usize = i32::MAX as usize;
