//! What an acknowledgement costs: `cargo run --release -p milena-proto --example ack_path`.
//!
//! Three ways of acknowledging the same stream of record batches (500 records each): record by record in order, in random
//! order inside a window of 10 000 records, and batch by batch. Each prints the time of the acks alone, and the time of
//! everything that the tracker does for it: deliver, ack, and a scan for the committable offset now and then.
#![allow(clippy::disallowed_methods, reason = "a measurement needs a clock; the library has none")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use milena_proto::assignments::Assignments;
use milena_proto::offsets::{Ack, AckRange, Tracker};
use milena_proto::types::{Generation, LeaderEpoch, TopicId, TopicPartition};

const BATCH_RECORDS: i64 = 500;
const WINDOW_RECORDS: i64 = 10_000;
const RECORDS: i64 = 20_000_000;

fn main() {
    for round in 1..=3 {
        println!("round {round}");
        report("per record, in order", RECORDS, in_windows(&|_| {}));
        report("per record, random in a window of 10 000", RECORDS, in_windows(&shuffle));
        report("per batch of 500", RECORDS / BATCH_RECORDS, by_batch());
    }
}

/// Acks alone, and with deliver and scan.
struct Times {
    acks: Duration,
    all: Duration,
}

fn report(name: &str, acks: i64, times: Times) {
    let each = |time: Duration| time.as_nanos() as f64 / acks as f64;
    println!(
        "  {name:<42} {:>7.2} ns per ack, {:>7.2} ns with deliver and scan",
        each(times.acks),
        each(times.all)
    );
}

/// Delivers a window of batches, acknowledges all of its records in the order that `arrange` makes, looks how far it may be
/// committed, and goes on with the next window.
fn in_windows(arrange: &dyn Fn(&mut [usize])) -> Times {
    let (_assignments, tracker) = tracker();
    let mut times = Times { acks: Duration::ZERO, all: Duration::ZERO };
    let mut order: Vec<usize> = (0..WINDOW_RECORDS as usize).collect();
    arrange(&mut order);
    let mut base = 0;
    while base < RECORDS {
        let begin = Instant::now();
        let records: Vec<(AckRange, i64)> = (base..base + WINDOW_RECORDS)
            .step_by(BATCH_RECORDS as usize)
            .map(|first| deliver(&tracker, first))
            .flat_map(|range| range.offsets().map(move |offset| (range.clone(), offset)))
            .collect();
        let delivered = Instant::now();
        for &index in &order {
            let (range, offset) = &records[index];
            assert_eq!(black_box(range.ack(*offset)), Ack::Accepted);
        }
        let acknowledged = Instant::now();
        base += WINDOW_RECORDS;
        assert_eq!(tracker.committable().map(|committable| committable.offset), Some(base));
        times.acks += acknowledged - delivered;
        times.all += begin.elapsed();
    }
    times
}

fn by_batch() -> Times {
    let (_assignments, tracker) = tracker();
    let mut times = Times { acks: Duration::ZERO, all: Duration::ZERO };
    let mut base = 0;
    while base < RECORDS {
        let begin = Instant::now();
        let batches: Vec<AckRange> = (base..base + WINDOW_RECORDS)
            .step_by(BATCH_RECORDS as usize)
            .map(|first| deliver(&tracker, first))
            .collect();
        let delivered = Instant::now();
        for batch in &batches {
            assert_eq!(black_box(batch.ack_all()), Ack::Accepted);
        }
        let acknowledged = Instant::now();
        base += WINDOW_RECORDS;
        assert_eq!(tracker.committable().map(|committable| committable.offset), Some(base));
        times.acks += acknowledged - delivered;
        times.all += begin.elapsed();
    }
    times
}

fn tracker() -> (Assignments, Tracker) {
    let mut assignments = Assignments::new();
    let stamp = assignments.assign(TopicPartition::new("orders", 0), TopicId::ZERO, Generation(1));
    (assignments, Tracker::new(stamp, 0))
}

fn deliver(tracker: &Tracker, first: i64) -> AckRange {
    let last = first + BATCH_RECORDS - 1;
    tracker.deliver(first..=last, BATCH_RECORDS as u32, Some(LeaderEpoch(0))).expect("the partition is ours")
}

/// Fisher and Yates, with a splitmix64 of a fixed seed.
fn shuffle(order: &mut [usize]) {
    let mut state = 42u64;
    for end in (1..order.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        order.swap(end, ((mixed ^ (mixed >> 31)) % (end as u64 + 1)) as usize);
    }
}
