//! Commits are true, on real brokers.
//!
//! Each of these lets at least one of today's clients write a false commit. Every test ends with a look into the log of
//! `__consumer_offsets` itself: what a group stored for a partition never goes down, unless a seek said so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use client::{FenceReason, Start, TopicPartition};
use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::member::Member;
use milena_tests::fixture::offsets_log::{commits_of, regressions};
use milena_tests::fixture::produce::produce;
use milena_tests::fixture::proxy::{Gate, Proxies, Verdict};
use milena_tests::fixture::{answers, proxied};
use source::Ack;

const OFFSET_COMMIT: i16 = 8;
const JOIN_GROUP: i16 = 11;
const DRAIN: Duration = Duration::from_secs(20);
const ASSIGNORS: [&str; 2] = ["range", "cooperative-sticky"];

/// One broker for a test, with a proxy in front of it.
struct World {
    kafka: Kafka,
    proxies: Proxies,
}

impl World {
    async fn start(version: Version) -> World {
        let (kafka, proxies) = proxied(Options::new(version)).await.expect("Kafka starts");
        World { kafka, proxies }
    }

    /// A topic of two partitions with so many records in each.
    fn topic(&self, name: &str, records: usize) {
        self.kafka.create_topic(name, 2, 1, &[]).expect("the topic is created");
        for partition in 0..2 {
            produce(&self.kafka, name, partition, records);
        }
    }

    async fn join(&self, name: &str, group: &str, assignor: &str, more: &[(&str, &str)]) -> Member {
        let mut properties = vec![("partition.assignment.strategy", assignor)];
        properties.extend_from_slice(more);
        Member::join(name, &self.kafka.bootstrap(), group, topic_of(group), &properties).await
    }

    /// What a group stored for a partition, in order.
    fn history(&self, group: &str, partition: i32) -> Vec<i64> {
        let commits = commits_of(&self.kafka, group).expect("the log of commits is read");
        let of = commits
            .into_iter()
            .filter(|commit| commit.partition == partition && commit.topic == topic_of(group));
        of.filter_map(|commit| Some(commit.value?.offset)).collect()
    }

    fn assert_never_back(&self, group: &str) {
        let commits = commits_of(&self.kafka, group).expect("the log of commits is read");
        let back = regressions(&commits);
        assert!(back.is_empty(), "{group}: commits went back: {back:#?}");
    }
}

/// A group reads the topic of its own name.
fn topic_of(group: &str) -> &str {
    group
}

fn group(name: &str, assignor: &str) -> String {
    format!("{name}-{assignor}")
}

/// A reads both partitions, B joins and takes one; the late acks of A for it come after B has committed.
async fn late_ack_after_revoke(world: &World, assignor: &str) {
    let group = group("late-ack", assignor);
    world.topic(&group, 20);
    // Nothing will be acknowledged in time: the drain is short.
    let a = world.join("a", &group, assignor, &[("milena.drain.timeout.ms", "300")]).await;
    a.until_owns(&group, &[0, 1]).await;
    a.until_delivered(&group, 0, 20).await;
    a.until_delivered(&group, 1, 20).await;

    let b = world.join("b", &group, assignor, &[]).await;
    b.until("owning one partition", |seen| seen.owned.len() == 1).await;
    let moved = b.seen().owned[0].partition;
    b.until_delivered(&group, moved, 20).await;
    b.ack_below(&group, moved, 10);
    b.until_committed(&group, moved, 10).await;

    let late = a.ack_below(&group, moved, 6);
    assert_eq!(late.len(), 6);
    for ack in late {
        assert_eq!(ack, Ack::Fenced { reason: FenceReason::Revoked }, "{assignor}");
    }
    assert_eq!(a.source().counters().fenced_acks, 6);
    a.source().commit().await.expect("A commits what it may");
    assert_eq!(world.history(&group, moved), [10], "{assignor}");
    world.assert_never_back(&group);
    drop((a, b));
}

