//! Two members, one coordinator, and what is under way between them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::Instant;

use milena_proto::group::GroupRequest;
use milena_proto::wire::{ErrorCode, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitted};

use crate::action::Action;
use crate::bound::Bound;
use crate::call::{Answer, Call, CallId, Question, Stage};
use crate::check::Check;
use crate::coordinator::{Answers, Coordinator};
use crate::fingerprint;
use crate::member::{Member, Told, offsets};

pub(crate) const MEMBERS: usize = 2;

/// A state, by way of what led to it.
pub(crate) struct World {
    bound: Bound,
    spent: Spent,
    pub(crate) members: Vec<Member>,
    pub(crate) coordinator: Coordinator,
    calls: BTreeMap<CallId, Call>,
    last_call: u32,
    check: Check,
    /// What happened in the last step, for who reads a trace.
    log: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    losses: u8,
    late: u8,
    repeats: u8,
    expirations: u8,
    deadlines: u8,
    lowers: u8,
    leaves: u8,
}

/// One moment for all worlds of a process: no time passes in them.
#[allow(clippy::disallowed_methods, reason = "any instant will do, and there is no other way to one")]
fn moment() -> Instant {
    static MOMENT: OnceLock<Instant> = OnceLock::new();
    *MOMENT.get_or_init(Instant::now)
}

impl World {
    /// The first member has joined alone, got all partitions, and learnt where they begin.
    pub(crate) fn new(bound: Bound) -> Self {
        let mut world = Self {
            bound,
            spent: Spent::default(),
            members: (0..MEMBERS).map(|number| Member::new(number, moment(), &bound)).collect(),
            coordinator: Coordinator::new(bound.records.len(), 1 + bound.rebalances),
            calls: BTreeMap::new(),
            last_call: 0,
            check: Check::new(bound.records.len()),
            log: None,
        };
        world.step(Action::Start(0));
        while let Some(next) = world.next_answer(true) {
            world.step(next);
        }
        assert_eq!(
            world.members[0].assignments.len(),
            bound.records.len(),
            "the first member has everything"
        );
        world
    }

    /// A world whose log is kept.
    pub(crate) fn with_log(bound: Bound) -> Self {
        Self { log: Some(Vec::new()), ..Self::new(bound) }
    }

