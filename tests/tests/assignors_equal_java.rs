//! Every assignor answers as Java's class of the same name does: on 10,000 random rebalances each, byte for byte.
//!
//! What is compared is what others see: each member's assignment as it stands in SyncGroup, order included, and the
//! subscription with which a member of that assignor would rejoin, with its user data. Java is deterministic in all of it:
//! where a `HashMap` decides, its order follows from the keys and the order in which they came, and both are given.
//!
//! In three places Java's sticky assignors leave partitions unread, and Milena does not follow them there: where a topic has
//! fewer partitions than a member claims (they throw, or hand out what does not exist), where a member wants nothing and
//! others do (it is given a share), and where a former owner no longer wants a topic (it is given back to it). Such rebalances
//! are counted apart, are no part of the 10,000, and ours must be sound and complete there.
//!
//! The sources of the assignors in 3.9.2 and 4.3.1 differ in no decision; both are asked all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::io::{BufRead, BufReader, Write as _};
use std::process::Stdio;
use std::thread;

use bytes::Bytes;
use milena_tests::fixture::kafka::Version;
use proto::group::consumer_protocol::{Assignment, Subscription};
use proto::group::{AssignorKind, GroupAssignment, Member, PartitionRacks};
use proto::types::{Generation, TopicName, TopicPartition};
use xtask::java::{self, Sources};

/// Rebalances of each assignor that are compared.
const COMPARED: usize = 10_000;

#[test]
fn every_assignor_is_that_of_java_4_3() {
    compare_all(Version::NEWEST, 0x5eed);
}

#[test]
fn every_assignor_is_that_of_java_3_9() {
    compare_all(Version::LAST_3, 0xfeed);
}

fn compare_all(version: Version, seed: u64) {
    let mut rebalances = Vec::new();
    for kind in AssignorKind::ALL {
        let mut dice = Dice(seed ^ kind as u64);
        let (mut number, mut group) = (0, 0);
        // A few more than are wanted, for those in which Java errs.
        while number < COMPARED + COMPARED / 10 {
            let lived = Group::new(kind, group, &mut dice).live();
            (number, group) = (number + lived.len(), group + 1);
            rebalances.extend(lived);
        }
    }
    let answers = ask_java(version, &rebalances);
    let mut tally: BTreeMap<AssignorKind, Tally> = BTreeMap::new();
    for (rebalance, answer) in rebalances.iter().zip(&answers) {
        let tally = tally.entry(rebalance.kind).or_default();
        match rebalance.check(answer) {
            Verdict::Equal => tally.equal += 1,
            Verdict::JavaErrs => tally.java_errs += 1,
            Verdict::Differs(how) => {
                tally.differ += 1;
                if tally.shortest.as_ref().is_none_or(|shortest| how.len() < shortest.len()) {
                    tally.shortest = Some(how);
                }
            }
        }
    }
    println!("{version}: {tally:#?}");
    assert!(tally.values().all(|tally| tally.differ == 0), "some differ; the shortest of each are above");
    for kind in AssignorKind::ALL {
        let Tally { equal, java_errs: mistaken, .. } = tally[&kind];
        assert!(equal >= COMPARED, "{kind}: {equal} compared");
        assert!(mistaken * 20 < equal, "{kind}: Java errs in {mistaken} of {equal}: look at the generator");
    }
}

/// One rebalance as the leader sees it, and what ours made of it.
struct Rebalance {
    kind: AssignorKind,
    at: String,
    generation: Generation,
    counts: BTreeMap<TopicName, i32>,
    racks: PartitionRacks,
    members: Vec<Member>,
    sent: Vec<Bytes>,
    /// What any member says that it has, in its assignor's way.
    claims: Vec<TopicPartition>,
    assigned: GroupAssignment,
}

enum Verdict {
    Equal,
    JavaErrs,
    Differs(String),
}

#[derive(Default)]
struct Tally {
    equal: usize,
    java_errs: usize,
    differ: usize,
    /// Of those that differ.
    shortest: Option<String>,
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} are equal, in {} Java errs, {} differ", self.equal, self.java_errs, self.differ)?;
        self.shortest.as_ref().map_or(Ok(()), |shortest| write!(f, "; one of them:\n{shortest}"))
    }
}

