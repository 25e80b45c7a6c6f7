//! From acknowledgements to commits, and what became of them.

use std::time::Instant;

use proto::group::Membership;
use proto::offsets::{CommitEvent, Committer};
use proto::wire::Coordinator;

use super::{COLLECT_INTERVAL, Drive, Keeper, Outcome, calls::commit};
use tracing::Instrument;

use crate::clock;
use crate::consumer::outage::Subject;
use crate::consumer::{Event, store};
use crate::error::{Error, ErrorKind};
use crate::net::as_call_failed;

impl Drive {
    /// Asks the trackers what may be committed, now and then.
    pub(super) fn collect(&mut self, now: Instant) {
        if now < self.collect_at {
            return;
        }
        if self.settled_at == Some(self.parts.fetcher.deliveries()) {
            self.collect_at = now + COLLECT_INTERVAL;
            return;
        }
        self.collect_now(now);
    }

    pub(super) fn collect_now(&mut self, now: Instant) {
        self.collect_at = now + COLLECT_INTERVAL;
        let Some(committer) = &mut self.parts.committer else { return };
        // Before the look: what is delivered after it is not in it.
        let deliveries = self.parts.fetcher.deliveries();
        let (committables, settled) = self.parts.fetcher.committables();
        self.settled_at = settled.then_some(deliveries);
        self.parts.fetcher.with_assignments(|assignments| {
            for (stamp, committable) in committables {
                committer.handle_committable(now, &stamp, committable, assignments);
            }
        });
    }

    /// Who is to be sent commits, where that is known.
    pub(super) fn coordinator(&self) -> Option<&Coordinator> {
        match &self.parts.membership {
            Some(membership) => membership.coordinator(),
            None => self.standalone_coordinator.as_ref(),
        }
    }

    /// Who keeps the offsets, where that is known.
    pub(super) fn keeper(&self) -> Option<Keeper> {
        match &self.parts.store {
            Some(store) => Some(Keeper::Store(store.clone())),
            None => self.coordinator().cloned().map(Keeper::Coordinator),
        }
    }

    pub(super) fn send_commit(&mut self, now: Instant) {
        let keeper = self.keeper();
        let Some(committer) = &mut self.parts.committer else { return };
        let member = self.parts.membership.as_ref().and_then(Membership::snapshot);
        let Some(keeper) = keeper else {
            if self.parts.membership.is_none() && !committer.is_settled() {
                self.find_standalone();
            }
            return;
        };
        let request = self
            .parts
            .fetcher
            .with_assignments(|assignments| committer.poll_request(now, assignments, member.as_ref()));
        let Some((id, request)) = request else { return };
        let epochs: Vec<_> = committer.in_flight().cloned().collect();
        let partitions = request.topics.iter().map(|topic| topic.partitions.len()).sum();
        let span = self.spans.commit(request.generation, partitions);
        let (client, events) = (self.parts.client.clone(), self.parts.events.clone());
        let outcome = async move {
            tracing::trace!(target: "milena::commit", ?request, "committing");
            let start = clock::now();
            let answer = match &keeper {
                Keeper::Coordinator(coordinator) => commit(&client, coordinator, &request, epochs).await,
                Keeper::Store(store) => {
                    let (answer, error) = store::store(&**store, &request).await;
                    match error {
                        Some(error) => events.trouble(Subject::Store, error),
                        None => events.works(|| Subject::Store),
                    }
                    Ok(answer)
                }
            };
            let took = clock::now() - start;
            match &answer {
                Ok(_) => tracing::debug!(target: "milena::commit", ?took, "answered"),
                Err(error) => {
                    tracing::debug!(target: "milena::commit", ?took, %error, "failed");
                    events.trouble(Subject::Coordinator, error.clone().doing("committing"));
                }
            }
            Outcome::Commit { id, answer: answer.map_err(|error| as_call_failed(&error)) }
        };
        self.calls.push(Box::pin(outcome.instrument(span)));
    }

    pub(super) fn find_standalone(&mut self) {
        let Some(group) = self.parts.group_id.clone() else { return };
        if self.finding_standalone {
            return;
        }
        self.finding_standalone = true;
        let client = self.parts.client.clone();
        self.calls.push(Box::pin(async move { Outcome::Coordinator(client.find_coordinator(&group).await) }));
    }

    pub(super) fn handle_commit_event(&mut self, now: Instant, event: CommitEvent) {
        let events = &self.parts.events;
        match event {
            CommitEvent::Committed { partition, epoch, offset } => {
                self.parts.fetcher.note_committed(&partition, epoch, offset);
                events.send(Event::Committed { partition, epoch, offset });
            }
            CommitEvent::Fenced { partition, epoch, offset, reason } => {
                events.send(Event::Fenced { partition, epoch, offset, reason });
            }
            CommitEvent::Superseded { partition, epoch, offset, by } => {
                events.send(Event::Superseded { partition, epoch, offset, by });
            }
            CommitEvent::Unknown { partition, offset, .. } => {
                let error = Error::new(ErrorKind::Disconnected)
                    .message("the commit may have been stored or not")
                    .at(&partition)
                    .offset(offset);
                events.send(Event::CommitFailed { partition, error });
            }
            CommitEvent::Failed { partition, offset, error, .. } => {
                let kind = match error {
                    proto::offsets::CommitError::Refused(code) => ErrorKind::Broker(code),
                    _ => ErrorKind::Unsupported,
                };
                let error = Error::new(kind).source(error).at(&partition).offset(offset);
                events.send(Event::CommitFailed { partition, error });
            }
            CommitEvent::MemberRefused { generation, error } => {
                if let Some(membership) = &mut self.parts.membership {
                    membership.handle_commit_refused(now, generation, error);
                }
            }
            CommitEvent::CoordinatorLost => match &mut self.parts.membership {
                Some(membership) => membership.handle_coordinator_lost(now),
                None => self.standalone_coordinator = None,
            },
            CommitEvent::TopicGone { partition, error, .. } => {
                events
                    .send(Event::Trouble { error: Error::broker(error).at(&partition).doing("committing") });
                self.parts.client.metadata().refresh_soon();
            }
        }
    }

    pub(super) fn answer_commit_waiters(&mut self) {
        let settled = self.parts.committer.as_ref().is_none_or(Committer::is_settled);
        if settled {
            for waiter in self.commit_waiters.drain(..) {
                let _ = waiter.send(Ok(()));
            }
        }
    }
}
