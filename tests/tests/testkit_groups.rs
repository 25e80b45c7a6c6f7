//! Clients that nobody here wrote, in groups on the testkit's cluster: they do there what they do on a real broker.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use milena_tests::fixture::clients;
use milena_tests::fixture::crew::Crew;
use milena_tests::fixture::kafka::Version;
use milena_tests::fixture::process::Process;
use testkit::Cluster;
use testkit::cluster::NewTopic;
use testkit::group::OffsetChange;
use tokio::task::spawn_blocking;
use xtask::java::{self, Sources};

const TOPIC: &str = "letters";
const PARTITIONS: i32 = 4;

/// Whose client a member is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Whose {
    Java,
    Librdkafka,
    Milena,
}

/// A cluster of three brokers, a group, and what it has to read.
struct Scene {
    cluster: Cluster,
    group: &'static str,
    crew: Crew,
    ends: Vec<i64>,
}

impl Scene {
    async fn new(group: &'static str) -> Scene {
        let cluster = Cluster::builder()
            .brokers(3)
            .topic(TOPIC, PARTITIONS)
            .property("group.consumer.heartbeat.interval.ms", 300)
            .property("group.consumer.assignment.interval.ms", 200)
            .start()
            .await
            .expect("the cluster starts");
        Scene { cluster, group, crew: Crew::default(), ends: vec![0; PARTITIONS as usize] }
    }

    /// More records in every partition.
    fn write(&mut self, count: i64) {
        for (partition, end) in (0..).zip(&mut self.ends) {
            let values: Vec<String> = (*end..*end + count).map(|number| format!("letter {number}")).collect();
            self.cluster.append(TOPIC, partition, &values).expect("the partition is there");
            *end += count;
        }
    }

    async fn join(&mut self, name: &str, whose: Whose, settings: &[(&str, &str)]) {
        let bootstrap = self.cluster.bootstrap_servers();
        let mut all = vec![("heartbeat.interval.ms", "300"), ("session.timeout.ms", "10000")];
        if settings.contains(&("group.protocol", "consumer")) {
            // The broker decides both.
            all.clear();
        }
        if whose != Whose::Milena {
            all.push(("mode", "sync"));
        }
        all.extend_from_slice(settings);
        let member = match whose {
            Whose::Milena => {
                Process::milena(name, env!("CARGO_BIN_EXE_member"), &bootstrap, self.group, TOPIC, &all)
            }
            Whose::Java => {
                Process::other(name, java_program("GroupConsumer").await, &bootstrap, self.group, TOPIC, &all)
            }
            Whose::Librdkafka => {
                let program = python("librdkafka_member.py").await;
                Process::other(name, program, &bootstrap, self.group, TOPIC, &all)
            }
        };
        self.crew.join(member);
    }

    async fn until_shared(&self) {
        self.crew.until_shared(PARTITIONS).await;
    }

    /// All have left: everything was delivered and committed, nobody had what another one had, no offset ever went back.
    async fn ends_well(mut self, names: &[&str]) -> Scene {
        self.crew.until_delivered(&self.ends).await;
        for name in names {
            self.crew.leave(name).await;
        }
        assert_eq!(self.cluster.group_state(self.group), "Empty");
        self.crew.assert_never_shared(PARTITIONS);
        for (partition, end) in (0..).zip(&self.ends) {
            assert_eq!(
                self.cluster.committed(self.group, TOPIC, partition),
                Some(*end),
                "partition {partition}"
            );
        }
        self.commits_never_go_back();
        self
    }

    fn commits_never_go_back(&self) {
        let mut last = vec![-1; PARTITIONS as usize];
        for record in self.cluster.offset_history().iter().filter(|record| record.group == self.group) {
            let Some(offset) = record.committed() else { continue };
            let last = &mut last[record.partition as usize];
            assert!(offset >= *last, "{record:?} after {last}");
            *last = offset;
        }
    }
}

/// A Java program of `tests/java/any`, with the newest client.
async fn java_program(class: &'static str) -> Command {
    let command = spawn_blocking(move || java::command(Sources::Any, Version(4, 3, 1), class)).await;
    command.expect("compiling does not panic").expect("the Java program compiles")
}

