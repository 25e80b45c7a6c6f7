//! `core/replication_test.py` by `end_to_end.py`: 3 brokers, 3 partitions with 3 replicas, two of which have to have a
//! record. The leader ends or is bounced, cleanly or not; every record that was acknowledged is read and committed, and
//! with an idempotent producer none twice.

use std::collections::BTreeSet;

use futures_util::FutureExt;
use milena_tests::fixture::verifiable::{Consumers, Outcome, Producer, ProducerSettings, Protocol, Settings};

use crate::runner::Scenario;
use crate::world::{Shape, World};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        for (clean, bounce) in [(true, false), (false, false), (true, true), (false, true)] {
            let end = if clean { "clean" } else { "hard" };
            let what = if bounce { "bounce" } else { "shutdown" };
            // As in kafkatest, compression changes nothing else: it rides along with one of the protocols.
            let compression = (protocol == Protocol::Consumer).then_some("gzip");
            let name = format!("replication_{end}_{what}_{}", protocol.name());
            all.push(Scenario::new(name, Shape::Three, move |world| {
                broker_failure(world, protocol, clean, bounce, compression).boxed()
            }));
        }
    }
    all
}

async fn broker_failure(
    world: &World,
    protocol: Protocol,
    clean: bool,
    bounce: bool,
    compression: Option<&'static str>,
) -> Outcome {
    world.topic(3, 3, &[("min.insync.replicas", "2")]).await?;
    let settings = ProducerSettings {
        throughput: Some(500),
        idempotent: true,
        compression,
        ..ProducerSettings::default()
    };
    let mut producer = world.producer(&settings)?;
    let mut consumers =
        world.consumers(1, Settings { protocol, verbose: true, session_ms: 30_000, ..Settings::default() });
    consumers.start_all()?;
    consumers.until("records are read", |all| all.consumed() >= 5).await?;
    for _ in 0..if bounce { world.bounces } else { 1 } {
        let topic = world.topic.clone();
        let leader = world.broker(move |kafka| kafka.leader(&topic, 0)).await?;
        world.end_broker(leader, clean).await?;
        if !bounce {
            break;
        }
        if !clean {
            // Until the controller has noticed, as kafkatest does.
            await_another_leader(world, leader).await?;
        }
        world.broker(move |kafka| kafka.restart(leader)).await?;
    }
    validate(&mut producer, &mut consumers, RECORDS, true).await
}

async fn await_another_leader(world: &World, old: i32) -> Outcome {
    for _ in 0..600 {
        let topic = world.topic.clone();
        if world.broker(move |kafka| kafka.leader(&topic, 0)).await? != old {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(format!("{old} still leads, and is dead"))
}

/// `run_validation`: stops the producer once it has written enough, and waits until all of it is read and committed.
pub(crate) async fn validate(
    producer: &mut Producer,
    consumers: &mut Consumers,
    records: usize,
    is_idempotent: bool,
) -> Outcome {
    producer.await_acked(records.saturating_sub(producer.acked())).await?;
    producer.stop().await?;
    let last = producer.last_offsets();
    consumers
        .until("everything is committed", |all| {
            last.iter().all(|(partition, offset)| all.committed(*partition) >= *offset)
        })
        .await?;
    consumers.stop_all().await?;
    let read: Vec<String> = consumers.records().into_iter().map(|(_, _, value)| value).collect();
    let distinct: BTreeSet<&String> = read.iter().collect();
    let acked = producer.acked_values();
    let missing: Vec<&String> = acked.iter().filter(|value| !distinct.contains(value)).take(20).collect();
    if !missing.is_empty() {
        return Err(format!("written and never read: {missing:?}\n{}", consumers.describe()));
    }
    if is_idempotent && distinct.len() != read.len() {
        return Err(format!(
            "{} records were read twice\n{}",
            read.len() - distinct.len(),
            consumers.describe()
        ));
    }
    Ok(())
}

/// Records that are written at the end: 5000 in kafkatest.
const RECORDS: usize = 2000;
