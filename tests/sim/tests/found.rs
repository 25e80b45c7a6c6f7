//! What the simulation has found, each in the smallest world that shows it.

use std::sync::Arc;
use std::time::Duration;

use client::records::{BatchBuilder, Compression, NewRecord};
use futures_util::StreamExt;
use source::{Event, Source, Start};
use testkit::{ApiKey, Cluster, ErrorCode};

async fn source(cluster: &Cluster) -> Source {
    let builder = Source::builder(&cluster.bootstrap_servers()).connect_over(Arc::new(cluster.clone()));
    let builder = builder.group("g").topics(["t"]).start(Start::Earliest);
    builder.commit_interval(Duration::from_millis(100)).build().await.expect("the cluster is there")
}

/// Offsets that compaction left empty, in a batch and in front of one, held the commit of whoever acknowledges one by one.
#[tokio::test(start_paused = true)]
async fn offsets_without_records_do_not_hold_the_commit_of_a_batch_in_parts() {
    let cluster = Cluster::builder().topic("t", 1).start_in_memory().expect("a cluster");
    for _ in 0..3 {
        let mut batch = BatchBuilder::new(Compression::None);
        for key in [b"a", b"b", b"a", b"c"] {
            batch.push(&NewRecord::new(0).key(key).value(b"v")).expect("a small record");
        }
        cluster.append_batch("t", 0, &batch).expect("the partition is there");
    }
    cluster.compact("t", 0, false).expect("the partition is there");
    let source = source(&cluster).await;
    let mut batches = source.batches();
    while let Some(batch) = batches.next().await {
        let batch = batch.expect("nothing is wrong with it");
        for record in batch.records() {
            let offset = record.expect("nor with its records").offset();
            batch.ack_range(offset..offset + 1);
        }
        if batch.offsets().end == 12 {
            break;
        }
    }
    source.drain(Duration::from_secs(5)).await.expect("all is acknowledged");
    assert_eq!(cluster.committed("g", "t", 0), Some(12));
}

/// A partition whose last commit was refused for good was given up as drained.
#[tokio::test(start_paused = true)]
async fn what_was_refused_for_good_is_not_given_up_as_committed() {
    let cluster = Cluster::builder().topic("t", 1).start_in_memory().expect("a cluster");
    cluster.append("t", 0, ["v"]).expect("the partition is there");
    let source = source(&cluster).await;
    let (mut events, mut records) = (source.events(), source.records());
    let record = records.next().await.expect("there is one").expect("nothing is wrong with it");
    cluster.on(ApiKey::OffsetCommit).always().fail(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    record.ack();
    let drained = source.drain(Duration::from_secs(5)).await;
    assert!(drained.is_err(), "{drained:?}");
    let given_up = std::iter::from_fn(|| events.try_next()).find_map(|event| match event {
        Event::Revoked { drained, .. } => Some(drained),
        _ => None,
    });
    let undrained = given_up.expect("it was given up").expect_err("and not committed");
    assert!(undrained.uncommitted.is_some_and(|(partition, _)| partition.partition == 0));
}

/// A seek in a partition that is being given up threw away what was about to be committed.
#[tokio::test(start_paused = true)]
async fn nobody_seeks_in_what_is_being_given_up() {
    let cluster = Cluster::builder().topic("t", 1).start_in_memory().expect("a cluster");
    cluster.append("t", 0, ["v", "w"]).expect("the partition is there");
    let source = source(&cluster).await;
    let mut records = source.records();
    let first = records.next().await.expect("there is one").expect("nothing is wrong with it");
    let second = records.next().await.expect("there is one").expect("nothing is wrong with it");
    first.ack();
    let drain = tokio::spawn({
        let source = source.clone();
        async move { source.drain(Duration::from_secs(5)).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(source.seek(second.partition().clone(), Start::Offset(0)).await.is_err());
    second.ack();
    drain.await.expect("it does not panic").expect("all is acknowledged");
    assert_eq!(cluster.committed("g", "t", 0), Some(2));
}
