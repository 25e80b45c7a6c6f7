//! Creating topics.

use std::collections::BTreeMap;

use proto::types::{BrokerId, TopicId};
use proto::wire::{
    CreateTopicsRequest, CreateTopicsResponse, CreatedTopic, ErrorCode, MetadataRequest, MetadataTopic,
};

use super::to_controller::{is_elsewhere, millis, refusal};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};

/// A topic to create.
///
/// ```
/// use milena_client::NewTopic;
///
/// let topic = NewTopic::new("orders").partitions(12).replication_factor(3).config("retention.ms", "-1");
/// assert_eq!(topic.name(), "orders");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "it creates nothing by itself"]
pub struct NewTopic(proto::wire::NewTopic);

impl NewTopic {
    /// With as many partitions and copies as the brokers are configured for. Brokers before 2.4 have no such default
    /// (KIP-464) and must be told both.
    pub fn new(name: impl Into<String>) -> Self {
        Self(proto::wire::NewTopic {
            name: name.into(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
        })
    }

    /// How many partitions.
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.0.num_partitions = partitions;
        self
    }

    /// How many copies of each partition.
    pub fn replication_factor(mut self, copies: i16) -> Self {
        self.0.replication_factor = copies;
        self
    }

    /// Sets one of the topic's properties, such as `cleanup.policy`.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.configs.push((name.into(), Some(value.into())));
        self
    }

    /// Says which brokers hold each partition, the preferred leader first. Then the number of partitions and of copies
    /// must not be said.
    pub fn placement(mut self, partitions: impl IntoIterator<Item = Vec<BrokerId>>) -> Self {
        self.0.assignments = (0..).zip(partitions).collect();
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl Client {
    /// Creates topics; says of each in turn what became of it. It may take a moment until every broker knows of them.
    ///
    /// An id is [`TopicId::ZERO`] where the cluster does not say (before 2.8).
    ///
    /// # Errors
    /// No controller took the request in time. After a lost answer the topics may exist all the same; a
    /// TOPIC_ALREADY_EXISTS of one topic may then be this call's own doing.
    ///
    /// # Cancel safety
    /// The topics may be created all the same.
    pub async fn create_topics(
        &self,
        topics: impl IntoIterator<Item = NewTopic>,
    ) -> Result<Vec<(String, Result<TopicId>)>> {
        let topics: Vec<_> = topics.into_iter().map(|NewTopic(topic)| topic).collect();
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        let timeout_ms = millis(self.config().request_timeout());
        let request = CreateTopicsRequest { topics, timeout_ms, validate_only: false };
        let mut answers =
            self.call_controller(&request, by_name).await.map_err(|error| error.doing("creating topics"))?;
        let outcome = |name: String| {
            let outcome = match answers.remove(&name) {
                Some(CreatedTopic { id, error, .. }) if error.is_ok() => Ok(id),
                Some(CreatedTopic { error, error_message, .. }) => Err(refusal(error, error_message, &name)),
                None => {
                    Err(Error::new(ErrorKind::Malformed).topic(&name).message("the answer leaves it out"))
                }
            };
            (name, outcome.map_err(|error| error.doing("creating a topic")))
        };
        Ok(names.into_iter().map(outcome).collect())
    }

    /// Creates a topic and waits until every live broker knows a leader of each partition, so that whoever is asked next
    /// can work with it.
    ///
    /// # Errors
    /// As [`create_topics`](Self::create_topics), or a broker has not heard of it in time: then the topic exists.
    ///
    /// # Cancel safety
    /// The topic may be created all the same.
    pub async fn create_topic(&self, topic: NewTopic) -> Result<TopicId> {
        let name = topic.name().to_owned();
        for (_, outcome) in self.create_topics([topic]).await? {
            outcome?;
        }
        self.await_topic(&name).await.map_err(|error| error.topic(&name).doing("waiting for news of a topic"))
    }

    /// Until all brokers name a leader for each partition.
    async fn await_topic(&self, name: &str) -> Result<TopicId> {
        self.retrying(|| async {
            let request =
                MetadataRequest { topics: Some(vec![name.to_owned()]), allow_auto_topic_creation: false };
            let brokers: Vec<BrokerId> =
                self.metadata().view(|view| view.brokers().map(|(id, _)| id).collect());
            let mut id = TopicId::ZERO;
            for broker in brokers {
                let answer = self.call_broker(broker, &request).await?;
                let topic = answer.topics.into_iter().find(|topic| topic.name.as_deref() == Some(name));
                let error = topic.as_ref().map_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, not_ready);
                if !error.is_ok() {
                    return Err(Error::broker(error));
                }
                id = topic.map_or(TopicId::ZERO, |topic| topic.id);
            }
            Ok(id)
        })
        .await
    }
}

/// What keeps a topic from being used, or NONE.
fn not_ready(topic: &MetadataTopic) -> ErrorCode {
    if !topic.error.is_ok() {
        return topic.error;
    }
    let led =
        |partition: &proto::wire::MetadataPartition| partition.error.is_ok() && partition.leader.is_some();
    if topic.partitions.is_empty() || !topic.partitions.iter().all(led) {
        return ErrorCode::LEADER_NOT_AVAILABLE;
    }
    ErrorCode::NONE
}

fn by_name(answer: CreateTopicsResponse) -> Result<BTreeMap<String, CreatedTopic>> {
    match answer.topics.iter().find(|topic| is_elsewhere(topic.error)) {
        Some(topic) => Err(Error::broker(topic.error)),
        None => Ok(answer.topics.into_iter().map(|topic| (topic.name.clone(), topic)).collect()),
    }
}
