//! Answers that are old, partial, or lies; and who is asked for the next one.

mod model;
mod refresh;
mod view;

use std::collections::BTreeSet;
use std::time::Instant;

use crate::cluster::{Asked, ClusterView};
use crate::types::{BrokerId, LeaderEpoch, TopicId, TopicPartition};
use crate::wire::{ErrorCode, MetadataBroker, MetadataPartition, MetadataResponse, MetadataTopic};

#[allow(clippy::disallowed_methods)]
fn origin() -> Instant {
    Instant::now()
}

fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

fn id(of: u8) -> TopicId {
    TopicId([of; 16])
}

fn topics(names: &[&str]) -> Asked {
    Asked::Topics(names.iter().map(|&name| name.into()).collect::<BTreeSet<_>>())
}

fn broker(id: i32) -> MetadataBroker {
    MetadataBroker { id: BrokerId(id), host: format!("b{id}"), port: 9092, rack: None }
}

/// Partitions from 0 on, each (leader, epoch); negative for none.
fn topic(name: &str, topic_id: TopicId, leaders: &[(i32, i32)]) -> MetadataTopic {
    let partition = |(number, (leader, epoch)): (usize, &(i32, i32))| MetadataPartition {
        error: ErrorCode::NONE,
        partition: number as i32,
        leader: (*leader >= 0).then_some(BrokerId(*leader)),
        leader_epoch: LeaderEpoch::from_wire(*epoch),
        replicas: vec![BrokerId(1), BrokerId(2)],
        isr: vec![BrokerId(1)],
        offline: Vec::new(),
    };
    MetadataTopic {
        error: ErrorCode::NONE,
        name: Some(name.to_owned()),
        id: topic_id,
        is_internal: false,
        partitions: leaders.iter().enumerate().map(partition).collect(),
    }
}

fn missing(name: &str, error: ErrorCode) -> MetadataTopic {
    MetadataTopic { error, ..topic(name, TopicId::ZERO, &[]) }
}

fn answer(topics: Vec<MetadataTopic>) -> MetadataResponse {
    MetadataResponse {
        brokers: vec![broker(1), broker(2), broker(3)],
        cluster_id: Some("cluster".to_owned()),
        controller: Some(BrokerId(1)),
        topics,
        ..MetadataResponse::default()
    }
}

/// A view that knows topic `a`, id 7, with partition 0 led by broker 1 in epoch 5 and partition 1 by broker 2 in epoch 8.
fn knowing_a() -> ClusterView {
    let mut view = ClusterView::new();
    let answer = answer(vec![topic("a", id(7), &[(1, 5), (2, 8)])]);
    view.handle_metadata(origin(), &answer, &topics(&["a"])).unwrap();
    view
}
