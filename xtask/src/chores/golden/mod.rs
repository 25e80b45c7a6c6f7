//! `cargo xtask golden`: golden data, written again by the programs whose behaviour it records.

mod plan;
mod segments;

use std::collections::VecDeque;
use std::fs;

use super::USAGE;
use crate::error::{Context, Error, Result};
use crate::java::{self, Sources};
use crate::kafka::Version;

/// File under `testdata/assignors`, and what `AssignorVectors` is asked for.
const ASSIGNORS: [(&str, &[&str]); 7] = [
    ("range", &["range", "200", "1", "plain"]),
    ("range-racks", &["range", "40", "2", "racks"]),
    ("roundrobin", &["roundrobin", "60", "3", "plain"]),
    ("sticky", &["sticky", "15", "4", "plain"]),
    ("cooperative-sticky", &["cooperative-sticky", "85", "5", "plain"]),
    ("cooperative-sticky-racks", &["cooperative-sticky", "12", "6", "racks"]),
    ("consumer-protocol", &["protocol", "7"]),
];

pub(super) fn run(mut args: VecDeque<String>) -> Result<()> {
    match (args.pop_front().as_deref(), args.pop_front()) {
        (Some("assignors"), None) => assignors(),
        (Some("segments"), version) => segments::run(version.map(|version| version.parse()).transpose()?),
        _ => Err(Error::new(USAGE)),
    }
}

fn assignors() -> Result<()> {
    let directory = crate::root().join("testdata").join("assignors");
    for (name, arguments) in ASSIGNORS {
        let text = java::run(Sources::Newest, Version::NEWEST, "AssignorVectors", arguments)?;
        let file = directory.join(format!("{name}.jsonl"));
        fs::write(&file, &text).context(|| format!("cannot write {}", file.display()))?;
        println!("{}: {} lines", file.display(), text.lines().count());
    }
    Ok(())
}