impl Rebalance {
    /// As `AssignorAnswers.java` reads it.
    fn line(&self) -> String {
        let mut line = format!("{}\t{}\t", self.kind, self.generation.0);
        for (at, (topic, count)) in self.counts.iter().filter(|(_, count)| **count > 0).enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(line, "{space}{topic}=").unwrap();
            for partition in 0..*count as usize {
                let racks = self.racks.get(topic).and_then(|racks| racks.get(partition));
                let racks = racks.map(|racks| racks.iter().map(String::as_str).collect::<Vec<_>>().join("+"));
                let semicolon = if partition == 0 { "" } else { ";" };
                write!(line, "{semicolon}{}", racks.unwrap_or_default()).unwrap();
            }
        }
        for (member, sent) in self.members.iter().zip(&self.sent) {
            let instance = member.group_instance_id.as_deref().unwrap_or_default();
            write!(line, "\t{} {instance} {}", member.member_id, hex(sent)).unwrap();
        }
        line
    }

    fn check(&self, answer: &str) -> Verdict {
        let theirs: Vec<(&str, &str)> =
            answer.split('\t').filter_map(|member| member.split_once(' ')).collect();
        let threw = answer.starts_with("threw ");
        if !threw {
            let ours: Vec<(String, String)> = self.members.iter().map(|member| self.told(member)).collect();
            if ours.iter().map(|(left, right)| (&**left, &**right)).eq(theirs.iter().copied()) {
                return Verdict::Equal;
            }
        }
        let decode = |assignment| Assignment::decode(unhex(assignment)).expect("Java writes it").partitions;
        let javas: Vec<Vec<TopicPartition>> = match threw {
            true => Vec::new(),
            false => theirs.iter().map(|(assignment, _)| decode(assignment)).collect(),
        };
        let ours: Vec<_> =
            self.members.iter().map(|member| self.assigned[&member.member_id].clone()).collect();
        let errs = threw || self.is_unsound(&javas) || self.has_ghosts() || self.has_idlers();
        if errs && !self.is_unsound(&ours) && self.is_complete(&ours) {
            return Verdict::JavaErrs;
        }
        Verdict::Differs(format!(
            "{}\n{}\nours:   {ours:?}\nJava's: {javas:?}\nJava:   {answer}",
            self.at,
            self.line()
        ))
    }

    /// Whether somebody gets what it did not ask for, what does not exist, or what another one gets.
    fn is_unsound(&self, assigned: &[Vec<TopicPartition>]) -> bool {
        let mut seen = BTreeSet::new();
        self.members.iter().zip(assigned).any(|(member, partitions)| {
            partitions.iter().any(|partition| {
                !self.exists(partition)
                    || !member.subscription.topics.contains(&partition.topic)
                    || !seen.insert(partition)
            })
        })
    }

    /// Whether somebody claims a partition that its topic does not have any more: Java's sticky assignors count it as any
    /// other, and then give too little to somebody, or throw.
    fn has_ghosts(&self) -> bool {
        let is_ghost = |partition: &TopicPartition| {
            self.counts.get(&partition.topic).is_some_and(|count| *count > 0) && !self.exists(partition)
        };
        self.claims.iter().any(is_ghost)
    }

    /// Whether some member wants nothing, while others do. If Java looks at such a one first, it takes all members for wanting the
    /// same, and keeps shares for it that nobody gets.
    fn has_idlers(&self) -> bool {
        let mut wanted = self.members.iter().map(|member| member.subscription.topics.is_empty());
        wanted.clone().any(|idle| idle) && wanted.any(|idle| !idle)
    }

    /// Whether everything that is wanted is given to somebody; or, in a cooperative group, claimed by somebody who is to give it
    /// up first.
    fn is_complete(&self, assigned: &[Vec<TopicPartition>]) -> bool {
        let given: BTreeSet<_> = assigned.iter().flatten().collect();
        let claimed: BTreeSet<_> = self.claims.iter().filter(|_| self.kind.is_cooperative()).collect();
        let wanted: BTreeSet<_> =
            self.members.iter().flat_map(|member| &member.subscription.topics).collect();
        let all = wanted.into_iter().flat_map(|topic| {
            let count = self.counts.get(topic).copied().unwrap_or(0);
            (0..count).map(|partition| TopicPartition::new(topic.clone(), partition))
        });
        all.into_iter().all(|partition| given.contains(&partition) || claimed.contains(&partition))
    }

    fn exists(&self, partition: &TopicPartition) -> bool {
        self.counts.get(&partition.topic).is_some_and(|count| partition.partition < *count)
    }

    /// What the coordinator hears for this member: its assignment, and its next subscription.
    fn told(&self, member: &Member) -> (String, String) {
        let assignment = Assignment { partitions: self.assigned[&member.member_id].clone(), user_data: None };
        let sent = assignment.encode(3);
        let assigned = Assignment::decode(sent.clone()).expect("ours is readable").partitions;
        let next = Subscription {
            topics: member.subscription.topics.clone(),
            user_data: self.kind.user_data(Some((self.generation, &assigned))),
            owned_partitions: assigned,
            generation: Some(self.generation),
            rack: member.subscription.rack.clone(),
        };
        (hex(&sent), hex(&next.encode(3)))
    }
}

