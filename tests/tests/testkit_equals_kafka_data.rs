//! The same generated requests of the data APIs go to a real Kafka 4.3 and to the testkit, and every answer is compared.
//!
//! Produce, Fetch with and without sessions, ListOffsets, OffsetForLeaderEpoch, DeleteRecords, Metadata and topic administration, in
//! all their versions, on one connection to one broker. What is made equal before the comparison, because it must differ: topic
//! ids, producer ids, session ids, addresses; and the sentences beside errors, which nobody should read by machine.
//!
//! `SEED` and `STEPS` in the environment say where to begin and how many requests to send.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use milena_tests::fixture::kafka::{Options, Version};
use milena_tests::fixture::start;
use records::{BatchBuilder, Compression, Compressor, ControlMarker, NewRecord, ProducerState};
use testkit::Cluster;
use uuid::Uuid;

const TIME: i64 = 1_767_225_600_000;

/// One of the two brokers.
struct Side {
    stream: TcpStream,
    asked: i32,
    ids: Vec<(String, Uuid)>,
    producers: Vec<i64>,
    /// The id that the broker gave the session, and the next epoch.
    session: (i32, i32),
}

impl Side {
    fn connect(bootstrap: &str) -> Self {
        let stream = TcpStream::connect(bootstrap).unwrap();
        Self { stream, asked: 0, ids: Vec::new(), producers: Vec::new(), session: (0, 0) }
    }

    /// `None`: the broker has closed the connection.
    fn ask<R: Request>(&mut self, version: i16, request: &R) -> Option<R::Response> {
        self.asked += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.asked)
            .with_client_id(Some(StrBytes::from_static_str("twin")));
        let wire = if R::KEY == 2 { version.min(10) } else { version };
        let mut frame = BytesMut::new();
        header.encode(&mut frame, R::header_version(wire)).unwrap();
        request.encode(&mut frame, wire).unwrap();
        let length = (frame.len() as i32).to_be_bytes();
        self.stream.write_all(&[&length[..], &frame].concat()).ok()?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).ok()?;
        let mut answer = vec![0; i32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut answer).ok()?;
        let mut answer = Bytes::from(answer);
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(wire)).unwrap();
        assert_eq!(header.correlation_id, self.asked);
        let response = R::Response::decode(&mut answer, wire).unwrap();
        assert!(answer.is_empty());
        Some(response)
    }

    fn id(&self, topic: &str) -> Uuid {
        self.ids.iter().find(|(name, _)| name == topic).map_or(Uuid::from_u128(7), |(_, id)| *id)
    }

    fn name(&self, id: Uuid) -> String {
        self.ids.iter().find(|(_, known)| *known == id).map_or(format!("{id}"), |(name, _)| name.clone())
    }

    fn learn(&mut self, topic: &str) {
        let wanted = MetadataRequestTopic::default().with_name(Some(name(topic)));
        let answer = self.ask(12, &MetadataRequest::default().with_topics(Some(vec![wanted]))).unwrap();
        self.ids.retain(|(known, _)| known != topic);
        self.ids.push((topic.to_owned(), answer.topics[0].topic_id));
    }
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// A small generator: the same numbers for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn between(&mut self, min: i16, max: i16) -> i16 {
        min + self.below((max - min + 1) as u64) as i16
    }
}

const TOPICS: [&str; 3] = ["plain", "compacted", "missing"];

/// What the batch of a produce is like.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain,
    Keyless,
    Idempotent { producer: usize, epoch: i16, sequence: i32 },
    Compressed(Compression),
    Corrupt,
    Twice,
    Empty,
    Control,
    Misplaced,
    Large,
}

