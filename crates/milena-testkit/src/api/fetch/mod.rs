//! Fetch (1), versions 4 to 18.
//!
//! Java: `KafkaApis.handleFetchRequest`, `ReplicaManager.fetchMessages` and `readFromLog`, `DelayedFetch`, `FetchSession`. Kept:
//!
//! - sessions (KIP-227): full, incremental, forgotten partitions, eviction, all three session errors; partitions that brought
//!   records go to the end of the next round;
//! - topic ids from version 13 on; an unknown one is UNKNOWN_TOPIC_ID, and does not end a long poll;
//! - bytes: the request's and the partition's limits, the first batch of the first partition with records whole (KIP-74), the
//!   last one cut wherever the limit is; a first batch that would be cut is not sent at all;
//! - the long poll ends with `min_bytes`, an error, a diverging epoch or a preferred replica;
//! - isolation: high watermark or last stable offset, with the aborted transactions of what is sent;
//! - leader epochs (KIP-320), diverging epochs (KIP-595), leader hints from version 16 on (KIP-951);
//! - followers serve from version 11 on, and leaders send consumers to a replica in their rack (KIP-392).
//!
//! Not kept: fetches of other brokers, quotas (a test throttles by itself), tiered storage.

mod read;
mod session;

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::cluster::{ClusterState, Isolation};
use crate::ctx::{ConnId, Ctx, Reply, ReplyTo, World};
use crate::error_code::ErrorCode;
pub(crate) use session::Sessions;

/// What a fetch asks of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Want {
    /// As the request names it: empty from version 13 on.
    name: String,
    /// As the request names it: nil before version 13.
    id: Uuid,
    partition: i32,
    offset: i64,
    leader_epoch: i32,
    last_fetched_epoch: i32,
    bytes_max: i32,
}

/// What a partition is known by.
type Key = (String, Uuid, i32);

impl Want {
    fn key(&self) -> Key {
        (self.name.clone(), self.id, self.partition)
    }

    /// The topic's name, whichever way it was asked for.
    fn topic<'a>(&'a self, cluster: &'a ClusterState) -> Result<&'a str, ErrorCode> {
        if self.id.is_nil() {
            Ok(&self.name)
        } else {
            cluster.name_of(self.id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
        }
    }
}

/// A fetch that is being answered, at once or after a while.
#[derive(Debug)]
pub(crate) struct Fetch {
    reply_to: ReplyTo,
    conn: ConnId,
    broker: BrokerId,
    version: i16,
    deadline: Duration,
    min_bytes: usize,
    bytes_max: usize,
    isolation: Isolation,
    rack: String,
    wants: Vec<Want>,
    context: session::Context,
    injected: BTreeMap<Key, ErrorCode>,
}

pub(crate) fn handle(ctx: &mut Ctx<'_>, request: FetchRequest, version: i16) -> Reply<FetchResponse> {
    let broker = ctx.broker;
    let (listed, forgotten) = (listed(&request), forgotten(&request));
    let opened = {
        let world = &mut *ctx.world;
        let slots = world.cluster.settings.fetch_sessions_max;
        let asked = session::Asked { id: request.session_id, epoch: request.session_epoch, version };
        world.data.sessions.of(broker).open(asked, listed, &forgotten, slots, world.now)
    };
    let (context, wants) = match opened {
        Ok(opened) => opened,
        Err(code) => return Reply::Now(FetchResponse::default().with_error_code(code.0)),
    };
    let max_wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let bytes_max = request.max_bytes.min(ctx.cluster.settings.fetch_bytes_max);
    let injected = injected(ctx, &wants);
    let fetch = Fetch {
        reply_to: ctx.reply_to,
        conn: ctx.conn,
        broker,
        version,
        deadline: ctx.now + max_wait,
        min_bytes: usize::try_from(request.min_bytes).unwrap_or(0),
        bytes_max: usize::try_from(bytes_max).unwrap_or(0),
        isolation: Isolation::from_wire(request.isolation_level),
        rack: if version >= 11 { request.rack_id.to_string() } else { String::new() },
        wants,
        context,
        injected,
    };
    match fetch.answer(ctx.world, max_wait.is_zero()) {
        Some(response) => Reply::Now(response),
        None => {
            ctx.data.fetches.insert(fetch.reply_to, fetch);
            Reply::Later
        }
    }
}

fn listed(request: &FetchRequest) -> Vec<Want> {
    let partitions = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| Want {
            name: topic.topic.to_string(),
            id: topic.topic_id,
            partition: partition.partition,
            offset: partition.fetch_offset,
            leader_epoch: partition.current_leader_epoch,
            last_fetched_epoch: partition.last_fetched_epoch,
            bytes_max: partition.partition_max_bytes,
        })
    });
    partitions.collect()
}

