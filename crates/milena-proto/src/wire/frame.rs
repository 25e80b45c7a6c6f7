//! Request and response headers, and which version of them an API's version uses.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::wire::{ApiKey, Cursor, DecodeError, Request, Response};

/// Why a request cannot be written in a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum EncodeError {
    /// No such version of this API is known here.
    #[error("{api} has no known version {version}")]
    Version {
        /// The API.
        api: ApiKey,
        /// The version asked for.
        version: i16,
    },
    /// A field is set that this version cannot carry, and leaving it out would change what the request means.
    #[error("{api} {version} cannot carry {field}")]
    Field {
        /// The API.
        api: ApiKey,
        /// The version asked for.
        version: i16,
        /// The field.
        field: &'static str,
    },
    /// A field is empty without which this version means nothing.
    #[error("{api} {version} needs {field}")]
    Missing {
        /// The API.
        api: ApiKey,
        /// The version asked for.
        version: i16,
        /// The field.
        field: &'static str,
    },
    /// A text, a list or the whole request is longer than the wire has numbers for.
    #[error("{api} {version} has a field too long for the wire")]
    TooLong {
        /// The API.
        api: ApiKey,
        /// The version asked for.
        version: i16,
    },
}

/// Appends a whole request: length, header and body. On an error `out` is as before.
///
/// # Errors
/// The version is not one of `R::VERSIONS`, or cannot say what the request says.
pub fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let start = out.len();
    let result = write_request(request, version, correlation_id, client_id, out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn write_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    if !R::VERSIONS.contains(&version) {
        return Err(EncodeError::Version { api: R::API, version });
    }
    let too_long = EncodeError::TooLong { api: R::API, version };
    let start = out.len();
    out.put_i32(0);
    out.put_i16(R::API.0);
    out.put_i16(version);
    out.put_i32(correlation_id);
    // Not compact in any version of the header: brokers read it before they look at the version.
    match client_id {
        None => out.put_i16(-1),
        Some(id) => {
            out.put_i16(i16::try_from(id.len()).map_err(|_| too_long)?);
            out.put_slice(id.as_bytes());
        }
    }
    if R::API.is_flexible(version) {
        // No tagged fields.
        out.put_u8(0);
    }
    request.encode(version, out)?;
    let len = i32::try_from(out.len() - start - 4).map_err(|_| too_long)?;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    Ok(())
}

/// Reads the correlation id that every answer starts with, from a frame without its length.
pub fn correlation_id(frame: &[u8]) -> Option<i32> {
    frame.first_chunk().map(|id| i32::from_be_bytes(*id))
}

/// Takes the header off an answer: its correlation id, and its body. `frame` is what follows the length.
///
/// # Errors
/// The header is truncated or malformed.
pub fn split_response(api: ApiKey, version: i16, frame: Bytes) -> Result<(i32, Bytes), DecodeError> {
    let mut cursor = Cursor::new(frame, api.has_flexible_response_header(version));
    let id = cursor.i32("correlation_id")?;
    cursor.skip_tagged_fields()?;
    Ok((id, cursor.rest()))
}

/// Reads a whole answer to an `R`: its correlation id and the answer. `frame` is what follows the length.
///
/// # Errors
/// Header or body are malformed; see [`Response::decode`].
pub fn decode_response<R: Request>(version: i16, frame: Bytes) -> Result<(i32, R::Response), DecodeError> {
    let (id, body) = split_response(R::API, version, frame)?;
    Ok((id, R::Response::decode(version, body)?))
}
