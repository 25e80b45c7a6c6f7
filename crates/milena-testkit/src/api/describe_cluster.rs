//! DescribeCluster (60), versions 0 to 2.
//!
//! Java: `KafkaApis.handleDescribeCluster`. Kept: only brokers can be asked for, controllers are UNSUPPORTED_ENDPOINT_TYPE; stopped
//! ones appear as fenced if the request wants them.

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;

use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: DescribeClusterRequest,
    version: i16,
) -> Reply<DescribeClusterResponse> {
    if version >= 1 && request.endpoint_type != BROKERS {
        let code = match request.endpoint_type {
            CONTROLLERS => ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            _ => ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
        };
        return Reply::Now(DescribeClusterResponse::default().with_error_code(code.0));
    }
    let cluster = &ctx.cluster;
    let wanted =
        cluster.brokers().filter(|(_, b)| b.is_alive() || (version >= 2 && request.include_fenced_brokers));
    let brokers = wanted.map(|(id, broker)| {
        DescribeClusterBroker::default()
            .with_broker_id(id)
            .with_host(StrBytes::from_string(broker.host.clone()))
            .with_port(i32::from(broker.port))
            .with_rack(broker.rack.clone().map(StrBytes::from_string))
            .with_is_fenced(!broker.is_alive())
    });
    Reply::Now(
        DescribeClusterResponse::default()
            .with_endpoint_type(BROKERS)
            .with_cluster_id(StrBytes::from_string(cluster.settings.cluster_id.clone()))
            .with_controller_id(cluster.controller())
            .with_brokers(brokers.collect()),
    )
}

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;
