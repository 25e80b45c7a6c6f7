//! Milena's own client on the testkit: over TCP, and in memory while the clock stands still.

use std::time::Duration;

use client::config::{ClientConfig, FetchConfig, ProducerConfig};
use client::consumer::{Consumer, Subscription};
use client::{Client, Producer, ProducerRecord, Reset, Start, TopicPartition};
use milena_testkit::{ApiKey, Cluster, ErrorCode};

async fn connect(cluster: &Cluster) -> Client {
    let config = ClientConfig::bootstrap(&cluster.bootstrap_servers()).unwrap().build().unwrap();
    Client::connect(config).await.unwrap()
}

fn producer(client: &Client) -> Producer {
    Producer::new(client, &ProducerConfig::builder(client.config().clone()).build().unwrap())
}

async fn consumer(client: &Client, topic: &str, partitions: i32) -> Consumer {
    let partitions =
        (0..partitions).map(|number| (TopicPartition::new(topic, number), Start::Earliest)).collect();
    let config = FetchConfig::builder().build().unwrap();
    Consumer::start(client, &config, None, Subscription::Partitions(partitions), Reset::Earliest)
        .await
        .unwrap()
}

/// The values of the next `count` records, sorted: partitions come in any order.
async fn values(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    while values.len() < count {
        let batch = consumer.next().await.unwrap().unwrap();
        for record in batch.records() {
            values.push(String::from_utf8(record.unwrap().value().unwrap().to_vec()).unwrap());
        }
    }
    values.sort();
    values
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("record {number:04}")).collect()
}

