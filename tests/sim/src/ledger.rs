//! Who read what under which ownership, as the cluster saw it: the checker's own books, kept from facts alone.
//!
//! A *session* is one ownership of one partition by one member: it begins when the coordinator tells the member the committed
//! offset, or when a seek is done, and ends when the member joins again without claiming the partition.

use std::collections::{BTreeMap, BTreeSet};

use client::TopicPartition;

use crate::fact::{Fact, Log};
use crate::timeline::Name;

/// One ownership.
#[derive(Clone, Debug)]
pub struct Session {
    /// The generation it began in.
    pub generation: i32,
    /// Whether it still lasts.
    pub is_open: bool,
    /// Whether a seek began it.
    pub by_seek: bool,
    /// Where it may begin. More than one, where an answer may have been lost, or a seek met a rebalance.
    pub bases: Vec<i64>,
    /// What was delivered first.
    pub first: Option<i64>,
    /// What was delivered last.
    pub last: Option<i64>,
    /// Below this all is acknowledged.
    pub clean: i64,
    /// What is acknowledged beyond that.
    acked: BTreeSet<i64>,
}

impl Session {
    fn new(generation: i32, bases: Vec<i64>, by_seek: bool) -> Self {
        let clean = bases.iter().copied().min().unwrap_or(0);
        let (first, last, acked) = (None, None, BTreeSet::new());
        Self { generation, is_open: true, by_seek, bases, first, last, clean, acked }
    }

    fn delivered(&mut self, offset: i64) {
        if self.first.is_none() {
            self.first = Some(offset);
            self.clean = offset;
        }
        self.last = Some(offset);
    }

    fn acknowledged(&mut self, log: &Log, offset: i64) {
        self.acked.insert(offset);
        while let Some(next) = log.next(self.clean)
            && self.acked.remove(&next)
        {
            self.clean = next + 1;
        }
    }

    /// Whether a commit of this offset would be true: all before it is acknowledged, and it does not go back.
    pub fn covers(&self, log: &Log, offset: i64) -> bool {
        let lowest = self.first.or(self.bases.iter().copied().min()).unwrap_or(0);
        offset >= lowest && log.next(self.clean).is_none_or(|unfinished| offset <= unfinished)
    }
}

/// What a client is at the moment.
#[derive(Clone, Debug, Default)]
struct Membership {
    generation: i32,
    /// In which generation it was first given what it has: commits of the consumer protocol may carry that one (KIP-1251).
    given: BTreeMap<TopicPartition, i32>,
    /// What it claimed to own when it joined last, and the time before.
    claims: [BTreeSet<TopicPartition>; 2],
    /// The sessions that a seek under way would replace.
    seeking: Option<(TopicPartition, usize)>,
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
        }
    }

    /// The log of a partition.
    pub fn log(&self, at: &TopicPartition) -> &'a Log {
        static EMPTY: Log = Log { records: BTreeMap::new() };
        self.logs.get(at).unwrap_or(&EMPTY)
    }

    /// All logs.
    pub fn logs(&self) -> &'a BTreeMap<TopicPartition, Log> {
        self.logs
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

    /// Whether a client claimed a partition when it joined last, or the time before: a commit may be handled after the join that
    /// gave the partition up.
    pub fn has_claimed(&self, client: &Name, at: &TopicPartition) -> bool {
        self.members.get(client).is_some_and(|member| member.claims.iter().any(|claim| claim.contains(at)))
    }

    /// Whether a seek is under way.
    pub fn is_seeking(&self, client: &Name, at: &TopicPartition) -> bool {
        let seeking = self.members.get(client).and_then(|member| member.seeking.as_ref());
        seeking.is_some_and(|(of, _)| of == at)
    }

    /// The committed offset.
    pub fn stored(&self, at: &TopicPartition) -> Option<i64> {
        self.stored.get(at).copied()
    }

    /// Enters a fact.
    pub fn enter(&mut self, fact: &Fact) {
        match fact {
            Fact::Joining { client, owned, .. } => {
                let member = self.members.entry(client.clone()).or_default();
                member.claims.swap(0, 1);
                member.claims[0] = owned.clone();
                member.given.retain(|at, _| owned.contains(at));
                for ((of, at), sessions) in &mut self.sessions {
                    if of == client && !owned.contains(at) {
                        sessions.iter_mut().for_each(|session| session.is_open = false);
                    }
                }
            }
            Fact::Shared { generation, shares } => {
                self.shares.insert(*generation, shares.iter().cloned().collect());
            }
            Fact::Given { client, member, generation, partitions } => {
                let known = self.members.entry(client.clone()).or_default();
                known.generation = *generation;
                for at in partitions {
                    known.given.entry(at.clone()).or_insert(*generation);
                }
                // In the consumer protocol one epoch may bring several answers, and what is to be given up is still the
                // member's until it says so.
                let shares = self.shares.entry(*generation).or_default();
                shares.entry(member.clone()).or_default().extend(partitions.iter().cloned());
            }
            Fact::OffsetTold { client, at, committed } => self.told(client, at, committed.unwrap_or(0)),
            Fact::Delivered { client, serial, at, offset, .. } => {
                let sessions = self.sessions.entry((client.clone(), at.clone())).or_default();
                if let Some(session) = sessions.last_mut() {
                    session.delivered(*offset);
                    let place = (at.clone(), sessions.len() - 1, *offset);
                    self.serials.insert((client.clone(), *serial), place);
                }
            }
            Fact::Acked { client, serial } => {
                if let Some((at, number, offset)) = self.serials.remove(&(client.clone(), *serial)) {
                    let log = self.log(&at);
                    let sessions = self.sessions.entry((client.clone(), at)).or_default();
                    if let Some(session) = sessions.get_mut(number) {
                        session.acknowledged(log, offset);
                    }
                }
            }
            Fact::Seeking { client, at, .. } => {
                let before = self.sessions.get(&(client.clone(), at.clone())).map_or(0, Vec::len);
                self.members.entry(client.clone()).or_default().seeking = Some((at.clone(), before));
            }
            Fact::Sought { client, at, to, is_done } => self.sought(client, at, *to, *is_done),
            Fact::Stored { at, offset, .. } => {
                self.stored.insert(at.clone(), *offset);
            }
            Fact::Request { .. }
            | Fact::Commit { .. }
            | Fact::GaveUp { .. }
            | Fact::Committed { .. }
            | Fact::Held { .. }
            | Fact::Produced { .. }
            | Fact::Note(_) => {}
        }
    }

    fn told(&mut self, client: &Name, at: &TopicPartition, base: i64) {
        let member = self.members.entry(client.clone()).or_default();
        let generation = member.given.get(at).copied().unwrap_or(member.generation);
        let sessions = self.sessions.entry((client.clone(), at.clone())).or_default();
        match sessions.last_mut() {
            // Asked once more, as the first answer got lost; or too late, and of no use.
            Some(open) if open.is_open => {
                if open.first.is_none() {
                    open.bases.push(base);
                    open.clean = open.clean.min(base);
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
        let sessions = self.sessions.entry((client.clone(), at.clone())).or_default();
        let mut bases = vec![to];
        // One that began meanwhile may have begun before the seek or after it.
        bases.extend(sessions.iter().skip(before).flat_map(|session| session.bases.clone()));
        let generation =
            sessions.last().filter(|last| last.is_open).map_or(member.generation, |last| last.generation);
        sessions.iter_mut().for_each(|session| session.is_open = false);
        sessions.push(Session::new(generation, bases, true));
    }
}
