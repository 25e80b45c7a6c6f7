//! Offsets that somebody else than Kafka keeps: beside the results, in a database's transaction, say.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use proto::types::{Generation, LeaderEpoch, TopicId, TopicPartition};
use proto::wire::{
    ErrorCode, FetchedOffset, FetchedOffsets, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitted,
    OffsetFetchResponse,
};

use crate::error::{Error, ErrorKind, Result};

/// Keeps the offsets of a consumer in place of Kafka.
///
/// The same rules hold as for commits to Kafka: [`store`](Self::store) gets only offsets that passed the commit gate, so never
/// one ahead of an unacknowledged record, never one of an assignment epoch that has ended, and inside an epoch never a lower
/// one than before. There is one call of it at a time, and a revoke is acknowledged only after it has returned, or the drain
/// timeout has passed. Against the latter, and against members that come back from the dead, a store protects itself by
/// [`generation`](OffsetToStore::generation): the broker would do so, but is not asked.
///
/// Written with `async fn` by way of the `async_trait` crate, or by hand with `Box::pin(async move { .. })`.
pub trait OffsetStore: Send + Sync + fmt::Debug {
    /// What is stored for these partitions: an entry for each of them, `None` where nothing is stored.
    ///
    /// A partition without an entry is asked for again: that nothing is said about it does not mean that nothing is stored. So
    /// it is with an error. Both are told by [`Event::Trouble`](crate::Event::Trouble), and reading begins only after an answer.
    fn load<'a>(&'a self, partitions: &'a [PartitionToLoad]) -> Storing<'a, Loaded>;

    /// Stores these offsets, or none of them. An error is told by [`Event::Trouble`](crate::Event::Trouble); what is then
    /// acknowledged is stored later, after a pause.
    fn store<'a>(&'a self, offsets: &'a [OffsetToStore]) -> Storing<'a, ()>;
}

/// What [`OffsetStore::load`] found.
pub type Loaded = BTreeMap<TopicPartition, Option<StoredOffset>>;

/// A future that an [`OffsetStore`] returns.
pub type Storing<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Whatever a store fails with.
pub type StoreError = Box<dyn StdError + Send + Sync>;

/// A partition whose offset is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionToLoad {
    /// Which.
    pub partition: TopicPartition,
    /// The id of its topic; zero where the cluster has none.
    pub topic_id: TopicId,
}

/// An offset as it was stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct StoredOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the record before it: with it a truncated log is noticed (KIP-320).
    pub leader_epoch: Option<LeaderEpoch>,
    /// The id of the topic that it belongs to; zero where that is not known. An offset of another topic of the same name, which
    /// was deleted since, counts as none.
    pub topic_id: TopicId,
}

/// An offset to store.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct OffsetToStore {
    /// Of which partition.
    pub partition: TopicPartition,
    /// The offset.
    pub stored: StoredOffset,
    /// The generation or member epoch of the group in which the member owns the partition; -1 without a group. A store that
    /// several members write to refuses a lower one than it has seen for the partition, and never faces a late member's offset.
    pub generation: Generation,
    /// Who stores: the member's id in the group; empty without one.
    pub member_id: String,
}

impl StoredOffset {
    /// An offset of which nothing more is known.
    pub fn new(offset: i64) -> Self {
        Self { offset, leader_epoch: None, topic_id: TopicId::ZERO }
    }

    /// With the leader epoch of the record before it.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: Option<LeaderEpoch>) -> Self {
        self.leader_epoch = epoch;
        self
    }

    /// With the id of the topic that it belongs to.
    #[must_use]
    pub fn topic_id(mut self, id: TopicId) -> Self {
        self.topic_id = id;
        self
    }
}

/// Asks the store, in the shape of an OffsetFetch: what is told of a partition goes the same way wherever it comes from.
pub(super) async fn load(
    store: &dyn OffsetStore,
    partitions: &[PartitionToLoad],
) -> Result<OffsetFetchResponse> {
    let loaded = store.load(partitions).await.map_err(|error| failed(error, "loading offsets"))?;
    let mut topics: BTreeMap<&str, FetchedOffsets> = BTreeMap::new();
    for PartitionToLoad { partition, topic_id } in partitions {
        // Not mentioned: no answer.
        let Some(found) = loaded.get(partition) else { continue };
        let found = found.filter(|found| found.topic_id.is_zero() || found.topic_id == *topic_id);
        let error = match found {
            // No such offset can have been stored from here: this says nothing about the partition.
            Some(found) if found.offset < 0 => ErrorCode::UNKNOWN_SERVER_ERROR,
            _ => ErrorCode::NONE,
        };
        let name = &*partition.topic;
        let topic = topics.entry(name).or_insert_with(|| FetchedOffsets {
            name: Some(name.to_owned()),
            id: *topic_id,
            partitions: Vec::new(),
        });
        topic.partitions.push(FetchedOffset {
            partition: partition.partition,
            error,
            offset: found.map_or(-1, |found| found.offset),
            leader_epoch: found.and_then(|found| found.leader_epoch),
            metadata: None,
        });
    }
    Ok(OffsetFetchResponse { topics: topics.into_values().collect(), ..OffsetFetchResponse::default() })
}

