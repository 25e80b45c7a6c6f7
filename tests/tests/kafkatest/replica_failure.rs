//! `core/replication_replica_failure_test.py`: 3 brokers, one partition with 3 replicas. A follower no longer fetches, and
//! later does again: the replicas in sync shrink and grow, and every record that was acknowledged is read.
//!
//! kafkatest cuts the follower's network to the other brokers; here it is frozen, which nobody can tell apart but who
//! talks to it: so it is one that does not coordinate the group.

use futures_util::FutureExt;
use milena_tests::fixture::verifiable::{Outcome, ProducerSettings, Protocol, Settings};

use crate::replication::validate;
use crate::runner::Scenario;
use crate::world::{Shape, World};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let of = |protocol: Protocol| {
        Scenario::new(format!("replica_failure_{}", protocol.name()), Shape::Three, move |world| {
            replica_failure(world, protocol).boxed()
        })
    };
    vec![of(Protocol::Classic), of(Protocol::Consumer)]
}

async fn replica_failure(world: &World, protocol: Protocol) -> Outcome {
    world.topic(1, 3, &[("min.insync.replicas", "2")]).await?;
    let settings = ProducerSettings { throughput: Some(500), ..ProducerSettings::default() };
    let mut producer = world.producer(&settings)?;
    let mut consumers =
        world.consumers(1, Settings { protocol, verbose: true, session_ms: 30_000, ..Settings::default() });
    consumers.start_all()?;
    consumers.until("records are read", |all| all.consumed() >= 5).await?;

    let (topic, group) = (world.topic.clone(), world.group.clone());
    let (leader, coordinator) =
        world.broker(move |kafka| Ok((kafka.leader(&topic, 0)?, kafka.coordinator(&group)?))).await?;
    let nodes = world.kafka.nodes();
    let follower = nodes.iter().copied().find(|node| *node != leader && *node != coordinator);
    let follower = follower.ok_or("no follower to freeze")?;
    world.broker(move |kafka| kafka.pause(follower)).await?;
    let left: Vec<i32> = nodes.iter().copied().filter(|node| *node != follower).collect();
    world.await_in_sync(&left).await?;
    world.broker(move |kafka| kafka.resume(follower)).await?;
    world.await_in_sync(&nodes).await?;
    validate(&mut producer, &mut consumers, RECORDS, false).await
}

/// Records that are written at the end: 25000 in kafkatest.
const RECORDS: usize = 5000;
