//! How much of its rate a reader keeps when something else is there as well.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::Result;

use crate::case::Case;
use crate::plan::Plan;
use crate::reader::Reader;
use crate::sample::{Sample, median};
use crate::scenario::Table;
use crate::server::{self, Limit, Topic};

/// 5 ms before each fetch is answered.
pub(super) fn delay(plan: &Plan) -> Result<Table> {
    let (alone, disturbed) = (limit(plan, &[])?, limit(plan, &["--delay-ms", "5"])?);
    let what = "100 B, no codec, 4 partitions, the limit server: 5 ms added to each fetch answer. Goal: at least 0.80 kept.";
    compare("delay", what, 0.80, plan, alone.topic(), disturbed.topic())
}

/// A second broker, which has nothing.
pub(super) fn idle_broker(plan: &Plan) -> Result<Table> {
    let (alone, disturbed) = (limit(plan, &[])?, limit(plan, &["--idle-brokers", "1"])?);
    let what = "100 B, no codec, 4 partitions, the limit server: a second broker with one empty partition, whose fetches are long \
        polls. Goal: at least 0.95 kept.";
    compare("idle-broker", what, 0.95, plan, alone.topic(), disturbed.topic())
}

/// One full partition, 63 empty ones, three brokers.
pub(super) fn empty_neighbours_limit(plan: &Plan) -> Result<Table> {
    let alone = limit(plan, &["--partitions", "1"])?;
    let disturbed = limit(
        plan,
        &["--partitions", "1", "--brokers", "1", "--idle-brokers", "2", "--idle-partitions", "63"],
    )?;
    let what = "100 B, no codec, the limit server: one full partition beside 63 empty ones on the same broker and two others. Goal: at least \
        0.97 kept.";
    compare("empty-neighbours-limit", what, 0.97, plan, alone.topic(), disturbed.topic())
}

/// The same on real Kafka, where the empty ones lie on all three.
pub(super) fn empty_neighbours(plan: &Plan) -> Result<Table> {
    let kafka = server::kafka(3)?;
    let name = "one-full";
    kafka.create_topic(name, 64, 1, &[])?;
    let case = Case { records: records(plan), ..case() };
    server::fill(&kafka, name, &case, 1)?;
    let disturbed = server::describe(&kafka, name, 64)?;
    let alone = Topic { partitions: 1, ..disturbed.clone() };
    let what = "100 B, no codec, Kafka with three nodes: one full partition beside 63 empty ones over all three, and the same \
        partition read alone. Goal: at least 0.97 kept.";
    compare("empty-neighbours", what, 0.97, plan, &alone, &disturbed)
}

fn case() -> Case {
    crate::case::CASES[0]
}

fn records(plan: &Plan) -> u64 {
    if plan.is_quick { 500_000 } else { 5_000_000 }
}

fn limit(plan: &Plan, more: &[&str]) -> Result<Limit> {
    let records = records(plan).to_string();
    Limit::start(["--records", &records].iter().chain(more))
}

fn compare(
    name: &'static str,
    what: &str,
    goal: f64,
    plan: &Plan,
    alone: &Topic,
    disturbed: &Topic,
) -> Result<Table> {
    // Those that are slow alone would take hours here.
    let readers: Vec<&Reader> =
        plan.readers.iter().filter(|reader| reader.can.many_brokers && !reader.is_slow).collect();
    let mut samples: Vec<[Vec<Sample>; 2]> = readers.iter().map(|_| [Vec::new(), Vec::new()]).collect();
    let mut gave_up = vec![false; readers.len()];
    Sample::take(readers[0], alone, None)?;
    for pass in 0..plan.passes.min(3) {
        for turn in 0..readers.len() {
            let index = (turn + pass) % readers.len();
            if gave_up[index] {
                continue;
            }
            for (place, topic) in [alone, disturbed].into_iter().enumerate() {
                let taken = Sample::take_within(PATIENCE, readers[index], topic, None);
                let Some(sample) = attempt(taken) else {
                    gave_up[index] = true;
                    continue;
                };
                let (reader, rate) = (readers[index].name, sample.rate() / 1e6);
                eprintln!(
                    "   {name} pass {pass} {reader:36} {} {rate:7.2} M/s",
                    ["alone", "disturbed"][place]
                );
                samples[index][place].push(sample);
            }
        }
    }
    let mut rows = Vec::new();
    let mut details = Vec::new();
    let slowest = disturbed.records as f64 / PATIENCE.as_secs_f64();
    for (reader, [alone, disturbed]) in readers.iter().zip(&samples) {
        let rates = [median(alone, Sample::rate), median(disturbed, Sample::rate)];
        let kept = rates[1] / rates[0];
        // Who was not done in time is slower than that.
        let is_done = !disturbed.is_empty();
        rows.push(vec![
            reader.name.to_owned(),
            format!("{:.2}", rates[0] / 1e6),
            if is_done { format!("{:.2}", rates[1] / 1e6) } else { format!("< {:.2}", slowest / 1e6) },
            if is_done { format!("{kept:.2}") } else { format!("< {:.2}", slowest / rates[0]) },
            format!("{:.0}", median(alone, Sample::cpu_ns)),
            format!("{:.0}", median(disturbed, Sample::cpu_ns)),
            if reader.is_ours() { mark(kept >= goal) } else { String::new() },
        ]);
        let all = |samples: &[Sample]| samples.iter().map(Sample::json).collect::<Vec<Value>>();
        details.push(json!({
            "reader": reader.name, "alone": all(alone), "disturbed": all(disturbed), "kept": kept,
        }));
    }
    Ok(Table {
        name,
        what: what.to_owned(),
        heads: vec![
            "reader",
            "alone, M/s",
            "disturbed, M/s",
            "kept",
            "CPU ns, alone",
            "CPU ns, disturbed",
            "goal",
        ],
        rows,
        json: json!(details),
    })
}

/// Readers that take seconds alone get so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// One who fails spoils nobody else's numbers; it has none itself.
pub(super) fn attempt(sample: Result<Sample>) -> Option<Sample> {
    sample.inspect_err(|error| eprintln!("   {error}")).ok()
}

/// A word for a goal.
pub(super) fn mark(is_met: bool) -> String {
    if is_met { "met" } else { "NOT MET" }.to_owned()
}
