//! A group of the classic protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
//!
//! Ground truth: `GroupMetadataManager.classicGroup*` and `ClassicGroup` of Kafka's module `group-coordinator`. Kept from
//! it: the five states and who may pass where, the two-step join (KIP-394), timers of pending members, sessions, joins and
//! syncs, static members (KIP-345) with KIP-814's `skipAssignment`, votes for a protocol, a generation that grows by one per
//! completed join. Left out: authorization, quotas, metrics.

mod join;
mod leave;
mod member;
mod rebalance;
mod sync;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;

pub(crate) use self::member::Member;
use super::call::{Action, Answer, Env, Timer};
use super::{Now, embedded};
use crate::error_code::ErrorCode;

/// The protocol type of consumers.
pub(crate) const CONSUMER: &str = "consumer";

/// Where a classic group is in its round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No members. The group may hold offsets.
    Empty,
    /// Members are asked to join again.
    PreparingRebalance,
    /// Every member has joined; the leader's assignment is awaited.
    CompletingRebalance,
    /// Every member has, or may fetch, its assignment.
    Stable,
    /// Deleted.
    Dead,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// A classic group.
#[derive(Clone, Debug)]
pub(crate) struct ClassicGroup {
    pub(crate) id: StrBytes,
    pub(crate) state: State,
    previous: State,
    pub(crate) state_since: Now,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<StrBytes>,
    pub(crate) protocol_name: Option<StrBytes>,
    pub(crate) leader: Option<StrBytes>,
    // In the order of joining. Kafka's is a hash map: where it takes «the first», any member is as good.
    pub(crate) members: Vec<Member>,
    static_members: BTreeMap<StrBytes, StrBytes>,
    /// KIP-394: ids given out, whose owners have not come back yet.
    pending: BTreeSet<StrBytes>,
    pending_sync: BTreeSet<StrBytes>,
    new_member_added: bool,
    pub(crate) subscribed: Option<BTreeSet<StrBytes>>,
    /// What the last written group record says: what another coordinator would load.
    written: Option<Box<ClassicGroup>>,
}

impl ClassicGroup {
    pub(crate) fn new(id: StrBytes, now: Now) -> Self {
        Self {
            id,
            state: State::Empty,
            previous: State::Dead,
            state_since: now,
            generation: 0,
            protocol_type: None,
            protocol_name: None,
            leader: None,
            members: Vec::new(),
            static_members: BTreeMap::new(),
            pending: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            new_member_added: false,
            subscribed: None,
            written: None,
        }
    }

    /// A stable group made out of a consumer group's classic members.
    pub(crate) fn stable(id: StrBytes, now: Now, generation: i32, members: Vec<Member>) -> Self {
        let mut group = Self::new(id, now);
        group.generation = generation;
        group.state = State::Stable;
        for member in members {
            group.add(member);
        }
        group
    }

    /// Chooses the protocol, once a converted group has all its members.
    pub(crate) fn settle(&mut self) {
        self.protocol_name = self.select_protocol();
        self.subscribed = self.compute_subscribed();
        self.write_record();
    }

