//! From an acknowledgement to an offset that may be committed, and the assignment filter.

use std::time::{Duration, Instant};

use proto::assignments::Assignments;
use proto::offsets::{AckRange, Tracker};
use proto::types::{Generation, LeaderEpoch, TopicId, TopicPartition};

use crate::limit::Random;
use crate::micro::{Bench, look};

const BATCH: i64 = 500;
const WINDOW: i64 = 10_000;
const RECORDS: i64 = 10_000_000;

pub(super) fn run(bench: &mut Bench<'_>) {
    let in_order: Vec<usize> = (0..WINDOW as usize).collect();
    let mut shuffled = in_order.clone();
    let mut random = Random(42);
    for end in (1..shuffled.len()).rev() {
        shuffled.swap(end, random.below(end as u64 + 1) as usize);
    }
    for (name, order) in [("in order", in_order), ("random order within 10 000", shuffled)] {
        let what = format!("ack, {name}");
        if bench.wants(&what) {
            let (acks, all) = records(&order);
            bench.push(what.clone(), RECORDS as usize, "ack", 0, acks);
            bench.push(
                format!("{what}, with delivery and committable offset"),
                RECORDS as usize,
                "ack",
                0,
                all,
            );
        }
    }
    let (mut assignments, mut base) = (Assignments::new(), 0);
    let tracker = tracker(&mut assignments);
    bench.time("deliver and ack a batch of 500", 1, "batch", 0, || {
        if let Some(range) = deliver(&tracker, base) {
            look(range.ack_all());
        }
        base += BATCH;
        look(tracker.committable());
    });
    let stamp = tracker.stamp().clone();
    bench.time("assignment filter", 1000, "look", 0, || {
        for _ in 0..1000 {
            look(std::hint::black_box(&stamp).may_deliver());
        }
    });
}

/// Acks alone, and with all that the tracker does for them.
fn records(order: &[usize]) -> (Duration, Duration) {
    let mut assignments = Assignments::new();
    let tracker = tracker(&mut assignments);
    let (mut acks, mut all, mut base) = (Duration::ZERO, Duration::ZERO, 0);
    while base < RECORDS {
        let begin = Instant::now();
        let ranges: Vec<AckRange> = (base..base + WINDOW)
            .step_by(BATCH as usize)
            .filter_map(|first| deliver(&tracker, first))
            .collect();
        let delivered = Instant::now();
        for at in order {
            look(ranges[at / BATCH as usize].ack(base + *at as i64));
        }
        acks += delivered.elapsed();
        base += WINDOW;
        // Nobody is measured who did not do it.
        assert_eq!(tracker.committable().map(|committable| committable.offset), Some(base));
        all += begin.elapsed();
    }
    (acks, all)
}

fn tracker(assignments: &mut Assignments) -> Tracker {
    let stamp = assignments.assign(TopicPartition::new("orders", 0), TopicId::ZERO, Generation(1));
    Tracker::new(stamp, 0)
}

fn deliver(tracker: &Tracker, first: i64) -> Option<AckRange> {
    tracker.deliver(first..=first + BATCH - 1, BATCH as u32, Some(LeaderEpoch(0))).ok()
}
