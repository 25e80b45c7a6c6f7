//! Timers, moves to another broker, and which group a request finds.

use kafka_protocol::protocol::StrBytes;

use super::call::{Action, Env, Timer, Topics};
use super::classic::{self, ClassicGroup};
use super::consumer::ConsumerGroup;
use super::offsets::ExpiresFrom;
use super::{Group, Groups, Now};
use crate::error_code::ErrorCode;

impl Groups {
    /// Does everything that is due.
    pub(super) fn run_timers(&mut self, topics: &dyn Topics) {
        while let Some((_, action)) = self.env.timers.pop_due(self.env.now) {
            self.run(action, topics);
        }
    }

    fn run(&mut self, action: Action, topics: &dyn Topics) {
        match action {
            Action::ExpireClassic { group, member } => {
                if let Some((group, env)) = self.classic(&group) {
                    group.expire_member(env, &member);
                }
            }
            Action::InitialJoin { group, delay, remaining } => {
                if let Some((group, env)) = self.classic(&group) {
                    group.initial_join_over(env, delay, remaining);
                }
            }
            Action::CompleteJoin { group } => {
                if let Some((group, env)) = self.classic(&group) {
                    group.complete_join(env);
                }
            }
            Action::ExpireSync { group, generation } => {
                if let Some((group, env)) = self.classic(&group) {
                    group.expire_sync(env, generation);
                }
            }
            Action::Fence { group, member } => self.fence(topics, &group, &[member]),
            Action::FenceAtEpoch { group, member, epoch } => {
                let at_epoch = matches!(self.groups.get(&group), Some(Group::Consumer(group))
                    if group.members.get(&member).is_some_and(|member| member.epoch == epoch));
                if at_epoch {
                    self.fence(topics, &group, &[member]);
                }
            }
            Action::CleanUpOffsets => self.clean_up(),
        }
    }

    /// A classic group and what it works with.
    pub(super) fn classic(&mut self, group: &StrBytes) -> Option<(&mut ClassicGroup, &mut Env)> {
        match self.groups.get_mut(group) {
            Some(Group::Classic(group)) => Some((group, &mut self.env)),
            _ => None,
        }
    }

    /// Takes members out of a consumer group, which becomes a classic one if only such members remain.
    ///
    /// Kafka: `consumerGroupFenceMembers`.
    pub(super) fn fence(&mut self, topics: &dyn Topics, id: &StrBytes, members: &[StrBytes]) {
        let Some(Group::Consumer(group)) = self.groups.get_mut(id) else { return };
        let members: Vec<StrBytes> =
            members.iter().filter(|member| group.members.contains_key(*member)).cloned().collect();
        if members.is_empty() {
            return;
        }
        if group.may_become_classic(&self.env, &members) {
            let mut classic = group.to_classic(&mut self.env, topics, &members);
            classic.prepare_rebalance(&mut self.env);
            self.groups.insert(id.clone(), Group::Classic(classic));
        } else {
            group.fence(&mut self.env, topics, self.topics_version, &members);
        }
    }

    /// The group has another coordinator: it knows what was written, and everybody's session begins anew.
    pub(super) fn reload(&mut self, id: &StrBytes) {
        match self.groups.remove(id) {
            None => {}
            Some(Group::Classic(group)) => {
                if let Some(group) = group.reload(&mut self.env) {
                    self.groups.insert(id.clone(), Group::Classic(group));
                } else if self.offsets.of_group(id).next().is_some() || self.offsets.has_open_transaction(id)
                {
                    // Offsets alone bring a group back into being.
                    let group = ClassicGroup::new(id.clone(), self.env.now);
                    self.groups.insert(id.clone(), Group::Classic(group));
                }
            }
            Some(Group::Consumer(group)) => {
                self.env.timers.cancel_where(|timer| timer.is_of(id.as_str()));
                group.reload(&mut self.env);
                self.groups.insert(id.clone(), Group::Consumer(group));
            }
        }
    }

