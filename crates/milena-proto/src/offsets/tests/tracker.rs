//! Acks in any order, and how far they let commits go.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::script::{TOPIC, partition};
use crate::assignments::{Assignments, FenceReason};
use crate::offsets::{Ack, AckRange, Outstanding, RANGES_MAX, Tracker, Undeliverable};
use crate::types::{Generation, LeaderEpoch};

fn tracker(position: i64) -> (Assignments, Tracker) {
    let mut assignments = Assignments::new();
    let stamp = assignments.assign(partition(0), TOPIC, Generation(1));
    (assignments, Tracker::new(stamp, position))
}

/// Delivers `first..end` with a leader epoch.
fn deliver(tracker: &Tracker, first: i64, end: i64, epoch: i32) -> AckRange {
    let records = u32::try_from(end - first).unwrap_or(u32::MAX);
    tracker.deliver(first..=end - 1, records, Some(LeaderEpoch(epoch))).expect("it may be delivered")
}

/// (offset, leader epoch).
fn committable(tracker: &Tracker) -> Option<(i64, i32)> {
    tracker.committable().map(|it| (it.offset, it.leader_epoch.map_or(-1, |epoch| epoch.0)))
}

#[test]
fn what_is_not_finished_holds_all_after_it() {
    let (_assignments, tracker) = tracker(10);
    let range = deliver(&tracker, 10, 15, 1);
    assert_eq!(committable(&tracker), None);
    for offset in [14, 11, 12] {
        assert_eq!(range.ack(offset), Ack::Accepted);
        assert_eq!(committable(&tracker), None);
    }
    assert_eq!(range.ack(10), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((13, 1)));
    assert_eq!(tracker.oldest_unacked(), Some(13));
    assert_eq!(tracker.outstanding(), Outstanding { ranges: 1, offsets: 1, oldest: Some(13) });
    assert_eq!(range.ack(13), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((15, 1)));
    assert!(tracker.is_drained());
}

#[test]
fn a_whole_batch_is_one_ack() {
    let (_assignments, tracker) = tracker(0);
    let (one, two) = (deliver(&tracker, 0, 5, 1), deliver(&tracker, 5, 9, 2));
    assert_eq!(two.ack_all(), Ack::Accepted);
    assert_eq!(committable(&tracker), None);
    assert_eq!(one.ack(0), Ack::Accepted);
    assert_eq!(one.ack_all(), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((9, 2)));
}

#[test]
fn acking_twice_is_harmless_and_told() {
    let (_assignments, tracker) = tracker(0);
    let range = deliver(&tracker, 0, 5, 1);
    assert_eq!((range.ack(1), range.ack(1)), (Ack::Accepted, Ack::Duplicate));
    assert_eq!((range.ack_range(1..3), range.ack_range(1..3)), (Ack::Accepted, Ack::Duplicate));
    assert_eq!((range.ack_all(), range.ack_all()), (Ack::Accepted, Ack::Duplicate));
    assert_eq!(range.ack(4), Ack::Duplicate);
    assert_eq!(committable(&tracker), Some((5, 1)));
    // Also when the tracker has forgotten the range.
    assert_eq!((range.ack(0), range.ack_all()), (Ack::Duplicate, Ack::Duplicate));
    assert_eq!(committable(&tracker), Some((5, 1)));
}

#[test]
fn an_offset_of_another_range_is_told() {
    let (_assignments, tracker) = tracker(5);
    let range = deliver(&tracker, 5, 9, 1);
    for foreign in [4, 9, -1, i64::MIN, i64::MAX] {
        assert_eq!(range.ack(foreign), Ack::Foreign, "{foreign}");
    }
    assert_eq!(range.ack_range(0..5), Ack::Foreign);
    assert_eq!(range.ack_range(7..7), Ack::Foreign);
    assert_eq!(range.ack_range(0..6), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((6, 1)));
}

