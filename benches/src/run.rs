//! Passes: every reader reads every topic, in turns.

use std::fs;
use std::process::Stdio;

use serde_json::Value;
use xtask::kafka::{Kafka, Options, Version};
use xtask::{Error, Result};

use crate::case::{CASES, Case};
use crate::reader::{self, READERS, Reader};
use crate::topic::{self, Topic};

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The cases, in order.
    pub cases: Vec<Case>,
    /// The readers, in order; the first is what ratios are to.
    pub readers: Vec<Reader>,
    /// How often each reader reads each topic.
    pub passes: usize,
}

/// What one reader measured in one pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What must be the same for all readers: records, bytes of keys and values, and a sum over all that was touched.
    pub work: Work,
    /// From the first record to the last.
    pub seconds: f64,
    /// From before the client was built to the first record.
    pub start_seconds: f64,
    /// CPU time of the process between the first record and the last.
    pub user_cpu_s: f64,
    /// The same, in the kernel.
    pub system_cpu_s: f64,
    /// The most memory resident.
    pub peak_rss_kib: u64,
    /// Bytes from sockets, where the client tells.
    pub bytes_received: Option<u64>,
    /// Runnable processes of the machine over the last minute, as it ended: `/proc/loadavg`.
    pub load: f64,
}

/// Equal work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Records.
    pub records: u64,
    /// Bytes of their keys.
    pub key_bytes: u64,
    /// Bytes of their values.
    pub value_bytes: u64,
    /// Sum of offsets, timestamps, and the first and last bytes of keys and values.
    pub touched: String,
}

/// All samples of one reader and one topic.
#[derive(Debug)]
pub struct Series {
    /// The topic.
    pub topic: Topic,
    /// Who read it.
    pub reader: Reader,
    /// One for each pass.
    pub samples: Vec<Sample>,
}

impl Plan {
    /// Reads the plan off a command line: `[--quick] [--passes 5] [--cases 100B-none,...] [--readers milena,java]`.
    ///
    /// # Errors
    /// It says something else.
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut plan = Self { cases: CASES.to_vec(), readers: READERS.to_vec(), passes: 5 };
        let mut quick = false;
        while let Some(name) = args.next() {
            if name == "--quick" {
                quick = true;
                continue;
            }
            let value = args.next().ok_or_else(|| Error::new(format!("{name} needs a value")))?;
            let picked = |name: &str| value.split(',').any(|wanted| name.starts_with(wanted));
            match name.as_str() {
                "--passes" => {
                    plan.passes = value.parse().map_err(|error| Error::new(format!("--passes: {error}")))?;
                }
                "--cases" => plan.cases.retain(|case| picked(case.name)),
                "--readers" => plan.readers.retain(|reader| picked(reader.name)),
                _ => return Err(Error::new(format!("unknown option {name}"))),
            }
        }
        if plan.cases.is_empty() || plan.readers.is_empty() || plan.passes == 0 {
            return Err(Error::new("nothing to run: no case, no reader, or no pass of that name"));
        }
        if quick {
            plan.cases = plan.cases.into_iter().map(Case::quick).collect();
        }
        Ok(plan)
    }
}

/// Carries out a plan on a broker of its own.
///
/// # Errors
/// Something does not build or start, or two readers did not do the same work.
pub fn run(plan: &Plan) -> Result<Vec<Series>> {
    eprintln!("== Building the peers (librdkafka takes minutes the first time)");
    reader::build()?;
    eprintln!("== Starting Apache Kafka {}", Version::NEWEST);
    let kafka = Kafka::start(broker())?;
    let mut all = Vec::new();
    for case in &plan.cases {
        eprintln!("== {}: writing {} records", case.name, case.records);
        let topic = topic::write(&kafka, *case)?;
        all.extend(read(&kafka, &topic, plan)?);
        // Each topic is read from the page cache; the next one gets the room.
        kafka.delete_topic(case.name)?;
    }
    Ok(all)
}

/// The broker: its JVM as Kafka's own start script sets it up, except for the heap. The settings for quick tests that
/// stay make its start quick, and touch nothing that a fetch of old records meets.
fn broker() -> Options {
    Options::new(Version::NEWEST).heap_mib(1024).jvm([
        "-XX:+UseG1GC",
        "-XX:MaxGCPauseMillis=20",
        "-XX:InitiatingHeapOccupancyPercent=35",
    ])
}

