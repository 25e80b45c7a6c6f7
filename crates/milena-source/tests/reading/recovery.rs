//! A cluster that is not where it was.

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use client::{Connect, Connecting, Io, Resolve, Resolving, Tcp};
use testkit::ApiKey;

use super::*;

/// Brokers by the addresses that they advertise, and one more that leads to whichever is alive, as a load balancer does.
#[derive(Clone, Debug)]
struct Network {
    cluster: Cluster,
    /// Every address that somebody connected to.
    dialled: Arc<Mutex<Vec<String>>>,
}

impl Network {
    fn of(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone(), dialled: Arc::default() }
    }

    fn dialled(&self, host: &str) -> usize {
        self.dialled.lock().unwrap().iter().filter(|dialled| *dialled == host).count()
    }
}

impl Connect for Network {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        self.dialled.lock().unwrap().push(host.to_owned());
        Box::pin(async move {
            let stream = match host {
                "bootstrap" => self.cluster.connect(1),
                _ => self.cluster.connect_to(host, port),
            };
            stream.map(|stream| Box::new(stream) as Box<dyn Io>)
        })
    }
}

fn moved(cluster: &Cluster) {
    cluster.change(|cluster| {
        for broker in 1..=3 {
            cluster.set_address(broker.into(), &format!("new-{broker}"), 9092);
        }
    });
    for broker in 1..=3 {
        cluster.close_connections(broker);
    }
}

fn over(network: &Network) -> SourceBuilder {
    let source = Source::builder("bootstrap:9092").connect_over(Arc::new(network.clone()));
    source
        .property("auto.offset.reset", "earliest")
        .property("milena.decode.threads", 0)
        .property("milena.seed", 7)
        .property("metadata.max.age.ms", 3_600_000)
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_moved_is_found_by_the_bootstrap_server() {
    let cluster = three().topic("t", 3).start_in_memory().unwrap();
    let network = Network::of(&cluster);
    let source = over(&network).group("g").topics(["t"]).build().await.unwrap();
    let mut batches = source.batches();
    cluster.append("t", 0, ["a"]).unwrap();
    read(&mut batches, 1).await;
    let bootstrap = network.dialled("bootstrap");
    moved(&cluster);
    for partition in 0..3 {
        cluster.append("t", partition, ["b"]).unwrap();
    }
    let start = tokio::time::Instant::now();
    read(&mut batches, 3).await;
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(network.dialled("bootstrap") > bootstrap);
    assert!((1..=3).all(|broker| network.dialled(&format!("new-{broker}")) > 0));
    // The membership is still there, too: it was the same cluster all along.
    source.drain(Duration::from_secs(30)).await.unwrap();
    assert_eq!(cluster.committed("g", "t", 1), Some(1));
    assert_eq!(cluster.requests().of(ApiKey::LeaveGroup).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_rebootstrap_only_known_brokers_are_asked() {
    let cluster = three().topic("t", 1).start_in_memory().unwrap();
    let network = Network::of(&cluster);
    let source = over(&network).property("metadata.recovery.strategy", "none").partitions([("t", 0)]);
    let source = source.build().await.unwrap();
    let mut batches = source.batches();
    cluster.append("t", 0, ["a"]).unwrap();
    read(&mut batches, 1).await;
    let bootstrap = network.dialled("bootstrap");
    moved(&cluster);
    cluster.append("t", 0, ["b"]).unwrap();
    let come = tokio::time::timeout(Duration::from_secs(600), batches.next()).await;
    assert!(come.is_err(), "{come:?}");
    assert_eq!(network.dialled("bootstrap"), bootstrap);
}

#[tokio::test(start_paused = true)]
async fn brokers_that_say_nothing_are_given_up_in_time() {
    let cluster = three().topic("t", 1).start_in_memory().unwrap();
    let network = Network::of(&cluster);
    let trigger = Duration::from_secs(40);
    let source = over(&network)
        .property("metadata.recovery.rebootstrap.trigger.ms", trigger.as_millis())
        .property("metadata.max.age.ms", 60_000)
        .partitions([("t", 0)]);
    let _source = source.build().await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    cluster.close_connections(1);
    let bootstrap = network.dialled("bootstrap");
    // Each of them takes a request timeout (30 s) to be found out: three of them would take a minute and a half.
    cluster.on(ApiKey::Metadata).times(3).swallow();
    until("the bootstrap server", || network.dialled("bootstrap") > bootstrap).await;
    let asked: Vec<_> = cluster.requests().of(ApiKey::Metadata).iter().map(|asked| asked.at).collect();
    let [.., first, second, last] = asked[..] else { panic!("{asked:?}") };
    assert!(second - first >= Duration::from_secs(30) && last - first < Duration::from_secs(80), "{asked:?}");
}

/// Names and addresses as a script says, and how often each was looked up.
#[derive(Clone, Debug, Default)]
struct Names(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    addresses: BTreeMap<String, Vec<SocketAddr>>,
    looked_up: Vec<String>,
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move {
            let mut names = self.0.lock().unwrap();
            names.looked_up.push(host.to_owned());
            match names.addresses.get(host) {
                Some(addresses) => Ok(addresses.clone()),
                // What brokers advertise here.
                None => Ok(vec![(host.parse::<IpAddr>().unwrap(), port).into()]),
            }
        })
    }
}

/// Over sockets, so the clock is the real one.
#[tokio::test]
async fn a_name_is_looked_up_at_every_connection_and_all_its_addresses_are_tried() {
    let cluster = Cluster::builder().topic("t", 1).start().await.unwrap();
    let port = cluster.broker_address(1).rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let names = Names::default();
    // Nobody listens on the first one, and on nothing but the broker's own port of the others.
    let dead = SocketAddr::from(([127, 0, 0, 9], port));
    let alive = SocketAddr::from(([127, 0, 0, 1], port));
    names.0.lock().unwrap().addresses.insert("kafka.example".to_owned(), vec![dead, alive]);
    let tcp = Tcp { resolver: Arc::new(names.clone()), ..Tcp::default() };
    let build = || {
        let source = Source::builder(&format!("kafka.example:{port}")).connect_over(Arc::new(tcp.clone()));
        source.property("auto.offset.reset", "earliest").partitions([("t", 0)]).build()
    };
    cluster.append("t", 0, ["a"]).unwrap();
    let source = build().await.unwrap();
    read(&mut source.batches(), 1).await;
    let looked_up = |names: &Names| {
        names.0.lock().unwrap().looked_up.iter().filter(|name| *name == "kafka.example").count()
    };
    let first = looked_up(&names);
    assert!(first > 0);
    // The name moves: what was known of it before is not asked again.
    names.0.lock().unwrap().addresses.insert("kafka.example".to_owned(), vec![dead]);
    assert!(build().await.is_err());
    names.0.lock().unwrap().addresses.insert("kafka.example".to_owned(), vec![alive]);
    build().await.unwrap();
    assert!(looked_up(&names) >= first + 2);
}
