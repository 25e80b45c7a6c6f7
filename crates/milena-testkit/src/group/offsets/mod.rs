//! Committed offsets: what a coordinator keeps in `__consumer_offsets`.
//!
//! Ground truth: `OffsetMetadataManager`. Kept: what is checked before a commit is taken, and that nothing else is (offsets are
//! never compared with each other or with the log); offsets of open transactions beside the committed ones; retention.

mod commit;
mod expire;
mod fetch;
mod history;
#[cfg(test)]
mod tests;
mod txn;

use std::collections::BTreeMap;

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub(crate) use self::commit::{CommitPartition, CommitTopic, Committing, PartitionRef};
pub(crate) use self::expire::ExpiresFrom;
pub(crate) use self::fetch::{FetchTopic, Fetched, FetchedTopic};
pub use self::history::{OffsetChange, OffsetRecord, Tombstone};
use super::Now;

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: StrBytes,
    pub(crate) topic_id: Uuid,
    pub(crate) at: Now,
    /// OffsetCommit v2-v4 may name its own retention.
    pub(crate) expires_at: Option<Now>,
    /// The place in the log: of two writes, the later one holds.
    pub(crate) sequence: u64,
}

pub(crate) type Key = (StrBytes, i32);
type ByPartition = BTreeMap<Key, Committed>;

/// The offsets of all groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offsets {
    committed: BTreeMap<StrBytes, ByPartition>,
    // By producer id, then by group.
    pending: BTreeMap<i64, BTreeMap<StrBytes, ByPartition>>,
    history: Vec<OffsetRecord>,
    sequence: u64,
}

impl Offsets {
    /// Every accepted commit, and everything that took one away, in the order in which it happened.
    pub(crate) fn history(&self) -> &[OffsetRecord] {
        &self.history
    }

    pub(crate) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<&Committed> {
        let group = self.committed.get(&StrBytes::from_string(group.to_owned()))?;
        group.get(&(StrBytes::from_string(topic.to_owned()), partition))
    }

    pub(crate) fn of_group(&self, group: &StrBytes) -> impl Iterator<Item = (&Key, &Committed)> {
        self.committed.get(group).into_iter().flatten()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    fn has_pending(&self, group: &StrBytes, key: &Key) -> bool {
        self.pending.values().filter_map(|groups| groups.get(group)).any(|offsets| offsets.contains_key(key))
    }

    pub(crate) fn has_open_transaction(&self, group: &StrBytes) -> bool {
        self.pending.values().any(|groups| groups.contains_key(group))
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// A tombstone: the committed offset and what open transactions hold of the partition.
    fn tombstone(&mut self, now: Now, group: &StrBytes, key: &Key, why: Tombstone) {
        let mut found = false;
        if let Some(offsets) = self.committed.get_mut(group) {
            found = offsets.remove(key).is_some();
            if offsets.is_empty() {
                self.committed.remove(group);
            }
        }
        for groups in self.pending.values_mut() {
            if let Some(offsets) = groups.get_mut(group) {
                found |= offsets.remove(key).is_some();
            }
        }
        if found {
            self.record(now, group, key, OffsetChange::Removed { why });
        }
    }

    fn record(&mut self, now: Now, group: &StrBytes, key: &Key, change: OffsetChange) {
        self.history.push(OffsetRecord {
            at: now,
            group: group.to_string(),
            topic: key.0.to_string(),
            partition: key.1,
            change,
        });
    }

    /// Deletes all offsets of a group (DeleteGroups).
    pub(crate) fn delete_group(&mut self, now: Now, group: &StrBytes) {
        let pending =
            self.pending.values().filter_map(|groups| groups.get(group)).flatten().map(|(key, _)| key);
        let keys: Vec<Key> = self.of_group(group).map(|(key, _)| key).chain(pending).cloned().collect();
        for key in keys {
            self.tombstone(now, group, &key, Tombstone::GroupDeleted);
        }
    }

    /// Deletes the offsets of a topic in every group (the topic is gone).
    pub(crate) fn delete_topic(&mut self, now: Now, topic: &str) {
        let committed =
            self.committed.iter().flat_map(|(group, offsets)| offsets.keys().map(move |key| (group, key)));
        let pending = self.pending.values().flatten();
        let pending = pending.flat_map(|(group, offsets)| offsets.keys().map(move |key| (group, key)));
        let doomed: Vec<(StrBytes, Key)> = committed
            .chain(pending)
            .filter(|(_, (name, _))| name.as_str() == topic)
            .map(|(group, key)| (group.clone(), key.clone()))
            .collect();
        for (group, key) in doomed {
            self.tombstone(now, &group, &key, Tombstone::TopicDeleted);
        }
    }

    /// Deletes one partition's offset (OffsetDelete).
    pub(crate) fn delete(&mut self, now: Now, group: &StrBytes, topic: &StrBytes, partition: i32) {
        self.tombstone(now, group, &(topic.clone(), partition), Tombstone::Deleted);
    }
}
