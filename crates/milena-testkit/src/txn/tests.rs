//! The transaction coordinator, rule by rule, as a real Kafka 4.3.1 answered.

use std::time::Duration;

use super::{NamedPartition, Transactions, admit, handle_timeout};
use crate::cluster::{ClusterState, Isolation, NewTopic, Settings};
use crate::ctx::World;
use crate::error_code::ErrorCode;

fn world() -> World {
    let mut cluster = ClusterState::new(Settings::default());
    cluster.create_topic(&NewTopic::new("t", 1)).expect("t");
    World::new(cluster)
}

fn part(index: i32) -> NamedPartition {
    ("t".to_owned(), index)
}

fn begun(txns: &mut Transactions) -> (i64, i16) {
    let producer = txns.init("x", 60_000, None).expect("init");
    txns.add_partitions("x", producer, [part(0)].into()).expect("add");
    producer
}

/// Writes the markers that are due.
fn mark(world: &mut World) {
    super::markers::write_due(world);
}

#[test]
fn every_init_gives_a_new_epoch_and_the_old_one_is_fenced() {
    let mut txns = Transactions::default();
    let (id, epoch) = txns.init("x", 60_000, None).expect("first");
    assert_eq!(epoch, 0);
    assert_eq!(txns.init("x", 60_000, None), Ok((id, 1)));
    assert_eq!(txns.add_partitions("x", (id, 0), [part(0)].into()), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(
        txns.add_partitions("x", (id + 1, 1), [part(0)].into()),
        Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
    );
    assert_eq!(
        txns.add_partitions("y", (id, 1), [part(0)].into()),
        Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
    );
    assert_ne!(txns.init("y", 60_000, None).map(|(id, _)| id), Ok(id));
}

#[test]
fn a_producer_that_says_who_it_is_may_go_on_and_repeat_itself() {
    let mut txns = Transactions::default();
    let (id, _) = txns.init("x", 60_000, None).expect("first");
    assert_eq!(txns.init("x", 60_000, Some((id, 0))), Ok((id, 1)));
    assert_eq!(txns.init("x", 60_000, Some((id, 0))), Ok((id, 1)), "the answer was lost");
    assert_eq!(txns.init("x", 60_000, Some((id, 1))), Ok((id, 2)));
    assert_eq!(txns.init("x", 60_000, Some((id, 0))), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(txns.init("x", 60_000, Some((id + 1, 2))), Err(ErrorCode::PRODUCER_FENCED));
}

#[test]
fn timeouts_out_of_bounds_and_empty_ids_are_refused() {
    let mut txns = Transactions::default();
    for timeout in [0, -1, 15 * 60 * 1000 + 1] {
        assert_eq!(txns.init("x", timeout, None), Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT));
    }
    assert_eq!(txns.init("", 60_000, None), Err(ErrorCode::INVALID_REQUEST));
}

#[test]
fn an_older_client_keeps_its_epoch_and_may_repeat_its_decision() {
    let mut world = world();
    let producer = begun(&mut world.txns);
    assert_eq!(world.txns.end("x", producer, true, false), Ok(producer));
    assert_eq!(
        world.txns.end("x", producer, true, false),
        Err(ErrorCode::CONCURRENT_TRANSACTIONS),
        "no markers yet"
    );
    mark(&mut world);
    assert_eq!(world.txns.end("x", producer, true, false), Ok(producer));
    assert_eq!(world.txns.end("x", producer, false, false), Err(ErrorCode::INVALID_TXN_STATE));
    assert_eq!(world.txns.state("x").map(|state| state.state), Some("CompleteCommit"));
}

#[test]
fn a_transaction_without_partitions_cannot_be_ended_by_an_older_client() {
    let mut txns = Transactions::default();
    let producer = txns.init("x", 60_000, None).expect("init");
    assert_eq!(txns.end("x", producer, true, false), Err(ErrorCode::INVALID_TXN_STATE));
    assert_eq!(txns.end("x", producer, false, false), Err(ErrorCode::INVALID_TXN_STATE));
}

#[test]
fn kip_890_gives_a_new_epoch_with_every_end_and_takes_the_old_one_for_a_repetition() {
    let mut world = world();
    let (id, _) = begun(&mut world.txns);
    assert_eq!(world.txns.end("x", (id, 0), true, true), Ok((id, 1)));
    mark(&mut world);
    assert_eq!(world.txns.end("x", (id, 0), true, true), Ok((id, 1)), "the answer was lost");
    assert_eq!(world.txns.end("x", (id, 0), false, true), Err(ErrorCode::INVALID_TXN_STATE));
    assert_eq!(world.txns.add_partitions("x", (id, 0), [part(0)].into()), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(
        world.txns.end("x", (id, 1), false, true),
        Ok((id, 2)),
        "nothing was added: aborted all the same"
    );
    mark(&mut world);
    assert_eq!(world.txns.end("x", (id, 1), false, true), Ok((id, 2)));
    assert_eq!(world.txns.end("x", (id, 2), true, true), Err(ErrorCode::INVALID_TXN_STATE));
    assert_eq!(
        world.txns.end("x", (id, 1), false, false),
        Err(ErrorCode::PRODUCER_FENCED),
        "an older client knows none"
    );
}

#[test]
fn an_exhausted_epoch_leads_to_another_producer_id() {
    let mut world = world();
    let (id, _) = begun(&mut world.txns);
    if let Some(transaction) = world.txns.by_id.get_mut("x") {
        transaction.epoch = i16::MAX - 1;
    }
    let (next, epoch) = world.txns.end("x", (id, i16::MAX - 1), true, true).expect("end");
    assert!(next != id && epoch == 0);
    mark(&mut world);
    assert_eq!(world.txns.end("x", (id, i16::MAX - 1), true, true), Ok((next, 0)), "the answer was lost");
    assert_eq!(world.txns.add_partitions("x", (next, 0), [part(0)].into()), Ok(()));
}

#[test]
fn init_aborts_an_open_transaction_under_a_newer_epoch_and_asks_to_come_again() {
    let mut world = world();
    let (id, _) = begun(&mut world.txns);
    assert_eq!(world.txns.init("x", 60_000, None), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
    mark(&mut world);
    assert_eq!(
        world.txns.state("x").map(|state| (state.state, state.producer_epoch)),
        Some(("CompleteAbort", 1))
    );
    assert_eq!(
        world.txns.init("x", 60_000, Some((id, 0))),
        Ok((id, 1)),
        "the producer itself goes on with that one"
    );
    assert_eq!(world.txns.init("x", 60_000, None), Ok((id, 2)));
    assert_eq!(world.txns.end("x", (id, 0), true, false), Err(ErrorCode::PRODUCER_FENCED));
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_at_the_next_look() {
    let mut world = world();
    world.now = Duration::from_secs(3);
    world.txns.now = world.now;
    let (id, _) = begun(&mut world.txns);
    // 3 s + 60 s, and a look every 10 s.
    assert_eq!(world.txns.poll_timeout(), Some(Duration::from_secs(70)));
    world.now = Duration::from_millis(69_999);
    handle_timeout(&mut world);
    assert_eq!(world.txns.state("x").map(|state| state.state), Some("Ongoing"));
    world.now = Duration::from_secs(70);
    handle_timeout(&mut world);
    assert_eq!(world.txns.state("x").map(|state| state.state), Some("CompleteAbort"));
    assert_eq!(world.txns.end("x", (id, 0), true, false), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(world.txns.poll_timeout(), None);
}

#[test]
fn markers_end_up_in_the_log_and_move_the_last_stable_offset() {
    let mut world = world();
    let producer = begun(&mut world.txns);
    world.txns.end("x", producer, true, false).expect("end");
    mark(&mut world);
    let partition = world.cluster.partition("t", 0).expect("t-0");
    assert_eq!(partition.log.end_offset(), 1, "the marker has an offset of its own");
    assert_eq!(partition.last_fetchable(Isolation::ReadCommitted), 1);
}

#[test]
fn markers_wait_for_a_leader_and_meanwhile_nothing_else_can_begin() {
    let mut world = world();
    let producer = begun(&mut world.txns);
    let leader = world.cluster.partition_mut("t", 0).and_then(|partition| partition.leader.take());
    world.txns.end("x", producer, true, false).expect("decided");
    mark(&mut world);
    assert_eq!(world.txns.init("x", 60_000, None), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
    let added = world.txns.add_partitions("x", producer, [part(0)].into());
    assert_eq!(added, Err(ErrorCode::CONCURRENT_TRANSACTIONS));
    if let Some(partition) = world.cluster.partition_mut("t", 0) {
        partition.leader = leader;
    }
    world.now = world.txns.poll_timeout().expect("another try");
    handle_timeout(&mut world);
    assert_eq!(world.txns.state("x").map(|state| state.state), Some("CompleteCommit"));
}

#[test]
fn markers_can_be_made_to_take_their_time() {
    let mut world = world();
    world.txns.config_mut().marker_delay = Duration::from_millis(50);
    let producer = begun(&mut world.txns);
    world.txns.end("x", producer, true, false).expect("decided");
    mark(&mut world);
    assert_eq!(world.txns.state("x").map(|state| state.state), Some("PrepareCommit"));
    world.now = Duration::from_millis(50);
    handle_timeout(&mut world);
    assert_eq!(world.txns.state("x").map(|state| state.state), Some("CompleteCommit"));
}

#[test]
fn who_writes_without_having_added_the_partition_is_told_so_by_version() {
    let mut world = world();
    let producer = begun(&mut world.txns);
    let mut write = |index, adds, knows| admit(&mut world, "x", producer, part(index), adds, knows);
    assert_eq!(write(0, false, false), Ok(()));
    assert_eq!(write(1, false, true), Err(ErrorCode::TRANSACTION_ABORTABLE));
    assert_eq!(write(1, false, false), Err(ErrorCode::INVALID_TXN_STATE));
    assert_eq!(write(1, true, true), Ok(()), "KIP-890: writing adds");
    assert_eq!(write(1, false, false), Ok(()));
    let stale = (producer.0, producer.1 - 1);
    assert_eq!(admit(&mut world, "x", stale, part(0), false, true), Err(ErrorCode::INVALID_PRODUCER_EPOCH));
}
