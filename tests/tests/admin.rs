//! Administration against real brokers of three generations.

use std::collections::BTreeMap;
use std::time::Duration;

use client::config::{ClientConfig, ProducerConfig};
use client::{
    BrokerId, Client, CommittedOffset, ErrorCode, ErrorKind, IsolationLevel, LeaderEpoch, NewTopic,
    OffsetSpec, Producer, ProducerRecord, TopicId, TopicName, TopicPartition,
};
use milena_tests::fixture::java::Member;
use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::start;

const TIME: i64 = 1_767_225_600_000;

async fn connect(bootstrap: &str) -> Client {
    let config = ClientConfig::bootstrap(bootstrap).unwrap().request_timeout(Duration::from_secs(10));
    Client::connect(config.build().unwrap()).await.unwrap()
}

fn code<T: std::fmt::Debug>(outcome: Result<T, client::Error>) -> Option<ErrorCode> {
    outcome.unwrap_err().code()
}

async fn topics(client: &Client, nodes: i16, has_ids: bool) {
    let id = client
        .create_topic(
            NewTopic::new("letters").partitions(3).replication_factor(nodes).config("retention.ms", "-1"),
        )
        .await
        .unwrap();
    assert_eq!(id != TopicId::ZERO, has_ids);
    assert_eq!(
        code(client.create_topic(NewTopic::new("letters").partitions(1).replication_factor(1)).await),
        Some(ErrorCode::TOPIC_ALREADY_EXISTS)
    );
    let created = client
        .create_topics([
            NewTopic::new("no such name!").partitions(1).replication_factor(1),
            NewTopic::new("placed").placement([vec![BrokerId(1)], vec![BrokerId(1)]]),
            NewTopic::new("odd").partitions(1).replication_factor(1).config("no.such.property", "1"),
        ])
        .await
        .unwrap();
    let names: Vec<&str> = created.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["no such name!", "placed", "odd"]);
    let outcomes: Vec<Option<ErrorCode>> =
        created.into_iter().map(|(_, outcome)| outcome.map_or_else(|error| error.code(), |_| None)).collect();
    assert_eq!(outcomes, [Some(ErrorCode::INVALID_TOPIC_EXCEPTION), None, Some(ErrorCode::INVALID_CONFIG)]);

    let described = client.describe_topics(["placed", "letters", "nowhere"]).await.unwrap();
    assert_eq!(code(described[2].1.clone()), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let letters = described[1].1.as_ref().unwrap();
    assert_eq!((&*letters.name, letters.id, letters.is_internal), ("letters", id, false));
    let numbers: Vec<i32> = letters.partitions.iter().map(|partition| partition.partition).collect();
    assert_eq!(numbers, [0, 1, 2]);
    for partition in &letters.partitions {
        assert_eq!((partition.replicas.len(), partition.isr.len()), (nodes as usize, nodes as usize));
        assert!(partition.leader.is_some_and(|leader| partition.replicas.contains(&leader)));
        assert!(partition.error.is_ok() && partition.offline.is_empty());
        assert_eq!(partition.leader_epoch, Some(LeaderEpoch(0)));
    }
    assert_eq!(described[0].1.as_ref().unwrap().partitions.len(), 2);
    let listed: Vec<String> =
        client.list_topics().await.unwrap().into_iter().map(|topic| topic.name.to_string()).collect();
    assert_eq!(listed, ["letters", "placed"]);

    let names = |names: &[&str]| names.iter().map(|name| TopicName::from(*name)).collect::<Vec<_>>();
    let partitions = client.partitions_of(names(&["placed", "letters"])).await.unwrap();
    let expected = [("letters", 0), ("letters", 1), ("letters", 2), ("placed", 0), ("placed", 1)];
    assert_eq!(partitions, expected.map(|(topic, partition)| TopicPartition::new(topic, partition)));
    assert_eq!(
        code(client.partitions_of(names(&["letters", "nowhere"])).await),
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    );

    let deleted = client.delete_topics(["placed", "nowhere"]).await.unwrap();
    assert!(deleted[0].1.is_ok(), "{:?}", deleted[0].1);
    assert_eq!(code(deleted[1].1.clone()), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}

async fn offsets(client: &Client, has_max_timestamp: bool) {
    let config = ProducerConfig::builder(client.config().clone()).build().unwrap();
    let producer = Producer::new(client, &config);
    for (partition, count) in [(0, 10), (1, 1)] {
        for index in 0..count {
            let record = ProducerRecord::new("letters").partition(partition).timestamp(TIME + index * 1000);
            producer.send(record.value("letter")).await.unwrap();
        }
    }
    let partitions = || (0..3).map(|partition| TopicPartition::new("letters", partition));
    let list = async |spec| {
        let found = client.list_offsets(partitions(), spec, IsolationLevel::ReadCommitted).await;
        found.map(|found| found.into_values().collect::<Vec<i64>>())
    };
    assert_eq!(list(OffsetSpec::Earliest).await.unwrap(), [0, 0, 0]);
    assert_eq!(list(OffsetSpec::Latest).await.unwrap(), [10, 1, 0]);
    assert_eq!(list(OffsetSpec::Timestamp(TIME + 4500)).await.unwrap(), [5, -1, -1]);
    let max = list(OffsetSpec::MaxTimestamp).await;
    match has_max_timestamp {
        true => assert_eq!(max.unwrap(), [9, 0, -1]),
        false => assert_eq!(max.unwrap_err().kind(), ErrorKind::Unsupported),
    }
    assert_eq!(
        client.list_offsets([], OffsetSpec::Latest, IsolationLevel::ReadCommitted).await.unwrap(),
        BTreeMap::new()
    );
    let nowhere = client.list_offsets(
        [TopicPartition::new("nowhere", 0)],
        OffsetSpec::Latest,
        IsolationLevel::ReadCommitted,
    );
    assert_eq!(code(nowhere.await), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    producer.close().await;
}

async fn groups(kafka: &Kafka, client: &Client) {
    let tp = |partition| TopicPartition::new("letters", partition);
    assert_eq!(client.group_offsets("tools").await.unwrap(), BTreeMap::new());
    assert_eq!(code(client.describe_group("tools").await), Some(ErrorCode::GROUP_ID_NOT_FOUND));
    let noted = CommittedOffset {
        leader_epoch: Some(LeaderEpoch(0)),
        metadata: "from a tool".to_owned(),
        ..CommittedOffset::new(7)
    };
    let offsets = BTreeMap::from([(tp(0), noted), (tp(1), CommittedOffset::new(0))]);
    client.commit_group_offsets("tools", &offsets).await.unwrap();
    assert_eq!(client.group_offsets("tools").await.unwrap(), offsets);
    // A tool may rewind.
    let back = BTreeMap::from([(tp(0), CommittedOffset::new(3))]);
    client.commit_group_offsets("tools", &back).await.unwrap();
    assert_eq!(client.group_offsets("tools").await.unwrap()[&tp(0)].offset, 3);
    let error = client
        .commit_group_offsets("tools", &BTreeMap::from([(tp(0), CommittedOffset::new(-1))]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let nowhere = BTreeMap::from([(TopicPartition::new("nowhere", 0), CommittedOffset::new(1))]);
    assert_eq!(
        code(client.commit_group_offsets("tools", &nowhere).await),
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    );

    let settings =
        [("client.id", "franz"), ("auto.offset.reset", "earliest"), ("session.timeout.ms", "10000")];
    let mut member =
        Member::start(kafka.version(), &kafka.bootstrap(), "readers", &["letters"], &settings).await.unwrap();
    let limit = Duration::from_secs(60);
    member
        .wait_for(limit, |event| event.name() == "assigned" && event.partitions().len() == 3)
        .await
        .unwrap();
    member.tell("commit letters 0 5").await.unwrap();
    member.wait_for(limit, |event| event.name() == "committed").await.unwrap();

    let described = client.describe_group("readers").await.unwrap();
    assert_eq!(
        (&*described.state, &*described.protocol_type, &*described.protocol),
        ("Stable", "consumer", "range")
    );
    assert_eq!(described.members.len(), 1);
    let member_described = &described.members[0];
    assert_eq!(member_described.client_id, "franz");
    assert!(member_described.client_host.contains("127.0.0.1"), "{}", member_described.client_host);
    assert_eq!(member_described.subscription.as_deref(), Some(&[TopicName::from("letters")][..]));
    assert_eq!(member_described.assignment.as_deref(), Some(&[tp(0), tp(1), tp(2)][..]));
    assert_eq!(client.group_offsets("readers").await.unwrap()[&tp(0)].offset, 5);
    // From outside nobody commits for a group that has members.
    assert_eq!(code(client.commit_group_offsets("readers", &back).await), Some(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(client.group_offsets("readers").await.unwrap()[&tp(0)].offset, 5);

    let listed = client.list_groups().await.unwrap();
    let names: Vec<&str> = listed.iter().map(|listing| listing.group.as_str()).collect();
    assert_eq!(names, ["readers", "tools"]);
    assert_eq!((&*listed[0].protocol_type, &*listed[1].protocol_type), ("consumer", ""));
    assert_eq!(listed[0].coordinator, BrokerId(kafka.coordinator("readers").unwrap()));
    if let Some(state) = &listed[0].state {
        assert_eq!((state.as_str(), listed[1].state.as_deref()), ("Stable", Some("Empty")));
    }
    member.close().await.unwrap();
    assert_eq!(client.describe_group("readers").await.unwrap().state, "Empty");
}

async fn everything(version: Version, nodes: i32) {
    let kafka = start(Options::new(version).nodes(nodes)).await.unwrap();
    let client = connect(&kafka.bootstrap()).await;
    let cluster = client.describe_cluster().await.unwrap();
    assert!(cluster.cluster_id.is_some() && cluster.controller.is_some());
    let ids: Vec<BrokerId> = cluster.brokers.iter().map(|broker| broker.id).collect();
    assert_eq!(ids, kafka.nodes().into_iter().map(BrokerId).collect::<Vec<_>>());
    topics(&client, nodes as i16, version >= Version::LAST_2).await;
    offsets(&client, version.is_kraft()).await;
    groups(&kafka, &client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_brokers_are_administered() {
    everything(Version::NEWEST, 3).await;
}

/// With ZooKeeper only the controller creates and deletes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_with_zookeeper_are_administered() {
    everything(Version::LAST_2, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_broker_is_administered() {
    everything(Version::OLDEST, 1).await;
}

/// A controller that moved is found again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_moved_is_found() {
    let kafka = start(Options::new(Version::LAST_2).nodes(2)).await.unwrap();
    let client = connect(&kafka.bootstrap()).await;
    let before = client.describe_cluster().await.unwrap().controller.unwrap();
    kafka.stop(before.0).unwrap();
    kafka.restart(before.0).unwrap();
    let after = client.describe_cluster().await.unwrap().controller.unwrap();
    assert_ne!(before, after, "the controller has not moved: nothing was tried");
    client.create_topic(NewTopic::new("letters").partitions(1).replication_factor(2)).await.unwrap();
}
