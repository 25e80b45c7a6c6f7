//! AddPartitionsToTxn (24), versions 0 to 5.
//!
//! Java: `KafkaApis.handleAddPartitionsToTxnRequest`. Kept: one partition that does not exist fails the others with
//! OPERATION_NOT_ATTEMPTED; as from v4, which brokers use, several transactions, and verification instead of adding.

use std::collections::BTreeSet;

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;
use crate::txn::{self, NamedPartition, Producer};

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: AddPartitionsToTxnRequest,
    version: i16,
) -> Reply<AddPartitionsToTxnResponse> {
    if version < 4 {
        let producer = (request.v3_and_below_producer_id.0, request.v3_and_below_producer_epoch);
        let topics = &request.v3_and_below_topics;
        let id = request.v3_and_below_transactional_id.as_str();
        let results = add(ctx, id, producer, topics, false, version);
        return Reply::Now(AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results));
    }
    let results = request.transactions.iter().map(|transaction| {
        let producer = (transaction.producer_id.0, transaction.producer_epoch);
        let id = transaction.transactional_id.as_str();
        let results = add(ctx, id, producer, &transaction.topics, transaction.verify_only, version);
        AddPartitionsToTxnResult::default()
            .with_transactional_id(transaction.transactional_id.clone())
            .with_topic_results(results)
    });
    Reply::Now(AddPartitionsToTxnResponse::default().with_results_by_transaction(results.collect()))
}

fn add(
    ctx: &mut Ctx<'_>,
    id: &str,
    producer: Producer,
    topics: &[AddPartitionsToTxnTopic],
    verify: bool,
    version: i16,
) -> Vec<AddPartitionsToTxnTopicResult> {
    if let Err(error) = txn::check_coordinator(ctx, id) {
        return results(topics, |_, _| error);
    }
    let refused = |topic: &str, index: i32| -> Option<ErrorCode> {
        let unknown = ctx.cluster.partition(topic, index).is_none();
        ctx.injected(topic, index).or(unknown.then_some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
    };
    let partitions: BTreeSet<NamedPartition> = topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|&index| (topic.name.to_string(), index)))
        .collect();
    // Each partition is asked once: an injected error counts its uses.
    let refusals: Vec<(NamedPartition, Option<ErrorCode>)> =
        partitions.iter().map(|partition| (partition.clone(), refused(&partition.0, partition.1))).collect();
    let refusal_of = |topic: &str, index: i32| {
        let found = refusals.iter().find(|((name, at), _)| name == topic && *at == index);
        found.and_then(|(_, refusal)| *refusal)
    };
    if refusals.iter().any(|(_, refusal)| refusal.is_some()) {
        return results(topics, |topic, index| {
            refusal_of(topic, index).unwrap_or(ErrorCode::OPERATION_NOT_ATTEMPTED)
        });
    }
    let fenced = |error: ErrorCode| match error {
        // Older clients do not know PRODUCER_FENCED.
        ErrorCode::PRODUCER_FENCED if version < 2 => ErrorCode::INVALID_PRODUCER_EPOCH,
        error => error,
    };
    if verify {
        return results(topics, |topic, index| {
            let verified = txn::call(ctx, |txns| txns.verify(id, producer, &(topic.to_owned(), index)));
            verified.err().unwrap_or(ErrorCode::NONE)
        });
    }
    let added = txn::call(ctx, |txns| txns.add_partitions(id, producer, partitions));
    let error = added.err().map_or(ErrorCode::NONE, fenced);
    results(topics, |_, _| error)
}

fn results(
    topics: &[AddPartitionsToTxnTopic],
    mut code: impl FnMut(&str, i32) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let topics = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|&index| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(index)
                .with_partition_error_code(code(topic.name.as_str(), index).0)
        });
        let partitions = partitions.collect();
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions)
    });
    topics.collect()
}

pub(crate) fn failed(
    request: &AddPartitionsToTxnRequest,
    version: i16,
    error: ErrorCode,
) -> AddPartitionsToTxnResponse {
    if version >= 4 {
        return AddPartitionsToTxnResponse::default().with_error_code(error.0);
    }
    let results = results(&request.v3_and_below_topics, |_, _| error);
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results)
}
