//! `milena topics`: which topics there are, what they look like, new ones and no more of some.

use std::collections::BTreeMap;

use client::{
    BrokerId, Client, IsolationLevel, NewTopic, OffsetSpec, PartitionDescription, TopicDescription,
    TopicPartition,
};
use serde_json::{Value, json};

use crate::args::{TableFormat, TopicsArgs, TopicsCommand};
use crate::failure::Failure;
use crate::output::{Sink, Table, or_dash};

/// Does one thing with topics.
///
/// # Errors
/// The cluster cannot be reached, or refuses; a topic is missing, or there already. What can be done is done all the same.
pub(crate) async fn run(args: TopicsArgs) -> Result<(), Failure> {
    let client = Client::connect(args.connection.client()?).await?;
    let mut sink = Sink::stdout().map_err(Failure::writing)?;
    match args.command {
        TopicsCommand::List { internal, format } => list(&client, &mut sink, internal, format).await?,
        TopicsCommand::Describe { topics, format } => describe(&client, &mut sink, topics, format).await?,
        TopicsCommand::Create { topics, partitions, replication_factor, configs } => {
            let topics = topics.into_iter().map(|name| {
                let mut topic = NewTopic::new(name);
                if let Some(partitions) = partitions {
                    topic = topic.partitions(partitions);
                }
                if let Some(copies) = replication_factor {
                    topic = topic.replication_factor(copies);
                }
                configs.iter().fold(topic, |topic, (key, value)| topic.config(key, value))
            });
            all(client.create_topics(topics).await?)?;
        }
        TopicsCommand::Delete { topics } => all(client.delete_topics(topics).await?)?,
    }
    sink.flush().map_err(Failure::writing)
}

async fn list(client: &Client, sink: &mut Sink, internal: bool, format: TableFormat) -> Result<(), Failure> {
    let mut topics = client.list_topics().await?;
    topics.retain(|topic| internal || !topic.is_internal);
    match format {
        TableFormat::Json => {
            let topic = |topic: &TopicDescription| {
                json!({
                    "topic": &*topic.name,
                    "id": topic_id(topic),
                    "internal": topic.is_internal,
                    "partitions": topic.partitions.len(),
                    "replication_factor": replication_factor(topic),
                })
            };
            sink.json(&Value::from_iter(topics.iter().map(topic)));
        }
        TableFormat::Table => {
            let mut table = Table::new(&["TOPIC", "#PARTITIONS", "#REPLICAS"]);
            for topic in &topics {
                let copies = replication_factor(topic);
                table.row([topic.name.to_string(), topic.partitions.len().to_string(), or_dash(copies)]);
            }
            table.write(sink.buffer());
        }
    }
    Ok(())
}

async fn describe(
    client: &Client,
    sink: &mut Sink,
    names: Vec<String>,
    format: TableFormat,
) -> Result<(), Failure> {
    let mut topics = Vec::new();
    let mut refused = None;
    for (name, topic) in client.describe_topics(names).await? {
        match topic {
            Ok(topic) => topics.push(topic),
            Err(error) => refused = refused.or(Some(named(&name, error))),
        }
    }
    let led = topics.iter().flat_map(|topic| {
        let led = topic.partitions.iter().filter(|partition| partition.leader.is_some());
        led.map(|partition| TopicPartition::new(topic.name.clone(), partition.partition))
    });
    let led: Vec<_> = led.collect();
    let starts =
        client.list_offsets(led.clone(), OffsetSpec::Earliest, IsolationLevel::ReadUncommitted).await?;
    let ends = client.list_offsets(led, OffsetSpec::Latest, IsolationLevel::ReadUncommitted).await?;
    let offsets = Offsets { starts, ends };
    match format {
        TableFormat::Json => sink.json(&Value::from_iter(topics.iter().map(|topic| offsets.topic(topic)))),
        TableFormat::Table => {
            for (index, topic) in topics.iter().enumerate() {
                if index > 0 {
                    sink.buffer().push(b'\n');
                }
                offsets.write(sink, topic);
            }
        }
    }
    match refused {
        None => Ok(()),
        Some(failure) => {
            sink.flush().map_err(Failure::writing)?;
            Err(failure)
        }
    }
}