/// The partition goes from A to B and comes back; then an ack of the first ownership arrives.
async fn aba(world: &World, assignor: &str) {
    let group = group("aba", assignor);
    world.topic(&group, 20);
    let a = world.join("a", &group, assignor, &[("milena.drain.timeout.ms", "300")]).await;
    a.until_owns(&group, &[0, 1]).await;
    a.until_delivered(&group, 0, 20).await;
    a.until_delivered(&group, 1, 20).await;
    let b = world.join("b", &group, assignor, &[]).await;
    b.until("owning one partition", |seen| seen.owned.len() == 1).await;
    let moved = b.seen().owned[0].partition;
    b.until_delivered(&group, moved, 20).await;
    b.ack_below(&group, moved, 10);
    b.until_committed(&group, moved, 10).await;
    b.ack_all();
    b.close(DRAIN).await.expect("B drains");
    a.until_owns(&group, &[0, 1]).await;
    // All of it was acknowledged by B: there is nothing left to deliver, so A gets new records.
    let first = produce(&world.kafka, &group, moved, 5);
    assert_eq!(first, 20);
    a.until("the new records", |seen| {
        seen.delivered
            .get(&(group.clone(), moved))
            .is_some_and(|offsets| offsets.ends_with(&[20, 21, 22, 23, 24]))
    })
    .await;
    for offset in 20..23 {
        assert_eq!(a.ack(&group, moved, offset), Ack::Accepted);
    }
    a.until_committed(&group, moved, 23).await;
    // The partition is A's again, and this ack is of A's first ownership.
    assert_eq!(a.ack(&group, moved, 5), Ack::Fenced { reason: FenceReason::Revoked });
    a.source().commit().await.expect("A commits what it may");
    assert_eq!(world.history(&group, moved).last(), Some(&23), "{assignor}");
    world.assert_never_back(&group);
}

/// Acks out of order: what is finished without a gap is committed, nothing beyond it.
async fn gaps_hold_the_commit(world: &World) {
    let group = group("gaps", "range");
    world.topic(&group, 20);
    let a = world.join("a", &group, "range", &[]).await;
    a.until_delivered(&group, 0, 20).await;
    assert_eq!(a.ack(&group, 0, 10), Ack::Accepted);
    a.source().commit().await.expect("nothing to commit is no error");
    assert_eq!(world.history(&group, 0), [] as [i64; 0]);
    for offset in [3, 1, 0, 2] {
        assert_eq!(a.ack(&group, 0, offset), Ack::Accepted);
    }
    a.source().commit().await.expect("the commit is answered");
    assert_eq!(world.history(&group, 0).last(), Some(&4));
    for offset in (4..10).rev() {
        assert_eq!(a.ack(&group, 0, offset), Ack::Accepted);
    }
    a.source().commit().await.expect("the commit is answered");
    assert_eq!(world.history(&group, 0).last(), Some(&11));
    world.assert_never_back(&group);
}

/// A commit is answered with a retriable error until the partition is elsewhere: it must not be sent again then.
async fn a_retry_is_overtaken(world: &World, assignor: &str) {
    let group = group("overtaken", assignor);
    world.topic(&group, 20);
    let a = world.join("a", &group, assignor, &[("milena.drain.timeout.ms", "500")]).await;
    a.until_owns(&group, &[0, 1]).await;
    a.until_delivered(&group, 0, 20).await;
    a.until_delivered(&group, 1, 20).await;
    let refused = Arc::new(AtomicU32::new(0));
    let count = refused.clone();
    world.proxies.on_request(move |request| {
        if request.api_key == OFFSET_COMMIT && request.client_id.as_deref() == Some("a") {
            count.fetch_add(1, Ordering::SeqCst);
            // The coordinator is loading: to be tried again.
            return Verdict::Answer(answers::offset_commit(request, 14));
        }
        Verdict::Pass
    });
    a.ack_below(&group, 0, 5);
    a.ack_below(&group, 1, 5);
    a.until("a refused commit", |_| refused.load(Ordering::SeqCst) >= 2).await;

    let b = world.join("b", &group, assignor, &[]).await;
    b.until("owning one partition", |seen| seen.owned.len() == 1).await;
    let moved = b.seen().owned[0].partition;
    b.until_delivered(&group, moved, 20).await;
    b.ack_below(&group, moved, 10);
    b.until_committed(&group, moved, 10).await;
    world.proxies.pass();
    a.ack_until_committed(&group, 1 - moved, 20).await;
    assert_eq!(world.history(&group, moved), [10], "{assignor}");
    world.assert_never_back(&group);
}

