//! Bytes to and from a broker: the only place that names `kafka-protocol`.
//!
//! Requests are encoded with that crate's generated types (OffsetCommit and OffsetFetch 10, which it does not know yet,
//! by hand). Responses are decoded here, by a bounded cursor, straight into our own small types: a count off the wire is
//! a rumour until the bytes behind it have been seen.

mod api;
mod api_key;
mod cursor;
mod error_code;
mod frame;
mod writer;

pub use api::*;
pub use api_key::ApiKey;
pub use cursor::{Cursor, DecodeError};
pub use error_code::ErrorCode;
pub use frame::{EncodeError, correlation_id, decode_response, encode_request, split_response};

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};

/// A request that a client can send.
pub trait Request {
    /// Which API it calls.
    const API: ApiKey;
    /// The versions that [`encode`](Self::encode) can write, oldest first.
    const VERSIONS: RangeInclusive<i16>;
    /// What the broker answers.
    type Response: Response;

    /// Appends the body (without the request header) in the given version.
    ///
    /// # Errors
    /// A field is set that this version cannot carry and that must not be dropped in silence.
    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError>;
}

/// An answer from a broker.
pub trait Response: Sized {
    /// Reads the body (without the response header) of the given version. `Bytes` fields are slices of `body`.
    ///
    /// # Errors
    /// The body is not what this version of the API says: truncated, trailing bytes, a null where there may be none, a
    /// count that its bytes cannot hold.
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError>;
}
