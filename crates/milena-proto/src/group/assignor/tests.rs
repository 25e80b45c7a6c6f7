//! Held against what Java's own classes answered: `testdata/assignors`, written by kafka-clients 4.3.1.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::group::consumer_protocol::Assignment;

const RANGE: &str = include_str!("../../../../../testdata/assignors/range.jsonl");
const ROUND_ROBIN: &str = include_str!("../../../../../testdata/assignors/roundrobin.jsonl");
const STICKY: &str = include_str!("../../../../../testdata/assignors/sticky.jsonl");
const COOPERATIVE_STICKY: &str = include_str!("../../../../../testdata/assignors/cooperative-sticky.jsonl");

#[test]
fn range_is_javas() {
    assert_eq!(check_golden(AssignorKind::Range, RANGE), 200);
}

#[test]
fn round_robin_is_javas() {
    assert_eq!(check_golden(AssignorKind::RoundRobin, ROUND_ROBIN), 60);
}

#[test]
fn sticky_is_javas() {
    assert_eq!(check_golden(AssignorKind::Sticky, STICKY), 59);
}

#[test]
fn cooperative_sticky_is_javas() {
    assert_eq!(check_golden(AssignorKind::CooperativeSticky, COOPERATIVE_STICKY), 280);
}

/// Says how many rebalances were compared.
fn check_golden(kind: AssignorKind, golden: &str) -> usize {
    golden.lines().inspect(|line| check_rebalance(kind, &serde_json::from_str(line).unwrap())).count()
}

fn check_rebalance(kind: AssignorKind, line: &Value) {
    let counts = object(&line["topics"]);
    let counts = counts.map(|(topic, count)| (topic.into(), int(count))).collect();
    let members: Vec<Member> = array(&line["members"]).map(member).collect();
    let at = format!("{kind} {}.{}", line["group"], line["round"]);

    let assigned = kind.assign(&counts, &members);

    let expected: BTreeMap<&str, Vec<TopicPartition>> =
        object(&line["assigned"]).map(|(member, listed)| (member, partitions(listed))).collect();
    let listed: BTreeMap<&str, Vec<TopicPartition>> =
        assigned.iter().map(|(member, assigned)| (&**member, in_order_of_topics(assigned))).collect();
    assert_eq!(listed, expected, "{at}");
    for (member_id, bytes) in line["hex"].as_object().into_iter().flatten() {
        let assignment = Assignment { partitions: assigned[member_id].clone(), user_data: None };
        assert_eq!(hex(&assignment.encode(3)), bytes.as_str().unwrap(), "{at} {member_id}");
    }
}

fn member(json: &Value) -> Member {
    let text = |field: &str| json[field].as_str().map(str::to_owned);
    let subscription = Subscription {
        topics: array(&json["topics"]).map(|topic| topic.as_str().unwrap().into()).collect(),
        user_data: text("user_data").map(|hex| unhex(&hex)),
        owned_partitions: if json["owned"].is_null() { Vec::new() } else { partitions(&json["owned"]) },
        generation: json["generation"].as_i64().filter(|generation| *generation >= 0).map(generation),
        rack: text("rack"),
    };
    if let Some(bytes) = text("hex") {
        let version = json["version"].as_i64().unwrap_or(3);
        assert_eq!(hex(&subscription.encode(i16::try_from(version).unwrap())), bytes);
        assert_eq!(Subscription::decode(unhex(&bytes)).unwrap(), subscription);
    }
    Member { member_id: text("id").unwrap(), group_instance_id: text("instance"), subscription }
}

fn partitions(topics: &Value) -> Vec<TopicPartition> {
    let of = |(topic, numbers): (&str, &Value)| {
        let topic: TopicName = topic.into();
        array(numbers).map(move |number| TopicPartition::new(topic.clone(), int(number))).collect::<Vec<_>>()
    };
    object(topics).flat_map(of).collect()
}

/// The golden files group an assignment by topic.
fn in_order_of_topics(partitions: &[TopicPartition]) -> Vec<TopicPartition> {
    let mut seen = BTreeSet::new();
    let topics: Vec<_> = partitions.iter().map(|p| &p.topic).filter(|topic| seen.insert(*topic)).collect();
    topics.iter().flat_map(|topic| partitions.iter().filter(move |p| p.topic == **topic).cloned()).collect()
}

fn array(json: &Value) -> impl Iterator<Item = &Value> {
    json.as_array().unwrap().iter()
}

fn object(json: &Value) -> impl Iterator<Item = (&str, &Value)> {
    json.as_object().unwrap().iter().map(|(key, value)| (key.as_str(), value))
}

fn int(json: &Value) -> i32 {
    i32::try_from(json.as_i64().unwrap()).unwrap()
}

fn generation(generation: i64) -> Generation {
    Generation(i32::try_from(generation).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(hex: &str) -> Bytes {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
