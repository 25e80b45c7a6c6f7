//! What an answer, or the lack of one, does to the offsets of a request.

use std::mem;
use std::time::Instant;

use super::{Committer, Dirty, Failed, InFlight, Sent};
use crate::assignments::Assignments;
use crate::backoff::later;
use crate::offsets::answer::Answer;
use crate::offsets::gate::Refusal;
use crate::offsets::{CommitError, CommitEvent};
use crate::types::{TopicName, TopicPartition};
use crate::wire::{ErrorCode, OffsetCommitResponse};

/// What the answers of one response say about the request as a whole.
#[derive(Default)]
struct Trouble {
    back_off: bool,
    member_changes: bool,
    coordinator_lost: bool,
    refused: Option<ErrorCode>,
}

/// What is known of a sent offset that was not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    NotStored,
    Unsure,
}

impl Committer {
    /// The coordinator answered.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        mut in_flight: InFlight,
        response: &OffsetCommitResponse,
        assignments: &mut Assignments,
    ) {
        let mut trouble = Trouble::default();
        for topic in &response.topics {
            let name = match &topic.name {
                Some(name) => Some(TopicName::from(name.as_str())),
                None => in_flight.names.get(&topic.id).cloned(),
            };
            let Some(name) = name else { continue };
            for &(partition, error) in &topic.partitions {
                let partition = TopicPartition::new(name.clone(), partition);
                // Neither asked for nor asked for twice.
                let Some(sent) = in_flight.offsets.remove(&partition) else { continue };
                self.answered_partition(now, &in_flight, &sent, error, assignments, &mut trouble);
            }
        }
        // Left out: no answer.
        let again = later(now, self.settings.retry_backoff_max);
        for sent in in_flight.offsets.values() {
            self.keep_unsure(now, sent, assignments);
            self.postpone(sent, again);
        }
        if trouble.coordinator_lost {
            self.events.push_back(CommitEvent::CoordinatorLost);
        }
        if let Some(error) = trouble.refused {
            self.events.push_back(CommitEvent::MemberRefused { generation: in_flight.generation, error });
        }
        if trouble.back_off {
            self.back_off(now, in_flight.member.filter(|_| trouble.member_changes));
        } else {
            self.backoff.reset();
        }
    }

    fn answered_partition(
        &mut self,
        now: Instant,
        in_flight: &InFlight,
        sent: &Sent,
        error: ErrorCode,
        assignments: &mut Assignments,
        trouble: &mut Trouble,
    ) {
        let answer = match Answer::of(error) {
            // Nobody is there to act on it: the group has members, and this is none.
            Answer::MemberRefused | Answer::Rebalancing if in_flight.member.is_none() => Answer::Failed,
            answer => answer,
        };
        match answer {
            Answer::Stored => self.stored(sent, assignments),
            Answer::NotYet | Answer::Unsure => trouble.back_off = true,
            Answer::CoordinatorMoved => {
                trouble.back_off = true;
                trouble.coordinator_lost = true;
            }
            Answer::Rebalancing => {
                trouble.back_off = true;
                trouble.member_changes = true;
            }
            Answer::MemberRefused => {
                trouble.back_off = true;
                trouble.member_changes = true;
                trouble.refused = Some(error);
                let own = in_flight.member.as_ref().map(|member| member.generation);
                if error == ErrorCode::STALE_MEMBER_EPOCH && own != Some(in_flight.generation) {
                    assignments.forget_wire_epoch(&sent.stamp);
                }
            }
            Answer::TopicGone => self.topic_gone(now, sent, error),
            Answer::Failed => self.fail(now, sent, CommitError::Refused(error)),
        }
        match answer {
            Answer::Stored | Answer::TopicGone | Answer::Failed => {}
            Answer::Unsure => self.keep_unsure(now, sent, assignments),
            _ => self.keep(now, sent, Fate::NotStored),
        }
    }

    fn stored(&mut self, sent: &Sent, assignments: &mut Assignments) {
        self.counters.committed += 1;
        if !assignments.accept(&sent.stamp, sent.offset) {
            // It was true when it was sent, and the revoke waited for this answer; or it was too late, and the deadline of
            // the drain has passed. Either way it is stored.
            self.counters.committed_late += 1;
        }
        self.clean(sent);
        self.failed.remove(sent.stamp.partition());
        self.events.push_back(CommitEvent::Committed {
            partition: sent.stamp.partition().clone(),
            epoch: sent.stamp.epoch(),
            offset: sent.offset,
        });
    }

    fn topic_gone(&mut self, now: Instant, sent: &Sent, error: ErrorCode) {
        // Who gives the partition up should not have to wait for a topic that is not there.
        if sent.stamp.is_draining() {
            self.fail(now, sent, CommitError::Refused(error));
            return;
        }
        self.keep(now, sent, Fate::NotStored);
        self.postpone(sent, later(now, self.settings.retry_backoff_max));
        let Some(dirty) = self.dirty_of(sent) else { return };
        if !mem::replace(&mut dirty.gone_told, true) {
            let (partition, epoch) = (sent.stamp.partition().clone(), sent.stamp.epoch());
            self.events.push_back(CommitEvent::TopicGone { partition, epoch, error });
        }
    }

    /// It will not be stored, and was not.
    pub(super) fn fail(&mut self, now: Instant, sent: &Sent, error: CommitError) {
        if sent.stamp.fenced().is_some() {
            self.ended(sent, Fate::NotStored);
            return;
        }
        self.clean(sent);
        let not_before = later(now, self.settings.retry_backoff_max);
        if let Some(higher) = self.dirty_of(sent)
            && !sent.stamp.is_draining()
        {
            higher.not_before = Some(not_before);
        }
        let failed = Failed { stamp: sent.stamp.clone(), offset: sent.offset, not_before };
        self.failed.insert(sent.stamp.partition().clone(), failed);
        self.counters.failed += 1;
        self.events.push_back(CommitEvent::Failed {
            partition: sent.stamp.partition().clone(),
            epoch: sent.stamp.epoch(),
            offset: sent.offset,
            error,
        });
    }

    /// It may be stored. It stays dirty, and nothing lower is sent in its epoch.
    pub(super) fn keep_unsure(&mut self, now: Instant, sent: &Sent, assignments: &mut Assignments) {
        assignments.doubt(&sent.stamp, sent.offset);
        self.keep(now, sent, Fate::Unsure);
    }

    /// It stays dirty, and the next request that may be built takes it; unless its epoch has ended.
    fn keep(&mut self, now: Instant, sent: &Sent, fate: Fate) {
        match self.dirty_of(sent) {
            Some(dirty) => {
                dirty.due = dirty.due.min(now);
                self.counters.retried += 1;
            }
            None => self.ended(sent, fate),
        }
    }

    /// The epoch of a sent offset ended, and it was not answered as stored.
    fn ended(&mut self, sent: &Sent, fate: Fate) {
        match (fate, sent.stamp.fenced()) {
            (Fate::Unsure, _) => {
                self.counters.unknown += 1;
                self.events.push_back(CommitEvent::Unknown {
                    partition: sent.stamp.partition().clone(),
                    epoch: sent.stamp.epoch(),
                    offset: sent.offset,
                });
            }
            (Fate::NotStored, Some(reason)) if !sent.told => {
                self.refuse(&sent.stamp, sent.offset, Refusal::Fenced(reason));
            }
            _ => {}
        }
    }

    fn postpone(&mut self, sent: &Sent, not_before: Instant) {
        if let Some(dirty) = self.dirty_of(sent) {
            dirty.not_before = Some(not_before);
        }
    }

    /// What was sent is done with; a higher offset that came in meanwhile stays.
    fn clean(&mut self, sent: &Sent) {
        let Some(dirty) = self.dirty_of(sent) else { return };
        dirty.not_before = None;
        dirty.gone_told = false;
        if dirty.committable.offset <= sent.offset {
            self.dirty.remove(sent.stamp.partition());
        }
    }

    fn dirty_of(&mut self, sent: &Sent) -> Option<&mut Dirty> {
        self.dirty.get_mut(sent.stamp.partition()).filter(|dirty| dirty.stamp.is_same(&sent.stamp))
    }
}
