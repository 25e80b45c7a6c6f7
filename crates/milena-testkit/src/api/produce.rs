//! Produce (0), versions 3 to 13 (0 to 2 are announced, as Kafka 4 does for librdkafka's sake, and refused).
//!
//! Java: `KafkaApis.handleProduceRequest`, `ReplicaManager.appendRecords`, `UnifiedLog.append`. Kept: topic ids from version 13
//! on; idempotence (duplicates of the last five batches, gaps, old epochs); every check of a batch (`log/append.rs`);
//! `acks=all` waits for the replicas in sync, at most as long as the request says; too few of them refuse at once; `acks=0` is
//! never answered, and its errors close the connection; leader hints from version 10 on (KIP-951).

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use records::Batches;
use uuid::Uuid;

use super::hint::Hints;
use crate::cluster::{ClusterState, OFFSETS_TOPIC, TXN_TOPIC};
use crate::ctx::{ConnId, Ctx, Reply, ReplyTo, World};
use crate::error_code::ErrorCode;
use crate::log::{AppendInfo, AppendRules, Refusal, only_batch};

/// A produce whose records are in the log, and that waits for replicas.
#[derive(Debug)]
pub(crate) struct Produce {
    reply_to: ReplyTo,
    conn: ConnId,
    version: i16,
    deadline: Duration,
    parts: Vec<Part>,
}

/// What became of one partition's batch.
#[derive(Debug)]
struct Part {
    /// As the request names the topic.
    name: TopicName,
    id: Uuid,
    topic: String,
    partition: i32,
    outcome: Result<Appended, Failed>,
}

/// A batch that is not in the log.
#[derive(Debug)]
struct Failed {
    refusal: Refusal,
    /// That of the log which refused it, or -1.
    log_start_offset: i64,
}

impl<T: Into<Refusal>> From<T> for Failed {
    fn from(refusal: T) -> Self {
        Self { refusal: refusal.into(), log_start_offset: -1 }
    }
}

#[derive(Debug, Clone, Copy)]
struct Appended {
    info: AppendInfo,
    log_start_offset: i64,
    leader_epoch: i32,
}

pub(crate) fn handle(ctx: &mut Ctx<'_>, request: ProduceRequest, version: i16) -> Reply<ProduceResponse> {
    let acks = request.acks;
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let transactional_id = request.transactional_id.as_ref().map(|id| id.to_string());
    // Nobody is authorized to write into the transaction of nobody.
    let is_unauthorized = transactional_id.is_none() && has_transactional_records(&request);
    let mut parts = Vec::new();
    for topic in request.topic_data {
        let name = if version >= 13 {
            ctx.cluster.name_of(topic.topic_id).map(str::to_owned).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
        } else {
            Ok(topic.name.to_string())
        };
        for data in topic.partition_data {
            let records = data.records.unwrap_or_default();
            let asked = Asked { acks, version, transactional_id: transactional_id.as_deref() };
            let outcome = match &name {
                _ if is_unauthorized => Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED.into()),
                Err(code) => Err((*code).into()),
                Ok(name) => append(ctx, name, data.index, &records, asked),
            };
            parts.push(Part {
                name: topic.name.clone(),
                id: topic.topic_id,
                topic: name.clone().unwrap_or_default(),
                partition: data.index,
                outcome,
            });
        }
    }
    let produce =
        Produce { reply_to: ctx.reply_to, conn: ctx.conn, version, deadline: ctx.now + timeout, parts };
    if acks == 0 {
        let failed = produce.parts.iter().any(|part| part.outcome.is_err());
        return if failed { Reply::Close } else { Reply::Nothing };
    }
    if acks == -1 && produce.is_waiting(&ctx.cluster) {
        if !timeout.is_zero() {
            ctx.data.produces.insert(produce.reply_to, produce);
            return Reply::Later;
        }
        return Reply::Now(produce.timed_out(&ctx.cluster));
    }
    Reply::Now(produce.response(&ctx.cluster))
}

/// Java: `RequestUtils.hasTransactionalRecords`, which looks at the first batch of each partition.
fn has_transactional_records(request: &ProduceRequest) -> bool {
    let data = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let mut batches = data.filter_map(|data| Batches::new(data.records.clone()?).next()?.ok());
    batches.any(|batch| batch.is_transactional())
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    acks: i16,
    version: i16,
    transactional_id: Option<&'a str>,
}

fn append(
    ctx: &mut Ctx<'_>,
    topic: &str,
    partition: i32,
    records: &Bytes,
    asked: Asked<'_>,
) -> Result<Appended, Failed> {
    if let Some(code) = ctx.injected(topic, partition) {
        return Err(code.into());
    }
    if ctx.cluster.partition(topic, partition).is_none() {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into());
    }
    only_batch(records, asked.version)?;
    if !(-1..=1).contains(&asked.acks) {
        return Err(ErrorCode::INVALID_REQUIRED_ACKS.into());
    }
    if topic == OFFSETS_TOPIC || topic == TXN_TOPIC {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION.into());
    }
    let broker = ctx.broker;
    let rules = rules(&ctx.cluster, topic, asked.version, ctx.wall_ms());
    let min_isr = usize::try_from(ctx.cluster.topic_number(topic, "min.insync.replicas")).unwrap_or(1);
    let Some(state) = ctx.cluster.partition_mut(topic, partition) else {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into());
    };
    state.check(broker, -1, true)?;
    if asked.acks == -1 && state.isr.len() < min_isr {
        return Err(ErrorCode::NOT_ENOUGH_REPLICAS.into());
    }
    let leader_epoch = state.leader_epoch;
    super::txn_check::verify(ctx, asked.transactional_id, topic, partition, records, asked.version)?;
    let Some(state) = ctx.cluster.partition_mut(topic, partition) else {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into());
    };
    let log_start_offset = state.log.start_offset();
    let appended = state.log.append(records, &AppendRules { leader_epoch, ..rules });
    let info = appended.map_err(|refusal| {
        let says_start = tells_log_start(refusal.code);
        Failed { refusal, log_start_offset: if says_start { log_start_offset } else { -1 } }
    })?;
    ctx.cluster.touch(topic, partition);
    Ok(Appended { info, log_start_offset, leader_epoch })
}

