//! For each invariant a bad history that it, and it alone, rejects, beside a good one that none does.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use client::TopicPartition;
use source::{MoveCause, Reset};

use super::{Bounds, all};
use crate::fact::{Fact, Log, Timed};
use crate::timeline::{Change, Name};
use crate::verdict::judge;

fn at() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn a() -> Name {
    "a".into()
}

fn logs() -> BTreeMap<TopicPartition, Log> {
    let records = (0..4).map(|offset| (offset, format!("value {offset}").into_bytes())).collect();
    BTreeMap::from([(at(), Log { records, gone: BTreeMap::new(), cut: None })])
}

const SESSION: Duration = Duration::from_secs(6);

fn bounds() -> Bounds {
    Bounds {
        is_committed: true,
        is_classic: true,
        by_batches: true,
        session: SESSION,
        silence: SESSION,
        late_records: 0,
        beyond_budget: 0,
    }
}

fn share(of: &[TopicPartition]) -> BTreeSet<TopicPartition> {
    of.iter().cloned().collect()
}

fn joins() -> Vec<Fact> {
    let member = "a-1".to_owned();
    let shares = vec![(member.clone(), share(&[at()]))];
    vec![
        Fact::Joining { client: a(), member: member.clone(), owned: share(&[]) },
        Fact::Counted { client: a() },
        Fact::Joined { client: a(), generation: 1 },
        Fact::Shared { generation: 1, shares },
        Fact::Given { client: a(), member, generation: 1, partitions: share(&[at()]) },
        Fact::OffsetTold { client: a(), at: at(), committed: None },
    ]
}

fn given(offset: i64) -> Fact {
    let value = format!("value {offset}").into_bytes();
    Fact::Delivered { client: a(), serial: offset as u64, at: at(), offset, value }
}

fn acks(offset: u64) -> Fact {
    Fact::Acked { client: a(), serial: offset }
}

fn commits(offset: i64) -> Vec<Fact> {
    let (client, member) = (a(), "a-1".to_owned());
    vec![
        Fact::Commit { client: client.clone(), member, generation: 1, at: at(), offset },
        Fact::Stored { client, at: at(), offset },
    ]
}

/// All that is in the log is read, acknowledged and committed.
fn good() -> Vec<Fact> {
    let mut facts = joins();
    facts.extend((0..4).map(given));
    facts.extend((0..4).rev().map(acks));
    facts.extend(commits(4));
    facts.push(Fact::Committed { client: a(), at: at(), offset: 4 });
    facts.push(Fact::GaveUp { client: a(), partitions: share(&[at()]), is_drained: true });
    facts
}

/// As [`good`], before it is given up.
fn still_owns() -> Vec<Fact> {
    let mut facts = good();
    facts.pop();
    facts
}

#[track_caller]
fn rejects(wanted: &[&str], facts: Vec<Fact>) {
    rejects_at(wanted, facts.into_iter().map(|fact| (0, fact)).collect());
}

/// As [`rejects`], with the seconds at which facts are facts.
#[track_caller]
fn rejects_at(wanted: &[&str], facts: Vec<(u64, Fact)>) {
    let timed = |(seconds, fact)| Timed { at: Duration::from_secs(seconds), fact };
    let facts: Vec<_> = facts.into_iter().map(timed).collect();
    let found: Vec<_> =
        judge(&facts, &logs(), all(&bounds())).into_iter().map(|found| found.invariant).collect();
    assert_eq!(found, wanted);
}

fn found_in(facts: Vec<Fact>) -> Vec<(&'static str, String)> {
    let facts: Vec<_> = facts.into_iter().map(|fact| Timed { at: Duration::ZERO, fact }).collect();
    let found = judge(&facts, &logs(), all(&bounds())).into_iter();
    found.map(|found| (found.invariant, found.what)).collect()
}

/// The good history, with something else in the place of one of its facts.
fn instead(place: impl Fn(&Fact) -> bool, of: Vec<Fact>) -> Vec<Fact> {
    let mut facts = good();
    let found = facts.iter().position(place).unwrap();
    facts.splice(found..=found, of);
    facts
}

fn is_given(offset: i64) -> impl Fn(&Fact) -> bool {
    move |fact| matches!(fact, Fact::Delivered { offset: of, .. } if *of == offset)
}

#[test]
fn a_good_history_is_accepted() {
    rejects(&[], good());
}

