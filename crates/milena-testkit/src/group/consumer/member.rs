//! A member of a consumer group.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;

use super::super::Now;
use super::{IdPartition, LEAVE_STATIC};

/// How far a member is on its way to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has what its epoch gives it.
    Stable,
    /// It has been told to give up partitions, and has not said that it has.
    Unrevoked,
    /// It waits for partitions that others still have.
    Unreleased,
}

/// What a member of the classic protocol brings along.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClassicPart {
    pub(crate) session_timeout: Now,
    pub(crate) protocols: Vec<(StrBytes, Bytes)>,
}

/// Kafka: `ConsumerGroupMember`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) id: StrBytes,
    pub(crate) instance: Option<StrBytes>,
    pub(crate) rack: Option<StrBytes>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    pub(crate) rebalance_timeout: Now,
    pub(crate) topics: BTreeSet<StrBytes>,
    pub(crate) regex: Option<StrBytes>,
    pub(crate) assignor: Option<StrBytes>,
    /// Partitions that it has, each with the epoch at which it got it (KIP-1251).
    pub(crate) assigned: BTreeMap<IdPartition, i32>,
    /// Partitions that it has been told to give up, likewise.
    pub(crate) revoking: BTreeMap<IdPartition, i32>,
    pub(crate) classic: Option<ClassicPart>,
}

impl Member {
    pub(crate) fn new(id: StrBytes) -> Self {
        Self {
            id,
            instance: None,
            rack: None,
            client_id: String::new(),
            client_host: String::new(),
            epoch: 0,
            previous_epoch: -1,
            state: MemberState::Stable,
            rebalance_timeout: Now::ZERO,
            topics: BTreeSet::new(),
            regex: None,
            assignor: None,
            assigned: BTreeMap::new(),
            revoking: BTreeMap::new(),
            classic: None,
        }
    }

    pub(crate) fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }

    /// Whether it left for a while.
    pub(crate) fn is_away(&self) -> bool {
        self.epoch == LEAVE_STATIC
    }

    /// Whether nobody else can have the partition.
    pub(crate) fn holds(&self, partition: &IdPartition) -> bool {
        self.assigned.contains_key(partition) || self.revoking.contains_key(partition)
    }

    /// Takes an epoch, and remembers the one before.
    pub(crate) fn enter(&mut self, epoch: i32) {
        self.previous_epoch = self.epoch;
        self.epoch = epoch;
    }
}
