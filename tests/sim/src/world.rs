//! One seed, one world: a safety phase in which things go wrong, then healing, then everything must come to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use client::config::{ClientConfig, ProducerConfig};
use client::{Client, Producer, ProducerRecord, TopicPartition};
use testkit::Cluster;
use tokio::time::{Instant, sleep, sleep_until};

use crate::dice::Dice;
use crate::fault::{self, Fault};
use crate::gate::State;
use crate::member::{GROUP, Member, Order, topic};
use crate::options::{Options, recovery_bound};
use crate::timeline::{Timeline, What};
use crate::verdict::{Log, Past, Violation};

/// What a world left behind.
#[derive(Debug)]
pub struct Outcome {
    /// What it was like.
    pub options: Arc<Options>,
    /// All that happened.
    pub past: Past,
    /// What the world saw itself: no end, or tasks that are left.
    pub seen: Vec<Violation>,
    /// How often each kind of fault was done.
    pub faults: BTreeMap<Fault, u64>,
    /// Simulated time.
    pub lasted: Duration,
}

/// Lives through the world of a seed.
pub fn live(options: Options) -> Outcome {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    // There is nothing in it that the system could refuse: no sockets, no threads.
    runtime
        .unwrap_or_else(|error| panic!("no runtime: {error}"))
        .block_on(async { World::new(options).run().await })
}

struct World {
    options: Arc<Options>,
    cluster: Cluster,
    timeline: Timeline,
    dice: Dice,
    /// What is to be done, by time, and in order of planning.
    due: BTreeMap<(Duration, u64), Action>,
    planned: u64,
    members: Vec<Member>,
    /// The static members, by instance: which member is it now?
    instances: Vec<usize>,
    started: u64,
    written: u64,
    producer: Option<Producer>,
    faults: BTreeMap<Fault, u64>,
    seen: Vec<Violation>,
    begun: Instant,
}

#[derive(Clone, Debug)]
enum Action {
    Produce,
    Order,
    Fault(usize),
    StartBroker(i32),
    ResumeBroker(i32),
    Thaw(usize),
    Start { instance: Option<usize> },
}

impl World {
    fn new(options: Options) -> Self {
        let mut builder = Cluster::builder()
            .brokers(options.brokers)
            .seed(options.seed)
            .property("group.min.session.timeout.ms", 1000)
            .property("group.consumer.session.timeout.ms", options.session.as_millis())
            .property("group.consumer.heartbeat.interval.ms", options.heartbeat.as_millis())
            .property("group.consumer.assignment.interval.ms", options.first_rebalance.as_millis() / 2)
            .property("group.initial.rebalance.delay.ms", options.first_rebalance.as_millis());
        for (number, partitions) in options.topics.iter().enumerate() {
            builder = builder.topic(&topic(number), *partitions);
        }
        for (api, ceiling) in &options.ceilings {
            builder = builder.versions(*api, 0, *ceiling);
        }
        // The topics are named and numbered as a broker allows.
        let cluster = builder.start_in_memory().unwrap_or_else(|error| panic!("no cluster: {error}"));
        cluster.with_core(|core, _| core.history_mut().keep(usize::MAX));
        let timeline = Timeline::new(&cluster);
        let dice = Dice::new(options.seed);
        Self {
            options: Arc::new(options),
            cluster,
            timeline,
            dice,
            due: BTreeMap::new(),
            planned: 0,
            members: Vec::new(),
            instances: Vec::new(),
            started: 0,
            written: 0,
            producer: None,
            faults: BTreeMap::new(),
            seen: Vec::new(),
            begun: Instant::now(),
        }
    }

