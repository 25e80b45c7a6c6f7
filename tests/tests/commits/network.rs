//! Commits that the network or the coordinator delays, refuses or reorders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use client::{Start, TopicPartition};
use milena_tests::fixture::answers;
use milena_tests::fixture::member::Member;
use milena_tests::fixture::produce::produce;
use milena_tests::fixture::proxy::{Exchange, Gate, Verdict};
use proto::wire::{OffsetCommitRequest, decode_response};
use source::Ack;

use crate::world::{DRAIN, LIST_OFFSETS, METADATA, OFFSET_COMMIT, World, client_id, group};

/// The coordinator is loading: to be tried again.
const LOADING: i16 = 14;
const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER_ID: i16 = 25;
pub(crate) const STALE_MEMBER_EPOCH: i16 = 113;

/// Waits until A has sent so many requests of one API.
async fn until_sent(world: &World, a: &Member, group: &str, api_key: i16, count: usize) {
    let what = format!("request {count} of API {api_key}");
    a.until(&what, |_| world.sent("a", group, api_key).len() >= count).await;
}

/// A commit is answered with a retriable error until the partition is elsewhere: it must not be sent again then.
pub(crate) async fn a_retry_is_overtaken(world: &World, assignor: &str) {
    let group = group("overtaken", assignor);
    let (a, _b, moved) = refused_and_succeeded(world, &group, assignor).await;
    world.hooks.pass(&client_id("a", &group));
    a.ack_until_committed(&group, 1 - moved, 20).await;
    a.source().commit().await.expect("the commit is answered");
    assert_eq!(world.history(&group, moved), [10], "{assignor}");
    world.assert_never_back(&group);
}

/// The same until the partition is elsewhere and has come back.
pub(crate) async fn a_retry_comes_back(world: &World, assignor: &str) {
    let group = group("back", assignor);
    let (a, b, moved) = refused_and_succeeded(world, &group, assignor).await;
    b.ack_all();
    b.close(DRAIN).await.expect("B drains");
    a.until_owns(&group, &[0, 1]).await;
    world.hooks.pass(&client_id("a", &group));
    // Whatever waits for a request goes along with this one.
    a.ack_until_committed(&group, 1 - moved, 20).await;
    assert_eq!(produce(&world.kafka, &group, moved, 1), 20);
    a.ack_until_committed(&group, moved, 21).await;
    assert_eq!(world.history(&group, moved).last(), Some(&21), "{assignor}");
    world.assert_never_back(&group);
}

/// A's commits of 5 are refused in a way that passes; B gets one of the partitions, and commits 10.
async fn refused_and_succeeded(world: &World, group: &str, assignor: &str) -> (Member, Member, i32) {
    world.topic(group, 20);
    let a = world.reader(group, assignor, "500").await;
    let refused = Arc::new(AtomicU32::new(0));
    let count = refused.clone();
    world.hooks.on_request(&client_id("a", group), move |request| {
        if request.api_key == OFFSET_COMMIT {
            count.fetch_add(1, Ordering::SeqCst);
            return Verdict::Answer(answers::offset_commit(request, LOADING));
        }
        Verdict::Pass
    });
    a.ack_below(group, 0, 5);
    a.ack_below(group, 1, 5);
    a.until("a refused commit", |_| refused.load(Ordering::SeqCst) >= 2).await;
    let (b, moved) = world.successor(group, assignor).await;
    (a, b, moved)
}

/// The first commit of a partition is refused in a way that passes, after the second became due: the log must not say 2, 1.
/// The refusal is on its way long enough for the second to be sent, by who sends it meanwhile.
pub(crate) async fn a_first_commit_fails_after_the_second(world: &World, assignor: &str) {
    let group = group("first-after-second", assignor);
    world.topic(&group, 20);
    let a = world.reader(&group, assignor, "500").await;
    let client = client_id("a", &group);
    let gate = Gate::new();
    let (first, held) = (Arc::new(AtomicU32::new(0)), gate.clone());
    world.hooks.on_request(&client, move |request| {
        if request.api_key == OFFSET_COMMIT && first.fetch_add(1, Ordering::SeqCst) == 0 {
            return Verdict::Answer(answers::offset_commit(request, LOADING));
        }
        Verdict::Pass
    });
    world.hooks.on_answer(&client, move |request, _| match request.api_key {
        OFFSET_COMMIT => Verdict::Hold(held.clone()),
        _ => Verdict::Pass,
    });
    assert_eq!(a.ack(&group, 0, 0), Ack::Accepted);
    until_sent(world, &a, &group, OFFSET_COMMIT, 1).await;
    assert_eq!(a.ack(&group, 0, 1), Ack::Accepted);
    // Five commit intervals; less if the second is there before.
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) && world.history(&group, 0).is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gate.open();
    a.until_committed(&group, 0, 2).await;
    a.source().commit().await.expect("the commit is answered");
    assert_eq!(world.history(&group, 0), [2]);
}

