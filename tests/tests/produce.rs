//! What Milena writes, read back by others; and what it says of records when brokers and networks fail.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use client::config::{ClientConfig, Compression, ProducerConfig, ProducerConfigBuilder};
use client::{Client, ErrorCode, ErrorKind, NewTopic, Producer, ProducerRecord, TopicPartition};
use futures_util::future::join_all;
use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::proxy::Verdict;
use milena_tests::fixture::{java, proxied, start};
use records::Batches;
use serde_json::{Value, json};
use xtask::java::Sources;

const PRODUCE: i16 = 0;
const INIT_PRODUCER_ID: i16 = 22;
const TIME: i64 = 1_767_225_600_000;

async fn connect(bootstrap: &str) -> Client {
    let config = ClientConfig::bootstrap(bootstrap).unwrap().request_timeout(Duration::from_secs(5));
    Client::connect(config.build().unwrap()).await.unwrap()
}

fn producer(
    client: &Client,
    change: impl FnOnce(ProducerConfigBuilder) -> ProducerConfigBuilder,
) -> Producer {
    let config = change(ProducerConfig::builder(client.config().clone())).build().unwrap();
    Producer::new(client, &config)
}

/// All values of a topic as Java reads them, by partition.
async fn values(kafka: &Kafka, topic: &str) -> Vec<Vec<String>> {
    let mut values = Vec::new();
    for line in java::dump(kafka, "read_committed", &[topic]).await.unwrap() {
        let record: Value = serde_json::from_str(&line).unwrap();
        let partition = record["partition"].as_u64().unwrap() as usize;
        values.resize(values.len().max(partition + 1), Vec::new());
        let value = STANDARD.decode(record["value"].as_str().unwrap()).unwrap();
        values[partition].push(String::from_utf8(value).unwrap());
    }
    values
}

/// The codec and the producer id of each batch in the log of partition 0.
fn batches(kafka: &Kafka, topic: &str) -> Vec<(records::Compression, i64)> {
    let log = kafka.data_dir(1).join(format!("{topic}-0/00000000000000000000.log"));
    let batch = |batch: Result<records::Batch, _>| {
        let batch = batch.unwrap();
        (batch.header().compression().unwrap(), batch.header().producer_id())
    };
    Batches::new(Bytes::from(fs::read(log).unwrap())).map(batch).collect()
}

const CODECS: [(Compression, records::Compression); 6] = [
    (Compression::None, records::Compression::None),
    (Compression::Gzip { level: None }, records::Compression::Gzip),
    (Compression::Gzip { level: Some(9) }, records::Compression::Gzip),
    (Compression::Snappy, records::Compression::Snappy),
    (Compression::Lz4, records::Compression::Lz4),
    (Compression::Zstd { level: 3 }, records::Compression::Zstd),
];

/// Nulls, empties, headers of all kinds, times out of order, and enough text to compress.
fn letters(topic: &str) -> Vec<ProducerRecord> {
    let to = |index: i64| ProducerRecord::new(topic).partition(0).timestamp(TIME + index);
    let mut strange = to(3).value("strange headers").header("a", "1").header("a", "2").header("", "no name");
    strange.headers.push((Bytes::from_static(&[0xff, 0xfe]), None));
    strange.headers.pop();
    strange.headers.push((Bytes::from_static(b"null"), None));
    let mut letters = vec![
        to(0).key("k").value("a letter, dopis – žluťoučký kůň"),
        to(1),
        to(2).key("").value(""),
        strange,
        to(-1).key("only a key"),
        to(5).value(vec![7; 20_000]),
    ];
    letters.extend(
        (6..200).map(|index| to(index).key(format!("k{index}")).value(format!("letter {index} ").repeat(20))),
    );
    letters
}

fn as_java_prints(record: &ProducerRecord, offset: usize) -> Value {
    let base64 = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| STANDARD.encode(bytes));
    let header = |(name, value): &(Bytes, Option<Bytes>)| json!({ "key": String::from_utf8(name.to_vec()).unwrap(), "value": base64(value) });
    json!({
        "topic": &*record.topic,
        "partition": record.partition,
        "offset": offset,
        "timestamp": record.timestamp,
        "timestamp_type": "create_time",
        "leader_epoch": 0,
        "key": base64(&record.key),
        "value": base64(&record.value),
        "headers": record.headers.iter().map(header).collect::<Vec<_>>(),
    })
}

