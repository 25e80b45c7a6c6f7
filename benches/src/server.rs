//! Who serves: the limit server, or real Kafka. Each lives as long as its value.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;
use xtask::kafka::{Kafka, Options, Version};
use xtask::{Error, Result};

use crate::case::Case;
use crate::java;
use crate::reader::beside_us;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ours, in memory, never the bottleneck.
    Limit,
    /// The truth.
    Kafka,
}

impl Kind {
    /// How it is asked for.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Limit => "limit",
            Kind::Kafka => "kafka",
        }
    }
}

/// A topic, ready to be read.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Where.
    pub bootstrap: String,
    /// Its name.
    pub name: String,
    /// Partitions, all of them.
    pub partitions: i32,
    /// Records, all partitions together.
    pub records: u64,
    /// Bytes of its logs.
    pub log_bytes: u64,
    /// The processes that serve it.
    pub pids: Vec<u32>,
}

impl Topic {
    /// CPU time that whoever serves it has used so far, in seconds.
    #[must_use]
    pub fn server_cpu_s(&self) -> f64 {
        self.pids.iter().filter_map(|pid| cpu_s(*pid)).map(|(user, system)| user + system).sum()
    }
}

/// User and system time of a process, in seconds.
#[must_use]
pub fn cpu_s(pid: u32) -> Option<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // proc(5): hundredths of a second, in the 14th and 15th field.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok().map(|ticks| ticks / 100.0);
    Some((next()?, next()?))
}

/// A limit server. It ends when this is dropped, because its standard input does.
#[derive(Debug)]
pub struct Limit {
    child: Child,
    input: Option<ChildStdin>,
    topic: Topic,
}

impl Limit {
    /// Starts one with these options.
    ///
    /// # Errors
    /// It is not built, or says no.
    pub fn start<S: AsRef<str>>(options: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut command = Command::new(beside_us("limit-server")?);
        for option in options {
            command.arg(option.as_ref());
        }
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child =
            spawned.map_err(|error| Error::new(format!("cannot start the limit server: {error}")))?;
        let input = child.stdin.take();
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output)
                .read_line(&mut line)
                .map_err(|error| Error::new(format!("the limit server says nothing: {error}")))?;
        }
        let topic = described(&line, child.id());
        let topic = topic.ok_or_else(|| Error::new(format!("no description of the limit server: {line}")))?;
        Ok(Self { child, input, topic })
    }

    /// For a case.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn serving(case: &Case) -> Result<Self> {
        Self::start([
            "--record-bytes",
            &case.value_bytes.to_string(),
            "--codec",
            case.compression,
            "--partitions",
            &case.partitions.to_string(),
            "--brokers",
            &case.brokers.to_string(),
            "--records",
            &case.records.to_string(),
        ])
    }

    /// What it serves.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

fn described(line: &str, pid: u32) -> Option<Topic> {
    let json: Value = serde_json::from_str(line).ok()?;
    Some(Topic {
        bootstrap: json["bootstrap"].as_str()?.to_owned(),
        name: json["topic"].as_str()?.to_owned(),
        partitions: i32::try_from(json["partitions"].as_i64()?).ok()?,
        records: json["records"].as_u64()?,
        log_bytes: json["log_bytes"].as_u64()?,
        pids: vec![pid],
    })
}

/// Starts real Kafka: its JVM as Kafka's own start script sets it up, except for the heap. The settings for quick tests that
/// stay make its start quick, and touch nothing that a fetch of old records meets.
///
/// # Errors
/// It does not start.
pub fn kafka(nodes: i32) -> Result<Kafka> {
    eprintln!("== Starting Apache Kafka {} with {nodes} node(s)", Version::NEWEST);
    let options = Options::new(Version::NEWEST).nodes(nodes).heap_mib(if nodes == 1 { 1024 } else { 512 });
    Kafka::start(options.jvm([
        "-XX:+UseG1GC",
        "-XX:MaxGCPauseMillis=20",
        "-XX:InitiatingHeapOccupancyPercent=35",
    ]))
}

/// Creates and fills the topic of a case, with Java's producer.
///
/// # Errors
/// The broker refuses, or the producer fails.
pub fn write(kafka: &Kafka, case: &Case) -> Result<Topic> {
    eprintln!("== {}: writing {} records", case.name, case.records);
    kafka.create_topic(case.name, case.partitions, 1, &[])?;
    fill(kafka, case.name, case, case.partitions)?;
    let topic = describe(kafka, case.name, case.partitions)?;
    let wanted = case.records / case.partitions as u64 * case.partitions as u64;
    if topic.records != wanted {
        return Err(Error::new(format!("{} has {} records, not {wanted}", case.name, topic.records)));
    }
    Ok(topic)
}

/// Writes a case's records into the first `partitions` of a topic.
///
/// # Errors
/// The producer fails.
pub fn fill(kafka: &Kafka, topic: &str, case: &Case, partitions: i32) -> Result<()> {
    let records = case.records / partitions as u64 * partitions as u64;
    let status = java::command("WriteTopic", &["-Xmx512m", "-XX:+UseParallelGC"])?
        .args([&kafka.bootstrap(), topic, &partitions.to_string(), &records.to_string()])
        .args([&case.value_bytes.to_string(), case.compression])
        .status()
        .map_err(|error| Error::new(format!("cannot run WriteTopic: {error}")))?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("WriteTopic ends with {status}"))) }
}

/// What is in a topic.
///
/// # Errors
/// The broker does not tell.
pub fn describe(kafka: &Kafka, name: &str, partitions: i32) -> Result<Topic> {
    let (mut records, mut log_bytes) = (0, 0);
    for partition in 0..partitions {
        records += u64::try_from(kafka.end_offset(name, partition)?).unwrap_or(0);
        let node = kafka.leader(name, partition)?;
        log_bytes += log_size(&kafka.data_dir(node).join(format!("{name}-{partition}")))?;
    }
    let pids = kafka.nodes().into_iter().filter_map(|node| kafka.pid(node)).collect();
    Ok(Topic { bootstrap: kafka.bootstrap(), name: name.to_owned(), partitions, records, log_bytes, pids })
}

/// The length of all segments of a partition.
fn log_size(directory: &std::path::Path) -> Result<u64> {
    let entries = fs::read_dir(directory)
        .map_err(|error| Error::new(format!("cannot read {}: {error}", directory.display())))?;
    let segments = entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "log"));
    Ok(segments.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum())
}
