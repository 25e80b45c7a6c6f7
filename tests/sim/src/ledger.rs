//! Who read what under which ownership, as the cluster saw it: the checker's own books, kept from facts alone.
//!
//! A *session* is one ownership of one partition by one member: it begins when the coordinator tells the member the committed
//! offset, or when its position is moved (a seek, or what a client says of itself), and ends when the member joins again without
//! claiming the partition, or says that it gave it up or lost it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::TopicPartition;

use crate::fact::{Fact, Log, Timed};
use crate::timeline::{Change, Name};

/// One ownership.
#[derive(Clone, Debug)]
pub struct Session {
    /// The generation it began in.
    pub generation: i32,
    /// Whether it still lasts.
    pub is_open: bool,
    /// Whether it began by a move and not by an assignment.
    pub by_move: bool,
    /// Where it may begin. More than one, where an answer may have been lost, or a seek met a rebalance.
    pub bases: Vec<i64>,
    /// What was delivered first.
    pub first: Option<i64>,
    /// What was delivered last.
    pub last: Option<i64>,
    /// What was committed last.
    pub committed: Option<i64>,
    /// What it asked to commit.
    asked: BTreeSet<i64>,
    /// What is delivered and not acknowledged.
    in_hand: BTreeSet<i64>,
}

impl Session {
    fn new(generation: i32, bases: Vec<i64>, by_move: bool) -> Self {
        let (first, last, committed, in_hand) = (None, None, None, BTreeSet::new());
        let asked = BTreeSet::new();
        Self { generation, is_open: true, by_move, bases, first, last, committed, asked, in_hand }
    }

    /// The first record that is in hand.
    pub fn unfinished(&self) -> Option<i64> {
        self.in_hand.first().copied()
    }

    /// Whether a commit of this offset would be true: all before it is delivered and acknowledged, and it does not go back.
    pub fn covers(&self, log: &Log, offset: i64) -> bool {
        let lowest = self.bases.iter().copied().chain(self.first).min().unwrap_or(0);
        let read_to = self.last.map_or(lowest, |last| last + 1);
        let is_finished = self.unfinished().is_none_or(|unfinished| offset <= unfinished);
        offset >= lowest && is_finished && !log.has_any(read_to..offset)
    }
}

/// What a client is at the moment.
#[derive(Clone, Debug, Default)]
struct Membership {
    /// What the coordinator took it into last, and before.
    generations: [i32; 2],
    /// What it has been given and not given back, and in which generation it was given.
    owned: BTreeMap<TopicPartition, i32>,
    /// What it was given last.
    target: BTreeSet<TopicPartition>,
    given: Option<Duration>,
    /// What it gave back while nothing could reach the brokers: what it asked before may arrive later.
    just_owned: BTreeSet<TopicPartition>,
    /// The sessions that a seek under way would replace.
    seeking: Option<(TopicPartition, usize)>,
    is_stalled: bool,
    thawed: Option<Duration>,
    counted_in: Option<Duration>,
    refusals: u64,
}

/// The books.
#[derive(Clone, Debug)]
pub struct Ledger<'a> {
    logs: &'a BTreeMap<TopicPartition, Log>,
    members: BTreeMap<Name, Membership>,
    sessions: BTreeMap<(Name, TopicPartition), Vec<Session>>,
    /// Which session, and which offset, a delivered record is of.
    serials: BTreeMap<(Name, u64), (TopicPartition, usize, i64)>,
    shares: BTreeMap<i32, BTreeMap<String, BTreeSet<TopicPartition>>>,
    stored: BTreeMap<TopicPartition, i64>,
    changes: BTreeMap<TopicPartition, Vec<Change>>,
}

impl<'a> Ledger<'a> {
    /// Empty books, beside the logs as they are in the end.
    pub fn new(logs: &'a BTreeMap<TopicPartition, Log>) -> Self {
        Self {
            logs,
            members: BTreeMap::new(),
            sessions: BTreeMap::new(),
            serials: BTreeMap::new(),
            shares: BTreeMap::new(),
            stored: BTreeMap::new(),
            changes: BTreeMap::new(),
        }
    }

