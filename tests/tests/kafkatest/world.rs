//! What a scenario has: a cluster, clients, a topic and a group of its own.

use std::path::PathBuf;
use std::sync::Arc;

use client::Client;
use client::config::Properties;
use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::verifiable::{
    Consumers, Outcome, Producer, ProducerSettings, Settings, Subject, wait_until,
};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// What a cluster looks like. All have one controller in a process of its own but [`Shape::One`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One broker, with this `group.consumer.migration.policy`.
    One(&'static str),
    /// Two brokers.
    Two,
    /// Two brokers that compute assignments at once, as they did before 4.3.
    TwoUnbatched,
    /// Three brokers.
    Three,
}

impl Shape {
    pub(crate) fn options(self) -> Options {
        // Members of KIP-848 have the session that the broker says: 45 s by default, and a static one that stops cleanly
        // stays for so long.
        let options = Options::new(Version::NEWEST).property("group.consumer.session.timeout.ms", "10000");
        match self {
            Shape::One(policy) => options.property("group.consumer.migration.policy", policy).heap_mib(256),
            Shape::Two => options.nodes(2).controller_apart().heap_mib(256),
            Shape::TwoUnbatched => options
                .nodes(2)
                .controller_apart()
                .heap_mib(256)
                .property("group.consumer.min.assignment.interval.ms", "0")
                .property("group.consumer.assignment.interval.ms", "0"),
            Shape::Three => options.nodes(3).controller_apart().heap_mib(256),
        }
    }
}

/// Longest wait for one answer of an administrator.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(20);

/// What a scenario has.
pub(crate) struct World {
    pub(crate) kafka: Arc<Kafka>,
    pub(crate) subject: Subject,
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) directory: PathBuf,
    pub(crate) bounces: u32,
}

impl World {
    /// Creates the scenario's topic.
    pub(crate) async fn topic(
        &self,
        partitions: i32,
        replicas: i16,
        configs: &'static [(&str, &str)],
    ) -> Outcome {
        let topic = self.topic.clone();
        self.broker(move |kafka| kafka.create_topic(&topic, partitions, replicas, configs)).await
    }

