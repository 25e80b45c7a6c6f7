//! Which versions of which APIs both ends speak.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use thiserror::Error;

use crate::wire::{ApiKey, ApiVersionsResponse};

/// What a broker serves, as it said itself. Belongs to one connection: the broker behind an address may be another
/// version after a reconnect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Versions {
    table: Table,
    features: BTreeMap<String, (i16, i16)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Table {
    /// The broker did not say.
    Baseline,
    Told(BTreeMap<i16, (i16, i16)>),
}

/// There is no version of an API that both ends speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("no common version of {api}: this client has {} to {}, the broker {}", .ours.0, .ours.1, Theirs(.theirs))]
pub struct VersionError {
    /// The API.
    pub api: ApiKey,
    /// Oldest and newest version here.
    pub ours: (i16, i16),
    /// Oldest and newest version there; `None` where the broker does not serve the API at all.
    pub theirs: Option<(i16, i16)>,
}

struct Theirs<'a>(&'a Option<(i16, i16)>);

impl std::fmt::Display for Theirs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some((oldest, newest)) => write!(f, "{oldest} to {newest}"),
            None => f.write_str("none"),
        }
    }
}

impl Versions {
    /// Takes over what the broker answered.
    pub fn new(answer: &ApiVersionsResponse) -> Self {
        Self { table: Table::Told(answer.apis.clone()), features: answer.supported_features.clone() }
    }

    /// For a broker that refuses to say (it answers ApiVersions with an error, or closes the connection at it, as some
    /// services that speak Kafka do): what Kafka 2.1 serves, the oldest that clients support since KIP-896. Also what holds
    /// on a connection until the answer is there.
    pub fn unknown() -> Self {
        Self { table: Table::Baseline, features: BTreeMap::new() }
    }

    /// The newest version of an API that is within `ours` and served by the broker.
    ///
    /// # Errors
    /// The broker lacks the API, or the two ranges have nothing in common.
    pub fn pick(&self, api: ApiKey, ours: RangeInclusive<i16>) -> Result<i16, VersionError> {
        let theirs = self.range(api);
        let error = VersionError { api, ours: (*ours.start(), *ours.end()), theirs };
        let (oldest, newest) = theirs.ok_or(error)?;
        let version = newest.min(*ours.end());
        if version >= oldest && version >= *ours.start() { Ok(version) } else { Err(error) }
    }

    /// Oldest and newest version of an API that the broker serves.
    pub fn range(&self, api: ApiKey) -> Option<(i16, i16)> {
        match &self.table {
            Table::Told(apis) => apis.get(&api.0).copied(),
            Table::Baseline => baseline(api).map(|newest| (0, newest)),
        }
    }

    /// Whether the broker said what it serves.
    pub fn is_known(&self) -> bool {
        matches!(self.table, Table::Told(_))
    }

    /// The newest level of a feature that the broker's software supports (KIP-584), which need not be in use.
    pub fn supported_feature(&self, name: &str) -> Option<i16> {
        self.features.get(name).map(|(_, newest)| *newest)
    }

    /// The newest `metadata.version` that the broker's software supports: 21 in 3.9, 29 in 4.2, 30 in 4.3. From 30 on it
    /// checks OffsetCommit by the epoch of each partition's assignment (KIP-1251), which no API version tells.
    pub fn metadata_version(&self) -> Option<i16> {
        self.supported_feature("metadata.version")
    }
}

/// The newest versions that Kafka 2.1 serves; it serves each from 0 on.
fn baseline(api: ApiKey) -> Option<i16> {
    Some(match api {
        ApiKey::PRODUCE => 7,
        ApiKey::FETCH => 10,
        ApiKey::LIST_OFFSETS => 4,
        ApiKey::METADATA => 7,
        ApiKey::OFFSET_COMMIT => 6,
        ApiKey::OFFSET_FETCH => 5,
        ApiKey::FIND_COORDINATOR => 2,
        ApiKey::JOIN_GROUP => 3,
        ApiKey::HEARTBEAT => 2,
        ApiKey::LEAVE_GROUP => 2,
        ApiKey::SYNC_GROUP => 2,
        ApiKey::DESCRIBE_GROUPS => 2,
        ApiKey::LIST_GROUPS => 2,
        ApiKey::SASL_HANDSHAKE => 1,
        ApiKey::API_VERSIONS => 2,
        ApiKey::CREATE_TOPICS => 3,
        ApiKey::DELETE_TOPICS => 3,
        ApiKey::INIT_PRODUCER_ID => 1,
        ApiKey::OFFSET_FOR_LEADER_EPOCH => 2,
        ApiKey::SASL_AUTHENTICATE => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ErrorCode;

    fn told(api: ApiKey, oldest: i16, newest: i16) -> Versions {
        let mut answer = ApiVersionsResponse { error: ErrorCode::NONE, ..ApiVersionsResponse::default() };
        answer.apis.insert(api.0, (oldest, newest));
        answer.supported_features.insert("metadata.version".to_owned(), (7, 30));
        Versions::new(&answer)
    }

    #[test]
    fn the_newest_common_version_is_picked() {
        let pick =
            |theirs: (i16, i16), ours| told(ApiKey::FETCH, theirs.0, theirs.1).pick(ApiKey::FETCH, ours).ok();
        assert_eq!(pick((0, 17), 4..=18), Some(17));
        assert_eq!(pick((4, 20), 4..=18), Some(18));
        assert_eq!(pick((4, 18), 4..=12), Some(12));
        assert_eq!(pick((12, 12), 4..=12), Some(12));
        assert_eq!(pick((13, 18), 4..=12), None);
        assert_eq!(pick((0, 3), 4..=18), None);
        // A lie: the range is upside down.
        assert_eq!(pick((9, 5), 4..=18), None);
        assert_eq!(pick((-3, -1), 4..=18), None);
    }

    #[test]
    fn an_error_says_what_either_end_has() {
        let versions = told(ApiKey::FETCH, 0, 3);
        let error = versions.pick(ApiKey::FETCH, 4..=18).unwrap_err();
        assert_eq!(error, VersionError { api: ApiKey::FETCH, ours: (4, 18), theirs: Some((0, 3)) });
        assert_eq!(
            error.to_string(),
            "no common version of Fetch: this client has 4 to 18, the broker 0 to 3"
        );
        let error = versions.pick(ApiKey::PRODUCE, 3..=13).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no common version of Produce: this client has 3 to 13, the broker none"
        );
    }

    #[test]
    fn features_tell_what_api_versions_do_not() {
        assert_eq!(told(ApiKey::FETCH, 4, 18).metadata_version(), Some(30));
        assert_eq!(Versions::unknown().metadata_version(), None);
    }

    #[test]
    fn a_silent_broker_is_taken_for_kafka_2_1() {
        let versions = Versions::unknown();
        assert!(!versions.is_known());
        assert_eq!(versions.pick(ApiKey::FETCH, 4..=18), Ok(10));
        assert_eq!(versions.pick(ApiKey::METADATA, 1..=13), Ok(7));
        assert!(versions.pick(ApiKey(68), 0..=1).is_err());
    }
}
