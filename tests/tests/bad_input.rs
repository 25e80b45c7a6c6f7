//! What is wrong is named: host and port, key, topic, partition, offset. Nothing hangs, nothing is passed over in silence, and
//! what is not concerned goes on.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use client::config::ClientConfig;
use client::{Client, CommittedOffset, ErrorKind, Event, MoveCause, Start, TopicPartition};
use futures_util::StreamExt;
use milena_tests::fixture::cli::Milena;
use milena_tests::fixture::kafka::{Kafka, Options};
use milena_tests::fixture::member::{Member, Seen};
use milena_tests::fixture::offsets_log::commits_of;
use milena_tests::fixture::produce::{produce, produce_sized};
use milena_tests::fixture::start;
use records::Compression;
use source::{Source, SourceBuilder, Until};

/// Nothing that is wrong may take longer to be told. Far more than anything here needs.
const LIMIT: Duration = Duration::from_secs(60);

/// What a build fails with.
async fn refused(builder: SourceBuilder) -> client::Error {
    let built = tokio::time::timeout(LIMIT, builder.build()).await.expect("it is told, sooner or later");
    built.expect_err("this cannot be read")
}

fn assert_names(error: &client::Error, all: &[&str]) {
    assert_names_all(&error.to_string(), all);
}

fn assert_names_all(text: &str, all: &[&str]) {
    for part in all {
        assert!(text.contains(part), "{part:?} is not named: {text}");
    }
}

// --- Who does not answer as Kafka does ---------------------------------------------------------------------------

/// A server that answers whatever it is sent with these bytes, or with silence.
fn server(answer: Option<&'static [u8]>) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            match answer {
                Some(bytes) => drop(stream.write_all(bytes)),
                None => silent.push(stream),
            }
        }
    });
    address.to_string()
}

