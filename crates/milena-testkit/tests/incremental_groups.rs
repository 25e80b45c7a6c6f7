//! Milena's own members in groups of the consumer protocol (KIP-848), in memory while the clock stands still.

#![cfg(feature = "connect")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client::consumer::{Event, Events};
use client::{MoveCause, TopicPartition};
use futures_util::StreamExt;
use milena_testkit::cluster::NewTopic;
use milena_testkit::{ApiKey, Cluster, ErrorCode};
use source::{Source, SourceBuilder};

const GROUP: &str = "billing";
const TOPIC: &str = "orders";
const PARTITIONS: i32 = 6;

fn cluster() -> Cluster {
    Cluster::builder().brokers(3).topic(TOPIC, PARTITIONS).start_in_memory().unwrap()
}

fn source(cluster: &Cluster) -> SourceBuilder {
    Source::builder(&cluster.bootstrap_servers())
        .connect_over(Arc::new(cluster.clone()))
        .property("group.protocol", "consumer")
        .property("auto.offset.reset", "earliest")
        .property("auto.commit.interval.ms", 500)
        .group(GROUP)
        .topics([TOPIC])
}

/// A member that acknowledges whatever it gets.
struct Member {
    source: Source,
    events: Events,
    read: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Member {
    async fn join(builder: SourceBuilder) -> Self {
        let source = builder.build().await.unwrap();
        let events = source.events();
        let read = Arc::new(AtomicUsize::new(0));
        let (mut batches, count) = (source.batches(), read.clone());
        let task = tokio::spawn(async move {
            while let Some(Ok(batch)) = batches.next().await {
                count.fetch_add(batch.records().count(), Ordering::Relaxed);
                batch.ack();
            }
        });
        Self { source, events, read, task }
    }

    /// Waits for an assignment of so many partitions.
    async fn has(&mut self, count: usize) -> BTreeSet<TopicPartition> {
        loop {
            if let Event::Assigned { assignment, .. } = self.next().await
                && assignment.len() == count
            {
                return assignment;
            }
        }
    }

    async fn next(&mut self) -> Event {
        let next = tokio::time::timeout(Duration::from_secs(600), self.events.next());
        next.await.expect("an event within ten minutes").expect("the source lives")
    }

    fn read(&self) -> usize {
        self.read.load(Ordering::Relaxed)
    }

    async fn leave(self) {
        self.source.drain(Duration::from_secs(10)).await.unwrap();
        self.task.await.unwrap();
    }
}

fn write(cluster: &Cluster, count: usize) {
    for partition in 0..PARTITIONS {
        cluster.append(TOPIC, partition, vec!["x"; count]).unwrap();
    }
}

async fn until_committed(cluster: &Cluster, end: i64) {
    let wait = async {
        while (0..PARTITIONS).any(|partition| cluster.committed(GROUP, TOPIC, partition) != Some(end)) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(600), wait).await.expect("everything is committed");
}

fn commits_never_go_back(cluster: &Cluster) {
    let mut last = vec![-1; PARTITIONS as usize];
    for record in cluster.offset_history() {
        let Some(offset) = record.committed() else { continue };
        let last = &mut last[record.partition as usize];
        assert!(offset >= *last, "{record:?} after {last}");
        *last = offset;
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_joins_reads_commits_and_leaves() {
    let cluster = cluster();
    write(&cluster, 100);
    let start = cluster.now();
    let mut member = Member::join(source(&cluster)).await;
    assert_eq!(member.has(6).await.len(), 6);
    // The coordinator assigns a second later; the next heartbeat would be in five.
    assert!(cluster.now() - start < Duration::from_secs(2), "{:?}", cluster.now() - start);
    until_committed(&cluster, 100).await;
    assert_eq!(member.read(), 600);
    let described = member.source.client().describe_group(GROUP).await.unwrap();
    assert_eq!((described.state.as_str(), described.protocol.as_str()), ("Stable", "uniform"));
    let [described] = &described.members[..] else { panic!("one member: {described:?}") };
    assert_eq!(described.subscription, Some(vec![TOPIC.into()]));
    assert_eq!(described.assignment.as_ref().map(Vec::len), Some(6));
    let requests = cluster.requests();
    assert_eq!(requests.clone().of(ApiKey::JoinGroup).count(), 0, "{requests}");
    assert!(requests.of(ApiKey::ConsumerGroupHeartbeat).count() >= 2);
    member.leave().await;
    assert_eq!(cluster.group_state(GROUP), "Empty");
    assert!(cluster.group_members(GROUP).is_empty());
}

#[tokio::test(start_paused = true)]
async fn partitions_move_one_by_one_and_nothing_is_read_twice() {
    let cluster = cluster();
    let mut first = Member::join(source(&cluster)).await;
    first.has(6).await;
    write(&cluster, 100);
    let mut second = Member::join(source(&cluster)).await;
    let kept = first.has(3).await;
    let moved = second.has(3).await;
    assert!(kept.is_disjoint(&moved));
    write(&cluster, 100);
    until_committed(&cluster, 200).await;
    let mut third = Member::join(source(&cluster)).await;
    third.has(2).await;
    first.has(2).await;
    second.has(2).await;
    write(&cluster, 100);
    until_committed(&cluster, 300).await;
    // A hand-over is planned: what is finished is committed before the partition goes.
    assert_eq!(first.read() + second.read() + third.read(), 1800);
    second.leave().await;
    first.has(3).await;
    third.has(3).await;
    write(&cluster, 100);
    until_committed(&cluster, 400).await;
    first.leave().await;
    third.has(6).await;
    third.leave().await;
    commits_never_go_back(&cluster);
}

#[tokio::test(start_paused = true)]
async fn a_fenced_member_loses_everything_and_joins_again() {
    let cluster = cluster();
    write(&cluster, 10);
    let mut member = Member::join(source(&cluster)).await;
    member.has(6).await;
    until_committed(&cluster, 10).await;
    let [id] = &cluster.group_members(GROUP)[..] else { panic!("one member") };
    assert!(cluster.fence_member(GROUP, id));
    loop {
        if let Event::Lost { partitions, .. } = member.next().await {
            assert_eq!(partitions.len(), 6);
            break;
        }
    }
    member.has(6).await;
    assert_eq!(
        cluster.group_members(GROUP),
        std::slice::from_ref(id),
        "the id is the member's own, and stays"
    );
    write(&cluster, 10);
    until_committed(&cluster, 20).await;
    assert_eq!(member.read(), 120);
    member.leave().await;
}

#[tokio::test(start_paused = true)]
async fn the_coordinator_may_move() {
    let cluster = cluster();
    let mut member = Member::join(source(&cluster)).await;
    member.has(6).await;
    for round in 1..=3 {
        let next = cluster.coordinator(GROUP).unwrap().0 % 3 + 1;
        cluster.move_coordinator(GROUP, next).unwrap();
        write(&cluster, 10);
        until_committed(&cluster, 10 * round).await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    while let Some(event) = member.events.try_next() {
        assert!(!matches!(event, Event::Lost { .. } | Event::Revoked { .. }), "{event}");
    }
    assert_eq!(member.read(), 180);
    member.leave().await;
}

#[tokio::test(start_paused = true)]
async fn lost_answers_cost_nothing_but_time() {
    let cluster = cluster();
    cluster.on(ApiKey::ConsumerGroupHeartbeat).after(1).times(3).cut_after(7);
    let mut first = Member::join(source(&cluster)).await;
    first.has(6).await;
    write(&cluster, 50);
    cluster.on(ApiKey::ConsumerGroupHeartbeat).after(2).times(4).swallow();
    cluster.on(ApiKey::OffsetCommit).times(2).disconnect();
    let mut second = Member::join(source(&cluster)).await;
    second.has(3).await;
    until_committed(&cluster, 50).await;
    second.leave().await;
    first.leave().await;
    commits_never_go_back(&cluster);
}

#[tokio::test(start_paused = true)]
async fn a_static_member_finds_its_partitions_again() {
    let cluster = cluster();
    let named = |id: &str| source(&cluster).group_instance_id(id);
    let mut first = Member::join(named("one")).await;
    first.has(6).await;
    let mut second = Member::join(named("two")).await;
    let before = second.has(3).await;
    first.has(3).await;
    let revoked = cluster.now();
    second.leave().await;
    assert_eq!(cluster.group_members(GROUP).len(), 2, "its place is kept");
    let mut second = Member::join(named("two")).await;
    assert_eq!(second.has(3).await, before);
    assert!(cluster.now() - revoked < Duration::from_secs(2));
    tokio::time::sleep(Duration::from_secs(60)).await;
    while let Some(event) = first.events.try_next() {
        assert!(!matches!(event, Event::Revoking { .. } | Event::Lost { .. }), "{event}");
    }
    first.leave().await;
    second.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_living_namesake_is_named_in_the_error() {
    let cluster = cluster();
    let named = || source(&cluster).group_instance_id("one").property("session.timeout.ms", 10_000);
    let mut first = Member::join(named()).await;
    first.has(6).await;
    let mut second = Member::join(named()).await;
    let error = loop {
        if let Event::Failed { error } = second.next().await {
            break error;
        }
    };
    assert!(error.to_string().contains("\"one\""), "{error}");
    first.leave().await;
}

/// No such API, as before Kafka 3.7; the API, but not the protocol, as on a cluster with `group.version` 0.
#[tokio::test(start_paused = true)]
async fn without_the_protocol_the_classic_one_is_spoken() {
    let old = Cluster::builder().topic(TOPIC, PARTITIONS).without(ApiKey::ConsumerGroupHeartbeat);
    let old = old.start_in_memory().unwrap();
    let off = cluster();
    off.on(ApiKey::ConsumerGroupHeartbeat).always().fail(ErrorCode::UNSUPPORTED_VERSION);
    for cluster in [old, off] {
        write(&cluster, 10);
        let mut member = Member::join(source(&cluster)).await;
        loop {
            if let Event::FellBack { .. } = member.next().await {
                break;
            }
        }
        member.has(6).await;
        until_committed(&cluster, 10).await;
        assert!(cluster.requests().of(ApiKey::JoinGroup).count() > 0);
        member.leave().await;

        let mut strict =
            Member::join(source(&cluster).property("milena.group.protocol.fallback", "false")).await;
        let error = loop {
            if let Event::Failed { error } = strict.next().await {
                break error;
            }
        };
        assert!(error.to_string().contains("ConsumerGroupHeartbeat"), "{error}");
    }
}

/// A topic that is deleted and created again is another one. Its partitions are not the member's until the coordinator says so:
/// it may give them to somebody else while the old ones are still being given up.
#[tokio::test(start_paused = true)]
async fn a_topic_that_is_created_again_is_read_by_who_is_given_it() {
    let cluster = cluster();
    let mut members = [Member::join(source(&cluster)).await, Member::join(source(&cluster)).await];
    let mut owned = Vec::new();
    for member in &mut members {
        owned.push(member.has(3).await);
    }
    write(&cluster, 50);
    until_committed(&cluster, 50).await;
    let before: usize = members.iter().map(Member::read).sum();
    cluster.recreate_topic(TOPIC).unwrap();
    write(&cluster, 50);
    until_committed(&cluster, 50).await;
    for (member, mut owned) in members.iter_mut().zip(owned) {
        let mut moves = 0;
        while let Some(event) = member.events.try_next() {
            match event {
                Event::Assigned { assignment, .. } => owned = assignment,
                Event::Moved { partition, cause, .. } => {
                    assert!(owned.contains(&partition), "{partition} is read");
                    assert_ne!(cause, MoveCause::TopicRecreated, "{partition} is the coordinator's to give");
                    moves += 1;
                }
                Event::Lost { partitions, .. } => owned.retain(|partition| !partitions.contains(partition)),
                _ => {}
            }
        }
        assert_eq!((owned.len(), moves >= 3), (3, true));
    }
    let read: usize = members.iter().map(Member::read).sum();
    assert_eq!(read - before, 300, "each record of the new topic once");
    for member in members {
        member.leave().await;
    }
}

/// The coordinator matches the names, and finds topics that come later; the brokers' own are not asked for.
#[tokio::test(start_paused = true)]
async fn the_coordinator_finds_topics_by_a_pattern() {
    let cluster = Cluster::builder().topic("orders-eu", 2).topic("orders-us", 1).topic("bills", 1);
    let cluster = cluster.start_in_memory().unwrap();
    let start = |group: &str| {
        Source::builder(&cluster.bootstrap_servers())
            .connect_over(Arc::new(cluster.clone()))
            .property("group.protocol", "consumer")
            // What comes later is read from its start all the same.
            .property("auto.offset.reset", "latest")
            .property("metadata.max.age.ms", 3000)
            .group(group)
    };
    let mut member = Member::join(start(GROUP).topics_found_by_the_coordinator("orders-.*")).await;
    let names = |partitions: BTreeSet<TopicPartition>| {
        partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(member.has(3).await), "orders-eu-0 orders-eu-1 orders-us-0");
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.append("orders-us", 0, ["one"]).unwrap();
    cluster.create_topic(&NewTopic::new("orders-jp", 1)).unwrap();
    cluster.append("orders-jp", 0, ["two", "three"]).unwrap();
    assert_eq!(names(member.has(4).await), "orders-eu-0 orders-eu-1 orders-jp-0 orders-us-0");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(member.read(), 3);
    member.leave().await;

    let mut wrong = Member::join(start("other").topics_found_by_the_coordinator("orders(")).await;
    let error = loop {
        if let Event::Failed { error } = wrong.next().await {
            break error;
        }
    };
    assert!(error.to_string().contains("orders("), "{error}");
    let classic = start(GROUP).property("group.protocol", "classic");
    assert!(classic.topics_found_by_the_coordinator("orders").build().await.is_err());
}
