//! Offsets by time, and which partitions topics have.

use std::collections::{BTreeMap, BTreeSet};

use proto::types::{BrokerId, IsolationLevel, TopicName, TopicPartition};
use proto::wire::{
    EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic,
};

use crate::client::Client;
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
}

impl OffsetSpec {
    fn to_wire(self) -> i64 {
        match self {
            Self::Earliest => EARLIEST_TIMESTAMP,
            Self::Latest => LATEST_TIMESTAMP,
            // Below 0 are names for special offsets.
            Self::Timestamp(ms) => ms.max(0),
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
        let interest = self.metadata().interest();
        self.metadata().want(&interest, topics.clone());
        let known = self.metadata().await_topics(&topics, self.config().request_timeout()).await;
        let partitions = self.metadata().view(|view| {
            let of = |name: &TopicName| {
                let count = view.partition_count(name).unwrap_or(0);
                (0..i32::try_from(count).unwrap_or(i32::MAX))
                    .map(|number| TopicPartition::new(name.clone(), number))
                    .collect::<Vec<_>>()
            };
            topics.iter().flat_map(of).collect()
        });
        self.metadata().want(&interest, BTreeSet::new());
        known.map(|()| partitions)
    }

    /// Looks up an offset of each partition at its leader; -1 where no record is that late. Tries again, with growing pauses,
    /// until all leaders have answered or the request timeout has passed.
    ///
    /// # Errors
    /// The first partition that no leader would answer for.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn list_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        spec: OffsetSpec,
        isolation: IsolationLevel,
    ) -> Result<BTreeMap<TopicPartition, i64>> {
        let partitions: BTreeSet<TopicPartition> = partitions.into_iter().collect();
        self.partitions_of(partitions.iter().map(|tp| tp.topic.clone())).await?;
        let found = std::sync::Mutex::new(BTreeMap::new());
        self.retrying(|| async {
            let missing: Vec<TopicPartition> = {
                let found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                partitions.iter().filter(|tp| !found.contains_key(*tp)).cloned().collect()
            };
            let mut failure = None;
            for (leader, asked) in self.by_leader(&missing).await? {
                let answer = self.call_broker(leader, &request(&asked, spec, isolation)).await;
                for tp in asked {
                    match answer.as_ref().map_err(Error::clone).and_then(|answer| offset_in(answer, &tp)) {
                        Ok(offset) => {
                            found
                                .lock()
                                .unwrap_or_else(std::sync::PoisonError::into_inner)
                                .insert(tp, offset);
                        }
                        Err(error) => failure = Some(error.at(&tp).doing("looking up an offset")),
                    }
                }
            }
            match failure {
                None => Ok(()),
                Some(error) => {
                    self.metadata().refresh_soon();
                    Err(error)
                }
            }
        })
        .await?;
        Ok(found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    async fn by_leader(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<BrokerId, Vec<TopicPartition>>> {
        let mut leaders: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        for tp in partitions {
            leaders.entry(self.metadata().leader(tp).await?).or_default().push(tp.clone());
        }
        Ok(leaders)
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
