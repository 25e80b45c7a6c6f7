//! What only a KIP-848 group needs of the shell: names for topic ids, and the epoch that commits are checked by.

use std::collections::{BTreeMap, BTreeSet};

use proto::offsets::WireEpochPolicy;
use proto::types::{Generation, MemberSnapshot, TopicId, TopicName};
use proto::wire::ErrorCode;

use crate::client::Client;

/// The `metadata.version` from which on a coordinator checks commits by the epoch of each partition's assignment (KIP-1251,
/// Kafka 4.3). It is what the broker's software supports; no API version tells.
const ASSIGNMENT_EPOCHS: i16 = 30;

/// Topics that the coordinator assigned and whose names are not known yet.
#[derive(Debug, Default)]
pub(super) struct Unnamed(BTreeSet<TopicId>);

impl Unnamed {
    /// Takes the place of what was asked for before.
    pub(super) fn ask(&mut self, topics: BTreeSet<TopicId>) {
        self.0 = topics;
    }

    /// What metadata knows by now. These are no longer asked for.
    pub(super) fn resolve(&mut self, client: &Client) -> BTreeMap<TopicId, TopicName> {
        if self.0.is_empty() {
            return BTreeMap::new();
        }
        let named: BTreeMap<_, _> = client.metadata().view(|view| {
            let name = |id: &TopicId| Some((*id, view.topic_name(*id)?.clone()));
            self.0.iter().filter_map(name).collect()
        });
        self.0.retain(|id| !named.contains_key(id));
        named
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Which epoch commits are to carry, by what the group's coordinator supports.
pub(super) fn wire_epoch_policy(metadata_version: Option<i16>) -> WireEpochPolicy {
    match metadata_version {
        Some(ASSIGNMENT_EPOCHS..) => WireEpochPolicy::PerAssignment,
        _ => WireEpochPolicy::Current,
    }
}

/// With what an OffsetFetch of a KIP-848 member is signed: the coordinator then says so if the epoch is no longer the
/// member's, instead of answering with offsets that another owner may be about to move.
pub(super) fn signature(member: &MemberSnapshot) -> (String, i32) {
    (member.member_id.clone(), member.generation.0)
}

/// What an OffsetFetch says about who signed it.
pub(super) fn refusal(error: ErrorCode, signed: Option<Generation>) -> Option<(Generation, ErrorCode)> {
    let about_the_member = matches!(
        error,
        ErrorCode::STALE_MEMBER_EPOCH | ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::FENCED_MEMBER_EPOCH
    );
    signed.filter(|_| about_the_member).map(|generation| (generation, error))
}
