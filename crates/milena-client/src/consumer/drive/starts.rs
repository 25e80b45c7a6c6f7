//! Where partitions begin: the questions of positions, and their answers.

use std::sync::Arc;
use std::time::Instant;

use proto::group::Membership;
use proto::types::Generation;
use proto::wire::{ErrorCode, OffsetFetchResponse};

use super::{Drive, Outcome, calls::read_committed_offsets};
use crate::consumer::outage::Subject;
use crate::consumer::store::PartitionToLoad;
use crate::consumer::{OffsetStore, epochs, positions, store};
use crate::error::{Error, Result};
use crate::offsets::OffsetsOf;

impl Drive {
    /// Asks what positions need to know.
    pub(super) fn send_questions(&mut self, now: Instant) {
        let (committed, leaders) = self.parts.fetcher.questions(now);
        if !committed.is_empty() {
            self.send_offset_fetch(committed);
        }
        for (leader, asked) in leaders {
            let (listed, ends) = positions::split(asked);
            let isolation = self.parts.isolation;
            if !listed.is_empty() {
                let client = self.parts.client.clone();
                self.calls.push(Box::pin(async move {
                    let answer =
                        client.call_broker(leader, &positions::list_request(&listed, isolation)).await;
                    Outcome::Listed { asked: listed, answer }
                }));
            }
            if !ends.is_empty() {
                let client = self.parts.client.clone();
                self.calls.push(Box::pin(async move {
                    let answer = client.call_broker(leader, &positions::epoch_request(&ends)).await;
                    Outcome::EpochEnds { asked: ends, answer }
                }));
            }
        }
    }

    /// Asks for the committed offsets of partitions that begin there.
    pub(super) fn send_offset_fetch(&mut self, asked: OffsetsOf) {
        if let Some(store) = self.parts.store.clone() {
            return self.ask_store(store, asked);
        }
        let client = self.parts.client.clone();
        let group = self.parts.group_id.clone();
        let coordinator =
            self.parts.membership.as_ref().and_then(|membership| membership.coordinator().cloned());
        let member = self.parts.membership.as_ref().filter(|membership| membership.has_member_epoch());
        let member = member.and_then(Membership::snapshot);
        let signed = member.as_ref().map(|member| member.generation);
        let member = member.as_ref().map(epochs::signature);
        self.calls.push(Box::pin(async move {
            let answer = match &group {
                Some(group) => read_committed_offsets(&client, group, coordinator, member, &asked)
                    .await
                    .map_err(|error| error.group(group)),
                None => Err(Error::config("without a group there are no committed offsets to begin at")),
            };
            Outcome::Committed { asked, signed, answer }
        }));
    }

    pub(super) fn ask_store(&mut self, store: Arc<dyn OffsetStore>, asked: OffsetsOf) {
        let partitions = asked.0.keys().map(|partition| {
            let topic_id = self.parts.client.topic_id(&partition.topic);
            PartitionToLoad { partition: partition.clone(), topic_id }
        });
        let partitions: Vec<_> = partitions.collect();
        self.calls.push(Box::pin(async move {
            let answer = store::load(&*store, &partitions).await;
            Outcome::Committed { asked, signed: None, answer }
        }));
    }

    pub(super) fn handle_offsets(
        &mut self,
        now: Instant,
        asked: OffsetsOf,
        signed: Option<Generation>,
        answer: Result<OffsetFetchResponse>,
    ) {
        if let (Ok(answer), Some(membership)) = (&answer, &mut self.parts.membership)
            && let Some((generation, error)) = epochs::refusal(answer.error, signed)
        {
            // The next heartbeat brings the epoch, and the position asks again after a pause.
            membership.handle_commit_refused(now, generation, error);
        }
        if let Ok(answer) = &answer
            && matches!(answer.error, ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE)
            && let Some(membership) = &mut self.parts.membership
        {
            membership.handle_coordinator_lost(now);
        }
        if let Err(error) = &answer {
            let (subject, error) = match self.parts.store {
                Some(_) => (Subject::Store, error.clone()),
                None => (Subject::Coordinator, error.clone().doing("reading committed offsets")),
            };
            self.parts.events.trouble(subject, error);
        }
        self.parts.fetcher.handle_offsets(now, &asked, &answer);
    }
}
