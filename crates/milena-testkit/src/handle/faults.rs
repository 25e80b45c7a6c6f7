//! Faults, in a test's own words.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::{ApiKey, BrokerId, RequestKind, ResponseKind};

use super::Cluster;
use crate::error_code::ErrorCode;
use crate::fault::{Action, Rule, RuleId};

/// Which requests a fault is for; the last call says what it does to them. By default it is for the next request only.
#[must_use = "nothing happens before the last call: fail, delay, cut_after, ..."]
#[derive(Clone)]
pub struct FaultBuilder {
    cluster: Cluster,
    rule: Rule,
}

impl Cluster {
    /// The next request of an API is not carried out, and answered with this error.
    pub fn fail_next(&self, api: ApiKey, error: ErrorCode) -> RuleId {
        self.on(api).fail(error)
    }

    /// A fault for requests of an API.
    pub fn on(&self, api: ApiKey) -> FaultBuilder {
        FaultBuilder { cluster: self.clone(), rule: Rule::on(api) }
    }

    /// A fault for any request.
    pub fn on_any(&self) -> FaultBuilder {
        FaultBuilder { cluster: self.clone(), rule: Rule::on_any() }
    }

    /// Takes a fault back; whether it was still there.
    pub fn heal(&self, fault: RuleId) -> bool {
        self.with_core(|core, _| core.faults().remove(fault))
    }

    /// Takes all faults back.
    pub fn heal_all(&self) {
        self.with_core(|core, _| core.faults().clear());
    }

    /// Whether a fault still waits for a request. One that has done its work is gone.
    pub fn is_pending(&self, fault: RuleId) -> bool {
        self.with_core(|core, _| core.faults().is_pending(fault))
    }
}

impl FaultBuilder {
    /// Only if this broker is asked.
    pub fn broker(self, broker: impl Into<BrokerId>) -> Self {
        self.narrow(|rule| rule.broker(broker))
    }

    /// Only if a client with this id asks.
    pub fn client(self, client_id: &str) -> Self {
        self.narrow(|rule| rule.client(client_id))
    }

    /// Only what requests say about this topic. For [`fail`](Self::fail); the other faults are for whole requests.
    pub fn topic(self, topic: &str) -> Self {
        self.narrow(|rule| rule.topic(topic))
    }

    /// Only what requests say about this partition of the topic. For [`fail`](Self::fail).
    pub fn partition(self, partition: i32) -> Self {
        self.narrow(|rule| rule.partition(partition))
    }

    /// Not the first `count` of them.
    pub fn after(self, count: u32) -> Self {
        self.narrow(|rule| rule.after(count))
    }

    /// The next `count` of them.
    pub fn times(self, count: u32) -> Self {
        self.narrow(|rule| rule.times(count))
    }

    /// All of them, until [`Cluster::heal`].
    pub fn always(self) -> Self {
        self.narrow(Rule::always)
    }

    /// They are not carried out, and answered with this error.
    pub fn fail(self, error: ErrorCode) -> RuleId {
        self.add(Action::Fail(error))
    }

    /// They are carried out, and the answer leaves that much later.
    pub fn delay(self, by: Duration) -> RuleId {
        self.add(Action::Delay(by))
    }

    /// They are carried out, and the connection is closed after so many bytes of the answer. Its length counts with four.
    pub fn cut_after(self, bytes: usize) -> RuleId {
        self.add(Action::CutAfter(bytes))
    }

    /// The connection is closed before anything is carried out.
    pub fn disconnect(self) -> RuleId {
        self.add(Action::Disconnect)
    }

    /// They are carried out, but neither they nor what follows on the connection is answered.
    pub fn swallow(self) -> RuleId {
        self.add(Action::Swallow)
    }

    /// The answer says that the client was throttled, and its connection is not read for that long (KIP-219).
    pub fn throttle(self, by: Duration) -> RuleId {
        self.add(Action::Throttle(by))
    }

    /// They are answered with what `answer` makes of the request and its version; `None` leaves it to the broker.
    pub fn answer_with(
        self,
        answer: impl FnMut(&RequestKind, i16) -> Option<ResponseKind> + Send + 'static,
    ) -> RuleId {
        self.add(Action::AnswerWith(Box::new(answer)))
    }

    /// They are carried out, and `alter` has a go at the answer.
    pub fn alter(self, alter: impl Fn(&mut ResponseKind) + Send + Sync + 'static) -> RuleId {
        self.add(Action::Alter(Arc::new(alter)))
    }

    /// They are carried out, and `alter` has a go at the bytes of the answer, from the correlation id on.
    pub fn alter_bytes(self, alter: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> RuleId {
        self.add(Action::AlterBytes(Arc::new(alter)))
    }

    fn narrow(self, with: impl FnOnce(Rule) -> Rule) -> Self {
        Self { rule: with(self.rule), cluster: self.cluster }
    }

    fn add(self, action: Action) -> RuleId {
        let rule = self.rule;
        self.cluster.with_core(|core, _| core.faults().add(rule, action))
    }
}

impl fmt::Debug for FaultBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultBuilder").field("rule", &self.rule).finish_non_exhaustive()
    }
}
