//! What is written into partitions and taken out of them again, and a memory of all that was ever in them.

use std::collections::BTreeMap;

use client::TopicPartition;
use client::records::{BatchBuilder, Compression, ControlMarker, NewRecord, ProducerState};
use testkit::Cluster;

use crate::dice::Dice;
use crate::fact::Log;
use crate::timeline::{Change, Timeline, What};

/// The logs of a world.
#[derive(Debug)]
pub(crate) struct Logs {
    cluster: Cluster,
    timeline: Timeline,
    /// Whether aborted records are not for members.
    is_committed: bool,
    gone: BTreeMap<TopicPartition, BTreeMap<i64, Vec<Vec<u8>>>>,
    open: Vec<Txn>,
    producers: i64,
    /// Where logs were cut off, at the lowest.
    cuts: BTreeMap<TopicPartition, i64>,
    /// How the transactions of producers have ended, true if aborted.
    ended: BTreeMap<i64, bool>,
}

/// What a transaction has written in one partition.
#[derive(Debug)]
struct Txn {
    producer_id: i64,
    at: TopicPartition,
    first: i64,
    /// With their offsets.
    values: Vec<(i64, Vec<u8>)>,
}

/// How a batch is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Form {
    /// By which codec.
    pub(crate) compression: Compression,
    /// Whether records have one of a few keys: what compaction goes by.
    pub(crate) has_keys: bool,
}

