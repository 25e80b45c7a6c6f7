//! Whatever happens: one outcome each, order kept, no number twice, "not written" never said of what was written.
//!
//! The broker here appends or not, and answers or not, independently of each other; and it checks numbers as
//! `ProducerAppendInfo.checkSequence` does.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use records::{Compressor, NewRecord};

use super::script::{Script, TOPIC, orders};
use crate::produce::{BatchId, ProduceCall, ProduceEvent};
use crate::types::{CallFailed, RequestId};
use crate::wire::{ErrorCode, ProduceResponse, ProducedPartition, ProducedTopic};

#[derive(Clone, Copy, Debug)]
enum Op {
    Append {
        partition: u8,
        size: u16,
    },
    Poll,
    /// The broker reads the oldest request of those under way, appends, and its answer arrives.
    Answer,
    /// The same, and the answer is lost.
    LoseAnswer,
    /// The request is lost.
    LoseRequest,
    /// The broker could not be reached.
    LoseBroker,
    /// The broker refuses it.
    Refuse(ErrorCode),
    /// The request is taken for lost, and arrives later.
    Delay,
    /// What was delayed arrives.
    Arrive,
    Move {
        partition: u8,
        leader: u8,
    },
    Wait(u16),
    Flush,
}

fn op() -> impl Strategy<Value = Op> {
    let refusals = prop::sample::select(vec![
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::NOT_ENOUGH_REPLICAS,
        ErrorCode::MESSAGE_TOO_LARGE,
        ErrorCode::INVALID_RECORD,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode::UNKNOWN_PRODUCER_ID,
    ]);
    prop_oneof![
        8 => (0u8..3, 1u16..400).prop_map(|(partition, size)| Op::Append { partition, size }),
        8 => Just(Op::Poll),
        6 => Just(Op::Answer),
        2 => Just(Op::LoseAnswer),
        2 => Just(Op::LoseRequest),
        1 => Just(Op::LoseBroker),
        2 => refusals.prop_map(Op::Refuse),
        2 => Just(Op::Delay),
        2 => Just(Op::Arrive),
        1 => (0u8..3, 1u8..3).prop_map(|(partition, leader)| Op::Move { partition, leader }),
        4 => (1u16..3000).prop_map(Op::Wait),
        1 => Just(Op::Flush),
    ]
}

/// The bytes of a request, as a broker would have them.
struct Request {
    id: RequestId,
    batches: Vec<(i32, records::Batch)>,
}

/// The log of a partition, and what its leader knows of the producer.
#[derive(Default)]
struct Log {
    /// The timestamps of its records, which name them.
    records: Vec<i64>,
    producer: Option<(i16, i32)>,
    /// Everything that was ever numbered so: (epoch, sequence) to its first record.
    numbered: BTreeMap<(i16, i32), i64>,
}

struct World {
    script: Script,
    idempotent: bool,
    under_way: Vec<Request>,
    delayed: Vec<Request>,
    logs: BTreeMap<i32, Log>,
    /// Records by batch: (partition, names).
    batches: BTreeMap<BatchId, (i32, Vec<i64>)>,
    /// Name of each record to its outcome: `Ok`, or whether it may be written.
    outcomes: BTreeMap<i64, Result<(), bool>>,
    appended: BTreeMap<i32, Vec<i64>>,
    last_name: i64,
}

