//! Brokers, topics and leaders, as far as the answers so far tell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use thiserror::Error;

use crate::cluster::partition::DOUBTS_MAX;
use crate::cluster::{Change, Partition};
use crate::types::{BrokerId, LeaderEpoch, TopicId, TopicName, TopicPartition};
use crate::wire::{
    ErrorCode, LeaderIdAndEpoch, MetadataBroker, MetadataResponse, MetadataTopic, NodeEndpoint,
};

/// What is known of the cluster.
///
/// Merged from answers of many brokers, each of which may be behind, and one of which may lie. So
/// - the leader epoch of a partition never goes back, unless the topic's id changed (or the answers insist);
/// - what is not in an answer stays known: "not in this answer" is not "deleted";
/// - an answer that cannot be true of any cluster is refused as a whole.
#[derive(Debug, Default)]
pub struct ClusterView {
    cluster_id: Option<String>,
    controller: Option<BrokerId>,
    brokers: BTreeMap<BrokerId, Broker>,
    topics: BTreeMap<TopicName, Topic>,
    names: BTreeMap<TopicId, TopicName>,
    updated: Option<Instant>,
}

/// Where a broker can be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broker {
    /// The advertised host.
    pub host: String,
    /// The advertised port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}

/// What is known of a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    /// Its id; [`TopicId::ZERO`] where the cluster has none.
    pub id: TopicId,
    /// Whether it is one of the brokers' own.
    pub is_internal: bool,
    /// Why the last answer did not show it, or NONE. The rest is then what was known before.
    pub error: ErrorCode,
    /// Since when answers do not show it.
    pub missing_since: Option<Instant>,
    /// How many answers on end say that there is no such topic.
    absences: u32,
    partitions: BTreeMap<i32, Partition>,
    retired: Option<Retired>,
}

/// The id that a topic's name had before. Ids are never used twice, so whoever still says it is behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Retired {
    id: TopicId,
    /// How many answers on end insisted on it.
    times: u32,
}

/// What a metadata request asked for: what its answer says nothing about stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Asked {
    /// Brokers only.
    #[default]
    Nothing,
    /// These topics.
    Topics(BTreeSet<TopicName>),
    /// All topics of the cluster.
    All,
}

impl Asked {
    /// How many topics; `None` where it is all of them.
    pub fn count(&self) -> Option<usize> {
        match self {
            Self::Nothing => Some(0),
            Self::Topics(topics) => Some(topics.len()),
            Self::All => None,
        }
    }
}

/// Why a metadata answer is not believed. Another broker should be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum MetadataRefused {
    /// The answer is an error as a whole.
    #[error("the broker answers with {0}")]
    Error(ErrorCode),
    /// No broker is listed, though one answered. Brokers that are starting do this.
    #[error("no broker is listed")]
    NoBrokers,
    /// A broker is listed twice.
    #[error("broker {0} is listed twice")]
    DuplicateBroker(BrokerId),
    /// A broker with a number that none can have.
    #[error("broker {0} is listed")]
    NegativeBroker(BrokerId),
}

impl ClusterView {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over an answer to a request for `asked`, and says what it changed.
    ///
    /// # Errors
    /// The answer cannot be true. Nothing changed.
    pub fn handle_metadata(
        &mut self,
        now: Instant,
        answer: &MetadataResponse,
        asked: &Asked,
    ) -> Result<Vec<Change>, MetadataRefused> {
        let brokers = live_brokers(answer)?;
        let mut changes = Vec::new();
        self.updated = Some(now);
        if self.brokers != brokers {
            self.brokers = brokers;
            changes.push(Change::BrokersChanged);
        }
        self.controller = answer.controller;
        if let Some(new) = &answer.cluster_id {
            match self.cluster_id.replace(new.clone()) {
                Some(old) if old != *new => changes.push(Change::ClusterChanged { old, new: new.clone() }),
                _ => {}
            }
        }
        let mut shown = BTreeSet::new();
        for topic in &answer.topics {
            // Asking by name is all this client does, so there is a name.
            let Some(name) = topic.name.as_deref() else { continue };
            let name = self.share_name(name);
            if shown.insert(name.clone()) {
                self.merge_topic(now, name, topic, &mut changes);
            }
        }
        self.note_missing(now, asked, &shown, &mut changes);
        Ok(changes)
    }

    /// Takes over a leader that a fetch or produce answer named (KIP-951), and where it can be reached.
    ///
    /// Only a newer epoch than the known one, and only a broker with an address, is believed: hints save a metadata
    /// request, they do not replace it.
    pub fn handle_leader_hint(
        &mut self,
        tp: &TopicPartition,
        hint: LeaderIdAndEpoch,
        endpoints: &[NodeEndpoint],
    ) -> Option<Change> {
        let partition = self.topics.get_mut(&tp.topic)?.partitions.get_mut(&tp.partition)?;
        let endpoint = endpoints.iter().find(|endpoint| endpoint.id == hint.leader);
        if hint.leader.0 < 0 || (endpoint.is_none() && !self.brokers.contains_key(&hint.leader)) {
            return None;
        }
        if !partition.take_hint(hint) {
            return None;
        }
        if let Some(NodeEndpoint { id, host, port, rack }) = endpoint {
            self.brokers.insert(*id, Broker { host: host.clone(), port: *port, rack: rack.clone() });
        }
        Some(Change::LeaderMoved { tp: tp.clone(), leader: Some(hint.leader), epoch: Some(hint.epoch) })
    }

