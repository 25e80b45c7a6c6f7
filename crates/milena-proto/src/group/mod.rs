//! Being a member of a consumer group.
//!
//! [`Membership`] is the machine: it finds the coordinator, joins, keeps the session alive, gives partitions up before the
//! coordinator hears of it, and says what is assigned. It reads no records and commits nothing: the shell drains and
//! commits between [`GroupEvent::Revoke`] and [`Membership::handle_revoked`].
//!
//! The classic protocol (JoinGroup, SyncGroup, Heartbeat) assigns on the client: the group's leader runs an assignor
//! ([`AssignorKind`]) over everybody's [`consumer_protocol`] subscriptions. The consumer protocol (KIP-848,
//! ConsumerGroupHeartbeat) assigns at the coordinator, and moves partitions one by one.

mod assignor;
mod call;
mod classic;
mod close;
mod consumer;
pub mod consumer_protocol;
mod coordinator;
mod departure;
mod event;
mod heartbeat;
mod membership;
mod settings;

pub use assignor::{AssignorKind, GroupAssignment, Member, PartitionRacks};
pub use call::{GroupApi, GroupCall, GroupRequest, GroupResponse, Target};
pub use close::MembershipOperation;
pub use event::{GroupError, GroupEvent, JoinReason, LostReason};
pub use membership::Membership;
pub use settings::{GroupProtocol, GroupSettings};
