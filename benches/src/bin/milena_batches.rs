//! Reads a topic with Milena and says what it took, as a line of JSON: see [`tally`](milena_benches::tally).
//!
//! `milena-batches [OPTIONS] BOOTSTRAP TOPIC GROUP RECORDS PARTITIONS`; a `-` for the group reads the partitions 0, 1, … as
//! nobody's member. Options: `--records` reads record by record, `--one-thread` has Tokio use one, and
//! `--property NAME=VALUE` sets any property.

use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt;
use milena_benches::tally::{Tally, Task};
use source::{Source, SourceBuilder, Start};
use tokio::runtime::Builder;

const USAGE: &str = "usage: milena-batches [--records] [--one-thread] [--property NAME=VALUE]... \
    BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS";

fn main() -> Result<(), Box<dyn Error>> {
    let mut by_record = false;
    let mut runtime = Builder::new_multi_thread();
    let mut properties = Vec::new();
    let mut args = std::env::args().skip(1).peekable();
    while let Some(option) = args.next_if(|argument| argument.starts_with("--")) {
        match option.as_str() {
            "--records" => by_record = true,
            "--one-thread" => runtime = Builder::new_current_thread(),
            "--property" => {
                let pair = args.next().ok_or(USAGE)?;
                let (name, value) = pair.split_once('=').ok_or(USAGE)?;
                properties.push((name.to_owned(), value.to_owned()));
            }
            _ => return Err(USAGE.into()),
        }
    }
    let task = Task::from_args(&mut args).ok_or(USAGE)?;
    let mut tally = Tally::new();
    runtime.enable_all().build()?.block_on(async {
        let mut builder = Source::builder(&task.bootstrap).start(Start::Earliest);
        for (name, value) in properties {
            builder = builder.property(name, value);
        }
        let source = subscribe(builder, &task).build().await?;
        if by_record {
            records(&source, &task, &mut tally).await?;
        } else {
            batches(&source, &task, &mut tally).await?;
        }
        println!("{}", tally.finish(Some(source.counters().bytes_received)));
        source.drain(Duration::from_secs(10)).await?;
        Ok(())
    })
}

fn subscribe(builder: SourceBuilder, task: &Task) -> SourceBuilder {
    match &task.group {
        Some(group) => builder.group(group).topics([&task.topic]),
        None => builder.partitions((0..task.partitions).map(|partition| (task.topic.as_str(), partition))),
    }
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
