//! Random histories: after every request that a broker takes, it fetches exactly what is wanted.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::broker::{Broker, Cached};
use super::{LIMITS, id_of};
use crate::fetch::{Session, Want};
use crate::types::{AssignmentEpoch, LeaderEpoch, TopicId, TopicPartition};
use crate::wire::{ErrorCode, FetchResponse};

const TOPICS: [&str; 3] = ["a", "b", "c"];
const PARTITIONS: i32 = 3;

#[derive(Clone, Debug)]
enum Op {
    Toggle(usize),
    Seek(usize, i64),
    LeaderMoves(usize, i32),
    Grow(usize, i32),
    Append(usize, i64),
    Recreate(usize),
    ForgetId(usize),
    LearnId(usize),
    Fail(usize),
    Heal,
    Evict,
    KeepSessions(bool),
    NewBrokerVersion { by_id: bool },
    Exchange(Fate),
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    RequestLost,
    AnswerLost,
    Refused,
    Throttled,
    /// The answer leaves out one partition.
    Hole,
    /// The answer names one partition too many.
    Extra,
}

fn op() -> impl Strategy<Value = Op> {
    let partition = 0..TOPICS.len() * PARTITIONS as usize;
    let topic = 0..TOPICS.len();
    let fate = prop_oneof![
        12 => Just(Fate::Answered),
        1 => Just(Fate::RequestLost),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::Refused),
        1 => Just(Fate::Throttled),
        1 => Just(Fate::Hole),
        1 => Just(Fate::Extra),
    ];
    prop_oneof![
        4 => partition.clone().prop_map(Op::Toggle),
        2 => (partition.clone(), 0..20i64).prop_map(|(partition, offset)| Op::Seek(partition, offset)),
        1 => (partition.clone(), 0..5).prop_map(|(partition, epoch)| Op::LeaderMoves(partition, epoch)),
        1 => (partition.clone(), 1..5).prop_map(|(partition, bytes)| Op::Grow(partition, bytes)),
        4 => (partition.clone(), 1..30i64).prop_map(|(partition, end)| Op::Append(partition, end)),
        1 => topic.clone().prop_map(Op::Recreate),
        1 => topic.clone().prop_map(Op::ForgetId),
        1 => topic.prop_map(Op::LearnId),
        1 => partition.prop_map(Op::Fail),
        1 => Just(Op::Heal),
        1 => Just(Op::Evict),
        1 => any::<bool>().prop_map(Op::KeepSessions),
        1 => any::<bool>().prop_map(|by_id| Op::NewBrokerVersion { by_id }),
        12 => fate.prop_map(Op::Exchange),
    ]
}

