//! The seam between the core and the APIs: what a handler is given, and how it answers.
//!
//! A handler is `fn handle(ctx: &mut Ctx<'_>, request: XRequest, version: i16) -> Reply<XResponse>`. One that cannot answer yet
//! keeps [`Ctx::reply_to`], returns [`Reply::Later`], and somebody calls [`World::answer`] with it: another handler, or a timer.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use kafka_protocol::messages::{BrokerId, ResponseKind};

use crate::cluster::ClusterState;
use crate::error_code::ErrorCode;
use crate::{group, txn};

/// A connection to a broker, for as long as the cluster lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Names the request that an answer belongs to.
///
/// An answer to a request whose connection is gone, or that was answered already, goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyTo(pub(crate) u64);

/// What a handler returns.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply<R> {
    /// The answer.
    Now(R),
    /// [`World::answer`] will be called with the request's [`ReplyTo`].
    Later,
    /// There is none, and the next request of the connection is up: a produce with `acks=0`.
    Nothing,
    /// The broker closes the connection, as it does after a request that it cannot make sense of.
    Close,
}

impl<R> Reply<R> {
    /// The same with another type of answer.
    pub fn map<T>(self, f: impl FnOnce(R) -> T) -> Reply<T> {
        match self {
            Self::Now(response) => Reply::Now(f(response)),
            Self::Later => Reply::Later,
            Self::Nothing => Reply::Nothing,
            Self::Close => Reply::Close,
        }
    }
}

/// All that the brokers know. One for the whole cluster: what a broker may not know yet is modelled where it matters.
#[derive(Debug)]
pub struct World {
    /// Time since the cluster's start.
    pub now: Duration,
    /// Brokers, topics, partitions with their logs.
    pub cluster: ClusterState,
    /// The group coordinators of all brokers.
    pub groups: group::Groups,
    /// The transaction coordinators of all brokers, and the producer ids.
    pub txns: txn::Transactions,
    pub(crate) data: crate::api::Waiting,
    pub(crate) answers: VecDeque<(ReplyTo, Reply<ResponseKind>)>,
}

impl World {
    pub(crate) fn new(cluster: ClusterState) -> Self {
        Self {
            now: Duration::ZERO,
            groups: group::Groups::new(&cluster.settings),
            txns: txn::Transactions::new(&cluster.settings),
            cluster,
            data: crate::api::Waiting::default(),
            answers: VecDeque::new(),
        }
    }

    /// Answers a request whose handler returned [`Reply::Later`].
    pub fn answer(&mut self, to: ReplyTo, response: impl Into<ResponseKind>) {
        self.answers.push_back((to, Reply::Now(response.into())));
    }

    /// The wall clock in milliseconds since 1970, for timestamps of records and commits.
    pub fn wall_ms(&self) -> i64 {
        self.cluster.wall_ms(self.now)
    }
}

/// One request, and the world it is handled in.
#[derive(Debug)]
pub struct Ctx<'a> {
    /// Everything else. Also by dereferencing: `ctx.groups`, `ctx.now`. Name it to borrow two parts at once.
    pub world: &'a mut World,
    /// The broker that was asked.
    pub broker: BrokerId,
    /// The connection it came over.
    pub conn: ConnId,
    /// The client's name for itself; empty if it gave none.
    pub client_id: String,
    /// The client's address as a broker prints it: `/127.0.0.1`.
    pub client_host: String,
    /// What [`World::answer`] needs if the answer comes later.
    pub reply_to: ReplyTo,
    pub(crate) injected: Vec<crate::fault::Injected>,
}

impl Ctx<'_> {
    /// The error that a test wants for this partition, if any. A handler asks before it does anything to the partition,
    /// answers with it and leaves the partition alone.
    pub fn injected(&self, topic: &str, partition: i32) -> Option<ErrorCode> {
        self.injected.iter().find(|fault| fault.covers(topic, partition)).map(|fault| fault.code)
    }
}

impl Deref for Ctx<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        self.world
    }
}

impl DerefMut for Ctx<'_> {
    fn deref_mut(&mut self) -> &mut World {
        self.world
    }
}
