//! What a reader measures about itself: one instrument for all clients that are written in Rust.
//!
//! Std only: the peers outside of the workspace include this file by its path. `peers/java/ReadJava.java` says the same in
//! Java.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs};

/// Counts and touches records. The clock, and the account of CPU time, begin with the first record: what it takes to
/// connect and to join a group is `start_seconds`, and no part of a rate.
///
/// With `BENCH_LATENCY_SKIP` in the environment, values begin with the time at which they were produced, and the time from
/// then to here is measured of each record but so many at the beginning; the clock begins after them.
#[derive(Debug)]
pub struct Tally {
    born: Instant,
    first: Option<Mark>,
    /// The clock begins with the record of this number.
    begin: u64,
    /// Microseconds from produced to delivered.
    latencies: Option<Vec<u64>>,
    records: u64,
    key_bytes: u64,
    value_bytes: u64,
    touched: u64,
}

/// A moment, and the CPU time that the process had used by then.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    user: Duration,
    system: Duration,
}

impl Tally {
    /// Begins before the client is built.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it begins at a moment; a default would hide that")]
    pub fn new() -> Self {
        let skip = env::var("BENCH_LATENCY_SKIP").ok().and_then(|skip| skip.parse().ok());
        Self {
            born: Instant::now(),
            first: None,
            begin: skip.unwrap_or(0),
            latencies: skip.map(|_| Vec::new()),
            records: 0,
            key_bytes: 0,
            value_bytes: 0,
            touched: 0,
        }
    }

    /// Counts a record and touches all that it has: sums, so that the order of partitions does not matter and all
    /// clients must come to the same number.
    #[inline]
    pub fn record(&mut self, offset: i64, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        if self.records == self.begin {
            self.first = Some(Mark::here());
        }
        if self.latencies.is_some() {
            self.delay(value);
        }
        let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
        self.records += 1;
        self.key_bytes += key.len() as u64;
        self.value_bytes += value.len() as u64;
        self.touched = self
            .touched
            .wrapping_add(offset as u64)
            .wrapping_add(timestamp as u64)
            .wrapping_add(ends(key))
            .wrapping_add(ends(value));
    }

    /// Out of line: rates are measured without it.
    #[cold]
    fn delay(&mut self, value: Option<&[u8]>) {
        let sent = value.and_then(|value| value.first_chunk()).map(|bytes| u64::from_be_bytes(*bytes));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
        if self.records >= self.begin
            && let (Some(latencies), Some(sent)) = (&mut self.latencies, sent)
        {
            latencies.push(now.saturating_sub(sent));
        }
    }

    /// Adds what another task has counted beside this one; of both beginnings the first counts.
    pub fn absorb(&mut self, other: Self) {
        self.first = match (self.first, other.first) {
            (Some(ours), Some(theirs)) => Some(if theirs.at < ours.at { theirs } else { ours }),
            (ours, theirs) => ours.or(theirs),
        };
        self.records += other.records;
        self.key_bytes += other.key_bytes;
        self.value_bytes += other.value_bytes;
        self.touched = self.touched.wrapping_add(other.touched);
        if let (Some(ours), Some(theirs)) = (&mut self.latencies, other.latencies) {
            ours.extend(theirs);
        }
    }

    /// How many records so far.
    #[inline]
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Stops the clock and says all as one line of JSON.
    #[must_use]
    pub fn finish(mut self, bytes_received: Option<u64>) -> String {
        let last = Mark::here();
        let first = self.first.unwrap_or(last);
        let (p50, p99) = match &mut self.latencies {
            Some(latencies) if !latencies.is_empty() => {
                latencies.sort_unstable();
                let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100].to_string();
                (at(50), at(99))
            }
            _ => ("null".to_owned(), "null".to_owned()),
        };
        let bytes_received = bytes_received.map_or("null".to_owned(), |bytes| bytes.to_string());
        format!(
            "{{\"records\":{},\"key_bytes\":{},\"value_bytes\":{},\"touched\":\"{:016x}\",\"start_seconds\":{:.6},\
             \"seconds\":{:.6},\"user_cpu_s\":{:.3},\"system_cpu_s\":{:.3},\"peak_rss_kib\":{},\"bytes_received\":{},\
             \"latency_p50_us\":{p50},\"latency_p99_us\":{p99}}}",
            self.records,
            self.key_bytes,
            self.value_bytes,
            self.touched,
            (first.at - self.born).as_secs_f64(),
            (last.at - first.at).as_secs_f64(),
            last.user.saturating_sub(first.user).as_secs_f64(),
            last.system.saturating_sub(first.system).as_secs_f64(),
            peak_rss_kib(),
            bytes_received,
        )
    }
}

/// The first and the last byte.
#[inline]
fn ends(bytes: &[u8]) -> u64 {
    match bytes {
        [] => 0,
        [only] => u64::from(*only) * 2,
        [first, .., last] => u64::from(*first) + u64::from(*last),
    }
}

impl Mark {
    fn here() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // proc(5): the second field may hold spaces and brackets; utime and stime are the 14th and 15th. In ticks, of which
        // every Linux that Rust's std runs on tells user space 100 a second.
        let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
        let ticks = |index: usize| {
            let ticks = after.split(' ').nth(index).and_then(|field| field.parse::<u64>().ok());
            Duration::from_millis(ticks.unwrap_or(0) * 10)
        };
        Self { at: Instant::now(), user: ticks(11), system: ticks(12) }
    }
}

/// The most memory that the process ever had resident: `VmHWM`.
fn peak_rss_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// What every reader is told, in this order: bootstrap servers, topic, group, how many records to read, how many partitions the
/// topic has.
#[derive(Debug, Clone)]
pub struct Task {
    /// `host:port`, with commas between them.
    pub bootstrap: String,
    /// The topic to read from its beginning.
    pub topic: String,
    /// A group that nobody else is in; with `-`, `None`, and the partitions are read without one.
    pub group: Option<String>,
    /// After so many records the clock stops.
    pub records: u64,
    /// The topic's partitions are 0 to this.
    pub partitions: i32,
}

impl Task {
    /// Takes the task off the end of the command line.
    #[must_use]
    pub fn from_args(args: &mut impl Iterator<Item = String>) -> Option<Self> {
        Some(Self {
            bootstrap: args.next()?,
            topic: args.next()?,
            group: args.next().map(|group| Some(group).filter(|group| group != "-"))?,
            records: args.next()?.parse().ok()?,
            partitions: args.next()?.parse().ok()?,
        })
    }
}
