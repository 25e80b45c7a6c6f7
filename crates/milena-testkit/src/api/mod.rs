//! One file for each API: the versions it serves, what it keeps of the real broker's behaviour, and its handler.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod api_versions;
mod by_topic_id;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod coordinator_failure;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_topic_partitions;
mod end_txn;
mod failure;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod hint;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
pub(crate) mod sasl;
mod scram;
mod sync_group;
mod txn_check;
mod txn_offset_commit;
mod waiting;

use kafka_protocol::messages::{ApiKey, RequestKind, ResponseKind};

use crate::cluster::Settings;
use crate::ctx::{Ctx, Reply};

pub(crate) use api_versions::unsupported as unsupported_api_versions;
pub(crate) use by_topic_id::{applies as is_by_topic_id, decode as decode_by_topic_id};
pub(crate) use failure::{failure, set_throttle};
pub(crate) use waiting::{Waiting, handle_data_changed, handle_timeout};

/// The APIs: name, module of the handler, versions announced.
///
/// A handler is `fn handle(ctx: &mut Ctx<'_>, request: XRequest, version: i16) -> Reply<XResponse>`.
macro_rules! apis {
    ($($name:ident: $($module:ident)::+, $min:literal, $max:literal;)*) => {
        /// What ApiVersions announces: key, lowest and highest version.
        const APIS: &[(ApiKey, i16, i16)] = &[$((ApiKey::$name, $min, $max),)*];

        /// Hands a request to its API. What is not in the table, [`served`] has kept out.
        pub(crate) fn dispatch(ctx: &mut Ctx<'_>, request: RequestKind, version: i16) -> Reply<ResponseKind> {
            match request {
                $(RequestKind::$name(request) => $($module)::+::handle(ctx, request, version).map(Into::into),)*
                _ => Reply::Close,
            }
        }
    };
}

apis! {
    Produce: produce, 3, 13;
    Fetch: fetch, 4, 18;
    ListOffsets: list_offsets, 1, 11;
    Metadata: metadata, 0, 13;
    FindCoordinator: find_coordinator, 0, 6;
    SaslHandshake: sasl::handshake, 0, 1;
    ApiVersions: api_versions, 0, 4;
    OffsetCommit: offset_commit, 2, 10;
    OffsetFetch: offset_fetch, 1, 10;
    JoinGroup: join_group, 0, 9;
    Heartbeat: heartbeat, 0, 4;
    LeaveGroup: leave_group, 0, 5;
    SyncGroup: sync_group, 0, 5;
    DescribeGroups: describe_groups, 0, 6;
    ListGroups: list_groups, 0, 5;
    DeleteGroups: delete_groups, 0, 2;
    OffsetDelete: offset_delete, 0, 0;
    ConsumerGroupHeartbeat: consumer_group_heartbeat, 0, 1;
    ConsumerGroupDescribe: consumer_group_describe, 0, 1;
    InitProducerId: init_producer_id, 0, 5;
    AddPartitionsToTxn: add_partitions_to_txn, 0, 5;
    AddOffsetsToTxn: add_offsets_to_txn, 0, 4;
    EndTxn: end_txn, 0, 5;
    TxnOffsetCommit: txn_offset_commit, 0, 5;
    CreateTopics: create_topics, 2, 7;
    DeleteTopics: delete_topics, 1, 6;
    DeleteRecords: delete_records, 0, 2;
    OffsetForLeaderEpoch: offset_for_leader_epoch, 2, 4;
    DescribeConfigs: describe_configs, 1, 4;
    SaslAuthenticate: sasl::authenticate, 0, 2;
    CreatePartitions: create_partitions, 0, 3;
    DescribeCluster: describe_cluster, 0, 2;
    DescribeTopicPartitions: describe_topic_partitions, 0, 0;
}

/// The versions of an API that this cluster's brokers serve.
pub(crate) fn served(settings: &Settings, api: ApiKey) -> Option<(i16, i16)> {
    let (_, min, max) = APIS.iter().find(|(key, ..)| *key == api)?;
    if settings.missing_apis.contains(&(api as i16)) {
        return None;
    }
    let (lowest, highest) = settings.versions.get(&(api as i16)).copied().unwrap_or((*min, *max));
    Some((lowest.max(*min), highest.min(*max)))
}

/// The APIs that this cluster's brokers serve, with their versions, by key.
pub(crate) fn announced(settings: &Settings) -> Vec<(ApiKey, i16, i16)> {
    let mut apis: Vec<_> = APIS
        .iter()
        .filter_map(|(api, ..)| served(settings, *api).map(|(min, max)| (*api, min, max)))
        .collect();
    for (api, min, _) in &mut apis {
        if *api == ApiKey::Produce && *min == 3 {
            // Kafka 4 announces versions that it refuses: librdkafka looks at them to see what a broker can do.
            *min = 0;
        }
    }
    apis.sort_by_key(|(api, ..)| *api as i16);
    apis
}

/// The version that a message is read and written in. ListOffsets 11 (KIP-1023) looks like 10, which is as far as
/// kafka-protocol goes.
pub(crate) fn wire_version(api: ApiKey, version: i16) -> i16 {
    match (api, version) {
        (ApiKey::ListOffsets, 11) => 10,
        _ => version,
    }
}
