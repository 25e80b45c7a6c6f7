//! Membership of a consumer group.

use std::time::Duration;

use super::assignor::{ASSIGNORS, Assignor};
use super::defaults;
use super::error::{ConfigError, Setting};
use super::group_protocol::{GroupProtocol, PROTOCOL};
use super::knob::{Millis, boolean, short_text};

/// How to be a member of a consumer group: who, how patient, and when to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    group_id: String,
    group_instance_id: Option<String>,
    protocol: GroupProtocol,
    protocol_fallback: bool,
    remote_assignor: Option<String>,
    assignors: Vec<Assignor>,
    session_timeout: Duration,
    heartbeat_interval: Duration,
    rebalance_timeout: Duration,
    commit_interval: Option<Duration>,
    drain_timeout: Duration,
    leave_on_close: bool,
    leave_when_stalled: bool,
}

impl GroupConfig {
    /// Starts from the group's name (`group.id`): not empty, at most 32767 bytes.
    pub fn builder(group_id: impl Into<String>) -> GroupConfigBuilder {
        GroupConfigBuilder::new(group_id.into())
    }

    /// The group's name.
    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// See [`GroupConfigBuilder::group_instance_id`].
    pub fn group_instance_id(&self) -> Option<&str> {
        self.group_instance_id.as_deref()
    }

    /// The protocol by which the group shares out partitions.
    pub fn protocol(&self) -> GroupProtocol {
        self.protocol
    }

    /// See [`GroupConfigBuilder::protocol_fallback`].
    pub fn protocol_fallback(&self) -> bool {
        self.protocol_fallback
    }

    /// See [`GroupConfigBuilder::remote_assignor`].
    pub fn remote_assignor(&self) -> Option<&str> {
        self.remote_assignor.as_deref()
    }

    /// See [`GroupConfigBuilder::assignors`]. At least one, each once.
    pub fn assignors(&self) -> &[Assignor] {
        &self.assignors
    }

    /// See [`GroupConfigBuilder::session_timeout`].
    pub fn session_timeout(&self) -> Duration {
        self.session_timeout
    }

    /// See [`GroupConfigBuilder::heartbeat_interval`].
    pub fn heartbeat_interval(&self) -> Duration {
        self.heartbeat_interval
    }

    /// See [`GroupConfigBuilder::rebalance_timeout`].
    pub fn rebalance_timeout(&self) -> Duration {
        self.rebalance_timeout
    }

    /// See [`GroupConfigBuilder::commit_interval`]; `None`: only when asked, on revocation and on close.
    pub fn commit_interval(&self) -> Option<Duration> {
        self.commit_interval
    }

    /// See [`GroupConfigBuilder::drain_timeout`].
    pub fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }

    /// See [`GroupConfigBuilder::leave_on_close`].
    pub fn leave_on_close(&self) -> bool {
        self.leave_on_close
    }

    /// See [`GroupConfigBuilder::leave_when_stalled`].
    pub fn leave_when_stalled(&self) -> bool {
        self.leave_when_stalled
    }
}

/// Collects settings for a [`GroupConfig`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct GroupConfigBuilder {
    pub(super) group_id: String,
    group_instance_id: Option<String>,
    protocol: GroupProtocol,
    protocol_fallback: bool,
    remote_assignor: Option<String>,
    assignors: Vec<Assignor>,
    session_timeout: Duration,
    heartbeat_interval: Duration,
    rebalance_timeout: Duration,
    commit_on_interval: bool,
    commit_interval: Duration,
    drain_timeout: Option<Duration>,
    leave_on_close: Option<bool>,
    leave_when_stalled: bool,
}

impl GroupConfigBuilder {
    fn new(group_id: String) -> Self {
        Self {
            group_id,
            group_instance_id: None,
            protocol: GroupProtocol::default(),
            protocol_fallback: true,
            remote_assignor: None,
            assignors: vec![Assignor::Range, Assignor::CooperativeSticky],
            session_timeout: defaults::SESSION_TIMEOUT,
            heartbeat_interval: defaults::HEARTBEAT_INTERVAL,
            rebalance_timeout: defaults::REBALANCE_TIMEOUT,
            commit_on_interval: true,
            commit_interval: defaults::COMMIT_INTERVAL,
            drain_timeout: None,
            leave_on_close: None,
            leave_when_stalled: false,
        }
    }

