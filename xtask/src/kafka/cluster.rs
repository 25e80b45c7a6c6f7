//! A cluster: start it, hurt its nodes, end it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::config::{self, Authority, Ports};
use super::options::Options;
use super::ports::{self, Port};
use super::process::{Janitor, Leash, Process, Signal, gist};
use super::warm::Start;
use super::{Version, jars, raw};
use crate::cache;
use crate::error::{Context, Error, Result};

/// Longest wait for a cluster to answer. A busy machine with two cores needs 20 s for three nodes.
pub(super) const START: Duration = Duration::from_secs(120);

/// Longest wait for an orderly stop; then the process is killed.
const STOP: Duration = Duration::from_secs(60);

/// A controller that is nothing else needs little.
const CONTROLLER_HEAP_MIB: u32 = 192;

/// Longest time for which ZooKeeper remembers a killed node, twice over.
const FORGET: Duration = Duration::from_secs(12);

/// A running cluster. Dropping it ends all its processes and removes its data.
#[derive(Debug)]
pub struct Kafka {
    options: Options,
    libs: PathBuf,
    nodes: Mutex<Vec<Node>>,
    ports: Vec<Ports>,
    root: PathBuf,
    // In the order in which they go: brokers above, then ZooKeeper, then the data they write.
    zookeeper: Option<Process>,
    controller: Option<Process>,
    janitor: Option<Janitor>,
    leash: Leash,
    start: Start,
    _reserved: Vec<Port>,
}

#[derive(Debug)]
struct Node {
    id: i32,
    directory: PathBuf,
    process: Option<Process>,
}

impl Kafka {
    /// Starts a cluster and waits until every node knows all others.
    ///
    /// # Errors
    /// Java or Maven is missing, or a node ends or does not answer in time; the error shows the end of that node's log.
    pub fn start(options: Options) -> Result<Kafka> {
        let libs = jars::broker(options.version)?;
        let start = Start::warm(options.version, &libs)?;
        Kafka::start_on(options, Leash::Held, start)
    }

    /// Like [`Kafka::start`], but the processes live on after [`Kafka::let_go`].
    pub(crate) fn start_loose(options: Options) -> Result<Kafka> {
        let libs = jars::broker(options.version)?;
        let start = Start::warm(options.version, &libs)?;
        Kafka::start_on(options, Leash::Loose, start)
    }

    /// The first start of a version, which leaves in a directory what makes later ones quick.
    pub(super) fn train(options: Options, directory: &Path) -> Result<Kafka> {
        Kafka::start_on(options, Leash::Held, Start::Cold(directory.to_owned()))
    }

    fn start_on(options: Options, leash: Leash, start: Start) -> Result<Kafka> {
        let libs = jars::broker(options.version)?;
        let root = cache::temporary("kafka")?;
        let keep = leash == Leash::Loose || std::env::var_os("MILENA_KEEP").is_some();
        let janitor = if keep { None } else { Some(Janitor::of(&root)?) };
        let mut reserved = Vec::new();
        let ports = (1..=options.nodes)
            .map(|node| ports_of(node, &options, &mut reserved))
            .collect::<Result<Vec<Ports>>>()?;
        let mut kafka = Kafka {
            options,
            libs,
            nodes: Mutex::new(Vec::new()),
            ports,
            root,
            zookeeper: None,
            controller: None,
            janitor,
            leash,
            start,
            _reserved: Vec::new(),
        };
        let authority = if !kafka.options.version.is_kraft() {
            let port = ports::free()?;
            let number = port.number;
            reserved.push(port);
            kafka.zookeeper = Some(kafka.start_zookeeper(number)?);
            Authority::ZooKeeper(number)
        } else if kafka.options.controller_apart {
            let port = ports::free()?;
            let number = port.number;
            reserved.push(port);
            Authority::Controller(number)
        } else {
            Authority::Quorum
        };
        kafka._reserved = reserved;
        kafka.write_nodes(authority)?;
        if kafka.options.version.is_kraft() {
            kafka.format(authority)?;
        }
        if let Authority::Controller(_) = authority {
            kafka.controller = Some(kafka.start_controller()?);
        }
        for node in kafka.lock().iter_mut() {
            kafka.spawn(node)?;
        }
        for ports in &kafka.ports {
            kafka.wait_for(ports, kafka.ports.len())?;
        }
        Ok(kafka)
    }

    /// The version all nodes run.
    pub fn version(&self) -> Version {
        self.options.version
    }

    /// The ids of all nodes, down or not.
    pub fn nodes(&self) -> Vec<i32> {
        self.ports.iter().map(|ports| ports.node).collect()
    }

    /// The addresses clients start from, separated by commas: the advertised ones, so a proxy where there is one.
    pub fn bootstrap(&self) -> String {
        join(self.ports.iter().map(|ports| ports.advertised))
    }