    /// Forgets the topics that do not exist any more, as so many answers on end agree that it is believed, and that `keep` does
    /// not hold on to. A topic that somebody reads by its name stays known: its absence is an error there.
    pub fn forget_absent(&mut self, mut keep: impl FnMut(&TopicName) -> bool) -> Vec<Change> {
        let mut absent = |name: &TopicName, topic: &Topic| topic.absences >= DOUBTS_MAX && !keep(name);
        let gone: Vec<TopicName> =
            self.topics.extract_if(.., |name, topic| absent(name, topic)).map(|(name, _)| name).collect();
        if !gone.is_empty() {
            self.names.retain(|_, name| self.topics.contains_key(name));
        }
        gone.into_iter().map(|topic| Change::TopicGone { topic }).collect()
    }

    /// Forgets the topics that `keep` does not hold on to: nobody reads them any more.
    pub fn retain_topics(&mut self, mut keep: impl FnMut(&TopicName) -> bool) {
        self.topics.retain(|name, _| keep(name));
        self.names.retain(|_, name| self.topics.contains_key(name));
    }

    /// Who leads a partition, and in which epoch. `None` where nobody does, or the partition is not known.
    pub fn leader(&self, tp: &TopicPartition) -> Option<(BrokerId, Option<LeaderEpoch>)> {
        let partition = self.partition(tp)?;
        Some((partition.leader?, partition.leader_epoch))
    }

    /// What is known of a partition.
    pub fn partition(&self, tp: &TopicPartition) -> Option<&Partition> {
        self.topics.get(&tp.topic)?.partitions.get(&tp.partition)
    }

    /// What is known of a topic.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// Every known topic, in order.
    pub fn topics(&self) -> impl Iterator<Item = (&TopicName, &Topic)> {
        self.topics.iter()
    }

    /// The name of the topic with that id.
    pub fn topic_name(&self, id: TopicId) -> Option<&TopicName> {
        self.names.get(&id)
    }

    /// How many partitions a topic has; `None` where it is not known.
    pub fn partition_count(&self, name: &str) -> Option<usize> {
        self.topics.get(name).map(|topic| topic.partitions.len())
    }

    /// Where a broker can be reached.
    pub fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.brokers.get(&id)
    }

    /// The live brokers, in order.
    pub fn brokers(&self) -> impl Iterator<Item = (BrokerId, &Broker)> {
        self.brokers.iter().map(|(id, broker)| (*id, broker))
    }

    /// The controller, where known.
    pub fn controller(&self) -> Option<BrokerId> {
        self.controller
    }

    /// What the cluster calls itself.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// When the last answer was taken over.
    pub fn updated(&self) -> Option<Instant> {
        self.updated
    }

    /// One allocation per topic, however often it is answered.
    fn share_name(&self, name: &str) -> TopicName {
        self.topics.get_key_value(name).map_or_else(|| TopicName::from(name), |(known, _)| known.clone())
    }

    fn merge_topic(
        &mut self,
        now: Instant,
        name: TopicName,
        told: &MetadataTopic,
        changes: &mut Vec<Change>,
    ) {
        if !told.error.is_ok() {
            if let Some(topic) = self.topics.get_mut(&name) {
                topic.be_missing(now, told.error);
            }
            changes.push(Change::TopicMissing { topic: name, error: told.error });
            return;
        }
        let Some(topic) = self.topics.get_mut(&name) else {
            let topic = Topic::new(told);
            let (id, partitions) = (topic.id, topic.partitions.len());
            self.topics.insert(name.clone(), topic);
            self.name_id(id, &name);
            changes.push(Change::TopicAppeared { topic: name, id, partitions });
            return;
        };
        if !told.id.is_zero() && told.id != topic.id {
            if topic.insists_on_retired(told.id) {
                return;
            }
            let old = topic.id;
            if old.is_zero() {
                // The same topic, by a broker that knows ids now.
                topic.id = told.id;
            } else {
                if self.names.get(&old) == Some(&name) {
                    self.names.remove(&old);
                }
                self.names.insert(told.id, name.clone());
                *topic = Topic { retired: Some(Retired { id: old, times: 0 }), ..Topic::new(told) };
                changes.push(Change::TopicRecreated { topic: name, old, new: told.id });
                return;
            }
        }
        topic.merge(&name, told, changes);
        let id = topic.id;
        self.name_id(id, &name);
    }

    /// Said again with each answer, since another broker may have claimed the id for another name.
    fn name_id(&mut self, id: TopicId, name: &TopicName) {
        if !id.is_zero() && self.names.get(&id) != Some(name) {
            self.names.insert(id, name.clone());
        }
    }

    /// A topic that was asked for, is known, and is not in the answer at all.
    fn note_missing(
        &mut self,
        now: Instant,
        asked: &Asked,
        shown: &BTreeSet<TopicName>,
        changes: &mut Vec<Change>,
    ) {
        for (name, topic) in &mut self.topics {
            let wanted = match asked {
                Asked::Nothing => false,
                Asked::Topics(topics) => topics.contains(name),
                Asked::All => true,
            };
            if wanted && !shown.contains(name) {
                topic.be_missing(now, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
                changes.push(Change::TopicMissing { topic: name.clone(), error: topic.error });
            }
        }
    }
}