fn reading(bootstrap: &str) -> SourceBuilder {
    Source::builder(bootstrap).group("g").topics(["t"]).property("request.timeout.ms", 2000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_where_no_kafka_answers_is_named() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let nobody = free.local_addr().expect("it is bound").to_string();
    drop(free);
    let error = refused(reading(&nobody)).await;
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert_names(&error, &[&nobody, "no connection", "refused"]);

    let http = server(Some(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    let error = refused(reading(&http)).await;
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert_names(&error, &[&http, "HTTP server"]);

    // A TLS server's answer to plaintext: fatal alert, unexpected message.
    let tls = server(Some(&[0x15, 3, 3, 0, 2, 2, 10]));
    let error = refused(reading(&tls)).await;
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert_names(&error, &[&tls, "TLS"]);

    let hangs_up = server(Some(b""));
    let error = refused(reading(&hangs_up)).await;
    assert_names(&error, &[&hangs_up, "the connection ended"]);

    let silent = server(None);
    let error = refused(reading(&silent)).await;
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert_names(&error, &[&silent]);

    // All of them are tried; the error is of one that was.
    let all = [nobody, http, tls].join(",");
    let error = refused(reading(&all)).await;
    assert!(all.split(',').any(|one| error.to_string().contains(one)), "{error}");

    let error = refused(reading("no-such-host.invalid:9092")).await;
    assert_names(&error, &["no-such-host.invalid:9092"]);
}

#[tokio::test]
async fn a_setting_that_is_none_is_named() {
    let error = refused(reading("127.0.0.1:1").property("fetch.max.byte", 1)).await;
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert_names(&error, &["`fetch.max.byte`", "`fetch.max.bytes`"]);
    let error = refused(reading("127.0.0.1:1").property("session.timeout.ms", "soon")).await;
    assert_names(&error, &["session.timeout.ms=soon", "milliseconds"]);
    let error = refused(reading("127.0.0.1")).await;
    assert_names(&error, &["bootstrap.servers", "127.0.0.1"]);
    // A secret is not repeated.
    let error = refused(reading("127.0.0.1:1").property("sasl.passwort", "hunter2")).await;
    assert_names(&error, &["sasl.passwort"]);
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

// --- What is not there -------------------------------------------------------------------------------------------

async fn what_is_missing(kafka: &Kafka) {
    kafka.create_topic("there", 2, 1, &[]).expect("the topic is created");
    let bootstrap = &kafka.bootstrap();
    let error = refused(Source::builder(bootstrap).group("missing").topics(["there", "nowhere"])).await;
    assert_names(&error, &["topic nowhere", "UNKNOWN_TOPIC_OR_PARTITION"]);
    let error = refused(Source::builder(bootstrap).partitions([("nowhere", 0)]).start(Start::Earliest)).await;
    assert_names(&error, &["topic nowhere", "UNKNOWN_TOPIC_OR_PARTITION"]);
    let partitions = [("there", 1), ("there", 2)];
    let error = refused(Source::builder(bootstrap).partitions(partitions).start(Start::Earliest)).await;
    assert_names(&error, &["topic there", "partition 2", "UNKNOWN_TOPIC_OR_PARTITION"]);
    let bounded = Source::builder(bootstrap).partitions(partitions).start(Start::Earliest);
    let error = refused(bounded.until(Until::Latest)).await;
    assert_names(&error, &["topic there", "partition 2"]);
    let error = refused(Source::builder(bootstrap).group("missing").topics(["no/name"])).await;
    assert_names(&error, &["topic no/name"]);
}

// --- Offsets that are not in the log -----------------------------------------------------------------------------

/// A group whose partition 0 is committed at an offset, over twenty records of which the first ten are gone; partition 1
/// has twenty and no commit.
async fn at_offset(kafka: &Kafka, group: &str, offset: i64, policy: &str) -> Member {
    kafka.create_topic(group, 2, 1, &[]).expect("the topic is created");
    for partition in 0..2 {
        produce(kafka, group, partition, 20);
    }
    kafka.delete_records(group, 0, 10).expect("the records are deleted");
    let committed = |partition, offset| (TopicPartition::new(group, partition), CommittedOffset::new(offset));
    let offsets = BTreeMap::from([committed(0, offset), committed(1, 0)]);
    client(kafka).await.commit_group_offsets(group, &offsets).await.expect("the offsets are set");
    let policy = [("auto.offset.reset", policy)];
    Member::join(group, &kafka.bootstrap(), group, group, &policy).await
}

async fn below_the_log_with_policy_none(kafka: &Kafka) {
    let group = "below-none";
    let member = at_offset(kafka, group, 5, "none").await;
    member.until("the error", |seen| !seen.errors.is_empty()).await;
    member.until_delivered(group, 1, 20).await;
    let error = member.seen().errors[0].clone();
    assert_eq!(error.kind(), ErrorKind::OffsetOutOfRange, "{error}");
    assert_names(&error, &["topic below-none", "partition 0", "offset 5", "10", "auto.offset.reset"]);
    assert_eq!(member.delivered(group, 0), [] as [i64; 0]);
    // The others flow on, and whoever decides can go on here, too.
    produce(kafka, group, 1, 3);
    member.until_delivered(group, 1, 23).await;
    member.source().seek(TopicPartition::new(group, 0), Start::Earliest).await.expect("the seek is done");
    member.until_delivered(group, 0, 10).await;
    assert_eq!(member.delivered(group, 0), (10..20).collect::<Vec<i64>>());
    assert_eq!(member.seen().errors.len(), 1, "said once: {:?}", member.seen().errors);
    finish(member).await;
}

async fn below_the_log_with_policy_earliest(kafka: &Kafka) {
    let group = "below-earliest";
    let member = at_offset(kafka, group, 5, "earliest").await;
    member.until_delivered(group, 0, 10).await;
    assert_eq!(member.delivered(group, 0), (10..20).collect::<Vec<i64>>());
    let moves = moves(&member.seen(), group, 0);
    assert_eq!(
        moves,
        [(MoveCause::Committed, None, 5, None), (MoveCause::OutOfRangeBelow, Some(5), 10, Some(5..10))]
    );
    finish(member).await;
}

async fn above_the_log_with_policy_none(kafka: &Kafka) {
    let group = "above-none";
    let member = at_offset(kafka, group, 100, "none").await;
    member.until("the error", |seen| !seen.errors.is_empty()).await;
    member.until_delivered(group, 1, 20).await;
    let error = member.seen().errors[0].clone();
    assert_eq!(error.kind(), ErrorKind::OffsetOutOfRange, "{error}");
    assert_names(&error, &["topic above-none", "partition 0", "offset 100", "10", "20", "auto.offset.reset"]);
    produce(kafka, group, 0, 5);
    produce(kafka, group, 1, 3);
    member.until_delivered(group, 1, 23).await;
    assert_eq!(member.delivered(group, 0), [] as [i64; 0]);
    finish(member).await;
}

async fn above_the_log_with_policy_earliest(kafka: &Kafka) {
    let group = "above-earliest";
    let member = at_offset(kafka, group, 100, "earliest").await;
    member.until("the move", |seen| moves(seen, group, 0).len() == 2).await;
    produce(kafka, group, 0, 5);
    member.until_delivered(group, 0, 5).await;
    let moves = moves(&member.seen(), group, 0);
    assert_eq!(
        moves,
        [(MoveCause::Committed, None, 100, None), (MoveCause::OutOfRangeAbove, Some(100), 20, Some(20..100))]
    );
    assert_eq!(member.delivered(group, 0), (20..25).collect::<Vec<i64>>());
    finish(member).await;
}

async fn no_offset_with_policy_none(kafka: &Kafka) {
    let group = "no-offset";
    kafka.create_topic(group, 1, 1, &[]).expect("the topic is created");
    produce(kafka, group, 0, 5);
    let policy = [("auto.offset.reset", "none")];
    let member = Member::join(group, &kafka.bootstrap(), group, group, &policy).await;
    member.until("the error", |seen| !seen.errors.is_empty()).await;
    let error = member.seen().errors[0].clone();
    assert_names(&error, &["topic no-offset", "partition 0", "no offset is committed"]);
    finish(member).await;
}

/// Records are deleted under a reader that stands still, further than it has read.
async fn deleted_while_reading(kafka: &Kafka) {
    let group = "deleted";
    kafka.create_topic(group, 1, 1, &[]).expect("the topic is created");
    produce_sized(kafka, group, 0, 400, 20, 1000, Compression::None);
    let small = [
        ("max.partition.fetch.bytes", "30000"),
        ("fetch.max.bytes", "30000"),
        ("milena.budget.bytes", "200000"),
    ];
    let member = Member::join(group, &kafka.bootstrap(), group, group, &small).await;
    // What is held fills the budget: it stops.
    member.until_delivered(group, 0, 20).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let read = i64::try_from(member.delivered(group, 0).len()).expect("few");
    assert!(read < 360, "the budget stops it: {read}");
    kafka.delete_records(group, 0, 390).expect("the records are deleted");
    member.ack_below(group, 0, read);
    member
        .until("the move", |seen| {
            !moves(seen, group, 0).is_empty() && seen.delivered_last(group) == Some(399)
        })
        .await;
    let delivered = member.delivered(group, 0);
    let before: Vec<i64> = delivered.iter().copied().filter(|offset| *offset < 390).collect();
    assert_eq!(before, (0..before.len() as i64).collect::<Vec<i64>>(), "in order, until it moved");
    let gap = before.len() as i64;
    assert_eq!(delivered[before.len()..], (390..400).collect::<Vec<i64>>());
    let moves = moves(&member.seen(), group, 0);
    assert_eq!(moves[1..], [(MoveCause::OutOfRangeBelow, Some(gap), 390, Some(gap..390))], "{moves:?}");
    finish(member).await;
}

trait LastOf {
    fn delivered_last(&self, topic: &str) -> Option<i64>;
}

impl LastOf for Seen {
    fn delivered_last(&self, topic: &str) -> Option<i64> {
        self.delivered.get(&(topic.to_owned(), 0))?.last().copied()
    }
}

type Move = (MoveCause, Option<i64>, i64, Option<std::ops::Range<i64>>);

/// How a partition's position moved.
fn moves(seen: &Seen, topic: &str, number: i32) -> Vec<Move> {
    let tp = TopicPartition::new(topic, number);
    let of = |event: &Event| match event {
        Event::Moved { partition, cause, from, to, lost } if *partition == tp => {
            Some((*cause, *from, *to, lost.clone()))
        }
        _ => None,
    };
    seen.events.iter().filter_map(of).collect()
}

async fn finish(member: Member) {
    member.ack_all();
    member.close(LIMIT).await.expect("all is acknowledged");
}

async fn client(kafka: &Kafka) -> Client {
    let config = ClientConfig::bootstrap(&kafka.bootstrap()).and_then(|config| config.build());
    Client::connect(config.expect("the configuration is right")).await.expect("the cluster answers")
}

// --- Logs that are damaged ---------------------------------------------------------------------------------------

const ROTTEN: &str = "rotten";
/// Each partition has four batches of five records; the damage is in the third, whose first record has offset 10.
const BATCH: usize = 5;
const DAMAGED: i64 = 10;

/// What happens to the third batch of a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// Nothing.
    None,
    /// A bit of a record.
    Record,
    /// The magic byte says 3.
    Magic,
    /// The base offset says 2: an offset that was there before. Nothing tells that it is not the batch before it that lies.
    BaseOffsetBack,
    /// The base offset is far beyond the log's end.
    BaseOffsetBeyond,
    /// The batch says that it is longer than the file.
    Length,
}

impl Damage {
    /// Where reading ends.
    fn end(self) -> i64 {
        match self {
            Damage::None => 20,
            Damage::BaseOffsetBack => 5,
            _ => DAMAGED,
        }
    }
}

const DAMAGES: [Damage; 6] = [
    Damage::None,
    Damage::Record,
    Damage::Magic,
    Damage::BaseOffsetBack,
    Damage::BaseOffsetBeyond,
    Damage::Length,
];

fn log_file(kafka: &Kafka, topic: &str, partition: i32) -> PathBuf {
    kafka.data_dir(1).join(format!("{topic}-{partition}")).join("00000000000000000000.log")
}

/// Where batches begin in a segment.
fn batches_of(path: &PathBuf) -> Vec<u64> {
    let bytes = fs::read(path).expect("the segment is there");
    let mut starts = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        starts.push(at as u64);
        let length = bytes[at + 8..at + 12].try_into().expect("four bytes");
        at += 12 + u32::from_be_bytes(length) as usize;
    }
    starts
}

fn damage(path: &PathBuf, damage: Damage) {
    let starts = batches_of(path);
    assert_eq!(starts.len(), 4, "{path:?}");
    // KIP-98: base offset (8 bytes), length (4), leader epoch (4), magic (1), CRC (4), ... records from 61 on.
    let (at, flip): (u64, u8) = match damage {
        Damage::None => return,
        Damage::Record => (61 + 20, 0x01),
        Damage::Magic => (16, 2 ^ 3),
        Damage::BaseOffsetBack => (7, 10 ^ 2),
        Damage::BaseOffsetBeyond => (3, 0x01),
        Damage::Length => (9, 0x10),
    };
    let mut file: File = OpenOptions::new().read(true).write(true).open(path).expect("the segment opens");
    let at = starts[2] + at;
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut byte)).expect("it is read");
    byte[0] ^= flip;
    file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&byte)).expect("it is written");
}

