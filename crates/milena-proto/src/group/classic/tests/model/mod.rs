//! Several members, a small coordinator, and everything that can happen in any order.
//!
//! At every step: no partition is handed out by two members, what a member says in JoinGroup is what its shell reads, and
//! nothing comes after the end. And when the troubles end, every partition has exactly one owner.

mod coordinator;

use proptest::prelude::*;
use proptest::sample::Index;

use self::coordinator::Coordinator;
use super::*;
use crate::types::MemberSnapshot;

/// A member and which of its connections.
type ClientId = (usize, u32);

const MEMBERS_MAX: usize = 4;

/// Long enough for every timeout to pass, the longest one twice.
const PEACE: Duration = Duration::from_secs(180);

#[derive(Clone, Debug)]
enum Op {
    /// A new member.
    Start,
    /// The network brings the next request to the coordinator, ...
    Request(Index),
    /// ... or an answer to a member, ...
    Answer(Index),
    /// ... or breaks. The member hears of it as a whole or call by call.
    Break(Index, bool),
    /// Time passes, in milliseconds.
    Wait(u64),
    /// The shell ends its drain.
    Drained(Index),
    /// The shell commits.
    Commit(Index),
    Subscribe(Index, &'static [&'static str]),
    /// The shell has fresh metadata.
    Metadata(Index),
    /// A topic gets another partition.
    Grow(&'static str),
    Leave(Index),
    /// SIGKILL, SIGSTOP and SIGCONT.
    Kill(Index),
    Stop(Index),
    Continue(Index),
    /// The network of one member stands still, and goes on.
    Delay(Index),
    Resume(Index),
    /// The coordinator dies, and another one takes over.
    Fail,
    TakeOver,
    /// A moment in which all goes well.
    Flow,
}

