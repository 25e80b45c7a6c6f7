//! Offsets of transactions: pending until the end marker of their producer.

use super::super::Now;
use super::commit::committed;
use super::{OffsetChange, Offsets};

impl Offsets {
    /// The producer's transaction ended. Kafka: `OffsetMetadataManager.replayEndTransactionMarker`.
    ///
    /// Of a pending offset and one committed meanwhile, the one written later holds.
    pub(crate) fn end_transaction(&mut self, now: Now, producer: i64, commit: bool) {
        let Some(groups) = self.pending.remove(&producer) else { return };
        for (group, offsets) in groups {
            for (key, value) in offsets {
                let existing = self.committed.get(&group).and_then(|offsets| offsets.get(&key));
                let later = existing.is_none_or(|existing| value.sequence > existing.sequence);
                if commit && later {
                    let (member, generation) = self.sender_of_pending(producer, &group, &key);
                    self.record(now, &group, &key, committed(&value, member, generation, Some(producer)));
                    self.committed.entry(group.clone()).or_default().insert(key, value);
                } else {
                    self.record(now, &group, &key, OffsetChange::Dropped { offset: value.offset, producer });
                }
            }
        }
    }

    fn sender_of_pending(
        &self,
        producer: i64,
        group: &kafka_protocol::protocol::StrBytes,
        key: &super::Key,
    ) -> (String, i32) {
        self.history
            .iter()
            .rev()
            .find_map(|record| match &record.change {
                OffsetChange::Pending { member, generation, producer: by, .. }
                    if *by == producer
                        && record.group == group.as_str()
                        && record.topic == key.0.as_str()
                        && record.partition == key.1 =>
                {
                    Some((member.clone(), *generation))
                }
                _ => None,
            })
            .unwrap_or_else(|| (String::new(), -1))
    }
}
