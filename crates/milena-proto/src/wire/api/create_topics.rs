//! CreateTopics (19).

use crate::types::{BrokerId, TopicId};
use crate::wire::ErrorCode;

/// Creates topics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateTopicsRequest {
    /// Which.
    pub topics: Vec<NewTopic>,
    /// How long the controller may take, in milliseconds.
    pub timeout_ms: i32,
    /// Only check.
    pub validate_only: bool,
}

/// A topic to create.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; -1 for the broker's default (version 4 on) or where `assignments` are given.
    pub num_partitions: i32,
    /// How many copies; -1 as above.
    pub replication_factor: i16,
    /// (partition, brokers), for a placement by hand.
    pub assignments: Vec<(i32, Vec<BrokerId>)>,
    /// (name, value).
    pub configs: Vec<(String, Option<String>)>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CreateTopicsResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// By topic.
    pub topics: Vec<CreatedTopic>,
}

/// What became of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedTopic {
    /// Its name.
    pub name: String,
    /// Its id (version 7 on).
    pub id: TopicId,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// What the broker says of the error.
    pub error_message: Option<String>,
}