impl Op {
    /// Each run has only some of the troubles: all of them together leave no time for a second rebalance.
    fn trouble(&self) -> u8 {
        match self {
            Self::Break(..) => 1,
            Self::Kill(_) => 2,
            Self::Stop(_) => 4,
            Self::Fail => 8,
            Self::Subscribe(..) => 16,
            Self::Leave(_) => 32,
            Self::Delay(_) => 64,
            _ => 0,
        }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let index = any::<Index>;
    const SUBSCRIPTIONS: [&[&str]; 4] = [&["t"], &["u"], &["t", "u"], &[]];
    prop_oneof![
        2 => Just(Op::Start),
        40 => index().prop_map(Op::Request),
        40 => index().prop_map(Op::Answer),
        2 => (index(), any::<bool>()).prop_map(|(member, whole)| Op::Break(member, whole)),
        12 => prop_oneof![10 => 1..4000u64, 1 => 1..70_000u64].prop_map(Op::Wait),
        6 => index().prop_map(Op::Drained),
        3 => index().prop_map(Op::Commit),
        2 => (index(), prop::sample::select(&SUBSCRIPTIONS[..])).prop_map(|(member, to)| Op::Subscribe(member, to)),
        4 => index().prop_map(Op::Metadata),
        1 => prop::sample::select(&["t", "u"][..]).prop_map(Op::Grow),
        1 => index().prop_map(Op::Leave),
        1 => index().prop_map(Op::Kill),
        1 => index().prop_map(Op::Stop),
        2 => index().prop_map(Op::Continue),
        2 => index().prop_map(Op::Delay),
        3 => index().prop_map(Op::Resume),
        1 => Just(Op::Fail),
        4 => Just(Op::TakeOver),
        8 => Just(Op::Flow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_partition_has_at_most_one_owner_and_one_in_the_end(
        assignor in prop::sample::select(&AssignorKind::ALL[..]),
        rebalance in prop::sample::select(&[20, 60][..]),
        troubles in any::<u8>(),
        ops in prop::collection::vec(op(), 1..400),
    ) {
        let mut world = World::new(assignor, Duration::from_secs(rebalance));
        for op in ops.into_iter().filter(|op| op.trouble() & !troubles == 0) {
            world.step(op);
        }
        world.heal();
    }
}

struct World {
    now: Instant,
    settings: GroupSettings,
    coordinator: Coordinator,
    members: Vec<Member>,
    counts: BTreeMap<TopicName, i32>,
}

struct Member {
    group: Membership,
    /// Counts its connections: what was sent on an older one is lost.
    connection: u32,
    requests: VecDeque<Request>,
    answers: VecDeque<Response>,
    /// Calls without an answer, and when their time is up.
    open: BTreeMap<RequestId, Instant>,
    /// What the shell hands out.
    reading: BTreeSet<TopicPartition>,
    draining: Option<BTreeSet<TopicPartition>>,
    subscription: &'static [&'static str],
    beat: Option<Instant>,
    calls: usize,
    stopped: bool,
    delayed: bool,
    left: bool,
}

enum Request {
    Group(GroupCall),
    Commit(MemberSnapshot),
}

enum Response {
    Group(RequestId, GroupResponse),
    Commit(Generation, ErrorCode),
}

impl World {
    fn new(assignor: AssignorKind, rebalance_timeout: Duration) -> Self {
        let mut world = Self {
            now: some_instant(),
            settings: GroupSettings { rebalance_timeout, ..settings(assignor) },
            coordinator: Coordinator::new(rebalance_timeout),
            members: Vec::new(),
            counts: [("t".into(), 3), ("u".into(), 2)].into(),
        };
        world.step(Op::Start);
        world
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Start => self.start(),
            Op::Request(member) => {
                if let Some(at) = self.pick(&member, |member| !member.delayed && !member.requests.is_empty())
                {
                    self.deliver_request(at);
                }
            }
            Op::Answer(member) => {
                if let Some(at) = self.pick(&member, Member::is_answered) {
                    self.deliver_answer(at);
                }
            }
            Op::Break(member, whole) => {
                if let Some(at) = self.pick(&member, Member::is_running) {
                    self.members[at].disconnected(self.now, whole);
                }
            }
            Op::Wait(millis) => self.wait(Duration::from_millis(millis)),
            Op::Drained(member) => {
                if let Some(at) = self.pick(&member, Member::is_running) {
                    self.members[at].drained(self.now);
                }
            }
            Op::Commit(member) => {
                if let Some(at) = self.pick(&member, Member::is_running) {
                    let member = &mut self.members[at];
                    member.requests.extend(member.group.snapshot().map(Request::Commit));
                }
            }
            Op::Subscribe(member, to) => {
                if let Some(at) = self.pick(&member, Member::is_running) {
                    let member = &mut self.members[at];
                    member.subscription = to;
                    member.group.handle_subscription(self.now, topics(to));
                }
            }
            Op::Metadata(member) => {
                if let Some(at) = self.pick(&member, Member::is_running) {
                    self.members[at].group.handle_partition_counts(self.now, &self.counts);
                }
            }
            Op::Grow(topic) => {
                let count = self.counts.entry(topic.into()).or_default();
                *count = (*count + 1).min(6);
            }
            Op::Leave(member) => {
                if let Some(at) = self.pick(&member, Member::is_running) {
                    self.members[at].group.leave(self.now, MembershipOperation::Default);
                }
            }
            Op::Kill(member) => {
                if let Some(at) = self.pick(&member, |member| !member.left) {
                    self.members[at].left = true;
                    self.members[at].group = Membership::new(self.settings.clone(), 0);
                    self.members[at].reading.clear();
                    self.members[at].requests.clear();
                }
            }
            Op::Stop(member) => {
                if let Some(at) = self.pick(&member, Member::is_running) {
                    self.members[at].stopped = true;
                }
            }
            Op::Continue(member) => {
                if let Some(at) = self.pick(&member, |member| member.stopped) {
                    self.members[at].stopped = false;
                    self.members[at].group.handle_timeout(self.now);
                }
            }
            Op::Delay(member) => {
                if let Some(at) = self.pick(&member, |member| !member.delayed) {
                    self.members[at].delayed = true;
                }
            }
            Op::Resume(member) => {
                if let Some(at) = self.pick(&member, |member| member.delayed) {
                    self.members[at].delayed = false;
                }
            }
            Op::Fail if !self.coordinator.away => self.coordinator.fail(),
            Op::TakeOver if self.coordinator.away => self.coordinator.come_back(self.now),
            Op::Fail | Op::TakeOver => {}
            Op::Flow => {
                for _ in 0..20 {
                    self.deliver_all();
                }
                self.wait(HEARTBEAT);
            }
        }
        self.settle();
    }

    fn pick(&self, index: &Index, which: impl Fn(&Member) -> bool) -> Option<usize> {
        let fitting: Vec<_> = (0..self.members.len()).filter(|at| which(&self.members[*at])).collect();
        (!fitting.is_empty()).then(|| *index.get(&fitting))
    }

    fn start(&mut self) {
        let running = self.members.iter().filter(|member| !member.left).count();
        if running == MEMBERS_MAX {
            return;
        }
        let mut group = Membership::new(self.settings.clone(), self.members.len() as u64);
        group.handle_subscription(self.now, topics(&["t"]));
        self.members.push(Member {
            group,
            connection: 0,
            requests: VecDeque::new(),
            answers: VecDeque::new(),
            open: BTreeMap::new(),
            reading: BTreeSet::new(),
            draining: None,
            subscription: &["t"],
            beat: None,
            calls: 0,
            stopped: false,
            delayed: false,
            left: false,
        });
    }

    fn deliver_request(&mut self, at: usize) {
        let member = &mut self.members[at];
        match member.requests.pop_front() {
            Some(Request::Group(call)) => {
                let client = (at, member.connection);
                self.coordinator.handle(self.now, (client, call.id), call.request);
            }
            Some(Request::Commit(snapshot)) => {
                let error = self.coordinator.commit(self.now, &snapshot);
                member.answers.push_back(Response::Commit(snapshot.generation, error));
            }
            None => {}
        }
    }

    fn deliver_answer(&mut self, at: usize) {
        let member = &mut self.members[at];
        match member.answers.pop_front() {
            Some(Response::Group(id, response)) => {
                if member.open.remove(&id).is_some() {
                    member.group.handle_response(self.now, id, Ok(response));
                }
            }
            Some(Response::Commit(generation, error)) if !error.is_ok() => {
                member.group.handle_commit_refused(self.now, generation, error);
            }
            Some(Response::Commit(..)) | None => {}
        }
    }

    /// Goes from one wake-up to the next.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = self.next_wake().filter(|next| *next <= end);
            self.now = next.unwrap_or(end).max(self.now);
            self.coordinator.handle_timeout(self.now);
            for member in self.members.iter_mut().filter(|member| member.is_running()) {
                if member.open.values().any(|deadline| *deadline <= self.now) {
                    member.disconnected(self.now, false);
                }
                member.group.handle_timeout(self.now);
            }
            self.settle();
            if next.is_none() {
                return;
            }
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let running = self.members.iter().filter(|member| member.is_running());
        let wakes = running
            .flat_map(|member| member.group.poll_timeout().into_iter().chain(member.open.values().copied()));
        wakes.chain(self.coordinator.next_deadline().filter(|_| !self.coordinator.away)).min()
    }

