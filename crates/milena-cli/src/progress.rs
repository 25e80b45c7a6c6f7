//! How far a read has come, in one line.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use client::TopicPartition;
use client::consumer::PartitionStatus;
use source::Source;

use crate::args::Until;
use crate::log;

/// Draws a line of progress on standard error now and then, where somebody looks at it.
#[derive(Debug)]
pub(crate) struct Progress {
    is_shown: bool,
    meter: Meter,
    due: Instant,
}

impl Progress {
    /// The first line is drawn soon: what it sees is where the partitions begin.
    pub(crate) fn new(until: Until, is_committed_only: bool) -> Self {
        let now = Instant::now();
        let meter = Meter::new(now, until, is_committed_only);
        Self { is_shown: io::stderr().is_terminal(), meter, due: now + FIRST }
    }

    /// When the next line is due; `None` if nobody would see it.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.is_shown.then_some(self.due)
    }

    /// Draws, if it is time.
    pub(crate) fn tick(&mut self, source: &Source, records: u64) {
        if !self.is_shown {
            return;
        }
        let now = Instant::now();
        if now >= self.due {
            self.due = now + INTERVAL;
            self.draw(now, source, records);
        }
    }

    /// Makes room for a line on the same terminal.
    pub(crate) fn hide(&self) {
        if self.is_shown {
            log::show_progress(None);
        }
    }

    /// Leaves a last line standing that sums it up.
    pub(crate) fn finish(&mut self, source: &Source, records: u64) {
        if self.is_shown {
            let bytes = source.counters().bytes_received;
            log::show_progress(Some(&self.meter.summary(Instant::now(), records, bytes)));
            log::end_progress();
        }
    }

    fn draw(&mut self, now: Instant, source: &Source, records: u64) {
        let bytes = source.counters().bytes_received;
        log::show_progress(Some(&self.meter.line(now, records, bytes, &source.status())));
    }
}

/// Turns counters into words.
#[derive(Debug)]
struct Meter {
    until: Until,
    is_committed_only: bool,
    started: Instant,
    /// Of each partition where it began, and where it ends as far as that was known when it first was looked at.
    spans: BTreeMap<TopicPartition, Span>,
    /// The last look: when, and the bytes by then.
    last: (Instant, u64),
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: i64,
    end: i64,
    at: i64,
}

impl Meter {
    fn new(now: Instant, until: Until, is_committed_only: bool) -> Self {
        Self { until, is_committed_only, started: now, spans: BTreeMap::new(), last: (now, 0) }
    }

    fn line(&mut self, now: Instant, records: u64, bytes: u64, status: &[PartitionStatus]) -> String {
        let lag = self.look(status);
        let (before, bytes_before) = std::mem::replace(&mut self.last, (now, bytes));
        let seconds = now.saturating_duration_since(before).as_secs_f64().max(1e-3);
        let rate = bytes.saturating_sub(bytes_before) as f64 / seconds;
        let mut line = format!("{} records  {}/s", grouped(records), Bytes(rate));
        if self.until == Until::Never {
            line.push_str(&format!("  lag {}", grouped(lag)));
            return line;
        }
        let Some(share) = self.share(records) else { return line };
        line.push_str(&format!("  {:.0}%", (share * 100.0).floor()));
        let elapsed = now.saturating_duration_since(self.started).as_secs_f64();
        if share > 0.0 && share < 1.0 {
            line.push_str(&format!("  {} left", Clock(elapsed * (1.0 - share) / share)));
        }
        line
    }

    fn summary(&self, now: Instant, records: u64, bytes: u64) -> String {
        let seconds = now.saturating_duration_since(self.started).as_secs_f64().max(1e-3);
        let (all, rate) = (Bytes(bytes as f64), Bytes(bytes as f64 / seconds));
        format!("{} records  {all} in {seconds:.1} s  {rate}/s", grouped(records))
    }

    /// Takes over where partitions stand. Returns how many offsets they are behind.
    fn look(&mut self, status: &[PartitionStatus]) -> u64 {
        let mut lag = 0;
        for partition in status {
            let (Some(at), Some(log)) = (partition.position, partition.log) else { continue };
            let end = log.readable_end(self.is_committed_only);
            lag += end.saturating_sub(at).max(0).unsigned_abs();
            let end = match self.until {
                Until::Offset(offset) => offset,
                _ => end,
            };
            let span = self.spans.entry(partition.partition.clone()).or_insert(Span { start: at, end, at });
            span.at = at;
        }
        lag
    }

