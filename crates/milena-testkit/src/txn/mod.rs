//! The transaction coordinators.

use std::time::Duration;

use kafka_protocol::messages::BrokerId;

use crate::ctx::World;

/// The transactional ids of all coordinators, and the producer ids given out.
#[derive(Debug, Default)]
pub struct Transactions {
    next_producer_id: i64,
}

impl Transactions {
    /// When [`handle_timeout`] has something to do, in time since the cluster's start.
    pub fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    /// A producer id that nobody has.
    pub fn new_producer_id(&mut self) -> i64 {
        let id = self.next_producer_id;
        self.next_producer_id += 1;
        id
    }
}

/// Does what is due at `world.now`: transactions that took too long. Called often; cheap if nothing is due.
pub fn handle_timeout(_world: &mut World) {}

/// A partition of `__transaction_state` has another leader (`None`: nobody).
pub fn handle_coordinator_moved(_world: &mut World, _partition: i32, _leader: Option<BrokerId>) {}
