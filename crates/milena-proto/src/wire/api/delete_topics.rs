//! DeleteTopics (20). By name, in every version.

use crate::wire::ErrorCode;

/// Deletes topics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteTopicsRequest {
    /// Which.
    pub names: Vec<String>,
    /// How long the controller may take, in milliseconds.
    pub timeout_ms: i32,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeleteTopicsResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<DeletedTopic>,
}

/// What became of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletedTopic {
    /// Its name; `None` where asked by an unknown id.
    pub name: Option<String>,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// What the broker says of the error (version 5 on).
    pub error_message: Option<String>,
}
