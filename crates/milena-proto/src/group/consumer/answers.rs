//! What the brokers say, and what follows from it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::reconcile::EXPECTANT_BEATS;
use super::state::{Joining, Revoking, State, Target, Then};
use super::{Consumer, IMMEDIATE_TRIES};
use crate::backoff::later;
use crate::group::coordinator::{is_another_coordinator, is_temporary};
use crate::group::departure::Leaving;
use crate::group::heartbeat::Beat;
use crate::group::{GroupApi, GroupError, GroupEvent, GroupProtocol, GroupResponse, JoinReason, LostReason};
use crate::types::{CallFailed, Generation, RequestId, TopicId};
use crate::wire::{ConsumerGroupHeartbeatResponse, ErrorCode, FindCoordinatorResponse};

const API: GroupApi = GroupApi::ConsumerGroupHeartbeat;
/// Whatever a broker says, it is not asked more often than this.
const LEAST_INTERVAL: Duration = Duration::from_millis(50);
/// Between the early heartbeats of a newcomer: what the coordinator assigns in batches is there a second later.
const EXPECTANT_INTERVAL: Duration = Duration::from_millis(1_050);

/// Why the classic protocol is to be spoken instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FallBack {
    /// The coordinator lacks the API, or its cluster has not switched it on (`group.version`).
    Unsupported,
    /// There is a classic group of this name that cannot be converted.
    ClassicGroup,
}

impl FallBack {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Unsupported => "the coordinator does not serve the consumer protocol (KIP-848)",
            Self::ClassicGroup => "the group is a classic one that the coordinator does not convert",
        }
    }
}

impl Consumer {
    pub(in crate::group) fn handle_response(
        &mut self,
        now: Instant,
        id: RequestId,
        answer: Result<GroupResponse, CallFailed>,
    ) {
        if matches!(self.state, State::Left | State::Failed) {
            return;
        }
        if self.search.awaits(id) {
            let answer = match answer {
                Ok(GroupResponse::FindCoordinator(response)) => Ok(response),
                Ok(_) => Err(CallFailed::Malformed),
                Err(failed) => Err(failed),
            };
            return self.on_find_coordinator(now, answer);
        }
        if let State::Leaving(Leaving { asked, .. }) = &self.state {
            // Heard or not: it was the one try. What else is answered says nothing any more.
            if *asked == Some(id) {
                self.departed();
            }
            return;
        }
        // An answer that nobody waits for any more is dropped.
        let Some(beat) = self.heartbeat.answered(id) else { return };
        match answer {
            Ok(GroupResponse::ConsumerGroupHeartbeat(response)) => self.on_heartbeat(now, &beat, response),
            Ok(_) => self.unanswered(now, &beat, CallFailed::Malformed),
            Err(failed) => self.unanswered(now, &beat, failed),
        }
    }

    fn on_find_coordinator(&mut self, now: Instant, answer: Result<FindCoordinatorResponse, CallFailed>) {
        let api = GroupApi::FindCoordinator;
        let (error, coordinator) = match answer {
            Ok(response) => (response.error, response.coordinator),
            Err(CallFailed::Unsupported) => {
                return self.fail(LostReason::Fatal, GroupError::Unsupported { api });
            }
            Err(_) => return self.find_again(now),
        };
        match (error, coordinator) {
            (ErrorCode::NONE, Some(coordinator)) => {
                self.search.find(coordinator.clone());
                self.events.push_back(GroupEvent::CoordinatorFound(coordinator));
            }
            (error, _) if is_temporary(error) || error.is_ok() => self.find_again(now),
            (ErrorCode::GROUP_AUTHORIZATION_FAILED, _) => self.fail(LostReason::Fatal, self.unauthorized()),
            (error, _) => self.fail(LostReason::Fatal, GroupError::Unexpected { api, error }),
        }
    }

    fn find_again(&mut self, now: Instant) {
        self.search.lose(now);
        if let State::Leaving(_) = self.state {
            // One try is all that a leaving member makes.
            self.departed();
        }
    }

