//! Facts out of the cluster's log of requests, its log of offsets, and the timeline.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use client::TopicPartition;
use kafka_protocol::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use kafka_protocol::protocol::Decodable;
use source::Event;
use testkit::group::OffsetChange;
use testkit::{Cluster, ErrorCode, Exchange, Outcome, RequestKind, ResponseKind, Tick};

use crate::fact::{Fact, Timed};
use crate::timeline::{Name, Step, What};

/// All facts, in order: what a member asks, from when it reaches a broker; what it is told, from when the answer leaves.
pub(crate) fn facts(cluster: &Cluster, steps: Vec<Step>) -> Vec<Timed> {
    let mut reader = Reader::new(cluster);
    cluster.requests().iter().for_each(|exchange| reader.exchange(exchange));
    steps.into_iter().for_each(|step| reader.step(step));
    let mut facts = reader.facts;
    // Stable: facts of one tick stay in the order in which they were read.
    facts.sort_by_key(|(order, _)| *order);
    let mut now = Duration::ZERO;
    let in_time = |(_, mut timed): (_, Timed)| {
        // What arrived at a broker that works on it later has no time of its own.
        now = now.max(timed.at);
        timed.at = now;
        timed
    };
    facts.into_iter().map(in_time).collect()
}

/// What happens at a broker in a tick comes before what programs did after it.
type Order = (Tick, bool);

/// What an accepted commit is recognized by.
type Stored = (Duration, String, i32, TopicPartition, i64);

