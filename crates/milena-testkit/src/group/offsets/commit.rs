//! Taking commits. Whether the sender may is decided before; here nothing is refused but metadata that is too long.

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::super::Now;
use super::{Committed, Key, OffsetChange, Offsets};
use crate::error_code::ErrorCode;

/// Who commits, in which capacity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Committing<'a> {
    pub(crate) group: &'a StrBytes,
    pub(crate) member: &'a str,
    pub(crate) instance: Option<&'a StrBytes>,
    /// Generation or member epoch.
    pub(crate) generation: i32,
    pub(crate) transactional: bool,
    pub(crate) version: i16,
    /// OffsetCommit v2-v4: -1 is the broker's.
    pub(crate) retention: Option<Now>,
    pub(crate) metadata_max: usize,
}

/// A partition by topic id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartitionRef {
    pub(crate) topic_id: Uuid,
    pub(crate) index: i32,
}

/// A topic's part of a commit. Topics that do not exist have been answered already.
#[derive(Clone, Debug)]
pub(crate) struct CommitTopic {
    pub(crate) name: StrBytes,
    pub(crate) id: Uuid,
    pub(crate) partitions: Vec<CommitPartition>,
}

/// A partition's part of a commit.
#[derive(Clone, Debug)]
pub(crate) struct CommitPartition {
    pub(crate) index: i32,
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: Option<StrBytes>,
}

impl Offsets {
    /// Writes the offset, unless its metadata is too long.
    pub(crate) fn commit(
        &mut self,
        now: Now,
        commit: &Committing<'_>,
        producer: Option<i64>,
        topic: &CommitTopic,
        partition: &CommitPartition,
    ) -> Result<(), ErrorCode> {
        // Java counts characters of UTF-16; so must this.
        let metadata = partition.metadata.clone().unwrap_or_default();
        if metadata.encode_utf16().count() > commit.metadata_max {
            return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
        }
        let key: Key = (topic.name.clone(), partition.index);
        let value = Committed {
            offset: partition.offset,
            leader_epoch: partition.leader_epoch,
            metadata,
            topic_id: topic.id,
            at: now,
            expires_at: commit.retention.map(|retention| now.saturating_add(retention)),
            sequence: self.next_sequence(),
        };
        let member = commit.member.to_owned();
        let generation = commit.generation;
        let change = match producer {
            None => committed(&value, member, generation, None),
            Some(producer) => OffsetChange::Pending { offset: value.offset, member, generation, producer },
        };
        self.record(now, commit.group, &key, change);
        let offsets = match producer {
            None => self.committed.entry(commit.group.clone()).or_default(),
            Some(producer) => {
                self.pending.entry(producer).or_default().entry(commit.group.clone()).or_default()
            }
        };
        offsets.insert(key, value);
        Ok(())
    }
}

pub(super) fn committed(
    value: &Committed,
    member: String,
    generation: i32,
    producer: Option<i64>,
) -> OffsetChange {
    OffsetChange::Committed {
        offset: value.offset,
        leader_epoch: value.leader_epoch,
        metadata: value.metadata.to_string(),
        topic_id: value.topic_id,
        member,
        generation,
        producer,
    }
}
