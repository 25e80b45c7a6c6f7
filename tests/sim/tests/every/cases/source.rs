//! Reading by a source.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use client::consumer::MembershipOperation;
use futures_util::StreamExt;
use milena_sim::timeline::{Name, What};
use source::config::Assignor;
use source::{Source, Start};
use tokio::time::timeout;

use super::{ALL, NAME, SOON, another_goes_on, told, whole};
use crate::polls::{Case, dropped_at};
use crate::stage::{Hand, PARTITIONS, Stage, TOPIC, listen};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case { functions: &["SourceBuilder::build"], play: |moment| Box::pin(build(moment)) },
        Case { functions: &["RecordStream: Stream"], play: |moment| Box::pin(records(moment)) },
        Case { functions: &["BatchStream: Stream"], play: |moment| Box::pin(batches(moment)) },
        Case { functions: &["Source::seek"], play: |moment| Box::pin(seek(moment)) },
        Case { functions: &["Source::commit"], play: |moment| Box::pin(commit(moment)) },
        Case { functions: &["Source::enforce_rebalance"], play: |moment| Box::pin(rebalance(moment)) },
        Case { functions: &["Source::drain"], play: |moment| Box::pin(drain(moment, None)) },
        Case {
            functions: &["Source::drain_as"],
            play: |moment| Box::pin(drain(moment, Some(MembershipOperation::LeaveGroup))),
        },
        Case {
            functions: &["PartitionStreams: Stream", "PartitionStream: Stream"],
            play: |moment| Box::pin(partitions(moment)),
        },
        Case { functions: &["AssignmentStream: Stream"], play: |moment| Box::pin(assignments(moment)) },
    ]
}

async fn built(stage: &Stage) -> Result<Source, String> {
    let source = whole("building", stage.source(NAME, Arc::new(stage.cluster.clone()))).await?;
    listen(stage, &Name::from(NAME), &source);
    Ok(source)
}

async fn drained(source: &Source) -> Result<(), String> {
    whole("draining", source.drain(Duration::from_secs(3))).await
}

async fn build(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::CooperativeSticky);
    let done = dropped_at(moment, stage.source(NAME, Arc::new(stage.cluster.clone()))).await.is_some();
    another_goes_on(&stage).await?;
    Ok(done)
}

async fn records(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::CooperativeSticky);
    let source = built(&stage).await?;
    let (mut records, mut hand) = (source.records(), Hand::new(&stage, &NAME.into()));
    let mut done = true;
    for _ in 0..ALL / 2 {
        let next = match dropped_at(moment, records.next()).await {
            Some(next) => next,
            None => {
                done = false;
                timeout(SOON, records.next()).await.map_err(|_| "no more records come")?
            }
        };
        hand.take(next.ok_or("the stream has ended")?.map_err(told)?);
    }
    hand.acknowledge();
    drop(records);
    drained(&source).await?;
    another_goes_on(&stage).await?;
    Ok(done)
}

async fn batches(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::CooperativeSticky);
    let source = built(&stage).await?;
    let mut batches = source.batches();
    let (mut done, mut serial, mut held) = (true, 0, Vec::new());
    for _ in 0..ALL / 4 {
        let next = match dropped_at(moment, batches.next()).await {
            Some(next) => next,
            None => {
                done = false;
                timeout(SOON, batches.next()).await.map_err(|_| "no more batches come")?
            }
        };
        let batch = Arc::new(next.ok_or("the stream has ended")?.map_err(told)?);
        for record in batch.records() {
            let record = record.map_err(|error| error.to_string())?;
            serial += 1;
            let (at, offset, value) =
                (batch.partition().clone(), record.offset(), record.value().unwrap_or_default().to_vec());
            stage.timeline.push(What::Delivered { client: NAME.into(), serial, at, offset, value });
            held.push((serial, batch.clone(), offset));
        }
    }
    while let Some((serial, batch, offset)) = held.pop() {
        stage.timeline.push(What::Acked { client: NAME.into(), serial });
        let _ = batch.ack_range(offset..offset + 1);
    }
    drop(batches);
    drained(&source).await?;
    another_goes_on(&stage).await?;
    Ok(done)
}

async fn partitions(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::CooperativeSticky);
    let source = built(&stage).await?;
    let mut partitions = source.partitions();
    let (mut all, mut done) = (VecDeque::new(), true);
    for _ in 0..PARTITIONS {
        let next = match dropped_at(moment, partitions.next()).await {
            Some(next) => next,
            None => {
                done = false;
                timeout(SOON, partitions.next()).await.map_err(|_| "no more partitions come")?
            }
        };
        all.push_back(next.ok_or("the stream has ended")?.map_err(told)?);
    }
    let mut serial = 0;
    for batches in &mut all {
        for _ in 0..3 {
            let next = match dropped_at(moment, batches.next()).await {
                Some(next) => next,
                None => {
                    done = false;
                    timeout(SOON, batches.next()).await.map_err(|_| "no more batches come")?
                }
            };
            let batch = next.ok_or("the stream of a partition has ended")?.map_err(told)?;
            for record in batch.records() {
                let record = record.map_err(|error| error.to_string())?;
                serial += 1;
                let (at, offset, value) =
                    (batch.partition().clone(), record.offset(), record.value().unwrap_or_default().to_vec());
                stage.timeline.push(What::Delivered { client: NAME.into(), serial, at, offset, value });
                stage.timeline.push(What::Acked { client: NAME.into(), serial });
            }
            let _ = batch.ack();
        }
    }
    drained(&source).await?;
    drop(all);
    another_goes_on(&stage).await?;
    Ok(done)
}