#[test]
fn an_ack_of_an_epoch_that_ended_says_why_and_does_not_count() {
    let (mut assignments, tracker) = tracker(0);
    let range = deliver(&tracker, 0, 5, 1);
    assert_eq!(range.ack(0), Ack::Accepted);
    assignments.lose(&partition(0));
    let fenced = Ack::Fenced(FenceReason::Lost);
    assert_eq!((range.ack(1), range.ack_range(1..3), range.ack_all()), (fenced, fenced, fenced));
    assert_eq!(committable(&tracker), Some((1, 1)));
}

#[test]
fn gaps_inside_a_batch_do_not_hold_it() {
    let (_assignments, tracker) = tracker(0);
    // Compaction left 2 and 5 of 0..9.
    let range = tracker.deliver(0..=8, 2, Some(LeaderEpoch(1))).expect("it may be delivered");
    range.skip(0..2);
    assert_eq!(committable(&tracker), Some((2, 1)), "and may be passed before anything is acknowledged");
    assert_eq!(range.ack(2), Ack::Accepted);
    range.skip(3..5);
    assert_eq!(range.ack(5), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((6, 1)), "the deliverer has not seen the end of the batch");
    range.skip(6..9);
    assert_eq!(committable(&tracker), Some((9, 1)));
}

#[test]
fn a_batch_with_nothing_in_it_advances_by_itself() {
    let (_assignments, tracker) = tracker(0);
    tracker.advance_to(3, Some(LeaderEpoch(4)));
    assert_eq!(committable(&tracker), Some((3, 4)));
    assert_eq!(tracker.position(), 3);
    tracker.advance_to(2, Some(LeaderEpoch(9)));
    tracker.advance_to(-1, None);
    assert_eq!(committable(&tracker), Some((3, 4)), "going back is no progress");
}

/// A reader at the end with everything finished has committed its position: lag is 0 there, control records or not.
#[test]
fn trailing_control_records_are_committed_with_their_own_leader_epoch() {
    let (_assignments, tracker) = tracker(0);
    let range = deliver(&tracker, 0, 5, 1);
    tracker.advance_to(6, Some(LeaderEpoch(2)));
    tracker.advance_to(7, Some(LeaderEpoch(3)));
    assert_eq!(committable(&tracker), None);
    assert_eq!(range.ack_all(), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((7, 3)));
    assert_eq!(tracker.position(), 7);
}

/// KIP-320: committing (9, epoch 1) while epoch 1 ended at 5 would look like a truncation to who resumes there.
#[test]
fn a_gap_between_batches_is_passed_only_with_the_epoch_of_what_follows() {
    let (_assignments, tracker) = tracker(0);
    let before = deliver(&tracker, 0, 5, 1);
    let after = deliver(&tracker, 9, 12, 4);
    assert_eq!(before.ack_all(), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((5, 1)));
    assert_eq!(after.ack(9), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((10, 4)));
}

#[test]
fn what_was_abandoned_holds_commits_but_no_drain() {
    let (_assignments, tracker) = tracker(0);
    let range = deliver(&tracker, 0, 10, 1);
    assert_eq!(range.ack_range(0..3), Ack::Accepted);
    range.abandon(4);
    assert_eq!(tracker.outstanding(), Outstanding { ranges: 1, offsets: 1, oldest: Some(3) });
    assert!(!tracker.is_drained());
    assert_eq!(range.ack(3), Ack::Accepted);
    assert!(tracker.is_drained());
    assert_eq!(tracker.oldest_unacked(), None);
    assert_eq!(committable(&tracker), Some((4, 1)));
    // Nobody got 4 to 9, so not even this lets a commit pass them.
    assert_eq!(range.ack_all(), Ack::Accepted);
    assert_eq!(deliver(&tracker, 10, 20, 1).ack_all(), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((4, 1)));
}

