//! Reading committed offsets.

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::{Key, Offsets};
use crate::error_code::ErrorCode;

/// What is asked of a topic.
#[derive(Clone, Debug)]
pub(crate) struct FetchTopic {
    pub(crate) name: StrBytes,
    pub(crate) id: Uuid,
    pub(crate) partitions: Vec<i32>,
    /// An id that no topic has: there is no name to look under.
    pub(crate) unknown_id: bool,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FetchedTopic {
    pub(crate) name: StrBytes,
    pub(crate) id: Uuid,
    pub(crate) partitions: Vec<Fetched>,
}

/// A partition's offset, or -1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) index: i32,
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: StrBytes,
    pub(crate) error: ErrorCode,
}

impl Fetched {
    pub(crate) fn nothing(index: i32, error: ErrorCode) -> Self {
        Self { index, offset: -1, leader_epoch: -1, metadata: StrBytes::new(), error }
    }
}

impl Offsets {
    /// Kafka: `OffsetMetadataManager.fetchOffsets`. A partition or a topic that does not exist looks like one without a
    /// commit, unless it is asked for by id.
    pub(crate) fn fetch(
        &self,
        group: &StrBytes,
        topics: &[FetchTopic],
        require_stable: bool,
    ) -> Vec<FetchedTopic> {
        let topics = topics.iter().map(|topic| FetchedTopic {
            name: topic.name.clone(),
            id: topic.id,
            partitions: topic
                .partitions
                .iter()
                .map(|&index| {
                    if topic.unknown_id {
                        return Fetched::nothing(index, ErrorCode::UNKNOWN_TOPIC_ID);
                    }
                    self.fetch_one(group, &(topic.name.clone(), index), require_stable)
                })
                .collect(),
        });
        topics.collect()
    }

    /// Kafka: `fetchAllOffsets`: whatever is committed.
    pub(crate) fn fetch_all(&self, group: &StrBytes, require_stable: bool) -> Vec<FetchedTopic> {
        let mut topics: Vec<FetchedTopic> = Vec::new();
        for (key, value) in self.of_group(group) {
            let fetched = self.fetch_one(group, key, require_stable);
            match topics.last_mut() {
                Some(last) if last.name == key.0 => last.partitions.push(fetched),
                _ => topics.push(FetchedTopic {
                    name: key.0.clone(),
                    id: value.topic_id,
                    partitions: vec![fetched],
                }),
            }
        }
        topics
    }

    fn fetch_one(&self, group: &StrBytes, key: &Key, require_stable: bool) -> Fetched {
        // KIP-447: an offset that a transaction is about to change is not told.
        if require_stable && self.has_pending(group, key) {
            return Fetched::nothing(key.1, ErrorCode::UNSTABLE_OFFSET_COMMIT);
        }
        match self.committed.get(group).and_then(|offsets| offsets.get(key)) {
            None => Fetched::nothing(key.1, ErrorCode::NONE),
            Some(value) => Fetched {
                index: key.1,
                offset: value.offset,
                leader_epoch: value.leader_epoch,
                metadata: value.metadata.clone(),
                error: ErrorCode::NONE,
            },
        }
    }
}
