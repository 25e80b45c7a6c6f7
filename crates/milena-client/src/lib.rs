//! The Tokio shell of Milena: connections, fetching, groups, producing, administration.
//!
//! Every decision is made by a machine of `milena-proto`; this crate owns the sockets, the tasks and the clock. Most users want
//! `milena-source`, which puts streams on top of it; this is for those who build a source of their own.
//!
//! ```no_run
//! use milena_client::config::{ClientConfig, FetchConfig};
//! use milena_client::consumer::{Consumer, Subscription};
//! use milena_client::{Client, Reset, Start, TopicPartition};
//!
//! # async fn example() -> milena_client::Result<()> {
//! let client = Client::connect(ClientConfig::bootstrap("localhost:9092")?.build()?).await?;
//! let partitions = Subscription::Partitions(vec![(TopicPartition::new("orders", 0), Start::Earliest)]);
//! let mut consumer =
//!     Consumer::start(&client, &FetchConfig::builder().build()?, None, partitions, Reset::Earliest).await?;
//! while let Some(batch) = consumer.next().await {
//!     println!("{:?}", batch?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Client`] is one cluster: metadata, connections, and what administrators ask.
//! - [`consumer::Consumer`] reads partitions, alone or as a member of a group, and commits what is true.
//! - [`Producer`] writes.
//! - [`config`] is all that can be set, by builder or by Kafka's own property names.
//!
//! # Cancel safety
//!
//! Every asynchronous function says what becomes of its work when its future is dropped. None leaves the client in a state
//! that it does not recover from.

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
    BrokerDescription, ClusterDescription, CommittedOffset, GroupDescription, GroupListing,
    MemberDescription, NewTopic, OffsetSpec, PartitionDescription, TopicDescription,
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
pub use proto::position::PositionError;
pub use proto::types::{
    AssignmentEpoch, BrokerId, Generation, IsolationLevel, LeaderEpoch, TopicId, TopicName, TopicPartition,
};
pub use proto::wire::{ApiKey, ErrorCode};
pub use records;
