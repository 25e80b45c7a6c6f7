//! One lie: told for a while, taken back, and what must hold meanwhile and afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use milena_hostile::oracle;
use testkit::{ApiKey, ErrorCode, ResponseKind};
use tokio::time::sleep;

use crate::forge::{Forge, Rule};
use crate::futures::CatchUnwind;
use crate::world::{JOBS, ORDERS, World};

/// What is said instead of the truth.
#[derive(Clone)]
pub(crate) enum Lie {
    /// The bytes of the answer are changed.
    Frame(Forge),
    /// The request is not carried out, and answered with an error.
    Code(ErrorCode),
    /// The answer is changed.
    Answer(Arc<dyn Fn(&mut ResponseKind) + Send + Sync>),
}

impl fmt::Debug for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(forge) => write!(f, "{forge:?}"),
            Self::Code(code) => write!(f, "{code}"),
            Self::Answer(_) => f.write_str("answer"),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) api: ApiKey,
    /// Who lies; `None`: all brokers.
    pub(crate) broker: Option<i32>,
    pub(crate) lie: Lie,
    /// Whether the client must have something to say about it: not where the lie may be taken for the truth.
    pub(crate) must_tell: bool,
}

/// What a case came to.
#[derive(Default, Debug)]
pub(crate) struct Report {
    pub(crate) lies: u64,
    pub(crate) worst_rate: u64,
    pub(crate) growth: usize,
    pub(crate) recovery: Duration,
    pub(crate) told: Vec<String>,
    pub(crate) wrong: Vec<String>,
}

/// How long the lie lasts, in steps.
const TICKS: u32 = 8;
const TICK: Duration = Duration::from_millis(500);
/// Requests to a broker within a second that bring nothing.
const RATE_MAX: u64 = 20;
const GROWTH_MAX: usize = 16 << 20;
/// The longest time that an honest broker needs to be believed again: the longest throttle time that is, and some.
const RECOVERY_MAX: Duration = Duration::from_secs(90);

/// Panics of any task, by what they said.
pub(crate) static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Lives through a case.
pub(crate) fn run(case: &Case) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let case = case.clone();
    let mut report = runtime.block_on(async move {
        let mut report = Report::default();
        if CatchUnwind::new(AssertUnwindSafe(live_through(&case, &mut report))).await.is_err() {
            report.wrong.push("the case itself panicked".to_owned());
        }
        report
    });
    let panics = std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner));
    report.wrong.extend(panics);
    report
}

async fn live_through(case: &Case, report: &mut Report) {
    let mut world = World::new().await;
    let api = case.api as i16;
    for _ in 0..3 {
        append(&mut world);
        sleep(TICK / 2).await;
    }
    if matches!(api, 8 | 12 | 13) {
        world.join().await;
        sleep(TICK * 2).await;
    }
    world.told.take();
    let before = oracle::in_use();
    let used = Arc::new(AtomicU64::new(0));
    let start = world.cluster.now();

    let ((), peak) = oracle_peak(async {
        lie(&world, case, &used);
        if matches!(api, 9 | 10 | 11 | 14) {
            world.join().await;
        }
        for _ in 0..TICKS {
            append(&mut world);
            world.provoke(api).await;
            sleep(TICK).await;
        }
    })
    .await;
    report.growth = peak.saturating_sub(before);
    let end = world.cluster.now();
    // Another topic of that name is one that nobody has asked to read.
    let in_time = case.name.contains("other topic ids")
        || world.reader.records(1).len() as i64 + 2 >= world.appended(ORDERS, 1);
    if !in_time {
        let (read, there) = (world.reader.records(1).len(), world.appended(ORDERS, 1));
        report.wrong.push(format!("the honest broker's partition stopped: {read} of {there} records"));
    }
    world.tap.heal();
    world.cluster.heal_all();
    report.lies = used.load(Ordering::Relaxed) + world.tap.used();
    if let Lie::Code(_) = case.lie {
        let asked =
            world.cluster.requests().of(case.api).since(start).that(move |exchange| exchange.at <= end);
        report.lies = asked.count() as u64;
    }
    if report.lies == 0 {
        report.wrong.push("nobody asked, so nobody lied".to_owned());
    }
    if report.growth > GROWTH_MAX {
        report.wrong.push(format!("memory grew by {} KiB", report.growth >> 10));
    }
    rates(&world, start, end, report);
    recover(&mut world, api, report).await;
    report.told = world.told.take();
    exact(&world, report);
    if case.must_tell && !report.told.iter().any(|text| is_telling(text, case)) {
        report.wrong.push("nothing was told that names broker, API and version".to_owned());
    }
}

fn append(world: &mut World) {
    for partition in 0..2 {
        world.append(ORDERS, partition);
        world.append(JOBS, partition);
    }
}

async fn oracle_peak<T>(future: impl Future<Output = T>) -> (T, usize) {
    oracle::reset_peak();
    let result = future.await;
    (result, oracle::peak_now())
}

