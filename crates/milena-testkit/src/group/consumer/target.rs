//! When a group gets another target assignment, and what the assignor is told.

use std::collections::BTreeMap;

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::super::Now;
use super::super::call::{Env, Topics};
use super::assignor::{self, Candidate};
use super::{ConsumerGroup, Target};

impl ConsumerGroup {
    /// Looks at the subscribed topics again. True if one of them appeared, vanished, was recreated or has more partitions.
    pub(crate) fn refresh_metadata(&mut self, topics: &dyn Topics, topics_version: u64) -> bool {
        let mut metadata: BTreeMap<StrBytes, (Uuid, i32)> = BTreeMap::new();
        for member in self.members.values() {
            for name in self.topic_names(member) {
                if let Some(found) = topics.by_name(name.as_str()) {
                    metadata.insert(name, found);
                }
            }
        }
        self.metadata_version = topics_version;
        let changed = metadata != self.metadata;
        self.metadata = metadata;
        changed
    }

    pub(super) fn metadata_is_stale(&self, topics_version: u64) -> bool {
        self.metadata_version != topics_version
    }

    /// Makes the target assignment of the group's epoch, unless there is one or the last was made just now (KIP-1263).
    pub(super) fn update_target(&mut self, env: &Env, topics: &dyn Topics) {
        if self.epoch <= self.assignment_epoch {
            return;
        }
        let interval = env.config.consumer_assignment_interval;
        if self.assigned_at.is_some_and(|at| env.now < at.saturating_add(interval)) {
            return;
        }
        self.assign(env.now, topics);
    }

    fn assign(&mut self, now: Now, topics: &dyn Topics) {
        let candidates: Vec<Candidate> = self
            .members
            .values()
            .map(|member| Candidate {
                id: member.id.clone(),
                instance: member.instance.clone(),
                topics: self.topic_ids(member, topics),
                current: self.target_of(member.id.as_str()),
            })
            .collect();
        let sizes: BTreeMap<Uuid, i32> = candidates
            .iter()
            .flat_map(|candidate| &candidate.topics)
            .filter_map(|id| topics.by_id(*id).map(|(_, partitions)| (*id, partitions)))
            .collect();
        let assigned: BTreeMap<StrBytes, Target> = match self.assignor() {
            "range" => assignor::range(&candidates, &sizes),
            _ => assignor::uniform(&candidates, &sizes),
        };
        self.target = assigned;
        self.assignment_epoch = self.epoch;
        self.assigned_at = Some(now);
    }

    /// The assignor that most members ask for, else the broker's first: `uniform`.
    pub(crate) fn assignor(&self) -> &'static str {
        let votes = |name: &str| {
            self.members.values().filter(|member| member.assignor.as_deref() == Some(name)).count()
        };
        if votes("range") > votes("uniform") { "range" } else { "uniform" }
    }
}