fn batch(kind: Kind, side: &Side, count: u64) -> Bytes {
    let codec = if let Kind::Compressed(codec) = kind { codec } else { Compression::None };
    let mut builder = BatchBuilder::new(codec);
    if let Kind::Control = kind {
        let marker = ControlMarker::Abort { coordinator_epoch: 0 };
        return BatchBuilder::control(marker, 1, 0, TIME).build(&mut Compressor::new()).unwrap();
    }
    for index in 0..count {
        let value = format!("record {index} ").repeat(if let Kind::Large = kind { 300 } else { 3 });
        let record = NewRecord::new(TIME + (index as i64 % 3) * 10).value(&value);
        let key = format!("key {}", index % 2);
        let record = if let Kind::Keyless = kind { record } else { record.key(&key) };
        builder.push(&record).unwrap();
    }
    if let Kind::Idempotent { producer, epoch, sequence } = kind {
        let producer_id = side.producers[producer];
        builder.producer(ProducerState { producer_id, producer_epoch: epoch, base_sequence: sequence });
    }
    if let Kind::Misplaced = kind {
        builder.base_offset(5);
    }
    let bytes = builder.build(&mut Compressor::new()).unwrap();
    match kind {
        Kind::Twice => [&bytes[..], &bytes[..]].concat().into(),
        Kind::Empty => Bytes::new(),
        Kind::Corrupt => {
            let mut bytes = bytes.to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            bytes.into()
        }
        _ => bytes,
    }
}

/// A request in a form that is the same for both sides.
#[derive(Debug, Clone)]
enum Step {
    Produce {
        version: i16,
        acks: i16,
        topic: &'static str,
        partition: i32,
        kind: Kind,
        count: u64,
    },
    Fetch {
        version: i16,
        session: Session,
        isolation: i8,
        bytes_max: i32,
        wants: Vec<Want>,
    },
    ListOffsets {
        version: i16,
        topic: &'static str,
        partition: i32,
        epoch: i32,
        time: i64,
        isolation: i8,
    },
    Epochs {
        version: i16,
        topic: &'static str,
        partition: i32,
        current: i32,
        epoch: i32,
    },
    DeleteRecords {
        version: i16,
        topic: &'static str,
        partition: i32,
        offset: i64,
    },
    Metadata {
        version: i16,
        topic: &'static str,
    },
    CreateTopic {
        version: i16,
        name: &'static str,
        partitions: i32,
        factor: i16,
        config: &'static str,
        check: bool,
    },
    CreatePartitions {
        version: i16,
        topic: &'static str,
        count: i32,
    },
    DeleteUnknown {
        version: i16,
    },
    InitProducer {
        version: i16,
    },
}

#[derive(Debug, Clone, Copy)]
enum Session {
    None,
    New,
    Next,
    WrongEpoch,
    Unknown,
}

#[derive(Debug, Clone)]
struct Want {
    topic: &'static str,
    partition: i32,
    offset: i64,
    epoch: i32,
    last_epoch: i32,
    bytes_max: i32,
}

