//! Kafka's error codes.

/// A code from `org.apache.kafka.common.protocol.Errors`. 0 is NONE; a code this version of Milena does not know keeps
/// its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErrorCode(pub i16);
