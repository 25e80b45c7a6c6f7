//! How commits are made.

use std::time::Duration;

/// How commits are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitSettings {
    /// The group.
    pub group_id: String,
    /// Longest time a committable offset waits for its request.
    ///
    /// Default 5 s, as `auto.commit.interval.ms`. Zero commits as fast as the coordinator answers. Longer waits mean fewer
    /// requests, and more duplicates after a crash; a revoke does not wait for it.
    pub interval: Duration,
    /// First pause after a failed commit. Default 100 ms.
    pub retry_backoff: Duration,
    /// Longest pause after failed commits in a row, and the pause of a partition that the coordinator does not know.
    /// Default 1 s.
    pub retry_backoff_max: Duration,
    /// Which epoch goes on the wire. Default [`WireEpochPolicy::Current`].
    pub wire_epoch_policy: WireEpochPolicy,
    /// Commit outside of any membership (`assign` instead of `subscribe`): generation -1, no member id. Brokers take it
    /// while the group has no members. Default false: without a member nothing is sent.
    pub standalone: bool,
}

impl CommitSettings {
    /// The defaults, for this group.
    pub fn new(group_id: impl Into<String>) -> Self {
        Self {
            group_id: group_id.into(),
            interval: Duration::from_secs(5),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            wire_epoch_policy: WireEpochPolicy::Current,
            standalone: false,
        }
    }
}

/// Which epoch an OffsetCommit carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WireEpochPolicy {
    /// The member's current generation or member epoch: what classic groups and coordinators before Kafka 4.3 want. Only
    /// our own gate protects against late commits then.
    #[default]
    Current,
    /// KIP-1251: the member epoch at which each partition was assigned, one request for each distinct one, since
    /// STALE_MEMBER_EPOCH fails a whole request. For KIP-848 groups whose coordinator supports `metadata.version` 30 or
    /// newer; the broker then refuses late and ABA commits as well.
    PerAssignment,
}
