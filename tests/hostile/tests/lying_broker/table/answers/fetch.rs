//! Fetch answers about the wrong things: sessions, hints, offsets, transactions.

use std::sync::atomic::{AtomicI32, Ordering};

use kafka_protocol::messages::FetchResponse;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, NodeEndpoint, PartitionData};
use kafka_protocol::protocol::StrBytes;
use testkit::{ApiKey, ResponseKind};

use super::case;
use crate::case::Case;

fn fetch(name: &str, must_tell: bool, alter: impl Fn(&mut FetchResponse) + Send + Sync + 'static) -> Case {
    case(ApiKey::Fetch, name, must_tell, move |answer| {
        if let ResponseKind::Fetch(fetch) = answer {
            alter(fetch);
        }
    })
}

fn partitions(
    name: &str,
    must_tell: bool,
    alter: impl Fn(&mut PartitionData) + Send + Sync + 'static,
) -> Case {
    fetch(name, must_tell, move |fetch| {
        fetch.responses.iter_mut().flat_map(|topic| &mut topic.partitions).for_each(&alter);
    })
}

/// NOT_LEADER_OR_FOLLOWER and a hint (KIP-951).
fn hint(partition: &mut PartitionData, leader: i32, epoch: i32) {
    partition.error_code = 6;
    partition.records = None;
    partition.current_leader.leader_id = leader.into();
    partition.current_leader.leader_epoch = epoch;
}

fn endpoint(id: i32, host: &'static str, port: i32) -> NodeEndpoint {
    NodeEndpoint::default().with_node_id(id.into()).with_host(StrBytes::from_static_str(host)).with_port(port)
}

pub(super) fn all() -> Vec<Case> {
    let session = AtomicI32::new(1000);
    let turn = AtomicI32::new(0);
    let epoch = AtomicI32::new(10);
    vec![
        fetch("no partitions at all", false, |fetch| fetch.responses.clear()),
        fetch("every partition twice in its topic", true, |fetch| {
            for topic in &mut fetch.responses {
                topic.partitions.extend_from_within(..);
            }
            add_one(fetch);
        }),
        fetch("every topic twice", true, |fetch| {
            add_one(fetch);
            fetch.responses.extend_from_within(..);
        }),
        fetch("a partition that was not asked for", true, |fetch| {
            add_one(fetch);
            fetch.responses[0].partitions[0].partition_index = 77;
        }),
        fetch("a partition below 0", true, |fetch| {
            add_one(fetch);
            fetch.responses[0].partitions[0].partition_index = -1;
        }),
        fetch("a topic that was not asked for", true, |fetch| {
            add_one(fetch);
            fetch.responses[0].topic_id = uuid::Uuid::from_u128(77);
        }),
        fetch("a topic id of zero", true, |fetch| {
            add_one(fetch);
            fetch.responses[0].topic_id = uuid::Uuid::nil();
        }),
        fetch("another session with each answer", false, move |fetch| {
            fetch.session_id = session.fetch_add(1, Ordering::Relaxed);
        }),
        fetch("a session of -1", false, |fetch| fetch.session_id = -1),
        fetch("a session of the largest number", false, |fetch| fetch.session_id = i32::MAX),
        fetch("no session", false, |fetch| fetch.session_id = 0),
        fetch("a throttle time of 24 days", false, |fetch| fetch.throttle_time_ms = i32::MAX),
        fetch("a throttle time below 0", false, |fetch| fetch.throttle_time_ms = i32::MIN),
        fetch("a session error in each answer", false, |fetch| fetch.error_code = 70),
        fetch("a session epoch error in each answer", false, |fetch| fetch.error_code = 71),
        partitions("a preferred replica that does not exist", false, |partition| {
            partition.preferred_read_replica = 99.into();
            partition.records = None;
        }),
        partitions("a preferred replica below -1", false, |partition| {
            partition.preferred_read_replica = (-7).into();
        }),
        partitions("a preferred replica that sends it back", false, |partition| {
            partition.preferred_read_replica = 1.into();
            partition.records = None;
        }),
        partitions("preferred replicas in a circle", false, move |partition| {
            let next = turn.fetch_add(1, Ordering::Relaxed) % 3;
            partition.preferred_read_replica = (1 + next).into();
            partition.records = None;
        }),
        partitions("leader hints in a circle, with rising epochs", false, move |partition| {
            let epoch = epoch.fetch_add(1, Ordering::Relaxed);
            hint(partition, 1 + epoch % 2, epoch);
        }),
        partitions("a leader hint with the largest epoch", false, |partition| hint(partition, 2, i32::MAX)),
        partitions("a leader hint to a broker that does not exist", false, |partition| {
            hint(partition, 99, 5)
        }),
        fetch("a leader hint to an address where nobody is", false, |fetch| {
            fetch.node_endpoints = vec![endpoint(99, "nowhere", 9092), endpoint(1, "nowhere", -1)];
            fetch.responses.iter_mut().flat_map(|topic| &mut topic.partitions).for_each(|p| hint(p, 99, 6));
        }),
        fetch("endpoints of all brokers at port 0", false, |fetch| {
            fetch.node_endpoints = vec![endpoint(1, "", 0), endpoint(2, "", 0), endpoint(-5, "", 70_000)];
            fetch.responses.iter_mut().flat_map(|topic| &mut topic.partitions).for_each(|p| hint(p, -5, 7));
        }),
        partitions("a diverging epoch below 0", false, |partition| {
            partition.diverging_epoch.epoch = 0;
            partition.diverging_epoch.end_offset = -5;
            partition.records = None;
        }),
        partitions("a diverging epoch that ends beyond the position", false, |partition| {
            partition.diverging_epoch.epoch = i32::MAX;
            partition.diverging_epoch.end_offset = i64::MAX;
            partition.records = None;
        }),
        partitions("a high watermark of 0", false, |partition| partition.high_watermark = 0),
        partitions("a high watermark below 0", false, |partition| partition.high_watermark = i64::MIN),
        partitions("a high watermark of the largest number", false, |partition| {
            partition.high_watermark = i64::MAX;
        }),
        partitions("a log that starts beyond its end", false, |partition| {
            partition.log_start_offset = i64::MAX
        }),
        partitions("a last stable offset below 0", false, |partition| partition.last_stable_offset = -9),
        partitions("aborted transactions of everybody", false, |partition| {
            let aborted = |id: i64| {
                AbortedTransaction::default()
                    .with_producer_id((id - 5).into())
                    .with_first_offset(i64::MAX - id)
            };
            partition.aborted_transactions = Some((0..2000).map(aborted).collect());
        }),
        partitions("aborted transactions below 0, twice", false, |partition| {
            let one = AbortedTransaction::default().with_producer_id((-1).into()).with_first_offset(i64::MIN);
            partition.aborted_transactions = Some(vec![one.clone(), one]);
        }),
        partitions("records and an error beside them", true, |partition| partition.error_code = 87),
    ]
}

/// An answer that says nothing is made to say something about a partition that was asked for.
fn add_one(fetch: &mut FetchResponse) {
    use kafka_protocol::messages::fetch_response::FetchableTopicResponse;
    if fetch.responses.is_empty() {
        fetch
            .responses
            .push(FetchableTopicResponse::default().with_partitions(vec![PartitionData::default()]));
    }
}