/// A commit is held on the network while the partition changes hands, and comes to the coordinator afterwards.
pub(crate) async fn a_commit_is_held_over_the_hand_over(world: &World, assignor: &str) {
    let group = group("held", assignor);
    world.topic(&group, 20);
    let a = world.reader(&group, assignor, "500").await;
    let gate = Gate::new();
    let held = gate.clone();
    let client = client_id("a", &group);
    world.hooks.on_request(&client, move |request| match request.api_key {
        OFFSET_COMMIT => Verdict::Hold(held.clone()),
        _ => Verdict::Pass,
    });
    a.ack_below(&group, 0, 5);
    a.ack_below(&group, 1, 5);
    until_sent(world, &a, &group, OFFSET_COMMIT, 1).await;

    let (_b, moved) = world.successor(&group, assignor).await;
    gate.open();
    world.hooks.pass(&client);
    a.ack_until_committed(&group, 1 - moved, 20).await;
    a.source().commit().await.expect("the commit is answered");
    // It did arrive, with the generation at which it was made.
    let late = errors_in(&world.sent("a", &group, OFFSET_COMMIT)[0]);
    let late = late.expect("the coordinator has answered");
    assert!(
        late.iter().all(|error| [ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH].contains(error)),
        "{late:?}"
    );
    assert_eq!(world.history(&group, moved), [10], "{assignor}");
    world.assert_never_back(&group);
}

/// The last commit of a drain is answered before the coordinator hears of the revocation, so it lands before the new owner
/// reads its start, also when it is slow.
pub(crate) async fn the_last_commit_lands_first(world: &World, assignor: &str) {
    let group = group("drain", assignor);
    world.topic(&group, 20);
    let a = world.reader(&group, assignor, "5000").await;
    world.hooks.on_request(&client_id("a", &group), |request| match request.api_key {
        OFFSET_COMMIT => Verdict::Delay(Duration::from_millis(400)),
        _ => Verdict::Pass,
    });
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
    world.assert_never_back(&group);
}

/// Two seeks in a row: the answer to the question of the first is none to the question of the second, and what is
/// committed after it is what the second wanted.
pub(crate) async fn a_seek_overtakes_a_seek(world: &World, assignor: &str) {
    let group = group("seeks", assignor);
    world.topic(&group, 20);
    let a = world.reader(&group, assignor, "500").await;
    a.ack_below(&group, 0, 20);
    a.until_committed(&group, 0, 20).await;
    let gate = Gate::new();
    let held = gate.clone();
    let client = client_id("a", &group);
    world.hooks.on_answer(&client, move |request, _| match request.api_key {
        LIST_OFFSETS => Verdict::Hold(held.clone()),
        _ => Verdict::Pass,
    });
    let asked = world.sent("a", &group, LIST_OFFSETS).len();
    let tp = TopicPartition::new(group.as_str(), 0);
    for (count, start) in [(1, Start::Earliest), (2, Start::Latest)] {
        a.source().seek(tp.clone(), start).await.expect("the seek is done");
        until_sent(world, &a, &group, LIST_OFFSETS, asked + count).await;
    }
    gate.open();
    a.until("the second seek", |_| {
        let status = a.source().status();
        status.iter().any(|status| status.partition == tp && status.position.is_some())
    })
    .await;
    produce(&world.kafka, &group, 0, 1);
    a.until_delivered(&group, 0, 21).await;
    assert_eq!(a.delivered(&group, 0)[20..], [20]);
    a.ack_all();
    a.until_committed(&group, 0, 21).await;
    world.assert_never_back(&group);
}

/// The topic is another one, and the member has not heard of it yet: its commit names the topic that is gone, by id. (Before
/// OffsetCommit 10, that is Kafka 4.1, there are only names, and the commit counts for the new topic.)
pub(crate) async fn a_commit_names_the_topic_by_id(world: &World, assignor: &str) {
    let group = group("by-id", assignor);
    world.topic(&group, 20);
    let a = world.reader(&group, assignor, "500").await;
    a.ack_below(&group, 0, 12);
    a.until_committed(&group, 0, 12).await;
    let gate = Gate::new();
    let held = gate.clone();
    let client = client_id("a", &group);
    world.hooks.on_request(&client, move |request| match request.api_key {
        METADATA => Verdict::Hold(held.clone()),
        _ => Verdict::Pass,
    });
    world.recreate(&group, 3).await;
    let before = world.sent("a", &group, OFFSET_COMMIT).len();
    let acks = a.ack_below(&group, 0, 16);
    assert_eq!(acks, [Ack::Accepted; 4], "it cannot know");
    a.until("an answer to its commit", |_| {
        let sent = world.sent("a", &group, OFFSET_COMMIT);
        sent[before..].iter().any(|exchange| exchange.answer().is_some())
    })
    .await;
    gate.open();
    a.until_delivered(&group, 0, 23).await;
    assert_eq!(a.delivered(&group, 0)[20..], [0, 1, 2]);
    // The oldest delivery of offset 0 was acknowledged above.
    assert_eq!(a.ack(&group, 0, 0), Ack::Accepted);
    a.until_committed(&group, 0, 1).await;
    assert_eq!(world.history(&group, 0), [1]);
}

/// The errors in the answer to an OffsetCommit, one for each partition.
pub(crate) fn errors_in(commit: &Exchange) -> Option<Vec<i16>> {
    let mut frame = commit.request.correlation_id.to_be_bytes().to_vec();
    frame.extend_from_slice(commit.answer()?);
    let version = commit.request.api_version;
    let (_, answer) =
        decode_response::<OffsetCommitRequest>(version, frame.into()).expect("the answer is read");
    let partitions = answer.topics.into_iter().flat_map(|topic| topic.partitions);
    Some(partitions.map(|(_, error)| error.0).collect())
}
