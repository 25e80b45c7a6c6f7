//! Partitions go from one member to another: by a planned rebalance without a loss and without a duplicate, by a death
//! without a loss.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Client;
use futures_util::StreamExt;
use milena_tests::fixture::crew::Crew;
use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::load::Load;
use milena_tests::fixture::member::Member;
use milena_tests::fixture::offsets_log::{commits_of, regressions};
use milena_tests::fixture::process::{Event, Process, delivered};
use milena_tests::fixture::produce::produce;
use milena_tests::fixture::proxy::Proxies;
use milena_tests::fixture::{CONSUMER, NO_FALLBACK, proxied, sharing};
use source::{Ack, Source};

/// How a group shares out its partitions: by an assignor, or by the coordinator (KIP-848).
const ASSIGNORS: [&str; 3] = ["range", "cooperative-sticky", CONSUMER];
const LEAVE_GROUP: i16 = 13;
const LIMIT: Duration = Duration::from_secs(60);

/// A group of Milena members in processes of their own, and the topic of its own name.
struct Group {
    kafka: Arc<Kafka>,
    name: String,
    assignor: &'static str,
    partitions: i32,
    crew: Crew,
}

impl Group {
    fn new(kafka: &Arc<Kafka>, name: &str, assignor: &'static str, partitions: i32) -> Group {
        let name = format!("{name}-{assignor}");
        kafka.create_topic(&name, partitions, 1, &[]).expect("the topic is created");
        Group { kafka: kafka.clone(), name, assignor, partitions, crew: Crew::default() }
    }

    fn start(&self, name: &str, settings: &[(&str, &str)]) -> Process {
        let mut all = vec![sharing(self.assignor), NO_FALLBACK];
        all.extend_from_slice(settings);
        let program = env!("CARGO_BIN_EXE_member");
        Process::milena(name, program, &self.kafka.bootstrap(), &self.name, &self.name, &all)
    }

    /// Joins, and waits until all have their share.
    async fn join(&mut self, name: &str, settings: &[(&str, &str)]) {
        let member = self.start(name, settings);
        self.crew.join(member);
        self.crew.until_shared(self.partitions).await;
    }

    async fn leave(&mut self, name: &str) {
        self.crew.leave(name).await;
        if !self.crew.is_empty() {
            self.crew.until_shared(self.partitions).await;
        }
    }

    /// What the group stored for each partition, in order.
    fn history(&self) -> BTreeMap<i32, Vec<i64>> {
        let commits = commits_of(&self.kafka, &self.name).expect("the log of commits is read");
        let back = regressions(&commits);
        assert!(back.is_empty(), "{}: commits went back: {back:#?}", self.name);
        let mut history = BTreeMap::new();
        for commit in commits {
            let of: &mut Vec<i64> = history.entry(commit.partition).or_default();
            of.extend(commit.value.map(|value| value.offset));
        }
        history
    }

    fn last_commits(&self) -> BTreeMap<i32, i64> {
        let history = self.history().into_iter();
        history.filter_map(|(partition, offsets)| Some((partition, *offsets.last()?))).collect()
    }

    /// Everybody has something to do, for a while.
    async fn work(&self) {
        tokio::time::sleep(Duration::from_millis(1000)).await;
    }
}

