//! Scripts: each reads like the talk between a member and its coordinator.

mod fencing;
mod joining;
mod leaving;
mod model;

mod reconciling;
mod subscribing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::group::{
    GroupApi, GroupCall, GroupError, GroupEvent, GroupProtocol, GroupRequest, GroupResponse, GroupSettings,
    LostReason, Membership, MembershipOperation, Target,
};
use crate::types::{BrokerId, CallFailed, Generation, RequestId, TopicId, TopicName, TopicPartition};
use crate::wire::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, Coordinator, ErrorCode,
    FindCoordinatorResponse,
};

const INTERVAL: Duration = Duration::from_secs(5);
/// What a member takes for its session.
const SESSION: Duration = Duration::from_secs(15);
const REBALANCE: Duration = Duration::from_secs(60);
const COMMIT: Duration = Duration::from_secs(1);
/// Of topic "t".
const T: TopicId = TopicId([1; 16]);
const U: TopicId = TopicId([2; 16]);

/// A member, the calls it made and the events it emitted that the test has not looked at yet.
struct Script {
    group: Membership,
    now: Instant,
    calls: VecDeque<GroupCall>,
    events: VecDeque<GroupEvent>,
    last: Option<GroupCall>,
    sent: BTreeMap<RequestId, Instant>,
    /// When what was last answered was sent while nothing was to be given up.
    calm: Instant,
    draining: bool,
}

#[allow(clippy::disallowed_methods, reason = "any instant will do, and there is no other way to one")]
fn some_instant() -> Instant {
    Instant::now()
}

fn settings() -> GroupSettings {
    GroupSettings {
        protocol: GroupProtocol::Consumer,
        rebalance_timeout: REBALANCE,
        commit_round_trip: COMMIT,
        ..GroupSettings::new("g")
    }
}

impl Script {
    fn new(settings: GroupSettings) -> Self {
        let now = some_instant();
        Self {
            group: Membership::new(settings, 7),
            now,
            calls: VecDeque::new(),
            events: VecDeque::new(),
            last: None,
            sent: BTreeMap::new(),
            calm: now,
            draining: false,
        }
    }

    /// Subscribed to "t", whose name is known, the coordinator found, and the first heartbeat sent.
    fn joining(settings: GroupSettings) -> Self {
        let mut group = Self::new(settings);
        group.subscribes(&["t"]).emits(GroupEvent::NeedMetadata(topics(&["t"])));
        group.finds_coordinator().beats().emits_joining();
        group
    }

    /// A member at epoch 1 with these partitions of "t", acknowledged.
    fn with(partitions: &[i32]) -> Self {
        Self::with_settings(settings(), partitions)
    }

    fn with_settings(settings: GroupSettings, partitions: &[i32]) -> Self {
        let mut group = Self::joining(settings);
        group.answers(assigned(1, partitions)).emits_epoch(1, true);
        if partitions.is_empty() {
            group.emits_assigned(1, &[], &[]).emits(GroupEvent::Unsettled);
        } else {
            group.resolves(&[(T, "t")]).emits_assigned(1, partitions, partitions);
            group.acknowledges(1, partitions).answers(alive(1));
        }
        group.is_quiet();
        group
    }

    /// The names of an assignment are asked for, and told.
    #[track_caller]
    fn resolves(&mut self, names: &[(TopicId, &str)]) -> &mut Self {
        let topics = names.iter().map(|(topic, _)| *topic).collect();
        self.emits(GroupEvent::NeedTopicNames(topics));
        if self.events.front() == Some(&GroupEvent::Unsettled) {
            self.events.pop_front();
        }
        self.names(names)
    }

    fn names(&mut self, names: &[(TopicId, &str)]) -> &mut Self {
        let names = names.iter().map(|(id, name)| (*id, TopicName::from(*name))).collect();
        self.group.handle_topic_names(self.now, &names);
        self.pump()
    }

    fn finds_coordinator(&mut self) -> &mut Self {
        self.sends(GroupApi::FindCoordinator).answers(found());
        self.emits(GroupEvent::CoordinatorFound(coordinator()))
    }