struct World {
    session: Session,
    broker: Broker,
    /// Whether the connection's version is 13 or newer.
    speaks_ids: bool,
    ids: [TopicId; 3],
    incarnations: u8,
    wanted: BTreeMap<usize, Want>,
    paused: BTreeMap<usize, Want>,
    epochs: u64,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            session: Session::new(),
            broker: Broker::new(),
            speaks_ids: true,
            ids: TOPICS.map(id_of),
            incarnations: 0,
            wanted: BTreeMap::new(),
            paused: BTreeMap::new(),
            epochs: 0,
        };
        for index in 0..TOPICS.len() * PARTITIONS as usize {
            let (topic, partition) = place(index);
            let want = Want {
                tp: TopicPartition::new(TOPICS[topic], partition),
                topic_id: world.ids[topic],
                epoch: world.next_epoch(),
                offset: 0,
                current_leader_epoch: None,
                last_fetched_epoch: None,
                max_bytes: 100,
            };
            world.paused.insert(index, want);
        }
        world
    }

    fn next_epoch(&mut self) -> AssignmentEpoch {
        self.epochs += 1;
        AssignmentEpoch(self.epochs)
    }

    fn any(&mut self, index: usize) -> &mut Want {
        self.wanted
            .get_mut(&index)
            .or_else(|| self.paused.get_mut(&index))
            .expect("every partition is in one of the two")
    }

    fn set_topic_id(&mut self, topic: usize, id: TopicId) {
        for index in 0..TOPICS.len() * PARTITIONS as usize {
            if place(index).0 == topic {
                self.any(index).topic_id = id;
            }
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Toggle(index) => match self.wanted.remove(&index) {
                Some(want) => drop(self.paused.insert(index, want)),
                None => drop(self.paused.remove(&index).map(|want| self.wanted.insert(index, want))),
            },
            Op::Seek(index, offset) => {
                let epoch = self.next_epoch();
                let want = self.any(index);
                (want.offset, want.epoch) = (offset, epoch);
            }
            Op::LeaderMoves(index, epoch) => {
                let want = self.any(index);
                want.last_fetched_epoch = want.current_leader_epoch;
                want.current_leader_epoch = Some(LeaderEpoch(epoch));
            }
            Op::Grow(index, bytes) => self.any(index).max_bytes += bytes,
            Op::Append(index, end) => {
                let (topic, partition) = place(index);
                self.broker.append(TOPICS[topic], partition, end);
            }
            Op::Recreate(topic) => {
                self.incarnations += 1;
                self.ids[topic].0[15] = self.incarnations;
                self.set_topic_id(topic, self.ids[topic]);
            }
            Op::ForgetId(topic) => self.set_topic_id(topic, TopicId::ZERO),
            Op::LearnId(topic) => self.set_topic_id(topic, self.ids[topic]),
            Op::Fail(index) => {
                let (topic, partition) = place(index);
                let error = ErrorCode::NOT_LEADER_OR_FOLLOWER;
                self.broker.errors.insert((TOPICS[topic].to_owned(), partition), error);
            }
            Op::Heal => self.broker.errors.clear(),
            Op::Evict => self.broker.evict_all(),
            Op::KeepSessions(keeps) => self.broker.keeps_sessions = keeps,
            Op::NewBrokerVersion { by_id } => {
                // Another version takes another connection.
                self.session.handle_failure();
                self.broker.evict_all();
                self.speaks_ids = by_id;
            }
            Op::Exchange(fate) => self.exchange(fate),
        }
    }

    fn exchange(&mut self, fate: Fate) {
        let wants: Vec<Want> = self.wanted.values().cloned().collect();
        let request = self.session.build(&wants, &LIMITS);
        if matches!(fate, Fate::RequestLost) {
            return self.session.handle_failure();
        }
        let by_id = self.speaks_ids && self.session.needs_max_version().is_none();
        let mut response = self.broker.handle(&request, by_id);
        if response.error.is_ok() {
            self.broker_fetches_what_is_wanted(&wants);
        }
        let mut spoilt = false;
        match fate {
            Fate::RequestLost | Fate::Answered => {}
            Fate::AnswerLost => return self.session.handle_failure(),
            Fate::Refused => response = FetchResponse { error: ErrorCode::UNKNOWN_SERVER_ERROR, ..response },
            Fate::Throttled => {
                response = FetchResponse { throttle_time_ms: 7, topics: Vec::new(), ..response };
            }
            Fate::Hole => drop(response.topics.pop()),
            Fate::Extra => {
                if let Some(topic) = response.topics.first_mut() {
                    topic.partitions.push(super::broker::answered(99, ErrorCode::NONE, 0));
                    spoilt = true;
                }
            }
        }
        match self.session.handle_response(&response) {
            Ok(answer) => {
                assert!(!spoilt, "took a partition nobody asked for");
                let full = request.session_epoch == 0;
                let named: usize = response.topics.iter().map(|topic| topic.partitions.len()).sum();
                if full && response.throttle_time_ms == 0 {
                    assert_eq!(answer.missing.len(), wants.len() - named, "holes in a full answer are told");
                } else {
                    assert_eq!(answer.missing, []);
                }
                let moved: Vec<_> = answer
                    .partitions
                    .iter()
                    .map(|answered| {
                        // The broker's answers say in the high watermark from where they were read.
                        assert_eq!(answered.stamp.offset, answered.answer.high_watermark, "{}", answered.tp);
                        (answered.tp.clone(), answered.stamp, answered.answer.error)
                    })
                    .collect();
                for (tp, stamp, error) in moved {
                    self.deliver(&tp, stamp.epoch, error);
                }
            }
            Err(error) => assert!(spoilt || !response.error.is_ok(), "refused an honest answer: {error}"),
        }
    }

    fn deliver(&mut self, tp: &TopicPartition, epoch: AssignmentEpoch, error: ErrorCode) {
        let end = self.broker.end(&tp.topic, tp.partition);
        let want =
            self.wanted.values_mut().find(|want| want.tp == *tp).expect("only what is wanted is answered");
        assert_eq!(want.epoch, epoch, "the stamp is of the epoch in which the request was built");
        if error.is_ok() {
            want.offset = want.offset.max(end);
        }
    }

    fn broker_fetches_what_is_wanted(&self, wants: &[Want]) {
        let fetched: BTreeMap<_, _> = self
            .broker
            .fetched
            .values()
            .map(|cached| ((cached.name.clone(), cached.partition), cached.clone()))
            .collect();
        let wanted: BTreeMap<_, _> = wants
            .iter()
            .map(|want| {
                let (name, partition) = (want.tp.topic.to_string(), want.tp.partition);
                let cached = Cached {
                    name: name.clone(),
                    partition,
                    offset: want.offset,
                    current_leader_epoch: want.current_leader_epoch,
                    last_fetched_epoch: want.last_fetched_epoch,
                    max_bytes: want.max_bytes,
                };
                ((name, partition), cached)
            })
            .collect();
        assert_eq!(fetched, wanted);
        let ours: BTreeMap<_, _> = self
            .session
            .partitions()
            .map(|(tp, stamp)| ((tp.topic.to_string(), tp.partition), stamp.offset))
            .collect();
        let theirs: BTreeMap<_, _> = fetched.into_iter().map(|(at, cached)| (at, cached.offset)).collect();
        assert_eq!(ours, theirs);
        assert_eq!(self.session.len(), ours.len());
        assert!(
            self.session.names.len() <= self.session.topics.len(),
            "names of topics that left are forgotten"
        );
    }
}

fn place(index: usize) -> (usize, i32) {
    (index / PARTITIONS as usize, (index % PARTITIONS as usize) as i32)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_brokers_session_is_ours_and_nothing_stalls(ops in prop::collection::vec(op(), 1..80)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
        }
        // Once all is well, two rounds are enough: one that may have to start over, one that is answered.
        world.apply(&Op::Heal);
        for _ in 0..2 {
            world.apply(&Op::Exchange(Fate::Answered));
        }
        for want in world.wanted.values() {
            prop_assert!(want.offset >= world.broker.end(&want.tp.topic, want.tp.partition), "{} stalls", want.tp);
        }
        // And a session that nothing happens in names nothing.
        world.broker.keeps_sessions = true;
        for _ in 0..2 {
            world.apply(&Op::Exchange(Fate::Answered));
        }
        if !world.wanted.is_empty() {
            let wants: Vec<Want> = world.wanted.values().cloned().collect();
            let request = world.session.build(&wants, &LIMITS);
            prop_assert!(request.session_epoch > 0 && request.topics.is_empty() && request.forgotten.is_empty());
        }
    }
}