/// A commit is held on the network while the partition changes hands.
async fn a_commit_is_held_over_the_hand_over(world: &World, assignor: &str) {
    let group = group("held", assignor);
    world.topic(&group, 20);
    let a = world.join("a", &group, assignor, &[("milena.drain.timeout.ms", "500")]).await;
    a.until_owns(&group, &[0, 1]).await;
    a.until_delivered(&group, 0, 20).await;
    a.until_delivered(&group, 1, 20).await;
    let gate = Gate::new();
    let held = gate.clone();
    world.proxies.on_request(move |request| {
        let of_a = request.client_id.as_deref() == Some("a");
        if of_a && request.api_key == OFFSET_COMMIT { Verdict::Hold(held.clone()) } else { Verdict::Pass }
    });
    a.ack_below(&group, 0, 5);
    a.ack_below(&group, 1, 5);
    a.until("a held commit", |_| !world.proxies.exchanges_of(OFFSET_COMMIT).is_empty()).await;

    let b = world.join("b", &group, assignor, &[]).await;
    b.until("owning one partition", |seen| seen.owned.len() == 1).await;
    let moved = b.seen().owned[0].partition;
    b.until_delivered(&group, moved, 20).await;
    b.ack_below(&group, moved, 10);
    b.until_committed(&group, moved, 10).await;
    gate.open();
    world.proxies.pass();
    a.ack_until_committed(&group, 1 - moved, 20).await;
    assert_eq!(world.history(&group, moved), [10], "{assignor}");
    world.assert_never_back(&group);
}

/// A wanted seek back commits lower offsets; acks from before it do not count.
async fn a_seek_back(world: &World) {
    let group = group("seek", "range");
    world.topic(&group, 20);
    let a = world.join("a", &group, "range", &[]).await;
    a.until_delivered(&group, 0, 20).await;
    a.ack_below(&group, 0, 15);
    a.until_committed(&group, 0, 15).await;
    a.source()
        .seek(TopicPartition::new(group.as_str(), 0), Start::Offset(5))
        .await
        .expect("the seek is done");
    a.until_delivered(&group, 0, 35).await;
    // Records 15 to 19 are held twice: the older ones are of before the seek.
    assert_eq!(a.ack(&group, 0, 17), Ack::Fenced { reason: FenceReason::Seek });
    for offset in 5..8 {
        assert_eq!(a.ack(&group, 0, offset), Ack::Accepted);
    }
    a.until_committed(&group, 0, 8).await;
    assert_eq!(world.history(&group, 0).last(), Some(&8));
    let back = regressions(&commits_of(&world.kafka, &group).expect("the log of commits is read"));
    assert_eq!(back.len(), 1, "only the seek goes back: {back:#?}");
}

/// The topic is deleted and created again under the same name while acks are held.
async fn the_topic_is_recreated(world: &World) {
    let group = group("recreated", "range");
    world.topic(&group, 20);
    let a = world.join("a", &group, "range", &[]).await;
    a.until_delivered(&group, 0, 20).await;
    a.ack_below(&group, 0, 12);
    a.until_committed(&group, 0, 12).await;
    world.kafka.delete_topic(&group).expect("the topic is deleted");
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.topic(&group, 3);
    // The new topic is read from its start, in a new epoch.
    a.until("the new topic's records", |seen| {
        seen.delivered.get(&(group.clone(), 0)).is_some_and(|offsets| offsets.len() >= 23)
    })
    .await;
    let late = a.ack(&group, 0, 15);
    assert!(late.is_fenced(), "{late:?}");
    assert_eq!(a.ack(&group, 0, 0), Ack::Accepted);
    a.until_committed(&group, 0, 1).await;
    a.source().commit().await.expect("the commit is answered");
    assert_eq!(world.history(&group, 0).last(), Some(&1));
}

