//! Several members, a small coordinator, and everything that can happen in any order.
//!
//! At every step: no partition is handed out by two members, what a member says that it has is what its shell reads, and
//! nothing comes after the end. And when the troubles end, every partition has exactly one owner.

mod coordinator;

use proptest::prelude::*;
use proptest::sample::Index;

use self::coordinator::Coordinator;
use super::*;

const MEMBERS_MAX: usize = 4;
/// Long enough for every timeout to pass, the longest one twice.
const PEACE: Duration = Duration::from_secs(240);

#[derive(Clone, Debug)]
enum Op {
    /// A new member.
    Start,
    /// The network brings the next request to the coordinator, ...
    Request(Index),
    /// ... or an answer to a member, ...
    Answer(Index),
    /// ... or breaks, with all that is on it.
    Break(Index),
    /// Time passes, in milliseconds.
    Wait(u64),
    /// The shell ends its drain.
    Drained(Index),
    /// A commit was refused.
    CommitRefused(Index, ErrorCode),
    Subscribe(Index, &'static [&'static str]),
    /// The shell hears topics' names.
    Names(Index),
    /// A topic gets another partition.
    Grow(TopicId),
    Leave(Index),
    /// SIGKILL, SIGSTOP and SIGCONT.
    Kill(Index),
    Stop(Index),
    Continue(Index),
    /// The coordinator goes away, and another one takes over.
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
            Self::CommitRefused(..) => 64,
            _ => 0,
        }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let index = any::<Index>;
    const SUBSCRIPTIONS: [&[&str]; 4] = [&["t"], &["u"], &["t", "u"], &[]];
    const REFUSALS: [ErrorCode; 3] =
        [ErrorCode::STALE_MEMBER_EPOCH, ErrorCode::FENCED_MEMBER_EPOCH, ErrorCode::NOT_COORDINATOR];
    prop_oneof![
        2 => Just(Op::Start),
        40 => index().prop_map(Op::Request),
        40 => index().prop_map(Op::Answer),
        2 => index().prop_map(Op::Break),
        12 => prop_oneof![10 => 1..4000u64, 1 => 1..70_000u64].prop_map(Op::Wait),
        6 => index().prop_map(Op::Drained),
        2 => (index(), prop::sample::select(&REFUSALS[..])).prop_map(|(member, error)| Op::CommitRefused(member, error)),
        2 => (index(), prop::sample::select(&SUBSCRIPTIONS[..])).prop_map(|(member, to)| Op::Subscribe(member, to)),
        6 => index().prop_map(Op::Names),
        1 => prop::sample::select(&[T, U][..]).prop_map(Op::Grow),
        1 => index().prop_map(Op::Leave),
        1 => index().prop_map(Op::Kill),
        1 => index().prop_map(Op::Stop),
        2 => index().prop_map(Op::Continue),
        1 => Just(Op::Fail),
        4 => Just(Op::TakeOver),
        8 => Just(Op::Flow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_partition_has_at_most_one_owner_and_one_in_the_end(
        rebalance in prop::sample::select(&[20, 60][..]),
        troubles in any::<u8>(),
        ops in prop::collection::vec(op(), 1..400),
    ) {
        let mut world = World::new(Duration::from_secs(rebalance));
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
}

struct Member {
    group: Membership,
    requests: VecDeque<GroupCall>,
    answers: VecDeque<(RequestId, GroupResponse)>,
    /// Calls without an answer, and when their time is up.
    open: BTreeMap<RequestId, Instant>,
    /// What the shell hands out.
    reading: BTreeSet<TopicPartition>,
    draining: Option<BTreeSet<TopicPartition>>,
    unnamed: BTreeSet<TopicId>,
    /// Heartbeats since the last answer, and when the last was sent.
    beats: Vec<Instant>,
    stopped: bool,
    left: bool,
}

impl World {
    fn new(rebalance_timeout: Duration) -> Self {
        let mut world = Self {
            now: some_instant(),
            settings: GroupSettings { rebalance_timeout, ..settings() },
            coordinator: Coordinator::new(rebalance_timeout),
            members: Vec::new(),
        };
        world.step(Op::Start);
        world
    }

    fn step(&mut self, op: Op) {
        let now = self.now;
        match op {
            Op::Start => self.start(),
            Op::Request(member) => {
                if let Some(at) = self.pick(&member, |member| !member.requests.is_empty()) {
                    self.deliver_request(at);
                }
            }
            Op::Answer(member) => {
                if let Some(at) =
                    self.pick(&member, |member| member.is_running() && !member.answers.is_empty())
                {
                    self.members[at].deliver_answer(now);
                }
            }
            Op::Break(member) => self.with(&member, |member| member.disconnected(now)),
            Op::Wait(millis) => self.wait(Duration::from_millis(millis)),
            Op::Drained(member) => self.with(&member, |member| member.drained(now)),
            Op::CommitRefused(member, error) => self.with(&member, |member| {
                if let Some(snapshot) = member.group.snapshot() {
                    member.group.handle_commit_refused(now, snapshot.generation, error);
                }
            }),
            Op::Subscribe(member, to) => {
                self.with(&member, |member| member.group.handle_subscription(now, topics(to)));
            }
            Op::Names(member) => self.with(&member, |member| member.name(now)),
            Op::Grow(topic) => self.coordinator.grow(topic),
            Op::Leave(member) => {
                self.with(&member, |member| member.group.leave(now, MembershipOperation::Default))
            }
            Op::Kill(member) => {
                if let Some(at) = self.pick(&member, |member| !member.left) {
                    let member = &mut self.members[at];
                    member.left = true;
                    member.reading.clear();
                    member.requests.clear();
                }
            }
            Op::Stop(member) => self.with(&member, |member| member.stopped = true),
            Op::Continue(member) => {
                if let Some(at) = self.pick(&member, |member| member.stopped) {
                    self.members[at].stopped = false;
                    self.members[at].group.handle_timeout(now);
                }
            }
            Op::Fail => self.coordinator.away = true,
            Op::TakeOver if self.coordinator.away => self.coordinator.come_back(now),
            Op::TakeOver => {}
            Op::Flow => {
                for _ in 0..20 {
                    self.deliver_all();
                }
                self.wait(INTERVAL);
            }
        }
        self.settle();
    }

    fn pick(&self, index: &Index, which: impl Fn(&Member) -> bool) -> Option<usize> {
        let fitting: Vec<_> = (0..self.members.len()).filter(|at| which(&self.members[*at])).collect();
        (!fitting.is_empty()).then(|| *index.get(&fitting))
    }

    fn with(&mut self, index: &Index, act: impl FnOnce(&mut Member)) {
        if let Some(at) = self.pick(index, Member::is_running) {
            act(&mut self.members[at]);
        }
    }

    fn start(&mut self) {
        if self.members.iter().filter(|member| !member.left).count() == MEMBERS_MAX {
            return;
        }
        let mut group = Membership::new(self.settings.clone(), self.members.len() as u64);
        group.handle_subscription(self.now, topics(&["t"]));
        self.members.push(Member {
            group,
            requests: VecDeque::new(),
            answers: VecDeque::new(),
            open: BTreeMap::new(),
            reading: BTreeSet::new(),
            draining: None,
            unnamed: BTreeSet::new(),
            beats: Vec::new(),
            stopped: false,
            left: false,
        });
    }

    fn deliver_request(&mut self, at: usize) {
        let Some(call) = self.members[at].requests.pop_front() else { return };
        let answer = match call.request {
            GroupRequest::FindCoordinator(_) if self.coordinator.away => {
                let error = ErrorCode::COORDINATOR_NOT_AVAILABLE;
                GroupResponse::FindCoordinator(FindCoordinatorResponse {
                    error,
                    ..FindCoordinatorResponse::default()
                })
            }
            GroupRequest::FindCoordinator(_) => GroupResponse::FindCoordinator(found()),
            GroupRequest::ConsumerGroupHeartbeat(request) => {
                GroupResponse::ConsumerGroupHeartbeat(self.coordinator.handle(self.now, &request))
            }
            other => panic!("{other:?}"),
        };
        self.members[at].answers.push_back((call.id, answer));
    }

    fn deliver_all(&mut self) {
        for at in 0..self.members.len() {
            while !self.members[at].requests.is_empty() {
                self.deliver_request(at);
            }
            let member = &mut self.members[at];
            while member.is_running() && !member.answers.is_empty() {
                member.deliver_answer(self.now);
                member.pump(self.now);
            }
            if member.is_running() {
                member.name(self.now);
                member.pump(self.now);
                member.drained(self.now);
            }
        }
        self.settle();
    }

    /// Goes from one wake-up to the next.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let wakes = self.members.iter().filter(|member| member.is_running()).flat_map(Member::wakes);
            let next = wakes.chain(self.coordinator.next_timeout()).min().filter(|next| *next <= end);
            self.now = next.unwrap_or(end).max(self.now);
            self.coordinator.handle_timeout(self.now);
            for member in self.members.iter_mut().filter(|member| member.is_running()) {
                let late: Vec<RequestId> =
                    member.open.iter().filter(|(_, until)| **until <= self.now).map(|(id, _)| *id).collect();
                if !late.is_empty() {
                    member.disconnected(self.now);
                }
                member.group.handle_timeout(self.now);
            }
            self.settle();
            if next.is_none() {
                return;
            }
        }
    }

    /// Takes out what the machines have to say, and looks at it.
    fn settle(&mut self) {
        for member in self.members.iter_mut().filter(|member| member.is_running()) {
            member.pump(self.now);
        }
        let mut owners: BTreeMap<&TopicPartition, usize> = BTreeMap::new();
        for (at, member) in self.members.iter().enumerate().filter(|(_, member)| !member.left) {
            // Past its deadline a member hands nothing out.
            let Some(deadline) = member.group.session_deadline() else { continue };
            if self.now >= deadline {
                continue;
            }
            let draining = member.draining.clone().unwrap_or_default();
            for partition in member.reading.iter().filter(|partition| !draining.contains(*partition)) {
                let other = owners.insert(partition, at);
                assert_eq!(other, None, "{partition} is handed out by {other:?} and {at}");
            }
        }
    }

    /// The troubles end.
    fn heal(&mut self) {
        if self.coordinator.away {
            self.coordinator.come_back(self.now);
        }
        for member in &mut self.members {
            member.stopped = false;
        }
        for member in self.members.iter_mut().filter(|member| !member.left) {
            member.group.handle_timeout(self.now);
            member.group.handle_subscription(self.now, topics(&["t", "u"]));
        }
        let end = self.now + PEACE;
        while self.now < end {
            for _ in 0..10 {
                self.deliver_all();
            }
            self.wait(Duration::from_millis(500));
        }
        for _ in 0..10 {
            self.deliver_all();
        }
        assert!(self.coordinator.is_at_rest(), "{:?}", self.coordinator);
        let running: Vec<&Member> = self.members.iter().filter(|member| !member.left).collect();
        let owned: Vec<&TopicPartition> = running.iter().flat_map(|member| &member.reading).collect();
        let once: BTreeSet<_> = owned.iter().copied().collect();
        assert_eq!(owned.len(), once.len(), "each has one owner");
        if !running.is_empty() {
            assert!(once.len() >= 5, "everything is read: {once:?}");
        }
        for member in running {
            assert_eq!(member.group.assignment(), &member.reading);
            assert_eq!(member.draining, None);
        }
    }
}