fn read(kafka: &Kafka, topic: &Topic, plan: &Plan) -> Result<Vec<Series>> {
    let mut all: Vec<Series> = plan
        .readers
        .iter()
        .map(|reader| Series { topic: topic.clone(), reader: *reader, samples: Vec::new() })
        .collect();
    // Not counted: fills the page cache and warms up the broker.
    let warm = sample(kafka, topic, &plan.readers[0], "warm")?;
    for pass in 0..plan.passes {
        // Another one begins each time, so that nobody always comes after the same neighbour.
        for turn in 0..all.len() {
            let index = (turn + pass) % all.len();
            let series = &mut all[index];
            let sample = sample(kafka, topic, &series.reader, &pass.to_string())?;
            if sample.work != warm.work {
                return Err(Error::new(format!(
                    "{} did other work than {}: {:?}, {:?}",
                    series.reader.name, plan.readers[0].name, sample.work, warm.work
                )));
            }
            eprintln!(
                "   {} pass {pass} {:34} {:6.3} s, cpu {:6.2} s, load {}",
                topic.case.name,
                series.reader.name,
                sample.seconds,
                sample.user_cpu_s + sample.system_cpu_s,
                sample.load,
            );
            series.samples.push(sample);
        }
    }
    Ok(all)
}

fn sample(kafka: &Kafka, topic: &Topic, reader: &Reader, pass: &str) -> Result<Sample> {
    let group = format!("{}-{}-{pass}", topic.case.name, reader.name.replace(' ', "-"));
    let output = reader
        .command(&kafka.bootstrap(), topic.case.name, &group, topic.case.records, topic.case.partitions)?
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::new(format!("cannot run {}: {error}", reader.name)))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(Error::new(format!("{} ends with {}: {text}", reader.name, output.status)));
    }
    let mut sample =
        parse(&text).ok_or_else(|| Error::new(format!("{} says no line of JSON: {text}", reader.name)))?;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    sample.load = load.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN);
    if sample.work.records != topic.case.records {
        return Err(Error::new(format!(
            "{} read {} of {} records",
            reader.name, sample.work.records, topic.case.records
        )));
    }
    Ok(sample)
}

fn parse(text: &str) -> Option<Sample> {
    let json: Value = serde_json::from_str(text.lines().last()?).ok()?;
    let work = Work {
        records: json["records"].as_u64()?,
        key_bytes: json["key_bytes"].as_u64()?,
        value_bytes: json["value_bytes"].as_u64()?,
        touched: json["touched"].as_str()?.to_owned(),
    };
    Some(Sample {
        work,
        seconds: json["seconds"].as_f64()?,
        start_seconds: json["start_seconds"].as_f64()?,
        user_cpu_s: json["user_cpu_s"].as_f64()?,
        system_cpu_s: json["system_cpu_s"].as_f64()?,
        peak_rss_kib: json["peak_rss_kib"].as_u64()?,
        bytes_received: json["bytes_received"].as_u64(),
        load: f64::NAN,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;

    #[test]
    fn what_a_reader_prints_is_what_the_runner_reads() {
        let mut tally = Tally::new();
        tally.record(3, 40, None, Some(b"ab"));
        tally.record(4, 40, Some(b"k"), Some(b""));
        let sample = parse(&tally.finish(Some(99))).unwrap();
        let touched = 3 + 40 + u64::from(b'a') + u64::from(b'b') + 4 + 40 + 2 * u64::from(b'k');
        let work = Work { records: 2, key_bytes: 1, value_bytes: 2, touched: format!("{touched:016x}") };
        assert_eq!(sample.work, work);
        assert_eq!(sample.bytes_received, Some(99));
        assert!(sample.peak_rss_kib > 0 && sample.seconds >= 0.0);
    }

    #[test]
    fn a_plan_picks_by_the_beginning_of_a_name() {
        let args = ["--cases", "1KiB,100B-lz4", "--readers", "milena b,java", "--passes", "2", "--quick"];
        let plan = Plan::from_args(args.into_iter().map(str::to_owned)).unwrap();
        let cases: Vec<_> = plan.cases.iter().map(|case| (case.name, case.records)).collect();
        assert_eq!(cases, [("100B-lz4", 500_000), ("1KiB-none", 100_000), ("1KiB-lz4", 100_000)]);
        let readers: Vec<_> = plan.readers.iter().map(|reader| reader.name).collect();
        assert_eq!(readers, ["milena batches", "java"]);
        assert!(Plan::from_args(["--cases", "none"].into_iter().map(str::to_owned)).is_err());
    }
}