    /// How much is done, from 0 to 1; `None` while that is not known.
    fn share(&self, records: u64) -> Option<f64> {
        if let Until::Count(count) = self.until {
            return Some(ratio(records, count));
        }
        let sum = |of: fn(&Span) -> i64| {
            self.spans.values().map(|span| of(span).max(0).unsigned_abs()).sum::<u64>()
        };
        let whole = sum(|span| span.end.saturating_sub(span.start));
        let done = sum(|span| span.at.min(span.end).saturating_sub(span.start));
        (!self.spans.is_empty()).then(|| ratio(done, whole))
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { (part as f64 / whole as f64).min(1.0) }
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes with a unit that keeps them short.
struct Bytes(f64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = self.0;
        let mut units = ["B", "kB", "MB", "GB"].into_iter();
        let mut unit = units.next().unwrap_or_default();
        for larger in units {
            if bytes < 1000.0 {
                break;
            }
            bytes /= 1000.0;
            unit = larger;
        }
        if unit == "B" { write!(f, "{bytes:.0} {unit}") } else { write!(f, "{bytes:.1} {unit}") }
    }
}

/// Seconds as a clock shows them.
struct Clock(f64);

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.ceil() as u64;
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match hours {
            0 => write!(f, "{minutes}:{seconds:02}"),
            _ => write!(f, "{hours}:{minutes:02}:{seconds:02}"),
        }
    }
}

const FIRST: Duration = Duration::from_millis(20);
const INTERVAL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use client::LogEnds;

    use super::*;

    fn status(
        partition: i32,
        position: i64,
        high_watermark: i64,
        last_stable_offset: i64,
    ) -> PartitionStatus {
        PartitionStatus {
            partition: TopicPartition::new("t", partition),
            topic_id: client::TopicId::ZERO,
            epoch: client::AssignmentEpoch(1),
            is_draining: false,
            is_paused: false,
            position: Some(position),
            committable: None,
            committed: None,
            unacked_batches: 0,
            oldest_unacked: None,
            buffered_bytes: 0,
            log: Some(LogEnds { log_start_offset: 0, high_watermark, last_stable_offset }),
            lag: None,
        }
    }

    #[test]
    fn a_bounded_read_tells_share_and_time_left() {
        let start = Instant::now();
        let mut meter = Meter::new(start, Until::Latest, false);
        let at = |seconds| start + Duration::from_secs(seconds);
        let first = meter.line(at(1), 0, 0, &[status(0, 100, 1100, 500), status(1, 0, 1000, 1000)]);
        assert_eq!(first, "0 records  0 B/s  0%");
        // The end that moves on meanwhile does not count.
        let second =
            meter.line(at(2), 500, 3_500_000, &[status(0, 600, 9000, 9000), status(1, 0, 1000, 1000)]);
        assert_eq!(second, "500 records  3.5 MB/s  25%  0:06 left");
        let last =
            meter.line(at(4), 2000, 3_500_000, &[status(0, 1200, 9000, 9000), status(1, 1000, 1000, 1000)]);
        assert_eq!(last, "2,000 records  0 B/s  100%");
        assert_eq!(meter.summary(at(4), 2000, 3_500_000), "2,000 records  3.5 MB in 4.0 s  875.0 kB/s");
    }

    #[test]
    fn an_endless_read_tells_how_far_behind_it_is() {
        let start = Instant::now();
        let second = start + Duration::from_secs(1);
        let partitions = [status(0, 10, 1500, 1200), status(1, 0, 5, -1)];
        let line = |is_committed_only| {
            Meter::new(start, Until::Never, is_committed_only).line(second, 1_234_567, 999, &partitions)
        };
        assert_eq!(line(false), "1,234,567 records  999 B/s  lag 1,495");
        assert_eq!(line(true), "1,234,567 records  999 B/s  lag 1,195");
    }

    #[test]
    fn a_count_and_an_offset_are_ends_too() {
        let start = Instant::now();
        let later = start + Duration::from_secs(3600);
        let line = Meter::new(start, Until::Count(4), false).line(later, 1, 0, &[]);
        assert_eq!(line, "1 records  0 B/s  25%  3:00:00 left");
        let mut meter = Meter::new(start, Until::Offset(10), false);
        meter.line(later, 0, 0, &[status(0, 0, 100, 100)]);
        assert!(meter.line(later, 5, 0, &[status(0, 5, 100, 100)]).contains("50%"));
        assert_eq!(Meter::new(start, Until::Latest, false).line(later, 0, 0, &[]), "0 records  0 B/s");
    }
}
