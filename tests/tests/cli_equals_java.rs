//! `milena consume` prints what Java's consumer of the broker's release reads, byte for byte, and commits what it printed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use milena_tests::fixture::cli::Milena;
use milena_tests::fixture::corpus::{self, kinds_in_log};
use milena_tests::fixture::java;
use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::start;
use records::Compression;
use serde_json::Value;

const COMMITTED: &str = "read_committed";
const UNCOMMITTED: &str = "read_uncommitted";

/// The topic with logs of older brokers.
const OLD: &str = "old";

#[tokio::test(flavor = "multi_thread")]
async fn on_the_newest_broker() {
    milena_prints_what_java_reads(Version::NEWEST, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_three_of_the_newest_brokers() {
    milena_prints_what_java_reads(Version::NEWEST, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_last_broker_before_4() {
    milena_prints_what_java_reads(Version::LAST_3, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_broker_before_3_which_writes_old_formats() {
    milena_prints_what_java_reads(Version::LAST_2, 1).await;
}

async fn milena_prints_what_java_reads(version: Version, nodes: i32) {
    let kafka = Arc::new(start(Options::new(version).nodes(nodes)).await.expect("Kafka starts"));
    let milena = Milena::on(&kafka).await;
    let topics = write(&kafka, version, nodes).await;
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let flags: String = topics.iter().map(|topic| format!(" -t {topic}")).collect();
    let mut readings = Vec::new();
    for isolation in [UNCOMMITTED, COMMITTED] {
        let javas = java::dump(&kafka, isolation, &topics).await.expect("Java reads");
        let javas = Reading::of(&javas);
        let ours = milena.consume(&format!("--until latest --isolation {isolation}{flags}")).await;
        Reading::of(&ours).assert_equals(&javas, isolation);

        // As a group: the same, and all of it committed, past what is not delivered, too. Nothing is left to read.
        let group = format!("-g {isolation} --from earliest --until latest --isolation {isolation}{flags}");
        Reading::of(&milena.consume(&group).await).assert_equals(&javas, &format!("as a group, {isolation}"));
        let lags: BTreeMap<_, _> = committed_lags(&milena, isolation).await;
        for (partition, lag) in &lags {
            let is_open = isolation == COMMITTED && has_open_end(partition);
            assert_eq!(*lag, if is_open { open_records(partition) } else { 0 }, "{partition}, {isolation}");
        }
        assert_eq!(milena.consume(&group).await, [] as [&str; 0], "once more, {isolation}");
        readings.push((javas, lags));
    }
    let [(all, all_lags), (committed, _)] = &readings[..] else { panic!("two readings") };
    for partition in all.0.keys() {
        assert!(all_lags.contains_key(partition), "{partition} is committed");
    }
    the_logs_have_it_all(&kafka, version, all, committed);
}

/// Writes all topics, and says their names.
async fn write(kafka: &Arc<Kafka>, version: Version, nodes: i32) -> Vec<String> {
    let kafka = kafka.clone();
    let written = tokio::task::spawn_blocking(move || {
        let topics = corpus::topics(version);
        let mut names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        // What brokers from 3.0 on no longer write, they still read.
        if nodes == 1 && version >= Version(3, 0, 0) {
            corpus::plant(&kafka, OLD, &corpus::old_logs());
            names.push(OLD.to_owned());
        }
        let replicas = i16::try_from(nodes).expect("few");
        corpus::write(&kafka, &topics, replicas).map(|()| names)
    });
    written.await.expect("nothing panics").expect("all is written")
}

/// Lines by partition, `topic-number`. Which partition is read first is nobody's promise; within one, the order is.
#[derive(Debug)]
struct Reading(BTreeMap<String, Vec<String>>);

impl Reading {
    fn of(lines: &[String]) -> Reading {
        let mut partitions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in lines {
            let json = parse(line);
            let topic = json["topic"].as_str().expect("a topic");
            partitions.entry(format!("{topic}-{}", json["partition"])).or_default().push(line.clone());
        }
        Reading(partitions)
    }

    /// Says the first line that differs: whole readings are megabytes.
    fn assert_equals(&self, javas: &Reading, what: &str) {
        for (partition, theirs) in &javas.0 {
            let ours = self.0.get(partition).map(Vec::as_slice).unwrap_or_default();
            for (our, their) in ours.iter().zip(theirs) {
                assert_eq!(our, their, "{partition}, {what}");
            }
            assert_eq!(ours.len(), theirs.len(), "records of {partition}, {what}");
        }
        let partitions = |reading: &Reading| reading.0.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(partitions(self), partitions(javas), "{what}");
    }

    fn offsets(&self, partition: &str) -> Vec<i64> {
        let lines = self.0.get(partition).map(Vec::as_slice).unwrap_or_default();
        lines.iter().map(|line| parse(line)["offset"].as_i64().expect("an offset")).collect()
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).expect("JSON")
}

async fn committed_lags(milena: &Milena, group: &str) -> BTreeMap<String, i64> {
    milena.committed(group).await.into_iter().map(|(partition, _, lag)| (partition, lag)).collect()
}

/// Whether the log ends in a transaction that is neither committed nor aborted.
fn has_open_end(partition: &str) -> bool {
    partition == "open-0" || partition.starts_with("transactions-")
}

/// Records of the transaction that is open at the end.
fn open_records(partition: &str) -> i64 {
    // Java writes four into each transaction, the others three.
    if partition == "open-0" || partition == "transactions-java-0" { 4 } else { 3 }
}

/// What is compared is worth it: every format and codec is there, and so is every kind of gap.
fn the_logs_have_it_all(kafka: &Kafka, version: Version, all: &Reading, committed: &Reading) {
    let codecs =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    let has = |topic: &str, magics: &[i8], codecs: &[Compression]| {
        let kinds = kinds_in_log(kafka, topic);
        for magic in magics {
            for codec in codecs {
                assert!(
                    kinds.contains(&(*magic, *codec)),
                    "{topic}: no {codec:?} of magic {magic} in {kinds:?}"
                );
            }
        }
    };
    for producer in ["java", "librdkafka", "kafka-python", "franz-go"] {
        has(&format!("letters-{producer}"), &[2], &codecs);
    }
    for producer in ["java", "librdkafka", "franz-go"] {
        let partition = format!("transactions-{producer}-0");
        let (seen, true_ones) = (all.offsets(&partition).len(), committed.offsets(&partition).len());
        // Per codec one aborted of four, and one that the next codec aborts, or that is open.
        assert!(true_ones > 0 && true_ones * 2 == seen, "{partition}: {true_ones} of {seen}");
    }
    for codec in corpus::CODECS {
        let partition = format!("compacted-{codec}-0");
        let offsets = all.offsets(&partition);
        assert!(offsets.windows(2).any(|two| two[1] > two[0] + 1), "{partition} has gaps: {offsets:?}");
        assert_eq!(all.offsets(&format!("deleted-{codec}-0"))[0], 7);
    }
    assert!(!all.0.contains_key("empty-0"));
    assert!(!committed.0.contains_key("open-0"));
    let times: Vec<Value> = all.0["append-time-0"].iter().map(|line| parse(line)).collect();
    assert!(times.iter().all(|record| record["timestamp_type"] == "log_append_time"));
    if version >= Version(3, 0, 0) {
        return;
    }
    let old = &codecs[..4];
    has("format-0.9.0", &[0], old);
    has("format-0.10.0", &[1], old);
    has("append-time-0.10.0", &[1], old);
    has("format-mixed", &[0, 1, 2], old);
    has("converted-to-0.9.0", &[0], old);
    has("converted-to-0.10.0", &[1], old);
    has("converted-up", &[2], old);
    assert!(all.0["format-0.9.0-0"].iter().all(|line| parse(line)["timestamp_type"] == "none"));
}
