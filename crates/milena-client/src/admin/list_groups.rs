//! Which groups there are.

use futures_util::future::try_join_all;
use proto::types::BrokerId;
use proto::wire::{ListGroupsRequest, ListedGroup};

use crate::client::Client;
use crate::error::{Error, Result};

/// A group, as its coordinator lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct GroupListing {
    /// Its id.
    pub group: String,
    /// `consumer` for consumers; empty for a group that only stores offsets.
    pub protocol_type: String,
    /// Its state, as `Stable` or `Empty`; `None` where the broker does not say (before 2.6).
    pub state: Option<String>,
    /// `classic`, `consumer` (KIP-848) or another; `None` where the broker does not say (before 3.8).
    pub group_type: Option<String>,
    /// Who coordinates it.
    pub coordinator: BrokerId,
}

impl Client {
    /// All groups of the cluster that this client may describe, by id. Each broker lists those that it coordinates, so all
    /// are asked, and a broker that is still loading its groups is waited for.
    ///
    /// # Errors
    /// A broker did not answer in time: without it the list would not be whole.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>> {
        let brokers = self.describe_cluster().await?.brokers;
        let listed = try_join_all(brokers.into_iter().map(|broker| self.groups_of(broker.id)));
        let mut groups: Vec<GroupListing> =
            listed.await.map_err(|error| error.doing("listing groups"))?.into_iter().flatten().collect();
        // While a group moves, both its old and its new coordinator may list it.
        groups.sort_by(|one, other| one.group.cmp(&other.group));
        groups.dedup_by(|one, other| one.group == other.group);
        Ok(groups)
    }

    async fn groups_of(&self, coordinator: BrokerId) -> Result<Vec<GroupListing>> {
        let request = ListGroupsRequest::default();
        let listing = |ListedGroup { group_id, protocol_type, state, group_type }| GroupListing {
            group: group_id,
            protocol_type,
            state,
            group_type,
            coordinator,
        };
        self.retrying(|| async {
            let answer = self.call_broker(coordinator, &request).await?;
            if !answer.error.is_ok() {
                return Err(Error::broker(answer.error));
            }
            Ok(answer.groups.into_iter().map(listing).collect())
        })
        .await
    }
}
