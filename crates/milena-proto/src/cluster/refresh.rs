//! When to ask for metadata, and whom.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::cluster::{Asked, Change, ClusterView, MetadataRefused};
use crate::types::{BrokerId, CallFailed, RequestId};
use crate::wire::{ErrorCode, MetadataResponse};

/// Decides when metadata is asked for, and of whom.
///
/// It is asked for when it is too old, when somebody [wants it fresh](Self::refresh_soon) and when
/// [other topics](Self::want) are of interest; never twice at once, and with growing pauses while asking fails or brings
/// nothing new (KIP-580).
///
/// Whoever has failed least recently is asked, known brokers before the bootstrap list. So when every known broker fails,
/// the bootstrap list has its turn (KIP-899), unless [`Recovery::None`] forbids it; and when the cluster has not answered for
/// long, or says so itself, at once (KIP-1102). Its names are looked up anew by whoever connects.
#[derive(Debug)]
pub struct MetadataRefresh {
    settings: RefreshSettings,
    backoff: Backoff,
    wanted: Asked,
    state: State,
    last_id: u64,
    /// Counts asked questions: what "least recently" is measured by.
    turn: u64,
    /// Since when the questions are asked that nobody has answered yet.
    unanswered_since: Option<Instant>,
    targets: BTreeMap<Target, Record>,
}

/// How metadata is kept fresh.
#[derive(Clone, Debug)]
pub struct RefreshSettings {
    /// Age at which it is asked for again though nothing is wrong (`metadata.max.age.ms`): finds new partitions.
    pub max_age: Duration,
    /// First pause after a failure, or after a refresh that brought nothing new (`retry.backoff.ms`).
    pub retry_backoff: Duration,
    /// Longest such pause (`retry.backoff.max.ms`).
    pub retry_backoff_max: Duration,
    /// How many bootstrap servers there are. They are kept for ever.
    pub bootstrap_servers: usize,
    /// What to do when no known broker answers.
    pub recovery: Recovery,
    /// Scatters the pauses.
    pub seed: u64,
}

/// What to do when none of the known brokers answers (`metadata.recovery.strategy`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recovery {
    /// Ask them again and again: the bootstrap list served for the first answer, and that was it.
    None,
    /// Ask the bootstrap list once each of them has failed, ...
    Rebootstrap {
        /// ... or when nobody has answered for so long. Brokers that take requests and answer none take their time to fail.
        after: Duration,
    },
}

/// Who is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    /// A broker of the [`ClusterView`].
    Broker(BrokerId),
    /// An entry of the bootstrap list, counted from 0.
    Bootstrap(usize),
}

/// A metadata request to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataCall {
    /// What the answer is to be handed in with.
    pub id: RequestId,
    /// Who is asked.
    pub target: Target,
    /// For what.
    pub asked: Asked,
}

#[derive(Debug)]
enum State {
    /// Ask at `due`, and not before `not_before` even if somebody wants it sooner. `urgent` after an error, here or elsewhere.
    Waiting { due: Instant, not_before: Instant, urgent: bool },
    /// The answer is under way; `again` if somebody wants another one since.
    Asking { call: MetadataCall, urgent: bool, again: bool },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
struct Record {
    failed: u64,
    asked: u64,
}

impl MetadataRefresh {
    /// Asks for the first time at once.
    pub fn new(now: Instant, settings: RefreshSettings) -> Self {
        Self {
            backoff: Backoff::new(settings.retry_backoff, settings.retry_backoff_max, settings.seed),
            settings,
            wanted: Asked::Nothing,
            state: State::Waiting { due: now, not_before: now, urgent: false },
            last_id: 0,
            turn: 0,
            unanswered_since: None,
            targets: BTreeMap::new(),
        }
    }

    /// Which topics are of interest from here on. Asks at once if it is other ones than before.
    pub fn want(&mut self, now: Instant, asked: Asked) {
        if self.wanted == asked {
            return;
        }
        self.wanted = asked;
        match &mut self.state {
            // Pauses are for failures and for repeated questions; this is another question.
            State::Waiting { due, not_before, urgent: false } => (*due, *not_before) = (now, now),
            State::Waiting { due, .. } => *due = now.min(*due),
            State::Asking { again, .. } => *again = true,
        }
    }

    /// What is asked for.
    pub fn wanted(&self) -> &Asked {
        &self.wanted
    }

    /// An answer somewhere shows that what is known is out of date: asks as soon as the pauses allow.
    pub fn refresh_soon(&mut self, now: Instant) {
        match &mut self.state {
            State::Waiting { due, urgent, .. } => (*due, *urgent) = (now.min(*due), true),
            State::Asking { again, .. } => *again = true,
        }
    }

