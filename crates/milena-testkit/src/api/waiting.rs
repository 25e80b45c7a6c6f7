//! Requests of the data APIs that wait: for records, for replicas. Java: `DelayedOperationPurgatory`.

use std::time::Duration;

use kafka_protocol::messages::BrokerId;

use crate::ctx::{ConnId, World};

/// What waits, and the fetch sessions.
#[derive(Debug, Default)]
pub(crate) struct Waiting {}

impl Waiting {
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    pub(crate) fn broker_stopped(&mut self, _broker: BrokerId) {}

    pub(crate) fn forget(&mut self, _conn: ConnId) {}
}

pub(crate) fn handle_timeout(_world: &mut World) {}

pub(crate) fn handle_data_changed(_world: &mut World) {}
