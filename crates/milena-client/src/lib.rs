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
//! # Tracing
//!
//! What happens is told by `tracing`, under targets that begin with `milena::`. There is nothing for
//! each record and nothing for each fetch: a reader that nobody listens to pays nothing for it.
//!
//! | span | target, level | fields | for |
//! |---|---|---|---|
//! | `consumer` | `milena::group`, info | `client`, `group`, `member`, `generation` | a [`Consumer`](consumer::Consumer); a new one for each generation of its group |
//! | `rebalance` | `milena::group`, info | `reason`, `generation`, `leader`, `assignor` | from the first revocation or JoinGroup to the new assignment, in `consumer`; its steps `revoked`, `joined` and `synced` are told in it, each with how long it `took`, and `rebalanced` at its end has `took`, `added`, `assigned` |
//! | `call` | `milena::group`, debug | `api` | one call of the group's protocol, in one of the former; `answered` or `failed` at its end has `took` |
//! | `commit` | `milena::commit`, debug | `generation`, `partitions` | one OffsetCommit; likewise |
//! | `connection` | `milena::connection`, debug | `client`, `lane`, `host`, `port`, `broker` | a connection to a broker; the `lane` is what it is for: `general`, `coordination`, `join`, `fetch` or `produce`. `connected`, `throttled` and `ended` are told in it |
//! | `fetch` | `milena::fetch`, debug | `client`, `broker` | fetching from a broker, as long as that goes on |
//! | `metadata` | `milena::metadata`, debug | `client`, `from`, `topics` | one Metadata request and what its answer changes |
//!
//! Each [`Event`] is told under `milena::consumer` as well: what ends something or loses it as an error or a warning, commits at
//! debug level, the rest at info level. What fails and is tried again is a warning at first, then after ten seconds, a minute
//! and every ten minutes, with `lasting` and `failures`, and one last word at info level when it works again. Producing tells
//! under `milena::producer`, and what administrators ask under `milena::client`.
//!
//! # Cancel safety
//!
//! Every asynchronous function says what becomes of its work when its future is dropped. None leaves the client in a state
//! that it does not recover from.

mod admin;
mod budget;
mod buffer;
mod changes;
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
mod seeds;

pub use admin::{
    BrokerDescription, ClusterDescription, CommittedOffset, GroupDescription, GroupListing,
    MemberDescription, NewTopic, OffsetSpec, PartitionDescription, TopicDescription,
};
pub use budget::{Budget, Credit};
pub use client::Client;
pub use consumer::{Event, LogEnds};
pub use error::{Error, ErrorKind, Result};
pub use fetch::{MoveCause, Reset, Start};
pub use net::{Connect, Connecting, Io, Resolve, Resolving, SystemResolver, Tcp};
pub use producer::{Delivery, Producer, ProducerRecord, RecordMetadata};
pub use proto::assignments::{FenceReason, Stamp};
pub use proto::offsets::{Ack as AckOutcome, AckRange};
pub use proto::position::PositionError;
pub use proto::types::{
    AssignmentEpoch, BrokerId, Generation, IsolationLevel, LeaderEpoch, TopicId, TopicName, TopicPartition,
};
pub use proto::wire::{ApiKey, ErrorCode};
pub use records;
