//! What came out: a table for people, JSON for machines, a plot for the eye.

mod plot;
mod setting;
mod table;

use serde_json::{Value, json};

use crate::run::Series;
use crate::sample::{Sample, median};
use crate::scenario::Table;

pub use plot::plot;
pub use setting::Setting;
pub use table::table;

/// Everything, every pass.
#[must_use]
pub fn json(setting: &Setting, all: &[Series], tables: &[Table]) -> Value {
    let series = |series: &Series| {
        json!({
            "server": series.server.name(),
            "case": series.case.name,
            "reader": series.reader.name,
            "log_bytes": series.topic.log_bytes,
            "failure": series.failure,
            "records_per_second": median(&series.samples, Sample::rate),
            "cpu_ns_per_record": median(&series.samples, Sample::cpu_ns),
            "user_ns_per_record": median(&series.samples, Sample::user_ns),
            "system_ns_per_record": median(&series.samples, Sample::system_ns),
            "samples": series.samples.iter().map(Sample::json).collect::<Vec<Value>>(),
        })
    };
    let scenario =
        |table: &Table| json!({ "scenario": table.name, "what": table.what, "readers": table.json });
    json!({
        "date": setting.date,
        "cpu": setting.cpu,
        "cores": setting.cores,
        "kernel": setting.kernel,
        "commit": setting.commit,
        "command": setting.command,
        "series": all.iter().map(series).collect::<Vec<_>>(),
        "scenarios": tables.iter().map(scenario).collect::<Vec<_>>(),
    })
}
