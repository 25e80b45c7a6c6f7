//! Facts out of the cluster's log of requests, its log of offsets, and the timeline.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use client::TopicPartition;
use kafka_protocol::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use kafka_protocol::protocol::Decodable;
use source::Event;
use testkit::group::OffsetChange;
use testkit::{Cluster, Exchange, RequestKind, ResponseKind};

use crate::fact::{Fact, Timed};
use crate::timeline::{Name, Step, What};

/// All facts, in order.
pub(crate) fn facts(cluster: &Cluster, steps: Vec<Step>) -> Vec<Timed> {
    let mut reader = Reader::new(cluster);
    let requests = cluster.requests();
    let mut exchanges = requests.iter().peekable();
    for step in steps {
        while let Some(exchange) = exchanges.next_if(|exchange| exchange.number <= step.requests) {
            reader.exchange(exchange);
        }
        reader.step(step);
    }
    exchanges.for_each(|exchange| reader.exchange(exchange));
    reader.facts
}

/// What an accepted commit is recognized by.
type Stored = (Duration, String, i32, TopicPartition, i64);

struct Reader {
    facts: Vec<Timed>,
    topics: BTreeMap<String, String>,
    /// Accepted commits that were not met yet.
    stored: BTreeMap<Stored, usize>,
    names: BTreeMap<String, Name>,
    /// What members of the consumer protocol were last given.
    given: BTreeMap<String, BTreeSet<TopicPartition>>,
}

impl Reader {
    fn new(cluster: &Cluster) -> Self {
        let topics = cluster.with_core(|core, _| {
            let topics = core.world().cluster.topics();
            topics.map(|(name, topic)| (topic.id.to_string(), name.to_owned())).collect()
        });
        let mut stored = BTreeMap::new();
        for record in cluster.offset_history() {
            if let OffsetChange::Committed { offset, member, generation, .. } = record.change {
                let at = TopicPartition::new(record.topic.as_str(), record.partition);
                *stored.entry((record.at, member, generation, at, offset)).or_default() += 1;
            }
        }
        Self { facts: Vec::new(), topics, stored, names: BTreeMap::new(), given: BTreeMap::new() }
    }

    fn name(&mut self, client: &str) -> Name {
        self.names.entry(client.to_owned()).or_insert_with(|| client.into()).clone()
    }