impl World {
    fn new(idempotent: bool) -> Self {
        let script = Script::with(|settings| {
            settings.idempotence = idempotent;
            settings.batch_size = 600;
            settings.retries = 3;
            settings.delivery_timeout = Duration::from_secs(10);
        });
        Self {
            script,
            idempotent,
            under_way: Vec::new(),
            delayed: Vec::new(),
            logs: BTreeMap::new(),
            batches: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            appended: BTreeMap::new(),
            last_name: 0,
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Append { partition, size } => {
                self.last_name += 1;
                let (name, value) = (self.last_name, vec![0; usize::from(size)]);
                let partition = i32::from(partition);
                let record = NewRecord::new(name).value(&value);
                let script = &mut self.script;
                let place = script.accumulator.append(script.now, &orders(partition), &record).unwrap();
                let batch = self.batches.entry(place.batch).or_insert((partition, Vec::new()));
                assert_eq!(batch.0, partition);
                assert_eq!(place.index as usize, batch.1.len());
                batch.1.push(name);
                self.appended.entry(partition).or_default().push(name);
            }
            Op::Poll => self.poll(),
            Op::Answer => self.with_oldest(|world, request| {
                let answer = world.append(&request, None);
                world.script.accumulator.handle_produced(world.script.now, request.id, Ok(&answer));
            }),
            Op::LoseAnswer => self.with_oldest(|world, request| {
                world.append(&request, None);
                world.fail(request.id, CallFailed::TimedOut);
            }),
            Op::LoseRequest => {
                self.with_oldest(|world, request| world.fail(request.id, CallFailed::Disconnected))
            }
            Op::LoseBroker => self.with_oldest(|world, request| {
                world.script.accumulator.handle_unreachable(world.script.now, request.id);
            }),
            Op::Refuse(error) => self.with_oldest(|world, request| {
                // NOT_LEADER is also what a leader says that lost its place after the append.
                let after = error == ErrorCode::NOT_LEADER_OR_FOLLOWER;
                let answer = world.append(&request, Some((error, after)));
                world.script.accumulator.handle_produced(world.script.now, request.id, Ok(&answer));
            }),
            Op::Delay => self.with_oldest(|world, request| {
                world.fail(request.id, CallFailed::TimedOut);
                world.delayed.push(request);
            }),
            Op::Arrive => {
                // Without numbers a late copy may land anywhere; that is what numbers are for.
                if self.idempotent && !self.delayed.is_empty() {
                    let request = self.delayed.remove(0);
                    self.append(&request, None);
                }
            }
            Op::Move { partition, leader } => {
                self.script.moves(usize::from(partition), i32::from(leader));
            }
            Op::Wait(millis) => {
                self.script.after(Duration::from_millis(u64::from(millis)));
            }
            Op::Flush => _ = self.script.accumulator.flush(self.script.now),
        }
        self.take_events();
    }

    fn poll(&mut self) {
        match self.script.poll() {
            Some(ProduceCall::InitProducerId { id, .. }) => _ = self.script.producer_id(id, Ok(7)),
            Some(ProduceCall::Produce(call)) => {
                let built = call.build(&mut Compressor::new()).unwrap();
                let batches = built.topics.into_iter().flat_map(|topic| topic.partitions);
                let batches: Vec<_> = batches
                    .map(|(partition, bytes)| (partition, records::Batch::parse(bytes).unwrap()))
                    .collect();
                for (partition, _) in &batches {
                    let twice = self
                        .under_way
                        .iter()
                        .flat_map(|request| &request.batches)
                        .any(|(p, _)| p == partition);
                    assert!(!twice, "two batches of partition {partition} are under way");
                }
                self.under_way.push(Request { id: call.id(), batches });
            }
            None => {}
        }
    }

    fn with_oldest(&mut self, act: impl FnOnce(&mut Self, Request)) {
        if !self.under_way.is_empty() {
            let request = self.under_way.remove(0);
            act(self, request);
        }
    }

    fn fail(&mut self, id: RequestId, failed: CallFailed) {
        self.script.accumulator.handle_produced(self.script.now, id, Err(failed));
    }

    /// Appends what its numbers allow, and answers; `refuse` answers that error, after the append or instead of it.
    fn append(&mut self, request: &Request, refuse: Option<(ErrorCode, bool)>) -> ProduceResponse {
        let mut answers = Vec::new();
        for (partition, batch) in &request.batches {
            let log = self.logs.entry(*partition).or_default();
            let error = match refuse {
                Some((error, false)) => error,
                Some((error, true)) => {
                    log.append(batch);
                    error
                }
                None => log.append(batch),
            };
            answers.push(ProducedPartition {
                partition: *partition,
                error,
                base_offset: if error.is_ok() { 0 } else { -1 },
                log_append_time_ms: -1,
                log_start_offset: 0,
                record_errors: Vec::new(),
                error_message: None,
                current_leader: None,
            });
        }
        let topic = ProducedTopic { name: None, id: TOPIC, partitions: answers };
        ProduceResponse { topics: vec![topic], ..ProduceResponse::default() }
    }

