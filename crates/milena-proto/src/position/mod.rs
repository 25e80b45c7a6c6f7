//! Where one partition is read: how a position comes about, and everything that moves it other than delivery.

mod event;
mod start;

pub use event::{AskFailed, MoveCause, PositionError, PositionEvent};
pub use start::{Lookup, Reset, Start};

use std::collections::VecDeque;
use std::time::Instant;

use crate::backoff::Backoff;
use crate::types::{CallFailed, LeaderEpoch, RequestId};
use crate::wire::{EpochEndOffset, ErrorCode};

/// The fetch position of one partition in one assignment epoch: the next offset to ask for.
///
/// It runs ahead of what is handed out. It moves by delivery ([`handle_delivered`](Self::handle_delivered)), and otherwise only
/// with an event that says why. What it needs to know of brokers it asks for ([`poll_request`](Self::poll_request)); while a
/// question is open there is nothing to fetch.
#[derive(Debug)]
pub struct Position {
    state: State,
    /// The question that is under way, if the state asks one.
    pending: Option<RequestId>,
    /// Neither asks nor fetches before then.
    not_before: Option<Instant>,
    policy: Reset,
    backoff: Backoff,
    current_leader_epoch: Option<LeaderEpoch>,
    /// False if the leader cannot say where epochs end.
    validates: bool,
    refused: Option<ErrorCode>,
    last_id: u64,
    events: VecDeque<PositionEvent>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Asks for the group's offset.
    AwaitingCommitted { otherwise: Reset, motive: Motive },
    /// Asks where something is, to go there.
    AwaitingLookup { lookup: Lookup, motive: Motive },
    /// Asks for the end (`None`), then for the start, to go so many offsets before the end.
    AwaitingTail { offsets: u64, end: Option<i64>, motive: Motive },
    /// Asks for the start (`None`), then for the end, since the offset seems to be in neither.
    AwaitingBounds { at: Place, start: Option<i64> },
    /// Asks where the epoch ended that was read last. `bounds` if the offset is known to be beyond the end.
    AwaitingValidation { offset: i64, epoch: LeaderEpoch, bounds: Option<Bounds> },
    /// Has all it needs.
    Fetching(Place),
    /// Has no place to go.
    Stuck { from: Option<i64> },
}

/// An offset, and the epoch of the record before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    offset: i64,
    last_epoch: Option<LeaderEpoch>,
}

/// Why a position is looked for, and where it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Motive {
    cause: MoveCause,
    from: Option<i64>,
}

/// Where a log begins and ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Bounds {
    start: i64,
    end: i64,
}

/// What to fetch with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchPosition {
    /// The next offset to ask for.
    pub offset: i64,
    /// The epoch of the last record read.
    pub last_epoch: Option<LeaderEpoch>,
    /// The leader epoch that is known.
    pub current_leader_epoch: Option<LeaderEpoch>,
}

/// A question that a position depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PositionRequest {
    /// OffsetFetch, of the group's coordinator.
    Committed,
    /// ListOffsets, of the leader: a follower does not serve it.
    ListOffset {
        /// What to look up.
        lookup: Lookup,
    },
    /// OffsetForLeaderEpoch, of the leader.
    EpochEnd {
        /// The epoch whose end is asked for.
        epoch: LeaderEpoch,
        /// The offset that is validated by it.
        offset: i64,
    },
}

/// Who answered a fetch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replica {
    /// The partition's leader.
    Leader,
    /// A follower that was preferred (KIP-392).
    Follower,
}

impl Position {
    /// Begins to look for the place to start. `policy` says what to do if that, or a later place, does not exist.
    pub fn new(start: Start, policy: Reset, backoff: Backoff) -> Self {
        let mut position = Self {
            state: State::Stuck { from: None },
            pending: None,
            not_before: None,
            policy,
            backoff,
            current_leader_epoch: None,
            validates: true,
            refused: None,
            last_id: 0,
            events: VecDeque::new(),
        };
        position.go(start, Motive { cause: MoveCause::Started, from: None });
        position
    }

