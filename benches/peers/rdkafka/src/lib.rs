//! Reads a topic with rdkafka's `StreamConsumer`, as a group of one.

#[path = "../../../src/tally.rs"]
pub mod tally;

use std::error::Error;

use futures_util::StreamExt;
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::Message;
use tally::{Tally, Task};

/// What differs from librdkafka's defaults, and why.
const TUNED: [(&str, &str); 5] = [
    ("auto.offset.reset", "earliest"),
    // Default 1000: with the queue full, it does not fetch for so long. This is what caps fast readers.
    ("fetch.queue.backoff.ms", "1"),
    // Default 100000: below so many it fetches on, up to the kilobytes of the next line.
    ("queued.min.messages", "1000000"),
    // The default, and Milena's budget.
    ("queued.max.messages.kbytes", "65536"),
    // The default, and Milena's; `fetch.max.bytes` is 50 MiB in both.
    ("fetch.message.max.bytes", "1048576"),
];

/// Runs the task of the command line: `auto|store BOOTSTRAP TOPIC GROUP RECORDS`.
///
/// `auto`: what was handed over is stored for the commit by librdkafka itself, its default and its fastest way.
/// `store`: `store_offset` after each message, which is what at-least-once takes. Both commit every 5 s and at the end.
///
/// # Errors
/// Whatever rdkafka says.
pub async fn read() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let store = match args.next().as_deref() {
        Some("auto") => false,
        Some("store") => true,
        _ => return Err("usage: read-rdkafka auto|store BOOTSTRAP TOPIC GROUP RECORDS".into()),
    };
    let task = Task::from_args(&mut args).ok_or("a reader needs BOOTSTRAP TOPIC GROUP RECORDS")?;
    let mut tally = Tally::new();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &task.bootstrap)
        .set("group.id", &task.group)
        .set("enable.auto.commit", "true")
        .set("enable.auto.offset.store", if store { "false" } else { "true" });
    for (name, value) in TUNED {
        config.set(name, value);
    }
    let consumer: StreamConsumer = config.create()?;
    consumer.subscribe(&[&task.topic])?;
    let mut messages = consumer.stream();
    while tally.records() < task.records {
        let message = messages.next().await.ok_or("the stream ended")??;
        let timestamp = message.timestamp().to_millis().unwrap_or(-1);
        tally.record(message.offset(), timestamp, message.key(), message.payload());
        if store {
            consumer.store_offset_from_message(&message)?;
        }
    }
    println!("{}", tally.finish(None));
    Ok(())
}
