//! The fetch loop of one feed of a broker: one connection, one fetch under way, sent again as soon as the last one is cut up.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::backoff::Backoff;
use proto::fetch::{
    Candidate, FetchLimits, FetchPlan, PlanLimits, Reach, Session, Wait, partition_share, plan,
};
use proto::wire::{FetchRequest, FetchResponse, Request};

use crate::budget::Credit;
use crate::clock;
use crate::consumer::Event;
use crate::error::{Error, ErrorKind, Origin, Result};
use crate::fetch::Shared;
use crate::fetch::answer::{Source, TOLD_FROM, apply};
use crate::fetch::table::Feed;
use crate::net::{Link, decode};

/// Fetches over one feed of a broker until the fetcher is closed; one that is not the first only as long as it is needed.
pub(super) async fn run(shared: Arc<Shared>, feed: Feed) {
    let config = shared.client.config();
    let backoff = Backoff::new(config.retry_backoff(), config.retry_backoff_max(), shared.client.seed());
    let lull = Backoff::new(LULL_MIN, shared.config.max_wait().max(LULL_MIN), shared.client.seed());
    let mut task = Task {
        shared,
        feed,
        link: None,
        session: Session::new(),
        backoff,
        turn: 0,
        refused: 0,
        not_before: None,
        lull,
        lull_until: None,
        reach: Reach::new(),
        room: 1,
        filled_at: clock::now(),
        rest: None,
    };
    while !task.shared.is_closed() && !task.is_spent(clock::now()) {
        task.step().await;
    }
    task.close().await;
}

struct Task {
    shared: Arc<Shared>,
    feed: Feed,
    link: Option<Link>,
    session: Session,
    backoff: Backoff,
    /// Counts requests, so that each partition has its turn at the front of one.
    turn: u64,
    /// How many answers in a row were refused as a whole.
    refused: u32,
    /// The broker is left alone until then: it failed, or asked for it.
    not_before: Option<Instant>,
    /// While a partition that holds its share is left out, requests are answered at once, so that they never hold it up; so
    /// it is the client that waits between two that bring nothing, ever longer, up to what a long poll comes to.
    lull: Backoff,
    lull_until: Option<Instant>,
    /// How much is asked for, as a multiple of what is usual, ...
    reach: Reach,
    /// ... and the multiple that there is room for.
    room: u32,
    /// The last answer that was filled.
    filled_at: Instant,
    /// What the last request asked for, while that may be asked for again as it is.
    rest: Option<Rest>,
}

/// A request after whose answer nothing had changed. With a hundred thousand partitions in it, planning the next one anew
/// costs tens of milliseconds, twice a second, to come to the same.
struct Rest {
    /// The table's version when it was planned.
    version: u64,
    max_bytes: i32,
    /// What the answer may have beside them.
    beside: usize,
    /// When it has to be planned anew: a pause is over by then, a replica's time may be.
    until: Instant,
    /// Its answer has come, and brought nothing.
    answered: bool,
}

impl Rest {
    fn credit(&self) -> usize {
        usize::try_from(self.max_bytes).unwrap_or(0) + self.beside
    }
}

/// An answer, and how long it was in coming.
struct Answered {
    response: FetchResponse,
    /// Bytes of memory that it takes, and holds of the budget.
    held: usize,
    origin: Origin,
    wait: Duration,
    transfer: Duration,
}

/// What to do next.
enum Next {
    Fetch { request: FetchRequest, credit: Credit },
    Wait { until: Option<Instant> },
}

impl Task {
    /// Whether this feed has not been needed for a while.
    fn is_spent(&self, now: Instant) -> bool {
        self.feed.index > 0 && now >= self.filled_at + FEED_IDLE && self.shared.table().is_surplus(self.feed)
    }

    async fn step(&mut self) {
        let shared = self.shared.clone();
        // Both are armed before the look at the table: what happens after it wakes us.
        let mut changes = shared.changes.seen();
        let mut returned = pin!(shared.budget.returned());
        returned.as_mut().enable();
        match self.next(clock::now()) {
            Next::Fetch { request, credit } => self.fetch(request, credit).await,
            Next::Wait { until } => {
                // One that is spent already waits for those behind it to end, which is a change.
                let spent =
                    Some(self.filled_at + FEED_IDLE).filter(|at| self.feed.index > 0 && *at > clock::now());
                let until = until.into_iter().chain(spent).min();
                tokio::select! {
                    biased;
                    () = changes.changed() => {}
                    () = returned => {}
                    () = clock::until(until) => {}
                }
            }
        }
    }

