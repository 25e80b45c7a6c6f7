//! Brokers that ask for silence, coordinators that are not there, commits that nobody answers: what a member makes of it, and
//! what it says to whoever listens to its traces.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use client::config::{ClientConfig, FetchConfig};
use client::consumer::{Consumer, Subscription};
use client::{Client, Event, MoveCause, Reset, Start, TopicPartition};
use milena_tests::fixture::kafka::{Kafka, Options};
use milena_tests::fixture::member::Member;
use milena_tests::fixture::produce::{produce, produce_sized};
use milena_tests::fixture::proxied;
use milena_tests::fixture::proxy::{Exchange, Fate, Proxies, RequestFrame, Verdict};
use records::Compression;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

const OFFSET_COMMIT: i16 = 8;
const JOIN_GROUP: i16 = 11;
const HEARTBEAT: i16 = 12;
const LIMIT: Duration = Duration::from_secs(60);

/// KIP-219: the broker has muted the connection. A member that sent a heartbeat or a commit into it would wait for an answer that
/// cannot come, take the coordinator for dead, and look for it: all that is what the pause is to spare the broker.
async fn throttled(kafka: &Kafka, proxies: &Proxies) {
    let group = "throttled";
    kafka.create_topic(group, 1, 1, &[]).expect("the topic is created");
    produce(kafka, group, 0, 20);
    let member = Member::join(group, &kafka.bootstrap(), group, group, &[]).await;
    member.until_delivered(group, 0, 20).await;
    let mark = member.seen().events.len();
    THROTTLE.store(true, Ordering::SeqCst);
    let throttled = |exchange: &Exchange| match &exchange.fate {
        Fate::Answered { at, answer, .. } if *answer == throttling() => Some(*at),
        _ => None,
    };
    let (connection, asked_at) = until("a throttled answer", || {
        let heartbeats = of(proxies.exchanges_of(HEARTBEAT), group);
        heartbeats.iter().find_map(|exchange| Some((exchange.request.connection, throttled(exchange)?)))
    })
    .await;
    // There is something to say meanwhile.
    member.ack_all();
    member.until_committed(group, 0, 20).await;
    let proxy = proxies.node(1);
    let mut after: Vec<RequestFrame> =
        proxy.exchanges().into_iter().map(|exchange| exchange.request).collect();
    after.retain(|request| request.connection == connection && request.at > asked_at);
    let apis: Vec<i16> = after.iter().map(|request| request.api_key).collect();
    assert!(apis.contains(&OFFSET_COMMIT), "the commit went over the same connection: {apis:?}");
    let first = after.iter().map(|request| request.at).min().expect("a request");
    assert!(first >= asked_at + THROTTLE_TIME, "silent for {:?}", first - asked_at);
    let seen = member.close(LIMIT).await.expect("all is acknowledged");
    let lost =
        |event: &&Event| matches!(event, Event::CoordinatorLost | Event::Trouble { .. } | Event::Lost { .. });
    assert_eq!(seen.events[mark..].iter().filter(lost).count(), 0, "{:?}", seen.events);
}

/// Longer than a heartbeat may take (a third of the session), shorter than the session.
const THROTTLE_TIME: Duration = Duration::from_millis(3500);

/// The next heartbeat of the member above is answered with a throttle time.
static THROTTLE: AtomicBool = AtomicBool::new(false);

/// Heartbeat version 4: no tagged fields, the time, no error, no tagged fields.
fn throttling() -> Bytes {
    let mut answer = BytesMut::new();
    answer.put_u8(0);
    answer.put_u32(u32::try_from(THROTTLE_TIME.as_millis()).expect("some seconds"));
    answer.put_i16(0);
    answer.put_u8(0);
    answer.freeze()
}

/// A last commit that is not answered is waited for until the deadline: a coordinator that moves is back by then.
async fn a_drain_says_what_it_waited_for(kafka: &Kafka) {
    let group = "unanswered";
    kafka.create_topic(group, 1, 1, &[]).expect("the topic is created");
    produce(kafka, group, 0, 20);
    let never = [("auto.commit.interval.ms", "600000")];
    let member = Member::join(group, &kafka.bootstrap(), group, group, &never).await;
    member.until_delivered(group, 0, 20).await;
    member.ack_all();
    member.source().drain(Duration::from_secs(5)).await.expect_err("nothing is committed");
    let revoked = member.seen().events.iter().find_map(|event| match event {
        Event::Revoked { drained: Err(undrained), .. } => Some(undrained.clone()),
        _ => None,
    });
    let undrained = revoked.expect("what was given up was not committed");
    assert_eq!(undrained.unacknowledged, None);
    let (_, waited) = undrained.uncommitted.clone().expect("the commit was not answered");
    assert!(waited > Duration::from_secs(2), "{waited:?} of 5 s");
    let text = undrained.to_error().to_string();
    for part in ["topic unanswered", "partition 0", "the last commit", "was not stored within "] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    assert!(!text.contains("acknowledged"), "{text}");
}

