//! The assignors.

use std::collections::BTreeMap;

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::{Candidate, range, uniform};

const T: Uuid = Uuid::from_u128(1);
const U: Uuid = Uuid::from_u128(2);

fn candidate(id: &str, topics: &[Uuid], current: &[(Uuid, i32)]) -> Candidate {
    Candidate {
        id: StrBytes::from_string(id.to_owned()),
        instance: None,
        topics: topics.iter().copied().collect(),
        current: current.iter().copied().collect(),
    }
}

fn sizes(of: &[(Uuid, i32)]) -> BTreeMap<Uuid, i32> {
    of.iter().copied().collect()
}

fn of(assigned: &BTreeMap<StrBytes, super::super::Target>, id: &str) -> Vec<(Uuid, i32)> {
    assigned.get(&StrBytes::from_string(id.to_owned())).into_iter().flatten().copied().collect()
}

#[test]
fn uniform_gives_everybody_the_same_number_and_moves_as_little_as_that_takes() {
    let members =
        [candidate("a", &[T], &[(T, 0), (T, 1), (T, 2), (T, 3), (T, 4)]), candidate("b", &[T], &[])];
    let assigned = uniform(&members, &sizes(&[(T, 5)]));
    assert_eq!(of(&assigned, "a"), [(T, 0), (T, 1), (T, 2)]);
    assert_eq!(of(&assigned, "b"), [(T, 3), (T, 4)]);
    let again = [candidate("a", &[T], &of(&assigned, "a")), candidate("b", &[T], &of(&assigned, "b"))];
    assert_eq!(uniform(&again, &sizes(&[(T, 5)])), assigned);
}

#[test]
fn uniform_forgets_topics_that_are_gone() {
    let members = [candidate("a", &[U], &[(T, 0), (U, 0)])];
    assert_eq!(of(&uniform(&members, &sizes(&[(U, 2)])), "a"), [(U, 0), (U, 1)]);
}

#[test]
fn uniform_balances_as_far_as_subscriptions_allow() {
    let members = [candidate("a", &[T, U], &[]), candidate("b", &[U], &[]), candidate("c", &[U], &[])];
    let assigned = uniform(&members, &sizes(&[(T, 3), (U, 3)]));
    assert_eq!(of(&assigned, "a"), [(T, 0), (T, 1), (T, 2)], "nobody else wants T");
    let (b, c) = (of(&assigned, "b").len(), of(&assigned, "c").len());
    assert_eq!((b + c, b.abs_diff(c)), (3, 1));
}

#[test]
fn range_gives_topics_of_one_size_alike_and_the_first_ones_get_more() {
    let members = [candidate("b", &[T, U], &[]), candidate("a", &[T, U], &[])];
    let assigned = range(&members, &sizes(&[(T, 3), (U, 3)]));
    assert_eq!(of(&assigned, "a"), [(T, 0), (T, 1), (U, 0), (U, 1)]);
    assert_eq!(of(&assigned, "b"), [(T, 2), (U, 2)]);
}

#[test]
fn range_sorts_by_instance_id_so_that_a_new_member_id_moves_nothing() {
    let with = |id: &str, instance: &str| Candidate {
        instance: Some(StrBytes::from_string(instance.to_owned())),
        ..candidate(id, &[T], &[])
    };
    let assigned = range(&[with("z", "1"), with("a", "2")], &sizes(&[(T, 2)]));
    assert_eq!(of(&assigned, "z"), [(T, 0)]);
}
