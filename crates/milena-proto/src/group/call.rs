//! The calls that the machine wants made.

use std::fmt;
use std::time::Duration;

use crate::types::RequestId;
use crate::wire::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, Coordinator, FindCoordinatorRequest,
    FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};

/// A call to make.
///
/// A broker answers a connection's requests one after the other, and holds JoinGroup until the whole group has rejoined.
/// So a LeaveGroup (and a commit of the shell's) behind a JoinGroup waits for it: give JoinGroup a connection of its own,
/// or open another for what must overtake it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupCall {
    /// What the answer is to be handed in with.
    pub id: RequestId,
    /// Who is asked.
    pub target: Target,
    /// What is asked.
    pub request: GroupRequest,
    /// Time from now after which the call counts as failed ([`CallFailed::TimedOut`](crate::types::CallFailed)).
    pub timeout: Duration,
}

/// Who is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Any broker that answers, a different one at each try.
    AnyBroker,
    /// The group's coordinator.
    Coordinator(Coordinator),
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupRequest {
    /// Which broker coordinates the group?
    FindCoordinator(FindCoordinatorRequest),
    /// In, or in again, with what we want and have.
    JoinGroup(JoinGroupRequest),
    /// Our assignment, please; the leader brings everybody's.
    SyncGroup(SyncGroupRequest),
    /// Still here.
    Heartbeat(HeartbeatRequest),
    /// Out.
    LeaveGroup(LeaveGroupRequest),
    /// In, still here, or out: all there is in the consumer protocol.
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest),
}

/// What was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupResponse {
    /// Which broker coordinates the group.
    FindCoordinator(FindCoordinatorResponse),
    /// In, or why not. For the leader with what everybody wants and has.
    JoinGroup(JoinGroupResponse),
    /// Our assignment.
    SyncGroup(SyncGroupResponse),
    /// Whether we are, and whether the group rebalances.
    Heartbeat(HeartbeatResponse),
    /// Heard.
    LeaveGroup(LeaveGroupResponse),
    /// Who we are, and what we are to have.
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse),
}

/// The API of a call, for errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupApi {
    /// FindCoordinator (10).
    FindCoordinator,
    /// JoinGroup (11).
    JoinGroup,
    /// SyncGroup (14).
    SyncGroup,
    /// Heartbeat (12).
    Heartbeat,
    /// LeaveGroup (13).
    LeaveGroup,
    /// ConsumerGroupHeartbeat (68).
    ConsumerGroupHeartbeat,
}

impl fmt::Display for GroupApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