    async fn run(mut self) -> Outcome {
        let options = self.options.clone();
        for number in 0..options.members {
            self.start((number < options.static_members).then_some(number));
        }
        if options.own_producer {
            self.start_producer().await;
        }
        self.plan(Duration::ZERO, Action::Produce);
        if let Some(every) = options.orders_every {
            self.plan(every, Action::Order);
        }
        for (number, (_, every)) in options.faults.iter().enumerate() {
            let wait = self.dice.around(*every);
            self.plan(wait, Action::Fault(number));
        }
        while let Some(((at, _), action)) = self.due.pop_first() {
            if at > options.unsafe_for {
                break;
            }
            sleep_until(self.begun + at).await;
            self.tend();
            self.act(action).await;
        }
        self.heal().await;
        self.come_to_rest().await;
        self.close().await;
        let logs = self.logs();
        let past = Past::of(&self.cluster, self.timeline.take(), logs, &self.options);
        let (faults, seen) = (self.faults, self.seen);
        Outcome { options, past, seen, faults, lasted: self.cluster.now() }
    }

    fn plan(&mut self, wait: Duration, action: Action) {
        self.planned += 1;
        self.due.insert((self.begun.elapsed() + wait, self.planned), action);
    }

    // --- The program of the world ----------------------------------------------------------------------------------

    async fn act(&mut self, action: Action) {
        match action {
            Action::Produce => {
                self.produce();
                let wait = self.dice.around(self.options.produce_every);
                self.plan(wait, Action::Produce);
            }
            Action::Order => {
                self.order();
                let wait = self.options.orders_every.unwrap_or(Duration::from_secs(1));
                let wait = self.dice.around(wait);
                self.plan(wait, Action::Order);
            }
            Action::Fault(number) => {
                if let Some((fault, every)) = self.options.faults.get(number).copied() {
                    self.fault(fault).await;
                    let wait = self.dice.around(every);
                    self.plan(wait, Action::Fault(number));
                }
            }
            Action::StartBroker(broker) => self.start_broker(broker).await,
            Action::ResumeBroker(broker) => {
                self.timeline.fault(format!("broker {broker} goes on"));
                self.cluster.resume_broker(broker);
            }
            Action::Thaw(number) => self.thaw(number),
            Action::Start { instance } => self.start(instance),
        }
    }

    fn start(&mut self, instance: Option<usize>) {
        self.started += 1;
        let name = format!("m{}", self.started);
        let dice = self.dice.split();
        let instance_id = instance.map(|instance| format!("instance-{instance}"));
        let member = Member::start(&name, instance_id, &self.options, &self.cluster, &self.timeline, dice);
        if let Some(instance) = instance {
            self.instances.resize(self.instances.len().max(instance + 1), usize::MAX);
            self.instances[instance] = self.members.len();
        }
        self.members.push(member);
    }

    /// The programs that ended by themselves are started again, as a supervisor does.
    fn tend(&mut self) {
        for number in 0..self.members.len() {
            let member = &mut self.members[number];
            if member.is_over() && !member.is_leaving {
                member.is_leaving = true;
                let instance = self.instances.iter().position(|of| *of == number);
                let wait = self.dice.millis(100, 3000);
                self.plan(wait, Action::Start { instance });
            }
        }
    }

