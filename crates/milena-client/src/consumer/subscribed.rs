//! What a subscription comes to, as topics and partitions come and go.

use std::collections::{BTreeMap, BTreeSet};

use proto::cluster::{ClusterView, Topic};
use proto::types::{TopicName, TopicPartition};

use crate::config::{FetchConfig, NewPartitions};
use crate::consumer::{Subscription, TopicPattern};
use crate::fetch::{Reset, Start};
use crate::metadata::{Interest, Metadata};

/// Follows a subscription through the changes of the cluster.
pub(super) struct Subscribed {
    what: What,
    /// The topics to read.
    topics: BTreeSet<TopicName>,
    /// How many partitions each topic had when reading began: 0 of a topic that was not there yet. Whatever comes beyond it
    /// is new, and nothing of it was there to be left out.
    old: BTreeMap<TopicName, usize>,
    has_looked: bool,
    new_partitions: NewPartitions,
}

enum What {
    Named,
    Matched {
        pattern: TopicPattern,
        exclude_internal: bool,
    },
    /// The coordinator looks, and says which partitions.
    Remote,
    /// Partitions were named: what else a topic has is nobody's concern.
    Partitions,
}

impl Subscribed {
    pub(super) fn new(subscription: &Subscription, fetch: &FetchConfig) -> Self {
        let exclude_internal = fetch.exclude_internal_topics();
        let what = match subscription {
            Subscription::Topics(_) => What::Named,
            Subscription::Pattern(pattern) => What::Matched { pattern: pattern.clone(), exclude_internal },
            Subscription::RemotePattern(_) => What::Remote,
            Subscription::Partitions(_) => What::Partitions,
        };
        Self {
            what,
            topics: subscription.topics(),
            old: BTreeMap::new(),
            has_looked: false,
            new_partitions: fetch.new_partitions(),
        }
    }

    /// Says what metadata is needed: of the subscribed topics, and of others that the group's leader asks for.
    pub(super) fn want(&self, metadata: &Metadata, who: &Interest, also: &BTreeSet<TopicName>) {
        match self.what {
            // The coordinator goes by topic ids, and brokers are asked for topics by name: only all of them tell.
            What::Matched { .. } | What::Remote => metadata.want_all(who),
            What::Named | What::Partitions => metadata.want(who, self.topics.union(also).cloned().collect()),
        }
    }

    /// Whether it is about whole topics.
    pub(super) fn is_whole_topics(&self) -> bool {
        !matches!(self.what, What::Partitions)
    }

    /// The topics to read.
    pub(super) fn topics(&self) -> &BTreeSet<TopicName> {
        &self.topics
    }

    /// Looks at the cluster. True if there are other topics to read now. The first look tells what is old.
    pub(super) fn look(&mut self, view: &ClusterView) -> bool {
        let before = match &self.what {
            What::Named if !self.has_looked => self.topics.clone(),
            What::Remote if !self.has_looked => {
                let count = |(name, topic): (&TopicName, &Topic)| (name.clone(), topic.partition_count());
                self.old = view.topics().map(count).collect();
                self.has_looked = true;
                return false;
            }
            What::Named | What::Remote | What::Partitions => return false,
            What::Matched { pattern, exclude_internal } => {
                let matched = view.topics().filter(|(name, topic)| {
                    // What is being created has no partitions yet.
                    topic.partition_count() > 0
                        && !(*exclude_internal && topic.is_internal)
                        && pattern.matches(name)
                });
                let matched = matched.map(|(name, _)| name.clone()).collect();
                std::mem::replace(&mut self.topics, matched)
            }
        };
        self.old.retain(|topic, _| self.topics.contains(topic));
        for topic in &self.topics {
            let count = if self.has_looked { 0 } else { view.partition_count(topic).unwrap_or(0) };
            self.old.entry(topic.clone()).or_insert(count);
        }
        self.has_looked = true;
        before != self.topics
    }

    /// All partitions of the topics to read.
    pub(super) fn partitions(&self, view: &ClusterView) -> BTreeSet<TopicPartition> {
        let known = self.topics.iter().filter_map(|name| Some((name, view.topic(name)?)));
        known
            .flat_map(|(name, topic)| {
                topic.partitions().map(|(number, _)| TopicPartition::new(name.clone(), number))
            })
            .collect()
    }

    /// Where a partition begins that has no committed offset, where `policy` is for those that were there from the start.
    pub(super) fn otherwise(&self, partition: &TopicPartition, policy: Reset) -> Reset {
        match policy {
            // The others name a place that does not depend on when somebody looks.
            Reset::Latest | Reset::ByDuration(_) if self.is_new(partition) => Reset::Earliest,
            policy => policy,
        }
    }

    /// Where a partition begins; `has_offsets` if somebody keeps offsets. `None` if nobody says where.
    pub(super) fn start(
        &self,
        partition: &TopicPartition,
        policy: Reset,
        has_offsets: bool,
    ) -> Option<Start> {
        let otherwise = self.otherwise(partition, policy);
        if has_offsets {
            return Some(Start::Committed { otherwise });
        }
        match otherwise {
            Reset::Earliest => Some(Start::Earliest),
            Reset::Latest => Some(Start::Latest),
            Reset::Timestamp(ms) => Some(Start::Timestamp(ms)),
            Reset::ByDuration(ago) => Some(Start::ByDuration(ago)),
            Reset::None => None,
        }
    }

