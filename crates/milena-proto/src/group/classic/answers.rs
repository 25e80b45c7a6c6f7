//! What the brokers say, and what follows from it.

use std::collections::BTreeSet;
use std::time::Instant;

use super::state::{Identity, Joined, Joining, Role, State, Syncing, Then};
use super::{Classic, IMMEDIATE_TRIES};
use crate::backoff::later;
use crate::group::consumer_protocol::{Assignment, PROTOCOL_TYPE};
use crate::group::coordinator::{is_another_coordinator, is_temporary};
use crate::group::departure::Leaving;
use crate::group::heartbeat::Beat;
use crate::group::{AssignorKind, GroupApi, GroupError, GroupEvent, GroupResponse, JoinReason, LostReason};
use crate::types::{CallFailed, RequestId, TopicName, TopicPartition};
use crate::wire::{
    ErrorCode, FindCoordinatorResponse, HeartbeatResponse, JoinGroupResponse, SyncGroupResponse,
};

/// An answer to another API than was asked is as good as garbage.
macro_rules! expect {
    ($answer:expr, $api:ident) => {
        match $answer {
            Ok(GroupResponse::$api(response)) => Ok(response),
            Ok(_) => Err(CallFailed::Malformed),
            Err(failed) => Err(failed),
        }
    };
}

