//! What cluster a test wants.

use std::fmt;
use std::sync::Arc;

use super::Version;

/// Tells which port a node advertises to clients, from its id and the port it listens on.
pub type Advertise = Arc<dyn Fn(i32, u16) -> u16 + Send + Sync>;

/// What cluster to run. The default is one node of [`Version::NEWEST`].
#[derive(Clone)]
pub struct Options {
    pub(crate) version: Version,
    pub(crate) nodes: i32,
    pub(crate) controller_apart: bool,
    pub(crate) racks: bool,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) advertise: Option<Advertise>,
    pub(crate) listeners: Vec<(String, String)>,
    pub(crate) format: Vec<String>,
    pub(crate) heap_mib: Option<u32>,
    pub(crate) jvm: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options::new(Version::NEWEST)
    }
}

impl Options {
    /// One node of this version.
    #[must_use]
    pub fn new(version: Version) -> Self {
        Options {
            version,
            nodes: 1,
            controller_apart: false,
            racks: false,
            properties: Vec::new(),
            advertise: None,
            listeners: Vec::new(),
            format: Vec::new(),
            heap_mib: None,
            // Two cores: the second compiler and parallel collectors cost more than they bring in a short life.
            jvm: vec!["-XX:+UseSerialGC".to_owned(), "-XX:TieredStopAtLevel=1".to_owned()],
        }
    }

    /// The number of nodes, which get the ids 1, 2, 3 and so on; each is broker and controller.
    #[must_use]
    pub fn nodes(mut self, nodes: i32) -> Self {
        self.nodes = nodes;
        self
    }

    /// One controller in a process of its own, which is no node and is never hurt: so a cluster of two can lose one. Not
    /// before 3.3.
    #[must_use]
    pub fn controller_apart(mut self) -> Self {
        self.controller_apart = true;
        self
    }

    /// Puts each node into a rack of its own, `r1` and so on, and has leaders send consumers to the replica in theirs (KIP-392).
    /// Not before 2.4.
    #[must_use]
    pub fn racks(mut self) -> Self {
        self.racks = true;
        self
    }

    /// A line of `server.properties`, for every node; it wins over the settings for quick tests.
    #[must_use]
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push((key.into(), value.into()));
        self
    }

    /// Makes nodes advertise another port than the one they listen on: the port of a proxy in front of that node.
    ///
    /// Called once per node with the node's id and the port it listens on, before any node starts. Nodes talk to each
    /// other over a listener of their own, so only clients meet the proxy.
    #[must_use]
    pub fn advertise(mut self, port: impl Fn(i32, u16) -> u16 + Send + Sync + 'static) -> Self {
        self.advertise = Some(Arc::new(port));
        self
    }

    /// One more listener for clients, such as `("SECURE", "SASL_SSL")`; [`Kafka::listener`](super::Kafka::listener)
    /// tells its addresses. What it needs (`listener.name.secure.…`) goes into [`Options::property`].
    #[must_use]
    pub fn listener(mut self, name: impl Into<String>, protocol: impl Into<String>) -> Self {
        self.listeners.push((name.into(), protocol.into()));
        self
    }

    /// One more argument of `kafka-storage format`, such as `--add-scram`. Without a meaning before 3.3.
    #[must_use]
    pub fn format_argument(mut self, argument: impl Into<String>) -> Self {
        self.format.push(argument.into());
        self
    }

    /// Heap of each node in MiB: by default 512 for a single node, 384 for each of several.
    #[must_use]
    pub fn heap_mib(mut self, mib: u32) -> Self {
        self.heap_mib = Some(mib);
        self
    }

    /// Arguments of the JVM instead of those that make it start quickly, for when the broker's own speed matters.
    #[must_use]
    pub fn jvm<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.jvm = arguments.into_iter().map(Into::into).collect();
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Options")
            .field("version", &self.version)
            .field("nodes", &self.nodes)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}
