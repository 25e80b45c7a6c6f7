//! Reads a topic with rskafka: `[OPTIONS] BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS`.
//!
//! It has no groups, and a connection and a fetch of its own for each partition. `PartitionClient::fetch_records` and not its
//! `StreamConsumer`, which moves the same records through a queue once more; one task for each partition, so that one waits
//! for the broker while another decodes. It cannot leave CRCs unchecked or records uncopied.

#[path = "../../../src/tally.rs"]
pub mod tally;

use std::error::Error;

use rskafka::client::ClientBuilder;
use rskafka::client::partition::{PartitionClient, UnknownTopicHandling};
use tally::{Tally, Task};

/// Bytes to ask of a partition at a time: what Milena asks. `BENCH_FETCH_BYTES` in the environment changes it.
const FETCH_BYTES: i32 = 1 << 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let task =
        Task::from_args(&mut std::env::args().skip(1)).ok_or("BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS")?;
    let bytes =
        std::env::var("BENCH_FETCH_BYTES").ok().and_then(|bytes| bytes.parse().ok()).unwrap_or(FETCH_BYTES);
    let mut tally = Tally::new();
    let servers = task.bootstrap.split(',').map(str::to_owned).collect();
    let client = ClientBuilder::new(servers).build().await?;
    let mut readers = Vec::new();
    for partition in 0..task.partitions {
        let client = client.partition_client(&task.topic, partition, UnknownTopicHandling::Error).await?;
        readers.push(tokio::spawn(read(client, bytes)));
    }
    for reader in readers {
        tally.absorb(reader.await??);
    }
    if tally.records() != task.records {
        return Err(format!("{} records, not {}", tally.records(), task.records).into());
    }
    println!("{}", tally.finish(None));
    Ok(())
}

/// Reads a partition to its end.
async fn read(client: PartitionClient, bytes: i32) -> rskafka::client::error::Result<Tally> {
    let mut tally = Tally::new();
    let mut next = 0;
    loop {
        let (records, high_watermark) = client.fetch_records(next, 1..bytes, 500).await?;
        for record in &records {
            let (offset, record) = (record.offset, &record.record);
            let timestamp = record.timestamp.timestamp_millis();
            tally.record(offset, timestamp, record.key.as_deref(), record.value.as_deref());
            next = offset + 1;
        }
        if next >= high_watermark {
            return Ok(tally);
        }
    }
}
