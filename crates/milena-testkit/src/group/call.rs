//! What a request brings along beside its fields, and how a coordinator answers later.

use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::config::GroupConfig;
use super::ids::Ids;
use super::timers::Timers;
use super::{Now, ReplyTo};

/// The topics of the cluster, as the coordinator sees them (Kafka: `MetadataImage`).
pub(crate) trait Topics {
    /// Id and number of partitions.
    fn by_name(&self, name: &str) -> Option<(Uuid, i32)>;
    /// Name and number of partitions.
    fn by_id(&self, id: Uuid) -> Option<(StrBytes, i32)>;
    /// Every topic's name, in order.
    fn names(&self) -> Vec<StrBytes>;
}

/// Who asks, when, and in which version.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) version: i16,
    pub(crate) client_id: &'a str,
    pub(crate) client_host: &'a str,
    pub(crate) topics: &'a dyn Topics,
    /// Rises with every change of the topics.
    pub(crate) topics_version: u64,
    pub(crate) reply_to: ReplyTo,
}

/// An answer to a request that was held.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// With the version of the request.
    Join(JoinGroupResponse, i16),
    Sync(SyncGroupResponse),
}

/// What is to be done when a group's timer fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A classic member's session, or a pending member's time to come back, is over.
    ExpireClassic { group: StrBytes, member: StrBytes },
    /// An empty group's waiting for more members is over, or is to be prolonged.
    InitialJoin { group: StrBytes, delay: Now, remaining: Now },
    /// Members that have not rejoined are left behind.
    CompleteJoin { group: StrBytes },
    /// Members that have not asked for their assignment are removed.
    ExpireSync { group: StrBytes, generation: i32 },
    /// A consumer group's member is fenced: its session, its join or its sync is over.
    Fence { group: StrBytes, member: StrBytes },
    /// A consumer group's member did not give up partitions in time. Void once it has left the epoch.
    FenceAtEpoch { group: StrBytes, member: StrBytes, epoch: i32 },
    /// Offsets are looked through for expired ones.
    CleanUpOffsets,
}

/// A timer's key. One key has one timer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Member(StrBytes, StrBytes),
    Join(StrBytes),
    Sync(StrBytes),
    Session(StrBytes, StrBytes),
    Rebalance(StrBytes, StrBytes),
    ConsumerJoin(StrBytes, StrBytes),
    ConsumerSync(StrBytes, StrBytes),
    CleanUp,
}

impl Timer {
    /// Whether the timer belongs to the group.
    pub(crate) fn is_of(&self, group: &str) -> bool {
        match self {
            Self::Member(g, _)
            | Self::Join(g)
            | Self::Sync(g)
            | Self::Session(g, _)
            | Self::Rebalance(g, _)
            | Self::ConsumerJoin(g, _)
            | Self::ConsumerSync(g, _) => g.as_str() == group,
            Self::CleanUp => false,
        }
    }
}

/// What every group's machine works with: settings, timers, held answers, ids.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) config: GroupConfig,
    pub(crate) timers: Timers<Timer, Action>,
    pub(crate) outbox: Vec<(ReplyTo, Answer)>,
    pub(crate) ids: Ids,
    pub(crate) now: Now,
}
