//! The same generated requests go to a real Kafka 4.3 and to the testkit, and every answer is compared.
//!
//! Consumer groups (KIP-848), offsets and transactions, on one connection each, so that both see the requests in the same order.
//! What is made equal before the comparison, because it must differ: topic ids become names, producer ids are counted from the
//! first one a side gave out, and topics are sorted (Kafka's order is that of a hash map). The assignor is `range`: which
//! member gets what by `uniform` depends on that order, too.
//!
//! Left out: a newcomer without any subscription. If an assignment is due for another reason, Kafka 4.3.1 still takes the members
//! for subscribed alike and gives it partitions of topics that it never asked for; the testkit does not.
//!
//! `SEED` and `SEQUENCES` in the environment say where to begin and how many sequences to send.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::thread::sleep;
use std::time::Duration;

use kafka_protocol::messages::add_offsets_to_txn_request::AddOffsetsToTxnRequest;
use kafka_protocol::messages::consumer_group_heartbeat_request::{
    ConsumerGroupHeartbeatRequest, TopicPartitions,
};
use kafka_protocol::messages::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use kafka_protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    ApiKey, ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, EndTxnRequest,
    InitProducerIdRequest, LeaveGroupRequest, ListGroupsRequest, MetadataRequest, RequestKind, ResponseKind,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use milena_tests::fixture::kafka::{Options, Version};
use milena_tests::fixture::wire::Wire;
use testkit::Cluster;
use uuid::Uuid;

const TOPICS: [(&str, i32); 2] = [("t", 4), ("u", 2)];
const MEMBERS: usize = 4;
const SEQUENCES: u64 = 40;
const STEPS: usize = 40;

/// One of the two: a connection, and what it has said of members and producers.
struct Side {
    name: &'static str,
    wire: Wire,
    topics: BTreeMap<Uuid, &'static str>,
    first_producer: Option<i64>,
    /// What each member was last told: its epoch, and the partitions of its assignment.
    told: Vec<Told>,
    /// Producer id and epoch.
    producer: (i64, i16),
}

#[derive(Debug, Clone, Default)]
struct Told {
    epoch: i32,
    partitions: Vec<TopicPartitions>,
}

/// A step, in words that fit both sides.
#[derive(Debug, Clone)]
enum Step {
    Join {
        member: usize,
        topics: Vec<&'static str>,
        instance: bool,
    },
    Beat {
        member: usize,
        epoch: i32,
        owned: Owned,
    },
    Change {
        member: usize,
        topics: Vec<&'static str>,
    },
    Leave {
        member: usize,
        epoch: i32,
        instance: bool,
    },
    LeaveClassic {
        member: usize,
    },
    Commit {
        member: Option<usize>,
        epoch: i32,
        topic: &'static str,
        partition: i32,
        offset: i64,
        version: i16,
    },
    Fetch {
        member: Option<usize>,
        epoch: i32,
        all: bool,
        stable: bool,
    },
    Describe,
    DescribeClassic {
        version: i16,
    },
    List,
    DeleteOffset {
        topic: &'static str,
        partition: i32,
    },
    DeleteGroup,
    Init {
        keep: bool,
    },
    AddOffsets {
        epoch: i16,
    },
    CommitOffsets {
        member: Option<usize>,
        epoch: i16,
        offset: i64,
        version: i16,
    },
    End {
        commit: bool,
        epoch: i16,
        version: i16,
    },
}

/// What a heartbeat says that the member has.
#[derive(Debug, Clone, Copy)]
enum Owned {
    Silence,
    AsTold,
    Nothing,
    Everything,
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn member(&mut self) -> usize {
        self.below(MEMBERS as u64) as usize
    }

