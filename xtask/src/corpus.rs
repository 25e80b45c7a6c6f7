//! Topics with what readers stumble over, written by other people's producers on a real broker.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::clients;
use crate::error::{Context, Error, Result};
use crate::java::{self, Sources, succeed};
use crate::kafka::{Kafka, Version};

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Producer {
    /// `tests/java/any/Writer.java` with the client of the broker's version.
    Java,
    /// `tests/java/old/OldWriter.java` with the client of 0.10.0.1: magic 1.
    Java010,
    /// The same with the client of 0.9.0.1: magic 0.
    Java09,
    /// librdkafka through confluent-kafka for Python.
    Librdkafka,
    /// kafka-python.
    KafkaPython,
    /// kafkajs.
    Kafkajs,
    /// franz-go.
    FranzGo,
}

/// One topic, and so one log: it has one partition.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its configuration.
    pub configs: Vec<(&'static str, &'static str)>,
    /// What is done to it. All topics' first turns come before all their second ones; within a turn, each producer's steps
    /// are done in order, and different producers write at the same time.
    pub turns: Vec<Vec<Step>>,
    /// Whether to wait until the log cleaner has been there.
    pub is_compacted: bool,
}

/// What is done to a topic.
#[derive(Debug, Clone)]
pub enum Step {
    /// A line for a writer: the kind, the codec and a count (0: its own).
    Write(Producer, &'static str, &'static str, u32),
    /// A change of the topic's configuration, before anything of the turn is written.
    Alter(&'static str, &'static str),
}

/// Every codec there is.
pub const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Codecs of formats before magic 2.
pub const OLD_CODECS: [&str; 4] = ["none", "gzip", "snappy", "lz4"];

/// Takes times far away, which brokers refuse by default since 4.0. Not known before 3.6.
pub const ANY_TIME: (&str, &str) = ("message.timestamp.after.max.ms", "9223372036854775807");
/// The broker's clock in place of the producer's.
pub const APPEND_TIME: (&str, &str) = ("message.timestamp.type", "LogAppendTime");
/// The record format, for brokers before 3.0.
pub const FORMAT: &str = "message.format.version";
/// Compacts all but the active segment as soon as there is one.
pub const COMPACT: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    // A segment of this age is rolled at the next append; the cleaner leaves the active one alone.
    ("segment.ms", "400"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("min.compaction.lag.ms", "0"),
    ("delete.retention.ms", "86400000"),
];

/// Time between two turns: a segment of [`COMPACT`] is old enough to be rolled by the next record.
const TURN: Duration = Duration::from_millis(600);

/// Longest wait for the log cleaner.
const CLEANED: Duration = Duration::from_secs(60);

impl Producer {
    /// Those that are not Kafka's own.
    pub const OTHERS: [Producer; 4] =
        [Producer::Librdkafka, Producer::KafkaPython, Producer::FranzGo, Producer::Kafkajs];

    /// The codecs it has.
    #[must_use]
    pub fn codecs(self) -> &'static [&'static str] {
        match self {
            Producer::Java010 | Producer::Java09 => &OLD_CODECS,
            // Its lz4 and zstd are packages that compile C++.
            Producer::Kafkajs => &["none", "gzip", "snappy"],
            _ => &CODECS,
        }
    }

    /// What this machine lacks to run it, if so. Java itself is not asked for: without it there is no broker either.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        let (program, argument) = match self {
            Producer::Java | Producer::Java010 | Producer::Java09 => return None,
            Producer::Librdkafka | Producer::KafkaPython => ("python3", "--version"),
            Producer::Kafkajs => ("npm", "--version"),
            Producer::FranzGo => ("go", "version"),
        };
        let status = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let runs = status.is_ok_and(|status| status.success());
        (!runs).then(|| format!("{self:?} needs {program}"))
    }

    fn program(self, kafka: &Kafka) -> Result<Command> {
        let mut command = match self {
            Producer::Java => java::command(Sources::Any, kafka.version(), "Writer")?,
            Producer::Java010 => java::command(Sources::Old, Version(0, 10, 0), "OldWriter")?,
            Producer::Java09 => java::command(Sources::Old, Version(0, 9, 0), "OldWriter")?,
            Producer::Librdkafka => clients::python("librdkafka_writer.py")?,
            Producer::KafkaPython => clients::python("kafka_python_writer.py")?,
            Producer::Kafkajs => clients::node("writer.js")?,
            Producer::FranzGo => clients::go()?,
        };
        command.arg(kafka.direct_bootstrap());
        Ok(command)
    }

    /// Hands the writer its lines and waits until it has done each.
    fn write(self, kafka: &Kafka, lines: &[String]) -> Result<()> {
        let what = || format!("{self:?}");
        let mut command = self.program(kafka)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context(what)?;
        if let Some(mut stdin) = child.stdin.take() {
            // Few enough to fit into the pipe, so nobody waits for anybody here.
            stdin.write_all((lines.join("\n") + "\n").as_bytes()).context(what)?;
        }
        let mut said = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut said).context(what)?;
        }
        let output = child.wait_with_output().context(what)?;
        succeed(&what(), &output)?;
        let done = said.lines().filter(|line| line.starts_with("done ")).count();
        if done == lines.len() {
            return Ok(());
        }
        Err(Error::new(format!("{self:?} has done {done} of {} lines", lines.len())))
    }
}

