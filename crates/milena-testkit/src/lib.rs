//! An in-process Kafka cluster for tests and demos: as many brokers as you like, real TCP or streams in memory, and faults at
//! your word. Nothing to install, nothing to clean up.
//!
//! # Testing a consumer
//!
//! Any client will do; this one is a Milena source.
//!
//! ```
//! # extern crate source as milena_source;
//! # use futures_util::StreamExt;
//! use milena_source::Source;
//! use milena_testkit::Cluster;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = Cluster::builder().brokers(3).topic("orders", 1).start().await?;
//! cluster.append("orders", 0, ["two books", "a lamp"])?;
//!
//! // The consumer under test: adds up what it reads, and acknowledges it.
//! let source = Source::builder(&cluster.bootstrap_servers()).group("billing").topics(["orders"]);
//! let source = source.property("auto.offset.reset", "earliest").build().await?;
//! let batch = source.batches().next().await.unwrap()?;
//! assert_eq!(batch.record_count(), 2);
//! batch.ack();
//! source.drain(std::time::Duration::from_secs(10)).await?;
//!
//! assert_eq!(cluster.committed("billing", "orders", 0), Some(2));
//! # Ok(())
//! # }
//! ```
//!
//! # The same with faults
//!
//! ```
//! # extern crate source as milena_source;
//! # use futures_util::StreamExt;
//! use milena_source::Source;
//! use milena_testkit::{ApiKey, Cluster, ErrorCode};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = Cluster::builder().brokers(3).topic("orders", 1).start().await?;
//! cluster.append("orders", 0, ["two books", "a lamp"])?;
//!
//! cluster.fail_next(ApiKey::JoinGroup, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
//! cluster.on(ApiKey::Fetch).topic("orders").times(2).fail(ErrorCode::NOT_LEADER_OR_FOLLOWER);
//! let lost = cluster.on(ApiKey::OffsetCommit).cut_after(7);
//!
//! let source = Source::builder(&cluster.bootstrap_servers()).group("billing").topics(["orders"]);
//! let source = source.property("auto.offset.reset", "earliest").build().await?;
//! let batch = source.batches().next().await.unwrap()?;
//! assert_eq!(batch.record_count(), 2);
//! batch.ack();
//! source.drain(std::time::Duration::from_secs(10)).await?;
//!
//! // The answer to the first commit was cut off after seven bytes, so there was a second one, or the first one counted.
//! assert!(!cluster.is_pending(lost));
//! assert_eq!(cluster.committed("billing", "orders", 0), Some(2));
//! println!("{}", cluster.requests().of(ApiKey::OffsetCommit));
//! # Ok(())
//! # }
//! ```
//!
//! # What there is
//!
//! - [`Cluster`] is the handle of a test: [records](Cluster::append) in and [out](Cluster::records), leaders and coordinators
//!   [moved](Cluster::move_leader), brokers [stopped](Cluster::stop_broker) and [paused](Cluster::pause_broker), topics
//!   [recreated](Cluster::recreate_topic), members [fenced](Cluster::fence_member), bytes [flipped](Cluster::flip_byte).
//! - [`Cluster::on`] is for faults of single requests, [`Cluster::requests`] tells what was asked and answered.
//! - [`Builder::start_in_memory`] needs no sockets and runs under Tokio's paused clock: an hour passes in no time.
//! - [`Core`] is the cluster as a machine without I/O, clock or chance, for simulations.
//!
//! # What it is like
//!
//! Its model is Apache Kafka 4.3.1, and each file of `src/api` begins with what it keeps of it and what not. librdkafka, Java's
//! clients and franz-go meet the same on both, line by line (`tests/tests/testkit_trust.rs` of the repository).
//!
//! There is one truth for the whole cluster: a broker learns of a change at once, replicas copy at once unless a test
//! [holds](Cluster::hold_replica) them. There are no disks, ACLs, quotas, share groups, and no TLS. It is made for tests, so
//! it trusts its clients more than a broker should: kafka-protocol's decoder reserves what a request claims.
//!
//! # Features
//!
//! `gzip`, `snappy`, `lz4`, `zstd` (all on by default): the codecs that brokers can validate and compact. `connect`: a
//! [`Cluster`] is a `Connect` of milena-client, so that the client runs on the in-memory streams.

mod api;
pub mod cluster;
mod core;
mod ctx;
mod error_code;
mod face;
mod fault;
pub mod group;
mod handle;
mod history;
pub mod log;
#[cfg(test)]
mod script;
pub mod txn;

pub use crate::core::{Core, Output};
pub use ctx::{ConnId, Ctx, Reply, ReplyTo, World};
pub use error_code::ErrorCode;
pub use fault::{Action, Alter, AlterBytes, AnswerWith, Faults, Rule, RuleId};
pub use handle::{Builder, Cluster, FaultBuilder, StartError};
pub use history::{Exchange, History, Number, Outcome, Requests, Tick, Unreadable};
pub use kafka_protocol::messages::{self, ApiKey, BrokerId, RequestKind, ResponseKind};
pub use records;
