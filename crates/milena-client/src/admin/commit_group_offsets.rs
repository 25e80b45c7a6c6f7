//! Setting a group's offsets from outside, as a tool does.

use std::collections::BTreeMap;

use proto::types::{Generation, TopicId, TopicName, TopicPartition};
use proto::wire::{
    ErrorCode, OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopic,
};

use crate::admin::CommittedOffset;
use crate::client::{Client, Purpose};
use crate::error::{Error, ErrorKind, Result};
use crate::offsets::BY_NAME_MAX;

impl Client {
    /// Sets offsets of a group that has no members. For tools: a consumer commits as the member that it is.
    ///
    /// What is set is not compared with anything: it may go back, or lie outside of the log.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID if the group has members; an offset is below 0; the coordinator refuses a partition or did not
    /// answer in time. Other partitions may then be set all the same.
    ///
    /// # Cancel safety
    /// The offsets may be set all the same.
    pub async fn commit_group_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<()> {
        if let Some((tp, _)) = offsets.iter().find(|(_, committed)| committed.offset < 0) {
            return Err(Error::config("an offset to commit is below 0").at(tp).group(group));
        }
        if offsets.is_empty() {
            return Ok(());
        }
        let request = request(group, offsets);
        let outcome = self.retrying(|| async {
            let coordinator = self.find_coordinator(group).await?;
            let lane = self.coordinator_lane(&coordinator, Purpose::General).await?;
            let version = lane.pick::<OffsetCommitRequest>(BY_NAME_MAX)?;
            let answer = lane.call_in(&request, version, self.config().request_timeout()).await?;
            match refusal(&answer, offsets) {
                // The coordinator has moved or is not ready; nothing was stored.
                Some(error) if error.code().is_some_and(is_about_the_coordinator) => Err(error),
                refused => Ok(refused),
            }
        });
        let refused = outcome.await.unwrap_or_else(Some);
        match refused {
            Some(error) => Err(error.group(group).doing("setting a group's offsets")),
            None => Ok(()),
        }
    }
}

fn request(group: &str, offsets: &BTreeMap<TopicPartition, CommittedOffset>) -> OffsetCommitRequest {
    let mut topics: BTreeMap<TopicName, Vec<OffsetCommitPartition>> = BTreeMap::new();
    for (tp, committed) in offsets {
        topics.entry(tp.topic.clone()).or_default().push(OffsetCommitPartition {
            partition: tp.partition,
            offset: committed.offset,
            leader_epoch: committed.leader_epoch,
            metadata: Some(committed.metadata.clone()),
        });
    }
    let topic = |(name, partitions)| OffsetCommitTopic { name, id: TopicId::ZERO, partitions };
    OffsetCommitRequest {
        group_id: group.to_owned(),
        generation: Generation(-1),
        member_id: String::new(),
        group_instance_id: None,
        topics: topics.into_iter().map(topic).collect(),
    }
}

/// The first partition that was not stored, and why.
fn refusal(
    answer: &OffsetCommitResponse,
    offsets: &BTreeMap<TopicPartition, CommittedOffset>,
) -> Option<Error> {
    offsets.keys().find_map(|tp| {
        let topics = answer.topics.iter().filter(|topic| topic.name.as_deref() == Some(&*tp.topic));
        match topics.flat_map(|topic| &topic.partitions).find(|(partition, _)| *partition == tp.partition) {
            Some((_, error)) if error.is_ok() => None,
            Some((_, error)) => Some(Error::broker(*error).at(tp)),
            None => Some(Error::new(ErrorKind::Malformed).at(tp).message("the answer leaves it out")),
        }
    })
}

fn is_about_the_coordinator(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::NOT_COORDINATOR
    )
}
