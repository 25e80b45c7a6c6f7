//! What goes wrong, and when: rules that a test sets, and that requests run into.
//!
//! [`Rule`] says for which requests; its last call says what happens to them.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::{ApiKey, BrokerId, RequestKind, ResponseKind};

use crate::api;
use crate::ctx::Reply;
use crate::error_code::ErrorCode;

/// The rules of a cluster.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<(RuleId, Rule, Action)>,
    rules_made: u64,
}

/// Names a rule, to take it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(u64);

/// Which requests a fault is for. By default the next one.
#[derive(Debug, Clone)]
pub struct Rule {
    api: Option<ApiKey>,
    broker: Option<BrokerId>,
    client_id: Option<String>,
    topic: Option<String>,
    partition: Option<i32>,
    skip: u32,
    times: Option<u32>,
}

impl Rule {
    /// The next request of one API.
    pub fn on(api: ApiKey) -> Self {
        Self { api: Some(api), ..Self::on_any() }
    }

    /// The next request, whatever it is.
    pub fn on_any() -> Self {
        Self {
            api: None,
            broker: None,
            client_id: None,
            topic: None,
            partition: None,
            skip: 0,
            times: Some(1),
        }
    }

    /// Only if this broker is asked.
    pub fn broker(mut self, broker: impl Into<BrokerId>) -> Self {
        self.broker = Some(broker.into());
        self
    }

    /// Only if this client asks.
    pub fn client(mut self, client_id: &str) -> Self {
        self.client_id = Some(client_id.to_owned());
        self
    }

    /// Only what the request says about this topic. For errors; other faults are for whole requests.
    pub fn topic(mut self, topic: &str) -> Self {
        self.topic = Some(topic.to_owned());
        self
    }

    /// Only what the request says about this partition. For errors, with a topic.
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Not the first `count` of them.
    pub fn after(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// The next `count` of them instead of one.
    pub fn times(mut self, count: u32) -> Self {
        self.times = Some(count);
        self
    }

    /// All of them, until the rule is taken back.
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    fn covers(&self, broker: BrokerId, client_id: &str, api: ApiKey) -> bool {
        self.api.is_none_or(|wanted| wanted == api)
            && self.broker.is_none_or(|wanted| wanted == broker)
            && self.client_id.as_deref().is_none_or(|wanted| wanted == client_id)
    }

    fn is_about_partitions(&self) -> bool {
        self.topic.is_some() || self.partition.is_some()
    }
}

/// What happens to a request.
pub enum Action {
    /// It is not carried out, and answered with this error, where that API's errors are: for the whole request, or for each of
    /// its partitions.
    Fail(ErrorCode),
    /// It is carried out, and the answer leaves that much later. The connection's other requests wait.
    Delay(Duration),
    /// It is carried out; the answer is cut off after so many bytes, and the connection closed. The four bytes of the length
    /// count, so 0 to 3 is not even a length.
    CutAfter(usize),
    /// It is not carried out, and the connection is closed.
    Disconnect,
    /// It is carried out, and never answered. Nor is anything after it on that connection.
    Swallow,
    /// The answer says that the client was throttled, and the connection is muted that long (KIP-219).
    Throttle(Duration),
    /// It is answered with what this makes of it; `None` leaves it to the broker.
    AnswerWith(AnswerWith),
    /// It is carried out, and this has a go at the answer.
    Alter(Alter),
    /// It is carried out, and this has a go at the bytes of the answer, from the correlation id on.
    AlterBytes(AlterBytes),
}

/// Makes an answer of a request and its version.
pub type AnswerWith = Box<dyn FnMut(&RequestKind, i16) -> Option<ResponseKind> + Send>;
/// Changes an answer.
pub type Alter = Arc<dyn Fn(&mut ResponseKind) + Send + Sync>;
/// Changes the bytes of an answer.
pub type AlterBytes = Arc<dyn Fn(&mut Vec<u8>) + Send + Sync>;

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail(code) => write!(f, "Fail({code})"),
            Self::Delay(by) => write!(f, "Delay({by:?})"),
            Self::CutAfter(bytes) => write!(f, "CutAfter({bytes})"),
            Self::Throttle(by) => write!(f, "Throttle({by:?})"),
            Self::Disconnect => f.write_str("Disconnect"),
            Self::Swallow => f.write_str("Swallow"),
            Self::AnswerWith(_) => f.write_str("AnswerWith"),
            Self::Alter(_) => f.write_str("Alter"),
            Self::AlterBytes(_) => f.write_str("AlterBytes"),
        }
    }
}

impl Faults {
    /// Sets a rule.
    pub fn add(&mut self, rule: Rule, action: Action) -> RuleId {
        self.rules_made += 1;
        let id = RuleId(self.rules_made);
        self.rules.push((id, rule, action));
        id
    }

    /// Takes a rule back; whether it was still there.
    pub fn remove(&mut self, id: RuleId) -> bool {
        let before = self.rules.len();
        self.rules.retain(|(known, ..)| *known != id);
        self.rules.len() != before
    }

    /// Takes all rules back.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// Whether a rule still waits for requests. One that has done its work is gone.
    pub fn is_pending(&self, id: RuleId) -> bool {
        self.rules.iter().any(|(known, ..)| *known == id)
    }