/// The log has a line at first and one when it is over; whoever listens to events hears of every try.
async fn a_dead_coordinator_is_no_flood(kafka: &Kafka) {
    let group = "dead";
    kafka.create_topic(group, 1, 1, &[]).expect("the topic is created");
    produce(kafka, group, 0, 20);
    let long = [("session.timeout.ms", "60000")];
    let member = Member::join(group, &kafka.bootstrap(), group, group, &long).await;
    member.until_delivered(group, 0, 20).await;
    let troubles = |seen: &milena_tests::fixture::member::Seen| {
        seen.events.iter().filter(|event| matches!(event, Event::Trouble { .. })).count()
    };
    DEAD.store(true, Ordering::SeqCst);
    member.until("eight tries in vain", |seen| troubles(seen) >= 8).await;
    DEAD.store(false, Ordering::SeqCst);
    let of_group = |event: &Told| event.client().as_deref() == Some(group);
    let well = until("the end of it", || {
        traces()
            .events
            .iter()
            .find(|event| of_group(event) && event.message().contains("works again"))
            .cloned()
    })
    .await;
    assert_eq!((well.level, well.target.as_str()), (Level::INFO, "milena::consumer"));
    assert!(well.message().contains("coordinator") && well.fields.contains_key("took"), "{well:?}");
    let failures: usize = well.fields["failures"].parse().expect("a number");
    assert!(failures >= 8, "{well:?}");
    let warnings: Vec<Told> = traces()
        .events
        .iter()
        .filter(|event| of_group(event) && event.level <= Level::WARN)
        .cloned()
        .collect();
    assert!((1..=2).contains(&warnings.len()), "{failures} failures: {warnings:#?}");
    assert!(warnings[0].message().contains("trying again"), "{warnings:#?}");
    let repeated = traces()
        .events
        .iter()
        .filter(|event| {
            of_group(event) && event.level <= Level::INFO && event.message().contains("coordinator")
        })
        .count();
    assert!(repeated <= 5, "found and lost all the time, and said so {repeated} times");
    member.ack_all();
    member.close(LIMIT).await.expect("all is acknowledged");
}

static DEAD: AtomicBool = AtomicBool::new(false);