    /// As [`new`](Self::new), in place of another position that was at `from`: somebody asked for it
    /// ([`MoveCause::Seek`]), or the topic is another one now ([`MoveCause::TopicRecreated`]).
    pub fn instead_of(
        from: Option<i64>,
        cause: MoveCause,
        start: Start,
        policy: Reset,
        backoff: Backoff,
    ) -> Self {
        let mut position = Self::new(start, policy, backoff);
        position.events.clear();
        position.go(start, Motive { cause, from });
        position
    }

    /// Numbers its questions from there on. A partition has one position after the other, and the answer to a question of
    /// the one before must not be taken for the answer to a question of this one: each needs numbers of its own.
    #[must_use]
    pub fn numbered_from(mut self, id: RequestId) -> Self {
        self.last_id = id.0;
        self
    }

    /// Goes elsewhere, whatever was under way: late answers to earlier questions are not heard any more.
    pub fn seek(&mut self, to: Start) {
        self.backoff.reset();
        self.go(to, Motive { cause: MoveCause::Seek, from: self.offset() });
    }

    /// Passes over what cannot be read. Only on somebody's word: the records up to `to` are never delivered.
    pub fn skip_corrupt(&mut self, from: i64, to: i64) {
        self.move_to(Motive { cause: MoveCause::SkippedCorrupt, from: Some(from) }, to);
        self.enter(Place { offset: to, last_epoch: None }, None);
    }

    /// What was fetched from `offset` on, and not handed out, is thrown away: it is fetched again, after a pause. The position of
    /// whoever reads does not move by this, so it is no event.
    ///
    /// Only back, and only where there is a position: what is looked for or validated goes on being so. The epoch of the last
    /// record may then be later than the offset, which no broker minds: it asks whether that epoch reaches so far.
    pub fn refetch(&mut self, now: Instant, offset: i64) {
        let position = match &mut self.state {
            State::Fetching(place) => &mut place.offset,
            State::AwaitingBounds { at, .. } => &mut at.offset,
            State::AwaitingValidation { offset, .. } => offset,
            _ => return,
        };
        *position = offset.min(*position);
        if matches!(self.state, State::Fetching(_)) {
            self.pause(now);
        }
    }

    /// The answer to [`PositionRequest::Committed`]: the group's offset and the epoch of the record before it, or that there
    /// is none. An error, or silence, never means that there is none.
    pub fn handle_committed(
        &mut self,
        now: Instant,
        id: RequestId,
        answer: Result<Option<(i64, Option<LeaderEpoch>)>, AskFailed>,
    ) {
        let State::AwaitingCommitted { otherwise, motive } = self.state else { return };
        let Some(committed) = self.answered(now, id, answer) else { return };
        match committed {
            Some((offset, last_epoch)) => {
                let cause = if motive.cause.is_start() { MoveCause::Committed } else { motive.cause };
                self.move_to(Motive { cause, ..motive }, offset);
                self.enter(Place { offset, last_epoch }, None);
            }
            None => match otherwise.lookup() {
                Some(lookup) => {
                    let cause = match motive.cause {
                        MoveCause::TopicRecreated => MoveCause::TopicRecreated,
                        _ => MoveCause::Reset(otherwise),
                    };
                    self.become_state(State::AwaitingLookup { lookup, motive: Motive { cause, ..motive } });
                }
                None => self.be_stuck(motive.from, PositionError::NoCommittedOffset),
            },
        }
    }

