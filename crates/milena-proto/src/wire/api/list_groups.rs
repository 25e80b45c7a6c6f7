//! ListGroups (16): the groups that one broker coordinates.

use crate::wire::ErrorCode;

/// Asks a broker for its groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListGroupsRequest {
    /// Only groups in these states (version 4 on); empty for all.
    pub states: Vec<String>,
    /// Only groups of these types (version 5 on); empty for all.
    pub types: Vec<String>,
}

/// A broker's groups.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListGroupsResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// The groups.
    pub groups: Vec<ListedGroup>,
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedGroup {
    /// Its id.
    pub group_id: String,
    /// `consumer`, or empty for a group that only stores offsets.
    pub protocol_type: String,
    /// Its state (version 4 on).
    pub state: Option<String>,
    /// `classic`, `consumer`, `share`, ... (version 5 on).
    pub group_type: Option<String>,
}
