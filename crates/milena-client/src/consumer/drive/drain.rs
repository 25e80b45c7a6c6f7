//! Giving partitions up: acknowledgements, the last commit, the fence; and the end of everything.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proto::assignments::FenceReason;
use proto::group::MembershipOperation;
use proto::offsets::Committer;
use proto::types::TopicPartition;
use tokio::sync::oneshot;

use super::{Closing, Drain, DrainStep, Drive};
use crate::clock;
use crate::consumer::stall::Watch;
use crate::consumer::{Event, Undrained};
use crate::error::Error;

impl Drive {
    pub(super) fn begin_drain(
        &mut self,
        now: Instant,
        partitions: BTreeSet<TopicPartition>,
        deadline: Instant,
    ) {
        let wanted = match &self.closing {
            Some(closing) => closing.deadline,
            None if self.parts.watch.as_ref().is_some_and(Watch::has_given_up) => now,
            None => now + self.parts.drain_timeout,
        };
        let deadline = deadline.min(wanted).max(now);
        if self.parts.membership.is_some() {
            self.spans.rebalance("giving partitions up");
        }
        self.parts.fetcher.begin_revoke(&partitions);
        self.parts.events.send(Event::Revoking { partitions: partitions.clone(), drain: deadline - now });
        self.drain = Some(Drain { partitions, since: now, deadline, step: DrainStep::Acknowledging });
        self.collect_now(now);
    }

    /// Goes on with a drain as far as it can: acknowledgements, then the commit's answer, then the fence.
    pub(super) fn drain_step(&mut self, now: Instant) {
        let Some(drain) = &mut self.drain else { return };
        if let DrainStep::Acknowledging = drain.step {
            let unacknowledged = self.parts.fetcher.undrained(&drain.partitions);
            if unacknowledged.is_some() && now < drain.deadline {
                return;
            }
            let waited = now - drain.since;
            let unacknowledged = unacknowledged.map(|partition| (partition, waited));
            drain.step = DrainStep::Committing { since: now, unacknowledged };
            let partitions = drain.partitions.clone();
            self.collect_now(now);
            if let Some(committer) = &mut self.parts.committer {
                committer.flush(now, &partitions);
            }
            self.send_commit(now);
        }
        let Some(drain) = &self.drain else { return };
        let find = |wanted: fn(&Committer, &TopicPartition) -> bool| {
            let committer = self.parts.committer.as_ref()?;
            drain.partitions.iter().find(|partition| wanted(committer, partition)).cloned()
        };
        let unsettled = find(|committer, partition| !committer.settled([partition]));
        if unsettled.is_some() && now < drain.wake() {
            return;
        }
        // What was refused for good is not waited for, but not committed either.
        let uncommitted = unsettled.or_else(|| find(Committer::has_failed));
        let Some(Drain { partitions, since: begun, step, .. }) = self.drain.take() else { return };
        let DrainStep::Committing { since, unacknowledged } = step else { return };
        let uncommitted = uncommitted.map(|partition| (partition, now - since));
        let drained = match (&unacknowledged, &uncommitted) {
            (None, None) => Ok(()),
            _ => Err(Undrained { unacknowledged, uncommitted }),
        };
        self.end(&partitions, FenceReason::Revoked);
        self.parts.steps.revoked(partitions.len(), now - begun);
        self.parts.events.send(Event::Revoked { partitions, drained });
        match &mut self.parts.membership {
            Some(membership) => membership.handle_revoked(now),
            None => self.ended = true,
        }
    }

    pub(super) fn end(&mut self, partitions: &BTreeSet<TopicPartition>, reason: FenceReason) {
        for stamp in self.parts.fetcher.end(partitions, reason) {
            if let Some(committer) = &mut self.parts.committer {
                committer.handle_epoch_ended(&stamp);
            }
        }
    }

    pub(super) fn close(
        &mut self,
        now: Instant,
        drain: Duration,
        operation: Option<MembershipOperation>,
        done: Option<oneshot::Sender<()>>,
    ) {
        let deadline = now + drain;
        if let Some(closing) = &mut self.closing {
            closing.deadline = closing.deadline.min(deadline);
            return;
        }
        self.closing = Some(Closing { deadline, done });
        if let Some(drain) = &mut self.drain {
            drain.deadline = drain.deadline.min(deadline);
        }
        match &mut self.parts.membership {
            Some(membership) => membership.leave(now, operation.unwrap_or(self.parts.at_close)),
            None => {
                let partitions = self.parts.fetcher.assignment();
                self.begin_drain(now, partitions, deadline);
            }
        }
    }

    pub(super) fn finish(mut self) {
        for stamp in self.parts.fetcher.end_all(FenceReason::Closed) {
            if let Some(committer) = &mut self.parts.committer {
                committer.handle_epoch_ended(&stamp);
            }
        }
        while let Some(event) = self.parts.committer.as_mut().and_then(Committer::poll_event) {
            self.handle_commit_event(clock::now(), event);
        }
        self.parts.fetcher.close();
        self.parts.events.send(Event::Closed);
        for waiter in self.commit_waiters.drain(..) {
            let _ = waiter.send(Err(Error::closed("the consumer")));
        }
        if let Some(done) = self.closing.and_then(|closing| closing.done) {
            let _ = done.send(());
        }
    }
}