    /// The answer to [`PositionRequest::ListOffset`]: the offset, -1 where there is no such record.
    pub fn handle_listed_offset(&mut self, now: Instant, id: RequestId, answer: Result<i64, AskFailed>) {
        if !self.asks_for_offsets() {
            return;
        }
        let Some(offset) = self.answered(now, id, answer) else { return };
        match self.state {
            State::AwaitingLookup { lookup, motive } if offset < 0 && lookup.is_by_time() => {
                // KIP-1106, and Java's offsetsForTimes: no record is as late, so it is the end.
                self.become_state(State::AwaitingLookup { lookup: Lookup::Latest, motive });
            }
            // A log has a start and an end. Whoever does not know them yet has to be asked again.
            _ if offset < 0 => self.pause(now),
            State::AwaitingLookup { motive, .. } => self.arrive(motive, offset),
            State::AwaitingTail { offsets, end: None, motive } => {
                self.become_state(State::AwaitingTail { offsets, end: Some(offset), motive });
            }
            State::AwaitingTail { offsets, end: Some(end), motive } => {
                let back = i64::try_from(offsets).unwrap_or(i64::MAX);
                self.arrive(motive, end.saturating_sub(back).max(offset));
            }
            State::AwaitingBounds { at, start: None } if at.offset < offset => {
                self.go_to_log_start(now, at, offset)
            }
            State::AwaitingBounds { at, start: None } => {
                self.become_state(State::AwaitingBounds { at, start: Some(offset) });
            }
            State::AwaitingBounds { at, start: Some(_) } if at.offset <= offset => {
                // It is there after all: the log has grown, another broker leads, or the broker stumbles over the epoch.
                let last_epoch = self.validated_by(at);
                self.enter(Place { last_epoch, ..at }, None);
                self.pause(now);
            }
            State::AwaitingBounds { at, start: Some(start) } => {
                let bounds = Bounds { start, end: offset };
                match self.validated_by(at) {
                    Some(_) => self.enter(at, Some(bounds)),
                    None => self.go_to_log_end(now, at, bounds),
                }
            }
            State::AwaitingCommitted { .. }
            | State::AwaitingValidation { .. }
            | State::Fetching(_)
            | State::Stuck { .. } => {}
        }
    }

    /// The answer to [`PositionRequest::EpochEnd`].
    pub fn handle_epoch_end(
        &mut self,
        now: Instant,
        id: RequestId,
        answer: Result<EpochEndOffset, AskFailed>,
    ) {
        let State::AwaitingValidation { offset, epoch, bounds } = self.state else { return };
        if self.pending == Some(id) && answer.is_err_and(cannot_validate) {
            // KIP-320: against brokers that cannot tell, a position is taken for valid, as before.
            self.validates = false;
            match bounds {
                Some(bounds) => self.go_to_log_end(now, Place { offset, last_epoch: None }, bounds),
                None => self.enter(Place { offset, last_epoch: Some(epoch) }, None),
            }
            return;
        }
        let Some(end) = self.answered(now, id, answer) else { return };
        // An epoch later than the one asked for is no answer to the question, whatever the broker means by it.
        if end.end_offset < 0 || end.epoch < 0 || end.epoch > epoch.0 {
            // The leader knows no such epoch. Java (SubscriptionState.maybeCompleteValidation) applies the reset policy, which
            // under `latest` skips all there is. An offset that is in the log can be read on as well as before KIP-320; but who
            // has no policy wants to decide, and Java throws LogTruncationException.
            let at = Place { offset, last_epoch: None };
            match bounds {
                Some(bounds) => self.go_to_log_end(now, at, bounds),
                None if self.policy == Reset::None => {
                    let error = PositionError::Truncated { offset, divergent: None };
                    self.be_stuck(Some(offset), error);
                }
                None => self.become_state(State::AwaitingBounds { at, start: None }),
            }
        } else if end.end_offset < offset {
            self.truncate(now, offset, end, bounds.map_or(0, |bounds| bounds.start));
        } else {
            self.become_state(State::Fetching(Place { offset, last_epoch: Some(epoch) }));
            if bounds.is_some() {
                // Beyond the end, says the leader, and within it: one of the two will be true soon.
                self.pause(now);
            }
        }
    }

    /// Another broker leads, or the same one in another epoch. Its log may have lost what the last leader's had, so that a
    /// position with a known epoch is validated first (KIP-320).
    pub fn handle_leader_changed(&mut self, epoch: Option<LeaderEpoch>) {
        if epoch.is_some() && epoch == self.current_leader_epoch {
            return;
        }
        self.current_leader_epoch = epoch;
        self.validates = true;
        match self.state {
            State::Fetching(place) => self.enter(place, None),
            // These ask the leader: the old one's answer is not waited for.
            State::AwaitingLookup { .. }
            | State::AwaitingTail { .. }
            | State::AwaitingBounds { .. }
            | State::AwaitingValidation { .. } => self.become_state(self.state),
            State::AwaitingCommitted { .. } | State::Stuck { .. } => {}
        }
    }