    /// The request to make now, if any.
    pub fn poll_request(&mut self, now: Instant, view: &ClusterView) -> Option<MetadataCall> {
        let State::Waiting { due, not_before, urgent } = self.state else { return None };
        if due.max(not_before) > now {
            return None;
        }
        let since = *self.unanswered_since.get_or_insert(now);
        if let Recovery::Rebootstrap { after } = self.settings.recovery
            && now.saturating_duration_since(since) >= after
        {
            self.rebootstrap(view);
            self.unanswered_since = Some(now);
        }
        let Some(target) = self.next_target(view) else {
            // No bootstrap list: a mistake of the caller's, which must not make it spin.
            let not_before = later(now, self.backoff.next_delay());
            self.state = State::Waiting { due, not_before, urgent };
            return None;
        };
        self.turn += 1;
        self.targets.entry(target).or_default().asked = self.turn;
        self.last_id += 1;
        let call = MetadataCall { id: RequestId(self.last_id), target, asked: self.wanted.clone() };
        self.state = State::Asking { call: call.clone(), urgent, again: false };
        Some(call)
    }

    /// The outcome of a request. Merges an answer into `view`, and says what it changed.
    ///
    /// # Errors
    /// The answer cannot be believed, which counts as a failure of the broker. Nothing changed.
    pub fn handle_response(
        &mut self,
        now: Instant,
        id: RequestId,
        outcome: Result<&MetadataResponse, CallFailed>,
        view: &mut ClusterView,
    ) -> Result<Vec<Change>, MetadataRefused> {
        let State::Asking { call, urgent, again } = &self.state else { return Ok(Vec::new()) };
        if call.id != id {
            return Ok(Vec::new());
        }
        let (target, urgent, again) = (call.target, *urgent, *again);
        let merged = outcome.map(|answer| view.handle_metadata(now, answer, &call.asked));
        match merged {
            Ok(Ok(changes)) => {
                self.succeed(now, target, urgent, again, &changes, view);
                Ok(changes)
            }
            Ok(Err(refused)) => {
                if refused == MetadataRefused::Error(ErrorCode::REBOOTSTRAP_REQUIRED) {
                    self.rebootstrap(view);
                }
                self.fail(now, target);
                Err(refused)
            }
            Err(_) => {
                self.fail(now, target);
                Ok(Vec::new())
            }
        }
    }

    /// When to poll for a request next. Nothing while an answer is under way.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { due, not_before, .. } => Some(due.max(not_before)),
            State::Asking { .. } => None,
        }
    }

    fn succeed(
        &mut self,
        now: Instant,
        target: Target,
        urgent: bool,
        again: bool,
        changes: &[Change],
        view: &ClusterView,
    ) {
        if let Some(record) = self.targets.get_mut(&target) {
            record.failed = 0;
        }
        self.unanswered_since = None;
        // Brokers that are gone need no record, and those that are new start with a clean one.
        let known = |target: &Target| match target {
            Target::Broker(id) => view.broker(*id).is_some(),
            Target::Bootstrap(_) => true,
        };
        self.targets.retain(|target, _| known(target));
        if !urgent || changes.iter().any(is_progress) {
            self.backoff.reset();
        }
        let due = if again { now } else { later(now, self.settings.max_age) };
        let not_before = later(now, self.backoff.next_delay());
        self.state = State::Waiting { due, not_before, urgent: again };
    }

    fn fail(&mut self, now: Instant, target: Target) {
        self.targets.entry(target).or_default().failed = self.turn;
        let not_before = later(now, self.backoff.next_delay());
        self.state = State::Waiting { due: now, not_before, urgent: true };
    }

    /// KIP-1102: the brokers tell their clients to start over, or tell them nothing any more.
    fn rebootstrap(&mut self, view: &ClusterView) {
        if self.settings.recovery == Recovery::None {
            return;
        }
        for (id, _) in view.brokers() {
            self.targets.entry(Target::Broker(id)).or_default().failed = self.turn;
        }
        for server in 0..self.settings.bootstrap_servers {
            self.targets.insert(Target::Bootstrap(server), Record::default());
        }
    }

    /// Who failed longest ago or never; among those a broker rather than a bootstrap server; among those who was asked
    /// longest ago.
    fn next_target(&self, view: &ClusterView) -> Option<Target> {
        let brokers = view.brokers().map(|(id, _)| Target::Broker(id));
        let has_brokers = view.brokers().next().is_some();
        let servers = match self.settings.recovery {
            Recovery::None if has_brokers => 0,
            Recovery::None | Recovery::Rebootstrap { .. } => self.settings.bootstrap_servers,
        };
        let bootstrap = (0..servers).map(Target::Bootstrap);
        brokers.chain(bootstrap).min_by_key(|target| {
            let Record { failed, asked } = self.targets.get(target).copied().unwrap_or_default();
            (failed, matches!(target, Target::Bootstrap(_)), asked, *target)
        })
    }
}

/// Whether a change may be what an error elsewhere was waiting for.
fn is_progress(change: &Change) -> bool {
    !matches!(change, Change::TopicMissing { .. })
}

fn later(now: Instant, pause: Duration) -> Instant {
    // Further than the clock reaches is a mistake in the settings; a day is as good as never.
    now.checked_add(pause).unwrap_or(now + Duration::from_secs(86_400))
}
