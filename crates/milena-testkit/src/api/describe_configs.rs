//! DescribeConfigs (32), versions 1 to 4.
//!
//! Java: `ConfigHelper.describeConfigs`. Kept: all settings of topics with their sources and, if asked for, synonyms; of brokers only
//! what was set. Other kinds of resources are INVALID_REQUEST. Not kept: documentation.

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::cluster::{ClusterState, TOPIC_SETTINGS};
use crate::ctx::{Ctx, Reply};
use crate::error_code::ErrorCode;

pub(crate) fn handle(
    ctx: &mut Ctx<'_>,
    request: DescribeConfigsRequest,
    _version: i16,
) -> Reply<DescribeConfigsResponse> {
    let results = request.resources.into_iter().map(|resource| {
        let answer = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match describe(ctx, &resource) {
            Ok(configs) => {
                let wanted = |name: &str| {
                    resource
                        .configuration_keys
                        .as_ref()
                        .is_none_or(|keys| keys.iter().any(|key| **key == *name))
                };
                let configs = configs.into_iter().filter(|config| wanted(&config.name));
                let configs = configs.map(|config| match request.include_synonyms {
                    true => config,
                    false => config.with_synonyms(Vec::new()),
                });
                answer.with_configs(configs.collect())
            }
            Err(code) => answer
                .with_error_code(code.0)
                .with_error_message(Some(StrBytes::from_string(code.to_string()))),
        }
    });
    Reply::Now(DescribeConfigsResponse::default().with_results(results.collect()))
}

fn describe(
    ctx: &Ctx<'_>,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, ErrorCode> {
    let name = &resource.resource_name;
    match resource.resource_type {
        TOPIC => {
            if let Some(code) = ctx.injected(name, -1) {
                return Err(code);
            }
            let topic = ctx.cluster.topic(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
            let configs = topic_configs(&ctx.cluster, &topic.config);
            Ok(configs.into_iter().map(|described| described.answer(&ctx.cluster)).collect())
        }
        BROKER => {
            let properties = ctx.cluster.settings.properties.iter().map(|(name, value)| {
                DescribeConfigsResourceResult::default()
                    .with_name(StrBytes::from_string(name.clone()))
                    .with_value(Some(StrBytes::from_string(value.clone())))
                    .with_read_only(true)
                    .with_config_source(STATIC_BROKER)
                    .with_config_type(STRING)
            });
            Ok(properties.collect())
        }
        _ => Err(ErrorCode::INVALID_REQUEST),
    }
}

/// One setting of a topic.
pub(super) struct Described {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) source: i8,
    kind: i8,
    default: &'static str,
}

/// All settings of a topic that has these of its own.
pub(super) fn topic_configs(cluster: &ClusterState, own: &BTreeMap<String, String>) -> Vec<Described> {
    let settings = TOPIC_SETTINGS.iter().map(|setting| {
        let (name, kind, default) = (setting.name, setting.kind, setting.default);
        let (value, source) = match (own.get(name), cluster.settings.topic_defaults.get(name)) {
            (Some(value), _) => (value.clone(), DYNAMIC_TOPIC),
            (None, Some(value)) => (value.clone(), STATIC_BROKER),
            (None, None) => (default.to_owned(), DEFAULT),
        };
        Described { name, value, source, kind, default }
    });
    settings.collect()
}

impl Described {
    fn answer(self, cluster: &ClusterState) -> DescribeConfigsResourceResult {
        let broker_name = match self.name {
            "max.message.bytes" => "message.max.bytes".to_owned(),
            "compression.type" | "min.insync.replicas" | "unclean.leader.election.enable" => {
                self.name.to_owned()
            }
            name => format!("log.{name}"),
        };
        let of_cluster = cluster.settings.topic_defaults.get(self.name);
        let synonyms = [
            (self.source == DYNAMIC_TOPIC).then(|| (self.name.to_owned(), self.value.clone(), DYNAMIC_TOPIC)),
            of_cluster.map(|value| (broker_name.clone(), value.clone(), STATIC_BROKER)),
            Some((broker_name, self.default.to_owned(), DEFAULT)),
        ];
        let synonyms = synonyms.into_iter().flatten().map(|(name, value, source)| {
            DescribeConfigsSynonym::default()
                .with_name(StrBytes::from_string(name))
                .with_value(Some(StrBytes::from_string(value)))
                .with_source(source)
        });
        DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(self.name))
            .with_value(Some(StrBytes::from_string(self.value)))
            .with_config_source(self.source)
            .with_config_type(self.kind)
            .with_synonyms(synonyms.collect())
    }
}

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const DYNAMIC_TOPIC: i8 = 1;
const STATIC_BROKER: i8 = 4;
const DEFAULT: i8 = 5;
const STRING: i8 = 2;