async fn python(script: &'static str) -> Command {
    let command = spawn_blocking(move || clients::python(script)).await;
    command.expect("installing does not panic").expect("Python and its packages are there")
}

/// One member reads, a second one comes in the middle, the first one goes, the second one reads the rest.
async fn hand_over(group: &'static str, whose: Whose, settings: &[(&str, &str)]) -> Scene {
    let mut scene = Scene::new(group).await;
    scene.write(100);
    scene.join("first", whose, settings).await;
    scene.until_shared().await;
    scene.crew.member("first").until_delivered(0, 1).await;
    scene.join("second", whose, settings).await;
    scene.until_shared().await;
    scene.write(100);
    scene.crew.until_delivered(&scene.ends).await;
    scene.crew.leave("first").await;
    scene.until_shared().await;
    scene.write(100);
    scene.ends_well(&["second"]).await
}

const CONSUMER: (&str, &str) = ("group.protocol", "consumer");
const SLOW: (&str, &str) = ("delay", "5");

#[tokio::test(flavor = "multi_thread")]
async fn java_members_hand_over_in_a_classic_group() {
    let scene = hand_over("java-classic", Whose::Java, &[SLOW]).await;
    scene.crew.assert_exactly_once(&scene.ends);
}

#[tokio::test(flavor = "multi_thread")]
async fn java_members_hand_over_cooperatively() {
    let sticky = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    hand_over("java-sticky", Whose::Java, &[SLOW, ("partition.assignment.strategy", sticky)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn java_members_hand_over_in_a_consumer_group() {
    let scene = hand_over("java-consumer", Whose::Java, &[SLOW, CONSUMER]).await;
    scene.crew.assert_exactly_once(&scene.ends);
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafka_members_hand_over_in_a_classic_group() {
    hand_over("librdkafka-classic", Whose::Librdkafka, &[SLOW]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafka_members_hand_over_in_a_consumer_group() {
    hand_over("librdkafka-consumer", Whose::Librdkafka, &[SLOW, CONSUMER]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn milenas_members_hand_over_in_a_classic_group() {
    let scene = hand_over("milena-classic", Whose::Milena, &[SLOW]).await;
    scene.crew.assert_exactly_once(&scene.ends);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_clients_share_a_classic_group() {
    let mut scene = Scene::new("three").await;
    scene.write(100);
    let java = ("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor");
    let others = ("partition.assignment.strategy", "range");
    scene.join("java", Whose::Java, &[java]).await;
    scene.join("librdkafka", Whose::Librdkafka, &[others]).await;
    scene.join("milena", Whose::Milena, &[others]).await;
    scene.until_shared().await;
    scene.write(100);
    scene.ends_well(&["java", "librdkafka", "milena"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_group_becomes_a_consumer_group_and_a_classic_one_again_under_its_members() {
    let mut scene = Scene::new("migrating").await;
    scene.write(100);
    let range = ("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor");
    scene.join("classic", Whose::Java, &[range]).await;
    scene.until_shared().await;
    scene.join("consumer", Whose::Librdkafka, &[CONSUMER]).await;
    scene.until_shared().await;
    scene.write(100);
    scene.crew.until_delivered(&scene.ends).await;
    scene.crew.leave("consumer").await;
    scene.until_shared().await;
    scene.write(100);
    scene.ends_well(&["classic"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_moves_takes_its_group_along() {
    for settings in [&[SLOW][..], &[SLOW, CONSUMER][..]] {
        let mut scene = Scene::new("moving").await;
        scene.write(100);
        scene.join("a", Whose::Java, settings).await;
        scene.join("b", Whose::Java, settings).await;
        scene.until_shared().await;
        scene
            .cluster
            .move_coordinator("moving", next_broker(&scene.cluster))
            .expect("there are three brokers");
        scene.write(100);
        scene.ends_well(&["a", "b"]).await;
    }
}

/// A broker that does not coordinate the group.
fn next_broker(cluster: &Cluster) -> i32 {
    let now = cluster.coordinator("moving").map(|id| id.0);
    (1..=3).find(|id| now != Some(*id)).unwrap_or(1)
}

/// A pipeline of librdkafka's: what it wrote and what it committed agree, whatever was aborted in between.
async fn pipeline(group: &'static str, settings: &'static [&'static str]) {
    const RECORDS: i64 = 60;
    let mut scene = Scene::new(group).await;
    scene.cluster.create_topic(&NewTopic::new("copies", PARTITIONS)).expect("there is no such topic yet");
    scene.write(RECORDS);
    let mut command = python("librdkafka_pipeline.py").await;
    let bootstrap = scene.cluster.bootstrap_servers();
    command.args([&bootstrap, group, TOPIC, "copies", &PARTITIONS.to_string(), &RECORDS.to_string()]);
    command.args(settings);
    let output = spawn_blocking(move || command.output()).await.expect("no panic").expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.starts_with("done"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let aborted: u32 =
        said.split_whitespace().nth(2).and_then(|count| count.parse().ok()).unwrap_or_default();
    assert!(aborted > 0, "{said}: nothing was aborted");
    for partition in 0..PARTITIONS {
        let copies = scene.cluster.records("copies", partition);
        let originals = scene.cluster.records(TOPIC, partition);
        let values = |records: &[records::OwnedRecord]| {
            records.iter().map(|record| record.value().map(<[u8]>::to_vec)).collect::<Vec<_>>()
        };
        assert_eq!(
            values(&copies),
            values(&originals),
            "partition {partition}: each record once, and in order"
        );
        assert_eq!(scene.cluster.committed(group, TOPIC, partition), Some(RECORDS));
    }
    scene.commits_never_go_back();
    let dropped = scene.cluster.offset_history();
    assert!(dropped.iter().any(|record| matches!(record.change, OffsetChange::Dropped { .. })));
    let state = scene.cluster.transaction(group).map(|state| state.state);
    assert_eq!(state, Some("CompleteCommit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafkas_transactions_move_records_and_offsets_together_in_a_classic_group() {
    pipeline("pipeline-classic", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafkas_transactions_move_records_and_offsets_together_in_a_consumer_group() {
    pipeline("pipeline-consumer", &["group.protocol=consumer"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn javas_transactions_are_read_by_javas_consumer_as_far_as_they_were_committed() {
    let scene = Scene::new("java-transactions").await;
    let bootstrap = scene.cluster.bootstrap_servers();
    let mut writer = java_program("Writer").await;
    writer.arg(&bootstrap).stdin(Stdio::piped()).stdout(Stdio::piped());
    let written = spawn_blocking(move || {
        let mut child = writer.spawn().expect("Java runs");
        let mut stdin = child.stdin.take().expect("it was asked for a pipe");
        writeln!(stdin, "transactions none {TOPIC}\naborted none {TOPIC}\ntransactions none {TOPIC}")
            .expect("it listens");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    });
    let written =
        tokio::time::timeout(Duration::from_secs(120), written).await.expect("in time").expect("no panic");
    let said = String::from_utf8_lossy(&written.stdout).into_owned();
    assert_eq!(said.matches("done").count(), 3, "{said}{}", String::from_utf8_lossy(&written.stderr));

    let mut reader = java_program("DumpConsumer").await;
    reader.args([&bootstrap, "read_committed", "fetch.max.wait.ms=10", TOPIC]);
    let read = spawn_blocking(move || reader.output()).await.expect("no panic").expect("Java runs");
    let lines = String::from_utf8_lossy(&read.stdout).lines().count();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    // Each "transactions" leaves one open, of four records: the second one's producer fenced the first one's, and aborted it.
    let open = scene.cluster.with_core(|core, _| {
        core.world().cluster.partition(TOPIC, 0).map_or(0, |partition| partition.log.txns().open().count())
    });
    assert_eq!(open, 1);
    let not_aborted = scene.cluster.records(TOPIC, 0).len();
    assert_eq!(lines, not_aborted - 4, "an open transaction is not read");
    assert_eq!(lines, 16, "four committed transactions of four records");
}