    /// Makes this a static member, which keeps its partitions over a restart (`group.instance.id`, KIP-345).
    ///
    /// Default none. From 1 to 249 of the characters `a-z A-Z 0-9 . _ -`, unlike any other member's; not `.` or `..`.
    pub fn group_instance_id(mut self, id: impl Into<String>) -> Self {
        self.group_instance_id = Some(id.into());
        self
    }

    /// The protocol by which the group shares out partitions (`group.protocol`).
    ///
    /// Default [`GroupProtocol::Classic`], as Java. With [`GroupProtocol::Consumer`] the coordinator assigns, so `assignors`
    /// has no effect; session timeout and heartbeat interval are the broker's. The settings of this name then count only
    /// for a member that falls back, and `session_timeout` for how long a static member waits for its predecessor to go.
    ///
    /// A member cannot know how long its session is. When three heartbeat intervals (15 s, as brokers come) have passed since
    /// the last heartbeat that was answered, it hands out and commits nothing until one is: it may have been replaced.
    pub fn protocol(mut self, protocol: GroupProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Whether a member that asked for the consumer protocol speaks the classic one where the coordinator has no other, or
    /// does not convert the classic group of this name (`milena.group.protocol.fallback`).
    ///
    /// Default true; an event says when it happens. False: the consumer ends with an error. Only a member that has not
    /// joined yet falls back, and none with a pattern for the coordinator to resolve.
    pub fn protocol_fallback(mut self, fallback: bool) -> Self {
        self.protocol_fallback = fallback;
        self
    }

    /// The coordinator's assignor that this member would like to have used (`group.remote.assignor`): `uniform` or `range`.
    ///
    /// Default none: the coordinator uses its first, `uniform` as it comes. The group uses what most members ask for. Needs
    /// [`GroupProtocol::Consumer`].
    pub fn remote_assignor(mut self, assignor: impl Into<String>) -> Self {
        self.remote_assignor = Some(assignor.into());
        self
    }

    /// Assignors this member can work with, best first (`partition.assignment.strategy`).
    ///
    /// Default `range`, `cooperative-sticky`, as Java: `range` is used, and a group can go over to `cooperative-sticky` in
    /// one rolling restart. At least one, each once. The group uses one that all its members have; rebalances are
    /// cooperative only if all of this list can be, so that `[cooperative-sticky, range]` still gives everything up at
    /// each of them, and is the step between the two.
    pub fn assignors(mut self, assignors: impl IntoIterator<Item = Assignor>) -> Self {
        self.assignors = assignors.into_iter().collect();
        self
    }

    /// Silence after which the coordinator takes this member for dead (`session.timeout.ms`).
    ///
    /// Default 45 s, at least 1 ms; the broker has bounds of its own. Must be above `heartbeat_interval`.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = timeout;
        self
    }

