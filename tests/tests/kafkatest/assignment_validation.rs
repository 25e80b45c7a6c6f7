//! `consumer_test.py`, `AssignmentValidationTest`: 3 consumers, 6 partitions, 2 brokers. Consumers come one by one; after
//! each, every partition has exactly one owner.

use futures_util::FutureExt;
use milena_tests::fixture::verifiable::{Outcome, Protocol, Settings};

use crate::runner::Scenario;
use crate::world::{Shape, World, await_members};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let classic = ["Range", "RoundRobin", "Sticky", "CooperativeSticky"].map(|name| {
        let settings = Settings { strategy: format!("{name}Assignor"), ..Settings::default() };
        scenario(&format!("classic_{}", name.to_lowercase()), Shape::Two, settings)
    });
    let consumer =
        [("", Shape::Two), ("_unbatched", Shape::TwoUnbatched)].into_iter().flat_map(|(suffix, shape)| {
            ["range", "uniform"].map(|name| {
                let settings = Settings {
                    protocol: Protocol::Consumer,
                    remote_assignor: name.to_owned(),
                    ..Settings::default()
                };
                scenario(&format!("consumer_{name}{suffix}"), shape, settings)
            })
        });
    classic.into_iter().chain(consumer).collect()
}

fn scenario(name: &str, shape: Shape, settings: Settings) -> Scenario {
    Scenario::new(format!("valid_assignment_{name}"), shape, move |world| {
        valid_assignment(world, settings.clone()).boxed()
    })
}

async fn valid_assignment(world: &World, settings: Settings) -> Outcome {
    world.topic(PARTITIONS, 1, &[]).await?;
    let mut consumers = world.consumers(3, settings);
    for node in 0..consumers.count() {
        consumers.start(node)?;
        await_members(&mut consumers, node + 1).await?;
        consumers.until("every partition has one owner", |all| all.is_shared(PARTITIONS)).await?;
    }
    consumers.stop_all().await
}

const PARTITIONS: i32 = 6;
