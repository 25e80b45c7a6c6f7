//! Reads a topic with Confluent's own Rust client: `[default|tuned] BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS`.

#[path = "../../../src/tally.rs"]
pub mod tally;

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use confluent_kafka::common::TopicPartition;
use confluent_kafka::common::serialization::BytesDeserializer;
use confluent_kafka::consumer::{Consumer, ConsumerConfig, KafkaConsumer};
use tally::{Tally, Task};

/// What differs from its defaults, which are Java's.
const TUNED: [(&str, &str); 2] = [
    // Default 500.
    ("max.poll.records", "10000"),
    // Default 64 KiB; -1 leaves it to the operating system, as librdkafka and Milena do.
    ("receive.buffer.bytes", "-1"),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let task =
        Task::from_args(&mut std::env::args().skip(1)).ok_or("BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS")?;
    let mut tally = Tally::new();
    let mut properties = HashMap::from([
        ("bootstrap.servers".to_owned(), task.bootstrap.clone()),
        ("auto.offset.reset".to_owned(), "earliest".to_owned()),
        ("group.protocol".to_owned(), "consumer".to_owned()),
        ("enable.auto.commit".to_owned(), task.group.is_some().to_string()),
    ]);
    properties.extend(TUNED.map(|(name, value)| (name.to_owned(), value.to_owned())));
    if let Some(group) = &task.group {
        properties.insert("group.id".to_owned(), group.clone());
    }
    let config = ConsumerConfig::new(&properties)?;
    // Bytes: slices of what was received, without a copy where nothing is compressed.
    let mut consumer = KafkaConsumer::new(config, BytesDeserializer::new(), BytesDeserializer::new())?;
    match task.group {
        Some(_) => consumer.subscribe_with_topics(vec![task.topic.clone()]).await?,
        None => {
            let partitions =
                (0..task.partitions).map(|partition| TopicPartition::new(task.topic.as_str(), partition));
            consumer.assign(partitions.collect()).await?;
        }
    }
    while tally.records() < task.records {
        for record in &consumer.poll(Duration::from_secs(1)).await? {
            let (key, value) = (record.key().map(AsRef::as_ref), record.value().map(AsRef::as_ref));
            tally.record(record.offset(), record.timestamp(), key, value);
        }
    }
    println!("{}", tally.finish(None));
    consumer.close().await?;
    Ok(())
}