/// It tells of everything that is assigned, and of its end, whatever waits for it were dropped.
async fn assignments(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::CooperativeSticky);
    let source = built(&stage).await?;
    let mut assignments = source.assignments();
    let listening = tokio::spawn(async move {
        let (mut done, mut most, mut last) = (true, 0, usize::MAX);
        loop {
            let next = match dropped_at(moment, assignments.next()).await {
                Some(next) => next,
                None => {
                    done = false;
                    assignments.next().await
                }
            };
            let Some(change) = next else { return (done, most, last) };
            (most, last) = (most.max(change.assignment.len()), change.assignment.len());
        }
    });
    let (mut records, mut hand) = (source.records(), Hand::new(&stage, &NAME.into()));
    hand.read(&mut records, 6).await.map_err(told)?;
    hand.acknowledge();
    drop(records);
    drained(&source).await?;
    let listened = timeout(SOON, listening).await.map_err(|_| "the changes never end")?;
    let (done, most, last) = listened.map_err(|error| error.to_string())?;
    if (most, last) != (PARTITIONS as usize, 0) {
        return Err(format!("it told of {most} partitions, and of {last} in the end"));
    }
    another_goes_on(&stage).await?;
    Ok(done)
}

async fn seek(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::CooperativeSticky);
    let source = built(&stage).await?;
    let (mut records, mut hand) = (source.records(), Hand::new(&stage, &NAME.into()));
    hand.read(&mut records, 6).await.map_err(told)?;
    hand.acknowledge();
    let mine = source.status().into_iter().find(|status| status.partition.topic.as_ref() == TOPIC);
    let at = mine.ok_or("nothing is assigned")?.partition;
    let seeking = || stage.timeline.push(What::Seeking { client: NAME.into(), at: at.clone(), to: 0 });
    let sought =
        || stage.timeline.push(What::Sought { client: NAME.into(), at: at.clone(), to: 0, is_done: true });
    seeking();
    let done = dropped_at(moment, source.seek(at.clone(), Start::Offset(0))).await.is_some();
    if done {
        sought();
    }
    seeking();
    whole("seeking", source.seek(at.clone(), Start::Offset(0))).await?;
    sought();
    hand.read(&mut records, 6).await.map_err(told)?;
    hand.acknowledge();
    drop(records);
    drained(&source).await?;
    another_goes_on(&stage).await?;
    Ok(done)
}

async fn commit(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::CooperativeSticky);
    let source = built(&stage).await?;
    let (mut records, mut hand) = (source.records(), Hand::new(&stage, &NAME.into()));
    hand.read(&mut records, 6).await.map_err(told)?;
    hand.acknowledge();
    let done = dropped_at(moment, source.commit()).await.is_some();
    if moment > 0 {
        stage
            .until("what was asked to be committed is", || stage.committed().iter().sum::<i64>() == 6)
            .await?;
    }
    whole("committing", source.commit()).await?;
    drop(records);
    drained(&source).await?;
    another_goes_on(&stage).await?;
    Ok(done)
}

/// Asked for or not, the group goes on.
async fn rebalance(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::CooperativeSticky);
    let source = built(&stage).await?;
    let (mut records, mut hand) = (source.records(), Hand::new(&stage, &NAME.into()));
    hand.read(&mut records, 6).await.map_err(told)?;
    hand.acknowledge();
    let done = dropped_at(moment, source.enforce_rebalance("a whim")).await.is_some();
    whole("enforcing a rebalance", source.enforce_rebalance("a whim")).await?;
    stage.until("the rebalance", || source.rebalances().whole.count >= 2).await?;
    hand.read(&mut records, ALL - 6).await.map_err(told)?;
    hand.acknowledge();
    drop(records);
    drained(&source).await?;
    another_goes_on(&stage).await?;
    Ok(done)
}

async fn drain(moment: usize, operation: Option<MembershipOperation>) -> Result<bool, String> {
    let stage = Stage::new(Assignor::CooperativeSticky);
    let source = built(&stage).await?;
    let (mut records, mut hand) = (source.records(), Hand::new(&stage, &NAME.into()));
    hand.read(&mut records, 6).await.map_err(told)?;
    hand.acknowledge();
    drop(records);
    let draining = async {
        match operation {
            Some(operation) => source.drain_as(Duration::from_secs(3), operation).await,
            None => source.drain(Duration::from_secs(3)).await,
        }
    };
    let done = dropped_at(moment, draining).await.is_some();
    if moment > 0 {
        let is_out = || stage.cluster.group_members(milena_sim::member::GROUP).is_empty();
        stage.until("the group is left", is_out).await?;
    }
    timeout(SOON, source.drain(Duration::from_secs(3)))
        .await
        .map_err(|_| "draining again never ends")?
        .map_err(told)?;
    if stage.committed().iter().sum::<i64>() != 6 {
        return Err(format!("6 were acknowledged before the drain, {:?} are committed", stage.committed()));
    }
    another_goes_on(&stage).await?;
    Ok(done)
}
