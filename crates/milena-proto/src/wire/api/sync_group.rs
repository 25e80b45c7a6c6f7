//! SyncGroup (14): the leader hands out the assignment, everybody gets theirs.

use bytes::Bytes;

use crate::types::Generation;
use crate::wire::ErrorCode;

/// Asks for this member's assignment; the leader's carries everybody's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncGroupRequest {
    /// The group.
    pub group_id: String,
    /// The generation joined.
    pub generation: Generation,
    /// This member.
    pub member_id: String,
    /// `group.instance.id` of a static member (version 3 on).
    pub group_instance_id: Option<String>,
    /// `consumer` (version 5 on).
    pub protocol_type: Option<String>,
    /// The assignor chosen (version 5 on).
    pub protocol_name: Option<String>,
    /// (member id, assignment); empty for all but the leader.
    pub assignments: Vec<(String, Bytes)>,
}

/// This member's assignment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SyncGroupResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// REBALANCE_IN_PROGRESS and the like, or NONE.
    pub error: ErrorCode,
    /// Protocol type (version 5 on).
    pub protocol_type: Option<String>,
    /// The assignor chosen (version 5 on).
    pub protocol_name: Option<String>,
    /// What the leader gave this member.
    pub assignment: Bytes,
}