#[test]
fn nothing_is_delivered_while_draining_or_after() {
    let (mut assignments, tracker) = tracker(0);
    let range = deliver(&tracker, 0, 5, 1);
    assignments.begin_revoke(&partition(0));
    let refused = tracker.deliver(5..=9, 5, None).map(|_| ());
    assert_eq!(refused, Err(Undeliverable::Draining));
    assert_eq!(range.ack_all(), Ack::Accepted);
    // A control batch behind the refused one: to pass it would be to commit what nobody got.
    tracker.advance_to(11, Some(LeaderEpoch(1)));
    assert_eq!(committable(&tracker), Some((5, 1)));
    assignments.revoke(&partition(0));
    let refused = tracker.deliver(5..=9, 5, None).map(|_| ());
    assert_eq!(refused, Err(Undeliverable::Fenced(FenceReason::Revoked)));
}

#[test]
fn what_was_delivered_before_is_not_delivered_again() {
    let (_assignments, tracker) = tracker(10);
    // The batch begins before the fetch offset (compression, KIP-74).
    let range = deliver(&tracker, 5, 15, 1);
    assert_eq!(range.offsets(), 10..15);
    assert!(deliver(&tracker, 5, 15, 1).offsets().is_empty());
    assert_eq!(tracker.position(), 15);
    assert_eq!(tracker.outstanding().ranges, 1);
}

#[test]
fn hostile_offsets_neither_panic_nor_allocate() {
    for (first, last) in
        [(i64::MIN, i64::MAX), (0, i64::MAX), (-5, -1), (7, 3), (i64::MAX, i64::MAX), (0, 1 << 31)]
    {
        let (_assignments, tracker) = tracker(0);
        let range = tracker.deliver(first..=last, u32::MAX, None).expect("it may be delivered");
        let inside = range.offsets().start;
        let _ = range.ack(inside);
        let _ = range.ack_range(first..last);
        range.skip(i64::MIN..i64::MAX);
        range.abandon(i64::MIN);
        let _ = (committable(&tracker), tracker.outstanding(), tracker.position());
    }
    let (_assignments, tracker) = tracker(0);
    let range = tracker.deliver(0..=1 << 31, 1, None).expect("it may be delivered");
    assert_eq!(range.ack(0), Ack::Accepted);
    range.skip(1..1 << 31);
    assert_eq!(range.ack(1 << 31), Ack::Accepted);
    assert_eq!(committable(&tracker), Some(((1 << 31) + 1, -1)));
}

#[test]
fn one_record_that_nobody_acknowledges_does_not_keep_all_after_it() {
    let (_assignments, tracker) = tracker(0);
    let stuck = deliver(&tracker, 0, 1, 1);
    let many = RANGES_MAX as i64 * 2;
    for offset in 1..many {
        // Would be refused as `Full` if finished ranges stayed.
        assert_eq!(deliver(&tracker, offset, offset + 1, 1).ack(offset), Ack::Accepted);
    }
    assert_eq!(committable(&tracker), None);
    assert_eq!(stuck.ack(0), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((many, 1)));
}

#[test]
fn what_is_swept_is_not_forgotten() {
    let (_assignments, tracker) = tracker(0);
    let stuck = deliver(&tracker, 0, 1, 1);
    for offset in 1..64 {
        assert_eq!(deliver(&tracker, offset, offset + 1, 2).ack(offset), Ack::Accepted);
    }
    // Sweeps.
    let last = deliver(&tracker, 64, 65, 3);
    assert_eq!(tracker.outstanding(), Outstanding { ranges: 2, offsets: 2, oldest: Some(0) });
    assert_eq!(stuck.ack(0), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((64, 2)));
    assert_eq!(last.ack(64), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((65, 3)));
}

#[test]
fn giving_back_what_was_acknowledged_takes_nothing_back() {
    let (_assignments, tracker) = tracker(0);
    let range = deliver(&tracker, 0, 10, 1);
    assert_eq!(range.ack_range(0..5), Ack::Accepted);
    assert_eq!(committable(&tracker), Some((5, 1)));
    range.abandon(2);
    assert_eq!(committable(&tracker), Some((5, 1)));
}

