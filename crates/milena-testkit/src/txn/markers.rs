//! Markers: what makes a decision true in each partition's log, and in the groups' offsets.

use std::time::Duration;

use records::ControlMarker;

use super::NamedPartition;
use super::state::State;
use crate::cluster::OFFSETS_TOPIC;
use crate::ctx::World;

/// A partition without a leader is tried again after this time (Java: `TransactionMarkerChannelManager` waits for metadata).
const RETRY: Duration = Duration::from_millis(100);

/// Writes all markers that are due.
pub(super) fn write_due(world: &mut World) {
    let due: Vec<String> = world
        .txns
        .marking
        .iter()
        .filter(|id| {
            world.txns.by_id.get(*id).is_some_and(|txn| txn.mark_at.is_some_and(|at| at <= world.now))
        })
        .cloned()
        .collect();
    for id in due {
        write(world, &id);
    }
}

fn write(world: &mut World, id: &str) {
    let Some(transaction) = world.txns.by_id.get(id) else { return };
    let State::Prepare { commit } = transaction.state else { return };
    let (producer_id, epoch) = (transaction.producer_id, transaction.epoch);
    let partitions: Vec<NamedPartition> = transaction.partitions.iter().cloned().collect();
    let coordinator_epoch = world.txns.coordinator_epoch;
    let marker = match commit {
        true => ControlMarker::Commit { coordinator_epoch },
        false => ControlMarker::Abort { coordinator_epoch },
    };
    let now_ms = world.wall_ms();
    let mut left = Vec::new();
    for (topic, index) in partitions {
        let Some(partition) = world.cluster.partition_mut(&topic, index) else {
            // The topic is gone, and the transaction's part in it.
            continue;
        };
        if partition.leader.is_none() {
            left.push((topic, index));
            continue;
        }
        if topic == OFFSETS_TOPIC {
            world.groups.end_transaction(world.now, producer_id, commit);
            continue;
        }
        let leader_epoch = partition.leader_epoch;
        // A partition that has seen a newer epoch of the producer has no use for the marker.
        let _ = partition.log.append_marker(producer_id, epoch, marker, leader_epoch, now_ms);
        world.cluster.touch(&topic, index);
    }
    complete(world, id, left, commit);
}

/// Kafka: `prepareComplete`. Partitions that could not be reached keep the transaction open.
fn complete(world: &mut World, id: &str, left: Vec<NamedPartition>, commit: bool) {
    let now = world.now;
    let Some(transaction) = world.txns.by_id.get_mut(id) else { return };
    transaction.partitions = left.into_iter().collect();
    if !transaction.partitions.is_empty() {
        transaction.mark_at = Some(now.saturating_add(RETRY));
        return;
    }
    transaction.state = State::Complete { commit };
    transaction.mark_at = None;
    if let Some(next) = transaction.next_producer_id.take() {
        transaction.previous_producer_id = transaction.producer_id;
        transaction.last_epoch = transaction.epoch;
        transaction.producer_id = next;
        transaction.epoch = 0;
    }
    world.txns.marking.remove(id);
}