    pub(crate) fn take_log(&mut self) -> Vec<String> {
        self.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What was wrong in the last step.
    pub(crate) fn violation(&self) -> Option<&str> {
        self.check.violation()
    }

    pub(crate) fn fingerprint(&self, dump: &mut String) -> u64 {
        dump.clear();
        for member in &self.members {
            dump.push(fingerprint::MEMBER);
            let _ = write!(dump, "{member:?}");
            // In no order: which of two calls is older does not matter, and only one of a kind is under way but for
            // answers that come twice.
            let mut calls: Vec<String> = Vec::new();
            for (id, call) in self.calls.iter().filter(|(_, call)| call.member == member.number) {
                calls.push(format!("{:?} {:?} {} {id:?}", call.question, call.stage, call.is_late));
            }
            calls.sort_unstable();
            let _ = write!(dump, "{calls:?}");
        }
        dump.push(fingerprint::MEMBER);
        let _ = write!(dump, "{:?} {:?} {:?}", self.coordinator, self.spent, self.check.acked());
        fingerprint::of(dump)
    }

    // --- What may happen ---------------------------------------------------------------------------------------------

    pub(crate) fn enabled(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for member in &self.members {
            self.enabled_of(member, &mut actions);
        }
        let (bound, spent) = (&self.bound, &self.spent);
        for (id, call) in &self.calls {
            match &call.stage {
                Stage::Asked => {
                    if self.may_arrive(call) {
                        actions.push(Action::Arrive(*id));
                    }
                    if spent.losses < bound.losses {
                        actions.push(Action::LoseRequest(*id));
                    }
                    if self.may_arrive(call) {
                        if spent.losses < bound.losses {
                            actions.push(Action::LoseAnswer(*id));
                        }
                        if spent.late < bound.late {
                            actions.push(Action::Delay(*id));
                        }
                        if spent.repeats < bound.repeats {
                            actions.push(Action::Repeat(*id));
                        }
                    }
                }
                Stage::Held if spent.losses < bound.losses => actions.push(Action::LoseAnswer(*id)),
                Stage::Held => {}
                Stage::Answered(_) => {
                    actions.push(Action::Answer(*id));
                    if spent.losses < bound.losses {
                        actions.push(Action::LoseAnswer(*id));
                    }
                }
            }
        }
        if spent.expirations < bound.expirations && self.coordinator.may_expire() {
            actions.extend((0..self.coordinator.seats().len()).map(Action::Expire));
            if self.coordinator.waits_for() {
                actions.push(Action::StopWaiting);
            }
        }
        actions
    }

    fn enabled_of(&self, member: &Member, actions: &mut Vec<Action>) {
        let (bound, spent, number) = (&self.bound, &self.spent, member.number);
        if !member.has_started {
            actions.push(Action::Start(number));
        }
        if !member.has_started || member.has_left {
            return;
        }
        if !member.is_leaving && spent.leaves < bound.leaves {
            actions.push(Action::Leave(number));
        }
        for partition in 0..bound.records.len() {
            // Asked of ended epochs, too: nothing may come.
            let at = member.epochs.iter().rev().find(|epoch| epoch.partition == partition);
            let at = at.filter(|epoch| !bound.reads_ahead || !epoch.stamp.may_deliver());
            let next = at.and_then(|epoch| epoch.tracker.as_ref()).map(|tracker| tracker.position());
            if next.is_some_and(|next| next < bound.records[partition]) {
                actions.push(Action::Read { member: number, partition });
            }
        }
        for (at, epoch) in member.epochs.iter().enumerate() {
            for (offset, _, is_acked) in &epoch.delivered {
                if !is_acked && epoch.stamp.is_current() {
                    actions.push(Action::Ack { member: number, epoch: at, offset: *offset });
                }
            }
            if spent.lowers < bound.lowers && member.may_offer_lower(at) {
                actions.push(Action::OfferLower { member: number, epoch: at });
            }
        }
        if member.has_to_commit() {
            actions.push(Action::Commit(number));
        }
        if let Some(drain) = &member.drain
            && spent.deadlines < bound.deadlines
        {
            if !drain.is_committing && drain.waits_for_acks {
                actions.push(Action::StopDraining(number));
            } else if drain.waits_for_commit {
                actions.push(Action::StopCommitting(number));
            }
            actions.push(Action::GiveUpDrain(number));
        }
    }

    /// A heartbeat that is told nothing new changes nothing.
    fn may_arrive(&self, call: &Call) -> bool {
        match &call.question {
            Question::Group(_, GroupRequest::Heartbeat(request)) => self.coordinator.has_news_for(request),
            Question::Group(_, request) => !self.coordinator.is_beyond(request),
            Question::Commit(..) | Question::Start { .. } => true,
        }
    }

    // --- What happens ------------------------------------------------------------------------------------------------

    pub(crate) fn step(&mut self, action: Action) {
        self.note(|world| world.describe(action));
        match action {
            Action::Start(member) => self.members[member].start(),
            Action::Leave(member) => {
                self.spent.leaves += 1;
                self.members[member].leave();
            }
            Action::Read { member, partition } => _ = self.read(member, partition),
            Action::Ack { member, epoch, offset } => {
                let partition = self.members[member].epochs[epoch].partition;
                if self.members[member].ack(epoch, offset) {
                    self.check.acknowledged(partition, offset);
                }
            }
            Action::Commit(member) => self.members[member].commit(),
            Action::OfferLower { member, epoch } => {
                self.spent.lowers += 1;
                self.members[member].offer_lower(epoch);
            }
            Action::StopDraining(member) => {
                self.spent.deadlines += 1;
                self.members[member].stop_draining();
            }
            Action::StopCommitting(member) => {
                self.spent.deadlines += 1;
                self.check.commit_given_up(member);
                self.members[member].stop_committing();
            }
            Action::GiveUpDrain(member) => {
                self.spent.deadlines += 1;
                self.check.commit_given_up(member);
                self.members[member].give_up_drain();
            }
            Action::Arrive(id) => self.arrive(id),
            Action::Delay(id) => {
                self.spent.late += 1;
                if let Some(call) = self.calls.get_mut(&id) {
                    call.is_late = true;
                }
                self.arrive(id);
            }
            Action::Answer(id) => self.answer(id),
            Action::Repeat(id) => {
                self.spent.repeats += 1;
                self.arrive(id);
                self.repeat(id);
            }
            Action::LoseRequest(id) => {
                self.spent.losses += 1;
                self.lose(id);
            }
            Action::LoseAnswer(id) => {
                self.spent.losses += 1;
                if self.calls.get(&id).is_some_and(|call| matches!(call.stage, Stage::Asked)) {
                    self.arrive(id);
                }
                self.lose(id);
            }
            Action::Expire(seat) => {
                self.spent.expirations += 1;
                let seats = self.coordinator.seats();
                let answers = self.coordinator.expire(&seats[seat]);
                self.hand_back(answers);
            }
            Action::StopWaiting => {
                self.spent.expirations += 1;
                let answers = self.coordinator.stop_waiting();
                self.hand_back(answers);
            }
        }
        self.settle();
    }

    /// What follows at once.
    fn settle(&mut self) {
        self.listen();
        let at_once = |(id, call): (&CallId, &Call)| {
            (matches!(call.stage, Stage::Answered(_)) && !call.is_late).then_some(*id)
        };
        while let Some(id) = self.calls.iter().find_map(at_once) {
            self.note(|world| format!("    {}", world.describe(Action::Answer(id))));
            self.answer(id);
            self.listen();
        }
        while self.bound.reads_ahead && self.read_ahead() {
            self.listen();
        }
    }

    /// False if there is nothing to be read.
    fn read_ahead(&mut self) -> bool {
        for member in 0..self.members.len() {
            for partition in 0..self.bound.records.len() {
                let at = self.members[member].current(partition);
                let may = at.is_some_and(|at| self.members[member].epochs[at].stamp.may_deliver());
                if may && self.read(member, partition) {
                    return true;
                }
            }
        }
        false
    }

    fn read(&mut self, member: usize, partition: usize) -> bool {
        let Some(offset) = self.members[member].read(partition) else { return false };
        self.check.read(&self.members[member], &self.coordinator, partition, offset);
        true
    }

    /// The coordinator gets a request.
    fn arrive(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let answer = match &call.question {
            Question::Group(_, request) => {
                call.stage = Stage::Held;
                let answers = self.coordinator.handle(id, request);
                return self.hand_back(answers);
            }
            Question::Start { partition, .. } => Answer::Start(self.coordinator.stored(*partition)),
            Question::Commit(_, request) => {
                let error = self.coordinator.commit(request);
                if error == ErrorCode::NONE {
                    for (partition, offset) in offsets(request) {
                        self.check.stored(&self.coordinator, &request.member_id, partition, offset);
                        self.coordinator.store(partition, offset);
                    }
                }
                Answer::Commit(committed(request, error))
            }
        };
        call.stage = Stage::Answered(answer);
    }

    fn hand_back(&mut self, answers: Answers) {
        for (id, response) in answers {
            // Nobody waits any more where the connection broke.
            if let Some(call) = self.calls.get_mut(&id) {
                call.stage = Stage::Answered(Answer::Group(response));
            }
        }
    }

    fn answer(&mut self, id: CallId) {
        let Some(call) = self.calls.remove(&id) else { return };
        if let Stage::Answered(answer) = &call.stage {
            self.tell(&call, Some(answer.clone()));
        }
    }

    /// As an answer, and leaves it there to come again.
    fn repeat(&mut self, id: CallId) {
        let Some(mut call) = self.calls.remove(&id) else { return };
        // What is held back has no answer yet that could come twice.
        if let Stage::Answered(answer) = &call.stage {
            self.tell(&call, Some(answer.clone()));
            call.is_late = true;
        }
        self.calls.insert(id, call);
    }

    fn lose(&mut self, id: CallId) {
        if let Some(call) = self.calls.remove(&id) {
            self.tell(&call, None);
        }
    }

    /// The outcome of a call. None: there is no answer.
    fn tell(&mut self, call: &Call, answer: Option<Answer>) {
        let member = &mut self.members[call.member];
        match (&call.question, answer) {
            (Question::Group(id, _), answer) => {
                let answer = answer.and_then(|answer| match answer {
                    Answer::Group(response) => Some(response),
                    Answer::Commit(_) | Answer::Start(_) => None,
                });
                member.group_answered(*id, answer);
            }
            (Question::Commit(id, request), answer) => {
                let answer = answer.and_then(|answer| match answer {
                    Answer::Commit(response) => Some(response),
                    Answer::Group(_) | Answer::Start(_) => None,
                });
                self.check.commit_over(call.member, request);
                member.commit_answered(*id, answer.as_ref());
            }
            (question @ Question::Start { .. }, answer) => {
                let answer = answer.and_then(|answer| match answer {
                    Answer::Start(offset) => Some(offset),
                    Answer::Group(_) | Answer::Commit(_) => None,
                });
                member.start_answered(question, answer);
            }
        }
    }

    /// Takes over what members say and ask, in the order in which they do.
    fn listen(&mut self) {
        for number in 0..self.members.len() {
            while let Some(told) = self.members[number].tells.pop_front() {
                match told {
                    Told::Commits(id, request, generation) => {
                        self.check.commits(&mut self.members[number], &request, generation);
                        self.make(number, Question::Commit(id, request));
                    }
                    told => {
                        self.note(|_| format!("    {}: {told:?}", name(number)));
                        self.check.told(&mut self.members[number], &self.coordinator, &told);
                    }
                }
            }
            while let Some(question) = self.members[number].asks.pop_front() {
                self.check.asked(&self.members[number], &question);
                self.make(number, question);
            }
        }
    }

    fn make(&mut self, member: usize, question: Question) {
        self.note(|_| format!("    {} sends {question}", name(member)));
        self.last_call += 1;
        self.calls
            .insert(CallId(self.last_call), Call { member, question, stage: Stage::Asked, is_late: false });
    }

    // --- How it ends -------------------------------------------------------------------------------------------------

    /// From here on all goes well: everything is delivered, read, acknowledged and committed.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn heal(&mut self) -> Result<(), String> {
        if !self.members.iter().any(|member| member.has_started && !member.is_leaving) {
            return Ok(());
        }
        // As many rebalances as it takes.
        self.coordinator.unbind();
        for _ in 0..HEALING_STEPS_MAX {
            let Some(next) = self.next_good() else { break };
            self.step(next);
            if let Some(violation) = self.violation() {
                return Err(violation.to_owned());
            }
        }
        for (partition, records) in self.bound.records.iter().enumerate() {
            let owners = self.members.iter().filter(|member| member.current(partition).is_some());
            let owners: Vec<&str> = owners.map(|member| name(member.number)).collect();
            if owners.len() != 1 {
                return Err(format!("in the end p{partition} is owned by {owners:?}"));
            }
            if self.coordinator.stored(partition) != Some(*records) {
                let stored = self.coordinator.stored(partition);
                return Err(format!("in the end {stored:?} of {records} is committed of p{partition}"));
            }
        }
        Ok(())
    }

