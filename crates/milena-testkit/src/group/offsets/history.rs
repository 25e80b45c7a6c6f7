//! What happened to offsets, in order: the testkit's `__consumer_offsets`, to be read by tests.

use std::time::Duration;

use uuid::Uuid;

/// One change of one partition's offset in one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetRecord {
    /// Time since the cluster's start.
    pub at: Duration,
    /// The group.
    pub group: String,
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// What happened.
    pub change: OffsetChange,
}

/// What happened to an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OffsetChange {
    /// A commit was accepted: by OffsetCommit, or by a transaction that has been committed.
    Committed {
        /// The offset.
        offset: i64,
        /// The leader epoch that came with it, or -1.
        leader_epoch: i32,
        /// The metadata that came with it.
        metadata: String,
        /// The id of the topic that the name had then.
        topic_id: Uuid,
        /// The member that sent it; empty for a plain commit.
        member: String,
        /// The generation or member epoch that it carried; -1 for a plain commit.
        generation: i32,
        /// The producer whose transaction it was part of.
        producer: Option<i64>,
    },
    /// TxnOffsetCommit was accepted. It holds once its transaction is committed.
    Pending {
        /// The offset.
        offset: i64,
        /// The member that sent it; empty if none was named.
        member: String,
        /// The generation or member epoch that it carried, or -1.
        generation: i32,
        /// The producer whose transaction it is part of.
        producer: i64,
    },
    /// The transaction was aborted, or a later plain commit stood in the way.
    Dropped {
        /// The offset that did not come to hold.
        offset: i64,
        /// The producer whose transaction it was part of.
        producer: i64,
    },
    /// The offset is gone.
    Removed {
        /// Why.
        why: Tombstone,
    },
}

/// Why an offset was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tombstone {
    /// OffsetDelete.
    Deleted,
    /// DeleteGroups.
    GroupDeleted,
    /// The topic was deleted.
    TopicDeleted,
    /// Its retention was over.
    Expired,
}

impl OffsetRecord {
    /// The offset, if this record made it the group's committed one.
    pub fn committed(&self) -> Option<i64> {
        match &self.change {
            OffsetChange::Committed { offset, .. } => Some(*offset),
            _ => None,
        }
    }
}
