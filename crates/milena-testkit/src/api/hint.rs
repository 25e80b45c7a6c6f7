//! Leader hints (KIP-951): who leads a partition, beside the error that somebody else was asked.

use std::collections::BTreeSet;

use kafka_protocol::messages::{BrokerId, fetch_response, produce_response};
use kafka_protocol::protocol::StrBytes;

use crate::cluster::ClusterState;
use crate::error_code::ErrorCode;

/// The leaders that an answer names.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    leaders: BTreeSet<BrokerId>,
}

impl Hints {
    /// Leader and epoch, if the error calls for them.
    pub(crate) fn find(
        &mut self,
        cluster: &ClusterState,
        topic: &str,
        partition: i32,
        code: ErrorCode,
    ) -> Option<(BrokerId, i32)> {
        if code != ErrorCode::NOT_LEADER_OR_FOLLOWER && code != ErrorCode::FENCED_LEADER_EPOCH {
            return None;
        }
        let partition = cluster.partition(topic, partition)?;
        let leader = partition.leader.unwrap_or(BrokerId(-1));
        self.leaders.insert(leader);
        Some((leader, partition.leader_epoch))
    }

    pub(crate) fn fetch_endpoints(&self, cluster: &ClusterState) -> Vec<fetch_response::NodeEndpoint> {
        let endpoint = |(id, host, port, rack)| {
            let endpoint = fetch_response::NodeEndpoint::default().with_node_id(id).with_host(host);
            endpoint.with_port(port).with_rack(rack)
        };
        self.endpoints(cluster).map(endpoint).collect()
    }

    pub(crate) fn produce_endpoints(&self, cluster: &ClusterState) -> Vec<produce_response::NodeEndpoint> {
        let endpoint = |(id, host, port, rack)| {
            let endpoint = produce_response::NodeEndpoint::default().with_node_id(id).with_host(host);
            endpoint.with_port(port).with_rack(rack)
        };
        self.endpoints(cluster).map(endpoint).collect()
    }

    fn endpoints<'a>(
        &'a self,
        cluster: &'a ClusterState,
    ) -> impl Iterator<Item = (BrokerId, StrBytes, i32, Option<StrBytes>)> + 'a {
        self.leaders.iter().filter_map(|id| {
            let broker = cluster.broker(*id)?;
            let rack = broker.rack.clone().map(StrBytes::from_string);
            Some((*id, StrBytes::from_string(broker.host.clone()), i32::from(broker.port), rack))
        })
    }
}