    /// And finds it again, after the pause.
    fn finds_coordinator_again(&mut self) -> &mut Self {
        self.after(Duration::from_secs(1)).finds_coordinator()
    }

    fn subscribes(&mut self, names: &[&str]) -> &mut Self {
        self.group.handle_subscription(self.now, topics(names));
        self.pump()
    }

    fn matches(&mut self, pattern: Option<&str>) -> &mut Self {
        self.group.handle_pattern(self.now, pattern.map(str::to_owned));
        self.pump()
    }

    fn revoked(&mut self) -> &mut Self {
        self.draining = false;
        self.group.handle_revoked(self.now);
        self.pump()
    }

    fn commit_refused(&mut self, epoch: i32, error: ErrorCode) -> &mut Self {
        self.group.handle_commit_refused(self.now, Generation(epoch), error);
        self.pump()
    }

    fn coordinator_lost(&mut self) -> &mut Self {
        self.group.handle_coordinator_lost(self.now);
        self.pump().emits(GroupEvent::CoordinatorLost)
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
        let asked = match &call.request {
            GroupRequest::FindCoordinator(_) => GroupApi::FindCoordinator,
            GroupRequest::ConsumerGroupHeartbeat(_) => GroupApi::ConsumerGroupHeartbeat,
            GroupRequest::JoinGroup(_) => GroupApi::JoinGroup,
            other => panic!("{other:?}"),
        };
        assert_eq!(asked, api);
        assert_eq!(matches!(call.target, Target::AnyBroker), api == GroupApi::FindCoordinator);
        self.last = Some(call);
        self
    }

    #[track_caller]
    fn beats(&mut self) -> &mut Self {
        self.sends(GroupApi::ConsumerGroupHeartbeat)
    }

    /// A heartbeat that says what the member has, and nothing else that is new.
    #[track_caller]
    fn acknowledges(&mut self, epoch: i32, partitions: &[i32]) -> &mut Self {
        self.beats();
        let request = self.request();
        let owned = request.owned.clone().expect("it says what it has");
        let expected = if partitions.is_empty() { vec![] } else { vec![(T, partitions.to_vec())] };
        assert_eq!((request.member_epoch, owned), (Generation(epoch), expected));
        assert_eq!((request.topics, request.rebalance_timeout_ms), (None, -1));
        self
    }

    /// The next heartbeat, at its time, says nothing but that the member lives.
    #[track_caller]
    fn beats_on(&mut self, epoch: i32) -> &mut Self {
        self.after(INTERVAL).beats();
        let request = self.request();
        assert_eq!(request.member_epoch, Generation(epoch));
        assert_eq!((request.topics, request.owned, request.rebalance_timeout_ms), (None, None, -1));
        self
    }

    /// A heartbeat that tells everything.
    #[track_caller]
    fn tells_all(&mut self, epoch: i32, partitions: &[i32]) -> &mut Self {
        self.beats();
        let request = self.request();
        let expected = if partitions.is_empty() { vec![] } else { vec![(T, partitions.to_vec())] };
        assert_eq!((request.member_epoch, request.owned), (Generation(epoch), Some(expected)));
        assert_eq!((request.topics, request.rebalance_timeout_ms), (Some(vec!["t".into()]), 60_000));
        self
    }

    fn last_call(&self) -> GroupCall {
        self.last.clone().unwrap()
    }

    #[track_caller]
    fn request(&self) -> ConsumerGroupHeartbeatRequest {
        match self.last_call().request {
            GroupRequest::ConsumerGroupHeartbeat(request) => request,
            other => panic!("{other:?}"),
        }
    }

    /// Answers the call that `sends` looked at last.
    fn answers(&mut self, answer: impl Into<Answer>) -> &mut Self {
        self.answer(self.last_call().id, answer)
    }

