//! Which records travel together, and when.

use std::time::Duration;

use records::NewRecord;

use super::script::{LINGER, Script, orders};
use crate::produce::{AppendError, ProduceEvent};
use crate::types::{BrokerId, TopicId, TopicName};
use crate::wire::ErrorCode;

#[test]
fn a_batch_waits_for_more_records_until_its_linger_is_over() {
    let mut script = Script::new();
    let first = script.append(0);
    script.sends_nothing();
    assert_eq!(script.accumulator.poll_timeout(), Some(script.now + LINGER));
    script.after(LINGER / 2);
    let second = script.append(0);
    assert_eq!((first.batch, first.index, second.index), (second.batch, 0, 1));
    let call = script.sends_nothing().after(LINGER / 2).sends();
    assert_eq!((call.broker, call.partitions(), call.records(), call.by_id), (BrokerId(1), vec![0], 2, true));
    script.sends_nothing().answer(&call, ErrorCode::NONE);
    assert_eq!(
        script.events(),
        [ProduceEvent::Delivered { batch: first.batch, base_offset: Some(0), log_append_time_ms: None }]
    );
    assert!(script.accumulator.is_empty());
    assert_eq!(script.accumulator.poll_timeout(), None);
}

#[test]
fn a_full_batch_waits_for_nothing() {
    let mut script = Script::new();
    let places: Vec<_> = (0..20).map(|_| script.append(0)).collect();
    let per_batch = places.iter().filter(|place| place.batch == places[0].batch).count();
    assert!((8..=10).contains(&per_batch), "{per_batch} records of about 100 bytes in 1000");
    assert_eq!(places[per_batch].index, 0);
    let call = script.sends();
    assert_eq!(call.records() as usize, per_batch);
    // The next one is as full, but its turn comes with the answer.
    let next = script.sends_nothing().answer(&call, ErrorCode::NONE).sends();
    assert_eq!(next.records() as usize, per_batch);
}

#[test]
fn a_zero_batch_size_gives_each_record_its_own_batch() {
    let mut script = Script::with(|settings| settings.batch_size = 0);
    let (first, second) = (script.append(0), script.append(0));
    assert_ne!(first.batch, second.batch);
    let call = script.sends();
    assert_eq!(call.records(), 1);
}

#[test]
fn partitions_of_one_leader_travel_together() {
    let mut script = Script::new();
    (0..4).for_each(|partition| _ = script.append(partition));
    script.after(LINGER);
    let (one, two) = (script.sends(), script.sends());
    script.sends_nothing();
    assert_eq!((one.broker, one.partitions()), (BrokerId(1), vec![0, 2]));
    // Whose turn it is comes after partition 2.
    assert_eq!((two.broker, two.partitions()), (BrokerId(2), vec![3, 1]));
    script.answer(&two, ErrorCode::NONE).answer(&one, ErrorCode::NONE);
    assert_eq!(script.delivered().len(), 4);
}

#[test]
fn a_request_holds_no_more_than_it_may_and_the_rest_goes_first_next_time() {
    let mut script = Script::with(|settings| settings.max_request_size = 900);
    script.append_sized(0, 600);
    script.append_sized(2, 600);
    script.after(LINGER);
    let (one, two) = (script.sends(), script.sends());
    assert_eq!((one.partitions(), two.partitions()), (vec![0], vec![2]));
    script.answer(&one, ErrorCode::NONE).answer(&two, ErrorCode::NONE);
    script.append_sized(0, 600);
    script.append_sized(2, 600);
    assert_eq!(script.after(LINGER).sends().partitions(), [0], "partition 0 has its turn after 2");
    let huge = vec![0; 900];
    let error = script.accumulator.append(script.now, &orders(0), &NewRecord::new(0).value(&huge));
    assert!(matches!(error, Err(AppendError::TooLarge { max: 900, .. })), "{error:?}");
}

#[test]
fn a_broker_has_only_so_many_requests_under_way() {
    let mut script = Script::with(|settings| settings.max_in_flight = 1);
    script.append(0);
    let one = script.after(LINGER).sends();
    script.append(2);
    script.append(1);
    let other = script.after(LINGER).sends();
    assert_eq!(other.broker, BrokerId(2));
    // What cannot be sent waits for an answer, not for the clock.
    script.sends_nothing();
    assert!(script.accumulator.poll_timeout().unwrap() > script.now + Duration::from_secs(60));
    assert_eq!(script.answer(&one, ErrorCode::NONE).sends().partitions(), [2]);
}