/// A member over its life.
#[derive(Clone)]
struct Fellow {
    id: String,
    instance: Option<String>,
    rack: Option<String>,
    /// Of its serialized subscription: older clients are in the same group.
    version: i16,
    topics: BTreeSet<TopicName>,
    /// What its assignor last gave it, ...
    last: Option<(Generation, Vec<TopicPartition>)>,
    /// ... and the time before.
    before: Option<(Generation, Vec<TopicPartition>)>,
    /// What the subscription claims.
    owned: Vec<TopicPartition>,
    generation: Option<Generation>,
}

/// A group that lives through rebalances: members come, go, forget, miss one, claim what others have by now; topics grow, shrink
/// (created again) and go.
struct Group<'a> {
    kind: AssignorKind,
    number: usize,
    dice: &'a mut Dice,
    /// Whether replicas and members are in racks.
    in_racks: bool,
    same_topics: bool,
    topics: BTreeMap<TopicName, Vec<BTreeSet<String>>>,
    members: Vec<Fellow>,
    members_max: usize,
}

impl<'a> Group<'a> {
    fn new(kind: AssignorKind, number: usize, dice: &'a mut Dice) -> Self {
        let (in_racks, same_topics) = (dice.one_in(3), !dice.one_in(3));
        let members_max = if dice.one_in(12) { 40 } else { 6 };
        let mut group = Self {
            kind,
            number,
            in_racks,
            same_topics,
            topics: BTreeMap::new(),
            members: Vec::new(),
            members_max,
            dice,
        };
        // Beyond 12 Java's tables grow.
        let topics_max = if group.dice.one_in(20) { 30 } else { 5 };
        for _ in 0..1 + group.dice.below(topics_max) {
            let topic = group.dice.name("topic").into();
            group.resize(topic);
        }
        for _ in 0..1 + group.dice.below(members_max) {
            group.join();
        }
        group
    }

    fn live(mut self) -> Vec<Rebalance> {
        let rounds = 1 + self.dice.below(8);
        let mut lived = Vec::new();
        for round in 0..rounds {
            if round > 0 {
                // Mostly one thing happens at a time.
                for _ in 0..if self.dice.one_in(4) { 4 } else { 1 } {
                    self.change();
                }
            }
            lived.push(self.rebalance(round));
        }
        lived
    }

    fn resize(&mut self, topic: TopicName) {
        let count = match self.dice.below(16) {
            0 => 0,
            1 => 20 + self.dice.below(60),
            2..6 => 8 + self.dice.below(12),
            _ => 1 + self.dice.below(8),
        };
        self.grow(topic, count);
    }

