//! Reads a topic with librdkafka, by way of rdkafka: `auto|store|batch BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS`.
//!
//! - `auto`: the `StreamConsumer`; what was handed over is stored for the commit by librdkafka itself, its default and its
//!   fastest way.
//! - `store`: the same with `store_offset` after each message, which is what at-least-once takes.
//! - `batch`: librdkafka's own batch call, which rdkafka does not wrap, on the consumer's queue: the most that it can do.
//!
//! In a group all of them commit every 5 s and at the end.

#[path = "../../../src/tally.rs"]
pub mod tally;

use std::error::Error;
use std::ptr;

use futures_util::StreamExt;
use rdkafka::bindings as c;
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, StreamConsumer};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tally::{Tally, Task};

/// What differs from librdkafka's defaults, and why.
const TUNED: [(&str, &str); 6] = [
    ("auto.offset.reset", "earliest"),
    // Default 1000: with the queue full, it does not fetch for so long. This is what caps fast readers.
    ("fetch.queue.backoff.ms", "1"),
    // Default 100000: below so many it fetches on, up to the kilobytes of the next line.
    ("queued.min.messages", "1000000"),
    // The default, and Milena's budget.
    ("queued.max.messages.kbytes", "65536"),
    // The default, and Milena's; `fetch.max.bytes` is 50 MiB in both.
    ("fetch.message.max.bytes", "1048576"),
    // Default false; Milena, Java and the others check them.
    ("check.crcs", "true"),
];

/// Runs the task of the command line.
///
/// # Errors
/// Whatever librdkafka says.
pub async fn read() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mode = args.next().unwrap_or_default();
    let task =
        Task::from_args(&mut args).ok_or("auto|store|batch BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS")?;
    let mut tally = Tally::new();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &task.bootstrap)
        // It must have a name for a group, also where nobody joins it.
        .set("group.id", task.group.as_deref().unwrap_or("none"))
        .set("enable.auto.commit", task.group.is_some().to_string())
        .set("enable.auto.offset.store", (mode != "store").to_string());
    for (name, value) in TUNED {
        config.set(name, value);
    }
    match mode.as_str() {
        "auto" | "store" => stream(&config, &task, &mut tally, mode == "store").await?,
        "batch" => batch(&config, &task, &mut tally)?,
        _ => return Err("auto, store or batch".into()),
    }
    println!("{}", tally.finish(None));
    Ok(())
}

async fn stream(
    config: &ClientConfig,
    task: &Task,
    tally: &mut Tally,
    store: bool,
) -> Result<(), Box<dyn Error>> {
    let consumer: StreamConsumer = subscribed(config, task)?;
    let mut messages = consumer.stream();
    while tally.records() < task.records {
        let message = messages.next().await.ok_or("the stream ended")??;
        let timestamp = message.timestamp().to_millis().unwrap_or(-1);
        tally.record(message.offset(), timestamp, message.key(), message.payload());
        if store {
            consumer.store_offset_from_message(&message)?;
        }
    }
    Ok(())
}

fn subscribed<C: Consumer + FromClientConfig>(
    config: &ClientConfig,
    task: &Task,
) -> Result<C, Box<dyn Error>> {
    let consumer: C = config.create()?;
    if task.group.is_some() {
        consumer.subscribe(&[&task.topic])?;
    } else {
        let mut partitions = TopicPartitionList::new();
        for partition in 0..task.partitions {
            partitions.add_partition_offset(&task.topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&partitions)?;
    }
    Ok(consumer)
}

/// Messages of one call.
const BATCH: usize = 10_000;

fn batch(config: &ClientConfig, task: &Task, tally: &mut Tally) -> Result<(), Box<dyn Error>> {
    let consumer: BaseConsumer = subscribed(config, task)?;
    // SAFETY: the client lives until the end of this function; the queue is given back before.
    let queue = unsafe { c::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
    let mut messages = vec![ptr::null_mut::<c::rd_kafka_message_t>(); BATCH];
    while tally.records() < task.records {
        // It waits until it has so many, or for 10 ms: at the end of a topic more would only be waited for.
        // SAFETY: the array has room for so many.
        let count = unsafe { c::rd_kafka_consume_batch_queue(queue, 10, messages.as_mut_ptr(), BATCH) };
        for message in &messages[..usize::try_from(count)?] {
            // SAFETY: librdkafka filled in so many messages, which are ours until they are destroyed, once, here.
            unsafe {
                let found = &**message;
                if found.err == c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    let mut kind = c::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
                    let timestamp = c::rd_kafka_message_timestamp(*message, &mut kind);
                    let (key, value) = (slice(found.key, found.key_len), slice(found.payload, found.len));
                    tally.record(found.offset, timestamp, key, value);
                }
                c::rd_kafka_message_destroy(*message);
            }
        }
    }
    // SAFETY: taken above.
    unsafe { c::rd_kafka_queue_destroy(queue) };
    Ok(())
}

/// # Safety
/// `data` is null, or so many bytes long and alive for `'a`.
unsafe fn slice<'a>(data: *mut std::ffi::c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: as above.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) })
}
