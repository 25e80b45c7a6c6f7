//! Reading by the client's consumer.

use std::time::Duration;

use client::consumer::{Consumer, MembershipOperation};
use client::{Event, Reset, Start, TopicPartition};
use milena_sim::timeline::What;
use source::config::Assignor;
use tokio::time::timeout;

use super::{
    ALL, NAME, NEVER, SOON, Taken, another_goes_on, client_goes_on, connected, fetch_config, group_config,
    judged, listen, started, subscription, told, whole,
};
use crate::polls::{Case, dropped_at};
use crate::stage::{PARTITIONS, Stage, TOPIC};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            functions: &["Consumer::start", "Consumer::start_with"],
            play: |moment| Box::pin(start(moment)),
        },
        Case { functions: &["Consumer::next", "Consumer::poll_next"], play: |moment| Box::pin(next(moment)) },
        Case { functions: &["Control::seek"], play: |moment| Box::pin(seek(moment)) },
        Case { functions: &["Control::commit"], play: |moment| Box::pin(commit(moment)) },
        Case { functions: &["Control::enforce_rebalance"], play: |moment| Box::pin(rebalance(moment)) },
        Case { functions: &["Control::close"], play: |moment| Box::pin(close(moment, None)) },
        Case {
            functions: &["Control::close_as"],
            play: |moment| Box::pin(close(moment, Some(MembershipOperation::LeaveGroup))),
        },
        Case {
            functions: &[
                "PartitionReaders::next",
                "PartitionReaders::poll_next",
                "PartitionReader::next",
                "PartitionReader::poll_next",
            ],
            play: |moment| Box::pin(split(moment)),
        },
        Case { functions: &["Events::next"], play: |moment| Box::pin(events(moment)) },
    ]
}

async fn start(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::Range);
    let client = connected(&stage).await?;
    let (fetch, group) = (fetch_config(), group_config(NEVER));
    let start = Consumer::start(&client, &fetch, Some(&group), subscription(), Reset::Earliest);
    let done = dropped_at(moment, start).await.is_some();
    // What was started and dropped has left by itself.
    client_goes_on(&stage, &client).await?;
    Ok(done)
}

/// Each wait for a batch is dropped, and then waited to its end.
async fn next(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::Range);
    let client = connected(&stage).await?;
    let mut consumer = started(&client).await?;
    listen(&stage, &consumer);
    let mut taken = Taken::new(&stage);
    let mut done = true;
    while taken.seen.len() < ALL {
        let next = match dropped_at(moment, consumer.next()).await {
            Some(next) => next,
            None => {
                done = false;
                timeout(SOON, consumer.next()).await.map_err(|_| "nothing comes any more")?
            }
        };
        taken.take(&next.ok_or("the consumer has ended")?.map_err(told)?);
    }
    taken.acknowledge();
    whole("committing", consumer.control().commit()).await?;
    consumer.control().close(Duration::from_secs(1)).await;
    judged(&stage).await?;
    Ok(done)
}

async fn seek(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::Range);
    let client = connected(&stage).await?;
    let mut consumer = started(&client).await?;
    listen(&stage, &consumer);
    let mut taken = Taken::new(&stage);
    taken.read_to(&mut consumer, ALL).await?;
    let at = TopicPartition::new(TOPIC, 0);
    let seeking = || stage.timeline.push(What::Seeking { client: NAME.into(), at: at.clone(), to: 0 });
    seeking();
    let control = consumer.control().clone();
    let done = dropped_at(moment, control.seek(at.clone(), Start::Offset(0))).await.is_some();
    if done {
        stage.timeline.push(What::Sought { client: NAME.into(), at: at.clone(), to: 0, is_done: true });
    }
    // It happened or not; from this one on it has.
    seeking();
    whole("seeking", control.seek(at.clone(), Start::Offset(0))).await?;
    stage.timeline.push(What::Sought { client: NAME.into(), at, to: 0, is_done: true });
    taken.seen.retain(|(partition, _)| *partition != 0);
    taken.read_to(&mut consumer, ALL).await?;
    taken.acknowledge();
    whole("committing", control.commit()).await?;
    control.close(Duration::from_secs(1)).await;
    judged(&stage).await?;
    Ok(done)
}

async fn commit(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::Range);
    let client = connected(&stage).await?;
    let mut consumer = started(&client).await?;
    listen(&stage, &consumer);
    let mut taken = Taken::new(&stage);
    taken.read_to(&mut consumer, 6).await?;
    let read = taken.seen.len();
    taken.acknowledge();
    let control = consumer.control().clone();
    let done = dropped_at(moment, control.commit()).await.is_some();
    if moment > 0 {
        // It was asked for, and goes on.
        let is_committed = || stage.committed().iter().sum::<i64>() == read as i64;
        stage.until("what was asked to be committed is", is_committed).await?;
    }
    taken.read_to(&mut consumer, ALL).await?;
    taken.acknowledge();
    whole("committing", control.commit()).await?;
    control.close(Duration::from_secs(1)).await;
    judged(&stage).await?;
    Ok(done)
}

