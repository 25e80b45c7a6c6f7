//! From what a member has to what it is to have: give up first, say so, then take.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::Consumer;
use super::state::{IdPartition, Revoking, State, Target, Then};
use crate::backoff::later;
use crate::group::{GroupEvent, LostReason};
use crate::types::{TopicId, TopicPartition};

/// Early heartbeats of a newcomer that was given nothing. Coordinators as from 4.3 assign up to a second later
/// (`group.consumer.assignment.interval.ms`), and say so in the answer to the next heartbeat only.
pub(super) const EXPECTANT_BEATS: u32 = 3;

impl Consumer {
    /// The coordinator wants us to have this and nothing else.
    pub(super) fn aim(&mut self, target: Target) {
        if self.target.as_ref() != Some(&target) {
            self.target = Some(target);
            self.unannounced = true;
        }
    }

    /// One step towards the target. What goes is given up before anything comes: a topic that was created again is both.
    pub(super) fn reconcile(&mut self, now: Instant) {
        debug_assert!(matches!(self.state, State::Joined));
        let (Some(target), Some(epoch)) = (&self.target, self.epoch) else { return };
        let going: BTreeSet<_> =
            self.owned.all().into_iter().filter(|partition| !target.0.contains(partition)).collect();
        if !going.is_empty() {
            return self.revoke(now, going, Then::Acknowledge);
        }
        let (added, unnamed) = self.resolve(target);
        for (partition, name) in &added {
            self.owned.add(*partition, name.clone());
        }
        // Without their names partitions cannot be read. They are not acknowledged either.
        if !added.is_empty() || (self.unannounced && unnamed.is_empty()) {
            self.unannounced = false;
            let assignment = self.owned.by_name().clone();
            self.events.push_back(GroupEvent::Assigned {
                generation: epoch,
                added: added.into_values().collect(),
                assignment,
            });
            self.unsettled = false;
        }
        if self.unnamed != unnamed {
            self.unnamed = unnamed;
            self.ask_names();
        }
        self.settle();
        self.tell_news(now);
    }

    /// Which partitions of the target are new and can be named, and which topics cannot.
    fn resolve(&self, target: &Target) -> (BTreeMap<IdPartition, TopicPartition>, BTreeSet<TopicId>) {
        let mut added = BTreeMap::new();
        let mut unnamed = BTreeSet::new();
        for partition in target.0.iter().filter(|partition| !self.owned.has(partition)) {
            let (topic, number) = *partition;
            let name = self.names.get(&topic).map(|name| TopicPartition::new(name.clone(), number));
            match name {
                // Of two ids with one name the older is on its way out: its owner is told to give it up.
                Some(name) if !self.owned.has_name(&name) && !added.values().any(|other| *other == name) => {
                    added.insert(*partition, name);
                }
                _ => {
                    unnamed.insert(topic);
                }
            }
        }
        (added, unnamed)
    }

    /// Asks (again) for names. Metadata may have been older than the topic.
    pub(super) fn ask_names(&mut self) {
        if !self.unnamed.is_empty() {
            self.events.push_back(GroupEvent::NeedTopicNames(self.unnamed.clone()));
        }
    }

    /// Forgets names that nothing needs any more, and asks for metadata of the others.
    pub(super) fn tidy_names(&mut self) {
        let mut needed: BTreeSet<TopicId> = self.owned.topics().collect();
        needed.extend(self.target.iter().flat_map(Target::topics));
        self.names.retain(|topic, _| needed.contains(topic));
        self.want_metadata();
    }

    /// Says whether more is expected than was announced.
    pub(super) fn settle(&mut self) {
        if !self.owned.is_empty() {
            self.expectant = 0;
        }
        let unsettled = !self.unnamed.is_empty() || self.expectant > 0;
        if unsettled != self.unsettled {
            self.unsettled = unsettled;
            self.events.push_back(if unsettled { GroupEvent::Unsettled } else { GroupEvent::Settled });
        }
    }

    pub(super) fn revoke(&mut self, now: Instant, going: BTreeSet<IdPartition>, then: Then) {
        let names = going.iter().filter_map(|partition| self.owned.name(partition).cloned()).collect();
        // The coordinator's clock started when it first answered so; that answer may have been lost.
        let at_rest = self.heartbeat.calm_at().unwrap_or(now);
        let deadline = later(at_rest, self.settings.drain_time()).max(now);
        let give_up_at = later(deadline, self.settings.commit_round_trip);
        self.events.push_back(GroupEvent::Revoke { partitions: names, deadline });
        self.state = State::Revoking(Revoking { partitions: going, give_up_at, then });
    }

    pub(in crate::group) fn handle_revoked(&mut self, now: Instant) {
        let Some(revoking) = self.take_revoking() else { return };
        self.owned.remove(&revoking.partitions);
        self.go_on(now, revoking.then);
    }

    /// The shell did not finish in time. The coordinator is about to remove us, so the rest must not wait for this.
    pub(super) fn give_up_drain(&mut self, now: Instant) {
        let Some(revoking) = self.take_revoking() else { return };
        let partitions = self.owned.remove(&revoking.partitions);
        self.events.push_back(GroupEvent::Lost { partitions, reason: LostReason::RevokeTimedOut });
        self.go_on(now, revoking.then);
    }

    fn take_revoking(&mut self) -> Option<Revoking> {
        match std::mem::replace(&mut self.state, State::Joined) {
            State::Revoking(revoking) => Some(revoking),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The drain is over. The target may have moved on meanwhile.
    fn go_on(&mut self, now: Instant, then: Then) {
        match then {
            Then::Acknowledge => {
                self.unannounced = true;
                self.reconcile(now);
                // Also if more is to be given up: the coordinator waits for this.
                self.tell_news(now);
            }
            Then::Leave(departure) => self.depart(now, departure),
        }
        self.tidy_names();
    }
}
