//! The group coordinators.

use std::time::Duration;

use kafka_protocol::messages::BrokerId;
use uuid::Uuid;

use crate::ctx::World;

/// The groups of all coordinators.
#[derive(Debug, Default)]
pub struct Groups {}

impl Groups {
    /// When [`handle_timeout`] has something to do, in time since the cluster's start.
    pub fn poll_timeout(&self) -> Option<Duration> {
        None
    }
}

/// Does what is due at `world.now`. Called often; cheap if nothing is due.
pub fn handle_timeout(_world: &mut World) {}

/// A partition of `__consumer_offsets` has another leader, so its groups have another coordinator (`None`: nobody).
pub fn handle_coordinator_moved(_world: &mut World, _partition: i32, _leader: Option<BrokerId>) {}

/// A topic is gone: its offsets are tombstoned. Called before one of the same name can be created.
pub fn handle_topic_deleted(_world: &mut World, _name: &str, _id: Uuid) {}

/// A topic was created or has more partitions: KIP-848 assignments change.
pub fn handle_topics_changed(_world: &mut World) {}
