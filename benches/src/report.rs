//! What came out: a table for people, JSON for machines.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::run::{Sample, Series};

/// The machine and the moment, without which a number says nothing.
#[derive(Debug, Clone)]
pub struct Setting {
    /// As `date -u` says it.
    pub date: String,
    /// The CPU's own name.
    pub cpu: String,
    /// How many of it.
    pub cores: usize,
    /// The kernel.
    pub kernel: String,
    /// The commit that was built.
    pub commit: String,
    /// What to type to get the same.
    pub command: String,
}

impl Setting {
    /// Looks around.
    #[must_use]
    pub fn here(arguments: &[String]) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let mut command = "cargo xtask bench".to_owned();
        for argument in arguments {
            command.push(' ');
            command.push_str(argument);
        }
        Self {
            date: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            cpu: model.map_or("unknown", |(_, name)| name).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: said("uname", &["-sr"]),
            commit: said("git", &["rev-parse", "--short", "HEAD"]),
            command,
        }
    }
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(xtask::root()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// The table, in Markdown.
#[must_use]
pub fn table(setting: &Setting, all: &[Series]) -> String {
    let mut out = format!(
        "`{}`\n\n{}, {} cores of {}, {}, commit {}.\n",
        setting.command, setting.date, setting.cores, setting.cpu, setting.kernel, setting.commit
    );
    let loads = || all.iter().flat_map(|series| series.samples.iter().map(|sample| sample.load));
    let _ = writeln!(
        out,
        "One-minute load of the machine during the passes: {:.1} to {:.1} (broker and reader alone make 2 to 3).",
        loads().fold(f64::INFINITY, f64::min),
        loads().fold(0.0, f64::max),
    );
    for group in all.chunk_by(|a, b| a.topic.case.name == b.topic.case.name) {
        let topic = &group[0].topic;
        let Some(work) = group[0].samples.first().map(|sample| &sample.work) else { continue };
        let _ = writeln!(
            out,
            "\n### {}\n\n{} records, {:.0} MB of keys and values, {:.0} MB in the log, {} partitions; medians of {} passes\n",
            topic.case.name,
            work.records,
            (work.key_bytes + work.value_bytes) as f64 / 1e6,
            topic.log_bytes as f64 / 1e6,
            topic.case.partitions,
            group[0].samples.len(),
        );
        out.push_str("| reader | M records/s | (lowest, highest) | MB/s of values | CPU ns/record | peak RSS MiB | rate, times Milena's | CPU, times Milena's |\n");
        out.push_str("|---|---:|---:|---:|---:|---:|---:|---:|\n");
        let (base_rate, base_cpu) = (median(&group[0].samples, rate), median(&group[0].samples, cpu_ns));
        for series in group {
            let samples = &series.samples;
            let mut rates: Vec<f64> = samples.iter().map(rate).collect();
            rates.sort_by(f64::total_cmp);
            let (rate, cpu) = (median(samples, rate), median(samples, cpu_ns));
            let _ = writeln!(
                out,
                "| {} | {:.2} | {:.2}, {:.2} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
                series.reader.name,
                rate / 1e6,
                rates[0] / 1e6,
                rates[rates.len() - 1] / 1e6,
                rate * f64::from(topic.case.value_bytes) / 1e6,
                cpu,
                median(samples, |sample| sample.peak_rss_kib as f64 / 1024.0),
                rate / base_rate,
                cpu / base_cpu,
            );
        }
    }
    out
}

/// Everything, every pass.
#[must_use]
pub fn json(setting: &Setting, all: &[Series]) -> Value {
    let series = |series: &Series| {
        let samples: Vec<Value> = series.samples.iter().map(sample).collect();
        json!({
            "case": series.topic.case.name,
            "reader": series.reader.name,
            "log_bytes": series.topic.log_bytes,
            "records_per_second": median(&series.samples, rate),
            "cpu_ns_per_record": median(&series.samples, cpu_ns),
            "samples": samples,
        })
    };
    json!({
        "date": setting.date,
        "cpu": setting.cpu,
        "cores": setting.cores,
        "kernel": setting.kernel,
        "commit": setting.commit,
        "command": setting.command,
        "series": all.iter().map(series).collect::<Vec<_>>(),
    })
}

fn sample(sample: &Sample) -> Value {
    json!({
        "records": sample.work.records,
        "key_bytes": sample.work.key_bytes,
        "value_bytes": sample.work.value_bytes,
        "touched": sample.work.touched,
        "start_seconds": sample.start_seconds,
        "seconds": sample.seconds,
        "user_cpu_s": sample.user_cpu_s,
        "system_cpu_s": sample.system_cpu_s,
        "peak_rss_kib": sample.peak_rss_kib,
        "bytes_received": sample.bytes_received,
        "load": sample.load,
    })
}

fn rate(sample: &Sample) -> f64 {
    sample.work.records as f64 / sample.seconds
}

fn cpu_ns(sample: &Sample) -> f64 {
    (sample.user_cpu_s + sample.system_cpu_s) * 1e9 / sample.work.records as f64
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}
