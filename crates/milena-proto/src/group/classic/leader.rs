//! The leader's part: everybody's subscriptions in, everybody's assignment out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::Classic;
use super::state::{Joined, Role, State, Syncing};
use crate::backoff::later;
use crate::group::consumer_protocol::{self, Assignment, Subscription};
use crate::group::{GroupEvent, JoinReason, Member, PartitionRacks};
use crate::types::TopicName;
use crate::wire::JoinGroupMember;

/// How long the leader waits for the counts of topics that only others subscribe to. All the others wait in SyncGroup
/// meanwhile, and a topic that turns up later costs one more rebalance.
const METADATA_PATIENCE: Duration = Duration::from_secs(5);

impl Classic {
    pub(in crate::group) fn handle_partition_counts(
        &mut self,
        now: Instant,
        counts: &BTreeMap<TopicName, i32>,
    ) {
        for topic in &self.wanted {
            if let Some(count) = counts.get(topic) {
                self.counts.insert(topic.clone(), (*count).max(0));
            }
        }
        match &self.state {
            State::Syncing(Syncing::Gathering { .. })
                if self.wanted.iter().all(|t| self.counts.contains_key(t)) =>
            {
                self.lead_as_known();
            }
            State::Stable(_) => self.rejoin_if_outdated(now),
            _ => {}
        }
    }

    pub(in crate::group) fn handle_partition_racks(&mut self, racks: &PartitionRacks) {
        for topic in &self.wanted {
            if let Some(racks) = racks.get(topic) {
                self.racks.insert(topic.clone(), racks.clone());
            }
        }
    }

    /// A follower watches nothing (`onJoinComplete` drops its snapshot): the leader sees changes for all.
    pub(super) fn rejoin_if_outdated(&mut self, now: Instant) {
        let State::Stable(Joined { role: Role::Leader(watched), .. }) = &mut self.state else { return };
        let mut changed = false;
        for (topic, assigned_from) in watched {
            // As in Java, replicas that move between racks matter to a leader that has a rack itself.
            if let (Some(_), Some(before)) = (&self.settings.rack, self.assigned_racks.get(topic)) {
                changed |= self.racks.get(topic).is_some_and(|racks| racks != before);
            }
            match (self.counts.get(topic), &assigned_from) {
                (Some(count), Some(before)) => changed |= count != before,
                (Some(count), None) => *assigned_from = Some(*count),
                (None, _) => {}
            }
        }
        if changed {
            self.rejoin(now, None, JoinReason::MetadataChanged);
        }
    }

    /// Asks for the topics that matter now, if they are others than before, and forgets the rest.
    pub(super) fn want_metadata(&mut self) {
        let group: Option<BTreeSet<TopicName>> = match &self.state {
            State::Syncing(Syncing::Gathering { members, .. }) => Some(topics_of(members)),
            State::Syncing(Syncing::Waiting { joined, .. } | Syncing::Asked { joined, .. })
            | State::Stable(joined) => match &joined.role {
                Role::Leader(watched) => Some(watched.keys().cloned().collect()),
                Role::Follower => None,
            },
            _ => None,
        };
        let mut wanted = group.unwrap_or_default();
        wanted.extend(self.subscription.iter().cloned());
        if wanted != self.wanted {
            self.counts.retain(|topic, _| wanted.contains(topic));
            self.racks.retain(|topic, _| wanted.contains(topic));
            self.wanted = wanted.clone();
            self.events.push_back(GroupEvent::NeedMetadata(wanted));
        }
    }

    /// This member leads the generation that it joined.
    pub(super) fn lead(
        &mut self,
        now: Instant,
        mut joined: Joined,
        listed: Vec<JoinGroupMember>,
        skip: bool,
    ) {
        let members: Vec<Member> = listed.into_iter().filter_map(|member| self.read_member(member)).collect();
        if skip {
            // KIP-814: a static leader that came back. The group goes on with the assignment it has; we only watch.
            let known = |topic: TopicName| (topic.clone(), self.counts.get(&topic).copied());
            joined.role = Role::Leader(topics_of(&members).into_iter().map(known).collect());
            self.assigned_racks = self.racks.clone();
            self.state = State::Syncing(Syncing::Waiting { joined, assignments: Vec::new() });
            return self.want_metadata();
        }
        let patience = METADATA_PATIENCE.min(self.settings.rebalance_timeout / 2);
        self.state = State::Syncing(Syncing::Gathering { joined, members, give_up_at: later(now, patience) });
        self.want_metadata();
        if self.wanted.iter().all(|topic| self.counts.contains_key(topic)) {
            self.lead_as_known();
        }
    }

    /// Assigns from the counts that are known. A topic that turns up later makes the group rebalance again.
    pub(super) fn lead_as_known(&mut self) {
        let State::Syncing(Syncing::Gathering { mut joined, members, .. }) =
            std::mem::replace(&mut self.state, State::Idle)
        else {
            debug_assert!(false, "only a leader that gathers assigns");
            return;
        };
        let count = |topic: TopicName| (topic.clone(), Some(self.counts.get(&topic).copied().unwrap_or(0)));
        joined.role = Role::Leader(topics_of(&members).into_iter().map(count).collect());
        self.assigned_racks = self.racks.clone();
        let assigned = joined.protocol.assign(&self.counts, &self.racks, &members);
        let assignments = assigned.into_iter().map(|(member_id, partitions)| {
            (member_id, Assignment { partitions, user_data: None }.encode(consumer_protocol::VERSION))
        });
        self.state = State::Syncing(Syncing::Waiting { joined, assignments: assignments.collect() });
    }

    /// One member with a broken subscription must not take the group down, one leader after the other.
    fn read_member(&mut self, member: JoinGroupMember) -> Option<Member> {
        let JoinGroupMember { member_id, group_instance_id, metadata } = member;
        match Subscription::decode(metadata) {
            Ok(subscription) => Some(Member { member_id, group_instance_id, subscription }),
            Err(_) => {
                self.events.push_back(GroupEvent::MemberUnreadable { member_id });
                None
            }
        }
    }
}

fn topics_of(members: &[Member]) -> BTreeSet<TopicName> {
    members.iter().flat_map(|member| member.subscription.topics.iter().cloned()).collect()
}