/// Java's consumer reads what was written, and the log has it compressed as asked.
async fn every_codec(kafka: &Kafka, client: &Client) {
    for (index, (compression, codec)) in CODECS.into_iter().enumerate() {
        let idempotent = index % 2 == 0;
        let topic = format!("codec-{index}");
        client.create_topic(NewTopic::new(&topic).partitions(1).replication_factor(1)).await.unwrap();
        let producer = producer(client, |config| {
            config.compression(compression).idempotence(idempotent).linger(Duration::from_millis(50))
        });
        let sent = letters(&topic);
        let mut deliveries = Vec::new();
        for record in &sent {
            deliveries.push(producer.enqueue(record.clone()).await.unwrap());
        }
        for (offset, (delivery, record)) in deliveries.into_iter().zip(&sent).enumerate() {
            let written = delivery.await.unwrap();
            assert_eq!((written.partition, written.offset), (0, Some(offset as i64)), "{topic}");
            assert_eq!(Some(written.timestamp), record.timestamp);
        }
        producer.close().await;
        let read = java::dump(kafka, "read_committed", &[&topic]).await.unwrap();
        assert_eq!(read.len(), sent.len());
        for (offset, (line, record)) in read.iter().zip(&sent).enumerate() {
            let read: Value = serde_json::from_str(line).unwrap();
            assert_eq!(read, as_java_prints(record, offset), "{topic}");
        }
        let batches = batches(kafka, &topic);
        assert!(batches.len() > 2 && batches.len() < sent.len() / 4, "{topic}: {} batches", batches.len());
        let wrong = batches.iter().find(|batch| batch.0 != codec || (batch.1 >= 0) != idempotent);
        assert_eq!(wrong, None, "{topic}");
    }
}

