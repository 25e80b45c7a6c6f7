//! ApiVersions (18), versions 0 to 4.
//!
//! Java: `KafkaApis.handleApiVersionsRequest`, `ApiVersionsResponse`. Kept: an unknown version is answered in version 0 with
//! UNSUPPORTED_VERSION and this API's own range (KIP-511); version 3 leaves out supported features that begin at 0, version 4 has
//! them; a client software name that is no name is INVALID_REQUEST.

use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: ApiVersionsRequest,
    version: i16,
) -> Reply<ApiVersionsResponse> {
    if version >= 3 && !(is_name(&request.client_software_name) && is_name(&request.client_software_version))
    {
        return Reply::Now(ApiVersionsResponse::default().with_error_code(ErrorCode::INVALID_REQUEST.0));
    }
    let settings = &ctx.cluster.settings;
    let api_keys =
        super::announced(settings).into_iter().map(|(api, min, max)| range(api, min, max)).collect();
    let (metadata, transaction) = (settings.metadata_version, settings.transaction_version);
    let features = [
        ("group.version", 0, 1, 1),
        ("metadata.version", 7, metadata, metadata),
        ("transaction.version", 0, 2, transaction),
    ];
    let supported = features.iter().filter(|(_, min, ..)| version >= 4 || *min > 0);
    let supported = supported.map(|(name, min, max, _)| {
        SupportedFeatureKey::default().with_name(text(name)).with_min_version(*min).with_max_version(*max)
    });
    let finalized = features.iter().filter(|(.., level)| *level > 0).map(|(name, .., level)| {
        let key = FinalizedFeatureKey::default().with_name(text(name));
        key.with_min_version_level(*level).with_max_version_level(*level)
    });
    Reply::Now(
        ApiVersionsResponse::default()
            .with_api_keys(api_keys)
            .with_supported_features(supported.collect())
            .with_finalized_features_epoch(1)
            .with_finalized_features(finalized.collect()),
    )
}

/// The answer to a version that is not served.
pub(crate) fn unsupported() -> ApiVersionsResponse {
    ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UNSUPPORTED_VERSION.0)
        .with_api_keys(vec![range(ApiKey::ApiVersions, 0, 4)])
}

fn range(api: ApiKey, min: i16, max: i16) -> ApiVersion {
    ApiVersion::default().with_api_key(api as i16).with_min_version(min).with_max_version(max)
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`
fn is_name(name: &str) -> bool {
    let is_inner = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'.';
    let bytes = name.as_bytes();
    bytes.iter().all(|c| is_inner(*c))
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