/// Members come and go while a producer writes; they acknowledge a while after they got something, so that records are in
/// their hands whenever a partition is asked back.
async fn planned(kafka: &Arc<Kafka>, assignor: &'static str) {
    let mut group = Group::new(kafka, "planned", assignor, 4);
    let load = Load::start(kafka, &group.name, 4, Duration::from_millis(10));
    // Long sessions: whoever is slow on a busy machine is not dead.
    let by_record = [("delay", "150"), ("session.timeout.ms", "30000")];
    let by_batch = [("delay", "150"), ("session.timeout.ms", "30000"), ("read", "batches")];
    group.join("a", &by_record).await;
    group.work().await;
    group.join("b", &by_batch).await;
    group.work().await;
    group.join("c", &by_record).await;
    group.work().await;
    group.leave("a").await;
    group.work().await;
    group.join("d", &by_batch).await;
    group.work().await;
    group.leave("b").await;
    group.leave("c").await;
    let ends = load.stop().await;
    group.crew.until_delivered(&ends).await;
    group.leave("d").await;

    assert!(ends.iter().all(|end| *end > 200), "there was something to do: {ends:?}");
    group.crew.assert_exactly_once(&ends);
    group.crew.assert_never_shared(4);
    assert_eq!(group.last_commits(), (0..).zip(ends).collect());
    for (name, events) in group.crew.said() {
        let revoked: Vec<&Event> = events.iter().filter(|event| event.name() == "revoked").collect();
        assert!(!revoked.is_empty(), "{name} gave partitions up");
        assert!(revoked.iter().all(|event| event.json["drained"] == true), "{name}: {revoked:?}");
    }
}

/// One of two members dies in the middle of its work. The other one goes on exactly where the last commit of the dead one
/// stands; what the dead one never had is delivered once.
async fn killed(kafka: &Arc<Kafka>, assignor: &'static str) {
    let mut group = Group::new(kafka, "killed", assignor, 4);
    let load = Load::start(kafka, &group.name, 4, Duration::from_millis(10));
    group.join("a", &[]).await;
    group.join("b", &[("delay", "50")]).await;
    let of_b = group.crew.member("b").owned();
    group.work().await;
    let mark = group.crew.member("a").mark();
    let said_by_b = group.crew.kill("b").await;
    // What it had sent has arrived by then. Its session ends much later.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(group.crew.member("a").owned().len(), 2, "the dead one's session is not over yet");
    let committed = group.last_commits();
    group.crew.until_shared(4).await;
    group.work().await;
    let ends = load.stop().await;
    group.crew.until_delivered(&ends).await;
    let said_by_a = group.crew.leave("a").await;

    assert_eq!(of_b.len(), 2);
    for partition in &of_b {
        let before = delivered(&said_by_b, *partition);
        let after = delivered(&said_by_a[mark..], *partition);
        let end = ends[*partition as usize];
        assert!(!before.is_empty(), "{partition}: it had work");
        assert_eq!(after, (committed[partition]..end).collect::<Vec<i64>>(), "{partition}");
        assert!(committed[partition] <= before[before.len() - 1] + 1, "{partition}");
    }
    let twice: BTreeSet<i32> = group.crew.duplicates(4).into_keys().collect();
    assert!(twice.is_subset(&of_b), "only what the dead one had can come twice: {twice:?} of {of_b:?}");
    assert_eq!(group.last_commits(), (0..).zip(ends).collect());
}

/// Only record 10 is acknowledged when the member dies: the next owner begins at 0. Beside it five records and one behind a
/// gap: it begins at 5.
async fn gaps_survive_a_death(kafka: &Arc<Kafka>, assignor: &'static str) {
    let mut group = Group::new(kafka, "gaps", assignor, 2);
    for partition in 0..2 {
        produce(kafka, &group.name, partition, 20);
    }
    group.join("a", &[("mode", "hold")]).await;
    let a = group.crew.member("a");
    a.until_delivered(0, 20).await;
    a.until_delivered(1, 20).await;
    for command in ["ack 0 10", "ack-below 1 5", "ack 1 10"] {
        let acked = a.ask(command, "acked").await;
        assert_eq!((&acked.json["duplicate"], &acked.json["fenced"]), (&0.into(), &0.into()), "{command}");
    }
    a.ask("commit", "commit_done").await;
    group.crew.kill("a").await;
    assert_eq!(group.history(), BTreeMap::from([(1, vec![5])]));
    group.join("b", &[]).await;
    let b = group.crew.member("b");
    b.until_delivered(0, 20).await;
    b.until_delivered(1, 15).await;
    group.leave("b").await;
    let (_, said_by_b) = group.crew.said().pop().expect("b has said something");
    assert_eq!(delivered(&said_by_b, 0), (0..20).collect::<Vec<i64>>());
    assert_eq!(delivered(&said_by_b, 1), (5..20).collect::<Vec<i64>>());
    assert_eq!(group.last_commits(), BTreeMap::from([(0, 20), (1, 20)]));
}

