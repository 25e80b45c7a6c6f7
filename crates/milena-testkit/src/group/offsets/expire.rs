//! Retention: offsets of groups that nobody uses any more.

use kafka_protocol::protocol::StrBytes;

use super::super::Now;
use super::{Committed, Key, Offsets, Tombstone};

/// From when on an offset's retention counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpiresFrom {
    /// From the time of its commit.
    Commit,
    /// From the time when the group became empty.
    Emptied(Now),
    /// Not now: the group is being rebalanced.
    Never,
}

impl Offsets {
    /// Removes what has outlived its retention. True if nothing is left (Kafka: `cleanupExpiredOffsets`).
    pub(crate) fn expire(
        &mut self,
        now: Now,
        group: &StrBytes,
        retention: Now,
        from: ExpiresFrom,
        subscribed: impl Fn(&str) -> bool,
    ) -> bool {
        if from == ExpiresFrom::Never {
            return !self.committed.contains_key(group);
        }
        let is_over = |value: &Committed| match (value.expires_at, from) {
            (Some(at), _) => now >= at,
            (None, ExpiresFrom::Emptied(since)) => now.saturating_sub(since) >= retention,
            (None, _) => now.saturating_sub(value.at) >= retention,
        };
        let expired: Vec<Key> = self
            .of_group(group)
            .filter(|(key, value)| {
                !subscribed(key.0.as_str()) && is_over(value) && !self.has_pending(group, key)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in expired {
            self.tombstone(now, group, &key, Tombstone::Expired);
        }
        !self.committed.contains_key(group) && !self.has_open_transaction(group)
    }

    /// Removes all committed offsets of a group, as if their retention were over. For tests.
    pub(crate) fn expire_now(&mut self, now: Now, group: &StrBytes) {
        let keys: Vec<Key> = self.of_group(group).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.tombstone(now, group, &key, Tombstone::Expired);
        }
    }
}
