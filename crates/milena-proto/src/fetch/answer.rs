//! What an answer for one partition means.

use bytes::Bytes;
use records::{Batches, Fault, walk_headers};
use thiserror::Error;

use crate::fetch::FetchStamp;
use crate::types::{BrokerId, LeaderEpoch};
use crate::wire::{AbortedTransaction, EpochEndOffset, ErrorCode, FetchedPartition, LeaderIdAndEpoch};

/// What an answer for one partition means. Only [`Data`](Self::Data) moves the position, and only by what it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PartitionOutcome {
    /// Records.
    Data(Fetched),
    /// Nothing new.
    Empty(LogEnds),
    /// The leader's log is another one than what was read (KIP-320): to go on from where they part.
    Diverging(EpochEndOffset),
    /// There is no such offset.
    OutOfRange {
        /// First offset in the log; -1 where the broker does not say, as Kafka's do not.
        log_start_offset: i64,
    },
    /// The broker does not lead the partition, and perhaps says who does (KIP-951). The position stays.
    NotLeader {
        /// Who leads.
        leader: Option<LeaderIdAndEpoch>,
    },
    /// A newer leader epoch exists: the position wants to be validated in it before it is used again.
    Fenced {
        /// Who leads.
        leader: Option<LeaderIdAndEpoch>,
    },
    /// The topic of that id is gone, or its name stands for another: offsets read so far say nothing about that one.
    UnknownTopicId,
    /// A replica that is nearer (KIP-392). No records.
    PreferredReplica(BrokerId),
    /// The next batch is larger than what was asked for, and did not come. Only brokers that do not keep KIP-74 do this.
    TooLarge {
        /// Bytes to ask for, if the broker's claim is true and known.
        size: Option<usize>,
    },
    /// What came are no records that can stand here. To be fetched again from the same offset, after a pause: never past it.
    Malformed {
        /// The offset that was asked for.
        offset: i64,
        /// What is wrong.
        error: Malformed,
    },
    /// An error that passes. To be tried again after a pause, with fresh metadata.
    Retry {
        /// Which.
        error: ErrorCode,
    },
    /// An error that somebody has to do something about. The position stays, and it is tried again at leisure, in case somebody
    /// does.
    Fatal {
        /// Which.
        error: ErrorCode,
    },
}

/// Records of one partition, by their headers: nothing is decompressed or checksummed yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// The first offset to hand out. The first batch may begin before it.
    pub from: i64,
    /// Where to go on after these, which may be beyond the last record: compaction leaves gaps.
    pub next_offset: i64,
    /// The epoch of the last batch, where its format has one.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Whole batches only: a slice of the answer.
    pub records: Bytes,
    /// Bytes of the batch after them, where the answer was cut off within it. It says so itself: a claim.
    pub next_batch_bytes: Option<usize>,
    /// How many.
    pub batches: usize,
    /// Bytes of those that are compressed.
    pub compressed_bytes: usize,
    /// Aborted transactions among the records, by their first offsets.
    pub aborted: Vec<AbortedTransaction>,
    /// Where the log begins and ends.
    pub log: LogEnds,
}

/// Where a log begins and ends, as an answer says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogEnds {
    /// First offset in it; -1 where the broker does not say.
    pub log_start_offset: i64,
    /// End of what is replicated; -1 where the broker does not say.
    pub high_watermark: i64,
    /// End of what no open transaction holds back; -1 where the broker does not say.
    pub last_stable_offset: i64,
}

/// Why bytes cannot be the records that were asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Malformed {
    /// A header that is none.
    #[error(transparent)]
    Header(records::DecodeError),
    /// All batches end before the offset that was asked for: taking them would be to stand still.
    #[error("the batches end at {next_offset}, before the offset asked for")]
    Behind {
        /// Where they end.
        next_offset: i64,
    },
    /// The first batch that was asked for ends beyond the high watermark of the same answer, and not as the newest batches of a
    /// log do.
    #[error("the batch ends at {next_offset}, beyond the high watermark {high_watermark}")]
    BeyondHighWatermark {
        /// Where it ends.
        next_offset: i64,
        /// Where readers may read to.
        high_watermark: i64,
    },
}

/// Judges the answer for a partition by what it was asked with.
pub fn judge(stamp: &FetchStamp, answer: &FetchedPartition) -> PartitionOutcome {
    use PartitionOutcome as Outcome;
    let leader = answer.current_leader;
    match answer.error {
        ErrorCode::NONE => judge_records(stamp, answer),
        ErrorCode::OFFSET_OUT_OF_RANGE => {
            Outcome::OutOfRange { log_start_offset: answer.log_start_offset.max(-1) }
        }
        ErrorCode::NOT_LEADER_OR_FOLLOWER => Outcome::NotLeader { leader },
        ErrorCode::FENCED_LEADER_EPOCH => Outcome::Fenced { leader },
        // INCONSISTENT_TOPIC_ID: the session is of the old topic (FetchSession in Kafka).
        ErrorCode::UNKNOWN_TOPIC_ID | ErrorCode::INCONSISTENT_TOPIC_ID => Outcome::UnknownTopicId,
        // -1 is what a broker says of whatever it did not foresee; Java tries again as well.
        ErrorCode::UNKNOWN_SERVER_ERROR => Outcome::Retry { error: answer.error },
        error if error.is_retriable() => Outcome::Retry { error },
        error => Outcome::Fatal { error },
    }
}

