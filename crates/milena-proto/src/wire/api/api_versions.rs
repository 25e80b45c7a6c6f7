//! ApiVersions (18): which versions of which APIs a broker serves (KIP-35, KIP-511, KIP-584).

use std::collections::BTreeMap;

use crate::wire::ErrorCode;

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
