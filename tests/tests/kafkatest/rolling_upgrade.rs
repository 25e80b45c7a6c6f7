//! `consumer_rolling_upgrade_test.py`: 2 consumers, 4 partitions, 1 broker. A group goes over from range to round robin,
//! member by member, and has exactly the assignment of the assignor that all know.

use std::collections::BTreeSet;

use futures_util::FutureExt;
use milena_tests::fixture::verifiable::{Consumers, Outcome, Settings};

use crate::runner::Scenario;
use crate::world::{Shape, World, await_all_members};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![Scenario::new("rolling_update", Shape::One("bidirectional"), |world| rolling_update(world).boxed())]
}

async fn rolling_update(world: &World) -> Outcome {
    world.topic(4, 1, &[]).await?;
    let mut consumers = world.consumers(2, Settings::default());
    consumers.start_all()?;
    verify(&mut consumers, RANGE).await?;

    // Both know range, one prefers round robin.
    consumers.settings.strategy = "RoundRobinAssignor,RangeAssignor".to_owned();
    restart(&mut consumers, 0).await?;
    verify(&mut consumers, RANGE).await?;
    restart(&mut consumers, 1).await?;
    verify(&mut consumers, ROUND_ROBIN).await?;

    consumers.settings.strategy = "RoundRobinAssignor".to_owned();
    for node in 0..2 {
        restart(&mut consumers, node).await?;
        verify(&mut consumers, ROUND_ROBIN).await?;
    }
    consumers.stop_all().await
}

async fn restart(consumers: &mut Consumers, node: usize) -> Outcome {
    consumers.stop(node, true).await?;
    consumers.start(node)
}

/// Unlike kafkatest this waits for it: a member of two tells of its assignment before the other does.
async fn verify(consumers: &mut Consumers, wanted: [[i32; 2]; 2]) -> Outcome {
    await_all_members(consumers).await?;
    let wanted: BTreeSet<BTreeSet<i32>> = wanted.into_iter().map(BTreeSet::from).collect();
    let what = format!("the assignment is {wanted:?}");
    consumers.until(&what, |all| all.assignments().into_iter().collect::<BTreeSet<_>>() == wanted).await
}

const RANGE: [[i32; 2]; 2] = [[0, 1], [2, 3]];
const ROUND_ROBIN: [[i32; 2]; 2] = [[0, 2], [1, 3]];
