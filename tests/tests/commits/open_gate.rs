//! What the coordinator itself makes of an offset of an ownership that is over, once the client's own gate stands open.

use std::collections::BTreeMap;
use std::time::Duration;

use client::config::{ClientConfig, FetchConfig, GroupConfig, GroupProtocol};
use client::consumer::{Consumer, FetchedBatch, Subscription};
use client::{Client, Reset};

use crate::network::{STALE_MEMBER_EPOCH, errors_in};
use crate::world::{DRAIN, OFFSET_COMMIT, World, client_id, group};

/// The partition goes from A to B and comes back; then A commits an offset of its first ownership, which no gate stops.
/// Where the coordinator knows the epoch of each assignment (KIP-1251, 4.3) it refuses: the offset still carries the epoch in
/// which it was read. Before, it is stored: there the gate is all there is.
pub(crate) async fn aba_behind_an_open_gate(world: &World, refused: bool) {
    let group = group("open-gate", milena_tests::fixture::CONSUMER);
    world.topic(&group, 20);
    let mut a = consumer(world, &group).await;
    let first = batches(&mut a, 40).await;
    let (b, moved) =
        loop_while_reading(&mut a, world.successor(&group, milena_tests::fixture::CONSUMER)).await;
    b.ack_all();
    loop_while_reading(&mut a, b.close(DRAIN)).await.expect("B drains");
    assert_eq!(world.history(&group, moved).last(), Some(&20));
    // It comes back, and something new is read and committed under the new ownership.
    world.write(&group, 1);
    let again = loop {
        let batch = a.next().await.expect("A is open").expect("it is read");
        if batch.partition().partition == moved {
            break batch;
        }
    };
    assert_eq!(again.first_offset(), 20, "from where B left off");
    let old = first.get(&moved).expect("A had it at first");
    assert!(old.lease().fenced().is_some() && again.lease().fenced().is_none());
    let before = world.sent("a", &group, OFFSET_COMMIT).len();
    a.control().commit_behind_the_gate(old.lease(), 6).await.expect("the consumer is open");

    let sent = &world.sent("a", &group, OFFSET_COMMIT)[before..];
    assert_eq!(sent.len(), 1, "it was sent, and it is not tried again");
    let errors = errors_in(&sent[0]).expect("the coordinator answers");
    let history = world.history(&group, moved);
    if refused {
        assert_eq!(errors, [STALE_MEMBER_EPOCH]);
        assert_eq!(history.last(), Some(&20), "{history:?}");
    } else {
        assert_eq!(errors, [0]);
        assert_eq!(history.last(), Some(&6), "{history:?}: nothing but the gate protects this group");
    }
    // What is A's may be committed as ever.
    assert_eq!(again.acks().ack_all(), client::AckOutcome::Accepted);
    again.lease().acknowledged();
    a.control().commit().await.expect("the consumer is open");
    assert_eq!(world.history(&group, moved).last(), Some(&21));
    a.control().close(Duration::from_secs(1)).await;
}

async fn consumer(world: &World, group: &str) -> Consumer {
    let config = ClientConfig::bootstrap(&world.kafka.bootstrap()).expect("an address");
    let config = config.client_id(client_id("a", group)).build().expect("the configuration is right");
    let client = Client::connect(config).await.expect("the broker answers");
    let fetch = FetchConfig::builder().build().expect("the defaults are right");
    let member = GroupConfig::builder(group)
        .protocol(GroupProtocol::Consumer)
        .protocol_fallback(false)
        .commit_when_asked()
        .drain_timeout(Duration::from_millis(300))
        .build()
        .expect("the configuration is right");
    Consumer::start(&client, &fetch, Some(&member), Subscription::to([group]), Reset::Earliest)
        .await
        .expect("the consumer starts")
}

/// The first batch of each partition, once so many records have come.
async fn batches(a: &mut Consumer, count: usize) -> BTreeMap<i32, FetchedBatch> {
    let (mut first, mut read) = (BTreeMap::new(), 0);
    while read < count {
        let batch = a.next().await.expect("A is open").expect("it is read");
        read += batch.records().count();
        first.entry(batch.partition().partition).or_insert(batch);
    }
    first
}

/// What A reads meanwhile is let go.
async fn loop_while_reading<T>(a: &mut Consumer, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            batch = a.next() => drop(batch),
        }
    }
}
