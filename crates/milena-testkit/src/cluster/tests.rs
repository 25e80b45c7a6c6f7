//! Leaders, replicas, topics.

use kafka_protocol::messages::BrokerId;

use super::{BrokerState, ClusterState, NewTopic, Settings};
use crate::error_code::ErrorCode;
use crate::script::batch;

fn cluster() -> ClusterState {
    let mut cluster = ClusterState::new(Settings { brokers: 3, ..Settings::default() });
    cluster.create_topic(&NewTopic::new("t", 2)).unwrap();
    cluster
}

fn append(cluster: &mut ClusterState, value: &str) {
    let partition = cluster.partition_mut("t", 0).unwrap();
    let epoch = partition.leader_epoch;
    partition.log.append_trusted(&batch(&[value], |_| ()), epoch, 0).unwrap();
    cluster.touch("t", 0);
}

/// Leader, epoch and replicas in sync of partition 0.
fn state(cluster: &ClusterState) -> (Option<i32>, i32, Vec<i32>) {
    let partition = cluster.partition("t", 0).unwrap();
    let isr = partition.isr.iter().map(|broker| broker.0).collect();
    (partition.leader.map(|broker| broker.0), partition.leader_epoch, isr)
}

#[test]
fn a_stopped_broker_leads_nothing_and_comes_back_in_sync() {
    let mut cluster = cluster();
    assert_eq!(state(&cluster), (Some(1), 0, vec![1, 2, 3]));
    cluster.set_broker_state(BrokerId(1), BrokerState::Stopped);
    assert_eq!(state(&cluster), (Some(2), 1, vec![2, 3]));
    assert_eq!(cluster.controller(), BrokerId(2));
    cluster.set_broker_state(BrokerId(1), BrokerState::Running);
    assert_eq!(state(&cluster), (Some(2), 1, vec![2, 3, 1]));
    cluster.move_leader("t", 0, BrokerId(1)).unwrap();
    assert_eq!(state(&cluster).0, Some(1));
}

#[test]
fn the_last_replica_in_sync_is_waited_for() {
    let mut cluster = cluster();
    for broker in 1..=3 {
        cluster.set_broker_state(BrokerId(broker), BrokerState::Stopped);
    }
    assert_eq!(state(&cluster).0, None);
    assert_eq!(state(&cluster).2, [3]);
    cluster.set_broker_state(BrokerId(2), BrokerState::Running);
    assert_eq!(state(&cluster).0, None);
    cluster.set_broker_state(BrokerId(3), BrokerState::Running);
    assert_eq!(state(&cluster).0, Some(3));
    assert_eq!(state(&cluster).2, [3]);
}

#[test]
fn the_high_watermark_is_what_all_in_sync_have() {
    let mut cluster = cluster();
    append(&mut cluster, "a");
    cluster.partition_mut("t", 0).unwrap().hold_replica(BrokerId(2), false);
    append(&mut cluster, "b");
    assert_eq!(cluster.partition("t", 0).unwrap().high_watermark(), 1);
    let partition = cluster.partition_mut("t", 0).unwrap();
    partition.release_replica(BrokerId(2));
    assert_eq!(partition.high_watermark(), 2);
    // One that has left those in sync holds nobody back.
    partition.hold_replica(BrokerId(3), true);
    append(&mut cluster, "c");
    assert_eq!(cluster.partition("t", 0).unwrap().high_watermark(), 3);
}

#[test]
fn an_unclean_leader_cuts_the_log_to_what_it_has() {
    let mut cluster = cluster();
    append(&mut cluster, "a");
    cluster.partition_mut("t", 0).unwrap().hold_replica(BrokerId(3), true);
    append(&mut cluster, "b");
    append(&mut cluster, "c");
    cluster.elect_unclean("t", 0, BrokerId(3)).unwrap();
    let partition = cluster.partition("t", 0).unwrap();
    assert_eq!((partition.log.end_offset(), partition.high_watermark()), (1, 1));
    assert_eq!(state(&cluster).0, Some(3));
    append(&mut cluster, "d");
    let epochs = cluster.partition("t", 0).unwrap().log.epochs();
    assert_eq!(epochs.end_offset_for(0, 2), Some((0, 1)));
}

#[test]
fn a_lagging_replica_in_sync_may_become_the_leader() {
    let mut cluster = cluster();
    append(&mut cluster, "a");
    cluster.partition_mut("t", 0).unwrap().hold_replica(BrokerId(2), false);
    append(&mut cluster, "never committed");
    cluster.move_leader("t", 0, BrokerId(2)).unwrap();
    let partition = cluster.partition("t", 0).unwrap();
    assert_eq!((partition.log.end_offset(), partition.high_watermark()), (1, 1));
}

#[test]
fn a_recreated_topic_has_another_id() {
    let mut cluster = cluster();
    let first = cluster.id_of("t");
    cluster.delete_topic("t").unwrap();
    assert_eq!(cluster.name_of(first), None);
    let second = cluster.create_topic(&NewTopic::new("t", 1)).unwrap();
    assert_ne!(first, second);
    assert_eq!(cluster.name_of(second), Some("t"));
    assert_eq!(second.get_version_num(), 4);
}

#[test]
fn ids_depend_on_the_seed_alone() {
    let id = |seed| ClusterState::new(Settings { seed, ..Settings::default() }).new_id();
    assert_eq!(id(1), id(1));
    assert_ne!(id(1), id(2));
}

#[test]
fn topics_are_checked_as_the_controller_does() {
    let mut cluster = cluster();
    let mut code = |new: NewTopic| cluster.create_topic(&new).unwrap_err().code;
    assert_eq!(code(NewTopic::new("t", 1)), ErrorCode::TOPIC_ALREADY_EXISTS);
    assert_eq!(code(NewTopic::new("no/slash", 1)), ErrorCode::INVALID_TOPIC_EXCEPTION);
    assert_eq!(code(NewTopic::new("..", 1)), ErrorCode::INVALID_TOPIC_EXCEPTION);
    assert_eq!(code(NewTopic::new("n", 0)), ErrorCode::INVALID_PARTITIONS);
    let four = NewTopic { replication: Some(4), ..NewTopic::new("n", 1) };
    assert_eq!(code(four), ErrorCode::INVALID_REPLICATION_FACTOR);
    let config = [("no.such".to_owned(), "1".to_owned())].into();
    assert_eq!(code(NewTopic { config, ..NewTopic::new("n", 1) }), ErrorCode::INVALID_CONFIG);
    let assignments = vec![(0, vec![BrokerId(1), BrokerId(1)])];
    let twice = NewTopic { name: "n".to_owned(), assignments, ..NewTopic::default() };
    assert_eq!(code(twice), ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    assert_eq!(
        cluster.create_partitions("t", 2, None, false).unwrap_err().code,
        ErrorCode::INVALID_PARTITIONS
    );
    cluster.create_partitions("t", 5, None, false).unwrap();
    assert_eq!(cluster.topic("t").unwrap().partitions.len(), 5);
}

#[test]
fn a_groups_partition_is_javas() {
    let mut cluster = cluster();
    cluster.settings.offsets_partitions = 50;
    // "my-group".hashCode() is -1906497762 in Java.
    assert_eq!(cluster.offsets_partition("my-group"), 12);
}
