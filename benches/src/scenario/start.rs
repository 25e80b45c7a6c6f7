//! From the start of a process to its first record, as the only member of a new group.

use serde_json::{Value, json};
use xtask::Result;

use crate::case::Case;
use crate::plan::Plan;
use crate::reader::Reader;
use crate::sample::{Sample, median};
use crate::scenario::Table;
use crate::scenario::disturbed::{attempt, mark};
use crate::server;

pub(super) fn run(plan: &Plan) -> Result<Table> {
    let kafka = server::kafka(1)?;
    let case = Case { name: "start", records: 4_000, ..crate::case::CASES[0] };
    let topic = server::write(&kafka, &case)?;
    let readers: Vec<&Reader> = plan.readers.iter().filter(|reader| reader.can.join).collect();
    let mut samples: Vec<Vec<Sample>> = readers.iter().map(|_| Vec::new()).collect();
    // Not counted: the first group of a cluster waits until the topic of the groups is created.
    Sample::take(readers[0], &topic, Some("start-warm"))?;
    for pass in 0..plan.passes {
        for turn in 0..readers.len() {
            let index = (turn + pass) % readers.len();
            let group = format!("start-{pass}-{turn}");
            samples[index].extend(attempt(Sample::take(readers[index], &topic, Some(&group))));
        }
    }
    let (mut rows, mut details) = (Vec::new(), Vec::new());
    for (reader, samples) in readers.iter().zip(&samples) {
        let seconds = median(samples, |sample| sample.start_seconds);
        let all = || samples.iter().map(|sample| sample.start_seconds);
        let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
        rows.push(vec![
            reader.name.to_owned(),
            format!("{seconds:.3}"),
            format!("{least:.3}, {most:.3}"),
            if reader.is_ours() { mark(seconds <= 0.03) } else { String::new() },
        ]);
        let all: Vec<Value> = samples.iter().map(Sample::json).collect();
        details.push(json!({ "reader": reader.name, "samples": all }));
    }
    Ok(Table {
        name: "start",
        what: "A new group of one member, a topic of 4 partitions with 4000 records: from the beginning of `main` to the first \
            record. Java's is the second consumer of its JVM. Goal: <= 0.03 s."
            .to_owned(),
        heads: vec!["reader", "s to the first record", "(lowest, highest)", "goal"],
        rows,
        json: json!(details),
    })
}
