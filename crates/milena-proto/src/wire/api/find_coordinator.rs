//! FindCoordinator (10): which broker coordinates a group. From version 4 on several keys at once; one is what we ask.

use crate::types::BrokerId;
use crate::wire::ErrorCode;

/// Asks which broker coordinates a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FindCoordinatorRequest {
    /// Group id, or transactional id.
    pub key: String,
    /// 0 group, 1 transaction.
    pub key_type: i8,
}

/// The coordinator.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FindCoordinatorResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// COORDINATOR_NOT_AVAILABLE and the like, or NONE.
    pub error: ErrorCode,
    /// What the broker says of the error.
    pub error_message: Option<String>,
    /// Who; `None` beside an error.
    pub coordinator: Option<Coordinator>,
}

/// A coordinator's address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coordinator {
    /// Its number.
    pub id: BrokerId,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: i32,
}
