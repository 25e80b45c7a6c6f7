//! Scripts: each reads like the talk between a member and its coordinator.

mod heartbeats;
mod in_a_consumer_group;
mod joining;
mod leading;
mod leaving;
mod model;
mod rebalancing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::group::consumer_protocol::{Assignment, Subscription};
use crate::group::{
    AssignorKind, GroupApi, GroupCall, GroupEvent, GroupRequest, GroupResponse, GroupSettings, LostReason,
    Membership, MembershipOperation, Target,
};
use crate::types::{BrokerId, CallFailed, Generation, RequestId, TopicName, TopicPartition};
use crate::wire::{
    Coordinator, ErrorCode, FindCoordinatorResponse, HeartbeatResponse, JoinGroupMember, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};

const HEARTBEAT: Duration = Duration::from_secs(3);
const SESSION: Duration = Duration::from_secs(45);
const REBALANCE: Duration = Duration::from_secs(60);
const COMMIT: Duration = Duration::from_secs(1);

/// A member, the calls it made and the events it emitted that the test has not looked at yet.
struct Script {
    group: Membership,
    now: Instant,
    calls: VecDeque<GroupCall>,
    events: VecDeque<GroupEvent>,
    last: Option<GroupCall>,
    /// When `last` was sent, and when what was last answered well while the group was at rest.
    sent: BTreeMap<RequestId, Instant>,
    calm: Instant,
    assignor: AssignorKind,
}

#[allow(clippy::disallowed_methods, reason = "any instant will do, and there is no other way to one")]
fn some_instant() -> Instant {
    Instant::now()
}

fn settings(assignor: AssignorKind) -> GroupSettings {
    GroupSettings {
        assignors: vec![assignor],
        rebalance_timeout: REBALANCE,
        session_timeout: SESSION,
        heartbeat_interval: HEARTBEAT,
        commit_round_trip: COMMIT,
        ..GroupSettings::new("g")
    }
}

impl Script {
    fn new(settings: GroupSettings) -> Self {
        let assignor = settings.assignors[0];
        let now = some_instant();
        Self {
            group: Membership::new(settings, 7),
            now,
            sent: BTreeMap::new(),
            calm: now,
            calls: VecDeque::new(),
            events: VecDeque::new(),
            last: None,
            assignor,
        }
    }

    /// Subscribed to "t", the coordinator found, and JoinGroup sent.
    fn joining(settings: GroupSettings) -> Self {
        let mut group = Self::new(settings);
        group.subscribes(&["t"]).emits(GroupEvent::NeedMetadata(topics(&["t"])));
        group
            .sends(GroupApi::FindCoordinator)
            .answers(found())
            .emits(GroupEvent::CoordinatorFound(coordinator()));
        group.sends(GroupApi::JoinGroup).emits_joining();
        group
    }

    /// A follower of generation 1, before SyncGroup's answer.
    fn syncing(settings: GroupSettings) -> Self {
        let mut group = Self::joining(settings);
        let joined = group.follows(1);
        group.answers(joined).sends(GroupApi::SyncGroup);
        group
    }

    /// A follower of generation 1 with these partitions of "t".
    fn stable(assignor: AssignorKind, partitions: &[i32]) -> Self {
        Self::stable_with(settings(assignor), partitions)
    }

    fn stable_with(settings: GroupSettings, partitions: &[i32]) -> Self {
        let mut group = Self::syncing(settings);
        group.answers(synced(partitions)).emits_stable(1).emits_assigned(1, partitions, partitions);
        group.is_quiet();
        group
    }

    fn subscribes(&mut self, names: &[&str]) -> &mut Self {
        self.group.handle_subscription(self.now, topics(names));
        self.pump()
    }

    fn counts(&mut self, counts: &[(&str, i32)]) -> &mut Self {
        let counts: BTreeMap<TopicName, i32> =
            counts.iter().map(|(topic, count)| ((*topic).into(), *count)).collect();
        self.group.handle_partition_counts(self.now, &counts);
        self.pump()
    }

    fn revoked(&mut self) -> &mut Self {
        self.group.handle_revoked(self.now);
        self.pump()
    }

    fn commit_refused(&mut self, generation: i32, error: ErrorCode) -> &mut Self {
        self.group.handle_commit_refused(self.now, Generation(generation), error);
        self.pump()
    }

    fn coordinator_lost(&mut self) -> &mut Self {
        self.group.handle_coordinator_lost(self.now);
        self.pump().emits(GroupEvent::CoordinatorLost)
    }

    /// And finds it again, after the pause.
    fn finds_coordinator_again(&mut self) -> &mut Self {
        self.after(Duration::from_secs(1)).sends(GroupApi::FindCoordinator).answers(found());
        self.emits(GroupEvent::CoordinatorFound(coordinator()))
    }

    fn leaves(&mut self) -> &mut Self {
        self.closes(MembershipOperation::Default)
    }