async fn produce_and_read(cluster: &Cluster, client: &Client) {
    let producer = producer(client);
    let mut deliveries = Vec::new();
    for (number, value) in numbered(1000).into_iter().enumerate() {
        let record = ProducerRecord::new("orders").partition(number as i32 % 12).value(value);
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    producer.close().await;
    let mut consumer = consumer(client, "orders", 12).await;
    assert_eq!(values(&mut consumer, 1000).await, numbered(1000));
    let stored: usize = (0..12).map(|partition| cluster.records("orders", partition).len()).sum();
    assert_eq!(stored, 1000);
    consumer.control().close(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_produced_over_tcp_is_read() {
    let cluster = Cluster::builder().brokers(3).topic("orders", 12).start().await.unwrap();
    let client = connect(&cluster).await;
    produce_and_read(&cluster, &client).await;
    for broker in 1..=3 {
        assert!(cluster.requests().of(ApiKey::Fetch).to(broker).count() > 0, "{}", cluster.requests());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_fetch_is_asked_again() {
    let cluster = Cluster::builder().topic("orders", 1).start().await.unwrap();
    cluster.append("orders", 0, ["one", "two"]).unwrap();
    let fault = cluster.on(ApiKey::Fetch).times(3).fail(ErrorCode::KAFKA_STORAGE_ERROR);
    let client = connect(&cluster).await;
    let mut consumer = consumer(&client, "orders", 1).await;
    assert_eq!(values(&mut consumer, 2).await, ["one", "two"]);
    assert!(!cluster.is_pending(fault));
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_goes_on_when_the_leader_stops() {
    let cluster = Cluster::builder().brokers(3).topic("orders", 1).start().await.unwrap();
    cluster.append("orders", 0, ["one"]).unwrap();
    let client = connect(&cluster).await;
    let mut consumer = consumer(&client, "orders", 1).await;
    assert_eq!(values(&mut consumer, 1).await, ["one"]);
    cluster.stop_broker(1).await;
    cluster.append("orders", 0, ["two"]).unwrap();
    assert_eq!(values(&mut consumer, 1).await, ["two"]);
    cluster.start_broker(1).await.unwrap();
    cluster.move_leader("orders", 0, 1).unwrap();
    cluster.append("orders", 0, ["three"]).unwrap();
    assert_eq!(values(&mut consumer, 1).await, ["three"]);
}

#[cfg(feature = "connect")]
#[tokio::test(start_paused = true)]
async fn in_memory_the_clock_may_stand_still() {
    use std::sync::Arc;

    let cluster = Cluster::builder().brokers(3).topic("orders", 12).start_in_memory().unwrap();
    let config = ClientConfig::bootstrap(&cluster.bootstrap_servers()).unwrap().build().unwrap();
    let client = Client::connect_over(config, Arc::new(cluster.clone())).await.unwrap();
    let real = std::time::Instant::now();
    produce_and_read(&cluster, &client).await;
    let mut consumer = consumer(&client, "orders", 12).await;
    assert_eq!(values(&mut consumer, 1000).await, numbered(1000));
    // Nothing happens for an hour, and nobody waits for it.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    cluster.append("orders", 3, ["late"]).unwrap();
    assert_eq!(values(&mut consumer, 1).await, ["late"]);
    assert!(cluster.now() >= Duration::from_secs(3600));
    assert!(real.elapsed() < Duration::from_secs(60));
}

/// A full partition beside empty ones on the same broker: its records never wait for the others' long poll.
#[cfg(feature = "connect")]
#[tokio::test(start_paused = true)]
async fn empty_neighbours_hold_nothing_up() {
    use std::sync::Arc;

    let value = "x".repeat(1000);
    let cluster = Cluster::builder().topic("orders", 64).start_in_memory().unwrap();
    for _ in 0..60 {
        cluster.append("orders", 0, vec![value.as_str(); 1000]).unwrap();
    }
    let config = ClientConfig::bootstrap(&cluster.bootstrap_servers()).unwrap().build().unwrap();
    let client = Client::connect_over(config, Arc::new(cluster.clone())).await.unwrap();
    // So little that the full one holds its share after each answer.
    let fetch = FetchConfig::builder().budget_bytes(8 << 20).build().unwrap();
    let partitions = (0..64).map(|number| (TopicPartition::new("orders", number), Start::Earliest)).collect();
    let partitions = Subscription::Partitions(partitions);
    let mut consumer = Consumer::start(&client, &fetch, None, partitions, Reset::Earliest).await.unwrap();
    let start = cluster.now();
    let mut read = 0;
    while read < 60_000 {
        let batch = consumer.next().await.unwrap().unwrap();
        read += batch.records().count();
        // A sink that takes its time, so that more is fetched than read.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Sixty batches of a millisecond each; one long poll alone would be 500.
    let took = cluster.now() - start;
    assert!(took < Duration::from_millis(400), "{took:?}");
}

/// A long way to the broker, with budget: more is asked for at a time, until little is seen of the way.
#[cfg(feature = "connect")]
#[tokio::test(start_paused = true)]
async fn a_long_way_is_covered_by_asking_for_more() {
    let (took, _) = read_from_afar(16 << 20).await;
    // Batch by batch it would be 64 times 100 ms.
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// And where the budget has no room for more at a time, others are received while answers are waited for.
#[cfg(feature = "connect")]
#[tokio::test(start_paused = true)]
async fn a_long_way_is_covered_by_more_connections() {
    let (_, connections) = read_from_afar(1 << 20).await;
    assert_eq!(connections, 4, "each of four partitions has one");
}

/// Reads 64 batches of 60 KB from each of four partitions of a broker whose answers take 100 ms. The time it took, and the
/// connections.
#[cfg(feature = "connect")]
async fn read_from_afar(budget: usize) -> (Duration, usize) {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use milena_testkit::ApiKey;

    const BATCHES: usize = 64;
    let value = "x".repeat(1000);
    let cluster = Cluster::builder().topic("orders", 4).start_in_memory().unwrap();
    for number in (0..4).cycle().take(4 * BATCHES) {
        cluster.append("orders", number, vec![value.as_str(); 60]).unwrap();
    }
    cluster.on(ApiKey::Fetch).always().delay(Duration::from_millis(100));
    let config = ClientConfig::bootstrap(&cluster.bootstrap_servers()).unwrap().build().unwrap();
    let client = Client::connect_over(config, Arc::new(cluster.clone())).await.unwrap();
    let fetch = FetchConfig::builder().max_partition_bytes(64 << 10).budget_bytes(budget).build().unwrap();
    let partitions = (0..4).map(|number| (TopicPartition::new("orders", number), Start::Earliest)).collect();
    let partitions = Subscription::Partitions(partitions);
    let mut consumer = Consumer::start(&client, &fetch, None, partitions, Reset::Earliest).await.unwrap();
    let start = cluster.now();
    let mut read = 0;
    while read < 4 * BATCHES * 60 {
        read += consumer.next().await.unwrap().unwrap().records().count();
    }
    let took = cluster.now() - start;
    let connections: BTreeSet<_> =
        cluster.requests().of(ApiKey::Fetch).iter().map(|exchange| exchange.conn).collect();
    (took, connections.len())
}

/// Nothing comes for a while, and requests are sent again as they are. What then happens is seen all the same: a record, a
/// pause, a new leader, a seek.
#[cfg(feature = "connect")]
#[tokio::test(start_paused = true)]
async fn who_rests_sees_what_happens() {
    use std::sync::Arc;

    let cluster = Cluster::builder().brokers(2).topic("orders", 2).start_in_memory().unwrap();
    let config = ClientConfig::bootstrap(&cluster.bootstrap_servers()).unwrap().build().unwrap();
    let client = Client::connect_over(config, Arc::new(cluster.clone())).await.unwrap();
    let mut consumer = consumer(&client, "orders", 2).await;
    let rest = || tokio::time::sleep(Duration::from_secs(10));
    for number in [0, 1] {
        rest().await;
        cluster.append("orders", number, ["a"]).unwrap();
        assert_eq!(values(&mut consumer, 1).await, ["a"]);
    }
    let one = TopicPartition::new("orders", 1);
    rest().await;
    consumer.control().pause([&one]);
    cluster.append("orders", 1, ["b"]).unwrap();
    cluster.append("orders", 0, ["c"]).unwrap();
    assert_eq!(values(&mut consumer, 1).await, ["c"]);
    rest().await;
    consumer.control().resume([&one]);
    assert_eq!(values(&mut consumer, 1).await, ["b"]);

    // Wherever it was: at least one of these is a move.
    for leader in [1, 2] {
        rest().await;
        cluster.move_leader("orders", 1, leader).unwrap();
        cluster.append("orders", 1, ["d"]).unwrap();
        assert_eq!(values(&mut consumer, 1).await, ["d"]);
    }
    rest().await;
    let asked = cluster.now();
    consumer.control().seek(one, Start::Offset(0)).await.unwrap();
    assert_eq!(values(&mut consumer, 4).await, ["a", "b", "d", "d"]);
    // With the answer to the long poll that was under way, and not when the rest would have been over.
    let took = cluster.now() - asked;
    assert!(took < Duration::from_secs(1), "{took:?}");
}
