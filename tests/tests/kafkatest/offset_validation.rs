//! `consumer_test.py`, `OffsetValidationTest`: 3 consumers that commit after each poll, one producer of 500 records per
//! second, 2 brokers, one partition with 2 replicas.

use futures_util::FutureExt;
use milena_tests::fixture::verifiable::{Consumers, Outcome, Producer, ProducerSettings, Protocol, Settings};

use crate::runner::{Run, Scenario};
use crate::world::{
    Shape, World, all_committed, await_all_members, await_consumed, await_dead, await_members,
    await_stabilized, exactly_once, same,
};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut add = |name: String, shape, run: Run| {
        all.push(Scenario { name, shape, run });
    };
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        let name = protocol.name();
        add(
            format!("broker_rolling_bounce_{name}"),
            Shape::Two,
            Box::new(move |world| broker_rolling_bounce(world, protocol).boxed()),
        );
        for bounce in [Bounce::All, Bounce::Rolling] {
            add(
                format!("consumer_bounce_{}_{name}", bounce.name()),
                Shape::Two,
                Box::new(move |world| consumer_bounce(world, protocol, bounce).boxed()),
            );
            add(
                format!("static_consumer_persisted_after_rejoin_{}_{name}", bounce.name()),
                Shape::Two,
                Box::new(move |world| static_persisted(world, protocol, bounce).boxed()),
            );
        }
        for count in [1, 2] {
            for stable in [true, false] {
                let stage = if stable { "stable" } else { "all" };
                add(
                    format!("fencing_static_consumer_{stage}_{count}_{name}"),
                    Shape::Two,
                    Box::new(move |world| fencing(world, protocol, count, stable).boxed()),
                );
            }
        }
        for autocommit in [true, false] {
            let commit = if autocommit { "autocommit" } else { "manual" };
            add(
                format!("consumer_failure_{commit}_{name}"),
                Shape::Two,
                Box::new(move |world| consumer_failure(world, protocol, autocommit).boxed()),
            );
            for clean in [true, false] {
                let end = if clean { "clean" } else { "kill" };
                add(
                    format!("broker_failure_{end}_{commit}_{name}"),
                    Shape::Two,
                    Box::new(move |world| broker_failure(world, protocol, autocommit, clean).boxed()),
                );
            }
        }
        add(
            format!("group_consumption_{name}"),
            Shape::Two,
            Box::new(move |world| group_consumption(world, protocol).boxed()),
        );
    }
    for bounce in [Bounce::All, Bounce::Rolling] {
        for is_static in [true, false] {
            let member = if is_static { "static" } else { "dynamic" };
            add(
                format!("static_consumer_bounce_eager_{member}_{}", bounce.name()),
                Shape::Two,
                Box::new(move |world| static_bounce(world, is_static, bounce).boxed()),
            );
        }
        add(
            format!("consumer_bounce_{}_consumer_unbatched", bounce.name()),
            Shape::TwoUnbatched,
            Box::new(move |world| consumer_bounce(world, Protocol::Consumer, bounce).boxed()),
        );
    }
    all
}

/// How consumers are restarted.
#[derive(Debug, Clone, Copy)]
enum Bounce {
    /// All end before the first one comes back.
    All,
    /// One after the other.
    Rolling,
}

impl Bounce {
    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Rolling => "rolling",
        }
    }
}

async fn topic(world: &World) -> Outcome {
    world.topic(1, 2, &[]).await
}

async fn produce(world: &World) -> Outcome<Producer> {
    let producer =
        world.producer(&ProducerSettings { throughput: Some(500), ..ProducerSettings::default() })?;
    producer.await_acked(PRODUCED).await?;
    Ok(producer)
}

fn settings(protocol: Protocol) -> Settings {
    Settings { protocol, ..Settings::default() }
}