#[test]
fn an_application_that_acknowledges_nothing_is_given_no_more() {
    let (_assignments, tracker) = tracker(0);
    let first = deliver(&tracker, 0, 1, 1);
    let many = RANGES_MAX as i64;
    for offset in 1..many {
        deliver(&tracker, offset, offset + 1, 1);
    }
    assert_eq!(tracker.deliver(many..=many, 1, None).map(|_| ()), Err(Undeliverable::Full));
    assert_eq!(tracker.position(), many, "nothing is lost");
    assert_eq!(first.ack(0), Ack::Accepted);
    // What was refused comes first; the gap is none that compaction made.
    assert_eq!(tracker.deliver(many + 1..=many + 1, 1, None).map(|_| ()), Err(Undeliverable::Full));
    tracker.advance_to(many + 2, None);
    assert_eq!(tracker.position(), many);
    assert!(tracker.deliver(many..=many, 1, None).is_ok());
    tracker.advance_to(many + 2, None);
    assert_eq!(tracker.position(), many + 2);
}

#[test]
fn acks_of_many_threads_all_count() {
    let (_assignments, tracker) = tracker(0);
    let ranges: Vec<AckRange> = (0..100).map(|n| deliver(&tracker, n * 100, (n + 1) * 100, 1)).collect();
    std::thread::scope(|scope| {
        for part in 0..4 {
            let ranges = &ranges;
            scope.spawn(move || {
                for offset in (0..10_000).filter(|offset| offset % 4 == part) {
                    assert_eq!(ranges[(offset / 100) as usize].ack(offset), Ack::Accepted);
                }
            });
        }
        let mut last = 0;
        while last < 10_000 {
            let next = committable(&tracker).map_or(0, |(offset, _)| offset);
            assert!(next >= last);
            last = next;
            std::thread::yield_now();
        }
    });
    assert!(tracker.is_drained());
}

#[derive(Clone, Debug)]
enum Op {
    Deliver { gap: i64, len: i64, records: u32, epoch: i32 },
    Advance { by: i64, epoch: i32 },
    Ack { range: prop::sample::Index, at: prop::sample::Index },
    AckSome { range: prop::sample::Index, from: prop::sample::Index, count: i64, skip: bool },
    AckAll { range: prop::sample::Index },
    Abandon { range: prop::sample::Index, at: prop::sample::Index },
}

fn op() -> impl Strategy<Value = Op> {
    use prop::sample::Index;
    let len = prop_oneof![8 => 1i64..8, 8 => 1i64..60, 1 => 1000i64..1200];
    prop_oneof![
        4 => (prop_oneof![Just(0i64), 0i64..5], len, prop_oneof![Just(1u32), Just(5000)], 0..9)
            .prop_map(|(gap, len, records, epoch)| Op::Deliver { gap, len, records, epoch }),
        2 => (0i64..4, 0..9).prop_map(|(by, epoch)| Op::Advance { by, epoch }),
        8 => any::<(Index, Index)>().prop_map(|(range, at)| Op::Ack { range, at }),
        4 => (any::<(Index, Index, bool)>(), 0i64..200)
            .prop_map(|((range, from, skip), count)| Op::AckSome { range, from, count, skip }),
        4 => any::<Index>().prop_map(|range| Op::AckAll { range }),
        1 => any::<(Index, Index)>().prop_map(|(range, at)| Op::Abandon { range, at }),
    ]
}

/// What a tracker should say, in the plainest way.
#[derive(Default)]
struct Naive {
    batches: Vec<NaiveBatch>,
    /// What was passed over before the first.
    start: (i64, i32),
}

/// The range, what of it is finished, the first abandoned offset, and (offset, leader epoch) once all of it is finished.
type NaiveBatch = (AckRange, BTreeSet<i64>, i64, (i64, i32));