/// A member is frozen until its session is over and its partitions are somebody else's, with records in its hands, an
/// acknowledgement that is not committed yet, and a fetch under way. Thawed, it delivers nothing of what it lost, and what
/// it acknowledges then is void.
async fn frozen(kafka: &Arc<Kafka>, assignor: &'static str) {
    let mut group = Group::new(kafka, "frozen", assignor, 2);
    for partition in 0..2 {
        produce(kafka, &group.name, partition, 20);
    }
    // It commits only when it is told to, and gives partitions up with records in its hands.
    let hold = [("mode", "hold"), ("auto.commit.interval.ms", "600000"), ("milena.drain.timeout.ms", "300")];
    group.join("a", &hold).await;
    let a = group.crew.member("a");
    for partition in 0..2 {
        a.until_delivered(partition, 20).await;
        a.ask(&format!("ack-below {partition} 5"), "acked").await;
    }
    a.ask("commit", "commit_done").await;
    group.join("b", &[]).await;
    let owned = group.crew.member("a").owned();
    let kept = *owned.first().expect("a has one left");
    let a = group.crew.member("a");
    // An eager rebalance gives the partition back as a new one: it is read again from its commit.
    let count = if assignor == "range" { 35 } else { 20 };
    a.until_delivered(kept, count).await;
    let acked = a.ask(&format!("ack-below {kept} 8"), "acked").await;
    assert_eq!(acked.json["accepted"], 3, "{acked}");
    a.stop().await;
    // The broker answers the fetch that is under way: the answer waits in the socket of the frozen process.
    assert_eq!(produce(kafka, &group.name, kept, 5), 20);
    group.crew.member("b").until("owning both", |events| crew_owned(events) == 2).await;
    let mark_b = group.crew.member("b").mark();
    let b = group.crew.member("b");
    b.until_event(0, "commit of all", |event| is_commit(event, kept, 25)).await;
    let taken = b.delivered(kept);
    assert_eq!(taken[taken.len() - 20..], (5..25).collect::<Vec<i64>>(), "from the last commit on");

    let a = group.crew.member("a");
    let mark = a.mark();
    let before: BTreeSet<String> = a.events().iter().filter_map(epoch).collect();
    a.resume().await;
    // Before or after it hears that it is out: either way this commits nothing.
    a.ask(&format!("ack-below {kept} 12"), "acked").await;
    a.tell("commit").await;
    a.until_event(mark, "losing its partition", |event| event.name() == "lost").await;
    let late = a.ask("ack-all", "acked").await;
    a.until_event(mark, "its new share", |event| {
        event.name() == "assigned" && !event.partitions().is_empty()
    })
    .await;
    group.crew.until_shared(2).await;
    // As a member again, it has nothing to commit of what it had before.
    group.crew.member("a").ask("commit", "commit_done").await;
    for partition in 0..2 {
        produce(kafka, &group.name, partition, 5);
    }
    group.crew.member("a").ask("auto", "acked").await;
    group.crew.until_delivered(&ends(kept)).await;
    let a = group.crew.member("a");
    let events = a.events();
    let again =
        events[mark..].iter().position(|event| event.name() == "assigned").expect("it was waited for");
    let early: Vec<&Event> =
        events[mark..mark + again].iter().filter(|event| event.name() == "records").collect();
    assert!(early.is_empty(), "delivered without owning anything: {early:?}");
    let old: Vec<&Event> = events[mark..]
        .iter()
        .filter(|event| epoch(event).is_some_and(|epoch| before.contains(&epoch)))
        .collect();
    assert!(old.is_empty(), "delivered of an assignment that is over: {old:?}");
    group.leave("a").await;
    group.leave("b").await;
    // Commits never went back: `history` looks.
    assert_eq!(group.last_commits(), (0..).zip(ends(kept)).collect());
    assert_eq!((&late.json["accepted"], &late.json["duplicate"]), (&0.into(), &0.into()), "{late}");
    // Of both partitions, and where the rebalance was eager, of the kept one twice.
    let held = if assignor == "range" { 8 + 8 + 15 } else { 8 + 15 };
    assert_eq!(late.json["fenced"], held, "{late}");
    let (_, said_by_b) = group.crew.said().pop().expect("b has said something");
    assert!(said_by_b[mark_b..].iter().all(|event| event.name() != "lost"), "b was a member all the time");
}

