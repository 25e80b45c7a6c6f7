//! What ConsumerGroupDescribe says of a group.

use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member as DescribedMember, TopicPartitions,
};
use kafka_protocol::protocol::StrBytes;

use super::super::call::Topics;
use super::heartbeat::by_topic;
use super::{ConsumerGroup, IdPartition, Target};

impl ConsumerGroup {
    /// Kafka: `ConsumerGroup.asDescribedGroup`.
    pub(crate) fn describe(&self, topics: &dyn Topics) -> DescribedGroup {
        let members = self.members.values().map(|member| {
            let target = self.target_of(member.id.as_str());
            // What it has been told to give up is still its own.
            let held: Target = member.assigned.keys().chain(member.revoking.keys()).copied().collect();
            DescribedMember::default()
                .with_member_id(member.id.clone())
                .with_instance_id(member.instance.clone())
                .with_rack_id(member.rack.clone())
                .with_member_epoch(member.epoch)
                .with_client_id(StrBytes::from_string(member.client_id.clone()))
                .with_client_host(StrBytes::from_string(member.client_host.clone()))
                .with_subscribed_topic_names(member.topics.iter().cloned().map(TopicName).collect())
                .with_subscribed_topic_regex(Some(member.regex.clone().unwrap_or_default()))
                .with_assignment(assignment(held.into_iter(), topics))
                .with_target_assignment(assignment(target.into_iter(), topics))
                // 0: classic, 1: consumer.
                .with_member_type(i8::from(member.classic.is_none()))
        });
        DescribedGroup::default()
            .with_group_id(self.id.clone().into())
            .with_group_state(StrBytes::from_static_str(self.state().name()))
            .with_group_epoch(self.epoch)
            .with_assignment_epoch(self.assignment_epoch)
            .with_assignor_name(StrBytes::from_static_str(self.assignor()))
            .with_members(members.collect())
    }
}

/// Partitions of topics that are gone are left out.
fn assignment(partitions: impl Iterator<Item = IdPartition>, topics: &dyn Topics) -> Assignment {
    let known = by_topic(partitions).into_iter().filter_map(|(id, partitions)| {
        let (name, _) = topics.by_id(id)?;
        let entry = TopicPartitions::default().with_topic_id(id).with_topic_name(TopicName(name));
        Some(entry.with_partitions(partitions))
    });
    Assignment::default().with_topic_partitions(known.collect())
}
