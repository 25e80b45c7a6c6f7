//! Every version of every API in conversation with real brokers, recorded under `testdata/wire`.
//!
//! The same script asks a living broker, which records the answers, and reads the recording: there the requests must be
//! the same bytes again, and the answers must say the same. Sockets and waiting are only `record`'s, never the crate's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use milena_proto::types::{Generation, IsolationLevel, LeaderEpoch, TopicId};
use milena_proto::wire::*;

#[test]
fn kafka_4_3_1() {
    let mut script = Script::replay(include_str!("../../../../testdata/wire/kafka-4.3.1.tsv"));
    script.run();
    assert_eq!(script.metadata_version, Some(30));
}

#[test]
fn kafka_2_1_1() {
    let mut script = Script::replay(include_str!("../../../../testdata/wire/kafka-2.1.1.tsv"));
    script.run();
    assert_eq!(script.metadata_version, None);
}

#[test]
fn kafka_3_9_2() {
    let mut script = Script::replay(include_str!("../../../../testdata/wire/kafka-3.9.2.tsv"));
    script.run();
    assert_eq!(script.metadata_version, Some(21));
}

/// Writes what a new broker (one node, nothing on it) at `MILENA_BROKER` says to the file `MILENA_RECORDING`.
#[test]
#[ignore = "needs a broker, see testdata/wire/README.md"]
fn record() {
    let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("set {name}"));
    let mut script = Script::live(&variable("MILENA_BROKER"));
    script.run();
    std::fs::write(variable("MILENA_RECORDING"), script.recording).unwrap();
}

/// One record, `k` = `vv`, of 2023-11-14.
const BATCH: [u8; 71] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 59, 255, 255, 255, 255, 2, 138, 13, 103, 196, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    139, 207, 229, 104, 0, 0, 0, 1, 139, 207, 229, 104, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 0, 0, 0, 1, 18, 0, 0, 0, 2, 107, 4, 118, 118, 0,
];

/// A `ConsumerProtocolSubscription` 0 to the topic `golden`, without user data.
const SUBSCRIPTION: &[u8] =
    &[0, 0, 0, 0, 0, 1, 0, 6, b'g', b'o', b'l', b'd', b'e', b'n', 0xff, 0xff, 0xff, 0xff];

enum Peer {
    #[allow(clippy::disallowed_types)]
    Live(std::net::TcpStream),
    Recorded(std::vec::IntoIter<(i16, i16, Bytes, Bytes)>),
}

struct Script {
    peer: Peer,
    recording: String,
    correlation_id: i32,
    served: BTreeMap<i16, (i16, i16)>,
    /// The newest that the broker supports: 30 on tells of KIP-1251.
    metadata_version: Option<i16>,
}

impl Script {
    #[allow(clippy::disallowed_types)]
    fn live(address: &str) -> Self {
        Self::new(Peer::Live(std::net::TcpStream::connect(address).unwrap()))
    }

    fn replay(recording: &str) -> Self {
        let line = |line: &str| {
            let mut columns = line.split('\t');
            let mut column = || columns.next().expect("four columns");
            (column().parse().unwrap(), column().parse().unwrap(), unhex(column()), unhex(column()))
        };
        let lines: Vec<_> = recording.lines().map(line).collect();
        Self::new(Peer::Recorded(lines.into_iter()))
    }

    fn new(peer: Peer) -> Self {
        Self {
            peer,
            recording: String::new(),
            correlation_id: 0,
            served: BTreeMap::new(),
            metadata_version: None,
        }
    }

