//! The fetch session against a broker that keeps KIP-227 and sometimes lies, and the judge of what it answers.

use std::collections::BTreeMap;

use bytes::Bytes;
use proto::fetch::{FetchLimits, PartitionOutcome, Session, SessionError, Want, judge};
use proto::types::{AssignmentEpoch, BrokerId, IsolationLevel, LeaderEpoch, TopicId, TopicPartition};
use proto::wire::{
    AbortedTransaction, EpochEndOffset, ErrorCode, FetchRequest, FetchResponse, FetchedPartition,
    FetchedTopic, LeaderIdAndEpoch,
};
use records::{Batches, walk_headers};

use super::records::batch_of;
use crate::take::Take;

const TOPICS: usize = 2;
const PARTITIONS: usize = 3;

/// What is fetched: topic and partition, offset, bytes at most.
type Fetched = BTreeMap<(usize, i32), (i64, i32)>;

/// An honest broker's memory of one session.
#[derive(Default)]
struct Broker {
    session: Option<(i32, i32)>,
    opened: i32,
    fetched: Fetched,
}

impl Broker {
    /// Takes a request as `FetchManager.newContext` does.
    fn take(&mut self, request: &FetchRequest) -> ErrorCode {
        let told = || {
            request.topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| (number(&topic.name), p)))
        };
        match (request.session_id, request.session_epoch) {
            (_, 0) => {
                self.opened += 1;
                self.session = Some((self.opened, 1));
                self.fetched.clear();
            }
            (id, epoch) => match self.session {
                Some((ours, expected)) if ours == id && expected == epoch => {
                    self.session = Some((id, epoch + 1))
                }
                Some((ours, _)) if ours == id => return ErrorCode::INVALID_FETCH_SESSION_EPOCH,
                _ => return ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
            },
        }
        for (topic, partition) in told() {
            self.fetched.insert((topic, partition.partition), (partition.fetch_offset, partition.max_bytes));
        }
        for topic in &request.forgotten {
            for partition in &topic.partitions {
                let known = self.fetched.remove(&(number(&topic.name), *partition));
                assert!(known.is_some(), "forgets what the broker does not know");
            }
        }
        ErrorCode::NONE
    }
}

fn number(name: &str) -> usize {
    name.trim_start_matches('t').parse().expect("the topics are t0 and t1")
}

/// Builds requests, and answers them honestly or not. What must hold: whenever the broker takes the request, it fetches exactly
/// what is wanted; and what is judged to be data moves the position forward, by whole batches that are there.
pub(super) fn session(input: &[u8]) {
    let mut take = Take::new(input);
    let by_id = take.bool();
    let mut session = Session::new();
    let mut broker = Broker::default();
    for _ in 0..40 {
        if take.is_empty() {
            break;
        }
        let wants = wants(&mut take, by_id);
        let request = session.build(&wants, &LIMITS);
        let error = broker.take(&request);
        let mut wanted = Fetched::new();
        for want in &wants {
            wanted
                .entry((number(&want.tp.topic), want.tp.partition))
                .or_insert((want.offset, want.max_bytes));
        }
        if error.is_ok() {
            assert_eq!(broker.fetched, wanted, "the broker fetches something else than what is wanted");
        }
        assert_eq!(session.len(), wanted.len());
        if take.u8() < 30 {
            session.handle_failure();
            continue;
        }
        let response = answer(&mut take, by_id, error, &broker, request.session_epoch == 0);
        let was_in_flight = session.is_in_flight();
        match session.handle_response(&response) {
            Ok(answer) => {
                assert!(response.error.is_ok());
                for partition in &answer.partitions {
                    let stamp = session_stamp(&wanted, &partition.tp);
                    assert_eq!((partition.stamp.offset, partition.stamp.max_bytes), stamp);
                    look_at(
                        &judge(&partition.stamp, partition.answer),
                        partition.stamp.offset,
                        partition.answer,
                    );
                }
            }
            Err(SessionError::Unsolicited) => assert!(!was_in_flight),
            Err(_) => {}
        }
        assert!(!session.is_in_flight());
        assert!(matches!(session.handle_response(&response), Err(SessionError::Unsolicited)));
    }
}

fn session_stamp(wanted: &Fetched, tp: &TopicPartition) -> (i64, i32) {
    *wanted.get(&(number(&tp.topic), tp.partition)).expect("an answer for what was asked")
}

