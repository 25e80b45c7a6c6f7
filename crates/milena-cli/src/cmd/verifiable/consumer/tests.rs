use client::config::Properties;

use super::*;

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn wanted() -> BTreeMap<TopicPartition, i64> {
    BTreeMap::from([(tp(0), 10), (tp(1), 20)])
}

fn failed(partition: i32) -> Event {
    let error = client::Error::broker(client::ErrorCode::UNKNOWN_MEMBER_ID).at(&tp(partition));
    Event::CommitFailed { partition: tp(partition), error }
}

#[test]
fn what_was_neither_committed_nor_refused_is_told_as_failed() {
    let (done, failed) = outcomes(&wanted(), [], Ok(()));
    assert!(done.is_empty());
    assert_eq!(failed.offsets.len(), 2);
    assert_eq!(failed.error.as_deref(), Some("it was not committed"));
    let (_, failed) = outcomes(&wanted(), [], Err("the source is closed".to_owned()));
    assert_eq!(failed.error.as_deref(), Some("the source is closed"));
}

#[test]
fn a_refused_offset_is_told_apart_with_its_reason() {
    let (done, failed) = outcomes(&wanted(), &[failed(1)], Ok(()));
    assert!(done.is_empty());
    assert!(failed.error.is_some_and(|error| error.contains("UNKNOWN_MEMBER_ID")));
}

#[test]
fn a_partition_is_summed_up_by_its_first_and_last_offset() {
    let mut summary = Summary::new(7);
    summary.add(9);
    let wanted = r#"{"topic":"t","partition":3,"count":2,"minOffset":7,"maxOffset":9}"#;
    assert_eq!(summary.json(&tp(3)).to_string(), wanted);
}

#[test]
fn a_member_is_eager_if_one_of_its_assignors_is() {
    let config = |strategy: &str| {
        let pairs =
            [("bootstrap.servers", "a:1"), ("group.id", "g"), ("partition.assignment.strategy", strategy)];
        Properties::from_pairs(pairs).and_then(Properties::into_consumer).expect("it is sound")
    };
    const CLASSES: &str = "org.apache.kafka.clients.consumer";
    assert!(is_eager(&config(&format!("{CLASSES}.RangeAssignor"))));
    assert!(is_eager(&config(&format!("{CLASSES}.CooperativeStickyAssignor,{CLASSES}.RangeAssignor"))));
    assert!(!is_eager(&config(&format!("{CLASSES}.CooperativeStickyAssignor"))));
}