    fn grow(&mut self, topic: TopicName, count: usize) {
        let mut partitions = self.topics.remove(&topic).unwrap_or_default();
        partitions.truncate(count);
        while partitions.len() < count {
            let racks = (0..1 + self.dice.below(3)).filter_map(|_| self.dice.rack(self.in_racks)).collect();
            partitions.push(racks);
        }
        self.topics.insert(topic, partitions);
    }

    fn join(&mut self) {
        let id = self.dice.name("member");
        if self.members.len() >= self.members_max || self.members.iter().any(|member| member.id == id) {
            return;
        }
        let mut fellow = Fellow {
            instance: self.dice.one_in(4).then(|| self.dice.name("instance")),
            rack: self.dice.rack(self.in_racks),
            version: if self.dice.one_in(6) { self.dice.below(3) as i16 } else { 3 },
            id,
            topics: BTreeSet::new(),
            last: None,
            before: None,
            owned: Vec::new(),
            generation: None,
        };
        self.subscribe(&mut fellow);
        self.members.push(fellow);
    }

    fn subscribe(&mut self, fellow: &mut Fellow) {
        let (same, dice) = (self.same_topics, &mut *self.dice);
        fellow.topics = self.topics.keys().filter(|_| same || !dice.one_in(3)).cloned().collect();
        if !same && dice.one_in(6) {
            fellow.topics.insert("no-such-topic".into());
        }
    }

    /// What makes a group rebalance.
    fn change(&mut self) {
        let one = self.dice.below(self.members.len());
        match self.dice.below(12) {
            0 | 1 if self.members.len() > 1 => {
                self.members.remove(one);
            }
            2 => {
                let topic = self.dice.pick(self.topics.keys()).clone();
                let count = self.topics[&topic].len() + 1 + self.dice.below(3);
                self.grow(topic, count);
            }
            3 => {
                let topic = if self.dice.one_in(2) {
                    self.dice.name("topic").into()
                } else {
                    self.dice.pick(self.topics.keys()).clone()
                };
                if !self.topics.contains_key(&topic) || self.dice.one_in(8) {
                    self.resize(topic);
                }
                if self.same_topics {
                    let all: BTreeSet<_> = self.topics.keys().cloned().collect();
                    self.members.iter_mut().for_each(|member| member.topics = all.clone());
                }
            }
            // Fell out of the group, or started again.
            4 => {
                let fellow = &mut self.members[one];
                (fellow.owned, fellow.generation) = (Vec::new(), None);
                if self.dice.one_in(2) {
                    (fellow.last, fellow.before) = (None, None);
                }
            }
            5 | 6 => {
                let mut fellow = self.members[one].clone();
                self.subscribe(&mut fellow);
                fellow.owned.retain(|partition| fellow.topics.contains(&partition.topic));
                self.members[one] = fellow;
            }
            // Missed the last rebalance: what it had before, others may own by now.
            7 => {
                let fellow = &mut self.members[one];
                if let Some((generation, partitions)) = fellow.before.clone() {
                    (fellow.owned, fellow.generation) = (partitions.clone(), Some(generation));
                    fellow.last = Some((generation, partitions));
                }
            }
            // Claims at random.
            8 if self.dice.one_in(3) => {
                let (dice, topics) = (&mut *self.dice, &self.topics);
                let mut claims = Vec::new();
                for (topic, partitions) in topics {
                    let claimed = (0..partitions.len()).filter(|_| dice.one_in(3));
                    claims.extend(
                        claimed.map(|partition| TopicPartition::new(topic.clone(), partition as i32)),
                    );
                }
                let fellow = &mut self.members[one];
                fellow.owned.clone_from(&claims);
                fellow.last = fellow.last.take().map(|(generation, _)| (generation, claims));
            }
            9 => {}
            _ => self.join(),
        }
        // The coordinator lists members as its own table has them.
        if self.dice.one_in(4) {
            let at = self.dice.below(self.members.len());
            self.members.rotate_left(at);
        }
    }

