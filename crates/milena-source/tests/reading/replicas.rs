//! Who is read from: nearer replicas (KIP-392), leaders that move (KIP-951), and whom nobody asks in vain for offsets.

use milena_source::{Event, MoveCause};
use testkit::cluster::NewTopic;
use testkit::{ApiKey, ErrorCode, RequestKind, ResponseKind};

use super::*;

/// Three racks, a topic that is everywhere, led from rack 1.
fn racks() -> Cluster {
    let cluster = three().rack(1, "r1").rack(2, "r2").rack(3, "r3").start_in_memory().unwrap();
    let replicas = [1, 2, 3].map(Into::into).to_vec();
    let topic = NewTopic { name: "t".to_owned(), assignments: vec![(0, replicas)], ..NewTopic::default() };
    cluster.create_topic(&topic).unwrap();
    cluster
}

/// Who has been asked for records by now.
fn asked(cluster: &Cluster) -> BTreeMap<i32, usize> {
    let mut asked = BTreeMap::new();
    for exchange in cluster.requests().of(ApiKey::Fetch).iter() {
        *asked.entry(exchange.broker.0).or_default() += 1;
    }
    asked
}

/// A reader in rack 2, and what it has read at first.
async fn reading(cluster: &Cluster, lease: Duration) -> (Source, BatchStream) {
    cluster.append("t", 0, ["0"]).unwrap();
    let source = on(cluster)
        .partitions([("t", 0)])
        .property("auto.offset.reset", "earliest")
        .property("client.rack", "r2")
        .property("metadata.max.age.ms", lease.as_millis());
    let source = source.build().await.unwrap();
    let mut batches = source.batches();
    assert_eq!(read(&mut batches, 1).await, BTreeMap::from([(tp("t", 0), vec![0])]));
    (source, batches)
}

/// Writes on, and reads it: at once, in order, nothing left out and nothing twice.
async fn goes_on(cluster: &Cluster, batches: &mut BatchStream, offsets: std::ops::Range<i64>) -> Duration {
    let start = tokio::time::Instant::now();
    for offset in offsets {
        cluster.append("t", 0, [offset.to_string()]).unwrap();
        assert_eq!(read(batches, 1).await, BTreeMap::from([(tp("t", 0), vec![offset])]));
    }
    start.elapsed()
}

fn moves(events: &mut Events) -> Vec<String> {
    let mut moves = Vec::new();
    while let Some(event) = events.try_next() {
        if let Event::Moved { cause: MoveCause::Started, .. } = event {
            continue;
        }
        if let Event::Moved { .. } | Event::Stuck { .. } = event {
            moves.push(event.to_string());
        }
    }
    moves
}

const LONG: Duration = Duration::from_secs(300);