fn rules(cluster: &ClusterState, topic: &str, produce_version: i16, now_ms: i64) -> AppendRules {
    AppendRules {
        produce_version,
        batch_bytes_max: usize::try_from(cluster.topic_number(topic, "max.message.bytes")).unwrap_or(0),
        is_compacted: cluster.topic_config(topic, "cleanup.policy").contains("compact"),
        log_append_time: cluster.topic_config(topic, "message.timestamp.type") == "LogAppendTime",
        timestamp_before_max_ms: cluster.topic_number(topic, "message.timestamp.before.max.ms"),
        timestamp_after_max_ms: cluster.topic_number(topic, "message.timestamp.after.max.ms"),
        now_ms,
        leader_epoch: 0,
    }
}

impl Produce {
    pub(crate) fn conn(&self) -> ConnId {
        self.conn
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Whether some replica in sync lacks some of it. Java: `DelayedProduce.tryComplete`.
    fn is_waiting(&self, cluster: &ClusterState) -> bool {
        self.parts.iter().any(|part| part.is_waiting(cluster))
    }

    fn timed_out(mut self, cluster: &ClusterState) -> ProduceResponse {
        for part in &mut self.parts {
            if part.is_waiting(cluster) {
                part.outcome = Err(ErrorCode::REQUEST_TIMED_OUT.into());
            }
        }
        self.response(cluster)
    }

    fn response(mut self, cluster: &ClusterState) -> ProduceResponse {
        let mut hints = Hints::default();
        let mut topics: Vec<TopicProduceResponse> = Vec::new();
        for part in &mut self.parts {
            part.notice_new_leader(cluster);
            let answer = part.answer(cluster, &mut hints, self.version);
            let is_same =
                topics.last().is_some_and(|last| last.name == part.name && last.topic_id == part.id);
            if !is_same {
                let name = part.name.clone();
                topics.push(TopicProduceResponse::default().with_name(name).with_topic_id(part.id));
            }
            if let Some(topic) = topics.last_mut() {
                topic.partition_responses.push(answer);
            }
        }
        ProduceResponse::default()
            .with_responses(topics)
            .with_node_endpoints(hints.produce_endpoints(cluster))
    }
}

impl Part {
    fn is_waiting(&self, cluster: &ClusterState) -> bool {
        let Ok(appended) = &self.outcome else { return false };
        cluster.partition(&self.topic, self.partition).is_some_and(|partition| {
            partition.leader_epoch == appended.leader_epoch
                && partition.high_watermark() <= appended.info.last_offset
        })
    }

    /// The leader went away before all replicas in sync had it: nobody can say whether it is there.
    fn notice_new_leader(&mut self, cluster: &ClusterState) {
        let Ok(appended) = &self.outcome else { return };
        let is_gone = cluster
            .partition(&self.topic, self.partition)
            .is_none_or(|partition| partition.leader_epoch != appended.leader_epoch);
        if is_gone {
            self.outcome = Err(ErrorCode::NOT_LEADER_OR_FOLLOWER.into());
        }
    }

    fn answer(&self, cluster: &ClusterState, hints: &mut Hints, version: i16) -> PartitionProduceResponse {
        let answer = PartitionProduceResponse::default().with_index(self.partition);
        let Failed { refusal, log_start_offset } = match &self.outcome {
            Ok(Appended { info, log_start_offset, .. }) => {
                return answer
                    .with_base_offset(info.first_offset)
                    .with_log_append_time_ms(info.log_append_time_ms)
                    .with_log_start_offset(*log_start_offset);
            }
            Err(failed) => failed,
        };
        let records = refusal.records.iter().map(|(index, why)| {
            let message = Some(StrBytes::from_string(why.clone()));
            BatchIndexAndErrorMessage::default()
                .with_batch_index(*index)
                .with_batch_index_error_message(message)
        });
        let leader = (version >= 10)
            .then(|| hints.find(cluster, &self.topic, self.partition, refusal.code))
            .flatten()
            .map(|(leader, epoch)| {
                LeaderIdAndEpoch::default().with_leader_id(leader).with_leader_epoch(epoch)
            });
        answer
            .with_error_code(refusal.code.0)
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(*log_start_offset)
            .with_record_errors(records.collect())
            .with_error_message(refusal.message.clone().map(StrBytes::from_string))
            .with_current_leader(leader.unwrap_or_default())
    }
}

/// Errors of the log whose answer has its start offset (Java: `ReplicaManager.appendToLocalLog`).
fn tells_log_start(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
            | ErrorCode::INVALID_PRODUCER_EPOCH
            | ErrorCode::INVALID_TXN_STATE
            | ErrorCode::INVALID_TIMESTAMP
            | ErrorCode::INVALID_RECORD
    )
}

/// Answers produces whose replicas have caught up, or that have waited long enough.
pub(crate) fn wake(world: &mut World) {
    let done: Vec<_> = world
        .data
        .produces
        .values()
        .filter(|produce| produce.deadline <= world.now || !produce.is_waiting(&world.cluster))
        .map(|produce| produce.reply_to)
        .collect();
    for reply_to in done {
        let Some(produce) = world.data.produces.remove(&reply_to) else { continue };
        let response = produce.timed_out(&world.cluster);
        world.answer(reply_to, response);
    }
}