    fn closes(&mut self, operation: MembershipOperation) -> &mut Self {
        self.group.leave(self.now, operation);
        self.pump()
    }

    fn stalls(&mut self) -> &mut Self {
        self.group.handle_stalled(self.now);
        self.pump()
    }

    fn goes_on(&mut self) -> &mut Self {
        self.group.handle_unstalled(self.now);
        self.pump()
    }

    /// Lets time pass, and wakes the member whenever it asked for it.
    fn after(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        while let Some(wake) = self.group.poll_timeout().filter(|wake| *wake <= end) {
            assert!(wake >= self.now, "a wake-up in the past is a hot loop");
            self.now = wake;
            self.group.handle_timeout(self.now);
            self.pump();
            let next = self.group.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "woken at {wake:?} to be woken at {next:?}");
        }
        self.now = end;
        self.pump()
    }

    /// Lets time pass without waking anybody: SIGSTOP.
    fn sleeps(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    fn wakes(&mut self) -> &mut Self {
        self.group.handle_timeout(self.now);
        self.pump()
    }

    fn pump(&mut self) -> &mut Self {
        while let Some(call) = self.group.poll_request(self.now) {
            self.sent.insert(call.id, self.now);
            self.calls.push_back(call);
        }
        while let Some(event) = self.group.poll_event() {
            self.events.push_back(event);
        }
        self
    }

    /// The next call is this one. Its answer is given by `answers`.
    #[track_caller]
    fn sends(&mut self, api: GroupApi) -> &mut Self {
        let call = self.calls.pop_front().unwrap_or_else(|| panic!("{api} is not sent"));
        assert_eq!(api_of(&call.request), api);
        assert_eq!(matches!(call.target, Target::AnyBroker), api == GroupApi::FindCoordinator);
        self.last = Some(call);
        self
    }

    fn last_call(&self) -> GroupCall {
        self.last.clone().unwrap()
    }

    fn last_id(&self) -> RequestId {
        self.last_call().id
    }

    #[track_caller]
    fn last_join(&self) -> (JoinGroupRequest, Subscription) {
        let GroupRequest::JoinGroup(request) = self.last_call().request else { panic!("not a JoinGroup") };
        let subscription = Subscription::decode(request.protocols[0].1.clone()).unwrap();
        (request, subscription)
    }

    #[track_caller]
    fn last_sync(&self) -> (SyncGroupRequest, BTreeMap<String, Vec<TopicPartition>>) {
        let GroupRequest::SyncGroup(request) = self.last_call().request else { panic!("not a SyncGroup") };
        let assignments = request.assignments.iter();
        let decoded = assignments
            .map(|(member, bytes)| (member.clone(), Assignment::decode(bytes.clone()).unwrap().partitions))
            .collect();
        (request, decoded)
    }

    /// Answers the call that `sends` looked at last.
    fn answers(&mut self, answer: impl Into<Answer>) -> &mut Self {
        self.answer(self.last_id(), answer)
    }

    fn answer(&mut self, id: RequestId, answer: impl Into<Answer>) -> &mut Self {
        let answer = answer.into().0;
        if let Ok(
            GroupResponse::Heartbeat(HeartbeatResponse { error: ErrorCode::NONE, .. })
            | GroupResponse::JoinGroup(JoinGroupResponse { error: ErrorCode::NONE, .. })
            | GroupResponse::SyncGroup(SyncGroupResponse { error: ErrorCode::NONE, .. }),
        ) = &answer
        {
            self.calm = self.calm.max(self.sent.get(&id).copied().unwrap_or(self.calm));
        }
        self.group.handle_response(self.now, id, answer);
        self.pump()
    }

    #[track_caller]
    fn emits(&mut self, event: GroupEvent) -> &mut Self {
        assert_eq!(self.events.pop_front(), Some(event));
        self
    }

    #[track_caller]
    fn emits_joining(&mut self) -> &mut Self {
        let event = self.events.pop_front();
        assert!(matches!(event, Some(GroupEvent::Joining { .. })), "{event:?}");
        self
    }

    #[track_caller]
    fn emits_stable(&mut self, generation: i32) -> &mut Self {
        let protocol = self.assignor;
        self.emits(GroupEvent::Stable { generation: Generation(generation), leader: false, protocol })
    }

    #[track_caller]
    fn emits_assigned(&mut self, generation: i32, added: &[i32], all: &[i32]) -> &mut Self {
        self.emits(GroupEvent::Assigned {
            generation: Generation(generation),
            added: partitions(added),
            assignment: partitions(all),
        })
    }

    #[track_caller]
    fn emits_revoke(&mut self, going: &[i32]) -> &mut Self {
        let deadline = self.calm + REBALANCE - COMMIT * 2;
        self.emits(GroupEvent::Revoke { partitions: partitions(going), deadline })
    }

    #[track_caller]
    fn emits_lost(&mut self, gone: &[i32], reason: LostReason) -> &mut Self {
        self.emits(GroupEvent::Lost { partitions: partitions(gone), reason })
    }

    /// Nothing was sent or said that the test has not looked at.
    #[track_caller]
    fn is_quiet(&mut self) -> &mut Self {
        assert_eq!(self.calls, []);
        assert_eq!(self.events, []);
        self
    }

    /// JoinGroup's answer to a member that is not the leader.
    fn follows(&self, generation: i32) -> JoinGroupResponse {
        JoinGroupResponse {
            generation,
            protocol_type: Some("consumer".to_owned()),
            protocol_name: Some(self.assignor.name().to_owned()),
            leader: "leader".to_owned(),
            member_id: "m1".to_owned(),
            ..JoinGroupResponse::default()
        }
    }

    /// JoinGroup's answer to the leader; the members subscribe to these topics and have nothing.
    fn leads(&self, generation: i32, members: &[(&str, &[&str])]) -> JoinGroupResponse {
        let member = |(member_id, names): &(&str, &[&str])| JoinGroupMember {
            member_id: (*member_id).to_owned(),
            group_instance_id: None,
            metadata: Subscription { topics: topics(names).into_iter().collect(), ..Subscription::default() }
                .encode(3),
        };
        JoinGroupResponse {
            leader: "m1".to_owned(),
            members: members.iter().map(member).collect(),
            ..self.follows(generation)
        }
    }

    /// A heartbeat is due, sent, and answered with NONE.
    fn beats(&mut self) -> &mut Self {
        self.after(HEARTBEAT).sends(GroupApi::Heartbeat).answers(heartbeat(ErrorCode::NONE));
        self.is_quiet()
    }

    /// A heartbeat is answered with REBALANCE_IN_PROGRESS.
    fn hears_of_rebalance(&mut self) -> &mut Self {
        self.after(HEARTBEAT).sends(GroupApi::Heartbeat).answers(heartbeat(ErrorCode::REBALANCE_IN_PROGRESS))
    }
}