/// Stops the broker, changes its files, and starts it again.
async fn while_down(kafka: &Arc<Kafka>, change: impl FnOnce(&Kafka) + Send + 'static) {
    let kafka = kafka.clone();
    let restarted = tokio::task::spawn_blocking(move || {
        kafka.stop(1)?;
        change(&kafka);
        kafka.restart(1)
    });
    restarted.await.expect("nothing panics").expect("the broker comes back");
}

/// Batches that cannot be read hold their own partitions, and say where they are.
async fn rotten(kafka: &Arc<Kafka>) {
    let member = Member::join(ROTTEN, &kafka.bootstrap(), ROTTEN, ROTTEN, &[]).await;
    let partitions = 0..DAMAGES.len() as i32;
    for (partition, damage) in (0..).zip(DAMAGES) {
        member.until_delivered(ROTTEN, partition, damage.end() as usize).await;
    }
    // `Length` hides what is behind it from the broker itself: its log ends there, so there is nothing to tell.
    let told: Vec<i32> =
        partitions.clone().filter(|at| *at != 0 && DAMAGES[*at as usize] != Damage::Length).collect();
    member.until("an error for each", |seen| told.iter().all(|at| error_of(seen, *at).is_some())).await;
    for partition in &told {
        let error = error_of(&member.seen(), *partition).expect("it was waited for");
        let damage = DAMAGES[*partition as usize];
        assert_eq!(error.kind(), ErrorKind::CorruptBatch, "{damage:?}: {error}");
        let (partition, offset) = (format!("partition {partition}"), format!("offset {}", damage.end()));
        assert_names(&error, &["topic rotten", &partition, &offset]);
    }
    produce(kafka, ROTTEN, 0, 5);
    member.until_delivered(ROTTEN, 0, 25).await;
    // Nothing else came, and nothing is said twice.
    for (partition, damage) in (0..).zip(DAMAGES).skip(1) {
        let delivered = member.delivered(ROTTEN, partition);
        assert_eq!(delivered, (0..damage.end()).collect::<Vec<i64>>(), "{damage:?}");
    }
    assert_eq!(member.seen().errors.len(), told.len(), "{:?}", member.seen().errors);
    // Somebody decides to go on behind it.
    for partition in [1, 2, 3] {
        let behind = Start::Offset(DAMAGED + BATCH as i64);
        member.source().seek(TopicPartition::new(ROTTEN, partition), behind).await.expect("the seek is done");
        let before = DAMAGES[partition as usize].end() as usize;
        member.until_delivered(ROTTEN, partition, before + BATCH).await;
        assert_eq!(member.delivered(ROTTEN, partition)[before..], [15, 16, 17, 18, 19]);
    }
    // Records behind the batch that hides all: the broker knows of them, and cannot find them.
    let hidden = DAMAGES.iter().position(|it| *it == Damage::Length).expect("it is there") as i32;
    assert_eq!(produce(kafka, ROTTEN, hidden, 3), DAMAGED);
    member.until("trouble", |seen| troubles(seen).any(|text| text.contains("goes on to 13"))).await;
    let told: Vec<String> = troubles(&member.seen()).filter(|text| text.contains("partition 5")).collect();
    assert!(told.len() == 1 && told[0].contains("topic rotten") && told[0].contains("offset 10"), "{told:?}");
    finish(member).await;
}

