//! What became of a record.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use proto::produce::{AppendError, Setback, Undelivered, Why};
use proto::types::{CallFailed, TopicPartition};
use proto::wire::{ErrorCode, Request};
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

/// Where a record was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RecordMetadata {
    /// The partition.
    pub partition: i32,
    /// The offset. `None` in one case: the answer to a first try got lost, and by the second the broker only remembers that
    /// it has the batch already.
    pub offset: Option<i64>,
    /// Its timestamp, in milliseconds since 1970: the broker's, where the topic has it stamp records on arrival.
    pub timestamp: i64,
}

/// Completes when a record has its outcome. Dropping it takes nothing back.
///
/// # Errors
/// The record was not delivered within `delivery_timeout`, or was refused. Whether it may be in the log all the same is
/// in the error's words, and in [`Error::is_maybe_written`].
#[derive(Debug)]
#[must_use = "without it nobody hears whether the record was written"]
pub struct Delivery(oneshot::Receiver<Result<RecordMetadata>>);

impl Delivery {
    pub(super) fn new(outcome: oneshot::Receiver<Result<RecordMetadata>>) -> Self {
        Self(outcome)
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The task ends without an outcome only with its runtime.
        let ended = |_| Error::closed("the producer").source(Unheard);
        Pin::new(&mut self.0).poll(context).map(|outcome| outcome.map_err(ended)?)
    }
}

/// The producer's task ended with the record's outcome open.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the record may have been written all the same")]
struct Unheard;

impl Error {
    /// Whether a record that a producer did not deliver may be in the log all the same, now or a moment later. False for
    /// a record that was not taken or that was refused every time, and for errors that are not a producer's.
    pub fn is_maybe_written(&self) -> bool {
        let Some(source) = self.source() else { return false };
        match source.downcast_ref::<NotDelivered>() {
            Some(NotDelivered(undelivered)) => undelivered.maybe_written,
            None => source.is::<Unheard>(),
        }
    }
}

/// Why, as far as the error around it has not said it, and what may have happened all the same.
#[derive(Clone, Debug)]
struct NotDelivered(Undelivered);

impl fmt::Display for NotDelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.why {
            Why::Refused { .. } | Why::Unanswered(_) => f.write_str(self.0.fate()),
            _ => self.0.fmt(f),
        }
    }
}

impl StdError for NotDelivered {}

/// The error of the record at `index` of a batch that failed.
pub(super) fn undelivered(undelivered: &Undelivered, tp: &TopicPartition, index: usize) -> Error {
    let error = match &undelivered.why {
        Why::Refused { error, message, records } => {
            let refused = Error::broker(*error);
            let own = records.iter().find(|(at, _)| usize::try_from(*at) == Ok(index));
            match own {
                Some((_, Some(message))) => refused.message(message.clone()),
                Some((_, None)) => refused,
                // KIP-467: this one was fine.
                None if !records.is_empty() => refused.message("another record of its batch is the reason"),
                None => match message {
                    Some(message) => refused.message(message.clone()),
                    None => refused,
                },
            }
        }
        Why::Unanswered(failed) => Error::new(kind(*failed)),
        Why::Unreachable => Error::new(ErrorKind::Connect),
        Why::Expired { .. } => Error::new(ErrorKind::TimedOut),
        Why::NoProducerId(Setback::Answered(error)) => Error::broker(*error),
        Why::NoProducerId(Setback::Unanswered(failed)) => Error::new(kind(*failed)),
        Why::NoProducerId(Setback::Unreachable | Setback::NoLeader) => Error::new(ErrorKind::Connect),
        Why::Unsupported => Error::new(ErrorKind::Unsupported).api(proto::wire::ProduceRequest::API, -1),
        Why::Build(_) => Error::new(ErrorKind::Config),
    };
    error.at(tp).doing("producing a record").source(NotDelivered(undelivered.clone()))
}

/// The error of a record that was not taken.
pub(super) fn not_taken(refused: AppendError, tp: &TopicPartition) -> Error {
    let kind = match refused {
        AppendError::TooLarge { .. } => ErrorKind::TooLarge,
    };
    Error::new(kind).at(tp).doing("producing a record").source(refused)
}

/// The error of a record whose topic has vanished from the metadata.
pub(super) fn no_topic(topic: &str) -> Error {
    Error::broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).topic(topic).doing("producing a record")
}

fn kind(failed: CallFailed) -> ErrorKind {
    match failed {
        CallFailed::Disconnected => ErrorKind::Disconnected,
        CallFailed::TimedOut => ErrorKind::TimedOut,
        CallFailed::Unsupported => ErrorKind::Unsupported,
        CallFailed::Malformed => ErrorKind::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tp() -> TopicPartition {
        TopicPartition::new("orders", 3)
    }

    #[test]
    fn each_record_of_a_refused_batch_has_its_own_reason() {
        let failure = Undelivered {
            why: Why::Refused {
                error: ErrorCode::INVALID_RECORD,
                message: Some("one or more records were rejected".to_owned()),
                records: vec![(1, Some("no key".to_owned()))],
            },
            maybe_written: false,
        };
        let error = undelivered(&failure, &tp(), 1);
        assert_eq!((error.code(), error.topic_partition()), (Some(ErrorCode::INVALID_RECORD), Some(tp())));
        assert_eq!(
            error.to_string(),
            "producing a record: topic orders, partition 3: INVALID_RECORD (87): no key: the record was not written"
        );
        let innocent = undelivered(&failure, &tp(), 0).to_string();
        assert!(innocent.contains("another record of its batch is the reason"), "{innocent}");
    }

    #[test]
    fn what_may_be_written_is_said_in_words_and_in_a_predicate() {
        let last = Some(Setback::Answered(ErrorCode::REQUEST_TIMED_OUT));
        let why = Why::Expired { after: Duration::from_secs(120), last };
        let error = undelivered(&Undelivered { why: why.clone(), maybe_written: true }, &tp(), 0);
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.is_maybe_written() && error.is_retriable());
        assert_eq!(
            error.to_string(),
            "producing a record: topic orders, partition 3: no answer within the deadline: not delivered within 120s \
             (delivery.timeout.ms); at last the broker answered with REQUEST_TIMED_OUT (7); the record may have been \
             written all the same"
        );
        assert!(!undelivered(&Undelivered { why, maybe_written: false }, &tp(), 0).is_maybe_written());
        assert!(!Error::broker(ErrorCode::REQUEST_TIMED_OUT).is_maybe_written());
    }

    #[test]
    fn a_producer_that_vanishes_knows_nothing_of_its_records() {
        let (outcome, delivery) = oneshot::channel();
        drop(outcome);
        let error = futures_util::FutureExt::now_or_never(Delivery::new(delivery)).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(error.is_maybe_written());
    }
}
