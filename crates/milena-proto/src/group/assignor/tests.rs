//! Held against what Java's own classes answered: `testdata/assignors`, written by kafka-clients 4.3.1.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::group::consumer_protocol::Assignment;

const RANGE: &str = include_str!("../../../../../testdata/assignors/range.jsonl");
const ROUND_ROBIN: &str = include_str!("../../../../../testdata/assignors/roundrobin.jsonl");
const STICKY: &str = include_str!("../../../../../testdata/assignors/sticky.jsonl");
const COOPERATIVE_STICKY: &str = include_str!("../../../../../testdata/assignors/cooperative-sticky.jsonl");
const RANGE_RACKS: &str = include_str!("../../../../../testdata/assignors/range-racks.jsonl");
const COOPERATIVE_STICKY_RACKS: &str =
    include_str!("../../../../../testdata/assignors/cooperative-sticky-racks.jsonl");
const HARD: &str = include_str!("../../../../../testdata/assignors/hard.jsonl");

#[test]
fn range_is_javas() {
    assert_eq!(check_golden(AssignorKind::Range, RANGE), 200);
}

#[test]
fn range_with_racks_is_javas() {
    assert_eq!(check_golden(AssignorKind::Range, RANGE_RACKS), 40);
}

#[test]
fn cooperative_sticky_with_racks_is_javas() {
    assert_eq!(check_golden(AssignorKind::CooperativeSticky, COOPERATIVE_STICKY_RACKS), 51);
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
    assert_eq!(check_golden(AssignorKind::CooperativeSticky, COOPERATIVE_STICKY), 278);
}

#[test]
fn what_sticky_members_tell_the_leader_is_javas() {
    assert_eq!(check_user_data(AssignorKind::Sticky, STICKY), 99);
    assert_eq!(check_user_data(AssignorKind::CooperativeSticky, COOPERATIVE_STICKY), 430);
}

/// Two topics that share a bucket: `computeIfAbsent` puts the later one first.
#[test]
fn sticky_user_data_lists_topics_that_share_a_bucket_backwards() {
    let assigned =
        [TopicPartition::new("A_0z", 0), TopicPartition::new("topic-19", 0), TopicPartition::new("b", 1)];
    let told = AssignorKind::Sticky.user_data(Some((Generation(3), &assigned))).unwrap();
    let text = String::from_utf8_lossy(&told);
    let place = |topic: &str| text.find(topic).unwrap();
    assert!(place("b") < place("topic-19") && place("topic-19") < place("A_0z"), "{text:?}");
}

/// What a round assigned is what the next one's user data is made of.
fn check_user_data(kind: AssignorKind, golden: &str) -> usize {
    let mut compared = 0;
    let mut before = Value::Null;
    for line in golden.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for member in array(&line["members"]) {
            let Some(user_data) = member["user_data"].as_str() else { continue };
            let last = &before["assigned"][member["id"].as_str().unwrap()];
            if before["group"] != line["group"] || last.is_null() {
                continue;
            }
            // As `AssignorVectors.java` numbers them.
            let number = int(&line["group"]) % 3 * 1000 + int(&line["round"]);
            let told = kind.user_data(Some((Generation(number), &partitions(last))));
            assert_eq!(hex(&told.unwrap()), user_data, "{kind} {}.{}", line["group"], line["round"]);
            compared += 1;
        }
        before = line;
    }
    compared
}

/// Cases that one branch of the sticky algorithm decides, and that small groups do not meet.
#[test]
fn hard_cases_are_javas() {
    let cases = HARD.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let compared = cases.filter(|line| {
        check_rebalance(AssignorKind::from_name(line["assignor"].as_str().unwrap()).unwrap(), line)
    });
    assert_eq!(compared.count(), 19);
}

