//! Commits are true, on real brokers.
//!
//! Each of these lets at least one of today's clients write a false commit. Every test ends with a look into the log of
//! `__consumer_offsets` itself: what a group stored for a partition never goes down, unless a seek said so.
//!
//! Which line each test holds was tried on 4.3.1 and 3.9.2, with both assignors: the line was taken out, and the test failed
//! like this. Where one of several lines is enough, all of them were taken out together.
//!
//! | test | taken out | how it failed |
//! |---|---|---|
//! | [`late_ack_after_revoke`] | `Assignments::revoke` ends the epoch; `collect_now` asks held leases only | log: 10, 6 |
//! | | `AckRange` asks the stamp | late acks are `Accepted`; so in all that hold acks |
//! | [`aba`] | gate: the stamp is the current one; held leases only; `AckRange` asks the stamp | log: 20, 6 |
//! | [`gaps_hold_the_commit`], `gaps_survive_a_death` | `Tracker::committable` is the prefix without a gap | log: 11, as 10 was acknowledged |
//! | [`a_seek_back`] | the three of `aba` | log: 15, 18, with nothing acknowledged since the seek |
//! | | a new epoch forgets what was `accepted` | 8 is never committed |
//! | [`the_topic_is_recreated`] | the three of `aba` | log: 16, of a topic with 3 records |
//! | | `handle_topic_id` finds another topic | the new topic is never read |
//! | [`an_eager_rebalance_keeps_a_partition`] | the three of `aba` | log: 10, 14, with nothing acknowledged since |
//! | | delivery asks the stamp: `sweep`, `admits`, `read`, `deliver`, `RecordStream` | goes on at 20, and not at 10 |
//! | [`a_cooperative_rebalance_keeps_a_partition`] | only what is `added` begins an epoch | 0 to 19 come twice |
//! | [`the_buffer_of_a_revoked_partition_is_dropped`] | delivery asks the stamp, in all five places | 2000 records after the revocation |
//! | [`buffered_batches_are_dropped`] | the first four of these | a batch after the revocation |
//! | [`the_rest_of_a_batch_is_dropped`] | `RecordStream` asks the stamp | record 5 after the revocation |
//! | [`network::a_retry_is_overtaken`] | `revoke` ends the epoch; what is dirty ends with it | log: 10, 5 |
//! | | a failed request is dropped, and not sent again with the next generation | log: 10, 5 |
//! | [`network::a_retry_comes_back`] | what is dirty ends with its epoch; gate asked for each request | log: 20, 5 |
//! | [`network::a_first_commit_fails_after_the_second`] | one request under way; a failed one is dropped | log: 2, 1 |
//! | | a failed one is dropped | log: 1, 2 |
//! | | gate: not what is stored | log: 2, 2 |
//! | [`network::a_commit_is_held_over_the_hand_over`] | the two pairs of `a_retry_is_overtaken` | log: 10, 5 |
//! | [`network::the_last_commit_lands_first`] | a drain waits for acks | B begins at 0 |
//! | | a drain waits for the answer to its commit | B begins at 0 |
//! | [`network::a_seek_overtakes_a_seek`] | `numbered_from` | begins at 0, where the first seek wanted to go |
//! | [`network::a_commit_names_the_topic_by_id`] | `commit` prefers ids (4.3.1) | 16 is stored for the new topic, which is then skipped |
//! | `frozen` in `hand_over.rs` | `deliver_until` | records of a lost partition come |
//! | | `Assignments::lose` ends the epoch | the same, and late acks are `Accepted` |
//! | | what is dirty ends with its epoch; gate asked for each request | log: 25, 12; cooperative: its next commit is never answered |
//!
//! No test here falls with these alone. Of the gate: the lines about offsets below 0, about those lower than what is or may be
//! stored (trackers only rise) and about the topic (its epochs are renewed under the same lock), and that it is asked at the
//! entry (it is asked again); the tests of `proto::offsets` hold them. Beside it: `hold` past the session (the coordinator
//! refuses that commit), and the last look of a drain at its trackers (the one before was a moment ago).

#[path = "commits/network.rs"]
mod network;
#[path = "commits/open_gate.rs"]
mod open_gate;
#[path = "commits/world.rs"]
mod world;

use std::time::Duration;

