//! What answers, failures and time do to batches.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Accumulator, InFlight, Numbering, Sent, later};
use crate::produce::batch::Wait;
use crate::produce::sequence::Identity;
use crate::produce::{ProduceEvent, Setback, Undelivered, Why};
use crate::types::{CallFailed, RequestId, TopicPartition};
use crate::wire::{ErrorCode, InitProducerIdResponse, NodeEndpoint, ProduceResponse, ProducedPartition};

impl Accumulator {
    /// The outcome of a [`ProduceCall::Produce`](crate::produce::ProduceCall::Produce). Anything but a call under way is
    /// dropped.
    pub fn handle_produced(
        &mut self,
        now: Instant,
        id: RequestId,
        outcome: Result<&ProduceResponse, CallFailed>,
    ) {
        let Some(request) = self.returned(id) else { return };
        match outcome {
            Ok(answer) => {
                let pause = Duration::from_millis(u64::try_from(answer.throttle_time_ms).unwrap_or(0));
                if !pause.is_zero() {
                    self.throttled.insert(request.broker, later(now, pause));
                }
                let answers = by_partition(&request, answer);
                for (tp, sent) in &request.batches {
                    match answers.get(tp) {
                        Some(answered) => self.answered(now, tp, sent, answered, &answer.node_endpoints),
                        None => self.unanswered(now, tp, sent, CallFailed::Malformed),
                    }
                }
            }
            Err(CallFailed::Unsupported) => {
                for (tp, sent) in &request.batches {
                    if self.is_first(tp, sent) {
                        self.fail(tp, Why::Unsupported);
                    }
                }
            }
            Err(failed) => {
                for (tp, sent) in &request.batches {
                    self.unanswered(now, tp, sent, failed);
                }
            }
        }
    }

    /// The broker of a [`ProduceCall::Produce`](crate::produce::ProduceCall::Produce) could not be reached: nothing was sent.
    pub fn handle_unreachable(&mut self, now: Instant, id: RequestId) {
        let Some(request) = self.returned(id) else { return };
        for (tp, sent) in &request.batches {
            self.again(now, tp, sent, Setback::Unreachable, Why::Unreachable);
        }
    }

    /// The batches of a call could not be built: nothing was sent.
    pub fn handle_build_failed(&mut self, id: RequestId, error: records::BuildError) {
        let Some(request) = self.returned(id) else { return };
        for (tp, sent) in &request.batches {
            if self.is_first(tp, sent) {
                self.fail(tp, Why::Build(error));
            }
        }
    }

    /// The outcome of a [`ProduceCall::InitProducerId`](crate::produce::ProduceCall::InitProducerId). Anything but the
    /// call under way is dropped.
    pub fn handle_producer_id(
        &mut self,
        now: Instant,
        id: RequestId,
        outcome: Result<&InitProducerIdResponse, CallFailed>,
    ) {
        if !matches!(self.numbering, Numbering::Asking(asked) if asked == id) {
            return;
        }
        let last = match outcome {
            Ok(answer) if answer.error.is_ok() && answer.producer_id >= 0 && answer.producer_epoch >= 0 => {
                let (producer_id, epoch) = (answer.producer_id, answer.producer_epoch);
                self.numbering = Numbering::Known(Identity { producer_id, epoch });
                self.identity_tries = 0;
                return;
            }
            Ok(answer) if answer.error.is_ok() => Setback::Unanswered(CallFailed::Malformed),
            Ok(answer) => Setback::Answered(answer.error),
            Err(failed) => Setback::Unanswered(failed),
        };
        let passes = match last {
            Setback::Answered(error) => error.is_retriable(),
            Setback::Unanswered(failed) => failed != CallFailed::Unsupported,
            Setback::Unreachable | Setback::NoLeader => true,
        };
        // Growing (KIP-580): a broker that answers nonsense is not asked ten times a second for ever.
        let pause = self.settings.retry_backoff.saturating_mul(1 << self.identity_tries.min(6));
        self.identity_tries = self.identity_tries.saturating_add(1);
        let not_before = Some(later(now, pause.min(self.settings.retry_backoff_max)));
        self.numbering = Numbering::Wanted { not_before, last: Some(last) };
        if !passes {
            let waiting: Vec<TopicPartition> = self.active.iter().cloned().collect();
            for tp in &waiting {
                while self
                    .queues
                    .get(tp)
                    .is_some_and(|queue| queue.in_flight.is_none() && !queue.batches.is_empty())
                {
                    self.fail(tp, Why::NoProducerId(last));
                }
            }
        }
    }

