//! What is known of the cluster, and when to ask again.

mod change;
mod partition;
mod refresh;
mod view;

pub use change::Change;
pub use partition::Partition;
pub use refresh::{MetadataCall, MetadataRefresh, Recovery, RefreshSettings, Target};
pub use view::{Asked, Broker, ClusterView, MetadataRefused, Topic};

#[cfg(test)]
mod tests;