    /// Records from `from` on were fetched, and reading goes on at `next_offset`; `epoch` is that of the last batch. False, and
    /// nothing moves, if they do not belong here (any more): they are to be thrown away.
    pub fn handle_delivered(&mut self, from: i64, next_offset: i64, epoch: Option<LeaderEpoch>) -> bool {
        match &mut self.state {
            State::Fetching(place) if place.offset == from && next_offset > from => {
                *place = Place { offset: next_offset, last_epoch: epoch };
                self.backoff.reset();
                self.not_before = None;
                true
            }
            _ => false,
        }
    }

    /// A fetch from `asked` on was answered with an error that passes, or with nonsense: it is tried again after a pause.
    pub fn handle_retry(&mut self, now: Instant, asked: i64) {
        if self.is_fetching_from(asked).is_some() {
            self.pause(now);
        }
    }

    /// A fetch from `asked` on was answered with OFFSET_OUT_OF_RANGE. `log_start_offset` is -1 where the answer does not say.
    ///
    /// Below the start of the log it goes on there, whatever the policy, unless that is none: what is still there has not been
    /// read. Beyond the end it asks where the epoch ended that was read last, and goes on at the end if nobody can tell.
    pub fn handle_out_of_range(&mut self, now: Instant, asked: i64, from: Replica, log_start_offset: i64) {
        let Some(at) = self.is_fetching_from(asked) else { return };
        match from {
            // A follower may be behind, or know less of tiered storage: only the leader's word counts.
            Replica::Follower => self.pause(now),
            Replica::Leader if at.offset < log_start_offset => {
                self.go_to_log_start(now, at, log_start_offset)
            }
            Replica::Leader => self.become_state(State::AwaitingBounds { at, start: None }),
        }
    }

    /// A fetch from `asked` on was answered with where the leader's log and what was read part (KIP-595's diverging epoch).
    pub fn handle_diverging(&mut self, now: Instant, asked: i64, end: EpochEndOffset) {
        let Some(at) = self.is_fetching_from(asked) else { return };
        let later = at.last_epoch.is_some_and(|last_epoch| end.epoch > last_epoch.0);
        if end.end_offset < 0 || end.epoch < 0 || later {
            self.become_state(State::AwaitingBounds { at, start: None });
        } else if end.end_offset < at.offset {
            self.truncate(now, at.offset, end, 0);
        } else {
            self.become_state(State::Fetching(Place { last_epoch: LeaderEpoch::from_wire(end.epoch), ..at }));
            self.pause(now);
        }
    }

