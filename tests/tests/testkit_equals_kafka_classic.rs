//! Generated requests of the classic group protocol go to a real Kafka 4.3 and to the testkit; which are answered, which wait, and
//! with what, is compared.
//!
//! Two members, one of them static: who leads after a leader has left three is a hash map's business in Kafka. Member ids, which a
//! broker makes up, become the members' numbers. No timer fires: those have tests of their own in the testkit.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ApiKey, DescribeGroupsRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest,
    LeaveGroupRequest, OffsetCommitRequest, ResponseKind, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use milena_tests::fixture::kafka::{Options, Version};
use milena_tests::fixture::wire::Wire;
use testkit::Cluster;

const SEQUENCES: u64 = 4;
const STEPS: usize = 40;
/// An answer that has not come by then is one that waits.
const SETTLED: Duration = Duration::from_millis(150);
const NEWCOMER_VERSION: i16 = 9;

/// One of the two.
struct Side {
    address: String,
    wire: Wire,
    members: [Member; 2],
    /// Requests that wait, each on a connection of its own: what it was, and of whom.
    waiting: Vec<(String, usize, Wire)>,
    /// Every id that a member ever had.
    ids: Vec<(String, usize)>,
}

#[derive(Clone, Default)]
struct Member {
    id: StrBytes,
    generation: i32,
}

#[derive(Debug, Clone)]
enum Step {
    /// `anew`: without the member id.
    Join {
        member: usize,
        anew: bool,
        other: bool,
    },
    Sync {
        member: usize,
        slip: i32,
    },
    Beat {
        member: usize,
        slip: i32,
    },
    Commit {
        member: Option<usize>,
        slip: i32,
    },
    Leave {
        member: usize,
    },
    Describe,
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn slip(&mut self) -> i32 {
        [0, 0, 0, 0, 0, -1, 1][self.below(7) as usize]
    }

    fn step(&mut self) -> Step {
        let member = self.below(2) as usize;
        match self.below(20) {
            0..=7 => Step::Join { member, anew: self.below(5) == 0, other: self.below(6) == 0 },
            8..=12 => Step::Sync { member, slip: self.slip() },
            13 | 14 => Step::Beat { member, slip: self.slip() },
            15 | 16 => Step::Commit { member: (self.below(4) != 0).then_some(member), slip: self.slip() },
            17 => Step::Leave { member },
            _ => Step::Describe,
        }
    }
}

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

fn instance(member: usize) -> Option<StrBytes> {
    (member == 1).then(|| text("instance"))
}

impl Side {
    fn connect(address: &str) -> Side {
        Side {
            address: address.to_owned(),
            wire: Wire::connect(address),
            members: Default::default(),
            waiting: Vec::new(),
            ids: Vec::new(),
        }
    }