    fn take_events(&mut self) {
        for event in self.script.events() {
            match event {
                ProduceEvent::Delivered { batch, .. } => self.settle(batch, Ok(())),
                ProduceEvent::Failed { batch, undelivered } => {
                    self.settle(batch, Err(undelivered.maybe_written))
                }
                ProduceEvent::Split { batch, at, rest } => {
                    let (partition, names) = self.batches.get_mut(&batch).unwrap();
                    let tail = names.split_off(at);
                    let partition = *partition;
                    assert!(!names.is_empty() && !tail.is_empty());
                    self.batches.insert(rest, (partition, tail));
                }
                ProduceEvent::LeaderHint { .. } | ProduceEvent::MetadataStale => {}
            }
        }
    }

    fn settle(&mut self, batch: BatchId, outcome: Result<(), bool>) {
        let (partition, names) = self.batches.remove(&batch).expect("one outcome for each batch");
        for name in names {
            let log = &self.logs.entry(partition).or_default().records;
            match outcome {
                Ok(()) => assert!(log.contains(&name), "{name} was said to be written"),
                Err(false) => assert!(!log.contains(&name), "{name} was said not to be written"),
                Err(true) => {}
            }
            assert!(self.outcomes.insert(name, outcome).is_none());
        }
    }

    fn finish(&mut self) {
        self.script.accumulator.flush(self.script.now);
        for _ in 0..1000 {
            self.apply(Op::Poll);
            self.apply(Op::Answer);
            self.apply(Op::Arrive);
            self.apply(Op::Wait(200));
            if self.script.accumulator.is_empty() && self.under_way.is_empty() && self.delayed.is_empty() {
                break;
            }
        }
        assert!(self.batches.is_empty(), "no outcome for {:?}", self.batches);
        assert_eq!(self.outcomes.len() as i64, self.last_name);
        for (partition, log) in &self.logs {
            self.check_log(*partition, log);
        }
        for (name, outcome) in &self.outcomes {
            let written = self.logs.values().any(|log| log.records.contains(name));
            match outcome {
                Ok(()) => assert!(written),
                Err(false) => assert!(!written, "{name} was said not to be written, and is"),
                Err(true) => {}
            }
        }
    }

    /// First copies are in the order of appending; numbered ones have no second copy.
    fn check_log(&self, partition: i32, log: &Log) {
        let mut first_copies = Vec::new();
        for name in &log.records {
            if !first_copies.contains(name) {
                first_copies.push(*name);
            } else {
                assert!(!self.idempotent, "{name} is there twice");
            }
        }
        let order: Vec<i64> =
            self.appended[&partition].iter().copied().filter(|name| first_copies.contains(name)).collect();
        assert_eq!(first_copies, order, "out of order");
    }
}

impl Log {
    fn append(&mut self, batch: &records::Batch) -> ErrorCode {
        let header = batch.header();
        let decoded = batch.decode(&mut records::Decompressor::new()).unwrap();
        let names: Vec<i64> = decoded.records().map(|record| record.unwrap().timestamp()).collect();
        if header.has_producer_id() {
            let number = (header.producer_epoch(), header.base_sequence());
            let first = *self.numbered.entry(number).or_insert(names[0]);
            assert_eq!(first, names[0], "{number:?} numbers two batches");
            let count = header.record_count().unwrap();
            match self.producer {
                Some((epoch, _)) if number.0 < epoch => return ErrorCode::INVALID_PRODUCER_EPOCH,
                Some((epoch, next)) if number.0 == epoch && number.1 != next => {
                    let duplicate = number.1 < next;
                    let gap = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
                    return if duplicate { ErrorCode::DUPLICATE_SEQUENCE_NUMBER } else { gap };
                }
                Some((epoch, _)) if number.0 > epoch && number.1 != 0 => {
                    return ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
                }
                _ => self.producer = Some((number.0, number.1 + count)),
            }
        }
        self.records.extend(names);
        ErrorCode::NONE
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn numbered_records_are_written_once_in_order_and_their_outcome_is_true(
        ops in prop::collection::vec(op(), 1..120)
    ) {
        let mut world = World::new(true);
        ops.into_iter().for_each(|op| world.apply(op));
        world.finish();
    }

    #[test]
    fn plain_records_are_written_in_order_and_their_outcome_is_true(
        ops in prop::collection::vec(op(), 1..120)
    ) {
        let mut world = World::new(false);
        ops.into_iter().for_each(|op| world.apply(op));
        world.finish();
    }
}