fn step(chance: &mut Chance, producers: usize) -> Step {
    let topic = chance.one_of(&["plain", "plain", "plain", "compacted", "missing"]);
    let partition = chance.one_of(&[0, 0, 0, 1, 2]);
    match chance.below(14) {
        0..=3 => {
            let kind = match chance.below(12) {
                0 => Kind::Keyless,
                1 => Kind::Corrupt,
                2 => Kind::Twice,
                3 => Kind::Empty,
                4 => Kind::Control,
                5 => Kind::Misplaced,
                6 => Kind::Large,
                7 | 8 if producers > 0 => Kind::Idempotent {
                    producer: chance.below(producers as u64) as usize,
                    epoch: chance.between(0, 1),
                    sequence: chance.between(0, 4).into(),
                },
                9 => {
                    Kind::Compressed(chance.one_of(&[Compression::Gzip, Compression::Lz4, Compression::Zstd]))
                }
                _ => Kind::Plain,
            };
            let acks = chance.one_of(&[-1, 1, 1, 2]);
            Step::Produce {
                version: chance.between(3, 13),
                acks,
                topic,
                partition,
                kind,
                count: 1 + chance.below(4),
            }
        }
        4..=7 => {
            let session = chance.one_of(&[
                Session::None,
                Session::New,
                Session::Next,
                Session::Next,
                Session::WrongEpoch,
                Session::Unknown,
            ]);
            let mut wants: Vec<Want> = Vec::new();
            for _ in 0..chance.below(4) {
                let want = Want {
                    topic: chance.one_of(&TOPICS),
                    partition: chance.one_of(&[0, 1, 2]),
                    offset: chance.between(-1, 12).into(),
                    epoch: chance.one_of(&[-1, -1, 0, 1]),
                    last_epoch: chance.one_of(&[-1, -1, -1, 0, 1]),
                    bytes_max: chance.one_of(&[0, 1, 200, 300, 1 << 20]),
                };
                if !wants.iter().any(|known| known.topic == want.topic && known.partition == want.partition) {
                    wants.push(want);
                }
            }
            wants.sort_by_key(|want| want.topic);
            let bytes_max = chance.one_of(&[0, 100, 500, 1 << 20]);
            Step::Fetch {
                version: chance.between(4, 18),
                session,
                isolation: chance.between(0, 1) as i8,
                bytes_max,
                wants,
            }
        }
        8 => {
            let time = chance.one_of(&[-1, -2, -3, -4, -5, 0, TIME, TIME + 10, TIME + 20, TIME + 1000]);
            let isolation = chance.between(0, 1) as i8;
            let epoch = chance.one_of(&[-1, -1, 0, 1]);
            Step::ListOffsets { version: chance.between(1, 11), topic, partition, epoch, time, isolation }
        }
        9 => {
            let (current, epoch) = (chance.one_of(&[-1, 0, 1]), chance.one_of(&[-1, 0, 1]));
            Step::Epochs { version: chance.between(2, 4), topic, partition, current, epoch }
        }
        10 => {
            let offset = chance.one_of(&[-2, -1, 0, 1, 2, 3, 99]);
            Step::DeleteRecords { version: chance.between(0, 2), topic, partition, offset }
        }
        11 => Step::Metadata { version: chance.between(4, 13), topic },
        12 => match chance.below(3) {
            0 => Step::CreateTopic {
                version: chance.between(2, 7),
                name: chance.one_of(&["plain", "new", "bad name", "", "..", "dup"]),
                partitions: chance.one_of(&[-1, 0, 1, -2]),
                factor: chance.one_of(&[-1, 0, 1, 2]),
                config: chance.one_of(&["", "retention.ms", "no.such.config"]),
                check: true,
            },
            1 => Step::CreatePartitions {
                version: chance.between(0, 3),
                topic,
                count: chance.one_of(&[-1, 0, 1, 2]),
            },
            _ => Step::DeleteUnknown { version: chance.between(1, 6) },
        },
        _ => Step::InitProducer { version: chance.between(0, 5) },
    }
}

