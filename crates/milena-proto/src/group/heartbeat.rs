//! The heartbeat's clock, and what it proves.

use std::time::Instant;

use crate::types::{Generation, RequestId};

/// When heartbeats go out, and since when the coordinator is known to count us in.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    next: Option<Instant>,
    in_flight: Option<Beat>,
    /// When the last request was *sent* whose answer proved the membership. The coordinator's session cannot have begun
    /// before; when the answer came says nothing, as it may have waited in a socket while the process was stopped.
    proven: Option<Instant>,
    /// The same, where the answer also said that no rebalance was under way: none has begun before.
    calm: Option<Instant>,
}

/// A heartbeat that waits for its answer, and whom it spoke for.
#[derive(Clone, Debug)]
pub(super) struct Beat {
    pub(super) id: RequestId,
    pub(super) sent: Instant,
    pub(super) member_id: String,
    pub(super) generation: Generation,
}

impl Heartbeat {
    /// The coordinator counted us in, in answer to something sent at `sent`.
    pub(super) fn proven(&mut self, sent: Instant) {
        self.proven = self.proven.max(Some(sent));
    }

    /// The coordinator counted us in, and the group was at rest, in answer to something sent at `sent`.
    pub(super) fn calm(&mut self, sent: Instant) {
        self.proven(sent);
        self.calm = self.calm.max(Some(sent));
    }

    pub(super) fn proven_at(&self) -> Option<Instant> {
        self.proven
    }

    pub(super) fn calm_at(&self) -> Option<Instant> {
        self.calm
    }

    /// We are no member: nothing is proven, and no answer is waited for.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.in_flight.is_none() && self.next.is_none_or(|next| next <= now)
    }

    pub(super) fn due_at(&self) -> Option<Instant> {
        self.next.filter(|_| self.in_flight.is_none())
    }

    pub(super) fn sent(&mut self, beat: Beat, next: Instant) {
        self.next = Some(next);
        self.in_flight = Some(beat);
    }

    /// Takes the beat that this answer belongs to.
    pub(super) fn answered(&mut self, id: RequestId) -> Option<Beat> {
        self.in_flight.take_if(|beat| beat.id == id)
    }

    /// The coordinator is gone: what was sent to it is void, and the next one is asked at once.
    pub(super) fn abandon(&mut self, now: Instant) {
        if self.in_flight.take().is_some() {
            self.next = Some(now);
        }
    }

    /// The next one goes out then at the latest.
    pub(super) fn schedule_by(&mut self, at: Instant) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// The next one goes out then.
    pub(super) fn schedule(&mut self, at: Instant) {
        self.next = Some(at);
    }
}