/// To be near is no reason to have two more than somebody else.
#[test]
fn balance_goes_before_racks() {
    let member = |(member_id, rack): (&str, &str)| Member {
        member_id: member_id.to_owned(),
        group_instance_id: None,
        subscription: Subscription {
            topics: vec!["t".into()],
            rack: Some(rack.to_owned()),
            ..Subscription::default()
        },
    };
    let members: Vec<Member> =
        [("a", "r1"), ("b", "r1"), ("c", "r2"), ("d", "r2")].into_iter().map(member).collect();
    let counts = BTreeMap::from([("t".into(), 5)]);
    let racks = ["r1", "r1", "r1", "r1", "r2"].map(|rack| BTreeSet::from([rack.to_owned()]));
    let racks = PartitionRacks::from([("t".into(), racks.to_vec())]);
    for kind in [AssignorKind::Range, AssignorKind::Sticky, AssignorKind::CooperativeSticky] {
        let assigned = kind.assign(&counts, &racks, &members);
        let numbers: Vec<usize> = assigned.values().map(Vec::len).collect();
        assert_eq!(numbers, [2, 1, 1, 1], "{kind}: {assigned:?}");
        assert!(assigned["c"].contains(&TopicPartition::new("t", 4)), "{kind}: {assigned:?}");
    }
}

fn subscription() -> impl Strategy<Value = Subscription> {
    let topic = || prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(TopicName::from);
    let partition = (topic(), -1..9i32).prop_map(|(topic, partition)| TopicPartition::new(topic, partition));
    (
        prop::collection::vec(topic(), 0..5),
        prop::collection::vec(partition, 0..20),
        prop::option::of((0..4i32).prop_map(Generation)),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..12).prop_map(Bytes::from)),
        prop::option::of("[q-t]"),
    )
        .prop_map(|(topics, owned_partitions, generation, user_data, rack)| Subscription {
            topics,
            user_data,
            owned_partitions,
            generation,
            rack,
        })
}

/// Of some partitions, and of some that there are not.
fn racks() -> impl Strategy<Value = PartitionRacks> {
    let topic = prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(TopicName::from);
    let racks = prop::collection::btree_set("[r-t]", 0..3);
    prop::collection::btree_map(topic, prop::collection::vec(racks, 0..10), 0..5)
}

fn group() -> impl Strategy<Value = (BTreeMap<TopicName, i32>, Vec<Member>)> {
    let counts = prop::collection::btree_map(
        prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(TopicName::from),
        -1..9i32,
        0..5,
    );
    let members = prop::collection::vec(("[a-e]{1,2}", prop::option::of("[x-z]"), subscription()), 0..9);
    let members = members.prop_map(|members| {
        let member = |(member_id, group_instance_id, subscription)| Member {
            member_id,
            group_instance_id,
            subscription,
        };
        members.into_iter().map(member).collect()
    });
    (counts, members)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever members claim, and also if the same member is listed twice.
    #[test]
    fn every_partition_has_one_owner_who_asked_for_it((counts, members) in group(), racks in racks()) {
        for kind in AssignorKind::ALL {
            let assigned = kind.assign(&counts, &racks, &members);
            let ids: BTreeSet<&str> = members.iter().map(|member| &*member.member_id).collect();
            prop_assert_eq!(assigned.keys().map(|id| &**id).collect::<BTreeSet<_>>(), ids);
            // Of a member that is listed twice, the last word counts.
            let by_id: BTreeMap<&str, &Member> = members.iter().map(|member| (&*member.member_id, member)).collect();
            let mut owned = BTreeSet::new();
            for (member_id, partitions) in &assigned {
                for partition in partitions {
                    prop_assert!(owned.insert(partition.clone()), "{kind}: {partition} is assigned twice");
                    let topics = &by_id[&**member_id].subscription.topics;
                    prop_assert!(topics.contains(&partition.topic), "{kind}: {partition} was not asked for");
                    prop_assert!((0..counts[&partition.topic]).contains(&partition.partition));
                }
            }
            let wanted = |topic: &TopicName| by_id.values().any(|member| member.subscription.topics.contains(topic));
            let all: BTreeSet<_> = counts
                .iter()
                .filter(|(topic, _)| wanted(topic))
                .flat_map(|(topic, count)| (0..*count).map(|partition| TopicPartition::new(topic.clone(), partition)))
                .collect();
            // Cooperative: what somebody has to give up first is left out, and only that.
            let claimed = |partition: &&TopicPartition| {
                by_id.values().any(|member| member.subscription.owned_partitions.contains(partition))
            };
            let missing: Vec<_> = all.difference(&owned).collect();
            if !kind.is_cooperative() {
                prop_assert!(missing.is_empty(), "{kind}: nobody has {missing:?}");
            }
            prop_assert!(missing.iter().all(claimed), "{kind}: nobody has {missing:?}");
            if kind.is_cooperative() {
                for (member_id, partitions) in &assigned {
                    for partition in partitions {
                        let others = by_id.values().filter(|member| member.member_id != *member_id);
                        let newest = by_id[&**member_id].subscription.owned_partitions.contains(partition);
                        let taken = others.filter(|m| m.subscription.owned_partitions.contains(partition)).count();
                        prop_assert!(newest || taken == 0, "{partition} is still held by another member");
                    }
                }
            }
        }
    }
}