fn judge_records(stamp: &FetchStamp, answer: &FetchedPartition) -> PartitionOutcome {
    let log = LogEnds {
        log_start_offset: answer.log_start_offset,
        high_watermark: answer.high_watermark,
        last_stable_offset: answer.last_stable_offset,
    };
    if let Some(end) = answer.diverging_epoch {
        return PartitionOutcome::Diverging(end);
    }
    if answer.records.is_empty() {
        return match answer.preferred_read_replica {
            Some(replica) => PartitionOutcome::PreferredReplica(replica),
            None => PartitionOutcome::Empty(log),
        };
    }
    match take_records(stamp.offset, answer, log) {
        Ok(Taken::Records(fetched)) => PartitionOutcome::Data(fetched),
        Ok(Taken::Nothing { need }) => PartitionOutcome::TooLarge { size: need },
        Err(error) => PartitionOutcome::Malformed { offset: stamp.offset, error },
    }
}

enum Taken {
    Records(Fetched),
    /// Not even the first batch is whole.
    Nothing {
        need: Option<usize>,
    },
}

fn take_records(from: i64, answer: &FetchedPartition, mut log: LogEnds) -> Result<Taken, Malformed> {
    let mut records = answer.records.clone();
    let mut walk = match walk_headers(&records) {
        Ok(walk) => walk,
        Err(error) => {
            // What comes before the damage is as good as if the answer had ended there; the next one begins with the damage.
            records.truncate(sound_bytes(&records, &error));
            let sound = walk_headers(&records).map_err(Malformed::Header)?;
            if sound.next_offset.is_none_or(|next| next <= from) {
                return Err(Malformed::Header(error));
            }
            sound
        }
    };
    let Some(mut next_offset) = walk.next_offset else {
        return Ok(Taken::Nothing { need: walk.partial.and_then(|partial| partial.need) });
    };
    if next_offset <= from {
        return Err(Malformed::Behind { next_offset });
    }
    if log.high_watermark >= 0 && next_offset > log.high_watermark {
        let beyond = Malformed::BeyondHighWatermark { next_offset, high_watermark: log.high_watermark };
        records.truncate(plausible_bytes(from, &records, log.high_watermark)?);
        walk = walk_headers(&records).map_err(Malformed::Header)?;
        next_offset = walk.next_offset.filter(|next| *next > from).ok_or(beyond)?;
        log.high_watermark = log.high_watermark.max(next_offset);
    }
    let mut aborted = answer.aborted_transactions.clone();
    // Redpanda's are not sorted.
    aborted.sort_unstable_by_key(|txn| (txn.first_offset, txn.producer_id));
    Ok(Taken::Records(Fetched {
        from,
        next_offset,
        leader_epoch: walk.last_leader_epoch.and_then(LeaderEpoch::from_wire),
        next_batch_bytes: walk.partial.and_then(|partial| partial.need),
        records: records.slice(..walk.whole_bytes),
        batches: walk.batches,
        compressed_bytes: walk.compressed_bytes,
        aborted,
        log,
    }))
}

/// Bytes of the batches before the first header that is none. Of two batches that are out of order either may be the one
/// that lies: to believe the first would be to pass over what it claims to stand behind. Both are left out.
fn sound_bytes(records: &Bytes, error: &records::DecodeError) -> usize {
    let (mut bytes, mut last) = (0, 0);
    for batch in Batches::new(records.clone()).map_while(Result::ok) {
        last = batch.size_in_bytes();
        bytes += last;
    }
    if matches!(error.fault, Fault::BatchOutOfOrder { .. }) { bytes - last } else { bytes }
}

/// Bytes of the batches that can be where they say they are, in an answer that goes beyond its own high watermark.
///
/// An honest answer may: a broker looks at its high watermark first and reads the log up to the real one afterwards
/// (`Partition.readRecords`; seen once in a thousand answers at the end of a busy log). But that far in the log nothing is
/// compacted yet, so that batches there follow each other without a gap and are full. A base offset or a range that lies is
/// neither.
fn plausible_bytes(from: i64, records: &Bytes, high_watermark: i64) -> Result<usize, Malformed> {
    let (mut bytes, mut expected) = (0, from);
    for batch in Batches::new(records.clone()) {
        let batch = batch.map_err(Malformed::Header)?;
        let is_next = batch.base_offset() <= expected && expected <= batch.last_offset();
        // Of a compressed message set of magic 0 or 1 nobody can say; it comes again when the high watermark has passed it.
        let is_full =
            batch.record_count().is_some_and(|count| count.checked_sub(1) == Some(batch.last_offset_delta()));
        if batch.next_offset() > high_watermark && !(is_next && is_full) {
            break;
        }
        bytes += batch.size_in_bytes();
        expected = batch.next_offset();
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