    fn topics(&mut self) -> Vec<&'static str> {
        self.pick(&[&["t"][..], &["u"], &["t", "u"], &["t", "u"], &["nowhere"], &[]]).to_vec()
    }

    /// How far an epoch is from the true one.
    fn slip(&mut self) -> i32 {
        self.pick(&[0, 0, 0, 0, 0, 0, -1, 1])
    }

    fn step(&mut self) -> Step {
        let member = self.member();
        let epoch = self.slip();
        let (topic, partition) =
            self.pick(&[("t", 0), ("t", 1), ("t", 2), ("t", 3), ("u", 0), ("u", 9), ("nowhere", 0)]);
        let offset = self.below(100) as i64;
        match self.below(26) {
            0..=3 => {
                let mut topics = self.topics();
                if topics.is_empty() {
                    topics.push("nowhere");
                }
                Step::Join { member, topics, instance: member == 0 }
            }
            4..=11 => {
                let owned = self.pick(&[
                    Owned::AsTold,
                    Owned::AsTold,
                    Owned::Silence,
                    Owned::Nothing,
                    Owned::Everything,
                ]);
                Step::Beat { member, epoch, owned }
            }
            12 => Step::Change { member, topics: self.topics() },
            13 => Step::Leave { member, epoch: self.pick(&[-1, -2]), instance: member == 0 },
            14 => Step::LeaveClassic { member },
            15..=17 => {
                let member = (!self.one_in(4)).then_some(member);
                Step::Commit { member, epoch, topic, partition, offset, version: self.pick(&[8, 9, 9, 9]) }
            }
            18 | 19 => {
                let member = self.one_in(2).then_some(member);
                Step::Fetch { member, epoch, all: self.one_in(2), stable: self.one_in(2) }
            }
            20 => Step::Describe,
            21 => self.pick(&[0, 1, 2]).pick_listing(self),
            22 => Step::Init { keep: self.one_in(2) },
            23 => Step::AddOffsets { epoch: epoch as i16 },
            24 => {
                let member = self.one_in(2).then_some(member);
                Step::CommitOffsets { member, epoch: epoch as i16, offset, version: self.pick(&[3, 4, 5]) }
            }
            _ => Step::End { commit: self.one_in(2), epoch: epoch as i16, version: self.pick(&[4, 5]) },
        }
    }
}

trait PickListing {
    fn pick_listing(self, chance: &mut Chance) -> Step;
}

impl PickListing for i32 {
    fn pick_listing(self, chance: &mut Chance) -> Step {
        match self {
            0 => Step::List,
            1 => Step::DescribeClassic { version: chance.pick(&[5, 6]) },
            _ if chance.one_in(3) => Step::DeleteGroup,
            _ => Step::DeleteOffset { topic: chance.pick(&["t", "u", "nowhere"]), partition: 0 },
        }
    }
}

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

fn member_id(member: usize) -> StrBytes {
    text(format!("member-{member}"))
}

impl Side {
    fn connect(name: &'static str, address: &str) -> Side {
        let mut side = Side {
            name,
            wire: Wire::connect(address),
            topics: BTreeMap::new(),
            first_producer: None,
            told: vec![Told::default(); MEMBERS],
            producer: (-1, -1),
        };
        side.learn_topics();
        side
    }

    fn call(&mut self, version: i16, request: impl Into<RequestKind>, api: ApiKey) -> ResponseKind {
        self.wire.call(api, version, request)
    }

    fn learn_topics(&mut self) {
        let ResponseKind::Metadata(metadata) =
            self.call(12, MetadataRequest::default().with_topics(None), ApiKey::Metadata)
        else {
            panic!("{}: no metadata", self.name);
        };
        for topic in metadata.topics {
            let name = topic.name.map(|name| name.to_string()).unwrap_or_default();
            if let Some((known, _)) = TOPICS.iter().find(|(known, _)| *known == name) {
                self.topics.insert(topic.topic_id, known);
            }
        }
    }

