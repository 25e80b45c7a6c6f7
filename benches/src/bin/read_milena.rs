//! Reads a topic with Milena, as a group of one: `read_milena batches|records BOOTSTRAP TOPIC GROUP RECORDS`.
//!
//! All settings are Milena's defaults: 64 MiB of budget, acknowledged offsets committed every 5 s and at the end, which
//! comes after the clock has stopped. Checksums are checked, as always.

use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt;
use milena_benches::tally::{Tally, Task};
use source::{Source, Start};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let how = args.next().unwrap_or_default();
    let task = Task::from_args(&mut args)
        .ok_or("usage: read_milena batches|records BOOTSTRAP TOPIC GROUP RECORDS")?;
    let mut tally = Tally::new();
    let source = Source::builder(&task.bootstrap)
        .group(&task.group)
        .topics([&task.topic])
        .start(Start::Earliest)
        .build()
        .await?;
    match how.as_str() {
        "batches" => batches(&source, &task, &mut tally).await?,
        "records" => records(&source, &task, &mut tally).await?,
        _ => return Err(format!("batches or records, not {how}").into()),
    }
    println!("{}", tally.finish(Some(source.counters().bytes_received)));
    source.drain(Duration::from_secs(10)).await?;
    Ok(())
}

/// Borrowed records, one acknowledgement for a batch.
async fn batches(source: &Source, task: &Task, tally: &mut Tally) -> Result<(), Box<dyn Error>> {
    let mut batches = source.batches();
    while tally.records() < task.records {
        let batch = batches.next().await.ok_or("the stream ended")??;
        for record in batch.records() {
            let record = record?;
            tally.record(record.offset(), record.timestamp(), record.key(), record.value());
        }
        batch.ack();
    }
    Ok(())
}

/// Owned records, one acknowledgement for each.
async fn records(source: &Source, task: &Task, tally: &mut Tally) -> Result<(), Box<dyn Error>> {
    let mut records = source.records();
    while tally.records() < task.records {
        let record = records.next().await.ok_or("the stream ended")??;
        tally.record(record.offset(), record.timestamp(), record.key(), record.value());
        record.ack();
    }
    Ok(())
}
