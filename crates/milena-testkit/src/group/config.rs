//! What a broker's `group.*`, `offsets.*` settings say, by Kafka's names and with Kafka's defaults.

use std::collections::BTreeMap;
use std::time::Duration;

/// Settings of the group coordinator.
///
/// The defaults are those of Apache Kafka 4.3, but for [`initial_rebalance_delay`](Self::initial_rebalance_delay): three
/// seconds of waiting for members that a test has already started help nobody.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// `group.initial.rebalance.delay.ms`: how long an empty classic group waits for more members. Default here: zero
    /// (Kafka: 3 s).
    pub initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`: a classic member that asks for less gets INVALID_SESSION_TIMEOUT. Default 6 s.
    pub min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`. Default 30 minutes.
    pub max_session_timeout: Duration,
    /// `group.max.size`, for classic groups. Default: no limit.
    pub max_size: usize,
    /// How long a new classic member may take from its JoinGroup to its SyncGroup, whatever its session timeout
    /// (`CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS`). Default 5 minutes; not a setting in Kafka.
    pub new_member_join_timeout: Duration,
    /// `offset.metadata.max.bytes`. Default 4096.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`. Default 7 days.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`. Default 10 minutes.
    pub offsets_retention_check_interval: Duration,
    /// `group.consumer.session.timeout.ms` (KIP-848). Default 45 s.
    pub consumer_session_timeout: Duration,
    /// `group.consumer.heartbeat.interval.ms` (KIP-848). Default 5 s.
    pub consumer_heartbeat_interval: Duration,
    /// `group.consumer.max.size` (KIP-848). Default: no limit.
    pub consumer_max_size: usize,
    /// `group.consumer.assignment.interval.ms`: least time between two computations of a group's target assignment. Default
    /// 1 s, as from Kafka 4.3; zero is how older brokers behave (an assignment is in the first answer already).
    pub consumer_assignment_interval: Duration,
    /// `group.consumer.migration.policy`: whether a live classic group may become a consumer group and back. Default: both.
    pub migration: MigrationPolicy,
    /// KIP-1251: whether a commit with an older member epoch is accepted for partitions assigned at or before it (Kafka 4.3:
    /// yes; 4.2 and before: no). Default true.
    pub assignment_epochs: bool,
}

/// `group.consumer.migration.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// Neither way.
    Disabled,
    /// Classic to consumer only.
    Upgrade,
    /// Consumer to classic only.
    Downgrade,
    /// Both ways: Kafka's default.
    Bidirectional,
}

impl MigrationPolicy {
    pub(crate) fn upgrades(self) -> bool {
        matches!(self, Self::Upgrade | Self::Bidirectional)
    }

    pub(crate) fn downgrades(self) -> bool {
        matches!(self, Self::Downgrade | Self::Bidirectional)
    }
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            initial_rebalance_delay: Duration::ZERO,
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_secs(30 * 60),
            max_size: usize::MAX,
            new_member_join_timeout: Duration::from_secs(5 * 60),
            offset_metadata_max: 4096,
            offsets_retention: Duration::from_secs(7 * 24 * 3600),
            offsets_retention_check_interval: Duration::from_secs(600),
            consumer_session_timeout: Duration::from_secs(45),
            consumer_heartbeat_interval: Duration::from_secs(5),
            consumer_max_size: usize::MAX,
            consumer_assignment_interval: Duration::from_secs(1),
            migration: MigrationPolicy::Bidirectional,
            assignment_epochs: true,
        }
    }
}

impl GroupConfig {
    /// What broker settings by Kafka's names say; those that are missing or are no numbers keep their defaults.
    pub(crate) fn from_properties(properties: &BTreeMap<String, String>) -> Self {
        let mut config = Self::default();
        let number = |name: &str| properties.get(name).and_then(|value| value.parse::<u64>().ok());
        let set = |field: &mut Duration, name: &str, unit_ms: u64| {
            if let Some(value) = number(name) {
                *field = Duration::from_millis(value.saturating_mul(unit_ms));
            }
        };
        set(&mut config.initial_rebalance_delay, "group.initial.rebalance.delay.ms", 1);
        set(&mut config.min_session_timeout, "group.min.session.timeout.ms", 1);
        set(&mut config.max_session_timeout, "group.max.session.timeout.ms", 1);
        set(&mut config.offsets_retention, "offsets.retention.minutes", 60_000);
        set(&mut config.offsets_retention_check_interval, "offsets.retention.check.interval.ms", 1);
        set(&mut config.consumer_session_timeout, "group.consumer.session.timeout.ms", 1);
        set(&mut config.consumer_heartbeat_interval, "group.consumer.heartbeat.interval.ms", 1);
        set(&mut config.consumer_assignment_interval, "group.consumer.assignment.interval.ms", 1);
        let size = |name: &str| number(name).and_then(|size| usize::try_from(size).ok());
        config.max_size = size("group.max.size").unwrap_or(config.max_size);
        config.consumer_max_size = size("group.consumer.max.size").unwrap_or(config.consumer_max_size);
        config.offset_metadata_max = size("offset.metadata.max.bytes").unwrap_or(config.offset_metadata_max);
        config.migration =
            match properties.get("group.consumer.migration.policy").map(|policy| policy.to_lowercase()) {
                Some(policy) if policy == "disabled" => MigrationPolicy::Disabled,
                Some(policy) if policy == "upgrade" => MigrationPolicy::Upgrade,
                Some(policy) if policy == "downgrade" => MigrationPolicy::Downgrade,
                _ => MigrationPolicy::Bidirectional,
            };
        config
    }
}
