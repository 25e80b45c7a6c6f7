//! ApiVersions and what admin tools ask.

use kafka_protocol::messages as kp;
use milena_proto::types::TopicId;
use milena_proto::wire::*;

use super::{Answer, option, string};
use crate::any::Any;

impl Answer for ApiVersionsRequest {
    type Theirs = kp::ApiVersionsResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let api = |any: &mut Any| {
            kp::api_versions_response::ApiVersion::default()
                .with_api_key(i16::try_from(any.unique()).unwrap())
                .with_min_version(any.i16())
                .with_max_version(any.i16())
        };
        let mut answer =
            kp::ApiVersionsResponse::default().with_error_code(any.i16()).with_api_keys(any.list(api));
        if answer.error_code == ErrorCode::UNSUPPORTED_VERSION.0 {
            // Comes in version 0's form: see `hostile`.
            answer.error_code = 0;
        }
        if version >= 1 {
            answer.throttle_time_ms = any.i32();
        }
        if version >= 3 {
            answer.supported_features = any.list(|any| {
                kp::api_versions_response::SupportedFeatureKey::default()
                    .with_name(any.unique_text())
                    .with_min_version(any.i16())
                    .with_max_version(any.i16())
            });
            answer.finalized_features_epoch = any.i64();
            answer.finalized_features = any
                .list(|any| kp::api_versions_response::FinalizedFeatureKey::default().with_name(any.text()));
            answer.zk_migration_ready = any.bool();
            answer.unknown_tagged_fields.extend(any.unknown_tags());
        }
        answer
    }

    fn ours(_: i16, theirs: Self::Theirs) -> ApiVersionsResponse {
        ApiVersionsResponse {
            error: ErrorCode(theirs.error_code),
            apis: theirs
                .api_keys
                .into_iter()
                .map(|api| (api.api_key, (api.min_version, api.max_version)))
                .collect(),
            supported_features: theirs
                .supported_features
                .into_iter()
                .map(|feature| (string(feature.name.as_str()), (feature.min_version, feature.max_version)))
                .collect(),
            throttle_time_ms: theirs.throttle_time_ms,
        }
    }
}

impl Answer for DescribeGroupsRequest {
    type Theirs = kp::DescribeGroupsResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let member = |any: &mut Any| {
            let mut member = kp::describe_groups_response::DescribedGroupMember::default()
                .with_member_id(any.text())
                .with_client_id(any.text())
                .with_client_host(any.text())
                .with_member_metadata(any.blob())
                .with_member_assignment(any.blob());
            if version >= 4 {
                member.group_instance_id = any.option(Any::text);
            }
            member
        };
        let group = |any: &mut Any| {
            let mut group = kp::describe_groups_response::DescribedGroup::default()
                .with_error_code(any.i16())
                .with_group_id(any.text().into())
                .with_group_state(any.text())
                .with_protocol_type(any.text())
                .with_protocol_data(any.text())
                .with_members(any.list(member));
            if version >= 3 {
                group.authorized_operations = any.i32();
            }
            if version >= 6 {
                group.error_message = any.option(Any::text);
            }
            group
        };
        let mut answer = kp::DescribeGroupsResponse::default().with_groups(any.list(group));
        if version >= 1 {
            answer.throttle_time_ms = any.i32();
        }
        answer
    }

    fn ours(_: i16, theirs: Self::Theirs) -> DescribeGroupsResponse {
        let member = |member: kp::describe_groups_response::DescribedGroupMember| DescribedMember {
            member_id: string(member.member_id.as_str()),
            group_instance_id: option(member.group_instance_id),
            client_id: string(member.client_id.as_str()),
            client_host: string(member.client_host.as_str()),
            metadata: member.member_metadata,
            assignment: member.member_assignment,
        };
        let group = |group: kp::describe_groups_response::DescribedGroup| DescribedGroup {
            error: ErrorCode(group.error_code),
            error_message: option(group.error_message),
            group_id: string(group.group_id.as_str()),
            state: string(group.group_state.as_str()),
            protocol_type: string(group.protocol_type.as_str()),
            protocol: string(group.protocol_data.as_str()),
            members: group.members.into_iter().map(member).collect(),
        };
        DescribeGroupsResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            groups: theirs.groups.into_iter().map(group).collect(),
        }
    }
}

