//! What is read, and from where on: a source on a cluster in memory, under a clock that stands still while there is work.

mod lag;
mod offset_store;
mod recovery;
mod replicas;
mod streams;
mod subscriptions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use milena_source::{BatchStream, Event, Events, Source, SourceBuilder, TopicPartition};
use testkit::{Builder, Cluster};

/// A cluster of three brokers whose groups do not wait for latecomers.
fn three() -> Builder {
    Cluster::builder().brokers(3).property("group.initial.rebalance.delay.ms", 0)
}

/// A source on it. It asks for metadata as often as a test can wait.
fn on(cluster: &Cluster) -> SourceBuilder {
    Source::builder(&cluster.bootstrap_servers())
        .connect_over(Arc::new(cluster.clone()))
        .property("metadata.max.age.ms", 1000)
        .property("milena.decode.threads", 0)
        .property("milena.seed", 7)
}

fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

/// Reads and acknowledges until so many records have come: the offsets, by partition.
async fn read(batches: &mut BatchStream, records: usize) -> BTreeMap<TopicPartition, Vec<i64>> {
    let mut offsets: BTreeMap<TopicPartition, Vec<i64>> = BTreeMap::new();
    let mut left = records;
    while left > 0 {
        let batch = within("a batch", batches.next()).await.expect("it goes on").expect("a batch");
        for record in batch.records() {
            offsets.entry(batch.partition().clone()).or_default().push(record.unwrap().offset());
            left = left.checked_sub(1).expect("no more than wanted");
        }
        batch.ack();
    }
    offsets
}

/// Waits for an event that is one.
async fn event<T>(events: &mut Events, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
    within("an event", async {
        loop {
            let event = events.next().await.expect("the source is there");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    })
    .await
}

/// Time is virtual, so this costs nothing: it is so long that only what never comes is missed.
async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let long = Duration::from_secs(1800);
    tokio::time::timeout(long, work).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Looks again and again.
async fn until(what: &str, mut look: impl FnMut() -> bool) {
    within(what, async {
        while !look() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
