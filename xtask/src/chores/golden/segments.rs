//! Segments of real logs, and what Java reads in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::plan;
use crate::corpus::{self, Topic};
use crate::error::{Context, Error, Result};
use crate::java::{self, Sources};
use crate::kafka::{Kafka, Options, Version};

/// The largest segment that is worth its place in the repository.
const SEGMENT_BYTES_MAX: u64 = 20 << 10;

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

fn cluster(version: Version, cases: &[Topic], directory: &Path) -> Result<()> {
    let kafka = Kafka::start(Options::new(version))?;
    corpus::write(&kafka, cases, 1)?;
    let readings = ISOLATIONS.map(|isolation| read(&kafka, cases, isolation));
    let [uncommitted, committed] = readings;
    let (uncommitted, committed) = (uncommitted?, committed?);
    // What a broker keeps in memory reaches the files when it stops.
    kafka.stop(1)?;
    for case in cases {
        let segments = corpus::segments(&kafka, 1, &case.name)?;
        let (_, log) = &segments[0];
        if segments.len() > 1 && !case.is_compacted {
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

/// What Java reads, by topic.
fn read(kafka: &Kafka, cases: &[Topic], isolation: &str) -> Result<BTreeMap<String, String>> {
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