#[tokio::test(start_paused = true)]
async fn records_come_from_the_replica_in_the_readers_rack() {
    let cluster = racks();
    let (_source, mut batches) = reading(&cluster, LONG).await;
    goes_on(&cluster, &mut batches, 1..20).await;
    let asked = asked(&cluster);
    assert_eq!(asked[&1], 1, "the leader is asked where to go, and that is all");
    assert!(asked[&2] >= 20 && !asked.contains_key(&3), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn the_leader_is_asked_again_when_the_lease_ends_and_nothing_is_read_twice() {
    let cluster = racks();
    let (source, mut batches) = reading(&cluster, Duration::from_secs(60)).await;
    let mut events = source.events();
    for round in 0..5 {
        goes_on(&cluster, &mut batches, round * 10 + 1..round * 10 + 11).await;
        tokio::time::sleep(Duration::from_secs(61)).await;
    }
    let asked = asked(&cluster);
    assert!((4..=6).contains(&asked[&1]), "{asked:?}");
    assert_eq!(moves(&mut events), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_lost_sends_its_reader_back_to_the_leader_at_once() {
    let cluster = racks();
    let (source, mut batches) = reading(&cluster, LONG).await;
    let mut events = source.events();
    goes_on(&cluster, &mut batches, 1..5).await;
    cluster.stop_broker(2).await;
    let took = goes_on(&cluster, &mut batches, 5..10).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(moves(&mut events), [""; 0]);
    // And there again, a lease later: the leader says so, once it is told again where the reader is.
    let before = asked(&cluster)[&2];
    cluster.start_broker(2).await.unwrap();
    tokio::time::sleep(LONG).await;
    goes_on(&cluster, &mut batches, 10..20).await;
    assert!(asked(&cluster)[&2] > before + 5);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_says_out_of_range_is_not_believed() {
    for policy in ["latest", "earliest", "none"] {
        let cluster = racks();
        cluster.append("t", 0, ["below"]).unwrap();
        cluster.delete_records("t", 0, 1).unwrap();
        let source = on(&cluster)
            .partitions_from([("t", 0, milena_source::Start::Offset(1))])
            .property("auto.offset.reset", policy)
            .property("client.rack", "r2");
        let source = source.build().await.unwrap();
        let (mut events, mut batches) = (source.events(), source.batches());
        goes_on(&cluster, &mut batches, 1..4).await;
        let refused =
            cluster.on(ApiKey::Fetch).broker(2).topic("t").times(5).fail(ErrorCode::OFFSET_OUT_OF_RANGE);
        goes_on(&cluster, &mut batches, 4..20).await;
        assert!(!cluster.is_pending(refused) || asked(&cluster)[&1] > 3);
        assert_eq!(moves(&mut events), [""; 0], "{policy}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_behind_loses_nothing() {
    let cluster = racks();
    let (source, mut batches) = reading(&cluster, LONG).await;
    let mut events = source.events();
    goes_on(&cluster, &mut batches, 1..5).await;
    // It copies nothing any more, and is out of the replicas in sync; it becomes so while it is read from.
    cluster.hold_replica("t", 0, 2);
    let took = goes_on(&cluster, &mut batches, 5..10).await;
    cluster.release_replica("t", 0, 2);
    goes_on(&cluster, &mut batches, 10..15).await;
    assert_eq!(moves(&mut events), [""; 0]);
    assert!(took < LONG + Duration::from_secs(10), "until the lease ends at the latest: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_retention_took_is_told_by_the_leader_and_not_by_the_replica() {
    let cluster = racks();
    let (source, mut batches) = reading(&cluster, LONG).await;
    let mut events = source.events();
    source.pause([&tp("t", 0)]);
    for offset in 1..10 {
        cluster.append("t", 0, [offset.to_string()]).unwrap();
    }
    source.seek(tp("t", 0), milena_source::Start::Offset(2)).await.unwrap();
    cluster.delete_records("t", 0, 6).unwrap();
    source.resume([&tp("t", 0)]);
    assert_eq!(read(&mut batches, 4).await, BTreeMap::from([(tp("t", 0), vec![6, 7, 8, 9])]));
    let moves = moves(&mut events);
    assert!(
        moves.last().unwrap().contains("from 2 to 6") && moves.last().unwrap().contains("lost 2..6"),
        "{moves:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_names_its_successor_spares_the_metadata() {
    let cluster = three().topic("t", 1).property("default.replication.factor", 3).start_in_memory().unwrap();
    cluster.append("t", 0, ["0"]).unwrap();
    let source = on(&cluster).partitions([("t", 0)]).property("auto.offset.reset", "earliest");
    let source = source.property("metadata.max.age.ms", 3_600_000).build().await.unwrap();
    let (mut events, mut batches) = (source.events(), source.batches());
    assert_eq!(read(&mut batches, 1).await, BTreeMap::from([(tp("t", 0), vec![0])]));
    // Nobody answers such questions any more.
    cluster.on(ApiKey::Metadata).always().disconnect();
    let leader = cluster.change(|cluster| cluster.partition("t", 0).unwrap().leader.unwrap().0);
    for (round, next) in [leader % 3 + 1, (leader + 1) % 3 + 1].into_iter().enumerate() {
        cluster.move_leader("t", 0, next).unwrap();
        let first = round as i64 * 5 + 1;
        let took = goes_on(&cluster, &mut batches, first..first + 5).await;
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    assert_eq!(moves(&mut events), [""; 0], "and by KIP-320 its log was found to be the same");
}

/// Offset 2 is committed; the policy would skip to the end. Whatever becomes of the question, reading begins at 2.
async fn begins_at_the_commit(what: &str, trouble: impl Fn(&Cluster) -> testkit::RuleId) {
    let cluster = three().topic("t", 1).start_in_memory().unwrap();
    for offset in 0..4 {
        cluster.append("t", 0, [offset.to_string()]).unwrap();
    }
    let join = || on(&cluster).group("g").topics(["t"]).property("auto.offset.reset", "earliest").build();
    let first = join().await.unwrap();
    read(&mut first.batches(), 2).await;
    first.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!(cluster.committed("g", "t", 0), Some(2));
    trouble(&cluster);
    let source = on(&cluster).group("g").topics(["t"]).property("auto.offset.reset", "latest").build();
    let source = source.await.unwrap();
    let mut batches = source.batches();
    assert_eq!(read(&mut batches, 2).await, BTreeMap::from([(tp("t", 0), vec![2, 3])]), "{what}");
    for exchange in cluster.requests().of(ApiKey::OffsetFetch).iter() {
        // KIP-447, whatever the isolation level is.
        assert!(matches!(&exchange.request, Some(RequestKind::OffsetFetch(asked)) if asked.require_stable));
    }
    assert!(cluster.requests().of(ApiKey::OffsetFetch).count() > 2, "{what}: nothing happened");
}

#[tokio::test(start_paused = true)]
async fn an_offset_fetch_that_fails_or_leaves_out_is_never_taken_for_no_commit() {
    let fetch = |cluster: &Cluster| cluster.on(ApiKey::OffsetFetch).times(3);
    begins_at_the_commit("a partition left out", |cluster| {
        fetch(cluster).alter(|answer| {
            let ResponseKind::OffsetFetch(answer) = answer else { return };
            answer.topics.clear();
            for group in &mut answer.groups {
                group.topics.iter_mut().for_each(|topic| topic.partitions.clear());
            }
        })
    })
    .await;
    begins_at_the_commit("an error beside -1", |cluster| {
        fetch(cluster).alter(|answer| {
            let ResponseKind::OffsetFetch(answer) = answer else { return };
            for group in &mut answer.groups {
                for partition in group.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                    partition.committed_offset = -1;
                    partition.error_code = ErrorCode::UNSTABLE_OFFSET_COMMIT.0;
                }
            }
        })
    })
    .await;
    for error in [
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::NOT_COORDINATOR,
        ErrorCode::UNKNOWN_SERVER_ERROR,
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
    ] {
        begins_at_the_commit(&error.to_string(), |cluster| fetch(cluster).fail(error)).await;
    }
    begins_at_the_commit("a connection that ends", |cluster| fetch(cluster).disconnect()).await;
}