    /// Fails the batches whose time is up.
    pub fn handle_timeout(&mut self, now: Instant) {
        let numbering = match self.numbering {
            Numbering::Wanted { last, .. } => last,
            _ => None,
        };
        let first = |tp: &TopicPartition| self.queues.get(tp).and_then(|queue| queue.batches.front());
        let is_late = |tp: &&TopicPartition| first(tp).is_some_and(|batch| batch.expires <= now);
        let late: Vec<TopicPartition> = self.active.iter().filter(is_late).cloned().collect();
        for tp in &late {
            while let Some(queue) = self.queues.get_mut(tp)
                && let Some(batch) = queue.batches.front_mut().filter(|batch| batch.expires <= now)
            {
                // What is under way may arrive, whatever becomes of its answer.
                batch.maybe_written |= queue.in_flight.is_some_and(|id| {
                    let sent = self.requests.get(&id).and_then(|request| request.batches.get(tp));
                    sent.is_some_and(|sent| sent.batch == batch.id)
                });
                let last = batch.setback.or(numbering);
                self.fail(tp, Why::Expired { after: self.settings.delivery_timeout, last });
            }
        }
    }

    /// What the broker says of one batch.
    fn answered(
        &mut self,
        now: Instant,
        tp: &TopicPartition,
        sent: &Sent,
        answer: &ProducedPartition,
        endpoints: &[NodeEndpoint],
    ) {
        if let Some(leader) = answer.current_leader {
            let endpoints = endpoints.to_vec();
            self.events.push_back(ProduceEvent::LeaderHint { tp: tp.clone(), leader, endpoints });
        }
        if !self.is_first(tp, sent) {
            // It expired on the way; that was its outcome.
            return;
        }
        let numbered = !matches!(self.numbering, Numbering::Off);
        match answer.error {
            ErrorCode::NONE => self.deliver(tp, answer),
            // The broker has it since a try whose answer got lost, and remembers no more where.
            ErrorCode::DUPLICATE_SEQUENCE_NUMBER if numbered => {
                self.deliver(
                    tp,
                    &ProducedPartition { base_offset: -1, log_append_time_ms: -1, ..answer.clone() },
                );
            }
            error => self.refused(now, tp, sent, error, answer),
        }
    }

    fn refused(
        &mut self,
        now: Instant,
        tp: &TopicPartition,
        sent: &Sent,
        error: ErrorCode,
        answer: &ProducedPartition,
    ) {
        let Some(queue) = self.queues.get_mut(tp) else { return };
        let Some(batch) = queue.batches.front_mut() else { return };
        batch.maybe_written |= !is_before_append(error, self.settings.acks);
        batch.setback = Some(Setback::Answered(error));
        if error == ErrorCode::MESSAGE_TOO_LARGE && !batch.maybe_written && self.split(tp) {
            return;
        }
        let Some(queue) = self.queues.get_mut(tp) else { return };
        let Some(batch) = queue.batches.front_mut() else { return };
        // The broker has lost its memory of this producer, with the records (brokers before 2.5). What it never had can
        // be numbered anew; what it may have had must not be.
        if error == ErrorCode::UNKNOWN_PRODUCER_ID && batch.producer.is_some() && !batch.maybe_written {
            batch.producer = None;
            if !queue.sequence.bump() {
                self.numbering = Numbering::Wanted { not_before: None, last: None };
            }
            self.retry(now, tp, sent);
            return;
        }
        if error.is_retriable() && batch.tries <= self.settings.retries {
            self.retry(now, tp, sent);
            return;
        }
        let message = answer.error_message.clone().filter(|message| !message.is_empty());
        let records = answer.record_errors.clone();
        let why = Why::Refused { error, message, records };
        if error.is_retriable() { self.give_up(tp, why) } else { self.fail(tp, why) }
    }

    /// Nobody knows what became of a try.
    fn unanswered(&mut self, now: Instant, tp: &TopicPartition, sent: &Sent, failed: CallFailed) {
        if self.is_first(tp, sent)
            && let Some(batch) = self.queues.get_mut(tp).and_then(|queue| queue.batches.front_mut())
        {
            batch.maybe_written = true;
        }
        self.again(now, tp, sent, Setback::Unanswered(failed), Why::Unanswered(failed));
    }

    /// Tries again, or fails if that was the last try.
    fn again(&mut self, now: Instant, tp: &TopicPartition, sent: &Sent, setback: Setback, why: Why) {
        if !self.is_first(tp, sent) {
            return;
        }
        let Some(batch) = self.queues.get_mut(tp).and_then(|queue| queue.batches.front_mut()) else { return };
        batch.setback = Some(setback);
        if batch.tries <= self.settings.retries {
            self.retry(now, tp, sent);
        } else {
            self.give_up(tp, why);
        }
    }

    /// Fails the first batch after its last try. What stood in its way must not stand in the way of the next one, which may
    /// have no other try either: so the cluster is looked at again here, too.
    fn give_up(&mut self, tp: &TopicPartition, why: Why) {
        self.events.push_back(ProduceEvent::MetadataStale);
        self.fail(tp, why);
    }