impl Logs {
    pub(crate) fn new(cluster: &Cluster, timeline: &Timeline, is_committed: bool) -> Self {
        Self {
            cluster: cluster.clone(),
            timeline: timeline.clone(),
            is_committed,
            gone: BTreeMap::new(),
            open: Vec::new(),
            producers: 1000,
            cuts: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }

    /// Writes a batch.
    pub(crate) fn append(&self, at: &TopicPartition, values: &[Vec<u8>], form: Form, dice: &mut Dice) {
        // Refused where there is no leader: then there are fewer records.
        let _ = self.cluster.append_batch(&at.topic, at.partition, &batch(values, form, dice));
    }

    /// Writes a batch in a transaction that stays open.
    pub(crate) fn open(&mut self, at: &TopicPartition, values: Vec<Vec<u8>>, form: Form, dice: &mut Dice) {
        self.producers += 1;
        let mut batch = batch(&values, form, dice);
        let (producer_id, producer_epoch, base_sequence) = (self.producers, 0, 0);
        batch.producer(ProducerState { producer_id, producer_epoch, base_sequence }).transactional(true);
        let Some((_, _, first)) = self.cluster.offsets(&at.topic, at.partition) else { return };
        self.changed(at, Change::Opened(first));
        if self.cluster.append_batch(&at.topic, at.partition, &batch).is_ok() {
            let values = (first..).zip(values).collect();
            self.open.push(Txn { producer_id, at: at.clone(), first, values });
        } else {
            // Nobody leads the partition: there is none.
            self.changed(at, Change::Ended(first));
        }
    }

    /// Writes one more batch in a transaction that is open there; gives the values back if there is none.
    pub(crate) fn go_on(
        &mut self,
        at: &TopicPartition,
        values: Vec<Vec<u8>>,
        form: Form,
        dice: &mut Dice,
    ) -> Option<Vec<Vec<u8>>> {
        let Some(txn) = self.open.iter_mut().find(|txn| txn.at == *at) else { return Some(values) };
        let Some((_, _, first)) = self.cluster.offsets(&at.topic, at.partition) else { return Some(values) };
        let mut batch = batch(&values, form, dice);
        let base_sequence = i32::try_from(txn.values.len()).unwrap_or(i32::MAX);
        batch.producer(ProducerState { producer_id: txn.producer_id, producer_epoch: 0, base_sequence });
        batch.transactional(true);
        if self.cluster.append_batch(&at.topic, at.partition, &batch).is_ok() {
            txn.values.extend((first..).zip(values));
        }
        None
    }

    /// Whether a transaction is open there.
    pub(crate) fn is_open(&self, at: &TopicPartition) -> bool {
        self.open.iter().any(|txn| txn.at == *at)
    }

    /// Ends the oldest transaction; false if there is none.
    pub(crate) fn end_one(&mut self, is_aborted: bool) -> bool {
        if self.open.is_empty() {
            return false;
        }
        let txn = self.open.remove(0);
        let (Txn { at, first, .. }, coordinator_epoch) = (&txn, 0);
        let gone = self.gone.entry(at.clone()).or_default();
        for (offset, value) in txn.values.iter().filter(|_| is_aborted) {
            let values = gone.entry(*offset).or_default();
            values.retain(|known| known != value);
            if !self.is_committed {
                values.push(value.clone());
            }
        }
        self.changed(at, Change::Ended(*first));
        self.ended.insert(txn.producer_id, is_aborted);
        self.mark(at, txn.producer_id, is_aborted, coordinator_epoch);
        true
    }

    /// Markers that were lost with what was beyond the high watermark are written again, as a coordinator does.
    pub(crate) fn mark_again(&self, at: &TopicPartition) {
        let open = self.cluster.with_core(|core, _| {
            let partition = core.world().cluster.partition(&at.topic, at.partition);
            partition.map_or(Vec::new(), |partition| partition.log.txns().open().collect::<Vec<_>>())
        });
        for (producer_id, _) in open {
            let is_aborted = self.ended.get(&producer_id).copied().unwrap_or(true);
            self.mark(at, producer_id, is_aborted, 0);
        }
    }

    fn mark(&self, at: &TopicPartition, producer_id: i64, is_aborted: bool, coordinator_epoch: i32) {
        let marker = match is_aborted {
            true => ControlMarker::Abort { coordinator_epoch },
            false => ControlMarker::Commit { coordinator_epoch },
        };
        self.cluster.change(|cluster| {
            if let Some(state) = cluster.partition_mut(&at.topic, at.partition) {
                let epoch = state.leader_epoch;
                // The producer is known, and of its only epoch.
                let _ = state.log.append_marker(producer_id, 0, marker, epoch, TIME_MS);
            }
            cluster.touch(&at.topic, at.partition);
        });
    }

    /// Deletes what is below an offset between the log's start and its high watermark; where it begins then.
    pub(crate) fn delete(&mut self, at: &TopicPartition, dice: &mut Dice) -> Option<i64> {
        let (start, high, _) = self.cluster.offsets(&at.topic, at.partition)?;
        if start >= high {
            return None;
        }
        let below = dice.between(start.unsigned_abs() + 1, high.unsigned_abs()) as i64;
        self.remember(at);
        self.changed(at, Change::Deleted(below));
        self.cluster.delete_records(&at.topic, at.partition, below).ok()?;
        Some(below)
    }

    /// Keeps the last record of each key.
    pub(crate) fn compact(&mut self, at: &TopicPartition) -> bool {
        self.remember(at);
        self.changed(at, Change::Compacted);
        self.cluster.compact(&at.topic, at.partition, true).is_ok()
    }

    /// Makes a broker the leader that has not copied all there is; where the log ends then.
    pub(crate) fn elect_unclean(&mut self, at: &TopicPartition, to: i32) -> Option<i64> {
        let (end, all) = self.cluster.with_core(|core, _| {
            let partition = core.world().cluster.partition(&at.topic, at.partition)?;
            Some((partition.end_offset_of(to.into()), partition.log.end_offset()))
        })?;
        if end < all {
            self.remember(at);
            self.changed(at, Change::Truncated(end));
            let cut = self.cuts.entry(at.clone()).or_insert(end);
            *cut = end.min(*cut);
        }
        self.cluster.elect_unclean(&at.topic, at.partition, to).ok()?;
        Some(end)
    }

    /// Whether the end of a log was cut off, once at least.
    pub(crate) fn is_cut(&self, at: &TopicPartition) -> bool {
        self.cuts.contains_key(at)
    }

    /// All that was ever in a partition.
    pub(crate) fn log(&mut self, at: &TopicPartition) -> Log {
        let now = self.cluster.records(&at.topic, at.partition);
        let records = now.iter().map(|record| (record.offset(), record.value().unwrap_or_default().to_vec()));
        Log {
            records: records.collect(),
            gone: self.gone.remove(at).unwrap_or_default(),
            cut: self.cuts.get(at).copied(),
        }
    }

    fn remember(&mut self, at: &TopicPartition) {
        let gone = self.gone.entry(at.clone()).or_default();
        for record in self.cluster.records(&at.topic, at.partition) {
            let (values, value) =
                (gone.entry(record.offset()).or_default(), record.value().unwrap_or_default());
            if !values.iter().any(|known| known == value) {
                values.push(value.to_vec());
            }
        }
    }

    /// Before it is done: whoever sees it sees it later.
    fn changed(&self, at: &TopicPartition, change: Change) {
        self.timeline.push(What::Changed { at: at.clone(), change });
    }
}

fn batch(values: &[Vec<u8>], form: Form, dice: &mut Dice) -> BatchBuilder {
    let mut batch = BatchBuilder::new(form.compression);
    for value in values {
        let key = [b'k', (dice.next() % KEYS) as u8];
        let record = NewRecord::new(TIME_MS).value(value);
        let record = if form.has_keys { record.key(&key) } else { record };
        // A batch of the simulation has a few kilobytes; what is refused is too large for 2 GiB.
        let _ = batch.push(&record);
    }
    batch
}

const KEYS: u64 = 5;
/// The first of January 2026.
const TIME_MS: i64 = 1_767_225_600_000;
