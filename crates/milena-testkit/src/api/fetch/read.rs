//! What a broker finds for each partition of a fetch. Java: `ReplicaManager.readFromLog`, `Partition.readRecords`.

use bytes::Bytes;
use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, EpochEndOffset, PartitionData};

use super::{Fetch, Want};
use crate::cluster::{ClusterState, Isolation, Partition};
use crate::error_code::ErrorCode;
use crate::log::{ReadLimit, Slice};

/// What was found for all partitions.
pub(super) struct Found {
    /// In the order of the request.
    pub(super) partitions: Vec<FoundPartition>,
    /// Bytes of records.
    pub(super) bytes: usize,
    /// Something that ends a long poll.
    pub(super) is_urgent: bool,
}

/// What was found for one.
pub(super) struct FoundPartition {
    pub(super) data: PartitionData,
    /// Refused before it was looked at, which does not end a long poll of others.
    pub(super) is_erroneous: bool,
}

impl Fetch {
    pub(super) fn read(&self, cluster: &ClusterState) -> Found {
        let mut found = Found { partitions: Vec::new(), bytes: 0, is_urgent: false };
        let mut bytes_left = self.bytes_max;
        for want in &self.wants {
            let mut is_erroneous = false;
            let data = match self.admit(cluster, want) {
                Err(code) => {
                    is_erroneous = true;
                    // Java builds this one in another place, with an empty list where the others have none.
                    failed(want.partition, code).with_aborted_transactions(Some(Vec::new()))
                }
                Ok(partition) => {
                    let is_first = found.bytes == 0;
                    let read = match self.injected.get(&want.key()) {
                        Some(code) => Err(*code),
                        None => self.read_one(cluster, want, partition, bytes_left, is_first),
                    };
                    let (data, slice) = read.unwrap_or_else(|code| {
                        found.is_urgent = true;
                        (failed(want.partition, code), Slice::default())
                    });
                    found.is_urgent |=
                        data.diverging_epoch.end_offset >= 0 || *data.preferred_read_replica >= 0;
                    found.bytes += slice.size_in_bytes();
                    bytes_left = bytes_left.saturating_sub(slice.size_in_bytes());
                    data.with_records(Some(slice.to_bytes()))
                }
            };
            found.partitions.push(FoundPartition { data, is_erroneous });
        }
        found
    }

    /// What KafkaApis looks at before it asks for records.
    fn admit<'a>(&self, cluster: &'a ClusterState, want: &Want) -> Result<&'a Partition, ErrorCode> {
        let topic = want.topic(cluster)?;
        cluster.partition(topic, want.partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    }

    fn read_one(
        &self,
        cluster: &ClusterState,
        want: &Want,
        partition: &Partition,
        bytes_left: usize,
        is_first: bool,
    ) -> Result<(PartitionData, Slice), ErrorCode> {
        // Consumers may read followers if they can say where they are (version 11).
        partition.check(self.broker, want.leader_epoch, self.version < 11)?;
        let view = View::of(partition, self.broker);
        let mut data = PartitionData::default()
            .with_partition_index(want.partition)
            .with_high_watermark(view.high_watermark)
            .with_last_stable_offset(view.last_stable_offset)
            .with_log_start_offset(partition.log.start_offset())
            .with_preferred_read_replica(BrokerId(-1))
            .with_aborted_transactions(None);
        if let Some(replica) = self.preferred_replica(cluster, partition, want.offset) {
            data.preferred_read_replica = replica;
            return Ok((data, Slice::default()));
        }
        if let Some(end) = diverging(want, partition, view.end_offset)? {
            data.diverging_epoch = end;
            return Ok((data, Slice::default()));
        }
        if self.isolation == Isolation::ReadCommitted {
            data.aborted_transactions = Some(Vec::new());
        }
        if want.offset > view.end_offset {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        let offset_max = match self.isolation {
            Isolation::ReadUncommitted => view.high_watermark,
            Isolation::ReadCommitted => view.last_stable_offset,
        };
        let bytes_max = usize::try_from(want.bytes_max).unwrap_or(0).min(bytes_left);
        let limit = ReadLimit { bytes_max, min_one_batch: is_first, offset_max };
        let mut slice = partition.log.read(want.offset, limit)?;
        if slice.is_first_cut {
            // From version 3 on, nothing instead of a piece of the first batch, not even a list.
            slice = Slice::default();
            data.aborted_transactions = data.aborted_transactions.filter(|_| bytes_max == 0);
        }
        if self.isolation == Isolation::ReadCommitted
            && let Some(end) = slice.end_offset
        {
            let aborted = partition.log.txns().aborted_between(want.offset, end).map(|txn| {
                let aborted = AbortedTransaction::default().with_first_offset(txn.first_offset);
                aborted.with_producer_id(txn.producer_id.into())
            });
            data.aborted_transactions = Some(aborted.collect());
        }
        Ok((data, slice))
    }

    /// Java: `RackAwareReplicaSelector`. A leader sends a consumer to the replica in its rack that has the most.
    fn preferred_replica(
        &self,
        cluster: &ClusterState,
        partition: &Partition,
        offset: i64,
    ) -> Option<BrokerId> {
        if !cluster.settings.rack_aware_fetch || self.rack.is_empty() || partition.leader != Some(self.broker)
        {
            return None;
        }
        let rack_of = |broker: BrokerId| cluster.broker(broker).and_then(|broker| broker.rack.as_deref());
        if rack_of(self.broker) == Some(self.rack.as_str()) {
            return None;
        }
        let near = partition.isr.iter().copied().filter(|replica| {
            rack_of(*replica) == Some(self.rack.as_str())
                && cluster.is_alive(*replica)
                && partition.end_offset_of(*replica) >= offset
                && partition.log.start_offset() <= offset
        });
        near.max_by_key(|replica| (partition.end_offset_of(*replica), *replica))
    }
}

/// A partition as one of its replicas sees it.
struct View {
    end_offset: i64,
    high_watermark: i64,
    last_stable_offset: i64,
}

impl View {
    fn of(partition: &Partition, broker: BrokerId) -> Self {
        let end_offset = partition.end_offset_of(broker);
        let high_watermark = partition.high_watermark().min(end_offset);
        let last_stable_offset = partition.log.last_stable_offset(high_watermark);
        Self { end_offset, high_watermark, last_stable_offset }
    }
}

/// KIP-595: the reader has a part of another history, or claims to be where its epoch never got.
fn diverging(want: &Want, partition: &Partition, log_end: i64) -> Result<Option<EpochEndOffset>, ErrorCode> {
    if want.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let end = partition.log.epochs().end_offset_for(want.last_fetched_epoch, log_end);
    let (epoch, end_offset) = end.ok_or(ErrorCode::OFFSET_OUT_OF_RANGE)?;
    if want.offset < partition.log.start_offset() {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    let diverges = epoch < want.last_fetched_epoch || end_offset < want.offset;
    Ok(diverges.then(|| EpochEndOffset::default().with_epoch(epoch).with_end_offset(end_offset)))
}

fn failed(partition: i32, code: ErrorCode) -> PartitionData {
    PartitionData::default()
        .with_partition_index(partition)
        .with_error_code(code.0)
        .with_high_watermark(-1)
        .with_last_stable_offset(-1)
        .with_log_start_offset(-1)
        .with_preferred_read_replica(BrokerId(-1))
        .with_aborted_transactions(None)
        .with_records(Some(Bytes::new()))
}
