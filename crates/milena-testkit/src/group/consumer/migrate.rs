//! From a classic group to a consumer group and back, while members are in it (KIP-848's online migration).

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;

use super::super::call::{Env, Topics};
use super::super::classic::{CONSUMER, ClassicGroup, Member as ClassicMember};
use super::super::embedded;
use super::heartbeat::schedule_session;
use super::{ClassicPart, ConsumerGroup, Member, Target};
use crate::error_code::ErrorCode;

impl ConsumerGroup {
    /// Kafka: `convertToConsumerGroup`, `ConsumerGroup.fromClassicGroup`. `Err`: the members speak something that cannot be
    /// read, and the group stays what it is.
    pub(crate) fn from_classic(
        env: &mut Env,
        topics: &dyn Topics,
        classic: &mut ClassicGroup,
    ) -> Result<Self, ErrorCode> {
        let mut group = Self::new(classic.id.clone());
        group.epoch = classic.generation;
        group.assignment_epoch = classic.generation;
        let protocol = classic.protocol_name.clone().unwrap_or_default();
        for old in &classic.members {
            let metadata = old.metadata(protocol.as_str()).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
            let subscription = embedded::subscription(metadata).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
            let assignment = embedded::assignment(&old.assignment).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
            if assignment.user_data {
                // A custom assignor's notes would be lost.
                return Err(ErrorCode::GROUP_ID_NOT_FOUND);
            }
            let mut member = Member::new(old.id.clone());
            member.instance = old.instance.clone();
            member.rack = subscription.rack.clone();
            member.client_id = old.client_id.clone();
            member.client_host = old.client_host.clone();
            member.epoch = classic.generation;
            member.previous_epoch = classic.generation;
            member.rebalance_timeout = old.rebalance_timeout;
            member.topics = subscription.topics.iter().cloned().collect();
            member.classic =
                Some(ClassicPart { session_timeout: old.session_timeout, protocols: old.protocols.clone() });
            let mut target = Target::new();
            for (topic, partitions) in &assignment.partitions {
                if let Some((id, _)) = topics.by_name(topic.as_str()) {
                    target.extend(partitions.iter().map(|&partition| (id, partition)));
                }
            }
            member.assigned = target.iter().map(|&partition| (partition, classic.generation)).collect();
            group.target.insert(old.id.clone(), target);
            group.put(member);
        }
        // Whoever waits is sent to join again, and will find the new group.
        classic.answer_all_joins(env, ErrorCode::REBALANCE_IN_PROGRESS);
        classic.answer_all_syncs(env, ErrorCode::REBALANCE_IN_PROGRESS);
        env.timers.cancel_where(|timer| timer.is_of(classic.id.as_str()));
        for member in &classic.members {
            schedule_session(env, &group.id, &member.id, member.session_timeout);
        }
        Ok(group)
    }

    /// Whether only classic members would be left without these (Kafka: `validateOnlineDowngradeWithFencedMembers`).
    pub(crate) fn may_become_classic(&self, env: &Env, without: &[StrBytes]) -> bool {
        let mut rest = self.members.values().filter(|member| !without.contains(&member.id)).peekable();
        env.config.migration.downgrades()
            && rest.peek().is_some()
            && self.members.values().any(|member| member.classic.is_none())
            && rest.all(|member| member.classic.is_some())
            && self.members.len().saturating_sub(without.len()) <= env.config.max_size
    }

    /// Whether there are but classic members, and a classic group may come of it (Kafka:
    /// `validateOnlineDowngradeWithReplacedMember`).
    pub(crate) fn is_all_classic(&self, env: &Env) -> bool {
        env.config.migration.downgrades()
            && self.members.len() <= env.config.max_size
            && self.members.values().all(|member| member.classic.is_some())
    }

    /// Kafka: `convertToClassicGroup`, `ClassicGroup.fromConsumerGroup`.
    pub(crate) fn to_classic(
        &self,
        env: &mut Env,
        topics: &dyn Topics,
        without: &[StrBytes],
    ) -> ClassicGroup {
        let mut names: BTreeMap<&StrBytes, embedded::NamedPartitions> = BTreeMap::new();
        let members: Vec<ClassicMember> = self
            .members
            .values()
            .filter(|member| !without.contains(&member.id))
            .filter_map(|member| {
                let classic = member.classic.as_ref()?;
                names.insert(&member.id, named(&self.target_of(member.id.as_str()), topics));
                Some(ClassicMember {
                    id: member.id.clone(),
                    instance: member.instance.clone(),
                    client_id: member.client_id.clone(),
                    client_host: member.client_host.clone(),
                    rebalance_timeout: member.rebalance_timeout,
                    session_timeout: classic.session_timeout,
                    protocol_type: StrBytes::from_static_str(CONSUMER),
                    protocols: classic.protocols.clone(),
                    assignment: Bytes::new(),
                    join: None,
                    join_version: 0,
                    sync: None,
                    is_new: false,
                })
            })
            .collect();
        env.timers.cancel_where(|timer| timer.is_of(self.id.as_str()));
        let mut group = ClassicGroup::stable(self.id.clone(), env.now, self.epoch, members);
        group.protocol_name = group.select_protocol();
        let protocol = group.protocol_name.clone().unwrap_or_default();
        for member in &mut group.members {
            let version = member
                .metadata(protocol.as_str())
                .and_then(embedded::subscription)
                .map_or(0, |subscription| subscription.version);
            let partitions = names.remove(&member.id).unwrap_or_default();
            member.assignment = embedded::write_assignment(version, &partitions);
        }
        group.settle();
        for id in group.members.iter().map(|member| member.id.clone()).collect::<Vec<_>>() {
            group.touch(env, id.as_str());
        }
        group
    }
}

/// Partitions by topic name, without topics that are gone.
pub(super) fn named(target: &Target, topics: &dyn Topics) -> embedded::NamedPartitions {
    super::heartbeat::by_topic(target.iter().copied())
        .into_iter()
        .filter_map(|(id, partitions)| topics.by_id(id).map(|(name, _)| (name, partitions)))
        .collect()
}
