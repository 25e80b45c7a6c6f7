//! Open and aborted transactions of a log. Java: `TransactionIndex`, and the ongoing ones of `ProducerStateManager`.

use std::collections::BTreeMap;

use records::{BatchHeader, ControlMarker};

/// The transactions of one log.
#[derive(Debug, Clone, Default)]
pub struct TxnIndex {
    /// First offset of each open transaction, by producer id.
    open: BTreeMap<i64, i64>,
    /// First and last offset (that of the marker) of those that ended, until the marker is below the high watermark.
    ended: Vec<(i64, i64)>,
    aborted: Vec<AbortedTxn>,
}

/// A transaction that does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose it was.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its marker.
    pub last_offset: i64,
}

impl TxnIndex {
    /// Open transactions: producer id and first offset.
    pub fn open(&self) -> impl Iterator<Item = (i64, i64)> {
        self.open.iter().map(|(producer, first)| (*producer, *first))
    }

    /// Aborted ones, in the order of their markers.
    pub fn aborted(&self) -> &[AbortedTxn] {
        &self.aborted
    }

    /// The aborted ones that a reader of these offsets has to know (Java: `TransactionIndex.collectAbortedTxns`).
    pub fn aborted_between(&self, from: i64, to: i64) -> impl Iterator<Item = &AbortedTxn> {
        self.aborted.iter().filter(move |txn| txn.last_offset >= from && txn.first_offset < to)
    }

    pub(super) fn first_unstable(&self, high_watermark: i64) -> Option<i64> {
        let unreplicated =
            self.ended.iter().filter(|(_, last)| *last >= high_watermark).map(|(first, _)| *first);
        self.open.values().copied().chain(unreplicated).min()
    }

    pub(super) fn replay(&mut self, header: &BatchHeader, marker: Option<ControlMarker>) {
        let producer_id = header.producer_id();
        match marker {
            Some(ControlMarker::Abort { .. }) => {
                if let Some(first_offset) = self.end(header) {
                    let last_offset = header.last_offset();
                    self.aborted.push(AbortedTxn { producer_id, first_offset, last_offset });
                }
            }
            Some(ControlMarker::Commit { .. }) => {
                self.end(header);
            }
            Some(ControlMarker::Other { .. }) => {}
            None if header.is_transactional() => {
                self.open.entry(producer_id).or_insert(header.base_offset());
            }
            None => {}
        }
    }

    fn end(&mut self, header: &BatchHeader) -> Option<i64> {
        let first = self.open.remove(&header.producer_id())?;
        self.ended.push((first, header.last_offset()));
        Some(first)
    }

    /// Forgets ended ones that nobody has to wait for.
    pub(super) fn replicated_to(&mut self, high_watermark: i64) {
        self.ended.retain(|(_, last)| *last >= high_watermark);
    }

    /// Only the open ones that began below an offset.
    pub(super) fn begun_below(&self, start_offset: i64) -> Self {
        let open = self.open.iter().filter(|(_, first)| **first < start_offset);
        Self { open: open.map(|(producer, first)| (*producer, *first)).collect(), ..Self::default() }
    }

    pub(super) fn advance_start(&mut self, start_offset: i64) {
        self.aborted.retain(|txn| txn.last_offset >= start_offset);
    }
}
