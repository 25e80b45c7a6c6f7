//! What a consumer reads.

use std::collections::BTreeSet;

use proto::types::{TopicName, TopicPartition};

use crate::consumer::TopicPattern;
use crate::fetch::Start;

/// What a consumer reads.
///
/// Partitions that are added to topics later are found without a restart, as are topics that match a pattern; so are topics
/// that cease to exist. How soon, says `metadata.max.age.ms`.
#[derive(Clone, Debug)]
pub enum Subscription {
    /// Whole topics, shared with the other members of the group; without a group, shared with nobody.
    Topics(BTreeSet<TopicName>),
    /// Whole topics whose names match, now or later, shared as above. A topic that is no longer shown is left out once a few
    /// answers of brokers agree that there is none.
    Pattern(TopicPattern),
    /// Whole topics whose names match, as the group's coordinator finds them: a regular expression in RE2's syntax, which has
    /// to match a whole name. Needs a group with `group.protocol=consumer`, and Kafka 4.0 or newer: there is no falling back
    /// from it. Topics that the member may not describe are left out by the coordinator.
    RemotePattern(String),
    /// These partitions, and where each begins.
    Partitions(Vec<(TopicPartition, Start)>),
}

impl Subscription {
    /// Topics by name.
    pub fn to<T: Into<TopicName>>(topics: impl IntoIterator<Item = T>) -> Self {
        Self::Topics(topics.into_iter().map(Into::into).collect())
    }

    /// The topics it concerns, as far as it says.
    pub(crate) fn topics(&self) -> BTreeSet<TopicName> {
        match self {
            Self::Topics(topics) => topics.clone(),
            Self::Pattern(_) | Self::RemotePattern(_) => BTreeSet::new(),
            Self::Partitions(partitions) => partitions.iter().map(|(tp, _)| tp.topic.clone()).collect(),
        }
    }
}
