//! Which replica to fetch a partition from (KIP-392).

use std::time::{Duration, Instant};

use crate::types::BrokerId;

/// Where one partition is fetched from: its leader, or a replica that the leader named because it is nearer.
///
/// A named replica is used for a lease, then the leader is asked again. Where a hint leads to another hint, or to an error,
/// nothing moves however fast one asks: only the first hint since the last records is followed without a pause. The
/// position is never part of this; a switch goes on from wherever the partition is then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReplicaChoice {
    preferred: Option<(BrokerId, Instant)>,
    hints_since_progress: u32,
}

impl ReplicaChoice {
    /// The leader.
    pub fn new() -> Self {
        Self::default()
    }

    /// The broker to fetch from now.
    pub fn choose(&self, now: Instant, leader: BrokerId) -> BrokerId {
        match self.preferred {
            Some((replica, until)) if until > now => replica,
            _ => leader,
        }
    }

    /// `said_by` named a nearer replica, instead of sending records. True if [the choice](Self::choose) can be asked at once;
    /// false if a pause is in order first.
    ///
    /// Only the leader gives directions: where a replica sends its reader on, or the leader names itself, the leader is asked.
    pub fn handle_preferred(
        &mut self,
        now: Instant,
        said_by: BrokerId,
        leader: BrokerId,
        replica: BrokerId,
        lease: Duration,
    ) -> bool {
        if said_by != leader || replica == leader {
            self.preferred = None;
            return false;
        }
        self.preferred = now.checked_add(lease).map(|until| (replica, until));
        self.hints_since_progress = self.hints_since_progress.saturating_add(1);
        self.hints_since_progress == 1
    }

    /// Whoever was asked answered with records, or with the news that there are none.
    pub fn handle_progress(&mut self) {
        self.hints_since_progress = 0;
    }

    /// The replica failed, is behind, or is none any more: the leader is asked.
    pub fn handle_failure(&mut self) {
        self.preferred = None;
    }

    /// When the lease of a replica ends.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.preferred.map(|(_, until)| until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: BrokerId = BrokerId(1);
    const NEAR: BrokerId = BrokerId(2);
    const LEASE: Duration = Duration::from_secs(60);

    #[allow(clippy::disallowed_methods)]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_nearer_replica_is_used_until_its_lease_ends() {
        let now = origin();
        let mut choice = ReplicaChoice::new();
        assert_eq!(choice.choose(now, LEADER), LEADER);
        assert!(choice.handle_preferred(now, LEADER, LEADER, NEAR, LEASE));
        choice.handle_progress();
        assert_eq!(choice.choose(now + LEASE / 2, LEADER), NEAR);
        assert_eq!(choice.poll_timeout(), Some(now + LEASE));
        assert_eq!(choice.choose(now + LEASE, LEADER), LEADER);
        assert!(choice.handle_preferred(now + LEASE, LEADER, LEADER, NEAR, LEASE));
    }

    #[test]
    fn hints_in_a_circle_are_followed_with_pauses() {
        let now = origin();
        let mut choice = ReplicaChoice::new();
        assert!(choice.handle_preferred(now, LEADER, LEADER, NEAR, LEASE));
        assert!(!choice.handle_preferred(now, NEAR, LEADER, LEADER, LEASE));
        assert_eq!(choice.choose(now, LEADER), LEADER);
        assert!(!choice.handle_preferred(now, NEAR, LEADER, BrokerId(3), LEASE));
        assert_eq!(choice.choose(now, LEADER), LEADER);
        assert!(!choice.handle_preferred(now, LEADER, LEADER, NEAR, LEASE));
        // A leader that knows better is followed all the same: it sends no records itself.
        assert_eq!(choice.choose(now, LEADER), NEAR);
        choice.handle_progress();
        assert!(choice.handle_preferred(now, LEADER, LEADER, NEAR, LEASE));
    }

    #[test]
    fn a_replica_that_fails_sends_its_reader_back() {
        let now = origin();
        let mut choice = ReplicaChoice::new();
        choice.handle_preferred(now, LEADER, LEADER, NEAR, LEASE);
        choice.handle_failure();
        assert_eq!(choice.choose(now, LEADER), LEADER);
        assert!(!choice.handle_preferred(now, LEADER, LEADER, NEAR, LEASE));
    }
}
