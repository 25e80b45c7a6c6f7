//! What a reader measures about itself: one instrument for all clients that are written in Rust.
//!
//! Std only: the peers outside of the workspace include this file by its path. `peers/java/ReadJava.java` says the same in
//! Java.

use std::fs;
use std::time::{Duration, Instant};

/// Counts and touches records. The clock, and the account of CPU time, begin with the first record: what it takes to
/// connect and to join a group is `start_seconds`, and no part of a rate.
#[derive(Debug)]
pub struct Tally {
    born: Instant,
    first: Option<Mark>,
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
        Self { born: Instant::now(), first: None, records: 0, key_bytes: 0, value_bytes: 0, touched: 0 }
    }

    /// Counts a record and touches all that it has: sums, so that the order of partitions does not matter and all
    /// clients must come to the same number.
    #[inline]
    pub fn record(&mut self, offset: i64, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        if self.first.is_none() {
            self.first = Some(Mark::here());
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

    /// How many records so far.
    #[inline]
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Stops the clock and says all as one line of JSON.
    #[must_use]
    pub fn finish(self, bytes_received: Option<u64>) -> String {
        let last = Mark::here();
        let first = self.first.unwrap_or(last);
        let bytes_received = bytes_received.map_or("null".to_owned(), |bytes| bytes.to_string());
        format!(
            "{{\"records\":{},\"key_bytes\":{},\"value_bytes\":{},\"touched\":\"{:016x}\",\"start_seconds\":{:.6},\
             \"seconds\":{:.6},\"user_cpu_s\":{:.3},\"system_cpu_s\":{:.3},\"peak_rss_kib\":{},\"bytes_received\":{}}}",
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

/// What every reader is told, in this order: bootstrap servers, topic, group, how many records to read.
#[derive(Debug, Clone)]
pub struct Task {
    /// `host:port`, with commas between them.
    pub bootstrap: String,
    /// The topic to read from its beginning.
    pub topic: String,
    /// A group that nobody else is in.
    pub group: String,
    /// After so many records the clock stops.
    pub records: u64,
}

impl Task {
    /// Takes the task off the end of the command line.
    #[must_use]
    pub fn from_args(args: &mut impl Iterator<Item = String>) -> Option<Self> {
        Some(Self {
            bootstrap: args.next()?,
            topic: args.next()?,
            group: args.next()?,
            records: args.next()?.parse().ok()?,
        })
    }
}
