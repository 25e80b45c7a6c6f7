//! Who leads one partition, and which news about that to believe.

use crate::types::{BrokerId, LeaderEpoch};
use crate::wire::{ErrorCode, LeaderIdAndEpoch, MetadataPartition};

/// What is known of one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// Who leads it; `None` while nobody does.
    pub leader: Option<BrokerId>,
    /// The leader's epoch; `None` where brokers do not say.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Brokers that hold a copy.
    pub replicas: Vec<BrokerId>,
    /// Copies in sync.
    pub isr: Vec<BrokerId>,
    /// Copies that are off line.
    pub offline: Vec<BrokerId>,
    /// LEADER_NOT_AVAILABLE and the like, or NONE.
    pub error: ErrorCode,
    doubt: Option<Doubt>,
    /// Answers on end that show the topic without this partition.
    absences: u32,
}

/// Answers that contradict what is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Doubt {
    epoch: Option<LeaderEpoch>,
    times: u32,
}

impl Partition {
    pub(super) fn new(told: &MetadataPartition) -> Self {
        Self {
            leader: told.leader,
            leader_epoch: told.leader_epoch,
            replicas: told.replicas.clone(),
            isr: told.isr.clone(),
            offline: told.offline.clone(),
            error: told.error,
            doubt: None,
            absences: 0,
        }
    }

    /// An answer shows the topic without this partition. True once that has happened so often on end that it is believed: a
    /// broker that has not heard of new partitions does this for a while, but not all of them.
    pub(super) fn is_disproved(&mut self) -> bool {
        self.absences = self.absences.saturating_add(1);
        self.absences >= DOUBTS_MAX
    }

    /// Takes over news of the same topic. True if leader or epoch changed.
    ///
    /// An older epoch comes from a broker that has not heard yet, and is not believed: the epoch of a partition never goes
    /// back. But if what is known was the lie, every honest answer looks old, for ever. So the same older epoch in
    /// [`DOUBTS_MAX`] answers on end is taken after all.
    pub(super) fn merge(&mut self, told: &MetadataPartition) -> bool {
        self.absences = 0;
        // An answer without an epoch is older than any with one: brokers that know epochs do not forget them.
        if told.leader_epoch < self.leader_epoch {
            let times = match self.doubt {
                Some(doubt) if doubt.epoch == told.leader_epoch => doubt.times.saturating_add(1),
                _ => 1,
            };
            if times < DOUBTS_MAX {
                self.doubt = Some(Doubt { epoch: told.leader_epoch, times });
                return false;
            }
        }
        let moved = (self.leader, self.leader_epoch) != (told.leader, told.leader_epoch);
        *self = Self::new(told);
        moved
    }

    /// Takes over a hint from a fetch or produce answer (KIP-951), if it is newer than what is known.
    pub(super) fn take_hint(&mut self, hint: LeaderIdAndEpoch) -> bool {
        if self.leader_epoch >= Some(hint.epoch) {
            return false;
        }
        self.leader = Some(hint.leader);
        self.leader_epoch = Some(hint.epoch);
        self.error = ErrorCode::NONE;
        self.doubt = None;
        true
    }
}

/// So many answers on end, with the same older news, outvote what is known. Metadata is asked of one broker after the
/// other, so that one broker that lags behind does not get there alone.
pub(super) const DOUBTS_MAX: u32 = 5;
