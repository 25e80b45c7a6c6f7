//! LeaveGroup (13): a member goes.

use crate::wire::ErrorCode;

/// Says that one member leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaveGroupRequest {
    /// The group.
    pub group_id: String,
    /// The member.
    pub member_id: String,
    /// `group.instance.id` of a static member (version 3 on).
    pub group_instance_id: Option<String>,
    /// Why (version 5 on, KIP-800).
    pub reason: Option<String>,
}

/// What the coordinator says to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeaveGroupResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// The group's error, or else the member's (version 3 on), or NONE.
    pub error: ErrorCode,
}
