//! Reading the offsets that a group has committed.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::position::AskFailed;
use proto::types::{CallFailed, LeaderEpoch, RequestId, TopicId, TopicName, TopicPartition};
use proto::wire::{
    ErrorCode, FetchedOffset, OffsetFetchRequest, OffsetFetchResponse, OffsetFetchTopic, Request,
};

use crate::client::Client;
use crate::error::Result;
use crate::net::Lane;

/// The last version of OffsetCommit and OffsetFetch that names topics; the next goes by topic id.
pub(crate) const BY_NAME_MAX: i16 = 9;

/// The partitions that one OffsetFetch asks about, and which question of each it answers.
pub(crate) struct OffsetsOf(pub(crate) BTreeMap<TopicPartition, RequestId>);

impl OffsetsOf {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn topics(&self, client: &Client) -> Vec<OffsetFetchTopic> {
        let mut topics: BTreeMap<TopicName, Vec<i32>> = BTreeMap::new();
        for tp in self.0.keys() {
            topics.entry(tp.topic.clone()).or_default().push(tp.partition);
        }
        let with_id = |(name, partitions)| {
            let id = client.topic_id(&name);
            OffsetFetchTopic { name, id, partitions }
        };
        topics.into_iter().map(with_id).collect()
    }
}

/// What a group has committed for a partition; `None` if nothing.
pub(crate) type CommittedOffset = Option<(i64, Option<LeaderEpoch>)>;

/// An answer about committed offsets, to be asked for single partitions.
pub(crate) struct CommittedOffsets<'a> {
    error: ErrorCode,
    by_name: BTreeMap<(&'a str, i32), &'a FetchedOffset>,
    by_id: BTreeMap<(TopicId, i32), &'a FetchedOffset>,
}

impl<'a> CommittedOffsets<'a> {
    pub(crate) fn new(answer: &'a OffsetFetchResponse) -> Self {
        let mut offsets = Self { error: answer.error, by_name: BTreeMap::new(), by_id: BTreeMap::new() };
        for topic in &answer.topics {
            for offset in &topic.partitions {
                match &topic.name {
                    Some(name) => offsets.by_name.entry((name, offset.partition)).or_insert(offset),
                    None => offsets.by_id.entry((topic.id, offset.partition)).or_insert(offset),
                };
            }
        }
        offsets
    }

    /// What is said of one partition. One that the answer does not mention has no answer: that says nothing about it, least of
    /// all that nothing is committed.
    pub(crate) fn of(&self, tp: &TopicPartition, id: TopicId) -> Result<CommittedOffset, AskFailed> {
        if !self.error.is_ok() {
            return Err(AskFailed::Broker(self.error));
        }
        let by_name = self.by_name.get(&(&*tp.topic, tp.partition));
        let offset = by_name.or_else(|| self.by_id.get(&(id, tp.partition)));
        let offset = offset.ok_or(AskFailed::Call(CallFailed::Malformed))?;
        match offset.error.is_ok() {
            true => Ok((offset.offset >= 0).then_some((offset.offset, offset.leader_epoch))),
            false => Err(AskFailed::Broker(offset.error)),
        }
    }
}

pub(crate) fn fetch_offsets_request(
    group: &str,
    topics: Option<Vec<OffsetFetchTopic>>,
    require_stable: bool,
) -> OffsetFetchRequest {
    OffsetFetchRequest { group_id: group.to_owned(), member: None, topics, require_stable }
}

/// Asks by topic id where the coordinator takes ids and all are known, else by name: only by id does a coordinator tell
/// "never committed" from "no such topic".
pub(crate) async fn fetch_offsets(
    lane: &Lane,
    request: &OffsetFetchRequest,
    timeout: Duration,
) -> Result<OffsetFetchResponse> {
    let ids = request.topics.as_ref().is_some_and(|topics| topics.iter().all(|topic| !topic.id.is_zero()));
    let newest = *OffsetFetchRequest::VERSIONS.end();
    let version = lane.pick::<OffsetFetchRequest>(if ids { newest } else { newest.min(BY_NAME_MAX) })?;
    let mut request = request.clone();
    if version < REQUIRE_STABLE_MIN {
        // Brokers before KIP-447 have no unstable offsets to tell of.
        request.require_stable = false;
    }
    lane.call_in(&request, version, timeout).await
}

/// KIP-447.
const REQUIRE_STABLE_MIN: i16 = 7;
