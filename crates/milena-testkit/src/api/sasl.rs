//! Which connections have shown who they are.

use kafka_protocol::messages::ApiKey;

use crate::ctx::{ConnId, World};

/// Whether a connection has to authenticate before it may ask this.
pub(crate) fn must_authenticate(_world: &World, _conn: ConnId, _api: ApiKey) -> bool {
    false
}