    /// Plans the next request, under the lock.
    fn next(&mut self, now: Instant) -> Next {
        if let Some(not_before) = self.not_before.filter(|not_before| *not_before > now) {
            return Next::Wait { until: Some(not_before) };
        }
        if let Some(rest) = self.rest.take() {
            if let Some(credit) = self.take_again(&rest, now) {
                return self.again(rest, credit);
            }
            self.release();
        }
        let shared = &self.shared;
        let mut table = shared.table();
        let (feeds, partitions) = (table.feed_count(), table.full_count(now, shared.is_committed_only()));
        let usual = i32::try_from(shared.config.max_partition_bytes()).unwrap_or(i32::MAX);
        let mut limits = self.plan_limits(feeds, partitions, usual);
        // One part of its share may wait to be handed out while the next is fetched.
        self.room = u32::try_from(
            limits.partition_share / 2 / limits.partition_bytes_max.max(1).unsigned_abs() as usize,
        )
        .unwrap_or(u32::MAX);
        self.reach.bound(self.room);
        let factor = i32::try_from(self.reach.factor()).unwrap_or(i32::MAX);
        limits.partition_bytes_max = usual.saturating_mul(factor);
        let feed = self.feed;
        let mut wake: Option<Instant> = None;
        let mut candidates = Vec::new();
        let mut contested = false;
        for (tp, topic_id, entry) in table.of_feed(feed, now) {
            let waits = entry.not_before.filter(|not_before| *not_before > now);
            // A pause that is over is no reason to wake, or this would spin until somebody notes that it is.
            let position_waits = entry.position.poll_timeout().filter(|until| *until > now);
            for waits in [waits, position_waits].into_iter().flatten() {
                wake = Some(wake.map_or(waits, |wake| wake.min(waits)));
            }
            let elsewhere = entry.asked.is_some_and(|asked| asked != feed);
            contested |= elsewhere;
            candidates.push(Candidate {
                tp,
                topic_id,
                epoch: entry.lease.epoch(),
                position: entry.position.fetch_position(now),
                paused: entry.lease.is_paused(),
                busy: waits.is_some() || entry.is_stuck() || !entry.lease.stamp().may_deliver() || elsewhere,
                buffered_bytes: entry.lease.buffered_bytes(),
                max_bytes: if entry.max_bytes <= usual {
                    entry.max_bytes.saturating_mul(factor)
                } else {
                    entry.max_bytes
                },
            });
        }
        let idle = shared.budget.used() == 0;
        // What an answer has beside records is paid for, too; but many partitions must not leave nothing for records.
        let names: usize =
            candidates.iter().map(|candidate| PARTITION_BYTES + candidate.tp.topic.len()).sum();
        let beside = (ANSWER_BYTES + names).min(shared.budget.total() / 4);
        let available = shared.budget.available().saturating_sub(beside);
        let planned = plan(&candidates, &limits, available, idle, self.turn);
        drop(candidates);
        let (wants, max_bytes, hurry) = match planned {
            FetchPlan::Fetch { wants, max_bytes, hurry } => (wants, max_bytes, hurry),
            FetchPlan::Wait(Wait::Budget | Wait::NothingToFetch) => return Next::Wait { until: wake },
        };
        if let Some(until) = self.lull_until.filter(|until| *until > now) {
            return Next::Wait { until: Some(wake.map_or(until, |wake| wake.min(until))) };
        }
        self.turn += 1;
        // No more than all partitions together may bring: what is reserved here, no other broker can use.
        let asked: i64 = wants.iter().map(|want| i64::from(want.max_bytes)).sum();
        let max_bytes = max_bytes.min(i32::try_from(asked).unwrap_or(i32::MAX));
        for want in &wants {
            if let Some(entry) = table.entry_in(&want.tp, want.epoch) {
                entry.asked = Some(feed);
            }
        }
        let until = wake.map_or(now + REST_MAX, |wake| wake.min(now + REST_MAX));
        self.rest = (!hurry && !contested).then(|| Rest {
            version: table.version(),
            max_bytes,
            beside,
            until,
            answered: false,
        });
        // Under the lock, as the look at what is available was: no other feed takes the same.
        let credit = shared.budget.take(usize::try_from(max_bytes).unwrap_or(0) + beside);
        drop(table);
        let mut limits = self.fetch_limits(max_bytes);
        if hurry {
            limits.max_wait_ms = 0;
        }
        let request = self.session.build(&wants, &limits);
        Next::Fetch { request, credit }
    }

