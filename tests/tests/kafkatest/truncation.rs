//! `truncation_test.py`: 3 brokers, one partition with 2 replicas. The in-sync replica is lost and the other one leads, so
//! that records that were read are gone (KIP-320). The consumer goes on behind them: it does not begin again.

use std::collections::BTreeSet;

use futures_util::FutureExt;
use milena_tests::fixture::verifiable::{Outcome, ProducerSettings, Protocol, Settings};

use crate::runner::Scenario;
use crate::world::{Shape, World, await_all_members, await_consumed, await_quiet};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let of = |protocol: Protocol| {
        Scenario::new(format!("offset_truncate_{}", protocol.name()), Shape::Three, move |world| {
            offset_truncate(world, protocol).boxed()
        })
    };
    vec![of(Protocol::Classic), of(Protocol::Consumer)]
}

async fn offset_truncate(world: &World, protocol: Protocol) -> Outcome {
    world.topic(1, 2, &[]).await?;
    let mut producer =
        world.producer(&ProducerSettings { throughput: Some(10), ..ProducerSettings::default() })?;
    producer.await_acked(10).await?;
    let settings = Settings { protocol, verbose: true, verify_offsets: false, ..Settings::default() };
    let mut consumers = world.consumers(1, settings.clone());
    consumers.start_all()?;
    await_all_members(&mut consumers).await?;
    await_consumed(&mut consumers, 1).await?;

    let in_sync = world.in_sync().await.ok_or("the partition has no replicas in sync")?;
    let [behind, last] = in_sync[..] else { return Err(format!("in sync are {in_sync:?}")) };
    world.end_broker(behind, true).await?;
    world.await_in_sync(&[last]).await?;
    // kafkatest waits for 10, which the producer may write again between the end of the reader and its own.
    await_consumed(&mut consumers, 40).await?;
    world.end_broker(last, true).await?;
    await_quiet(&consumers).await?;
    let reached = consumers.position(0);
    let read = consumers.consumed();

    world.broker(move |kafka| kafka.restart(behind)).await?;
    elect_unclean(world).await?;
    world.broker(move |kafka| kafka.restart(last)).await?;
    // In kafkatest this holds at once: the position that is told never goes back. Here something is read as well.
    consumers
        .until("the position passes where it was", |all| {
            all.position(0) >= reached && all.consumed() > read + 10
        })
        .await?;
    let values: Vec<String> = consumers.records().into_iter().map(|(_, _, value)| value).collect();
    if values.iter().collect::<BTreeSet<_>>().len() != values.len() {
        return Err(format!("records were read twice\n{}", consumers.describe()));
    }
    consumers.stop_all().await?;
    producer.stop().await?;

    let total = consumers.consumed();
    let again = Settings { verbose: false, verify_offsets: true, ..settings };
    let mut second = world.consumers_of(&format!("{}-second", world.group), 1, again);
    second.start_all()?;
    await_all_members(&mut second).await?;
    // Not "one more": all there is may have been read while the member was waited for.
    second.until("something is read", |all| all.consumed() > 0).await?;
    await_quiet(&second).await?;
    if second.consumed() >= total {
        return Err(format!("nothing was truncated: {total} records, then {}", second.consumed()));
    }
    second.stop_all().await
}

/// Lets the replica that is behind lead. The topic's setting alone takes the controller minutes.
async fn elect_unclean(world: &World) -> Outcome {
    let topic = world.topic.clone();
    world
        .broker(move |kafka| {
            kafka.alter_topic(&topic, "unclean.leader.election.enable", "true")?;
            let mut elect = kafka.tool("org.apache.kafka.tools.LeaderElectionCommand");
            elect.args(["--bootstrap-server", &kafka.bootstrap(), "--election-type", "unclean"]);
            elect.args(["--topic", &topic, "--partition", "0"]);
            // It fails if the setting came first: then there is a leader already.
            let _ = elect.output();
            kafka.leader(&topic, 0).map(drop)
        })
        .await
}