impl Member {
    fn is_running(&self) -> bool {
        !self.stopped && !self.left
    }

    fn wakes(&self) -> impl Iterator<Item = Instant> {
        self.group.poll_timeout().into_iter().chain(self.open.values().copied())
    }

    fn deliver_answer(&mut self, now: Instant) {
        let Some((id, response)) = self.answers.pop_front() else { return };
        if self.open.remove(&id).is_some() {
            self.beats.clear();
            self.group.handle_response(now, id, Ok(response));
        }
    }

    fn disconnected(&mut self, now: Instant) {
        self.requests.clear();
        self.answers.clear();
        for (id, _) in std::mem::take(&mut self.open) {
            self.group.handle_response(now, id, Err(CallFailed::Disconnected));
        }
    }

    fn drained(&mut self, now: Instant) {
        if let Some(draining) = self.draining.take() {
            self.reading.retain(|partition| !draining.contains(partition));
            self.group.handle_revoked(now);
        }
    }

    fn name(&mut self, now: Instant) {
        let name = |topic: TopicId| TopicName::from(if topic == T { "t" } else { "u" });
        let names: BTreeMap<_, _> =
            std::mem::take(&mut self.unnamed).into_iter().map(|topic| (topic, name(topic))).collect();
        if !names.is_empty() {
            self.group.handle_topic_names(now, &names);
        }
    }