    fn answer(&mut self, id: RequestId, answer: impl Into<Answer>) -> &mut Self {
        let answer = answer.into().0;
        let good =
            matches!(&answer, Ok(GroupResponse::ConsumerGroupHeartbeat(answer)) if answer.error.is_ok());
        self.group.handle_response(self.now, id, answer);
        self.pump();
        self.draining |= self.events.iter().any(|event| matches!(event, GroupEvent::Revoke { .. }));
        if good && !self.draining {
            self.calm = self.calm.max(self.sent.get(&id).copied().unwrap_or(self.calm));
        }
        self
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
    fn emits_epoch(&mut self, epoch: i32, joined: bool) -> &mut Self {
        self.emits(GroupEvent::Epoch { epoch: Generation(epoch), joined })
    }

    #[track_caller]
    fn emits_assigned(&mut self, epoch: i32, added: &[i32], all: &[i32]) -> &mut Self {
        let (added, assignment) = (partitions(added), partitions(all));
        self.emits(GroupEvent::Assigned { generation: Generation(epoch), added, assignment })
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

    #[track_caller]
    fn emits_fatal(&mut self) -> GroupError {
        match self.events.pop_front() {
            Some(GroupEvent::Fatal { error }) => error,
            other => panic!("{other:?}"),
        }
    }

    /// Nothing was sent or said that the test has not looked at.
    #[track_caller]
    fn is_quiet(&mut self) -> &mut Self {
        assert_eq!(self.calls, []);
        assert_eq!(self.events, []);
        self
    }

    /// Nothing happens any more, whatever is waited for.
    #[track_caller]
    fn is_over(&mut self) {
        self.is_quiet().after(Duration::from_secs(3600)).is_quiet();
        assert_eq!((self.group.poll_timeout(), self.group.snapshot()), (None, None));
    }
}

struct Answer(Result<GroupResponse, CallFailed>);

impl From<CallFailed> for Answer {
    fn from(failed: CallFailed) -> Self {
        Self(Err(failed))
    }
}

impl From<ConsumerGroupHeartbeatResponse> for Answer {
    fn from(response: ConsumerGroupHeartbeatResponse) -> Self {
        Self(Ok(GroupResponse::ConsumerGroupHeartbeat(response)))
    }
}

impl From<FindCoordinatorResponse> for Answer {
    fn from(response: FindCoordinatorResponse) -> Self {
        Self(Ok(GroupResponse::FindCoordinator(response)))
    }
}

impl From<ErrorCode> for Answer {
    fn from(error: ErrorCode) -> Self {
        ConsumerGroupHeartbeatResponse {
            error,
            error_message: Some("says the broker".to_owned()),
            ..ConsumerGroupHeartbeatResponse::default()
        }
        .into()
    }
}

/// Nothing new but maybe the epoch.
fn alive(epoch: i32) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse {
        member_epoch: epoch,
        heartbeat_interval_ms: 5000,
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

/// All of the member's partitions from here on, of topic "t".
fn assigned(epoch: i32, partitions: &[i32]) -> ConsumerGroupHeartbeatResponse {
    match partitions {
        [] => assigned_with(epoch, vec![]),
        _ => assigned_with(epoch, vec![(T, partitions.to_vec())]),
    }
}

fn assigned_with(epoch: i32, assignment: Vec<(TopicId, Vec<i32>)>) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse { assignment: Some(assignment), ..alive(epoch) }
}

fn coordinator() -> Coordinator {
    Coordinator { id: BrokerId(2), host: "b2".to_owned(), port: 9092 }
}

fn found() -> FindCoordinatorResponse {
    FindCoordinatorResponse { coordinator: Some(coordinator()), ..FindCoordinatorResponse::default() }
}

fn topics(names: &[&str]) -> BTreeSet<TopicName> {
    names.iter().map(|name| TopicName::from(*name)).collect()
}

/// Of topic "t".
fn partitions(numbers: &[i32]) -> BTreeSet<TopicPartition> {
    of("t", numbers)
}

fn of(topic: &str, numbers: &[i32]) -> BTreeSet<TopicPartition> {
    numbers.iter().map(|number| TopicPartition::new(topic, *number)).collect()
}
