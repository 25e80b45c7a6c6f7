//! The spans of a consumer, as the crate's page lists them.

use std::time::{Duration, Instant};

use proto::group::GroupRequest;
use proto::types::{Generation, MemberSnapshot};
use tracing::Span;
use tracing::field::Empty;

use crate::client::Client;
use crate::clock;

/// Where a consumer's task is, for whoever traces.
pub(super) struct Spans {
    client: Client,
    group: Option<Box<str>>,
    consumer: Span,
    rebalance: Option<(Span, Instant)>,
}

impl Spans {
    pub(super) fn new(client: &Client, group: Option<&str>) -> Self {
        let consumer = consumer(client, group, None);
        Self { client: client.clone(), group: group.map(Into::into), consumer, rebalance: None }
    }

    /// The innermost one that is open.
    pub(super) fn current(&self) -> &Span {
        self.rebalance.as_ref().map_or(&self.consumer, |(span, _)| span)
    }

    /// Something is given up, or the member joins: if that is not part of a rebalance yet, one begins.
    pub(super) fn rebalance(&mut self, reason: &str) {
        if self.rebalance.is_none() {
            let span = tracing::info_span!(
                target: "milena::group", parent: &self.consumer, "rebalance",
                reason, generation = Empty, leader = Empty, assignor = Empty,
            );
            self.rebalance = Some((span, clock::now()));
        }
    }

    /// All members know who has what.
    pub(super) fn stable(
        &mut self,
        generation: Generation,
        leader: bool,
        assignor: &str,
        member: Option<&MemberSnapshot>,
    ) {
        if let Some((span, _)) = &self.rebalance {
            span.record("generation", generation.0).record("leader", leader).record("assignor", assignor);
        }
        self.consumer = consumer(&self.client, self.group.as_deref(), member);
    }

    /// The member has another epoch (KIP-848).
    pub(super) fn epoch(&mut self, epoch: Generation, member: Option<&MemberSnapshot>) {
        if let Some((span, _)) = &self.rebalance {
            span.record("generation", epoch.0);
        }
        self.consumer = consumer(&self.client, self.group.as_deref(), member);
    }

    /// The rebalance is over, with this many partitions. Says how long it took, if there was one.
    pub(super) fn assigned(&mut self, added: usize, assigned: usize) -> Option<Duration> {
        let (span, since) = self.rebalance.take()?;
        let took = clock::now() - since;
        tracing::info!(target: "milena::group", parent: &span, ?took, added, assigned, "rebalanced");
        Some(took)
    }

    /// For a call of the group's protocol.
    pub(super) fn call(&self, request: &GroupRequest) -> Span {
        let api = match request {
            GroupRequest::FindCoordinator(_) => "FindCoordinator",
            GroupRequest::JoinGroup(_) => "JoinGroup",
            GroupRequest::SyncGroup(_) => "SyncGroup",
            GroupRequest::Heartbeat(_) => "Heartbeat",
            GroupRequest::LeaveGroup(_) => "LeaveGroup",
            GroupRequest::ConsumerGroupHeartbeat(_) => "ConsumerGroupHeartbeat",
        };
        tracing::debug_span!(target: "milena::group", parent: self.current(), "call", api)
    }

    /// For one OffsetCommit.
    pub(super) fn commit(&self, generation: Generation, partitions: usize) -> Span {
        let generation = generation.0;
        tracing::debug_span!(target: "milena::commit", parent: self.current(), "commit", generation, partitions)
    }
}

fn consumer(client: &Client, group: Option<&str>, member: Option<&MemberSnapshot>) -> Span {
    let client = client.config().client_id();
    let generation = member.map(|member| member.generation.0);
    let member = member.map(|member| &*member.member_id);
    tracing::info_span!(target: "milena::group", parent: None, "consumer", client, group, member, generation)
}