    /// The credit for the last request again, if planning anew would come to the same.
    fn take_again(&self, rest: &Rest, now: Instant) -> Option<Credit> {
        let table = self.shared.table();
        let holds = rest.answered && now < rest.until && rest.version == table.version();
        holds.then(|| self.shared.budget.try_take(rest.credit()))?
    }

    /// The last request again.
    fn again(&mut self, rest: Rest, credit: Credit) -> Next {
        match self.session.build_again(&self.fetch_limits(rest.max_bytes)) {
            Some(request) => {
                self.turn += 1;
                self.rest = Some(Rest { answered: false, ..rest });
                Next::Fetch { request, credit }
            }
            // All are told to the broker again: there is no going on as before.
            None => {
                self.release();
                Next::Wait { until: Some(clock::now()) }
            }
        }
    }

    fn plan_limits(&self, feeds: usize, partitions: usize, partition_bytes_max: i32) -> PlanLimits {
        let (config, total) = (&self.shared.config, self.shared.budget.total());
        // Half of the budget for what is read, half for what is fetched meanwhile, over all feeds alike.
        let bytes_max = config.max_bytes().min(total / (2 * feeds.max(1))).max(1);
        PlanLimits {
            bytes_max,
            partition_bytes_max,
            partition_share: partition_share(total / 2, partitions),
            budget_floor: (bytes_max / 4).min(BUDGET_FLOOR_MAX),
        }
    }

    fn fetch_limits(&self, max_bytes: i32) -> FetchLimits {
        let config = &self.shared.config;
        let rack = config.rack().filter(|_| self.shared.table().follows_hints(clock::now()));
        FetchLimits {
            max_wait_ms: i32::try_from(config.max_wait().as_millis()).unwrap_or(i32::MAX),
            min_bytes: i32::try_from(config.min_bytes()).unwrap_or(i32::MAX),
            max_bytes,
            isolation: config.isolation().into(),
            rack_id: rack.unwrap_or_default().to_owned(),
        }
    }

    async fn fetch(&mut self, request: FetchRequest, credit: Credit) {
        match self.exchange(&request, credit).await {
            Ok(answered) => self.handle_response(&request, &answered),
            Err(error) => self.handle_failure(error),
        }
    }

