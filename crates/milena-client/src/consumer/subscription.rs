//! What a consumer reads.

use std::collections::BTreeSet;

use proto::types::{TopicName, TopicPartition};

use crate::fetch::Start;

/// What a consumer reads.
#[derive(Clone, Debug)]
pub enum Subscription {
    /// Whole topics, shared with the other members of the group.
    Topics(BTreeSet<TopicName>),
    /// These partitions, and where each begins.
    Partitions(Vec<(TopicPartition, Start)>),
}

impl Subscription {
    /// Topics by name.
    pub fn to<T: Into<TopicName>>(topics: impl IntoIterator<Item = T>) -> Self {
        Self::Topics(topics.into_iter().map(Into::into).collect())
    }

    /// The topics it concerns.
    pub(crate) fn topics(&self) -> BTreeSet<TopicName> {
        match self {
            Self::Topics(topics) => topics.clone(),
            Self::Partitions(partitions) => partitions.iter().map(|(tp, _)| tp.topic.clone()).collect(),
        }
    }
}