fn ends(kept: i32) -> [i64; 2] {
    [if kept == 0 { 30 } else { 25 }, if kept == 1 { 30 } else { 25 }]
}

fn crew_owned(events: &[Event]) -> usize {
    milena_tests::fixture::process::owned(events).len()
}

fn is_commit(event: &Event, partition: i32, offset: i64) -> bool {
    event.name() == "committed" && event.partition().1 == partition && event.offset() == offset
}

/// The assignment epoch of a delivery.
fn epoch(event: &Event) -> Option<String> {
    (event.name() == "records").then(|| event.json["epoch"].to_string())
}

/// A source whose records are all acknowledged is drained: the group is empty when that returns, and knows the ends.
async fn a_drain_leaves_the_group(kafka: &Arc<Kafka>, proxies: &Proxies) {
    let group = "drained";
    kafka.create_topic(group, 2, 1, &[]).expect("the topic is created");
    for partition in 0..2 {
        produce(kafka, group, partition, 20);
    }
    let member = Member::join(group, &kafka.bootstrap(), group, group, &[]).await;
    member.until_delivered(group, 0, 20).await;
    member.until_delivered(group, 1, 20).await;
    member.ack_all();
    let seen = member.close(LIMIT).await.expect("all is acknowledged");
    let client = client(kafka).await;
    let described = client.describe_group(group).await.expect("the group is described");
    assert_eq!((described.state.as_str(), described.members.len()), ("Empty", 0));
    assert_eq!(leaves_of(proxies, group), 1, "LeaveGroup is said once");
    assert_eq!(last_commits(kafka, group), BTreeMap::from([(0, 20), (1, 20)]));
    assert!(seen.errors.is_empty(), "{:?}", seen.errors);
    let last = &seen.events[seen.events.len().saturating_sub(2)..];
    assert!(matches!(last, [client::Event::Left, client::Event::Closed]), "{:?}", seen.events);
}

/// What is not acknowledged by the deadline is said, and what comes before it is committed.
async fn a_drain_that_waits_in_vain_says_so(kafka: &Arc<Kafka>) {
    let group = "undrained";
    kafka.create_topic(group, 1, 1, &[]).expect("the topic is created");
    produce(kafka, group, 0, 20);
    let member = Member::join(group, &kafka.bootstrap(), group, group, &[]).await;
    member.until_delivered(group, 0, 20).await;
    member.ack_below(group, 0, 7);
    let start = Instant::now();
    let error =
        member.source().drain(Duration::from_millis(1500)).await.expect_err("13 are not acknowledged");
    assert!(start.elapsed() >= Duration::from_millis(1500), "it gave up early");
    let text = error.to_string();
    assert!(text.contains("topic undrained") && text.contains("partition 0"), "{text}");
    assert_eq!(member.ack(group, 0, 7), Ack::Fenced { reason: client::FenceReason::Revoked });
    let described = client(kafka).await.describe_group(group).await.expect("the group is described");
    assert_eq!((described.state.as_str(), described.members.len()), ("Empty", 0));
    assert_eq!(last_commits(kafka, group), BTreeMap::from([(0, 7)]));
}