/// Does one step; what is worth comparing.
fn run(side: &mut Side, step: &Step) -> String {
    match step.clone() {
        Step::Produce { version, acks, topic, partition, kind, count } => {
            let data = PartitionProduceData::default()
                .with_index(partition)
                .with_records(Some(batch(kind, side, count)));
            let of = TopicProduceData::default().with_partition_data(vec![data]);
            let of = if version >= 13 { of.with_topic_id(side.id(topic)) } else { of.with_name(name(topic)) };
            let request =
                ProduceRequest::default().with_acks(acks).with_timeout_ms(5000).with_topic_data(vec![of]);
            let Some(mut answer) = side.ask(version, &request) else { return "closed".to_owned() };
            answer.node_endpoints.clear();
            for topic in &mut answer.responses {
                topic.topic_id = Uuid::nil();
                for partition in &mut topic.partition_responses {
                    partition.error_message = None;
                    for record in &mut partition.record_errors {
                        record.batch_index_error_message = None;
                    }
                }
            }
            format!("{answer:?}")
        }
        Step::Fetch { version, session, isolation, bytes_max, wants } => {
            fetch(side, version, session, isolation, bytes_max, &wants)
        }
        Step::ListOffsets { version, topic, partition, epoch, time, isolation } => {
            let epoch = if version >= 4 { epoch } else { -1 };
            let asked = ListOffsetsPartition::default()
                .with_partition_index(partition)
                .with_current_leader_epoch(epoch)
                .with_timestamp(time);
            let topic = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![asked]);
            let request = ListOffsetsRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_isolation_level(if version >= 2 { isolation } else { 0 })
                .with_topics(vec![topic]);
            format!("{:?}", side.ask(version, &request))
        }
        Step::Epochs { version, topic, partition, current, epoch } => {
            let asked = OffsetForLeaderPartition::default()
                .with_partition(partition)
                .with_current_leader_epoch(current)
                .with_leader_epoch(epoch);
            let topic = OffsetForLeaderTopic::default().with_topic(name(topic)).with_partitions(vec![asked]);
            let replica = BrokerId(if version >= 3 { -1 } else { -2 });
            let request =
                OffsetForLeaderEpochRequest::default().with_replica_id(replica).with_topics(vec![topic]);
            format!("{:?}", side.ask(version, &request))
        }
        Step::DeleteRecords { version, topic, partition, offset } => {
            let asked = DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
            let topic = DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(vec![asked]);
            let request = DeleteRecordsRequest::default().with_timeout_ms(5000).with_topics(vec![topic]);
            format!("{:?}", side.ask(version, &request))
        }
        Step::Metadata { version, topic } => {
            let wanted = MetadataRequestTopic::default().with_name(Some(name(topic)));
            let request = MetadataRequest::default()
                .with_allow_auto_topic_creation(false)
                .with_topics(Some(vec![wanted]));
            let Some(mut answer) = side.ask(version, &request) else { return "closed".to_owned() };
            answer.topics.iter_mut().for_each(|topic| topic.topic_id = Uuid::nil());
            format!("{} brokers, {:?}", answer.brokers.len(), answer.topics)
        }
        Step::CreateTopic { version, name: topic, partitions, factor, config, check } => {
            let mut new = CreatableTopic::default()
                .with_name(name(topic))
                .with_num_partitions(partitions)
                .with_replication_factor(factor);
            if !config.is_empty() {
                let value = Some(StrBytes::from_static_str("1000"));
                let name = StrBytes::from_static_str(config);
                new.configs.push(CreatableTopicConfig::default().with_name(name).with_value(value));
            }
            let request = CreateTopicsRequest::default()
                .with_timeout_ms(5000)
                .with_validate_only(check)
                .with_topics(vec![new]);
            let Some(answer) = side.ask(version, &request) else { return "closed".to_owned() };
            let outcomes = answer.topics.iter().map(|topic| {
                (topic.name.clone(), topic.error_code, topic.num_partitions, topic.replication_factor)
            });
            format!("{:?}", outcomes.collect::<Vec<_>>())
        }
        Step::CreatePartitions { version, topic, count } => {
            let asked = CreatePartitionsTopic::default()
                .with_name(name(topic))
                .with_count(count)
                .with_assignments(None);
            let request = CreatePartitionsRequest::default()
                .with_timeout_ms(5000)
                .with_validate_only(true)
                .with_topics(vec![asked]);
            let Some(mut answer) = side.ask(version, &request) else { return "closed".to_owned() };
            answer.results.iter_mut().for_each(|result| result.error_message = None);
            format!("{answer:?}")
        }
        Step::DeleteUnknown { version } => {
            let request = DeleteTopicsRequest::default().with_timeout_ms(5000);
            let request = if version >= 6 {
                request.with_topics(vec![
                    DeleteTopicState::default().with_name(Some(name("missing"))),
                    DeleteTopicState::default().with_name(None).with_topic_id(Uuid::from_u128(7)),
                ])
            } else {
                request.with_topic_names(vec![name("missing")])
            };
            let Some(mut answer) = side.ask(version, &request) else { return "closed".to_owned() };
            answer.responses.iter_mut().for_each(|result| result.error_message = None);
            answer.responses.sort_by_key(|result| result.name.clone());
            format!("{answer:?}")
        }
        Step::InitProducer { version } => {
            let request = InitProducerIdRequest::default().with_transactional_id(None);
            let Some(answer) = side.ask(version, &request) else { return "closed".to_owned() };
            let is_new = !side.producers.contains(&answer.producer_id.0);
            side.producers.push(answer.producer_id.0);
            format!("{} {} {is_new}", answer.error_code, answer.producer_epoch)
        }
    }
}

