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
    /// Records of a fetch are damaged on their way (36).
    Corrupt,
    /// A transaction holds up who reads committed records, and is committed or aborted (40, 41).
    Transaction,
    /// Records are deleted before or after they are read (13).
    DeleteRecords,
    /// A log is compacted (39).
    Compact,
    /// A replica that lacks records becomes the leader (12).
    UncleanElection,
    /// A replica that consumers may read from falls behind (15, 16).
    LagReplica,
    /// A topic gets one more partition (35).
    AddPartition,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 24] = [
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
        Self::Corrupt,
        Self::Transaction,
        Self::DeleteRecords,
        Self::Compact,
        Self::UncleanElection,
        Self::LagReplica,
        Self::AddPartition,
    ];

    /// Whether it takes more than one broker.
    pub fn needs_brokers(self) -> bool {
        matches!(
            self,
            Self::StopBroker
                | Self::MoveLeader
                | Self::MoveCoordinator
                | Self::UncleanElection
                | Self::LagReplica
        )
    }

    /// A usual time between two of them, in milliseconds.
    pub(crate) fn mean_ms(self) -> u64 {
        match self {
            Self::Error | Self::Delay => 1000,
            Self::Cut | Self::Disconnect | Self::Throttle | Self::CloseConnections => 3000,
            Self::MoveLeader | Self::MoveCoordinator | Self::EvictSessions => 4000,
            Self::Swallow | Self::StopBroker | Self::PauseBroker | Self::Fence => 8000,
            Self::Crash | Self::Freeze | Self::Leave | Self::Join => 8000,
            Self::Corrupt | Self::Transaction => 2000,
            Self::DeleteRecords | Self::Compact | Self::LagReplica => 5000,
            Self::UncleanElection => 10_000,
            Self::AddPartition => 15_000,
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
pub(crate) fn any_error(dice: &mut Dice, is_consumer: bool) -> (ApiKey, ErrorCode) {
    let api = match any_api(dice) {
        ApiKey::JoinGroup | ApiKey::SyncGroup | ApiKey::Heartbeat | ApiKey::LeaveGroup if is_consumer => {
            ApiKey::ConsumerGroupHeartbeat
        }
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
    let epoch: &[ErrorCode] = &[
        ErrorCode::NOT_COORDINATOR,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::UNKNOWN_MEMBER_ID,
        ErrorCode::FENCED_MEMBER_EPOCH,
    ];
    let leader: &[ErrorCode] = &[
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::REPLICA_NOT_AVAILABLE,
    ];
    let session: &[ErrorCode] = &[
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
    ];
    let offsets: &[ErrorCode] = &[ErrorCode::UNSTABLE_OFFSET_COMMIT];
    let produce: &[ErrorCode] = &[ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::NOT_ENOUGH_REPLICAS];
    let metadata: &[ErrorCode] = &[ErrorCode::LEADER_NOT_AVAILABLE];
    let of = match api {
        ApiKey::Fetch if dice.one_in(3) => session,
        ApiKey::Fetch | ApiKey::ListOffsets => leader,
        ApiKey::ConsumerGroupHeartbeat => epoch,
        ApiKey::OffsetCommit if is_consumer && dice.one_in(2) => &[ErrorCode::STALE_MEMBER_EPOCH],
        ApiKey::OffsetFetch if is_consumer && dice.one_in(4) => &[ErrorCode::STALE_MEMBER_EPOCH],
        ApiKey::OffsetFetch if dice.one_in(3) => offsets,
        ApiKey::OffsetFetch | ApiKey::FindCoordinator | ApiKey::LeaveGroup => coordinator,
        // The last one is for good.
        ApiKey::OffsetCommit if dice.one_in(10) => &[ErrorCode::OFFSET_METADATA_TOO_LARGE],
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

/// Damages the last record of an answer that it finds: a value says where it lies, and that is turned into nonsense. What it does
/// not touch is lengths, offsets and whatever else no checksum covers.
pub(crate) fn corrupt(frame: &mut [u8]) {
    let begins = |window: &[u8]| {
        let [b't', b'o', b'p', b'i', b'c', b'-', topic, b'-', partition, b' '] = window else { return false };
        topic.is_ascii_digit() && partition.is_ascii_digit()
    };
    if let Some(at) = frame.windows(10).rposition(begins) {
        frame[at] = !frame[at];
    }
}