#[test]
fn c1_rejects_a_gap() {
    let mut facts = joins();
    facts.extend([given(0), given(2), given(3)]);
    rejects(&["C1", "C5"], facts);
}

#[test]
fn c2_rejects_a_record_that_comes_again() {
    rejects(&["C2"], instead(is_given(2), vec![given(2), given(1), given(2)]));
}

#[test]
fn c3_rejects_another_beginning() {
    let told = |fact: &Fact| matches!(fact, Fact::OffsetTold { .. });
    let two = Fact::OffsetTold { client: a(), at: at(), committed: Some(2) };
    rejects(&["C3"], instead(told, vec![two]));
}

#[test]
fn c5_rejects_a_record_that_nobody_got() {
    rejects(&["C5"], joins().into_iter().chain((0..3).map(given)).collect());
}

#[test]
fn c6_rejects_a_hand_over_that_is_not_committed() {
    let mut facts = joins();
    facts.extend((0..4).map(given));
    facts.push(Fact::GaveUp { client: a(), partitions: share(&[at()]), is_drained: true });
    rejects(&["C6"], facts);
}

#[test]
fn c6_rejects_a_hand_over_before_its_time() {
    let within = Duration::from_secs(2);
    let giving_up = Fact::GivingUp { client: a(), partitions: share(&[at()]), within };
    let gave_up = |is_drained| Fact::GaveUp { client: a(), partitions: share(&[at()]), is_drained };
    let with = |seconds, is_drained| {
        let mut facts: Vec<_> = still_owns().into_iter().map(|fact| (0, fact)).collect();
        facts.extend([(0, giving_up.clone()), (seconds, gave_up(is_drained))]);
        facts
    };
    rejects_at(&["C6"], with(1, false));
    rejects_at(&[], with(2, false));
    rejects_at(&[], with(1, true));
}

#[test]
fn c7_rejects_a_record_of_a_paused_partition() {
    let paused = || Fact::Paused { client: a(), at: at() };
    rejects(&["C7"], instead(is_given(3), vec![paused(), given(3)]));
    let resuming = Fact::Resuming { client: a() };
    rejects(&[], instead(is_given(3), vec![paused(), resuming, given(3)]));
}

#[test]
fn c7_rejects_a_record_after_the_next_join() {
    let rejoins = Fact::Joining { client: a(), member: "a-1".to_owned(), owned: share(&[]) };
    rejects(&["C7", "C8"], instead(is_given(3), vec![rejoins, given(3)]));
}

#[test]
fn c7_rejects_a_record_after_the_partition_is_lost() {
    let lost = Fact::Lost { client: a(), partitions: share(&[at()]) };
    let facts = joins().into_iter().chain((0..3).map(given)).map(|fact| (0, fact));
    let after = [Fact::Refused { client: a(), error: 25 }, lost, given(3)];
    rejects_at(&["C7"], facts.chain(after.map(|fact| (1, fact))).collect());
}

#[test]
fn c8_rejects_a_commit_of_what_was_given_back() {
    let mut facts = good();
    facts.extend(commits(4));
    rejects(&["C8"], facts);
}

#[test]
fn c8_rejects_a_commit_in_a_generation_that_the_member_is_not_in() {
    let mut facts = good();
    let member = "a-1".to_owned();
    facts.insert(7, Fact::Commit { client: a(), member, generation: 2, at: at(), offset: 0 });
    rejects(&["C8"], facts);
}

#[test]
fn c8_rejects_a_commit_of_what_is_anothers() {
    let mut facts = good();
    facts.push(Fact::Joined { client: a(), generation: 2 });
    let shares = vec![("b-1".to_owned(), share(&[at()])), ("a-1".to_owned(), share(&[]))];
    facts.push(Fact::Shared { generation: 2, shares });
    let member = "a-1".to_owned();
    facts.push(Fact::Commit { client: a(), member, generation: 2, at: at(), offset: 4 });
    rejects(&["C8"], facts);
}

#[test]
fn c9_rejects_a_commit_over_a_record_in_hand() {
    let mut facts = joins();
    facts.extend((0..4).map(given));
    facts.extend([acks(0), acks(1), acks(3)]);
    facts.extend(commits(4));
    rejects(&["C9"], facts);
}

#[test]
fn c10_rejects_a_step_back_that_nobody_sought() {
    let mut facts = still_owns();
    facts.extend(commits(2));
    rejects(&["C10"], facts);
    let mut facts = still_owns();
    facts.push(Fact::Seeking { client: a(), at: at(), to: 1 });
    facts.push(Fact::Sought { client: a(), at: at(), to: 1, is_done: true });
    facts.extend([given(1), acks(1)]);
    facts.extend(commits(2));
    rejects(&[], facts);
}