    /// Sends one request and reads its answer.
    fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.correlation_id += 1;
        let mut bytes = BytesMut::new();
        encode_request(request, version, self.correlation_id, Some("golden"), &mut bytes).unwrap();
        let frame = match &mut self.peer {
            Peer::Recorded(lines) => {
                let (api, recorded_version, question, answer) = lines.next().expect("another line");
                assert_eq!((api, recorded_version), (R::API.0, version));
                assert_eq!(bytes, question, "{} {version}", R::API);
                answer
            }
            Peer::Live(stream) => {
                stream.write_all(&bytes).unwrap();
                let mut len = [0; 4];
                stream.read_exact(&mut len).unwrap();
                let mut frame = vec![0; usize::try_from(i32::from_be_bytes(len)).unwrap()];
                stream.read_exact(&mut frame).unwrap();
                let row = (R::API.0, version, hex(&bytes), hex(&frame));
                writeln!(self.recording, "{}\t{}\t{}\t{}", row.0, row.1, row.2, row.3).unwrap();
                frame.into()
            }
        };
        let (id, answer) = decode_response::<R>(version, frame.clone())
            .unwrap_or_else(|error| panic!("{} {version}: {error}: {}", R::API, hex(&frame)));
        assert_eq!(id, self.correlation_id);
        answer
    }

    /// Asks until it is done: a new broker needs a while for some things.
    fn ask_until<R: Request>(
        &mut self,
        version: i16,
        request: &R,
        done: impl Fn(&R::Response) -> bool,
    ) -> R::Response {
        for _ in 0..200 {
            let answer = self.ask(version, request);
            if done(&answer) {
                return answer;
            }
            if matches!(self.peer, Peer::Live(_)) {
                #[allow(clippy::disallowed_methods)]
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
        }
        panic!("{} {version} never came to an end", R::API);
    }

    /// The versions that the broker serves and we know.
    fn versions<R: Request>(&self) -> RangeInclusive<i16> {
        let (oldest, newest) = self.served[&R::API.0];
        oldest.max(*R::VERSIONS.start())..=newest.min(*R::VERSIONS.end())
    }

    fn newest<R: Request>(&self) -> i16 {
        *self.versions::<R>().end()
    }

    fn run(&mut self) {
        self.api_versions();
        let id = self.topics();
        let produced = self.produce(id);
        self.fetch(id, produced);
        self.offsets(produced);
        self.coordinator();
        for version in self.versions::<JoinGroupRequest>() {
            self.join(version, &format!("join-{version}"));
        }
        for version in self.versions::<SyncGroupRequest>() {
            self.group(id, version);
        }
        for version in self.versions::<LeaveGroupRequest>() {
            self.leave(version);
        }
        self.groups();
        self.producer_ids();
        self.delete_topics();
        if let Peer::Recorded(lines) = &mut self.peer {
            assert_eq!(lines.len(), 0, "lines that nobody read");
        }
    }

    fn api_versions(&mut self) {
        let request = ApiVersionsRequest {
            client_software_name: "milena".into(),
            client_software_version: "0.1".into(),
        };
        for version in ApiVersionsRequest::VERSIONS {
            let answer = self.ask(version, &request);
            if version > 0 && version > self.served[&ApiKey::API_VERSIONS.0].1 {
                // In version 0's form; before 2.4 without a list.
                assert_eq!(answer.error, ErrorCode::UNSUPPORTED_VERSION);
                continue;
            }
            assert!(answer.error.is_ok());
            assert!(answer.apis.len() > 40);
            if version >= 3 {
                self.metadata_version =
                    answer.supported_features.get("metadata.version").map(|level| level.1);
                // Features that may be off come in version 4 only.
                assert!(version >= 4 || !answer.supported_features.contains_key("group.version"));
            }
            self.served = answer.apis;
        }
    }

    fn topics(&mut self) -> TopicId {
        let newest = self.newest::<CreateTopicsRequest>();
        let names: Vec<_> =
            self.versions::<DeleteTopicsRequest>().map(|version| format!("delete-{version}")).collect();
        for name in &names {
            self.create(newest, name);
        }
        for version in self.versions::<CreateTopicsRequest>() {
            self.create(
                version,
                if version == newest { "golden".to_owned() } else { format!("create-{version}") }.as_str(),
            );
        }
        self.metadata()
    }

    fn create(&mut self, version: i16, name: &str) {
        let topic = NewTopic {
            name: name.into(),
            num_partitions: 2,
            replication_factor: 1,
            assignments: vec![],
            configs: vec![("retention.ms".into(), Some("-1".into()))],
        };
        let mut request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, validate_only: false };
        let created = self.ask(version, &request).topics.remove(0);
        assert_eq!((&created.name[..], created.error), (name, ErrorCode::NONE));
        assert_eq!(created.error_message, None);
        assert_eq!(created.id.is_zero(), version < 7);
        request.validate_only = true;
        let refused = self.ask(version, &request).topics.remove(0);
        assert_eq!(refused.error, ErrorCode::TOPIC_ALREADY_EXISTS);
        assert!(refused.error_message.is_some());
    }

    fn metadata(&mut self) -> TopicId {
        let mut id = TopicId::ZERO;
        for version in self.versions::<MetadataRequest>() {
            let request = MetadataRequest {
                topics: Some(vec!["golden".into(), "missing".into()]),
                // Up to version 3 there is no way to say no; and topics are not created by brokers set up so.
                allow_auto_topic_creation: version < 4,
            };
            let answer = self.ask_until(version, &request, |answer| {
                answer.topics.iter().all(|topic| topic.partitions.iter().all(|p| p.leader.is_some()))
                    && answer.topics.iter().any(|topic| topic.partitions.len() == 2)
            });
            assert_eq!(answer.brokers.len(), 1);
            assert_eq!(answer.cluster_id.is_some(), version >= 2);
            assert_eq!(answer.controller, Some(answer.brokers[0].id));
            let of =
                |name: &str| answer.topics.iter().find(|topic| topic.name.as_deref() == Some(name)).unwrap();
            assert_eq!(of("missing").error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            let topic = of("golden");
            assert_eq!((topic.error, topic.is_internal), (ErrorCode::NONE, false));
            for partition in &topic.partitions {
                let brokers = vec![answer.brokers[0].id];
                assert_eq!((&partition.replicas, &partition.isr), (&brokers, &brokers));
                assert_eq!(partition.leader, Some(brokers[0]));
                assert_eq!(partition.leader_epoch, (version >= 7).then_some(LeaderEpoch(0)));
                assert_eq!(partition.offline, []);
            }
            if version >= 10 {
                assert!(!topic.id.is_zero());
                id = topic.id;
            }
        }
        // Nothing but brokers, and everything.
        let version = self.newest::<MetadataRequest>();
        let none = MetadataRequest { topics: Some(vec![]), allow_auto_topic_creation: false };
        assert_eq!(self.ask(version, &none).topics, []);
        let all = MetadataRequest { topics: None, allow_auto_topic_creation: false };
        assert!(self.ask(version, &all).topics.len() > 4);
        id
    }

    /// As many records as there are versions, in partition 0.
    fn produce(&mut self, id: TopicId) -> i64 {
        let mut produced = 0;
        for version in self.versions::<ProduceRequest>() {
            let data = |partition| ProduceTopic {
                name: "golden".into(),
                id,
                partitions: vec![(partition, Bytes::from_static(&BATCH))],
            };
            let mut request = ProduceRequest {
                transactional_id: None,
                acks: -1,
                timeout_ms: 10_000,
                topics: vec![data(0)],
            };
            let topic = self.ask(version, &request).topics.remove(0);
            assert_eq!(topic.name.as_deref(), (version < 13).then_some("golden"));
            assert_eq!(topic.id, if version < 13 { TopicId::ZERO } else { id });
            let partition = &topic.partitions[0];
            assert_eq!((partition.partition, partition.error), (0, ErrorCode::NONE));
            assert_eq!((partition.base_offset, partition.log_append_time_ms), (produced, -1));
            assert_eq!(partition.log_start_offset, if version >= 5 { 0 } else { -1 });
            produced += 1;

            request.topics = vec![data(7)];
            let partition = self.ask(version, &request).topics.remove(0).partitions.remove(0);
            assert_eq!((partition.partition, partition.error), (7, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        }
        // A batch that is damaged, so that the broker says why.
        let mut damaged = BATCH.to_vec();
        damaged[70] ^= 1;
        let topic = ProduceTopic { name: "golden".into(), id, partitions: vec![(1, damaged.into())] };
        let request =
            ProduceRequest { transactional_id: None, acks: -1, timeout_ms: 10_000, topics: vec![topic] };
        let partition =
            self.ask(self.newest::<ProduceRequest>(), &request).topics.remove(0).partitions.remove(0);
        assert_eq!(partition.error, ErrorCode::CORRUPT_MESSAGE);
        produced
    }

    fn fetch(&mut self, id: TopicId, produced: i64) {
        for version in self.versions::<FetchRequest>() {
            let wanted = |partition| FetchPartition {
                partition,
                current_leader_epoch: Some(LeaderEpoch(0)),
                fetch_offset: 0,
                last_fetched_epoch: None,
                max_bytes: 1 << 20,
            };
            let topic = |partitions: &[i32]| FetchTopic {
                name: "golden".into(),
                id,
                partitions: partitions.iter().copied().map(wanted).collect(),
            };
            let mut request = FetchRequest {
                max_wait_ms: 100,
                min_bytes: 1,
                max_bytes: 1 << 20,
                isolation: IsolationLevel::ReadCommitted,
                session_id: 0,
                // Opens a session where there is such a thing.
                session_epoch: 0,
                topics: vec![topic(&[0, 1])],
                forgotten: vec![],
                rack_id: "here".into(),
            };
            let answer = self.ask(version, &request);
            assert!(answer.error.is_ok());
            assert_eq!(answer.session_id != 0, version >= 7);
            assert_eq!(answer.node_endpoints, []);
            assert_eq!(answer.topics[0].name.as_deref(), (version < 13).then_some("golden"));
            assert_eq!(answer.topics[0].id, if version < 13 { TopicId::ZERO } else { id });
            assert_eq!(answer.topics[0].partitions.len(), 2);
            for partition in &answer.topics[0].partitions {
                let end = if partition.partition == 0 { produced } else { 0 };
                assert!(partition.error.is_ok());
                assert_eq!((partition.high_watermark, partition.last_stable_offset), (end, end));
                assert_eq!(partition.log_start_offset, if version >= 5 { 0 } else { -1 });
                assert_eq!(partition.records.len(), BATCH.len() * usize::try_from(end).unwrap());
                assert_eq!((partition.diverging_epoch, partition.current_leader), (None, None));
                assert_eq!(
                    (&partition.aborted_transactions[..], partition.preferred_read_replica),
                    (&[][..], None)
                );
            }
            if version < 7 {
                continue;
            }
            // The session goes on, without partition 1. Nothing is new, but partition 0 is asked for again.
            request.session_id = answer.session_id;
            request.session_epoch = 1;
            request.topics = vec![topic(&[0])];
            request.forgotten = vec![ForgottenTopic { name: "golden".into(), id, partitions: vec![1] }];
            let next = self.ask(version, &request);
            assert_eq!((next.error, next.session_id), (ErrorCode::NONE, answer.session_id));
            assert_eq!(next.topics[0].partitions.len(), 1);
            // The same epoch again, as if an answer had been lost.
            let refused = self.ask(version, &request);
            assert_eq!(refused.error, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
            assert_eq!(refused.topics, []);
            self.diverged(version, request, answer.session_id);
        }
    }

    /// Epochs that the leader does not know.
    fn diverged(&mut self, version: i16, mut request: FetchRequest, session: i32) {
        // Closes the session.
        (request.session_id, request.session_epoch, request.forgotten) = (session, -1, vec![]);
        let partition = &mut request.topics[0].partitions[0];
        partition.current_leader_epoch = Some(LeaderEpoch(9));
        partition.fetch_offset = 1;
        let partition = self.ask(version, &request).topics.remove(0).partitions.remove(0);
        let expected = if version >= 9 { ErrorCode::UNKNOWN_LEADER_EPOCH } else { ErrorCode::NONE };
        assert_eq!(partition.error, expected);
        if version >= 12 {
            request.session_id = 0;
            let wanted = &mut request.topics[0].partitions[0];
            // As if epoch 0 had gone on for longer than it did.
            (wanted.current_leader_epoch, wanted.last_fetched_epoch) = (None, Some(LeaderEpoch(0)));
            wanted.fetch_offset = 1_000;
            let partition = self.ask(version, &request).topics.remove(0).partitions.remove(0);
            assert!(partition.error.is_ok());
            assert_eq!(
                partition.diverging_epoch,
                Some(EpochEndOffset { epoch: 0, end_offset: partition.high_watermark })
            );
        }
    }

    fn offsets(&mut self, produced: i64) {
        let newest = self.newest::<ListOffsetsRequest>();
        for version in self.versions::<ListOffsetsRequest>() {
            let partition = |partition, timestamp| ListOffsetsPartition {
                partition,
                current_leader_epoch: Some(LeaderEpoch(0)),
                timestamp,
            };
            for (timestamp, offset) in
                [(EARLIEST_TIMESTAMP, 0), (LATEST_TIMESTAMP, produced), (1, 0), (i64::MAX, -1)]
            {
                let topic = ListOffsetsTopic {
                    name: "golden".into(),
                    partitions: vec![partition(0, timestamp), partition(7, timestamp)],
                };
                let isolation = if version >= 2 {
                    IsolationLevel::ReadCommitted
                } else {
                    IsolationLevel::ReadUncommitted
                };
                let request = ListOffsetsRequest { isolation, topics: vec![topic], timeout_ms: 10_000 };
                let mut partitions = self.ask(version, &request).topics.remove(0).partitions;
                partitions.sort_by_key(|partition| partition.partition);
                assert_eq!(
                    (partitions[0].error, partitions[0].offset),
                    (ErrorCode::NONE, offset),
                    "{timestamp}"
                );
                // 2.1.1 knows the field, and leaves it at -1.
                let told = version >= 4 && offset >= 0 && newest >= 6;
                assert_eq!(partitions[0].leader_epoch, told.then_some(LeaderEpoch(0)));
                assert_eq!(partitions[1].error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            }
        }
        for version in self.versions::<OffsetForLeaderEpochRequest>() {
            let partition = OffsetForLeaderPartition {
                partition: 0,
                current_leader_epoch: Some(LeaderEpoch(0)),
                leader_epoch: LeaderEpoch(0),
            };
            let request = OffsetForLeaderEpochRequest { topics: vec![("golden".into(), vec![partition])] };
            let (topic, partitions) = self.ask(version, &request).topics.remove(0);
            assert_eq!(topic, "golden");
            let end = EpochEndOffset { epoch: 0, end_offset: produced };
            assert_eq!(partitions, [OffsetForLeaderResult { partition: 0, error: ErrorCode::NONE, end }]);
        }
    }

    fn coordinator(&mut self) {
        for version in self.versions::<FindCoordinatorRequest>() {
            for key_type in if version >= 1 { 0..=1 } else { 0..=0 } {
                let request = FindCoordinatorRequest { key: "sync-0".into(), key_type };
                let answer = self.ask_until(version, &request, |answer| answer.error.is_ok());
                assert!(answer.coordinator.is_some_and(|broker| broker.id.0 >= 0 && broker.port > 0));
            }
            // 2.1.1 hangs up.
            if version >= 3 {
                let answer = self.ask(version, &FindCoordinatorRequest { key: "g".into(), key_type: 9 });
                assert_eq!((answer.error, answer.coordinator), (ErrorCode::INVALID_REQUEST, None));
            }
        }
    }

    /// A group of one; its member's id.
    fn join(&mut self, version: i16, group_id: &str) -> String {
        let mut request = JoinGroupRequest {
            group_id: group_id.into(),
            session_timeout_ms: 30_000,
            rebalance_timeout_ms: 60_000,
            member_id: String::new(),
            group_instance_id: None,
            protocol_type: "consumer".into(),
            protocols: vec![("range".into(), Bytes::from_static(SUBSCRIPTION))],
            reason: Some("golden".into()),
        };
        let mut answer = self.ask_until(version, &request, |answer| {
            ![ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, ErrorCode::NOT_COORDINATOR].contains(&answer.error)
        });
        // KIP-394.
        assert_eq!(answer.error == ErrorCode::MEMBER_ID_REQUIRED, version >= 4);
        if version >= 4 {
            assert_eq!(answer.generation(), None);
            request.member_id = answer.member_id;
            answer = self.ask(version, &request);
        }
        assert_eq!((answer.error, answer.generation()), (ErrorCode::NONE, Some(Generation(1))));
        assert_eq!(answer.leader, answer.member_id);
        assert_eq!(answer.protocol_name.as_deref(), Some("range"));
        assert_eq!(answer.protocol_type.as_deref(), (version >= 7).then_some("consumer"));
        assert!(!answer.skip_assignment);
        let member = JoinGroupMember {
            member_id: answer.member_id.clone(),
            group_instance_id: None,
            metadata: Bytes::from_static(SUBSCRIPTION),
        };
        assert_eq!(answer.members, [member]);
        answer.member_id
    }

    fn group(&mut self, id: TopicId, version: i16) {
        let group_id = format!("sync-{version}");
        let member_id = self.join(self.newest::<JoinGroupRequest>(), &group_id);
        let sync = SyncGroupRequest {
            group_id: group_id.clone(),
            generation: Generation(1),
            member_id: member_id.clone(),
            group_instance_id: None,
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignments: vec![(member_id.clone(), Bytes::from_static(b"assignment"))],
        };
        let answer = self.ask(version, &sync);
        assert_eq!((answer.error, &answer.assignment[..]), (ErrorCode::NONE, &b"assignment"[..]));
        assert_eq!(answer.protocol_name.as_deref(), (version >= 5).then_some("range"));
        if version == 0 {
            self.heartbeats(&member_id);
            self.commits(id, &member_id);
        }
    }

    fn leave(&mut self, version: i16) {
        let group_id = format!("leave-{version}");
        let member_id = self.join(self.newest::<JoinGroupRequest>(), &group_id);
        let leave = |member_id: &str| LeaveGroupRequest {
            group_id: group_id.clone(),
            member_id: member_id.into(),
            group_instance_id: None,
            reason: Some("golden".into()),
        };
        // Version 3 on it is the member's error, in a list.
        assert_eq!(self.ask(version, &leave("nobody")).error, ErrorCode::UNKNOWN_MEMBER_ID);
        assert_eq!(self.ask(version, &leave(&member_id)).error, ErrorCode::NONE);
    }

    fn heartbeats(&mut self, member_id: &str) {
        for version in self.versions::<HeartbeatRequest>() {
            let heartbeat = |generation| HeartbeatRequest {
                group_id: "sync-0".into(),
                generation: Generation(generation),
                member_id: member_id.into(),
                group_instance_id: None,
            };
            assert_eq!(self.ask(version, &heartbeat(1)).error, ErrorCode::NONE);
            assert_eq!(self.ask(version, &heartbeat(2)).error, ErrorCode::ILLEGAL_GENERATION);
        }
    }

    fn commits(&mut self, id: TopicId, member_id: &str) {
        for version in self.versions::<OffsetCommitRequest>() {
            let partition = |partition, metadata: Option<&str>| OffsetCommitPartition {
                partition,
                offset: 100 + i64::from(version),
                leader_epoch: Some(LeaderEpoch(0)),
                metadata: metadata.map(str::to_owned),
            };
            let topic = OffsetCommitTopic {
                name: "golden".into(),
                id,
                partitions: vec![partition(0, Some("note")), partition(1, None)],
            };
            let commit = OffsetCommitRequest {
                group_id: "sync-0".into(),
                generation: Generation(1),
                member_id: member_id.into(),
                group_instance_id: None,
                topics: vec![topic],
            };
            let topic = self.ask(version, &commit).topics.remove(0);
            assert_eq!(topic.name.as_deref(), (version < 10).then_some("golden"));
            assert_eq!(topic.id, if version < 10 { TopicId::ZERO } else { id });
            assert_eq!(topic.partitions, [(0, ErrorCode::NONE), (1, ErrorCode::NONE)]);
        }
        let last = 100 + i64::from(self.newest::<OffsetCommitRequest>());
        for version in self.versions::<OffsetFetchRequest>() {
            let topic = OffsetFetchTopic { name: "golden".into(), id, partitions: vec![0, 1] };
            for topics in [Some(vec![topic]), None] {
                if topics.is_none() && version < 2 {
                    continue;
                }
                let request = OffsetFetchRequest {
                    group_id: "sync-0".into(),
                    member: Some((member_id.into(), 1)),
                    topics,
                    require_stable: true,
                };
                let answer = self.ask(version, &request);
                assert!(answer.error.is_ok());
                assert_eq!(answer.topics.len(), 1);
                let topic = &answer.topics[0];
                assert_eq!(topic.name.as_deref(), (version < 10).then_some("golden"));
                assert_eq!(topic.id, if version < 10 { TopicId::ZERO } else { id });
                let offset = |partition, metadata: &str| FetchedOffset {
                    partition,
                    error: ErrorCode::NONE,
                    offset: last,
                    leader_epoch: (version >= 5).then_some(LeaderEpoch(0)),
                    metadata: Some(metadata.into()),
                };
                let mut partitions = topic.partitions.clone();
                partitions.sort_by_key(|partition| partition.partition);
                assert_eq!(partitions, [offset(0, "note"), offset(1, "")]);
            }
        }
    }

    fn groups(&mut self) {
        let last = format!("sync-{}", self.newest::<SyncGroupRequest>());
        for version in self.versions::<DescribeGroupsRequest>() {
            let request = DescribeGroupsRequest { groups: vec![last.clone(), "missing".into()] };
            let groups = self.ask(version, &request).groups;
            let stable = &groups[0];
            assert_eq!(
                (stable.error, &stable.group_id[..], &stable.state[..]),
                (ErrorCode::NONE, &last[..], "Stable")
            );
            assert_eq!((&stable.protocol_type[..], &stable.protocol[..]), ("consumer", "range"));
            assert_eq!(stable.members.len(), 1);
            let member = &stable.members[0];
            assert_eq!((&member.client_id[..], &member.client_host[..]), ("golden", "/127.0.0.1"));
            assert_eq!((&member.metadata[..], &member.assignment[..]), (SUBSCRIPTION, &b"assignment"[..]));
            let missing = &groups[1];
            assert_eq!(missing.state, "Dead");
            assert_eq!(missing.error == ErrorCode::GROUP_ID_NOT_FOUND, version >= 6);
            assert_eq!(missing.error_message.is_some(), version >= 6);
        }
        for version in self.versions::<ListGroupsRequest>() {
            let states = if version >= 4 { vec!["Stable".into()] } else { vec![] };
            let types = if version >= 5 { vec!["classic".into()] } else { vec![] };
            let answer = self.ask(version, &ListGroupsRequest { states, types });
            assert!(answer.error.is_ok());
            let listed = ListedGroup {
                group_id: last.clone(),
                protocol_type: "consumer".into(),
                state: (version >= 4).then(|| "Stable".into()),
                group_type: (version >= 5).then(|| "classic".into()),
            };
            assert!(answer.groups.contains(&listed), "{:?}", answer.groups);
        }
    }

    fn producer_ids(&mut self) {
        let mut seen = vec![];
        for version in self.versions::<InitProducerIdRequest>() {
            let request = InitProducerIdRequest {
                transactional_id: None,
                transaction_timeout_ms: i32::MAX,
                producer_id: -1,
                producer_epoch: -1,
            };
            let answer = self.ask_until(version, &request, |answer| answer.error.is_ok());
            assert_eq!(answer.producer_epoch, 0);
            assert!(!seen.contains(&answer.producer_id));
            seen.push(answer.producer_id);
        }
    }

    fn delete_topics(&mut self) {
        for version in self.versions::<DeleteTopicsRequest>() {
            let name = format!("delete-{version}");
            let request =
                DeleteTopicsRequest { names: vec![name.clone(), "missing".into()], timeout_ms: 10_000 };
            let mut topics = self.ask(version, &request).topics;
            topics.sort_by(|a, b| a.name.cmp(&b.name));
            assert_eq!((topics[0].name.as_deref(), topics[0].error), (Some(&name[..]), ErrorCode::NONE));
            assert_eq!(topics[1].error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            assert!(version >= 5 || topics[1].error_message.is_none());
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Bytes {
    let digits: Vec<u8> =
        text.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<_>>().into()
}