fn troubles(seen: &Seen) -> impl Iterator<Item = String> {
    let text = |event: &Event| match event {
        Event::Trouble { error } => Some(error.to_string()),
        _ => None,
    };
    seen.events.iter().filter_map(text)
}

fn error_of(seen: &Seen, partition: i32) -> Option<client::Error> {
    let tp = TopicPartition::new(ROTTEN, partition);
    seen.errors.iter().find(|error| error.topic_partition().as_ref() == Some(&tp)).cloned()
}

/// A bounded read of a damaged partition ends with the error, not in a wait for what cannot come.
async fn rotten_and_bounded(kafka: &Kafka) {
    let source = Source::builder(&kafka.bootstrap())
        .partitions([(ROTTEN, 0), (ROTTEN, 1)])
        .start(Start::Earliest)
        .until(Until::Offset(20))
        .build()
        .await
        .expect("the source is built");
    let mut records = source.records();
    let mut delivered: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    let error = loop {
        match within("the error", records.next()).await.expect("the end is not reached") {
            Ok(record) => delivered.entry(record.partition().partition).or_default().push(record.offset()),
            Err(error) => break error,
        }
    };
    assert_names(&error, &["topic rotten", "partition 1", "offset 10"]);
    while delivered.get(&0).is_none_or(|offsets| offsets.len() < 20) {
        let record = within("the rest", records.next()).await.expect("not the end").expect("no other error");
        delivered.entry(record.partition().partition).or_default().push(record.offset());
    }
    assert_eq!(delivered, BTreeMap::from([(0, (0..20).collect()), (1, (0..10).collect())]));
}

