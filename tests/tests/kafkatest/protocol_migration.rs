//! `consumer_protocol_migration_test.py`: 5 consumers that commit by themselves, 6 partitions, 1 broker. A group goes over
//! from the classic protocol to KIP-848's and back, at rest or member by member. Of kafkatest's matrix of client versions
//! only the row of the newest is here: it has no other versions of Milena.

use futures_util::FutureExt;
use milena_tests::fixture::verifiable::{Consumers, Outcome, Producer, ProducerSettings, Protocol, Settings};

use crate::runner::Scenario;
use crate::world::{Shape, World, await_all_members, await_consumed, await_dead};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (way, policy) in [
        (Way::Offline, "disabled"),
        (Way::Upgrade, "bidirectional"),
        (Way::Upgrade, "upgrade"),
        (Way::Downgrade, "downgrade"),
    ] {
        for strategy in ["RangeAssignor", "CooperativeStickyAssignor"] {
            for is_static in [false, true] {
                let member = if is_static { "static" } else { "dynamic" };
                let assignor = strategy.trim_end_matches("Assignor").to_lowercase();
                let name = format!("{}_{policy}_{assignor}_{member}", way.name());
                all.push(Scenario::new(name, Shape::One(policy), move |world| {
                    migrate(world, way, strategy, is_static).boxed()
                }));
            }
        }
    }
    all
}

/// How a group goes over.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// All end before the first comes back, there and back.
    Offline,
    /// Member by member to KIP-848.
    Upgrade,
    /// Member by member to the classic protocol.
    Downgrade,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Offline => "migration_offline",
            Self::Upgrade => "migration_rolling_upgrade",
            Self::Downgrade => "migration_rolling_downgrade",
        }
    }
}

async fn migrate(world: &World, way: Way, strategy: &str, is_static: bool) -> Outcome {
    world.topic(6, 1, &[]).await?;
    let first = match way {
        Way::Offline | Way::Upgrade => Protocol::Classic,
        Way::Downgrade => Protocol::Consumer,
    };
    let settings = Settings {
        protocol: first,
        strategy: strategy.to_owned(),
        autocommit: true,
        is_static,
        ..Settings::default()
    };
    let _producer = produce(world).await?;
    let mut consumers = world.consumers(5, settings);
    consumers.start_all()?;
    await_all_members(&mut consumers).await?;
    await_consumed(&mut consumers, 1).await?;
    world.await_group(None, Some(first.name())).await?;
    match way {
        Way::Offline => {
            for protocol in [Protocol::Consumer, Protocol::Classic] {
                consumers.settings.protocol = protocol;
                bounce_all(world, &mut consumers).await?;
                world.await_group(None, Some(protocol.name())).await?;
            }
        }
        Way::Upgrade => roll(world, &mut consumers, Protocol::Consumer).await?,
        Way::Downgrade => roll(world, &mut consumers, Protocol::Classic).await?,
    }
    consumers.stop_all().await
}

async fn produce(world: &World) -> Outcome<Producer> {
    let producer =
        world.producer(&ProducerSettings { throughput: Some(500), ..ProducerSettings::default() })?;
    producer.await_acked(300).await?;
    Ok(producer)
}

async fn bounce_all(world: &World, consumers: &mut Consumers) -> Outcome {
    consumers.stop_all().await?;
    let count = consumers.count();
    await_dead(consumers, count).await?;
    world.await_group(Some("empty"), None).await?;
    consumers.start_all()?;
    await_all_members(consumers).await?;
    await_consumed(consumers, 1).await
}

async fn roll(world: &World, consumers: &mut Consumers, to: Protocol) -> Outcome {
    consumers.settings.protocol = to;
    for node in 0..consumers.count() {
        consumers.stop(node, true).await?;
        await_dead(consumers, 1).await?;
        consumers.start(node)?;
        await_all_members(consumers).await?;
        await_consumed(consumers, 1).await?;
    }
    world.await_group(None, Some(to.name())).await
}
