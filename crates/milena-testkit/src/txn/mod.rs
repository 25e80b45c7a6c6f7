//! The transaction coordinators: producer ids, epochs, and which partitions a transaction has touched.
//!
//! Ground truth: `TransactionCoordinator`, `TransactionMetadata` of Kafka's module `core` (4.x), and answers of a real 4.3.1. Kept:
//! fencing by epochs, the states and which request finds which error in them, timeouts, the epoch bump per transaction of
//! KIP-890 for clients that speak its versions, verification of partitions for those that do not. Not kept: expiry of
//! transactional ids, two-phase commit (KIP-939), transaction log records.

mod end;
mod init;
mod markers;
mod partitions;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::messages::BrokerId;

pub use self::state::TransactionState;
use self::state::{State, Transaction};
use crate::cluster::Settings;
use crate::ctx::{Ctx, World};
use crate::error_code::ErrorCode;

/// A partition by topic name.
pub(crate) type NamedPartition = (String, i32);
/// Producer id and epoch.
pub(crate) type Producer = (i64, i16);

/// The transactional ids of all coordinators, and the producer ids given out.
#[derive(Debug)]
pub struct Transactions {
    next_producer_id: i64,
    by_id: BTreeMap<String, Transaction>,
    /// Transactions that are decided, and whose markers are not all written yet.
    marking: BTreeSet<String>,
    config: TxnConfig,
    /// Rises with every move of a coordinator: a marker of an older one is refused.
    coordinator_epoch: i32,
    now: Duration,
}

/// Settings of the transaction coordinators, by Kafka's names and with Kafka's defaults.
#[derive(Clone, Debug)]
pub struct TxnConfig {
    /// `transaction.max.timeout.ms`: default 15 minutes.
    pub max_timeout: Duration,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`: how often transactions that took too long are looked
    /// for. Default 10 s.
    pub abort_interval: Duration,
    /// How long after EndTxn's answer the markers are written. Default zero. Kafka has no such setting: there it takes as
    /// long as it takes, and meanwhile the next request finds CONCURRENT_TRANSACTIONS.
    pub marker_delay: Duration,
}

impl Default for TxnConfig {
    fn default() -> Self {
        Self {
            max_timeout: Duration::from_secs(15 * 60),
            abort_interval: Duration::from_secs(10),
            marker_delay: Duration::ZERO,
        }
    }
}

impl Default for Transactions {
    fn default() -> Self {
        Self {
            next_producer_id: 0,
            by_id: BTreeMap::new(),
            marking: BTreeSet::new(),
            config: TxnConfig::default(),
            coordinator_epoch: 0,
            now: Duration::ZERO,
        }
    }
}

impl Transactions {
    /// Coordinators as the brokers' settings want them.
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut config = TxnConfig::default();
        let set = |field: &mut Duration, name: &str| {
            if let Some(ms) = settings.properties.get(name).and_then(|value| value.parse().ok()) {
                *field = Duration::from_millis(ms);
            }
        };
        set(&mut config.max_timeout, "transaction.max.timeout.ms");
        set(&mut config.abort_interval, "transaction.abort.timed.out.transaction.cleanup.interval.ms");
        Self { config, ..Self::default() }
    }

    /// The coordinators' settings, to be changed while they work.
    pub fn config_mut(&mut self) -> &mut TxnConfig {
        &mut self.config
    }

    /// When [`handle_timeout`] has something to do, in time since the cluster's start.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let timeouts = self.by_id.values().filter_map(|transaction| self.aborts_at(transaction));
        let markers = self.marking.iter().filter_map(|id| self.by_id.get(id)?.mark_at);
        timeouts.chain(markers).min()
    }

    /// A producer id that nobody has.
    pub fn new_producer_id(&mut self) -> i64 {
        let id = self.next_producer_id;
        self.next_producer_id += 1;
        id
    }

    /// What is known of a transactional id.
    pub fn state(&self, transactional_id: &str) -> Option<TransactionState> {
        self.by_id.get(transactional_id).map(Transaction::describe)
    }

    /// The first look for late transactions after the transaction's time is over.
    fn aborts_at(&self, transaction: &Transaction) -> Option<Duration> {
        let State::Ongoing { since } = transaction.state else { return None };
        let late = since.saturating_add(transaction.timeout);
        let interval = self.config.abort_interval.as_millis().max(1);
        let looks = late.as_millis().div_ceil(interval);
        Some(Duration::from_millis(u64::try_from(looks.saturating_mul(interval)).unwrap_or(u64::MAX)))
    }
}

/// Does what is due at `world.now`: transactions that took too long, and markers. Called often; cheap if nothing is due.
pub fn handle_timeout(world: &mut World) {
    if world.txns.poll_timeout().is_none_or(|at| at > world.now) {
        return;
    }
    world.txns.now = world.now;
    let late: Vec<String> = world
        .txns
        .by_id
        .iter()
        .filter(|(_, transaction)| world.txns.aborts_at(transaction).is_some_and(|at| at <= world.now))
        .map(|(id, _)| id.clone())
        .collect();
    for id in late {
        world.txns.abort_late(&id);
    }
    markers::write_due(world);
}

/// A partition of `__transaction_state` has another leader (`None`: nobody). What was decided stays decided.
pub fn handle_coordinator_moved(world: &mut World, _partition: i32, _leader: Option<BrokerId>) {
    world.txns.coordinator_epoch = world.txns.coordinator_epoch.saturating_add(1);
}

/// Whether the broker that was asked coordinates the transactional id.
pub(crate) fn check_coordinator(ctx: &Ctx<'_>, transactional_id: &str) -> Result<(), ErrorCode> {
    if ctx.cluster.txn_coordinator(transactional_id) == Some(ctx.broker) {
        Ok(())
    } else {
        Err(ErrorCode::NOT_COORDINATOR)
    }
}

/// Hands a request to the coordinators, and writes the markers that it calls for.
pub(crate) fn call<R>(ctx: &mut Ctx<'_>, handle: impl FnOnce(&mut Transactions) -> R) -> R {
    ctx.world.txns.now = ctx.world.now;
    let result = handle(&mut ctx.world.txns);
    markers::write_due(ctx.world);
    result
}

/// Makes sure, before a transactional batch or offset is written, that its partition belongs to the producer's transaction.
///
/// A client that speaks KIP-890's versions (`adds`) adds the partition by writing to it; for others it is checked that
/// AddPartitionsToTxn was there before (Java: `AddPartitionsToTxnManager`).
///
/// # Errors
/// What Produce and TxnOffsetCommit answer for the partition.
pub(crate) fn admit(
    world: &mut World,
    transactional_id: &str,
    producer: Producer,
    partition: NamedPartition,
    adds: bool,
    knows_abortable: bool,
) -> Result<(), ErrorCode> {
    world.txns.now = world.now;
    let result = if adds {
        world.txns.add_partitions(transactional_id, producer, [partition].into())
    } else {
        world.txns.verify(transactional_id, producer, &partition)
    };
    result.map_err(|error| match error {
        // The client of the data plane knows the older name.
        ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
        ErrorCode::TRANSACTION_ABORTABLE if !knows_abortable => ErrorCode::INVALID_TXN_STATE,
        error => error,
    })
}
