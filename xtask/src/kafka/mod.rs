//! Real Apache Kafka on the loopback, as processes that end with their owner.
//!
//! ```no_run
//! use xtask::kafka::{Kafka, Options, Version};
//!
//! let kafka = Kafka::start(Options::new(Version::NEWEST).nodes(3))?;
//! kafka.create_topic("orders", 4, 3, &[])?;
//! println!("clients go to {}", kafka.bootstrap());
//! let leader = kafka.leader("orders", 0)?;
//! kafka.kill(leader)?;
//! # Ok::<(), xtask::Error>(())
//! ```
//!
//! Every call blocks, a start for 5 to 15 seconds: from asynchronous code, use a blocking task. Set
//! `MILENA_KEEP=1` to keep the data and the brokers' logs of a failing test.

mod cluster;
mod config;
pub mod jars;
mod options;
mod ports;
mod process;
mod raw;
mod topics;
mod version;
mod warm;

pub use cluster::{Kafka, java, missing};
pub use options::{Advertise, Options};
pub(crate) use process::terminate;
pub use version::Version;
