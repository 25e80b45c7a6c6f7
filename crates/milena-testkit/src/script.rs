//! A client for unit tests: asks the core, and reads what it answers.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiKey, BrokerId, FetchRequest, ProduceRequest, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use records::{BatchBuilder, Compression, Compressor, NewRecord, ProducerState};

use crate::cluster::{NewTopic, Settings};
use crate::core::{Core, Output};
use crate::ctx::ConnId;

/// A core and one connection to each broker.
pub(crate) struct Script {
    pub(crate) core: Core,
    pub(crate) now: Duration,
    conns: Vec<ConnId>,
    asked: i32,
}

impl Script {
    /// Three brokers, topic "t" with two partitions led by brokers 1 and 2.
    pub(crate) fn new() -> Self {
        Self::with(Settings { brokers: 3, ..Settings::default() })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let brokers = settings.brokers;
        let mut core = Core::new(settings);
        core.change(Duration::ZERO, |world| world.cluster.create_topic(&NewTopic::new("t", 2))).unwrap();
        let conns = (1..=brokers)
            .map(|broker| core.connect(Duration::ZERO, BrokerId(broker), "/127.0.0.1").unwrap())
            .collect();
        Self { core, now: Duration::ZERO, conns, asked: 0 }
    }

    pub(crate) fn conn(&self, broker: i32) -> ConnId {
        self.conns[broker as usize - 1]
    }

    /// Asks a broker; its answer has to be there at once.
    pub(crate) fn ask<R: Request>(&mut self, broker: i32, version: i16, request: R) -> R::Response {
        self.send(broker, version, request);
        let frame = self.answer(broker).expect("an answer at once");
        Self::read::<R>(version, frame)
    }

    pub(crate) fn send<R: Request>(&mut self, broker: i32, version: i16, request: R) {
        self.asked += 1;
        let frame = frame(self.asked, version, &request);
        self.core.handle(self.now, self.conn(broker), frame);
    }

    /// The answer that waits to be sent to this broker's connection.
    pub(crate) fn answer(&mut self, broker: i32) -> Option<Bytes> {
        let wanted = self.conn(broker);
        match self.core.poll_output()? {
            Output::Answer { conn, frame } if conn == wanted => Some(frame),
            other => panic!("{other:?} instead of an answer of broker {broker}"),
        }
    }

    pub(crate) fn read<R: Request>(version: i16, mut frame: Bytes) -> R::Response {
        let header = R::Response::header_version(version);
        ResponseHeader::decode(&mut frame, header).unwrap();
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "bytes after the answer");
        response
    }

    /// Lets time pass.
    pub(crate) fn sleep(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.core.handle_timeout(self.now);
    }
}

pub(crate) fn frame<R: Request>(correlation_id: i32, version: i16, request: &R) -> Bytes {
    let api = ApiKey::try_from(R::KEY).unwrap();
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("script")));
    let mut frame = BytesMut::new();
    header.encode(&mut frame, api.request_header_version(version)).unwrap();
    request.encode(&mut frame, version).unwrap();
    frame.freeze()
}

/// A batch with these values.
pub(crate) fn batch(values: &[&str], change: impl FnOnce(&mut BatchBuilder)) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for value in values {
        builder.push(&NewRecord::new(1_767_225_600_000).key(value).value(value)).unwrap();
    }
    change(&mut builder);
    builder.build(&mut Compressor::new()).unwrap()
}

/// A batch of an idempotent producer.
pub(crate) fn sequenced(values: &[&str], producer_id: i64, epoch: i16, sequence: i32) -> Bytes {
    let base_sequence = sequence;
    batch(values, |builder| {
        builder.producer(ProducerState { producer_id, producer_epoch: epoch, base_sequence });
    })
}

pub(crate) fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// One partition's batch for topic "t".
pub(crate) fn produce(partition: i32, acks: i16, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(name("t")).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1000).with_topic_data(vec![topic])
}

/// A fetch of partitions of topic "t" from offsets, without a session, that does not wait.
pub(crate) fn fetch(partitions: &[(i32, i64)]) -> FetchRequest {
    let partitions = partitions.iter().map(|(partition, offset)| {
        FetchPartition::default()
            .with_partition(*partition)
            .with_fetch_offset(*offset)
            .with_current_leader_epoch(-1)
            .with_partition_max_bytes(1 << 20)
    });
    let topic = FetchTopic::default().with_topic(name("t")).with_partitions(partitions.collect());
    FetchRequest::default().with_max_bytes(1 << 20).with_session_epoch(-1).with_topics(vec![topic])
}
