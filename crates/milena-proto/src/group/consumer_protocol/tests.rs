use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Written by kafka-clients 4.3.1's `ConsumerProtocol`.
const GOLDEN: &str = include_str!("../../../../../testdata/assignors/consumer-protocol.jsonl");

#[test]
fn bytes_are_javas_in_every_version() {
    let mut compared = 0;
    for line in GOLDEN.lines() {
        let json: Value = serde_json::from_str(line).unwrap();
        let version = i16::try_from(json["version"].as_i64().unwrap()).unwrap();
        let bytes = unhex(json["hex"].as_str().unwrap());
        let user_data = json["user_data"].as_str().map(unhex);
        if json["kind"] == "subscription" {
            let topics =
                json["topics"].as_array().unwrap().iter().map(|topic| topic.as_str().unwrap().into());
            let generation = i32::try_from(json["generation"].as_i64().unwrap()).unwrap();
            let written = Subscription {
                topics: topics.collect(),
                user_data,
                owned_partitions: partitions(&json["owned"]),
                generation: (generation >= 0).then_some(Generation(generation)),
                rack: json["rack"].as_str().map(str::to_owned),
            };
            assert_eq!(written.encode(version), bytes, "{line}");
            assert_eq!(Subscription::decode(bytes), Ok(as_read(written, version)), "{line}");
        } else {
            let written = Assignment { partitions: partitions(&json["assigned"]), user_data };
            assert_eq!(written.encode(version), bytes, "{line}");
            assert_eq!(Assignment::decode(bytes), Ok(written), "{line}");
        }
        compared += 1;
    }
    assert_eq!(compared, 128);
}

#[test]
fn a_newer_version_is_read_as_the_newest_known() {
    let subscription =
        Subscription { topics: vec!["t".into()], rack: Some("r".into()), ..Default::default() };
    let mut bytes = subscription.encode(VERSION).to_vec();
    bytes[..2].copy_from_slice(&[0x7f, 0xff]);
    bytes.extend(b"what came later");
    assert_eq!(Subscription::decode(bytes.into()), Ok(subscription));

    let assignment = Assignment { partitions: vec![TopicPartition::new("t", 3)], user_data: None };
    let mut bytes = assignment.encode(VERSION).to_vec();
    bytes[..2].copy_from_slice(&[0, 4]);
    bytes.extend(b"what came later");
    assert_eq!(Assignment::decode(bytes.into()), Ok(assignment));
}

#[test]
fn a_negative_version_is_refused() {
    let bytes = Bytes::from_static(&[0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(Subscription::decode(bytes.clone()), Err(DecodeError::Version { version: -1 }));
    assert_eq!(Assignment::decode(bytes), Err(DecodeError::Version { version: -1 }));
}

#[test]
fn a_count_that_its_bytes_cannot_hold_is_refused() {
    for count in [1, 2, 1000, i32::MAX, -2, i32::MIN] {
        let mut bytes = vec![0, 0];
        bytes.extend(count.to_be_bytes());
        assert!(Subscription::decode(bytes.clone().into()).is_err(), "{count}");
        assert!(Assignment::decode(bytes.into()).is_err(), "{count}");
    }
}

#[test]
fn names_too_long_for_their_length_are_cut() {
    let name = "ä".repeat(40_000);
    let subscription = Subscription { topics: vec![name.as_str().into()], ..Default::default() };
    let read = Subscription::decode(subscription.encode(VERSION)).unwrap();
    assert_eq!(&*read.topics[0], &name[..32_766]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_panic(version in 0..5u8, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut whole = vec![0, version];
        whole.extend(bytes);
        let _ = Subscription::decode(whole.clone().into());
        let _ = Assignment::decode(whole.into());
    }

    #[test]
    fn a_cut_message_is_refused(cut in 0..1000usize, line in 0..128usize) {
        let json: Value = serde_json::from_str(GOLDEN.lines().nth(line).unwrap()).unwrap();
        let mut bytes = unhex(json["hex"].as_str().unwrap());
        bytes.truncate(cut % bytes.len());
        let refused = match json["kind"] == "subscription" {
            true => Subscription::decode(bytes).is_err(),
            false => Assignment::decode(bytes).is_err(),
        };
        prop_assert!(refused);
    }
}

/// What is left of a subscription on the wire: topics and owned partitions sorted, and what the version lacks is lost.
fn as_read(mut written: Subscription, version: i16) -> Subscription {
    written.topics.sort();
    written.owned_partitions.sort();
    if version < 1 {
        written.owned_partitions.clear();
    }
    written.generation = written.generation.filter(|_| version >= 2);
    written.rack = written.rack.filter(|_| version >= 3);
    written
}

fn partitions(topics: &Value) -> Vec<TopicPartition> {
    let of = |(topic, numbers): (&String, &Value)| {
        let topic = TopicName::from(topic.as_str());
        let number = |number: &Value| i32::try_from(number.as_i64().unwrap()).unwrap();
        let numbers: Vec<i32> = numbers.as_array().unwrap().iter().map(number).collect();
        numbers.into_iter().map(move |number| TopicPartition::new(topic.clone(), number)).collect::<Vec<_>>()
    };
    topics.as_object().unwrap().iter().flat_map(of).collect()
}

fn unhex(hex: &str) -> Bytes {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