    /// Asks for the coordinators until they are there.
    fn find_coordinators(&mut self, key: &str) {
        for kind in [0, 1] {
            loop {
                let keys = vec![text(key)];
                let request =
                    FindCoordinatorRequest::default().with_key_type(kind).with_coordinator_keys(keys);
                let ResponseKind::FindCoordinator(found) = self.call(4, request, ApiKey::FindCoordinator)
                else {
                    break;
                };
                if found.coordinators.iter().all(|found| found.error_code == 0) {
                    break;
                }
                sleep(Duration::from_millis(100));
            }
        }
    }

    /// Does a step, and says what came of it in words that should be the same on both sides.
    fn take(&mut self, group: &str, step: &Step) -> String {
        // 14, 15 and 16 are a coordinator that is still loading; 51 markers that are still on their way.
        let is_busy =
            |text: &str| [14, 15, 16, 51].iter().any(|code| text.contains(&format!("error_code: {code},")));
        let mut said = self.take_once(group, step);
        // An open transaction that Init aborts answers 51 first on both sides.
        for _ in 0..200 {
            if !is_busy(&said) {
                break;
            }
            sleep(Duration::from_millis(20));
            said = self.take_once(group, step);
        }
        said
    }

    fn take_once(&mut self, group: &str, step: &Step) -> String {
        let id = text(group);
        match step {
            Step::Join { member, topics, instance } => {
                let names = topics.iter().map(|topic| TopicName(text(*topic))).collect();
                let request = ConsumerGroupHeartbeatRequest::default()
                    .with_group_id(id.into())
                    .with_member_id(member_id(*member))
                    .with_instance_id(instance.then(|| text("instance")))
                    .with_rebalance_timeout_ms(300_000)
                    .with_subscribed_topic_names(Some(names))
                    .with_server_assignor(Some(text("range")))
                    .with_topic_partitions(Some(Vec::new()));
                self.beat(*member, request)
            }
            Step::Beat { member, epoch, owned } => {
                let told = self.told[*member].clone();
                let owned = match owned {
                    Owned::Silence => None,
                    Owned::AsTold => Some(told.partitions),
                    Owned::Nothing => Some(Vec::new()),
                    Owned::Everything => Some(self.everything()),
                };
                let request = ConsumerGroupHeartbeatRequest::default()
                    .with_group_id(id.into())
                    .with_member_id(member_id(*member))
                    .with_member_epoch(told.epoch.max(1) + epoch)
                    .with_topic_partitions(owned);
                self.beat(*member, request)
            }
            Step::Change { member, topics } => {
                let names = topics.iter().map(|topic| TopicName(text(*topic))).collect();
                let told = self.told[*member].clone();
                let request = ConsumerGroupHeartbeatRequest::default()
                    .with_group_id(id.into())
                    .with_member_id(member_id(*member))
                    .with_member_epoch(told.epoch.max(1))
                    .with_subscribed_topic_names(Some(names))
                    .with_topic_partitions(Some(told.partitions));
                self.beat(*member, request)
            }
            Step::Leave { member, epoch, instance } => {
                let request = ConsumerGroupHeartbeatRequest::default()
                    .with_group_id(id.into())
                    .with_member_id(member_id(*member))
                    .with_instance_id(instance.then(|| text("instance")))
                    .with_member_epoch(*epoch);
                self.beat(*member, request)
            }
            Step::LeaveClassic { member } => {
                let identity = kafka_protocol::messages::leave_group_request::MemberIdentity::default()
                    .with_member_id(member_id(*member));
                let request =
                    LeaveGroupRequest::default().with_group_id(id.into()).with_members(vec![identity]);
                self.ask(5, request, ApiKey::LeaveGroup)
            }
            Step::Commit { member, epoch, topic, partition, offset, version } => {
                let partition = OffsetCommitRequestPartition::default()
                    .with_partition_index(*partition)
                    .with_committed_offset(*offset)
                    .with_committed_leader_epoch(-1)
                    .with_committed_metadata(Some(text("m")));
                let topic = OffsetCommitRequestTopic::default()
                    .with_name(TopicName(text(*topic)))
                    .with_partitions(vec![partition]);
                let (who, epoch) = self.who(*member, *epoch);
                let request = OffsetCommitRequest::default()
                    .with_group_id(id.into())
                    .with_member_id(who)
                    .with_generation_id_or_member_epoch(epoch)
                    .with_topics(vec![topic]);
                self.ask(*version, request, ApiKey::OffsetCommit)
            }
            Step::Fetch { member, epoch, all, stable } => {
                let topics = TOPICS.iter().map(|(name, partitions)| {
                    OffsetFetchRequestTopics::default()
                        .with_name(TopicName(text(*name)))
                        .with_partition_indexes((0..*partitions).collect())
                });
                let (who, epoch) = match member {
                    None => (None, -1),
                    Some(member) => (Some(member_id(*member)), self.told[*member].epoch + epoch),
                };
                let asked = OffsetFetchRequestGroup::default()
                    .with_group_id(id.into())
                    .with_member_id(who)
                    .with_member_epoch(epoch)
                    .with_topics((!all).then(|| topics.collect()));
                let request =
                    OffsetFetchRequest::default().with_groups(vec![asked]).with_require_stable(*stable);
                self.ask(9, request, ApiKey::OffsetFetch)
            }
            Step::Describe => {
                let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![id.into()]);
                self.ask(1, request, ApiKey::ConsumerGroupDescribe)
            }
            Step::DescribeClassic { version } => {
                let request = DescribeGroupsRequest::default().with_groups(vec![id.into()]);
                self.ask(*version, request, ApiKey::DescribeGroups)
            }
            Step::List => {
                let listed = self.call(5, ListGroupsRequest::default(), ApiKey::ListGroups);
                let ResponseKind::ListGroups(listed) = listed else { panic!("no list") };
                format!("{:?}", listed.groups.iter().find(|listed| listed.group_id.as_str() == group))
            }
            Step::DeleteOffset { topic, partition } => {
                let partition = OffsetDeleteRequestPartition::default().with_partition_index(*partition);
                let topic = OffsetDeleteRequestTopic::default()
                    .with_name(TopicName(text(*topic)))
                    .with_partitions(vec![partition]);
                let request =
                    OffsetDeleteRequest::default().with_group_id(id.into()).with_topics(vec![topic]);
                self.ask(0, request, ApiKey::OffsetDelete)
            }
            Step::DeleteGroup => {
                let request = DeleteGroupsRequest::default().with_groups_names(vec![id.into()]);
                self.ask(2, request, ApiKey::DeleteGroups)
            }
            Step::Init { keep } => {
                let (producer, epoch) = if *keep { self.producer } else { (-1, -1) };
                let request = InitProducerIdRequest::default()
                    .with_transactional_id(Some(id.into()))
                    .with_transaction_timeout_ms(60_000)
                    .with_producer_id(producer.into())
                    .with_producer_epoch(epoch);
                let ResponseKind::InitProducerId(answer) = self.call(5, request, ApiKey::InitProducerId)
                else {
                    panic!("no answer to InitProducerId");
                };
                if answer.error_code == 0 {
                    self.producer = (answer.producer_id.0, answer.producer_epoch);
                }
                let said = format!("{:?}", answer.clone().with_producer_id((-1).into()));
                format!("{said} producer {}", self.counted(answer.producer_id.0))
            }
            Step::AddOffsets { epoch } => {
                let request = AddOffsetsToTxnRequest::default()
                    .with_transactional_id(id.clone().into())
                    .with_producer_id(self.producer.0.into())
                    .with_producer_epoch(self.producer.1 + epoch)
                    .with_group_id(id.into());
                self.ask(3, request, ApiKey::AddOffsetsToTxn)
            }
            Step::CommitOffsets { member, epoch, offset, version } => {
                let partition = TxnOffsetCommitRequestPartition::default()
                    .with_partition_index(0)
                    .with_committed_offset(*offset)
                    .with_committed_leader_epoch(-1)
                    .with_committed_metadata(Some(text("x")));
                let topic = TxnOffsetCommitRequestTopic::default()
                    .with_name(TopicName(text("t")))
                    .with_partitions(vec![partition]);
                let (who, member_epoch) = self.who(*member, 0);
                let request = TxnOffsetCommitRequest::default()
                    .with_transactional_id(id.clone().into())
                    .with_group_id(id.into())
                    .with_producer_id(self.producer.0.into())
                    .with_producer_epoch(self.producer.1 + epoch)
                    .with_generation_id(member_epoch)
                    .with_member_id(who)
                    .with_topics(vec![topic]);
                self.ask(*version, request, ApiKey::TxnOffsetCommit)
            }
            Step::End { commit, epoch, version } => {
                let request = EndTxnRequest::default()
                    .with_transactional_id(id.into())
                    .with_producer_id(self.producer.0.into())
                    .with_producer_epoch(self.producer.1 + epoch)
                    .with_committed(*commit);
                let ResponseKind::EndTxn(answer) = self.call(*version, request, ApiKey::EndTxn) else {
                    panic!("no answer to EndTxn");
                };
                if answer.error_code == 0 && *version >= 5 {
                    self.producer = (answer.producer_id.0, answer.producer_epoch);
                }
                if answer.error_code == 0 {
                    // Kafka writes its markers after the answer.
                    sleep(Duration::from_millis(if self.name == "Kafka" { 60 } else { 0 }));
                }
                let said = format!("{:?}", answer.clone().with_producer_id((-1).into()));
                format!("{said} producer {}", self.counted(answer.producer_id.0))
            }
        }
    }

    fn who(&self, member: Option<usize>, slip: i32) -> (StrBytes, i32) {
        match member {
            None => (StrBytes::new(), -1),
            Some(member) => (member_id(member), self.told[member].epoch + slip),
        }
    }

    fn everything(&self) -> Vec<TopicPartitions> {
        let mut all: Vec<(&str, TopicPartitions)> = self
            .topics
            .iter()
            .map(|(id, name)| {
                let count = TOPICS.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count);
                (*name, TopicPartitions::default().with_topic_id(*id).with_partitions((0..count).collect()))
            })
            .collect();
        all.sort_by_key(|(name, _)| *name);
        all.into_iter().map(|(_, topic)| topic).collect()
    }

    fn beat(&mut self, member: usize, request: ConsumerGroupHeartbeatRequest) -> String {
        let answer = self.call(1, request, ApiKey::ConsumerGroupHeartbeat);
        if let ResponseKind::ConsumerGroupHeartbeat(answer) = &answer {
            self.hear(member, answer);
        }
        self.say(answer)
    }

    fn hear(&mut self, member: usize, answer: &ConsumerGroupHeartbeatResponse) {
        if answer.error_code != 0 {
            return;
        }
        self.told[member].epoch = answer.member_epoch;
        if let Some(assignment) = &answer.assignment {
            let topics = assignment.topic_partitions.iter().map(|topic| {
                TopicPartitions::default()
                    .with_topic_id(topic.topic_id)
                    .with_partitions(topic.partitions.clone())
            });
            self.told[member].partitions = topics.collect();
        }
    }

    fn ask(&mut self, version: i16, request: impl Into<RequestKind>, api: ApiKey) -> String {
        let answer = self.call(version, request, api);
        self.say(answer)
    }

    fn say(&self, answer: ResponseKind) -> String {
        match answer {
            ResponseKind::ConsumerGroupHeartbeat(mut answer) => {
                for assignment in answer.assignment.iter_mut() {
                    assignment.topic_partitions.sort_by_key(|topic| self.topics.get(&topic.topic_id));
                    assignment.topic_partitions.iter_mut().for_each(|topic| topic.partitions.sort_unstable());
                }
                self.named(&answer)
            }
            ResponseKind::ConsumerGroupDescribe(mut answer) => {
                for group in &mut answer.groups {
                    group.members.sort_by(|one, other| one.member_id.cmp(&other.member_id));
                    for member in &mut group.members {
                        member.subscribed_topic_names.sort();
                        for assignment in [&mut member.assignment, &mut member.target_assignment] {
                            assignment
                                .topic_partitions
                                .sort_by(|one, other| one.topic_name.cmp(&other.topic_name));
                            assignment
                                .topic_partitions
                                .iter_mut()
                                .for_each(|topic| topic.partitions.sort_unstable());
                        }
                    }
                }
                self.named(&answer)
            }
            ResponseKind::OffsetFetch(mut answer) => {
                for group in &mut answer.groups {
                    group.topics.sort_by(|one, other| one.name.cmp(&other.name));
                    group
                        .topics
                        .iter_mut()
                        .for_each(|topic| topic.partitions.sort_by_key(|one| one.partition_index));
                }
                self.named(&answer)
            }
            answer => self.named(&answer),
        }
    }

    /// An answer's text, with names in the place of topic ids.
    fn named(&self, answer: &impl Debug) -> String {
        let mut said = format!("{answer:?}");
        for (id, name) in &self.topics {
            said = said.replace(&id.to_string(), name);
        }
        said
    }

    fn counted(&mut self, producer: i64) -> i64 {
        if producer < 0 {
            return producer;
        }
        producer - *self.first_producer.get_or_insert(producer)
    }
}