fn fetch(
    side: &mut Side,
    version: i16,
    session: Session,
    isolation: i8,
    bytes_max: i32,
    wants: &[Want],
) -> String {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for want in wants {
        let of = if version >= 13 {
            FetchTopic::default().with_topic_id(side.id(want.topic))
        } else {
            FetchTopic::default().with_topic(name(want.topic))
        };
        let is_same =
            topics.last().is_some_and(|last| (&last.topic, last.topic_id) == (&of.topic, of.topic_id));
        if !is_same {
            topics.push(of);
        }
        let asked = FetchPartition::default()
            .with_partition(want.partition)
            .with_fetch_offset(want.offset)
            .with_current_leader_epoch(if version >= 9 { want.epoch } else { -1 })
            .with_last_fetched_epoch(if version >= 12 { want.last_epoch } else { -1 })
            .with_partition_max_bytes(want.bytes_max);
        topics.last_mut().unwrap().partitions.push(asked);
    }
    let (id, epoch) = match session {
        _ if version < 7 => (0, -1),
        Session::None => (0, -1),
        Session::New => (0, 0),
        Session::Next => side.session,
        Session::WrongEpoch => (side.session.0, side.session.1 + 5),
        Session::Unknown => (12_345, 1),
    };
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(0)
        .with_min_bytes(0)
        .with_max_bytes(bytes_max)
        .with_isolation_level(isolation)
        .with_session_id(id)
        .with_session_epoch(epoch)
        .with_topics(topics);
    let Some(mut answer) = side.ask(version, &request) else { return "closed".to_owned() };
    let kept = answer.session_id != 0;
    if kept {
        side.session = (answer.session_id, if answer.session_id == id { epoch + 1 } else { 1 });
    }
    answer.session_id = i32::from(kept);
    answer.node_endpoints.clear();
    let mut lines = vec![format!("{} {}", answer.error_code, answer.session_id)];
    for topic in answer.responses {
        let topic_name = if version >= 13 { side.name(topic.topic_id) } else { topic.topic.to_string() };
        for mut partition in topic.partitions {
            // Null or empty: both mean no records.
            partition.records = partition.records.filter(|records| !records.is_empty());
            lines.push(format!("{topic_name} {partition:?}"));
        }
    }
    // Within a full answer Kafka's order of topics is that of the request, and that of partitions too; so is ours.
    lines.join("\n")
}

fn prepare(side: &mut Side) {
    for (topic, configs) in
        [("plain", &[("max.message.bytes", "2000")][..]), ("compacted", &[("cleanup.policy", "compact")][..])]
    {
        let configs = configs.iter().map(|(name, value)| {
            let value = Some(StrBytes::from_static_str(value));
            CreatableTopicConfig::default().with_name(StrBytes::from_static_str(name)).with_value(value)
        });
        let new = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(2)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default().with_timeout_ms(10_000).with_topics(vec![new]);
        assert_eq!(side.ask(7, &request).unwrap().topics[0].error_code, 0);
    }
    // The first producer id of a broker takes it a question to the controller.
    let producer = InitProducerIdRequest::default().with_transactional_id(None);
    while side.ask(5, &producer).unwrap().error_code != 0 {}
    // A topic is there for a client a moment after it was created.
    for topic in ["plain", "compacted"] {
        loop {
            side.learn(topic);
            let asked = ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(-1);
            let second = asked.clone().with_partition_index(1);
            let of = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![asked, second]);
            let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![of]);
            let answer = side.ask(5, &request).unwrap();
            if answer.topics[0].partitions.iter().all(|partition| partition.error_code == 0) {
                break;
            }
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn compare(here: &str, there: &str) {
    let (seed, steps) = (number("SEED", 1), number("STEPS", 2000));
    let mut sides = [Side::connect(here), Side::connect(there)];
    sides.iter_mut().for_each(prepare);
    let mut chance = Chance(seed);
    let mut closed = 0;
    let mut differences = Vec::new();
    for index in 0..steps {
        let step = step(&mut chance, sides[0].producers.len());
        let [ours, theirs] = sides.each_mut().map(|side| run(side, &step));
        if ours != theirs {
            differences.push(format!("step {index}: {step:?}\n testkit: {ours}\n   Kafka: {theirs}"));
        }
        if ours == "closed" {
            closed += 1;
            for (side, address) in sides.iter_mut().zip([here, there]) {
                side.stream = TcpStream::connect(address).unwrap();
            }
        }
    }
    let found = differences.len();
    differences.truncate(5);
    assert!(
        found == 0,
        "SEED={seed}: {found} differences in {steps} steps, the first of them:\n{}",
        differences.join("\n")
    );
    println!("{steps} steps from seed {seed}, {closed} of them closed the connection, 0 differences");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_apis_answer_as_a_real_broker() {
    let cluster = Cluster::builder().start().await.unwrap();
    let kafka = start(Options::new(Version::NEWEST)).await.unwrap();
    let (here, there) = (cluster.bootstrap_servers(), kafka.direct_bootstrap());
    tokio::task::spawn_blocking(move || compare(&here, &there)).await.unwrap();
}