    /// Nobody knows whether the coordinator acted on it. The next one tells everything, and the coordinator answers with
    /// everything.
    fn unanswered(&mut self, now: Instant, beat: &Beat, failed: CallFailed) {
        if failed == CallFailed::Unsupported {
            return self.unsupported(beat);
        }
        self.told = None;
        self.heartbeat.schedule(now);
        if matches!(self.state, State::Joining(Joining::Asked)) {
            self.rejoin(None, JoinReason::Unanswered { api: API, failed });
        }
        self.lose_coordinator(now);
    }

    fn on_heartbeat(&mut self, now: Instant, beat: &Beat, response: ConsumerGroupHeartbeatResponse) {
        let error = response.error;
        if error.is_ok() {
            return match response.member_epoch {
                1.. => self.on_success(now, beat, response),
                _ => self.unanswered(now, beat, CallFailed::Malformed),
            };
        }
        // Whatever it was, the coordinator did not act on what it was told.
        self.told = None;
        self.known &= beat.generation != Generation(0) && error != ErrorCode::UNKNOWN_MEMBER_ID;
        if is_another_coordinator(error) {
            // The next one is to hear of us as soon as it is found.
            self.heartbeat.schedule(now);
            if matches!(self.state, State::Joining(Joining::Asked)) {
                self.rejoin(None, JoinReason::Refused { api: API, error });
            }
            return self.lose_coordinator(now);
        }
        let join = JoinReason::Refused { api: API, error };
        match error {
            ErrorCode::FENCED_MEMBER_EPOCH => {
                self.lose_membership(now, LostReason::FencedMemberEpoch, join);
            }
            ErrorCode::UNKNOWN_MEMBER_ID => self.lose_membership(now, LostReason::UnknownMember, join),
            ErrorCode::FENCED_INSTANCE_ID => self.fenced_instance(),
            ErrorCode::UNRELEASED_INSTANCE_ID => self.on_unreleased(now, join),
            ErrorCode::UNSUPPORTED_VERSION => self.unsupported(beat),
            ErrorCode::GROUP_ID_NOT_FOUND => self.on_classic_group(beat),
            // The subscription is refused, the membership is not: access may be given any time.
            ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
                self.events.push_back(GroupEvent::Refused {
                    api: API,
                    error,
                    message: response.error_message,
                });
                self.try_again(now, join);
            }
            _ if is_temporary(error) => self.try_again(now, join),
            _ => self.refused(error, response.error_message.unwrap_or_default()),
        }
    }

    fn try_again(&mut self, now: Instant, join: JoinReason) {
        let not_before = self.pause(now);
        if let Some(at) = not_before {
            self.heartbeat.schedule(at);
        }
        if matches!(self.state, State::Joining(Joining::Asked)) {
            self.rejoin(not_before, join);
        }
    }

    fn on_success(&mut self, now: Instant, beat: &Beat, response: ConsumerGroupHeartbeatResponse) {
        let epoch = Generation(response.member_epoch);
        // Before version 1 the coordinator may insist on an id of its own.
        if let Some(member_id) = response.member_id.filter(|id| !id.is_empty()) {
            self.member_id = member_id;
        }
        let interval = u64::try_from(response.heartbeat_interval_ms).unwrap_or(0);
        if interval > 0 {
            self.interval = Duration::from_millis(interval).max(LEAST_INTERVAL);
        }
        self.heartbeat.proven(beat.sent);
        self.search.answered();
        self.unreleased_since = None;
        let joined = matches!(self.state, State::Joining(Joining::Asked));
        let mut target = response.assignment.map(to_target);
        if joined {
            self.state = State::Joined;
            self.joined_at = epoch;
            self.expectant = EXPECTANT_BEATS;
            target = target.or_else(|| Some(Target::default()));
        } else {
            // Who joins and is fenced by the first heartbeat, over and over, must come to its pauses.
            self.immediate_tries = IMMEDIATE_TRIES;
            self.backoff.reset();
            self.expectant = self.expectant.saturating_sub(1);
        }
        if self.epoch.replace(epoch) != Some(epoch) {
            self.events.push_back(GroupEvent::Epoch { epoch, joined });
        }
        let leaving = matches!(&self.state, State::Revoking(Revoking { then: Then::Leave(_), .. }));
        if let Some(target) = target.filter(|_| !leaving) {
            self.aim(target);
        }
        self.heartbeat.schedule(later(beat.sent, self.interval));
        if matches!(self.state, State::Joined) {
            let unnamed = self.unnamed.clone();
            self.reconcile(now);
            if unnamed == self.unnamed && matches!(self.state, State::Joined) {
                self.ask_names();
            }
        } else {
            // What the answer brought is looked at when the drain is over.
            self.tell_news(now);
        }
        if matches!(self.state, State::Joined) {
            // Nothing is to be given up: the coordinator's clock for that cannot have started before this was sent.
            self.heartbeat.calm(beat.sent);
        }
        if self.expectant > 0 {
            self.heartbeat.schedule_by(later(now, EXPECTANT_INTERVAL));
        }
        self.tidy_names();
    }

    /// Another member holds our instance id and is alive, or was until a moment ago. Java gives up at once; a process that
    /// was killed and started again would never come back then. After one session no dead member can be in the way.
    fn on_unreleased(&mut self, now: Instant, join: JoinReason) {
        let since = *self.unreleased_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= self.settings.session_timeout {
            let group_instance_id = self.settings.group_instance_id.clone().unwrap_or_default();
            return self.fail(LostReason::Fatal, GroupError::UnreleasedInstanceId { group_instance_id });
        }
        self.try_again(now, join);
    }

    fn unsupported(&mut self, beat: &Beat) {
        if self.may_fall_back(beat) {
            self.fall_back = Some(FallBack::Unsupported);
        } else {
            self.fail(LostReason::Fatal, GroupError::Unsupported { api: API });
        }
    }

    /// `GroupMetadataManager`: a classic group whose members cannot all be converted, or a broker whose
    /// `group.consumer.migration.policy` forbids it.
    fn on_classic_group(&mut self, beat: &Beat) {
        if self.may_fall_back(beat) {
            self.fall_back = Some(FallBack::ClassicGroup);
        } else {
            let group_id = self.settings.group_id.clone();
            self.fail(LostReason::Fatal, GroupError::NotAConsumerGroup { group_id });
        }
    }

    /// Only before the member ever was one: it must not flap between two protocols. The classic one has no patterns.
    fn may_fall_back(&self, beat: &Beat) -> bool {
        self.settings.protocol == GroupProtocol::ConsumerElseClassic
            && beat.generation == Generation(0)
            && self.joined_at == Generation(0)
            && !self.had_pattern
    }

    /// An error that trying again does not cure.
    fn refused(&mut self, error: ErrorCode, message: String) {
        let group_id = self.settings.group_id.clone();
        let error = match error {
            ErrorCode::GROUP_AUTHORIZATION_FAILED => GroupError::Unauthorized { group_id },
            ErrorCode::INVALID_GROUP_ID => GroupError::InvalidGroupId { group_id },
            ErrorCode::GROUP_MAX_SIZE_REACHED => GroupError::GroupMaxSizeReached { group_id },
            ErrorCode::UNSUPPORTED_ASSIGNOR => GroupError::UnsupportedAssignor {
                assignor: self.settings.remote_assignor.clone().unwrap_or_default(),
                message,
            },
            ErrorCode::INVALID_REGULAR_EXPRESSION => {
                GroupError::InvalidPattern { pattern: self.pattern.clone().unwrap_or_default(), message }
            }
            ErrorCode::INVALID_REQUEST => GroupError::InvalidRequest { api: API, message },
            error => GroupError::Unexpected { api: API, error },
        };
        self.fail(LostReason::Fatal, error);
    }
}

/// What is no partition is left out.
fn to_target(assignment: Vec<(TopicId, Vec<i32>)>) -> Target {
    let partitions = assignment
        .into_iter()
        .filter(|(topic, _)| !topic.is_zero())
        .flat_map(|(topic, partitions)| partitions.into_iter().map(move |partition| (topic, partition)))
        .filter(|(_, partition)| *partition >= 0);
    Target(partitions.collect::<BTreeSet<_>>())
}