    /// What answers a call, if there is one. Heartbeats come last: while a member gives something up, one follows the other.
    fn next_answer(&self, with_heartbeats: bool) -> Option<Action> {
        let answered = |(id, call): (&CallId, &Call)| match call.stage {
            _ if !with_heartbeats && call.is_heartbeat() => None,
            Stage::Answered(_) => Some(Action::Answer(*id)),
            Stage::Asked if self.may_arrive(call) => Some(Action::Arrive(*id)),
            Stage::Asked | Stage::Held => None,
        };
        self.calls.iter().find_map(answered)
    }

    fn next_good(&self) -> Option<Action> {
        if let Some(next) = self.next_answer(false) {
            return Some(next);
        }
        for member in self.members.iter().filter(|member| member.has_started && !member.has_left) {
            let number = member.number;
            for partition in 0..self.bound.records.len() {
                let Some(at) = member.current(partition) else { continue };
                let epoch = &member.epochs[at];
                if let Some((offset, ..)) = epoch.delivered.iter().find(|(_, _, is_acked)| !is_acked) {
                    return Some(Action::Ack { member: number, epoch: at, offset: *offset });
                }
                let next = epoch.tracker.as_ref().map(|tracker| tracker.position());
                if next.is_some_and(|next| next < self.bound.records[partition]) && epoch.stamp.may_deliver()
                {
                    return Some(Action::Read { member: number, partition });
                }
            }
            let commits = self
                .calls
                .values()
                .any(|call| call.member == number && matches!(call.question, Question::Commit(..)));
            let current = member.epochs.iter().any(|epoch| {
                let committable = epoch.tracker.as_ref().and_then(|tracker| tracker.committable());
                let offset = committable.map(|committable| committable.offset);
                epoch.stamp.is_current() && offset > epoch.accepted
            });
            if !commits && current && member.membership.snapshot().is_some() {
                return Some(Action::Commit(number));
            }
        }
        if let Some(next) = self.next_answer(true) {
            return Some(next);
        }
        // What the coordinator has forgotten comes to its time limit.
        let is_forgotten = |(id, call): (&CallId, &Call)| {
            (matches!(call.stage, Stage::Held) && !self.coordinator.holds(*id)).then_some(*id)
        };
        if let Some(forgotten) = self.calls.iter().find_map(is_forgotten) {
            return Some(Action::LoseAnswer(forgotten));
        }
        // Whose JoinGroup got lost was a member that nobody is any more: it is waited for in vain, ...
        if self.coordinator.waits_for() {
            return Some(Action::StopWaiting);
        }
        // ... or keeps what it was given until its session is over.
        let members: Vec<String> =
            self.members.iter().filter_map(|member| Some(member.membership.snapshot()?.member_id)).collect();
        let nobody = self.coordinator.seats().iter().position(|seat| !members.contains(seat));
        nobody.map(Action::Expire)
    }