    fn push(&mut self, at: Duration, fact: Fact) {
        self.facts.push(Timed { at, fact });
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let (at, client) = (exchange.at, self.name(&exchange.client_id));
        let api = format!("{:?}", exchange.api);
        self.push(at, Fact::Request { client: client.clone(), broker: exchange.broker.0, api });
        match (&exchange.request, exchange.response()) {
            (Some(RequestKind::JoinGroup(request)), _) => {
                let owned = request.protocols.first().map(|protocol| owned(&protocol.metadata));
                let (member, owned) = (request.member_id.to_string(), owned.unwrap_or_default());
                self.push(at, Fact::Joining { client, member, owned });
            }
            (Some(RequestKind::SyncGroup(request)), response) => {
                let is_refused =
                    matches!(response, Some(ResponseKind::SyncGroup(answer)) if answer.error_code != 0);
                if !request.assignments.is_empty() && !is_refused {
                    let shares = request.assignments.iter();
                    let shares =
                        shares.map(|share| (share.member_id.to_string(), assigned(&share.assignment)));
                    self.push(
                        at,
                        Fact::Shared { generation: request.generation_id, shares: shares.collect() },
                    );
                }
                if let Some(ResponseKind::SyncGroup(answer)) = response
                    && answer.error_code == 0
                {
                    let (member, generation) = (request.member_id.to_string(), request.generation_id);
                    let partitions = assigned(&answer.assignment);
                    self.push(at, Fact::Given { client, member, generation, partitions });
                }
            }
            (Some(RequestKind::ConsumerGroupHeartbeat(request)), response) => {
                self.heartbeat(at, client, request, response);
            }
            (Some(RequestKind::OffsetFetch(_)), Some(ResponseKind::OffsetFetch(answer))) => {
                for (partition, committed) in self.told(answer) {
                    let fact = Fact::OffsetTold { client: client.clone(), at: partition, committed };
                    self.push(at, fact);
                }
            }
            (Some(RequestKind::OffsetCommit(request)), _) => {
                for topic in &request.topics {
                    for entry in &topic.partitions {
                        let partition = self.partition(&topic.name.0, topic.topic_id, entry.partition_index);
                        let (member, offset) = (request.member_id.to_string(), entry.committed_offset);
                        let generation = request.generation_id_or_member_epoch;
                        let stored = (at, member.clone(), generation, partition.clone(), offset);
                        let asked = Fact::Commit {
                            client: client.clone(),
                            member,
                            generation,
                            at: partition,
                            offset,
                        };
                        self.push(at, asked);
                        if let Some(count) = self.stored.get_mut(&stored).filter(|count| **count > 0) {
                            *count -= 1;
                            let (client, at_partition) = (client.clone(), stored.3);
                            self.push(at, Fact::Stored { client, at: at_partition, offset });
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// KIP-848: what a heartbeat says that the member has, and what the answer gives it.
    fn heartbeat(
        &mut self,
        at: Duration,
        client: Name,
        request: &testkit::messages::ConsumerGroupHeartbeatRequest,
        response: Option<&ResponseKind>,
    ) {
        let member = request.member_id.to_string();
        // Who joins or leaves has nothing.
        let owned = match &request.topic_partitions {
            _ if request.member_epoch <= 0 => Some(BTreeSet::new()),
            Some(topics) => {
                let topics = topics.iter();
                Some(topics.flat_map(|of| self.partitions(&of.topic_id, &of.partitions)).collect())
            }
            None => None,
        };
        if let Some(owned) = owned {
            self.push(at, Fact::Joining { client: client.clone(), member: member.clone(), owned });
        }
        let Some(ResponseKind::ConsumerGroupHeartbeat(answer)) = response else { return };
        if answer.error_code != 0 || answer.member_epoch <= 0 {
            return;
        }
        if let Some(assignment) = &answer.assignment {
            let topics = assignment.topic_partitions.iter();
            let given = topics.flat_map(|of| self.partitions(&of.topic_id, &of.partitions)).collect();
            self.given.insert(member.clone(), given);
        }
        let partitions = self.given.get(&member).cloned().unwrap_or_default();
        self.push(at, Fact::Given { client, member, generation: answer.member_epoch, partitions });
    }

    fn partitions(&self, topic: &impl ToString, numbers: &[i32]) -> Vec<TopicPartition> {
        numbers.iter().map(|number| self.partition("", topic.to_string(), *number)).collect()
    }

    fn partition(&self, name: &str, id: impl ToString, number: i32) -> TopicPartition {
        let by_id = || self.topics.get(&id.to_string()).map_or("", String::as_str);
        TopicPartition::new(if name.is_empty() { by_id() } else { name }, number)
    }

    fn told(&self, answer: &testkit::messages::OffsetFetchResponse) -> Vec<(TopicPartition, Option<i64>)> {
        let mut told = Vec::new();
        let committed = |offset: i64| (offset >= 0).then_some(offset);
        if answer.error_code == 0 {
            for topic in &answer.topics {
                for entry in topic.partitions.iter().filter(|entry| entry.error_code == 0) {
                    let at = TopicPartition::new(topic.name.0.as_str(), entry.partition_index);
                    told.push((at, committed(entry.committed_offset)));
                }
            }
        }
        for group in answer.groups.iter().filter(|group| group.error_code == 0) {
            for topic in &group.topics {
                for entry in topic.partitions.iter().filter(|entry| entry.error_code == 0) {
                    let at = self.partition(&topic.name.0, topic.topic_id, entry.partition_index);
                    told.push((at, committed(entry.committed_offset)));
                }
            }
        }
        told
    }

    fn step(&mut self, step: Step) {
        let fact = match step.what {
            What::Delivered { client, serial, at, offset, value } => {
                Fact::Delivered { client, serial, at, offset, value }
            }
            What::Acked { client, serial } => Fact::Acked { client, serial },
            What::Seeking { client, at, to } => Fact::Seeking { client, at, to },
            What::Sought { client, at, to, is_done } => Fact::Sought { client, at, to, is_done },
            What::Held { client, used, budget } => Fact::Held { client, used, budget },
            What::Produced { at, offset, value } => Fact::Produced { at, offset, value },
            What::Told { client, event } => match *event {
                Event::Revoked { partitions, drained } => {
                    Fact::GaveUp { client, partitions, is_drained: drained.is_ok() }
                }
                Event::Committed { partition, offset, .. } => {
                    Fact::Committed { client, at: partition, offset }
                }
                event => Fact::Note(format!("{client} says: {event}")),
            },
            what @ (What::Member { .. } | What::Fault { .. }) => Fact::Note(what.to_string()),
        };
        self.push(step.at, fact);
    }
}

fn assigned(bytes: &Bytes) -> BTreeSet<TopicPartition> {
    let mut bytes = bytes.clone();
    let Some(version) = version(&mut bytes, 3) else { return BTreeSet::new() };
    let Ok(assignment) = ConsumerProtocolAssignment::decode(&mut bytes, version) else {
        return BTreeSet::new();
    };
    let topics = assignment.assigned_partitions.iter();
    topics
        .flat_map(|of| of.partitions.iter().map(|number| TopicPartition::new(of.topic.0.as_str(), *number)))
        .collect()
}

fn owned(bytes: &Bytes) -> BTreeSet<TopicPartition> {
    let mut bytes = bytes.clone();
    let Some(version) = version(&mut bytes, 3) else { return BTreeSet::new() };
    let Ok(subscription) = ConsumerProtocolSubscription::decode(&mut bytes, version) else {
        return BTreeSet::new();
    };
    let topics = subscription.owned_partitions.iter();
    topics
        .flat_map(|of| of.partitions.iter().map(|number| TopicPartition::new(of.topic.0.as_str(), *number)))
        .collect()
}

/// The version in front, as far as it is known here.
fn version(bytes: &mut Bytes, known: i16) -> Option<i16> {
    let version = i16::from_be_bytes(bytes.get(..2)?.try_into().ok()?);
    let _ = bytes.split_to(2);
    Some(version.clamp(0, known))
}