use client::{FenceReason, Start, TopicPartition};
use futures_util::StreamExt;
use milena_tests::fixture::kafka::Version;
use milena_tests::fixture::produce::produce;
use milena_tests::fixture::sharing;
use source::{Ack, Source};

use crate::world::{ASSIGNORS, DRAIN, World, client_id, group};

const REVOKED: Ack = Ack::Fenced { reason: FenceReason::Revoked };

/// A reads both partitions, B joins and takes one; the late acks of A for it come after B has committed.
async fn late_ack_after_revoke(world: &World, assignor: &str) {
    let group = group("late-ack", assignor);
    world.topic(&group, 20);
    // Nothing will be acknowledged in time: the drain is short.
    let a = world.reader(&group, assignor, "300").await;
    let (_b, moved) = world.successor(&group, assignor).await;
    let late = a.ack_below(&group, moved, 6);
    a.source().commit().await.expect("A commits what it may");
    assert_eq!(world.history(&group, moved), [10], "{assignor}");
    world.assert_never_back(&group);
    assert_eq!(late, [REVOKED; 6], "{assignor}");
    assert_eq!(a.source().counters().fenced_acks, 6);
}

/// The partition goes from A to B and comes back; then acks of the first ownership arrive: before anything is committed in
/// the second one, and after.
async fn aba(world: &World, assignor: &str) {
    let group = group("aba", assignor);
    world.topic(&group, 20);
    let a = world.reader(&group, assignor, "300").await;
    let (b, moved) = world.successor(&group, assignor).await;
    b.ack_all();
    b.close(DRAIN).await.expect("B drains");
    a.until_owns(&group, &[0, 1]).await;
    // All of it was acknowledged by B: there is nothing left to deliver, so A gets new records.
    assert_eq!(produce(&world.kafka, &group, moved, 5), 20);
    a.until("the new records", |seen| {
        let delivered = seen.delivered.get(&(group.clone(), moved));
        delivered.is_some_and(|offsets| offsets.ends_with(&[20, 21, 22, 23, 24]))
    })
    .await;
    // The partition is A's again, and these acks are of A's first ownership.
    let mut late = a.ack_below(&group, moved, 6);
    a.source().commit().await.expect("A commits what it may");
    assert_eq!(world.history(&group, moved).last(), Some(&20), "{assignor}");
    for offset in 20..23 {
        assert_eq!(a.ack(&group, moved, offset), Ack::Accepted);
    }
    a.until_committed(&group, moved, 23).await;
    late.extend(a.ack_below(&group, moved, 8));
    a.source().commit().await.expect("A commits what it may");
    assert_eq!(world.history(&group, moved).last(), Some(&23), "{assignor}");
    world.assert_never_back(&group);
    assert_eq!(late, [REVOKED; 8], "{assignor}");
}