/// Equal keys land where Java's producer puts them.
async fn keys_land_where_java_puts_them(kafka: &Kafka, client: &Client) {
    client.create_topic(NewTopic::new("keys").partitions(7).replication_factor(1)).await.unwrap();
    let keys: Vec<Vec<u8>> =
        (0..60u8).map(|index| vec![index.wrapping_mul(37); usize::from(index % 13) + 1]).collect();
    let hex = keys.iter().map(|key| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let mut arguments = vec![kafka.direct_bootstrap(), "keys".to_owned()];
    arguments.extend(hex);
    let version = kafka.version();
    let run = move || xtask::java::run(Sources::Any, version, "KeyedWriter", arguments);
    let printed = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let javas: Vec<i32> = printed.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(javas.iter().collect::<BTreeSet<_>>().len(), 7, "the keys spread: {javas:?}");
    let producer = producer(client, |config| config);
    let sends = keys.into_iter().map(|key| producer.send(ProducerRecord::new("keys").key(key).value("v")));
    let ours: Vec<i32> =
        join_all(sends).await.into_iter().map(|written| written.unwrap().partition).collect();
    assert_eq!(ours, javas);
    // Without a key each partition gets its share.
    let sends = (0..500).map(|_| producer.send(ProducerRecord::new("keys").value(vec![0; 1000])));
    let mut shares = [0; 7];
    join_all(sends).await.into_iter().for_each(|written| shares[written.unwrap().partition as usize] += 1);
    assert!(shares.iter().all(|share| *share > 40), "{shares:?}");
    producer.close().await;
}

/// What cannot be written says why, and that it is not in the log.
async fn refusals_are_honest(client: &Client) {
    let compacted =
        NewTopic::new("compacted").partitions(1).replication_factor(1).config("cleanup.policy", "compact");
    client.create_topic(compacted).await.unwrap();
    let small =
        NewTopic::new("small").partitions(1).replication_factor(1).config("max.message.bytes", "3000");
    client.create_topic(small).await.unwrap();
    let producer = producer(client, |config| {
        config.linger(Duration::from_millis(50)).delivery_timeout(Duration::from_secs(6)).batch_size(20_000)
    });

    let error = producer.send(ProducerRecord::new("compacted").value("no key")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Broker(_) | ErrorKind::TimedOut), "{error}");
    assert!(!error.is_maybe_written(), "{error}");
    assert!(error.to_string().contains("the record was not written"), "{error}");
    producer.send(ProducerRecord::new("compacted").key("k").value("v")).await.unwrap();

    let error = producer.send(ProducerRecord::new("nowhere").value("v")).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{error}");
    let error = producer.send(ProducerRecord::new("small").partition(7)).await.unwrap_err();
    assert!(error.to_string().contains("no partition 7"), "{error}");
    let error = producer.send(ProducerRecord::new("small").value(vec![0; 2 << 20])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(!error.is_maybe_written());

    // A batch that is larger than its topic allows is cut until it fits; a record is not.
    let sends = (0..15).map(|index| producer.send(ProducerRecord::new("small").value(vec![index; 1000])));
    let offsets: Vec<_> =
        join_all(sends).await.into_iter().map(|written| written.unwrap().offset.unwrap()).collect();
    assert_eq!(offsets, (0..15).collect::<Vec<i64>>());
    let error = producer.send(ProducerRecord::new("small").value(vec![0; 4000])).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE), "{error}");
    assert!(!error.is_maybe_written());
    let written = producer.send(ProducerRecord::new("small").value("after")).await.unwrap();
    assert_eq!(written.offset, Some(15));

    producer.close().await;
    producer.close().await;
    let error = producer.send(ProducerRecord::new("small").value("late")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_broker_takes_what_is_written_and_java_reads_it() {
    let kafka = start(Options::new(Version::NEWEST)).await.unwrap();
    let client = connect(&kafka.bootstrap()).await;
    every_codec(&kafka, &client).await;
    keys_land_where_java_puts_them(&kafka, &client).await;
    refusals_are_honest(&client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_with_zookeeper_takes_what_is_written_and_java_reads_it() {
    let kafka = start(Options::new(Version::LAST_2)).await.unwrap();
    let client = connect(&kafka.bootstrap()).await;
    every_codec(&kafka, &client).await;
    keys_land_where_java_puts_them(&kafka, &client).await;
    refusals_are_honest(&client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_broker_takes_what_is_written_and_java_reads_it() {
    let kafka = start(Options::new(Version::OLDEST)).await.unwrap();
    let client = connect(&kafka.bootstrap()).await;
    every_codec(&kafka, &client).await;
    refusals_are_honest(&client).await;
}

/// Answers get lost, connections break, a producer id is hard to get: with numbers every record is there once and in
/// order, and its offset is true.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbered_records_are_written_once_whatever_the_network_does() {
    let (kafka, proxies) = proxied(Options::new(Version::NEWEST)).await.unwrap();
    let client = connect(&kafka.bootstrap()).await;
    client.create_topic(NewTopic::new("once").partitions(2).replication_factor(1)).await.unwrap();
    let (requests, answers, ids) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    proxies.on_request(move |request| match request.api_key {
        PRODUCE if requests.fetch_add(1, Ordering::Relaxed) % 7 == 3 => Verdict::Cut,
        INIT_PRODUCER_ID if ids.fetch_add(1, Ordering::Relaxed) == 0 => Verdict::Cut,
        _ => Verdict::Pass,
    });
    proxies.on_answer(move |request, _| match request.api_key {
        PRODUCE if answers.fetch_add(1, Ordering::Relaxed) % 5 == 2 => Verdict::Cut,
        _ => Verdict::Pass,
    });
    let producer = producer(&client, |config| config.batch_size(2000).linger(Duration::from_millis(2)));
    let mut deliveries = Vec::new();
    for index in 0..600 {
        let record = ProducerRecord::new("once").partition(index % 2).value(format!("{index:0100}"));
        deliveries.push(producer.enqueue(record).await.unwrap());
    }
    for (index, delivery) in deliveries.into_iter().enumerate() {
        let written = delivery.await.unwrap();
        assert_eq!(written.offset, Some(index as i64 / 2), "record {index}");
    }
    producer.close().await;
    proxies.pass();
    let cut = proxies.exchanges_of(PRODUCE).iter().filter(|exchange| exchange.answer().is_none()).count();
    assert!(cut > 5, "only {cut} requests had no answer: nothing was tried");
    let expected =
        |parity| (0..600).filter(|index| index % 2 == parity).map(|index| format!("{index:0100}")).collect();
    assert_eq!(values(&kafka, "once").await, [expected(0), expected(1)] as [Vec<String>; 2]);
}

/// A record whose answers all get lost is written, and nobody claims that it is not; the next one is not taken for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_whose_answer_never_comes_may_be_written() {
    let (kafka, proxies) = proxied(Options::new(Version::NEWEST)).await.unwrap();
    let client = connect(&kafka.bootstrap()).await;
    client.create_topic(NewTopic::new("maybe").partitions(1).replication_factor(1)).await.unwrap();
    let producer = producer(&client, |config| config.delivery_timeout(Duration::from_secs(6)));
    let to = |value: &'static str| ProducerRecord::new("maybe").value(value);
    producer.send(to("before")).await.unwrap();
    proxies.on_answer(|request, _| if request.api_key == PRODUCE { Verdict::Cut } else { Verdict::Pass });
    let error = producer.send(to("lost")).await.unwrap_err();
    assert!(error.is_maybe_written(), "{error}");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert_eq!(error.topic_partition(), Some(TopicPartition::new("maybe", 0)));
    proxies.pass();
    let after = producer.send(to("after")).await.unwrap();
    assert_eq!(after.offset, Some(2), "it is a record of its own, though it follows a number that is burnt");
    assert_eq!(values(&kafka, "maybe").await, [["before", "lost", "after"]]);
}

/// The leader dies in the middle; another takes over. Everything is there once and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_dies_costs_no_record() {
    let options = Options::new(Version::NEWEST).nodes(3).property("min.insync.replicas", "2");
    let kafka = Arc::new(start(options).await.unwrap());
    let client = connect(&kafka.bootstrap()).await;
    client.create_topic(NewTopic::new("orders").partitions(3).replication_factor(3)).await.unwrap();
    let producer = producer(&client, |config| config.compression(Compression::Lz4).batch_size(4000));
    let mut deliveries = Vec::new();
    let mut killed = None;
    for index in 0..3000 {
        if index == 1000 {
            let kafka = kafka.clone();
            let kill = move || {
                let leader = kafka.leader("orders", 0).unwrap();
                kafka.kill(leader).unwrap();
                leader
            };
            killed = Some(tokio::task::spawn_blocking(kill));
        }
        let record = ProducerRecord::new("orders").partition(index % 3).value(format!("{index:0100}"));
        deliveries.push(producer.enqueue(record).await.unwrap());
        if index % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let started = Instant::now();
    let outcomes = join_all(deliveries).await;
    println!("all outcomes after {:?}", started.elapsed());
    for (index, written) in outcomes.into_iter().enumerate() {
        assert_eq!(written.unwrap().offset, Some(index as i64 / 3), "record {index}");
    }
    let killed = killed.unwrap().await.unwrap();
    assert_ne!(kafka.leader("orders", 0).unwrap(), killed);
    for partition in 0..3 {
        assert_eq!(kafka.end_offset("orders", partition).unwrap(), 1000);
    }
    producer.close().await;
}

/// Memory is a bound: a producer whose broker does not answer takes no more than it may, waits, says so, and goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_bounds_what_is_taken() {
    let kafka = start(Options::new(Version::NEWEST)).await.unwrap();
    let client = connect(&kafka.bootstrap()).await;
    client.create_topic(NewTopic::new("orders").partitions(1).replication_factor(1)).await.unwrap();
    let producer = producer(&client, |config| {
        let config = config.buffer_memory(100_000).batch_size(10_000).linger(Duration::from_secs(30));
        config.delivery_timeout(Duration::from_secs(60)).max_block(Duration::from_secs(1))
    });
    let record = || ProducerRecord::new("orders").value(vec![0; 4000]);
    // Batches that wait for more records, for half a minute, give way to one who waits for memory.
    let started = Instant::now();
    let mut deliveries = Vec::new();
    for _ in 0..200 {
        deliveries.push(producer.enqueue(record()).await.unwrap());
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    producer.flush().await;
    for delivery in deliveries.drain(..) {
        delivery.await.unwrap();
    }
    assert_eq!(producer.memory_available(), 100_000);

    kafka.pause(1).unwrap();
    let error = loop {
        match producer.enqueue(record()).await {
            Ok(delivery) => deliveries.push(delivery),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(error.to_string().contains("buffer.memory"), "{error}");
    assert!(!error.is_maybe_written());
    assert!((20..=25).contains(&deliveries.len()), "{} records of 4000 bytes", deliveries.len());
    // One who gives up waiting has taken nothing.
    let given_up = tokio::time::timeout(Duration::from_millis(100), producer.enqueue(record())).await;
    assert!(given_up.is_err());
    kafka.resume(1).unwrap();
    producer.flush().await;
    let taken = deliveries.len() as i64;
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    assert_eq!(producer.memory_available(), 100_000);
    assert_eq!(kafka.end_offset("orders", 0).unwrap(), 200 + taken);

    // The last clone is gone, and what was taken is written all the same.
    let delivery = producer.enqueue(record()).await.unwrap();
    drop(producer);
    assert_eq!(delivery.await.unwrap().offset, Some(200 + taken));
}
