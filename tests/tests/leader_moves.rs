//! Brokers of a cluster go and come back, one after the other, while a group reads: leaders move, and so does the group's
//! coordinator. For the group nothing happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Client;
use client::config::ClientConfig;
use milena_tests::fixture::crew::Crew;
use milena_tests::fixture::kafka::{Kafka, Options};
use milena_tests::fixture::load::Load;
use milena_tests::fixture::offsets_log::{commits_of, regressions};
use milena_tests::fixture::process::{Event, Process};
use milena_tests::fixture::start;

const PARTITIONS: i32 = 6;
const NODES: i32 = 3;
const TOPIC: &str = "moving";
const LIMIT: Duration = Duration::from_secs(120);

/// What a member may not say while nobody comes or goes.
const OF_A_REBALANCE: [&str; 7] = ["joining", "stable", "assigned", "revoking", "revoked", "lost", "error"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_is_not_noticed() {
    // Leaders go back to where they belong quickly, so that each node is a leader when it goes.
    let options = Options::default()
        .nodes(NODES)
        .property("min.insync.replicas", "2")
        .property("leader.imbalance.check.interval.seconds", "2");
    let kafka = Arc::new(start(options).await.expect("Kafka starts"));
    kafka.create_topic(TOPIC, PARTITIONS, 3, &[]).expect("the topic is created");
    let client = client(&kafka).await;
    let load = Load::start(&kafka, TOPIC, PARTITIONS, Duration::from_millis(20));
    let mut crew = Crew::default();
    join(&kafka, &mut crew, "a", &[("delay", "100")]).await;
    join(&kafka, &mut crew, "b", &[("delay", "100"), ("read", "batches")]).await;
    until_in_sync(&client).await;
    let marks = [("a", crew.member("a").mark()), ("b", crew.member("b").mark())];
    let mut moved = Moves::default();
    moved.look(&kafka);
    for node in 1..=NODES {
        restart(&kafka, node, Kafka::stop).await;
        moved.look(&kafka);
        until_in_sync(&client).await;
        until_preferred(&client).await;
        moved.look(&kafka);
    }
    // And one dies, the group's own coordinator: nobody is told.
    let coordinator = kafka.coordinator(TOPIC).expect("the group has a coordinator");
    restart(&kafka, coordinator, Kafka::kill).await;
    until_in_sync(&client).await;
    let ends = load.stop().await;
    crew.until_delivered(&ends).await;

    for (name, mark) in marks {
        let events = crew.member(name).events();
        let seen: Vec<&Event> =
            events[mark..].iter().filter(|event| OF_A_REBALANCE.contains(&event.name())).collect();
        assert!(seen.is_empty(), "{name}: {seen:#?}");
    }
    crew.leave("a").await;
    crew.leave("b").await;
    crew.assert_exactly_once(&ends);
    let commits = commits_of(&kafka, TOPIC).expect("the log of commits is read");
    assert_eq!(regressions(&commits), []);
    let last: BTreeMap<i32, i64> =
        commits.into_iter().filter_map(|commit| Some((commit.partition, commit.value?.offset))).collect();
    assert_eq!(last, (0..).zip(ends).collect());
    moved.assert_everything_moved();
}

async fn join(kafka: &Kafka, crew: &mut Crew, name: &str, settings: &[(&str, &str)]) {
    // A dead coordinator is noticed after 6 s, and its successor has to load the group first.
    let mut all =
        vec![("session.timeout.ms", "45000"), ("partition.assignment.strategy", "cooperative-sticky")];
    all.extend_from_slice(settings);
    let program = env!("CARGO_BIN_EXE_member");
    crew.join(Process::milena(name, program, &kafka.bootstrap(), TOPIC, TOPIC, &all));
    crew.until_shared(PARTITIONS).await;
}

/// Ends a node and starts it again, with a moment of work for the others in between.
async fn restart(kafka: &Arc<Kafka>, node: i32, end: fn(&Kafka, i32) -> xtask::Result<()>) {
    let kafka = kafka.clone();
    let restarted = tokio::task::spawn_blocking(move || {
        end(&kafka, node)?;
        std::thread::sleep(Duration::from_millis(500));
        kafka.restart(node)
    });
    restarted.await.expect("a restart does not panic").expect("the node comes back");
}

/// Waits until every replica of the topic and of the group's log is in sync: only then may the next node go.
async fn until_in_sync(client: &Client) {
    let in_sync = |partition: &client::PartitionDescription| {
        partition.leader.is_some() && partition.isr.len() == NODES as usize
    };
    until(client, "all replicas are in sync", &[TOPIC, "__consumer_offsets"], in_sync).await;
}

/// Waits until each partition is led by its preferred leader.
async fn until_preferred(client: &Client) {
    let preferred =
        |partition: &client::PartitionDescription| partition.leader == partition.replicas.first().copied();
    until(client, "leaders are the preferred ones", &[TOPIC], preferred).await;
}

async fn until(
    client: &Client,
    what: &str,
    topics: &[&str],
    holds: impl Fn(&client::PartitionDescription) -> bool,
) {
    let start = Instant::now();
    loop {
        let described = client.describe_topics(topics.iter().copied()).await.unwrap_or_default();
        let all = described.len() == topics.len()
            && described
                .iter()
                .all(|(_, topic)| topic.as_ref().is_ok_and(|topic| topic.partitions.iter().all(&holds)));
        if all {
            return;
        }
        assert!(start.elapsed() < LIMIT, "{what}: not within {LIMIT:?}: {described:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn client(kafka: &Kafka) -> Client {
    let config = ClientConfig::bootstrap(&kafka.bootstrap()).and_then(|config| config.build());
    Client::connect(config.expect("the configuration is right")).await.expect("the cluster answers")
}

/// Where leaders and the coordinator were seen.
#[derive(Debug, Default)]
struct Moves {
    leaders: BTreeMap<i32, Vec<i32>>,
    coordinators: Vec<i32>,
}

impl Moves {
    fn look(&mut self, kafka: &Kafka) {
        for partition in 0..PARTITIONS {
            let leader = kafka.leader(TOPIC, partition).expect("there is a leader");
            self.leaders.entry(partition).or_default().push(leader);
        }
        self.coordinators.push(kafka.coordinator(TOPIC).expect("there is a coordinator"));
    }

    /// The test is none if nothing moved.
    fn assert_everything_moved(&self) {
        for leaders in self.leaders.values() {
            assert!(leaders.windows(2).any(|two| two[0] != two[1]), "{self:?}");
        }
        assert!(self.coordinators.windows(2).any(|two| two[0] != two[1]), "{self:?}");
    }
}
