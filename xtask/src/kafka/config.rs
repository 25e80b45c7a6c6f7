//! `server.properties` of a node, set for quick tests.

use std::path::Path;

use super::Version;
use super::options::Options;

/// The ports of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) node: i32,
    /// Where the node listens for clients.
    pub(crate) clients: u16,
    /// Where clients are told to go.
    pub(crate) advertised: u16,
    /// Between brokers: never through a test's proxy.
    pub(crate) internal: u16,
    pub(crate) controller: u16,
    /// In the order of the options' listeners.
    pub(crate) extra: Vec<u16>,
}

/// The node id of a controller in a process of its own.
pub(crate) const CONTROLLER_APART: i32 = 100;

/// What a node asks about the cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Authority {
    /// ZooKeeper at this port.
    ZooKeeper(u16),
    /// The controller at this port, in a process of its own.
    Controller(u16),
    /// All nodes together.
    Quorum,
}

/// The text of node `me`'s `server.properties`.
pub(crate) fn server_properties(
    options: &Options,
    all: &[Ports],
    me: &Ports,
    data: &Path,
    authority: Authority,
) -> String {
    let mut lines = Vec::new();
    let mut set = |key: &str, value: String| lines.push(format!("{key}={value}"));

    let mut listeners = vec![
        ("PLAINTEXT", "PLAINTEXT", me.clients, me.advertised),
        ("INTERNAL", "PLAINTEXT", me.internal, me.internal),
    ];
    for ((name, protocol), port) in options.listeners.iter().zip(&me.extra) {
        listeners.push((name, protocol, *port, *port));
    }
    let address = |name: &str, port: u16| format!("{name}://127.0.0.1:{port}");
    let advertised: Vec<String> = listeners.iter().map(|(name, _, _, port)| address(name, *port)).collect();
    set("advertised.listeners", advertised.join(","));
    if let Authority::Quorum = authority {
        listeners.push(("CONTROLLER", "PLAINTEXT", me.controller, 0));
    }
    let bound: Vec<String> = listeners.iter().map(|(name, _, port, _)| address(name, *port)).collect();
    set("listeners", bound.join(","));
    if let Authority::Controller(port) = authority {
        listeners.push(("CONTROLLER", "PLAINTEXT", port, 0));
    }
    let protocols: Vec<String> =
        listeners.iter().map(|(name, protocol, ..)| format!("{name}:{protocol}")).collect();
    set("listener.security.protocol.map", protocols.join(","));
    set("inter.broker.listener.name", "INTERNAL".to_owned());
    set("log.dirs", data.display().to_string());

    match authority {
        Authority::Quorum | Authority::Controller(_) => {
            set("node.id", me.node.to_string());
            set("controller.listener.names", "CONTROLLER".to_owned());
            // A killed broker is noticed after 6 s instead of 9.
            set("broker.session.timeout.ms", "6000".to_owned());
        }
        Authority::ZooKeeper(_) => set("broker.id", me.node.to_string()),
    }
    match authority {
        Authority::Quorum => {
            set("process.roles", "broker,controller".to_owned());
            let voters: Vec<String> =
                all.iter().map(|ports| format!("{}@127.0.0.1:{}", ports.node, ports.controller)).collect();
            set("controller.quorum.voters", voters.join(","));
        }
        Authority::Controller(port) => {
            set("process.roles", "broker".to_owned());
            set("controller.quorum.voters", format!("{CONTROLLER_APART}@127.0.0.1:{port}"));
        }
        Authority::ZooKeeper(port) => {
            set("zookeeper.connect", format!("127.0.0.1:{port}"));
            set("zookeeper.session.timeout.ms", "6000".to_owned());
            // Otherwise it is the session timeout, which a JVM that is still warming up on a busy machine does not keep.
            set("zookeeper.connection.timeout.ms", "60000".to_owned());
        }
    }

    if options.racks {
        lines.push(format!("broker.rack=r{}", me.node));
        let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
        lines.push(format!("replica.selector.class={selector}"));
    }
    lines.extend(quick(options));
    lines.push(String::new());
    lines.join("\n")
}

