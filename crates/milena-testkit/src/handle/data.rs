//! What a test does to the records of a partition, without a client.

use records::{Batch, BatchBuilder, Compression, Compressor, Decompressor, Header, NewRecord, OwnedRecord};

use super::Cluster;
use crate::cluster::{ChangeError, Partition};
use crate::error_code::ErrorCode;

impl Cluster {
    /// Appends records with these values, in one batch; the offset of the first.
    ///
    /// # Errors
    /// If there is no such partition.
    pub fn append<V: AsRef<[u8]>>(
        &self,
        topic: &str,
        partition: i32,
        values: impl IntoIterator<Item = V>,
    ) -> Result<i64, ChangeError> {
        let mut batch = BatchBuilder::new(Compression::None);
        let timestamp = self.wall_ms();
        for value in values {
            // Too large for a batch is more than 2 GiB.
            batch.push(&NewRecord::new(timestamp).value(&value)).map_err(too_large)?;
        }
        self.append_batch(topic, partition, &batch)
    }

    /// Appends one record with a key and headers; its offset.
    ///
    /// # Errors
    /// If there is no such partition.
    pub fn append_record(
        &self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &[u8])],
    ) -> Result<i64, ChangeError> {
        let headers: Vec<_> = headers.iter().map(|(key, value)| Header::new(key, Some(value))).collect();
        let record = NewRecord::new(self.wall_ms()).maybe_key(key).maybe_value(value).headers(&headers);
        let mut batch = BatchBuilder::new(Compression::None);
        batch.push(&record).map_err(too_large)?;
        self.append_batch(topic, partition, &batch)
    }

    /// Appends a batch as it is, in the place that it gets; its first offset.
    ///
    /// # Errors
    /// If there is no such partition, or the batch cannot be built.
    pub fn append_batch(
        &self,
        topic: &str,
        partition: i32,
        batch: &BatchBuilder,
    ) -> Result<i64, ChangeError> {
        let bytes = batch.build(&mut Compressor::new()).map_err(too_large)?;
        let now_ms = self.wall_ms();
        self.on_partition(topic, partition, |state| {
            let first = state.log.end_offset();
            let epoch = state.leader_epoch;
            state.log.append_trusted(&bytes, epoch, now_ms).map(|_| first).map_err(refused)
        })?
    }

    /// Appends batches byte for byte, with the offsets they have and of any format: what an old segment looks like.
    ///
    /// # Errors
    /// If there is no such partition, or the batches begin below its end.
    pub fn append_raw(&self, topic: &str, partition: i32, batches: &[u8]) -> Result<(), ChangeError> {
        let now_ms = self.wall_ms();
        let batches = bytes::Bytes::copy_from_slice(batches);
        self.on_partition(topic, partition, |state| {
            state.log.append_raw(batches, now_ms).map(drop).map_err(refused)
        })?
    }

    /// The records that are in a partition, control records and aborted ones left out, from the log's start to its end.
    pub fn records(&self, topic: &str, partition: i32) -> Vec<OwnedRecord> {
        let found = self.on_partition(topic, partition, |state| {
            let start = state.log.start_offset();
            let aborted = state.log.txns().aborted().to_vec();
            let mut records = Vec::new();
            for stored in state.log.batches().filter(|stored| !stored.header().is_control()) {
                let header = stored.header();
                let is_aborted = header.is_transactional()
                    && aborted.iter().any(|txn| {
                        txn.producer_id == header.producer_id()
                            && (txn.first_offset..txn.last_offset).contains(&header.base_offset())
                    });
                let batch = Batch::parse(stored.bytes().clone()).ok();
                let decoded = batch.and_then(|batch| batch.decode(&mut Decompressor::new()).ok());
                if let (Some(decoded), false) = (decoded, is_aborted) {
                    let owned = decoded.owned_records().map_while(Result::ok);
                    records.extend(owned.filter(|record| record.offset() >= start));
                }
            }
            records
        });
        found.unwrap_or_default()
    }

    /// The offsets of a partition: log start, high watermark, log end. `None` if there is no such partition.
    pub fn offsets(&self, topic: &str, partition: i32) -> Option<(i64, i64, i64)> {
        self.with_core(|core, _| {
            let state = core.world().cluster.partition(topic, partition)?;
            Some((state.log.start_offset(), state.high_watermark(), state.log.end_offset()))
        })
    }

    /// Deletes the records below an offset, as retention or DeleteRecords does.
    ///
    /// # Errors
    /// If there is no such partition.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<(), ChangeError> {
        self.on_partition(topic, partition, |state| state.log.advance_start(before))
    }

    /// Applies the retention settings of all topics now, at the cluster's wall clock.
    pub fn apply_retention(&self) {
        let now_ms = self.wall_ms();
        self.change(|cluster| {
            let names: Vec<_> =
                cluster.topics().map(|(name, topic)| (name.to_owned(), topic.partitions.len())).collect();
            for (name, partitions) in names {
                let (ms, bytes) = (
                    cluster.topic_number(&name, "retention.ms"),
                    cluster.topic_number(&name, "retention.bytes"),
                );
                if !cluster.topic_config(&name, "cleanup.policy").contains("delete") {
                    continue;
                }
                for number in 0..partitions as i32 {
                    if let Some(state) = cluster.partition_mut(&name, number) {
                        let end = state.high_watermark();
                        state.log.retain(now_ms, ms, bytes, end);
                    }
                    cluster.touch(&name, number);
                }
            }
        });
    }

    /// Compacts a partition: of each key only the last record stays. With `drop_tombstones`, null values go as well.
    ///
    /// # Errors
    /// If there is no such partition.
    pub fn compact(&self, topic: &str, partition: i32, drop_tombstones: bool) -> Result<(), ChangeError> {
        self.on_partition(topic, partition, |state| {
            let to = state.last_stable_offset();
            state.log.compact(to, drop_tombstones);
        })
    }

    /// Turns all bits of one byte of the batch that holds `offset`, `at` bytes into it: what a broken disk or memory does.
    /// From byte 61 on are the records, which only the checksum protects.
    ///
    /// # Errors
    /// If there is no such partition, or no such byte.
    pub fn flip_byte(&self, topic: &str, partition: i32, offset: i64, at: usize) -> Result<(), ChangeError> {
        let flipped = self.on_partition(topic, partition, |state| state.log.flip_byte(offset, at))?;
        if flipped {
            return Ok(());
        }
        let message = format!("no batch of {topic}-{partition} at or after offset {offset} has a byte {at}");
        Err(ChangeError { code: ErrorCode::OFFSET_OUT_OF_RANGE, message })
    }

    /// Makes all brokers forget their fetch sessions, as if others had taken their places.
    pub fn evict_fetch_sessions(&self) {
        self.with_core(|core, now| core.change(now, |world| world.data.sessions.evict_all()));
    }

    fn on_partition<T>(
        &self,
        topic: &str,
        partition: i32,
        work: impl FnOnce(&mut Partition) -> T,
    ) -> Result<T, ChangeError> {
        self.change(|cluster| {
            let Some(state) = cluster.partition_mut(topic, partition) else {
                let message = format!("there is no {topic}-{partition}");
                return Err(ChangeError { code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message });
            };
            let result = work(state);
            cluster.touch(topic, partition);
            Ok(result)
        })
    }

    fn wall_ms(&self) -> i64 {
        self.with_core(|core, now| core.world().cluster.wall_ms(now))
    }
}

fn too_large(error: records::BuildError) -> ChangeError {
    ChangeError { code: ErrorCode::RECORD_LIST_TOO_LARGE, message: error.to_string() }
}

fn refused(code: ErrorCode) -> ChangeError {
    ChangeError { code, message: "the batch cannot be appended".to_owned() }
}