/// Says how many rebalances were compared.
fn check_golden(kind: AssignorKind, golden: &str) -> usize {
    golden.lines().filter(|line| check_rebalance(kind, &serde_json::from_str(line).unwrap())).count()
}

/// Says whether Java's answer was one to compare with.
fn check_rebalance(kind: AssignorKind, line: &Value) -> bool {
    let (counts, racks) = topics(&line["topics"]);
    let members: Vec<Member> = array(&line["members"]).map(member).collect();
    let at = format!("{kind} {}.{}", line["group"], line["round"]);

    let assigned = kind.assign(&counts, &racks, &members);

    let expected: BTreeMap<&str, Vec<TopicPartition>> =
        object(&line["assigned"]).map(|(member, listed)| (member, partitions(listed))).collect();
    if !all_asked_for(&members, &expected) {
        // Java's mistake, which would leave partitions unread (see `want_the_same`).
        assert!(all_asked_for(&members, &assigned), "{at}");
        return false;
    }
    let listed: BTreeMap<&str, Vec<TopicPartition>> =
        assigned.iter().map(|(member, assigned)| (&**member, in_order_of_topics(assigned))).collect();
    assert_eq!(listed, expected, "{at}");
    for (member_id, bytes) in line["hex"].as_object().into_iter().flatten() {
        let assignment = Assignment { partitions: assigned[member_id].clone(), user_data: None };
        assert_eq!(hex(&assignment.encode(3)), bytes.as_str().unwrap(), "{at} {member_id}");
    }
    true
}

/// A topic is a number of partitions, or a list with the racks of each.
fn topics(json: &Value) -> (BTreeMap<TopicName, i32>, PartitionRacks) {
    let mut racks = PartitionRacks::new();
    let mut count = |(topic, partitions): (&str, &Value)| {
        let topic: TopicName = topic.into();
        let Some(listed) = partitions.as_array() else { return (topic, int(partitions)) };
        let of_partition =
            |listed: &Value| array(listed).map(|rack| rack.as_str().unwrap().to_owned()).collect();
        racks.insert(topic.clone(), listed.iter().map(of_partition).collect());
        (topic, i32::try_from(listed.len()).unwrap())
    };
    let counts = object(json).map(&mut count).collect();
    (counts, racks)
}

fn all_asked_for<Id: Ord + std::borrow::Borrow<str>>(
    members: &[Member],
    assigned: &BTreeMap<Id, Vec<TopicPartition>>,
) -> bool {
    members.iter().all(|member| {
        let wanted = &member.subscription.topics;
        assigned[member.member_id.as_str()].iter().all(|partition| wanted.contains(&partition.topic))
    })
}

fn member(json: &Value) -> Member {
    let text = |field: &str| json[field].as_str().map(str::to_owned);
    let subscription = Subscription {
        topics: array(&json["topics"]).map(|topic| topic.as_str().unwrap().into()).collect(),
        user_data: text("user_data").map(|hex| unhex(&hex)),
        owned_partitions: if json["owned"].is_null() { Vec::new() } else { partitions(&json["owned"]) },
        generation: json["generation"].as_i64().filter(|generation| *generation >= 0).map(generation),
        // Versions before 3 do not carry it (and `generation` says so itself).
        rack: text("rack").filter(|_| json["version"].as_i64().is_none_or(|version| version >= 3)),
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
