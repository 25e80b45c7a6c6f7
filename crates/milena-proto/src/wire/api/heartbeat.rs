//! Heartbeat (12): a classic member is alive, and hears of rebalances.

use crate::types::Generation;
use crate::wire::ErrorCode;

/// Says that a member is alive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeartbeatRequest {
    /// The group.
    pub group_id: String,
    /// The generation.
    pub generation: Generation,
    /// The member.
    pub member_id: String,
    /// `group.instance.id` of a static member (version 3 on).
    pub group_instance_id: Option<String>,
}

/// What the coordinator says to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeartbeatResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// REBALANCE_IN_PROGRESS and the like, or NONE.
    pub error: ErrorCode,
}
