//! Single records: owned, `Send`, acknowledged one by one.

use std::fmt;
use std::sync::Arc;

use client::consumer::FetchedBatch;
use client::records::{
    DecodeError, DecodedBatch, Headers, OwnedRecord, Record as RecordRef, RecordPlace, TimestampType, Walk,
};
use client::{AckRange, AssignmentEpoch, TopicPartition};

use crate::ack::{Ack, Acks};

/// A record, and the right to acknowledge it.
///
/// Key, value and headers are slices of the batch it came in, which stays in memory, and counts against the budget, as
/// long as any record of it is alive. [`detach`](Self::detach) copies what a small record needs and lets the batch go.
#[derive(Clone)]
pub struct Record(Body);

#[derive(Clone)]
enum Body {
    /// In the batch, whose one reference is the only one there is.
    Placed(RecordPlace, Arc<Shared>),
    /// In bytes of its own.
    Own(OwnedRecord, Arc<Rights>),
}

/// What the records of one batch share.
#[derive(Debug)]
pub(crate) struct Shared {
    rights: Rights,
    decoded: DecodedBatch,
}

/// The right to acknowledge records of one batch.
#[derive(Clone, Debug)]
struct Rights {
    acks: Acks,
    range: AckRange,
    leader_epoch: Option<i32>,
}

impl Shared {
    pub(crate) fn new(fetched: &FetchedBatch, acks: Acks) -> Self {
        let decoded = fetched.decoded().clone();
        let (range, leader_epoch) = (fetched.acks().clone(), decoded.header().leader_epoch());
        Self { rights: Rights { acks, range, leader_epoch }, decoded }
    }

    pub(crate) fn range(&self) -> &AckRange {
        &self.rights.range
    }

    /// Whether the next record of it may be taken, which is a sign of life of who asks.
    pub(crate) fn may_deliver(&self) -> bool {
        self.rights.acks.lease.touch();
        self.rights.acks.lease.stamp().may_deliver()
    }

    /// The next record of a walk that is at or above `from`.
    #[inline]
    pub(crate) fn next(self: &Arc<Self>, walk: &mut Walk, from: i64) -> Option<Result<Record, DecodeError>> {
        let mut records = self.decoded.resume(*walk);
        let found = records.find(|record| !record.as_ref().is_ok_and(|record| record.offset() < from))?;
        *walk = records.stop();
        Some(found.map(|record| match RecordPlace::of(&record) {
            Some(place) => Record(Body::Placed(place, self.clone())),
            None => Record(Body::Own(record.into_owned(), Arc::new(self.rights.clone()))),
        }))
    }
}

impl Record {
    #[inline]
    fn rights(&self) -> &Rights {
        match &self.0 {
            Body::Placed(_, batch) => &batch.rights,
            Body::Own(_, rights) => rights,
        }
    }

    /// Which partition.
    pub fn partition(&self) -> &TopicPartition {
        self.rights().acks.lease.partition()
    }

    /// Its offset.
    #[inline]
    pub fn offset(&self) -> i64 {
        match &self.0 {
            Body::Placed(place, _) => place.offset(),
            Body::Own(record, _) => record.offset(),
        }
    }

    /// Milliseconds since 1970; see [`timestamp_type`](Self::timestamp_type) for whose.
    #[inline]
    pub fn timestamp(&self) -> i64 {
        self.as_record().timestamp()
    }

    /// Whether the producer or the broker set the time, or nobody.
    pub fn timestamp_type(&self) -> TimestampType {
        self.as_record().timestamp_type()
    }

    /// The epoch of the leader that wrote it; `None` in logs older than Kafka 0.11.
    pub fn leader_epoch(&self) -> Option<i32> {
        self.rights().leader_epoch
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> Option<&[u8]> {
        self.as_record().key()
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> Option<&[u8]> {
        self.as_record().value()
    }

    /// The headers, in order, duplicates and null values kept.
    pub fn headers(&self) -> Headers<'_> {
        self.as_record().headers()
    }

    /// The record itself, borrowed.
    #[inline]
    pub fn as_record(&self) -> RecordRef<'_> {
        match &self.0 {
            Body::Placed(place, batch) => place.record(&batch.decoded),
            Body::Own(record, _) => record.as_record(),
        }
    }

    /// The record itself, with a share in the batch's bytes and without the right to acknowledge it.
    pub fn to_owned_record(&self) -> OwnedRecord {
        match &self.0 {
            Body::Placed(..) => self.as_record().into_owned(),
            Body::Own(record, _) => record.clone(),
        }
    }

    /// The assignment epoch it was read in.
    pub fn epoch(&self) -> AssignmentEpoch {
        self.rights().acks.lease.epoch()
    }

    /// Whether an acknowledgement would count at this moment.
    pub fn is_current(&self) -> bool {
        self.rights().acks.lease.stamp().is_current()
    }

    /// Acknowledges it. Any order, any task, any delay.
    #[inline]
    pub fn ack(&self) -> Ack {
        let rights = self.rights();
        rights.acks.one(&rights.range, self.offset())
    }

    /// The same record over a small buffer of its own: the batch it came in is let go.
    pub fn detach(&self) -> Self {
        Self(Body::Own(self.as_record().detach(), Arc::new(self.rights().clone())))
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({} at {} in epoch {})", self.partition(), self.offset(), self.epoch())
    }
}