    /// The numbers of the members that are neither dead nor leaving.
    fn alive(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|number| !self.members[*number].is_leaving).collect()
    }

    async fn start_producer(&mut self) {
        let config = ClientConfig::bootstrap(&self.cluster.bootstrap_servers())
            .and_then(|config| config.client_id("producer").seed(self.options.seed).build());
        // What is set here cannot be refused.
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let Ok(client) = Client::connect_over(config.clone(), Arc::new(self.cluster.clone())).await else {
            return;
        };
        if let Ok(config) = ProducerConfig::builder(config).build() {
            self.producer = Some(Producer::new(&client, &config));
        }
    }

    fn produce(&mut self) {
        let at = self.any_partition();
        let records = self.dice.between(1, self.options.batch_records);
        let values: Vec<Vec<u8>> = (0..records).map(|_| self.value(&at)).collect();
        match &self.producer {
            Some(producer) if self.dice.one_in(2) => {
                for value in values {
                    let record = ProducerRecord::new(at.topic.clone()).partition(at.partition);
                    let record = record.value(value.clone()).timestamp(1_767_225_600_000);
                    let (producer, timeline) = (producer.clone(), self.timeline.clone());
                    let at = at.clone();
                    tokio::spawn(async move {
                        let Ok(written) = producer.send(record).await else { return };
                        if let Some(offset) = written.offset {
                            timeline.push(What::Produced { at, offset, value });
                        }
                    });
                }
            }
            _ => {
                // Refused where there is no leader: then there are fewer records.
                let _ = self.cluster.append(&at.topic, at.partition, values);
            }
        }
    }

    fn value(&mut self, at: &TopicPartition) -> Vec<u8> {
        self.written += 1;
        let mut value = format!("{at} {}", self.written).into_bytes();
        let more = self.dice.between(0, self.options.value_bytes);
        value.resize(value.len() + more as usize, b'.');
        value
    }

    fn any_partition(&mut self) -> TopicPartition {
        let number = self.dice.between(0, self.options.topics.len() as u64 - 1) as usize;
        TopicPartition::new(topic(number).as_str(), self.dice.number(0, self.options.topics[number] - 1))
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        let topics = self.options.topics.iter().enumerate();
        topics
            .flat_map(|(number, count)| {
                (0..*count).map(move |partition| TopicPartition::new(topic(number).as_str(), partition))
            })
            .collect()
    }

    fn order(&mut self) {
        let alive = self.alive();
        let Some(&number) = self.dice.pick(&alive) else { return };
        let any = self.dice.next();
        let order = match self.dice.between(0, 4) {
            0 => Order::Seek(any),
            1 => Order::Pause(any),
            2 | 3 => Order::Resume,
            _ => Order::Commit,
        };
        self.members[number].order(order);
    }

    // --- What goes wrong -------------------------------------------------------------------------------------------

    async fn fault(&mut self, kind: Fault) {
        let note = match kind {
            Fault::Error
            | Fault::Delay
            | Fault::Cut
            | Fault::Disconnect
            | Fault::Swallow
            | Fault::Throttle => Some(self.spoil_a_request(kind)),
            Fault::CloseConnections => {
                let broker = self.dice.number(1, self.options.brokers);
                self.cluster.close_connections(broker);
                Some(format!("all connections to broker {broker} end"))
            }
            Fault::StopBroker => self.stop_broker().await,
            Fault::PauseBroker => {
                let broker = self.dice.number(1, self.options.brokers);
                let lasting = fault::lasting(&mut self.dice);
                let is_running = self.is_running(broker);
                if is_running {
                    self.cluster.pause_broker(broker);
                    self.plan(lasting, Action::ResumeBroker(broker));
                }
                is_running.then(|| format!("broker {broker} pauses for {lasting:?}"))
            }
            Fault::MoveLeader => {
                let (at, to) = (self.any_partition(), self.dice.number(1, self.options.brokers));
                let moved = self.cluster.move_leader(&at.topic, at.partition, to);
                moved.is_ok().then(|| format!("broker {to} leads {at}"))
            }
            Fault::MoveCoordinator => {
                let to = self.dice.number(1, self.options.brokers);
                let moved = self.cluster.move_coordinator(GROUP, to);
                moved.is_ok().then(|| format!("broker {to} coordinates"))
            }
            Fault::EvictSessions => {
                self.cluster.evict_fetch_sessions();
                Some("fetch sessions are forgotten".to_owned())
            }
            Fault::Fence => {
                let members = self.cluster.group_members(GROUP);
                let member = self.dice.pick(&members).cloned();
                member
                    .filter(|member| self.cluster.fence_member(GROUP, member))
                    .map(|m| format!("{m} is fenced"))
            }
            Fault::Crash | Fault::Freeze | Fault::Leave | Fault::Join => self.disturb_a_member(kind),
        };
        if let Some(note) = note {
            *self.faults.entry(kind).or_default() += 1;
            self.timeline.fault(note);
        }
    }

    fn spoil_a_request(&mut self, kind: Fault) -> String {
        let dice = &mut self.dice;
        let (api, error) = fault::any_error(dice);
        let times = if dice.one_in(8) { dice.between(2, 20) as u32 } else { 1 };
        let mut rule = self.cluster.on(api).times(times);
        let alive: Vec<_> = self.members.iter().filter(|member| !member.is_leaving).collect();
        let whose = if dice.one_in(2) { dice.pick(&alive).map(|member| member.name.clone()) } else { None };
        if let Some(name) = &whose {
            rule = rule.client(name);
        }
        let by = fault::lasting(dice);
        let what = match kind {
            Fault::Error => {
                rule.fail(error);
                format!("fails with {error}")
            }
            Fault::Delay => {
                rule.delay(by);
                format!("is answered {by:?} late")
            }
            Fault::Cut => {
                let bytes = dice.between(0, 100) as usize;
                rule.cut_after(bytes);
                format!("has an answer of {bytes} bytes")
            }
            Fault::Disconnect => {
                rule.disconnect();
                "ends its connection".to_owned()
            }
            Fault::Swallow => {
                rule.swallow();
                "is never answered".to_owned()
            }
            _ => {
                rule.throttle(by);
                format!("is throttled for {by:?}")
            }
        };
        format!("the next {times} {api:?} of {} {what}", whose.as_deref().unwrap_or("anybody"))
    }

    fn is_running(&self, broker: i32) -> bool {
        self.cluster.with_core(|core, _| {
            let broker = core.world().cluster.broker(broker.into());
            broker.is_some_and(|broker| broker.state == testkit::cluster::BrokerState::Running)
        })
    }

    async fn stop_broker(&mut self) -> Option<String> {
        let running: Vec<_> = (1..=self.options.brokers).filter(|broker| self.is_running(*broker)).collect();
        // One must be left: somebody has to have the log.
        let broker = *self.dice.pick(&running).filter(|_| running.len() > 1)?;
        let lasting = fault::lasting(&mut self.dice);
        self.cluster.stop_broker(broker).await;
        self.plan(lasting, Action::StartBroker(broker));
        Some(format!("broker {broker} stops for {lasting:?}"))
    }

    async fn start_broker(&mut self, broker: i32) {
        self.timeline.fault(format!("broker {broker} starts"));
        // In memory there is no port that somebody could have taken.
        let _ = self.cluster.start_broker(broker).await;
    }

    fn disturb_a_member(&mut self, kind: Fault) -> Option<String> {
        let alive = self.alive();
        if kind == Fault::Join {
            if alive.len() >= MEMBERS_MAX {
                return None;
            }
            self.start(None);
            return Some("one more member".to_owned());
        }
        let number = *self.dice.pick(&alive)?;
        let name = self.members[number].name.clone();
        let lasting = fault::lasting(&mut self.dice);
        let instance = self.instances.iter().position(|of| *of == number);
        match kind {
            Fault::Crash => {
                self.members[number].crash();
                self.plan(lasting, Action::Start { instance });
                Some(format!("{name} dies, and is started again after {lasting:?}"))
            }
            Fault::Freeze => {
                self.members[number].gate.set(State::Stalled);
                self.plan(lasting, Action::Thaw(number));
                Some(format!("{name} is frozen for {lasting:?}"))
            }
            _ if alive.len() < 2 => None,
            _ => {
                let deadline = self.dice.millis(0, 3000);
                self.members[number].order(Order::Leave(deadline));
                if instance.is_some() {
                    self.plan(lasting, Action::Start { instance });
                }
                Some(format!("{name} leaves within {deadline:?}"))
            }
        }
    }

    fn thaw(&mut self, number: usize) {
        self.members[number].gate.set(State::Open);
        let name = self.members[number].name.clone();
        self.timeline.member(&name, "goes on");
    }

    // --- The end ---------------------------------------------------------------------------------------------------

    async fn heal(&mut self) {
        self.timeline.fault("all faults end");
        self.cluster.heal_all();
        // All that it has taken gets its outcome: nothing is written from here on.
        if let Some(producer) = self.producer.take() {
            producer.close().await;
        }
        for broker in 1..=self.options.brokers {
            let _ = self.cluster.start_broker(broker).await;
        }
        for number in 0..self.members.len() {
            self.thaw(number);
            self.members[number].order(Order::Hurry);
            self.members[number].order(Order::Resume);
        }
        // Only starts are left to be done; who is down comes back at once.
        let later = std::mem::take(&mut self.due);
        for action in later.into_values() {
            if let Action::Start { instance } = action {
                self.start(instance);
            }
        }
        if self.alive().is_empty() {
            self.start(None);
        }
    }

    /// Until all that was written is committed, which it is only after it was delivered and acknowledged.
    async fn come_to_rest(&mut self) {
        let bound = recovery_bound(&self.options);
        let deadline = Instant::now() + bound;
        loop {
            let open: Vec<_> = self.partitions().into_iter().filter(|at| !self.is_done(at)).collect();
            if open.is_empty() && Instant::now() > deadline - bound + Duration::from_secs(1) {
                return;
            }
            if self.members.iter().any(|member| member.gate.is_spinning()) {
                self.violated("C20", "a member reads and writes without end while no time passes");
                return;
            }
            if Instant::now() >= deadline {
                let open: Vec<_> = open.iter().map(|at| self.state_of(at)).collect();
                self.violated("C19", &format!("{bound:?} after all faults ended: {}", open.join(", ")));
                return;
            }
            self.tend();
            for (_, action) in std::mem::take(&mut self.due) {
                if let Action::Start { instance } = action {
                    self.start(instance);
                }
            }
            for number in self.alive() {
                // Those that have come since.
                self.members[number].order(Order::Hurry);
                self.members[number].order(Order::Resume);
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    fn is_done(&self, at: &TopicPartition) -> bool {
        let (_, high, end) = self.cluster.offsets(&at.topic, at.partition).unwrap_or_default();
        let committed = self.cluster.committed(GROUP, &at.topic, at.partition).unwrap_or(0);
        high == end && committed == end
    }

    fn state_of(&self, at: &TopicPartition) -> String {
        let (_, high, end) = self.cluster.offsets(&at.topic, at.partition).unwrap_or_default();
        let committed = self.cluster.committed(GROUP, &at.topic, at.partition);
        format!("{at} is committed to {committed:?}, and ends at {end} (high watermark {high})")
    }

    fn violated(&mut self, invariant: &'static str, what: &str) {
        self.seen.push(Violation::at_the_end(invariant, self.cluster.now(), what.to_owned()));
    }

    /// Every member leaves; then nothing may be left of them.
    async fn close(&mut self) {
        for member in &mut self.members {
            if !member.is_leaving {
                member.order(Order::Leave(Duration::from_secs(5)));
            }
        }
        let bound = recovery_bound(&self.options);
        let deadline = Instant::now() + bound;
        while Instant::now() < deadline && self.tasks() > TASKS_OF_A_CLUSTER {
            sleep(Duration::from_millis(500)).await;
        }
        let left = self.tasks();
        if left > TASKS_OF_A_CLUSTER && self.seen.is_empty() {
            let over: Vec<_> =
                self.members.iter().filter(|member| !member.is_over()).map(|member| &*member.name).collect();
            let what = format!("{left} tasks are left {bound:?} after the end; members not over: {over:?}");
            self.violated("C22", &what);
        }
    }

    fn tasks(&self) -> usize {
        tokio::runtime::Handle::current().metrics().num_alive_tasks()
    }

    fn logs(&self) -> BTreeMap<TopicPartition, Log> {
        let log = |at: TopicPartition| {
            let records = self.cluster.records(&at.topic, at.partition);
            let records =
                records.iter().map(|record| (record.offset(), record.value().unwrap_or_default().to_vec()));
            let log = Log { records: records.collect() };
            (at, log)
        };
        self.partitions().into_iter().map(log).collect()
    }
}

/// Beyond these nobody joins.
const MEMBERS_MAX: usize = 6;
/// The one that wakes its core.
const TASKS_OF_A_CLUSTER: usize = 1;
