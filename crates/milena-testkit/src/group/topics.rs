//! The cluster's topics, as coordinators see them.

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::call::Topics;
use crate::cluster::ClusterState;

impl Topics for ClusterState {
    fn by_name(&self, name: &str) -> Option<(Uuid, i32)> {
        self.topic(name).map(|topic| (topic.id, i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)))
    }

    fn by_id(&self, id: Uuid) -> Option<(StrBytes, i32)> {
        let name = self.name_of(id)?;
        let (_, partitions) = self.by_name(name)?;
        Some((StrBytes::from_string(name.to_owned()), partitions))
    }

    fn names(&self) -> Vec<StrBytes> {
        self.topics().map(|(name, _)| StrBytes::from_string(name.to_owned())).collect()
    }
}