    /// The log of a partition.
    pub fn log(&self, at: &TopicPartition) -> &'a Log {
        static EMPTY: Log = Log { records: BTreeMap::new(), gone: BTreeMap::new(), cut: None };
        self.logs.get(at).unwrap_or(&EMPTY)
    }

    /// All logs.
    pub fn logs(&self) -> &'a BTreeMap<TopicPartition, Log> {
        self.logs
    }

    /// What was done to a log until now.
    pub fn changes(&self, at: &TopicPartition) -> &[Change] {
        self.changes.get(at).map_or(&[], Vec::as_slice)
    }

    /// Whether a log has been cut off at its end.
    pub fn is_truncated(&self, at: &TopicPartition) -> bool {
        self.changes(at).iter().any(|change| matches!(change, Change::Truncated(_)))
    }

    /// The last session of a client with a partition.
    pub fn session(&self, client: &Name, at: &TopicPartition) -> Option<&Session> {
        self.sessions.get(&(client.clone(), at.clone()))?.last()
    }

    /// The sessions that a commit in this generation can be of: those that began last, up to it.
    pub fn sessions_in(&self, client: &Name, at: &TopicPartition, generation: i32) -> Vec<&Session> {
        let Some(sessions) = self.sessions.get(&(client.clone(), at.clone())) else { return Vec::new() };
        let up_to = sessions.iter().filter(|session| session.generation <= generation);
        let Some(last) = up_to.clone().map(|session| session.generation).max() else { return Vec::new() };
        up_to.filter(|session| session.generation == last).collect()
    }

    /// Which partitions each member was given in a generation.
    pub fn shares(&self, generation: i32) -> Option<&BTreeMap<String, BTreeSet<TopicPartition>>> {
        self.shares.get(&generation)
    }

    /// The generation that the coordinator took a client into last, and the one before.
    pub fn generations(&self, client: &Name) -> [i32; 2] {
        self.members.get(client).map_or([0; 2], |member| member.generations)
    }

    /// Whether a client has been given a partition and has not given it back.
    pub fn owns(&self, client: &Name, at: &TopicPartition) -> bool {
        self.members.get(client).is_some_and(|member| member.owned.contains_key(at))
    }

    /// In which generation a client was given a partition that it owns.
    pub fn given_in(&self, client: &Name, at: &TopicPartition) -> Option<i32> {
        self.members.get(client)?.owned.get(at).copied()
    }

    /// Whether a client gave a partition back while what it had asked before could not reach the brokers yet.
    pub fn just_owned(&self, client: &Name, at: &TopicPartition) -> bool {
        self.members.get(client).is_some_and(|member| member.just_owned.contains(at))
    }

    /// Whether a seek is under way.
    pub fn is_seeking(&self, client: &Name, at: &TopicPartition) -> bool {
        let seeking = self.members.get(client).and_then(|member| member.seeking.as_ref());
        seeking.is_some_and(|(of, _)| of == at)
    }

    /// When the coordinator last told a client that it counts it in.
    pub fn counted_in(&self, client: &Name) -> Option<Duration> {
        self.members.get(client).and_then(|member| member.counted_in)
    }

    /// How often coordinators refused a client.
    pub fn refusals(&self, client: &Name) -> u64 {
        self.members.get(client).map_or(0, |member| member.refusals)
    }

    /// The committed offset.
    pub fn stored(&self, at: &TopicPartition) -> Option<i64> {
        self.stored.get(at).copied()
    }

    /// Enters a fact.
    pub fn enter(&mut self, Timed { at: now, fact }: &Timed) {
        match fact {
            Fact::Joining { client, owned, .. } => {
                let member = self.members.entry(client.clone()).or_default();
                member.target.clear();
                let gone = member.owned.keys().filter(|at| !owned.contains(at)).cloned().collect();
                self.gave_back(*now, client, &gone);
            }
            Fact::Owning { client, owned } => {
                let member = self.members.entry(client.clone()).or_default();
                let is_gone = |at: &&TopicPartition| !owned.contains(at) && !member.target.contains(at);
                let gone = member.owned.keys().filter(is_gone).cloned().collect();
                self.gave_back(*now, client, &gone);
            }
            Fact::Joined { client, generation } => {
                let member = self.members.entry(client.clone()).or_default();
                if member.generations[0] != *generation {
                    member.generations = [*generation, member.generations[0]];
                }
            }
            Fact::Shared { generation, shares } => {
                self.shares.insert(*generation, shares.iter().cloned().collect());
            }
            Fact::Given { client, member, generation, partitions } => {
                let known = self.members.entry(client.clone()).or_default();
                for at in partitions {
                    known.owned.entry(at.clone()).or_insert(*generation);
                }
                known.target.clone_from(partitions);
                known.given = Some(*now);
                known.just_owned.retain(|at| !partitions.contains(at));
                self.shares.entry(*generation).or_default().insert(member.clone(), partitions.clone());
            }
            Fact::Counted { client } => {
                self.members.entry(client.clone()).or_default().counted_in = Some(*now);
            }
            Fact::Refused { client, .. } => self.members.entry(client.clone()).or_default().refusals += 1,
            Fact::OffsetTold { client, at, committed } => self.told(client, at, committed.unwrap_or(0)),
            Fact::Delivered { client, serial, at, offset, .. } => {
                let sessions = self.sessions.entry((client.clone(), at.clone())).or_default();
                if let Some(session) = sessions.last_mut() {
                    session.first.get_or_insert(*offset);
                    session.last = Some(*offset);
                    session.in_hand.insert(*offset);
                    let place = (at.clone(), sessions.len() - 1, *offset);
                    self.serials.insert((client.clone(), *serial), place);
                }
            }
            Fact::Acked { client, serial } => {
                if let Some((at, number, offset)) = self.serials.remove(&(client.clone(), *serial))
                    && let Some(sessions) = self.sessions.get_mut(&(client.clone(), at))
                    && let Some(session) = sessions.get_mut(number)
                {
                    session.in_hand.remove(&offset);
                }
            }
            Fact::Seeking { client, at, .. } => {
                let before = self.sessions.get(&(client.clone(), at.clone())).map_or(0, Vec::len);
                self.members.entry(client.clone()).or_default().seeking = Some((at.clone(), before));
            }
            Fact::Sought { client, at, to, is_done } => self.sought(client, at, *to, *is_done),
            Fact::Moved { client, at, cause, to, .. } => self.moved(client, at, *cause, *to),
            Fact::GaveUp { client, partitions, .. } => self.gave_back(*now, client, partitions),
            Fact::Lost { client, partitions } => {
                let member = self.members.entry(client.clone()).or_default();
                // It may be told when the coordinator has given them once more already.
                let is_new = |at: &TopicPartition| member.given == Some(*now) && member.target.contains(at);
                let lost = partitions.iter().filter(|at| !is_new(at)).cloned().collect();
                self.gave_back(*now, client, &lost);
            }
            Fact::Commit { client, at, offset, .. } => {
                let session = self.sessions.get_mut(&(client.clone(), at.clone())).and_then(|s| s.last_mut());
                if let Some(session) = session {
                    session.asked.insert(*offset);
                }
            }
            Fact::Stored { client, at, offset } => {
                self.stored.insert(at.clone(), *offset);
                let session = self.sessions.get_mut(&(client.clone(), at.clone())).and_then(|s| s.last_mut());
                if let Some(session) =
                    session.filter(|session| session.is_open && session.asked.contains(offset))
                {
                    session.committed = Some(*offset);
                }
            }
            Fact::Stalled { client, is_stalled } => {
                let member = self.members.entry(client.clone()).or_default();
                member.is_stalled = *is_stalled;
                member.thawed = Some(*now);
            }
            Fact::Changed { at, change } => self.changes.entry(at.clone()).or_default().push(*change),
            Fact::Request { .. }
            | Fact::Asked { .. }
            | Fact::Committed { .. }
            | Fact::Leaving { .. }
            | Fact::CommitFailed { .. }
            | Fact::Paused { .. }
            | Fact::Resuming { .. }
            | Fact::GivingUp { .. }
            | Fact::Held { .. }
            | Fact::Produced { .. }
            | Fact::Note(_) => {}
        }
    }

    fn gave_back(&mut self, now: Duration, client: &Name, partitions: &BTreeSet<TopicPartition>) {
        let member = self.members.entry(client.clone()).or_default();
        for at in partitions {
            if member.owned.remove(at).is_some() && (member.is_stalled || member.thawed == Some(now)) {
                member.just_owned.insert(at.clone());
            }
            if let Some(sessions) = self.sessions.get_mut(&(client.clone(), at.clone())) {
                sessions.iter_mut().for_each(|session| session.is_open = false);
            }
        }
    }

    fn told(&mut self, client: &Name, at: &TopicPartition, base: i64) {
        if !self.owns(client, at) {
            // Asked for before it was given up.
            return;
        }
        let generation = self.generations(client)[0];
        let sessions = self.sessions.entry((client.clone(), at.clone())).or_default();
        match sessions.last_mut() {
            // Asked once more, as the first answer got lost; or too late, and of no use.
            Some(open) if open.is_open => {
                if open.first.is_none() && !open.by_move {
                    open.bases.push(base);
                }
            }
            _ => sessions.push(Session::new(generation, vec![base], false)),
        }
    }

    fn sought(&mut self, client: &Name, at: &TopicPartition, to: i64, is_done: bool) {
        let member = self.members.entry(client.clone()).or_default();
        let before = member.seeking.take().filter(|(of, _)| of == at).map_or(0, |(_, before)| before);
        if !is_done {
            return;
        }
        let mut bases = vec![to];
        // One that began meanwhile may have begun before the seek or after it.
        let sessions = self.sessions.entry((client.clone(), at.clone())).or_default();
        bases.extend(sessions.iter().skip(before).flat_map(|session| session.bases.clone()));
        self.begin_again(client, at, bases);
    }

    /// Starts and seeks are known better from what was asked for them.
    fn moved(&mut self, client: &Name, at: &TopicPartition, cause: source::MoveCause, to: i64) {
        if cause.is_start() || cause == source::MoveCause::Seek {
            return;
        }
        let session = self.sessions.get_mut(&(client.clone(), at.clone())).and_then(|s| s.last_mut());
        match session {
            Some(session) if session.first.is_none() => session.bases.push(to),
            // What was fetched and not handed out before may be fetched again first.
            Some(session) => {
                let bases = [Some(to), session.last.map(|last| last + 1), session.unfinished()];
                self.begin_again(client, at, bases.into_iter().flatten().collect());
            }
            None => {}
        }
    }

    fn begin_again(&mut self, client: &Name, at: &TopicPartition, bases: Vec<i64>) {
        let (is_open, current) = (self.owns(client, at), self.generations(client)[0]);
        let sessions = self.sessions.entry((client.clone(), at.clone())).or_default();
        let last = sessions.last().filter(|last| last.is_open);
        let generation = last.map_or(current, |last| last.generation);
        sessions.iter_mut().for_each(|session| session.is_open = false);
        let mut session = Session::new(generation, bases, true);
        session.is_open = is_open;
        sessions.push(session);
    }
}
