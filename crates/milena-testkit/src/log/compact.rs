//! Compaction. Java: `Cleaner`, `MemoryRecords.filterTo`.

use std::collections::BTreeMap;

use bytes::Bytes;
use records::{
    Batch, BatchBuilder, Compression, Compressor, DecodedBatch, Decompressor, NewRecord, ProducerState,
    TimestampType,
};

use super::{Log, StoredBatch};

impl Log {
    /// Keeps the last record of each key among those below `to`. Batches keep their range of offsets; one that has nothing left
    /// goes, unless it is its producer's last, which keeps the sequence number known.
    ///
    /// Records of aborted transactions go as well. With `drop_tombstones`, so do null values (a broker waits for
    /// `delete.retention.ms` first) and the markers of ended transactions that have no records left.
    pub fn compact(&mut self, to: i64, drop_tombstones: bool) {
        let last = self.last_offsets(to);
        let old = std::mem::take(&mut self.batches);
        self.size_in_bytes = 0;
        for stored in old {
            let kept = if stored.header.last_offset() < to {
                self.filter(&stored, &last, drop_tombstones)
            } else {
                Some(stored)
            };
            if let Some(stored) = kept {
                self.size_in_bytes += stored.bytes.len();
                self.batches.push_back(stored);
            }
        }
    }

    fn last_offsets(&self, to: i64) -> BTreeMap<Bytes, i64> {
        let mut last = BTreeMap::new();
        for stored in self.batches.iter().filter(|stored| stored.header.last_offset() < to) {
            if stored.header.is_control() || self.is_aborted(stored) {
                continue;
            }
            let Some(decoded) = decode(stored) else { continue };
            for record in decoded.records().map_while(Result::ok) {
                if let Some(key) = record.key() {
                    last.insert(Bytes::copy_from_slice(key), record.offset());
                }
            }
        }
        last
    }

    fn filter(
        &self,
        stored: &StoredBatch,
        last: &BTreeMap<Bytes, i64>,
        drop_tombstones: bool,
    ) -> Option<StoredBatch> {
        let header = &stored.header;
        let producer = self.producers.entry(header.producer_id());
        let is_producers_last = producer
            .and_then(|entry| entry.batches.back())
            .is_some_and(|batch| batch.last_offset == header.last_offset());
        if header.is_control() {
            return (!drop_tombstones).then(|| stored.clone());
        }
        let (Some(decoded), 2) = (decode(stored), header.magic()) else { return Some(stored.clone()) };
        let aborted = self.is_aborted(stored);
        let mut builder = BatchBuilder::new(header.compression().unwrap_or(Compression::None));
        builder
            .base_offset(header.base_offset())
            .leader_epoch(header.leader_epoch().unwrap_or(-1))
            .last_offset_delta(header.last_offset_delta())
            .transactional(header.is_transactional())
            .producer(ProducerState {
                producer_id: header.producer_id(),
                producer_epoch: header.producer_epoch(),
                base_sequence: header.base_sequence(),
            });
        if header.timestamp_type() == TimestampType::LogAppendTime {
            builder.log_append_time(header.max_timestamp());
        }
        for record in decoded.records().map_while(Result::ok) {
            let is_last = record.key().is_some_and(|key| last.get(key) == Some(&record.offset()));
            if aborted || !is_last || (drop_tombstones && record.value().is_none()) {
                continue;
            }
            let headers: Vec<_> = record.headers().collect();
            let copy = NewRecord::new(record.timestamp()).maybe_key(record.key()).maybe_value(record.value());
            let delta = i32::try_from(record.offset() - header.base_offset()).ok()?;
            builder.push_at(delta, &copy.headers(&headers)).ok()?;
        }
        if builder.is_empty() && !is_producers_last {
            return None;
        }
        let batch = Batch::parse(builder.build(&mut Compressor::new()).ok()?).ok()?;
        let appended_ms = stored.appended_ms;
        Some(StoredBatch { header: *batch.header(), bytes: batch.bytes().clone(), appended_ms })
    }

    fn is_aborted(&self, stored: &StoredBatch) -> bool {
        let header = &stored.header;
        header.is_transactional()
            && self.txns.aborted().iter().any(|txn| {
                txn.producer_id == header.producer_id()
                    && (txn.first_offset..txn.last_offset).contains(&header.base_offset())
            })
    }
}

fn decode(stored: &StoredBatch) -> Option<DecodedBatch> {
    Batch::parse(stored.bytes.clone()).ok()?.decode(&mut Decompressor::new()).ok()
}
