//! An in-process Kafka cluster for tests and demos.

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
pub use history::{Exchange, History, Number, Outcome, Requests, Unreadable};
pub use kafka_protocol::messages::{self, ApiKey, BrokerId, RequestKind, ResponseKind};
pub use records;
