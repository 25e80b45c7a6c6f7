//! Topics, patterns and partitions; what appears later, and what goes.

use milena_source::{Event, MoveCause, Reset, Start};
use testkit::cluster::NewTopic;

use super::*;

/// What a group can speak.
const BOTH: [&str; 2] = ["classic", "consumer"];

fn create(cluster: &Cluster, name: &str, partitions: i32) {
    cluster.create_topic(&NewTopic::new(name, partitions)).unwrap();
}

fn assigned(event: &Event) -> Option<Vec<String>> {
    match event {
        Event::Assigned { assignment, .. } => Some(assignment.iter().map(ToString::to_string).collect()),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_pattern_finds_new_topics_and_lets_go_of_deleted_ones() {
    for protocol in BOTH {
        a_pattern_finds_new_topics_and_lets_go_of_deleted_ones_by(protocol).await;
    }
}

async fn a_pattern_finds_new_topics_and_lets_go_of_deleted_ones_by(protocol: &str) {
    let cluster = three().topic("orders-eu", 1).topic("bills", 1).start_in_memory().unwrap();
    let source = on(&cluster)
        .property("group.protocol", protocol)
        .group("g")
        .topics_matching("orders-.*")
        .build()
        .await
        .unwrap();
    let (mut events, mut batches) = (source.events(), source.batches());
    cluster.append("bills", 0, ["no"]).unwrap();
    // Two partitions, written to before anybody knows of them: nothing of that is left out, although the policy is latest.
    let first = event(&mut events, assigned).await;
    assert_eq!(first, ["orders-eu-0"]);
    create(&cluster, "orders-us", 2);
    cluster.append("orders-us", 0, ["a", "b"]).unwrap();
    cluster.append("orders-us", 1, ["c"]).unwrap();
    let all = read(&mut batches, 3).await;
    assert_eq!(all, BTreeMap::from([(tp("orders-us", 0), vec![0, 1]), (tp("orders-us", 1), vec![0])]));

    cluster.delete_topic("orders-eu").unwrap();
    let left = event(&mut events, |event| assigned(event).filter(|assigned| assigned.len() == 2)).await;
    assert_eq!(left, ["orders-us-0", "orders-us-1"]);
    // A topic that is created again is a new one, too.
    create(&cluster, "orders-eu", 1);
    cluster.append("orders-eu", 0, ["again"]).unwrap();
    assert_eq!(read(&mut batches, 1).await, BTreeMap::from([(tp("orders-eu", 0), vec![0])]));
    source.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!(cluster.committed("g", "orders-us", 0), Some(2));
    assert_eq!(cluster.committed("g", "orders-eu", 0), Some(1));
    assert_eq!(cluster.committed("g", "bills", 0), None);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_not_shown_for_a_moment_is_not_let_go() {
    let cluster = three().topic("orders", 1).start_in_memory().unwrap();
    let source = on(&cluster).group("g").topics_matching("orders").build().await.unwrap();
    let mut events = source.events();
    event(&mut events, assigned).await;
    // As a broker does that has just started.
    cluster.on(testkit::ApiKey::Metadata).times(3).alter(|answer| {
        if let testkit::ResponseKind::Metadata(answer) = answer {
            answer.topics.clear();
        }
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    while let Some(event) = events.try_next() {
        assert!(!matches!(event, Event::Revoking { .. } | Event::Joining { .. }), "{event}");
    }
    assert_eq!(source.status().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_matches_nothing_yet_waits() {
    for protocol in BOTH {
        a_pattern_that_matches_nothing_yet_waits_by(protocol).await;
    }
}

async fn a_pattern_that_matches_nothing_yet_waits_by(protocol: &str) {
    let cluster = three().start_in_memory().unwrap();
    let source = on(&cluster)
        .property("group.protocol", protocol)
        .group("g")
        .topics_matching("orders|__.*")
        .build()
        .await
        .unwrap();
    let mut batches = source.batches();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(source.status().len(), 0);
    create(&cluster, "orders", 1);
    cluster.append("orders", 0, ["first"]).unwrap();
    assert_eq!(read(&mut batches, 1).await, BTreeMap::from([(tp("orders", 0), vec![0])]));
    // The group has an offsets topic by now: it is internal, and left out.
    assert_eq!(source.status().len(), 1);
    source.drain(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_members_of_a_group_with_a_pattern_get_their_share_of_a_new_topic() {
    for protocol in BOTH {
        all_members_of_a_group_with_a_pattern_get_their_share_of_a_new_topic_by(protocol).await;
    }
}

async fn all_members_of_a_group_with_a_pattern_get_their_share_of_a_new_topic_by(protocol: &str) {
    let cluster = three().topic("a-1", 2).start_in_memory().unwrap();
    // Members with one seed would have one member id (KIP-1082).
    let join = |seed: u32| {
        on(&cluster)
            .property("milena.seed", seed)
            .property("group.protocol", protocol)
            .group("g")
            .topics_matching("a-.*")
            .property("auto.offset.reset", "earliest")
    };
    let (one, two) = (join(1).build().await.unwrap(), join(2).build().await.unwrap());
    until("two shares", || one.status().len() == 1 && two.status().len() == 1).await;
    create(&cluster, "a-2", 2);
    until("larger shares", || one.status().len() == 2 && two.status().len() == 2).await;
    one.drain(Duration::from_secs(5)).await.unwrap();
    until("all of it", || two.status().len() == 4).await;
}

#[tokio::test(start_paused = true)]
async fn partitions_that_are_added_begin_at_their_first_record() {
    for (setting, wanted) in [("earliest", vec![0, 1, 2]), ("as_others", vec![2])] {
        let cluster = three().topic("orders", 1).start_in_memory().unwrap();
        cluster.append("orders", 0, ["old"]).unwrap();
        let source = on(&cluster).group("g").topics(["orders"]).property("milena.new.partitions", setting);
        let source = source.property("auto.offset.reset", "latest").build().await.unwrap();
        let (mut events, mut batches) = (source.events(), source.batches());
        until("a position", || source.status().iter().any(|status| status.position.is_some())).await;
        cluster.add_partitions("orders", 2).unwrap();
        cluster.append("orders", 1, ["before", "anybody knows"]).unwrap();
        event(&mut events, |event| match event {
            Event::Moved { partition, cause: MoveCause::Reset(_), to, .. } if partition.partition == 1 => {
                Some(*to)
            }
            _ => None,
        })
        .await;
        cluster.append("orders", 1, ["after"]).unwrap();
        assert_eq!(read(&mut batches, wanted.len()).await, BTreeMap::from([(tp("orders", 1), wanted)]));
        source.drain(Duration::from_secs(5)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_written_to_a_topic_that_was_created_again_is_read_from_the_start() {
    let cluster = three().topic("orders", 1).start_in_memory().unwrap();
    cluster.append("orders", 0, ["old", "old"]).unwrap();
    let source = on(&cluster).group("g").topics(["orders"]).property("auto.offset.reset", "latest");
    let source = source.build().await.unwrap();
    let mut batches = source.batches();
    until("a position", || source.status().iter().any(|status| status.position == Some(2))).await;
    cluster.recreate_topic("orders").unwrap();
    cluster.append("orders", 0, ["new"]).unwrap();
    assert_eq!(read(&mut batches, 1).await, BTreeMap::from([(tp("orders", 0), vec![0])]));
}

#[tokio::test(start_paused = true)]
async fn without_a_group_topics_are_read_whole_and_followed() {
    let cluster = three().topic("orders-1", 1).start_in_memory().unwrap();
    cluster.append("orders-1", 0, ["old", "old"]).unwrap();
    let source = on(&cluster).topics_matching("orders-.*").start(Start::Latest).build().await.unwrap();
    let (mut events, mut batches) = (source.events(), source.batches());
    until("a position", || source.status().iter().any(|status| status.position == Some(2))).await;
    cluster.append("orders-1", 0, ["new"]).unwrap();
    assert_eq!(read(&mut batches, 1).await, BTreeMap::from([(tp("orders-1", 0), vec![2])]));
    create(&cluster, "orders-2", 1);
    cluster.append("orders-2", 0, ["x"]).unwrap();
    assert_eq!(read(&mut batches, 1).await, BTreeMap::from([(tp("orders-2", 0), vec![0])]));
    cluster.add_partitions("orders-2", 2).unwrap();
    cluster.append("orders-2", 1, ["y"]).unwrap();
    assert_eq!(read(&mut batches, 1).await, BTreeMap::from([(tp("orders-2", 1), vec![0])]));
    cluster.delete_topic("orders-2").unwrap();
    let lost = event(&mut events, |event| match event {
        Event::Lost { partitions, .. } => Some(partitions.len()),
        _ => None,
    });
    assert_eq!(lost.await, 2);
    assert_eq!(source.status().len(), 1);
    assert_eq!(cluster.requests().of(testkit::ApiKey::JoinGroup).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_way_to_begin() {
    let cluster = three().topic("t", 7).start_in_memory().unwrap();
    for partition in 0..7 {
        cluster.append("t", partition, ["0", "1", "2"]).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let late = cluster.with_core(|core, now| core.world().cluster.wall_ms(now));
    for partition in 0..7 {
        cluster.append("t", partition, ["3", "4"]).unwrap();
    }
    let starts = [
        Start::Earliest,
        Start::Latest,
        Start::Offset(2),
        Start::Timestamp(late),
        Start::Tail(1),
        Start::Committed { otherwise: Reset::Earliest },
        Start::Timestamp(late + 1),
    ];
    let partitions = (0..7).zip(starts).map(|(partition, start)| ("t", partition, start));
    let source = on(&cluster).group("g").partitions_from(partitions).build().await.unwrap();
    let mut batches = source.batches();
    let read = read(&mut batches, 16).await;
    let read: Vec<_> =
        (0..7).map(|partition| read.get(&tp("t", partition)).map_or(-1, |read| read[0])).collect();
    assert_eq!(read, [0, -1, 2, 3, 4, 0, -1]);
    source.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!(cluster.committed("g", "t", 2), Some(5));
    // As the group goes on: what was committed counts, and where nothing was, the policy.
    cluster.append("t", 0, ["5"]).unwrap();
    let again =
        on(&cluster).group("g").partitions([("t", 0), ("t", 1)]).property("auto.offset.reset", "earliest");
    let mut batches = again.build().await.unwrap().batches();
    let read = super::read(&mut batches, 6).await;
    assert_eq!(read, BTreeMap::from([(tp("t", 0), vec![5]), (tp("t", 1), vec![0, 1, 2, 3, 4])]));
}

#[tokio::test(start_paused = true)]
async fn without_a_place_to_begin_somebody_has_to_decide() {
    let cluster = three().topic("t", 1).start_in_memory().unwrap();
    let none = || on(&cluster).property("auto.offset.reset", "none");
    let error = none().topics(["t"]).build().await.unwrap_err().to_string();
    assert!(error.contains("auto.offset.reset"), "{error}");
    let error = none().topics(["t"]).start(Start::Committed { otherwise: Reset::None }).build().await;
    assert!(error.unwrap_err().to_string().contains("group"));
    // In a group it is known only when it is asked for: the partition says so, and waits for a seek.
    cluster.append("t", 0, ["a"]).unwrap();
    let source = none().group("g").topics(["t"]).build().await.unwrap();
    let mut batches = source.batches();
    let error = within("an error", batches.next()).await.unwrap().unwrap_err();
    assert_eq!(error.topic_partition(), Some(tp("t", 0)));
    source.seek(tp("t", 0), Start::Earliest).await.unwrap();
    assert_eq!(read(&mut batches, 1).await, BTreeMap::from([(tp("t", 0), vec![0])]));
}
