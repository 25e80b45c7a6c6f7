//! Groups of the consumer protocol (KIP-848) with Java's consumer and Milena in it, and groups that go over to it and back
//! while classic members are in them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use client::Event;
use futures_util::StreamExt;
use milena_tests::fixture::crew::Crew;
use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::member::Member;
use milena_tests::fixture::offsets_log::{commits_of, regressions};
use milena_tests::fixture::process::Process;
use milena_tests::fixture::produce::produce;
use milena_tests::fixture::{CONSUMER, NO_FALLBACK, sharing, start};
use source::Source;

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

/// A member that asks for the consumer protocol speaks the classic one where there is no other, and says so.
async fn falls_back(options: Options) {
    let kafka = start(options).await.expect("Kafka starts");
    let group = "falls-back";
    kafka.create_topic(group, 2, 1, &[]).expect("the topic is created");
    for partition in 0..2 {
        produce(&kafka, group, partition, 20);
    }
    let member = Member::join(group, &kafka.bootstrap(), group, group, &[sharing(CONSUMER)]).await;
    member.until_owns(group, &[0, 1]).await;
    member
        .until("falling back", |seen| seen.events.iter().any(|event| matches!(event, Event::FellBack { .. })))
        .await;
    member.until_delivered(group, 0, 20).await;
    member.until_delivered(group, 1, 20).await;
    member.ack_all();
    member.close(Duration::from_secs(20)).await.expect("all is acknowledged");
    let commits = commits_of(&kafka, group).expect("the log of commits is read");
    assert_eq!(commits.iter().filter_map(|commit| Some(commit.value.as_ref()?.offset)).max(), Some(20));
    // Whoever insists is told why it cannot be.
    let strict =
        Member::join("strict", &kafka.bootstrap(), group, group, &[sharing(CONSUMER), NO_FALLBACK]).await;
    strict
        .until("the end", |seen| seen.events.iter().any(|event| matches!(event, Event::Failed { .. })))
        .await;
}

/// A broker that has never heard of it, one on which it is not switched on, and one that has it but whose cluster has not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_protocol_the_classic_one_is_spoken() {
    falls_back(Options::new(Version::LAST_2)).await;
    let off = ("group.coordinator.rebalance.protocols", "classic");
    falls_back(Options::new(Version::LAST_3).property(off.0, off.1)).await;
    let feature =
        Options::new(Version::NEWEST).format_argument("--feature").format_argument("group.version=0");
    falls_back(feature).await;
}

/// A classic group that the broker does not convert is joined as what it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_classic_group_that_is_not_converted_is_joined_as_one() {
    let options = Options::new(Version::NEWEST).property("group.consumer.migration.policy", "disabled");
    let kafka = start(options).await.expect("Kafka starts");
    let mut group = Group::new(&kafka, "not-converted");
    group.join("milena-classic-1").await;
    let member =
        Member::join("newcomer", &kafka.bootstrap(), &group.name, &group.name, &[sharing(CONSUMER)]).await;
    member.until("a share", |seen| seen.owned.len() == 3).await;
    assert!(member.seen().events.iter().any(|event| matches!(event, Event::FellBack { .. })));
    member.close(Duration::from_secs(20)).await.expect("there is nothing to acknowledge");
    group.leave("milena-classic-1").await;
    group.check();
}

/// The broker matches the names with RE2, and finds topics that come later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_coordinator_finds_topics_by_a_pattern() {
    let options = Options::new(Version::NEWEST).property("group.consumer.regex.refresh.interval.ms", "10000");
    let kafka = start(options).await.expect("Kafka starts");
    for topic in ["found-1", "found-2", "other"] {
        kafka.create_topic(topic, 2, 1, &[]).expect("the topic is created");
        produce(&kafka, topic, 0, 20);
    }
    let source = Source::builder(&kafka.bootstrap())
        .group("finders")
        .topics_found_by_the_coordinator("found-[0-9]")
        .property("group.protocol", CONSUMER)
        .property("auto.offset.reset", "earliest")
        .property("metadata.max.age.ms", 1000)
        .build()
        .await
        .expect("the source is built");
    let mut records = source.records();
    let mut count = BTreeMap::new();
    while count.values().sum::<usize>() < 60 {
        let record = tokio::time::timeout(Duration::from_secs(60), records.next()).await;
        let record = record.expect("in time").expect("the source is open").expect("it is read");
        *count.entry(record.partition().topic.to_string()).or_default() += 1;
        let _ = record.ack();
        if count.values().sum::<usize>() == 40 {
            kafka.create_topic("found-3", 1, 1, &[]).expect("the topic is created");
            produce(&kafka, "found-3", 0, 20);
        }
    }
    let described = source.client().describe_group("finders").await.expect("the group is described");
    assert_eq!((described.protocol.as_str(), described.members.len()), ("uniform", 1));
    let assignment = described.members[0].assignment.as_ref().map(Vec::len);
    assert_eq!(assignment, Some(5), "{described:?}");
    assert_eq!(count, ["found-1", "found-2", "found-3"].map(|topic| (topic.to_owned(), 20)).into());
    drop(records);
    source.drain(Duration::from_secs(20)).await.expect("all is acknowledged");
}