    /// Time has passed: pauses may be over.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.not_before.is_some_and(|until| until <= now) {
            self.not_before = None;
        }
    }

    /// The question to ask now, if any.
    pub fn poll_request(&mut self, now: Instant) -> Option<(RequestId, PositionRequest)> {
        if self.pending.is_some() || self.not_before.is_some_and(|until| until > now) {
            return None;
        }
        let request = match self.state {
            State::AwaitingCommitted { .. } => PositionRequest::Committed,
            State::AwaitingLookup { lookup, .. } => PositionRequest::ListOffset { lookup },
            State::AwaitingTail { end: None, .. } | State::AwaitingBounds { start: Some(_), .. } => {
                PositionRequest::ListOffset { lookup: Lookup::Latest }
            }
            State::AwaitingTail { end: Some(_), .. } | State::AwaitingBounds { start: None, .. } => {
                PositionRequest::ListOffset { lookup: Lookup::Earliest }
            }
            State::AwaitingValidation { offset, epoch, .. } => PositionRequest::EpochEnd { epoch, offset },
            State::Fetching(_) | State::Stuck { .. } => return None,
        };
        self.last_id += 1;
        let id = RequestId(self.last_id);
        self.pending = Some(id);
        self.not_before = None;
        Some((id, request))
    }

    /// What happened since.
    pub fn poll_event(&mut self) -> Option<PositionEvent> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            // One of a hundred thousand: what it takes for its few events is not to be kept.
            self.events = VecDeque::new();
        }
        event
    }

    /// When a pause ends.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.not_before
    }

    /// What to fetch with now; `None` while a question is open, during a pause, and while there is no place to go.
    pub fn fetch_position(&self, now: Instant) -> Option<FetchPosition> {
        let State::Fetching(Place { offset, last_epoch }) = self.state else { return None };
        let paused = self.not_before.is_some_and(|until| until > now);
        let current_leader_epoch = self.current_leader_epoch;
        (!paused).then_some(FetchPosition { offset, last_epoch, current_leader_epoch })
    }

    /// The next offset to fetch, as far as there is one.
    pub fn offset(&self) -> Option<i64> {
        match self.state {
            State::AwaitingCommitted { motive, .. }
            | State::AwaitingLookup { motive, .. }
            | State::AwaitingTail { motive, .. } => motive.from,
            State::AwaitingBounds { at, .. } | State::Fetching(at) => Some(at.offset),
            State::AwaitingValidation { offset, .. } => Some(offset),
            State::Stuck { from } => from,
        }
    }

    /// The leader epoch that is known.
    pub fn current_leader_epoch(&self) -> Option<LeaderEpoch> {
        self.current_leader_epoch
    }

    /// Whether nothing but a seek helps.
    pub fn is_stuck(&self) -> bool {
        matches!(self.state, State::Stuck { .. })
    }

    fn go(&mut self, to: Start, motive: Motive) {
        let lookup = |lookup| State::AwaitingLookup { lookup, motive };
        let state = match to {
            Start::Earliest => lookup(Lookup::Earliest),
            Start::Latest => lookup(Lookup::Latest),
            Start::Timestamp(ms) => lookup(Lookup::Timestamp(ms)),
            Start::ByDuration(ago) => lookup(Lookup::Ago(ago)),
            Start::Tail(offsets) => State::AwaitingTail { offsets, end: None, motive },
            Start::Committed { otherwise } => State::AwaitingCommitted { otherwise, motive },
            Start::Offset(offset) => return self.arrive(motive, offset),
        };
        self.become_state(state);
    }

    /// Goes to an offset that nothing was read before.
    fn arrive(&mut self, motive: Motive, offset: i64) {
        self.move_to(motive, offset);
        // As in Java, a looked-up offset has no epoch to validate it by: nothing before it was read.
        self.enter(Place { offset, last_epoch: None }, None);
    }

    /// Takes a place, and checks what can be checked about it first.
    fn enter(&mut self, at: Place, bounds: Option<Bounds>) {
        let offset = at.offset;
        self.become_state(match self.validated_by(at) {
            // A broker stores whatever offset is committed, -5 as well.
            _ if offset < 0 => State::AwaitingBounds { at, start: None },
            Some(epoch) => State::AwaitingValidation { offset, epoch, bounds },
            None => State::Fetching(at),
        });
    }

    /// The epoch that a place can be validated by, if it can.
    fn validated_by(&self, at: Place) -> Option<LeaderEpoch> {
        at.last_epoch.filter(|_| self.validates && self.current_leader_epoch.is_some())
    }

    /// The log ends before the offset, in what was read of it: goes on where it ends. Without a policy that is for somebody to
    /// decide, as in Java, which throws LogTruncationException with the offset where the logs part.
    fn truncate(&mut self, now: Instant, from: i64, end: EpochEndOffset, log_start: i64) {
        if self.policy == Reset::None {
            let error = PositionError::Truncated { offset: from, divergent: Some(end.end_offset) };
            return self.be_stuck(Some(from), error);
        }
        let offset = end.end_offset.max(log_start);
        let lost = Some(end.end_offset..from.max(offset));
        let cause = MoveCause::Truncated;
        self.events.push_back(PositionEvent::Moved { cause, from: Some(from), to: offset, lost });
        self.become_state(State::Fetching(Place { offset, last_epoch: LeaderEpoch::from_wire(end.epoch) }));
        self.pause_if_again(now);
    }

    fn go_to_log_start(&mut self, now: Instant, at: Place, start: i64) {
        if self.policy == Reset::None {
            return self.be_stuck(
                Some(at.offset),
                PositionError::OutOfRange { offset: at.offset, start, end: None },
            );
        }
        self.arrive(Motive { cause: MoveCause::OutOfRangeBelow, from: Some(at.offset) }, start);
        self.pause_if_again(now);
    }

    fn go_to_log_end(&mut self, now: Instant, at: Place, Bounds { start, end }: Bounds) {
        if self.policy == Reset::None {
            let error = PositionError::OutOfRange { offset: at.offset, start, end: Some(end) };
            return self.be_stuck(Some(at.offset), error);
        }
        // Under read_committed the end that is listed is the last stable offset, which may be below the start.
        self.arrive(Motive { cause: MoveCause::OutOfRangeAbove, from: Some(at.offset) }, end.max(start));
        self.pause_if_again(now);
    }

    fn move_to(&mut self, Motive { cause, from }: Motive, to: i64) {
        let wanted = cause.is_wanted();
        if from == Some(to) && !wanted {
            return;
        }
        let lost = from.filter(|_| !wanted).map(|from| match cause {
            // What was read up to there is not in the log that is read on.
            MoveCause::OutOfRangeAbove => to..from,
            _ => from.max(0)..to,
        });
        let lost = lost.filter(|lost| !lost.is_empty());
        self.events.push_back(PositionEvent::Moved { cause, from, to, lost });
    }

    fn be_stuck(&mut self, from: Option<i64>, error: PositionError) {
        self.become_state(State::Stuck { from });
        self.events.push_back(PositionEvent::Stuck(error));
    }

    /// The one place where states change: whatever was asked before is not heard any more.
    fn become_state(&mut self, state: State) {
        self.state = state;
        self.pending = None;
        self.not_before = None;
    }

    /// The one place where answers come in: `None` if it is not the one that is waited for, or none at all.
    fn answered<T>(&mut self, now: Instant, id: RequestId, answer: Result<T, AskFailed>) -> Option<T> {
        if self.pending != Some(id) {
            return None;
        }
        self.pending = None;
        match answer {
            Ok(answer) => {
                self.refused = None;
                Some(answer)
            }
            Err(failed) => {
                self.note_refusal(failed);
                self.pause(now);
                None
            }
        }
    }

    /// Errors that do not pass by themselves are told, once.
    fn note_refusal(&mut self, failed: AskFailed) {
        let error = match failed {
            AskFailed::Broker(error) if !passes(error) => error,
            AskFailed::Call(CallFailed::Unsupported) => ErrorCode::UNSUPPORTED_VERSION,
            AskFailed::Broker(_) | AskFailed::Call(_) => return,
        };
        if self.refused.replace(error) != Some(error) {
            self.events.push_back(PositionEvent::Refused(error));
        }
    }

    /// A broker that sends a position here and there without ever a record in between is not followed ever faster.
    fn pause_if_again(&mut self, now: Instant) {
        let again = self.backoff.failures() > 0;
        let delay = self.backoff.next_delay();
        if again {
            self.not_before = now.checked_add(delay);
        }
    }

    fn pause(&mut self, now: Instant) {
        self.pending = None;
        // A pause beyond what the clock can say is as good as none that ends: a mistake in the settings.
        self.not_before = now.checked_add(self.backoff.next_delay());
    }

    fn asks_for_offsets(&self) -> bool {
        matches!(
            self.state,
            State::AwaitingLookup { .. } | State::AwaitingTail { .. } | State::AwaitingBounds { .. }
        )
    }

    fn is_fetching_from(&self, asked: i64) -> Option<Place> {
        match self.state {
            State::Fetching(place) if place.offset == asked => Some(place),
            _ => None,
        }
    }
}

/// Whether the leader will never say where epochs end. Before version 3 of the API (Kafka 2.3) only brokers are authorized to ask
/// (KIP-320), and Java does not try.
fn cannot_validate(failed: AskFailed) -> bool {
    matches!(
        failed,
        AskFailed::Call(CallFailed::Unsupported)
            | AskFailed::Broker(
                ErrorCode::UNSUPPORTED_VERSION
                    | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
                    | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            )
    )
}

/// Whether the same question may be answered later, without anybody doing anything.
fn passes(error: ErrorCode) -> bool {
    let membership_moves_on = matches!(
        error,
        // OffsetFetch: the member's epoch has moved on, or is about to. Its machine hears of it by itself.
        ErrorCode::STALE_MEMBER_EPOCH
            | ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::REBALANCE_IN_PROGRESS
    );
    error.is_retriable() || membership_moves_on
}

#[cfg(test)]
mod tests;
