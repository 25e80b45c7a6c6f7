//! What `max.poll.interval.ms` is to a stream, in virtual time: a slow sink is back-pressure, one that stands still is said to do
//! so, and leaves only if that is wanted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use client::consumer::{Event, Events, MembershipOperation};
use client::{Connect, Connecting, Io};
use futures_util::StreamExt;
use milena_source::{RecordStream, Source};
use testkit::Cluster;
use tokio::time::{Instant, sleep, timeout};

const MINUTE: Duration = Duration::from_secs(60);
/// `max.poll.interval.ms`, as Java has it.
const INTERVAL: Duration = Duration::from_secs(300);

#[derive(Debug)]
struct InMemory(Cluster);

impl Connect for InMemory {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        let stream: io::Result<Box<dyn Io>> =
            self.0.connect_to(host, port).map(|io| Box::new(io) as Box<dyn Io>);
        Box::pin(async { stream })
    }
}

/// A cluster with a hundred letters in each of two partitions.
fn cluster() -> Cluster {
    let cluster = Cluster::builder().topic("letters", 2).start_in_memory().expect("it starts");
    // One batch each: what is taken of it is seen by the stream alone.
    let letters: Vec<String> = (0..100).map(|number| format!("letter {number}")).collect();
    for partition in 0..2 {
        cluster.append("letters", partition, &letters).expect("it is there");
    }
    cluster
}

async fn member(cluster: &Cluster, name: &str, settings: &[(&str, &str)]) -> Source {
    let mut builder = Source::builder(&cluster.bootstrap_servers())
        .connect_over(Arc::new(InMemory(cluster.clone())))
        .group("readers")
        .topics(["letters"])
        .property("client.id", name)
        .property("auto.offset.reset", "earliest");
    for (key, value) in settings {
        builder = builder.property(*key, *value);
    }
    builder.build().await.expect("it joins")
}

/// All that happened so far.
fn seen(events: &mut Events) -> Vec<Event> {
    std::iter::from_fn(|| events.try_next()).collect()
}

fn stalls(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Stalled { .. })).count()
}

fn revocations(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Revoking { .. } | Event::Lost { .. })).count()
}

/// Until nobody has anything to do but wait, for a while.
async fn settle() {
    sleep(Duration::from_secs(10)).await;
}

async fn take(records: &mut RecordStream) -> milena_source::Record {
    let record = timeout(Duration::from_secs(30), records.next()).await.expect("there is one");
    record.expect("the stream goes on").expect("it can be read")
}