/// Nobody holds the source any more: it leaves its group by itself, and commits what was acknowledged.
async fn a_dropped_source_leaves_the_group(kafka: &Arc<Kafka>, proxies: &Proxies) {
    let group = "dropped";
    kafka.create_topic(group, 1, 1, &[]).expect("the topic is created");
    produce(kafka, group, 0, 20);
    let source = Source::builder(&kafka.bootstrap())
        .group(group)
        .topics([group])
        .property("client.id", group)
        .property("auto.offset.reset", "earliest")
        .property("auto.commit.interval.ms", 600_000)
        .build()
        .await
        .expect("the source is built");
    let records: Vec<_> = source.records().take(20).map(|record| record.expect("it is read")).collect().await;
    assert!(records[..12].iter().all(|record| record.ack() == Ack::Accepted));
    let client = client(kafka).await;
    let members = client.describe_group(group).await.expect("the group is described").members;
    assert_eq!((members.len(), leaves_of(proxies, group)), (1, 0));
    drop(source);
    let left = || async {
        let described = client.describe_group(group).await.expect("the group is described");
        described.state == "Empty" && described.members.is_empty()
    };
    until("the group is empty", left).await;
    assert_eq!(leaves_of(proxies, group), 1, "LeaveGroup is said once");
    assert_eq!(last_commits(kafka, group), BTreeMap::from([(0, 12)]));
    assert_eq!(records[12].ack(), Ack::Fenced { reason: client::FenceReason::Revoked });
}

async fn client(kafka: &Kafka) -> Client {
    let config = client::config::ClientConfig::bootstrap(&kafka.bootstrap()).and_then(|it| it.build());
    Client::connect(config.expect("the configuration is right")).await.expect("the cluster answers")
}

fn leaves_of(proxies: &Proxies, client_id: &str) -> usize {
    let leaves = proxies.exchanges_of(LEAVE_GROUP).into_iter();
    leaves.filter(|exchange| exchange.request.client_id.as_deref() == Some(client_id)).count()
}

fn last_commits(kafka: &Kafka, group: &str) -> BTreeMap<i32, i64> {
    let commits = commits_of(kafka, group).expect("the log of commits is read");
    assert_eq!(regressions(&commits), []);
    commits.into_iter().filter_map(|commit| Some((commit.partition, commit.value?.offset))).collect()
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn world(version: Version) -> (Arc<Kafka>, Proxies) {
    // The broker decides how long a session is in the consumer protocol.
    let options = Options::new(version).property("group.consumer.session.timeout.ms", "10000");
    let (kafka, proxies) = proxied(options).await.expect("Kafka starts");
    (Arc::new(kafka), proxies)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_hand_over_loses_nothing_and_repeats_nothing() {
    let (kafka, _proxies) = &world(Version::NEWEST).await;
    tokio::join!(planned(kafka, ASSIGNORS[0]), planned(kafka, ASSIGNORS[1]), planned(kafka, ASSIGNORS[2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_loses_nothing() {
    let (kafka, proxies) = &world(Version::NEWEST).await;
    tokio::join!(
        killed(kafka, ASSIGNORS[0]),
        killed(kafka, ASSIGNORS[1]),
        killed(kafka, ASSIGNORS[2]),
        gaps_survive_a_death(kafka, ASSIGNORS[0]),
        gaps_survive_a_death(kafka, ASSIGNORS[1]),
        gaps_survive_a_death(kafka, ASSIGNORS[2]),
        frozen(kafka, ASSIGNORS[0]),
        frozen(kafka, ASSIGNORS[1]),
        frozen(kafka, ASSIGNORS[2]),
        a_drain_leaves_the_group(kafka, proxies),
        a_drain_that_waits_in_vain_says_so(kafka),
        a_dropped_source_leaves_the_group(kafka, proxies),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_loses_nothing_on_3_9() {
    let (kafka, _proxies) = &world(Version(3, 9, 2)).await;
    tokio::join!(
        killed(kafka, ASSIGNORS[0]),
        killed(kafka, ASSIGNORS[1]),
        killed(kafka, ASSIGNORS[2]),
        gaps_survive_a_death(kafka, ASSIGNORS[0]),
        gaps_survive_a_death(kafka, ASSIGNORS[1]),
        gaps_survive_a_death(kafka, ASSIGNORS[2]),
        frozen(kafka, ASSIGNORS[0]),
        frozen(kafka, ASSIGNORS[1]),
        frozen(kafka, ASSIGNORS[2]),
    );
}