fn lie(world: &World, case: &Case, used: &Arc<AtomicU64>) {
    let on = || match case.broker {
        Some(broker) => world.cluster.on(case.api).broker(broker).always(),
        None => world.cluster.on(case.api).always(),
    };
    match case.lie.clone() {
        Lie::Frame(forge) => {
            world.tap.lie(Rule { api: case.api as i16, broker: case.broker, forge });
        }
        Lie::Code(code) => {
            on().fail(code);
        }
        Lie::Answer(alter) => {
            let used = used.clone();
            on().alter(move |answer| {
                used.fetch_add(1, Ordering::Relaxed);
                alter(answer);
            });
        }
    }
}

/// Requests and connections in each second, less what brought records.
fn rates(world: &World, start: Duration, end: Duration, report: &mut Report) {
    let mut asked: BTreeMap<(i32, u64), u64> = BTreeMap::new();
    for exchange in world.cluster.requests().since(start).iter().filter(|exchange| exchange.at < end) {
        *asked.entry((exchange.broker.0, exchange.at.as_secs())).or_default() += 1;
    }
    for ((broker, second), connections) in world.tap.opened() {
        if second >= start.as_secs() && second < end.as_secs() {
            let requests = asked.entry((broker, second)).or_default();
            *requests = (*requests).max(connections);
        }
    }
    // Two steps in a second, each with a record for two topics at each broker, and a call.
    let progress = 6;
    for ((broker, second), requests) in asked {
        let idle = requests.saturating_sub(progress);
        report.worst_rate = report.worst_rate.max(idle);
        if idle > RATE_MAX {
            report.wrong.push(format!("{requests} requests to broker {broker} in second {second}"));
        }
    }
}

/// Everything that was appended arrives, now that nobody lies.
async fn recover(world: &mut World, api: i16, report: &mut Report) {
    let start = world.cluster.now();
    append(world);
    let is_group = matches!(api, 8..=14);
    let mut joined = start;
    let mut has_rebalanced = false;
    if is_group && world.member.as_ref().is_none_or(|member| member.has_ended().is_some()) {
        world.member = None;
        world.join().await;
    }
    loop {
        let orders = (0..2).all(|n| has_all(&world.reader.records(n), world.appended(ORDERS, n)));
        let member = |n| world.member.as_ref().map(|member| member.records(n)).unwrap_or_default();
        let jobs = !is_group
            || (0..2).all(|n| member(n).last().map(|last| last.0 + 1) == Some(world.appended(JOBS, n)));
        let now = world.cluster.now();
        if orders && jobs {
            report.recovery = now - start;
            return;
        }
        if now - start > RECOVERY_MAX {
            let read: Vec<_> = (0..2).map(|n| (world.reader.records(n).len(), member(n).len())).collect();
            let there = (world.appended(ORDERS, 0), world.appended(JOBS, 0));
            let (reader, ended) =
                (world.reader.has_ended(), world.member.as_ref().and_then(|m| m.has_ended()));
            report.wrong.push(format!("no recovery: {read:?} of {there:?} records; {reader:?} {ended:?}"));
            return;
        }
        // An assignment that was believed holds until the group rebalances.
        if is_group && !has_rebalanced && now - start > Duration::from_secs(20) {
            has_rebalanced = true;
            world.member = None;
            world.join().await;
        }
        let has_ended = world.member.as_ref().is_none_or(|member| member.has_ended().is_some());
        if is_group && has_ended && now - joined > Duration::from_secs(5) {
            joined = now;
            world.member = None;
            world.join().await;
        }
        sleep(TICK).await;
    }
}

fn has_all(records: &[(i64, i64)], count: i64) -> bool {
    let mut next = 0;
    for (offset, _) in records {
        if *offset == next {
            next += 1;
        }
    }
    next >= count
}

/// Each record is what it was, at its own offset; twice only if the position was moved, and that was told.
fn exact(world: &World, report: &mut Report) {
    for partition in 0..2 {
        let records = world.reader.records(partition);
        if let Some(false_one) = records.iter().find(|(offset, value)| offset != value) {
            report.wrong.push(format!("a false record in partition {partition}: {false_one:?}"));
        }
        let moved = report.told.iter().any(|text| text.contains("moved"));
        if !moved && !records.iter().map(|(offset, _)| *offset).eq(0..records.len() as i64) {
            report.wrong.push(format!("partition {partition} was not read once and in order: {records:?}"));
        }
    }
}

/// Whether a text names the broker, the API and its version.
pub(crate) fn is_telling(text: &str, case: &Case) -> bool {
    // By its number, or, before that is known, by its address.
    let is_broker = match case.broker {
        Some(broker) => {
            text.contains(&format!("broker {broker}")) || text.contains(&format!("broker-{broker}:"))
        }
        None => text.contains("at broker") || text.contains("at bootstrap server"),
    };
    is_broker && text.contains(&format!("{:?} v", case.api))
}
