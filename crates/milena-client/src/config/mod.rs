//! Typed configuration: by builder, or from Kafka's own property names.
//!
//! A configuration that exists is a valid one: bounds and contradictions are judged when it is built, once, with an error
//! that names the settings as a properties file would. Afterwards it does not change.
//!
//! ```
//! use milena_client::config::{ConfigError, FetchConfig, Properties};
//!
//! let fetch = FetchConfig::builder().min_bytes(64 << 10).build()?;
//! assert_eq!(fetch.max_bytes(), 50 << 20);
//!
//! let consumer = Properties::parse("bootstrap.servers = a:9092, b:9092\ngroup.id = billing")?.into_consumer()?;
//! assert_eq!(consumer.client().bootstrap_servers().len(), 2);
//!
//! let error = Properties::parse("fetch.wait.max.ms=100")?.into_consumer().unwrap_err();
//! assert_eq!(error.to_string(), "line 1: unknown key `fetch.wait.max.ms`; did you mean `fetch.max.wait.ms`?");
//! # Ok::<(), ConfigError>(())
//! ```

mod assignor;
mod client;
mod consumer;
pub mod defaults;
mod error;
mod fetch;
mod group;
mod group_protocol;
mod host_port;
mod knob;
mod known;
mod offset_reset;
mod producer;
mod properties;
mod read;
mod secret;

pub use assignor::Assignor;
pub use client::{ClientConfig, ClientConfigBuilder, MetadataRecovery, SecurityProtocol};
pub use consumer::ConsumerConfig;
pub use error::{ConfigError, Setting};
pub use fetch::{FetchConfig, FetchConfigBuilder, IsolationLevel, NewPartitions};
pub use group::{GroupConfig, GroupConfigBuilder};
pub use group_protocol::GroupProtocol;
pub use host_port::{HostPort, HostPortError};
pub use known::{Known, Role, Verdict, known_settings, verdict};
pub use offset_reset::OffsetReset;
pub use producer::{Acks, Compression, Partitioner, ProducerConfig, ProducerConfigBuilder};
pub use properties::{Note, Place, Properties, SyntaxError};
pub use secret::Secret;
