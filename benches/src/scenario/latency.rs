//! From produced to delivered, on a topic that is idle but for 2000 messages a second.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use xtask::kafka::Kafka;
use xtask::{Error, Result};

use crate::plan::Plan;
use crate::reader::{Reader, beside_us};
use crate::sample::{self, Sample, median};
use crate::scenario::Table;
use crate::scenario::disturbed::{attempt, mark};
use crate::server;

/// Messages a second.
const RATE: u64 = 2000;

pub(super) fn run(plan: &Plan) -> Result<Table> {
    let kafka = server::kafka(1)?;
    let (measured, skipped) = if plan.is_quick { (4_000, 2_000) } else { (20_000, 6_000) };
    let readers: Vec<&Reader> = plan
        .readers
        .iter()
        .filter(|reader| reader.can.many_brokers && reader.can.one_by_one && !reader.is_slow)
        .collect();
    let mut samples: Vec<Vec<Sample>> = readers.iter().map(|_| Vec::new()).collect();
    // Not counted: the broker's code is compiled by what it does often.
    take(&kafka, readers[0], "latency-warm", measured, skipped)?;
    for pass in 0..plan.passes.min(3) {
        for turn in 0..readers.len() {
            let index = (turn + pass) % readers.len();
            let topic = format!("latency-{pass}-{turn}");
            let Some(sample) = attempt(take(&kafka, readers[index], &topic, measured, skipped)) else {
                continue;
            };
            eprintln!(
                "   latency pass {pass} {:36} p50 {:?} us, p99 {:?} us",
                readers[index].name, sample.latency_p50_us, sample.latency_p99_us
            );
            samples[index].push(sample);
        }
    }
    let (mut rows, mut details) = (Vec::new(), Vec::new());
    for (reader, samples) in readers.iter().zip(&samples) {
        let p50 = median(samples, |sample| sample.latency_p50_us.map_or(f64::NAN, |us| us as f64)) / 1e3;
        let p99 = median(samples, |sample| sample.latency_p99_us.map_or(f64::NAN, |us| us as f64)) / 1e3;
        let of_measured = |seconds: f64| seconds * 1e6 / measured as f64;
        let user = median(samples, |sample| of_measured(sample.user_cpu_s));
        let system = median(samples, |sample| of_measured(sample.system_cpu_s));
        let is_met = p50 <= 0.22 && p99 <= 1.2 && user + system <= 45.0;
        rows.push(vec![
            reader.name.to_owned(),
            format!("{p50:.2}"),
            format!("{p99:.2}"),
            format!("{:.0}", user + system),
            format!("{user:.0}"),
            format!("{system:.0}"),
            if reader.is_ours() { mark(is_met) } else { String::new() },
        ]);
        let all: Vec<Value> = samples.iter().map(Sample::json).collect();
        details.push(json!({ "reader": reader.name, "samples": all, "measured": measured }));
    }
    Ok(Table {
        name: "latency",
        what: format!(
            "{RATE} messages/s of 100 B, one by one, to a topic of one partition that has nothing else; {measured} messages after \
             the first {skipped}; the time from before the producer takes a message to when the reader has it. Without a \
             group. Goal: p50 <= 0.22 ms, p99 <= 1.2 ms, <= 45 us of CPU."
        ),
        heads: vec!["reader", "p50 ms", "p99 ms", "CPU us/message", "user", "system", "goal"],
        rows,
        json: json!(details),
    })
}

fn take(kafka: &Kafka, reader: &Reader, topic: &str, measured: u64, skipped: u64) -> Result<Sample> {
    kafka.create_topic(topic, 1, 1, &[])?;
    let bootstrap = kafka.bootstrap();
    let mut command = reader.command(&bootstrap, topic, None, measured + skipped, 1)?;
    command.env("BENCH_LATENCY_SKIP", skipped.to_string()).stderr(Stdio::inherit());
    let name = reader.name;
    let sample = thread::spawn(move || sample::run(&mut command, name, sample::PATIENCE));
    // What is not up by then catches up with what waits for it, and none of that is measured.
    thread::sleep(Duration::from_secs(if reader.is_java() { 2 } else { 1 }));
    let status = Command::new(beside_us("latency-load")?)
        .args([&bootstrap, topic, &RATE.to_string(), &(measured + skipped).to_string()])
        .stdin(Stdio::null())
        .status()
        .map_err(|error| Error::new(format!("cannot run latency-load: {error}")))?;
    if !status.success() {
        return Err(Error::new(format!("latency-load ends with {status}")));
    }
    let sample = sample.join().map_err(|_| Error::new("a reader's thread panicked"))??;
    kafka.delete_topic(topic)?;
    Ok(sample)
}
