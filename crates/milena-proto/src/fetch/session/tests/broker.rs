//! A broker's side of fetch sessions, after Kafka's `FetchSession.scala` (`FetchManager.newContext`, `FetchSession.update`,
//! `IncrementalFetchContext`). Written apart from the client's side, so that the two can contradict each other.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::types::{LeaderEpoch, TopicId};
use crate::wire::{ErrorCode, FetchPartition, FetchRequest, FetchResponse, FetchedPartition, FetchedTopic};

pub(super) struct Broker {
    sessions: BTreeMap<i32, BrokerSession>,
    last_id: i32,
    ends: BTreeMap<(String, i32), i64>,
    pub(super) keeps_sessions: bool,
    /// Partitions that are answered with this error.
    pub(super) errors: BTreeMap<(String, i32), ErrorCode>,
    /// What the last accepted request made this broker fetch.
    pub(super) fetched: BTreeMap<Key, Cached>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Key {
    Name(String, i32),
    Id(TopicId, i32),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cached {
    pub(super) name: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) current_leader_epoch: Option<LeaderEpoch>,
    pub(super) last_fetched_epoch: Option<LeaderEpoch>,
    pub(super) max_bytes: i32,
}

struct BrokerSession {
    next_epoch: i32,
    by_id: bool,
    partitions: BTreeMap<Key, Cached>,
}

impl Broker {
    pub(super) fn new() -> Self {
        Self {
            sessions: BTreeMap::new(),
            last_id: 0,
            ends: BTreeMap::new(),
            keeps_sessions: true,
            errors: BTreeMap::new(),
            fetched: BTreeMap::new(),
        }
    }

    pub(super) fn sessions(&self) -> Vec<i32> {
        self.sessions.keys().copied().collect()
    }

    pub(super) fn evict_all(&mut self) {
        self.sessions.clear();
    }

    pub(super) fn set_epoch(&mut self, id: i32, next_epoch: i32) {
        self.sessions.get_mut(&id).unwrap().next_epoch = next_epoch;
    }

    /// The bug that no answer shows.
    pub(super) fn silently_forget(&mut self, topic: &str, partition: i32) {
        for session in self.sessions.values_mut() {
            session
                .partitions
                .retain(|_, cached| (cached.name.as_str(), cached.partition) != (topic, partition));
        }
    }

    pub(super) fn append(&mut self, topic: &str, partition: i32, end: i64) {
        let known = self.ends.entry((topic.to_owned(), partition)).or_default();
        *known = end.max(*known);
    }

    pub(super) fn end(&self, topic: &str, partition: i32) -> i64 {
        self.ends.get(&(topic.to_owned(), partition)).copied().unwrap_or(0)
    }

    pub(super) fn handle(&mut self, request: &FetchRequest, by_id: bool) -> FetchResponse {
        if matches!(request.session_epoch, 0 | -1) {
            return self.handle_full(request, by_id);
        }
        let Some(session) = self.sessions.get_mut(&request.session_id) else {
            return refuse(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        };
        if session.by_id != by_id {
            return refuse(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        if session.next_epoch != request.session_epoch {
            return refuse(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        for (key, cached) in named(request, by_id) {
            session.partitions.insert(key, cached);
        }
        // After the additions, as FetchSession.update does it.
        for topic in &request.forgotten {
            for partition in &topic.partitions {
                session.partitions.remove(&key(by_id, &topic.name, topic.id, *partition));
            }
        }
        session.next_epoch = if request.session_epoch == i32::MAX { 1 } else { request.session_epoch + 1 };
        self.fetched = session.partitions.clone();
        let empty = session.partitions.is_empty();
        if empty {
            self.sessions.remove(&request.session_id);
        }
        let topics = self.read(by_id, true);
        let session_id = if empty { 0 } else { request.session_id };
        FetchResponse { session_id, topics, ..FetchResponse::default() }
    }

    fn handle_full(&mut self, request: &FetchRequest, by_id: bool) -> FetchResponse {
        self.sessions.remove(&request.session_id);
        let partitions: BTreeMap<_, _> = named(request, by_id).collect();
        self.fetched = partitions.clone();
        let mut session_id = 0;
        if self.keeps_sessions && request.session_epoch == 0 && !partitions.is_empty() {
            self.last_id += 1;
            session_id = self.last_id;
            self.sessions.insert(session_id, BrokerSession { next_epoch: 1, by_id, partitions });
        }
        FetchResponse { session_id, topics: self.read(by_id, false), ..FetchResponse::default() }
    }

    /// In a session only partitions with records or an error are answered.
    fn read(&self, by_id: bool, only_news: bool) -> Vec<FetchedTopic> {
        let mut topics: Vec<FetchedTopic> = Vec::new();
        for (key, cached) in &self.fetched {
            let at = (cached.name.clone(), cached.partition);
            let error = self.errors.get(&at).copied().unwrap_or(ErrorCode::NONE);
            let has_data = self.end(&cached.name, cached.partition) > cached.offset;
            if only_news && !has_data && error.is_ok() {
                continue;
            }
            let (name, id) = match key {
                Key::Name(name, _) => (Some(name.clone()), TopicId::ZERO),
                Key::Id(id, _) => (None, *id),
            };
            let partition = answered(cached.partition, error, cached.offset);
            match topics.last_mut() {
                Some(topic) if (&topic.name, topic.id) == (&name, id) => topic.partitions.push(partition),
                _ => topics.push(FetchedTopic { name, id, partitions: vec![partition] }),
            }
        }
        assert!(by_id || topics.iter().all(|topic| topic.name.is_some()));
        topics
    }
}

/// An answer that says in its high watermark from which offset the broker has read.
pub(super) fn answered(partition: i32, error: ErrorCode, offset: i64) -> FetchedPartition {
    FetchedPartition {
        partition,
        error,
        high_watermark: offset,
        last_stable_offset: -1,
        log_start_offset: -1,
        diverging_epoch: None,
        current_leader: None,
        aborted_transactions: Vec::new(),
        preferred_read_replica: None,
        records: Bytes::new(),
    }
}

fn refuse(error: ErrorCode) -> FetchResponse {
    FetchResponse { error, ..FetchResponse::default() }
}

fn named(request: &FetchRequest, by_id: bool) -> impl Iterator<Item = (Key, Cached)> {
    request.topics.iter().flat_map(move |topic| {
        topic.partitions.iter().map(move |wanted| {
            let FetchPartition {
                partition,
                current_leader_epoch,
                fetch_offset,
                last_fetched_epoch,
                max_bytes,
            } = *wanted;
            let cached = Cached {
                name: topic.name.to_string(),
                partition,
                offset: fetch_offset,
                current_leader_epoch,
                last_fetched_epoch,
                max_bytes,
            };
            (key(by_id, &topic.name, topic.id, partition), cached)
        })
    })
}

fn key(by_id: bool, name: &str, id: TopicId, partition: i32) -> Key {
    if by_id { Key::Id(id, partition) } else { Key::Name(name.to_owned(), partition) }
}