    /// Leaves the first batch where it is, to be sent again after a pause, or as soon as there is news of its leader.
    fn retry(&mut self, now: Instant, tp: &TopicPartition, sent: &Sent) {
        let Some(queue) = self.queues.get_mut(tp) else { return };
        let until = later(now, queue.backoff.next_delay());
        queue.wait = Some(Wait { until, leader: Some(sent.leader) });
        self.events.push_back(ProduceEvent::MetadataStale);
    }

    fn deliver(&mut self, tp: &TopicPartition, answer: &ProducedPartition) {
        let Some(queue) = self.queues.get_mut(tp) else { return };
        queue.backoff.reset();
        let Some(batch) = queue.batches.pop_front() else { return };
        self.outstanding.remove(&(batch.root, batch.id));
        self.events.push_back(ProduceEvent::Delivered {
            batch: batch.id,
            base_offset: (answer.base_offset >= 0).then_some(answer.base_offset),
            log_append_time_ms: (answer.log_append_time_ms >= 0).then_some(answer.log_append_time_ms),
        });
        self.settle(tp);
    }

    /// Gives up the first batch of a partition. If it was numbered, its number is burnt.
    fn fail(&mut self, tp: &TopicPartition, why: Why) {
        let Some(queue) = self.queues.get_mut(tp) else { return };
        let Some(batch) = queue.batches.pop_front() else { return };
        queue.wait = None;
        if batch.producer.is_some() && !queue.sequence.bump() {
            self.numbering = Numbering::Wanted { not_before: None, last: None };
        }
        self.outstanding.remove(&(batch.root, batch.id));
        let undelivered = Undelivered { why, maybe_written: batch.maybe_written };
        self.events.push_back(ProduceEvent::Failed { batch: batch.id, undelivered });
        self.settle(tp);
    }

    /// Takes a request back: its partitions may be sent to again.
    fn returned(&mut self, id: RequestId) -> Option<InFlight> {
        let request = self.requests.remove(&id)?;
        for tp in request.batches.keys() {
            if let Some(queue) = self.queues.get_mut(tp) {
                debug_assert_eq!(queue.in_flight, Some(id), "one batch of {tp} at a time");
                queue.in_flight = None;
            }
        }
        Some(request)
    }

    fn settle(&mut self, tp: &TopicPartition) {
        if self.queues.get(tp).is_none_or(|queue| queue.batches.is_empty()) {
            self.active.remove(tp);
        }
    }

    /// Whether what was sent still waits for its outcome.
    fn is_first(&self, tp: &TopicPartition, sent: &Sent) -> bool {
        let first = self.queues.get(tp).and_then(|queue| queue.batches.front());
        first.is_some_and(|batch| batch.id == sent.batch)
    }
}

/// Finds the partitions of a request in its answer. What was not asked for is left out.
fn by_partition<'a>(
    request: &InFlight,
    answer: &'a ProduceResponse,
) -> BTreeMap<TopicPartition, &'a ProducedPartition> {
    let mut found = BTreeMap::new();
    for topic in &answer.topics {
        let name = match &topic.name {
            Some(name) => name.as_str().into(),
            None => match request.names.get(&topic.id) {
                Some(name) => name.clone(),
                None => continue,
            },
        };
        for partition in &topic.partitions {
            found.insert(TopicPartition::new(name.clone(), partition.partition), partition);
        }
    }
    found
}

/// Whether a leader answers with this error before it touches the log, and only then.
///
/// A follower that is slow, or a leader that loses its place while it waits for one, answers after the append
/// (`DelayedProduce.java`): those are not in the list, nor is anything unknown.
fn is_before_append(error: ErrorCode, acks: i16) -> bool {
    match error {
        ErrorCode::CORRUPT_MESSAGE
        | ErrorCode::MESSAGE_TOO_LARGE
        | ErrorCode::INVALID_TOPIC_EXCEPTION
        | ErrorCode::RECORD_LIST_TOO_LARGE
        | ErrorCode::NOT_ENOUGH_REPLICAS
        | ErrorCode::INVALID_REQUIRED_ACKS
        | ErrorCode::TOPIC_AUTHORIZATION_FAILED
        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
        | ErrorCode::INVALID_TIMESTAMP
        | ErrorCode::UNSUPPORTED_VERSION
        | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
        | ErrorCode::POLICY_VIOLATION
        | ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
        | ErrorCode::INVALID_PRODUCER_EPOCH
        | ErrorCode::INVALID_PRODUCER_ID_MAPPING
        | ErrorCode::UNKNOWN_PRODUCER_ID
        | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE
        | ErrorCode::THROTTLING_QUOTA_EXCEEDED
        | ErrorCode::INVALID_RECORD => true,
        // With acks=1 nothing is waited for after the append.
        ErrorCode::NOT_LEADER_OR_FOLLOWER
        | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        | ErrorCode::UNKNOWN_TOPIC_ID => acks == 1,
        _ => false,
    }
}