async fn bounce_consumers(consumers: &mut Consumers, how: Bounce, keep: usize, times: u32) -> Outcome {
    for _ in 0..times {
        match how {
            Bounce::Rolling => {
                for node in keep..consumers.count() {
                    consumers.stop(node, true).await?;
                    await_dead(consumers, 1).await?;
                    consumers.start(node)?;
                    await_all_members(consumers).await?;
                    await_consumed(consumers, 1).await?;
                }
            }
            Bounce::All => {
                for node in keep..consumers.count() {
                    consumers.stop(node, true).await?;
                }
                let gone = consumers.count() - keep;
                await_dead(consumers, gone).await?;
                for node in keep..consumers.count() {
                    consumers.start(node)?;
                }
                await_all_members(consumers).await?;
                await_consumed(consumers, 1).await?;
            }
        }
    }
    Ok(())
}

async fn bounce_brokers(world: &World, consumers: &mut Consumers, times: u32) -> Outcome {
    for _ in 0..times {
        for node in world.kafka.nodes() {
            world.bounce(node).await?;
            await_all_members(consumers).await?;
            await_consumed(consumers, 1).await?;
        }
    }
    Ok(())
}

/// Brokers are restarted one after the other. Nobody rebalances.
async fn broker_rolling_bounce(world: &World, protocol: Protocol) -> Outcome {
    topic(world).await?;
    let _producer = produce(world).await?;
    // Longer than a broker takes to come back.
    let properties = vec![("metadata.recovery.strategy".to_owned(), "none".to_owned())];
    let mut consumers = world.consumers(3, Settings { session_ms: 60_000, properties, ..settings(protocol) });
    consumers.start_all()?;
    await_all_members(&mut consumers).await?;
    await_stabilized(world, &mut consumers, 1).await?;
    let before = consumers.rebalances();
    bounce_brokers(world, &mut consumers, world.bounces).await?;
    same("rebalances before and after", before, consumers.rebalances(), &consumers)?;
    consumers.stop_all().await?;
    exactly_once(&consumers)
}

/// Consumers are restarted. Nothing is read twice.
async fn consumer_bounce(world: &World, protocol: Protocol, bounce: Bounce) -> Outcome {
    topic(world).await?;
    let _producer = produce(world).await?;
    let mut consumers = world.consumers(3, settings(protocol));
    consumers.start_all()?;
    await_all_members(&mut consumers).await?;
    bounce_consumers(&mut consumers, bounce, 0, world.bounces).await?;
    consumers.stop_all().await?;
    exactly_once(&consumers)
}

/// All but one are restarted: it revokes nothing if they are static, and something if they are not.
async fn static_bounce(world: &World, is_static: bool, bounce: Bounce) -> Outcome {
    topic(world).await?;
    let _producer = produce(world).await?;
    let mut consumers = world.consumers(3, Settings { is_static, session_ms: 60_000, ..Settings::default() });
    consumers.start_all()?;
    await_all_members(&mut consumers).await?;
    let before = consumers.revokes_of(0);
    bounce_consumers(&mut consumers, bounce, 1, world.bounces).await?;
    let revokes = consumers.revokes_of(0) - before;
    if is_static == (revokes > 0) {
        let text = consumers.describe();
        return Err(format!("static: {is_static}, and the one that stayed revoked {revokes} times\n{text}"));
    }
    consumers.stop_all().await?;
    exactly_once(&consumers)
}

/// Static members are restarted, then all brokers: the new coordinator knows the new members.
async fn static_persisted(world: &World, protocol: Protocol, bounce: Bounce) -> Outcome {
    topic(world).await?;
    let _producer = produce(world).await?;
    let mut consumers =
        world.consumers(3, Settings { is_static: true, session_ms: 60_000, ..settings(protocol) });
    consumers.start_all()?;
    await_all_members(&mut consumers).await?;
    bounce_consumers(&mut consumers, bounce, 0, 1).await?;
    bounce_brokers(world, &mut consumers, 1).await
}