/// A real Kafka and a testkit, with the same topics and settings.
async fn both() -> (milena_tests::fixture::kafka::Kafka, Cluster) {
    let settings = [
        ("group.consumer.assignment.interval.ms", "0"),
        ("group.consumer.heartbeat.interval.ms", "1000"),
        ("offsets.topic.num.partitions", "1"),
    ];
    let mut options = Options::new(Version(4, 3, 1));
    let mut builder = Cluster::builder();
    for (name, value) in settings {
        options = options.property(name, value);
        builder = builder.property(name, value);
    }
    let kafka = milena_tests::fixture::start(options).await.expect("Kafka starts");
    for (name, partitions) in TOPICS {
        kafka.create_topic(name, partitions, 1, &[]).expect("the topic is created");
        builder = builder.topic(name, partitions);
    }
    (kafka, builder.start().await.expect("the testkit starts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_requests_are_answered_alike() {
    let (kafka, cluster) = both().await;
    let addresses = [("Kafka", kafka.direct_bootstrap()), ("testkit", cluster.bootstrap_servers())];
    let compared = tokio::task::spawn_blocking(move || {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let (base, sequences) = (number("SEED").unwrap_or(1), number("SEQUENCES").unwrap_or(SEQUENCES));
        let mut sides = addresses.map(|(name, address)| Side::connect(name, &address));
        let mut compared = 0;
        for seed in base..base + sequences {
            let group = format!("g{seed}");
            for side in &mut sides {
                side.find_coordinators(&group);
                side.told = vec![Told::default(); MEMBERS];
                side.producer = (-1, -1);
                side.first_producer = None;
            }
            let mut chance = Chance(seed);
            let mut so_far = String::new();
            for _ in 0..STEPS {
                let step = chance.step();
                let [real, ours] = [0, 1].map(|side| sides[side].take(&group, &step));
                so_far.push_str(&format!("{step:?}\n    {real}\n"));
                assert_eq!(
                    ours, real,
                    "SEED={seed}: ours, and Kafka's; what led to it, and Kafka's answers:\n{so_far}"
                );
                compared += 1;
            }
        }
        (compared, sequences * STEPS as u64)
    });
    let (compared, wanted) = compared.await.expect("no panic");
    println!("{compared} answers compared");
    assert_eq!(compared, wanted);
    drop(kafka);
}