/// Creates the topics with so many replicas, does all their turns, and waits for the log cleaner where it is wanted.
///
/// # Errors
/// A broker refuses, a producer fails or cannot be installed, the cleaner does not come.
pub fn write(kafka: &Kafka, topics: &[Topic], replicas: i16) -> Result<()> {
    for topic in topics {
        kafka.create_topic(&topic.name, 1, replicas, &topic.configs)?;
    }
    let turns = topics.iter().map(|topic| topic.turns.len()).max().unwrap_or(0);
    for turn in 0..turns {
        if turn > 0 {
            sleep(TURN);
        }
        let mut lines: BTreeMap<Producer, Vec<String>> = BTreeMap::new();
        for topic in topics {
            for step in topic.turns.get(turn).into_iter().flatten() {
                match step {
                    Step::Alter(key, value) => kafka.alter_topic(&topic.name, key, value)?,
                    Step::Write(producer, kind, codec, count) => {
                        let count = if *count == 0 { String::new() } else { format!(" {count}") };
                        let line = format!("{kind} {codec} {}{count}", topic.name);
                        lines.entry(*producer).or_default().push(line);
                    }
                }
            }
        }
        thread::scope(|scope| {
            let writers: Vec<_> =
                lines.iter().map(|(producer, lines)| scope.spawn(|| producer.write(kafka, lines))).collect();
            let panicked = |_| Err(Error::new("a writer's thread panicked"));
            writers.into_iter().try_for_each(|writer| writer.join().unwrap_or_else(panicked))
        })?;
    }
    topics
        .iter()
        .filter(|topic| topic.is_compacted)
        .try_for_each(|topic| wait_for_cleaner(kafka, &topic.name))
}

/// Waits until the leader's closed segment has been rewritten.
fn wait_for_cleaner(kafka: &Kafka, topic: &str) -> Result<()> {
    let start = Instant::now();
    let leader = kafka.leader(topic, 0)?;
    // The checkpoint names the first offset that is not clean yet.
    let checkpoint = kafka.data_dir(leader).join("cleaner-offset-checkpoint");
    while start.elapsed() < CLEANED {
        let text = fs::read_to_string(&checkpoint).unwrap_or_default();
        let cleaned = text.lines().any(|line| {
            let mut words = line.split(' ');
            words.next() == Some(topic) && words.nth(1).is_some_and(|offset| offset != "0")
        });
        if cleaned && segments(kafka, leader, topic)?.len() > 1 {
            return Ok(());
        }
        sleep(Duration::from_millis(200));
    }
    Err(Error::new(format!("{topic} has not been compacted in {} s", CLEANED.as_secs())))
}

/// Base offset and file of each segment of a topic's partition 0 on a node, in order. The node may be down.
///
/// # Errors
/// There is none.
///
/// # Panics
/// If there is no such node.
pub fn segments(kafka: &Kafka, node: i32, topic: &str) -> Result<Vec<(i64, PathBuf)>> {
    let directory = kafka.data_dir(node).join(format!("{topic}-0"));
    let entries = fs::read_dir(&directory).context(|| format!("cannot read {}", directory.display()))?;
    let mut segments: Vec<(i64, PathBuf)> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.parse().ok()?, path)))
        .collect();
    segments.sort();
    if segments.is_empty() {
        return Err(Error::new(format!("{topic} has no segment")));
    }
    Ok(segments)
}
