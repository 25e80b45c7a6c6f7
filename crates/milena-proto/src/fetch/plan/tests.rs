//! Who is fetched, by table.

use super::*;
use crate::types::LeaderEpoch;

const LIMITS: PlanLimits =
    PlanLimits { bytes_max: 1000, partition_bytes_max: 100, partition_share: 250, budget_floor: 200 };

fn partitions() -> Vec<TopicPartition> {
    (0..4).map(|partition| TopicPartition::new("t", partition)).collect()
}

fn ready(tp: &TopicPartition) -> Candidate<'_> {
    let position = FetchPosition {
        offset: 7,
        last_epoch: Some(LeaderEpoch(2)),
        current_leader_epoch: Some(LeaderEpoch(3)),
    };
    Candidate {
        tp,
        topic_id: TopicId([1; 16]),
        epoch: AssignmentEpoch(5),
        position: Some(position),
        paused: false,
        busy: false,
        buffered_bytes: 0,
        max_bytes: 0,
    }
}

#[track_caller]
fn fetched(plan: FetchPlan) -> (Vec<i32>, i32) {
    match plan {
        FetchPlan::Fetch { wants, max_bytes, .. } => {
            (wants.iter().map(|want| want.tp.partition).collect(), max_bytes)
        }
        FetchPlan::Wait(wait) => panic!("{wait:?}"),
    }
}

#[test]
fn who_is_left_out() {
    type Change = fn(&mut Candidate<'_>);
    let table: [(&str, Change, bool); 8] = [
        ("ready", |_| {}, true),
        ("paused", |c| c.paused = true, false),
        ("busy", |c| c.busy = true, false),
        ("without a position", |c| c.position = None, false),
        ("with a little buffered", |c| c.buffered_bytes = 249, true),
        ("with its share buffered", |c| c.buffered_bytes = 250, false),
        ("over its share", |c| c.buffered_bytes = 9999, false),
        ("without a topic id", |c| c.topic_id = TopicId::ZERO, true),
    ];
    let tps = partitions();
    for (what, change, is_fetched) in table {
        let mut candidates = [ready(&tps[0]), ready(&tps[1])];
        change(&mut candidates[1]);
        let expected = if is_fetched { vec![0, 1] } else { vec![0] };
        assert_eq!(fetched(plan(&candidates, &LIMITS, 10_000, true, 0)).0, expected, "{what}");
        let mut alone = [ready(&tps[1])];
        change(&mut alone[0]);
        let nothing = plan(&alone, &LIMITS, 10_000, true, 0) == FetchPlan::Wait(Wait::NothingToFetch);
        assert_eq!(nothing, !is_fetched, "{what}");
    }
}

#[test]
fn a_want_says_all_that_the_candidate_does() {
    let tps = partitions();
    let larger = Candidate { max_bytes: 900, ..ready(&tps[1]) };
    let FetchPlan::Fetch { wants, .. } = plan(&[ready(&tps[0]), larger], &LIMITS, 10_000, true, 0) else {
        panic!("nothing to fetch")
    };
    let expected = Want {
        tp: tps[0].clone(),
        topic_id: TopicId([1; 16]),
        epoch: AssignmentEpoch(5),
        offset: 7,
        current_leader_epoch: Some(LeaderEpoch(3)),
        last_fetched_epoch: Some(LeaderEpoch(2)),
        max_bytes: 100,
    };
    assert_eq!(wants[0], expected);
    assert_eq!(wants[1].max_bytes, 900);
}

#[test]
fn the_budget_bounds_what_is_asked_for() {
    let tps = partitions();
    let candidates = [ready(&tps[0])];
    // (budget, idle) -> bytes to ask for, or waiting.
    let table = [
        (10_000, true, Some(1000)),
        (10_000, false, Some(1000)),
        (600, false, Some(600)),
        (200, false, Some(200)),
        (199, false, None),
        (199, true, Some(199)),
        (1, true, Some(1)),
        (0, true, None),
        (0, false, None),
    ];
    for (budget, idle, expected) in table {
        let plan = plan(&candidates, &LIMITS, budget, idle, 0);
        match expected {
            Some(bytes) => assert_eq!(fetched(plan).1, bytes, "{budget} {idle}"),
            None => assert_eq!(plan, FetchPlan::Wait(Wait::Budget), "{budget} {idle}"),
        }
    }
    let huge = PlanLimits { bytes_max: usize::MAX, ..LIMITS };
    assert_eq!(fetched(plan(&candidates, &huge, usize::MAX, true, 0)).1, i32::MAX);
}

#[test]
fn each_partition_is_first_in_turn() {
    let tps = partitions();
    let candidates: Vec<_> = tps.iter().map(ready).collect();
    let first = |turn| fetched(plan(&candidates, &LIMITS, 10_000, true, turn)).0;
    assert_eq!(first(0), [0, 1, 2, 3]);
    assert_eq!(first(1), [1, 2, 3, 0]);
    assert_eq!(first(7), [3, 0, 1, 2]);
    assert_eq!(first(u64::MAX).len(), 4);
}

#[test]
fn shares_are_equal_and_never_nothing() {
    assert_eq!(partition_share(1000, 4), 250);
    assert_eq!(partition_share(1000, 0), 1000);
    assert_eq!(partition_share(10, 1000), 1);
}

#[test]
fn a_request_without_a_partition_that_holds_its_share_is_in_a_hurry() {
    type Change = fn(&mut Candidate<'_>);
    let table: [(&str, Change, bool); 5] = [
        ("with a little buffered", |c| c.buffered_bytes = 249, false),
        ("with its share buffered", |c| c.buffered_bytes = 250, true),
        ("paused", |c| (c.buffered_bytes, c.paused) = (250, true), false),
        ("busy", |c| (c.buffered_bytes, c.busy) = (250, true), false),
        ("without a position", |c| (c.buffered_bytes, c.position) = (250, None), false),
    ];
    let tps = partitions();
    for (what, change, expected) in table {
        let mut candidates = [ready(&tps[0]), ready(&tps[1])];
        change(&mut candidates[1]);
        let FetchPlan::Fetch { hurry, .. } = plan(&candidates, &LIMITS, 10_000, true, 0) else {
            panic!("{what}");
        };
        assert_eq!(hurry, expected, "{what}");
    }
}
