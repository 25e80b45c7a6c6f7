//! ListGroups, DescribeGroups, ConsumerGroupDescribe.

use kafka_protocol::messages::{
    consumer_group_describe_response, describe_groups_response, list_groups_response,
};
use kafka_protocol::protocol::StrBytes;

use super::call::Topics;
use super::classic::CONSUMER;
use super::{Group, Groups};
use crate::error_code::ErrorCode;

impl Groups {
    /// Kafka: `GroupMetadataManager.listGroups`. Filters are compared without case; an empty one lets all through.
    pub(crate) fn list(
        &self,
        states: &[StrBytes],
        types: &[StrBytes],
        mine: impl Fn(&str) -> bool,
    ) -> Vec<list_groups_response::ListedGroup> {
        let fits = |filter: &[StrBytes], value: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(value))
        };
        let listed = self.groups.iter().filter(|(id, _)| mine(id.as_str())).map(|(id, group)| {
            let (kind, protocol, state) = match group {
                Group::Classic(group) => {
                    ("classic", group.protocol_type.clone().unwrap_or_default(), group.state.name())
                }
                Group::Consumer(group) => {
                    ("consumer", StrBytes::from_static_str(CONSUMER), group.state().name())
                }
            };
            list_groups_response::ListedGroup::default()
                .with_group_id(id.clone().into())
                .with_protocol_type(protocol)
                .with_group_state(StrBytes::from_static_str(state))
                .with_group_type(StrBytes::from_static_str(kind))
        });
        listed
            .filter(|group| {
                fits(states, group.group_state.as_str()) && fits(types, group.group_type.as_str())
            })
            .collect()
    }

    /// Kafka: `GroupMetadataManager.describeGroups`. What is no classic group is dead; as from v6 it is an error.
    pub(crate) fn describe(&self, id: &StrBytes, version: i16) -> describe_groups_response::DescribedGroup {
        let message = match self.groups.get(id) {
            Some(Group::Classic(group)) => return group.describe(),
            Some(Group::Consumer(_)) => format!("Group {id} is not a classic group."),
            None => format!("Group {id} not found."),
        };
        let answer = describe_groups_response::DescribedGroup::default()
            .with_group_id(id.clone().into())
            .with_group_state(StrBytes::from_static_str("Dead"));
        if version < 6 {
            return answer;
        }
        answer
            .with_error_code(ErrorCode::GROUP_ID_NOT_FOUND.0)
            .with_error_message(Some(StrBytes::from_string(message)))
    }

    /// Kafka: `GroupMetadataManager.consumerGroupDescribe`.
    pub(crate) fn describe_consumer(
        &self,
        id: &StrBytes,
        topics: &dyn Topics,
    ) -> consumer_group_describe_response::DescribedGroup {
        let message = match self.groups.get(id) {
            Some(Group::Consumer(group)) => return group.describe(topics),
            Some(Group::Classic(_)) => format!("Group {id} is not a consumer group."),
            None => format!("Group {id} not found."),
        };
        consumer_group_describe_response::DescribedGroup::default()
            .with_group_id(id.clone().into())
            .with_error_code(ErrorCode::GROUP_ID_NOT_FOUND.0)
            .with_error_message(Some(StrBytes::from_string(message)))
    }
}
