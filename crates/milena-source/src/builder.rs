//! How a source is described.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use client::config::{Assignor, ConsumerConfig, FetchConfig, GroupConfig, IsolationLevel, Properties};
use client::consumer::{Consumer, OffsetStore, Subscription, TopicPattern};
use client::{Client, Connect, Error, OffsetSpec, Reset, Result, Start, TopicPartition};

use crate::source::Source;
use crate::until::{Ends, Until};

/// Describes a [`Source`]; [`build`](Self::build) makes it.
///
/// What has no setter here has a property: [`property`](Self::property) takes all names of Kafka's own consumer
/// configuration, and of Milena's.
#[derive(Clone, Debug)]
pub struct SourceBuilder {
    properties: BTreeMap<String, String>,
    config: Option<ConsumerConfig>,
    connect: Option<Arc<dyn Connect>>,
    topics: Vec<String>,
    pattern: Option<String>,
    remote_pattern: Option<String>,
    partitions: Vec<(String, i32, Option<Start>)>,
    start: Option<Start>,
    store: Option<Arc<dyn OffsetStore>>,
    until: Until,
}

impl SourceBuilder {
    pub(crate) fn new(bootstrap_servers: &str) -> Self {
        let properties = BTreeMap::from([("bootstrap.servers".to_owned(), bootstrap_servers.to_owned())]);
        Self {
            properties,
            config: None,
            connect: None,
            topics: Vec::new(),
            pattern: None,
            remote_pattern: None,
            partitions: Vec::new(),
            start: None,
            store: None,
            until: Until::Never,
        }
    }

    /// Sets one of Kafka's own consumer properties. A name or value that cannot be is an error of [`build`](Self::build).
    pub fn property(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.properties.insert(name.into(), value.to_string());
        self
    }

    /// Uses this configuration in place of all properties.
    pub fn config(mut self, config: ConsumerConfig) -> Self {
        self.config = Some(config);
        self
    }

    /// Reaches brokers over byte streams that `connect` opens, in place of TCP: an in-memory cluster, say.
    pub fn connect_over(mut self, connect: Arc<dyn Connect>) -> Self {
        self.connect = Some(connect);
        self
    }

    /// The consumer group to read as. Without one, everything is read by this source alone, and nothing is committed unless
    /// there is an [`offset_store`](Self::offset_store).
    pub fn group(self, group_id: impl Into<String>) -> Self {
        self.property("group.id", group_id.into())
    }

    /// Makes the member static (KIP-345): it keeps its partitions over a restart.
    pub fn group_instance_id(self, id: impl Into<String>) -> Self {
        self.property("group.instance.id", id.into())
    }

    /// How the group shares partitions, most wanted first. Default range, then cooperative-sticky, as Java's.
    pub fn assignors(self, assignors: impl IntoIterator<Item = Assignor>) -> Self {
        let names: Vec<_> = assignors.into_iter().map(Assignor::name).collect();
        self.property("partition.assignment.strategy", names.join(","))
    }

