//! Every version that tests use starts, loses a node and gets it back.

use xtask::kafka::{Kafka, Options, Version};

fn lives(version: Version, nodes: i32) {
    let kafka = Kafka::start(Options::new(version).nodes(nodes)).unwrap_or_else(|error| panic!("{error}"));
    kafka.create_topic("letters", 3, nodes as i16, &[("retention.ms", "-1")]).unwrap();
    assert!(kafka.create_topic("letters", 3, 1, &[]).is_err(), "a topic was created twice");
    let leader = kafka.leader("letters", 2).unwrap();
    assert!(kafka.data_dir(leader).join("letters-2").is_dir());
    assert!(kafka.nodes().contains(&kafka.coordinator("milena").unwrap()));

    let pid = kafka.pid(leader).unwrap();
    kafka.kill(leader).unwrap();
    assert!(!std::path::Path::new(&format!("/proc/{pid}/cmdline")).exists(), "the killed node lives");
    assert!(kafka.pause(leader).is_err(), "a dead node was paused");
    if nodes > 1 {
        let moved = (0..1200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            kafka.leader("letters", 2).unwrap() != leader
        });
        assert!(moved, "nobody took the lead of letters-2 over");
    }
    kafka.restart(leader).unwrap();
    kafka.pause(leader).unwrap();
    kafka.resume(leader).unwrap();
    kafka.stop(leader).unwrap();
    kafka.restart(leader).unwrap();
    assert_eq!(kafka.end_offset("letters", 0).unwrap(), 0);
    kafka.delete_topic("letters").unwrap();
}

#[test]
#[ignore = "starts brokers"]
fn the_newest_lives() {
    lives(Version::NEWEST, 3);
}

#[test]
#[ignore = "starts brokers"]
fn the_last_3_lives() {
    lives(Version::LAST_3, 1);
}

#[test]
#[ignore = "starts brokers"]
fn the_last_with_zookeeper_lives() {
    lives(Version::LAST_2, 2);
}

#[test]
#[ignore = "starts brokers"]
fn the_oldest_lives() {
    lives(Version::OLDEST, 1);
}

#[test]
#[ignore = "starts brokers"]
fn a_broker_that_cannot_start_shows_why() {
    let error = Kafka::start(Options::default().property("num.io.threads", "many")).unwrap_err().to_string();
    assert!(error.contains("num.io.threads"), "{error}");
}

#[test]
#[ignore = "starts brokers"]
fn a_node_advertises_the_port_it_is_told() {
    let kafka = Kafka::start(Options::default().advertise(|node, port| port + 10_000 + node as u16)).unwrap();
    let port = |address: String| address.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    assert_eq!(port(kafka.advertised(1)), port(kafka.direct(1)) + 10_001);
}