#[tokio::test(start_paused = true)]
async fn a_slow_sink_is_back_pressure() {
    let cluster = cluster();
    let source = member(&cluster, "slow", &[("milena.leave.when.stalled", "true")]).await;
    let mut events = source.events();
    let mut records = source.records();
    // Takes one in four minutes and acknowledges it.
    for _ in 0..4 {
        let record = take(&mut records).await;
        sleep(4 * MINUTE).await;
        let _ = record.ack();
    }
    // Takes, and acknowledges nothing.
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(take(&mut records).await);
        sleep(4 * MINUTE).await;
    }
    // Acknowledges, and takes nothing.
    for record in held {
        let _ = record.ack();
        sleep(4 * MINUTE).await;
    }
    let events = seen(&mut events);
    assert_eq!((stalls(&events), revocations(&events)), (0, 0), "{events:?}");
    source.commit().await.expect("it is a member");
    let committed: i64 =
        (0..2).filter_map(|partition| cluster.committed("readers", "letters", partition)).sum();
    assert_eq!(committed, 8);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_records_does_not_stand_still() {
    let cluster = Cluster::builder().topic("letters", 2).start_in_memory().expect("it starts");
    let source = member(&cluster, "idle", &[("milena.leave.when.stalled", "true")]).await;
    let mut events = source.events();
    let mut records = source.records();
    assert!(timeout(30 * MINUTE, records.next()).await.is_err(), "there is nothing to read");
    let events = seen(&mut events);
    assert_eq!((stalls(&events), revocations(&events)), (0, 0), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn who_stands_still_is_said_to_do_so_once_and_stays() {
    let cluster = cluster();
    let source = member(&cluster, "stuck", &[]).await;
    let mut events = source.events();
    let mut records = source.records();
    let record = take(&mut records).await;
    let start = Instant::now();
    let lasting = loop {
        if let Event::Stalled { lasting, leaving } = events.next().await.expect("it is there") {
            assert!(!leaving);
            break lasting;
        }
    };
    let waited = start.elapsed();
    assert!(
        waited >= INTERVAL - Duration::from_secs(1) && waited <= INTERVAL * 5 / 4 + Duration::from_secs(1),
        "{waited:?}"
    );
    assert!(lasting >= INTERVAL, "{lasting:?}");
    sleep(30 * MINUTE).await;
    let later = seen(&mut events);
    assert_eq!((stalls(&later), revocations(&later)), (0, 0), "{later:?}");
    assert_eq!(cluster.group_state("readers"), "Stable");
    // An acknowledgement is a sign of life.
    let _ = record.ack();
    settle().await;
    let later = seen(&mut events);
    assert!(later.iter().any(|event| matches!(event, Event::Unstalled { .. })), "{later:?}");
    take(&mut records).await;
}

#[tokio::test(start_paused = true)]
async fn who_stands_still_leaves_if_that_is_wanted_and_comes_back() {
    for protocol in ["classic", "consumer"] {
        let cluster = cluster();
        let settings = [("milena.leave.when.stalled", "true"), ("group.protocol", protocol)];
        let source = member(&cluster, "stuck", &settings).await;
        let mut events = source.events();
        let mut records = source.records();
        for _ in 0..10 {
            let _ = take(&mut records).await.ack();
        }
        let held = take(&mut records).await;
        let other = member(&cluster, "other", &settings).await;
        let mut others = other.records();
        let reads = tokio::spawn(async move {
            while let Some(record) = others.next().await {
                let _ = record.expect("it can be read").ack();
            }
        });
        sleep(2 * INTERVAL).await;
        let said = seen(&mut events);
        assert_eq!(stalls(&said), 1, "{protocol}: {said:?}");
        assert!(source.status().is_empty(), "{protocol}: {:?}", source.status());
        assert_eq!(cluster.group_members("readers").len(), 1, "{protocol}");
        other.commit().await.expect("it is a member");
        // All was read and committed by who was left, what was held back included.
        for partition in 0..2 {
            assert_eq!(cluster.committed("readers", "letters", partition), Some(100), "{protocol}");
        }
        assert!(matches!(held.ack(), milena_source::Ack::Fenced { .. }), "{protocol}");
        sleep(2 * INTERVAL).await;
        assert_eq!(cluster.group_members("readers").len(), 1, "{protocol}: it does not come back by itself");
        // It takes records again.
        assert!(timeout(MINUTE, records.next()).await.is_err(), "{protocol}: everything is read");
        assert_eq!(cluster.group_members("readers").len(), 2, "{protocol}");
        let said = seen(&mut events);
        assert!(said.iter().any(|event| matches!(event, Event::Unstalled { .. })), "{protocol}: {said:?}");
        assert_eq!(source.status().len(), 1, "{protocol}");
        let regressed = cluster.offset_history().windows(2).any(|two| {
            let [before, after] = two else { return false };
            before.partition == after.partition && after.committed() < before.committed()
        });
        assert!(!regressed, "{protocol}: commits never go back");
        source.drain(MINUTE).await.expect("nothing is held");
        other.drain(MINUTE).await.expect("nothing is held");
        reads.await.expect("it ends");
    }
}

#[tokio::test(start_paused = true)]
async fn each_step_of_a_rebalance_is_counted() {
    let cluster = cluster();
    let source = member(&cluster, "first", &[]).await;
    let mut records = source.records();
    let held = take(&mut records).await;
    settle().await;
    let before = source.rebalances();
    assert_eq!(
        (before.whole.count, before.join.count, before.sync.count, before.revoke.count),
        (1, 1, 1, 0),
        "{before:?}"
    );
    let other = member(&cluster, "second", &[]).await;
    // Heard of with a heartbeat; then ten seconds of holding the drain up.
    sleep(Duration::from_secs(3) + Duration::from_secs(10)).await;
    let _ = held.ack();
    // What else was handed out goes with the stream.
    drop(records);
    settle().await;
    let after = source.rebalances();
    assert_eq!(
        (after.whole.count, after.join.count, after.sync.count, after.revoke.count),
        (2, 2, 2, 1),
        "{after:?}"
    );
    assert!(after.revoke.last >= Duration::from_secs(9), "{after:?}");
    assert!(after.whole.last >= after.revoke.last, "{after:?}");
    assert_eq!(after.whole.total, before.whole.total + after.whole.last);
    assert!(after.whole.max >= after.whole.last && after.lost == 0, "{after:?}");
    // The newcomer waited for the first one in JoinGroup.
    let others = other.rebalances();
    assert!(others.join.last >= Duration::from_secs(9), "{others:?}");
    source.drain_as(MINUTE, MembershipOperation::RemainInGroup).await.expect("nothing is held");
    assert_eq!(cluster.group_members("readers").len(), 2, "it said nothing");
    other.drain(MINUTE).await.expect("nothing is held");
    assert_eq!(cluster.group_members("readers").len(), 1, "it left");
}
