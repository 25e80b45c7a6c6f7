//! Passes: every reader reads every topic, in turns.

use xtask::kafka::Kafka;
use xtask::{Error, Result};

use crate::case::Case;
use crate::plan::Plan;
use crate::reader::Reader;
use crate::sample::Sample;
use crate::scenario::{self, Table};
use crate::server::{self, Kind, Limit, Topic};

/// All samples of one reader and one topic.
#[derive(Debug)]
pub struct Series {
    /// Who served.
    pub server: Kind,
    /// What was read.
    pub case: Case,
    /// Where it was.
    pub topic: Topic,
    /// Who read it.
    pub reader: Reader,
    /// One for each pass.
    pub samples: Vec<Sample>,
    /// Why it has no more of them.
    pub failure: Option<String>,
}

/// Carries out a plan, on servers of its own.
///
/// # Errors
/// Something does not build or start, or two readers did not do the same work.
pub fn run(plan: &Plan) -> Result<(Vec<Series>, Vec<Table>)> {
    eprintln!("== Building the peers (librdkafka and confluent-kafka take minutes the first time)");
    for reader in &plan.readers {
        reader.build()?;
    }
    let mut all = Vec::new();
    if plan.servers.contains(&Kind::Limit) {
        for case in plan.cases.iter().filter(|case| case.limit_goal.is_some()) {
            let server = Limit::serving(case)?;
            all.extend(read(Kind::Limit, *case, server.topic(), plan)?);
        }
    }
    if plan.servers.contains(&Kind::Kafka) {
        let mut kafka: Option<(i32, Kafka)> = None;
        for case in &plan.cases {
            if kafka.as_ref().is_none_or(|(nodes, _)| *nodes != case.brokers) {
                // One at a time: they would share the cores.
                drop(kafka.take());
                kafka = Some((case.brokers, server::kafka(case.brokers)?));
            }
            let Some((_, kafka)) = &kafka else { continue };
            let topic = server::write(kafka, case)?;
            all.extend(read(Kind::Kafka, *case, &topic, plan)?);
            // Each topic is read from the page cache; the next one gets the room.
            kafka.delete_topic(case.name)?;
        }
    }
    Ok((all, scenario::run(plan)))
}

fn read(server: Kind, case: Case, topic: &Topic, plan: &Plan) -> Result<Vec<Series>> {
    let readers = plan.readers.iter().filter(|reader| reader.can.many_brokers || case.brokers == 1);
    let series = |reader: &Reader| Series {
        server,
        case,
        topic: topic.clone(),
        reader: *reader,
        samples: Vec::new(),
        failure: None,
    };
    let mut all: Vec<Series> = readers.map(series).collect();
    // Not counted: fills the page cache and warms up the broker.
    let warm = Sample::take(&plan.readers[0], topic, None)?;
    for pass in 0..plan.passes {
        // Another one begins each time, so that nobody always comes after the same neighbour.
        for turn in 0..all.len() {
            let index = (turn + pass) % all.len();
            let series = &mut all[index];
            if series.failure.is_some() || series.reader.is_slow && !series.samples.is_empty() {
                continue;
            }
            // One who fails spoils nobody else's numbers.
            let sample =
                match Sample::take(&series.reader, topic, None).and_then(|sample| same_work(sample, &warm)) {
                    Ok(sample) => sample,
                    Err(error) => {
                        eprintln!("   {error}");
                        series.failure = Some(error.to_string());
                        continue;
                    }
                };
            eprintln!(
                "   {} {:10} pass {pass} {:36} {:7.2} M/s {:6.0} ns, server {:4.2} s, load {}",
                server.name(),
                case.name,
                series.reader.name,
                sample.rate() / 1e6,
                sample.cpu_ns(),
                sample.server_cpu_s,
                sample.load,
            );
            series.samples.push(sample);
        }
    }
    Ok(all)
}

fn same_work(sample: Sample, other: &Sample) -> Result<Sample> {
    if sample.work == other.work {
        return Ok(sample);
    }
    Err(Error::new(format!("other work was done: {:?}, not {:?}", sample.work, other.work)))
}
