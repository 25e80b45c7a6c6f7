//! A partition: its log, and who has it.

use std::collections::BTreeMap;

use kafka_protocol::messages::BrokerId;

use crate::error_code::ErrorCode;
use crate::log::Log;

/// One partition of a topic.
#[derive(Debug, Clone)]
pub struct Partition {
    /// The leader's log.
    pub log: Log,
    /// `None`: no replica in sync is alive.
    pub leader: Option<BrokerId>,
    /// Rises with every leader.
    pub leader_epoch: i32,
    /// Replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Those in sync.
    pub isr: Vec<BrokerId>,
    /// Replicas that copy nothing, with their log end offset: dead ones, and those that a test holds.
    lagging: BTreeMap<BrokerId, i64>,
    high_watermark: i64,
    /// Where the log ended when the leader became it.
    leader_epoch_start: i64,
}

/// What an offset is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Up to the high watermark.
    ReadUncommitted,
    /// Up to the last stable offset.
    ReadCommitted,
}

impl Isolation {
    /// As requests say it.
    pub fn from_wire(level: i8) -> Self {
        if level == 1 { Self::ReadCommitted } else { Self::ReadUncommitted }
    }
}

impl Partition {
    pub(super) fn new(replicas: Vec<BrokerId>) -> Self {
        let mut log = Log::default();
        log.start_epoch(0);
        Self {
            log,
            leader: replicas.first().copied(),
            leader_epoch: 0,
            isr: replicas.clone(),
            replicas,
            lagging: BTreeMap::new(),
            high_watermark: 0,
            leader_epoch_start: 0,
        }
    }

    /// What all replicas in sync have: consumers see nothing beyond.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// The last stable offset.
    pub fn last_stable_offset(&self) -> i64 {
        self.log.last_stable_offset(self.high_watermark)
    }

    /// Where a consumer of that isolation level has to stop.
    pub fn last_fetchable(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark,
            Isolation::ReadCommitted => self.last_stable_offset(),
        }
    }

    /// Where a replica's log ends.
    pub fn end_offset_of(&self, broker: BrokerId) -> i64 {
        self.lagging.get(&broker).copied().unwrap_or(self.log.end_offset())
    }

    /// After a leader's election and until its followers have caught up, the high watermark may lie below what was announced
    /// before: offsets asked for then are not available (KIP-207).
    pub fn has_caught_up(&self) -> bool {
        self.high_watermark >= self.leader_epoch_start
    }

    /// The checks before anything is done for a client that says in which epoch it knows the leader (KIP-320).
    ///
    /// # Errors
    /// `FENCED_LEADER_EPOCH`, `UNKNOWN_LEADER_EPOCH` or `NOT_LEADER_OR_FOLLOWER`, in the order of Java's `Partition`.
    pub fn check(&self, broker: BrokerId, epoch: i32, only_leader: bool) -> Result<(), ErrorCode> {
        if epoch >= 0 && epoch < self.leader_epoch {
            return Err(ErrorCode::FENCED_LEADER_EPOCH);
        }
        if epoch > self.leader_epoch {
            return Err(ErrorCode::UNKNOWN_LEADER_EPOCH);
        }
        let serves = self.leader == Some(broker) || (!only_leader && self.replicas.contains(&broker));
        if serves { Ok(()) } else { Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) }
    }

    /// Lets a replica copy nothing from here on. It stays in sync, and holds the high watermark back, unless `leave_isr`.
    pub fn hold_replica(&mut self, broker: BrokerId, leave_isr: bool) {
        let end = self.end_offset_of(broker);
        self.lagging.insert(broker, end);
        if leave_isr && self.leader != Some(broker) {
            self.isr.retain(|member| *member != broker);
        }
        self.replicate();
    }

    /// Lets a replica catch up and join those in sync.
    pub fn release_replica(&mut self, broker: BrokerId) {
        self.lagging.remove(&broker);
        if self.replicas.contains(&broker) && !self.isr.contains(&broker) && self.leader.is_some() {
            self.isr.push(broker);
        }
        self.replicate();
    }

    /// Raises the high watermark to what all replicas in sync have. Called after every append.
    pub fn replicate(&mut self) {
        let ends = self.isr.iter().map(|member| self.end_offset_of(*member));
        let reached = ends.min().unwrap_or(self.high_watermark).min(self.log.end_offset());
        self.high_watermark = self.high_watermark.max(reached).min(self.log.end_offset());
        self.log.replicated_to(self.high_watermark);
    }

    /// Makes `leader` the leader, in a new epoch. If its log is shorter, the rest is lost to everybody.
    pub(super) fn elect(&mut self, leader: Option<BrokerId>) {
        self.leader_epoch += 1;
        self.leader = leader;
        let Some(leader) = leader else { return };
        let end = self.end_offset_of(leader);
        if end < self.log.end_offset() {
            self.log.truncate_to(end);
            self.high_watermark = self.high_watermark.min(end);
            for other in self.lagging.values_mut() {
                *other = (*other).min(end);
            }
        }
        self.lagging.remove(&leader);
        self.leader_epoch_start = self.log.end_offset();
        self.log.start_epoch(self.leader_epoch);
        if !self.isr.contains(&leader) {
            self.isr = vec![leader];
        }
        self.replicate();
    }

    /// A broker is gone: it is out of sync, unless it was the last one in sync.
    pub(super) fn broker_gone(&mut self, broker: BrokerId, is_alive: impl Fn(BrokerId) -> bool) {
        if !self.replicas.contains(&broker) {
            return;
        }
        let end = self.end_offset_of(broker);
        self.lagging.insert(broker, end);
        if self.isr.iter().any(|member| *member != broker && is_alive(*member)) {
            self.isr.retain(|member| *member != broker);
        }
        if self.leader == Some(broker) {
            let next = self.replicas.iter().find(|next| self.isr.contains(next) && is_alive(**next)).copied();
            self.elect(next);
        }
        self.replicate();
    }

    /// A broker is back: it copies what it lacks, or becomes the leader that nobody was.
    pub(super) fn broker_back(&mut self, broker: BrokerId) {
        if !self.replicas.contains(&broker) {
            return;
        }
        if self.leader.is_none() && self.isr.contains(&broker) {
            self.elect(Some(broker));
        }
        self.release_replica(broker);
    }
}