    /// The address a node advertises to clients.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn advertised(&self, node: i32) -> String {
        join([self.ports_of(node).advertised])
    }

    /// The address on which a node really listens for clients, with no proxy in between.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn direct(&self, node: i32) -> String {
        join([self.ports_of(node).clients])
    }

    /// The addresses of all nodes with no proxy in between, separated by commas.
    pub fn direct_bootstrap(&self) -> String {
        join(self.ports.iter().map(|ports| ports.clients))
    }

    /// The addresses of the listener `name` of [`Options::listener`], separated by commas.
    ///
    /// # Panics
    /// If the options named no such listener.
    pub fn listener(&self, name: &str) -> String {
        let index = self.options.listeners.iter().position(|(listener, _)| listener == name);
        let index = index.unwrap_or_else(|| panic!("the options name no listener {name}"));
        join(self.ports.iter().map(|ports| ports.extra[index]))
    }

    /// The directory in which a node keeps its topics: `topic-0/00000000000000000000.log`.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn data_dir(&self, node: i32) -> PathBuf {
        self.ports_of(node);
        self.directory(node).join("data")
    }

    /// The file that takes all that a node prints.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn log_file(&self, node: i32) -> PathBuf {
        self.ports_of(node);
        self.directory(node).join("log")
    }

    /// The jars of this version; `java -cp 'libs/*'` finds all of Kafka's tools there.
    pub fn libs(&self) -> &Path {
        &self.libs
    }

    /// Ends a node in an orderly way (SIGTERM) and waits for it; it is killed if that takes more than a minute.
    ///
    /// # Errors
    /// The signal cannot be sent.
    pub fn stop(&self, node: i32) -> Result<()> {
        self.with(node, |node| {
            let Some(mut process) = node.process.take() else { return Ok(()) };
            process.signal(Signal::Continue)?;
            process.signal(Signal::Terminate)?;
            process.wait(STOP).map(drop)
        })
    }

    /// Ends a node at once (SIGKILL).
    ///
    /// # Errors
    /// The signal cannot be sent.
    pub fn kill(&self, node: i32) -> Result<()> {
        self.with(node, |node| {
            let Some(mut process) = node.process.take() else { return Ok(()) };
            process.signal(Signal::Kill)?;
            process.wait(STOP).map(drop)
        })
    }

    /// Freezes a node (SIGSTOP): its connections stay open and nobody answers.
    ///
    /// # Errors
    /// The node is down.
    pub fn pause(&self, node: i32) -> Result<()> {
        self.signal(node, Signal::Stop)
    }

    /// Lets a frozen node go on (SIGCONT).
    ///
    /// # Errors
    /// The node is down.
    pub fn resume(&self, node: i32) -> Result<()> {
        self.signal(node, Signal::Continue)
    }

    /// Starts a node that is down, with the data and the ports it had, and waits until it knows itself as alive.
    ///
    /// # Errors
    /// The node ends or does not answer in time.
    pub fn restart(&self, node: i32) -> Result<()> {
        let start = Instant::now();
        loop {
            self.with(node, |node| match node.process {
                Some(_) => Err(Error::new(format!("node {} is up", node.id))),
                None => self.spawn(node),
            })?;
            let up = self.wait_for(self.ports_of(node), 1);
            if up.is_ok() || self.options.version.is_kraft() || start.elapsed() > FORGET {
                return up;
            }
            // Until its old session expires, ZooKeeper keeps the name of a killed node, and the new one gives up.
            self.with(node, |node| {
                node.process = None;
                Ok(())
            })?;
        }
    }

    /// The process id of a node that is up.
    pub fn pid(&self, node: i32) -> Option<u32> {
        self.lock().iter().find(|other| other.id == node)?.process.as_ref().map(Process::pid)
    }

    /// A command that runs a class of Kafka's own jars, such as `org.apache.kafka.tools.TopicCommand`.
    pub fn tool(&self, class: &str) -> Command {
        let mut command = Command::new(java());
        command
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(class_path(&self.libs))
            .arg(class);
        command
    }

    /// Leaves the processes to themselves; the ids, ZooKeeper's or the controller's first.
    pub(crate) fn let_go(mut self) -> (PathBuf, Vec<u32>) {
        let above = self.zookeeper.take().into_iter().chain(self.controller.take());
        let mut pids: Vec<u32> = above.map(Process::let_go).collect();
        for node in self.lock().iter_mut() {
            pids.extend(node.process.take().map(Process::let_go));
        }
        (self.root.clone(), pids)
    }

    fn start_zookeeper(&self, port: u16) -> Result<Process> {
        let directory = self.root.join("zookeeper");
        let cfg = directory.join("zoo.cfg");
        fs::create_dir_all(&directory).context(|| format!("cannot make {}", directory.display()))?;
        fs::write(&cfg, config::zoo_cfg(&directory.join("data"), port)).context(|| "zoo.cfg".to_owned())?;
        write_log4j(&directory)?;
        let mut command: Vec<OsString> = vec![java()];
        command.extend(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].map(OsString::from));
        command.push("-Dzookeeper.admin.enableServer=false".into());
        command.push(log4j_argument(&directory));
        command.extend(["-cp".into(), class_path(&self.libs)]);
        command.push("org.apache.zookeeper.server.quorum.QuorumPeerMain".into());
        command.push(cfg.into());
        Process::spawn(&command, &directory.join("log"), self.leash)
    }

    fn start_controller(&self) -> Result<Process> {
        let directory = self.directory(config::CONTROLLER_APART);
        Process::spawn(
            &self.broker_command(&directory, CONTROLLER_HEAP_MIB),
            &directory.join("log"),
            self.leash,
        )
    }

    fn write_nodes(&self, authority: Authority) -> Result<()> {
        if let Authority::Controller(port) = authority {
            let directory = self.directory(config::CONTROLLER_APART);
            let data = directory.join("data");
            fs::create_dir_all(&data).context(|| format!("cannot make {}", data.display()))?;
            let text = config::controller_properties(&self.options, &data, port);
            fs::write(directory.join("server.properties"), text)
                .context(|| "server.properties".to_owned())?;
            write_log4j(&directory)?;
        }
        for ports in &self.ports {
            let directory = self.directory(ports.node);
            let data = directory.join("data");
            fs::create_dir_all(&data).context(|| format!("cannot make {}", data.display()))?;
            let text = config::server_properties(&self.options, &self.ports, ports, &data, authority);
            fs::write(directory.join("server.properties"), text)
                .context(|| "server.properties".to_owned())?;
            write_log4j(&directory)?;
            self.lock().push(Node { id: ports.node, directory, process: None });
        }
        Ok(())
    }

    /// Formats the data directories of all nodes at the same time: each is a JVM of its own.
    fn format(&self, authority: Authority) -> Result<()> {
        static CLUSTERS: AtomicU32 = AtomicU32::new(0);
        // 22 digits of base64, the last of which has two bits; a cluster of its own id notices strangers.
        let number = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let cluster = format!("milena{:09x}{:06x}A", process::id(), number);
        let mut running = Vec::new();
        let mut nodes = self.nodes();
        if let Authority::Controller(_) = authority {
            nodes.push(config::CONTROLLER_APART);
        }
        for node in nodes {
            let data = self.directory(node).join("data");
            if self.options.format.is_empty() && self.start.format(&data, node, &cluster)? {
                continue;
            }
            let mut command = self.tool("kafka.tools.StorageTool");
            command.args(["format", "--ignore-formatted", "-t", &cluster, "-c"]);
            command.arg(self.directory(node).join("server.properties")).args(&self.options.format);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            running.push(command.spawn().context(|| "cannot run java".to_owned())?);
        }
        for child in running {
            let output = child.wait_with_output().context(|| "cannot run java".to_owned())?;
            if !output.status.success() {
                return Err(Error::new(format!(
                    "kafka-storage format failed:\n{}{}",
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                )));
            }
        }
        Ok(())
    }

    fn spawn(&self, node: &mut Node) -> Result<()> {
        let heap = self.options.heap_mib.unwrap_or(if self.options.nodes == 1 { 512 } else { 384 });
        let command = self.broker_command(&node.directory, heap);
        node.process = Some(Process::spawn(&command, &node.directory.join("log"), self.leash)?);
        Ok(())
    }

    fn broker_command(&self, directory: &Path, heap: u32) -> Vec<OsString> {
        let mut command: Vec<OsString> = vec![java(), format!("-Xmx{heap}m").into()];
        command.extend(self.options.jvm.iter().map(OsString::from));
        command.extend(self.start.arguments());
        command.push(log4j_argument(directory));
        command.extend(["-cp".into(), class_path(&self.libs), "kafka.Kafka".into()]);
        command.push(directory.join("server.properties").into());
        command
    }

    /// Waits until the node's own metadata names `count` living brokers, itself among them.
    fn wait_for(&self, ports: &Ports, count: usize) -> Result<()> {
        let start = Instant::now();
        loop {
            let ended = self.with(ports.node, |node| match &mut node.process {
                Some(process) => process.exited(),
                None => Err(Error::new(format!("node {} was stopped while it started", node.id))),
            })?;
            if let Some(status) = ended {
                return Err(self.complaint(ports.node, &format!("ended with {status} while it started")));
            }
            if let Ok(metadata) = raw::metadata(ports.clients, None)
                && metadata.brokers.len() >= count
                && metadata.brokers.contains(&(ports.node, ports.advertised))
            {
                return Ok(());
            }
            if start.elapsed() > START {
                return Err(self.complaint(ports.node, &format!("has not come up in {} s", START.as_secs())));
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn complaint(&self, node: i32, what: &str) -> Error {
        let version = self.options.version;
        let mut log = gist(&self.log_file(node));
        if self.controller.is_some() {
            let controller = gist(&self.directory(config::CONTROLLER_APART).join("log"));
            log.push_str(&format!("\nthe controller's log:\n{controller}"));
        }
        Error::new(format!("Kafka {version} node {node} {what}; its log:\n{log}"))
    }

    fn signal(&self, node: i32, signal: Signal) -> Result<()> {
        self.with(node, |node| match &mut node.process {
            Some(process) => process.signal(signal),
            None => Err(Error::new(format!("node {} is down", node.id))),
        })
    }

    /// The direct ports of all nodes that are up.
    pub(super) fn living(&self) -> Vec<u16> {
        let up: Vec<i32> =
            self.lock().iter().filter(|node| node.process.is_some()).map(|node| node.id).collect();
        self.ports.iter().filter(|ports| up.contains(&ports.node)).map(|ports| ports.clients).collect()
    }

    fn with<T>(&self, id: i32, act: impl FnOnce(&mut Node) -> Result<T>) -> Result<T> {
        let mut nodes = self.lock();
        let Some(node) = nodes.iter_mut().find(|node| node.id == id) else {
            return Err(Error::new(format!("there is no node {id}")));
        };
        act(node)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ports_of(&self, node: i32) -> &Ports {
        self.ports
            .iter()
            .find(|ports| ports.node == node)
            .unwrap_or_else(|| panic!("there is no node {node}"))
    }

    fn directory(&self, node: i32) -> PathBuf {
        self.root.join(format!("node-{node}"))
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // All leashes at once, rather than one after the other.
        for node in self.lock().iter_mut() {
            if let Some(process) = &mut node.process {
                let _ = process.signal(Signal::Kill);
            }
        }
        self.lock().clear();
        self.zookeeper = None;
        self.controller = None;
        if self.janitor.is_none() && self.leash == Leash::Held {
            eprintln!("MILENA_KEEP: the cluster's logs and data are in {}", self.root.display());
        }
    }
}

/// The `java` to run: that of `JAVA_HOME`, else the one in the path.
pub fn java() -> OsString {
    match std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Path::new(&home).join("bin").join("java").into_os_string(),
        None => "java".into(),
    }
}

/// Why no broker can run on this machine, if so.
pub fn missing() -> Option<String> {
    let runs = |program: OsString, argument: &str| {
        let status = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !runs(java(), "-version") {
        return Some("there is no java (Debian: apt-get install openjdk-17-jdk-headless)".to_owned());
    }
    if !runs("javac".into(), "-version") {
        return Some("there is no javac (Debian: apt-get install openjdk-17-jdk-headless)".to_owned());
    }
    if !runs("mvn".into(), "-v") {
        return Some("there is no mvn (Debian: apt-get install maven)".to_owned());
    }
    None
}

fn ports_of(node: i32, options: &Options, reserved: &mut Vec<Port>) -> Result<Ports> {
    let mut next = || -> Result<u16> {
        let port = ports::free()?;
        let number = port.number;
        reserved.push(port);
        Ok(number)
    };
    let (clients, internal, controller) = (next()?, next()?, next()?);
    let extra = options.listeners.iter().map(|_| next()).collect::<Result<Vec<u16>>>()?;
    let advertised = options.advertise.as_ref().map_or(clients, |advertise| advertise(node, clients));
    Ok(Ports { node, clients, advertised, internal, controller, extra })
}

fn join(ports: impl IntoIterator<Item = u16>) -> String {
    ports.into_iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<String>>().join(",")
}

pub(crate) fn class_path(libs: &Path) -> OsString {
    libs.join("*").into_os_string()
}

/// Kafka 2 and 3 log through log4j 1, which says nothing without this file.
fn write_log4j(directory: &Path) -> Result<()> {
    let text = "log4j.rootLogger=INFO, out\n\
                log4j.appender.out=org.apache.log4j.ConsoleAppender\n\
                log4j.appender.out.layout=org.apache.log4j.PatternLayout\n\
                log4j.appender.out.layout.ConversionPattern=%d %p %m (%c{1})%n\n";
    fs::write(directory.join("log4j.properties"), text).context(|| "log4j.properties".to_owned())
}

fn log4j_argument(directory: &Path) -> OsString {
    let mut argument = OsString::from("-Dlog4j.configuration=file:");
    argument.push(directory.join("log4j.properties"));
    argument
}