struct Answer(Result<GroupResponse, CallFailed>);

impl From<CallFailed> for Answer {
    fn from(failed: CallFailed) -> Self {
        Self(Err(failed))
    }
}

macro_rules! answers {
    ($($api:ident $response:ident;)*) => { $(
        impl From<$response> for Answer {
            fn from(response: $response) -> Self {
                Self(Ok(GroupResponse::$api(response)))
            }
        }
    )* };
}

answers! {
    FindCoordinator FindCoordinatorResponse;
    JoinGroup JoinGroupResponse;
    SyncGroup SyncGroupResponse;
    Heartbeat HeartbeatResponse;
    LeaveGroup LeaveGroupResponse;
}

fn api_of(request: &GroupRequest) -> GroupApi {
    match request {
        GroupRequest::FindCoordinator(_) => GroupApi::FindCoordinator,
        GroupRequest::JoinGroup(_) => GroupApi::JoinGroup,
        GroupRequest::SyncGroup(_) => GroupApi::SyncGroup,
        GroupRequest::Heartbeat(_) => GroupApi::Heartbeat,
        GroupRequest::LeaveGroup(_) => GroupApi::LeaveGroup,
        GroupRequest::ConsumerGroupHeartbeat(_) => GroupApi::ConsumerGroupHeartbeat,
    }
}

fn coordinator() -> Coordinator {
    Coordinator { id: BrokerId(2), host: "b2".to_owned(), port: 9092 }
}

fn found() -> FindCoordinatorResponse {
    FindCoordinatorResponse { coordinator: Some(coordinator()), ..FindCoordinatorResponse::default() }
}

fn not_found(error: ErrorCode) -> FindCoordinatorResponse {
    FindCoordinatorResponse { error, ..FindCoordinatorResponse::default() }
}

fn join_refused(error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse { error, generation: -1, ..JoinGroupResponse::default() }
}

fn member_id_required(member_id: &str) -> JoinGroupResponse {
    JoinGroupResponse { member_id: member_id.to_owned(), ..join_refused(ErrorCode::MEMBER_ID_REQUIRED) }
}

fn synced(partitions: &[i32]) -> SyncGroupResponse {
    synced_with(self::partitions(partitions))
}

fn synced_with(partitions: BTreeSet<TopicPartition>) -> SyncGroupResponse {
    let assignment = Assignment { partitions: partitions.into_iter().collect(), user_data: None };
    SyncGroupResponse { assignment: assignment.encode(3), ..SyncGroupResponse::default() }
}

fn sync_refused(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error, assignment: Bytes::new(), ..SyncGroupResponse::default() }
}

fn heartbeat(error: ErrorCode) -> HeartbeatResponse {
    HeartbeatResponse { error, throttle_time_ms: 0 }
}

fn topics(names: &[&str]) -> BTreeSet<TopicName> {
    names.iter().map(|name| TopicName::from(*name)).collect()
}

/// Of topic "t".
fn partitions(numbers: &[i32]) -> BTreeSet<TopicPartition> {
    numbers.iter().map(|number| TopicPartition::new("t", *number)).collect()
}
