//! The group coordinators: classic groups, consumer groups (KIP-848), and the offsets of both.
//!
//! One [`Groups`] for the whole cluster stands for the coordinators of all brokers. Which broker may answer for a group is
//! asked before (`api`); what a move to another broker does to a group is in [`handle_coordinator_moved`].

mod call;
mod classic;
mod config;
mod consumer;
mod coordinate;
mod embedded;
mod ids;
mod list;
mod offsets;
mod requests;
#[cfg(test)]
mod script;
mod timers;
mod topics;

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::BrokerId;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub(crate) use self::call::Call;
use self::call::{Answer, Env};
use self::classic::ClassicGroup;
pub(crate) use self::classic::{in_version as join_in_version, join_error};
pub use self::config::{GroupConfig, MigrationPolicy};
use self::consumer::ConsumerGroup;
use self::ids::Ids;
pub(crate) use self::offsets::{CommitPartition, CommitTopic, Committing, FetchTopic, Fetched, FetchedTopic};
pub use self::offsets::{OffsetChange, OffsetRecord, Tombstone};
use self::timers::Timers;
use crate::cluster::Settings;
pub(crate) use crate::ctx::ReplyTo;
use crate::ctx::{Ctx, World};
use crate::error_code::ErrorCode;

/// Time since the cluster's start.
pub(crate) type Now = Duration;

/// The groups of all coordinators.
#[derive(Debug)]
pub struct Groups {
    env: Env,
    groups: BTreeMap<StrBytes, Group>,
    offsets: offsets::Offsets,
    /// Rises with every change of the topics.
    topics_version: u64,
}

/// A group of one protocol or the other.
#[derive(Clone, Debug)]
enum Group {
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
}

impl Default for Groups {
    fn default() -> Self {
        Self::with_config(GroupConfig::default(), 0)
    }
}

impl Groups {
    /// Coordinators as the brokers' settings want them.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self::with_config(GroupConfig::from_properties(&settings.properties), settings.seed)
    }

    fn with_config(config: GroupConfig, seed: u64) -> Self {
        let env = Env {
            config,
            timers: Timers::default(),
            outbox: Vec::new(),
            ids: Ids::new(seed),
            now: Now::ZERO,
        };
        Self { env, groups: BTreeMap::new(), offsets: offsets::Offsets::default(), topics_version: 1 }
    }

    /// The coordinators' settings.
    pub fn config(&self) -> &GroupConfig {
        &self.env.config
    }

    /// The coordinators' settings, to be changed while they work. What runs already keeps its time.
    pub fn config_mut(&mut self) -> &mut GroupConfig {
        &mut self.env.config
    }

    /// When [`handle_timeout`] has something to do, in time since the cluster's start.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.env.timers.next()
    }

    /// Every accepted commit of every group, and everything that took one away, in order: what a real cluster would have
    /// in `__consumer_offsets`.
    pub fn history(&self) -> &[OffsetRecord] {
        self.offsets.history()
    }

    /// A group's committed offset.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        self.offsets.committed(group, topic, partition).map(|committed| committed.offset)
    }

    /// A group's state by Kafka's name (`Stable`, say), or `Dead` if there is none.
    pub fn state(&self, group: &str) -> &'static str {
        match self.find(group) {
            None => "Dead",
            Some(Group::Classic(group)) => group.state.name(),
            Some(Group::Consumer(group)) => group.state().name(),
        }
    }

    /// A classic group's generation, or a consumer group's epoch.
    pub fn generation(&self, group: &str) -> Option<i32> {
        self.find(group).map(|group| match group {
            Group::Classic(group) => group.generation,
            Group::Consumer(group) => group.epoch,
        })
    }

    /// The ids of a group's members, in order.
    pub fn members(&self, group: &str) -> Vec<String> {
        let mut members: Vec<String> = match self.find(group) {
            None => Vec::new(),
            Some(Group::Classic(group)) => group.members.iter().map(|member| member.id.to_string()).collect(),
            Some(Group::Consumer(group)) => group.members.keys().map(ToString::to_string).collect(),
        };
        members.sort();
        members
    }

    fn find(&self, group: &str) -> Option<&Group> {
        self.groups.get(&StrBytes::from_string(group.to_owned()))
    }
}

/// Does what is due at `world.now`. Called often; cheap if nothing is due.
pub fn handle_timeout(world: &mut World) {
    if world.groups.poll_timeout().is_none_or(|at| at > world.now) {
        return;
    }
    world.groups.env.now = world.now;
    world.groups.run_timers(&world.cluster);
    flush(world);
}

/// A partition of `__consumer_offsets` has another leader, so its groups have another coordinator (`None`: nobody).
///
/// Members, epochs, generations and offsets survive, as far as they were written; a round of joins that was under way does not.
/// Whoever waits gets NOT_COORDINATOR.
pub fn handle_coordinator_moved(world: &mut World, partition: i32, _leader: Option<BrokerId>) {
    world.groups.env.now = world.now;
    let moved: Vec<StrBytes> = world
        .groups
        .groups
        .keys()
        .filter(|group| world.cluster.offsets_partition(group.as_str()) == partition)
        .cloned()
        .collect();
    for group in moved {
        world.groups.reload(&group);
    }
    flush(world);
}

/// A topic is gone: its offsets are tombstoned. Called before one of the same name can be created.
pub fn handle_topic_deleted(world: &mut World, name: &str, _id: Uuid) {
    world.groups.offsets.delete_topic(world.now, name);
    world.groups.topics_version += 1;
}

/// A topic was created or has more partitions: KIP-848 assignments change.
pub fn handle_topics_changed(world: &mut World) {
    world.groups.topics_version += 1;
}

/// Takes a member out of its group, as if its session were over. False if there is no such member.
pub(crate) fn fence_member(world: &mut World, group: &str, member: &str) -> bool {
    world.groups.env.now = world.now;
    let known = world.groups.expire_member(&world.cluster, group, member);
    flush(world);
    known
}

/// Sends the answers that have become ready to those who wait for them.
pub(crate) fn flush(world: &mut World) {
    for (to, answer) in std::mem::take(&mut world.groups.env.outbox) {
        match answer {
            Answer::Join(answer, version) => world.answer(to, classic::in_version(answer, version)),
            Answer::Sync(answer) => world.answer(to, answer),
        }
    }
}

/// Milliseconds off the wire; negative ones are none at all.
fn millis(ms: i32) -> Now {
    Now::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn millis_i32(time: Now) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

/// Hands a request to the coordinators, and sends what has become ready by it.
pub(crate) fn call<R>(
    ctx: &mut Ctx<'_>,
    version: i16,
    handle: impl FnOnce(&mut Groups, &Call<'_>) -> R,
) -> R {
    let World { groups, cluster, now, .. } = &mut *ctx.world;
    groups.env.now = *now;
    let call = Call {
        version,
        client_id: &ctx.client_id,
        client_host: &ctx.client_host,
        topics: cluster,
        topics_version: groups.topics_version,
        reply_to: ctx.reply_to,
    };
    let result = handle(groups, &call);
    flush(ctx.world);
    result
}

/// Whether the broker that was asked coordinates the group.
pub(crate) fn check_coordinator(ctx: &Ctx<'_>, group: &str) -> Result<(), ErrorCode> {
    if ctx.cluster.group_coordinator(group) == Some(ctx.broker) {
        Ok(())
    } else {
        Err(ErrorCode::NOT_COORDINATOR)
    }
}
