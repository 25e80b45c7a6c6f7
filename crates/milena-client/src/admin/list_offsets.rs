//! Offsets by time, and which partitions topics have.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use proto::types::{BrokerId, IsolationLevel, TopicName, TopicPartition};
use proto::wire::{
    EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic,
};

use crate::admin::Wanted;
use crate::client::Client;
use crate::clock;
use crate::error::{Error, ErrorKind, Result};

/// Which offset of a partition is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OffsetSpec {
    /// The first that is still in the log.
    Earliest,
    /// The end; under read_committed the last stable offset.
    Latest,
    /// The first record that is not older, in milliseconds since 1970.
    Timestamp(i64),
    /// The record with the greatest timestamp (KIP-734), for brokers from 3.0 on.
    MaxTimestamp,
}

impl OffsetSpec {
    fn to_wire(self) -> i64 {
        match self {
            Self::Earliest => EARLIEST_TIMESTAMP,
            Self::Latest => LATEST_TIMESTAMP,
            // Below 0 are names for special offsets.
            Self::Timestamp(ms) => ms.max(0),
            Self::MaxTimestamp => -3,
        }
    }
}

/// How long a broker may look into remote storage.
const LOOKUP_TIMEOUT_MS: i32 = 30_000;

impl Client {
    /// The partitions of topics, in order.
    ///
    /// # Errors
    /// A topic does not exist, or may not be described.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn partitions_of(
        &self,
        topics: impl IntoIterator<Item = TopicName>,
    ) -> Result<Vec<TopicPartition>> {
        let topics: BTreeSet<TopicName> = topics.into_iter().collect();
        let _wanted = Wanted::new(self.metadata(), topics.clone());
        self.metadata().await_topics(&topics, self.config().request_timeout()).await?;
        Ok(self.metadata().view(|view| {
            let of = |name: &TopicName| {
                let count = view.partition_count(name).unwrap_or(0);
                (0..i32::try_from(count).unwrap_or(i32::MAX))
                    .map(|number| TopicPartition::new(name.clone(), number))
                    .collect::<Vec<_>>()
            };
            topics.iter().flat_map(of).collect()
        }))
    }

    /// Looks up an offset of each partition at its leader; -1 where no record is that late. Tries again, with growing
    /// pauses, until all leaders have answered or the request timeout has passed.
    ///
    /// # Errors
    /// A topic or partition does not exist, or a leader refuses for good; otherwise the first partition that no leader
    /// answered for in time.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn list_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        spec: OffsetSpec,
        isolation: IsolationLevel,
    ) -> Result<BTreeMap<TopicPartition, i64>> {
        let mut missing: BTreeSet<TopicPartition> = partitions.into_iter().collect();
        let topics: BTreeSet<TopicName> = missing.iter().map(|tp| tp.topic.clone()).collect();
        let _wanted = Wanted::new(self.metadata(), topics);
        self.metadata().await_partitions(&missing, self.config().request_timeout()).await?;
        let deadline = clock::now() + self.config().request_timeout();
        let mut backoff = self.backoff();
        let mut found = BTreeMap::new();
        loop {
            let failure = self.ask_leaders(&missing, spec, isolation, &mut found).await;
            missing.retain(|tp| !found.contains_key(tp));
            let Some(error) = failure else { return Ok(found) };
            let pause = backoff.next_delay();
            if !error.is_retriable() || clock::now() + pause >= deadline {
                return Err(error.doing("looking up an offset"));
            }
            self.metadata().refresh_soon();
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks all leaders once. The failure that counts most, if there was one: one that does not pass, or else the first.
    async fn ask_leaders(
        &self,
        partitions: &BTreeSet<TopicPartition>,
        spec: OffsetSpec,
        isolation: IsolationLevel,
        found: &mut BTreeMap<TopicPartition, i64>,
    ) -> Option<Error> {
        let mut leaders: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        let mut failures = Vec::new();
        for tp in partitions {
            match self.metadata().leader(tp).await {
                Ok(leader) => leaders.entry(leader).or_default().push(tp.clone()),
                Err(error) => failures.push(error),
            }
        }
        let calls = leaders.into_iter().map(|(leader, asked)| async move {
            let answer = self.call_broker(leader, &request(&asked, spec, isolation)).await;
            (asked, answer)
        });
        for (asked, answer) in join_all(calls).await {
            for tp in asked {
                match answer.as_ref().map_err(Error::clone).and_then(|answer| offset_in(answer, &tp)) {
                    Ok(offset) => _ = found.insert(tp, offset),
                    Err(error) => failures.push(error.at(&tp)),
                }
            }
        }
        let fatal = failures.iter().position(Error::is_fatal).unwrap_or(0);
        failures.into_iter().nth(fatal)
    }
}

fn request(partitions: &[TopicPartition], spec: OffsetSpec, isolation: IsolationLevel) -> ListOffsetsRequest {
    let mut topics: BTreeMap<TopicName, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for tp in partitions {
        topics.entry(tp.topic.clone()).or_default().push(ListOffsetsPartition {
            partition: tp.partition,
            current_leader_epoch: None,
            timestamp: spec.to_wire(),
        });
    }
    let topics = topics.into_iter().map(|(name, partitions)| ListOffsetsTopic { name, partitions }).collect();
    ListOffsetsRequest { isolation, topics, timeout_ms: LOOKUP_TIMEOUT_MS }
}

fn offset_in(answer: &ListOffsetsResponse, tp: &TopicPartition) -> Result<i64> {
    let topics = answer.topics.iter().filter(|topic| *topic.name == *tp.topic);
    let listed = topics.flat_map(|topic| &topic.partitions).find(|listed| listed.partition == tp.partition);
    match listed {
        Some(listed) if listed.error.is_ok() => Ok(listed.offset),
        Some(listed) => Err(Error::broker(listed.error)),
        None => Err(Error::new(ErrorKind::Malformed).message("the answer does not mention the partition")),
    }
}