    /// The topics to read, shared with the other members of the group. Partitions that are added later are found.
    pub fn topics<T: Into<String>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.topics.extend(topics.into_iter().map(Into::into));
        self
    }

    /// All topics whose whole names match this regular expression ([`TopicPattern`]), now or later, shared with the other
    /// members of the group. The brokers' own topics are left out, unless `exclude.internal.topics` is false.
    pub fn topics_matching(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// All topics whose whole names match this regular expression in RE2's syntax, now or later, as the group's coordinator finds
    /// them ([`Subscription::RemotePattern`]): with `group.protocol=consumer` only.
    pub fn topics_found_by_the_coordinator(mut self, pattern: impl Into<String>) -> Self {
        self.remote_pattern = Some(pattern.into());
        self
    }

    /// The partitions to read, shared with nobody.
    pub fn partitions<T: Into<String>>(mut self, partitions: impl IntoIterator<Item = (T, i32)>) -> Self {
        let partitions = partitions.into_iter().map(|(topic, partition)| (topic.into(), partition, None));
        self.partitions.extend(partitions);
        self
    }

    /// Partitions to read, shared with nobody, and where each begins, whatever [`start`](Self::start) says.
    pub fn partitions_from<T: Into<String>>(
        mut self,
        partitions: impl IntoIterator<Item = (T, i32, Start)>,
    ) -> Self {
        let partitions =
            partitions.into_iter().map(|(topic, partition, start)| (topic.into(), partition, Some(start)));
        self.partitions.extend(partitions);
        self
    }

    /// Keeps offsets in a place of the program's own instead of the group's coordinator: read from there when a partition
    /// begins, and written there under the same rules as commits to Kafka.
    pub fn offset_store(mut self, store: impl OffsetStore + 'static) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Where to begin. For topics: where partitions begin that have no committed offset; an offset is none of these places.
    /// Default [`Start::Committed`] with a group or an offset store, else what `auto.offset.reset` says.
    ///
    /// Partitions, and matching topics, that appear later begin at their first record, wherever all others do
    /// (`milena.new.partitions`).
    pub fn start(mut self, start: Start) -> Self {
        self.start = Some(start);
        self
    }

    /// Where to end. Default never.
    pub fn until(mut self, until: Until) -> Self {
        self.until = until;
        self
    }

    /// What to see of transactions. Default read_uncommitted, as Java's.
    pub fn isolation(self, isolation: IsolationLevel) -> Self {
        let name = match isolation {
            IsolationLevel::ReadCommitted => "read_committed",
            IsolationLevel::ReadUncommitted => "read_uncommitted",
        };
        self.property("isolation.level", name)
    }

    /// Bytes that fetched data may hold in memory until the last slice of it is dropped. Default 64 MiB.
    pub fn budget_bytes(self, bytes: usize) -> Self {
        self.property("milena.budget.bytes", bytes)
    }

    /// Longest time between an acknowledgement and its commit. Default 5 s.
    pub fn commit_interval(self, interval: Duration) -> Self {
        self.property("auto.commit.interval.ms", interval.as_millis())
    }

    /// Connects, and begins to read.
    ///
    /// # Errors
    /// The configuration cannot be; no bootstrap server answers; a topic does not exist.
    ///
    /// # Cancel safety
    /// Nothing is left behind when it is dropped.
    pub async fn build(self) -> Result<Source> {
        let config = match self.config {
            Some(config) => config,
            None => Properties::from_pairs(self.properties)?.into_consumer()?,
        };
        let (client, fetch, group) = config.into_parts();
        let client = match self.connect {
            Some(connect) => Client::connect_over(client, connect).await?,
            None => Client::connect(client).await?,
        };
        let reset = Reset::from(fetch.offset_reset());
        let has_offsets = group.is_some() || self.store.is_some();
        let pattern = match (self.pattern, self.remote_pattern) {
            (None, None) => None,
            (Some(pattern), None) => Some(Subscription::Pattern(TopicPattern::new(&pattern)?)),
            (None, Some(pattern)) => Some(Subscription::RemotePattern(pattern)),
            (Some(_), Some(_)) => {
                return Err(Error::config(
                    "a pattern is the reader's to match, or the coordinator's: one of them",
                ));
            }
        };
        let subscription = match (self.topics.is_empty(), self.partitions.is_empty(), pattern) {
            (false, true, None) => Subscription::to(self.topics.iter().map(String::as_str)),
            (true, true, Some(pattern)) => pattern,
            (true, false, None) => {
                let begin = |start: Option<Start>| match start.or(self.start) {
                    Some(start) => Ok(start),
                    None if has_offsets => Ok(Start::Committed { otherwise: reset }),
                    None => begin_at(reset),
                };
                let partition = |(topic, number, start): &(String, i32, Option<Start>)| {
                    Ok((TopicPartition::new(topic.as_str(), *number), begin(*start)?))
                };
                Subscription::Partitions(self.partitions.iter().map(partition).collect::<Result<_>>()?)
            }
            (true, true, None) => {
                return Err(Error::config("a source needs topics or partitions to read"));
            }
            _ => {
                return Err(Error::config(
                    "a source reads topics, a pattern of topics, or partitions: one of them",
                ));
            }
        };
        let otherwise = match (&subscription, self.start) {
            (Subscription::Partitions(_), _) | (_, None) => reset,
            (_, Some(Start::Committed { .. })) if !has_offsets => {
                return Err(Error::config("without a group there are no committed offsets to begin at"));
            }
            (_, Some(start)) => otherwise(start)?,
        };
        let ends = ends(&client, &fetch, &subscription, self.until).await?;
        let consumer =
            Consumer::start_with(&client, &fetch, group.as_ref(), subscription, otherwise, self.store)
                .await?;
        let patience = group.as_ref().map_or(Duration::ZERO, GroupConfig::heartbeat_interval);
        Ok(Source::new(client, consumer, ends, self.until, patience))
    }
}

fn begin_at(reset: Reset) -> Result<Start> {
    match reset {
        Reset::Earliest => Ok(Start::Earliest),
        Reset::Latest => Ok(Start::Latest),
        Reset::Timestamp(ms) => Ok(Start::Timestamp(ms)),
        Reset::ByDuration(ago) => Ok(Start::ByDuration(ago)),
        Reset::None => Err(Error::config("`auto.offset.reset` is none: without a group, say where to start")),
    }
}

/// Where a group's partitions begin that it has no offset for.
fn otherwise(start: Start) -> Result<Reset> {
    match start {
        Start::Committed { otherwise } => Ok(otherwise),
        Start::Earliest => Ok(Reset::Earliest),
        Start::Latest => Ok(Reset::Latest),
        Start::Timestamp(ms) => Ok(Reset::Timestamp(ms)),
        Start::ByDuration(ago) => Ok(Reset::ByDuration(ago)),
        // Members come and go: an offset that each partition should begin at would be applied again by every new owner.
        Start::Offset(_) | Start::Tail(_) => {
            Err(Error::config("topics do not begin at an offset; name partitions to begin at one"))
        }
    }
}

async fn ends(
    client: &Client,
    fetch: &FetchConfig,
    subscription: &Subscription,
    until: Until,
) -> Result<Ends> {
    match until {
        Until::Never | Until::Count(_) => Ok(Ends::None),
        Until::Offset(offset) => Ok(Ends::Same(offset)),
        Until::Latest => {
            let partitions = match subscription {
                Subscription::Partitions(partitions) => partitions.iter().map(|(tp, _)| tp.clone()).collect(),
                Subscription::Topics(topics) => client.partitions_of(topics.iter().cloned()).await?,
                Subscription::RemotePattern(_) => {
                    return Err(Error::config(
                        "which topics a coordinator will find is not known before: such a read has no end of its own",
                    ));
                }
                Subscription::Pattern(pattern) => {
                    let topics = client.list_topics().await?;
                    let matched = topics.into_iter().filter(|topic| {
                        !(topic.is_internal && fetch.exclude_internal_topics())
                            && pattern.matches(&topic.name)
                    });
                    client.partitions_of(matched.map(|topic| topic.name)).await?
                }
            };
            let isolation = fetch.isolation();
            Ok(Ends::Each(client.list_offsets(partitions, OffsetSpec::Latest, isolation.into()).await?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reset_policy_says_where_to_begin_without_a_group_unless_it_is_none() {
        assert_eq!(begin_at(Reset::Earliest).unwrap(), Start::Earliest);
        assert_eq!(begin_at(Reset::Latest).unwrap(), Start::Latest);
        assert_eq!(begin_at(Reset::Timestamp(7)).unwrap(), Start::Timestamp(7));
        let ago = Duration::from_secs(60);
        assert_eq!(begin_at(Reset::ByDuration(ago)).unwrap(), Start::ByDuration(ago));
        assert!(begin_at(Reset::None).unwrap_err().to_string().contains("auto.offset.reset"));
    }

    #[test]
    fn the_topics_of_a_group_may_begin_anywhere_but_at_an_offset() {
        assert_eq!(otherwise(Start::Earliest).unwrap(), Reset::Earliest);
        assert_eq!(otherwise(Start::Latest).unwrap(), Reset::Latest);
        assert_eq!(otherwise(Start::Timestamp(7)).unwrap(), Reset::Timestamp(7));
        assert_eq!(otherwise(Start::Committed { otherwise: Reset::None }).unwrap(), Reset::None);
        for start in [Start::Offset(7), Start::Tail(7)] {
            assert!(otherwise(start).unwrap_err().to_string().contains("name partitions"), "{start:?}");
        }
    }

    #[test]
    fn a_setter_is_the_property_of_that_name() {
        let builder = Source::builder("a:1")
            .group("g")
            .group_instance_id("i")
            .assignors([Assignor::CooperativeSticky, Assignor::Range])
            .isolation(IsolationLevel::ReadCommitted)
            .budget_bytes(1 << 20)
            .commit_interval(Duration::from_millis(1500));
        let set: Vec<_> =
            builder.properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let wanted = [
            ("auto.commit.interval.ms", "1500"),
            ("bootstrap.servers", "a:1"),
            ("group.id", "g"),
            ("group.instance.id", "i"),
            ("isolation.level", "read_committed"),
            ("milena.budget.bytes", "1048576"),
            ("partition.assignment.strategy", "cooperative-sticky,range"),
        ];
        assert_eq!(set, wanted);
        assert!(Properties::from_pairs(builder.properties).and_then(Properties::into_consumer).is_ok());
    }
}
