//! One group with Java's consumer and Milena in it: either is understood by the other, as a member and as the leader.

use std::collections::BTreeMap;
use std::sync::Arc;

use client::config::Assignor;
use milena_tests::fixture::crew::Crew;
use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::offsets_log::{commits_of, regressions};
use milena_tests::fixture::process::{Event, Process};
use milena_tests::fixture::produce::produce;
use milena_tests::fixture::start;

const PARTITIONS: i32 = 6;
/// Records that every step adds to each partition.
const STEP: usize = 20;

/// A group over a life of its own: two Java and two Milena members come and go.
struct Group<'a> {
    kafka: &'a Kafka,
    /// Its name, and that of its topic.
    name: String,
    assignor: Assignor,
    session_ms: &'static str,
    crew: Crew,
    /// Records of each partition.
    end: i64,
}

impl<'a> Group<'a> {
    fn new(kafka: &'a Kafka, name: &str, assignor: Assignor) -> Group<'a> {
        let name = format!("{name}-{}", assignor.name());
        kafka.create_topic(&name, PARTITIONS, 1, &[]).expect("the topic is created");
        Group { kafka, name, assignor, session_ms: "20000", crew: Crew::default(), end: 0 }
    }

    fn write(&mut self) {
        for partition in 0..PARTITIONS {
            produce(self.kafka, &self.name, partition, STEP);
        }
        self.end += STEP as i64;
    }

    async fn join(&mut self, name: &str) {
        let session = [("session.timeout.ms", self.session_ms), ("heartbeat.interval.ms", "300")];
        let member = if name.starts_with("java") {
            let mut settings = vec![("mode", "sync")];
            settings.push(("partition.assignment.strategy", self.assignor.java_class()));
            settings.extend(session);
            Process::java(name, self.kafka, &self.name, &self.name, &settings).await
        } else {
            let mut settings = vec![("partition.assignment.strategy", self.assignor.name())];
            settings.extend(session);
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

    /// Everybody has a share, and reads.
    async fn settle(&mut self) {
        self.crew.until_shared(PARTITIONS).await;
        self.write();
        self.crew.until_delivered(&[self.end; PARTITIONS as usize]).await;
    }

    /// What this Milena member was in the rebalances so far: (generation, whether it was the leader).
    fn roles(&mut self, name: &str) -> Vec<(i64, bool)> {
        let events = self.crew.member(name).events();
        let stable = events.iter().filter(|event| event.name() == "stable");
        let role = |event: &Event| {
            assert_eq!(event.json["assignor"], self.assignor.name());
            (event.json["generation"].as_i64().unwrap(), event.json["leader"].as_bool().unwrap())
        };
        stable.map(role).collect()
    }

    fn is_leader(&mut self, name: &str) -> bool {
        self.roles(name).last().expect("it is in the group").1
    }

    /// Kills the one that leads, or one that does not: its session ends, and the others take over.
    async fn kill(&mut self, name: &str) {
        self.crew.kill(name).await;
        self.settle().await;
    }

    /// At the end: nothing was lost, nothing came twice, nobody had what another one had, and commits stand at the ends.
    fn check(&self) {
        self.crew.assert_exactly_once(&[self.end; PARTITIONS as usize]);
        self.crew.assert_never_shared(PARTITIONS);
        self.check_commits();
    }

    /// Commits never go back, and stand at the ends.
    fn check_commits(&self) {
        let commits = commits_of(self.kafka, &self.name).expect("the log of commits is read");
        assert_eq!(regressions(&commits), []);
        let last: BTreeMap<i32, i64> =
            commits.into_iter().filter_map(|commit| Some((commit.partition, commit.value?.offset))).collect();
        assert_eq!(last, (0..PARTITIONS).map(|partition| (partition, self.end)).collect());
    }
}

/// Java comes first, so it leads until it leaves; the rest is left by Milena first.
async fn java_leads(kafka: &Kafka, assignor: Assignor) {
    let mut group = Group::new(kafka, "java-leads", assignor);
    group.join("java-1").await;
    group.join("milena-1").await;
    group.join("java-2").await;
    group.join("milena-2").await;
    group.leave("milena-1").await;
    let roles = group.roles("milena-2");
    assert!(roles.iter().all(|(_, leader)| !leader), "Java is there since the beginning: {roles:?}");
    // The leader goes.
    group.leave("java-1").await;
    group.leave("java-2").await;
    assert!(group.is_leader("milena-2"), "nobody else is left");
    group.leave("milena-2").await;
    group.check();
}

/// Milena comes first, so it leads until it leaves; Java leaves first.
async fn milena_leads(kafka: &Kafka, assignor: Assignor) {
    let mut group = Group::new(kafka, "milena-leads", assignor);
    group.join("milena-1").await;
    group.join("java-1").await;
    group.join("milena-2").await;
    group.join("java-2").await;
    group.leave("java-1").await;
    let (first, second) = (group.roles("milena-1"), group.roles("milena-2"));
    assert!(first.iter().all(|(_, leader)| *leader), "it is there since the beginning: {first:?}");
    assert!(second.iter().all(|(_, leader)| !leader), "there is one leader: {second:?}");
    assert!(first.len() >= 5, "each change is a rebalance: {first:?}");
    // The leader goes.
    group.leave("milena-1").await;
    group.leave("milena-2").await;
    group.leave("java-2").await;
    group.check();
}

/// Both lead in turn, and are killed as leaders and as followers. What the killed had not committed comes again; nothing is
/// lost, and no commit goes back.
async fn both_are_killed(kafka: &Kafka, assignor: Assignor) {
    let mut group = Group::new(kafka, "killed", assignor);
    group.session_ms = "3000";
    group.join("java-1").await;
    group.join("milena-1").await;
    group.join("java-2").await;
    group.join("milena-2").await;
    // The leader, which is Java's, and a follower.
    group.kill("java-1").await;
    group.kill("milena-1").await;
    group.join("milena-3").await;
    group.leave("java-2").await;
    // One of two of Milena's leads now.
    let leader = if group.is_leader("milena-2") { "milena-2" } else { "milena-3" };
    group.join("java-3").await;
    group.kill(leader).await;
    group.kill("java-3").await;
    let last = if leader == "milena-2" { "milena-3" } else { "milena-2" };
    assert!(group.is_leader(last), "nobody else is left");
    group.join("java-4").await;
    group.leave(last).await;
    group.leave("java-4").await;
    assert_eq!(
        group.crew.missing(&[group.end; PARTITIONS as usize]),
        BTreeMap::new(),
        "not delivered to anybody"
    );
    group.check_commits();
}

async fn both_lead(version: Version, assignors: &[Assignor]) {
    let kafka = Arc::new(start(Options::new(version)).await.expect("Kafka starts"));
    for assignor in assignors {
        tokio::join!(java_leads(&kafka, *assignor), milena_leads(&kafka, *assignor));
        both_are_killed(&kafka, *assignor).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_and_milena_share_a_group_on_4_3() {
    both_lead(Version::NEWEST, &Assignor::ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_and_milena_share_a_group_on_3_9() {
    both_lead(Version::LAST_3, &[Assignor::CooperativeSticky]).await;
}
