//! Reads a topic with krafka's `Consumer`.

#[path = "../../../src/tally.rs"]
pub mod tally;

use std::error::Error;
use std::time::Duration;

use krafka::Kafka;
use krafka::consumer::AutoOffsetReset;
use tally::{Tally, Task};

/// Runs the task of the command line: `default|tuned BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS`.
///
/// `tuned`: no bound on the records of a poll and of its buffer. With its defaults, 500 each, it decodes so many records of an
/// answer, drops the rest, and fetches it again.
///
/// # Errors
/// Whatever krafka says.
pub async fn read() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let is_tuned = match args.next().as_deref() {
        Some("default") => false,
        Some("tuned") => true,
        _ => return Err("usage: read-krafka default|tuned BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS".into()),
    };
    let task = Task::from_args(&mut args).ok_or("BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS")?;
    let mut tally = Tally::new();
    let kafka = Kafka::builder(&task.bootstrap).connect().await?;
    let mut builder = match &task.group {
        Some(group) => kafka.consumer(group),
        None => kafka.consumer_without_group(),
    };
    builder = builder.auto_offset_reset(AutoOffsetReset::Earliest).enable_auto_commit(task.group.is_some());
    if is_tuned {
        builder = builder.max_poll_records(-1).max_buffered_records(0);
    }
    let consumer = builder.build().await?;
    match task.group {
        Some(_) => consumer.subscribe([&task.topic]).await?,
        None => consumer.assign(&task.topic, (0..task.partitions).collect()).await?,
    }
    while tally.records() < task.records {
        for record in consumer.poll(Duration::from_secs(1)).await? {
            tally.record(record.offset, record.timestamp, record.key.as_deref(), record.value.as_deref());
        }
    }
    println!("{}", tally.finish(None));
    Ok(())
}
