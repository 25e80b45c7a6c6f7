//! Questions about positions: how they look on the wire, and whom their answers concern.

use std::collections::BTreeMap;
use std::time::Instant;

use proto::position::{AskFailed, PositionRequest};
use proto::types::{CallFailed, IsolationLevel, TopicName, TopicPartition};
use proto::wire::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
};

use crate::clock;
use crate::consumer::drive::Parts;
use crate::error::Result;
use crate::fetch::{Asked, as_ask_failed};

/// Offsets by time, and ends of epochs: two kinds of request.
pub(super) fn split(asked: Vec<Asked>) -> (Vec<Asked>, Vec<Asked>) {
    asked.into_iter().partition(|asked| matches!(asked.request, PositionRequest::ListOffset { .. }))
}

pub(super) fn list_request(asked: &[Asked], isolation: IsolationLevel) -> ListOffsetsRequest {
    let mut topics: BTreeMap<TopicName, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for Asked { partition, request, current_leader_epoch, .. } in asked {
        if let PositionRequest::ListOffset { lookup } = request {
            let partitions = topics.entry(partition.topic.clone()).or_default();
            let partition = partition.partition;
            let timestamp = lookup.to_wire(clock::wall_ms());
            let current_leader_epoch = *current_leader_epoch;
            partitions.push(ListOffsetsPartition { partition, current_leader_epoch, timestamp });
        }
    }
    let topics = topics.into_iter().map(|(name, partitions)| ListOffsetsTopic { name, partitions }).collect();
    ListOffsetsRequest { isolation, topics, timeout_ms: LIST_TIMEOUT_MS }
}

/// How long a broker may look into remote storage.
const LIST_TIMEOUT_MS: i32 = 30_000;

pub(super) fn epoch_request(asked: &[Asked]) -> OffsetForLeaderEpochRequest {
    let mut topics: BTreeMap<TopicName, Vec<OffsetForLeaderPartition>> = BTreeMap::new();
    for Asked { partition, request, current_leader_epoch, .. } in asked {
        if let PositionRequest::EpochEnd { epoch, .. } = *request {
            let partitions = topics.entry(partition.topic.clone()).or_default();
            let partition = partition.partition;
            let current_leader_epoch = *current_leader_epoch;
            partitions.push(OffsetForLeaderPartition {
                partition,
                current_leader_epoch,
                leader_epoch: epoch,
            });
        }
    }
    OffsetForLeaderEpochRequest { topics: topics.into_iter().collect() }
}

/// Hands each partition its part of the answer. One that is not in it has no answer.
pub(super) fn handle_listed(
    parts: &Parts,
    now: Instant,
    asked: &[Asked],
    answer: &Result<ListOffsetsResponse>,
) {
    for Asked { partition, id, .. } in asked {
        let listed = answer.as_ref().map_err(as_ask_failed).and_then(|answer| {
            let topics = answer.topics.iter().filter(|topic| *topic.name == *partition.topic);
            let mut partitions = topics.flat_map(|topic| &topic.partitions);
            let listed = partitions.find(|listed| listed.partition == partition.partition).ok_or(SILENT)?;
            if listed.error.is_ok() { Ok(listed.offset) } else { Err(AskFailed::Broker(listed.error)) }
        });
        note(parts, partition, listed.err());
        parts.fetcher.handle_listed(now, partition, *id, listed);
    }
}

/// Hands each partition its part of the answer. One that is not in it has no answer.
pub(super) fn handle_epoch_ends(
    parts: &Parts,
    now: Instant,
    asked: &[Asked],
    answer: &Result<OffsetForLeaderEpochResponse>,
) {
    for Asked { partition, id, .. } in asked {
        let end = answer.as_ref().map_err(as_ask_failed).and_then(|answer| {
            let topics = answer.topics.iter().filter(|(name, _)| **name == *partition.topic);
            let mut partitions = topics.flat_map(|(_, partitions)| partitions);
            let end = partitions.find(|end| end.partition == partition.partition).ok_or(SILENT)?;
            if end.error.is_ok() { Ok(end.end) } else { Err(AskFailed::Broker(end.error)) }
        });
        note(parts, partition, end.err());
        parts.fetcher.handle_epoch_end(now, partition, *id, end);
    }
}

/// The answer does not mention what was asked.
const SILENT: AskFailed = AskFailed::Call(CallFailed::Malformed);

fn note(parts: &Parts, partition: &TopicPartition, failed: Option<AskFailed>) {
    if let Some(failed) = failed {
        tracing::debug!(target: "milena::consumer", %partition, ?failed, "asking a leader for a position");
        parts.client.metadata().refresh_soon();
    }
}
