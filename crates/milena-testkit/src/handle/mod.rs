//! The handle that tests hold.

mod build;
mod control;
mod data;
mod faults;
mod groups;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::BrokerId;
use tokio::task::AbortHandle;

pub use build::{Builder, StartError};
pub use faults::FaultBuilder;

use crate::core::Core;
use crate::face::{self, Shared};
use crate::history::Requests;

/// A running cluster. Clones are the same cluster; it shuts down when the last one is dropped.
#[derive(Clone)]
pub struct Cluster {
    running: Arc<Running>,
}

struct Running {
    shared: Arc<Shared>,
    /// `None`: in memory.
    tcp: Option<face::tcp::Tcp>,
    driver: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(tcp) = &self.tcp {
            tcp.close();
        }
        self.driver.abort();
        self.shared.close_all();
    }
}

impl Cluster {
    /// Says what the cluster should be.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Addresses of all brokers, as `bootstrap.servers` wants them.
    pub fn bootstrap_servers(&self) -> String {
        let addresses = self.running.shared.with(|core, _| {
            let brokers = core.world().cluster.brokers();
            brokers.map(|(_, broker)| format!("{}:{}", broker.host, broker.port)).collect::<Vec<_>>()
        });
        addresses.join(",")
    }

    /// Address of one broker, `host:port`. Empty if there is no such broker.
    pub fn broker_address(&self, broker: impl Into<BrokerId>) -> String {
        let broker = broker.into();
        self.running.shared.with(|core, _| {
            let broker = core.world().cluster.broker(broker);
            broker.map(|broker| format!("{}:{}", broker.host, broker.port)).unwrap_or_default()
        })
    }

    /// Time since the cluster's start, by Tokio's clock.
    pub fn now(&self) -> Duration {
        self.running.shared.now()
    }

    /// Every request so far with its answer, oldest first.
    pub fn requests(&self) -> Requests {
        self.running.shared.with(|core, _| Requests::new(core.history()))
    }

    /// Does anything at all to the core: what the other methods are made of.
    pub fn with_core<T>(&self, work: impl FnOnce(&mut Core, Duration) -> T) -> T {
        self.running.shared.with(work)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("bootstrap_servers", &self.bootstrap_servers())
            .finish_non_exhaustive()
    }
}
