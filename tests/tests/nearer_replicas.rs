//! Records from the replica in the reader's rack (KIP-392), by real brokers: what changes who is asked changes nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use milena_tests::fixture::kafka::{Kafka, Options};
use milena_tests::fixture::load::Load;
use milena_tests::fixture::proxied;
use milena_tests::fixture::proxy::Proxies;
use source::{BatchStream, Event, Events, MoveCause, Source, Start};

const TOPIC: &str = "near";
const FETCH: i16 = 1;
/// The lease of a replica where nothing is said about it, and longer than anything here takes.
const LONG: Duration = Duration::from_secs(300);

/// A reader in some rack, and what it has come to.
struct Reader {
    /// Ends with this.
    _source: Source,
    batches: BatchStream,
    events: Events,
    next: i64,
}

impl Reader {
    async fn start(kafka: &Kafka, name: &str, rack: i32, lease: Duration) -> Self {
        let source = Source::builder(&kafka.bootstrap())
            .property("client.id", name)
            .property("client.rack", format!("r{rack}"))
            .property("metadata.max.age.ms", lease.as_millis())
            .property("auto.offset.reset", "none")
            .partitions([(TOPIC, 0)])
            .start(Start::Earliest);
        let source = source.build().await.expect("it starts");
        let (batches, events) = (source.batches(), source.events());
        Self { _source: source, batches, events, next: 0 }
    }

    /// Reads on for a while, or as long as something does not hold. Every record comes, once, in its order.
    async fn read_while(&mut self, mut holds: impl FnMut(&Self) -> bool) {
        while holds(self) {
            let batch = self.batches.next().await.expect("it goes on").expect("a batch");
            for record in batch.records() {
                let offset = record.expect("a record").offset();
                assert_eq!(offset, self.next, "after {}", self.next - 1);
                self.next = offset + 1;
            }
        }
    }

    async fn read_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        self.read_while(|_| Instant::now() < end).await;
    }

    /// Nothing but the beginning has moved the position.
    fn assert_unmoved(&mut self) {
        while let Some(event) = self.events.try_next() {
            match event {
                Event::Moved { cause: MoveCause::Started, .. } => {}
                Event::Moved { .. } | Event::Stuck { .. } => panic!("{event}"),
                _ => {}
            }
        }
    }
}

/// How often this client has asked a node for records.
fn asked(proxies: &Proxies, node: i32, name: &str) -> usize {
    let fetches = proxies.node(node).exchanges_of(FETCH);
    fetches.iter().filter(|fetch| fetch.request.client_id.as_deref() == Some(name)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_in_the_readers_rack_is_read_and_nothing_is_lost_when_that_ends() {
    let options = Options::default().nodes(3).racks().property("replica.lag.time.max.ms", "30000");
    let (kafka, proxies) = proxied(options).await.expect("Kafka starts");
    let kafka = Arc::new(kafka);
    kafka.create_topic(TOPIC, 1, 3, &[]).expect("the topic is created");
    let leader = kafka.leader(TOPIC, 0).expect("there is a leader");
    let (near, third) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    let load = Load::start(&kafka, TOPIC, 1, Duration::from_millis(10));

    // The leader says where to go, and is left alone from then on.
    let mut reader = Reader::start(&kafka, "reader", near, LONG).await;
    reader.read_while(|_| asked(&proxies, near, "reader") < 50).await;
    assert!(asked(&proxies, leader, "reader") <= 5, "{}", asked(&proxies, leader, "reader"));
    assert_eq!(asked(&proxies, third, "reader"), 0);

    // Somebody whose lease is short asks the leader again and again, and comes back each time.
    let mut restless = Reader::start(&kafka, "restless", near, Duration::from_secs(1)).await;
    restless.read_while(|_| asked(&proxies, leader, "restless") < 6).await;
    restless.read_while(|_| asked(&proxies, near, "restless") < 60).await;
    restless.assert_unmoved();

    // The replica is gone, for the reader alone: the leader is asked, long before the lease ends, with where the reader is now; and it
    // sends records, not the reader back there, as it would with the reader's rack before it.
    let (before, start) = (asked(&proxies, leader, "reader"), Instant::now());
    proxies.node(near).refuse();
    proxies.node(near).cut();
    reader.read_while(|_| asked(&proxies, leader, "reader") < before + 2).await;
    reader.read_for(Duration::from_secs(1)).await;
    assert!(start.elapsed() < LONG / 4, "{:?}", start.elapsed());
    proxies.node(near).accept();

    // The leader moves to where the reader is, by the death of the old one: whom to ask is asked anew.
    let old = kafka.clone();
    tokio::task::spawn_blocking(move || old.stop(leader)).await.expect("no panic").expect("it stops");
    reader.read_for(Duration::from_secs(5)).await;
    let ends = load.stop().await;
    reader.read_while(|reader| reader.next < ends[0]).await;
    reader.assert_unmoved();
}
