//! Scripts against the coordinators: say what comes in, see what goes out, move the clock.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::call::{Answer, Call, Topics};
use super::consumer::Refused;
use super::offsets::{CommitPartition, CommitTopic, Committing, FetchTopic};
use super::{GroupConfig, Groups, Now};
use crate::ctx::ReplyTo;
use crate::error_code::ErrorCode;

/// The one group that scripts are about.
pub(super) const GROUP: &str = "g";

/// Coordinators, topics and a clock.
pub(super) struct Script {
    pub(super) groups: Groups,
    pub(super) topics: FakeTopics,
    replies: u64,
    answers: BTreeMap<ReplyTo, Answer>,
}

/// A request that may still be waiting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Token(ReplyTo);

/// What a JoinGroup says. Unset fields are what a consumer of the 4.x era would send.
#[derive(Clone)]
pub(super) struct Joiner {
    pub(super) member: StrBytes,
    pub(super) instance: Option<StrBytes>,
    pub(super) session_ms: i32,
    pub(super) rebalance_ms: i32,
    pub(super) kind: StrBytes,
    pub(super) protocols: Vec<(&'static str, Bytes)>,
    pub(super) version: i16,
}

impl Default for Joiner {
    fn default() -> Self {
        Self {
            member: StrBytes::new(),
            instance: None,
            session_ms: 10_000,
            rebalance_ms: 60_000,
            kind: text("consumer"),
            protocols: vec![("range", subscription(&["t"]))],
            version: 9,
        }
    }
}

impl Joiner {
    pub(super) fn member(id: &str) -> Self {
        Self { member: text(id), ..Self::default() }
    }

    pub(super) fn instance(instance: &str) -> Self {
        Self { instance: Some(text(instance)), ..Self::default() }
    }
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A subscription as consumers write it, version 0.
pub(super) fn subscription(topics: &[&str]) -> Bytes {
    let mut out = vec![0, 0];
    out.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        out.extend((topic.len() as i16).to_be_bytes());
        out.extend(topic.as_bytes());
    }
    out.extend((-1_i32).to_be_bytes());
    out.into()
}

impl Script {
    /// One topic `t` of four partitions.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut GroupConfig)) -> Self {
        let mut config = GroupConfig { consumer_assignment_interval: Now::ZERO, ..GroupConfig::default() };
        change(&mut config);
        let mut topics = FakeTopics::default();
        topics.set("t", 4);
        Self { groups: Groups::with_config(config, 7), topics, replies: 0, answers: BTreeMap::new() }
    }

