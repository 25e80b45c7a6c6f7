//! Segments of real logs, and what Java reads in them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::plan::{self, Case, Producer, Step};
use crate::clients;
use crate::error::{Context, Error, Result};
use crate::java::{self, Sources, succeed};
use crate::kafka::{Kafka, Options, Version};

/// The largest segment that is worth its place in the repository.
const SEGMENT_BYTES_MAX: u64 = 20 << 10;

/// Longest wait for the log cleaner.
const CLEANED: Duration = Duration::from_secs(60);

const ISOLATIONS: [&str; 2] = ["read_uncommitted", "read_committed"];

/// Writes the segments of one version's cluster, or of all.
pub(super) fn run(only: Option<Version>) -> Result<()> {
    let directory = crate::root().join("testdata").join("segments");
    fs::create_dir_all(&directory).context(|| format!("cannot make {}", directory.display()))?;
    for version in [Version::NEWEST, Version::LAST_2, Version::OLDEST] {
        if only.is_some_and(|only| only != version) {
            continue;
        }
        let cases = plan::cases(version);
        println!("{} segments on Kafka {version}", cases.len());
        cluster(version, &cases, &directory)?;
    }
    Ok(())
}

fn cluster(version: Version, cases: &[Case], directory: &Path) -> Result<()> {
    let kafka = Kafka::start(Options::new(version))?;
    for case in cases {
        kafka.create_topic(&case.name, 1, 1, &case.configs)?;
    }
    write(&kafka, cases)?;
    for case in cases.iter().filter(|case| case.compacted) {
        wait_for_cleaner(&kafka, &case.name)?;
    }
    let readings = ISOLATIONS.map(|isolation| read(&kafka, cases, isolation));
    let [uncommitted, committed] = readings;
    let (uncommitted, committed) = (uncommitted?, committed?);
    // What a broker keeps in memory reaches the files when it stops.
    kafka.stop(1)?;
    for case in cases {
        let segments = segments(&kafka, &case.name)?;
        let (_, log) = &segments[0];
        if segments.len() > 1 && !case.compacted {
            return Err(Error::new(format!("{} has {} segments", case.name, segments.len())));
        }
        let end = segments.get(1).map(|(base, _)| *base);
        let bytes = fs::metadata(log).context(|| log.display().to_string())?.len();
        if bytes > SEGMENT_BYTES_MAX {
            return Err(Error::new(format!("{} has {bytes} bytes", case.name)));
        }
        let copy = directory.join(format!("{}.log", case.name));
        fs::copy(log, &copy).context(|| format!("cannot write {}", copy.display()))?;
        let all = before(&uncommitted, &case.name, end);
        let some = before(&committed, &case.name, end);
        let file = |end: &str| directory.join(format!("{}.{end}", case.name));
        fs::write(file("jsonl"), &all).context(|| "cannot write the reading".to_owned())?;
        if some != all {
            fs::write(file("committed.jsonl"), &some).context(|| "cannot write the reading".to_owned())?;
        }
        println!("{}: {bytes} bytes, {} records", case.name, all.lines().count());
    }
    Ok(())
}

/// Runs all steps; those of one turn together, a writer's lines in one process.
fn write(kafka: &Kafka, cases: &[Case]) -> Result<()> {
    let turns = cases.iter().map(|case| case.steps.len()).max().unwrap_or(0);
    for turn in 0..turns {
        let mut lines: BTreeMap<Producer, Vec<String>> = BTreeMap::new();
        for case in cases {
            match case.steps.get(turn) {
                None => {}
                Some(Step::Alter(key, value)) => kafka.alter_topic(&case.name, key, value)?,
                Some(Step::Write(producer, kind, codec, count)) => {
                    let count = if *count == 0 { String::new() } else { format!(" {count}") };
                    lines.entry(*producer).or_default().push(format!("{kind} {codec} {}{count}", case.name));
                }
            }
        }
        for (producer, lines) in lines {
            println!("{producer:?} writes {} topics", lines.len());
            tell(producer, program(producer, kafka)?, &lines)?;
        }
        // Old enough to be rolled by the next record.
        sleep(Duration::from_millis(600));
    }
    Ok(())
}