/// The spans that the crate's page lists, as one member makes them.
async fn what_happens_is_traced(kafka: &Kafka) {
    let group = "traced";
    kafka.create_topic(group, 2, 1, &[]).expect("the topic is created");
    produce(kafka, group, 0, 20);
    let member = Member::join(group, &kafka.bootstrap(), group, group, &[]).await;
    member.until_delivered(group, 0, 20).await;
    member.ack_all();
    member.until_committed(group, 0, 20).await;
    until("a heartbeat", || {
        let beats = |span: &Told| span.fields.get("api").is_some_and(|api| api == "Heartbeat");
        let ours = |span: &&Told| span.client().as_deref() == Some(group);
        traces().spans.values().filter(ours).any(beats).then_some(())
    })
    .await;
    member.close(LIMIT).await.expect("all is acknowledged");

    let traces = traces();
    let spans = |name: &str, level: Level, target: &str| {
        let spans = traces.spans.values().filter(|span| span.name == name);
        let ours: Vec<&Told> = spans.filter(|span| span.client().as_deref() == Some(group)).collect();
        assert!(!ours.is_empty(), "no span {name}");
        assert!(ours.iter().all(|span| span.level == level && span.target == target), "{ours:?}");
        ours
    };
    let consumers = spans("consumer", Level::INFO, "milena::group");
    let last = consumers.last().expect("one");
    assert_eq!((last.fields["group"].as_str(), last.fields["generation"].as_str()), (group, "1"));
    assert!(last.fields["member"].starts_with(group), "{last:?}");
    let rebalances = spans("rebalance", Level::INFO, "milena::group");
    let first = &rebalances[0].fields;
    let told = ["generation", "leader", "assignor"].map(|field| first[field].as_str());
    assert_eq!(told, ["1", "true", "range"]);
    let over = traces.said(group, "rebalanced");
    assert_eq!((over[0].fields["added"].as_str(), over[0].spans[0].name.as_str()), ("2", "rebalance"));
    assert!(over[0].fields.contains_key("took"));
    let calls = spans("call", Level::DEBUG, "milena::group");
    for api in ["FindCoordinator", "JoinGroup", "SyncGroup", "Heartbeat", "LeaveGroup"] {
        assert!(calls.iter().any(|call| call.fields["api"] == api), "no call of {api}");
    }
    let commits = spans("commit", Level::DEBUG, "milena::commit");
    assert_eq!(
        (commits[0].fields["generation"].as_str(), commits[0].fields["partitions"].as_str()),
        ("1", "1")
    );
    let answered = traces.said(group, "answered");
    let in_commit = |event: &&&Told| event.spans[0].name == "commit";
    assert!(answered.iter().find(in_commit).is_some_and(|event| event.fields.contains_key("took")));
    let connections = spans("connection", Level::DEBUG, "milena::connection");
    for lane in ["general", "coordination", "join", "fetch"] {
        let lanes: Vec<_> = connections.iter().filter(|span| span.fields["lane"] == lane).collect();
        assert_eq!(lanes.len(), 1, "one is enough: {lanes:?}");
        // Of the bootstrap server it is not known which broker it is. It turns out to be this one, and so it stays.
        assert_eq!(lanes[0].fields.contains_key("broker"), lane != "general", "{lanes:?}");
        assert!(
            lanes.iter().all(|span| span.fields.contains_key("host") && span.fields.contains_key("port"))
        );
    }
    assert_eq!(spans("fetch", Level::DEBUG, "milena::fetch")[0].fields["broker"], "1");
    let metadata = spans("metadata", Level::DEBUG, "milena::metadata");
    assert!(metadata.iter().any(|span| span.fields["topics"] == "1"), "{metadata:?}");
    assert!(traces.said(group, "connected").iter().all(|event| event.spans[0].name == "connection"));
}

