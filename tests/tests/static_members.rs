//! Static members (KIP-345) on real brokers: restarts that nobody notices, a second one of the same name, and what closing means;
//! and why members join and leave, as the coordinator is told.

use std::time::{Duration, Instant};

use client::consumer::MembershipOperation;
use futures_util::StreamExt;
use kafka_protocol::messages::{ApiKey, RequestKind};
use milena_tests::fixture::crew::Crew;
use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::offsets_log::{commits_of, regressions};
use milena_tests::fixture::process::Process;
use milena_tests::fixture::produce::produce;
use milena_tests::fixture::start;
use source::Source;
use testkit::Cluster;
use tokio::task::JoinHandle;

const PARTITIONS: i32 = 6;
/// Records that every step adds to each partition.
const STEP: usize = 20;
const LIMIT: Duration = Duration::from_secs(60);

struct Group<'a> {
    kafka: &'a Kafka,
    name: String,
    assignor: &'static str,
    crew: Crew,
    partitions: i32,
    end: i64,
}

impl<'a> Group<'a> {
    fn new(kafka: &'a Kafka, name: &str, assignor: &'static str) -> Group<'a> {
        let name = format!("{name}-{assignor}");
        kafka.create_topic(&name, PARTITIONS, 1, &[]).expect("the topic is created");
        Group { kafka, name, assignor, crew: Crew::default(), partitions: PARTITIONS, end: 0 }
    }

    /// The member's name is its `group.instance.id`.
    fn start(&mut self, name: &str) {
        let settings = [
            ("group.instance.id", name),
            ("partition.assignment.strategy", self.assignor),
            ("session.timeout.ms", "30000"),
            ("heartbeat.interval.ms", "300"),
            ("metadata.max.age.ms", "1000"),
        ];
        let program = env!("CARGO_BIN_EXE_member");
        let member =
            Process::milena(name, program, &self.kafka.bootstrap(), &self.name, &self.name, &settings);
        self.crew.join(member);
    }

    fn write(&mut self) {
        for partition in 0..PARTITIONS {
            produce(self.kafka, &self.name, partition, STEP);
        }
        self.end += STEP as i64;
    }

    async fn until_delivered(&self) {
        self.crew.until_delivered(&[self.end; PARTITIONS as usize]).await;
    }

    /// Generation and leadership, as a member has last heard.
    fn role(&mut self, name: &str) -> (i64, bool) {
        let events = self.crew.member(name).events();
        let stable = events.iter().rev().find(|event| event.name() == "stable").expect("it is in the group");
        (
            stable.json["generation"].as_i64().expect("a number"),
            stable.json["leader"].as_bool().expect("a flag"),
        )
    }

    /// Restarts one: it gets what it had, in the same generation, and the other one hears nothing.
    async fn restart(&mut self, name: &str, other: &str) {
        let (had, role, mark) =
            (self.crew.member(name).owned(), self.role(name), self.crew.member(other).mark());
        self.crew.leave(name).await;
        // For the one that is away, and for the one that is there.
        self.write();
        self.start(name);
        self.crew.until_shared(self.partitions).await;
        self.until_delivered().await;
        self.write();
        self.until_delivered().await;
        assert_eq!(self.crew.member(name).owned(), had, "{name} has what it had");
        assert_eq!(self.role(name).0, role.0, "{name}: no new generation");
        let heard = self.crew.member(other).events().split_off(mark);
        let heard: Vec<_> = heard
            .iter()
            .filter(|event| {
                matches!(event.name(), "joining" | "stable" | "assigned" | "revoking" | "revoked" | "lost")
            })
            .collect();
        assert!(heard.is_empty(), "{other} hears of it: {heard:?}");
    }
}