fn program(producer: Producer, kafka: &Kafka) -> Result<Command> {
    let mut command = match producer {
        Producer::Java => java::command(Sources::Any, kafka.version(), "Writer")?,
        Producer::Java010 => java::command(Sources::Old, Version(0, 10, 0), "OldWriter")?,
        Producer::Java09 => java::command(Sources::Old, Version(0, 9, 0), "OldWriter")?,
        Producer::Librdkafka => clients::python("librdkafka_writer.py")?,
        Producer::KafkaPython => clients::python("kafka_python_writer.py")?,
        Producer::Kafkajs => clients::node("writer.js")?,
        Producer::FranzGo => clients::go()?,
    };
    command.arg(kafka.bootstrap());
    Ok(command)
}

/// Hands a writer its lines and waits until it has done each.
fn tell(producer: Producer, mut command: Command, lines: &[String]) -> Result<()> {
    let what = || format!("{producer:?}");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context(what)?;
    if let Some(mut stdin) = child.stdin.take() {
        // Few enough to fit into the pipe, so nobody waits for anybody here.
        stdin.write_all((lines.join("\n") + "\n").as_bytes()).context(what)?;
    }
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut said).context(what)?;
    }
    let output = child.wait_with_output().context(what)?;
    succeed(&format!("{producer:?}"), &output)?;
    let done = said.lines().filter(|line| line.starts_with("done ")).count();
    if done == lines.len() {
        return Ok(());
    }
    Err(Error::new(format!("{producer:?} has done {done} of {} lines", lines.len())))
}

/// Waits until the closed segment has been rewritten: its file gets shorter.
fn wait_for_cleaner(kafka: &Kafka, topic: &str) -> Result<()> {
    let start = Instant::now();
    // The checkpoint names the first offset that is not clean yet.
    let checkpoint = kafka.data_dir(1).join("cleaner-offset-checkpoint");
    while start.elapsed() < CLEANED {
        let text = fs::read_to_string(&checkpoint).unwrap_or_default();
        let cleaned = text.lines().any(|line| {
            let mut words = line.split(' ');
            words.next() == Some(topic) && words.nth(1).is_some_and(|offset| offset != "0")
        });
        if cleaned && segments(kafka, topic)?.len() > 1 {
            return Ok(());
        }
        sleep(Duration::from_millis(200));
    }
    Err(Error::new(format!("{topic} has not been compacted in {} s", CLEANED.as_secs())))
}

/// Base offset and file of each segment, in order.
fn segments(kafka: &Kafka, topic: &str) -> Result<Vec<(i64, PathBuf)>> {
    let directory = kafka.data_dir(1).join(format!("{topic}-0"));
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

/// What Java reads, by topic.
fn read(kafka: &Kafka, cases: &[Case], isolation: &str) -> Result<BTreeMap<String, String>> {
    let mut arguments = vec![kafka.bootstrap(), isolation.to_owned()];
    arguments.extend(cases.iter().map(|case| case.name.clone()));
    let text = java::run(Sources::Any, kafka.version(), "DumpConsumer", arguments)?;
    let mut topics: BTreeMap<String, String> = BTreeMap::new();
    for line in text.lines() {
        let topic =
            line.strip_prefix("{\"topic\":\"").and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let lines = topics.entry(topic.to_owned()).or_default();
        lines.push_str(line);
        lines.push('\n');
    }
    Ok(topics)
}

/// The lines of a topic below an offset.
fn before(readings: &BTreeMap<String, String>, topic: &str, end: Option<i64>) -> String {
    let lines = readings.get(topic).map(String::as_str).unwrap_or_default();
    let mut kept = String::new();
    for line in lines.lines() {
        let offset = line.split("\"offset\":").nth(1).and_then(|rest| rest.split(',').next());
        let offset: i64 = offset.and_then(|digits| digits.parse().ok()).unwrap_or(i64::MAX);
        if end.is_none_or(|end| offset < end) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}