/// What makes tests quick, and what a test wants beside that: known to brokers and controllers, which check it alike.
fn quick(options: &Options) -> Vec<String> {
    let mut lines = Vec::new();
    let mut set = |key: &str, value: String| lines.push(format!("{key}={value}"));
    let replicas = options.nodes.min(3);
    set("offsets.topic.replication.factor", replicas.to_string());
    set("transaction.state.log.replication.factor", replicas.to_string());
    set("transaction.state.log.min.isr", replicas.min(2).to_string());
    set("offsets.topic.num.partitions", "4".to_owned());
    set("transaction.state.log.num.partitions", "4".to_owned());
    // Records with old timestamps stay, and next to newer ones: a marker's time is the clock's.
    set("log.roll.ms", "3153600000000".to_owned());
    set("log.retention.ms", "-1".to_owned());
    // A test that misspells a topic should fail, not wait.
    set("auto.create.topics.enable", "false".to_owned());
    set("group.initial.rebalance.delay.ms", "0".to_owned());
    set("group.min.session.timeout.ms", "1000".to_owned());
    set("log.cleaner.dedupe.buffer.size", "4194304".to_owned());
    set("log.cleaner.backoff.ms", "500".to_owned());
    set("num.network.threads", "2".to_owned());
    set("num.io.threads", "4".to_owned());
    if options.version >= Version(3, 7, 0) {
        // KIP-848.
        set("group.consumer.min.heartbeat.interval.ms", "500".to_owned());
        set("group.consumer.heartbeat.interval.ms", "1000".to_owned());
        set("group.consumer.min.session.timeout.ms", "3000".to_owned());
    }
    if options.version >= Version(3, 7, 0) && options.version < Version(4, 0, 0) {
        // A preview there: off unless asked for.
        set("group.coordinator.rebalance.protocols", "classic,consumer".to_owned());
    }
    if options.version >= Version(4, 0, 0) {
        set("share.coordinator.state.topic.replication.factor", replicas.to_string());
        set("share.coordinator.state.topic.min.isr", replicas.min(2).to_string());
        set("share.coordinator.state.topic.num.partitions", "1".to_owned());
    }
    // The last of two equal keys wins.
    for (key, value) in &options.properties {
        set(key, value.clone());
    }
    lines
}

/// `server.properties` of a controller that is nothing else.
pub(crate) fn controller_properties(options: &Options, data: &Path, port: u16) -> String {
    let own = format!(
        "process.roles=controller\nnode.id={CONTROLLER_APART}\ncontroller.listener.names=CONTROLLER\n\
         listeners=CONTROLLER://127.0.0.1:{port}\nlistener.security.protocol.map=CONTROLLER:PLAINTEXT\n\
         controller.quorum.voters={CONTROLLER_APART}@127.0.0.1:{port}\nlog.dirs={}\n\
         broker.session.timeout.ms=6000\n",
        data.display()
    );
    own + &quick(options).join("\n") + "\n"
}

/// ZooKeeper's `zoo.cfg`.
pub(crate) fn zoo_cfg(data: &Path, port: u16) -> String {
    format!(
        "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=1000\nmaxClientCnxns=0\n\
         admin.enableServer=false\n",
        data.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(node: i32) -> Ports {
        let base = 100 * node as u16;
        Ports {
            node,
            clients: base + 1,
            advertised: base + 2,
            internal: base + 3,
            controller: base + 4,
            extra: vec![base + 5],
        }
    }

    fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
        text.lines()
            .rev()
            .filter_map(|line| line.split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    #[test]
    fn only_the_client_listener_is_advertised_elsewhere() {
        let options = Options::new(Version(4, 3, 1)).nodes(2).listener("SECURE", "SSL");
        let all = [ports(1), ports(2)];
        let text = server_properties(&options, &all, &all[1], Path::new("/data"), Authority::Quorum);
        assert_eq!(
            value(&text, "advertised.listeners"),
            Some("PLAINTEXT://127.0.0.1:202,INTERNAL://127.0.0.1:203,SECURE://127.0.0.1:205")
        );
        assert_eq!(
            value(&text, "listeners"),
            Some(
                "PLAINTEXT://127.0.0.1:201,INTERNAL://127.0.0.1:203,SECURE://127.0.0.1:205,CONTROLLER://127.0.0.1:204"
            )
        );
        assert_eq!(value(&text, "controller.quorum.voters"), Some("1@127.0.0.1:104,2@127.0.0.1:204"));
        assert_eq!(value(&text, "group.coordinator.rebalance.protocols"), None);
    }

    #[test]
    fn beside_a_controller_apart_a_node_is_no_voter() {
        let options = Options::new(Version(4, 3, 1)).nodes(2).controller_apart().property("a", "b");
        let authority = Authority::Controller(77);
        let text = server_properties(&options, &[ports(1)], &ports(1), Path::new("/data"), authority);
        assert_eq!(value(&text, "process.roles"), Some("broker"));
        assert_eq!(value(&text, "controller.quorum.voters"), Some("100@127.0.0.1:77"));
        assert!(!value(&text, "listeners").unwrap().contains("CONTROLLER"));
        let text = controller_properties(&options, Path::new("/data"), 77);
        assert_eq!(value(&text, "listeners"), Some("CONTROLLER://127.0.0.1:77"));
        assert_eq!(value(&text, "a"), Some("b"));
    }

    #[test]
    fn before_3_3_a_node_asks_zookeeper_and_a_tests_property_wins() {
        let options = Options::new(Version(2, 8, 2)).property("offsets.topic.num.partitions", "7");
        let text =
            server_properties(&options, &[ports(1)], &ports(1), Path::new("/data"), Authority::ZooKeeper(99));
        assert_eq!(value(&text, "zookeeper.connect"), Some("127.0.0.1:99"));
        assert_eq!(value(&text, "process.roles"), None);
        assert_eq!(value(&text, "offsets.topic.num.partitions"), Some("7"));
    }
}
