//! What a world is like: drawn from its seed, so that worlds differ in kind and not only in luck (swarm testing).

use std::time::Duration;

use client::records::Compression;
use testkit::ApiKey;

use crate::check::Bounds;
use crate::dice::Dice;
use crate::fault::Fault;

/// Everything that a seed decides before the world begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// Brokers, with ids from 1.
    pub brokers: i32,
    /// Partitions of each topic.
    pub topics: Vec<i32>,
    /// Members that the world begins with.
    pub members: usize,
    /// Whether they speak the consumer protocol (KIP-848).
    pub is_consumer: bool,
    /// Whether they assign by cooperative-sticky, or by the eager range assignor.
    pub is_cooperative: bool,
    /// How many of them are static.
    pub static_members: usize,
    /// read_committed?
    pub is_committed: bool,
    /// Records one by one, or batches.
    pub by_batches: bool,
    /// `session.timeout.ms`.
    pub session: Duration,
    /// `heartbeat.interval.ms`.
    pub heartbeat: Duration,
    /// `max.poll.interval.ms`: the rebalance timeout.
    pub rebalance: Duration,
    /// `auto.commit.interval.ms`.
    pub commit_interval: Duration,
    /// `milena.drain.timeout.ms`.
    pub drain: Duration,
    /// `request.timeout.ms`.
    pub request_timeout: Duration,
    /// `milena.budget.bytes`.
    pub budget: usize,
    /// `max.partition.fetch.bytes`.
    pub partition_fetch_bytes: usize,
    /// `group.initial.rebalance.delay.ms`.
    pub first_rebalance: Duration,
    /// Mean time between batches of new records.
    pub produce_every: Duration,
    /// Records of a batch, at most.
    pub batch_records: u64,
    /// Bytes of a value, at most.
    pub value_bytes: u64,
    /// The codec of batches.
    pub compression: Compression,
    /// Whether records have keys.
    pub has_keys: bool,
    /// Whether each broker and each member is in a rack, and members read from the replica beside them (KIP-392).
    pub has_racks: bool,
    /// Whether Milena's own producer writes some of them.
    pub own_producer: bool,
    /// The longest that a program takes for a record.
    pub ack_delay: Duration,
    /// Records that a program works on at once, at most.
    pub in_hand: usize,
    /// Of so many records, one blocks its program.
    pub slow_one_in: u64,
    /// How long.
    pub slow_for: Duration,
    /// Mean time between what a program does beside reading: seek, pause, commit.
    pub orders_every: Option<Duration>,
    /// What goes wrong, and its mean interval.
    pub faults: Vec<(Fault, Duration)>,
    /// The highest versions of APIs: older brokers.
    pub ceilings: Vec<(ApiKey, i16)>,
    /// How long things go wrong.
    pub unsafe_for: Duration,
}

/// The bound on the time from the end of all faults until everything is read, acknowledged and committed.
///
/// The longest chain: a member that is gone is missed after its session, its place is given up after a rebalance timeout, then
/// comes a request timeout on a connection nobody reads, and a last drain; each twice, as the first try may meet the end of the
/// faults.
pub fn recovery_bound(options: &Options) -> Duration {
    let chain = options.session + options.rebalance + options.request_timeout + options.drain;
    2 * chain + Duration::from_secs(30)
}

impl Options {
    /// The world of that seed.
    pub fn draw(seed: u64) -> Self {
        let mut options = Self::draw_freely(seed);
        // Before JoinGroup 9 a static leader that comes back does not lead any more, and nobody looks at partition counts until the
        // next rebalance: KIP-814 was made for that. Java's members do not notice either.
        let is_old = options.ceilings.iter().any(|(api, ceiling)| *api == ApiKey::JoinGroup && *ceiling < 9);
        if is_old && options.static_members > 0 && !options.is_consumer {
            options.faults.retain(|(fault, _)| *fault != Fault::AddPartition);
        }
        if options.is_consumer {
            // Coordinators of such groups are not that old.
            let has_it = |api: &ApiKey, ceiling: i16| match api {
                ApiKey::OffsetCommit | ApiKey::OffsetFetch => ceiling >= 9,
                ApiKey::Metadata => ceiling >= 12,
                _ => true,
            };
            options.ceilings.retain(|(api, ceiling)| has_it(api, *ceiling));
        }
        options
    }

