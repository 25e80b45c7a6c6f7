//! What it costs to wait: a hundred thousand assigned partitions without a record.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use serde_json::json;
use xtask::{Error, Result};

use crate::plan::Plan;
use crate::scenario::Table;
use crate::scenario::disturbed::mark;
use crate::server::{Limit, cpu_s};

pub(super) fn partitions(plan: &Plan) -> Result<Table> {
    let count = if plan.is_quick { 10_000 } else { 100_000 };
    let (settle, watch) = if plan.is_quick { (4, 4) } else { (10, 10) };
    let server =
        Limit::start(["--partitions", "0", "--records", "0", "--idle-partitions", &count.to_string()])?;
    let topic = server.topic();
    let (mut rows, mut details) = (Vec::new(), Vec::new());
    for reader in plan.readers.iter().filter(|reader| reader.can.many_brokers) {
        let mut command = reader.command(&topic.bootstrap, &topic.name, None, 1, topic.partitions)?;
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(|error| Error::new(format!("cannot run {}: {error}", reader.name)))?;
        // Until it has asked for everything once; then for a while.
        thread::sleep(Duration::from_secs(settle));
        let before = cpu_s(child.id());
        let server_before = topic.server_cpu_s();
        thread::sleep(Duration::from_secs(watch));
        let (after, server_s) = (cpu_s(child.id()), topic.server_cpu_s() - server_before);
        let rss = rss_mib(child.id());
        let has_ended = matches!(child.try_wait(), Ok(Some(_)));
        let _ = child.kill();
        let _ = child.wait();
        let share = match (before, after) {
            (Some(before), Some(after)) if !has_ended => {
                (after.0 + after.1 - before.0 - before.1) / watch as f64 * 100.0
            }
            _ => f64::NAN,
        };
        eprintln!("   idle {:36} {share:5.1} % of a core, {rss:5.0} MiB", reader.name);
        rows.push(vec![
            reader.name.to_owned(),
            if has_ended { "gave up".to_owned() } else { format!("{share:.1}") },
            format!("{rss:.0}"),
            format!("{:.1}", server_s / watch as f64 * 100.0),
            if reader.is_ours() { mark(share < 1.0 && rss <= 150.0) } else { String::new() },
        ]);
        details.push(
            json!({ "reader": reader.name, "core_percent": share, "rss_mib": rss, "ended": has_ended }),
        );
    }
    Ok(Table {
        name: "idle-100k",
        what: format!(
            "{count} assigned partitions without a record, one broker (the limit server), watched for {watch} s after {settle} \
             s. Goal: less than 1 % of a core and at most 150 MiB."
        ),
        heads: vec!["reader", "% of a core", "peak RSS MiB", "server, % of a core", "goal"],
        rows,
        json: json!(details),
    })
}

fn rss_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}
