//! The tables, in Markdown.

use std::fmt::Write as _;

use crate::case::Goal;
use crate::report::Setting;
use crate::run::Series;
use crate::sample::{Sample, median};
use crate::scenario::Table;
use crate::server::Kind;

/// All of it.
#[must_use]
pub fn table(setting: &Setting, all: &[Series], tables: &[Table]) -> String {
    let mut out = format!(
        "`{}`\n\n{}, {} cores of {}, {}, commit {}.\n",
        setting.command, setting.date, setting.cores, setting.cpu, setting.kernel, setting.commit
    );
    let loads = || all.iter().flat_map(|series| series.samples.iter().map(|sample| sample.load));
    if let Some(least) = loads().reduce(f64::min) {
        let most = loads().fold(0.0, f64::max);
        let _ = writeln!(
            out,
            "One-minute load of the machine during the passes: {least:.1} to {most:.1} (server and reader alone make up to 3)."
        );
    }
    let groups: Vec<&[Series]> =
        all.chunk_by(|a, b| a.server == b.server && a.case.name == b.case.name).collect();
    for server in [Kind::Limit, Kind::Kafka] {
        let ours: Vec<&[Series]> = groups.iter().copied().filter(|group| group[0].server == server).collect();
        if !ours.is_empty() {
            summary(&mut out, server, &ours);
        }
    }
    for group in groups {
        details(&mut out, group);
    }
    for table in tables {
        let _ = writeln!(out, "\n### {}\n\n{}\n", table.name, table.what);
        let _ = writeln!(out, "| {} |", table.heads.join(" | "));
        let _ = writeln!(out, "|---|{}", "---:|".repeat(table.heads.len().saturating_sub(1)));
        for row in &table.rows {
            let _ = writeln!(out, "| {} |", row.join(" | "));
        }
    }
    out
}

/// One line for each case: ours, the bound, the best of the peers, and what was wanted.
fn summary(out: &mut String, server: Kind, groups: &[&[Series]]) {
    let title = match server {
        Kind::Limit => "The limit server",
        Kind::Kafka => "Apache Kafka",
    };
    let _ = writeln!(
        out,
        "\n## {title}\n\nM records/s / ns of client CPU per record. The best of the peers in each.\n\n\
         | case | milena batches | bound | best peer's rate | best peer's CPU | rate, times the best peer's | CPU, of the best peer's | goal | |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---|"
    );
    for group in groups {
        let rate = |series: &Series| median(&series.samples, Sample::rate) / 1e6;
        let cpu = |series: &Series| median(&series.samples, Sample::cpu_ns);
        let (ours, case) = (&group[0], &group[0].case);
        let bound = group.iter().find(|series| series.reader.name.starts_with("bound"));
        let peers = || group.iter().filter(|series| !series.reader.is_ours() && series.failure.is_none());
        let fastest = peers().max_by(|a, b| rate(a).total_cmp(&rate(b)));
        let cheapest = peers().min_by(|a, b| cpu(a).total_cmp(&cpu(b)));
        let goal = match server {
            Kind::Limit => case.limit_goal,
            Kind::Kafka => case.kafka_goal,
        };
        let named = |value: String, series: Option<&Series>| {
            series.map_or_else(|| "-".to_owned(), |series| format!("{value} {}", series.reader.name))
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            case.name,
            pair(ours),
            bound.map_or_else(|| "-".to_owned(), pair),
            named(fastest.map(|series| format!("{:.2}", rate(series))).unwrap_or_default(), fastest),
            named(cheapest.map(|series| format!("{:.0}", cpu(series))).unwrap_or_default(), cheapest),
            fastest.map_or_else(|| "-".to_owned(), |series| format!("{:.2}", rate(ours) / rate(series))),
            cheapest.map_or_else(|| "-".to_owned(), |series| format!("{:.2}", cpu(ours) / cpu(series))),
            goal.map_or_else(|| "-".to_owned(), |goal| wanted(&goal)),
            goal.map_or_else(String::new, |goal| verdict(&goal, ours)),
        );
    }
}

fn pair(series: &Series) -> String {
    let (rate, cpu) = (median(&series.samples, Sample::rate), median(&series.samples, Sample::cpu_ns));
    format!("{:.2} / {cpu:.0}", rate / 1e6)
}

fn wanted(goal: &Goal) -> String {
    let of = if goal.is_user { "user " } else { "" };
    format!(">= {} / {of}<= {}", goal.rate, goal.cpu_ns)
}

fn verdict(goal: &Goal, ours: &Series) -> String {
    let rate = median(&ours.samples, Sample::rate) / 1e6;
    let cpu = median(&ours.samples, if goal.is_user { Sample::user_ns } else { Sample::cpu_ns });
    match (rate >= goal.rate, cpu <= goal.cpu_ns) {
        (true, true) => "met".to_owned(),
        (true, false) => format!("rate met, CPU NOT ({cpu:.0})"),
        (false, true) => "CPU met, rate NOT".to_owned(),
        (false, false) => "NOT MET".to_owned(),
    }
}

/// All readers of a case.
fn details(out: &mut String, group: &[Series]) {
    let (first, topic) = (&group[0], &group[0].topic);
    let Some(work) = first.samples.first().map(|sample| &sample.work) else { return };
    let _ = writeln!(
        out,
        "\n### {} on {}\n\n{} records, {:.0} MB of keys and values, {:.0} MB in the log, {} partitions, {} broker(s); medians of \
         {} passes\n",
        first.case.name,
        first.server.name(),
        work.records,
        (work.key_bytes + work.value_bytes) as f64 / 1e6,
        topic.log_bytes as f64 / 1e6,
        topic.partitions,
        first.case.brokers,
        first.samples.len(),
    );
    out.push_str(
        "| reader | M records/s | (lowest, highest) | CPU ns/record | user | system | MB/s of values | peak RSS MiB | received / log | \
         server, cores | rate, times Milena's | CPU, times Milena's |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let base = (median(&first.samples, Sample::rate), median(&first.samples, Sample::cpu_ns));
    for series in group {
        let samples = &series.samples;
        if let Some(failure) = &series.failure {
            let _ =
                writeln!(out, "| {} | failed: {} |", series.reader.name, failure.replace(['|', '\n'], " "));
            continue;
        }
        let mut rates: Vec<f64> = samples.iter().map(Sample::rate).collect();
        rates.sort_by(f64::total_cmp);
        let (rate, cpu) = (median(samples, Sample::rate), median(samples, Sample::cpu_ns));
        let received = samples.iter().filter_map(|sample| sample.bytes_received).max();
        let _ = writeln!(
            out,
            "| {} | {:.2} | {:.2}, {:.2} | {cpu:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {:.2} | {:.2} | {:.2} |",
            series.reader.name,
            rate / 1e6,
            rates[0] / 1e6,
            rates[rates.len() - 1] / 1e6,
            median(samples, Sample::user_ns),
            median(samples, Sample::system_ns),
            rate * f64::from(series.case.value_bytes) / 1e6,
            median(samples, |sample| sample.peak_rss_kib as f64 / 1024.0),
            received
                .map_or_else(String::new, |bytes| format!("{:.3}", bytes as f64 / topic.log_bytes as f64)),
            median(samples, |sample| sample.server_cpu_s / sample.seconds),
            rate / base.0,
            cpu / base.1,
        );
    }
}