    /// Lets time pass, timer by timer.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.groups.env.now + Now::from_millis(ms);
        while let Some(at) = self.groups.poll_timeout().filter(|at| *at <= end) {
            self.groups.env.now = self.groups.env.now.max(at);
            self.groups.run_timers(&self.topics);
        }
        self.groups.env.now = end;
        self.collect();
    }

    fn collect(&mut self) {
        for (to, answer) in std::mem::take(&mut self.groups.env.outbox) {
            assert!(self.answers.insert(to, answer).is_none(), "a request is answered once");
        }
    }

    fn call<R>(&mut self, version: i16, work: impl FnOnce(&mut Groups, &Call<'_>) -> R) -> (R, Token) {
        self.replies += 1;
        let reply_to = ReplyTo(self.replies);
        let call = Call {
            version,
            client_id: "client",
            client_host: "/127.0.0.1",
            topics: &self.topics,
            topics_version: self.groups.topics_version,
            reply_to,
        };
        let result = work(&mut self.groups, &call);
        self.collect();
        (result, Token(reply_to))
    }

    /// Sends JoinGroup. An answer that is there at once is one to the token, too.
    pub(super) fn join(&mut self, joiner: &Joiner) -> Token {
        let protocols = joiner.protocols.iter().map(|(name, metadata)| {
            JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata.clone())
        });
        let request = JoinGroupRequest::default()
            .with_group_id(text(GROUP).into())
            .with_member_id(joiner.member.clone())
            .with_group_instance_id(joiner.instance.clone())
            .with_session_timeout_ms(joiner.session_ms)
            .with_rebalance_timeout_ms(joiner.rebalance_ms)
            .with_protocol_type(joiner.kind.clone())
            .with_protocols(protocols.collect());
        let (answer, token) = self.call(joiner.version, |groups, call| groups.join(call, &request));
        if let Some(answer) = answer {
            self.answers.insert(token.0, Answer::Join(answer, joiner.version));
        }
        token
    }

    /// The answer to a JoinGroup; it must be there.
    pub(super) fn joined(&mut self, token: Token) -> JoinGroupResponse {
        match self.answers.remove(&token.0) {
            Some(Answer::Join(answer, _)) => answer,
            other => panic!("no answer to a JoinGroup: {other:?}"),
        }
    }

    pub(super) fn waits(&self, token: Token) -> bool {
        !self.answers.contains_key(&token.0)
    }

    /// A newcomer's way in: two JoinGroups, the second of which may wait (KIP-394).
    pub(super) fn newcomer(&mut self) -> (String, Token) {
        let token = self.join(&Joiner::default());
        let answer = self.joined(token);
        assert_eq!(ErrorCode(answer.error_code), ErrorCode::MEMBER_ID_REQUIRED);
        let id = answer.member_id.to_string();
        let token = self.join(&Joiner::member(&id));
        (id, token)
    }

    /// A stable group of one; its member and generation.
    pub(super) fn alone(&mut self) -> (String, i32) {
        let (id, token) = self.newcomer();
        let generation = self.joined(token).generation_id;
        let synced = self.sync(&id, generation, &[(&id, b"all")]);
        assert_eq!(self.synced(synced).error_code, 0);
        (id, generation)
    }

    /// A stable group of two: leader, follower, generation.
    pub(super) fn pair(&mut self) -> (String, String, i32) {
        let (leader, _) = self.alone();
        let (follower, waiting) = self.newcomer();
        let rejoined = self.join(&Joiner::member(&leader));
        let generation = self.joined(rejoined).generation_id;
        assert_eq!(self.joined(waiting).generation_id, generation);
        let token = self.sync(&leader, generation, &[(&leader, b"a"), (&follower, b"b")]);
        assert_eq!(self.synced(token).assignment, Bytes::from_static(b"a"));
        let token = self.sync(&follower, generation, &[]);
        assert_eq!(self.synced(token).assignment, Bytes::from_static(b"b"));
        (leader, follower, generation)
    }

    pub(super) fn sync(
        &mut self,
        member: &str,
        generation: i32,
        assignments: &[(&str, &'static [u8])],
    ) -> Token {
        self.sync_as(member, None, generation, assignments)
    }

    pub(super) fn sync_as(
        &mut self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
        assignments: &[(&str, &'static [u8])],
    ) -> Token {
        let assignments = assignments.iter().map(|(member, bytes)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(member))
                .with_assignment(Bytes::from_static(bytes))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(text(GROUP).into())
            .with_member_id(text(member))
            .with_group_instance_id(instance.map(text))
            .with_generation_id(generation)
            .with_assignments(assignments.collect());
        let (answer, token) = self.call(5, |groups, call| groups.sync(call, &request));
        if let Some(answer) = answer {
            self.answers.insert(token.0, Answer::Sync(answer));
        }
        token
    }

    pub(super) fn synced(&mut self, token: Token) -> SyncGroupResponse {
        match self.answers.remove(&token.0) {
            Some(Answer::Sync(answer)) => answer,
            other => panic!("no answer to a SyncGroup: {other:?}"),
        }
    }

    pub(super) fn heartbeat(&mut self, member: &str, generation: i32) -> Result<(), ErrorCode> {
        self.heartbeat_as(member, None, generation)
    }

    pub(super) fn heartbeat_as(
        &mut self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        let request = HeartbeatRequest::default()
            .with_group_id(text(GROUP).into())
            .with_member_id(text(member))
            .with_group_instance_id(instance.map(text))
            .with_generation_id(generation);
        self.call(4, |groups, _| groups.heartbeat(&request)).0
    }

    pub(super) fn leave(&mut self, members: &[(&str, Option<&str>)]) -> LeaveGroupResponse {
        let members: Vec<MemberIdentity> = members
            .iter()
            .map(|(member, instance)| {
                MemberIdentity::default()
                    .with_member_id(text(member))
                    .with_group_instance_id(instance.map(text))
            })
            .collect();
        self.call(5, |groups, call| groups.leave(call, &text(GROUP), &members)).0
    }

    /// Commits an offset of `t`-0 as OffsetCommit v9.
    pub(super) fn commit(&mut self, member: &str, generation: i32, offset: i64) -> Result<(), ErrorCode> {
        self.commit_at(member, generation, 0, offset, 9)
    }

    pub(super) fn commit_at(
        &mut self,
        member: &str,
        generation: i32,
        partition: i32,
        offset: i64,
        version: i16,
    ) -> Result<(), ErrorCode> {
        let topic = self.commit_topic(partition, offset, "");
        let result = self.call(version, |groups, _| {
            groups.commit(&committing(member, generation, version, false), &[topic])
        });
        result.0.and_then(|codes| if codes[0][0].is_none() { Ok(()) } else { Err(codes[0][0]) })
    }

    pub(super) fn commit_transactional(
        &mut self,
        member: &str,
        generation: i32,
        producer: i64,
        offset: i64,
    ) -> Result<(), ErrorCode> {
        let topic = self.commit_topic(0, offset, "");
        let commit = committing(member, generation, 3, true);
        let result = self.call(3, |groups, _| groups.commit_transactional(&commit, producer, &[topic]));
        result.0.map(drop)
    }

    pub(super) fn commit_topic(&self, partition: i32, offset: i64, metadata: &str) -> CommitTopic {
        let (id, _) = self.topics.by_name("t").unwrap_or_default();
        let partition =
            CommitPartition { index: partition, offset, leader_epoch: -1, metadata: Some(text(metadata)) };
        CommitTopic { name: text("t"), id, partitions: vec![partition] }
    }

    /// The committed offset of `t`-0 and its error.
    pub(super) fn fetch(&self, stable: bool) -> (i64, ErrorCode) {
        let topic = FetchTopic { name: text("t"), id: Uuid::nil(), partitions: vec![0], unknown_id: false };
        let fetched = self.groups.fetch_offsets(&text(GROUP), None, -1, Some(&[topic]), stable);
        let fetched = fetched.expect("no member is named, so nothing is checked");
        (fetched[0].partitions[0].offset, fetched[0].partitions[0].error)
    }

    /// A KIP-848 heartbeat, version 1.
    pub(super) fn beat(&mut self, beat: &Beat) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        let owned = beat.owned.as_ref().map(|owned| {
            let (id, _) = self.topics.by_name("t").unwrap_or_default();
            vec![TopicPartitions::default().with_topic_id(id).with_partitions(owned.clone())]
        });
        let owned =
            owned.map(|topics| topics.into_iter().filter(|topic| !topic.partitions.is_empty()).collect());
        let names =
            beat.topics.as_ref().map(|topics| topics.iter().map(|topic| TopicName(text(topic))).collect());
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(text(GROUP).into())
            .with_member_id(text(&beat.member))
            .with_member_epoch(beat.epoch)
            .with_instance_id(beat.instance.map(text))
            .with_rebalance_timeout_ms(beat.rebalance_ms)
            .with_subscribed_topic_names(names)
            .with_subscribed_topic_regex(beat.regex.map(text))
            .with_server_assignor(beat.assignor.map(text))
            .with_topic_partitions(owned);
        self.call(1, |groups, call| groups.consumer_heartbeat(call, &request)).0
    }
}

pub(super) fn committing(member: &str, generation: i32, version: i16, transactional: bool) -> Committing<'_> {
    static GROUP_ID: std::sync::LazyLock<StrBytes> = std::sync::LazyLock::new(|| text(GROUP));
    Committing {
        group: &GROUP_ID,
        member,
        instance: None,
        generation,
        transactional,
        version,
        retention: None,
        metadata_max: 4096,
    }
}

/// What a KIP-848 heartbeat says.
#[derive(Clone, Debug)]
pub(super) struct Beat {
    pub(super) member: String,
    pub(super) epoch: i32,
    pub(super) instance: Option<&'static str>,
    pub(super) rebalance_ms: i32,
    pub(super) topics: Option<Vec<&'static str>>,
    pub(super) regex: Option<&'static str>,
    pub(super) assignor: Option<&'static str>,
    /// Partitions of `t`.
    pub(super) owned: Option<Vec<i32>>,
}

impl Beat {
    /// The first heartbeat of a member that wants `t`.
    pub(super) fn joining(member: &str) -> Self {
        Self {
            member: member.to_owned(),
            epoch: 0,
            instance: None,
            rebalance_ms: 30_000,
            topics: Some(vec!["t"]),
            regex: None,
            assignor: None,
            owned: Some(Vec::new()),
        }
    }

    /// A heartbeat that says nothing new.
    pub(super) fn of(member: &str, epoch: i32) -> Self {
        Self { epoch, rebalance_ms: -1, topics: None, owned: None, ..Self::joining(member) }
    }

    /// One that says which partitions of `t` the member has.
    pub(super) fn owning(member: &str, epoch: i32, owned: &[i32]) -> Self {
        Self { owned: Some(owned.to_vec()), ..Self::of(member, epoch) }
    }
}

/// The partitions of an answer's assignment. `None`: it has none.
pub(super) fn partitions(answer: &ConsumerGroupHeartbeatResponse) -> Option<Vec<i32>> {
    let assignment = answer.assignment.as_ref()?;
    Some(assignment.topic_partitions.iter().flat_map(|topic| topic.partitions.iter().copied()).collect())
}

/// Topics by name.
#[derive(Clone, Debug, Default)]
pub(super) struct FakeTopics {
    by_name: BTreeMap<String, (Uuid, i32)>,
    made: u128,
}

impl FakeTopics {
    /// Creates a topic, or gives it more partitions.
    pub(super) fn set(&mut self, name: &str, partitions: i32) {
        self.made += 1;
        let fresh = Uuid::from_u128(self.made);
        let entry = self.by_name.entry(name.to_owned()).or_insert((fresh, partitions));
        entry.1 = partitions;
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }
}

impl Topics for FakeTopics {
    fn by_name(&self, name: &str) -> Option<(Uuid, i32)> {
        self.by_name.get(name).copied()
    }

    fn by_id(&self, id: Uuid) -> Option<(StrBytes, i32)> {
        self.by_name
            .iter()
            .find(|(_, (known, _))| *known == id)
            .map(|(name, (_, count))| (text(name), *count))
    }

    fn names(&self) -> Vec<StrBytes> {
        self.by_name.keys().map(|name| text(name)).collect()
    }
}
