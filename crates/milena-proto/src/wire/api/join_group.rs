//! JoinGroup (11): enter a classic group (static members KIP-345, two-step join KIP-394, reasons KIP-800, KIP-814).

use bytes::Bytes;

use crate::types::Generation;
use crate::wire::ErrorCode;

/// Enters a classic group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinGroupRequest {
    /// The group.
    pub group_id: String,
    /// Time without a heartbeat after which the member is removed, in milliseconds.
    pub session_timeout_ms: i32,
    /// Time a member has to rejoin, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// The member, empty for a new one.
    pub member_id: String,
    /// `group.instance.id` of a static member (version 5 on).
    pub group_instance_id: Option<String>,
    /// `consumer` for us.
    pub protocol_type: String,
    /// (assignor's name, subscription in that assignor's form), most wanted first.
    pub protocols: Vec<(String, Bytes)>,
    /// Why the member joins again (version 8 on).
    pub reason: Option<String>,
}

/// What a group answers to one who joins.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JoinGroupResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// MEMBER_ID_REQUIRED and the like, or NONE.
    pub error: ErrorCode,
    /// The generation; -1 beside an error.
    pub generation: i32,
    /// Protocol type (version 7 on).
    pub protocol_type: Option<String>,
    /// The assignor chosen; null or empty beside an error.
    pub protocol_name: Option<String>,
    /// The leader's member id.
    pub leader: String,
    /// The leader must not assign anew (KIP-814, version 9 on).
    pub skip_assignment: bool,
    /// This member's id.
    pub member_id: String,
    /// All members with their subscriptions: only the leader gets them.
    pub members: Vec<JoinGroupMember>,
}

/// A member as the leader sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinGroupMember {
    /// Its id.
    pub member_id: String,
    /// Its `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// Its subscription in the chosen assignor's form.
    pub metadata: Bytes,
}

impl JoinGroupResponse {
    /// The generation, where there is one.
    pub fn generation(&self) -> Option<Generation> {
        (self.generation >= 0).then_some(Generation(self.generation))
    }
}
