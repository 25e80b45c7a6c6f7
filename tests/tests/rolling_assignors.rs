//! A group goes over from one assignor to another in two rolling restarts, without an end to its reading: from range over both to
//! cooperative-sticky, as Java's documentation has it.

use std::collections::BTreeMap;

use client::config::Assignor;
use milena_tests::fixture::crew::Crew;
use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::offsets_log::{commits_of, regressions};
use milena_tests::fixture::process::Process;
use milena_tests::fixture::produce::produce;
use milena_tests::fixture::start;

const PARTITIONS: i32 = 6;
/// Records that every step adds to each partition.
const STEP: usize = 20;

struct Group<'a> {
    kafka: &'a Kafka,
    name: String,
    crew: Crew,
    end: i64,
    /// How often each member was started.
    starts: usize,
}

impl Group<'_> {
    /// A new member, `java` or `milena`, that offers these, most wanted first.
    async fn join(&mut self, whose: &str, offers: &[Assignor]) -> String {
        self.starts += 1;
        let name = format!("{whose}-{}", self.starts);
        let session = [("session.timeout.ms", "20000"), ("heartbeat.interval.ms", "300")];
        let named = |name: fn(Assignor) -> &'static str| {
            offers.iter().map(|assignor| name(*assignor)).collect::<Vec<_>>().join(",")
        };
        let (java, milena) = (named(Assignor::java_class), named(Assignor::name));
        let member = if whose == "java" {
            let mut settings = vec![("mode", "sync"), ("partition.assignment.strategy", java.as_str())];
            settings.extend(session);
            Process::java(&name, self.kafka, &self.name, &self.name, &settings).await
        } else {
            let mut settings = vec![("partition.assignment.strategy", milena.as_str())];
            settings.extend(session);
            let program = env!("CARGO_BIN_EXE_member");
            Process::milena(&name, program, &self.kafka.bootstrap(), &self.name, &self.name, &settings)
        };
        self.crew.join(member);
        self.settle().await;
        name
    }

    /// One is stopped, and started with another list.
    async fn restart(&mut self, name: &str, offers: &[Assignor]) -> String {
        self.crew.leave(name).await;
        self.settle().await;
        self.join(name.split('-').next().expect("a name"), offers).await
    }

    async fn settle(&mut self) {
        self.crew.until_shared(PARTITIONS).await;
        for partition in 0..PARTITIONS {
            produce(self.kafka, &self.name, partition, STEP);
        }
        self.end += STEP as i64;
        self.crew.until_delivered(&[self.end; PARTITIONS as usize]).await;
    }

    /// What the group used last, as this member of Milena's has heard.
    fn assignor(&mut self, name: &str) -> String {
        let events = self.crew.member(name).events();
        let stable = events.iter().rev().find(|event| event.name() == "stable").expect("it is in the group");
        stable.json["assignor"].as_str().expect("it is named").to_owned()
    }
}

async fn roll(kafka: &Kafka, from: Assignor, to: Assignor, whose: [&str; 3]) {
    let name = format!("rolling-{}-{}-{}", from.name(), to.name(), whose.concat());
    kafka.create_topic(&name, PARTITIONS, 1, &[]).expect("the topic is created");
    let mut group = Group { kafka, name, crew: Crew::default(), end: 0, starts: 0 };
    let mut members = Vec::new();
    for whose in whose {
        members.push(group.join(whose, &[from]).await);
    }
    let one = whose.iter().rposition(|whose| *whose == "milena").expect("one is Milena's");
    assert_eq!(group.assignor(&members[one]), from.name());
    for member in &mut members {
        *member = group.restart(member, &[to, from]).await;
    }
    // Each has both, and all like the new one better.
    assert_eq!(group.assignor(&members[one]), to.name());
    for member in &mut members {
        *member = group.restart(member, &[to]).await;
    }
    assert_eq!(group.assignor(&members[one]), to.name());
    if to.name() == "cooperative-sticky" {
        // From here on nobody gives up what does not move: the last one of Milena's to be restarted saw two more come.
        let events = group.crew.member(&members[one]).events();
        let revoked = events.iter().filter(|event| event.name() == "revoking");
        assert!(
            revoked.clone().all(|event| event.partitions().len() <= 2),
            "{:?}",
            revoked.collect::<Vec<_>>()
        );
    }
    for member in members {
        group.crew.leave(&member).await;
    }
    group.crew.assert_exactly_once(&[group.end; PARTITIONS as usize]);
    group.crew.assert_never_shared(PARTITIONS);
    let commits = commits_of(kafka, &group.name).expect("the log of commits is read");
    assert_eq!(regressions(&commits), []);
    let last: BTreeMap<i32, i64> =
        commits.into_iter().filter_map(|commit| Some((commit.partition, commit.value?.offset))).collect();
    assert_eq!(last, (0..PARTITIONS).map(|partition| (partition, group.end)).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_over_to_another_assignor_while_it_reads() {
    let kafka = start(Options::new(Version::NEWEST)).await.expect("Kafka starts");
    let (range, cooperative) = (Assignor::Range, Assignor::CooperativeSticky);
    tokio::join!(
        roll(&kafka, range, cooperative, ["milena", "milena", "milena"]),
        roll(&kafka, range, cooperative, ["java", "milena", "java"]),
    );
    roll(&kafka, Assignor::Sticky, Assignor::RoundRobin, ["milena", "java", "milena"]).await;
}