    fn is_new(&self, partition: &TopicPartition) -> bool {
        // What the coordinator finds later was not there at all.
        let unknown = matches!(self.what, What::Remote).then_some(0);
        let old = self.old.get(&partition.topic).copied().or(unknown);
        self.new_partitions == NewPartitions::Earliest
            && old.is_some_and(|old| usize::try_from(partition.partition).is_ok_and(|at| at >= old))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proto::cluster::Asked;
    use proto::types::{BrokerId, TopicId};
    use proto::wire::{ErrorCode, MetadataBroker, MetadataPartition, MetadataResponse, MetadataTopic};

    use super::*;

    fn view(topics: &[(&str, i32)]) -> ClusterView {
        let partition = |partition| MetadataPartition {
            error: ErrorCode::NONE,
            partition,
            leader: Some(BrokerId(1)),
            leader_epoch: None,
            replicas: Vec::new(),
            isr: Vec::new(),
            offline: Vec::new(),
        };
        let topic = |(name, partitions): &(&str, i32)| MetadataTopic {
            error: ErrorCode::NONE,
            name: Some((*name).to_owned()),
            id: TopicId::ZERO,
            is_internal: name.starts_with("__"),
            partitions: (0..*partitions).map(partition).collect(),
        };
        let broker = MetadataBroker { id: BrokerId(1), host: "b".to_owned(), port: 9, rack: None };
        let topics = topics.iter().map(topic).collect();
        let answer = MetadataResponse { brokers: vec![broker], topics, ..MetadataResponse::default() };
        let mut view = ClusterView::new();
        view.handle_metadata(Instant::now(), &answer, &Asked::All).unwrap();
        view
    }

    fn matching(pattern: &str, fetch: &FetchConfig) -> Subscribed {
        Subscribed::new(&Subscription::Pattern(TopicPattern::new(pattern).unwrap()), fetch)
    }

    fn names(subscribed: &Subscribed) -> Vec<&str> {
        subscribed.topics().iter().map(|topic| &**topic).collect()
    }

    #[test]
    fn a_pattern_follows_topics_as_they_come_and_go() {
        let mut subscribed = matching("a.*", &FetchConfig::default());
        assert!(subscribed.look(&view(&[("a1", 1), ("b", 1)])));
        assert_eq!(names(&subscribed), ["a1"]);
        assert!(!subscribed.look(&view(&[("a1", 2), ("b", 1)])), "more partitions are no other topics");
        assert!(subscribed.look(&view(&[("a1", 2), ("a2", 1), ("a3", 0)])));
        assert_eq!(names(&subscribed), ["a1", "a2"], "one without partitions is not there yet");
        assert!(subscribed.look(&view(&[("a2", 1)])));
        assert_eq!(names(&subscribed), ["a2"]);
    }

    #[test]
    fn internal_topics_are_left_out_unless_wanted() {
        let topics = view(&[("__consumer_offsets", 1), ("a", 1)]);
        let mut subscribed = matching(".*", &FetchConfig::default());
        subscribed.look(&topics);
        assert_eq!(names(&subscribed), ["a"]);
        let all = FetchConfig::builder().exclude_internal_topics(false).build().unwrap();
        let mut subscribed = matching(".*", &all);
        subscribed.look(&topics);
        assert_eq!(names(&subscribed), ["__consumer_offsets", "a"]);
    }

    #[test]
    fn what_is_new_since_reading_began_begins_at_its_first_record() {
        let mut subscribed = matching("a.*", &FetchConfig::default());
        subscribed.look(&view(&[("a1", 2)]));
        subscribed.look(&view(&[("a1", 3), ("a2", 1)]));
        let begin = |subscribed: &Subscribed, topic: &str, partition, policy| {
            subscribed.otherwise(&TopicPartition::new(topic, partition), policy)
        };
        let places = [("a1", 1), ("a1", 2), ("a2", 0)];
        let latest = places.map(|(topic, partition)| begin(&subscribed, topic, partition, Reset::Latest));
        assert_eq!(latest, [Reset::Latest, Reset::Earliest, Reset::Earliest]);
        for policy in [Reset::Timestamp(7), Reset::None, Reset::Earliest] {
            assert_eq!(begin(&subscribed, "a2", 0, policy), policy);
        }
        let hour = Reset::ByDuration(Duration::from_secs(3600));
        assert_eq!(
            (begin(&subscribed, "a1", 0, hour), begin(&subscribed, "a2", 0, hour)),
            (hour, Reset::Earliest)
        );
        // Deleted and created again, all of it is new.
        subscribed.look(&view(&[]));
        subscribed.look(&view(&[("a1", 2)]));
        assert_eq!(begin(&subscribed, "a1", 0, Reset::Latest), Reset::Earliest);
    }

    #[test]
    fn new_partitions_can_be_like_all_others() {
        let fetch = FetchConfig::builder().new_partitions(NewPartitions::AsOthers).build().unwrap();
        let mut subscribed = Subscribed::new(&Subscription::to(["a"]), &fetch);
        subscribed.look(&view(&[("a", 1)]));
        assert_eq!(subscribed.otherwise(&TopicPartition::new("a", 1), Reset::Latest), Reset::Latest);
    }

    #[test]
    fn partitions_that_were_named_are_never_new() {
        let tp = TopicPartition::new("a", 5);
        let named = Subscription::Partitions(vec![(tp.clone(), Start::Latest)]);
        let mut subscribed = Subscribed::new(&named, &FetchConfig::default());
        assert!(!subscribed.look(&view(&[("a", 9)])));
        assert_eq!(subscribed.otherwise(&tp, Reset::Latest), Reset::Latest);
        assert_eq!(names(&subscribed), ["a"]);
    }
}