    // --- For who reads it --------------------------------------------------------------------------------------------

    fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.log.is_some() {
            let line = line(self);
            self.log.get_or_insert_default().push(line);
        }
    }

    fn describe(&self, action: Action) -> String {
        let call = |id: CallId| match self.calls.get(&id) {
            Some(call) => format!("{}'s {}", name(call.member), call.question),
            None => "nothing".to_owned(),
        };
        let answer = |id: CallId| match self.calls.get(&id).map(|call| &call.stage) {
            Some(Stage::Answered(answer)) => answer.to_string(),
            _ => "nothing yet".to_owned(),
        };
        let at = |member: usize, epoch: usize| format!("{:?}", self.members[member].epochs[epoch].stamp);
        match action {
            Action::Start(member) => format!("{} subscribes", name(member)),
            Action::Leave(member) => format!("{} is closed", name(member)),
            Action::Read { member, partition } => format!("{} reads of p{partition}", name(member)),
            Action::Ack { member, epoch, offset } => {
                format!("{} acknowledges {offset} of {}", name(member), at(member, epoch))
            }
            Action::Commit(member) => format!("{} commits what it may", name(member)),
            Action::OfferLower { member, epoch } => {
                format!("{} offers less than before of {}", name(member), at(member, epoch))
            }
            Action::StopDraining(member) => format!("{}'s drain has lasted too long", name(member)),
            Action::StopCommitting(member) => format!("{}'s last commit has lasted too long", name(member)),
            Action::GiveUpDrain(member) => format!("{}'s machine gives up its drain", name(member)),
            Action::Arrive(id) => format!("the coordinator gets {}", call(id)),
            Action::Answer(id) => format!("{} is answered: {}", call(id), answer(id)),
            Action::Delay(id) => format!("the coordinator gets {}, and its answer takes its time", call(id)),
            Action::Repeat(id) => format!("the coordinator gets {}, and its answer comes twice", call(id)),
            Action::LoseRequest(id) => format!("{} is lost on its way", call(id)),
            Action::LoseAnswer(id) => format!("the coordinator gets {}, and its answer is lost", call(id)),
            Action::Expire(seat) => {
                format!(
                    "the session of {} is over",
                    self.coordinator.seats().get(seat).cloned().unwrap_or_default()
                )
            }
            Action::StopWaiting => "the coordinator waits no longer for those that do not rejoin".to_owned(),
        }
    }
}

pub(crate) fn name(member: usize) -> &'static str {
    ["A", "B"].get(member).copied().unwrap_or("?")
}

fn committed(request: &OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| OffsetCommitted {
        name: Some(topic.name.to_string()),
        id: topic.id,
        partitions: topic.partitions.iter().map(|entry| (entry.partition, error)).collect(),
    });
    OffsetCommitResponse { throttle_time_ms: 0, topics: topics.collect() }
}

/// Far more than it takes.
const HEALING_STEPS_MAX: usize = 500;
