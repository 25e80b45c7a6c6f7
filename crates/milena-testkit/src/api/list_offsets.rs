//! ListOffsets (2), versions 1 to 11.
//!
//! Java: `ReplicaManager.fetchOffset`, `Partition.fetchOffsetForTimestamp`. Kept: all special times (-1 latest, -2 earliest, -3 of
//! the greatest timestamp, -4 earliest local, -5 latest tiered, -6 earliest to be uploaded) from the version on that has them;
//! latest means the last stable offset for a committed reader; a new leader that has not caught up answers OFFSET_NOT_AVAILABLE;
//! duplicate partitions are INVALID_REQUEST. There is no tiered storage: local is all, -5 finds nothing.

use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use crate::cluster::{Isolation, Partition};
use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: ListOffsetsRequest,
    version: i16,
) -> Reply<ListOffsetsResponse> {
    let isolation = Isolation::from_wire(if version >= 2 { request.isolation_level } else { 0 });
    let mut topics = Vec::new();
    for topic in request.topics {
        let asked = &topic.partitions;
        let answers = asked.iter().map(|partition| {
            let number = partition.partition_index;
            let is_twice = asked.iter().filter(|other| other.partition_index == number).count() > 1;
            let found = if is_twice {
                Err(ErrorCode::INVALID_REQUEST)
            } else {
                find(ctx, &topic.name, partition, isolation, version)
            };
            answer(number, found, version)
        });
        let answers = answers.collect();
        topics.push(ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(answers));
    }
    Reply::Now(ListOffsetsResponse::default().with_topics(topics))
}

/// Timestamp, offset, leader epoch.
type Found = (i64, i64, i32);

fn find(
    ctx: &Ctx<'_>,
    topic: &str,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
    version: i16,
) -> Result<Found, ErrorCode> {
    if let Some(code) = ctx.injected(topic, asked.partition_index) {
        return Err(code);
    }
    let first_version = match asked.timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        time if time < EARLIEST_PENDING_UPLOAD => i16::MAX,
        _ => 1,
    };
    if version < first_version {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let partition = ctx.cluster.partition(topic, asked.partition_index);
    let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    partition.check(ctx.broker, asked.current_leader_epoch, true)?;
    let not_available =
        if version >= 5 { ErrorCode::OFFSET_NOT_AVAILABLE } else { ErrorCode::LEADER_NOT_AVAILABLE };
    let end = partition.last_fetchable(isolation);
    let found = match asked.timestamp {
        LATEST if partition.has_caught_up() => return Ok((-1, end, partition.leader_epoch)),
        LATEST => return Err(not_available),
        EARLIEST | EARLIEST_LOCAL | EARLIEST_PENDING_UPLOAD => return Ok(earliest(partition)),
        LATEST_TIERED => None,
        MAX_TIMESTAMP => partition.log.offset_of_max_timestamp(),
        time => partition.log.offset_for_time(time),
    };
    match found {
        Some(found) if found.offset < end => Ok((found.timestamp, found.offset, found.leader_epoch)),
        Some(_) if !partition.has_caught_up() => Err(not_available),
        _ => Ok((-1, -1, -1)),
    }
}

fn earliest(partition: &Partition) -> Found {
    let start = partition.log.start_offset();
    // The epoch of an empty log's start is that of its leader, as far as its cache knows one.
    (-1, start, partition.log.epochs().epoch_of(start).unwrap_or(-1))
}

fn answer(partition: i32, found: Result<Found, ErrorCode>, version: i16) -> ListOffsetsPartitionResponse {
    let answer = ListOffsetsPartitionResponse::default().with_partition_index(partition);
    match found {
        Ok((timestamp, offset, epoch)) => {
            let epoch = if version >= 4 { epoch } else { -1 };
            answer.with_timestamp(timestamp).with_offset(offset).with_leader_epoch(epoch)
        }
        Err(code) => answer.with_error_code(code.0).with_timestamp(-1).with_offset(-1).with_leader_epoch(-1),
    }
}

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;
