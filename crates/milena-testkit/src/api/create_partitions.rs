//! CreatePartitions (37), versions 0 to 3.
//!
//! Java: `ReplicationControlManager.createPartitions`. Kept: only more partitions, never fewer or as many; assignments for exactly
//! the new ones; a name twice in one request is INVALID_REQUEST; `validate_only`.

use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::cluster::ChangeError;
use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: CreatePartitionsRequest,
    _version: i16,
) -> Reply<CreatePartitionsResponse> {
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let mut results: Vec<CreatePartitionsTopicResult> = Vec::new();
    for topic in request.topics {
        if results.iter().any(|known| known.name == topic.name) {
            continue;
        }
        let is_twice = names.iter().filter(|name| **name == topic.name).count() > 1;
        let assignments: Option<Vec<_>> = topic
            .assignments
            .map(|assignments| assignments.into_iter().map(|assignment| assignment.broker_ids).collect());
        let outcome = match ctx.injected(&topic.name, -1) {
            Some(code) => Err(ChangeError { code, message: code.to_string() }),
            None if is_twice => Err(ChangeError {
                code: ErrorCode::INVALID_REQUEST,
                message: "Duplicate topic name.".to_owned(),
            }),
            None => {
                let (count, check) = (topic.count, request.validate_only);
                ctx.cluster.create_partitions(&topic.name, count, assignments.as_deref(), check)
            }
        };
        let answer = CreatePartitionsTopicResult::default().with_name(topic.name);
        results.push(match outcome {
            Ok(()) => answer,
            Err(error) => answer
                .with_error_code(error.code.0)
                .with_error_message(Some(StrBytes::from_string(error.message))),
        });
    }
    Reply::Now(CreatePartitionsResponse::default().with_results(results))
}