    fn pump(&mut self, now: Instant) {
        for _ in 0..100 {
            let mut idle = true;
            while let Some(event) = self.group.poll_event() {
                idle = false;
                self.on_event(event);
                if self.left {
                    return;
                }
            }
            while let Some(call) = self.group.poll_request(now) {
                idle = false;
                self.check_call(now, &call);
                self.open.insert(call.id, now + call.timeout);
                self.requests.push_back(call);
            }
            if idle {
                return;
            }
        }
        panic!("a hot loop");
    }

    fn on_event(&mut self, event: GroupEvent) {
        match event {
            GroupEvent::Assigned { added, assignment, .. } => {
                assert!(self.draining.is_none(), "first what goes, then what comes");
                assert!(self.reading.is_disjoint(&added));
                self.reading.extend(added);
                assert_eq!(self.reading, assignment);
            }
            GroupEvent::Revoke { partitions, .. } => {
                assert!(self.draining.is_none(), "one revoke at a time");
                assert!(!partitions.is_empty() && partitions.is_subset(&self.reading));
                self.draining = Some(partitions);
            }
            GroupEvent::Lost { partitions, .. } => {
                assert!(!partitions.is_empty() && partitions.is_subset(&self.reading));
                self.reading.retain(|partition| !partitions.contains(partition));
                self.draining.take_if(|draining| !draining.is_disjoint(&partitions));
                assert!(self.draining.is_none(), "a drain is lost as a whole");
            }
            GroupEvent::NeedTopicNames(topics) => self.unnamed = topics,
            GroupEvent::Left => {
                assert!(self.reading.is_empty());
                self.left = true;
            }
            GroupEvent::Fatal { error } => panic!("{error}"),
            GroupEvent::CoordinatorFound(_) | GroupEvent::CoordinatorLost | GroupEvent::Joining { .. } => {}
            GroupEvent::Epoch { .. } | GroupEvent::NeedMetadata(_) => {}
            GroupEvent::Settled | GroupEvent::Unsettled => {}
            other => panic!("{other:?} of the other protocol"),
        }
    }

    /// What the coordinator hears is true.
    fn check_call(&mut self, now: Instant, call: &GroupCall) {
        let GroupRequest::ConsumerGroupHeartbeat(request) = &call.request else { return };
        if let Some(owned) = &request.owned {
            let name = |topic: TopicId| if topic == T { "t" } else { "u" };
            let said: BTreeSet<_> = owned
                .iter()
                .flat_map(|(topic, numbers)| {
                    numbers.iter().map(|number| TopicPartition::new(name(*topic), *number))
                })
                .collect();
            assert_eq!(said, self.reading, "what is said to be owned is read, draining or not");
        }
        if request.member_epoch.0 <= 0 {
            assert!(self.reading.is_empty(), "joined or left with something in hand");
        }
        self.beats.push(now);
        assert!(self.beats.len() < 4 || now - self.beats[0] > Duration::from_millis(50), "a hot loop");
    }
}
