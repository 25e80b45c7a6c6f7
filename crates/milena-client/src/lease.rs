//! One partition, ours for one assignment epoch: what everything read in it holds on to.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use proto::assignments::{FenceReason, Stamp};
use proto::offsets::Tracker;
use proto::types::{AssignmentEpoch, TopicPartition};
use tokio::sync::Notify;

/// One assignment epoch of one partition: its fence, its tracker, and how much of it is in memory.
///
/// A partition that is assigned again, or whose position is moved by a seek, gets a new one; an old one is never
/// used again. So whatever an old one is asked to do (an ack after an hour, say) cannot touch the present.
#[derive(Clone)]
pub struct Lease(Arc<Inner>);

struct Inner {
    stamp: Stamp,
    tenure: Tenure,
    /// Made when the position is known: it begins there.
    tracker: OnceLock<Tracker>,
    paused: AtomicBool,
    /// Too many batches wait for acknowledgements.
    full: AtomicBool,
    /// Bytes of this partition that were fetched and not yet handed out.
    buffered_bytes: AtomicUsize,
    /// The offset that the next chunk has to begin at: what was handed out is contiguous by construction.
    expected: AtomicI64,
    /// The latest timestamp of what was handed out last, and the first of what is next; [`NO_TIME`] where that is not known.
    last_ms: AtomicI64,
    next_ms: AtomicI64,
    /// Wakes who waits for acknowledgements, once somebody does.
    waited_for: AtomicBool,
    /// A record was taken since somebody looked.
    touched: AtomicBool,
    progress: Arc<Notify>,
}

impl Lease {
    pub(crate) fn new(stamp: Stamp, tenure: Tenure, paused: bool, progress: Arc<Notify>) -> Self {
        Self(Arc::new(Inner {
            stamp,
            tenure,
            tracker: OnceLock::new(),
            paused: AtomicBool::new(paused),
            full: AtomicBool::new(false),
            buffered_bytes: AtomicUsize::new(0),
            expected: AtomicI64::new(UNPOSITIONED),
            last_ms: AtomicI64::new(NO_TIME),
            next_ms: AtomicI64::new(NO_TIME),
            waited_for: AtomicBool::new(false),
            touched: AtomicBool::new(false),
            progress,
        }))
    }

    /// Which partition.
    pub fn partition(&self) -> &TopicPartition {
        self.0.stamp.partition()
    }

    /// Which epoch of it.
    pub fn epoch(&self) -> AssignmentEpoch {
        self.0.stamp.epoch()
    }

    /// The fence itself.
    pub fn stamp(&self) -> &Stamp {
        &self.0.stamp
    }

    /// What was delivered and what of it is acknowledged; `None` until the position is known.
    pub fn tracker(&self) -> Option<&Tracker> {
        self.0.tracker.get()
    }

    /// Delivery begins here. Only the first call counts: a later move of the position is a new lease.
    pub(crate) fn begin_at(&self, offset: i64) -> &Tracker {
        let tracker = self.0.tracker.get_or_init(|| Tracker::new(self.0.stamp.clone(), offset));
        self.0.expected.compare_exchange(UNPOSITIONED, offset, Ordering::AcqRel, Ordering::Acquire).ok();
        tracker
    }

    /// Whether nothing that was delivered waits for its acknowledgement.
    pub fn is_drained(&self) -> bool {
        self.tracker().is_none_or(Tracker::is_drained)
    }

    /// Why acknowledgements no longer count; `None` while they do.
    pub fn fenced(&self) -> Option<FenceReason> {
        self.0.stamp.fenced()
    }

    /// Whether its owner asked for no more records for now.
    pub fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::Acquire)
    }

    /// Whether nothing of it is handed out for now: paused, or too much of it unacknowledged.
    pub(crate) fn is_held(&self) -> bool {
        self.is_paused() || self.0.full.load(Ordering::Acquire)
    }

    /// Too many batches wait for acknowledgements; the next one frees the partition again.
    pub(crate) fn set_full(&self) {
        self.0.full.store(true, Ordering::Release);
        self.wait_for();
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        self.0.paused.store(paused, Ordering::Release);
    }

    /// Bytes of this partition that were fetched and not yet handed out.
    pub fn buffered_bytes(&self) -> usize {
        self.0.buffered_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn buffered(&self, bytes: usize) {
        self.0.buffered_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn unbuffered(&self, bytes: usize) {
        self.0.buffered_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The next offset to hand out; `None` until the position is known.
    pub fn position(&self) -> Option<i64> {
        let expected = self.0.expected.load(Ordering::Acquire);
        (expected != UNPOSITIONED).then_some(expected)
    }

    pub(crate) fn set_position(&self, offset: i64) {
        self.0.expected.store(offset, Ordering::Release);
    }

    /// The assignment that it is an epoch of.
    pub(crate) fn tenure(&self) -> &Tenure {
        &self.0.tenure
    }

    /// Says when what was handed out was written, and what comes next, in milliseconds since 1970.
    pub(crate) fn set_times(&self, last_ms: i64, next_ms: Option<i64>) {
        // Each tells something by itself: who reads one of them old and the other new is told of either place.
        self.0.last_ms.store(last_ms, Ordering::Relaxed);
        self.0.next_ms.store(next_ms.unwrap_or(NO_TIME), Ordering::Relaxed);
    }

    /// When the last of what was handed out was written.
    pub(crate) fn last_ms(&self) -> Option<i64> {
        Some(self.0.last_ms.load(Ordering::Relaxed)).filter(|ms| *ms >= 0)
    }

    /// When the next to hand out was written, as far as its reader knows.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        Some(self.0.next_ms.load(Ordering::Relaxed)).filter(|ms| *ms >= 0)
    }

    /// From here on every acknowledgement wakes the group's task: it waits to give the partition up.
    pub(crate) fn wait_for(&self) {
        self.0.waited_for.store(true, Ordering::SeqCst);
    }

    /// Says that a record of a batch was taken: a sign of life where nothing is acknowledged for long. One load, mostly.
    #[inline]
    pub fn touch(&self) {
        if !self.0.touched.load(Ordering::Relaxed) {
            self.0.touched.store(true, Ordering::Relaxed);
        }
    }

    /// Whether anything was, since the last time this was asked.
    pub(crate) fn take_touch(&self) -> bool {
        self.0.touched.swap(false, Ordering::Relaxed)
    }

    /// Says that something was acknowledged. One load while nobody waits.
    #[inline]
    pub fn acknowledged(&self) {
        if self.0.waited_for.load(Ordering::SeqCst) {
            self.0.full.store(false, Ordering::Release);
            self.0.progress.notify_one();
        }
    }
}

const UNPOSITIONED: i64 = i64::MIN;
/// Records without a timestamp say -1.
const NO_TIME: i64 = -1;

/// One assignment of a partition: from when it becomes ours until it is being given up, over all epochs that seeks and
/// truncations begin in it.
#[derive(Clone, Debug)]
pub(crate) struct Tenure(Arc<TenureInner>);

#[derive(Debug)]
struct TenureInner {
    id: u64,
    over: AtomicBool,
}

impl Tenure {
    /// No other one has that id.
    pub(crate) fn new(id: u64) -> Self {
        Self(Arc::new(TenureInner { id, over: AtomicBool::new(false) }))
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    /// Nothing more is handed out in it.
    pub(crate) fn end(&self) {
        self.0.over.store(true, Ordering::Release);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.stamp, f)
    }
}
