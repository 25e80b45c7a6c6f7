//! What an answer changed.

use crate::types::{BrokerId, LeaderEpoch, TopicId, TopicName, TopicPartition};
use crate::wire::ErrorCode;

/// What an answer changed in a [`ClusterView`](super::ClusterView).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Another broker leads a partition, or the same one under a new epoch; positions in it want to be validated
    /// (KIP-320).
    LeaderMoved {
        /// Which partition.
        tp: TopicPartition,
        /// Who leads now; `None` while nobody does.
        leader: Option<BrokerId>,
        /// In which epoch.
        epoch: Option<LeaderEpoch>,
    },
    /// A topic is seen for the first time.
    TopicAppeared {
        /// Its name.
        topic: TopicName,
        /// Its id; zero where the cluster has none.
        id: TopicId,
        /// How many partitions it has.
        partitions: usize,
    },
    /// A topic has more partitions than before.
    PartitionsAdded {
        /// Its name.
        topic: TopicName,
        /// How many there were.
        from: usize,
        /// How many there are.
        to: usize,
    },
    /// Partitions that were known are not there, as a number of answers on end agree. Kafka never takes partitions away from a
    /// topic, so they were never there.
    PartitionsDisproved {
        /// Its name.
        topic: TopicName,
        /// Which partitions.
        partitions: Vec<i32>,
    },
    /// Another topic has the name (KIP-516): offsets and epochs of the old one say nothing about it.
    TopicRecreated {
        /// The name.
        topic: TopicName,
        /// The topic that had it.
        old: TopicId,
        /// The topic that has it.
        new: TopicId,
    },
    /// The broker does not show a topic that was asked for. What is known of it stays: brokers learn of topics one after the
    /// other, and forget them for a moment when they restart.
    TopicMissing {
        /// Its name.
        topic: TopicName,
        /// What the broker says; UNKNOWN_TOPIC_OR_PARTITION where it says nothing.
        error: ErrorCode,
    },
    /// A topic does not exist any more, as a number of answers on end agree; nothing is known of it from here on.
    TopicGone {
        /// Its name.
        topic: TopicName,
    },
    /// Brokers came, went or moved to another address.
    BrokersChanged,
    /// The answer came from another cluster than the answers before.
    ClusterChanged {
        /// What the cluster was called.
        old: String,
        /// What it is called.
        new: String,
    },
}
