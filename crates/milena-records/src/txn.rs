//! What a reader of committed records may see: Java's `CompletedFetch`, batch for batch.
//!
//! A broker sends everything up to the last stable offset and beside it the list of aborted transactions in that range. The
//! reader walks both: a transaction in the list is on from its first offset until its producer's abort marker.

use std::collections::{BTreeSet, VecDeque};

use crate::{Batch, ControlMarker, DecodeError, Decompressor};

/// Decides batch by batch whether its records are to be delivered.
///
/// One per partition and fetch answer, fed with all batches of the answer in order.
#[derive(Debug, Clone, Default)]
pub struct TxnFilter {
    is_committed_only: bool,
    /// In the order of their first offsets.
    aborted: VecDeque<AbortedTxn>,
    /// Producers whose transaction at this point of the log was aborted.
    aborting: BTreeSet<i64>,
}

/// One aborted transaction of a fetch answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose it was.
    pub producer_id: i64,
    /// The offset of its first record.
    pub first_offset: i64,
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its records count.
    Deliver,
    /// It belongs to a transaction that was aborted: go on after it.
    Aborted,
    /// It holds control records, which nobody is given: go on after it.
    Control,
}

impl TxnFilter {
    /// For `read_uncommitted`: everything counts but control records.
    pub fn read_uncommitted() -> Self {
        Self::default()
    }

    /// For `read_committed`, with the aborted transactions of the answer, in any order.
    pub fn read_committed(aborted: impl IntoIterator<Item = AbortedTxn>) -> Self {
        let mut aborted: Vec<_> = aborted.into_iter().collect();
        aborted.sort_unstable_by_key(|txn| (txn.first_offset, txn.producer_id));
        Self { is_committed_only: true, aborted: aborted.into(), aborting: BTreeSet::new() }
    }

    /// Looks at the next batch.
    ///
    /// `decompressor` is used for markers only; no broker compresses them, but nothing forbids it.
    ///
    /// # Errors
    /// If it is a control batch that cannot be read.
    pub fn judge(&mut self, batch: &Batch, decompressor: &mut Decompressor) -> Result<Verdict, DecodeError> {
        if self.is_committed_only && batch.has_producer_id() {
            while let Some(txn) = self.aborted.front()
                && txn.first_offset <= batch.last_offset()
            {
                self.aborting.insert(txn.producer_id);
                self.aborted.pop_front();
            }
            if batch.is_control() {
                if let Some(ControlMarker::Abort { .. }) = batch.decode(decompressor)?.control_marker()? {
                    self.aborting.remove(&batch.producer_id());
                }
            } else if batch.is_transactional() && self.aborting.contains(&batch.producer_id()) {
                return Ok(Verdict::Aborted);
            }
        }
        Ok(if batch.is_control() { Verdict::Control } else { Verdict::Deliver })
    }
}
