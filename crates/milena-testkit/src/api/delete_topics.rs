//! DeleteTopics (20), versions 1 to 6.
//!
//! Java: `ControllerApis.deleteTopics`. Kept: by name up to version 5, by name or id in 6; an unknown name is
//! UNKNOWN_TOPIC_OR_PARTITION, an unknown id UNKNOWN_TOPIC_ID; the topic's committed offsets go with it.

use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: DeleteTopicsRequest,
    version: i16,
) -> Reply<DeleteTopicsResponse> {
    let wanted: Vec<_> = if version >= 6 {
        request.topics
    } else {
        request
            .topic_names
            .into_iter()
            .map(|name| DeleteTopicState::default().with_name(Some(name)))
            .collect()
    };
    let responses = wanted.into_iter().map(|topic| delete(ctx, topic));
    Reply::Now(DeleteTopicsResponse::default().with_responses(responses.collect()))
}

fn delete(ctx: &mut Ctx<'_>, topic: DeleteTopicState) -> DeletableTopicResult {
    let (name, unknown) = match topic.name {
        Some(name) => (Some(name.to_string()), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        None => (ctx.cluster.name_of(topic.topic_id).map(str::to_owned), ErrorCode::UNKNOWN_TOPIC_ID),
    };
    let answer = DeletableTopicResult::default()
        .with_name(name.clone().map(|name| TopicName(StrBytes::from_string(name))))
        .with_topic_id(topic.topic_id);
    let outcome = match &name {
        None => Err(unknown),
        Some(name) => match ctx.injected(name, -1) {
            Some(code) => Err(code),
            None => ctx.cluster.delete_topic(name).map_err(|error| error.code),
        },
    };
    match outcome {
        Ok(id) => answer.with_topic_id(id),
        Err(code) => {
            let message = Some(StrBytes::from_string(code.to_string()));
            answer.with_error_code(code.0).with_error_message(message)
        }
    }
}