    /// Lets the shells do what is to be done at once, and looks at what must hold.
    fn settle(&mut self) {
        for ((at, connection), id, response) in
            self.coordinator.answers.drain(..).map(|((c, id), r)| (c, id, r))
        {
            let member = &mut self.members[at];
            if member.connection == connection {
                member.answers.push_back(Response::Group(id, response));
            }
        }
        for member in self.members.iter_mut().filter(|member| member.is_running()) {
            member.pump(self.now, &self.counts, self.settings.is_cooperative());
        }
        self.check();
    }

    fn check(&self) {
        let mut owners: BTreeMap<&TopicPartition, usize> = BTreeMap::new();
        for (at, member) in self.members.iter().enumerate() {
            if !member.is_running() {
                continue;
            }
            let deadline = member.group.session_deadline();
            assert_eq!(deadline.is_some(), !member.reading.is_empty());
            if deadline.is_none_or(|deadline| deadline <= self.now) {
                continue;
            }
            for partition in &member.reading {
                if let Some(other) = owners.insert(partition, at) {
                    panic!("{partition} is handed out by member {other} and member {at}");
                }
            }
        }
    }

    /// The troubles end. Whoever still lives shares the partitions.
    fn heal(&mut self) {
        self.step(Op::Start);
        if self.coordinator.away {
            self.step(Op::TakeOver);
        }
        for member in &mut self.members {
            (member.stopped, member.delayed) = (false, false);
            member.group.handle_timeout(self.now);
            member.calls = 0;
        }
        self.settle();
        let end = self.now + PEACE;
        while self.now < end {
            while self.deliver_all() {}
            let next = self.next_wake().map_or(PEACE, |wake| wake.saturating_duration_since(self.now));
            self.wait(next.clamp(Duration::from_millis(1), PEACE));
        }
        let living: Vec<&Member> = self.members.iter().filter(|member| !member.left).collect();
        let mut expected = BTreeSet::new();
        let mut owned = BTreeSet::new();
        for member in &living {
            assert!(member.draining.is_none());
            // One heartbeat every 3 s, a few rebalances, and nothing near a hot loop.
            let calls_max = PEACE.as_secs() as usize;
            assert!(member.calls <= calls_max, "{} calls in {PEACE:?} of peace", member.calls);
            for topic in topics(member.subscription) {
                expected.extend(
                    (0..self.counts[&topic]).map(|number| TopicPartition::new(topic.clone(), number)),
                );
            }
            for partition in &member.reading {
                assert!(member.subscription.contains(&&*partition.topic), "{partition} is not subscribed to");
                assert!(owned.insert(partition.clone()), "{partition} has two owners at rest");
            }
            let member_is_in = member.group.snapshot().is_some();
            assert_eq!(member_is_in, !member.subscription.is_empty(), "{:?}", member.group);
        }
        assert_eq!(owned, expected, "at rest, with {} members", living.len());
    }

