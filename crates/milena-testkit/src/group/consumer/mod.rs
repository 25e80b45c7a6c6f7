//! A group of the consumer protocol (KIP-848): ConsumerGroupHeartbeat, assignments made by the coordinator.
//!
//! Ground truth: `GroupMetadataManager.consumerGroupHeartbeat`, `ConsumerGroup`, `CurrentAssignmentBuilder` of Kafka's module
//! `group-coordinator`, and answers of a real 4.3.1 where the sources at hand were older. Kept: epochs of group, assignment
//! and member; revocation before assignment; the assignment interval of KIP-1263; static members with epoch -2; regular
//! expressions; per-partition assignment epochs (KIP-1251); classic members in the group, and the way from a classic group
//! and back. Left out: racks, authorization, offloading of assignors to another thread.

pub(crate) mod assignor;
mod classic_member;
mod describe;
mod heartbeat;
mod leave;
mod member;
mod migrate;
mod reconcile;
mod regex;
mod target;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub(crate) use self::heartbeat::validate_request;
pub(crate) use self::member::{ClassicPart, Member, MemberState};
pub(crate) use self::validate::Refused;
use super::Now;
use super::call::{Action, Env, Timer, Topics};

/// A partition by topic id.
pub(crate) type IdPartition = (Uuid, i32);
/// The partitions that a member is to have.
pub(crate) type Target = BTreeSet<IdPartition>;

/// The member epoch with which a member leaves for good.
pub(crate) const LEAVE: i32 = -1;
/// The member epoch with which a static member leaves for a while.
pub(crate) const LEAVE_STATIC: i32 = -2;

/// A consumer group.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerGroup {
    pub(crate) id: StrBytes,
    /// Grows with every change that calls for another assignment.
    pub(crate) epoch: i32,
    /// The group epoch that the target assignment was made for.
    pub(crate) assignment_epoch: i32,
    /// When the last target assignment was made.
    assigned_at: Option<Now>,
    pub(crate) members: BTreeMap<StrBytes, Member>,
    static_members: BTreeMap<StrBytes, StrBytes>,
    target: BTreeMap<StrBytes, Target>,
    regexes: BTreeMap<StrBytes, regex::Resolved>,
    /// The subscribed topics as they were when the epoch was last looked at: name, id, number of partitions.
    metadata: BTreeMap<StrBytes, (Uuid, i32)>,
    /// The topics' version that `metadata` is of.
    metadata_version: u64,
}

/// What a consumer group is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    Assigning,
    Reconciling,
    Stable,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

impl ConsumerGroup {
    /// A group as the first heartbeat finds it.
    ///
    /// On 4.3.1 the first member that names topics joins at epoch 2, one without a subscription, or with a regular
    /// expression that is yet to be resolved, at epoch 1; and that one does not count as an assignment made.
    pub(crate) fn new(id: StrBytes) -> Self {
        Self {
            id,
            epoch: 1,
            assignment_epoch: 1,
            assigned_at: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            target: BTreeMap::new(),
            regexes: BTreeMap::new(),
            metadata: BTreeMap::new(),
            metadata_version: 0,
        }
    }

    pub(crate) fn state(&self) -> State {
        if self.members.is_empty() {
            State::Empty
        } else if self.epoch > self.assignment_epoch {
            State::Assigning
        } else if self.members.values().any(|member| !member.is_reconciled_to(self.assignment_epoch)) {
            State::Reconciling
        } else {
            State::Stable
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.members.values().any(|member| member.topics.iter().any(|name| name.as_str() == topic))
            || self.regexes.values().any(|resolved| resolved.topics.iter().any(|name| name.as_str() == topic))
    }

    /// The partitions that a member wants to have one day.
    fn target_of(&self, member: &str) -> Target {
        self.target
            .iter()
            .find(|(id, _)| id.as_str() == member)
            .map(|(_, target)| target.clone())
            .unwrap_or_default()
    }

    /// Puts a member in, in place of one of the same id.
    fn put(&mut self, member: Member) {
        if let Some(instance) = &member.instance {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out, with its target. Its topics and regular expressions no longer count.
    fn remove(&mut self, id: &StrBytes) -> Option<Member> {
        let member = self.members.remove(id)?;
        self.target.remove(id);
        if let Some(instance) = &member.instance
            && self.static_members.get(instance) == Some(id)
        {
            self.static_members.remove(instance);
        }
        self.drop_unused_regexes();
        Some(member)
    }

    /// The topics that a member is subscribed to, by name and by regular expression, as far as they exist.
    fn topic_ids(&self, member: &Member, topics: &dyn Topics) -> BTreeSet<Uuid> {
        self.topic_names(member)
            .iter()
            .filter_map(|name| topics.by_name(name.as_str()))
            .map(|(id, _)| id)
            .collect()
    }

    fn topic_names(&self, member: &Member) -> BTreeSet<StrBytes> {
        let mut names = member.topics.clone();
        if let Some(resolved) = member.regex.as_ref().and_then(|regex| self.regexes.get(regex)) {
            names.extend(resolved.topics.iter().cloned());
        }
        names
    }

    /// Another coordinator takes over. Everything is written down; only the timers are not.
    ///
    /// Kafka: `GroupMetadataManager.onLoaded`.
    pub(crate) fn reload(&self, env: &mut Env) {
        for member in self.members.values() {
            heartbeat::schedule_session(env, &self.id, &member.id, env.config.consumer_session_timeout);
            if member.state == MemberState::Unrevoked {
                let at = env.now.saturating_add(member.rebalance_timeout);
                let (group, id, epoch) = (self.id.clone(), member.id.clone(), member.epoch);
                let timer = Timer::Rebalance(group.clone(), id.clone());
                env.timers.schedule(timer, at, Action::FenceAtEpoch { group, member: id, epoch });
            }
        }
    }
}