    pub(crate) fn plan(
        &mut self,
        broker: BrokerId,
        client_id: &str,
        api: ApiKey,
        version: i16,
        request: Option<&RequestKind>,
    ) -> Plan {
        let mut plan = Plan::default();
        for (id, rule, action) in &mut self.rules {
            if !rule.covers(broker, client_id, api) {
                continue;
            }
            if let Action::Fail(code) = action
                && (rule.is_about_partitions() || is_by_partition(request, version, *code))
            {
                // Counted when it is used: only the handler knows which partitions a request is about.
                plan.injected.push(Injected {
                    rule: *id,
                    topic: rule.topic.clone(),
                    partition: rule.partition,
                    code: *code,
                    only_counts: rule.skip > 0,
                    was_used: Cell::new(false),
                });
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if rule.times.is_some_and(|times| times == 0) {
                continue;
            }
            if plan.take(action, version, request) {
                rule.times = rule.times.map(|times| times - 1);
            }
        }
        self.rules.retain(|(_, rule, _)| rule.times != Some(0));
        plan
    }

    pub(crate) fn used(&mut self, injected: &[Injected]) {
        for fault in injected.iter().filter(|fault| fault.was_used.get()) {
            if let Some((_, rule, _)) = self.rules.iter_mut().find(|(id, ..)| *id == fault.rule) {
                match rule.skip.checked_sub(1) {
                    Some(skip) => rule.skip = skip,
                    None => rule.times = rule.times.map(|times| times.saturating_sub(1)),
                }
            }
        }
        self.rules.retain(|(_, rule, _)| rule.times != Some(0));
    }
}

/// Whether an API has no error for the whole request, or not this one.
fn is_by_partition(request: Option<&RequestKind>, version: i16, code: ErrorCode) -> bool {
    request.is_some_and(|request| api::failure(request, version, code).is_none())
}

/// What the faults want of one request.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// An answer instead of the broker's.
    pub(crate) instead: Option<Reply<ResponseKind>>,
    /// Errors for single partitions.
    pub(crate) injected: Vec<Injected>,
    /// What happens to the answer.
    pub(crate) answer: Vec<AnswerFault>,
}

impl Plan {
    /// Whether the action applies.
    fn take(&mut self, action: &mut Action, version: i16, request: Option<&RequestKind>) -> bool {
        match action {
            Action::Fail(code) => {
                let response = request.and_then(|request| api::failure(request, version, *code));
                self.instead = self.instead.take().or(response.map(Reply::Now));
            }
            Action::AnswerWith(answer) => {
                let Some(response) = request.and_then(|request| answer(request, version)) else {
                    return false;
                };
                self.instead.get_or_insert(Reply::Now(response));
            }
            Action::Disconnect => {
                self.instead.get_or_insert(Reply::Close);
            }
            Action::Delay(by) => self.answer.push(AnswerFault::Delay(*by)),
            Action::CutAfter(bytes) => self.answer.push(AnswerFault::CutAfter(*bytes)),
            Action::Swallow => self.answer.push(AnswerFault::Swallow),
            Action::Throttle(by) => self.answer.push(AnswerFault::Throttle(*by)),
            Action::Alter(alter) => self.answer.push(AnswerFault::Alter(Arc::clone(alter))),
            Action::AlterBytes(alter) => self.answer.push(AnswerFault::AlterBytes(Arc::clone(alter))),
        }
        true
    }
}

/// An error for the partitions that it covers.
#[derive(Debug, Clone)]
pub(crate) struct Injected {
    rule: RuleId,
    topic: Option<String>,
    partition: Option<i32>,
    pub(crate) code: ErrorCode,
    /// The rule is for later ones.
    only_counts: bool,
    was_used: Cell<bool>,
}

impl Injected {
    pub(crate) fn covers(&self, topic: &str, partition: i32) -> bool {
        let covers = self.topic.as_deref().is_none_or(|wanted| wanted == topic)
            && self.partition.is_none_or(|wanted| wanted == partition);
        if covers {
            self.was_used.set(true);
        }
        covers && !self.only_counts
    }
}

/// What happens to an answer.
pub(crate) enum AnswerFault {
    Delay(Duration),
    CutAfter(usize),
    Swallow,
    Throttle(Duration),
    Alter(Alter),
    AlterBytes(AlterBytes),
}

impl AnswerFault {
    pub(crate) fn delay(&self) -> Duration {
        if let Self::Delay(by) = self { *by } else { Duration::ZERO }
    }

    pub(crate) fn mutes(&self) -> Duration {
        if let Self::Throttle(by) = self { *by } else { Duration::ZERO }
    }

    pub(crate) fn swallows(&self) -> bool {
        matches!(self, Self::Swallow)
    }

    pub(crate) fn cut_after(&self) -> Option<usize> {
        if let Self::CutAfter(bytes) = self { Some(*bytes) } else { None }
    }

    pub(crate) fn alter(&self, response: &mut ResponseKind) {
        match self {
            Self::Alter(alter) => alter(response),
            Self::Throttle(by) => {
                api::set_throttle(response, i32::try_from(by.as_millis()).unwrap_or(i32::MAX))
            }
            _ => {}
        }
    }

    pub(crate) fn alter_bytes(&self, frame: &mut Vec<u8>) {
        if let Self::AlterBytes(alter) = self {
            alter(frame);
        }
    }
}

impl fmt::Debug for AnswerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(by) => write!(f, "Delay({by:?})"),
            Self::CutAfter(bytes) => write!(f, "CutAfter({bytes})"),
            Self::Swallow => f.write_str("Swallow"),
            Self::Throttle(by) => write!(f, "Throttle({by:?})"),
            Self::Alter(_) => f.write_str("Alter"),
            Self::AlterBytes(_) => f.write_str("AlterBytes"),
        }
    }
}