    pub(crate) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    pub(crate) fn member(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.id.as_str() == id)
    }

    pub(crate) fn member_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id.as_str() == id)
    }

    fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    fn all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.iter().all(|member| member.join.is_some())
    }

    /// The longest of the members' rebalance timeouts.
    fn rebalance_timeout(&self) -> Now {
        self.members.iter().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    fn transition(&mut self, now: Now, state: State) {
        self.previous = self.state;
        self.state = state;
        self.state_since = now;
    }

    /// Kafka: `ClassicGroup.add`.
    pub(crate) fn add(&mut self, member: Member) {
        if let Some(instance) = &member.instance {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
        if self.members.is_empty() {
            self.protocol_type = Some(member.protocol_type.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        self.pending.remove(&member.id);
        self.members.push(member);
    }

    /// Kafka: `ClassicGroup.remove`. The leader's place goes to whoever is there.
    fn remove(&mut self, id: &str) -> Option<Member> {
        let at = self.members.iter().position(|member| member.id.as_str() == id);
        let removed = at.map(|at| self.members.remove(at));
        if let Some(instance) = removed.as_ref().and_then(|member| member.instance.as_ref()) {
            self.static_members.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.members.first().map(|member| member.id.clone());
        }
        self.pending.retain(|pending| pending.as_str() != id);
        self.pending_sync.retain(|pending| pending.as_str() != id);
        removed
    }

    /// How many members could use a protocol.
    fn supporters(&self, protocol: &str) -> usize {
        self.members.iter().filter(|member| member.metadata(protocol).is_some()).count()
    }

    /// Kafka: `ClassicGroup.supportsProtocols`.
    fn supports<'a>(&self, protocol_type: &str, mut names: impl Iterator<Item = &'a str>) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && names.next().is_some();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && names.any(|name| self.supporters(name) == self.members.len())
    }

    /// The protocol with the most votes: each member votes for the first on its list that every member has.
    ///
    /// A tie goes the way of Java's `HashMap<String, Integer>`: the first in the order of its buckets.
    pub(crate) fn select_protocol(&self) -> Option<StrBytes> {
        let mut votes: Vec<(StrBytes, usize)> = Vec::new();
        for member in &self.members {
            let vote = member
                .protocols
                .iter()
                .map(|(name, _)| name)
                .find(|name| self.supporters(name.as_str()) == self.members.len())?;
            match votes.iter_mut().find(|(name, _)| name == vote) {
                Some((_, count)) => *count += 1,
                None => votes.push((vote.clone(), 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max()?;
        votes
            .into_iter()
            .filter(|(_, count)| *count == most)
            .min_by_key(|(name, _)| java_bucket(name.as_str()))
            .map(|(name, _)| name)
    }

    /// The topics that members want, as far as they speak the consumers' embedded protocol.
    pub(crate) fn compute_subscribed(&self) -> Option<BTreeSet<StrBytes>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol_name.as_ref()?;
        let mut topics = BTreeSet::new();
        for member in &self.members {
            topics.extend(embedded::subscription(member.metadata(protocol.as_str())?)?.topics);
        }
        Some(topics)
    }

    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.iter().any(|name| name.as_str() == topic),
            None => self.uses_consumer_protocol(),
        }
    }

    /// Remembers the state as the log has it (Kafka: a `GroupMetadata` record is appended).
    fn write_record(&mut self) {
        self.written = None;
        let mut copy = self.clone();
        copy.pending.clear();
        copy.pending_sync.clear();
        copy.new_member_added = false;
        for member in &mut copy.members {
            member.join = None;
            member.sync = None;
            member.is_new = false;
        }
        copy.state = if copy.members.is_empty() { State::Empty } else { State::Stable };
        self.written = Some(Box::new(copy));
    }

    /// A new group without members is written down at once, so that its offsets have a group to belong to.
    pub(crate) fn write_if_new(&mut self) {
        if self.written.is_none() && self.state == State::Empty {
            self.write_record();
        }
    }

    /// The coordinator moves: whoever waits is told so, and the group goes back to what the log says.
    ///
    /// Kafka: `GroupMetadataManager.onUnloaded` and `onLoaded`. `None`: nothing of the group was ever written.
    pub(crate) fn reload(mut self, env: &mut Env) -> Option<Self> {
        self.answer_all_joins(env, ErrorCode::NOT_COORDINATOR);
        self.answer_all_syncs(env, ErrorCode::NOT_COORDINATOR);
        env.timers.cancel_where(|timer| timer.is_of(self.id.as_str()));
        let mut loaded = *self.written.take()?;
        loaded.write_record();
        for member in &loaded.members {
            loaded.schedule_session(env, member, member.session_timeout);
        }
        Some(loaded)
    }

    pub(crate) fn answer_all_joins(&mut self, env: &mut Env, error: ErrorCode) {
        for member in &mut self.members {
            let answer = join_error(member.id.clone(), error);
            member.answer_join(env, answer);
        }
    }

    pub(crate) fn answer_all_syncs(&mut self, env: &mut Env, error: ErrorCode) {
        for member in &mut self.members {
            if let Some(waiter) = member.sync.take() {
                env.outbox.push((waiter, Answer::Sync(sync_error(error))));
            }
        }
    }

    /// Kafka: `ClassicGroup.currentClassicGroupMembers`.
    fn roster(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        self.members
            .iter()
            .map(|member| {
                JoinGroupResponseMember::default()
                    .with_member_id(member.id.clone())
                    .with_group_instance_id(member.instance.clone())
                    .with_metadata(member.metadata(protocol).cloned().unwrap_or_default())
            })
            .collect()
    }

    /// The answer that tells a member the current generation; the leader also gets the roster.
    fn joined(&self, member: &str) -> JoinGroupResponse {
        JoinGroupResponse::default()
            .with_generation_id(self.generation)
            .with_protocol_type(self.protocol_type.clone())
            .with_protocol_name(self.protocol_name.clone())
            .with_leader(self.leader.clone().unwrap_or_default())
            .with_member_id(StrBytes::from_string(member.to_owned()))
            .with_members(if self.is_leader(member) { self.roster() } else { Vec::new() })
    }

    fn schedule_session(&self, env: &mut Env, member: &Member, timeout: Now) {
        schedule_member(env, &self.id, &member.id, timeout);
    }

    /// A sign of life. Kafka: `rescheduleClassicGroupMemberHeartbeat`.
    pub(crate) fn touch(&self, env: &mut Env, member: &str) {
        if let Some(member) = self.member(member) {
            self.schedule_session(env, member, member.session_timeout);
        }
    }

    pub(crate) fn describe(&self) -> DescribedGroup {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let stable = self.state == State::Stable;
        let members = self.members.iter().map(|member| {
            DescribedGroupMember::default()
                .with_member_id(member.id.clone())
                .with_group_instance_id(member.instance.clone())
                .with_client_id(StrBytes::from_string(member.client_id.clone()))
                .with_client_host(StrBytes::from_string(member.client_host.clone()))
                .with_member_assignment(member.assignment.clone())
                .with_member_metadata(match member.metadata(protocol) {
                    Some(metadata) if stable => metadata.clone(),
                    _ => Bytes::new(),
                })
        });
        DescribedGroup::default()
            .with_group_id(self.id.clone().into())
            .with_group_state(StrBytes::from_static_str(self.state.name()))
            .with_protocol_type(self.protocol_type.clone().unwrap_or_default())
            .with_protocol_data(if stable {
                self.protocol_name.clone().unwrap_or_default()
            } else {
                StrBytes::new()
            })
            .with_members(members.collect())
    }
}

/// Starts the timer behind which a member, or a pending member, is gone.
fn schedule_member(env: &mut Env, group: &StrBytes, member: &StrBytes, timeout: Now) {
    let at = env.now.saturating_add(timeout);
    let action = Action::ExpireClassic { group: group.clone(), member: member.clone() };
    env.timers.schedule(Timer::Member(group.clone(), member.clone()), at, action);
}

pub(crate) fn join_error(member: StrBytes, error: ErrorCode) -> JoinGroupResponse {
    let answer = JoinGroupResponse::default().with_member_id(member).with_protocol_name(None);
    answer.with_error_code(error.0)
}

/// Before v7 the protocol's name cannot be absent (Java: `JoinGroupResponse`).
pub(crate) fn in_version(mut answer: JoinGroupResponse, version: i16) -> JoinGroupResponse {
    if version < 7 && answer.protocol_name.is_none() {
        answer.protocol_name = Some(StrBytes::new());
    }
    answer
}

pub(crate) fn sync_error(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(error.0)
}

/// The bucket of a string in a `java.util.HashMap` of the smallest size.
fn java_bucket(text: &str) -> u32 {
    let hash = text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    (hash ^ (hash >> 16)) & 15
}
