//! ApiVersions (18): which versions of which APIs a broker serves (KIP-35, KIP-511, KIP-584).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;

use crate::wire::cursor::refuse_duplicates;
use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Asks a broker which versions it serves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiVersionsRequest {
    /// Name of this software, as KIP-511 wants it: letters, digits, `-` and `.`.
    pub client_software_name: String,
    /// Its version.
    pub client_software_version: String,
}

/// What a broker serves.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ApiVersionsResponse {
    /// UNSUPPORTED_VERSION: the broker is older than the version asked in; `apis` is then in version 0's form.
    pub error: ErrorCode,
    /// API key to (oldest, newest) version served. Sorted; at most one entry a key.
    pub apis: BTreeMap<i16, (i16, i16)>,
    /// Supported feature name to (oldest, newest) level. `metadata.version` >= 30 tells of KIP-1251.
    pub supported_features: BTreeMap<String, (i16, i16)>,
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
}

impl Request for ApiVersionsRequest {
    const API: ApiKey = ApiKey::API_VERSIONS;
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    type Response = ApiVersionsResponse;

    /// Below version 3 name and version of the software are left out: brokers only count by them.
    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        let mut message = kp::ApiVersionsRequest::default();
        if version >= 3 {
            message.client_software_name = draft.text(&self.client_software_name);
            message.client_software_version = draft.text(&self.client_software_version);
        }
        draft.write(&message, out)
    }
}

impl Response for ApiVersionsResponse {
    /// A broker that does not know `version` answers UNSUPPORTED_VERSION in version 0's form (KIP-511), as Java's
    /// `ApiVersionsResponse.parse` expects it.
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let refused = body.starts_with(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes());
        if refused
            && version != 0
            && let Ok(answer) = decode(0, body.clone())
        {
            return Ok(answer);
        }
        decode(version, body)
    }
}

fn decode(version: i16, body: Bytes) -> Result<ApiVersionsResponse, DecodeError> {
    let mut cursor = Cursor::answer::<ApiVersionsRequest>(version, body)?;
    let error = cursor.error_code()?;
    let apis = cursor.array("api_keys", 6, api)?;
    let throttle_time_ms = if version >= 1 { cursor.i32("throttle_time_ms")? } else { 0 };
    let mut features = Vec::new();
    cursor.tagged_fields(|tag, cursor| {
        if tag == 0 {
            features = cursor.array("supported_features", 6, feature)?;
        }
        Ok(tag == 0)
    })?;
    cursor.finish("ApiVersions response")?;
    refuse_duplicates("api_key", apis.iter().map(|(key, _)| key))?;
    refuse_duplicates("supported feature", features.iter().map(|(name, _)| name))?;
    Ok(ApiVersionsResponse {
        error,
        apis: apis.into_iter().collect(),
        supported_features: features.into_iter().collect(),
        throttle_time_ms,
    })
}

fn api(cursor: &mut Cursor) -> Result<(i16, (i16, i16)), DecodeError> {
    let key = cursor.i16("api_key")?;
    let range = (cursor.i16("min_version")?, cursor.i16("max_version")?);
    cursor.skip_tagged_fields()?;
    Ok((key, range))
}

fn feature(cursor: &mut Cursor) -> Result<(String, (i16, i16)), DecodeError> {
    let name = cursor.string("name")?;
    let range = (cursor.i16("min_version")?, cursor.i16("max_version")?);
    cursor.skip_tagged_fields()?;
    Ok((name, range))
}
