//! Requests of the data APIs that wait: for records, for replicas. Java: `DelayedOperationPurgatory`.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::BrokerId;

use super::fetch::{self, Fetch, Sessions};
use super::produce::{self, Produce};
use super::sasl::Logins;
use crate::ctx::{ConnId, ReplyTo, World};

/// What waits, and what brokers remember of connections.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) fetches: BTreeMap<ReplyTo, Fetch>,
    pub(crate) produces: BTreeMap<ReplyTo, Produce>,
    pub(crate) sessions: Sessions,
    pub(crate) logins: Logins,
}

impl Waiting {
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        let fetches = self.fetches.values().map(Fetch::deadline);
        fetches.chain(self.produces.values().map(Produce::deadline)).min()
    }

    /// Its sessions were in its memory.
    pub(crate) fn broker_stopped(&mut self, broker: BrokerId) {
        self.sessions.forget(broker);
    }

    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.fetches.retain(|_, fetch| fetch.conn() != conn);
        self.produces.retain(|_, produce| produce.conn() != conn);
        self.logins.forget(conn);
    }
}

pub(crate) fn handle_timeout(world: &mut World) {
    if world.data.poll_timeout().is_some_and(|due| due <= world.now) {
        fetch::wake(world, true);
        produce::wake(world);
    }
}

pub(crate) fn handle_data_changed(world: &mut World) {
    fetch::wake(world, false);
    produce::wake(world);
}
