//! A broker, what stands in front of it, and what a group has stored in it.

use std::collections::BTreeSet;
use std::time::Duration;

use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::member::Member;
use milena_tests::fixture::offsets_log::{Commit, commits_of, regressions};
use milena_tests::fixture::produce::produce;
use milena_tests::fixture::proxy::{ByClient, Exchange, Proxies};
use milena_tests::fixture::{CONSUMER, proxied, sharing};

/// Longest wait of a member that closes.
pub(crate) const DRAIN: Duration = Duration::from_secs(20);
pub(crate) const LIST_OFFSETS: i16 = 2;
pub(crate) const METADATA: i16 = 3;
pub(crate) const OFFSET_COMMIT: i16 = 8;
const JOIN_GROUP: i16 = 11;
const CONSUMER_GROUP_HEARTBEAT: i16 = 68;
/// How a group shares out its partitions: by an assignor, or by the coordinator (KIP-848).
pub(crate) const ASSIGNORS: [&str; 3] = ["range", "cooperative-sticky", CONSUMER];

/// One broker, with a proxy in front of it. Each test on it has a topic and a group of its own, both of the same name, and
/// clients whose names end with that.
pub(crate) struct World {
    pub(crate) kafka: Kafka,
    pub(crate) hooks: ByClient,
    proxies: Proxies,
}

impl World {
    pub(crate) async fn start(version: Version) -> World {
        let (kafka, proxies) = proxied(options(version)).await.expect("Kafka starts");
        World { kafka, hooks: ByClient::on(&proxies), proxies }
    }

    /// A topic of two partitions with so many records in each.
    pub(crate) fn topic(&self, name: &str, records: usize) {
        self.kafka.create_topic(name, 2, 1, &[]).expect("the topic is created");
        self.write(name, records);
    }

    /// The same topic anew, or so it seems to whoever goes by names.
    pub(crate) async fn recreate(&self, name: &str, records: usize) {
        self.kafka.delete_topic(name).expect("the topic is deleted");
        // Until the broker has carried that out, it writes to the old log.
        let data = self.kafka.data_dir(1);
        while (0..2).any(|partition| data.join(format!("{name}-{partition}")).exists()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.topic(name, records);
    }

    /// So many records more in each partition.
    pub(crate) fn write(&self, topic: &str, records: usize) {
        for partition in 0..2 {
            produce(&self.kafka, topic, partition, records);
        }
    }

    pub(crate) async fn join(
        &self,
        name: &str,
        group: &str,
        assignor: &str,
        more: &[(&str, &str)],
    ) -> Member {
        let mut properties = vec![sharing(assignor)];
        properties.extend_from_slice(more);
        Member::join(&client_id(name, group), &self.kafka.bootstrap(), group, group, &properties).await
    }

    /// A has both partitions, and 20 records of each in its hands. It gives partitions up after this many milliseconds.
    pub(crate) async fn reader(&self, group: &str, assignor: &str, drain_ms: &str) -> Member {
        let a = self.join("a", group, assignor, &[("milena.drain.timeout.ms", drain_ms)]).await;
        a.until_owns(group, &[0, 1]).await;
        a.until_delivered(group, 0, 20).await;
        a.until_delivered(group, 1, 20).await;
        a
    }

    /// B joins, and gets one of the partitions.
    pub(crate) async fn newcomer(&self, group: &str, assignor: &str) -> (Member, i32) {
        let b = self.join("b", group, assignor, &[]).await;
        b.until("owning one partition", |seen| seen.owned.len() == 1).await;
        let moved = b.seen().owned[0].partition;
        (b, moved)
    }

    /// B joins, gets one of the partitions from its start, and commits 10.
    pub(crate) async fn successor(&self, group: &str, assignor: &str) -> (Member, i32) {
        let (b, moved) = self.newcomer(group, assignor).await;
        b.until_delivered(group, moved, 20).await;
        b.ack_below(group, moved, 10);
        b.until_committed(group, moved, 10).await;
        (b, moved)
    }

    fn commits(&self, group: &str) -> Vec<Commit> {
        commits_of(&self.kafka, group).expect("the log of commits is read")
    }

    /// What a group stored for a partition, in order, since the offsets were last deleted.
    pub(crate) fn history(&self, group: &str, partition: i32) -> Vec<i64> {
        let mut history = Vec::new();
        for commit in self.commits(group) {
            match commit.value {
                _ if commit.partition != partition || commit.topic != group => {}
                Some(value) => history.push(value.offset),
                None => history.clear(),
            }
        }
        history
    }

    pub(crate) fn assert_never_back(&self, group: &str) {
        let back = regressions(&self.commits(group));
        assert!(back.is_empty(), "{group}: commits went back: {back:#?}");
    }

    /// Each group spoke the protocol that it was to speak.
    pub(crate) fn assert_protocols(&self) {
        let clients = |api_key| {
            let sent = self.proxies.exchanges_of(api_key).into_iter();
            sent.filter_map(|exchange| exchange.request.client_id).collect::<BTreeSet<_>>()
        };
        let (classic, consumer) = (clients(JOIN_GROUP), clients(CONSUMER_GROUP_HEARTBEAT));
        assert!(classic.iter().all(|client| !client.ends_with(CONSUMER)), "{classic:?}");
        assert!(consumer.iter().all(|client| client.ends_with(CONSUMER)), "{consumer:?}");
        assert!(!consumer.is_empty());
    }

    /// The requests of one member so far, of one API.
    pub(crate) fn sent(&self, name: &str, group: &str, api_key: i16) -> Vec<Exchange> {
        let mut sent = self.proxies.exchanges_of(api_key);
        let client_id = client_id(name, group);
        sent.retain(|exchange| exchange.request.client_id.as_deref() == Some(&client_id));
        sent
    }
}

/// The broker decides how long a session is in the consumer protocol.
fn options(version: Version) -> Options {
    let options = Options::new(version);
    if version < Version(3, 7, 0) {
        options
    } else {
        options.property("group.consumer.session.timeout.ms", "10000")
    }
}

pub(crate) fn client_id(name: &str, group: &str) -> String {
    format!("{name}-{group}")
}

pub(crate) fn group(name: &str, assignor: &str) -> String {
    format!("{name}-{assignor}")
}
