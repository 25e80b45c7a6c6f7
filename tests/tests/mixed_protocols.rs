//! Groups of the consumer protocol (KIP-848) with Java's consumer and Milena in it, and groups that go over to it and back
//! while classic members are in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_tests::fixture::crew::Crew;
use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::offsets_log::{commits_of, regressions};
use milena_tests::fixture::process::Process;
use milena_tests::fixture::produce::produce;
use milena_tests::fixture::{CONSUMER, NO_FALLBACK, sharing, start};

const PARTITIONS: i32 = 6;
/// Records that every step adds to each partition.
const STEP: usize = 20;

/// A group over a life of its own. A member's name says whose it is, which protocol it speaks, and which of them it is:
/// `java-consumer-1`.
struct Group<'a> {
    kafka: &'a Kafka,
    /// Its name, and that of its topic.
    name: String,
    crew: Crew,
    /// Records of each partition.
    end: i64,
}

impl<'a> Group<'a> {
    fn new(kafka: &'a Kafka, name: &str) -> Group<'a> {
        kafka.create_topic(name, PARTITIONS, 1, &[]).expect("the topic is created");
        Group { kafka, name: name.to_owned(), crew: Crew::default(), end: 0 }
    }

    fn write(&mut self) {
        for partition in 0..PARTITIONS {
            produce(self.kafka, &self.name, partition, STEP);
        }
        self.end += STEP as i64;
    }

    async fn join(&mut self, name: &str) {
        let java = name.starts_with("java");
        let classic = [("session.timeout.ms", "20000"), ("heartbeat.interval.ms", "300")];
        let strategy = match java {
            true => sharing("org.apache.kafka.clients.consumer.CooperativeStickyAssignor"),
            false => sharing("cooperative-sticky"),
        };
        let mut settings = match name.contains(CONSUMER) {
            true => vec![sharing(CONSUMER)],
            false => [strategy].into_iter().chain(classic).collect(),
        };
        let member = if java {
            settings.push(("mode", "sync"));
            Process::java(name, self.kafka, &self.name, &self.name, &settings).await
        } else {
            if name.contains(CONSUMER) {
                settings.push(NO_FALLBACK);
            }
            let program = env!("CARGO_BIN_EXE_member");
            Process::milena(name, program, &self.kafka.bootstrap(), &self.name, &self.name, &settings)
        };
        self.crew.join(member);
        self.settle().await;
    }

    async fn leave(&mut self, name: &str) {
        self.crew.leave(name).await;
        if !self.crew.is_empty() {
            self.settle().await;
        }
    }

    async fn kill(&mut self, name: &str) {
        self.crew.kill(name).await;
        self.settle().await;
    }

    /// Everybody has a share, and reads.
    async fn settle(&mut self) {
        self.crew.until_shared(PARTITIONS).await;
        self.write();
        self.crew.until_delivered(&[self.end; PARTITIONS as usize]).await;
    }

    /// At the end: nothing was lost, commits stand at the ends and never went back.
    fn check(&self) {
        let commits = commits_of(self.kafka, &self.name).expect("the log of commits is read");
        assert_eq!(regressions(&commits), []);
        let last: BTreeMap<i32, i64> =
            commits.into_iter().filter_map(|commit| Some((commit.partition, commit.value?.offset))).collect();
        assert_eq!(last, (0..PARTITIONS).map(|partition| (partition, self.end)).collect());
    }

    /// And nothing came twice, as nobody died.
    fn check_all(&self) {
        self.check();
        self.crew.assert_exactly_once(&[self.end; PARTITIONS as usize]);
        self.crew.assert_never_shared(PARTITIONS);
    }
}

/// All speak the consumer protocol. They come and go in turn.
async fn one_protocol(kafka: &Kafka) {
    let mut group = Group::new(kafka, "one-protocol");
    group.join("java-consumer-1").await;
    group.join("milena-consumer-1").await;
    group.join("milena-consumer-2").await;
    group.join("java-consumer-2").await;
    group.leave("java-consumer-1").await;
    group.leave("milena-consumer-1").await;
    group.join("milena-consumer-3").await;
    group.leave("milena-consumer-2").await;
    group.leave("java-consumer-2").await;
    group.leave("milena-consumer-3").await;
    group.check_all();
}

/// The same, but they die.
async fn deaths(kafka: &Kafka) {
    let mut group = Group::new(kafka, "deaths");
    group.join("milena-consumer-1").await;
    group.join("java-consumer-1").await;
    group.join("milena-consumer-2").await;
    group.kill("java-consumer-1").await;
    group.kill("milena-consumer-1").await;
    group.join("java-consumer-2").await;
    group.leave("milena-consumer-2").await;
    group.leave("java-consumer-2").await;
    group.check();
}

/// A group of Java's classic members goes over to the consumer protocol with Milena, one by one.
async fn upgrade(kafka: &Kafka) {
    let mut group = Group::new(kafka, "upgrade");
    group.join("java-classic-1").await;
    group.join("milena-classic-1").await;
    group.join("milena-consumer-1").await;
    group.join("java-consumer-1").await;
    group.leave("java-classic-1").await;
    group.leave("milena-classic-1").await;
    group.leave("milena-consumer-1").await;
    group.leave("java-consumer-1").await;
    group.check_all();
}

/// And back: the last member of the consumer protocol takes it along.
async fn downgrade(kafka: &Kafka) {
    let mut group = Group::new(kafka, "downgrade");
    group.join("milena-consumer-1").await;
    group.join("java-consumer-1").await;
    group.join("milena-classic-1").await;
    group.join("java-classic-1").await;
    group.leave("java-consumer-1").await;
    group.leave("milena-consumer-1").await;
    group.leave("java-classic-1").await;
    group.leave("milena-classic-1").await;
    group.check_all();
}

/// There and back again, with Milena alone.
async fn there_and_back(kafka: &Kafka) {
    let mut group = Group::new(kafka, "there-and-back");
    group.join("milena-classic-1").await;
    group.join("milena-classic-2").await;
    group.join("milena-consumer-1").await;
    group.join("milena-consumer-2").await;
    group.leave("milena-classic-1").await;
    group.leave("milena-consumer-1").await;
    group.leave("milena-consumer-2").await;
    group.join("milena-consumer-3").await;
    group.leave("milena-classic-2").await;
    group.leave("milena-consumer-3").await;
    group.check_all();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_and_milena_share_a_consumer_group() {
    let options = Options::new(Version::NEWEST).property("group.consumer.session.timeout.ms", "10000");
    let kafka = Arc::new(start(options).await.expect("Kafka starts"));
    tokio::join!(one_protocol(&kafka), deaths(&kafka));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_changes_its_protocol_under_its_members() {
    let options = Options::new(Version::NEWEST).property("group.consumer.migration.policy", "bidirectional");
    let kafka = Arc::new(start(options).await.expect("Kafka starts"));
    tokio::join!(upgrade(&kafka), downgrade(&kafka), there_and_back(&kafka));
}