    /// Time between heartbeats (`heartbeat.interval.ms`).
    ///
    /// Default 3 s, at least 1 ms. Must be below `session_timeout` and `rebalance_timeout`: a rebalance is learnt from the
    /// answer to a heartbeat.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = interval;
        self
    }

    /// How long the coordinator waits for members to come to a rebalance (`max.poll.interval.ms`).
    ///
    /// Default 5 min, at least 1 ms. It bounds how long revoked partitions may drain. There is no poll to be late for:
    /// heartbeats do not depend on the program, and a slow one only holds up its own partitions. One that stands still for
    /// as long is said to do so ([`leave_when_stalled`](Self::leave_when_stalled)).
    pub fn rebalance_timeout(mut self, timeout: Duration) -> Self {
        self.rebalance_timeout = timeout;
        self
    }

    /// Time between commits of what was acknowledged (`auto.commit.interval.ms`).
    ///
    /// Default 5 s; zero commits whenever the commit before is answered. Only acknowledged records are ever committed,
    /// which Java's `enable.auto.commit` does not promise.
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.commit_on_interval = true;
        self.commit_interval = interval;
        self
    }

    /// Commits only when the program asks, on revocation and on close (`enable.auto.commit=false`).
    pub fn commit_when_asked(mut self) -> Self {
        self.commit_on_interval = false;
        self
    }

    /// How long records in flight may hold up the revocation of their partition (`milena.drain.timeout.ms`).
    ///
    /// Default 30 s, or half of what `rebalance_timeout` leaves after a heartbeat if that is less; zero does not wait. Must
    /// be below `rebalance_timeout` less `heartbeat_interval`, or the last commit would come after the member was dropped.
    /// What is unfinished then is read again by the new owner.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = Some(timeout);
        self
    }

    /// Whether closing leaves the group, so that others take over at once (`milena.leave.on.close`).
    ///
    /// Default: a dynamic member leaves; a static member stays until its session times out, because it means to come back.
    pub fn leave_on_close(mut self, leave: bool) -> Self {
        self.leave_on_close = Some(leave);
        self
    }

    /// Whether a member whose stream stands still for a whole [`rebalance_timeout`](Self::rebalance_timeout) leaves, so that
    /// others take over, and joins again when it goes on (`milena.leave.when.stalled`).
    ///
    /// Default no: it is said ([`Event::Stalled`](crate::Event::Stalled)), and that is all. To stand still is to take
    /// nothing from the stream and to acknowledge nothing, with partitions assigned; to be slow is not, and neither is to
    /// wait for records. It is noticed at most a quarter of the time late. What was acknowledged is committed before it
    /// leaves. A static member leaves its place free only when its session ends.
    pub fn leave_when_stalled(mut self, leave: bool) -> Self {
        self.leave_when_stalled = leave;
        self
    }

    /// Checks bounds and contradictions.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a name or a list of assignors that a coordinator would refuse,
    /// [`ConfigError::OutOfRange`] for the first value outside its bounds, [`ConfigError::Contradiction`] for a heartbeat
    /// interval that is not below the session and rebalance timeouts, or a drain that does not fit into a rebalance.
    pub fn build(self) -> Result<GroupConfig, ConfigError> {
        if self.group_id.trim().is_empty() {
            return Err(ConfigError::invalid(GROUP_ID, &self.group_id, "a name that is not blank"));
        }
        if self.group_instance_id.as_deref().is_some_and(|id| !is_instance_id(id)) {
            let id = self.group_instance_id.unwrap_or_default();
            return Err(ConfigError::invalid("group.instance.id", &id, "1 to 249 of `a-z A-Z 0-9 . _ -`"));
        }
        let twice =
            self.assignors.iter().enumerate().any(|(i, assignor)| self.assignors[..i].contains(assignor));
        if self.assignors.is_empty() || twice {
            let names: Vec<&str> = self.assignors.iter().map(|assignor| assignor.name()).collect();
            return Err(ConfigError::invalid(
                ASSIGNORS,
                &names.join(","),
                "a list of at least one assignor, each once",
            ));
        }
        let session_timeout = SESSION.check(self.session_timeout)?;
        let heartbeat_interval = HEARTBEAT.check(self.heartbeat_interval)?;
        let rebalance_timeout = REBALANCE.check(self.rebalance_timeout)?;
        for (knob, timeout, why) in [
            (
                &SESSION,
                session_timeout,
                "the coordinator would take the member for dead between two heartbeats",
            ),
            (&REBALANCE, rebalance_timeout, "a rebalance would be over before the member hears of it"),
        ] {
            if heartbeat_interval >= timeout {
                return Err(ConfigError::contradiction(
                    HEARTBEAT.setting(heartbeat_interval),
                    knob.setting(timeout),
                    why,
                ));
            }
        }
        Ok(GroupConfig {
            group_id: short_text(GROUP_ID, &self.group_id)?,
            protocol: self.protocol,
            protocol_fallback: self.protocol_fallback,
            remote_assignor: remote_assignor(self.remote_assignor, self.protocol)?,
            assignors: self.assignors,
            session_timeout,
            heartbeat_interval,
            rebalance_timeout,
            commit_interval: self
                .commit_on_interval
                .then(|| COMMIT.check(self.commit_interval))
                .transpose()?,
            drain_timeout: drain_timeout(self.drain_timeout, rebalance_timeout, heartbeat_interval)?,
            leave_on_close: self.leave_on_close.unwrap_or(self.group_instance_id.is_none()),
            leave_when_stalled: self.leave_when_stalled,
            group_instance_id: self.group_instance_id,
        })
    }

    /// Takes a setting from a properties file; `false` if it is not one of these.
    pub(super) fn set(&mut self, key: &str, raw: &str) -> Result<bool, ConfigError> {
        match key {
            "auto.commit.interval.ms" => self.commit_interval = COMMIT.parse(raw)?,
            "enable.auto.commit" => self.commit_on_interval = boolean(AUTO_COMMIT, raw)?,
            "group.id" => self.group_id = raw.trim().to_owned(),
            "group.instance.id" => self.group_instance_id = Some(raw.trim().to_owned()),
            PROTOCOL => self.protocol = GroupProtocol::parse(raw)?,
            REMOTE_ASSIGNOR => self.remote_assignor = Some(raw.trim().to_owned()),
            "heartbeat.interval.ms" => self.heartbeat_interval = HEARTBEAT.parse(raw)?,
            "max.poll.interval.ms" => self.rebalance_timeout = REBALANCE.parse(raw)?,
            "milena.drain.timeout.ms" => self.drain_timeout = Some(DRAIN.parse(raw)?),
            FALLBACK => self.protocol_fallback = boolean(FALLBACK, raw)?,
            "milena.leave.on.close" => self.leave_on_close = Some(boolean("milena.leave.on.close", raw)?),
            "milena.leave.when.stalled" => {
                self.leave_when_stalled = boolean("milena.leave.when.stalled", raw)?;
            }
            "partition.assignment.strategy" => self.assignors = Assignor::parse_list(raw)?,
            "session.timeout.ms" => self.session_timeout = SESSION.parse(raw)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// As the coordinator checks it: Java's `JoinGroupRequest.validateGroupInstanceId`, by the rules for topic names.
fn is_instance_id(id: &str) -> bool {
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    (1..=249).contains(&id.len()) && plain && id != "." && id != ".."
}

/// Java refuses it in a classic group as well.
fn remote_assignor(set: Option<String>, protocol: GroupProtocol) -> Result<Option<String>, ConfigError> {
    let Some(assignor) = set.filter(|assignor| !assignor.is_empty()) else { return Ok(None) };
    if protocol == GroupProtocol::Classic {
        return Err(ConfigError::contradiction(
            Setting::new(REMOTE_ASSIGNOR, &assignor),
            Setting::new(PROTOCOL, "classic"),
            "in which a member assigns: `partition.assignment.strategy` says how",
        ));
    }
    short_text(REMOTE_ASSIGNOR, &assignor).map(Some)
}

fn drain_timeout(
    set: Option<Duration>,
    rebalance: Duration,
    heartbeat: Duration,
) -> Result<Duration, ConfigError> {
    let room = rebalance.saturating_sub(heartbeat);
    let Some(timeout) = set else { return Ok(defaults::DRAIN_TIMEOUT.min(room / 2)) };
    let timeout = DRAIN.check(timeout)?;
    if timeout >= room {
        let why = "less one heartbeat interval, the rebalance would be over before the last commit";
        return Err(ConfigError::contradiction(DRAIN.setting(timeout), REBALANCE.setting(rebalance), why));
    }
    Ok(timeout)
}

pub(super) const GROUP_ID: &str = "group.id";
pub(super) const AUTO_COMMIT: &str = "enable.auto.commit";
const REMOTE_ASSIGNOR: &str = "group.remote.assignor";
const FALLBACK: &str = "milena.group.protocol.fallback";
const SESSION: Millis = Millis::at_least("session.timeout.ms", 1);
const HEARTBEAT: Millis = Millis::at_least("heartbeat.interval.ms", 1);
const REBALANCE: Millis = Millis::at_least("max.poll.interval.ms", 1);
const COMMIT: Millis = Millis::at_least("auto.commit.interval.ms", 0);
const DRAIN: Millis = Millis::at_least("milena.drain.timeout.ms", 0);

#[cfg(test)]
mod tests;
