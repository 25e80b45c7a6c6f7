//! Fetch sessions (KIP-227): the broker remembers what is fetched, and hears only of what changed.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use crate::types::{AssignmentEpoch, IsolationLevel, LeaderEpoch, TopicId, TopicName, TopicPartition};
use crate::wire::{
    ErrorCode, FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchedPartition, FetchedTopic,
    ForgottenTopic,
};

/// One partition to fetch, and from where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Want {
    /// Which.
    pub tp: TopicPartition,
    /// Its topic's id; [`TopicId::ZERO`] where none is known.
    pub topic_id: TopicId,
    /// The assignment epoch that what comes back belongs to.
    pub epoch: AssignmentEpoch,
    /// The first offset wanted.
    pub offset: i64,
    /// The leader epoch that is known: the broker refuses if it is another (KIP-320).
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch of the last record read, for the broker to tell of truncation; `None` leaves it out.
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Bytes at most for this partition.
    pub max_bytes: i32,
}

/// What holds for a request as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchLimits {
    /// Longest time the broker may hold the request, in milliseconds.
    pub max_wait_ms: i32,
    /// Bytes that must be ready before it answers early.
    pub min_bytes: i32,
    /// Bytes at most over all partitions.
    pub max_bytes: i32,
    /// What to see of transactions.
    pub isolation: IsolationLevel,
    /// Where the reader stands (KIP-392), empty where unknown.
    pub rack_id: String,
}

/// What a partition was asked with: what its answer is judged by. A position that has moved since, or an assignment that
/// ended, makes the answer stale.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchStamp {
    /// The assignment epoch when the request was built.
    pub epoch: AssignmentEpoch,
    /// The offset that was asked for.
    pub offset: i64,
    /// The leader epoch that was known.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The bytes that were asked for.
    pub max_bytes: i32,
}

/// An answer, matched with its request.
#[derive(Debug)]
pub struct Answer<'a> {
    /// What the broker says of each partition it has news of.
    pub partitions: Vec<AnsweredPartition<'a>>,
    /// Partitions that a full answer should have named and did not. They go into the next request; an answer without
    /// progress wants a pause.
    pub missing: Vec<TopicPartition>,
}

/// What the broker says of one partition.
#[derive(Debug)]
pub struct AnsweredPartition<'a> {
    /// Which.
    pub tp: TopicPartition,
    /// What it was asked with.
    pub stamp: FetchStamp,
    /// What was answered.
    pub answer: &'a FetchedPartition,
}

/// Why an answer as a whole cannot be used. The next request starts over in every case, and the positions stay.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum SessionError {
    /// The broker refuses the request; what it says of sessions (its cache is full, it was restarted) is in the way of
    /// things.
    #[error("the broker answers with {0}")]
    Refused(ErrorCode),
    /// An answer to a request that was not sent, or was given up.
    #[error("an answer where no fetch is in flight")]
    Unsolicited,
    /// The broker names a partition that it was not asked for.
    #[error("an answer about {0}, which was not asked for")]
    Unasked(Named),
    /// The broker names a partition twice.
    #[error("two answers about {0}")]
    Twice(TopicPartition),
    /// The broker goes on in a session that is not ours.
    #[error("an answer in session {answered} where session {ours} was asked")]
    OtherSession {
        /// The session of the request.
        ours: i32,
        /// The session of the answer.
        answered: i32,
    },
}

impl SessionError {
    /// Whether no honest broker answers like this: the connection is better closed.
    pub fn is_violation(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// A partition as a broker names it: by name up to version 12, by id from 13 on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// The name, if it was named by that.
    pub name: Option<String>,
    /// The id; zero if it was named by name.
    pub id: TopicId,
    /// The partition.
    pub partition: i32,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}-{}", self.partition),
            None => write!(f, "{}-{}", self.id, self.partition),
        }
    }
}

