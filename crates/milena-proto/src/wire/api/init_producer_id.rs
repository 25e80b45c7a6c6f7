//! InitProducerId (22): an identity for idempotent producing (KIP-98).

use crate::wire::ErrorCode;

/// Asks for a producer id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitProducerIdRequest {
    /// For a transaction.
    pub transactional_id: Option<String>,
    /// How long a transaction may stay open, in milliseconds.
    pub transaction_timeout_ms: i32,
    /// The id held so far, or -1 (version 3 on).
    pub producer_id: i64,
    /// Its epoch, or -1 (version 3 on).
    pub producer_epoch: i16,
}

/// A producer id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InitProducerIdResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// The id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
}