    fn begin(&mut self, group: &str) {
        self.members = Default::default();
        self.waiting.clear();
        self.ids.clear();
        loop {
            let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(group)]);
            if let ResponseKind::FindCoordinator(found) = self.wire.call(ApiKey::FindCoordinator, 4, request)
                && found.coordinators.iter().all(|found| found.error_code == 0)
            {
                // Asks a group that is not there, until the coordinator has loaded.
                let request = HeartbeatRequest::default().with_group_id(text(group).into());
                if let ResponseKind::Heartbeat(answer) = self.wire.call(ApiKey::Heartbeat, 4, request)
                    && answer.error_code == 25
                {
                    return;
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Does a step. What was answered by it, to whom, in words that should be the same on both sides.
    fn take(&mut self, group: &str, step: &Step) -> Vec<String> {
        let id = text(group);
        let mut said = Vec::new();
        match step {
            Step::Join { member, anew, other } => {
                let Member { id: own, .. } = &self.members[*member];
                let metadata: &[u8] = if *other {
                    b"\0\x01\0\0\0\x01\0\x01u\xff\xff\xff\xff\0\0\0\0"
                } else {
                    b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0"
                };
                let protocol = JoinGroupRequestProtocol::default()
                    .with_name(text("range"))
                    .with_metadata(Bytes::copy_from_slice(metadata));
                let request = JoinGroupRequest::default()
                    .with_group_id(id.into())
                    .with_member_id(if *anew { StrBytes::new() } else { own.clone() })
                    .with_group_instance_id(instance(*member))
                    .with_protocol_type(text("consumer"))
                    .with_session_timeout_ms(300_000)
                    .with_rebalance_timeout_ms(300_000)
                    .with_protocols(vec![protocol]);
                self.hold("JoinGroup", *member, ApiKey::JoinGroup, NEWCOMER_VERSION, request);
            }
            Step::Sync { member, slip } => {
                let assignments = self.members.iter().enumerate().map(|(at, member)| {
                    SyncGroupRequestAssignment::default()
                        .with_member_id(member.id.clone())
                        .with_assignment(Bytes::from(format!("for {at}")))
                });
                let request = SyncGroupRequest::default()
                    .with_group_id(id.into())
                    .with_member_id(self.members[*member].id.clone())
                    .with_group_instance_id(instance(*member))
                    .with_generation_id(self.members[*member].generation + slip)
                    .with_protocol_type(Some(text("consumer")))
                    .with_protocol_name(Some(text("range")))
                    .with_assignments(assignments.collect());
                self.hold("SyncGroup", *member, ApiKey::SyncGroup, 5, request);
            }
            Step::Beat { member, slip } => {
                let request = HeartbeatRequest::default()
                    .with_group_id(id.into())
                    .with_member_id(self.members[*member].id.clone())
                    .with_group_instance_id(instance(*member))
                    .with_generation_id(self.members[*member].generation + slip);
                let answer = self.wire.call(ApiKey::Heartbeat, 4, request);
                said.push(self.named(&answer));
            }
            Step::Commit { member, slip } => {
                let partition = OffsetCommitRequestPartition::default()
                    .with_committed_offset(5)
                    .with_committed_leader_epoch(-1);
                let topic = OffsetCommitRequestTopic::default()
                    .with_name(TopicName(text("t")))
                    .with_partitions(vec![partition]);
                let (who, generation) = match member {
                    None => (StrBytes::new(), -1),
                    Some(at) => (self.members[*at].id.clone(), self.members[*at].generation + slip),
                };
                let request = OffsetCommitRequest::default()
                    .with_group_id(id.into())
                    .with_member_id(who)
                    .with_group_instance_id(member.and_then(instance))
                    .with_generation_id_or_member_epoch(generation)
                    .with_topics(vec![topic]);
                let answer = self.wire.call(ApiKey::OffsetCommit, 9, request);
                said.push(self.named(&answer));
            }
            Step::Leave { member } => {
                let identity = MemberIdentity::default()
                    .with_member_id(self.members[*member].id.clone())
                    .with_group_instance_id(instance(*member));
                let request =
                    LeaveGroupRequest::default().with_group_id(id.into()).with_members(vec![identity]);
                let answer = self.wire.call(ApiKey::LeaveGroup, 5, request);
                said.push(self.named(&answer));
            }
            Step::Describe => {
                let request = DescribeGroupsRequest::default().with_groups(vec![id.into()]);
                let answer = self.wire.call(ApiKey::DescribeGroups, 6, request);
                let ResponseKind::DescribeGroups(mut described) = answer else { panic!("no description") };
                for group in &mut described.groups {
                    group.members.sort_by(|one, other| one.group_instance_id.cmp(&other.group_instance_id));
                }
                said.push(self.named(&described));
            }
        }
        said.extend(self.settle());
        said
    }

    fn hold(
        &mut self,
        what: &str,
        member: usize,
        api: ApiKey,
        version: i16,
        request: impl Into<kafka_protocol::messages::RequestKind>,
    ) {
        let mut wire = Wire::connect(&self.address);
        wire.send(api, version, request);
        self.waiting.push((what.to_owned(), member, wire));
    }

    /// Takes the answers that have come, and says who still waits.
    fn settle(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        let mut still = Vec::new();
        for (what, member, mut wire) in std::mem::take(&mut self.waiting) {
            match wire.receive(SETTLED) {
                None => {
                    said.push(format!("{member}'s {what} waits"));
                    still.push((what, member, wire));
                }
                Some(ResponseKind::JoinGroup(mut answer)) => {
                    if matches!(answer.error_code, 0 | 79) {
                        self.members[member].id = answer.member_id.clone();
                        self.ids.push((answer.member_id.to_string(), member));
                    }
                    if answer.error_code == 0 {
                        self.members[member].generation = answer.generation_id;
                    }
                    answer.members.sort_by(|one, other| one.group_instance_id.cmp(&other.group_instance_id));
                    said.push(format!("{member}'s {what}: {}", self.named(&answer)));
                }
                Some(answer) => said.push(format!("{member}'s {what}: {}", self.named(&answer))),
            }
        }
        self.waiting = still;
        // Answers to several waiting requests come in no order.
        said.sort();
        said
    }

    fn named(&self, answer: &impl std::fmt::Debug) -> String {
        let mut said = format!("{answer:?}");
        for (id, member) in &self.ids {
            said = said.replace(id, &format!("member {member}"));
        }
        // The id of a member that does not know it yet.
        while let Some(at) = (0..said.len().saturating_sub(35)).find(|&at| is_uuid(&said, at)) {
            said.replace_range(at..at + 36, "new");
        }
        said
    }
}

/// Whether there is an id that is not nil.
fn is_uuid(text: &str, at: usize) -> bool {
    let found = text.get(at..at + 36).and_then(|part| uuid::Uuid::try_parse(part).ok());
    found.is_some_and(|id| !id.is_nil())
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_requests_of_the_classic_protocol_are_answered_alike() {
    let options = Options::new(Version(4, 3, 1)).property("group.initial.rebalance.delay.ms", "0");
    let kafka = milena_tests::fixture::start(options).await.expect("Kafka starts");
    kafka.create_topic("t", 1, 1, &[]).expect("the topic is created");
    let cluster = Cluster::builder().topic("t", 1).start().await.expect("the testkit starts");
    let addresses = [kafka.direct_bootstrap(), cluster.bootstrap_servers()];
    let compared = tokio::task::spawn_blocking(move || {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let (base, sequences) = (number("SEED").unwrap_or(1), number("SEQUENCES").unwrap_or(SEQUENCES));
        let mut sides = addresses.map(|address| Side::connect(&address));
        for seed in base..base + sequences {
            let group = format!("g{seed}");
            sides.iter_mut().for_each(|side| side.begin(&group));
            let mut chance = Chance(seed);
            let mut so_far = String::new();
            for _ in 0..STEPS {
                let step = chance.step();
                let [real, ours] = [0, 1].map(|side| sides[side].take(&group, &step));
                so_far.push_str(&format!("{step:?}\n    {}\n", real.join("\n    ")));
                assert_eq!(
                    ours, real,
                    "SEED={seed}: ours, and Kafka's; what led to it, and Kafka's answers:\n{so_far}"
                );
            }
        }
    });
    compared.await.expect("no panic");
    drop(kafka);
}