    fn deliver_all(&mut self) -> bool {
        let mut any = false;
        for at in 0..self.members.len() {
            while !self.members[at].delayed && !self.members[at].requests.is_empty() {
                self.deliver_request(at);
                self.settle();
                any = true;
            }
            while self.members[at].is_answered() {
                self.deliver_answer(at);
                self.settle();
                any = true;
            }
            if self.members[at].is_running() {
                any |= self.members[at].drained(self.now);
                self.settle();
                self.members[at].group.handle_partition_counts(self.now, &self.counts);
                self.settle();
            }
        }
        any
    }
}

impl Member {
    fn is_running(&self) -> bool {
        !self.stopped && !self.left
    }

    fn is_answered(&self) -> bool {
        self.is_running() && !self.delayed && !self.answers.is_empty()
    }

    fn pump(&mut self, now: Instant, counts: &BTreeMap<TopicName, i32>, cooperative: bool) {
        loop {
            while let Some(event) = self.group.poll_event() {
                if let GroupEvent::NeedMetadata(_) = event {
                    self.group.handle_partition_counts(now, counts);
                }
                self.on_event(event);
            }
            assert_eq!(self.reading, *self.group.assignment());
            let Some(call) = self.group.poll_request(now) else { break };
            assert!(!self.left, "{call:?} after the end");
            self.calls += 1;
            self.check_call(now, &call, cooperative);
            self.open.insert(call.id, now + call.timeout);
            self.requests.push_back(Request::Group(call));
        }
        if let Some(wake) = self.group.poll_timeout() {
            assert!(wake > now, "a wake-up in the past is a hot loop");
        }
    }

    fn on_event(&mut self, event: GroupEvent) {
        assert!(!self.left, "{event:?} after the end");
        match event {
            GroupEvent::Assigned { added, assignment, .. } => {
                assert!(self.reading.is_disjoint(&added));
                assert!(added.is_subset(&assignment));
                self.reading.extend(added);
                let draining = self.draining.clone().unwrap_or_default();
                assert_eq!(self.reading, assignment.union(&draining).cloned().collect());
            }
            GroupEvent::Revoke { partitions, .. } => {
                assert!(self.draining.is_none(), "one revoke at a time");
                assert!(!partitions.is_empty() && partitions.is_subset(&self.reading));
                self.draining = Some(partitions);
            }
            GroupEvent::Lost { partitions, .. } => {
                assert!(!partitions.is_empty() && partitions.is_subset(&self.reading));
                self.reading.retain(|partition| !partitions.contains(partition));
                // A drain is lost as a whole.
                if self.draining.take_if(|draining| !draining.is_disjoint(&partitions)).is_none() {
                    assert!(self.draining.is_none());
                }
            }
            GroupEvent::Left => self.left = true,
            GroupEvent::Fatal { error } => panic!("{error}"),
            GroupEvent::MemberUnreadable { member_id } => panic!("{member_id}"),
            GroupEvent::CoordinatorFound(_) | GroupEvent::CoordinatorLost | GroupEvent::Joining { .. } => {}
            GroupEvent::Stable { .. } | GroupEvent::NeedMetadata(_) => {}
            other => panic!("{other:?} of the other protocol"),
        }
    }

    /// What the coordinator hears is true.
    fn check_call(&mut self, now: Instant, call: &GroupCall, cooperative: bool) {
        match &call.request {
            GroupRequest::JoinGroup(request) => {
                assert!(self.draining.is_none(), "a join in the middle of a drain");
                let claimed = Subscription::decode(request.protocols[0].1.clone()).unwrap().owned_partitions;
                assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), self.reading);
                assert!(cooperative || self.reading.is_empty());
            }
            GroupRequest::LeaveGroup(_) => {
                assert!(self.reading.is_empty(), "left before the last partition went")
            }
            GroupRequest::Heartbeat(_) => {
                // Only a coordinator that was lost or stumbled is asked sooner, and then after a pause.
                let soonest = self.beat.map(|beat| beat + Duration::from_millis(50));
                assert!(soonest.is_none_or(|soonest| soonest <= now), "heartbeats in a hot loop");
                self.beat = Some(now);
            }
            GroupRequest::FindCoordinator(_) | GroupRequest::SyncGroup(_) => {}
            GroupRequest::ConsumerGroupHeartbeat(_) => panic!("a request of the other protocol"),
        }
    }

    fn drained(&mut self, now: Instant) -> bool {
        let Some(draining) = self.draining.take() else { return false };
        self.reading.retain(|partition| !draining.contains(partition));
        self.group.handle_revoked(now);
        true
    }

    /// Requests on their way are lost, or were heard: nobody knows.
    fn disconnected(&mut self, now: Instant, whole: bool) {
        self.connection += 1;
        self.requests.clear();
        self.answers.clear();
        if whole {
            self.group.handle_coordinator_lost(now);
        }
        for id in std::mem::take(&mut self.open).into_keys() {
            self.group.handle_response(now, id, Err(CallFailed::Disconnected));
        }
    }
}
