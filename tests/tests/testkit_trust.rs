//! Why the testkit can be believed: clients that nobody here wrote meet the same on it as on Apache Kafka 4.3.1.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::{clients, start};
use serde_json::{Value, json};
use testkit::{ApiKey, Cluster};
use xtask::java::{self, Sources};

/// Longest wait for a program to do what it was told.
const DONE: Duration = Duration::from_secs(120);

async fn both() -> (Cluster, Kafka) {
    let cluster = Cluster::builder().property("group.initial.rebalance.delay.ms", 0).start().await.unwrap();
    (cluster, start(Options::new(Version::NEWEST)).await.unwrap())
}

/// What a program prints, line by line.
async fn output(
    command: impl FnOnce() -> xtask::Result<Command> + Send + 'static,
    input: &str,
) -> Vec<String> {
    let input = input.to_owned();
    let run = move || {
        let mut command = command().unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{command:?} ends with {}", output.status);
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn librdkafka_session(bootstrap: String) -> Vec<String> {
    let command = move || {
        let mut command = clients::python("librdkafka_session.py")?;
        command.arg(bootstrap);
        Ok(command)
    };
    output(command, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafka_meets_the_same_as_on_a_real_broker() {
    let (cluster, kafka) = both().await;
    let here = librdkafka_session(cluster.bootstrap_servers()).await;
    let there = librdkafka_session(kafka.direct_bootstrap()).await;
    assert_eq!(here, there);
    assert!(here.len() > 20, "{here:#?}");
    let heartbeats = cluster.requests().of(ApiKey::ConsumerGroupHeartbeat).count();
    assert!(heartbeats > 5, "the consumer protocol was not used: {heartbeats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafka_logs_in_by_every_mechanism_and_not_with_a_wrong_password() {
    let cluster = Cluster::builder().brokers(2).sasl_user("us,er=1", "secret").start().await.unwrap();
    let bootstrap = cluster.bootstrap_servers();
    let command = move || {
        let mut command = clients::python("librdkafka_sasl.py")?;
        command.args([&bootstrap, "us,er=1", "secret"]);
        Ok(command)
    };
    let lines: Vec<Value> =
        output(command, "").await.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut expected = Vec::new();
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        expected.push(json!({ "mechanism": mechanism, "right": true, "brokers": 2, "refused": false }));
        expected.push(json!({ "mechanism": mechanism, "right": false, "brokers": null, "refused": true }));
    }
    assert_eq!(lines, expected);
}

fn java_writer(bootstrap: &str) -> impl FnOnce() -> xtask::Result<Command> + Send + 'static {
    let bootstrap = bootstrap.to_owned();
    move || {
        let mut command = java::command(Sources::Any, Version::NEWEST, "Writer")?;
        command.arg(bootstrap);
        Ok(command)
    }
}

fn go_writer(bootstrap: &str) -> impl FnOnce() -> xtask::Result<Command> + Send + 'static {
    let bootstrap = bootstrap.to_owned();
    move || {
        let mut command = clients::go()?;
        command.arg(bootstrap);
        Ok(command)
    }
}

/// What Java's consumer reads in these topics.
async fn dump(bootstrap: &str, isolation: &str, topics: &[String]) -> Vec<String> {
    let mut arguments = vec![bootstrap.to_owned(), isolation.to_owned(), "fetch.max.wait.ms=10".to_owned()];
    arguments.extend_from_slice(topics);
    let command = || {
        let mut command = java::command(Sources::Any, Version::NEWEST, "DumpConsumer")?;
        command.args(arguments);
        Ok(command)
    };
    output(command, "").await
}

/// One topic for each kind and codec, and the lines that make a writer fill them.
fn plan(who: &str, kinds: &[&str]) -> (Vec<String>, String) {
    let mut topics = Vec::new();
    let mut lines = String::new();
    for kind in kinds {
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let topic = format!("{who}-{kind}-{codec}");
            lines.push_str(&format!("{kind} {codec} {topic}\n"));
            topics.push(topic);
        }
    }
    (topics, lines)
}

fn create(cluster: &Cluster, topics: &[String]) {
    for topic in topics {
        cluster.create_topic(&testkit::cluster::NewTopic::new(topic, 1)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_java_and_franz_go_write_java_reads_as_from_a_real_broker() {
    let (cluster, kafka) = both().await;
    let kinds = ["plain", "simple", "headers", "big", "batches", "deleted", "transactions", "aborted"];
    let (mut topics, java_lines) = plan("java", &kinds);
    let (go_topics, go_lines) = plan("go", &["plain", "headers", "batches", "transactions"]);
    topics.extend(go_topics);
    create(&cluster, &topics);
    let addresses = [cluster.bootstrap_servers(), kafka.direct_bootstrap()];
    let client = client::config::ClientConfig::bootstrap(&addresses[1]).unwrap().build().unwrap();
    let client = client::Client::connect(client).await.unwrap();
    for topic in &topics {
        client.create_topic(client::NewTopic::new(topic).partitions(1).replication_factor(1)).await.unwrap();
    }
    let mut read = Vec::new();
    for address in &addresses {
        output(java_writer(address), &java_lines).await;
        output(go_writer(address), &go_lines).await;
        let committed = dump(address, "read_committed", &topics).await;
        let all = dump(address, "read_uncommitted", &topics).await;
        assert!(committed.len() < all.len(), "{} of {}", committed.len(), all.len());
        read.push((committed, all));
    }
    let there = read.pop().unwrap();
    let here = read.pop().unwrap();
    assert_eq!(here.0.len(), there.0.len());
    for (here, there) in here.0.iter().chain(&here.1).zip(there.0.iter().chain(&there.1)) {
        assert_eq!(comparable(here), comparable(there));
    }
}

/// A record as Java prints it, without the time at which its writer ran.
fn comparable(line: &str) -> Value {
    let mut record: Value = serde_json::from_str(line).unwrap();
    let time = record["timestamp"].as_i64().unwrap();
    if time > 1_767_225_600_000 + 1_000_000_000 {
        record["timestamp"] = Value::Null;
    }
    record
}

/// A Java consumer in a group.
struct Member {
    child: Child,
    stdin: ChildStdin,
    events: mpsc::Receiver<Value>,
    owned: BTreeSet<i64>,
    records: Vec<(i64, i64)>,
}

impl Member {
    fn start(bootstrap: &str, group: &str, protocol: &str) -> Self {
        let mut command = java::command(Sources::Any, Version::NEWEST, "GroupConsumer").unwrap();
        command.args([bootstrap, group, "orders", protocol]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { child, stdin, events, owned: BTreeSet::new(), records: Vec::new() }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    /// Takes in what the member says until it has said what is waited for.
    fn until(&mut self, what: &str, done: impl Fn(&Self, &Value) -> bool) {
        loop {
            let event = self.events.recv_timeout(DONE).unwrap_or_else(|_| {
                panic!("{what} did not happen: owned {:?}, {} records", self.owned, self.records.len())
            });
            let partitions = event["partitions"].as_array().map(Vec::as_slice).unwrap_or_default();
            let partitions = partitions.iter().map(|partition| partition[1].as_i64().unwrap());
            match event["event"].as_str().unwrap() {
                "assigned" => self.owned.extend(partitions),
                "revoked" | "lost" => {
                    let gone: BTreeSet<_> = partitions.collect();
                    self.owned.retain(|partition| !gone.contains(partition));
                }
                "records" => {
                    let partition = event["partition"].as_i64().unwrap();
                    let offsets = event["offsets"].as_array().unwrap().iter();
                    self.records.extend(offsets.map(|offset| (partition, offset.as_i64().unwrap())));
                }
                _ => {}
            }
            if done(self, &event) {
                return;
            }
        }
    }

    fn close(mut self) {
        self.tell("close");
        self.until("closed", |_, event| event["event"] == "closed");
        assert!(self.child.wait().unwrap().success());
    }
}

/// A member reads all, a second one comes and gets its half from where the first has committed, and all when that one leaves.
fn java_group(cluster: &Cluster, protocol: &str) {
    let group = format!("java {protocol}");
    let bootstrap = cluster.bootstrap_servers();
    let mut first = Member::start(&bootstrap, &group, protocol);
    first.until("all records", |member, _| member.records.len() == 400);
    first.tell("commit");
    first.until("the commit", |_, event| event["event"] == "committed");
    let mut second = Member::start(&bootstrap, &group, protocol);
    second.until("two partitions", |member, _| member.owned.len() == 2);
    // Eager members give everything up first: wait for the half that comes back.
    first.until("two partitions", |member, _| member.owned.len() == 2);
    let together: BTreeSet<_> = first.owned.union(&second.owned).copied().collect();
    assert_eq!(together, [0, 1, 2, 3].into());
    for partition in 0..4 {
        cluster.append("orders", partition, ["late"]).unwrap();
    }
    first.until("late records", |member, _| member.records.len() == 402);
    second.until("late records", |member, _| member.records.len() == 2);
    first.tell("commit");
    first.until("the commit", |_, event| event["event"] == "committed");
    first.close();
    second.until("all partitions", |member, _| member.owned.len() == 4);
    second.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn java_consumers_share_a_group_in_both_protocols() {
    for protocol in ["group.protocol=classic", "group.protocol=consumer"] {
        let cluster = Cluster::builder().brokers(3).topic("orders", 4).start().await.unwrap();
        for partition in 0..4 {
            cluster.append("orders", partition, (0..100).map(|index| format!("record {index}"))).unwrap();
        }
        tokio::task::spawn_blocking(move || java_group(&cluster, protocol)).await.unwrap();
    }
}