/// Where partitions begin and end.
struct Offsets {
    starts: BTreeMap<TopicPartition, i64>,
    ends: BTreeMap<TopicPartition, i64>,
}

impl Offsets {
    fn of(&self, topic: &TopicDescription, partition: &PartitionDescription) -> (Option<i64>, Option<i64>) {
        let tp = TopicPartition::new(topic.name.clone(), partition.partition);
        (self.starts.get(&tp).copied(), self.ends.get(&tp).copied())
    }

    fn topic(&self, topic: &TopicDescription) -> Value {
        let numbers = |brokers: &[BrokerId]| Value::from_iter(brokers.iter().map(|broker| broker.0));
        let partition = |partition: &PartitionDescription| {
            let (start, end) = self.of(topic, partition);
            json!({
                "partition": partition.partition,
                "leader": partition.leader.map(|leader| leader.0),
                "leader_epoch": partition.leader_epoch.map(|epoch| epoch.0),
                "replicas": numbers(&partition.replicas),
                "isr": numbers(&partition.isr),
                "offline": numbers(&partition.offline),
                "start_offset": start,
                "end_offset": end,
            })
        };
        json!({
            "topic": &*topic.name,
            "id": topic_id(topic),
            "internal": topic.is_internal,
            "partitions": Value::from_iter(topic.partitions.iter().map(partition)),
        })
    }

    fn write(&self, sink: &mut Sink, topic: &TopicDescription) {
        let mut head = Table::new(&["TOPIC", "ID", "#PARTITIONS", "#REPLICAS"]);
        let count = topic.partitions.len().to_string();
        head.row([
            topic.name.to_string(),
            or_dash(topic_id(topic)),
            count,
            or_dash(replication_factor(topic)),
        ]);
        head.write(sink.buffer());
        sink.buffer().push(b'\n');
        let mut table =
            Table::new(&["#PARTITION", "#LEADER", "#EPOCH", "REPLICAS", "ISR", "OFFLINE", "#START", "#END"]);
        for partition in &topic.partitions {
            let (start, end) = self.of(topic, partition);
            table.row([
                partition.partition.to_string(),
                or_dash(partition.leader),
                or_dash(partition.leader_epoch.map(|epoch| epoch.0)),
                listed(&partition.replicas),
                listed(&partition.isr),
                listed(&partition.offline),
                or_dash(start),
                or_dash(end),
            ]);
        }
        table.write(sink.buffer());
    }
}

/// What became of each topic; the first refusal is the command's.
fn all<T>(outcomes: Vec<(String, client::Result<T>)>) -> Result<(), Failure> {
    let refused = outcomes.into_iter().filter_map(|(name, outcome)| Some(named(&name, outcome.err()?)));
    let mut refused: Vec<Failure> = refused.collect();
    match refused.len() {
        0 => Ok(()),
        1 => Err(refused.remove(0)),
        count => Err(Failure::runtime(format!(
            "{}; and {} more topics were refused",
            refused.remove(0),
            count - 1
        ))),
    }
}

/// Names the topic, unless the error does.
fn named(name: &str, error: client::Error) -> Failure {
    let text = error.to_string();
    if text.contains(name) {
        Failure::runtime(text)
    } else {
        Failure::runtime(format!("topic {name}: {text}"))
    }
}

fn topic_id(topic: &TopicDescription) -> Option<String> {
    (!topic.id.is_zero()).then(|| topic.id.to_string())
}

/// Of the first partition: only while partitions are moved there are others.
fn replication_factor(topic: &TopicDescription) -> Option<usize> {
    topic.partitions.first().map(|partition| partition.replicas.len())
}

fn listed(brokers: &[BrokerId]) -> String {
    if brokers.is_empty() {
        return "-".to_owned();
    }
    brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
