//! A topic and its settings.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Partition;

/// A topic.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Its id: another one after it was deleted and created again.
    pub id: Uuid,
    /// Whether it is `__consumer_offsets` or `__transaction_state`.
    pub is_internal: bool,
    /// Its settings, by Kafka's names; only what was set.
    pub config: BTreeMap<String, String>,
    /// By number.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// A partition; `None` for numbers that do not exist.
    pub fn partition(&self, partition: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }

    /// As [`partition`](Self::partition).
    pub fn partition_mut(&mut self, partition: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(partition).ok()?)
    }
}

/// A topic setting: its name, Kafka's default, and its `ConfigDef.Type` as DescribeConfigs counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSetting {
    /// As in Java's `TopicConfig`.
    pub name: &'static str,
    /// As a broker describes it.
    pub default: &'static str,
    /// 1 boolean, 2 string, 3 int, 5 long, 6 double, 7 list.
    pub kind: i8,
}

const fn setting(name: &'static str, default: &'static str, kind: i8) -> TopicSetting {
    TopicSetting { name, default, kind }
}

/// The settings that a topic of 4.3 has, in alphabetical order.
pub const TOPIC_SETTINGS: &[TopicSetting] = &[
    setting("cleanup.policy", "delete", 7),
    setting("compression.gzip.level", "-1", 3),
    setting("compression.lz4.level", "9", 3),
    setting("compression.type", "producer", 2),
    setting("compression.zstd.level", "3", 3),
    setting("delete.retention.ms", "86400000", 5),
    setting("file.delete.delay.ms", "60000", 5),
    setting("flush.messages", "9223372036854775807", 5),
    setting("flush.ms", "9223372036854775807", 5),
    setting("follower.replication.throttled.replicas", "", 7),
    setting("index.interval.bytes", "4096", 3),
    setting("leader.replication.throttled.replicas", "", 7),
    setting("local.retention.bytes", "-2", 5),
    setting("local.retention.ms", "-2", 5),
    setting("max.compaction.lag.ms", "9223372036854775807", 5),
    setting("max.message.bytes", "1048588", 3),
    setting("message.timestamp.after.max.ms", "3600000", 5),
    setting("message.timestamp.before.max.ms", "9223372036854775807", 5),
    setting("message.timestamp.type", "CreateTime", 2),
    setting("min.cleanable.dirty.ratio", "0.5", 6),
    setting("min.compaction.lag.ms", "0", 5),
    setting("min.insync.replicas", "1", 3),
    setting("preallocate", "false", 1),
    setting("remote.log.copy.disable", "false", 1),
    setting("remote.log.delete.on.disable", "false", 1),
    setting("remote.storage.enable", "false", 1),
    setting("retention.bytes", "-1", 5),
    setting("retention.ms", "604800000", 5),
    setting("segment.bytes", "1073741824", 3),
    setting("segment.index.bytes", "10485760", 3),
    setting("segment.jitter.ms", "0", 5),
    setting("segment.ms", "604800000", 5),
    setting("unclean.leader.election.enable", "false", 1),
];
