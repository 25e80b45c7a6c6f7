//! The Tokio shell of Milena: connections, fetching, groups, producing, administration.
//!
//! Every decision is made by a machine of `milena-proto`; this crate owns the sockets, the tasks and the clock.

mod admin;
mod budget;
mod buffer;
mod client;
mod clock;
pub mod config;
pub mod consumer;
mod error;
mod fetch;
mod lease;
mod metadata;
mod net;
mod offsets;
mod producer;

pub use admin::{
    BrokerDescription, ClusterDescription, CommittedOffset, GroupDescription, GroupListing, MemberDescription,
    NewTopic, OffsetSpec, PartitionDescription, TopicDescription,
};
pub use budget::{Budget, Credit};
pub use client::Client;
pub use consumer::{Event, LogEnds};
pub use error::{Error, ErrorKind, Result};
pub use fetch::{MoveCause, Reset, Start};
pub use net::{Connect, Connecting, Io, Tcp};
pub use producer::{Delivery, Producer, ProducerRecord, RecordMetadata};
pub use proto::assignments::{FenceReason, Stamp};
pub use proto::offsets::{Ack as AckOutcome, AckRange};
pub use proto::types::{
    AssignmentEpoch, BrokerId, Generation, IsolationLevel, LeaderEpoch, TopicId, TopicName, TopicPartition,
};
pub use proto::wire::{ApiKey, ErrorCode};
pub use records;
