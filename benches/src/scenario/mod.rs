//! What is looked at beside plain throughput: latency, the start, and what disturbs a reader.

mod disturbed;
mod idle;
mod latency;
mod start;

use serde_json::Value;
use xtask::Result;

use crate::plan::Plan;
use crate::server::Kind;

/// One question, and who answers it.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// How it is asked for.
    pub name: &'static str,
    /// The server it needs.
    pub server: Kind,
    run: fn(&Plan) -> Result<Table>,
}

/// Every scenario. A new one needs a line here and a function.
pub const SCENARIOS: [Scenario; 7] = [
    Scenario { name: "delay", server: Kind::Limit, run: disturbed::delay },
    Scenario { name: "idle-broker", server: Kind::Limit, run: disturbed::idle_broker },
    Scenario { name: "empty-neighbours-limit", server: Kind::Limit, run: disturbed::empty_neighbours_limit },
    Scenario { name: "idle-100k", server: Kind::Limit, run: idle::partitions },
    Scenario { name: "empty-neighbours", server: Kind::Kafka, run: disturbed::empty_neighbours },
    Scenario { name: "latency", server: Kind::Kafka, run: latency::run },
    Scenario { name: "start", server: Kind::Kafka, run: start::run },
];

/// What came out of a scenario.
#[derive(Debug, Clone)]
pub struct Table {
    /// The scenario's name.
    pub name: &'static str,
    /// What was done, in a sentence or two.
    pub what: String,
    /// The heads of the columns.
    pub heads: Vec<&'static str>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
    /// Everything, for machines.
    pub json: Value,
}

/// Runs the scenarios of a plan. One that does not work says so in its table, and the others go on.
#[must_use]
pub fn run(plan: &Plan) -> Vec<Table> {
    let wanted = plan.scenarios.iter().filter(|scenario| plan.servers.contains(&scenario.server));
    wanted
        .map(|scenario| {
            eprintln!("== {}", scenario.name);
            (scenario.run)(plan).unwrap_or_else(|error| {
                eprintln!("   {error}");
                let what = format!("Failed: {error}");
                Table {
                    name: scenario.name,
                    what,
                    heads: vec!["reader"],
                    rows: Vec::new(),
                    json: Value::Null,
                }
            })
        })
        .collect()
}