/// The fetch session with one broker.
///
/// A request in a session names only what changed: the broker fetches every partition it remembers, from where it was
/// last told. So a partition that is not wanted this time has to be forgotten explicitly, and one that delivered has to be
/// told its new offset; everything else costs nothing. What the broker remembers equals what is remembered here after
/// every answer, and where that is in doubt (an answer got lost, a broker has forgotten) the next request starts over.
#[derive(Debug, Default)]
pub struct Session {
    state: State,
    /// What the broker remembers, once it has the request in flight.
    topics: BTreeMap<TopicName, BTreeMap<i32, Slot>>,
    names: BTreeMap<TopicId, TopicName>,
    count: usize,
    /// Counts requests: what a slot was last wanted and answered in.
    turn: u64,
    /// Whether the last request could name every topic by id.
    by_id: bool,
    requests_since_full: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The next request opens a session, and closes this one if the broker still has it (0: there is none).
    Lost { id: i32 },
    /// The broker waits for the request of this epoch.
    Open { id: i32, epoch: i32 },
    /// A request is in flight that names everything, and closes the session `closing`.
    AskedInFull { closing: i32 },
    /// A request is in flight that names what changed.
    AskedForChanges { id: i32, epoch: i32 },
}

impl Default for State {
    fn default() -> Self {
        NO_SESSION
    }
}

/// What the broker remembers of one partition, and what we do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Slot {
    topic_id: TopicId,
    last_fetched_epoch: Option<LeaderEpoch>,
    stamp: FetchStamp,
    wanted: u64,
    answered: u64,
}

impl Slot {
    fn new(want: &Want, turn: u64) -> Self {
        let Want { offset, current_leader_epoch, max_bytes, epoch, .. } = *want;
        let stamp = FetchStamp { epoch, offset, current_leader_epoch, max_bytes };
        let last_fetched_epoch = want.last_fetched_epoch;
        Self { topic_id: want.topic_id, last_fetched_epoch, stamp, wanted: turn, answered: 0 }
    }

    /// Whether the broker would fetch something else by what it remembers. Our assignment epoch is nothing to it.
    fn differs_on_the_wire(&self, other: &Self) -> bool {
        let wire = |slot: &Self| {
            let FetchStamp { epoch: _, offset, current_leader_epoch, max_bytes } = slot.stamp;
            (offset, current_leader_epoch, slot.last_fetched_epoch, max_bytes)
        };
        wire(self) != wire(other)
    }
}

impl Session {
    /// No session yet: the first request opens one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds the next request: after it the broker fetches exactly `wants`, in that order where it is told all of them.
    ///
    /// There is one request at a time. Should one be in flight still, it counts as lost. A partition that is wanted twice
    /// is fetched as wanted first.
    pub fn build(&mut self, wants: &[Want], limits: &FetchLimits) -> FetchRequest {
        self.handle_failure();
        self.turn += 1;
        let by_id = wants.iter().all(|want| !want.topic_id.is_zero());
        // A session goes by ids or by names as a whole (FETCH_SESSION_TOPIC_ID_ERROR).
        let other_keys = by_id != self.by_id && !wants.is_empty();
        if other_keys || self.names_other_topic(wants) || self.requests_since_full >= FULL_EVERY {
            self.lose();
            self.by_id = by_id;
        }
        let (id, epoch) = match self.state {
            State::Open { id, epoch } => (id, epoch),
            State::Lost { id } => return self.start_over(id, wants, limits),
            State::AskedInFull { .. } | State::AskedForChanges { .. } => {
                return self.start_over(0, wants, limits);
            }
        };
        self.requests_since_full += 1;
        let topics = self.update(wants);
        let forgotten = self.forget_unwanted();
        self.state = State::AskedForChanges { id, epoch };
        request(limits, id, epoch, topics, forgotten)
    }

