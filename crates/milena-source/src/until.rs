//! Where a bounded read ends.

use std::collections::BTreeMap;

use client::TopicPartition;

/// Where a read ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Until {
    /// Never: it waits for more.
    #[default]
    Never,
    /// At the ends that the partitions had when the source was built: under read_committed their last stable offsets.
    /// Ends as well where only control records, or nothing at all, stand before them.
    Latest,
    /// Before this offset, in every partition.
    Offset(i64),
    /// After so many records, over all partitions. Only the record stream counts.
    Count(u64),
}

/// The end of each partition, as far as the read has one.
#[derive(Clone, Debug, Default)]
pub(crate) enum Ends {
    #[default]
    None,
    Same(i64),
    Each(BTreeMap<TopicPartition, i64>),
}

impl Ends {
    /// Where to stop in a partition. One that the read did not know when it began (new since then) is not part of it.
    pub(crate) fn of(&self, partition: &TopicPartition) -> i64 {
        match self {
            Self::None => i64::MAX,
            Self::Same(offset) => *offset,
            Self::Each(ends) => ends.get(partition).copied().unwrap_or(0),
        }
    }

    pub(crate) fn is_bounded(&self) -> bool {
        !matches!(self, Self::None)
    }
}
