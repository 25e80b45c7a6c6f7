//! The budget holds, however long the application does nothing, and nothing is fetched twice.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use milena_tests::fixture::kafka::{Kafka, Options};
use milena_tests::fixture::process::{Event, Process};
use milena_tests::fixture::produce::produce_sized;
use milena_tests::fixture::start;
use records::Compression;

const TOPIC: &str = "backlog";
const PARTITIONS: i32 = 4;
/// Records of each partition: of 1 KiB each, 1 GiB in all.
const COUNT: usize = 256 * 1024;
/// Batches of more than 64 KiB.
const BATCH: usize = 128;
const BUDGET: u64 = 64 << 20;
/// What a process needs beside its budget.
const BESIDE: u64 = 32 << 20;
const STALL: Duration = Duration::from_secs(60);

/// The application takes nothing more from the stream for a minute.
async fn nothing_is_taken(kafka: &Kafka) {
    let mut member = join(kafka, "stalled", "auto");
    member.until_event(0, "the first batch", is_batch).await;
    member.tell("stall").await;
    stall(&member).await;
    member.tell("read").await;
    check(kafka, member).await;
}

/// The application takes all it gets and is done with nothing for a minute.
async fn everything_is_held(kafka: &Kafka) {
    let mut member = join(kafka, "holding", "hold");
    member.until_event(0, "the first batch", is_batch).await;
    let mark = stall(&member).await;
    assert!(mark < total() / BATCH, "it stopped to read long before the end");
    member.ask("auto", "acked").await;
    check(kafka, member).await;
}

fn join(kafka: &Kafka, group: &str, mode: &str) -> Process {
    let budget = BUDGET.to_string();
    let settings =
        [("milena.budget.bytes", budget.as_str()), ("read", "batches"), ("print", "ranges"), ("mode", mode)];
    Process::milena(group, env!("CARGO_BIN_EXE_member"), &kafka.bootstrap(), group, TOPIC, &settings)
}

/// Ten sessions long nothing happens, and the member is one all the same. How many events it had then.
async fn stall(member: &Process) -> usize {
    let rebalances = |member: &Process| {
        let events = member.events();
        let of_a_rebalance = |event: &&Event| {
            ["joining", "stable", "revoking", "revoked", "lost", "error"].contains(&event.name())
        };
        events.iter().filter(of_a_rebalance).cloned().collect::<Vec<Event>>()
    };
    let before = rebalances(member);
    tokio::time::sleep(STALL).await;
    assert_eq!(rebalances(member), before, "it is in the generation that it was in");
    assert_eq!(member.owned().len(), PARTITIONS as usize);
    member.mark()
}

/// Reads to the end, each record once, within the budget.
async fn check(kafka: &Kafka, mut member: Process) {
    let name = member.name().to_owned();
    let everything = |events: &[Event]| {
        let batches = events.iter().filter(|event| is_batch(event));
        batches.map(|event| event.json["count"].as_u64().unwrap_or(0)).sum::<u64>() >= total() as u64
    };
    member.until("all records", everything).await;
    let counters = member.ask("counters", "counters").await;
    let memory = peak_memory(member.pid());
    let events = member.close().await;

    let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
    for event in events.iter().filter(|event| is_batch(event)) {
        let (first, last) = (event.json["first"].as_i64().unwrap(), event.json["last"].as_i64().unwrap());
        let end = ends.entry(event.partition().1).or_default();
        assert_eq!(first, *end, "{name}: in order, each once");
        assert_eq!(event.json["count"], last - first + 1, "{name}");
        *end = last + 1;
    }
    assert_eq!(ends, (0..PARTITIONS).map(|partition| (partition, COUNT as i64)).collect());

    let counter = |which: &str| counters.json[which].as_u64().expect("a number");
    let (received, log) = (counter("bytes_received"), log_bytes(kafka));
    eprintln!("{name}: {} MiB at most, {received} bytes received of {log}", memory >> 20);
    eprintln!("{name}: {counters}");
    assert!(received >= log && received <= log + log / 20, "{name}: {received} bytes received of {log}");
    assert!(counter("budget_peak") <= BUDGET + BUDGET / 8, "{name}: {counters}");
    assert!(memory <= BUDGET + BESIDE, "{name}: {} MiB in memory", memory >> 20);
    // Or the test is none: the backlog pressed against the budget.
    assert!(counter("budget_peak") > BUDGET / 2, "{name}: {counters}");
}

fn is_batch(event: &Event) -> bool {
    event.name() == "records"
}

fn total() -> usize {
    COUNT * PARTITIONS as usize
}

/// The most that a process ever had in memory, in bytes.
fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is alive");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says so");
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    kib << 10
}

/// Bytes of the topic's segments.
fn log_bytes(kafka: &Kafka) -> u64 {
    let segments = |partition| {
        let directory = kafka.data_dir(1).join(format!("{TOPIC}-{partition}"));
        let files = fs::read_dir(directory).expect("the log is there").flatten();
        let segments = files.filter(|file| file.path().extension().is_some_and(|it| it == "log"));
        segments.map(|file| file.metadata().map_or(0, |it| it.len())).sum::<u64>()
    };
    (0..PARTITIONS).map(segments).sum()
}

async fn backlog(kafka: &Arc<Kafka>) {
    kafka.create_topic(TOPIC, PARTITIONS, 1, &[]).expect("the topic is created");
    let write = |partition| {
        let kafka = kafka.clone();
        tokio::task::spawn_blocking(move || {
            produce_sized(&kafka, TOPIC, partition, COUNT, BATCH, 1024, Compression::None)
        })
    };
    let writers: Vec<_> = (0..PARTITIONS).map(write).collect();
    for writer in writers {
        assert_eq!(writer.await.expect("all is written"), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_does_nothing_stays_small_and_stays_a_member() {
    let kafka = Arc::new(start(Options::default()).await.expect("Kafka starts"));
    backlog(&kafka).await;
    tokio::join!(nothing_is_taken(&kafka), everything_is_held(&kafka));
}