/// Retention is faster than a slow reader. What was fetched before is handed out all the same, and the gap begins behind it.
async fn a_gap_is_come_to_and_not_jumped_to(kafka: &Kafka) {
    let topic = "lagging";
    kafka.create_topic(topic, 1, 1, &[]).expect("the topic is created");
    produce_sized(kafka, topic, 0, 400, 20, 1000, Compression::None);
    let config = ClientConfig::bootstrap(&kafka.bootstrap()).and_then(|config| config.build());
    let client = Client::connect(config.expect("a configuration")).await.expect("the cluster answers");
    let small = FetchConfig::builder().budget_bytes(200_000).max_bytes(30_000).max_partition_bytes(30_000);
    let partition = TopicPartition::new(topic, 0);
    let partitions = Subscription::Partitions(vec![(partition.clone(), Start::Earliest)]);
    let fetch = small.build().expect("a configuration");
    let mut consumer =
        Consumer::start(&client, &fetch, None, partitions, Reset::Earliest).await.expect("it starts");
    let mut events = consumer.control().events();
    let mut read = Vec::new();
    let mut read_on = async |read: &mut Vec<i64>| {
        let batch = tokio::time::timeout(LIMIT, consumer.next()).await.expect("a batch in time");
        let batch = batch.expect("not the end").expect("no error");
        read.extend(batch.records().map(|record| record.expect("a record").offset()));
    };
    read_on(&mut read).await;
    let fetched = until("fetching ahead", || {
        let bytes = client.bytes_received();
        (bytes > 80_000).then_some(bytes)
    })
    .await;
    kafka.delete_records(topic, 0, 390).expect("the records are deleted");
    while read.last() != Some(&399) {
        read_on(&mut read).await;
        // A slow reader: fetches, and their answers, are faster.
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let gap = read.iter().take_while(|offset| **offset < 390).count() as i64;
    assert!(gap < 390, "the records were not deleted in time");
    // Versions and metadata are in it, too, and half a batch: the first answer is cut off within one.
    assert!(gap * 1010 + 20_000 > fetched as i64, "{gap} records were handed out of {fetched} bytes");
    assert_eq!(read, (0..gap).chain(390..400).collect::<Vec<i64>>());
    let mut moves = Vec::new();
    while let Some(event) = events.try_next() {
        if let Event::Moved { cause, from, to, lost, .. } = event {
            moves.push((cause, from, to, lost));
        }
    }
    moves.retain(|(cause, ..)| !cause.is_start());
    assert_eq!(moves, [(MoveCause::OutOfRangeBelow, Some(gap), 390, Some(gap..390))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn troubles_are_borne_and_told() {
    tracing::subscriber::set_global_default(Recorder).expect("the first one");
    let (kafka, proxies) = proxied(Options::default()).await.expect("Kafka starts");
    proxies.on_request(|request| match (request.client_id.as_deref(), request.api_key) {
        (Some("unanswered"), OFFSET_COMMIT) => Verdict::Drop,
        (Some("dead"), HEARTBEAT | JOIN_GROUP) if DEAD.load(Ordering::SeqCst) => Verdict::Cut,
        (Some("throttled"), HEARTBEAT) if THROTTLE.swap(false, Ordering::SeqCst) => {
            Verdict::Answer(throttling())
        }
        _ => Verdict::Pass,
    });
    let kafka = Arc::new(kafka);
    tokio::join!(
        throttled(&kafka, &proxies),
        a_drain_says_what_it_waited_for(&kafka),
        a_dead_coordinator_is_no_flood(&kafka),
        what_happens_is_traced(&kafka),
        a_gap_is_come_to_and_not_jumped_to(&kafka),
    );
}

fn of(exchanges: Vec<Exchange>, client: &str) -> Vec<Exchange> {
    exchanges.into_iter().filter(|exchange| exchange.request.client_id.as_deref() == Some(client)).collect()
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

// --- What is told --------------------------------------------------------------------------------------------------

/// Remembers all spans and events of Milena.
struct Recorder;

/// A span, or an event.
#[derive(Clone, Debug)]
struct Told {
    level: Level,
    target: String,
    name: String,
    fields: BTreeMap<String, String>,
    /// The spans it is in, the innermost first.
    spans: Vec<Told>,
}

#[derive(Default)]
struct Traces {
    spans: BTreeMap<u64, Told>,
    events: Vec<Told>,
}

static TRACES: OnceLock<Mutex<Traces>> = OnceLock::new();
static LAST_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

fn traces() -> MutexGuard<'static, Traces> {
    TRACES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

impl Told {
    fn new(metadata: &Metadata<'_>, spans: Vec<Told>) -> Told {
        let (target, name) = (metadata.target().to_owned(), metadata.name().to_owned());
        Told { level: *metadata.level(), target, name, fields: BTreeMap::new(), spans }
    }

    fn message(&self) -> &str {
        self.fields.get("message").map_or("", |message| message)
    }

    /// The `client.id` of whom it is about.
    fn client(&self) -> Option<String> {
        let own = self.fields.get("client");
        own.or_else(|| self.spans.iter().find_map(|span| span.fields.get("client"))).cloned()
    }
}

impl Traces {
    fn said(&self, client: &str, message: &str) -> Vec<&Told> {
        let said = |event: &&Told| event.message() == message && event.client().as_deref() == Some(client);
        self.events.iter().filter(said).collect()
    }

    fn within(&self, parent: Option<u64>) -> Vec<Told> {
        let Some(span) = parent.and_then(|id| self.spans.get(&id)) else { return Vec::new() };
        let mut spans = vec![Told { spans: Vec::new(), ..span.clone() }];
        spans.extend(span.spans.iter().cloned());
        spans
    }
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name().to_owned(), value.to_owned());
    }
}

fn entered() -> Option<u64> {
    ENTERED.with_borrow(|entered| entered.last().copied())
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("milena::") && *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        let parent = if span.is_contextual() { entered() } else { span.parent().map(Id::into_u64) };
        let mut traces = traces();
        let within = traces.within(parent);
        let mut told = Told::new(span.metadata(), within);
        span.record(&mut told);
        traces.spans.insert(id, told);
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        if let Some(told) = traces().spans.get_mut(&span.into_u64()) {
            values.record(told);
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let parent = if event.is_contextual() { entered() } else { event.parent().map(Id::into_u64) };
        let mut traces = traces();
        let within = traces.within(parent);
        let mut told = Told::new(event.metadata(), within);
        event.record(&mut told);
        traces.events.push(told);
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| {
            if let Some(at) = entered.iter().rposition(|id| *id == span.into_u64()) {
                entered.remove(at);
            }
        });
    }
}