    /// Sends a request and reads its answer into a buffer that holds the credit.
    async fn exchange(&mut self, request: &FetchRequest, mut credit: Credit) -> Result<Answered> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => self.shared.inner().link_to(self.feed.broker).await?,
        };
        let newest = self.session.needs_max_version().unwrap_or(*FetchRequest::VERSIONS.end());
        let timeout = self.shared.config.max_wait() + self.shared.client.config().request_timeout();
        let frame_max = self.shared.config.max_frame_bytes();
        let answer = link.call_raw(request, newest, timeout, frame_max, credit.bytes()).await?;
        let held = answer.capacity();
        credit.resize(held);
        let (version, wait, transfer) = (answer.version, answer.wait, answer.transfer);
        let frame = link.share(answer.frame, Some(credit));
        let response = decode::<FetchRequest>(version, frame)
            .map_err(|error| error.of_answer(&link.origin::<FetchRequest>(version)))?;
        let origin = link.origin::<FetchRequest>(version);
        self.link = Some(link);
        Ok(Answered { response, held, origin, wait, transfer })
    }

    fn handle_response(&mut self, request: &FetchRequest, answered: &Answered) {
        let now = clock::now();
        let response = &answered.response;
        // Who still has something to read does not wait for this.
        let starved = self.shared.queue.is_awaited();
        let throttle = u64::try_from(response.throttle_time_ms).unwrap_or(0);
        // A throttled answer is empty, whatever there is.
        let room = if throttle > 0 { 0 } else { usize::try_from(request.max_bytes).unwrap_or(0) };
        let applied = match self.session.handle_response(response) {
            Ok(answer) => {
                let from = Source { origin: &answered.origin, endpoints: &response.node_endpoints };
                apply(&self.shared, now, self.feed, room, answered.held, answer, from)
            }
            Err(refused) => {
                tracing::debug!(broker = %self.feed.broker, %refused, "fetch answer refused");
                if refused.is_violation() {
                    self.link = None;
                    let error = Error::new(ErrorKind::Malformed).source(refused);
                    return self.handle_failure(error.of_answer(&answered.origin));
                }
                self.release();
                self.pause(now);
                self.refused += 1;
                if self.refused >= TOLD_FROM {
                    let error = Error::new(ErrorKind::Malformed).source(refused).doing("fetching");
                    self.shared.events.send(Event::Trouble { error: error.of_answer(&answered.origin) });
                }
                return;
            }
        };
        // An answer that brings nothing comes when the wait is over. One that comes long before it has its reasons, or is a lie;
        // who asks again at once, asks without end.
        let patience = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)) / 2;
        if applied.brought || (request.max_wait_ms > 0 && answered.wait >= patience) {
            self.lull.reset();
            self.lull_until = None;
        } else {
            self.lull_until = Some(now + self.lull.next_delay());
        }
        match &mut self.rest {
            Some(rest) if applied.empty && !applied.pause && throttle == 0 && self.lull_until.is_none() => {
                rest.answered = true;
            }
            _ => self.release(),
        }
        match applied.filled {
            true => self.handle_filled(now, starved, answered),
            false => self.reach.handle_unfilled(),
        }
        self.refused = 0;
        if applied.progress {
            self.backoff.reset();
        } else if applied.pause {
            self.pause(now);
        }
        if applied.refresh {
            self.shared.client.metadata().refresh_soon();
        }
        if applied.redirected {
            self.shared.spawn_new(now);
        }
        if throttle > 0 {
            // KIP-219: the broker has muted the connection for that long anyway.
            let until = now + Duration::from_millis(throttle).min(THROTTLE_MAX);
            self.not_before = Some(self.not_before.map_or(until, |before| before.max(until)));
        }
    }

    /// There is more to read than this answer had room for: asks for more at a time, or over one more connection, where the
    /// reader has nothing to do while answers are waited for.
    fn handle_filled(&mut self, now: Instant, starved: bool, answered: &Answered) {
        self.filled_at = now;
        self.reach.handle_filled(starved, answered.wait, answered.transfer, self.room);
        if self.reach.is_short() {
            let (shared, broker) = (&self.shared, self.feed.broker);
            let another = shared.table().another_feed(broker, now, shared.is_committed_only());
            if let Some(feed) = another {
                tracing::debug!(target: "milena::fetch", %broker, index = feed.index, "one more connection to fetch over");
                self.reach.handle_relief();
                shared.spawn(feed);
            }
        }
    }

    fn handle_failure(&mut self, error: Error) {
        self.link = None;
        self.session.handle_failure();
        let lease = self.shared.client.config().metadata_max_age();
        self.shared.table().replica_failed(clock::now(), self.feed.broker, lease);
        self.release();
        self.pause(clock::now());
        self.shared.client.metadata().refresh_soon();
        self.shared.events.send(Event::Trouble { error: error.doing("fetching") });
    }

    /// No partition is in a request of this broker any more.
    fn release(&mut self) {
        self.rest = None;
        self.shared.table().release(self.feed);
        // Another feed's they may be by now.
        self.shared.changed();
    }

    fn pause(&mut self, now: Instant) {
        self.not_before = Some(now + self.backoff.next_delay());
    }

    /// Gives its partitions back, and tells the broker that it need not remember the session.
    async fn close(mut self) {
        if self.feed.index > 0 {
            self.shared.table().end_feed(self.feed);
            self.shared.changed();
        }
        let limits = FetchLimits { max_wait_ms: 0, ..self.fetch_limits(1) };
        if let (Some(mut link), Some(request)) = (self.link.take(), self.session.close(&limits)) {
            let newest = *FetchRequest::VERSIONS.end();
            let _ = link.call_raw(&request, newest, CLOSE_TIMEOUT, CLOSE_FRAME_MAX, ANSWER_BYTES).await;
        }
    }
}

/// So long after its last filled answer a feed that is not the first ends: the reader has caught up.
const FEED_IDLE: Duration = Duration::from_secs(10);
/// How long the same request is sent again and again before it is planned anew.
const REST_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer beside its partitions: lengths, header, session, leader hints.
const ANSWER_BYTES: usize = 512;
/// Bytes of a partition in an answer beside its records and its topic's name. Lists of aborted transactions come on top.
const PARTITION_BYTES: usize = 112;
/// The first wait of a lull.
const LULL_MIN: Duration = Duration::from_millis(5);
/// Little budget is better waited out than asked with, up to here.
const BUDGET_FLOOR_MAX: usize = 1 << 20;
/// A longer pause than this is not believed.
const THROTTLE_MAX: Duration = Duration::from_secs(60);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
const CLOSE_FRAME_MAX: usize = 64 << 10;