    fn draw_freely(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x6d69_6c65_6e61);
        let brokers = dice.number(1, 3);
        let topics = (0..dice.between(1, 2)).map(|_| dice.number(1, 4)).collect();
        let members = dice.between(1, 4) as usize;
        let session = dice.millis(6000, 10_000);
        let faults = draw_faults(&mut dice, brokers);
        let is_tight = dice.one_in(3);
        Self {
            seed,
            brokers,
            topics,
            members,
            is_consumer: dice.one_in(2),
            is_cooperative: dice.one_in(2),
            static_members: if dice.one_in(3) { dice.between(1, members as u64) as usize } else { 0 },
            is_committed: dice.one_in(2),
            by_batches: dice.one_in(2),
            session,
            heartbeat: dice.millis(500, 2000),
            rebalance: dice.millis(6000, 15_000),
            commit_interval: if dice.one_in(4) { dice.millis(1, 50) } else { dice.millis(100, 5000) },
            drain: dice.millis(0, 4000),
            request_timeout: dice.millis(1500, 6000),
            budget: if is_tight { 64 << 10 } else { 4 << 20 },
            partition_fetch_bytes: if is_tight { dice.between(256, 16 << 10) as usize } else { 1 << 20 },
            first_rebalance: if dice.one_in(2) { Duration::ZERO } else { dice.millis(100, 3000) },
            produce_every: dice.millis(20, 400),
            batch_records: dice.between(1, 20),
            value_bytes: if dice.one_in(4) { 2000 } else { 20 },
            compression: draw_compression(&mut dice),
            has_keys: dice.one_in(2),
            has_racks: brokers > 1 && dice.one_in(3),
            own_producer: dice.one_in(3),
            ack_delay: if dice.one_in(4) { dice.millis(2000, 9000) } else { dice.millis(0, 500) },
            in_hand: dice.between(1, 200) as usize,
            slow_one_in: if dice.one_in(3) { dice.between(20, 200) } else { u64::MAX },
            slow_for: dice.millis(500, 12_000),
            orders_every: dice.one_in(2).then(|| dice.millis(300, 5000)),
            faults,
            ceilings: draw_ceilings(&mut dice),
            unsafe_for: dice.millis(10_000, 40_000),
        }
    }
}

impl Options {
    /// What invariants have to know of this world.
    pub fn bounds(&self) -> Bounds {
        // Values have a few bytes in front, and records and batches some of their own.
        let batch = self.batch_records * (self.value_bytes + 60) + 100;
        let batch = usize::try_from(batch).unwrap_or(usize::MAX);
        // What is asked of a broker at least: what is asked of a partition, or what must be left of the budget.
        let floor = (self.budget / 32 / self.brokers.unsigned_abs() as usize).min(self.partition_fetch_bytes);
        let brokers = self.brokers.unsigned_abs() as usize;
        // From each broker over up to four connections.
        let fetched = if batch <= floor { 0 } else { batch * (4 * brokers + 1) };
        // What a program holds may be a record of a batch each, and what decompresses it rounds up; so do the batches that are on
        // their way to it: decoded ahead, in the stream, and the next one.
        let buffer = (2 * batch).max(DECOMPRESSED_MIN);
        let decompressed =
            if self.compression == Compression::None { 0 } else { buffer * (self.in_hand + 3) };
        Bounds {
            is_committed: self.is_committed,
            is_classic: !self.is_consumer,
            by_batches: self.by_batches,
            session: self.session,
            silence: self.session,
            late_records: match (self.by_batches, self.own_producer) {
                (true, _) => 0,
                (false, false) => self.batch_records,
                // As many as it has in hand when it sends.
                (false, true) => 1000,
            },
            beyond_budget: fetched + decompressed,
        }
    }
}

/// What the buffer of a decompressed batch has at least, about.
const DECOMPRESSED_MIN: usize = 40 << 10;

/// As it comes most often, and those that need no C library.
fn draw_compression(dice: &mut Dice) -> Compression {
    match dice.between(0, 5) {
        0 => Compression::Gzip,
        1 => Compression::Snappy,
        2 => Compression::Lz4,
        _ => Compression::None,
    }
}

/// One world in eight has no faults, one in eight only one, the others any of them.
fn draw_faults(dice: &mut Dice, brokers: i32) -> Vec<(Fault, Duration)> {
    let mut faults: Vec<_> =
        Fault::ALL.into_iter().filter(|fault| !fault.needs_brokers() || brokers > 1).collect();
    match dice.between(0, 7) {
        0 => faults.clear(),
        1 => faults = dice.pick(&faults).copied().into_iter().collect(),
        _ => faults.retain(|_| dice.one_in(2)),
    }
    faults.into_iter().map(|fault| (fault, dice.millis(fault.mean_ms() / 4, fault.mean_ms() * 2))).collect()
}

fn draw_ceilings(dice: &mut Dice) -> Vec<(ApiKey, i16)> {
    let ranges = [
        (ApiKey::Fetch, 11, 17),
        (ApiKey::OffsetCommit, 7, 10),
        (ApiKey::OffsetFetch, 5, 10),
        (ApiKey::JoinGroup, 5, 9),
        (ApiKey::SyncGroup, 3, 5),
        (ApiKey::Heartbeat, 3, 4),
        (ApiKey::Metadata, 9, 12),
        (ApiKey::ListOffsets, 4, 9),
        (ApiKey::FindCoordinator, 2, 4),
        (ApiKey::Produce, 7, 12),
    ];
    let mut ceilings = Vec::new();
    for (api, low, high) in ranges {
        if dice.one_in(4) {
            ceilings.push((api, dice.number(low, high) as i16));
        }
    }
    ceilings
}