    /// Does something with the cluster, which blocks.
    pub(crate) async fn broker<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Kafka) -> xtask::Result<T> + Send + 'static,
    ) -> Outcome<T> {
        let kafka = self.kafka.clone();
        let done = spawn_blocking(move || act(&kafka)).await.map_err(|error| error.to_string())?;
        done.map_err(|error| error.to_string())
    }

    /// Stops a broker cleanly and starts it again.
    pub(crate) async fn bounce(&self, node: i32) -> Outcome {
        self.broker(move |kafka| {
            kafka.stop(node)?;
            kafka.restart(node)
        })
        .await
    }

    /// Ends a broker, cleanly or not.
    pub(crate) async fn end_broker(&self, node: i32, clean: bool) -> Outcome {
        self.broker(move |kafka| if clean { kafka.stop(node) } else { kafka.kill(node) }).await
    }

    pub(crate) fn consumers(&self, count: usize, settings: Settings) -> Consumers {
        self.consumers_of(&self.group, count, settings)
    }

    pub(crate) fn consumers_of(&self, group: &str, count: usize, settings: Settings) -> Consumers {
        let bootstrap = self.kafka.bootstrap();
        Consumers::new(&self.subject, count, &bootstrap, &self.topic, group, self.directory.clone(), settings)
    }

    /// Starts a producer.
    pub(crate) fn producer(&self, settings: &ProducerSettings) -> Outcome<Producer> {
        Producer::start(&self.subject, &self.kafka.bootstrap(), &self.topic, &self.directory, settings)
    }

    /// An administrator that knows the brokers that live now.
    pub(crate) async fn admin(&self) -> Option<Client> {
        let pairs = [("bootstrap.servers", self.kafka.bootstrap())];
        let config = Properties::from_pairs(pairs).and_then(Properties::into_client).ok()?;
        Client::connect(config).await.ok()
    }

    /// Waits until the coordinator lists the group with this state, and of this type if one is named.
    pub(crate) async fn await_group(&self, state: Option<&str>, kind: Option<&str>) -> Outcome {
        let is = |wanted: Option<&str>, listed: &Option<String>| {
            wanted.is_none_or(|wanted| {
                listed.as_deref().is_some_and(|listed| listed.eq_ignore_ascii_case(wanted))
            })
        };
        let mut seen = None;
        for _ in 0..600 {
            let listed = async { self.admin().await?.list_groups().await.ok() };
            // A question that hangs is asked again, like one that fails.
            if let Ok(Some(groups)) = timeout(ANSWER, listed).await {
                let listed = groups.into_iter().find(|listed| listed.group == self.group);
                if listed
                    .as_ref()
                    .is_some_and(|listed| is(state, &listed.state) && is(kind, &listed.group_type))
                {
                    return Ok(());
                }
                seen = listed;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        Err(format!("the group is not {state:?} of type {kind:?} but {seen:?}"))
    }

    /// Brokers that are in sync with the leader of partition 0.
    pub(crate) async fn in_sync(&self) -> Option<Vec<i32>> {
        let described = self.admin().await?.describe_topics([self.topic.as_str()]).await.ok()?;
        let topic = described.into_iter().next()?.1.ok()?;
        let partition = topic.partitions.into_iter().find(|partition| partition.partition == 0)?;
        let mut brokers: Vec<i32> = partition.isr.iter().map(|broker| broker.0).collect();
        brokers.sort_unstable();
        Some(brokers)
    }

    /// Waits until exactly these are.
    pub(crate) async fn await_in_sync(&self, wanted: &[i32]) -> Outcome {
        let mut seen = None;
        for _ in 0..600 {
            seen = timeout(ANSWER, self.in_sync()).await.ok().flatten();
            if seen.as_deref() == Some(wanted) {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        Err(format!("in sync shall be {wanted:?}, and are {seen:?}"))
    }
}

/// Waits until so many have joined.
pub(crate) async fn await_members(consumers: &mut Consumers, count: usize) -> Outcome {
    consumers.until(&format!("{count} members have joined"), |all| all.joined() == count).await
}

/// Waits until all have.
pub(crate) async fn await_all_members(consumers: &mut Consumers) -> Outcome {
    let count = consumers.count();
    await_members(consumers, count).await
}

/// Waits until so many more records are read.
pub(crate) async fn await_consumed(consumers: &mut Consumers, more: u64) -> Outcome {
    let wanted = consumers.consumed() + more;
    consumers.until(&format!("{more} more records are read"), |all| all.consumed() >= wanted).await
}

/// Waits until the group rests and every partition has one owner.
pub(crate) async fn await_stabilized(world: &World, consumers: &mut Consumers, partitions: i32) -> Outcome {
    world.await_group(Some("stable"), None).await?;
    consumers.until("every partition has one owner", |all| all.is_shared(partitions)).await
}

/// Waits until so many have ended.
pub(crate) async fn await_dead(consumers: &mut Consumers, count: usize) -> Outcome {
    consumers.until(&format!("{count} have ended"), |all| all.dead() == count).await
}

/// Whether two numbers are the same.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    left: T,
    right: T,
    consumers: &Consumers,
) -> Outcome {
    match left == right {
        true => Ok(()),
        false => Err(format!("{what}: {left:?} and {right:?}\n{}", consumers.describe())),
    }
}

/// Nothing twice and nothing left out: what all of them read together is where the partition's reading has come to.
pub(crate) fn exactly_once(consumers: &Consumers) -> Outcome {
    same("position and records read", consumers.position(0), consumers.consumed() as i64, consumers)
}

/// The last commit is where the reading has come to.
pub(crate) fn all_committed(consumers: &Consumers) -> Outcome {
    same("last commit and position", consumers.committed(0), consumers.position(0), consumers)
}

/// Waits until nothing more is read: two looks a second apart see the same.
pub(crate) async fn await_quiet(consumers: &Consumers) -> Outcome {
    let mut last = (consumers.consumed(), tokio::time::Instant::now());
    wait_until("nothing more is read", || {
        let now = consumers.consumed();
        if now != last.0 {
            last = (now, tokio::time::Instant::now());
        }
        last.1.elapsed().as_millis() >= 1000
    })
    .await
}
