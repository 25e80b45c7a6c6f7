//! What the parts cost, each alone: nanoseconds, and beside them what memory and the kernel allow.

mod acks;
mod bounds;
mod decode;

use std::hint::black_box;
use std::time::{Duration, Instant};

/// One line of the result.
#[derive(Debug, Clone)]
pub struct Line {
    /// What was done.
    pub what: String,
    /// How long one took.
    pub ns: f64,
    /// One of what: `record`, `batch`, `ack`.
    pub per: &'static str,
    /// Bytes in a second, where bytes are what it is about.
    pub gb_per_s: Option<f64>,
}

/// Measures everything whose line contains `wanted`.
#[must_use]
pub fn run(wanted: &str) -> Vec<Line> {
    let mut bench = Bench { wanted, lines: Vec::new() };
    bounds::run(&mut bench);
    decode::run(&mut bench);
    acks::run(&mut bench);
    bench.lines
}

/// Collects lines.
struct Bench<'a> {
    wanted: &'a str,
    lines: Vec<Line>,
}

impl Bench<'_> {
    fn wants(&self, what: &str) -> bool {
        what.contains(self.wanted)
    }

    /// Repeats `work`, which does `count` of something and touches so many bytes, and keeps the best round: what it costs where
    /// nothing comes between.
    fn time(
        &mut self,
        what: impl Into<String>,
        count: usize,
        per: &'static str,
        bytes: usize,
        mut work: impl FnMut(),
    ) {
        let what = what.into();
        if !self.wants(&what) {
            return;
        }
        work();
        // So many repetitions that the clock is no part of it.
        let begin = Instant::now();
        work();
        let repeats = (ROUND.as_nanos() / begin.elapsed().as_nanos().max(1)).clamp(1, 10_000) as u32;
        let mut best = Duration::MAX;
        let begin = Instant::now();
        while begin.elapsed() < TOTAL {
            let round = Instant::now();
            for _ in 0..repeats {
                work();
            }
            best = best.min(round.elapsed() / repeats);
        }
        self.push(what, count, per, bytes, best);
    }

    fn push(&mut self, what: String, count: usize, per: &'static str, bytes: usize, took: Duration) {
        let ns = took.as_nanos() as f64 / count.max(1) as f64;
        let gb_per_s = (bytes > 0).then(|| bytes as f64 / took.as_nanos().max(1) as f64);
        self.lines.push(Line { what, ns, per, gb_per_s });
    }
}

const ROUND: Duration = Duration::from_millis(2);
const TOTAL: Duration = Duration::from_millis(300);

/// Keeps the compiler from knowing that nobody looks.
fn look<T>(value: T) {
    black_box(value);
}