    /// The next request where what is wanted is what was wanted last time, at a price that does not depend on how much that
    /// is. `None` if it has to be [built](Self::build): there is no session, or it is begun anew.
    pub fn build_again(&mut self, limits: &FetchLimits) -> Option<FetchRequest> {
        let State::Open { id, epoch } = self.state else { return None };
        if self.requests_since_full >= FULL_EVERY {
            return None;
        }
        self.turn += 1;
        self.requests_since_full += 1;
        self.state = State::AskedForChanges { id, epoch };
        Some(request(limits, id, epoch, Vec::new(), Vec::new()))
    }

    /// The newest version that the request in flight can be sent in: up to 12 topics go by name, from 13 on by id, so one
    /// topic without an id keeps all of them below. `None` where any version will do.
    pub fn needs_max_version(&self) -> Option<i16> {
        (!self.by_id && self.count > 0).then_some(LAST_VERSION_BY_NAME)
    }

    /// Matches an answer with the request in flight.
    ///
    /// # Errors
    /// The answer cannot be used at all. Nothing of it was taken, and the next request starts over.
    pub fn handle_response<'a>(&mut self, response: &'a FetchResponse) -> Result<Answer<'a>, SessionError> {
        let asked = self.state;
        if !self.is_in_flight() {
            return Err(SessionError::Unsolicited);
        }
        let result = self.match_answer(asked, response);
        let named = response.session_id.max(0);
        self.state = match (&result, asked) {
            (Ok(_), State::AskedInFull { .. }) if self.is_complete(response) => opened(named, INITIAL_EPOCH),
            // A session that begins with a hole is none: the next request names everything again.
            (Ok(_), State::AskedInFull { .. }) => State::Lost { id: named },
            (Ok(_), State::AskedForChanges { epoch, .. }) => opened(named, epoch),
            // The broker has no such session, so there is none to close.
            (Err(SessionError::Refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)), _) => NO_SESSION,
            (Err(_), State::AskedForChanges { id, .. }) => State::Lost { id },
            (Err(_), _) => State::Lost { id: named },
            (Ok(_), State::Lost { .. } | State::Open { .. }) => asked,
        };
        result
    }

    /// The request in flight has no answer, or the connection ended: whether the broker has applied it is not known. The
    /// next request starts over, and closes the session that may be left.
    pub fn handle_failure(&mut self) {
        match self.state {
            State::AskedForChanges { id, .. } => self.state = State::Lost { id },
            State::AskedInFull { closing } => self.state = State::Lost { id: closing },
            State::Lost { .. } | State::Open { .. } => {}
        }
    }

    /// The request that closes the session, so that the broker need not remember it; `None` where there is none.
    pub fn close(&mut self, limits: &FetchLimits) -> Option<FetchRequest> {
        self.handle_failure();
        let (State::Open { id, .. } | State::Lost { id }) = self.state else { return None };
        self.lose();
        self.state = NO_SESSION;
        (id != 0).then(|| request(limits, id, FINAL_EPOCH, Vec::new(), Vec::new()))
    }

    /// Whether a request is in flight.
    pub fn is_in_flight(&self) -> bool {
        matches!(self.state, State::AskedInFull { .. } | State::AskedForChanges { .. })
    }

    /// Whether the partition is in the request in flight, or in the session if there is none: from where it is fetched.
    pub fn stamp(&self, tp: &TopicPartition) -> Option<FetchStamp> {
        self.topics.get(&tp.topic)?.get(&tp.partition).map(|slot| slot.stamp)
    }

    /// What the broker fetches once it has the last request, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (TopicPartition, FetchStamp)> {
        self.topics.iter().flat_map(|(topic, slots)| {
            slots.iter().map(|(number, slot)| (TopicPartition::new(topic.clone(), *number), slot.stamp))
        })
    }

    /// How many partitions the broker fetches once it has the last request.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the broker fetches nothing.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Nothing that the broker may remember counts any more.
    fn lose(&mut self) {
        self.topics.clear();
        self.names.clear();
        self.count = 0;
        self.requests_since_full = 0;
        if let State::Open { id, .. } = self.state {
            self.state = State::Lost { id };
        }
    }

    /// KIP-227: epoch 0 opens a session; the id beside it is of the one to close.
    fn start_over(&mut self, id: i32, wants: &[Want], limits: &FetchLimits) -> FetchRequest {
        self.lose();
        let topics = self.update(wants);
        self.state = State::AskedInFull { closing: id };
        request(limits, id, INITIAL_EPOCH, topics, Vec::new())
    }

    /// Whether a name stands for another topic than in the session. Forgetting the one and adding the other in one request
    /// is not safe: by name they are the same key, and a broker adds first and forgets then.
    fn names_other_topic(&self, wants: &[Want]) -> bool {
        by_topic(wants).any(|wants| {
            let slot = self.topics.get(&wants[0].tp.topic).and_then(|slots| slots.values().next());
            slot.is_some_and(|slot| slot.topic_id != wants[0].topic_id)
        })
    }

    /// Remembers what is wanted, and says what of it the broker does not know.
    fn update(&mut self, wants: &[Want]) -> Vec<FetchTopic> {
        let mut topics = Vec::new();
        for wants in by_topic(wants) {
            let (name, id) = (&wants[0].tp.topic, wants[0].topic_id);
            let slots = self.topics.entry(name.clone()).or_default();
            if slots.values().next().is_some_and(|slot| slot.topic_id != id) {
                // Two topics of one name in one request: one of them is gone, and metadata will tell which.
                continue;
            }
            if !id.is_zero() && slots.is_empty() {
                self.names.insert(id, name.clone());
            }
            let before = slots.len();
            let partitions: Vec<_> =
                wants.iter().filter_map(|want| remember(slots, want, self.turn)).collect();
            self.count += slots.len() - before;
            if !partitions.is_empty() {
                topics.push(FetchTopic { name: name.clone(), id, partitions });
            }
        }
        topics
    }

    /// Forgets what was not wanted this time, and says what the broker has to forget.
    fn forget_unwanted(&mut self) -> Vec<ForgottenTopic> {
        let mut forgotten = Vec::new();
        let (turn, names, count) = (self.turn, &mut self.names, &mut self.count);
        self.topics.retain(|name, slots| {
            let id = slots.values().next().map_or(TopicId::ZERO, |slot| slot.topic_id);
            let mut partitions = Vec::new();
            slots.retain(|number, slot| {
                let keep = slot.wanted == turn;
                if !keep {
                    partitions.push(*number);
                }
                keep
            });
            *count -= partitions.len();
            if !partitions.is_empty() {
                forgotten.push(ForgottenTopic { name: name.clone(), id, partitions });
            }
            if slots.is_empty() {
                names.remove(&id);
            }
            !slots.is_empty()
        });
        forgotten
    }

    fn match_answer<'a>(
        &mut self,
        asked: State,
        response: &'a FetchResponse,
    ) -> Result<Answer<'a>, SessionError> {
        if !response.error.is_ok() {
            return Err(SessionError::Refused(response.error));
        }
        if let State::AskedForChanges { id: ours, .. } = asked
            && response.session_id != ours
            && response.session_id != 0
        {
            return Err(SessionError::OtherSession { ours, answered: response.session_id });
        }
        let mut partitions =
            Vec::with_capacity(response.topics.iter().map(|topic| topic.partitions.len()).sum());
        for topic in &response.topics {
            let name = self.resolve(topic);
            for answer in &topic.partitions {
                let slot =
                    name.as_ref().and_then(|name| self.topics.get_mut(name)?.get_mut(&answer.partition));
                let (Some(name), Some(slot)) = (&name, slot) else {
                    return Err(SessionError::Unasked(Named {
                        name: topic.name.clone(),
                        id: topic.id,
                        partition: answer.partition,
                    }));
                };
                let tp = TopicPartition::new(name.clone(), answer.partition);
                if slot.answered == self.turn {
                    return Err(SessionError::Twice(tp));
                }
                slot.answered = self.turn;
                partitions.push(AnsweredPartition { tp, stamp: slot.stamp, answer });
            }
        }
        // KIP-219: a broker that throttles answers a full request with nothing at all.
        let throttled = partitions.is_empty() && response.throttle_time_ms > 0;
        let in_full = matches!(asked, State::AskedInFull { .. });
        let missing = if in_full && !throttled { self.unanswered() } else { Vec::new() };
        Ok(Answer { partitions, missing })
    }

    /// Whether an answer names everything that the broker was asked for.
    fn is_complete(&self, response: &FetchResponse) -> bool {
        response.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>() == self.count
    }

    fn resolve(&self, topic: &FetchedTopic) -> Option<TopicName> {
        match &topic.name {
            Some(name) => self.topics.get_key_value(name.as_str()).map(|(name, _)| name.clone()),
            None => self.names.get(&topic.id).cloned(),
        }
    }

    fn unanswered(&self) -> Vec<TopicPartition> {
        let unanswered = |(_, slot): &(&i32, &Slot)| slot.answered != self.turn;
        self.topics
            .iter()
            .flat_map(|(topic, slots)| {
                slots.iter().filter(unanswered).map(|(number, _)| TopicPartition::new(topic.clone(), *number))
            })
            .collect()
    }
}