impl Topic {
    fn new(told: &MetadataTopic) -> Self {
        let valid = told.partitions.iter().filter(|partition| partition.partition >= 0);
        Self {
            id: told.id,
            is_internal: told.is_internal,
            error: ErrorCode::NONE,
            missing_since: None,
            absences: 0,
            partitions: valid.map(|partition| (partition.partition, Partition::new(partition))).collect(),
            retired: None,
        }
    }

    /// The partitions, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (i32, &Partition)> {
        self.partitions.iter().map(|(number, partition)| (*number, partition))
    }

    /// Whether the last answer says that there is no such topic.
    pub fn is_absent(&self) -> bool {
        self.absences > 0
    }

    /// Whether one of its partitions has nobody to read it from or write it to.
    pub fn lacks_a_leader(&self) -> bool {
        self.partitions.values().any(|partition| partition.leader.is_none())
    }

    /// How many partitions there are.
    pub fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    fn be_missing(&mut self, now: Instant, error: ErrorCode) {
        self.error = error;
        self.missing_since.get_or_insert(now);
        self.absences = match error {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => self.absences.saturating_add(1),
            // It is there, and cannot be shown.
            _ => 0,
        };
    }

    /// Whether `id` is the one this name had before, told by a broker that has not heard of the new one. As with leader
    /// epochs, [`DOUBTS_MAX`] such answers on end are believed.
    fn insists_on_retired(&mut self, id: TopicId) -> bool {
        match &mut self.retired {
            Some(retired) if retired.id == id => {
                retired.times = retired.times.saturating_add(1);
                retired.times < DOUBTS_MAX
            }
            _ => false,
        }
    }

    fn merge(&mut self, name: &TopicName, told: &MetadataTopic, changes: &mut Vec<Change>) {
        self.error = ErrorCode::NONE;
        self.missing_since = None;
        self.absences = 0;
        self.is_internal = told.is_internal;
        if let Some(retired) = &mut self.retired {
            retired.times = 0;
        }
        let from = self.partitions.len();
        for partition in told.partitions.iter().filter(|partition| partition.partition >= 0) {
            match self.partitions.get_mut(&partition.partition) {
                Some(known) => {
                    if known.merge(partition) {
                        changes.push(Change::LeaderMoved {
                            tp: TopicPartition::new(name.clone(), partition.partition),
                            leader: known.leader,
                            epoch: known.leader_epoch,
                        });
                    }
                }
                None => drop(self.partitions.insert(partition.partition, Partition::new(partition))),
            }
        }
        let to = self.partitions.len();
        if to > from {
            changes.push(Change::PartitionsAdded { topic: name.clone(), from, to });
        }
        if to > told.partitions.len() {
            self.doubt_absent(name, told, changes);
        }
    }

    fn doubt_absent(&mut self, name: &TopicName, told: &MetadataTopic, changes: &mut Vec<Change>) {
        let shown: BTreeSet<i32> = told.partitions.iter().map(|partition| partition.partition).collect();
        let mut disproved = Vec::new();
        self.partitions.retain(|number, partition| {
            let keep = shown.contains(number) || !partition.is_disproved();
            if !keep {
                disproved.push(*number);
            }
            keep
        });
        if !disproved.is_empty() {
            changes.push(Change::PartitionsDisproved { topic: name.clone(), partitions: disproved });
        }
    }
}

/// The brokers of an answer, if it is one that a cluster can give.
fn live_brokers(answer: &MetadataResponse) -> Result<BTreeMap<BrokerId, Broker>, MetadataRefused> {
    if !answer.error.is_ok() {
        return Err(MetadataRefused::Error(answer.error));
    }
    if answer.brokers.is_empty() {
        return Err(MetadataRefused::NoBrokers);
    }
    let mut brokers = BTreeMap::new();
    for MetadataBroker { id, host, port, rack } in &answer.brokers {
        if id.0 < 0 {
            return Err(MetadataRefused::NegativeBroker(*id));
        }
        let broker = Broker { host: host.clone(), port: *port, rack: rack.clone() };
        if brokers.insert(*id, broker).is_some() {
            return Err(MetadataRefused::DuplicateBroker(*id));
        }
    }
    Ok(brokers)
}
