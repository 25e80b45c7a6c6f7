//! One producer, what it knows of two brokers, and the requests it makes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use records::{BatchHeader, Compression, Compressor, NewRecord};

use crate::cluster::{Asked, ClusterView};
use crate::produce::{Accumulator, BatchId, Place, ProduceCall, ProduceEvent, ProduceSettings, Undelivered};
use crate::types::{BrokerId, CallFailed, LeaderEpoch, RequestId, TopicId, TopicName, TopicPartition};
use crate::wire::{
    ErrorCode, InitProducerIdResponse, LeaderIdAndEpoch, MetadataBroker, MetadataPartition, MetadataResponse,
    MetadataTopic, NodeEndpoint, ProduceResponse, ProducedPartition, ProducedTopic,
};

pub(super) const TOPIC: TopicId = TopicId([7; 16]);
pub(super) const LINGER: Duration = Duration::from_millis(5);
pub(super) const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);
pub(super) const RETRY_BACKOFF: Duration = Duration::from_millis(100);

#[allow(clippy::disallowed_methods, reason = "any instant will do, and there is no other way to one")]
fn some_instant() -> Instant {
    Instant::now()
}

pub(super) fn orders(partition: i32) -> TopicPartition {
    TopicPartition::new("orders", partition)
}

pub(super) fn settings() -> ProduceSettings {
    ProduceSettings {
        acks: -1,
        idempotence: false,
        compression: Compression::None,
        linger: LINGER,
        batch_size: 1000,
        max_request_size: 10_000,
        delivery_timeout: DELIVERY_TIMEOUT,
        request_timeout: Duration::from_secs(30),
        retries: 5,
        max_in_flight: 5,
        retry_backoff: RETRY_BACKOFF,
        retry_backoff_max: Duration::from_secs(1),
        seed: 0,
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: RequestId,
    pub(super) broker: BrokerId,
    pub(super) by_id: bool,
    /// Partition, and the header of its batch.
    pub(super) batches: Vec<(i32, BatchHeader)>,
}

impl Call {
    pub(super) fn partitions(&self) -> Vec<i32> {
        self.batches.iter().map(|(partition, _)| *partition).collect()
    }

    /// (producer id, epoch, base sequence) of the only batch.
    pub(super) fn numbers(&self) -> (i64, i16, i32) {
        assert_eq!(self.batches.len(), 1, "{self:?}");
        let header = &self.batches[0].1;
        (header.producer_id(), header.producer_epoch(), header.base_sequence())
    }

    pub(super) fn records(&self) -> i32 {
        self.batches.iter().map(|(_, header)| header.record_count().unwrap()).sum()
    }
}

pub(super) struct Script {
    pub(super) now: Instant,
    pub(super) view: ClusterView,
    pub(super) accumulator: Accumulator,
    /// Who leads which partition, and since how many elections.
    leaders: Vec<(i32, i32)>,
}

impl Script {
    /// Partition 0 and 2 are led by broker 1, partition 1 and 3 by broker 2.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn idempotent() -> Self {
        let mut script = Self::with(|settings| settings.idempotence = true);
        // Asked for with the first record, not before.
        script.append(3);
        let id = script.asks_for_producer_id();
        script.producer_id(id, Ok(7));
        script.after(LINGER);
        let call = script.sends();
        assert_eq!(call.numbers(), (7, 0, 0));
        script.answer(&call, ErrorCode::NONE).events();
        script
    }

    pub(super) fn with(change: impl FnOnce(&mut ProduceSettings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let mut script = Self {
            now: some_instant(),
            view: ClusterView::new(),
            accumulator: Accumulator::new(settings),
            leaders: vec![(1, 0), (2, 0), (1, 0), (2, 0)],
        };
        script.tell(TOPIC);
        script
    }

    /// Moves a partition to another leader, or to none (-1), and lets the producer know.
    pub(super) fn moves(&mut self, partition: usize, leader: i32) -> &mut Self {
        let epoch = self.leaders[partition].1 + 1;
        self.leaders[partition] = (leader, epoch);
        self.tell(TOPIC);
        self
    }

    /// Metadata as it is.
    pub(super) fn tell(&mut self, id: TopicId) {
        let broker =
            |id| MetadataBroker { id: BrokerId(id), host: "h".to_owned(), port: 9090 + id, rack: None };
        let partition = |(number, (leader, epoch)): (usize, &(i32, i32))| MetadataPartition {
            error: ErrorCode::NONE,
            partition: number as i32,
            leader: (*leader >= 0).then_some(BrokerId(*leader)),
            leader_epoch: Some(LeaderEpoch(*epoch)),
            replicas: Vec::new(),
            isr: Vec::new(),
            offline: Vec::new(),
        };
        let topic = MetadataTopic {
            error: ErrorCode::NONE,
            name: Some("orders".to_owned()),
            id,
            is_internal: false,
            partitions: self.leaders.iter().enumerate().map(partition).collect(),
        };
        let answer = MetadataResponse {
            brokers: vec![broker(1), broker(2)],
            topics: vec![topic],
            ..Default::default()
        };
        let asked = Asked::Topics(BTreeSet::from([TopicName::from("orders")]));
        self.view.handle_metadata(self.now, &answer, &asked).unwrap();
    }

    pub(super) fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self.accumulator.handle_timeout(self.now);
        self
    }

    /// Appends a record of about 100 bytes.
    pub(super) fn append(&mut self, partition: i32) -> Place {
        self.append_sized(partition, 90)
    }

    pub(super) fn append_sized(&mut self, partition: i32, bytes: usize) -> Place {
        let value = vec![b'x'; bytes];
        self.accumulator.append(self.now, &orders(partition), &NewRecord::new(1).value(&value)).unwrap()
    }

    /// Appends a record of about 100 bytes wherever the producer wants it.
    pub(super) fn append_anywhere(&mut self) -> i32 {
        let value = [b'x'; 90];
        let record = NewRecord::new(1).value(&value);
        let topic = TopicName::from("orders");
        let tp = self.accumulator.partition_for(&topic, None, record.size_max(), &self.view).unwrap();
        self.accumulator.append(self.now, &tp, &record).unwrap();
        tp.partition
    }

    pub(super) fn poll(&mut self) -> Option<ProduceCall> {
        self.accumulator.poll_request(self.now, &self.view)
    }

    /// The next request, which must be there.
    #[track_caller]
    pub(super) fn sends(&mut self) -> Call {
        match self.poll() {
            Some(ProduceCall::Produce(batches)) => {
                let request = batches.build(&mut Compressor::new()).unwrap();
                let of_topic = |topic: &crate::wire::ProduceTopic| topic.partitions.clone();
                let batches_sent = request.topics.iter().flat_map(of_topic).map(|(partition, bytes)| {
                    let batch = records::Batch::parse(bytes).unwrap();
                    batch.verify_crc().unwrap();
                    (partition, *batch.header())
                });
                Call {
                    id: batches.id(),
                    broker: batches.broker(),
                    by_id: batches.has_ids(),
                    batches: batches_sent.collect(),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn sends_nothing(&mut self) -> &mut Self {
        let polled = self.poll();
        assert!(polled.is_none(), "{polled:?}");
        self
    }

    #[track_caller]
    pub(super) fn asks_for_producer_id(&mut self) -> RequestId {
        match self.poll() {
            Some(ProduceCall::InitProducerId { id, request }) => {
                assert_eq!((request.producer_id, request.transactional_id), (-1, None));
                id
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn producer_id(&mut self, id: RequestId, outcome: Result<i64, ErrorCode>) -> &mut Self {
        let error = outcome.err().unwrap_or(ErrorCode::NONE);
        let producer_id = outcome.unwrap_or(-1);
        let answer = InitProducerIdResponse { throttle_time_ms: 0, error, producer_id, producer_epoch: 0 };
        self.accumulator.handle_producer_id(self.now, id, Ok(&answer));
        self
    }

    /// The same answer for each batch. Offsets are 100 times the partition's number.
    pub(super) fn answer(&mut self, call: &Call, error: ErrorCode) -> &mut Self {
        self.answer_with(call, |partition| partition.error = error)
    }

    pub(super) fn answer_with(&mut self, call: &Call, change: impl Fn(&mut ProducedPartition)) -> &mut Self {
        let partitions = call.batches.iter().map(|(partition, _)| {
            let mut answer = ProducedPartition {
                partition: *partition,
                error: ErrorCode::NONE,
                base_offset: i64::from(*partition) * 100,
                log_append_time_ms: -1,
                log_start_offset: 0,
                record_errors: Vec::new(),
                error_message: None,
                current_leader: None,
            };
            change(&mut answer);
            answer
        });
        let topic = ProducedTopic { name: None, id: TOPIC, partitions: partitions.collect() };
        let answer =
            ProduceResponse { topics: vec![topic], throttle_time_ms: 0, node_endpoints: endpoints() };
        self.accumulator.handle_produced(self.now, call.id, Ok(&answer));
        self
    }

    pub(super) fn fails(&mut self, call: &Call, failed: CallFailed) -> &mut Self {
        self.accumulator.handle_produced(self.now, call.id, Err(failed));
        self
    }

    pub(super) fn events(&mut self) -> Vec<ProduceEvent> {
        std::iter::from_fn(|| self.accumulator.poll_event()).collect()
    }

    /// All batches delivered since, by id.
    pub(super) fn delivered(&mut self) -> Vec<BatchId> {
        let delivered = |event| match event {
            ProduceEvent::Delivered { batch, .. } => Some(batch),
            ProduceEvent::Failed { .. } => panic!("{event:?}"),
            _ => None,
        };
        self.events().into_iter().filter_map(delivered).collect()
    }

    /// The only failure since.
    #[track_caller]
    pub(super) fn failed(&mut self) -> (BatchId, Undelivered) {
        let failed = |event| match event {
            ProduceEvent::Failed { batch, undelivered } => Some((batch, undelivered)),
            ProduceEvent::Delivered { .. } => panic!("{event:?}"),
            _ => None,
        };
        let mut failures: Vec<_> = self.events().into_iter().filter_map(failed).collect();
        assert_eq!(failures.len(), 1, "{failures:?}");
        failures.remove(0)
    }
}

pub(super) fn hint(leader: i32, epoch: i32) -> Option<LeaderIdAndEpoch> {
    Some(LeaderIdAndEpoch { leader: BrokerId(leader), epoch: LeaderEpoch(epoch) })
}

pub(super) fn endpoints() -> Vec<NodeEndpoint> {
    vec![NodeEndpoint { id: BrokerId(2), host: "h".to_owned(), port: 9092, rack: None }]
}