async fn restarts(version: Version, assignors: &[&'static str]) {
    let kafka = start(Options::new(version)).await.expect("Kafka starts");
    for assignor in assignors {
        let mut group = Group::new(&kafka, "restart", assignor);
        group.start("leader");
        group.crew.until_shared(PARTITIONS).await;
        group.start("follower");
        group.crew.until_shared(PARTITIONS).await;
        group.write();
        group.until_delivered().await;
        assert!(group.role("leader").1 && !group.role("follower").1);
        group.restart("follower", "leader").await;
        group.restart("leader", "follower").await;
        if version >= Version::LAST_3 {
            // KIP-814: it is told that it leads, and not to assign. So it still watches the topics for all of them.
            assert!(group.role("leader").1, "it leads again");
            add_partitions(&kafka, &group.name, PARTITIONS + 2);
            group.partitions = PARTITIONS + 2;
            group.crew.until_shared(PARTITIONS + 2).await;
        }
        group.crew.leave("follower").await;
        group.crew.leave("leader").await;
        group.crew.assert_exactly_once(&[group.end; PARTITIONS as usize]);
        assert_eq!(regressions(&commits_of(&kafka, &group.name).expect("the log is read")), []);
    }
}

fn add_partitions(kafka: &Kafka, topic: &str, count: i32) {
    let mut command = kafka.tool("org.apache.kafka.tools.TopicCommand");
    command.args(["--bootstrap-server", &kafka.direct_bootstrap(), "--alter", "--topic", topic]);
    let output = command.args(["--partitions", &count.to_string()]).output().expect("Java runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_noticed_by_nobody_on_4_3() {
    restarts(Version::NEWEST, &["range", "cooperative-sticky"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_noticed_by_nobody_on_3_9() {
    restarts(Version::LAST_3, &["sticky"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_noticed_by_nobody_on_2_8() {
    restarts(Version::LAST_2, &["range"]).await;
}

/// A member that acknowledges whatever it gets, until its stream ends: with what it ended.
async fn member(
    bootstrap: &str,
    group: &str,
    settings: &[(&str, &str)],
) -> (Source, JoinHandle<Option<client::Error>>) {
    let mut builder = Source::builder(bootstrap)
        .group(group)
        .topics([group])
        .property("auto.offset.reset", "earliest")
        .property("auto.commit.interval.ms", 100)
        .property("session.timeout.ms", 30000);
    for (key, value) in settings {
        builder = builder.property(*key, *value);
    }
    let source = builder.build().await.expect("it joins");
    let mut records = source.records();
    let reads = tokio::spawn(async move {
        let mut last = None;
        while let Some(record) = records.next().await {
            match record {
                Ok(record) => drop(record.ack()),
                Err(error) => last = Some(error),
            }
        }
        last
    });
    (source, reads)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "{what} does not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn committed(source: &Source) -> i64 {
    source.status().iter().filter_map(|status| status.committed).sum()
}

/// The older one ends with an error of its own kind, by what it asks next, and commits nothing from then on.
async fn fenced(kafka: &Kafka, group: &str, heartbeat_ms: &str, by_commit: bool) {
    kafka.create_topic(group, 2, 1, &[]).expect("the topic is created");
    produce(kafka, group, 0, 100);
    let settings = [("group.instance.id", "twin"), ("heartbeat.interval.ms", heartbeat_ms)];
    let (old, old_reads) = member(&kafka.bootstrap(), group, &settings).await;
    until("a commit of the older one", || committed(&old) == 100).await;
    let mut events = old.events();
    let (new, new_reads) = member(&kafka.bootstrap(), group, &settings).await;
    until("the newer one has its partitions", || new.status().len() == 2).await;
    let start = Instant::now();
    if by_commit {
        // Both read it; the older one commits it first, or tries to.
        produce(kafka, group, 1, 100);
    }
    let error = tokio::time::timeout(LIMIT, old_reads).await.expect("its stream ends").expect("no panic");
    let error = error.expect("it says why");
    assert!(error.is_fenced(), "{error}");
    assert!(error.to_string().contains("twin"), "{error}");
    if by_commit {
        assert!(start.elapsed() < Duration::from_secs(5), "not by a heartbeat: {:?}", start.elapsed());
    }
    assert!(old.commit().await.is_err(), "it is over");
    let mut failed = false;
    while let Some(event) = events.try_next() {
        match event {
            client::Event::Failed { error } => failed = error.is_fenced(),
            client::Event::Committed { .. } => assert!(!failed, "nothing is committed afterwards"),
            _ => {}
        }
    }
    assert!(failed, "an event says it");
    produce(kafka, group, 0, 100);
    let all = if by_commit { 300 } else { 200 };
    until("the newer one commits", || committed(&new) == all).await;
    new.drain(LIMIT).await.expect("nothing is held");
    assert!(new_reads.await.expect("no panic").is_none());
    let commits = commits_of(kafka, group).expect("the log is read");
    assert_eq!(regressions(&commits), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_older_one_of_two_with_the_same_name_is_fenced() {
    for version in [Version::NEWEST, Version::LAST_2] {
        let kafka = start(Options::new(version)).await.expect("Kafka starts");
        fenced(&kafka, "fenced-by-heartbeat", "300", false).await;
        fenced(&kafka, "fenced-by-commit", "20000", true).await;
    }
}

/// Who is in the group after a close.
async fn closes(
    kafka: &Kafka,
    group: &str,
    settings: &[(&str, &str)],
    operation: Option<MembershipOperation>,
) -> usize {
    let (source, reads) = member(&kafka.bootstrap(), group, settings).await;
    until("its partitions", || source.status().len() == 1).await;
    match operation {
        Some(operation) => source.drain_as(LIMIT, operation).await.expect("nothing is held"),
        None => source.drain(LIMIT).await.expect("nothing is held"),
    }
    assert!(reads.await.expect("no panic").is_none());
    source.client().describe_group(group).await.expect("the group is there").members.len()
}

/// KIP-345 and KIP-1092.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dynamic_member_leaves_and_a_static_one_stays_unless_they_are_told_otherwise() {
    let fixed = ("group.instance.id", "one");
    for version in [Version::NEWEST, Version::LAST_2] {
        let kafka = start(Options::new(version)).await.expect("Kafka starts");
        for (number, (settings, operation, left)) in [
            (vec![], None, true),
            (vec![fixed], None, false),
            (vec![], Some(MembershipOperation::Default), true),
            (vec![fixed], Some(MembershipOperation::Default), false),
            (vec![], Some(MembershipOperation::RemainInGroup), false),
            (vec![fixed], Some(MembershipOperation::RemainInGroup), false),
            (vec![], Some(MembershipOperation::LeaveGroup), true),
            (vec![fixed], Some(MembershipOperation::LeaveGroup), true),
            (vec![("milena.leave.on.close", "false")], None, false),
            (vec![fixed, ("milena.leave.on.close", "true")], None, true),
        ]
        .into_iter()
        .enumerate()
        {
            let group = format!("closes-{number}");
            kafka.create_topic(&group, 1, 1, &[]).expect("the topic is created");
            let members = closes(&kafka, &group, &settings, operation).await;
            assert_eq!(members == 0, left, "{version}: {settings:?} {operation:?}");
        }
    }
}

/// KIP-394, KIP-568, KIP-800.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_coordinator_is_told_why_members_join_and_leave() {
    let cluster = Cluster::builder().topic("reasons", 2).start().await.expect("the cluster starts");
    let settings =
        [("heartbeat.interval.ms", "100"), ("partition.assignment.strategy", "cooperative-sticky")];
    let (source, reads) = member(&cluster.bootstrap_servers(), "reasons", &settings).await;
    until("its partitions", || source.status().len() == 2).await;
    source.enforce_rebalance("the moon is full").await.expect("it is a member");
    until("a second rebalance", || source.rebalances().whole.count == 2).await;
    let (other, others) = member(&cluster.bootstrap_servers(), "reasons", &settings).await;
    until("its partition", || other.status().len() == 1).await;
    until("the end of the rebalance", || source.status().len() == 1).await;
    source.drain(LIMIT).await.expect("nothing is held");
    reads.await.expect("no panic");
    let mut joined = Vec::new();
    let mut left = Vec::new();
    for exchange in cluster.requests().iter() {
        match &exchange.request {
            Some(RequestKind::JoinGroup(request)) => {
                assert_eq!(request.member_id.is_empty(), request.reason.as_deref() == Some(""), "KIP-394");
                joined.push(request.reason.as_ref().map(ToString::to_string).unwrap_or_default());
            }
            Some(RequestKind::LeaveGroup(request)) => {
                left.extend(
                    request.members.iter().map(|member| member.reason.as_ref().map(ToString::to_string)),
                );
            }
            _ => {}
        }
    }
    assert_eq!(cluster.requests().of(ApiKey::LeaveGroup).count(), 1);
    assert_eq!(left, [Some("the consumer is being closed".to_owned())]);
    let first = ["", "need to re-join with the given member-id", "the moon is full"];
    assert_eq!(joined[..3], first.map(str::to_owned), "{joined:?}");
    for reason in ["group is already rebalancing", "need to revoke partitions and re-join"] {
        assert!(joined[3..].iter().any(|told| told == reason), "{reason}: {joined:?}");
    }
    other.drain(LIMIT).await.expect("nothing is held");
    others.await.expect("no panic");
}