    fn rebalance(&mut self, round: usize) -> Rebalance {
        let generation = Generation((self.number % 3 * 1000 + round + 1) as i32);
        let mut members = Vec::new();
        let mut sent = Vec::new();
        let mut claims = Vec::new();
        for fellow in &self.members {
            match self.kind {
                AssignorKind::Sticky => {
                    claims.extend(fellow.last.iter().flat_map(|(_, last)| last.iter().cloned()))
                }
                _ => claims.extend(fellow.owned.iter().cloned()),
            }
            let last = fellow.last.as_ref();
            let mut user_data =
                self.kind.user_data(last.map(|(generation, partitions)| (*generation, &**partitions)));
            if self.dice.one_in(60) {
                // From another program, or from a version that is not known.
                user_data = user_data.map(|bytes| bytes.slice(..self.dice.below(bytes.len() + 1)));
            }
            let subscription = Subscription {
                topics: fellow.topics.iter().cloned().collect(),
                user_data,
                owned_partitions: fellow.owned.clone(),
                generation: fellow.generation,
                rack: fellow.rack.clone(),
            };
            let bytes = subscription.encode(fellow.version);
            members.push(Member {
                member_id: fellow.id.clone(),
                group_instance_id: fellow.instance.clone(),
                subscription: Subscription::decode(bytes.clone()).expect("ours is readable"),
            });
            sent.push(bytes);
        }
        let counts = self.topics.iter().map(|(topic, racks)| (topic.clone(), racks.len() as i32)).collect();
        let racks = self.topics.clone();
        let assigned = self.kind.assign(&counts, &racks, &members);
        for fellow in &mut self.members {
            let partitions = assigned[&fellow.id].clone();
            let sent = Assignment { partitions, user_data: None }.encode(3);
            let partitions = Assignment::decode(sent).expect("ours is readable").partitions;
            fellow.before = fellow.last.replace((generation, partitions.clone()));
            // An eager member rejoins with empty hands.
            let keeps = self.kind == AssignorKind::CooperativeSticky || self.dice.one_in(10);
            fellow.owned = if keeps { partitions } else { Vec::new() };
            fellow.generation = Some(generation);
        }
        let at = format!("{} group {} round {round}", self.kind, self.number);
        Rebalance { kind: self.kind, at, generation, counts, racks, members, sent, claims, assigned }
    }
}

/// SplitMix64: the same seed gives the same groups on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below a bound above 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<T>(&mut self, all: impl ExactSizeIterator<Item = T>) -> T {
        let at = self.below(all.len());
        all.into_iter().nth(at).expect("below the length")
    }

    fn rack(&mut self, in_racks: bool) -> Option<String> {
        (in_racks && !self.one_in(6)).then(|| format!("rack-{}", self.below(4)))
    }

    /// Names that people give, and names that hash far apart and sort in odd ways.
    fn name(&mut self, kind: &str) -> String {
        match self.below(4) {
            0 => format!("{kind}-{}", self.below(30)),
            1 => format!("consumer-{kind}-{}-{:016x}", self.below(4), self.roll()),
            2 if kind != "topic" => format!("{}-{}", ["é", "日本", "🦀", "ｚ"][self.below(4)], self.below(9)),
            _ => {
                let letters = b"abzABZ019._-";
                (0..1 + self.below(12)).map(|_| char::from(letters[self.below(letters.len())])).collect()
            }
        }
    }
}

/// What Java answers, line by line.
fn ask_java(version: Version, rebalances: &[Rebalance]) -> Vec<String> {
    let mut command = java::command(Sources::Newest, version, "AssignorAnswers").expect("it compiles");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Java runs");
    let mut stdin = child.stdin.take().expect("it is piped");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let lines: Vec<String> = rebalances.iter().map(Rebalance::line).collect();
    let writer = thread::spawn(move || {
        for line in lines {
            stdin.write_all(line.as_bytes()).and_then(|()| stdin.write_all(b"\n")).expect("Java reads");
        }
    });
    let answers: Vec<String> = stdout.lines().map(|line| line.expect("Java writes UTF-8")).collect();
    writer.join().expect("all is written");
    assert!(child.wait().expect("Java ends").success());
    assert_eq!(answers.len(), rebalances.len());
    answers
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("memory is there");
    }
    text
}

fn unhex(hex: &str) -> Bytes {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("it is hex")).collect()
}