/// Two consumers with one instance id. Classic: the old one ends. KIP-848: the new one.
async fn fencing(world: &World, protocol: Protocol, conflicts: usize, stable: bool) -> Outcome {
    topic(world).await?;
    let _producer = produce(world).await?;
    let settings = Settings { is_static: true, session_ms: 60_000, ..settings(protocol) };
    let mut consumers = world.consumers(3, settings.clone());
    let mut others = world.consumers(conflicts, settings);
    if !stable {
        consumers.start_all()?;
        others.start_all()?;
        consumers.until("three of all have joined", |all| all.joined() + others.joined() == 3).await?;
        let ended = |all: &Consumers| all.dead() + others.dead() == conflicts;
        consumers.until("those with an id that is taken have ended", ended).await?;
        return others.sound();
    }
    consumers.start_all()?;
    await_all_members(&mut consumers).await?;
    await_stabilized(world, &mut consumers, 1).await?;
    let before = consumers.rebalances();
    others.start_all()?;
    match protocol {
        Protocol::Classic => {
            await_members(&mut others, conflicts).await?;
            await_members(&mut consumers, 3 - conflicts).await?;
            await_dead(&mut consumers, conflicts).await?;
        }
        Protocol::Consumer => {
            await_consumed(&mut consumers, 1).await?;
            await_dead(&mut others, conflicts).await?;
            same("rebalances before and after", before, consumers.rebalances(), &consumers)?;
            same("members", consumers.joined(), 3, &consumers)?;
            same("members with an id that is taken", others.joined(), 0, &others)?;
            consumers.stop_all().await?;
            await_dead(&mut consumers, 3).await?;
            // A static member that stopped is remembered until its session ends.
            world.await_group(Some("empty"), None).await?;
            others.stop_all().await?;
            others.start_all()?;
            await_members(&mut others, conflicts).await?;
        }
    }
    Ok(())
}

/// The owner of the partition ends; another one takes over.
async fn consumer_failure(world: &World, protocol: Protocol, autocommit: bool) -> Outcome {
    topic(world).await?;
    let mut consumers = world.consumers(3, Settings { autocommit, ..settings(protocol) });
    consumers.start_all()?;
    await_all_members(&mut consumers).await?;
    await_stabilized(world, &mut consumers, 1).await?;
    let owner = consumers.owner(0).ok_or("nobody owns the partition")?;
    let _producer = produce(world).await?;
    consumers.kill(owner, true).await?;
    consumers
        .until("two are left, and one of them has the partition", |all| {
            all.joined() == 2 && all.owner(0).is_some_and(|now| now != owner)
        })
        .await?;
    await_consumed(&mut consumers, CONSUMED).await?;
    consumers.stop_all().await?;
    exactly_once(&consumers)?;
    if autocommit { Ok(()) } else { all_committed(&consumers) }
}

/// A broker ends. Nobody rebalances, and nothing is read twice.
async fn broker_failure(world: &World, protocol: Protocol, autocommit: bool, clean: bool) -> Outcome {
    topic(world).await?;
    let mut consumers = world.consumers(3, Settings { autocommit, session_ms: 30_000, ..settings(protocol) });
    let _producer =
        world.producer(&ProducerSettings { throughput: Some(500), ..ProducerSettings::default() })?;
    consumers.start_all()?;
    await_all_members(&mut consumers).await?;
    await_stabilized(world, &mut consumers, 1).await?;
    let before = consumers.rebalances();
    world.end_broker(1, clean).await?;
    await_consumed(&mut consumers, CONSUMED).await?;
    same("rebalances before and after", before, consumers.rebalances(), &consumers)?;
    consumers.stop_all().await?;
    exactly_once(&consumers)?;
    if autocommit { Ok(()) } else { all_committed(&consumers) }
}

/// Consumers come one by one and go one by one; reading goes on each time.
async fn group_consumption(world: &World, protocol: Protocol) -> Outcome {
    topic(world).await?;
    let mut consumers = world.consumers(3, settings(protocol));
    let _producer =
        world.producer(&ProducerSettings { throughput: Some(500), ..ProducerSettings::default() })?;
    for node in 0..3 {
        consumers.start(node)?;
        await_members(&mut consumers, node + 1).await?;
        await_consumed(&mut consumers, 1).await?;
    }
    for node in 0..3 {
        consumers.stop(node, true).await?;
        if node < 2 {
            await_members(&mut consumers, 2 - node).await?;
            await_consumed(&mut consumers, 1).await?;
        }
    }
    exactly_once(&consumers)?;
    all_committed(&consumers)
}

/// Records that are written before anything else happens: 1000 in kafkatest.
const PRODUCED: usize = 300;
/// Records that are read after something ended.
const CONSUMED: u64 = 1000;
