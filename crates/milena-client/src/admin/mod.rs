//! Administration: inherent methods of [`Client`](crate::Client), a file for each verb.

mod commit_group_offsets;
mod create_topics;
mod delete_topics;
mod describe_group;
mod describe_topics;
mod group_offsets;
mod list_groups;
mod list_offsets;
mod to_controller;
mod wanted;

pub use create_topics::NewTopic;
pub use describe_group::{GroupDescription, MemberDescription};
pub use describe_topics::{BrokerDescription, ClusterDescription, PartitionDescription, TopicDescription};
pub use group_offsets::CommittedOffset;
pub use list_groups::GroupListing;
pub use list_offsets::OffsetSpec;
pub(crate) use wanted::Wanted;