fn look_at(outcome: &PartitionOutcome, asked: i64, answer: &FetchedPartition) {
    match outcome {
        PartitionOutcome::Data(fetched) => {
            assert!(answer.error.is_ok());
            assert_eq!(fetched.from, asked);
            assert!(fetched.next_offset > asked, "data that does not move the position: {fetched:?}");
            assert!(fetched.batches > 0 && fetched.records.len() <= answer.records.len());
            let walk = walk_headers(&fetched.records).expect("sound headers");
            assert_eq!(walk.whole_bytes, fetched.records.len(), "whole batches only");
            assert_eq!((walk.batches, walk.next_offset), (fetched.batches, Some(fetched.next_offset)));
            assert!(Batches::new(fetched.records.clone()).all(|batch| batch.is_ok()));
            assert!(fetched.aborted.is_sorted_by_key(|txn| txn.first_offset));
        }
        PartitionOutcome::Malformed { offset, .. } => assert_eq!(*offset, asked),
        _ => {}
    }
}

fn wants(take: &mut Take<'_>, by_id: bool) -> Vec<Want> {
    let mask = take.u8();
    let mut wants = Vec::new();
    for index in 0..TOPICS * PARTITIONS {
        if mask >> index & 1 == 0 {
            continue;
        }
        let topic = index / PARTITIONS;
        let name = format!("t{topic}");
        let epoch = take.u8();
        wants.push(Want {
            tp: TopicPartition::new(name, (index % PARTITIONS) as i32),
            topic_id: if by_id { TopicId([topic as u8 + 1; 16]) } else { TopicId::ZERO },
            epoch: AssignmentEpoch(u64::from(epoch >> 4)),
            offset: i64::from(take.u8()),
            current_leader_epoch: LeaderEpoch::from_wire(i32::from(epoch & 3) - 1),
            last_fetched_epoch: None,
            max_bytes: 1000,
        });
    }
    wants
}

/// What an honest broker says, unless the input has it lie.
fn answer(
    take: &mut Take<'_>,
    by_id: bool,
    error: ErrorCode,
    broker: &Broker,
    in_full: bool,
) -> FetchResponse {
    let lies = take.u8();
    let mut response = FetchResponse {
        throttle_time_ms: if lies & 1 == 1 { take.number32() } else { 0 },
        error: if lies & 2 == 2 { ErrorCode(take.number() as i16) } else { error },
        session_id: match broker.session {
            _ if lies & 4 == 4 => take.number32(),
            Some((id, _)) if error.is_ok() => id,
            _ => 0,
        },
        topics: Vec::new(),
        node_endpoints: Vec::new(),
    };
    if !error.is_ok() {
        return response;
    }
    for (topic, number) in broker.fetched.keys() {
        let has_news = take.u8();
        if !in_full && has_news & 1 == 0 || has_news >= 250 {
            continue;
        }
        let topic = if lies & 8 == 8 { take.below(4) } else { *topic };
        let partition = partition(take, if lies & 16 == 16 { take.clone().number32() } else { *number });
        let name = (!by_id).then(|| format!("t{topic}"));
        let id = if by_id { TopicId([topic as u8 + 1; 16]) } else { TopicId::ZERO };
        response.topics.push(FetchedTopic { name, id, partitions: vec![partition] });
    }
    response
}

fn partition(take: &mut Take<'_>, partition: i32) -> FetchedPartition {
    let lies = take.u8();
    let mut records = Vec::new();
    for _ in 0..take.below(4) {
        let (base, count) = (take.number(), take.number32());
        let delta = if take.bool() { take.number32() } else { count.saturating_sub(1) };
        records.extend(batch_of(base, take.u8(), count, delta, take.bytes(100)));
    }
    if lies & 1 == 1 {
        records.extend(take.bytes(100));
    }
    if lies & 2 == 2 {
        let keep = take.below(records.len() + 1);
        records.truncate(keep);
    }
    FetchedPartition {
        partition,
        error: ErrorCode(if lies & 4 == 4 { take.number() as i16 } else { 0 }),
        high_watermark: if lies & 8 == 8 { take.number() } else { 1000 },
        last_stable_offset: take.number(),
        log_start_offset: take.number(),
        diverging_epoch: (lies & 16 == 16)
            .then(|| EpochEndOffset { epoch: take.number32(), end_offset: take.number() }),
        current_leader: (lies & 32 == 32).then(|| LeaderIdAndEpoch {
            leader: BrokerId(take.number32()),
            epoch: LeaderEpoch(take.number32()),
        }),
        aborted_transactions: (0..take.below(3))
            .map(|_| AbortedTransaction { producer_id: take.number(), first_offset: take.number() })
            .collect(),
        preferred_read_replica: (lies & 64 == 64).then(|| BrokerId(take.number32())),
        records: Bytes::from(records),
    }
}

const LIMITS: FetchLimits = FetchLimits {
    max_wait_ms: 500,
    min_bytes: 1,
    max_bytes: 1 << 20,
    isolation: IsolationLevel::ReadCommitted,
    rack_id: String::new(),
};