#[test]
fn c11_rejects_a_commit_that_was_not_stored() {
    let mut facts = good();
    facts.push(Fact::Committed { client: a(), at: at(), offset: 3 });
    rejects(&["C11"], facts);
}

#[test]
fn c13_rejects_two_owners() {
    let shares = vec![("a-1".to_owned(), share(&[at()])), ("b-1".to_owned(), share(&[at()]))];
    let mut facts = good();
    facts.push(Fact::Shared { generation: 2, shares });
    rejects(&["C13"], facts);
}

#[test]
fn c12_rejects_a_fetch_of_what_is_committed() {
    let mut facts = still_owns();
    facts.push(Fact::Asked { client: a(), at: at(), offset: 3 });
    rejects(&["C12"], facts);
}

#[test]
fn c13_rejects_a_record_after_a_silence() {
    let facts = good().into_iter().map(|fact| match fact {
        Fact::Delivered { offset: 3, .. } => (7, fact),
        fact => (0, fact),
    });
    rejects_at(&["C13"], facts.collect());
}

#[test]
fn c14_rejects_a_record_of_an_open_transaction() {
    let mut facts = good();
    facts.insert(0, Fact::Changed { at: at(), change: Change::Opened(2) });
    rejects(&["C14"], facts);
    let mut facts = good();
    facts.insert(0, Fact::Changed { at: at(), change: Change::Opened(2) });
    facts.insert(1, Fact::Changed { at: at(), change: Change::Ended(2) });
    rejects(&[], facts);
}

fn moves(cause: MoveCause, from: i64, to: i64, lost: Option<Range<i64>>) -> Fact {
    Fact::Moved { client: a(), at: at(), cause, from: Some(from), to, lost }
}

#[test]
fn c16_rejects_moves_without_a_reason_and_losses_that_are_not_told() {
    for (moved, is_cut) in [
        (moves(MoveCause::Truncated, 2, 0, None), false),
        (moves(MoveCause::OutOfRangeBelow, 2, 4, Some(2..4)), false),
        (moves(MoveCause::OutOfRangeBelow, 2, 4, None), true),
        (moves(MoveCause::Reset(Reset::Earliest), 2, 3, Some(2..3)), true),
        (moves(MoveCause::TopicRecreated, 2, 0, None), false),
    ] {
        let mut facts = joins();
        if is_cut {
            facts.push(Fact::Changed { at: at(), change: Change::Truncated(9) });
        }
        facts.push(given(0));
        facts.push(moved.clone());
        let found = found_in(facts);
        assert_eq!(found.first().map(|found| found.0), Some("C16"), "{moved:?}: {found:?}");
    }
}

#[test]
fn c19_rejects_a_loss_without_a_reason() {
    let lost = || Fact::Lost { client: a(), partitions: share(&[at()]) };
    let mut facts = good();
    facts.push(lost());
    rejects(&["C19"], facts);
    let mut facts = good();
    facts.extend([Fact::Refused { client: a(), error: 25 }, lost()]);
    rejects(&[], facts);
}

#[test]
fn c15_rejects_other_bytes() {
    let other =
        Fact::Delivered { client: a(), serial: 2, at: at(), offset: 2, value: b"something else".to_vec() };
    rejects(&["C15", "C5"], instead(is_given(2), vec![other]));
}

#[test]
fn c18_rejects_a_start_without_an_answer() {
    rejects(&["C13", "C18", "C5"], vec![given(0), given(1)]);
}

#[test]
fn c20_rejects_requests_without_end() {
    let mut facts = good();
    let asks = Fact::Request { client: a(), broker: 1, api: "Fetch".to_owned() };
    facts.extend(std::iter::repeat_n(asks, 1001));
    rejects(&["C20"], facts);
}

#[test]
fn c22_rejects_more_than_the_budget() {
    let mut facts = good();
    facts.push(Fact::Held { client: a(), used: (1 << 20) + 1, budget: 1 << 20 });
    rejects(&["C22"], facts);
}

#[test]
fn p1_rejects_a_record_that_is_not_there() {
    let mut facts = good();
    facts.push(Fact::Produced { at: at(), offset: 9, value: b"lost".to_vec() });
    rejects(&["P1"], facts);
}