const BROKEN: &str = "broken";
/// What is wrong with the third batch of the partitions of [`BROKEN`].
const BREAKS: [Break; 4] = [Break::Bit, Break::Record, Break::Magic, Break::Nothing];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    /// A bit of a record: the checksum is wrong.
    Bit,
    /// The value of its third record is longer than the record, and the checksum is right: a producer wrote it like that.
    Record,
    /// A format that does not exist.
    Magic,
    Nothing,
}

impl Break {
    fn end(self) -> i64 {
        match self {
            // What comes before it in its batch can be read.
            Break::Record => DAMAGED + 2,
            Break::Nothing => 20,
            Break::Bit | Break::Magic => DAMAGED,
        }
    }

    fn apply(self, path: &PathBuf) {
        match self {
            Break::Bit => damage(path, Damage::Record),
            Break::Magic => damage(path, Damage::Magic),
            Break::Nothing => {}
            Break::Record => {
                let start = batches_of(path)[2] as usize;
                let mut bytes = fs::read(path).expect("the segment is there");
                let end = batches_of(path)[3] as usize;
                // A record is 23 bytes: its length, attributes, both deltas, the key's length (none), the value's, 16 bytes of
                // it, and the number of headers.
                let value = start + 61 + 2 * 23 + 5;
                assert_eq!(bytes[value], 2 * 16, "a varint in zigzag: the length of the value");
                bytes[value] = 2 * 60;
                let crc = crc32c(&bytes[start + 21..end]).to_be_bytes();
                bytes[start + 17..start + 21].copy_from_slice(&crc);
                fs::write(path, bytes).expect("the segment is written");
            }
        }
    }
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// The command says where it stops, prints all that comes before and nothing behind, and fails. A group's commits stop there.
async fn broken(kafka: &Kafka) {
    let milena = Milena::on(kafka).await;
    let offsets = |output: &Output| -> Vec<i64> {
        let lines = std::str::from_utf8(&output.stdout).expect("UTF-8").lines();
        let json = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        json.map(|record| record["offset"].as_i64().expect("an offset")).collect()
    };
    for (partition, what) in (0..).zip(BREAKS) {
        for until in ["latest", "never", "offset:20"] {
            if what == Break::Nothing && until == "never" {
                continue;
            }
            let group = format!("{BROKEN}-{partition}-{until}");
            let args = format!("-t {BROKEN} -p {partition} -g {group} --from earliest --until {until}");
            let output = within("the end", milena.consume_command(&args).output()).await.expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(offsets(&output), (0..what.end()).collect::<Vec<i64>>(), "{what:?}: {said}");
            let committed = milena.committed(&group).await;
            assert_eq!(committed[0].1, what.end(), "{what:?}");
            if what == Break::Nothing {
                assert_eq!((output.status.code(), &*said), (Some(0), ""));
                continue;
            }
            assert_eq!(output.status.code(), Some(1), "{what:?}: {said}");
            let place = format!("topic {BROKEN}, partition {partition}, offset {}", what.end());
            // Before it, that it was tried again.
            let reason = said.lines().last().unwrap_or_default();
            assert!(reason.starts_with("milena: ") && reason.contains(&place), "{what:?}: {said}");
        }
    }
    // All of it at once: it stops at one of them, and nothing is printed from behind any.
    let all = milena.consume_command(&format!("-t {BROKEN} --until latest")).output();
    let output = within("the end", all).await.expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert_names_all(&String::from_utf8_lossy(&output.stderr), &["topic broken", "partition ", "offset 1"]);
    for line in std::str::from_utf8(&output.stdout).expect("UTF-8").lines() {
        let json: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let what = BREAKS[json["partition"].as_u64().expect("a partition") as usize];
        assert!(json["offset"].as_i64().expect("an offset") < what.end(), "{what:?}: {line}");
    }
}

const TORN: &str = "torn";

/// A group has read and committed all of it when the last batch of a log is torn off: from partition 0 whole, from partition 2
/// half. It goes on where the log ends, and says so.
async fn torn(kafka: &Kafka, committed: &BTreeMap<i32, i64>) {
    assert_eq!(committed, &BTreeMap::from([(0, 20), (1, 20), (2, 20)]));
    let ends: Vec<i64> = (0..3).map(|at| kafka.end_offset(TORN, at).expect("the broker tells")).collect();
    assert_eq!(ends, [15, 20, 15]);
    let member = Member::join(TORN, &kafka.bootstrap(), TORN, TORN, &[]).await;
    let committed = (MoveCause::Committed, None, 20, None);
    for partition in [0, 2] {
        member.until("the move", |seen| moves(seen, TORN, partition).len() == 2).await;
        let truncated = (MoveCause::Truncated, Some(20), 15, Some(15..20));
        assert_eq!(moves(&member.seen(), TORN, partition), [committed.clone(), truncated]);
    }
    assert_eq!(moves(&member.seen(), TORN, 1), [committed]);
    for partition in 0..3 {
        produce(kafka, TORN, partition, 5);
    }
    member.until_delivered(TORN, 0, 5).await;
    member.until_delivered(TORN, 1, 5).await;
    assert_eq!(member.delivered(TORN, 0), (15..20).collect::<Vec<i64>>());
    assert_eq!(member.delivered(TORN, 1), (20..25).collect::<Vec<i64>>());
    // A broker that was stopped in an orderly way does not look at its logs: it writes on behind the half batch.
    member.until("the error", |seen| !seen.errors.is_empty()).await;
    let errors = member.seen().errors.clone();
    assert_eq!((errors.len(), errors[0].kind()), (1, ErrorKind::CorruptBatch), "{errors:?}");
    assert_names(&errors[0], &["topic torn", "partition 2", "offset 15"]);
    assert_eq!(member.delivered(TORN, 2), [] as [i64; 0]);
    finish(member).await;
}

async fn read_torn(kafka: &Kafka) -> BTreeMap<i32, i64> {
    let member = Member::join(TORN, &kafka.bootstrap(), TORN, TORN, &[]).await;
    for partition in 0..3 {
        member.until_delivered(TORN, partition, 20).await;
    }
    finish(member).await;
    let commits = commits_of(kafka, TORN).expect("the log of commits is read");
    commits.into_iter().filter_map(|commit| Some((commit.partition, commit.value?.offset))).collect()
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_topic_is_named() {
    let kafka = Arc::new(start(Options::default()).await.expect("Kafka starts"));
    tokio::join!(
        what_is_missing(&kafka),
        below_the_log_with_policy_none(&kafka),
        below_the_log_with_policy_earliest(&kafka),
        above_the_log_with_policy_none(&kafka),
        above_the_log_with_policy_earliest(&kafka),
        no_offset_with_policy_none(&kafka),
        deleted_while_reading(&kafka),
    );

    let topics = [(ROTTEN, DAMAGES.len() as i32), (TORN, 3), (BROKEN, BREAKS.len() as i32)];
    for (topic, partitions) in topics {
        kafka.create_topic(topic, partitions, 1, &[]).expect("the topic is created");
        for partition in 0..partitions {
            produce_sized(&kafka, topic, partition, 4 * BATCH, BATCH, 16, Compression::None);
        }
    }
    let committed = read_torn(&kafka).await;
    while_down(&kafka, |kafka| {
        for (partition, what) in (0..).zip(DAMAGES) {
            damage(&log_file(kafka, ROTTEN, partition), what);
        }
        for (partition, what) in (0..).zip(BREAKS) {
            what.apply(&log_file(kafka, BROKEN, partition));
        }
        for (partition, left) in [(0, 0), (2, 40)] {
            let path = log_file(kafka, TORN, partition);
            let file = OpenOptions::new().write(true).open(&path).expect("the segment opens");
            file.set_len(batches_of(&path)[3] + left).expect("it is cut");
        }
    })
    .await;
    rotten_and_bounded(&kafka).await;
    broken(&kafka).await;
    tokio::join!(rotten(&kafka), torn(&kafka, &committed));
}