#[test]
fn a_flush_waits_for_no_linger_and_is_over_with_the_last_outcome() {
    let mut script = Script::with(|settings| settings.linger = Duration::from_secs(60));
    assert_eq!(script.accumulator.flush(script.now), None);
    script.append(0);
    script.append(1);
    let flushed = script.accumulator.flush(script.now).unwrap();
    script.append(2);
    let (one, two) = (script.sends(), script.sends());
    script.sends_nothing();
    script.answer(&one, ErrorCode::NONE);
    assert!(!script.accumulator.is_settled(flushed));
    script.answer(&two, ErrorCode::NONE);
    assert!(script.accumulator.is_settled(flushed), "the record that came later does not count");
    assert!(!script.accumulator.is_empty());
}

#[test]
fn records_without_a_key_stick_to_a_partition_until_its_batch_is_full() {
    let mut script = Script::new();
    let partitions: Vec<i32> = (0..40).map(|_| script.append_anywhere()).collect();
    let mut runs = partitions.clone();
    runs.dedup();
    assert_eq!(runs[..5], [0, 1, 2, 3, 0], "{partitions:?}");
    // A batch that was sent is as good as full.
    let mut script = Script::new();
    assert_eq!(script.append_anywhere(), 0);
    script.after(LINGER).sends();
    assert_eq!(script.append_anywhere(), 1);
}

#[test]
fn records_without_a_key_avoid_partitions_without_a_leader() {
    let mut script = Script::with(|settings| settings.batch_size = 0);
    script.moves(1, -1);
    let partitions: Vec<i32> = (0..6).map(|_| script.append_anywhere()).collect();
    assert_eq!(partitions, [0, 2, 3, 0, 2, 3]);
    (0..4).for_each(|partition| _ = script.moves(partition, -1));
    assert_eq!(script.append_anywhere(), 0, "all are as good as any");
}

#[test]
fn where_keyless_records_begin_is_up_to_the_seed() {
    let first = |seed| Script::with(|settings| settings.seed = seed).append_anywhere();
    assert_eq!([first(0), first(1), first(6), first(u64::MAX)], [0, 1, 2, 3]);
}

#[test]
fn records_with_a_key_go_where_java_puts_them_leader_or_not() {
    let mut script = Script::new();
    script.moves(1, -1);
    let topic = TopicName::from("orders");
    // -973932308 & 0x7fffffff = 1173551340, which is 0 mod 4.
    let partition = |script: &mut Script, key: &[u8]| {
        script.accumulator.partition_for(&topic, Some(key), 100, &script.view).unwrap().partition
    };
    assert_eq!(partition(&mut script, b"21"), 0);
    // 1684045097 is 1 mod 4.
    assert_eq!(partition(&mut script, b"k1"), 1);
    let unknown = TopicName::from("letters");
    assert_eq!(script.accumulator.partition_for(&unknown, Some(b"k1"), 100, &script.view), None);
    assert_eq!(script.accumulator.partition_for(&unknown, None, 100, &script.view), None);
}

#[test]
fn without_topic_ids_a_request_goes_by_name() {
    let mut script = Script::new();
    script.view = crate::cluster::ClusterView::new();
    script.tell(TopicId::ZERO);
    script.append(0);
    assert!(!script.after(LINGER).sends().by_id);
}

#[test]
fn a_throttled_broker_is_left_alone() {
    let mut script = Script::new();
    script.append(0);
    let call = script.after(LINGER).sends();
    let answer = crate::wire::ProduceResponse { throttle_time_ms: 2_000, ..Default::default() };
    script.accumulator.handle_produced(script.now, call.id, Ok(&answer));
    script.events();
    script.append(1);
    script.after(Duration::from_secs(1));
    assert_eq!(script.sends().broker, BrokerId(2));
    script.sends_nothing();
    assert_eq!(script.accumulator.poll_timeout(), Some(script.now + Duration::from_secs(1)));
    assert_eq!(script.after(Duration::from_secs(1)).sends().broker, BrokerId(1));
}