    /// The consumer group that a heartbeat is for.
    ///
    /// Kafka: `getOrMaybeCreateConsumerGroup`. A classic group that is empty gives way; one with members is converted.
    pub(super) fn consumer_group(
        &mut self,
        topics: &dyn Topics,
        id: &StrBytes,
        create: bool,
    ) -> Result<&mut ConsumerGroup, (ErrorCode, String)> {
        let missing = |message: String| (ErrorCode::GROUP_ID_NOT_FOUND, message);
        let converted = match self.groups.get_mut(id) {
            None if create => Some(ConsumerGroup::new(id.clone())),
            None => return Err(missing(format!("Consumer group {id} not found."))),
            Some(Group::Consumer(_)) => None,
            Some(Group::Classic(classic)) if create && classic.state == classic::State::Empty => {
                self.env.timers.cancel_where(|timer| timer.is_of(id.as_str()));
                Some(ConsumerGroup::new(id.clone()))
            }
            Some(Group::Classic(_)) if !create => {
                return Err(missing(format!("Group {id} is not a consumer group.")));
            }
            Some(Group::Classic(classic)) => {
                let refuse = |why: &str| {
                    missing(format!("Cannot upgrade classic group {id} to consumer group because {why}."))
                };
                if !self.env.config.migration.upgrades() {
                    return Err(refuse("online upgrade is disabled"));
                }
                if !classic.uses_consumer_protocol() {
                    return Err(refuse("the group does not use the consumer embedded protocol"));
                }
                if classic.members.len() > self.env.config.consumer_max_size {
                    return Err(refuse("the group size exceeds the consumer group maximum size"));
                }
                let mut group = ConsumerGroup::from_classic(&mut self.env, topics, classic)
                    .map_err(|_| refuse("the embedded consumer protocol is malformed"))?;
                group.refresh_metadata(topics, self.topics_version);
                Some(group)
            }
        };
        if let Some(group) = converted {
            self.groups.insert(id.clone(), Group::Consumer(group));
        }
        match self.groups.get_mut(id) {
            Some(Group::Consumer(group)) => Ok(group),
            _ => Err(missing(format!("Group {id} is not a consumer group."))),
        }
    }

    /// Starts looking for expired offsets, once there are any.
    pub(super) fn schedule_clean_up(&mut self) {
        let at = self.env.now.saturating_add(self.env.config.offsets_retention_check_interval);
        self.env.timers.schedule_if_absent(Timer::CleanUp, at, Action::CleanUpOffsets);
    }

    /// Kafka: `GroupCoordinatorShard.cleanupGroupMetadata`. A group without members and offsets ceases to be.
    fn clean_up(&mut self) {
        let now = self.env.now;
        let ids: Vec<StrBytes> = self.groups.keys().cloned().collect();
        for id in ids {
            let Some(group) = self.groups.get(&id) else { continue };
            let nothing_left = self.offsets.expire(
                now,
                &id,
                self.env.config.offsets_retention,
                group.expires_from(),
                |topic| group.is_subscribed_to(topic),
            );
            if nothing_left && group.is_empty() {
                self.groups.remove(&id);
            }
        }
        if !self.offsets.is_empty() || !self.groups.is_empty() {
            self.schedule_clean_up();
        }
    }

    /// Removes a group's committed offsets at once, as if their retention were over.
    pub fn expire_offsets(&mut self, now: Now, group: &str) {
        self.offsets.expire_now(now, &StrBytes::from_string(group.to_owned()));
    }

    /// Removes a member, as if its session were over: it learns of it by the answer to whatever it sends next.
    ///
    /// False if there is no such member.
    pub(crate) fn expire_member(&mut self, topics: &dyn Topics, group: &str, member: &str) -> bool {
        let id = StrBytes::from_string(group.to_owned());
        let member = StrBytes::from_string(member.to_owned());
        match self.groups.get_mut(&id) {
            None => false,
            Some(Group::Classic(group)) => {
                let known = group.member(member.as_str()).is_some();
                group.expel(&mut self.env, &member);
                known
            }
            Some(Group::Consumer(group)) => {
                let known = group.members.contains_key(&member);
                self.fence(topics, &id, &[member]);
                known
            }
        }
    }
}

impl Group {
    fn is_empty(&self) -> bool {
        match self {
            Self::Classic(group) => group.state == classic::State::Empty,
            Self::Consumer(group) => group.is_empty(),
        }
    }

    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.is_subscribed_to(topic),
            Self::Consumer(group) => group.is_subscribed_to(topic),
        }
    }

    /// Kafka: `offsetExpirationCondition`.
    fn expires_from(&self) -> ExpiresFrom {
        match self {
            Self::Consumer(_) => ExpiresFrom::Commit,
            Self::Classic(group) => match group.state {
                _ if group.protocol_type.is_none() => ExpiresFrom::Commit,
                classic::State::Empty => ExpiresFrom::Emptied(group.state_since),
                classic::State::Stable if group.subscribed.is_some() => ExpiresFrom::Commit,
                _ => ExpiresFrom::Never,
            },
        }
    }
}
