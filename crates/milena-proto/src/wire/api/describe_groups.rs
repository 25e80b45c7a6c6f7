//! DescribeGroups (15): members and assignments of classic groups.

use bytes::Bytes;

use crate::wire::ErrorCode;

/// Asks a coordinator for groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribeGroupsRequest {
    /// Which.
    pub groups: Vec<String>,
}

/// Groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DescribeGroupsResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// One each.
    pub groups: Vec<DescribedGroup>,
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedGroup {
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// What the broker says of the error (version 6 on).
    pub error_message: Option<String>,
    /// Its id.
    pub group_id: String,
    /// Its state, as `Stable`; `Dead` where there is no such group.
    pub state: String,
    /// `consumer`.
    pub protocol_type: String,
    /// The assignor.
    pub protocol: String,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: String,
    /// Its `group.instance.id` (version 4 on).
    pub group_instance_id: Option<String>,
    /// Its client id.
    pub client_id: String,
    /// Its address.
    pub client_host: String,
    /// Its subscription.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}