/// Acks out of order: what is finished without a gap is committed, nothing beyond it. (What a death makes of it:
/// `hand_over.rs`.)
async fn gaps_hold_the_commit(world: &World, assignor: &str) {
    let group = group("gaps", assignor);
    world.topic(&group, 20);
    let a = world.reader(&group, assignor, "300").await;
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

/// A wanted seek back commits lower offsets; acks from before it do not count.
async fn a_seek_back(world: &World, assignor: &str) {
    let group = group("seek", assignor);
    world.topic(&group, 20);
    let a = world.reader(&group, assignor, "300").await;
    a.ack_below(&group, 0, 15);
    a.until_committed(&group, 0, 15).await;
    let tp = TopicPartition::new(group.as_str(), 0);
    a.source().seek(tp, Start::Offset(5)).await.expect("the seek is done");
    a.until_delivered(&group, 0, 35).await;
    // Records 15 to 19 are held twice: the older ones are of before the seek.
    let late: Vec<Ack> = (15..18).map(|offset| a.ack(&group, 0, offset)).collect();
    a.source().commit().await.expect("A commits what it may");
    assert_eq!(world.history(&group, 0).last(), Some(&15));
    for offset in 5..8 {
        assert_eq!(a.ack(&group, 0, offset), Ack::Accepted);
    }
    a.until_committed(&group, 0, 8).await;
    let history = world.history(&group, 0);
    assert_eq!((history.iter().max(), history.last()), (Some(&15), Some(&8)), "{history:?}");
    let back = history.windows(2).filter(|two| two[0] > two[1]).count();
    assert_eq!(back, 1, "only the seek goes back: {history:?}");
    assert_eq!(late, [Ack::Fenced { reason: FenceReason::Seek }; 3]);
}

/// The topic is deleted and created again under the same name while acks are held.
async fn the_topic_is_recreated(world: &World, assignor: &str) {
    let group = group("recreated", assignor);
    world.topic(&group, 20);
    let a = world.reader(&group, assignor, "300").await;
    a.ack_below(&group, 0, 12);
    a.until_committed(&group, 0, 12).await;
    world.recreate(&group, 3).await;
    // The new topic is read from its start, in a new epoch.
    a.until_delivered(&group, 0, 23).await;
    assert_eq!(a.delivered(&group, 0)[20..], [0, 1, 2]);
    let late: Vec<Ack> = (12..16).map(|offset| a.ack(&group, 0, offset)).collect();
    a.source().commit().await.expect("the commit is answered");
    assert_eq!(world.history(&group, 0), [] as [i64; 0]);
    assert_eq!(a.ack(&group, 0, 0), Ack::Accepted);
    a.until_committed(&group, 0, 1).await;
    a.source().commit().await.expect("the commit is answered");
    assert_eq!(world.history(&group, 0), [1]);
    assert!(late.iter().all(|ack| ack.is_fenced()), "{late:?}");
}

/// The same member keeps a partition over an eager rebalance, with records of it in its hands and in a full buffer.
async fn an_eager_rebalance_keeps_a_partition(world: &World) {
    let group = group("kept", "range");
    world.topic(&group, 20);
    let a = world.reader(&group, "range", "300").await;
    a.ack_below(&group, 0, 10);
    a.until_committed(&group, 0, 10).await;
    a.stall();
    world.write(&group, 2000);
    a.until_buffered().await;
    let (_b, moved) = world.newcomer(&group, "range").await;
    assert_eq!(moved, 1, "range gives the first partition to the first member");
    a.read_on();
    // It is a new ownership: read again from the committed offset, and the old acks are void.
    a.until_delivered(&group, 0, 20 + 2010).await;
    assert_eq!(a.delivered(&group, 0)[20..], (10..2020).collect::<Vec<i64>>(), "in order, without a jump");
    let late: Vec<Ack> = (10..14).map(|offset| a.ack(&group, 0, offset)).collect();
    a.source().commit().await.expect("A commits what it may");
    assert_eq!(world.history(&group, 0).last(), Some(&10));
    for offset in 10..14 {
        assert_eq!(a.ack(&group, 0, offset), Ack::Accepted);
    }
    a.until_committed(&group, 0, 14).await;
    world.assert_never_back(&group);
    assert_eq!(late, [REVOKED; 4]);
}

/// The same where the rebalance is cooperative: what is kept stays as it is. Nothing is read twice, and the acks of before
/// count.
async fn a_cooperative_rebalance_keeps_a_partition(world: &World) {
    let group = group("kept", "cooperative-sticky");
    world.topic(&group, 20);
    let a = world.reader(&group, "cooperative-sticky", "300").await;
    a.stall();
    world.write(&group, 2000);
    a.until_buffered().await;
    let (_b, moved) = world.newcomer(&group, "cooperative-sticky").await;
    let kept = 1 - moved;
    a.read_on();
    a.until_delivered(&group, kept, 2020).await;
    assert_eq!(a.delivered(&group, kept), (0..2020).collect::<Vec<i64>>());
    assert_eq!(a.ack_below(&group, kept, 14), [Ack::Accepted; 14]);
    a.until_committed(&group, kept, 14).await;
    world.assert_never_back(&group);
}

/// Records of a partition that wait in the buffer when it is revoked are not delivered any more.
async fn the_buffer_of_a_revoked_partition_is_dropped(world: &World, assignor: &str) {
    let group = group("buffer", assignor);
    world.topic(&group, 20);
    let a = world.reader(&group, assignor, "300").await;
    a.stall();
    world.write(&group, 2000);
    a.until_buffered().await;
    let (b, moved) = world.newcomer(&group, assignor).await;
    a.read_on();
    b.until_delivered(&group, moved, 2020).await;
    let kept = if assignor == "range" { 20 + 2020 } else { 2020 };
    a.until_delivered(&group, 1 - moved, kept).await;
    assert_eq!(a.delivered(&group, moved).len(), 20, "{assignor}: nothing after the revocation");
    assert_eq!(b.delivered(&group, moved), (0..2020).collect::<Vec<i64>>());
}

/// The same for who reads batches.
async fn buffered_batches_are_dropped(world: &World, assignor: &str) {
    let group = group("batches", assignor);
    world.topic(&group, 20);
    let source = source(world, &group, assignor).await;
    let mut batches = source.batches();
    for _ in 0..2 {
        let batch = batches.next().await.expect("there is more").expect("it is read");
        assert_eq!(batch.offsets(), 0..20);
    }
    world.write(&group, 2000);
    while source.status().iter().any(|status| status.buffered_bytes == 0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (_b, moved) = world.newcomer(&group, assignor).await;
    loop {
        let batch = batches.next().await.expect("there is more").expect("it is read");
        assert_ne!(batch.partition().partition, moved, "{batch:?} is not A's any more");
        assert_eq!(batch.lease().fenced(), None, "{batch:?} is of an assignment that is over");
        if batch.offsets().end == 2020 {
            break;
        }
    }
}

/// The same for the records of a batch of which some were handed out. (A cooperative member that keeps the partition goes on
/// with them.)
async fn the_rest_of_a_batch_is_dropped(world: &World, assignor: &str) {
    let group = group("open-batch", assignor);
    world.topic(&group, 20);
    let source = source(world, &group, assignor).await;
    let mut records = source.records();
    let mut taken = Vec::new();
    // All of one partition, and some of the other.
    while taken.len() < 25 {
        taken.push(records.next().await.expect("there is more").expect("it is read"));
    }
    let (_b, moved) = world.newcomer(&group, assignor).await;
    world.write(&group, 1);
    loop {
        let record = records.next().await.expect("there is more").expect("it is read");
        assert_ne!(record.partition().partition, moved, "{record:?} is not A's any more");
        let again = taken.iter().any(|old| {
            old.partition() == record.partition()
                && old.offset() >= record.offset()
                && old.epoch() == record.epoch()
        });
        assert!(!again, "{record:?} comes again");
        assert!(record.is_current(), "{record:?} is of an assignment that is over");
        if record.offset() == 20 {
            break;
        }
    }
}

/// A's, which nobody reads yet.
async fn source(world: &World, group: &str, assignor: &str) -> Source {
    let (how, by) = sharing(assignor);
    Source::builder(&world.kafka.bootstrap())
        .group(group)
        .topics([group])
        .property(how, by)
        .property("client.id", client_id("a", group))
        .property("auto.offset.reset", "earliest")
        .property("heartbeat.interval.ms", 500)
        .property("milena.drain.timeout.ms", 300)
        .build()
        .await
        .expect("the source is built")
}

async fn all(version: Version) {
    let world = &World::start(version).await;
    // Each has topic and group of its own.
    for assignor in ASSIGNORS {
        tokio::join!(
            late_ack_after_revoke(world, assignor),
            aba(world, assignor),
            gaps_hold_the_commit(world, assignor),
            a_seek_back(world, assignor),
            the_topic_is_recreated(world, assignor),
            the_buffer_of_a_revoked_partition_is_dropped(world, assignor),
            buffered_batches_are_dropped(world, assignor),
            the_rest_of_a_batch_is_dropped(world, assignor),
        );
        tokio::join!(
            network::the_last_commit_lands_first(world, assignor),
            network::a_retry_is_overtaken(world, assignor),
            network::a_retry_comes_back(world, assignor),
            network::a_first_commit_fails_after_the_second(world, assignor),
            network::a_commit_is_held_over_the_hand_over(world, assignor),
            network::a_seek_overtakes_a_seek(world, assignor),
        );
        if version >= Version::NEWEST {
            network::a_commit_names_the_topic_by_id(world, assignor).await;
        }
    }
    tokio::join!(
        an_eager_rebalance_keeps_a_partition(world),
        a_cooperative_rebalance_keeps_a_partition(world),
    );
    open_gate::aba_behind_an_open_gate(world, version >= Version(4, 3, 0)).await;
    world.assert_protocols();
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

/// The first with KIP-848 switched on, and with one version of its commits only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_true_on_4_0() {
    all(Version(4, 0, 0)).await;
}
