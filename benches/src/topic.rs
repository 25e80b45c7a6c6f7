//! Topics: written once for all passes, with Java's producer.

use std::fs;

use xtask::kafka::Kafka;
use xtask::{Error, Result};

use crate::case::Case;
use crate::java;

/// A topic that was written, and what it came to in the broker's log.
#[derive(Debug, Clone)]
pub struct Topic {
    /// What is in it.
    pub case: Case,
    /// Bytes of the log segments, record batch headers included.
    pub log_bytes: u64,
}

/// Creates and fills the topic of a case.
///
/// # Errors
/// The broker refuses, or the producer fails.
pub fn write(kafka: &Kafka, case: Case) -> Result<Topic> {
    kafka.create_topic(case.name, case.partitions, 1, &[])?;
    let status = java::command("WriteTopic", &["-Xmx512m", "-XX:+UseParallelGC"])?
        .args([&kafka.bootstrap(), case.name, &case.partitions.to_string(), &case.records.to_string()])
        .args([&case.value_bytes.to_string(), case.compression])
        .status()
        .map_err(|error| Error::new(format!("cannot run WriteTopic: {error}")))?;
    if !status.success() {
        return Err(Error::new(format!("WriteTopic ends with {status}")));
    }
    let mut log_bytes = 0;
    for partition in 0..case.partitions {
        let end = kafka.end_offset(case.name, partition)?;
        let wanted = case.records / case.partitions as u64;
        if end as u64 != wanted {
            return Err(Error::new(format!("{}-{partition} ends at {end}, not at {wanted}", case.name)));
        }
        let node = kafka.leader(case.name, partition)?;
        log_bytes += log_size(&kafka.data_dir(node).join(format!("{}-{partition}", case.name)))?;
    }
    Ok(Topic { case, log_bytes })
}

/// The length of all segments of a partition.
fn log_size(directory: &std::path::Path) -> Result<u64> {
    let entries = fs::read_dir(directory)
        .map_err(|error| Error::new(format!("cannot read {}: {error}", directory.display())))?;
    let segments = entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "log"));
    Ok(segments.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum())
}