/// The same member keeps a partition over an eager rebalance, with records of it in hand and in the buffer.
async fn an_eager_rebalance_keeps_a_partition(world: &World) {
    let group = group("kept", "range");
    world.topic(&group, 20);
    let a = world.join("a", &group, "range", &[("milena.drain.timeout.ms", "300")]).await;
    a.until_owns(&group, &[0, 1]).await;
    a.until_delivered(&group, 0, 20).await;
    a.ack_below(&group, 0, 10);
    a.until_committed(&group, 0, 10).await;
    let b = world.join("b", &group, "range", &[]).await;
    b.until("owning one partition", |seen| seen.owned.len() == 1).await;
    let kept = 1 - b.seen().owned[0].partition;
    assert_eq!(kept, 0, "range gives the first partition to the first member");
    // It is a new ownership: read again from the committed offset, and the old acks are void.
    a.until_delivered(&group, 0, 30).await;
    assert_eq!(a.delivered(&group, 0)[20..30], (10..20).collect::<Vec<i64>>());
    assert_eq!(a.ack(&group, 0, 12), Ack::Fenced { reason: FenceReason::Revoked });
    for offset in 10..14 {
        if offset != 12 {
            assert!(a.ack(&group, 0, offset).is_fenced(), "{offset} was held since before the rebalance");
        }
    }
    for offset in 10..14 {
        assert_eq!(a.ack(&group, 0, offset), Ack::Accepted);
    }
    a.until_committed(&group, 0, 14).await;
    world.assert_never_back(&group);
}

/// The last commit of a drain is answered before the coordinator hears of the revocation, so it lands before the new owner
/// reads its start.
async fn the_last_commit_lands_first(world: &World, assignor: &str) {
    let group = group("drain", assignor);
    world.topic(&group, 20);
    let a = world.join("a", &group, assignor, &[]).await;
    a.until_owns(&group, &[0, 1]).await;
    a.until_delivered(&group, 0, 20).await;
    a.until_delivered(&group, 1, 20).await;
    let joined = world.proxies.exchanges_of(JOIN_GROUP).len();
    let b = world.join("b", &group, assignor, &[]).await;
    a.until("being asked to give up", |seen| {
        seen.events.iter().any(|event| matches!(event, client::Event::Revoking { .. }))
    })
    .await;
    // A slow application: the acks come while the group waits.
    tokio::time::sleep(Duration::from_millis(700)).await;
    a.ack_below(&group, 0, 20);
    a.ack_below(&group, 1, 20);
    b.until("owning one partition", |seen| seen.owned.len() == 1).await;
    let moved = b.seen().owned[0].partition;
    produce(&world.kafka, &group, moved, 1);
    b.until_delivered(&group, moved, 1).await;
    assert_eq!(b.delivered(&group, moved), [20], "{assignor}: nothing is read twice, nothing is skipped");
    assert!(world.proxies.exchanges_of(JOIN_GROUP).len() > joined);
    world.assert_never_back(&group);
}

/// Records of a partition that wait in the buffer when it is revoked are not delivered any more.
async fn the_buffer_of_a_revoked_partition_is_dropped(world: &World, assignor: &str) {
    let group = group("buffer", assignor);
    world.topic(&group, 2000);
    let a = world.join("a", &group, assignor, &[("milena.drain.timeout.ms", "300")]).await;
    a.until_owns(&group, &[0, 1]).await;
    a.until_delivered(&group, 0, 1).await;
    let tps: Vec<_> = (0..2).map(|partition| TopicPartition::new(group.as_str(), partition)).collect();
    a.source().pause(&tps);
    let b = world.join("b", &group, assignor, &[]).await;
    b.until("owning one partition", |seen| seen.owned.len() == 1).await;
    let moved = b.seen().owned[0].partition;
    let before = a.delivered(&group, moved).len();
    a.source().resume(&tps);
    b.until_delivered(&group, moved, 2000).await;
    assert_eq!(a.delivered(&group, moved).len(), before, "{assignor}: nothing after the revocation");
    assert_eq!(b.delivered(&group, moved), (0..2000).collect::<Vec<i64>>());
}

async fn all(version: Version) {
    let world = &World::start(version).await;
    // Each has topic and group of its own.
    for assignor in ASSIGNORS {
        tokio::join!(
            late_ack_after_revoke(world, assignor),
            aba(world, assignor),
            the_last_commit_lands_first(world, assignor),
            the_buffer_of_a_revoked_partition_is_dropped(world, assignor),
        );
    }
    tokio::join!(
        gaps_hold_the_commit(world),
        a_seek_back(world),
        the_topic_is_recreated(world),
        an_eager_rebalance_keeps_a_partition(world),
    );
    // These change what the network does.
    for assignor in ASSIGNORS {
        a_retry_is_overtaken(world, assignor).await;
        a_commit_is_held_over_the_hand_over(world, assignor).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_true_on_4_3() {
    all(Version::NEWEST).await;
}

/// Without KIP-1251 and without topic ids in commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_true_on_3_9() {
    all(Version(3, 9, 2)).await;
}
