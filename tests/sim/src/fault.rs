//! What goes wrong: each kind once, drawn and done. Its name is what the coverage table counts.

use std::time::Duration;

use testkit::{ApiKey, ErrorCode};

use crate::dice::Dice;

/// A kind of fault. The numbers are those of the catalogue (facts/faults.md of the design).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// An answer is an error that the API has (8-10, 17-24, 32, 54).
    Error,
    /// An answer is late (7).
    Delay,
    /// An answer is cut off (1).
    Cut,
    /// A connection ends before the request is carried out (2).
    Disconnect,
    /// A connection goes silent after a request was carried out (3).
    Swallow,
    /// KIP-219 (42).
    Throttle,
    /// All connections to a broker end.
    CloseConnections,
    /// A broker goes away and comes back (44).
    StopBroker,
    /// A broker stops answering for a while, and nobody takes over.
    PauseBroker,
    /// A partition has another leader (8).
    MoveLeader,
    /// The group has another coordinator (17).
    MoveCoordinator,
    /// Fetch sessions are forgotten (32).
    EvictSessions,
    /// The coordinator takes a member for dead (24).
    Fence,
    /// A member dies without a word, and comes back as a new one.
    Crash,
    /// A member is cut off from everything for a while (51).
    Freeze,
    /// A member leaves.
    Leave,
    /// A member comes.
    Join,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Error,
        Self::Delay,
        Self::Cut,
        Self::Disconnect,
        Self::Swallow,
        Self::Throttle,
        Self::CloseConnections,
        Self::StopBroker,
        Self::PauseBroker,
        Self::MoveLeader,
        Self::MoveCoordinator,
        Self::EvictSessions,
        Self::Fence,
        Self::Crash,
        Self::Freeze,
        Self::Leave,
        Self::Join,
    ];

    /// Whether it takes more than one broker.
    pub fn needs_brokers(self) -> bool {
        matches!(self, Self::StopBroker | Self::MoveLeader | Self::MoveCoordinator)
    }

    /// A usual time between two of them, in milliseconds.
    pub(crate) fn mean_ms(self) -> u64 {
        match self {
            Self::Error | Self::Delay => 1000,
            Self::Cut | Self::Disconnect | Self::Throttle | Self::CloseConnections => 3000,
            Self::MoveLeader | Self::MoveCoordinator | Self::EvictSessions => 4000,
            Self::Swallow | Self::StopBroker | Self::PauseBroker | Self::Fence => 8000,
            Self::Crash | Self::Freeze | Self::Leave | Self::Join => 8000,
        }
    }
}

/// An API that clients of a group use.
pub(crate) fn any_api(dice: &mut Dice) -> ApiKey {
    // Those that decide most come more often.
    const APIS: [ApiKey; 14] = [
        ApiKey::Fetch,
        ApiKey::OffsetCommit,
        ApiKey::OffsetCommit,
        ApiKey::OffsetFetch,
        ApiKey::OffsetFetch,
        ApiKey::JoinGroup,
        ApiKey::SyncGroup,
        ApiKey::Heartbeat,
        ApiKey::FindCoordinator,
        ApiKey::Metadata,
        ApiKey::ListOffsets,
        ApiKey::LeaveGroup,
        ApiKey::ApiVersions,
        ApiKey::Produce,
    ];
    dice.pick(&APIS).copied().unwrap_or(ApiKey::Fetch)
}

/// An error that a broker may answer that API with, without having done anything.
pub(crate) fn any_error(dice: &mut Dice) -> (ApiKey, ErrorCode) {
    let api = match any_api(dice) {
        // It has none that a broker in order would answer.
        ApiKey::ApiVersions => ApiKey::Metadata,
        api => api,
    };
    let coordinator: &[ErrorCode] = &[
        ErrorCode::NOT_COORDINATOR,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
    ];
    let member: &[ErrorCode] = &[
        ErrorCode::NOT_COORDINATOR,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::REBALANCE_IN_PROGRESS,
        ErrorCode::UNKNOWN_MEMBER_ID,
        ErrorCode::ILLEGAL_GENERATION,
    ];
    let leader: &[ErrorCode] = &[
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::REPLICA_NOT_AVAILABLE,
    ];
    let session: &[ErrorCode] =
        &[ErrorCode::FETCH_SESSION_ID_NOT_FOUND, ErrorCode::INVALID_FETCH_SESSION_EPOCH];
    let offsets: &[ErrorCode] = &[ErrorCode::UNSTABLE_OFFSET_COMMIT];
    let produce: &[ErrorCode] = &[ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::NOT_ENOUGH_REPLICAS];
    let metadata: &[ErrorCode] = &[ErrorCode::LEADER_NOT_AVAILABLE];
    let of = match api {
        ApiKey::Fetch if dice.one_in(3) => session,
        ApiKey::Fetch | ApiKey::ListOffsets => leader,
        ApiKey::OffsetFetch if dice.one_in(3) => offsets,
        ApiKey::OffsetFetch | ApiKey::FindCoordinator | ApiKey::LeaveGroup => coordinator,
        ApiKey::OffsetCommit | ApiKey::SyncGroup | ApiKey::Heartbeat => member,
        ApiKey::JoinGroup => &member[..3],
        ApiKey::Produce => produce,
        _ => metadata,
    };
    (api, dice.pick(of).copied().unwrap_or(ErrorCode::NOT_COORDINATOR))
}

/// How long a condition lasts that ends by itself.
pub(crate) fn lasting(dice: &mut Dice) -> Duration {
    if dice.one_in(3) { dice.millis(5000, 20_000) } else { dice.millis(100, 4000) }
}
