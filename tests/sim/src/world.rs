//! One seed, one world: a safety phase in which things go wrong, then healing, then everything must come to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use client::config::{ClientConfig, ProducerConfig};
use client::{Client, Producer, ProducerRecord, TopicPartition};
use testkit::{ApiKey, Cluster, RuleId};
use tokio::time::{Instant, sleep, sleep_until};

use crate::dice::Dice;
use crate::fault::{self, Fault};
use crate::gate::State;
use crate::logs::{Form, Logs};
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
    /// Partitions of each topic.
    topics: Vec<i32>,
    logs: Logs,
    /// Partitions whose last records may be gone: one more makes sure that there is something to commit.
    to_settle: BTreeSet<TopicPartition>,
    producer: Option<Producer>,
    faults: BTreeMap<Fault, u64>,
    seen: Vec<Violation>,
    begun: Instant,
    /// When records were damaged last.
    damaged: Duration,
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
    EndTransaction,
    Elect(TopicPartition, i32),
    Release(TopicPartition, i32),
    Heal(RuleId),
}

impl World {
    fn new(options: Options) -> Self {
        let mut builder = Cluster::builder()
            .brokers(options.brokers)
            .seed(options.seed)
            .property("group.min.session.timeout.ms", 1000)
            .property("group.consumer.min.session.timeout.ms", 1000)
            .property("group.consumer.min.heartbeat.interval.ms", 100)
            .property("group.consumer.session.timeout.ms", options.session.as_millis())
            .property("group.consumer.heartbeat.interval.ms", options.heartbeat.as_millis())
            .property("group.consumer.assignment.interval.ms", options.first_rebalance.as_millis() / 2)
            .property("group.initial.rebalance.delay.ms", options.first_rebalance.as_millis());
        for (number, partitions) in options.topics.iter().enumerate() {
            builder = builder.topic(&topic(number), *partitions);
        }
        for broker in (1..=options.brokers).filter(|_| options.has_racks) {
            builder = builder.rack(broker, &format!("rack-{broker}"));
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
            topics: options.topics.clone(),
            logs: Logs::new(&cluster, &timeline, options.is_committed),
            to_settle: BTreeSet::new(),
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
            damaged: Duration::ZERO,
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
            Action::EndTransaction => self.end_transaction(),
            Action::Elect(at, to) => self.elect(&at, to),
            Action::Release(at, broker) => self.release(&at, broker),
            Action::Heal(rule) => drop(self.cluster.heal(rule)),
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
                let form = self.form();
                let rest = match self.dice.one_in(2) {
                    true => self.logs.go_on(&at, values, form, &mut self.dice),
                    false => Some(values),
                };
                if let Some(values) = rest {
                    self.logs.append(&at, &values, form, &mut self.dice);
                }
            }
        }
    }

    fn form(&self) -> Form {
        Form { compression: self.options.compression, has_keys: self.options.has_keys }
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
        TopicPartition::new(topic(number).as_str(), self.dice.number(0, self.topics[number] - 1))
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        let topics = self.topics.iter().enumerate();
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
            // A batch that is damaged three times in a row is given up, and waits for somebody's decision.
            Fault::Corrupt if self.cluster.now() < self.damaged + DAMAGE_EVERY => None,
            Fault::Corrupt => {
                self.damaged = self.cluster.now();
                let at = self.any_partition();
                self.cluster.on(ApiKey::Fetch).alter_bytes(|frame| fault::corrupt(frame));
                Some(format!("records of the next fetch are damaged, of {at} or another"))
            }
            Fault::Transaction
            | Fault::DeleteRecords
            | Fault::Compact
            | Fault::UncleanElection
            | Fault::LagReplica
            | Fault::AddPartition => self.disturb_a_log(kind),
        };
        if let Some(note) = note {
            *self.faults.entry(kind).or_default() += 1;
            self.timeline.fault(note);
        }
    }

    fn spoil_a_request(&mut self, kind: Fault) -> String {
        let dice = &mut self.dice;
        let (api, error) = fault::any_error(dice, self.options.is_consumer);
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
                // Errors of one partition, where the API has them.
                let is_partial = matches!(
                    api,
                    ApiKey::OffsetFetch | ApiKey::OffsetCommit | ApiKey::Fetch | ApiKey::ListOffsets
                ) && dice.one_in(2);
                if is_partial {
                    let number = dice.between(0, self.topics.len() as u64 - 1) as usize;
                    let partition = dice.number(0, self.topics[number] - 1);
                    rule = rule.topic(&topic(number)).partition(partition);
                }
                if dice.one_in(10) {
                    let rule = rule.always().fail(error);
                    self.plan(by, Action::Heal(rule));
                    return format!("every {api:?} fails with {error} for {by:?}");
                }
                rule.fail(error);
                format!("fails with {error}{}", if is_partial { ", for one partition" } else { "" })
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
                // Its tasks learn that nobody holds on to them any more, and that nobody answers: they wait for nothing.
                self.timeline.push(What::Leaving { client: name.clone(), within: Duration::ZERO });
                self.members[number].crash();
                self.plan(lasting, Action::Start { instance });
                Some(format!("{name} dies, and is started again after {lasting:?}"))
            }
            Fault::Freeze => {
                self.members[number].gate.set(State::Stalled);
                self.timeline.push(What::Stalled { client: name.clone(), is_stalled: true });
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
        let client = self.members[number].name.clone();
        self.timeline.push(What::Stalled { client, is_stalled: false });
    }

    fn disturb_a_log(&mut self, kind: Fault) -> Option<String> {
        let at = self.any_partition();
        let lasting = fault::lasting(&mut self.dice);
        match kind {
            Fault::Transaction if self.is_behind(&at) => None,
            Fault::Transaction => {
                let records = self.dice.between(1, self.options.batch_records);
                let values = (0..records).map(|_| self.value(&at)).collect();
                self.logs.open(&at, values, self.form(), &mut self.dice);
                self.plan(lasting, Action::EndTransaction);
                Some(format!("a transaction is open in {at} for about {lasting:?}"))
            }
            Fault::DeleteRecords => {
                let below = self.logs.delete(&at, &mut self.dice)?;
                self.to_settle.insert(at.clone());
                Some(format!("{at} begins at {below}"))
            }
            Fault::Compact => {
                self.to_settle.insert(at.clone());
                self.logs.compact(&at).then(|| format!("{at} is compacted"))
            }
            Fault::UncleanElection if self.logs.is_open(&at) => None,
            Fault::UncleanElection => {
                let to = self.follower(&at)?;
                self.cluster.hold_replica(&at.topic, at.partition, to);
                self.plan(lasting, Action::Elect(at.clone(), to));
                Some(format!("broker {to} copies nothing of {at}, and will lead it in {lasting:?}"))
            }
            Fault::LagReplica => {
                let broker = self.follower(&at)?;
                // What is beyond the high watermark may be lost: an open transaction must not begin there.
                match self.dice.one_in(2) || self.logs.is_open(&at) {
                    true => self.cluster.hold_replica(&at.topic, at.partition, broker),
                    false => self.cluster.hold_replica_in_sync(&at.topic, at.partition, broker),
                }
                self.plan(lasting, Action::Release(at.clone(), broker));
                Some(format!("broker {broker} copies nothing of {at} for {lasting:?}"))
            }
            _ => {
                let number = self.dice.between(0, self.topics.len() as u64 - 1) as usize;
                let count = self.topics[number] + 1;
                if count > PARTITIONS_MAX || self.cluster.add_partitions(&topic(number), count).is_err() {
                    return None;
                }
                self.topics[number] = count;
                Some(format!("{} has {count} partitions", topic(number)))
            }
        }
    }

    /// Whether replicas in sync lack records.
    fn is_behind(&self, at: &TopicPartition) -> bool {
        self.cluster.offsets(&at.topic, at.partition).is_none_or(|(_, high, end)| high < end)
    }

    /// A broker that has a copy of a partition, and does not lead it.
    fn follower(&mut self, at: &TopicPartition) -> Option<i32> {
        let followers: Vec<i32> = self.cluster.with_core(|core, _| {
            let partition = core.world().cluster.partition(&at.topic, at.partition)?;
            let followers = partition.replicas.iter().filter(|broker| partition.leader != Some(**broker));
            Some(followers.map(|broker| broker.0).collect())
        })?;
        self.dice.pick(&followers).copied().filter(|broker| self.is_running(*broker))
    }

    fn end_transaction(&mut self) {
        let is_aborted = self.dice.one_in(2);
        if self.logs.end_one(is_aborted) {
            self.timeline.fault(if is_aborted {
                "a transaction is aborted"
            } else {
                "a transaction is committed"
            });
        }
    }

    fn elect(&mut self, at: &TopicPartition, to: i32) {
        if !self.is_running(to) || self.logs.is_open(at) {
            return self.release(at, to);
        }
        if let Some(end) = self.logs.elect_unclean(at, to) {
            self.to_settle.insert(at.clone());
            self.timeline.fault(format!("broker {to} leads {at}, which ends at {end}"));
        }
    }

    fn release(&mut self, at: &TopicPartition, broker: i32) {
        self.timeline.fault(format!("broker {broker} copies {at} again"));
        self.cluster.release_replica(&at.topic, at.partition, broker);
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
        while self.logs.end_one(self.dice.one_in(2)) {}
        for (at, broker) in self.partitions().into_iter().flat_map(|at| (1..=3).map(move |b| (at.clone(), b)))
        {
            self.cluster.release_replica(&at.topic, at.partition, broker);
        }
        self.partitions().iter().for_each(|at| self.logs.mark_again(at));
        for at in std::mem::take(&mut self.to_settle) {
            self.settle(&at);
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
        // A static leader that comes back into its generation (KIP-814) knows neither which partitions were added while it was away
        // nor which a rebalance that it was to take part in would have given away. Nor does Java's: it takes another rebalance.
        if self.alive().is_empty() || (self.options.static_members > 0 && !self.options.is_consumer) {
            self.start(None);
        }
    }

    /// One more record, or two: what is committed must not look like the end of the log before that is read.
    fn settle(&mut self, at: &TopicPartition) {
        let committed = self.cluster.committed(GROUP, &at.topic, at.partition);
        loop {
            let value = self.value(at);
            self.logs.append(at, &[value], self.form(), &mut self.dice);
            let end = self.cluster.offsets(&at.topic, at.partition).map(|(_, _, end)| end);
            if end != committed {
                return;
            }
        }
    }

    /// Until all that was written is committed, which it is only after it was delivered and acknowledged.
    async fn come_to_rest(&mut self) {
        let bound = recovery_bound(&self.options);
        let deadline = Instant::now() + bound;
        let mut half = Some(deadline - bound / 2);
        loop {
            let open: Vec<_> = self.partitions().into_iter().filter(|at| !self.is_done(at)).collect();
            if open.is_empty() && Instant::now() > deadline - bound + Duration::from_secs(1) {
                return;
            }
            if self.members.iter().any(|member| member.gate.is_spinning()) {
                self.violated("C20", "a member reads and writes without end while no time passes");
                return;
            }
            if half.take_if(|half| *half <= Instant::now()).is_some() {
                // Who went on at the end of a log that was cut off has nothing to commit there, and what stands may be beyond
                // it: the next record has to bring it right.
                for at in open.iter().filter(|at| self.logs.is_cut(at)).cloned().collect::<Vec<_>>() {
                    self.settle(&at);
                }
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

    fn logs(&mut self) -> BTreeMap<TopicPartition, Log> {
        let partitions = self.partitions();
        partitions.into_iter().map(|at| (at.clone(), self.logs.log(&at))).collect()
    }
}

/// Beyond these nobody joins.
const MEMBERS_MAX: usize = 6;
/// Records are damaged no more often than this: meanwhile they have been fetched again.
const DAMAGE_EVERY: Duration = Duration::from_secs(5);
/// Beyond these no topic grows.
const PARTITIONS_MAX: i32 = 6;
/// The one that wakes its core.
const TASKS_OF_A_CLUSTER: usize = 1;