impl Naive {
    fn committable(&self) -> (i64, i32) {
        let mut mark = self.start;
        for (range, finished, cut, after) in &self.batches {
            let first_open = range.offsets().find(|offset| *offset >= *cut || !finished.contains(offset));
            match first_open {
                None => mark = *after,
                Some(open) if open > range.offsets().start => {
                    return (open, range.leader_epoch().map_or(-1, |epoch| epoch.0));
                }
                Some(_) => return mark,
            }
        }
        mark
    }

    fn outstanding(&self) -> Outstanding {
        let mut outstanding = Outstanding::default();
        for (range, finished, cut, _) in &self.batches {
            let open: Vec<i64> =
                range.offsets().filter(|offset| offset < cut && !finished.contains(offset)).collect();
            outstanding.ranges += usize::from(!open.is_empty());
            outstanding.offsets += open.len() as u64;
            outstanding.oldest = outstanding.oldest.or(open.first().copied());
        }
        outstanding
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_tracker_agrees_with_the_naive_one(ops in prop::collection::vec(op(), 1..80)) {
        let (_assignments, tracker) = tracker(0);
        let mut naive = Naive { start: (0, -1), ..Naive::default() };
        let mut last = 0;
        for op in ops {
            match op {
                Op::Deliver { gap, len, records, epoch } => {
                    let first = tracker.position() + gap;
                    let range = tracker.deliver(first..=first + len - 1, records, Some(LeaderEpoch(epoch))).expect("ours");
                    naive.batches.push((range, BTreeSet::new(), i64::MAX, (first + len, epoch)));
                }
                Op::Advance { by, epoch } => {
                    let next = tracker.position() + by;
                    tracker.advance_to(next, Some(LeaderEpoch(epoch)));
                    if by > 0 {
                        let after = naive.batches.last_mut().map_or(&mut naive.start, |(.., after)| after);
                        *after = (next, epoch);
                    }
                }
                _ if naive.batches.is_empty() => {}
                Op::Ack { range, at } => {
                    let index = range.index(naive.batches.len());
                    let (range, finished, ..) = &mut naive.batches[index];
                    let offset = range.offsets().start + at.index(range.offsets().count()) as i64;
                    let expected = if finished.insert(offset) { Ack::Accepted } else { Ack::Duplicate };
                    prop_assert_eq!(range.ack(offset), expected);
                }
                Op::AckSome { range, from, count, skip } => {
                    let index = range.index(naive.batches.len());
                    let (range, finished, ..) = &mut naive.batches[index];
                    let from = range.offsets().start + from.index(range.offsets().count()) as i64;
                    finished.extend((from..from + count).filter(|offset| range.offsets().contains(offset)));
                    if skip {
                        range.skip(from..from + count);
                    } else {
                        let _ = range.ack_range(from..from + count);
                    }
                }
                Op::AckAll { range } => {
                    let index = range.index(naive.batches.len());
                    let (range, finished, ..) = &mut naive.batches[index];
                    let _ = range.ack_all();
                    finished.extend(range.offsets());
                }
                Op::Abandon { range, at } => {
                    // Only what was not acknowledged can be given back.
                    let index = range.index(naive.batches.len());
                    let (range, finished, cut, _) = &mut naive.batches[index];
                    let offset = range.offsets().start + at.index(range.offsets().count()) as i64;
                    if finished.range(offset..).next().is_none() {
                        range.abandon(offset);
                        *cut = (*cut).min(offset);
                    }
                }
            }
            let (offset, epoch) = naive.committable();
            prop_assert_eq!(committable(&tracker), (offset > 0).then_some((offset, epoch)));
            prop_assert!(offset >= last, "{} after {}", offset, last);
            last = offset;
            let outstanding = naive.outstanding();
            prop_assert_eq!(tracker.outstanding(), outstanding);
            prop_assert_eq!(tracker.is_drained(), outstanding.ranges == 0);
            prop_assert_eq!(tracker.oldest_unacked(), outstanding.oldest);
        }
    }
}
