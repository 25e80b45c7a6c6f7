//! One run of one reader.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};
use xtask::{Error, Result};

use crate::reader::Reader;
use crate::server::Topic;

/// What one reader measured in one pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What must be the same for all readers.
    pub work: Work,
    /// From the first record to the last.
    pub seconds: f64,
    /// From before the client was built to the first record.
    pub start_seconds: f64,
    /// CPU time of the process between the first record and the last.
    pub user_cpu_s: f64,
    /// The same, in the kernel.
    pub system_cpu_s: f64,
    /// CPU time of the server while the reader lived.
    pub server_cpu_s: f64,
    /// The most memory resident.
    pub peak_rss_kib: u64,
    /// Bytes from sockets, where the client tells.
    pub bytes_received: Option<u64>,
    /// Half of the messages took no longer from produced to delivered, where that was measured.
    pub latency_p50_us: Option<u64>,
    /// Of a hundred messages, 99 took no longer.
    pub latency_p99_us: Option<u64>,
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

impl Sample {
    /// Lets a reader read a topic: as the only member of `group`, or its partitions without one.
    ///
    /// # Errors
    /// It fails, or does not read every record.
    pub fn take(reader: &Reader, topic: &Topic, group: Option<&str>) -> Result<Self> {
        Self::take_within(PATIENCE, reader, topic, group)
    }

    /// The same, but not for longer than this.
    ///
    /// # Errors
    /// As [`take`](Self::take); it takes longer.
    pub fn take_within(
        patience: Duration,
        reader: &Reader,
        topic: &Topic,
        group: Option<&str>,
    ) -> Result<Self> {
        let mut command =
            reader.command(&topic.bootstrap, &topic.name, group, topic.records, topic.partitions)?;
        let before = topic.server_cpu_s();
        let mut sample = run(&mut command, reader.name, patience)?;
        sample.server_cpu_s = topic.server_cpu_s() - before;
        if sample.work.records != topic.records {
            let read = sample.work.records;
            return Err(Error::new(format!("{} read {read} of {} records", reader.name, topic.records)));
        }
        Ok(sample)
    }

    /// Records in a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.work.records as f64 / self.seconds
    }

    /// Nanoseconds of CPU for a record.
    #[must_use]
    pub fn cpu_ns(&self) -> f64 {
        self.user_ns() + self.system_ns()
    }

    /// Those in the client's own code.
    #[must_use]
    pub fn user_ns(&self) -> f64 {
        self.user_cpu_s * 1e9 / self.work.records as f64
    }

    /// Those in the kernel.
    #[must_use]
    pub fn system_ns(&self) -> f64 {
        self.system_cpu_s * 1e9 / self.work.records as f64
    }

    /// All of it, for machines.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "records": self.work.records,
            "key_bytes": self.work.key_bytes,
            "value_bytes": self.work.value_bytes,
            "touched": self.work.touched,
            "start_seconds": self.start_seconds,
            "seconds": self.seconds,
            "user_cpu_s": self.user_cpu_s,
            "system_cpu_s": self.system_cpu_s,
            "server_cpu_s": self.server_cpu_s,
            "peak_rss_kib": self.peak_rss_kib,
            "bytes_received": self.bytes_received,
            "latency_p50_us": self.latency_p50_us,
            "latency_p99_us": self.latency_p99_us,
            "load": self.load,
        })
    }
}

/// Runs a reader and reads what it says.
///
/// # Errors
/// It fails, says something else, or is not done in time.
pub fn run(command: &mut Command, name: &str, patience: Duration) -> Result<Sample> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
    let mut child = child.map_err(|error| Error::new(format!("cannot run {name}: {error}")))?;
    // A line fits into the pipe, so that nobody has to read it meanwhile.
    let begin = Instant::now();
    while child.try_wait().is_ok_and(|ended| ended.is_none()) {
        if begin.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Error::new(format!("{name} was still reading after {} s", patience.as_secs())));
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output();
    let output = output.map_err(|error| Error::new(format!("cannot run {name}: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(Error::new(format!("{name} ends with {}: {text}", output.status)));
    }
    let mut sample =
        parse(&text).ok_or_else(|| Error::new(format!("{name} says no line of JSON: {text}")))?;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    sample.load = load.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN);
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
        server_cpu_s: f64::NAN,
        peak_rss_kib: json["peak_rss_kib"].as_u64()?,
        bytes_received: json["bytes_received"].as_u64(),
        latency_p50_us: json["latency_p50_us"].as_u64(),
        latency_p99_us: json["latency_p99_us"].as_u64(),
        load: f64::NAN,
    })
}

/// The slowest reader takes half a minute on a quiet machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// The median of a number; NaN of nothing.
#[must_use]
pub fn median(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;

    #[test]
    fn what_a_reader_prints_is_what_the_runner_reads() {
        let mut tally = Tally::new();
        tally.record(3, 40, None, Some(b"ab"));
        let mut other = Tally::new();
        other.record(4, 40, Some(b"k"), Some(b""));
        tally.absorb(other);
        let sample = parse(&tally.finish(Some(99))).unwrap();
        let touched = 3 + 40 + u64::from(b'a') + u64::from(b'b') + 4 + 40 + 2 * u64::from(b'k');
        let work = Work { records: 2, key_bytes: 1, value_bytes: 2, touched: format!("{touched:016x}") };
        assert_eq!(sample.work, work);
        assert_eq!(sample.bytes_received, Some(99));
        assert!(sample.peak_rss_kib > 0 && sample.seconds >= 0.0);
        assert_eq!(sample.latency_p50_us, None);
    }
}
