//! The calls that the machine wants made.

use std::fmt;
use std::time::Duration;

use crate::types::RequestId;
use crate::wire::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest,
    SyncGroupResponse,
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
#[allow(missing_docs)] // Each is its request.
pub enum GroupRequest {
    FindCoordinator(FindCoordinatorRequest),
    JoinGroup(JoinGroupRequest),
    SyncGroup(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    LeaveGroup(LeaveGroupRequest),
}

/// What was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // Each is its response.
pub enum GroupResponse {
    FindCoordinator(FindCoordinatorResponse),
    JoinGroup(JoinGroupResponse),
    SyncGroup(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
}

/// The API of a call, for errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // Kafka's own names.
pub enum GroupApi {
    FindCoordinator,
    JoinGroup,
    SyncGroup,
    Heartbeat,
    LeaveGroup,
}

impl fmt::Display for GroupApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