struct Reader {
    facts: Vec<(Order, Timed)>,
    topics: BTreeMap<String, String>,
    /// Accepted commits that were not met yet.
    stored: BTreeMap<Stored, usize>,
    names: BTreeMap<String, Name>,
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
        Self { facts: Vec::new(), topics, stored, names: BTreeMap::new() }
    }

    fn name(&mut self, client: &str) -> Name {
        self.names.entry(client.to_owned()).or_insert_with(|| client.into()).clone()
    }

    fn push(&mut self, order: Order, at: Duration, fact: Fact) {
        self.facts.push((order, Timed { at, fact }));
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let (at, client) = (exchange.at, self.name(&exchange.client_id));
        let api = format!("{:?}", exchange.api);
        let (arrived, begun) = ((exchange.arrived, false), (exchange.begun, false));
        self.push(begun, at, Fact::Request { client: client.clone(), broker: exchange.broker.0, api });
        match &exchange.request {
            Some(RequestKind::JoinGroup(request)) => {
                let owned = request.protocols.first().map(|protocol| owned(&protocol.metadata));
                let (member, owned) = (request.member_id.to_string(), owned.unwrap_or_default());
                self.push(arrived, ARRIVAL, Fact::Joining { client: client.clone(), member, owned });
            }
            Some(RequestKind::SyncGroup(request)) => {
                let is_refused = matches!(
                    exchange.response(),
                    Some(ResponseKind::SyncGroup(answer)) if answer.error_code != 0
                );
                if !request.assignments.is_empty() && !is_refused {
                    let shares = request.assignments.iter();
                    let shares =
                        shares.map(|share| (share.member_id.to_string(), assigned(&share.assignment)));
                    let fact = Fact::Shared { generation: request.generation_id, shares: shares.collect() };
                    self.push(begun, at, fact);
                }
            }
            Some(RequestKind::ConsumerGroupHeartbeat(request)) => {
                let owned = request.topic_partitions.as_ref().map(|topics| {
                    let partitions = topics.iter().flat_map(|topic| {
                        topic.partitions.iter().map(|number| self.partition("", topic.topic_id, *number))
                    });
                    partitions.collect::<BTreeSet<_>>()
                });
                let (client, member) = (client.clone(), request.member_id.to_string());
                let fact = match (request.member_epoch, owned) {
                    // Leaves: nothing is its own any more.
                    (..0, _) => Some(Fact::Joining { client, member, owned: BTreeSet::new() }),
                    (0, owned) => Some(Fact::Joining { client, member, owned: owned.unwrap_or_default() }),
                    (_, owned) => owned.map(|owned| Fact::Owning { client, owned }),
                };
                if let Some(fact) = fact {
                    self.push(arrived, ARRIVAL, fact);
                }
            }
            Some(RequestKind::Fetch(request)) => {
                for topic in &request.topics {
                    for entry in &topic.partitions {
                        let partition = self.partition(&topic.topic.0, topic.topic_id, entry.partition);
                        let offset = entry.fetch_offset;
                        let fact = Fact::Asked { client: client.clone(), at: partition, offset };
                        self.push(arrived, ARRIVAL, fact);
                    }
                }
            }
            Some(RequestKind::OffsetCommit(request)) => {
                for topic in &request.topics {
                    for entry in &topic.partitions {
                        let partition = self.partition(&topic.name.0, topic.topic_id, entry.partition_index);
                        let (member, offset) = (request.member_id.to_string(), entry.committed_offset);
                        let generation = request.generation_id_or_member_epoch;
                        let stored = (at, member.clone(), generation, partition.clone(), offset);
                        let client = client.clone();
                        let asked = Fact::Commit {
                            client: client.clone(),
                            member,
                            generation,
                            at: partition,
                            offset,
                        };
                        self.push(arrived, ARRIVAL, asked);
                        if let Some(count) = self.stored.get_mut(&stored).filter(|count| **count > 0) {
                            *count -= 1;
                            self.push(begun, at, Fact::Stored { client, at: stored.3, offset });
                        }
                    }
                }
            }
            _ => {}
        }
        let (Some(tick), Outcome::Answered { at, response }) = (exchange.answered, &exchange.outcome) else {
            return;
        };
        self.answer((tick, false), *at, client, exchange.request.as_ref(), response);
    }

    fn answer(
        &mut self,
        order: Order,
        at: Duration,
        client: Name,
        request: Option<&RequestKind>,
        response: &ResponseKind,
    ) {
        let (error, is_membership) = match response {
            ResponseKind::JoinGroup(answer) => (answer.error_code, true),
            ResponseKind::SyncGroup(answer) => (answer.error_code, true),
            ResponseKind::Heartbeat(answer) => (answer.error_code, true),
            ResponseKind::ConsumerGroupHeartbeat(answer) => (answer.error_code, true),
            ResponseKind::OffsetCommit(answer) => {
                let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                let refused = partitions.map(|entry| entry.error_code).find(|code| refuses(*code));
                (refused.unwrap_or(0), false)
            }
            // A member epoch that is told beside the question may be refused here as well (KIP-848).
            ResponseKind::OffsetFetch(answer) => {
                let groups = answer.groups.iter().map(|group| group.error_code);
                let refused = groups.chain([answer.error_code]).find(|code| refuses(*code));
                (refused.unwrap_or(0), false)
            }
            _ => (0, false),
        };
        if refuses(error) {
            self.push(order, at, Fact::Refused { client: client.clone(), error });
        } else if is_membership && (error == 0 || error == ErrorCode::REBALANCE_IN_PROGRESS.0) {
            self.push(order, at, Fact::Counted { client: client.clone() });
        }
        match (request, response) {
            (_, ResponseKind::JoinGroup(answer)) if answer.error_code == 0 => {
                self.push(order, at, Fact::Joined { client, generation: answer.generation_id });
            }
            (
                Some(RequestKind::ConsumerGroupHeartbeat(request)),
                ResponseKind::ConsumerGroupHeartbeat(answer),
            ) if answer.error_code == 0 && answer.member_epoch > 0 => {
                let generation = answer.member_epoch;
                self.push(order, at, Fact::Joined { client: client.clone(), generation });
                if let Some(assignment) = &answer.assignment {
                    let partitions = assignment.topic_partitions.iter().flat_map(|topic| {
                        topic.partitions.iter().map(|number| self.partition("", topic.topic_id, *number))
                    });
                    let (member, partitions) = (request.member_id.to_string(), partitions.collect());
                    self.push(order, at, Fact::Given { client, member, generation, partitions });
                }
            }
            (Some(RequestKind::SyncGroup(request)), ResponseKind::SyncGroup(answer))
                if answer.error_code == 0 =>
            {
                let (member, generation) = (request.member_id.to_string(), request.generation_id);
                let partitions = assigned(&answer.assignment);
                self.push(order, at, Fact::Given { client, member, generation, partitions });
            }
            (_, ResponseKind::OffsetFetch(answer)) => {
                for (partition, committed) in self.told(answer) {
                    let fact = Fact::OffsetTold { client: client.clone(), at: partition, committed };
                    self.push(order, at, fact);
                }
            }
            _ => {}
        }
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
            What::Leaving { client, within } => Fact::Leaving { client, within },
            What::Paused { client, at } => Fact::Paused { client, at },
            What::Resuming { client } => Fact::Resuming { client },
            What::Stalled { client, is_stalled } => Fact::Stalled { client, is_stalled },
            What::Changed { at, change } => Fact::Changed { at, change },
            What::Told { client, event } => match *event {
                Event::Revoked { partitions, drained } => {
                    Fact::GaveUp { client, partitions, is_drained: drained.is_ok() }
                }
                Event::Revoking { partitions, drain } => Fact::GivingUp { client, partitions, within: drain },
                Event::CommitFailed { partition, .. } => Fact::CommitFailed { client, at: partition },
                Event::Lost { partitions, .. } => Fact::Lost { client, partitions },
                Event::Committed { partition, offset, .. } => {
                    Fact::Committed { client, at: partition, offset }
                }
                Event::Moved { partition, cause, from, to, lost } => {
                    Fact::Moved { client, at: partition, cause, from, to, lost }
                }
                event => Fact::Note(format!("{client} says: {event}")),
            },
            what @ (What::Member { .. } | What::Fault { .. }) => Fact::Note(what.to_string()),
        };
        self.push((step.tick, true), step.at, fact);
    }
}

/// Whether a member that gets this from a coordinator may call its partitions lost.
fn refuses(error: i16) -> bool {
    [
        ErrorCode::UNKNOWN_MEMBER_ID,
        ErrorCode::ILLEGAL_GENERATION,
        ErrorCode::FENCED_INSTANCE_ID,
        ErrorCode::MEMBER_ID_REQUIRED,
        ErrorCode::FENCED_MEMBER_EPOCH,
        ErrorCode::UNRELEASED_INSTANCE_ID,
    ]
    .iter()
    .any(|refusal| refusal.0 == error)
}

/// An arrival is put in its place by its tick; its time is that of whatever came before.
const ARRIVAL: Duration = Duration::ZERO;

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