/// Runs of the same topic. Wants come sorted, more or less, so that there are few.
fn by_topic(wants: &[Want]) -> impl Iterator<Item = &[Want]> {
    wants.chunk_by(|a, b| a.tp.topic == b.tp.topic && a.topic_id == b.topic_id)
}

/// Remembers what is wanted of a partition. Returns what the broker has to be told, if it does not know.
fn remember(slots: &mut BTreeMap<i32, Slot>, want: &Want, turn: u64) -> Option<FetchPartition> {
    let slot = Slot::new(want, turn);
    match slots.get_mut(&want.tp.partition) {
        Some(known) if known.wanted == turn => return None,
        Some(known) => {
            let differs = known.differs_on_the_wire(&slot);
            *known = slot;
            if !differs {
                return None;
            }
        }
        None => drop(slots.insert(want.tp.partition, slot)),
    }
    Some(FetchPartition {
        partition: want.tp.partition,
        current_leader_epoch: want.current_leader_epoch,
        fetch_offset: want.offset,
        last_fetched_epoch: want.last_fetched_epoch,
        max_bytes: want.max_bytes,
    })
}

/// The broker has applied the request of this epoch, and waits for the next; unless it keeps no session.
fn opened(id: i32, applied: i32) -> State {
    // KIP-227: epochs count from 1 again after 2^31 - 1, since 0 opens a session.
    let epoch = applied.checked_add(1).unwrap_or(1);
    if id > 0 { State::Open { id, epoch } } else { NO_SESSION }
}

fn request(
    limits: &FetchLimits,
    session_id: i32,
    session_epoch: i32,
    topics: Vec<FetchTopic>,
    forgotten: Vec<ForgottenTopic>,
) -> FetchRequest {
    FetchRequest {
        max_wait_ms: limits.max_wait_ms,
        min_bytes: limits.min_bytes,
        max_bytes: limits.max_bytes,
        isolation: limits.isolation,
        session_id,
        session_epoch,
        topics,
        forgotten,
        rack_id: limits.rack_id.clone(),
    }
}

const NO_SESSION: State = State::Lost { id: 0 };
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;
const LAST_VERSION_BY_NAME: i16 = 12;
/// A session is begun anew after so many requests. Only an answer to a full request has to name every partition, so this
/// is what finds a broker that has silently forgotten one; it costs a thousandth of what sessions save.
const FULL_EVERY: u32 = 1000;

#[cfg(test)]
mod tests;