fn forgotten(request: &FetchRequest) -> Vec<Key> {
    let topics = &request.forgotten_topics_data;
    let keys = topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (topic.topic.to_string(), topic.topic_id, *partition))
    });
    keys.collect()
}

fn injected(ctx: &Ctx<'_>, wants: &[Want]) -> BTreeMap<Key, ErrorCode> {
    let errors = wants.iter().filter_map(|want| {
        let topic = want.topic(&ctx.cluster).ok()?;
        ctx.injected(topic, want.partition).map(|code| (want.key(), code))
    });
    errors.collect()
}

impl Fetch {
    pub(crate) fn conn(&self) -> ConnId {
        self.conn
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The answer, if it is time for it.
    pub(crate) fn answer(&self, world: &mut World, is_last_chance: bool) -> Option<FetchResponse> {
        let found = self.read(&world.cluster);
        let is_ready = is_last_chance
            || found.bytes >= self.min_bytes
            || found.is_urgent
            || found.partitions.iter().all(|partition| partition.is_erroneous);
        if !is_ready {
            return None;
        }
        // What was refused before it was looked at comes last (`KafkaApis.processResponseCallback`).
        let mut found: Vec<_> = self.wants.iter().cloned().zip(found.partitions).collect();
        found.sort_by_key(|(_, partition)| match ErrorCode(partition.data.error_code) {
            _ if !partition.is_erroneous => 0,
            ErrorCode::UNKNOWN_TOPIC_ID => 1,
            _ => 2,
        });
        let mut partitions: Vec<_> = found.into_iter().map(|(want, found)| (want, found.data)).collect();
        let sessions = world.data.sessions.of(self.broker);
        let session_id = sessions.close(&self.context, &mut partitions, world.now);
        Some(self.response(&world.cluster, session_id, partitions))
    }

    fn response(
        &self,
        cluster: &ClusterState,
        session_id: i32,
        partitions: Vec<(Want, PartitionData)>,
    ) -> FetchResponse {
        let mut hints = super::hint::Hints::default();
        let mut topics: Vec<FetchableTopicResponse> = Vec::new();
        for (want, mut data) in partitions {
            if self.version >= 16
                && let Ok(topic) = want.topic(cluster)
                && let Some((leader, epoch)) =
                    hints.find(cluster, topic, want.partition, ErrorCode(data.error_code))
            {
                data.current_leader.leader_id = leader;
                data.current_leader.leader_epoch = epoch;
            }
            let is_same =
                topics.last().is_some_and(|last| **last.topic == *want.name && last.topic_id == want.id);
            if !is_same {
                let name = TopicName(StrBytes::from_string(want.name.clone()));
                topics.push(FetchableTopicResponse::default().with_topic(name).with_topic_id(want.id));
            }
            if let Some(topic) = topics.last_mut() {
                topic.partitions.push(data);
            }
        }
        FetchResponse::default()
            .with_session_id(session_id)
            .with_responses(topics)
            .with_node_endpoints(hints.fetch_endpoints(cluster))
    }
}

/// Answers fetches that have waited for what has happened, or long enough.
pub(crate) fn wake(world: &mut World, only_due: bool) {
    let waiting: Vec<_> = world
        .data
        .fetches
        .values()
        .filter(|fetch| !only_due || fetch.deadline <= world.now)
        .map(|fetch| fetch.reply_to)
        .collect();
    for reply_to in waiting {
        let Some(fetch) = world.data.fetches.remove(&reply_to) else { continue };
        let is_due = fetch.deadline <= world.now;
        match fetch.answer(world, is_due) {
            Some(response) => world.answer(reply_to, response),
            None => {
                world.data.fetches.insert(reply_to, fetch);
            }
        }
    }
}