impl Answer for ListGroupsRequest {
    type Theirs = kp::ListGroupsResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let group = |any: &mut Any| {
            let mut group = kp::list_groups_response::ListedGroup::default()
                .with_group_id(any.text().into())
                .with_protocol_type(any.text());
            if version >= 4 {
                group.group_state = any.text();
            }
            if version >= 5 {
                group.group_type = any.text();
            }
            group
        };
        let mut answer =
            kp::ListGroupsResponse::default().with_error_code(any.i16()).with_groups(any.list(group));
        if version >= 1 {
            answer.throttle_time_ms = any.i32();
        }
        answer
    }

    fn ours(version: i16, theirs: Self::Theirs) -> ListGroupsResponse {
        let group = |group: kp::list_groups_response::ListedGroup| ListedGroup {
            group_id: string(group.group_id.as_str()),
            protocol_type: string(group.protocol_type.as_str()),
            state: (version >= 4).then(|| string(group.group_state.as_str())),
            group_type: (version >= 5).then(|| string(group.group_type.as_str())),
        };
        ListGroupsResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            error: ErrorCode(theirs.error_code),
            groups: theirs.groups.into_iter().map(group).collect(),
        }
    }
}

impl Answer for CreateTopicsRequest {
    type Theirs = kp::CreateTopicsResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let config = |any: &mut Any| {
            kp::create_topics_response::CreatableTopicConfigs::default()
                .with_name(any.text())
                .with_value(any.option(Any::text))
                .with_read_only(any.bool())
                .with_is_sensitive(any.bool())
        };
        let topic = |any: &mut Any| {
            let mut topic = kp::create_topics_response::CreatableTopicResult::default()
                .with_name(any.text().into())
                .with_error_code(any.i16())
                .with_error_message(any.option(Any::text));
            if version >= 5 {
                topic.num_partitions = any.i32();
                topic.replication_factor = any.i16();
                topic.configs = any.option(|any| any.list(config));
                topic.topic_config_error_code = any.i16();
            }
            if version >= 7 {
                topic.topic_id = uuid::Uuid::from_bytes(any.topic_id().0);
            }
            topic
        };
        kp::CreateTopicsResponse::default().with_throttle_time_ms(any.i32()).with_topics(any.list(topic))
    }

    fn ours(_: i16, theirs: Self::Theirs) -> CreateTopicsResponse {
        let topic = |topic: kp::create_topics_response::CreatableTopicResult| CreatedTopic {
            name: string(topic.name.as_str()),
            id: TopicId(topic.topic_id.into_bytes()),
            error: ErrorCode(topic.error_code),
            error_message: option(topic.error_message),
        };
        CreateTopicsResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            topics: theirs.topics.into_iter().map(topic).collect(),
        }
    }
}

impl Answer for DeleteTopicsRequest {
    type Theirs = kp::DeleteTopicsResponse;

    fn random(version: i16, any: &mut Any) -> Self::Theirs {
        let topic = |any: &mut Any| {
            let mut topic = kp::delete_topics_response::DeletableTopicResult::default()
                .with_name(Some(any.text().into()))
                .with_error_code(any.i16());
            if version >= 5 {
                topic.error_message = any.option(Any::text);
            }
            if version >= 6 {
                topic.name = any.option(|any| any.text().into());
                topic.topic_id = uuid::Uuid::from_bytes(any.topic_id().0);
            }
            topic
        };
        kp::DeleteTopicsResponse::default().with_throttle_time_ms(any.i32()).with_responses(any.list(topic))
    }

    fn ours(_: i16, theirs: Self::Theirs) -> DeleteTopicsResponse {
        let topic = |topic: kp::delete_topics_response::DeletableTopicResult| DeletedTopic {
            name: topic.name.map(|name| string(name.as_str())),
            error: ErrorCode(topic.error_code),
            error_message: option(topic.error_message),
        };
        DeleteTopicsResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            topics: theirs.responses.into_iter().map(topic).collect(),
        }
    }
}

impl Answer for InitProducerIdRequest {
    type Theirs = kp::InitProducerIdResponse;

    fn random(_: i16, any: &mut Any) -> Self::Theirs {
        kp::InitProducerIdResponse::default()
            .with_throttle_time_ms(any.i32())
            .with_error_code(any.i16())
            .with_producer_id(any.i64().into())
            .with_producer_epoch(any.i16())
    }

    fn ours(_: i16, theirs: Self::Theirs) -> InitProducerIdResponse {
        InitProducerIdResponse {
            throttle_time_ms: theirs.throttle_time_ms,
            error: ErrorCode(theirs.error_code),
            producer_id: theirs.producer_id.0,
            producer_epoch: theirs.producer_epoch,
        }
    }
}