impl Classic {
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
            return self.on_find_coordinator(now, expect!(answer, FindCoordinator));
        }
        if let Some(beat) = self.heartbeat.answered(id) {
            return self.on_heartbeat(now, beat, expect!(answer, Heartbeat));
        }
        match &mut self.state {
            State::Joining(Joining::Asked { id: asked, sent, subscription }) if *asked == id => {
                let (sent, subscription) = (*sent, std::mem::take(subscription));
                self.on_join(now, sent, subscription, expect!(answer, JoinGroup));
            }
            State::Syncing(Syncing::Asked { id: asked, sent, .. }) if *asked == id => {
                let sent = *sent;
                self.on_sync(now, sent, expect!(answer, SyncGroup));
            }
            // Heard or not: it was the one try.
            State::Leaving(Leaving { asked: Some(asked), .. }) if *asked == id => self.departed(now),
            // Nobody waits for this answer any more.
            _ => self.keep_member_id(id, answer),
        }
    }

    fn on_find_coordinator(&mut self, now: Instant, answer: Result<FindCoordinatorResponse, CallFailed>) {
        let (error, coordinator) = match answer {
            Ok(response) => (response.error, response.coordinator),
            Err(CallFailed::Unsupported) => return self.unsupported(GroupApi::FindCoordinator),
            Err(_) => return self.find_again(now),
        };
        match (error, coordinator) {
            (ErrorCode::NONE, Some(coordinator)) => {
                self.search.find(coordinator.clone());
                self.events.push_back(GroupEvent::CoordinatorFound(coordinator));
            }
            (error, _) if is_temporary(error) || error.is_ok() => self.find_again(now),
            (error, _) => self.refused(GroupApi::FindCoordinator, error),
        }
    }

    fn find_again(&mut self, now: Instant) {
        self.search.lose(now);
        if let State::Leaving(_) = self.state {
            // One try is all that a leaving member makes.
            self.departed(now);
        }
    }

    fn on_heartbeat(&mut self, now: Instant, beat: Beat, answer: Result<HeartbeatResponse, CallFailed>) {
        let error = match answer {
            Ok(response) => response.error,
            Err(CallFailed::Unsupported) => return self.unsupported(GroupApi::Heartbeat),
            Err(_) => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        };
        if is_another_coordinator(error) {
            // The next one is to hear of us as soon as it is found.
            self.heartbeat.schedule(now);
            return self.lose_coordinator(now);
        }
        if beat.member_id != self.identity.member_id || Some(beat.generation) != self.identity.generation {
            // About a generation that we have left behind: real brokers answer ILLEGAL_GENERATION here while the member
            // is fine.
            return;
        }
        let join = JoinReason::Refused { api: GroupApi::Heartbeat, error };
        match error {
            ErrorCode::NONE => {
                self.calm(beat.sent);
                self.backoff.reset();
            }
            ErrorCode::REBALANCE_IN_PROGRESS => {
                // Kept alive, and told to rejoin. Who drains or joins already does so.
                self.heartbeat.proven(beat.sent);
                self.search.answered();
                if let State::Stable(_) = self.state {
                    self.rejoin(now, None, JoinReason::Rebalancing);
                }
            }
            // The JoinGroup under way overtook this heartbeat, and its answer decides.
            ErrorCode::ILLEGAL_GENERATION if matches!(self.state, State::Joining(_)) => {}
            ErrorCode::ILLEGAL_GENERATION => self.lose_membership(now, LostReason::IllegalGeneration, join),
            ErrorCode::UNKNOWN_MEMBER_ID => self.lose_membership(now, LostReason::UnknownMember, join),
            ErrorCode::FENCED_INSTANCE_ID => self.fenced(),
            ErrorCode::GROUP_AUTHORIZATION_FAILED => self.refused(GroupApi::Heartbeat, error),
            _ => {
                let again = later(now, self.backoff.next_delay());
                self.heartbeat.schedule(again);
            }
        }
    }

    fn on_join(
        &mut self,
        now: Instant,
        sent: Instant,
        subscription: BTreeSet<TopicName>,
        answer: Result<JoinGroupResponse, CallFailed>,
    ) {
        let api = GroupApi::JoinGroup;
        // Whatever follows, this JoinGroup is over.
        self.state = State::Joining(Joining::Waiting { reason: JoinReason::First, not_before: None });
        let response = match answer {
            Ok(response) => response,
            Err(CallFailed::Unsupported) => return self.unsupported(api),
            Err(failed) => return self.unanswered(now, api, failed),
        };
        let error = response.error;
        let reason = JoinReason::Refused { api, error };
        match error {
            ErrorCode::NONE => self.on_joined(now, sent, subscription, response),
            ErrorCode::MEMBER_ID_REQUIRED => {
                // KIP-394. Who had an id and is given another one was forgotten.
                self.lose_partitions(LostReason::UnknownMember);
                self.identity = Identity { member_id: response.member_id, generation: None };
                self.heartbeat.reset();
                let not_before = self.pause_if_repeated(now);
                self.rejoin(now, not_before, JoinReason::MemberIdRequired);
            }
            ErrorCode::UNKNOWN_MEMBER_ID => self.lose_membership(now, LostReason::UnknownMember, reason),
            ErrorCode::FENCED_INSTANCE_ID => self.fenced(),
            _ if is_another_coordinator(error) => {
                self.search_again(now);
                self.rejoin(now, None, reason);
            }
            // Also a coordinator that could not write the group down in time.
            ErrorCode::REBALANCE_IN_PROGRESS => self.rejoin_after_pause(now, reason),
            _ if is_temporary(error) => self.rejoin_after_pause(now, reason),
            _ => self.refused(api, error),
        }
    }

    fn on_joined(
        &mut self,
        now: Instant,
        sent: Instant,
        subscription: BTreeSet<TopicName>,
        response: JoinGroupResponse,
    ) {
        let (Some(generation), false) = (response.generation(), response.member_id.is_empty()) else {
            return self.unanswered(now, GroupApi::JoinGroup, CallFailed::Malformed);
        };
        if response.protocol_type.as_deref().is_some_and(|protocol| protocol != PROTOCOL_TYPE) {
            return self.refused(GroupApi::JoinGroup, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        let name = response.protocol_name.unwrap_or_default();
        let offered = AssignorKind::from_name(&name).filter(|kind| self.settings.assignors.contains(kind));
        let Some(protocol) = offered else {
            return self.fail(LostReason::Fatal, GroupError::UnknownAssignor { name });
        };
        // A group of the consumer protocol has no leader, answers at once, and takes a member whose session was over for a new
        // one, under its old id and without a word (`GroupMetadataManager.classicGroupJoinToConsumerGroup`). What it had may
        // be another one's by then.
        let in_time = self.session_deadline().is_none_or(|deadline| now < deadline);
        if response.leader.is_empty() && !in_time {
            self.lose_partitions(LostReason::UnknownMember);
        }
        let leads = response.leader == response.member_id;
        self.identity = Identity { member_id: response.member_id, generation: Some(generation) };
        // Whoever answers JoinGroup and then loses every SyncGroup is no coordinator yet: the pause between searches goes on
        // growing until the group is stable.
        self.heartbeat.calm(sent);
        // The session starts anew with the coordinator's answer.
        self.heartbeat.schedule(later(now, self.settings.heartbeat_interval));
        let joined = Joined { generation, protocol, subscription, role: Role::Follower };
        if leads {
            self.lead(now, joined, response.members, response.skip_assignment);
        } else {
            self.state = State::Syncing(Syncing::Waiting { joined, assignments: Vec::new() });
            self.want_metadata();
        }
    }

    fn on_sync(&mut self, now: Instant, sent: Instant, answer: Result<SyncGroupResponse, CallFailed>) {
        let api = GroupApi::SyncGroup;
        let response = match answer {
            Ok(response) => response,
            Err(CallFailed::Unsupported) => return self.unsupported(api),
            Err(failed) => return self.unanswered(now, api, failed),
        };
        let error = response.error;
        let reason = JoinReason::Refused { api, error };
        match error {
            ErrorCode::NONE => self.on_synced(now, sent, response),
            ErrorCode::REBALANCE_IN_PROGRESS => {
                let not_before = self.pause_if_repeated(now);
                self.rejoin(now, not_before, JoinReason::Rebalancing);
            }
            ErrorCode::ILLEGAL_GENERATION => {
                self.lose_membership(now, LostReason::IllegalGeneration, reason);
            }
            ErrorCode::UNKNOWN_MEMBER_ID => self.lose_membership(now, LostReason::UnknownMember, reason),
            ErrorCode::FENCED_INSTANCE_ID => self.fenced(),
            _ if is_another_coordinator(error) => {
                self.search_again(now);
                self.rejoin(now, None, reason);
            }
            _ if is_temporary(error) => self.rejoin_after_pause(now, reason),
            _ => self.refused(api, error),
        }
    }

    fn on_synced(&mut self, now: Instant, sent: Instant, response: SyncGroupResponse) {
        let State::Syncing(Syncing::Asked { joined, .. }) = std::mem::replace(&mut self.state, State::Idle)
        else {
            debug_assert!(false, "only a SyncGroup under way is answered");
            return;
        };
        let foreign = |ours: &str, theirs: Option<&str>| theirs.is_some_and(|theirs| theirs != ours);
        if foreign(PROTOCOL_TYPE, response.protocol_type.as_deref())
            || foreign(joined.protocol.name(), response.protocol_name.as_deref())
        {
            return self.refused(GroupApi::SyncGroup, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        // A leader that leaves a member out makes the coordinator send no bytes at all.
        let partitions = match response.assignment.is_empty() {
            true => Vec::new(),
            false => match Assignment::decode(response.assignment) {
                Ok(assignment) => assignment.partitions,
                Err(_) => return self.fail(LostReason::Fatal, GroupError::MalformedAssignment),
            },
        };
        self.calm(sent);
        self.heartbeat.schedule(later(now, self.settings.heartbeat_interval));
        self.backoff.reset();
        self.immediate_tries = IMMEDIATE_TRIES;
        if joined.subscription == self.subscription {
            self.on_assigned(now, joined, partitions);
        } else {
            // Made for what we wanted before. Nobody else was given what we own and still claim.
            self.state = State::Stable(joined);
            self.rejoin(now, None, JoinReason::SubscriptionChanged);
        }
    }

    /// `onJoinComplete`: what goes and what comes.
    fn on_assigned(&mut self, now: Instant, joined: Joined, partitions: Vec<TopicPartition>) {
        let (generation, protocol) = (joined.generation, joined.protocol);
        // What was not asked for is not taken, or a leader that gives it could make us rejoin for ever.
        let assignment: BTreeSet<_> = partitions
            .iter()
            .filter(|partition| partition.partition >= 0 && self.subscription.contains(&partition.topic))
            .cloned()
            .collect();
        self.last_assigned.insert(protocol, (generation, partitions));
        let added: BTreeSet<_> = assignment.difference(&self.owned).cloned().collect();
        let going: BTreeSet<_> = self.owned.difference(&assignment).cloned().collect();
        debug_assert!(
            going.is_empty() || self.settings.is_cooperative(),
            "an eager member rejoins with nothing"
        );
        self.owned.extend(added.iter().cloned());
        let leader = matches!(joined.role, Role::Leader(_));
        self.events.push_back(GroupEvent::Stable { generation, leader, protocol });
        self.state = State::Stable(joined);
        if !going.is_empty() {
            self.revoke(now, going, Then::Rejoin(JoinReason::Revoked));
        }
        self.events.push_back(GroupEvent::Assigned { generation, added, assignment });
        // The counts may have changed since the assignment was made.
        self.rejoin_if_outdated(now);
    }

    /// The answer to a JoinGroup that was given up may bring the id that the coordinator made for us. To join with it
    /// spares the group a member that never comes.
    fn keep_member_id(&mut self, id: RequestId, answer: Result<GroupResponse, CallFailed>) {
        if self.abandoned_join.take_if(|join| *join == id).is_none() {
            return;
        }
        if let (Ok(GroupResponse::JoinGroup(response)), State::Joining(Joining::Waiting { .. })) =
            (answer, &self.state)
            && matches!(response.error, ErrorCode::NONE | ErrorCode::MEMBER_ID_REQUIRED)
            && self.identity.member_id.is_empty()
        {
            self.identity.member_id = response.member_id;
        }
    }

    /// The coordinator counted us in and the group was at rest when it got what was sent then.
    fn calm(&mut self, sent: Instant) {
        self.heartbeat.calm(sent);
        self.search.answered();
    }

    fn rejoin_after_pause(&mut self, now: Instant, reason: JoinReason) {
        let not_before = self.pause(now);
        self.rejoin(now, not_before, reason);
    }

    fn unanswered(&mut self, now: Instant, api: GroupApi, failed: CallFailed) {
        self.search_again(now);
        self.rejoin(now, None, JoinReason::Unanswered { api, failed });
    }

    fn unsupported(&mut self, api: GroupApi) {
        self.fail(LostReason::Fatal, GroupError::Unsupported { api });
    }

    /// An error that trying again does not cure.
    fn refused(&mut self, api: GroupApi, error: ErrorCode) {
        let group_id = self.settings.group_id.clone();
        let error = match error {
            ErrorCode::GROUP_AUTHORIZATION_FAILED => GroupError::Unauthorized { group_id },
            ErrorCode::INVALID_GROUP_ID => GroupError::InvalidGroupId { group_id },
            ErrorCode::GROUP_MAX_SIZE_REACHED => GroupError::GroupMaxSizeReached { group_id },
            ErrorCode::INVALID_SESSION_TIMEOUT => GroupError::InvalidSessionTimeout {
                session_timeout_ms: i32::try_from(self.settings.session_timeout.as_millis())
                    .unwrap_or(i32::MAX),
            },
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL => {
                GroupError::InconsistentGroupProtocol { assignors: self.settings.assignors.clone() }
            }
            ErrorCode::UNSUPPORTED_VERSION => GroupError::Unsupported { api },
            error => GroupError::Unexpected { api, error },
        };
        self.fail(LostReason::Fatal, error);
    }
}