/// Asked for or not, the group goes on.
async fn rebalance(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::Range);
    let client = connected(&stage).await?;
    let mut consumer = started(&client).await?;
    listen(&stage, &consumer);
    let mut taken = Taken::new(&stage);
    taken.read_to(&mut consumer, 6).await?;
    taken.acknowledge();
    let control = consumer.control().clone();
    let done = dropped_at(moment, control.enforce_rebalance("a whim")).await.is_some();
    whole("enforcing a rebalance", control.enforce_rebalance("a whim")).await?;
    stage.until("the rebalance", || control.rebalances().whole.count >= 2).await?;
    taken.read_to(&mut consumer, ALL).await?;
    taken.acknowledge();
    whole("committing", control.commit()).await?;
    control.close(Duration::from_secs(1)).await;
    judged(&stage).await?;
    Ok(done)
}

async fn close(moment: usize, operation: Option<MembershipOperation>) -> Result<bool, String> {
    let stage = Stage::new(Assignor::Range);
    let client = connected(&stage).await?;
    let mut consumer = started(&client).await?;
    listen(&stage, &consumer);
    let mut taken = Taken::new(&stage);
    taken.read_to(&mut consumer, 6).await?;
    taken.acknowledge();
    let read = taken.seen.len();
    let control = consumer.control().clone();
    let closing = async {
        match operation {
            Some(operation) => control.close_as(Duration::from_secs(3), operation).await,
            None => control.close(Duration::from_secs(3)).await,
        }
    };
    let done = dropped_at(moment, closing).await.is_some();
    if moment > 0 {
        // It was asked for, and goes on.
        let is_out = || stage.cluster.group_members(milena_sim::member::GROUP).is_empty();
        stage.until("the group is left", is_out).await?;
    }
    timeout(SOON, control.close(Duration::from_secs(3))).await.map_err(|_| "closing again never ends")?;
    if stage.committed().iter().sum::<i64>() != read as i64 {
        return Err(format!(
            "{read} were acknowledged before the close, {:?} are committed",
            stage.committed()
        ));
    }
    drop(consumer);
    another_goes_on(&stage).await?;
    Ok(done)
}

/// Each wait for a partition, and for a batch of it, is dropped, and then waited to its end.
async fn split(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::Range);
    let client = connected(&stage).await?;
    let consumer = started(&client).await?;
    listen(&stage, &consumer);
    let mut readers = consumer.split();
    let control = readers.control().clone();
    let (mut taken, mut all, mut done) = (Taken::new(&stage), Vec::new(), true);
    for _ in 0..PARTITIONS {
        let next = match dropped_at(moment, readers.next()).await {
            Some(next) => next,
            None => {
                done = false;
                timeout(SOON, readers.next()).await.map_err(|_| "no more readers come")?
            }
        };
        all.push(next.ok_or("the consumer has ended")?.map_err(told)?);
    }
    for (number, reader) in all.iter_mut().enumerate() {
        while taken.seen.len() < ALL / all_of(PARTITIONS) * (number + 1) {
            let next = match dropped_at(moment, reader.next()).await {
                Some(next) => next,
                None => {
                    done = false;
                    timeout(SOON, reader.next()).await.map_err(|_| "no more batches come")?
                }
            };
            taken.take(&next.ok_or("the reader has ended")?.map_err(told)?);
        }
    }
    taken.acknowledge();
    whole("committing", control.commit()).await?;
    control.close(Duration::from_secs(1)).await;
    judged(&stage).await?;
    Ok(done)
}

fn all_of(partitions: i32) -> usize {
    usize::try_from(partitions).unwrap_or(1)
}

/// Of two who listen, one drops each of its waits once.
async fn events(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::Range);
    let client = connected(&stage).await?;
    let mut consumer = started(&client).await?;
    listen(&stage, &consumer);
    let (mut whole_ones, mut dropped) = (consumer.control().events(), consumer.control().events());
    let listening = tokio::spawn(async move {
        let (mut done, mut told) = (true, Vec::new());
        loop {
            let next = match dropped_at(moment, dropped.next()).await {
                Some(next) => next,
                None => {
                    done = false;
                    dropped.next().await
                }
            };
            match next {
                Some(event) => told.push(event.to_string()),
                None => return (done, told),
            }
        }
    });
    let mut taken = Taken::new(&stage);
    taken.read_to(&mut consumer, ALL).await?;
    taken.acknowledge();
    whole("committing", consumer.control().commit()).await?;
    consumer.control().close(Duration::from_secs(1)).await;
    judged(&stage).await?;
    drop(consumer);
    let mut expected: Vec<String> = Vec::new();
    while let Some(event) = whole_ones.next().await {
        let event: Event = event;
        expected.push(event.to_string());
    }
    let (done, told) =
        timeout(SOON, listening).await.map_err(|_| "the events never end")?.map_err(|e| e.to_string())?;
    if told != expected || told.is_empty() {
        return Err(format!("it was told {told:?}, and not {expected:?}"));
    }
    Ok(done)
}
