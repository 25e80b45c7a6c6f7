//! Questions about positions: how they look on the wire, and whom their answers concern.

use std::collections::BTreeMap;
use std::time::Instant;

use proto::position::{AskFailed, PositionRequest};
use proto::types::{CallFailed, IsolationLevel, TopicName};
use proto::wire::{
    EpochEndOffset, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
};

use crate::clock;
use crate::consumer::Event;
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
    asked: Vec<Asked>,
    answer: &Result<ListOffsetsResponse>,
) {
    let topics = answer.iter().flat_map(|answer| &answer.topics);
    let listed: BTreeMap<(&str, i32), Result<i64, AskFailed>> = topics
        .flat_map(|topic| topic.partitions.iter().map(move |partition| (&*topic.name, partition)))
        .map(|(name, listed)| {
            let error = AskFailed::Broker(listed.error);
            ((name, listed.partition), if listed.error.is_ok() { Ok(listed.offset) } else { Err(error) })
        })
        .collect();
    parts.fetcher.handle_listed(now, deal_out(parts, asked, answer, &listed));
}

/// Hands each partition its part of the answer. One that is not in it has no answer.
pub(super) fn handle_epoch_ends(
    parts: &Parts,
    now: Instant,
    asked: Vec<Asked>,
    answer: &Result<OffsetForLeaderEpochResponse>,
) {
    let topics = answer.iter().flat_map(|answer| &answer.topics);
    let ends: BTreeMap<(&str, i32), Result<EpochEndOffset, AskFailed>> = topics
        .flat_map(|(name, partitions)| partitions.iter().map(move |partition| (&**name, partition)))
        .map(|(name, end)| {
            let error = AskFailed::Broker(end.error);
            ((name, end.partition), if end.error.is_ok() { Ok(end.end) } else { Err(error) })
        })
        .collect();
    parts.fetcher.handle_epoch_ends(now, deal_out(parts, asked, answer, &ends));
}

/// What was answered of each partition that was asked about.
fn deal_out<R, T: Copy>(
    parts: &Parts,
    asked: Vec<Asked>,
    answer: &Result<R>,
    answered: &BTreeMap<(&str, i32), Result<T, AskFailed>>,
) -> Vec<(Asked, Result<T, AskFailed>)> {
    let of = |asked: &Asked| match answer {
        Ok(_) => {
            let key = (&*asked.partition.topic, asked.partition.partition);
            answered.get(&key).copied().unwrap_or(Err(SILENT))
        }
        Err(error) => Err(as_ask_failed(error)),
    };
    if let Err(error) = answer {
        let error = error.clone().doing("asking a leader for a position");
        parts.events.send(Event::Trouble { error });
    }
    let dealt: Vec<_> =
        asked.into_iter().map(|asked| (of(&asked), asked)).map(|(of, asked)| (asked, of)).collect();
    for (asked, answer) in &dealt {
        if let Err(failed) = answer {
            let partition = &asked.partition;
            tracing::debug!(target: "milena::consumer", %partition, ?failed, "asking a leader for a position");
        }
    }
    if dealt.iter().any(|(_, answer)| answer.is_err()) {
        parts.client.metadata().refresh_soon();
    }
    dealt
}

/// The answer does not mention what was asked.
const SILENT: AskFailed = AskFailed::Call(CallFailed::Malformed);
