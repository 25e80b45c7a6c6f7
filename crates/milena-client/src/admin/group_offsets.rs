//! What a group has committed.

use std::collections::BTreeMap;

use proto::types::{LeaderEpoch, TopicName, TopicPartition};
use proto::wire::OffsetFetchResponse;

use crate::client::{Client, Purpose};
use crate::error::{Error, Result};
use crate::offsets::{fetch_offsets, fetch_offsets_request};

/// Where a group goes on reading a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The epoch of the leader that wrote the last record read, where known.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The committer's note, often empty.
    pub metadata: String,
}

impl CommittedOffset {
    /// An offset without epoch and note.
    pub fn new(offset: i64) -> Self {
        Self { offset, leader_epoch: None, metadata: String::new() }
    }
}

impl Client {
    /// Everything that a group has committed and that has not expired; empty for a group that does not exist. Offsets of
    /// open transactions are not waited for.
    ///
    /// # Errors
    /// The group's coordinator refuses, or did not answer in time; or it has an error for one of the partitions: an offset
    /// beside an error is none.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn group_offsets(&self, group: &str) -> Result<BTreeMap<TopicPartition, CommittedOffset>> {
        // By name: ids are of no use where nobody says which topics there will be.
        let request = fetch_offsets_request(group, None, false);
        let offsets = self.retrying(|| async {
            let coordinator = self.find_coordinator(group).await?;
            let lane = self.coordinator_lane(&coordinator, Purpose::General).await?;
            let answer = fetch_offsets(&lane, &request, self.config().request_timeout()).await?;
            read(answer)
        });
        offsets.await.map_err(|error| error.group(group).doing("reading a group's offsets"))
    }
}

fn read(answer: OffsetFetchResponse) -> Result<BTreeMap<TopicPartition, CommittedOffset>> {
    if !answer.error.is_ok() {
        return Err(Error::broker(answer.error));
    }
    let mut offsets = BTreeMap::new();
    for topic in answer.topics {
        let Some(name) = topic.name.map(TopicName::from) else { continue };
        for committed in topic.partitions {
            let tp = TopicPartition::new(name.clone(), committed.partition);
            if !committed.error.is_ok() {
                return Err(Error::broker(committed.error).at(&tp));
            }
            if committed.offset >= 0 {
                let (offset, leader_epoch) = (committed.offset, committed.leader_epoch);
                let metadata = committed.metadata.unwrap_or_default();
                offsets.insert(tp, CommittedOffset { offset, leader_epoch, metadata });
            }
        }
    }
    Ok(offsets)
}
