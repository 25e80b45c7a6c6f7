//! CreateTopics (19), versions 2 to 7.
//!
//! Java: `ReplicationControlManager.createTopics`. Kept: the checks of names, counts, factors, assignments and settings with their
//! codes; a name twice in one request is INVALID_REQUEST; `validate_only`; what was created is described from version 5 on. Any
//! broker takes it, as with KRaft, where it forwards to the controller.

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;

use super::describe_configs::{Described, topic_configs};
use crate::cluster::{ChangeError, NewTopic};
use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: CreateTopicsRequest,
    _version: i16,
) -> Reply<CreateTopicsResponse> {
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let mut results = Vec::new();
    for topic in request.topics {
        let answer = CreatableTopicResult::default()
            .with_name(topic.name.clone())
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_configs(Some(Vec::new()));
        let is_twice = names.iter().filter(|name| **name == topic.name).count() > 1;
        let outcome = match ctx.injected(&topic.name, -1) {
            Some(code) => Err(ChangeError { code, message: code.to_string() }),
            None if is_twice => Err(ChangeError {
                code: ErrorCode::INVALID_REQUEST,
                message: "Duplicate topic name.".to_owned(),
            }),
            None => create(ctx, &topic, request.validate_only),
        };
        match outcome {
            Ok(created) => results.push(created),
            // Once, however often it is there.
            Err(_) if results.iter().any(|known: &CreatableTopicResult| known.name == topic.name) => {}
            Err(error) => results.push(
                answer
                    .with_error_code(error.code.0)
                    .with_error_message(Some(StrBytes::from_string(error.message))),
            ),
        }
    }
    Reply::Now(CreateTopicsResponse::default().with_topics(results))
}

fn create(
    ctx: &mut Ctx<'_>,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<CreatableTopicResult, ChangeError> {
    let new = NewTopic {
        name: topic.name.to_string(),
        partitions: Some(topic.num_partitions),
        replication: Some(topic.replication_factor),
        assignments: topic.assignments.iter().map(|a| (a.partition_index, a.broker_ids.clone())).collect(),
        config: topic
            .configs
            .iter()
            .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())))
            .collect(),
    };
    let replicas = ctx.cluster.check_new_topic(&new)?;
    let mut answer = CreatableTopicResult::default()
        .with_name(topic.name.clone())
        .with_num_partitions(replicas.len() as i32)
        .with_replication_factor(replicas.first().map_or(0, |replicas| replicas.len() as i16));
    if !validate_only {
        answer.topic_id = ctx.cluster.create_topic(&new)?;
    }
    let configs = topic_configs(&ctx.cluster, &new.config).into_iter().map(
        |Described { name, value, source, .. }| {
            CreatableTopicConfigs::default()
                .with_name(StrBytes::from_static_str(name))
                .with_value(Some(StrBytes::from_string(value)))
                .with_config_source(source)
        },
    );
    Ok(answer.with_configs(Some(configs.collect())))
}
