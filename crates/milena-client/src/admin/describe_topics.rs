//! What a broker knows of topics and of the cluster: asked for now, not what this client remembers.

use std::collections::BTreeMap;

use proto::types::{BrokerId, LeaderEpoch, TopicId, TopicName};
use proto::wire::{ErrorCode, MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic};

use crate::client::Client;
use crate::error::{Error, Result};

/// A topic.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TopicDescription {
    /// Its name.
    pub name: TopicName,
    /// Its id; [`TopicId::ZERO`] where the cluster has none (before 2.8).
    pub id: TopicId,
    /// Whether it is one of the brokers' own, as `__consumer_offsets`.
    pub is_internal: bool,
    /// Its partitions, in order.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition of a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PartitionDescription {
    /// Its number.
    pub partition: i32,
    /// Who leads it; `None` while nobody does.
    pub leader: Option<BrokerId>,
    /// In which epoch; `None` where the broker does not say.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Who holds a copy, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Whose copies are in sync.
    pub isr: Vec<BrokerId>,
    /// Whose copies are off line.
    pub offline: Vec<BrokerId>,
    /// What is wrong with it, or NONE.
    pub error: ErrorCode,
}

/// The cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ClusterDescription {
    /// What it calls itself.
    pub cluster_id: Option<String>,
    /// The controller. In KRaft mode any broker, which passes on what is for the controller.
    pub controller: Option<BrokerId>,
    /// The live brokers, in order.
    pub brokers: Vec<BrokerDescription>,
}

/// A live broker.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct BrokerDescription {
    /// Its number.
    pub id: BrokerId,
    /// The host it advertises.
    pub host: String,
    /// The port it advertises.
    pub port: i32,
    /// Its rack.
    pub rack: Option<String>,
}

impl Client {
    /// All topics that this client may describe, the brokers' own among them, in order. Topics that cannot be shown at the
    /// moment are left out.
    ///
    /// # Errors
    /// No broker answered in time.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn list_topics(&self) -> Result<Vec<TopicDescription>> {
        let answer = self.metadata_now(None).await.map_err(|error| error.doing("listing topics"))?;
        let mut topics: Vec<_> =
            answer.topics.into_iter().filter(|topic| topic.error.is_ok()).filter_map(describe).collect();
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(topics)
    }

    /// Describes topics, each in turn. One that is missing is asked for a few times: brokers learn of a new topic one
    /// after the other.
    ///
    /// # Errors
    /// No broker answered in time. Of a single topic: it does not exist, or may not be described.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn describe_topics<S: Into<TopicName>>(
        &self,
        topics: impl IntoIterator<Item = S>,
    ) -> Result<Vec<(TopicName, Result<TopicDescription>)>> {
        let names: Vec<TopicName> = topics.into_iter().map(Into::into).collect();
        let asked: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let mut backoff = self.backoff();
        let mut tries = 1;
        let mut found = loop {
            let answer = self
                .metadata_now(Some(asked.clone()))
                .await
                .map_err(|error| error.doing("describing topics"))?;
            let may_pass = answer.topics.iter().any(|topic| topic.error.is_retriable());
            if !may_pass || tries == TRIES_MAX {
                let named = |topic: MetadataTopic| Some((topic.name.clone()?, topic));
                break answer.topics.into_iter().filter_map(named).collect::<BTreeMap<_, _>>();
            }
            tries += 1;
            tokio::time::sleep(backoff.next_delay()).await;
        };
        let outcome = |name: TopicName| {
            let missing = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            let topic = found.remove(&*name);
            let error = topic.as_ref().map_or(missing, |topic| topic.error);
            let described = if error.is_ok() { topic.and_then(describe) } else { None };
            let error = if error.is_ok() { missing } else { error };
            let described =
                described.ok_or_else(|| Error::broker(error).topic(&name).doing("describing a topic"));
            (name, described)
        };
        Ok(names.into_iter().map(outcome).collect())
    }

    /// Describes the cluster.
    ///
    /// # Errors
    /// No broker answered in time.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription> {
        let answer = self
            .metadata_now(Some(Vec::new()))
            .await
            .map_err(|error| error.doing("describing the cluster"))?;
        let mut brokers: Vec<BrokerDescription> = answer
            .brokers
            .into_iter()
            .map(|broker| BrokerDescription {
                id: broker.id,
                host: broker.host,
                port: broker.port,
                rack: broker.rack,
            })
            .collect();
        brokers.sort_by_key(|broker| broker.id);
        Ok(ClusterDescription { cluster_id: answer.cluster_id, controller: answer.controller, brokers })
    }

    async fn metadata_now(&self, topics: Option<Vec<String>>) -> Result<MetadataResponse> {
        let request = MetadataRequest { topics, allow_auto_topic_creation: false };
        self.retrying(|| async {
            let answer = self.call_any(&request).await?;
            if answer.error.is_ok() { Ok(answer) } else { Err(Error::broker(answer.error)) }
        })
        .await
    }
}

fn describe(topic: MetadataTopic) -> Option<TopicDescription> {
    let partition = |partition: MetadataPartition| PartitionDescription {
        partition: partition.partition,
        leader: partition.leader,
        leader_epoch: partition.leader_epoch,
        replicas: partition.replicas,
        isr: partition.isr,
        offline: partition.offline,
        error: partition.error,
    };
    let mut partitions: Vec<_> = topic.partitions.into_iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.partition);
    let name = TopicName::from(topic.name?);
    Some(TopicDescription { name, id: topic.id, is_internal: topic.is_internal, partitions })
}

/// How often a missing topic is asked for: with the pauses in between, most of a second as configured by default.
const TRIES_MAX: u32 = 4;
