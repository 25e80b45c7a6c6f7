//! Single records: owned, `Send`, acknowledged one by one.

use std::fmt;
use std::sync::Arc;

use client::consumer::FetchedBatch;
use client::records::{Headers, OwnedRecord, TimestampType};
use client::{AckRange, AssignmentEpoch, TopicPartition};

use crate::ack::{Ack, Acks};

/// A record, and the right to acknowledge it.
///
/// Key, value and headers are slices of the batch it came in, which stays in memory, and counts against the budget, as
/// long as any record of it is alive. [`detach`](Self::detach) copies what a small record needs and lets the batch go.
#[derive(Clone)]
pub struct Record {
    record: OwnedRecord,
    batch: Arc<Shared>,
}

/// What the records of one batch share.
#[derive(Debug)]
pub(crate) struct Shared {
    acks: Acks,
    range: AckRange,
    leader_epoch: Option<i32>,
}

impl Shared {
    pub(crate) fn new(fetched: &FetchedBatch, acks: Acks) -> Self {
        let leader_epoch = fetched.decoded().header().leader_epoch();
        Self { acks, range: fetched.acks().clone(), leader_epoch }
    }

    pub(crate) fn range(&self) -> &AckRange {
        &self.range
    }

    /// Whether the next record of it may be taken, which is a sign of life of who asks.
    pub(crate) fn may_deliver(&self) -> bool {
        self.acks.lease.touch();
        self.acks.lease.stamp().may_deliver()
    }
}

impl Record {
    pub(crate) fn new(record: OwnedRecord, batch: Arc<Shared>) -> Self {
        Self { record, batch }
    }

    /// Which partition.
    pub fn partition(&self) -> &TopicPartition {
        self.batch.acks.lease.partition()
    }

    /// Its offset.
    pub fn offset(&self) -> i64 {
        self.record.offset()
    }

    /// Milliseconds since 1970; see [`timestamp_type`](Self::timestamp_type) for whose.
    pub fn timestamp(&self) -> i64 {
        self.record.timestamp()
    }

    /// Whether the producer or the broker set the time, or nobody.
    pub fn timestamp_type(&self) -> TimestampType {
        self.record.timestamp_type()
    }

    /// The epoch of the leader that wrote it; `None` in logs older than Kafka 0.11.
    pub fn leader_epoch(&self) -> Option<i32> {
        self.batch.leader_epoch
    }

    /// The key.
    pub fn key(&self) -> Option<&[u8]> {
        self.record.key()
    }

    /// The value.
    pub fn value(&self) -> Option<&[u8]> {
        self.record.value()
    }

    /// The headers, in order, duplicates and null values kept.
    pub fn headers(&self) -> Headers<'_> {
        self.record.headers()
    }

    /// The record itself, without the right to acknowledge it.
    pub fn as_owned(&self) -> &OwnedRecord {
        &self.record
    }

    /// The assignment epoch it was read in.
    pub fn epoch(&self) -> AssignmentEpoch {
        self.batch.acks.lease.epoch()
    }

    /// Whether an acknowledgement would count at this moment.
    pub fn is_current(&self) -> bool {
        self.batch.acks.lease.stamp().is_current()
    }

    /// Acknowledges it. Any order, any task, any delay.
    #[inline]
    pub fn ack(&self) -> Ack {
        self.batch.acks.one(&self.batch.range, self.record.offset())
    }

    /// The same record over a small buffer of its own: the batch it came in is let go.
    pub fn detach(&self) -> Self {
        Self { record: self.record.detach(), batch: self.batch.clone() }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({} at {} in epoch {})", self.partition(), self.offset(), self.epoch())
    }
}