/// Stores what the gate let through, and says what came of it, in the shape of an OffsetCommit. After an error nobody knows
/// whether it was stored.
pub(super) async fn store(
    store: &dyn OffsetStore,
    request: &OffsetCommitRequest,
) -> (OffsetCommitResponse, Option<Error>) {
    let offsets: Vec<OffsetToStore> = request
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(move |partition| (topic, partition)))
        .map(|(topic, partition)| OffsetToStore {
            partition: TopicPartition::new(topic.name.clone(), partition.partition),
            stored: StoredOffset {
                offset: partition.offset,
                leader_epoch: partition.leader_epoch,
                topic_id: topic.id,
            },
            generation: request.generation,
            member_id: request.member_id.clone(),
        })
        .collect();
    let outcome = store.store(&offsets).await;
    let code = if outcome.is_ok() { ErrorCode::NONE } else { ErrorCode::REQUEST_TIMED_OUT };
    let topics = request.topics.iter().map(|topic| OffsetCommitted {
        name: Some(topic.name.to_string()),
        id: topic.id,
        partitions: topic.partitions.iter().map(|partition| (partition.partition, code)).collect(),
    });
    let response = OffsetCommitResponse { throttle_time_ms: 0, topics: topics.collect() };
    (response, outcome.err().map(|error| failed(error, "storing offsets")))
}

fn failed(error: StoreError, doing: &str) -> Error {
    Error::new(ErrorKind::OffsetStore).message(error.to_string()).doing(doing)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proto::wire::{OffsetCommitPartition, OffsetCommitTopic};

    use super::*;

    #[derive(Debug, Default)]
    struct Notes {
        known: Loaded,
        stored: Mutex<Vec<OffsetToStore>>,
        broken: bool,
    }

    impl OffsetStore for Notes {
        fn load<'a>(&'a self, _: &'a [PartitionToLoad]) -> Storing<'a, Loaded> {
            Box::pin(async move { if self.broken { Err("no disk".into()) } else { Ok(self.known.clone()) } })
        }

        fn store<'a>(&'a self, offsets: &'a [OffsetToStore]) -> Storing<'a, ()> {
            self.stored.lock().unwrap().extend_from_slice(offsets);
            Box::pin(async move { if self.broken { Err("no disk".into()) } else { Ok(()) } })
        }
    }

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    const ID: TopicId = TopicId([7; 16]);

    #[tokio::test]
    async fn what_is_not_said_of_a_partition_says_nothing_about_it() {
        let other = StoredOffset::new(4).topic_id(TopicId([8; 16]));
        let known = BTreeMap::from([
            (tp(0), Some(StoredOffset::new(5).leader_epoch(Some(LeaderEpoch(3))).topic_id(ID))),
            (tp(1), None),
            (tp(2), Some(other)),
            (tp(3), Some(StoredOffset::new(-1))),
        ]);
        let notes = Notes { known, ..Notes::default() };
        let asked: Vec<_> =
            (0..5).map(|number| PartitionToLoad { partition: tp(number), topic_id: ID }).collect();
        let answer = load(&notes, &asked).await.unwrap();
        let told: Vec<_> = answer.topics[0]
            .partitions
            .iter()
            .map(|found| (found.partition, found.error.is_ok(), found.offset, found.leader_epoch))
            .collect();
        let nothing = |partition| (partition, true, -1, None);
        assert_eq!(
            told,
            [(0, true, 5, Some(LeaderEpoch(3))), nothing(1), nothing(2), (3, false, -1, None)],
            "the last one is not mentioned"
        );
        let broken = Notes { broken: true, ..Notes::default() };
        let error = load(&broken, &asked).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OffsetStore);
        assert!(error.to_string().contains("no disk"), "{error}");
    }

    #[tokio::test]
    async fn an_error_leaves_it_open_what_was_stored() {
        let offset = OffsetCommitPartition { partition: 1, offset: 9, leader_epoch: None, metadata: None };
        let request = OffsetCommitRequest {
            group_id: "g".to_owned(),
            generation: Generation(4),
            member_id: "m".to_owned(),
            group_instance_id: None,
            topics: vec![OffsetCommitTopic { name: "t".into(), id: ID, partitions: vec![offset] }],
        };
        for broken in [false, true] {
            let notes = Notes { broken, ..Notes::default() };
            let (response, error) = store(&notes, &request).await;
            let code = if broken { ErrorCode::REQUEST_TIMED_OUT } else { ErrorCode::NONE };
            assert_eq!(response.topics[0].partitions, [(1, code)]);
            assert_eq!(error.is_some(), broken);
            let stored = StoredOffset::new(9).topic_id(ID);
            let (generation, member_id) = (Generation(4), "m".to_owned());
            assert_eq!(
                *notes.stored.lock().unwrap(),
                [OffsetToStore { partition: tp(1), stored, generation, member_id }]
            );
        }
    }
}
